"""Whatever a media host puts into the head of an answer, the relay ends in an error of its own, or in the video."""

from __future__ import annotations

import threading

import httpx
import pytest

from prefect_seedance.storage.errors import ForbiddenSource, SourceError
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.source import MediaSource, SourceLimits
from tests.client.wire_server import CloseConnection, Reply, Wire, WireServer
from tests.storage.clips import lookalike

VIDEO = lookalike(100_000)
DIGITS = b"9" * 5000


def reply(status: int, *headers: bytes, body: bytes = b"", then_close: bool = False) -> Reply:
    """An answer with these header lines and no others."""

    def send(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 %d Test\r\n" % status + b"".join(line + b"\r\n" for line in headers) + b"\r\n" + body)
        if then_close:
            raise CloseConnection

    return send


def whole(*headers: bytes) -> Reply:
    return reply(200, b"Content-Length: %d" % len(VIDEO), *headers, body=VIDEO)


def half(*headers: bytes) -> Reply:
    return reply(200, b"Content-Length: %d" % len(VIDEO), *headers, body=VIDEO[:50_000], then_close=True)


def rest(*headers: bytes) -> Reply:
    return reply(206, b"Content-Length: 50000", *headers, body=VIDEO[50_000:])


def source(server: WireServer, waits: list[float]) -> MediaSource:
    return MediaSource(
        lambda refresh: f"{server.url}/a.mp4?Signature=secret",
        policy=MediaPolicy(allow_loopback=True),
        limits=SourceLimits(faults_in_a_row=2),
        timeout=httpx.Timeout(10.0),
        sleep=waits.append,
    )


RANGE = b"Content-Range: bytes 50000-99999/100000"
# What stands in the head, and the script of answers.
SURVIVED: dict[str, list[Reply]] = {
    "a date of other letters": [half("Last-Modified: Сегодня".encode()), whole()],
    "an ETag of other letters": [half(b'ETag: "\xff\xfe"'), whole()],
    "an ETag of 10 kB": [half(b'ETag: "%s"' % (b"a" * 10_000)), whole()],
    "the clock of other letters": [
        reply(503, b"Retry-After: Sun, 22 Nov 2020 09:00:00 GMT", "Date: ж".encode(), b"Content-Length: 0"),
        whole(),
    ],
    "no year of ours": [reply(503, b"Retry-After: Mon, 01 Jan 99999 00:00:00 GMT", b"Content-Length: 0"), whole()],
    "no zone of ours": [reply(503, b"Retry-After: Mon, 01 Jan 2026 00:00:00 +9999", b"Content-Length: 0"), whole()],
    "half a date": [reply(503, b"Retry-After: Mon,", b"Content-Length: 0"), whole()],
    "a cookie from another world": [whole(b"Set-Cookie: a=b; expires=Mon, 01 Jan 99999 00:00:00 GMT; domain=[::1")],
    "a media type that no header may hold": [whole("Content-Type: видео/мп4".encode())],
    "an empty coding": [whole(b"Content-Encoding: ")],
    "a coding that packs nothing": [whole(b"Content-Encoding: aws-chunked")],
    "a part that nobody asked for": [
        reply(206, b"Content-Length: 50000", b'ETag: "a"', b"Content-Range: bytes 0-49999/100000", body=VIDEO[:50_000]),
        rest(b'ETag: "a"', RANGE),
    ],
    "the whole as a part": [
        reply(206, b"Content-Length: 100000", b"Content-Range: bytes 0-99999/100000", body=VIDEO),
    ],
    "a proxy's own answer": [reply(203, b"Content-Length: 100000", body=VIDEO)],
    "several parts that pose as one": [
        half(b'ETag: "a"'),
        reply(
            206,
            b"Content-Length: 50000",
            b'ETag: "a"',
            RANGE,
            b"Content-Type: multipart/byteranges; boundary=x",
            body=(b"--x\r\n\r\n" + VIDEO[50_000:])[:50_000],
        ),
        whole(),
    ],
    "a length beside chunks": [
        reply(
            200,
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(VIDEO), VIDEO),
        )
    ],
    "leading zeros": [reply(200, b"Content-Length: %020d" % len(VIDEO), body=VIDEO)],
    "an answer that is none": [reply(200, b"Content-Length: " + DIGITS), whole()],
    "two lengths": [reply(200, b"Content-Length: 5", b"Content-Length: 6"), whole()],
    "a chunk of 5,000 digits": [reply(200, b"Transfer-Encoding: chunked", body=DIGITS + b"\r\n"), whole()],
    "a redirect without a place": [reply(302, b"Location: ", b"Content-Length: 0"), whole()],
}


def read(script: list[Reply], waits: list[float]) -> bytes:
    """Read like the relay: started over when it cannot be continued."""
    with WireServer(script) as server:
        reading = source(server, waits)
        try:
            return b"".join(reading.iter_bytes())
        except SourceError:
            return b"".join(reading.iter_bytes())


@pytest.mark.parametrize("script", SURVIVED.values(), ids=SURVIVED.keys())
def test_an_odd_head_does_not_stand_between_us_and_the_video(script: list[Reply]) -> None:
    waits: list[float] = []
    assert read(script, waits) == VIDEO
    assert all(0 <= wait <= 120 for wait in waits)


