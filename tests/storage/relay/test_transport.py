"""The connection goes to the address that was checked, under the name that was asked for."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from prefect_seedance.storage.errors import (
    ForbiddenSource,
    LinkExpired,
    RelayCancelled,
    SourceError,
    SourceUnavailable,
)
from prefect_seedance.storage.relay.network import NetworkLimits
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.source import MediaSource
from prefect_seedance.storage.relay.transport import MediaHTTP
from tests.client.wire_server import Reply, Wire, WireServer
from tests.client.wire_server import relay as passed_on
from tests.storage.certificates import write_certificate
from tests.storage.clips import lookalike
from tests.storage.media_server import Fault, MediaServer, serving
from tests.storage.relay.test_endless_host import BODIES, HEADS, IMPATIENT, cancelled_soon
from tests.storage.relay.test_endless_host import source as source_of

VIDEO = lookalike(700_000)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for two hosts that signs itself."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "pair.pem", "media.example.com", "localhost")


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


@pytest.fixture
def behind_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Names a proxy in the environment that is spoken to by TLS itself; behind it everything leads to this port."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    monkeypatch.setattr("prefect_seedance.tls._context", ssl.create_default_context(cafile=str(certificate)))
    with ExitStack() as stack:

        def lead_to(port: int) -> None:
            def tunnel(wire: Wire) -> None:
                wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
                passed_on(wire, port)

            proxy = stack.enter_context(WireServer([tunnel], tls=served))
            monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")

        yield lead_to


NAMED = MediaPolicy(allow_hosts=frozenset({"media.example.com"}))


@pytest.mark.parametrize(
    "fault", [Fault(), Fault(no_length=True), Fault(cut_after=400_000)], ids=["whole", "of an unknown size", "cut"]
)
def test_tls_within_the_tls_of_a_proxy(fault: Fault, behind_tls: Callable[[int], None], encrypted: MediaServer) -> None:
    behind_tls(encrypted.port)
    encrypted.plan(fault)
    source = MediaSource(lambda refresh: "https://media.example.com/a.mp4", policy=NAMED, sleep=lambda seconds: None)
    assert b"".join(source.iter_bytes()) == VIDEO
    assert encrypted.seen[0].headers["host"] == "media.example.com"


def test_the_certificate_behind_such_a_proxy_is_looked_at(
    behind_tls: Callable[[int], None], encrypted: MediaServer
) -> None:
    behind_tls(encrypted.port)
    policy = MediaPolicy(allow_hosts=frozenset({"other.example.com"}))
    with (
        MediaHTTP(policy) as http,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
        http.get("https://other.example.com/a", {}),
    ):
        pass
    assert not encrypted.seen


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reply", (HEADS | BODIES).values(), ids=(HEADS | BODIES).keys())
@pytest.mark.sample(every=3)
def test_behind_such_a_proxy_no_answer_holds_a_relay_for_ever_either(
    reply: Reply, behind_tls: Callable[[int], None], certificate: Path
) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    with WireServer([reply], tls=served) as host:
        behind_tls(host.port)
        link = "https://media.example.com/a.mp4"
        with pytest.raises(SourceError):
            list(source_of(link, IMPATIENT, NAMED).iter_bytes())
        with pytest.raises(RelayCancelled):
            list(source_of(link, NetworkLimits(), NAMED).iter_bytes(cancelled_soon()))


# Plain http.


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[MediaServer]:
    """A host that speaks https alone."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    with serving(VIDEO, tls=served) as server:
        yield server


