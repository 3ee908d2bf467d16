"""What is found behind a link, and every way in which nothing can be found there."""

from __future__ import annotations

import gzip
import io
import logging
import re
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefect_seedance.media import links
from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import ContentChanged, PreparationCancelled, UnusableReference
from prefect_seedance.media.links import LinkedFile, SharedLooks, look_at_link, why_unreachable
from prefect_seedance.signing_schemes import signature_ends_at
from prefect_seedance.storage.relay.network import NetworkLimits
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.remote_file import FIRST_BYTES, MOST_BYTES, MOST_REQUESTS, RemoteFault, RemoteFile
from tests.client.wire_server import BeforeReading, Reply, Wire, WireServer, drop, hang, reset
from tests.storage.certificates import write_certificate
from tests.storage.clips import box, lookalike, make_clip
from tests.storage.media_server import Fault, MediaServer, serving
from tests.storage.relay import test_hostile_host as hostile
from tests.storage.relay.test_endless_host import BODIES, HANDSHAKES, HEADS
from tests.storage.relay.test_policy import BAD_LINKS, DISGUISED_LOOPBACK, PRIVATE_ADDRESSES, PUBLIC

LOOPBACK = MediaPolicy(allow_loopback=True)
IMPATIENT = NetworkLimits(head_seconds=0.5, window_bytes=20_000, window_seconds=0.5)
SECRET = "s3cr3t"
SIGNED = f"/cat.png?X-Amz-Signature={SECRET}&X-Amz-Credential={SECRET}"

pytestmark = pytest.mark.timeout(60)


def png(width: int = 640, height: int = 480, padding: int = 1000) -> bytes:
    """A picture of one colour, with bytes that do not count before its own."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes((width + 7) // 8)) * height)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"prVt", bytes(padding))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


PICTURE = png()


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    links._looks.forget()


@pytest.fixture
def server() -> Iterator[MediaServer]:
    with serving(PICTURE) as server:
        yield server


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of 3 MB whose index stands at its end."""
    clip = make_clip(tmp_path_factory.mktemp("film") / "a.mp4").read_bytes()
    index = clip.index(b"moov") - 4
    return clip[:index] + box(b"free", bytes(3_000_000)) + clip[index:]


def look(address: str, policy: MediaPolicy = LOOPBACK, *, measure: bool = True) -> LinkedFile:
    return look_at_link(address, policy, Follower(), measure=measure, limits=IMPATIENT)


def refused(address: str, policy: MediaPolicy = LOOPBACK, *, measure: bool = True) -> UnusableReference:
    with pytest.raises(UnusableReference) as caught:
        look(address, policy, measure=measure)
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.args} {error.__cause__} {error.fix} {error.rule}"
    assert len(str(error)) < 1000
    return error


def one_answer(*lines: bytes, status: int = 200, body: bytes = b"") -> Reply:
    return hostile.reply(status, *lines, body=body, then_close=True)


# What is found.


@pytest.mark.parametrize("measure", [True, False])
def test_a_picture_is_found_with_one_ranged_get(server: MediaServer, measure: bool) -> None:
    server.last_modified = "Mon, 01 Jun 2026 00:00:00 GMT"
    found = look(server.url + SIGNED, measure=measure)
    assert (found.size, found.etag, found.last_modified) == (len(PICTURE), '"first"', server.last_modified)
    assert found.host == "127.0.0.1"
    if measure:
        assert found.facts is not None
        assert (found.facts.kind, found.facts.width, found.facts.height, found.facts.size) == (
            *("image", 640, 480),
            len(PICTURE),
        )
    else:
        assert found.facts is None
    (seen,) = server.seen
    assert seen.headers["range"] == f"bytes=0-{FIRST_BYTES - 1 if measure else 4095}"
    assert seen.headers["accept-encoding"] == "identity"
    assert not {"cookie", "authorization"} & seen.headers.keys()


def test_a_video_whose_index_is_at_its_end_takes_a_few_requests_and_a_part_of_it(
    server: MediaServer, film: bytes
) -> None:
    server.content = film
    facts = look(f"{server.url}/a.mp4").facts
    assert facts is not None
    assert (facts.kind, facts.width, facts.height, facts.size, facts.unread) == ("video", 320, 180, len(film), "")
    assert facts.seconds == pytest.approx(1.0, abs=0.1)
    asked = [re.findall(r"\d+", seen.headers["range"]) for seen in server.seen]
    assert len(asked) <= MOST_REQUESTS
    assert sum(int(last) + 1 - int(first) for first, last in asked) <= MOST_BYTES


def test_parts_are_asked_for_where_the_redirect_led_to(server: MediaServer, film: bytes) -> None:
    server.content = film
    server.plan(Fault(status=302, headers={"location": f"/b.mp4?Signature={SECRET}"}))
    facts = look(f"{server.url}/a.mp4").facts
    assert facts is not None and facts.seconds > 0
    assert [seen.path.partition("?")[0] for seen in server.seen][:3] == ["/a.mp4", "/b.mp4", "/b.mp4"]