FAILED: dict[str, list[Reply]] = {
    "a range of 5,000 digits": [half(b'ETag: "a"'), rest(b"Content-Range: bytes 50000-99999/" + DIGITS)],
    "a range from 5,000 digits on": [half(b'ETag: "a"'), rest(b"Content-Range: bytes %s-1/2" % DIGITS)],
    "a pause of 5,000 digits": [reply(503, b"Retry-After: " + DIGITS, b"Content-Length: 0")],
    "a pause of 5,000 digits in milliseconds": [reply(503, b"Retry-After-Ms: " + DIGITS, b"Content-Length: 0")],
    "a length of 5,000 digits": [reply(200, b"Content-Length: " + DIGITS)],
    "a length of 20 digits": [reply(200, b"Content-Length: " + b"9" * 20, body=VIDEO)],
}


@pytest.mark.parametrize("script", FAILED.values(), ids=FAILED.keys())
def test_a_head_that_cannot_be_used_is_an_error_of_the_relay(script: list[Reply]) -> None:
    with WireServer(script) as server, pytest.raises(SourceError) as caught:
        b"".join(source(server, []).iter_bytes())
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 1000


PLACES = [
    b"https://xn--zzzzz--/",
    b"javascript:alert(1)",
    b"data:video/mp4;base64,AAAA",
    b"https://[::1",
    b"https://[::1]]/",
    b"https://[fe80::1%25eth0]/a",
    b"https://media.example.com:99999/a",
    b"https://media.example.com:%s/a" % DIGITS,
    b"https://media.example.com:abc/a",
    b"https://" + b"a" * 300 + b".example.com/a",
    b"https://.example.com/a",
    b"https://exa mple.com/a",
    b"https://\xff\xfe/a",
    "https://точка.рф:ы/a".encode(),
    b"https:///a",
    b"//",
    b"https://media.example.com/\x01",
    b"https://media.example.com/\x7f",
    b"https://media\texample.com/",
    b"https://media.example.com\\@10.0.0.1/",
    b"HTTP://" + b"a" * 70 + b".example.com/a",
    b"http:",
    b"https://%00/",
    b"https://%s/" % DIGITS,
    b"https://media.example.com/" + b"a" * 70_000,
    b"https://user:word@media.example.com/a",
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ascii(place[:40]))
def test_a_redirect_to_nowhere_is_an_error_of_the_relay(place: bytes) -> None:
    def resolver(host: str, port: int) -> list[str]:
        if host == "127.0.0.1":
            return [host]
        host.encode("idna")  # as the system's does, which raises for what is no name
        raise OSError("no such host")

    script = [reply(302, b"Location: " + place, b"Content-Length: 0")]
    with WireServer(script) as server:
        reading = MediaSource(
            lambda refresh: f"{server.url}/a?Signature=secret",
            policy=MediaPolicy(allow_loopback=True, resolver=resolver),
            limits=SourceLimits(faults_in_a_row=2),
            sleep=lambda seconds: None,
        )
        with pytest.raises(SourceError) as caught:
            b"".join(reading.iter_bytes(threading.Event()))
    assert not {"secret", "word"} & set(str(caught.value).replace("=", " ").split())


def test_what_no_repeat_can_change_is_told_from_what_it_can() -> None:
    """A place that is none is forbidden; a head that cannot be read may be another one the next time."""
    kinds: list[type[Exception]] = []
    for script in ([reply(302, b"Location: javascript:alert(1)")], [reply(200, b"Content-Length: " + DIGITS)]):
        with WireServer(script) as server, pytest.raises(SourceError) as caught:
            b"".join(source(server, []).iter_bytes())
        kinds.append(type(caught.value))
    assert (kinds[0] is ForbiddenSource, kinds[1] is ForbiddenSource) == (True, False)


LINKS = [
    "https://xn--zzzzz--/a?Signature=secret",
    "https://media.example.com/" + "a" * 100_000,
    "https://media.example.com:99999/a",
    "https://[::1/a",
    "http://[::1/a",
    "https://\udcff/a",
    "https://media.example.com/\udcff",
    "javascript:alert(1)",
    "https://" + "a" * 70 + ".example.com/a",
    "http://" + "a" * 70 + ".example.com/a",
    "",
]


@pytest.mark.parametrize("link", LINKS, ids=lambda link: ascii(link[:40]))
@pytest.mark.parametrize("trusted", [False, True])
def test_a_link_that_cannot_be_followed_is_an_error_of_the_relay(
    link: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    hosts = frozenset({"xn--zzzzz--", ".example.com", "\udcff"}) if trusted else frozenset[str]()

    def nobody(host: str, port: int) -> list[str]:
        host.encode("idna")
        raise OSError("no such host")

    policy = MediaPolicy(allow_hosts=hosts, resolver=nobody)
    limits = SourceLimits(faults_in_a_row=2)
    reading = MediaSource(lambda refresh: link, policy=policy, limits=limits, sleep=lambda seconds: None)
    with pytest.raises(SourceError) as caught:
        list(reading.iter_bytes())
    assert "secret" not in str(caught.value)