def reading(link: str, certificate: Path, *, allow_http: bool = False, waits: list[float] | None = None) -> MediaSource:
    """A source on this machine that is treated like one out in the network."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    return MediaSource(
        lambda refresh: link,
        policy=MediaPolicy(allow_hosts=frozenset({"localhost"}), allow_http=allow_http),
        transport=lambda: httpx.HTTPTransport(verify=trusting),
        timeout=httpx.Timeout(10.0),
        sleep=([] if waits is None else waits).append,
    )


@pytest.mark.parametrize("allow_http", [False, True])
@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_a_link_of_plain_http_is_followed_by_https(
    certificate: Path, encrypted: MediaServer, scheme: str, allow_http: bool
) -> None:
    link = f"{scheme}://localhost:{encrypted.port}/a.mp4?Signature=a%2Fb"
    assert b"".join(reading(link, certificate, allow_http=allow_http).iter_bytes()) == VIDEO
    assert [seen.path for seen in encrypted.seen] == ["/a.mp4?Signature=a%2Fb"]


def test_a_host_without_https_is_an_error_that_names_the_setting_at_once(certificate: Path) -> None:
    waits: list[float] = []
    with (
        serving(VIDEO) as server,
        pytest.raises(SourceUnavailable, match="set allow_http_media of the store") as caught,
    ):
        list(reading(f"http://localhost:{server.port}/a?Signature=secret", certificate, waits=waits).iter_bytes())
    assert "secret" not in str(caught.value)
    assert (waits, server.seen) == ([], [])


def test_the_setting_admits_plain_http_where_there_is_no_https(certificate: Path) -> None:
    with serving(VIDEO) as server:
        server.plan(Fault(cut_after=300_000), Fault(status=503))
        link = f"http://localhost:{server.port}/a?Signature=secret"
        assert b"".join(reading(link, certificate, allow_http=True).iter_bytes()) == VIDEO
    assert [seen.headers.get("range", "") for seen in server.seen] == ["", "bytes=300000-", "bytes=300000-"]


class Outage(httpx.HTTPTransport):
    """A real connection each time but the second."""

    requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        Outage.requests += 1
        if Outage.requests == 2:
            raise httpx.ConnectError("the network is down for a moment")
        return super().handle_request(request)


@pytest.mark.parametrize("allow_http", [False, True])
def test_where_https_has_worked_an_outage_is_waited_for_and_nothing_falls_back_to_plain_http(
    certificate: Path, encrypted: MediaServer, allow_http: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outage, "requests", 0)
    encrypted.plan(Fault(cut_after=300_000))
    waits: list[float] = []
    trusting = ssl.create_default_context(cafile=str(certificate))
    source = MediaSource(
        lambda refresh: f"http://localhost:{encrypted.port}/a",
        policy=MediaPolicy(allow_hosts=frozenset({"localhost"}), allow_http=allow_http),
        transport=lambda: Outage(verify=trusting),
        timeout=httpx.Timeout(10.0),
        sleep=waits.append,
    )
    assert b"".join(source.iter_bytes()) == VIDEO
    assert (Outage.requests, waits) == (3, [1, 2])


def test_a_link_that_https_refuses_is_an_error_that_names_the_setting(
    certificate: Path, encrypted: MediaServer
) -> None:
    encrypted.plan(*(Fault(status=404) for _ in range(50)))
    with pytest.raises(LinkExpired, match=r"HTTP 404.*set allow_http_media of the store"):
        list(reading(f"http://localhost:{encrypted.port}/a", certificate).iter_bytes())


class OnePortForBoth(httpx.HTTPTransport):
    """Sends plain http to another port, as two sites of one host have two."""

    plain_port = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "http":
            request.url = request.url.copy_with(port=OnePortForBoth.plain_port)
        return super().handle_request(request)


OTHER_SITES: dict[str, list[Fault]] = {
    "a page": [Fault(content=b"\n<!DOCTYPE html><title>Welcome</title>")],
    "a JSON text": [Fault(content=b'{"error": "no such site"}')],
    "a page behind a redirect": [
        Fault(status=302, headers={"location": "/login"}),
        Fault(content=b"<html>Log in</html>"),
    ],
    "nothing there": [Fault(status=404)],
    "nothing behind a redirect": [Fault(status=301, headers={"location": "/a/"}), Fault(status=404)],
    "nobody let in behind a redirect": [Fault(status=302, headers={"location": "/login"}), Fault(status=401)],
}


@pytest.mark.parametrize("faults", OTHER_SITES.values(), ids=OTHER_SITES.keys())
@pytest.mark.parametrize("allow_http", [True, False])
def test_another_site_at_the_hosts_https_does_not_lose_the_video(
    certificate: Path,
    encrypted: MediaServer,
    faults: list[Fault],
    allow_http: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    encrypted.plan(*faults * 20)
    with serving(VIDEO) as server:
        monkeypatch.setattr(OnePortForBoth, "plain_port", server.port)
        source = MediaSource(
            lambda refresh: f"http://localhost:{encrypted.port}/a",
            policy=MediaPolicy(allow_hosts=frozenset({"localhost"}), allow_http=allow_http),
            transport=lambda: OnePortForBoth(verify=trusting),
            timeout=httpx.Timeout(10.0),
            sleep=lambda seconds: None,
        )
        if allow_http:
            server.plan(Fault(cut_after=300_000))
            assert b"".join(source.iter_bytes()) == VIDEO
            assert len(encrypted.seen) == len(faults)
        else:
            with pytest.raises(SourceError, match="set allow_http_media of the store"):
                list(source.iter_bytes())
            assert server.seen == []


@pytest.mark.parametrize("allow_http", [False, True])
def test_a_redirect_to_plain_http_is_followed_by_https_too(
    certificate: Path, encrypted: MediaServer, allow_http: bool
) -> None:
    encrypted.plan(Fault(status=302, headers={"location": f"http://localhost:{encrypted.port}/b"}))
    link = f"https://localhost:{encrypted.port}/a"
    assert b"".join(reading(link, certificate, allow_http=allow_http).iter_bytes()) == VIDEO
    assert [seen.path for seen in encrypted.seen] == ["/a", "/b"]


@pytest.mark.parametrize(("allow_http", "error"), [(False, ForbiddenSource), (True, httpx.TransportError)])
def test_https_that_leads_back_to_plain_http_is_not_asked_for_ever(
    certificate: Path, encrypted: MediaServer, allow_http: bool, error: type[Exception]
) -> None:
    place = f"http://localhost:{encrypted.port}/a"
    encrypted.plan(*(Fault(status=302, headers={"location": place}) for _ in range(50)))
    trusting = ssl.create_default_context(cafile=str(certificate))
    policy = MediaPolicy(allow_hosts=frozenset({"localhost"}), allow_http=allow_http)
    with (
        MediaHTTP(policy, transport=lambda: httpx.HTTPTransport(verify=trusting)) as http,
        pytest.raises(error),
        http.get(f"https://localhost:{encrypted.port}/a", {}),
    ):
        pass
    assert len(encrypted.seen) == 1  # plain http was asked next, or nothing


@pytest.mark.parametrize(
    ("link", "allow_http", "ways"),
    [
        ("https://a.example.com/v?Signature=x", True, ["https://a.example.com/v?Signature=x"]),
        ("http://a.example.com/v?Signature=%2F+", False, ["https://a.example.com/v?Signature=%2F+"]),
        ("http://a.example.com:80/v", False, ["https://a.example.com/v"]),
        ("http://a.example.com:8080/v", False, ["https://a.example.com:8080/v"]),
        ("HTTP://A.example.com/v", True, ["https://a.example.com/v", "HTTP://A.example.com/v"]),
        ("http://93.184.216.34/v", False, ["http://93.184.216.34/v"]),
        ("http://[2606:2800:220:1::1]/v", True, ["http://[2606:2800:220:1::1]/v"]),
    ],
)
def test_https_is_tried_first_where_a_certificate_can_prove_something(
    link: str, allow_http: bool, ways: list[str]
) -> None:
    assert list(MediaPolicy(allow_http=allow_http).ways(link)) == ways


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254"])
def test_plain_http_opens_no_way_into_the_own_network(address: str) -> None:
    policy = MediaPolicy(allow_http=True, resolver=lambda host, port: [address])
    with MediaHTTP(policy) as http, pytest.raises(ForbiddenSource), http.get("http://media.example.com/a", {}):
        pass


def test_what_signs_a_link_reaches_no_log(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving(VIDEO) as server:
        server.plan(Fault(status=302, headers={"location": "/b?Signature=secret"}), Fault(status=500))
        source = reading(f"http://localhost:{server.port}/a?Signature=secret", certificate, allow_http=True)
        assert b"".join(source.iter_bytes()) == VIDEO
    assert "secret" not in caplog.text