@pytest.mark.parametrize("fault", [Fault(ignore_range=True), Fault(ignore_range=True, chunked=True)])
def test_of_a_host_that_sends_no_parts_the_beginning_is_read(server: MediaServer, fault: Fault) -> None:
    server.plan(fault)
    found = look(f"{server.url}/a.png")
    assert found.facts is not None and found.facts.width == 640


def test_a_small_video_in_chunks_is_measured_though_its_index_is_at_its_end(
    server: MediaServer, tmp_path: Path
) -> None:
    server.content = make_clip(tmp_path / "a.mp4").read_bytes()
    server.plan(Fault(ignore_range=True, chunked=True))
    facts = look(f"{server.url}/a.mp4").facts
    assert facts is not None and (facts.width, facts.size, facts.unread) == (320, len(server.content), "")


def test_what_a_host_that_sends_no_parts_has_at_its_end_cannot_be_measured(server: MediaServer, film: bytes) -> None:
    server.content = film
    server.plan(*[Fault(ignore_range=True)] * 9)
    facts = look(f"{server.url}/a.mp4").facts
    assert facts is not None and facts.seconds == 0
    assert "sends no parts of it" in facts.unread
    assert len(server.seen) == 1


def test_a_file_that_is_sought_through_everywhere_is_given_up(server: MediaServer) -> None:
    server.content = lookalike(20_000_000)
    with RemoteFile(f"{server.url}/a", LOOPBACK, threading.Event()) as remote:
        assert remote.seek(0, io.SEEK_END) == 20_000_000
        assert remote.read() == b""
        with pytest.raises(RemoteFault, match="more than 1024 KB"):
            for position in range(1_000_000, 20_000_000, 1_000_000):
                remote.seek(position)
                assert remote.read(10) == server.content[position : position + 10]
        with pytest.raises(RemoteFault, match="more than 1024 KB"):
            remote.read(10)
        assert remote.fault is not None
    assert len(server.seen) <= MOST_REQUESTS


def test_what_was_read_is_not_asked_for_again(server: MediaServer) -> None:
    server.content = lookalike(1_500_000)
    with RemoteFile(f"{server.url}/a", LOOPBACK, threading.Event()) as remote:
        for position in (0, 1_400_000, 100, 1_400_500, 200, 1_400_000):
            remote.seek(position)
            assert remote.read(5000) == server.content[position : position + 5000]
    assert len(server.seen) == 2


def test_a_body_without_an_end_is_left_after_its_beginning() -> None:
    sent = 0

    def endless(wire: Wire) -> None:
        nonlocal sent
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n" + PICTURE)
        while not wire.stopped.is_set() and sent < 300_000_000:
            wire.send(bytes(100_000))
            sent += 100_000

    with WireServer([endless]) as host:
        facts = look(f"{host.url}/a.png").facts
    assert facts is not None and (facts.width, facts.size) == (640, 300_000_000)
    assert sent < 30_000_000  # what the kernel's buffers hold counts


def test_a_part_that_is_longer_than_asked_for_is_cut() -> None:
    size = 300_000_000

    def rest_of_it(wire: Wire) -> None:
        first = int(host.received[-1].headers["range"].removeprefix("bytes=").partition("-")[0])
        wire.send(b"HTTP/1.1 206 Part\r\nContent-Length: %d\r\n" % (size - first))
        wire.send(b"Content-Range: bytes %d-%d/%d\r\n\r\n" % (first, size - 1, size))
        while not wire.stopped.is_set():
            wire.send(b"\1" * 100_000)

    with WireServer([rest_of_it]) as host, RemoteFile(f"{host.url}/a", LOOPBACK, threading.Event()) as remote:
        for position, count in ((0, 10), (FIRST_BYTES - 5, 5), (200_000_000, 10)):
            remote.seek(position)
            assert remote.read(10) == b"\1" * count
        assert len(host.received) == 2
        assert remote.read(5) == b"\1" * 5
        assert len(remote._beginning) == FIRST_BYTES


@pytest.mark.parametrize("how", ["another ETag", "another size", "another date"])
def test_what_changes_while_it_is_looked_at_is_noticed(server: MediaServer, film: bytes, how: str) -> None:
    server.content, server.last_modified = film, "Mon, 01 Jun 2026 00:00:00 GMT"

    def change(server: MediaServer) -> None:
        server.etag = '"second"' if how == "another ETag" else server.etag
        server.content = film + b"\0" if how == "another size" else server.content
        server.last_modified = "Mon, 01 Jun 2026 00:00:01 GMT" if how == "another date" else server.last_modified

    server.plan(Fault(), Fault(before=change))
    with pytest.raises(ContentChanged):
        look(f"{server.url}/a.mp4")


# How a host packs it.


