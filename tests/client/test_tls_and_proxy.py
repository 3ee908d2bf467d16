"""Creates over TLS and through a proxy: the deadline holds there too, and what never left is told from what did."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from prefect_seedance.client.async_client import AsyncSeedanceClient
from prefect_seedance.client.outcome import Accepted, NeverSent, Outcome, Unknown
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.sync_client import SeedanceClient
from tests.client import wire_server
from tests.client.wire_server import BeforeReading, Reply, WireServer, answer

REQUEST = VideoRequest(prompt="A paper boat")
ACCEPTED = {"code": 20000, "data": {"task_id": "videos_1"}}


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of its own, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


Submit = Callable[..., Outcome]


@pytest.fixture(params=["blocking", "awaited"])
def submit(request: pytest.FixtureRequest, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[Submit]:
    trust = contexts[1]
    proxy: list[str] = []

    def blocking(url: str, timeout: float, may_send: Callable[[], bool] | None = None) -> Outcome:
        transport = httpx.HTTPTransport(verify=trust, proxy=proxy[0] if proxy else None)
        with transport, SeedanceClient("sk_test", url, transport=transport) as client:
            return client.submit_video(REQUEST, timeout=timeout, may_send=may_send)

    def awaited(url: str, timeout: float, may_send: Callable[[], bool] | None = None) -> Outcome:
        async def run() -> Outcome:
            transport = httpx.AsyncHTTPTransport(verify=trust, proxy=proxy[0] if proxy else None)
            async with transport, AsyncSeedanceClient("sk_test", url, transport=transport) as client:
                return await client.submit_video(REQUEST, timeout=timeout, may_send=may_send)

        return asyncio.run(run())

    chosen = blocking if request.param == "blocking" else awaited
    chosen.proxy = proxy  # type: ignore[attr-defined]
    yield chosen


def through(submit: Submit, proxy: str) -> None:
    submit.proxy.append(proxy)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "reply",
    [wire_server.hang, wire_server.TRICKLED_HEADERS, wire_server.TRICKLED_BODY],
    ids=["silence", "trickled headers", "trickled body"],
)
@pytest.mark.sample(every=2)
def test_the_total_deadline_holds_over_tls(
    submit: Submit, contexts: tuple[ssl.SSLContext, ssl.SSLContext], reply: Reply
) -> None:
    with WireServer([reply], tls=contexts[0]) as server:
        outcome = submit(server.url, 2.0)
        assert isinstance(outcome, Unknown)
        assert "no complete answer within 2 s" in outcome.reason
        server.wait_for_requests(1)
        assert server.posts == 1


def test_an_answer_over_tls_is_read(submit: Submit, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with WireServer([answer(200, ACCEPTED)], tls=contexts[0]) as server:
        assert submit(server.url, 10) == Accepted("videos_1")


def test_a_certificate_that_nobody_trusts_was_sent_nothing(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    with (
        WireServer([answer(200, ACCEPTED)], tls=contexts[0]) as server,
        SeedanceClient("sk_test", server.url) as client,
    ):
        assert isinstance(client.submit_video(REQUEST), NeverSent)
        assert server.received == []


def test_a_server_that_never_ends_its_handshake_was_sent_nothing(submit: Submit) -> None:
    with WireServer([BeforeReading(wire_server.hang)]) as server:
        outcome = submit(server.url.replace("http:", "https:"), 0.5)
        assert isinstance(outcome, NeverSent)
        assert "handshake operation timed out" in outcome.reason or "no connection within 0.5 s" in outcome.reason


@pytest.mark.parametrize(
    "reply",
    [wire_server.hang, wire_server.drop, answer(403, body=b""), answer(502, body=b"<html>")],
    ids=["silence", "dropped", "forbidden", "no way on"],
)
def test_what_ends_at_the_proxy_was_never_sent(submit: Submit, reply: Reply) -> None:
    with WireServer([reply]) as proxy:
        through(submit, proxy.url)
        outcome = submit("https://127.0.0.1:9", 1.0)
        assert isinstance(outcome, NeverSent)
        proxy.wait_for_requests(1)
        assert [request.method for request in proxy.received] == ["CONNECT"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [(answer(200, ACCEPTED), Accepted), (wire_server.drop, Unknown), (wire_server.hang, Unknown)],
    ids=["accepted", "dropped", "silence"],
)
def test_what_passes_the_proxy_is_judged_like_any_other(
    submit: Submit, contexts: tuple[ssl.SSLContext, ssl.SSLContext], reply: Reply, expected: type[Outcome]
) -> None:
    with WireServer([reply], tls=contexts[0]) as server:

        def tunnel(wire: wire_server.Wire) -> None:
            wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            wire_server.relay(wire, server.port)

        with WireServer([tunnel]) as proxy:
            through(submit, proxy.url)
            assert type(submit(server.url, 3.0)) is expected
            server.wait_for_requests(1)
            assert proxy.received[0].method == "CONNECT"
            assert server.posts == 1


def test_a_create_that_a_plain_proxy_swallows_is_unknown(submit: Submit) -> None:
    with WireServer([wire_server.drop]) as proxy:
        through(submit, proxy.url)
        assert isinstance(submit("http://127.0.0.1:9", 30.0), Unknown)
        assert [request.method for request in proxy.received] == ["POST"]


# The right to send is asked for when everything else is done.


def encrypted_by(context: ssl.SSLContext, wire: wire_server.Wire, late_seconds: float = 0.0) -> None:
    """Answer one connection with TLS, after a while, and pass on to nobody what comes."""
    wire.wait(late_seconds)
    with context.wrap_socket(wire.socket.dup(), server_side=True) as encrypted:
        seen.append(encrypted.recv(65536))
    raise wire_server.CloseConnection


#: What came to `encrypted_by` behind its handshakes.
seen: list[bytes] = []


def test_a_right_that_ran_out_during_a_late_handshake_sends_not_one_byte(
    submit: Submit, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    seen.clear()
    late = BeforeReading(lambda wire: encrypted_by(contexts[0], wire, late_seconds=0.7))
    with WireServer([late]) as server:
        started = time.monotonic()
        outcome = submit(server.url.replace("http:", "https:"), 30.0, lambda: time.monotonic() - started < 0.6)
        assert isinstance(outcome, NeverSent) and "right to send" in outcome.reason
        deadline = time.monotonic() + 30
        while not seen and time.monotonic() < deadline:
            time.sleep(0.01)
        assert seen == [b""]


def test_a_right_that_ran_out_on_the_way_through_a_proxy_sends_no_request(
    submit: Submit, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    with WireServer([answer(200, ACCEPTED)], tls=contexts[0]) as server:

        def tunnel(wire: wire_server.Wire) -> None:
            wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            wire_server.relay(wire, server.port)

        with WireServer([tunnel]) as proxy:
            through(submit, proxy.url)
            asked: list[int] = []

            def may_send() -> bool:
                asked.append(server.connections)
                return len(asked) > 1

            assert isinstance(submit(server.url, 30.0, may_send), NeverSent)
            assert server.received == [] and asked == [1], "asked once, and behind the vendor's handshake"
            assert submit(server.url, 30.0, may_send) == Accepted("videos_1")
            assert server.posts == 1


def test_the_right_is_not_asked_for_where_there_is_no_connection(submit: Submit) -> None:
    def may_send() -> bool:
        raise AssertionError("nothing could be sent")

    assert isinstance(submit("https://127.0.0.1:9", 30.0, may_send), NeverSent)


def test_a_right_that_cannot_be_told_sends_nothing(submit: Submit) -> None:
    def may_send() -> bool:
        raise RuntimeError("a clock that cannot be read")

    with WireServer([answer(200, ACCEPTED)]) as server:
        assert isinstance(submit(server.url, 30.0, may_send), NeverSent)
        assert server.received == []


def test_the_total_deadline_of_a_call_counts_a_sleep_before_its_first_byte(
    submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The machine cannot be put to sleep here, so the clock that counts it is told what it would have seen.
    monkeypatch.setattr("prefect_seedance.client.http.start_stopwatch", lambda: lambda: 3600.0)
    with WireServer([answer(200, ACCEPTED)]) as server:
        outcome = submit(server.url, 150.0)
        assert isinstance(outcome, NeverSent) and "before anything was sent" in outcome.reason
        assert server.received == []
