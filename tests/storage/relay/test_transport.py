"""The connection goes to the address that was checked, under the name that was asked for."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from prefect_seedance.storage.errors import ForbiddenSource
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.transport import MediaHTTP
from tests.storage.media_server import serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for media.example.com that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "media.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("media.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls_is_verified_for_the_name_while_the_connection_goes_to_the_checked_address(
    certificate: Path,
) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    policy = MediaPolicy(allow_loopback=True, resolver=lambda host, port: ["127.0.0.1"])
    with (
        serving(b"video", tls=served) as server,
        MediaHTTP(policy, transport=lambda: httpx.HTTPTransport(verify=trusting)) as http,
    ):
        with http.get(f"https://media.example.com:{server.port}/a?b=c", {}) as response:
            assert response.read() == b"video"
        assert server.seen[0].headers["host"] == f"media.example.com:{server.port}"
        assert server.seen[0].path == "/a?b=c"
        with (
            pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
            http.get(f"https://other.example.com:{server.port}/a", {}),
        ):
            pass


def test_a_name_that_resolves_differently_the_second_time_reaches_nothing_private() -> None:
    answers = [["93.184.216.34"], ["10.0.0.1"]]
    reached: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        reached.append(request.url.host)
        return httpx.Response(200)

    policy = MediaPolicy(resolver=lambda host, port: answers.pop(0))
    with MediaHTTP(policy, transport=lambda: httpx.MockTransport(answer)) as http:
        with http.get("https://media.example.com/a", {}):
            assert reached == ["93.184.216.34"]
        with pytest.raises(ForbiddenSource), http.get("https://media.example.com/a", {}):
            pass
    assert reached == ["93.184.216.34"]


def test_the_next_address_is_tried_when_one_cannot_be_connected_to() -> None:
    with serving(b"video") as server:
        policy = MediaPolicy(allow_loopback=True, resolver=lambda host, port: ["127.0.0.2", "::1", "127.0.0.1"])
        with (
            MediaHTTP(policy, timeout=httpx.Timeout(2)) as http,
            http.get(f"http://localhost:{server.port}/a", {}) as response,
        ):
            assert response.read() == b"video"


def test_a_named_host_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def refuse() -> None:
            connection, _ = proxy.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        policy = MediaPolicy(allow_hosts=frozenset({"media.example.com"}))
        with (
            MediaHTTP(policy) as http,
            pytest.raises(httpx.ProxyError),
            http.get("https://media.example.com/a", {}),
        ):
            pass
        thread.join(5)
    assert asked[0].startswith(b"CONNECT media.example.com:443 ")


def test_a_proxy_that_cannot_be_used_does_not_disturb_hosts_that_go_round_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with (
        serving(b"video") as server,
        MediaHTTP(MediaPolicy(allow_loopback=True)) as http,
        http.get(f"{server.url}/a", {}) as response,
    ):
        assert response.read() == b"video"