@pytest.mark.parametrize("label", ["gzip", "x-gzip, identity"])
def test_a_packed_picture_is_measured_by_what_is_in_it(server: MediaServer, label: str) -> None:
    server.content = gzip.compress(PICTURE)
    server.plan(Fault(headers={"content-encoding": label}))
    found = look(f"{server.url}/a.png")
    assert found.facts is not None and found.facts.width == 640
    assert found.size in (None, len(PICTURE))


def test_a_label_on_plain_bytes_does_no_harm(server: MediaServer, film: bytes) -> None:
    server.content = film
    server.plan(*[Fault(headers={"content-encoding": "gzip"})] * 9)
    facts = look(f"{server.url}/a.mp4").facts
    assert facts is not None and (facts.width, facts.size) == (320, len(film))


def test_a_bomb_is_unpacked_no_further_than_anything_else(server: MediaServer) -> None:
    server.content = gzip.compress(PICTURE + bytes(50_000_000), 1)
    server.plan(Fault(headers={"content-encoding": "gzip"}))
    with RemoteFile(f"{server.url}/a", LOOPBACK, threading.Event()) as remote:
        with pytest.raises(RemoteFault, match="compressed"):
            while remote.read(100_000):
                pass
        assert len(remote._beginning) < 2 * MOST_BYTES


def test_what_is_packed_in_a_way_that_nothing_here_unpacks_is_refused(server: MediaServer) -> None:
    server.content = bytes(range(128, 256)) * 10
    server.plan(Fault(headers={"content-encoding": "br"}))
    assert "compressed (br)" in refused(f"{server.url}/a.png").message


def test_a_packed_page_is_a_page(server: MediaServer) -> None:
    server.content = gzip.compress(b"<html>Log in</html>")
    server.plan(Fault(headers={"content-encoding": "gzip"}))
    assert refused(f"{server.url}/a.png").rule == "media content"


# What the vendor would run into as well.

PAGES = [
    b"<!DOCTYPE html><title>Log in</title>",
    b"\xef\xbb\xbf \r\n<html>",
    "<html>Вход</html>".encode(),
    "\ufeff<html>Log in".encode("utf-16-le"),
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    b'{"error": "no such file"}',
    b"Not found",
    b"x",
    "目錄".encode()[:-1],
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
]


@pytest.mark.parametrize("page", PAGES, ids=ascii)
@pytest.mark.parametrize("content_type", ["text/html", "image/png"])
def test_a_page_is_told_by_its_content_whatever_its_type(server: MediaServer, page: bytes, content_type: str) -> None:
    server.content, server.content_type = page, content_type
    assert refused(server.url + SIGNED, measure=False).rule == "media content"


def test_a_picture_is_one_under_the_type_of_a_page_as_well(server: MediaServer) -> None:
    server.content_type = "text/html"
    assert look(f"{server.url}/a.png").size == len(PICTURE)


def test_a_login_behind_a_redirect_is_a_page(server: MediaServer) -> None:
    server.plan(Fault(status=302, headers={"location": f"/login?next={SECRET}"}), Fault(content=PAGES[0]))
    error = refused(server.url + SIGNED)
    assert (error.rule, error.may_be_us) == ("media content", False)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        *((status, "refuses it") for status in (400, 401, 402, 403, 405, 406, 418, 451)),
        *((status, "there is nothing at the link") for status in (404, 410)),
        *((status, "redirects to nowhere") for status in (300, 301, 302, 304, 307)),
        (201, "does not send it"),
        (204, "empty"),
    ],
)
def test_a_refusal_is_an_error(server: MediaServer, status: int, words: str) -> None:
    server.plan(*[Fault(status=status)] * 2)
    error = refused(server.url + SIGNED)
    assert words in error.message
    assert error.may_be_us is False
    assert "s3://" in error.fix
    assert len(server.seen) == 1


EXPIRED_BODY = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Request has expired</Message>"


@pytest.mark.parametrize(
    ("query", "body", "expired"),
    [
        ("X-Amz-Date=20200101T000000Z&X-Amz-Expires=600&X-Amz-Signature=a", b"", True),
        ("x-goog-date=20200101T000000Z&x-goog-expires=600&x-goog-signature=a", b"", True),
        ("Expires=1577836800&Signature=a&AWSAccessKeyId=b", b"", True),
        ("sv=2020&se=2020-01-01T00%3A00%3A00Z&sig=a", b"", True),
        ("q-sign-time=1577836800;1577840400&q-signature=a&q-ak=b", b"", True),
        ("ex=5e0be100&is=5e0be100&hm=" + "a" * 64, b"", True),
        ("", EXPIRED_BODY, True),
        ("", b"<Error><Code>ExpiredToken</Code>", True),
        ("", b"<Error>Signature not valid in the specified time frame</Error>", True),
        ("X-Amz-Date=20200101T000000Z&X-Amz-Expires=604800000000&X-Amz-Signature=a", b"", False),
        ("X-Amz-Date=20200101T000000Z&X-Amz-Expires=99999999&X-Amz-Signature=a", b"", True),
        ("Expires=4102444800&Signature=a", b"", False),
        ("Expires=" + "9" * 5000, b"", False),
        ("X-Amz-Date=99991231T000000Z&X-Amz-Expires=99999999&X-Amz-Signature=a", b"", False),
        ("X-Amz-Date=9999&X-Amz-Expires=9", b"<Error><Code>AccessDenied</Code>", False),
    ],
)
def test_a_link_that_has_expired_is_called_so(query: str, body: bytes, expired: bool) -> None:
    lines = (b"Content-Length: %d" % len(body), b"Date: Fri, 27 Nov 2026 00:00:00 GMT")
    with WireServer([one_answer(*lines, status=403, body=body)]) as host:
        error = refused(f"{host.url}/a.png?{query}")
    assert ("has expired" in error.message) is expired
    assert ("Sign it again" in error.fix) is expired


