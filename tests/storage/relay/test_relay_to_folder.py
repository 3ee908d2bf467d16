"""A video from a misbehaving host into a real folder: whole or not at all, and never twice."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_seedance.storage.errors import (
    KeyTaken,
    LinkExpired,
    NoSpace,
    NotAVideo,
    RelayCancelled,
    SourceChanged,
    SourceUnavailable,
    TruncatedSource,
)
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import TASK_ID_METADATA, ObjectInfo, Upload
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.poster import MediaFacts, probe
from prefect_seedance.storage.relay.relay import LARGEST_CONTENT_BYTES, RelayedObject, relay
from prefect_seedance.storage.relay.source import MediaSource
from tests.storage.clips import box, lookalike, make_clip
from tests.storage.media_server import Fault, MediaServer, serving

VIDEO = lookalike(600_000)
OTHER = lookalike(600_000, seed=2)
KEY = "videos/2026/task-1.mp4"
METADATA = {TASK_ID_METADATA: "task-1"}


@pytest.fixture(scope="module")
def host() -> Iterator[MediaServer]:
    with serving(VIDEO) as running:
        yield running


@pytest.fixture
def server(host: MediaServer) -> MediaServer:
    host.content, host.etag, host.last_modified, host.content_type = VIDEO, '"first"', "", "video/mp4"
    host.faults.clear()
    host.seen.clear()
    return host


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def source_of(server: MediaServer) -> MediaSource:
    return MediaSource(
        lambda refresh: f"{server.url}/a.mp4",
        policy=MediaPolicy(allow_loopback=True),
        timeout=httpx.Timeout(30.0, read=1.0),
        sleep=lambda seconds: None,
    )


def run(server: MediaServer, store: FolderStore, cancelled: threading.Event | None = None) -> RelayedObject:
    return relay(source_of(server), store, KEY, metadata=METADATA, cancelled=cancelled)


def is_whole(relayed: RelayedObject, store: FolderStore, video: bytes = VIDEO) -> bool:
    with store.open_read(KEY) as file:
        stored = file.read()
    told = (relayed.size, relayed.sha256, relayed.crc32)
    return stored == video and told == (len(video), hashlib.sha256(video).hexdigest(), zlib.crc32(video))


def keys(store: FolderStore) -> list[str]:
    return list(store.list_keys(""))


def nothing_partial(store: FolderStore) -> bool:
    folder = store.root / ".tmp"
    return not folder.exists() or not list(folder.iterdir())


def test_a_video_is_stored_whole_with_its_measures(server: MediaServer, store: FolderStore) -> None:
    relayed = run(server, store)
    assert is_whole(relayed, store)
    assert (relayed.key, relayed.uri, relayed.content_type) == (KEY, store.uri_of(KEY), "video/mp4")
    assert relayed.etag
    assert nothing_partial(store)


breaks = st.builds(Fault, cut_after=st.integers(0, 600_000), how=st.sampled_from(["close", "reset", "close", "stall"]))
refusals = st.builds(Fault, status=st.sampled_from([500, 503, 429, 403, 404]))
restarts = st.builds(Fault, ignore_range=st.just(True), cut_after=st.integers(1, 600_000))
lengthless = st.builds(Fault, chunked=st.just(True), cut_after=st.integers(0, 600_000))


@settings(max_examples=25)
@given(st.lists(breaks | refusals | restarts | lengthless, max_size=4))
def test_whatever_the_host_does_the_video_is_whole_in_the_end(host: MediaServer, faults: list[Fault]) -> None:
    host.content, host.etag = VIDEO, '"first"'
    host.faults.clear()
    host.plan(*faults)
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        assert is_whole(run(host, store), store)
        assert keys(store) == [KEY]
        assert nothing_partial(store)


def changing(content: bytes, etag: str):
    def change(server: MediaServer) -> None:
        server.content, server.etag = content, etag

    return change


#: What the host sends of its second version: the whole, or the rest of it without a proof of what it is of.
changed = st.builds(
    Fault, ignore_if_range=st.booleans(), without=st.sampled_from([(), ("etag",)]), headers=st.just({})
) | st.just(Fault(ignore_if_range=True, headers={"etag": 'W/"first"'}))


@settings(max_examples=20)
@given(st.integers(1, 599_999), changed)
def test_content_that_changes_half_way_is_never_mixed(host: MediaServer, offset: int, second: Fault) -> None:
    host.content, host.etag = VIDEO, '"first"'
    host.faults.clear()
    host.plan(Fault(cut_after=offset), replace(second, before=changing(OTHER, '"second"')))
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        assert is_whole(run(host, store), store, OTHER)


def test_starting_over_is_bounded(server: MediaServer, store: FolderStore) -> None:
    server.plan(*(Fault(cut_after=300_000, ignore_range=True) for _ in range(50)))
    with pytest.raises(SourceChanged, match="from the start"):
        run(server, store)
    assert len(server.seen) == 8
    assert keys(store) == [] and nothing_partial(store)


@settings(max_examples=15)
@given(st.integers(100, 599_999))
def test_a_body_of_unknown_size_that_breaks_off_is_known_by_its_boxes(host: MediaServer, offset: int) -> None:
    host.content, host.etag = VIDEO, '"first"'
    host.faults.clear()
    host.plan(Fault(no_length=True, cut_after=offset), Fault(no_length=True))
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        assert is_whole(run(host, store), store)


def test_a_body_of_unknown_size_that_breaks_off_anywhere_is_not_stored(server: MediaServer, store: FolderStore) -> None:
    server.plan(*(Fault(no_length=True, cut_after=300_000 + number) for number in range(50)))
    with pytest.raises(TruncatedSource):
        run(server, store)
    assert len(server.seen) == 4
    assert keys(store) == [] and nothing_partial(store)


FRAGMENTS = b"".join(box(kind, bytes(50)) for kind in (b"ftyp", b"moov", b"moof", b"mdat", b"moof", b"mdat")).replace(
    b"ftyp" + bytes(4), b"ftypisom"
)
CUT_SHORT = {
    "the host has a part and says it is all": Fault(content=VIDEO[:300_000]),
    "nothing behind the index": Fault(content=box(b"ftyp", b"isom" + bytes(8)) + box(b"moov", b"index")),
    "the same part, of unknown size": Fault(no_length=True, cut_after=300_000),
    "the same part, in chunks": Fault(content=VIDEO[:300_000], chunked=True),
    "in the last fragment": Fault(content=FRAGMENTS[:-3], chunked=True),
    "in the head of the last fragment": Fault(content=FRAGMENTS[: -2 * 58 + 5]),
}


@pytest.mark.parametrize("fault", CUT_SHORT.values(), ids=CUT_SHORT.keys())
def test_a_video_of_which_the_host_has_no_more_is_kept_in_quarantine(
    server: MediaServer, store: FolderStore, fault: Fault
) -> None:
    server.plan(*(replace(fault) for _ in range(50)))
    with pytest.raises(NotAVideo, match="the end is missing"):
        run(server, store)
    assert len(server.seen) == 5
    (kept,) = keys(store)
    assert kept.startswith("quarantine/") and nothing_partial(store)
    content = server.content if fault.content is None else fault.content
    assert (store.root / kept).read_bytes() == content[: fault.cut_after]


JUNK = {
    "a page": b"\r\n<html><!-- served from cache --></html>",
    "zeros": bytes(50),
    "three bytes": b"\r\n\0",
    "a box of nobody": (1000).to_bytes(4, "big") + b"junk" + bytes(20),
    "half of an empty box": b"\0\0\0\x08fr",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
@pytest.mark.parametrize("ending", [{}, {"chunked": True}, {"no_length": True}])
def test_what_stands_behind_a_whole_video_does_not_make_it_truncated(
    server: MediaServer, store: FolderStore, junk: bytes, ending: dict[str, bool]
) -> None:
    server.plan(Fault(content=VIDEO + junk, **ending))
    assert run(server, store).size == len(VIDEO + junk)
    assert len(server.seen) == 1


@pytest.mark.parametrize("length", [None, -50], ids=["whole", "cut"])
def test_an_older_mov_file_that_does_not_name_its_type_is_a_video(
    length: int | None, server: MediaServer, store: FolderStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clip = make_clip(tmp_path_factory.mktemp("clips") / "a.mp4").read_bytes()
    server.content = (clip[:4] + b"skip" + clip[8:])[:length]
    if length:
        with pytest.raises(NotAVideo):
            run(server, store)
        return
    relayed = run(server, store)
    assert is_whole(relayed, store, server.content) and relayed.content_type == "video/quicktime"
    with store.open_read(KEY) as file:
        assert probe(file) == MediaFacts(320, 180, 1.0, "h264")


def test_a_dead_link_is_said_and_leaves_nothing(server: MediaServer, store: FolderStore) -> None:
    server.plan(*(Fault(status=403) for _ in range(50)))
    with pytest.raises(LinkExpired):
        run(server, store)
    assert keys(store) == [] and nothing_partial(store)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html>sign in</html>", "an HTML page"),
        (b"<?xml version='1.0'?><Error/>", "an XML text"),
        (b'{"code":20001}', "a JSON text"),
        (bytes(300_000), "unknown"),
    ],
)
def test_what_is_not_a_video_is_kept_in_quarantine(
    server: MediaServer, store: FolderStore, body: bytes, words: str
) -> None:
    server.content, server.content_type = body, "text/html"
    with pytest.raises(NotAVideo, match=words) as caught:
        run(server, store)
    (kept,) = keys(store)
    assert kept.startswith("quarantine/videos_2026_task-1.mp4-")
    assert caught.value.uri == store.uri_of(kept)
    assert (store.root / kept).read_bytes() == body
    with pytest.raises(NotAVideo):
        run(server, store)
    assert keys(store) == [kept]
    server.content = VIDEO
    assert is_whole(run(server, store), store)


def test_the_bytes_of_a_small_video_are_handed_back_where_they_are_in_memory(
    server: MediaServer, store: FolderStore
) -> None:
    assert run(server, store).content is None  # the file is there to be read
    relayed = run(server, store)
    assert relayed.content == VIDEO  # compared with what is there
    assert "content=" not in repr(relayed)


@pytest.mark.parametrize("more", [0, 1])
def test_a_large_video_is_not_kept_in_memory(server: MediaServer, store: FolderStore, more: int) -> None:
    server.content = lookalike(LARGEST_CONTENT_BYTES + more)
    run(server, store)
    assert run(server, store).content == (None if more else server.content)


def test_a_host_that_never_proves_the_rest_is_started_over_only_so_often(
    server: MediaServer, store: FolderStore
) -> None:
    for _ in range(50):
        server.plan(Fault(cut_after=300_000), Fault(without=("etag",)))
    with pytest.raises(SourceChanged, match="nothing proves"):
        run(server, store)
    assert [seen.headers.get("range") for seen in server.seen] == [None, "bytes=300000-"] * 4
    assert keys(store) == [] and nothing_partial(store)


@pytest.mark.parametrize("left", [VIDEO[:-1], VIDEO[:300_000], VIDEO[:10], b""])
def test_what_is_left_of_a_video_that_was_stored_is_written_over(
    server: MediaServer, store: FolderStore, left: bytes
) -> None:
    run(server, store)
    (store.root / KEY).write_bytes(left)
    relayed = relay(source_of(server), store, KEY, metadata=METADATA, ours=True)
    assert is_whole(relayed, store) and keys(store) == [KEY] and nothing_partial(store)


@pytest.mark.parametrize("there", [OTHER, OTHER[:-1], VIDEO[:1000] + b"?", VIDEO + b"?"])
def test_what_is_not_a_beginning_of_the_video_is_left_alone(
    server: MediaServer, store: FolderStore, there: bytes
) -> None:
    store.create(KEY, there)
    with pytest.raises(KeyTaken):
        relay(source_of(server), store, KEY, metadata=METADATA, ours=True)
    assert (store.root / KEY).read_bytes() == there


def test_relaying_again_is_a_success_without_a_second_object(server: MediaServer, store: FolderStore) -> None:
    assert run(server, store) == run(server, store)
    assert keys(store) == [KEY] and nothing_partial(store)


@pytest.mark.parametrize("there", [OTHER, VIDEO[:-1], b""])
def test_a_key_that_holds_something_else_is_left_alone(server: MediaServer, store: FolderStore, there: bytes) -> None:
    store.create(KEY, there)
    with pytest.raises(KeyTaken, match="key template"):
        run(server, store)
    assert (store.root / KEY).read_bytes() == there


def test_what_is_there_is_mentioned_when_it_cannot_be_compared(server: MediaServer, store: FolderStore) -> None:
    run(server, store)
    server.plan(*(Fault(status=404) for _ in range(50)))
    with pytest.raises(LinkExpired) as caught:
        run(server, store)
    assert store.uri_of(KEY) in caught.value.__notes__[0]


def test_two_relays_at_once_both_succeed(server: MediaServer, store: FolderStore) -> None:
    results: list[RelayedObject] = []
    threads = [threading.Thread(target=lambda: results.append(run(server, store))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and len(set(results)) == 1
    assert is_whole(results[0], store) and nothing_partial(store)


class Overtaken(FolderStore):
    """Somebody else commits under the key just before this relay does."""

    other = b""

    def begin_upload(
        self, key: str, *, size: int | None, content_type: str, metadata: Mapping[str, str], filename: str = ""
    ) -> Upload:
        FolderStore(self.root).create(key, self.other)
        return super().begin_upload(key, size=size, content_type=content_type, metadata=metadata)


@pytest.mark.parametrize("same", [True, False])
def test_an_overtaken_relay_succeeds_only_if_it_was_the_same_video(
    server: MediaServer, tmp_path: Path, same: bool
) -> None:
    store = Overtaken(tmp_path)
    store.other = VIDEO if same else OTHER
    if same:
        assert is_whole(run(server, store), store)
    else:
        with pytest.raises(KeyTaken):
            run(server, store)
    assert (tmp_path / KEY).read_bytes() == store.other


class WithMetadata(FolderStore):
    """A store that tells by which task an object was made, as S3 does."""

    task_id = ""

    def stat(self, key: str) -> ObjectInfo | None:
        info = super().stat(key)
        if info is None:
            return None
        return ObjectInfo(key, info.uri, info.size, info.etag, info.age_seconds, {TASK_ID_METADATA: self.task_id})


def test_an_object_of_the_same_task_needs_no_link_any_more(server: MediaServer, tmp_path: Path) -> None:
    store = WithMetadata(tmp_path)
    store.task_id = "task-1"
    store.create(KEY, VIDEO)
    assert is_whole(run(server, store), store)
    assert server.seen == []


def test_an_object_of_another_task_is_a_taken_key_without_a_download(server: MediaServer, tmp_path: Path) -> None:
    store = WithMetadata(tmp_path)
    store.task_id = "task-2"
    store.create(KEY, VIDEO)
    with pytest.raises(KeyTaken, match="task-2"):
        run(server, store)
    assert server.seen == []


def test_a_cancelled_relay_leaves_nothing(server: MediaServer, store: FolderStore) -> None:
    cancelled = threading.Event()
    server.plan(Fault(cut_after=300_000), Fault(before=lambda _: cancelled.set()))
    with pytest.raises(RelayCancelled):
        run(server, store, cancelled)
    assert keys(store) == [] and nothing_partial(store)


def test_a_store_without_room_ends_the_relay(server: MediaServer, tmp_path: Path) -> None:
    class Full(FolderStore):
        def begin_upload(self, key: str, **rest: object) -> Upload:
            return super().begin_upload(key, size=2**60, content_type="", metadata={})

    store = Full(tmp_path)
    with pytest.raises(NoSpace):
        run(server, store)
    assert keys(store) == [] and nothing_partial(store)


def test_a_silent_host_ends_the_relay(server: MediaServer, store: FolderStore) -> None:
    server.plan(*(Fault(status=500) for _ in range(50)))
    with pytest.raises(SourceUnavailable):
        run(server, store)
    assert keys(store) == []


def test_the_longest_key_has_a_place_in_quarantine(server: MediaServer, store: FolderStore) -> None:
    server.content = b"<html>"
    key = "/".join(["é" * 95] * 4) + ".mp4"
    with pytest.raises(NotAVideo):
        relay(source_of(server), store, key, metadata={})
    assert len(keys(store)) == 1
