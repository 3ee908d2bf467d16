"""The download against a real host that misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from prefect_seedance.storage.errors import (
    ForbiddenSource,
    LinkExpired,
    RelayCancelled,
    SourceChanged,
    SourceTooLarge,
    SourceUnavailable,
    TruncatedSource,
)
from prefect_seedance.storage.relay.local_file import FileSource
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.source import CHUNK_BYTES, MediaSource, SourceLimits
from tests.ports import refusing_port
from tests.storage.clips import lookalike
from tests.storage.media_server import Fault, MediaServer, serving

VIDEO = lookalike(700_000)
LOOPBACK = MediaPolicy(allow_loopback=True)
TIMEOUT = httpx.Timeout(30.0, read=2.0)


@pytest.fixture
def server() -> Iterator[MediaServer]:
    with serving(VIDEO) as running:
        yield running


class Links:
    """Gives a new link at each request for a fresh one, and remembers the waits in between."""

    def __init__(self, server: MediaServer) -> None:
        self.server = server
        self.asked: list[bool] = []
        self.waits: list[float] = []

    def __call__(self, refresh: bool) -> str:
        self.asked.append(refresh)
        return f"{self.server.url}/video-{len(self.asked)}.mp4?Signature=secret"

    def source(self, policy: MediaPolicy = LOOPBACK, limits: SourceLimits | None = None) -> MediaSource:
        return MediaSource(self, policy=policy, limits=limits, timeout=TIMEOUT, sleep=self.waits.append)


def ranges(server: MediaServer) -> list[str]:
    return [seen.headers.get("range", "") for seen in server.seen]


def test_a_video_comes_in_even_chunks_with_its_size_known_from_the_first(server: MediaServer) -> None:
    source = Links(server).source()
    chunks = source.iter_bytes()
    first = next(chunks)
    assert source.size == len(VIDEO)
    rest = list(chunks)
    whole, rest_bytes = divmod(len(VIDEO), CHUNK_BYTES)
    assert [len(chunk) for chunk in [first, *rest]] == [CHUNK_BYTES] * whole + [rest_bytes]
    assert b"".join([first, *rest]) == VIDEO


def test_no_secret_of_ours_and_no_packing_is_sent(server: MediaServer) -> None:
    server.plan(Fault(cut_after=1000))
    list(Links(server).source().iter_bytes())
    for seen in server.seen:
        assert seen.headers["accept-encoding"] == "identity"
        assert not {"authorization", "cookie", "proxy-authorization"} & seen.headers.keys()


@pytest.mark.parametrize("how", ["close", "reset", "stall"])
def test_a_broken_download_is_continued_where_it_broke(server: MediaServer, how: str) -> None:
    server.plan(Fault(cut_after=300_000, how=how), Fault(cut_after=1, how=how), Fault(cut_after=0, how=how))
    links = Links(server)
    assert b"".join(links.source().iter_bytes()) == VIDEO
    assert ranges(server) == ["", "bytes=300000-", "bytes=300001-", "bytes=300001-"]
    assert [seen.headers.get("if-range") for seen in server.seen] == [None, *['"first"'] * 3]
    assert links.waits == [1, 2, 4]
    assert links.asked == [False]


def test_real_progress_renews_patience(server: MediaServer) -> None:
    server.plan(*(Fault(cut_after=66_000) for _ in range(10)))
    links = Links(server)
    assert b"".join(links.source().iter_bytes()) == VIDEO
    assert links.waits == [1] * 10


def test_a_download_that_never_gets_on_ends_as_truncated(server: MediaServer) -> None:
    server.plan(Fault(cut_after=300_000), *(Fault(cut_after=10) for _ in range(50)))
    with pytest.raises(TruncatedSource, match="again and again") as caught:
        list(Links(server).source().iter_bytes())
    assert (caught.value.received, caught.value.expected) == (300_050, len(VIDEO))
    assert len(server.seen) == 6


def test_all_drops_together_are_bounded_even_with_progress(server: MediaServer) -> None:
    server.plan(*(Fault(cut_after=66_000) for _ in range(10)))
    with pytest.raises(TruncatedSource):
        list(Links(server).source(limits=SourceLimits(faults=5)).iter_bytes())


def test_an_empty_body_is_never_taken_for_a_video(server: MediaServer) -> None:
    server.content = b""
    with pytest.raises(SourceUnavailable, match="empty"):
        list(Links(server).source().iter_bytes())


@pytest.mark.parametrize("ending", [{"no_length": True}, {"chunked": True}])
def test_a_body_without_a_length_is_read_to_its_end(server: MediaServer, ending: dict[str, bool]) -> None:
    server.plan(Fault(**ending))  # type: ignore[arg-type]
    source = Links(server).source()
    assert b"".join(source.iter_bytes()) == VIDEO
    assert source.size is None


def test_a_chunked_body_that_breaks_is_continued(server: MediaServer) -> None:
    server.plan(Fault(chunked=True, cut_after=200_000))
    assert b"".join(Links(server).source().iter_bytes()) == VIDEO
    assert ranges(server) == ["", "bytes=200000-"]


def change(server: MediaServer) -> None:
    server.content, server.etag = VIDEO[::-1], '"second"'


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (Fault(before=change), "from the start"),
        (Fault(ignore_range=True), "from the start"),
        (Fault(headers={"content-range": "bytes 7-699999/700000"}), "does not continue"),
        (Fault(headers={"etag": '"other"'}), "ETag"),
        (Fault(status=416), "shorter"),
    ],
)
def test_what_cannot_be_continued_has_to_be_started_over(server: MediaServer, second: Fault, reason: str) -> None:
    server.plan(Fault(cut_after=300_000), replace(second))
    with pytest.raises(SourceChanged, match=reason):
        list(Links(server).source().iter_bytes())


def another_version(server: MediaServer) -> None:
    server.content = OTHER


OTHER = lookalike(len(VIDEO), seed=2)
SPLICES = {
    "no ETag": Fault(without=("etag",)),
    "a weak ETag": Fault(headers={"etag": 'W/"first"'}),
    "another ETag": Fault(headers={"etag": '"second"'}),
    "another date": Fault(headers={"last-modified": "Mon, 23 Nov 2026 09:00:00 GMT"}),
    "another size": Fault(headers={"content-range": f"bytes 300000-{len(VIDEO)}/{len(VIDEO) + 1}"}),
}


@pytest.mark.parametrize("name", SPLICES)
def test_two_versions_are_never_spliced(server: MediaServer, name: str) -> None:
    """The host has another version by now, and sends the rest of that whatever it is asked for."""
    server.last_modified = "Sun, 22 Nov 2026 09:00:00 GMT"
    server.plan(Fault(cut_after=300_000), replace(SPLICES[name], before=another_version, ignore_if_range=True))
    source = Links(server).source()
    with pytest.raises(SourceChanged):
        list(source.iter_bytes())
    assert b"".join(source.iter_bytes()) == OTHER and ranges(server)[-1] == ""


@pytest.mark.parametrize("last_modified", ["", "Sun, 22 Nov 2026 09:00:00 GMT"])
def test_a_host_that_told_only_a_date_has_to_tell_it_again(server: MediaServer, last_modified: str) -> None:
    server.etag, server.last_modified = "", "Sun, 22 Nov 2026 09:00:00 GMT"
    left_out = () if last_modified else ("last-modified",)
    server.plan(Fault(cut_after=300_000), Fault(without=left_out, ignore_if_range=True))
    source = Links(server).source()
    if last_modified:
        assert b"".join(source.iter_bytes()) == VIDEO
    else:
        with pytest.raises(SourceChanged):
            list(source.iter_bytes())


def test_without_a_validator_nothing_is_continued(server: MediaServer) -> None:
    server.etag = 'W/"weak"'
    server.plan(Fault(cut_after=300_000))
    source = Links(server).source()
    with pytest.raises(SourceChanged, match="neither"):
        list(source.iter_bytes())
    assert b"".join(source.iter_bytes()) == VIDEO


def test_a_date_is_validator_enough(server: MediaServer) -> None:
    server.etag, server.last_modified = "", "Sun, 22 Nov 2026 09:00:00 GMT"
    server.plan(Fault(cut_after=300_000))
    assert b"".join(Links(server).source().iter_bytes()) == VIDEO
    assert server.seen[1].headers["if-range"] == server.last_modified


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refused_link_is_replaced_and_the_download_continued(server: MediaServer, status: int) -> None:
    server.plan(Fault(status=status), Fault(cut_after=300_000), Fault(status=status))
    links = Links(server)
    assert b"".join(links.source().iter_bytes()) == VIDEO
    assert links.asked == [False, True, True]
    assert [seen.path[:12] for seen in server.seen] == [
        "/video-1.mp4",
        "/video-2.mp4",
        "/video-2.mp4",
        "/video-3.mp4",
    ]
    assert ranges(server) == ["", "", "bytes=300000-", "bytes=300000-"]


def test_a_fresh_link_to_other_content_is_started_over(server: MediaServer) -> None:
    server.plan(Fault(cut_after=300_000), Fault(status=403), Fault(before=change))
    source = Links(server).source()
    with pytest.raises(SourceChanged):
        list(source.iter_bytes())
    assert b"".join(source.iter_bytes()) == VIDEO[::-1]


def test_fresh_links_are_bounded_over_all_readings(server: MediaServer) -> None:
    server.plan(*(Fault(status=403) for _ in range(50)))
    links = Links(server)
    source = links.source()
    for _ in range(2):
        with pytest.raises(LinkExpired, match="HTTP 403") as caught:
            list(source.iter_bytes())
        assert "secret" not in str(caught.value)
    assert links.asked == [False] + [True] * 5
    assert links.waits == [2, 4, 8, 16, 1], "and a moment before it is read anew"


def test_a_link_that_is_not_there_yet_is_waited_for(server: MediaServer) -> None:
    """The vendor says "completed" before it has the link, also when it is asked for a fresh one."""
    server.plan(Fault(status=403))
    given = iter(["", "video/a.mp4", f"{server.url}/dead", "", "/a.mp4", f"{server.url}/fresh"])
    asked: list[bool] = []

    def link(refresh: bool) -> str:
        asked.append(refresh)
        return next(given)

    waits: list[float] = []
    source = MediaSource(link, policy=LOOPBACK, timeout=TIMEOUT, sleep=waits.append)
    assert b"".join(source.iter_bytes()) == VIDEO
    assert asked == [False, False, False, True, True, True]
    assert waits == [1, 2, 4]
    with pytest.raises(SourceUnavailable, match="no whole link"):
        list(MediaSource(lambda refresh: "", policy=LOOPBACK, sleep=waits.append).iter_bytes())


def test_what_the_link_itself_raises_passes_through(server: MediaServer) -> None:
    def no_link(refresh: bool) -> str:
        raise LookupError("no such task")

    with pytest.raises(LookupError, match="no such task"):
        next(MediaSource(no_link).iter_bytes())


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_host_is_waited_for(server: MediaServer, status: int) -> None:
    busy = Fault(status=status, headers={"retry-after": "9"})
    server.plan(busy, Fault(cut_after=300_000), busy, Fault(status=status))
    links = Links(server)
    assert b"".join(links.source().iter_bytes()) == VIDEO
    assert links.waits == [9, 1, 9, 4]


def test_a_busy_host_is_waited_for_only_so_long(server: MediaServer) -> None:
    server.plan(*(Fault(status=503) for _ in range(50)))
    links = Links(server)
    with pytest.raises(SourceUnavailable, match="HTTP 503"):
        list(links.source().iter_bytes())
    assert links.waits == [1, 2, 4, 8, 16]


def test_a_host_that_asks_for_too_long_a_wait_is_given_up_at_once(server: MediaServer) -> None:
    server.plan(Fault(status=503, headers={"retry-after": "3600"}))
    links = Links(server)
    with pytest.raises(SourceUnavailable):
        list(links.source().iter_bytes())
    assert links.waits == []


def test_a_host_that_does_not_listen_is_said(server: MediaServer) -> None:
    server.url = f"http://127.0.0.1:{refusing_port()}"
    with pytest.raises(SourceUnavailable, match="refused") as caught:
        list(Links(server).source().iter_bytes())
    assert "secret" not in str(caught.value)


def test_a_name_that_cannot_be_resolved_is_waited_for(server: MediaServer) -> None:
    answers = [OSError("temporary failure in name resolution"), ["127.0.0.1"]]

    def resolver(host: str, port: int) -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer  # type: ignore[return-value]

    links = Links(server)
    policy = MediaPolicy(allow_loopback=True, resolver=resolver)
    assert b"".join(links.source(policy).iter_bytes()) == VIDEO
    assert links.waits == [1]


def test_redirects_are_followed_by_hand_and_only_three(server: MediaServer) -> None:
    def to(place: str) -> Fault:
        return Fault(status=302, headers={"location": place})

    server.plan(to("/b"), to(f"{server.url}/c"), to("d?x=1"))
    assert b"".join(Links(server).source().iter_bytes()) == VIDEO
    assert [seen.path for seen in server.seen][1:] == ["/b", "/c", "/d?x=1"]
    server.plan(*(to("/again") for _ in range(4)))
    with pytest.raises(ForbiddenSource, match="more than 3 times"):
        list(Links(server).source().iter_bytes())


@pytest.mark.parametrize(
    "place",
    [
        *("https://10.0.0.1/a", "https://169.254.169.254/latest/meta-data", "http://93.184.216.34/a"),
        *("file:///etc/passwd", "https://user:secret@93.184.216.34/a", "https://[::ffff:192.168.0.1]/a"),
    ],
)
def test_a_redirect_to_a_forbidden_place_is_not_followed(server: MediaServer, place: str) -> None:
    server.plan(Fault(status=302, headers={"location": place}))
    with pytest.raises(ForbiddenSource) as caught:
        list(Links(server).source().iter_bytes())
    assert "secret" not in str(caught.value)


def test_loopback_is_refused_unless_allowed(server: MediaServer) -> None:
    with pytest.raises(ForbiddenSource):
        list(Links(server).source(MediaPolicy()).iter_bytes())
    assert server.seen == []


@pytest.mark.parametrize("fault", [Fault(), Fault(no_length=True)])
def test_more_than_allowed_is_not_taken(server: MediaServer, fault: Fault) -> None:
    server.plan(replace(fault))
    policy = MediaPolicy(allow_loopback=True, maximum_bytes=600_000)
    with pytest.raises(SourceTooLarge, match="600000 are allowed"):
        list(Links(server).source(policy).iter_bytes())


def test_a_cancel_is_noticed_between_chunks(server: MediaServer) -> None:
    cancelled = threading.Event()
    chunks = Links(server).source().iter_bytes(cancelled)
    next(chunks)
    cancelled.set()
    with pytest.raises(RelayCancelled):
        list(chunks)


@pytest.mark.timeout(50)  # shorter than the wait that the host asks for
def test_a_cancel_ends_a_wait(server: MediaServer) -> None:
    server.plan(*(Fault(status=503, headers={"retry-after": "60"}) for _ in range(3)))
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    with pytest.raises(RelayCancelled):
        list(MediaSource(Links(server), policy=LOOPBACK).iter_bytes(cancelled))


# A file that a person brings in.


def test_a_file_is_read_whole_and_from_the_first_byte_each_time(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(VIDEO)
    source = FileSource(tmp_path / "video.mp4")
    assert [b"".join(source.iter_bytes()) for _ in range(2)] == [VIDEO, VIDEO] and source.size == len(VIDEO)


@pytest.mark.parametrize("content", [VIDEO[:-1], b"", VIDEO + b"more"])
def test_a_file_that_somebody_writes_meanwhile_is_not_taken_for_whole(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(VIDEO)
    pieces = FileSource(path).iter_bytes()
    assert VIDEO.startswith(next(pieces))
    path.write_bytes(content)
    with pytest.raises(SourceChanged, match="somebody writes the file meanwhile"):
        list(pieces)


def test_a_file_is_read_no_further_once_it_is_cancelled(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(VIDEO)
    cancelled = threading.Event()
    pieces = FileSource(tmp_path / "video.mp4").iter_bytes(cancelled)
    next(pieces)
    cancelled.set()
    with pytest.raises(RelayCancelled):
        next(pieces)