def test_the_hosts_clock_counts_for_what_has_expired() -> None:
    lines = (b"Content-Length: 0", b"Date: Wed, 01 Jan 2020 00:05:00 GMT")
    with WireServer([one_answer(*lines, status=403)]) as host:
        error = refused(f"{host.url}/a.png?X-Amz-Date=20200101T000000Z&X-Amz-Expires=600")
    assert "refuses it" in error.message


@pytest.mark.parametrize("query", ["", "e=x", "X-Amz-Date=20200101T000000Z", "se=soon", "expires=-1", "%FF=%FF"])
def test_what_does_not_tell_its_end_has_none(query: str) -> None:
    assert signature_ends_at(query) is None


EMPTY: dict[str, list[Reply]] = {
    "a length of 0": [one_answer(b"Content-Length: 0")],
    "no part of nothing": [
        one_answer(b"Content-Range: bytes */0", b"Content-Length: 0", status=416),
        one_answer(b"Content-Length: 0"),
    ],
    "no chunk": [one_answer(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")],
    "the end at once": [one_answer()],
    "no content": [one_answer(status=204)],
}


@pytest.mark.parametrize("script", EMPTY.values(), ids=EMPTY.keys())
def test_an_empty_body_is_an_error(script: list[Reply]) -> None:
    with WireServer(script) as host:
        error = refused(host.url + SIGNED)
    assert (error.rule, error.may_be_us) == ("not empty", False)


def test_a_host_that_refuses_parts_is_asked_for_the_whole() -> None:
    whole = one_answer(b"Content-Length: %d" % len(PICTURE), body=PICTURE)
    for refusal in (
        one_answer(b"Content-Length: 0", status=416),
        one_answer(b"Content-Length: 4", b"Content-Range: bytes 5-8/10", status=206, body=b"abcd"),
        one_answer(b"Content-Length: 4", b"Content-Type: multipart/byteranges; boundary=a", status=206, body=b"abcd"),
    ):
        with WireServer([refusal, whole]) as host:
            found = look(f"{host.url}/a.png")
        assert found.size == len(PICTURE)
        assert ["range" in request.headers for request in host.received] == [True, False]


BROKEN: dict[str, Reply] = {
    "no HTTP": lambda wire: wire.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "a length of words": one_answer(b"Content-Length: many"),
    "two lengths": one_answer(b"Content-Length: 5", b"Content-Length: 6"),
    "a chunk of words": one_answer(b"Transfer-Encoding: chunked", body=b"many\r\n"),
    "a head without an end": lambda wire: wire.send(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000),
    "a zero byte in a header": one_answer(b"A: \0"),
    "gzip that is damaged": one_answer(
        b"Content-Encoding: gzip", body=gzip.compress(PICTURE)[:10] + b"\xff" * 500
    ),
    "parts of nothing": one_answer(b"Content-Range: bytes 0-1/0", b"Content-Length: 2", status=206, body=b"ab"),
    "parts of no size": one_answer(b"Content-Range: bytes 0-1/*", b"Content-Length: 2", status=206, body=b"ab"),
}  # fmt: skip


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_breaks_http_is_an_error_and_is_not_repeated(reply: Reply) -> None:
    with WireServer([reply]) as host:
        error = refused(host.url + SIGNED)
    assert ("not valid HTTP" in error.message, error.may_be_us) == (True, False)


@pytest.mark.parametrize("userinfo", [f"me:{SECRET}", f"{SECRET}", f":{SECRET}"])
def test_a_login_in_the_link_is_refused_with_the_way_that_works(userinfo: str) -> None:
    error = refused(f"https://{userinfo}@media.example.com/a.png", MediaPolicy())
    assert (error.rule, error.may_be_us) == ("no login", False)
    assert "presigned" in error.fix


def test_a_fragment_and_a_port_of_ones_own_are_fine(server: MediaServer) -> None:
    assert look(f"{server.url}/a.png#xywh=1,2,3,4").size == len(PICTURE)
    assert server.seen[0].path == "/a.png"


# Where a link may lead: the rules of the relay, by what is called here.


def answering(*addresses: str, **settings: bool) -> MediaPolicy:
    return MediaPolicy(resolver=lambda host, port: list(addresses), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_a_host_with_a_private_address_is_not_asked(address: str) -> None:
    for policy in (answering(address), answering(PUBLIC, address)):
        error = refused(f"https://media.example.com/a.png?Signature={SECRET}", policy)
        assert (error.rule, error.may_be_us) == ("public https link", False)
        assert "not public" in error.message
        assert why_unreachable("https://media.example.com/a.png", policy, Follower())


@pytest.mark.parametrize("link", [link for link, _ in BAD_LINKS])
def test_a_link_that_is_not_plain_https_is_refused(link: str) -> None:
    link = link.replace("secret", SECRET)
    assert refused(link, answering(PUBLIC)).may_be_us is False
    assert why_unreachable(link, answering(PUBLIC), Follower())


@pytest.mark.parametrize(
    "link",
    [*DISGUISED_LOOPBACK, "https://0x7f000001/", "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest/"],
)
def test_a_private_address_in_disguise_is_not_asked(link: str) -> None:
    refused(link, MediaPolicy())
    assert why_unreachable(link, MediaPolicy(), Follower())


@pytest.mark.parametrize("link", hostile.LINKS, ids=lambda link: ascii(link[:40]))
def test_a_link_that_cannot_be_followed_is_an_error_of_its_own(link: str) -> None:
    def nobody(host: str, port: int) -> list[str]:
        host.encode("idna")
        raise OSError("no such host")

    refused(link, MediaPolicy(resolver=nobody))


@pytest.mark.parametrize("place", hostile.PLACES, ids=lambda place: ascii(place[:40]))
def test_a_redirect_to_nowhere_is_an_error_of_its_own(place: bytes) -> None:
    def resolver(host: str, port: int) -> list[str]:
        if host == "127.0.0.1":
            return [host]
        host.encode("idna")
        raise OSError("no such host")

    with WireServer([hostile.reply(302, b"Location: " + place, b"Content-Length: 0")]) as host:
        refused(host.url + SIGNED, MediaPolicy(allow_loopback=True, resolver=resolver))


@pytest.mark.parametrize(
    "place",
    [
        *("https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://[::ffff:10.0.0.1]/"),
        *("https://0xa000001/", "https://[64:ff9b::a00:1]/", "https://inner.example.com/", "//10.0.0.1/"),
        *("http://93.184.216.34/a.png", "http://media.example.com/a.png", "ftp://media.example.com/a.png"),
        f"https://me:{SECRET}@media.example.com/a.png",
    ],
)
def test_a_redirect_to_where_no_link_may_lead_is_not_followed(server: MediaServer, place: str) -> None:
    def resolver(host: str, port: int) -> list[str]:
        known = {"127.0.0.1": "127.0.0.1", "inner.example.com": "10.0.0.1", "media.example.com": PUBLIC}
        return [known[host]] if host in known else [str(e[4][0]) for e in socket.getaddrinfo(host, port)]

    server.plan(Fault(status=302, headers={"location": place}))
    error = refused(server.url + SIGNED, MediaPolicy(allow_loopback=True, resolver=resolver))
    assert (error.rule, error.may_be_us) == ("public https link", False)
    assert len(server.seen) == 1


@pytest.mark.parametrize("settings", [{"allow_http": True}, {}])
def test_plain_http_is_never_followed_but_on_this_machine(settings: dict[str, bool]) -> None:
    error = refused("http://media.example.com/a.png", answering(PUBLIC, **settings))
    assert "plain http" in error.message
    assert "allow_http" not in f"{error}"


def test_a_name_that_answers_differently_the_second_time_reaches_nothing(server: MediaServer, film: bytes) -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    server.content = film
    policy = MediaPolicy(allow_loopback=True, resolver=lambda host, port: answers.pop(0))
    link = f"https://media.example.com:{server.port}/a.mp4"
    error = refused(link, policy)  # plain http answers there, but the checked address was the one that was asked
    assert error.may_be_us is True
    assert len(answers) == 1
    assert "not public" in refused(link, policy).message


def test_a_name_that_answers_differently_between_two_parts_reaches_nothing(server: MediaServer, film: bytes) -> None:
    server.content = film
    policy = MediaPolicy(allow_loopback=True, resolver=lambda host, port: ["10.0.0.1" if server.seen else "127.0.0.1"])
    error = refused(f"http://media.example.com:{server.port}/a.mp4", policy)
    assert (error.rule, error.may_be_us) == ("public https link", False)
    assert len(server.seen) == 1


def test_redirects_in_a_circle_have_an_end(server: MediaServer) -> None:
    server.plan(*[Fault(status=302, headers={"location": SIGNED})] * 20)
    error = refused(server.url + SIGNED)
    assert "more than 3 times" in error.message
    assert len(server.seen) == 4


def test_three_redirects_are_followed(server: MediaServer) -> None:
    server.plan(*[Fault(status=307, headers={"location": SIGNED})] * 3)
    assert look(server.url + SIGNED).size == len(PICTURE)


# What may be our own network only.


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_host_that_is_busy_may_serve_the_vendor(server: MediaServer, status: int) -> None:
    server.plan(Fault(status=status, headers={"retry-after": "9" * 5000}))
    error = refused(server.url + SIGNED)
    assert (error.may_be_us, f"HTTP {status}" in error.message) == (True, True)


@pytest.mark.parametrize("reply", [drop, reset, one_answer(b"Content-Length: 9000", body=PICTURE[:100])])
def test_a_connection_that_breaks_may_be_ours(reply: Reply) -> None:
    with WireServer([reply]) as host:
        error = refused(host.url + SIGNED)
    assert (error.may_be_us, "broke off" in error.message) == (True, True)


def test_a_name_that_nobody_knows_and_a_port_that_nobody_serves_may_be_ours() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    error = refused("https://media.example.com/a.png", MediaPolicy(resolver=nobody))
    assert (error.may_be_us, "Name or service not known" in error.message) == (True, True)
    why = why_unreachable("https://media.example.com/a.png", MediaPolicy(resolver=nobody), Follower())
    assert "cannot be resolved" in why
    with socket.create_server(("127.0.0.1", 0)) as nothing:
        port = nothing.getsockname()[1]
    error = refused(f"http://127.0.0.1:{port}/a.png")
    assert (error.may_be_us, "cannot be reached" in error.message) == (True, True)


def test_no_host_holds_a_look_for_ever_and_a_cancel_ends_each() -> None:
    def both(reply: Reply) -> None:
        with WireServer([reply]) as host:
            try:
                found = look(host.url + SIGNED)
            except UnusableReference as error:
                assert error.may_be_us is True
            else:  # the beginning has come, and says what it is
                assert found.facts is not None and "in time" in found.facts.unread
            cancelled = threading.Event()
            threading.Timer(0.3, cancelled.set).start()
            with pytest.raises(PreparationCancelled):
                look_at_link(f"{host.url}/a.mp4", LOOPBACK, Follower(cancelled=cancelled))

    replies = [*HEADS.values(), *BODIES.values()]
    with ThreadPoolExecutor(len(replies)) as pool:
        list(pool.map(both, replies))


def test_a_proxy_that_wants_a_login_may_be_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer([one_answer(b"Content-Length: 0", status=407)]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@127.0.0.1:{proxy.port}")
        policy = MediaPolicy(allow_hosts=frozenset({"media.example.com"}))
        error = refused("https://media.example.com/a.png", policy)
    assert (error.may_be_us, "the proxy of this machine" in error.message) == (True, True)


@pytest.mark.parametrize(
    ("hosts", "days_left", "issuer", "words", "ours"),
    [
        (("media.example.com",), 1, "", "", False),
        (("other.example.com",), 1, "", "ostname mismatch", False),
        (("media.example.com",), -1, "", "expired", False),
        (("media.example.com",), 1, "nobody", "self", False),
        (("media.example.com",), 1, "A proxy that looks into it", "issuer", True),
    ],
    ids=["valid", "of another host", "expired", "signed by itself", "by an unknown issuer"],
)
def test_a_certificate_that_is_not_valid_is_an_error_and_an_unknown_issuer_may_be_a_proxy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hosts: tuple[str, ...],
    days_left: int,
    issuer: str,
    words: str,
    ours: bool,
) -> None:
    trusted = write_certificate(tmp_path / "trusted.pem", *hosts, days_left=days_left, issuer=issuer if ours else "")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if issuer == "nobody":
        served.load_cert_chain(write_certificate(tmp_path / "own.pem", *hosts))
    else:
        served.load_cert_chain(trusted)
    context = ssl.create_default_context() if ours else ssl.create_default_context(cafile=str(trusted))
    monkeypatch.setattr("prefect_seedance.tls._context", context)
    policy = MediaPolicy(allow_loopback=True, resolver=lambda host, port: ["127.0.0.1"])
    with serving(PICTURE, tls=served) as host:
        link = f"https://media.example.com:{host.port}{SIGNED}"
        if not words:
            assert look(link, policy).host == "media.example.com"
            assert host.seen[0].headers["host"] == f"media.example.com:{host.port}"
            return
        error = refused(link, policy)
    assert error.rule == "valid certificate"
    assert words in error.message
    assert error.may_be_us is ours


def test_a_port_that_speaks_no_tls_may_be_behind_our_own_firewall(server: MediaServer) -> None:
    assert refused(server.url.replace("http:", "https:") + SIGNED).may_be_us is True


@pytest.mark.parametrize(
    "script", (hostile.SURVIVED | hostile.FAILED).values(), ids=[*hostile.SURVIVED, *hostile.FAILED]
)
def test_an_odd_head_ends_in_an_error_of_its_own_or_in_the_file(script: list[Reply]) -> None:
    with WireServer(script) as host:
        try:
            found = look(host.url + SIGNED)
        except UnusableReference as error:
            assert SECRET not in f"{error} {error!r}"
        else:
            assert all(text.isascii() and text.isprintable() for text in (found.etag, found.last_modified))
            assert len(found.etag) <= 500


# What is told of a link.


def test_of_a_link_nothing_is_shown_but_its_host(server: MediaServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    written: list[str] = []
    follower = Follower(write=lambda level, message: written.append(message))
    server.plan(Fault(status=302, headers={"location": SIGNED}))
    found = look_at_link(server.url + SIGNED, LOOPBACK, follower)
    server.plan(Fault(status=302, headers={"location": SIGNED}), Fault(status=403))
    with pytest.raises(UnusableReference):
        look_at_link(server.url + SIGNED + "&a=b", LOOPBACK, follower)
    assert SECRET not in f"{found} {caplog.text} {written} {links._looks._taken}"


# By what a content is told from another.


def name_of(server: MediaServer, query: str = "", *, measure: bool = True) -> str:
    links._looks.forget()
    found = look(f"{server.url}/a.png{query}", measure=measure)
    assert re.fullmatch("[0-9a-f]{64}", found.content_name)
    return found.content_name


def test_a_name_of_a_content_stays_while_nothing_tells_of_a_change(server: MediaServer) -> None:
    server.last_modified = "Mon, 01 Jun 2026 00:00:00 GMT"
    names = {
        name_of(server),
        name_of(server, measure=False),
        name_of(server, "?X-Amz-Signature=a&X-Amz-Date=1"),
        name_of(server, "?X-Amz-Signature=b&X-Amz-Date=2"),
    }
    assert len(names) == 1


CHANGES: dict[str, Callable[[MediaServer], None]] = {
    "ETag": lambda server: setattr(server, "etag", '"second"'),
    "Last-Modified": lambda server: setattr(server, "last_modified", "Mon, 01 Jun 2026 00:00:09 GMT"),
    "size": lambda server: setattr(server, "content", PICTURE + b"\0"),
    "first bytes": lambda server: setattr(server, "content", PICTURE.replace(b"\x02\x80", b"\x02\x81")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("measure", [True, False])
def test_a_name_of_a_content_changes_with_all_that_tells_of_a_change(
    server: MediaServer, change: Callable[[MediaServer], None], measure: bool
) -> None:
    before = name_of(server, measure=measure)
    change(server)
    assert name_of(server, measure=measure) != before


def test_two_links_are_two_names(server: MediaServer) -> None:
    assert name_of(server, "?v=1") != name_of(server, "?v=2")


@pytest.mark.parametrize(
    ("without", "headers", "again"),
    [
        (("etag",), {}, False),
        ((), {"etag": '""'}, False),
        (("etag",), {"etag": "\x01"}, False),
        (("etag",), {"last-modified": "yesterday"}, False),
        (("etag",), {"last-modified": "Fri, 01 Jan 2100 00:00:00 GMT"}, False),
        (("etag",), {"last-modified": "Mon, 01 Jun 2026 00:00:00 GMT"}, True),
        ((), {"etag": 'W/"weak"'}, True),
    ],
)
def test_where_nothing_would_tell_of_a_change_a_name_never_comes_again(
    server: MediaServer, without: tuple[str, ...], headers: dict[str, str], again: bool
) -> None:
    server.etag = "" if "etag" in headers else server.etag
    server.plan(*[Fault(without=without if "etag" not in headers else (), headers=headers) for _ in range(2)])
    assert (name_of(server) == name_of(server)) is again


# What a process remembers.


def test_a_hundred_rows_that_share_a_link_ask_once(server: MediaServer) -> None:
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: look(server.url + SIGNED), range(100)))
    assert len(server.seen) == 1
    assert {each.content_name for each in found} == {found[0].content_name}
    assert look(server.url + SIGNED, measure=False) is found[0]


def test_what_was_not_measured_is_looked_at_again_for_its_measures(server: MediaServer) -> None:
    assert look(server.url + SIGNED, measure=False).facts is None
    assert look(server.url + SIGNED).facts is not None


def test_other_rules_make_another_look(server: MediaServer) -> None:
    look(server.url + SIGNED)
    assert refused(server.url + SIGNED, MediaPolicy()).rule == "public https link"


def test_a_failure_is_not_remembered(server: MediaServer) -> None:
    server.plan(Fault(status=404))
    refused(server.url + SIGNED)
    assert look(server.url + SIGNED).size == len(PICTURE)


def test_what_was_found_is_forgotten_in_time() -> None:
    looks, taken = SharedLooks(0.0), list[int]()
    found = LinkedFile(None, 1, "", "", "example.com", "0" * 64)

    def take() -> LinkedFile:
        taken.append(1)
        return found

    for _ in range(2):
        assert looks.share(("0" * 64, LOOPBACK), True, Follower(), take) is found
    assert len(taken) == 2


def test_who_waits_for_a_look_that_is_cancelled_looks_on_its_own(server: MediaServer) -> None:
    first, asked = threading.Event(), threading.Event()

    def hold(server: MediaServer) -> None:
        asked.set()
        first.wait(10)

    server.plan(Fault(before=hold))
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(look_at_link, server.url + SIGNED, LOOPBACK, Follower(cancelled=first))
        asked.wait(10)
        other = pool.submit(look_at_link, server.url + SIGNED, LOOPBACK, Follower())
        first.set()
        assert other.result().size == len(PICTURE)
        with pytest.raises(PreparationCancelled):
            leader.result()


def test_who_waits_for_another_look_is_cancelled_alone() -> None:
    cancelled = threading.Event()
    with WireServer([hang]) as host, ThreadPoolExecutor(2) as pool:
        leader = pool.submit(look_at_link, f"{host.url}/a", LOOPBACK, Follower(cancelled=cancelled))
        host.wait_for_requests(1)
        mine = threading.Event()
        threading.Timer(0.2, mine.set).start()
        with pytest.raises(PreparationCancelled):
            look_at_link(f"{host.url}/a", LOOPBACK, Follower(cancelled=mine))
        assert not leader.done()
        cancelled.set()
        with pytest.raises(PreparationCancelled):
            leader.result()
        assert len(host.received) == 1


# Whether the vendor can reach a link that we sign.


@pytest.mark.parametrize(
    ("link", "settings", "reachable"),
    [
        ("https://bucket.example.com/a.png", {}, True),
        ("https://bucket.example.com:9000/a.png", {}, True),
        ("http://bucket.example.com/a.png", {}, False),
        ("http://bucket.example.com/a.png", {"allow_http": True}, False),
        ("http://127.0.0.1:9000/a.png", {}, False),
        ("https://me:pw@bucket.example.com/a.png", {}, False),
        ("https://cdn.example.com/a.png", {"allow_hosts": frozenset({"cdn.example.com"})}, True),
        ("https://minio:9000/a.png", {"allow_hosts": frozenset({"minio"})}, False),
        ("https://minio.internal/a.png", {"allow_hosts": frozenset({".internal"})}, False),
        ("https://10.0.0.7/a.png", {"allow_hosts": frozenset({"10.0.0.7"})}, False),
        ("", {}, False),
    ],
)
def test_whether_the_vendor_can_reach_a_link(link: str, settings: dict[str, bool], reachable: bool) -> None:
    def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "127.0.0.1" else [PUBLIC]

    policy = MediaPolicy(resolver=resolver, **settings)  # type: ignore[arg-type]
    why = why_unreachable(link, policy, Follower())
    assert (why == "") is reachable
    assert "pw" not in why


def test_the_simulator_reaches_this_machine() -> None:
    assert not why_unreachable("http://127.0.0.1:9000/a.png?X-Amz-Signature=a", LOOPBACK, Follower())


def test_a_cancel_ends_the_wait_for_a_name() -> None:
    never, cancelled = threading.Event(), threading.Event()

    def resolver(host: str, port: int) -> list[str]:
        never.wait(30)
        return [PUBLIC]

    threading.Timer(0.2, cancelled.set).start()
    with pytest.raises(PreparationCancelled):
        why_unreachable("https://a.example.com/", MediaPolicy(resolver=resolver), Follower(cancelled=cancelled))
    never.set()


@pytest.mark.parametrize("reply", HANDSHAKES.values(), ids=HANDSHAKES.keys())
def test_a_handshake_without_an_end_may_be_ours(reply: Reply) -> None:
    with WireServer([BeforeReading(reply)]) as host:
        assert refused(host.url.replace("http:", "https:") + SIGNED).may_be_us is True


def test_an_audit_that_outlasts_a_look_is_found_by_the_next_one(server: MediaServer) -> None:
    server.etag = ""
    before = look(f"{server.url}/a.png").content_name
    links._looks._taken.clear()  # five minutes later
    assert look(f"{server.url}/a.png").content_name == before
    server.content += b"\0"
    links._looks._taken.clear()
    assert look(f"{server.url}/a.png").content_name != before


def test_what_was_found_is_gone_by_no_longer_than_the_link_lives(server: MediaServer) -> None:
    ending = datetime.now(UTC) + timedelta(hours=1)
    for query, asked in ((f"expires={ending.timestamp():.0f}", 1), ("expires=1600000000", 2)):
        server.seen.clear()
        look(f"{server.url}/a.png?{query}")
        look(f"{server.url}/a.png?{query}")
        assert len(server.seen) == asked
