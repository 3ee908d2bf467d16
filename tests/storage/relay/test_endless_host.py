"""No media host holds a relay for ever, and a cancel ends each wait on one at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from prefect_seedance.storage.errors import ForbiddenSource, RelayCancelled, SourceError
from prefect_seedance.storage.relay.network import NetworkLimits
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.source import MediaSource, SourceLimits
from tests.client.wire_server import BeforeReading, CloseConnection, Reply, Wire, WireServer, hang
from tests.storage.clips import lookalike

VIDEO = lookalike(300_000)
LOOPBACK = MediaPolicy(allow_loopback=True)
IMPATIENT = NetworkLimits(head_seconds=1.0, window_bytes=20_000, window_seconds=1.0)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.timeout(60)


def again_and_again(head: bytes, part: bytes, every: float = 0.05) -> Reply:
    def reply(wire: Wire) -> None:
        wire.send(head)
        while not wire.stopped.is_set():
            wire.send(part)
            wire.wait(every)
        raise CloseConnection

    return reply


HEADS: dict[str, Reply] = {
    "silence": hang,
    "letters of a header": again_and_again(OK + b"X-Slow: ", b"a"),
    "headers": again_and_again(OK, b"X-A: b\r\n"),
    "100 Continue": again_and_again(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "100 Continue without a pause": again_and_again(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500, every=0.0),
    "103 Early Hints": again_and_again(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "102 Processing": again_and_again(b"", b"HTTP/1.1 102 Processing\r\n\r\n", every=0.0),
}
BODIES: dict[str, Reply] = {
    "silence in the body": again_and_again(OK + b"Content-Length: 300000\r\n\r\n" + VIDEO[:5000], b""),
    "letters of a body": again_and_again(OK + b"Content-Length: 300000\r\n\r\n", b"a"),
    "a body until the end": again_and_again(OK + b"\r\n", b"a"),
    "a chunk's extension": again_and_again(CHUNKED + b"5;", b"a"),
    "chunks of one byte with an extension": again_and_again(CHUNKED, b"1;a=" + b"b" * 50_000 + b"\r\na\r\n", 0.0),
    "trailers": again_and_again(CHUNKED + b"5\r\n\0\0\0\x08f\r\n0\r\n", b"X: y\r\n"),
}


def source(
    link: str, limits: NetworkLimits, policy: MediaPolicy = LOOPBACK, sleep: Callable[[float], None] | None = None
) -> MediaSource:
    patience = SourceLimits(faults_in_a_row=2, first_wait_seconds=0.1, network=limits)
    return MediaSource(lambda refresh: link, policy=policy, limits=patience, sleep=sleep)


def cancelled_soon() -> threading.Event:
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    return cancelled


@pytest.mark.parametrize("reply", (HEADS | BODIES).values(), ids=(HEADS | BODIES).keys())
@pytest.mark.sample(every=2)
def test_no_answer_holds_a_relay_for_ever(reply: Reply) -> None:
    with WireServer([reply]) as server, pytest.raises(SourceError):
        list(source(f"{server.url}/a.mp4", IMPATIENT).iter_bytes())


@pytest.mark.timeout(15)  # shorter than any of the limits
@pytest.mark.parametrize("reply", (HEADS | BODIES).values(), ids=(HEADS | BODIES).keys())
def test_a_cancel_ends_every_wait_on_an_answer(reply: Reply) -> None:
    with WireServer([reply]) as server, pytest.raises(RelayCancelled):
        list(source(f"{server.url}/a.mp4", NetworkLimits()).iter_bytes(cancelled_soon()))


HANDSHAKES: dict[str, Reply] = {
    "silence": hang,
    "letters of a record": again_and_again(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\0"),
}


@pytest.mark.parametrize("reply", HANDSHAKES.values(), ids=HANDSHAKES.keys())
def test_a_handshake_has_an_end_and_is_ended_by_a_cancel(reply: Reply) -> None:
    with WireServer([BeforeReading(reply)]) as server:
        link = server.url.replace("http:", "https:") + "/a.mp4"
        with pytest.raises(SourceError):
            list(source(link, IMPATIENT).iter_bytes())
        with pytest.raises(RelayCancelled):
            list(source(link, NetworkLimits()).iter_bytes(cancelled_soon()))


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port where connections are neither taken nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        time.sleep(0.2)
        yield listener.getsockname()[1]
        for each in waiting:
            each.close()


def test_addresses_that_never_answer_have_an_end_together_and_are_ended_by_a_cancel(deaf_port: int) -> None:
    policy = MediaPolicy(allow_loopback=True, resolver=lambda host, port: ["127.0.0.1"] * 50)
    link = f"http://localhost:{deaf_port}/a.mp4"
    with pytest.raises(SourceError):
        list(source(link, IMPATIENT, policy).iter_bytes())
    with pytest.raises(RelayCancelled):
        list(source(link, NetworkLimits(), policy).iter_bytes(cancelled_soon()))


def test_a_name_that_is_never_resolved_has_an_end_and_is_ended_by_a_cancel() -> None:
    never = threading.Event()

    def resolver(host: str, port: int) -> list[str]:
        never.wait(50)
        return ["127.0.0.1"]

    policy = MediaPolicy(allow_loopback=True, resolver=resolver)
    try:
        with pytest.raises(SourceError):
            list(source("https://media.example.com/a.mp4", IMPATIENT, policy).iter_bytes())
        with pytest.raises(RelayCancelled):
            list(source("https://media.example.com/a.mp4", NetworkLimits(), policy).iter_bytes(cancelled_soon()))
    finally:
        never.set()


@pytest.mark.parametrize("reply", HEADS.values(), ids=HEADS.keys())
@pytest.mark.sample(every=2)
def test_a_proxy_that_never_answers_has_an_end_and_is_ended_by_a_cancel(
    reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = MediaPolicy(allow_hosts=frozenset({"media.example.com"}))
    with WireServer([reply]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(SourceError):
            list(source("https://media.example.com/a.mp4", IMPATIENT, policy).iter_bytes())
        with pytest.raises(RelayCancelled):
            list(source("https://media.example.com/a.mp4", NetworkLimits(), policy).iter_bytes(cancelled_soon()))
        assert {request.method for request in proxy.received} == {"CONNECT"}


def test_redirects_whose_bodies_never_end_are_followed_three_times_and_not_read() -> None:
    endless = again_and_again(
        b"HTTP/1.1 302 Found\r\nLocation: /a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"
    )
    with WireServer([endless]) as server, pytest.raises(ForbiddenSource, match="more than 3 times"):
        list(source(f"{server.url}/a.mp4", NetworkLimits()).iter_bytes())


def test_a_slow_but_honest_line_is_no_fault() -> None:
    """Five times as fast as it must be, and slower than the whole time of a window."""

    def slow(wire: Wire) -> None:
        wire.send(OK + b"Content-Length: 300000\r\n\r\n")
        for start in range(0, len(VIDEO), 10_000):
            wire.send(VIDEO[start : start + 10_000])
            wire.wait(0.1)

    with WireServer([slow]) as server:
        assert b"".join(source(f"{server.url}/a.mp4", IMPATIENT).iter_bytes()) == VIDEO
        assert len(server.received) == 1


def test_a_line_that_becomes_too_slow_is_left_for_a_new_one_that_continues() -> None:
    head = OK + b'ETag: "a"\r\nContent-Length: 300000\r\n\r\n' + VIDEO[:100_000]
    rest = b'HTTP/1.1 206 Part\r\nETag: "a"\r\nContent-Length: %d\r\nContent-Range: bytes %d-299999/300000\r\n\r\n'

    def after(wire: Wire) -> None:
        start = int(server.received[-1].headers["range"].removeprefix("bytes=").removesuffix("-"))
        assert start >= 100_000
        wire.send(rest % (len(VIDEO) - start, start) + VIDEO[start:])

    def drip(wire: Wire) -> None:
        wire.send(head)
        for start in range(100_000, 150_000):
            if wire.stopped.wait(0.05):
                break
            wire.send(VIDEO[start : start + 1])

    with WireServer([drip, after]) as server:
        assert b"".join(source(f"{server.url}/a.mp4", IMPATIENT).iter_bytes()) == VIDEO
        assert len(server.received) == 2


def test_a_video_whose_end_is_never_said_is_whole_once_the_host_has_no_more() -> None:
    head = OK + b'ETag: "a"\r\nTransfer-Encoding: chunked\r\n\r\n'
    endless = again_and_again(head + b"%x\r\n%s\r\n0\r\n" % (len(VIDEO), VIDEO), b"X: y\r\n")
    no_more = b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n"
    with WireServer([endless, lambda wire: wire.send(no_more % len(VIDEO))]) as server:
        assert b"".join(source(f"{server.url}/a.mp4", IMPATIENT).iter_bytes()) == VIDEO
        assert len(server.received) == 2


def test_a_store_that_is_slow_is_not_the_hosts_fault() -> None:
    def whole(wire: Wire) -> None:
        wire.send(OK + b"Content-Length: 300000\r\n\r\n" + VIDEO)

    with WireServer([whole]) as server:
        received = b""
        for chunk in source(f"{server.url}/a.mp4", IMPATIENT).iter_bytes():
            received += chunk
            time.sleep(1.5)  # longer than a window
        assert received == VIDEO
        assert len(server.received) == 1


def test_all_readings_together_have_an_end() -> None:
    drip = again_and_again(OK + b"Content-Length: 300000\r\n\r\n", bytes(1000))
    limits = SourceLimits(longest_seconds=1.0, network=NetworkLimits(window_bytes=10))
    with WireServer([drip]) as server:
        reading = MediaSource(lambda refresh: f"{server.url}/a.mp4", policy=LOOPBACK, limits=limits)
        for _ in range(2):
            with pytest.raises(SourceError):
                list(reading.iter_bytes())
        assert len(server.received) == 1
