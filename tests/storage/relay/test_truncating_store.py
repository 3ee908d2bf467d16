"""A store without checksums loses the end of a video: it never counts as stored, and the next relay mends it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from prefect_seedance.storage.errors import DamagedUpload, KeyTaken, LinkExpired, NotWritable, StorageError
from prefect_seedance.storage.protocol import TASK_ID_METADATA
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.relay import RelayedObject, relay
from prefect_seedance.storage.relay.source import MediaSource
from prefect_seedance.storage.s3.store import S3Store
from tests.storage.clips import lookalike
from tests.storage.dishonest_s3 import Truncating
from tests.storage.media_server import Fault, MediaServer, serving
from tests.storage.s3_proxy import Fault as S3Fault
from tests.storage.s3_proxy import S3Proxy, honestly
from tests.storage.s3_servers import BUCKET, S3Server
from tests.storage.test_store_contract import content

SMALL, LARGE = lookalike(1024), lookalike(9_000_000)
KEY = "videos/2026/task-1.mp4"
both = pytest.mark.parametrize("video", [SMALL, LARGE], ids=["one request", "parts"])


@pytest.fixture
def server() -> Iterator[MediaServer]:
    with serving(SMALL) as running:
        yield running


@pytest.fixture
def store(moto: S3Server, proxy: S3Proxy) -> S3Store:
    store = S3Store(moto.settings(endpoint_url=proxy.url))
    store.require_conditions()
    return store


def run(server: MediaServer, store: S3Store, **more: Any) -> RelayedObject:
    source = MediaSource(
        lambda refresh: f"{server.url}/a.mp4",
        policy=MediaPolicy(allow_loopback=True),
        timeout=httpx.Timeout(30.0, read=5.0),
        sleep=lambda seconds: None,
    )
    return relay(source, store, KEY, metadata={TASK_ID_METADATA: "task-1"}, **more)


def put(moto: S3Server, store: S3Store, body: bytes, metadata: Mapping[str, str]) -> None:
    """Write past the store, as an earlier version or somebody else did."""
    key = store.bucket.key_of(KEY)
    moto.client.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=dict(metadata))


def is_whole(relayed: RelayedObject, store: S3Store, video: bytes) -> bool:
    return (relayed.size, relayed.crc32) == (len(video), zlib.crc32(video)) and content(store, KEY) == video


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "last byte": lambda body: body[:-1],
    "half": lambda body: body[: len(body) // 2],
    "everything": lambda body: b"",
    "one byte is another": lambda body: body[:-1] + b"?",
}


@both
@pytest.mark.parametrize("name", [name for name in CUTS if name != "one byte is another"])
@pytest.mark.sample(every=2)
def test_what_is_truncated_and_cannot_be_deleted_never_counts_and_is_written_over(
    server: MediaServer, store: S3Store, proxy: S3Proxy, video: bytes, name: str
) -> None:
    if video is LARGE and name != "last byte":
        pytest.skip("S3 takes no such parts, also from a store that loses bytes on the way to it")
    server.content = video
    proxy.manner = Truncating(CUTS[name])
    for _ in range(2):  # and the next run neither takes it for whole
        with pytest.raises((DamagedUpload, NotWritable)) as caught:
            run(server, store)
        assert str(len(video)) in str(caught.value) and store.uri_of(KEY) in str(caught.value)
    proxy.manner = honestly
    assert is_whole(run(server, store), store, video)
    proxy.seen.clear()
    server.seen.clear()
    assert is_whole(run(server, store), store, video)
    assert server.seen == [] and not any(request.method == "PUT" for request in proxy.seen)


def test_a_store_that_changes_bytes_is_found_out_when_the_video_is_read(
    server: MediaServer, store: S3Store, proxy: S3Proxy
) -> None:
    """Size and everything fit: only what was written down with it tells."""
    proxy.manner = Truncating(CUTS["one byte is another"])
    run(server, store)
    proxy.manner = honestly
    assert content(store, KEY) != SMALL
    assert is_whole(run(server, store), store, SMALL)


def test_where_it_may_be_deleted_nothing_is_left(server: MediaServer, store: S3Store, proxy: S3Proxy) -> None:
    proxy.manner = Truncating(deletes=True)
    with pytest.raises(StorageError):
        run(server, store)
    proxy.manner = honestly
    assert is_whole(run(server, store), store, SMALL)


def test_a_dead_link_is_said_and_the_damaged_video_is_not_taken(
    server: MediaServer, store: S3Store, proxy: S3Proxy
) -> None:
    proxy.manner = Truncating()
    with pytest.raises(StorageError):
        run(server, store)
    server.plan(*(Fault(status=404) for _ in range(50)))
    with pytest.raises(LinkExpired) as caught:
        run(server, store)
    assert store.uri_of(KEY) in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("there", "is_kept"),
    [(SMALL, True), (SMALL[:-1], False), (SMALL[:100], False), (b"", False)],
    ids=["whole", "truncated", "only its beginning", "empty"],
)
def test_where_nothing_was_written_down_the_structure_tells(
    server: MediaServer, store: S3Store, moto: S3Server, there: bytes, is_kept: bool
) -> None:
    put(moto, store, there, {"task-id": "task-1"})
    assert is_whole(run(server, store), store, SMALL)
    assert (server.seen == []) is is_kept


def test_a_video_of_unknown_size_in_parts_is_found_whole_without_its_link(server: MediaServer, store: S3Store) -> None:
    server.content = LARGE
    server.plan(Fault(chunked=True))
    run(server, store)
    server.seen.clear()
    assert is_whole(run(server, store), store, LARGE) and server.seen == []


@pytest.mark.parametrize("is_first", [False, True])
def test_what_is_of_another_task_or_of_nobody_is_never_written_over(
    server: MediaServer, store: S3Store, moto: S3Server, is_first: bool
) -> None:
    for metadata in ({"task-id": "task-2"}, {"task-id": "task-2", "expected-size": "2000"}, {}):
        put(moto, store, SMALL[:-1], metadata)
        with pytest.raises(KeyTaken):
            run(server, store, is_first=is_first)
        assert content(store, KEY) == SMALL[:-1]


@pytest.mark.parametrize(
    ("there", "expected_size"),
    [(SMALL, len(SMALL)), (SMALL, 0), (SMALL[:-1], len(SMALL)), (SMALL[:-1], 0), (b"", 0)],
    ids=["whole", "whole by its structure", "truncated", "truncated by its structure", "empty"],
)
@pytest.mark.sample(every=2)
def test_a_relay_that_does_not_look_first_ends_the_same_when_its_key_is_taken(
    server: MediaServer, store: S3Store, moto: S3Server, there: bytes, expected_size: int
) -> None:
    put(moto, store, there, {"task-id": "task-1"} | ({"expected-size": str(expected_size)} if expected_size else {}))
    before = store.stat(KEY)
    assert is_whole(run(server, store, is_first=True), store, SMALL)
    after = store.stat(KEY)
    assert before is not None and after is not None
    assert (after.etag == before.etag) is (there == SMALL)  # what is whole is not written over


def test_another_copy_of_the_same_tasks_video_counts_whoever_looks_when(
    server: MediaServer, store: S3Store, moto: S3Server
) -> None:
    other = lookalike(len(SMALL) + 10, seed=3)
    for is_first in (False, True):
        put(moto, store, other, {"task-id": "task-1", "expected-size": str(len(other))})
        assert is_whole(run(server, store, is_first=is_first), store, other)
        with pytest.raises(KeyTaken):
            run(server, store, is_first=is_first, compared=True)


def test_a_rival_that_mends_it_first_is_not_written_over(
    server: MediaServer, store: S3Store, moto: S3Server, proxy: S3Proxy
) -> None:
    put(moto, store, SMALL[:-1], {"task-id": "task-1"})
    mended = {"task-id": "task-1", "expected-size": str(len(SMALL))}

    def mend(_: MediaServer) -> None:
        put(moto, store, SMALL, mended)

    server.plan(Fault(before=mend))
    assert is_whole(run(server, store), store, SMALL)
    info = store.stat(KEY)
    assert info is not None and (info.expected_size, info.expected_crc32) == (len(SMALL), "")  # still the rival's


@pytest.mark.parametrize("expected", ["", "many", "-1", "9" * 400, "1024\u0661"])
@pytest.mark.sample(every=3)
def test_nonsense_in_the_metadata_is_nothing_written_down(
    server: MediaServer, store: S3Store, moto: S3Server, expected: str
) -> None:
    put(moto, store, SMALL, {"task-id": "task-1", "expected-size": expected.encode("ascii", "ignore").decode() + "x"})
    assert is_whole(run(server, store), store, SMALL)


def test_what_is_expected_is_written_down_with_every_video(server: MediaServer, store: S3Store) -> None:
    run(server, store)
    info = store.stat(KEY)
    assert info is not None and info.metadata == {"task-id": "task-1"}
    assert (info.expected_size, info.expected_crc32) == (len(SMALL), f"{zlib.crc32(SMALL):08x}")
    assert info.crc32 in ("", info.expected_crc32) and info.damage() == ""
    assert info.damage(size=1023) and info.damage(crc32="00000000")


@both
@pytest.mark.parametrize("there", ["nothing", "its beginning", "another task's"])
@pytest.mark.sample(every=2)
def test_a_single_writers_store_without_conditions_takes_the_video_as_it_takes_the_records(
    server: MediaServer, moto: S3Server, proxy: S3Proxy, video: bytes, there: str
) -> None:
    proxy.plan(
        S3Fault(
            calls=("PutObject", "CompleteMultipartUpload"),
            when=lambda request: bool({"if-match", "if-none-match"} & request.headers.keys()),
            status=501,
            code="NotImplemented",
        )
    )
    store = S3Store(moto.settings(endpoint_url=proxy.url, single_writer=True))
    store.require_conditions()
    store.swap("journal/a.json", b"{ }", etag=store.create("journal/a.json", b"{}"))
    server.content = video
    if there != "nothing":
        put(moto, store, video[:100], {TASK_ID_METADATA: "task-1" if there == "its beginning" else "task-2"})
    if there == "another task's":
        with pytest.raises(KeyTaken):
            run(server, store)
        assert content(store, KEY) == video[:100]
        return
    assert is_whole(run(server, store), store, video)
    assert is_whole(run(server, store), store, video)
