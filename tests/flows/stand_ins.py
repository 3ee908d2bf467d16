"""Stand-ins for the services that notifications go to: one web server for all of them, and a mail server.

Prefect's classes for Slack, Discord, PagerDuty, Twilio, Opsgenie and SendGrid have their hosts built in, and Teams
insists on https. They are reached as a company reaches them that lets nobody out but through its proxy: the library
behind them honours ``HTTPS_PROXY`` and ``REQUESTS_CA_BUNDLE``. The proxy here ends every tunnel in itself, with a
certificate for all those hosts; nothing in the classes is changed, and no name is looked up.
"""

from __future__ import annotations

import email.policy
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote_plus

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

#: What each service answers when it has taken a message.
HOSTS = {
    "hooks.slack.com": (200, b"ok"),
    "prod-01.westus.logic.azure.com": (202, b""),
    "discord.com": (204, b""),
    "events.pagerduty.com": (202, b'{"status": "success"}'),
    "api.twilio.com": (201, b'{"status": "queued"}'),
    "api.opsgenie.com": (202, b'{"result": "Request will be processed", "requestId": "1"}'),
    "api.sendgrid.com": (202, b""),
}


@dataclass(frozen=True)
class Received:
    """A message that arrived.

    Attributes:
        host: As the sender named it.
        path: With its query.
        body: Decoded, whether it is JSON or a form.
    """

    host: str
    path: str
    body: str


@dataclass
class Services:
    """Everything that arrived, and where to send to.

    Attributes:
        url: The address for classes that may be given one.
        ca: The certificate to trust.
        received: In order of arrival.
    """

    url: str
    ca: Path
    received: list[Received] = field(default_factory=list)

    @property
    def host(self) -> tuple[str, int]:
        """Host and port."""
        name, _, port = self.url.removeprefix("http://").partition(":")
        return name, int(port)

    def with_words(self, *words: str) -> list[Received]:
        """Messages that have all these words in them."""
        return [each for each in self.received if all(word in each.body for word in words)]


@contextmanager
def running_services(folder: Path) -> Iterator[Services]:
    """Serve until the end of the ``with`` block. Paths that begin with ``/500`` or ``/hang`` do what they say."""
    ca = folder / "ca.pem"
    ca.write_bytes(_certificate(list(HOSTS)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(ca)
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.connection = tls.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)  # type: ignore[assignment]
            self.close_connection = False

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.headers.get_content_type() == "application/x-www-form-urlencoded":
                body = unquote_plus(body)
            host = self.headers["Host"].partition(":")[0]
            services.received.append(Received(host, self.path, body))
            if self.path.startswith("/hang"):
                stopped.wait(60)
                return
            status, answer = HOSTS.get(host, (200, b"{}"))
            self.send_response(500 if self.path.startswith("/500") else status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    services = Services(f"http://127.0.0.1:{server.server_address[1]}", ca)
    with _serving(server):
        try:
            yield services
        finally:
            stopped.set()


@dataclass
class Mailbox:
    """A mail server and what it took.

    Attributes:
        port: On this machine.
        messages: In order of arrival.
    """

    port: int
    messages: list[EmailMessage] = field(default_factory=list)

    def text(self) -> str:
        """Everything that was sent, decoded."""
        parts: list[str] = []
        for message in self.messages:
            body = message.get_body(("plain", "html"))
            parts += [str(message["Subject"]), body.get_content() if body else ""]
        return "\n".join(parts)


@contextmanager
def running_mail_server() -> Iterator[Mailbox]:
    """Take mail by SMTP (RFC 5321), as far as a client that wants neither TLS nor a login needs it."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline():
                match line.split(None, 1)[0].upper() if line.split() else b"":
                    case b"DATA":
                        self.say("354 end with a dot")
                        lines = list(iter(self.rfile.readline, b".\r\n"))
                        message = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(b"".join(lines))
                        mailbox.messages.append(message)
                        self.say("250 taken")
                    case b"QUIT":
                        return self.say("221 bye")
                    case _:
                        self.say("250 fine")

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    mailbox = Mailbox(server.server_address[1])
    with _serving(server):
        yield mailbox


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _certificate(hosts: list[str]) -> bytes:
    """Make a key, and a certificate for these hosts that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "services")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = datetime.fromtimestamp(time.time(), UTC)
    usage = dict.fromkeys(
        ["content_commitment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"],
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_encipherment=True, key_cert_sign=True, **usage), critical=True
        )
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
