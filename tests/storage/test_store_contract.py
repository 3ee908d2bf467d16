"""What every store does, whatever it is made of: a folder, S3, or a server that speaks S3 and ignores conditions."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from prefect_seedance.storage.errors import AlreadyExists, BadKey, Conflict, DamagedUpload, Missing
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import ListsByAge, ObjectInfo, Store
from tests.storage.s3_servers import S3Server


@dataclass(frozen=True)
class Subject:
    """A fresh store, and a look at what is in it that no key tells of."""

    store: Store
    left: Callable[[], list[str]]
    #: Does it keep two writers apart?
    atomic: bool = True
    has_metadata: bool = True


@pytest.fixture(params=["folder", "moto", "rclone"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    if request.param == "folder":
        temporary = tmp_path / "store" / ".tmp"
        yield Subject(
            FolderStore(tmp_path / "store"),
            lambda: [path.name for path in temporary.iterdir()] if temporary.exists() else [],
            has_metadata=False,
        )
        return
    server: S3Server = request.getfixturevalue(request.param)
    settings = server.settings()
    yield Subject(server.store_of(settings), lambda: server.unfinished(settings), atomic=server.conditions)


def upload(store: Store, key: str, data: bytes, metadata: dict[str, str] | None = None) -> ObjectInfo:
    with store.begin_upload(key, size=len(data), content_type="video/mp4", metadata=metadata or {}) as one:
        for start in range(0, len(data), 100_000):
            one.write(data[start : start + 100_000])
        return one.commit(crc32=zlib.crc32(data), size=len(data))


def keys(subject: Subject) -> list[str]:
    return list(subject.store.list_keys(""))


def content(store: Store, key: str) -> bytes:
    with store.open_read(key) as file:
        return file.read()


def test_a_record_is_created_read_swapped_and_deleted(subject: Subject) -> None:
    store = subject.store
    first = store.create("journal/a.json", b"one")
    blob = store.get("journal/a.json")
    assert blob is not None and (blob.data, blob.etag) == (b"one", first)
    assert blob.age_seconds < 30
    second = store.swap("journal/a.json", b"two", etag=first)
    assert second != first
    blob = store.get("journal/a.json")
    assert blob is not None and (blob.data, blob.etag) == (b"two", second)
    store.delete("journal/a.json")
    store.delete("journal/a.json")
    store.delete("never/was")
    assert store.get("journal/a.json") is None


def test_a_record_is_never_created_over_another(subject: Subject) -> None:
    subject.store.create("a", b"one")
    with pytest.raises(AlreadyExists, match="left as it is"):
        subject.store.create("a", b"two")
    assert content(subject.store, "a") == b"one"
    assert keys(subject) == ["a"] and subject.left() == []


def test_a_stale_etag_is_a_conflict_and_changes_nothing(subject: Subject) -> None:
    old = subject.store.create("a", b"one")
    subject.store.swap("a", b"two", etag=old)
    with pytest.raises(Conflict, match="Read it again"):
        subject.store.swap("a", b"three", etag=old)
    assert content(subject.store, "a") == b"two"


def test_a_swap_does_not_bring_back_what_was_deleted(subject: Subject) -> None:
    etag = subject.store.create("a", b"one")
    subject.store.delete("a")
    with pytest.raises(Missing, match="deleted"):
        subject.store.swap("a", b"two", etag=etag)
    assert keys(subject) == []


def test_what_is_not_there_is_absent_and_not_an_error(subject: Subject) -> None:
    assert subject.store.get("a/b") is None
    assert subject.store.stat("a/b") is None
    assert keys(subject) == []
    with pytest.raises(Missing):
        subject.store.open_read("a/b")
    subject.store.delete("a/b")


def test_keys_are_listed_sorted_by_their_whole_text(subject: Subject) -> None:
    made = ["a", "a-b", "a.b/x", "ab/c", "b/open/1", "b/open/2", "b/opened", "é/ü x"]
    for key in made:
        subject.store.create(key, b"x")
    assert keys(subject) == sorted(made)
    assert list(subject.store.list_keys("b/open")) == ["b/open/1", "b/open/2", "b/opened"]
    assert list(subject.store.list_keys("b/open/")) == ["b/open/1", "b/open/2"]
    assert list(subject.store.list_keys("a")) == sorted(key for key in made if key.startswith("a"))
    assert list(subject.store.list_keys("zzz/")) == []


def test_a_listing_leaves_out_what_was_written_too_long_ago(subject: Subject) -> None:
    for key in ("b/2", "a", "b/1"):
        subject.store.create(key, b"x")
    assert isinstance(subject.store, ListsByAge)
    assert list(subject.store.list_written("b/", within_seconds=3600)) == ["b/1", "b/2"]
    assert list(subject.store.list_written("", within_seconds=-3600)) == []
    ages = dict(subject.store.list_ages("b/"))
    assert list(ages) == ["b/1", "b/2"]
    assert all(age is not None and 0 <= age < 3600 for age in ages.values())
    assert list(subject.store.list_ages("nothing/")) == []


@pytest.mark.parametrize("key", ["", "/a", "a//b", "a/", ".a", "a/../b", "a\nb", "a\\b", "x" * 801])
def test_a_key_that_not_every_store_can_hold_is_refused(subject: Subject, key: str) -> None:
    for attempt in (
        lambda: subject.store.create(key, b"x"),
        lambda: subject.store.get(key),
        lambda: subject.store.stat(key),
        lambda: subject.store.uri_of(key),
        lambda: subject.store.begin_upload(key, size=None, content_type="", metadata={}),
    ):
        with pytest.raises(BadKey):
            attempt()


# S3 allows 1,024 bytes for prefix and key; each segment is a file name to rclone.
def test_the_longest_key_is_kept(subject: Subject) -> None:
    key = "/".join(["x" * 199] * 3 + ["y" * 200])
    assert len(key) == 800
    subject.store.create(key, b"x")
    assert content(subject.store, key) == b"x"


def test_an_object_is_visible_only_when_committed(subject: Subject) -> None:
    data = os.urandom(5000)
    metadata = {"task-id": "videos_1", "take": "50% für Ünal"}
    store = subject.store
    with store.begin_upload("v/a.mp4", size=None, content_type="video/mp4", metadata=metadata) as one:
        one.write(data)
        assert store.stat("v/a.mp4") is None
        assert keys(subject) == []
        info = one.commit(crc32=zlib.crc32(data), size=len(data))
    assert (info.key, info.uri, info.size) == ("v/a.mp4", store.uri_of("v/a.mp4"), 5000)
    assert info.age_seconds < 30
    assert info.metadata == (metadata if subject.has_metadata else {})
    found = store.stat("v/a.mp4")
    assert found is not None and (found.etag, found.metadata) == (info.etag, info.metadata)
    assert content(store, "v/a.mp4") == data
    assert subject.left() == []


def test_an_upload_that_is_left_leaves_nothing(subject: Subject) -> None:
    with subject.store.begin_upload("a", size=None, content_type="", metadata={}) as one:
        one.write(b"data")
    with (
        pytest.raises(RuntimeError),
        subject.store.begin_upload("a", size=None, content_type="", metadata={}) as one,
    ):
        one.write(bytes(20_000_000))
        raise RuntimeError
    assert keys(subject) == [] and subject.left() == []


@pytest.mark.parametrize("size", [6, 9_000_000])
def test_an_upload_never_overwrites(subject: Subject, size: int) -> None:
    upload(subject.store, "a", b"first")
    with pytest.raises(AlreadyExists):
        upload(subject.store, "a", bytes(size))
    assert content(subject.store, "a") == b"first"
    assert subject.left() == []


@pytest.mark.parametrize(("size", "crc32"), [(3, zlib.crc32(b"data")), (4, 0)])
def test_an_upload_that_is_not_what_was_sent_is_refused(subject: Subject, size: int, crc32: int) -> None:
    with (
        pytest.raises(DamagedUpload),
        subject.store.begin_upload("a", size=None, content_type="", metadata={}) as one,
    ):
        one.write(b"data")
        one.commit(crc32=crc32, size=size)
    assert keys(subject) == []


MEBIBYTES_8 = 8 * 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, MEBIBYTES_8 - 1, MEBIBYTES_8, MEBIBYTES_8 + 1, 3 * MEBIBYTES_8, 26_000_000])
def test_what_goes_in_comes_out(subject: Subject, size: int) -> None:
    data = os.urandom(size)
    info = upload(subject.store, "videos/a.mp4", data, {"task-id": "videos_1"})
    assert info.size == size
    assert content(subject.store, "videos/a.mp4") == data
    assert keys(subject) == ["videos/a.mp4"] and subject.left() == []


def test_a_reader_goes_where_it_is_sent(subject: Subject) -> None:
    data = os.urandom(3_000_000)
    upload(subject.store, "a", data)
    with subject.store.open_read("a", start=2_999_990) as file:
        assert file.read(100) == data[-10:]
        assert file.read(100) == b""
        assert file.seek(5) == 5 and file.read(7) == data[5:12]
        assert file.seek(-20, os.SEEK_END) == 2_999_980 and file.read() == data[-20:]
        assert file.seek(1_000_000) and file.seek(10, os.SEEK_CUR) == 1_000_010
        assert file.tell() == 1_000_010 and file.read(900_000) == data[1_000_010:1_900_010]
        assert file.seek(4_000_000) and file.read() == b""
    with subject.store.open_read("a", start=3_000_000) as file:
        assert file.read() == b""


def test_of_many_creating_threads_exactly_one_wins(subject: Subject) -> None:
    if not subject.atomic:
        pytest.skip("this server cannot")
    barrier = threading.Barrier(8)

    def create(number: int) -> bool:
        barrier.wait()
        try:
            subject.store.create("a", b"%d" % number)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(8))) == 1
    assert keys(subject) == ["a"]


def test_swapping_threads_lose_no_update(subject: Subject) -> None:
    if not subject.atomic:
        pytest.skip("this server cannot")
    subject.store.create("counter", b"0 nobody")

    def count(number: int) -> None:
        while True:
            blob = subject.store.get("counter")
            assert blob is not None
            data = b"%d %d" % (int(blob.data.split()[0]) + 1, number)  # its writer's number is the nonce
            try:
                subject.store.swap("counter", data, etag=blob.etag)
                return
            except Conflict:
                continue

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(40)))
    assert content(subject.store, "counter").split()[0] == b"40"


def test_two_uploads_of_one_key_at_once_end_in_one_object(subject: Subject) -> None:
    data = os.urandom(18_000_000)
    barrier = threading.Barrier(2)

    def one(_: int) -> bool:
        barrier.wait()
        try:
            upload(subject.store, "a", data, {"task-id": "videos_1"})
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert any(threads.map(one, range(2)))
    assert content(subject.store, "a") == data
    assert keys(subject) == ["a"] and subject.left() == []


def test_a_store_says_whether_it_can_be_written(subject: Subject) -> None:
    subject.store.check_writable()
    subject.store.require_conditions()
    assert keys(subject) == []


def test_an_address_names_the_key(subject: Subject) -> None:
    assert subject.store.uri_of("videos/a.mp4").endswith("/videos/a.mp4")
