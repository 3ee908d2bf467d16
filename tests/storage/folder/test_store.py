"""What only a store in a folder does; what all stores do is in test_store_contract.py."""

from __future__ import annotations

import os
import resource
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.storage.errors import (
    AlreadyExists,
    BadLocation,
    DamagedUpload,
    Missing,
    NoSpace,
    NotWritable,
    StoreUnavailable,
)
from prefect_seedance.storage.folder.durable_files import TemporaryFile
from prefect_seedance.storage.folder.file_lock import exclusive
from prefect_seedance.storage.folder.places import sync_folder
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import ObjectInfo, Store


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def files(store: FolderStore) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def upload(store: Store, key: str, data: bytes) -> ObjectInfo:
    with store.begin_upload(key, size=len(data), content_type="video/mp4", metadata={}) as one:
        for start in range(0, len(data), 1000):
            one.write(data[start : start + 1000])
        return one.commit(crc32=zlib.crc32(data), size=len(data))


def test_a_record_is_never_created_over_another(store: FolderStore) -> None:
    store.create("a", b"one")
    with pytest.raises(AlreadyExists, match="left as it is"):
        store.create("a", b"two")
    assert (store.root / "a").read_bytes() == b"one"
    assert files(store) == [".clock", "a"]


def test_a_swap_does_not_bring_back_what_was_deleted(store: FolderStore) -> None:
    etag = store.create("a", b"one")
    store.delete("a")
    with pytest.raises(Missing, match="deleted"):
        store.swap("a", b"two", etag=etag)
    assert files(store) == [".clock", ".lock"]


def test_reading_what_is_not_there_makes_nothing(store: FolderStore) -> None:
    assert store.get("a/b") is None
    assert store.stat("a/b") is None
    assert list(store.list_keys("")) == []
    with pytest.raises(Missing):
        store.open_read("a/b")
    store.delete("a/b")
    assert not store.root.exists()


def test_a_folder_is_not_an_object_nor_an_object_a_folder(store: FolderStore) -> None:
    store.create("a/b", b"x")
    assert store.get("a") is None
    assert store.stat("a") is None
    store.delete("a")
    with pytest.raises(AlreadyExists):
        store.create("a", b"y")
    assert store.get("a/b/c") is None
    with pytest.raises(NotWritable):
        store.create("a/b/c", b"y")
    assert (store.root / "a" / "b").read_bytes() == b"x"


def test_keys_are_listed_sorted_by_their_whole_text(store: FolderStore) -> None:
    keys = ["a", "a-b", "a/b", "a/b/c-d", "a.b/x", "b/open/1", "b/open/2", "b/opened", "ab/c"]
    made = [key for key in keys if not any(other.startswith(key + "/") for other in keys)]
    for key in made:
        store.create(key, b"x")
    assert list(store.list_keys("")) == sorted(made)
    assert list(store.list_keys("b/open")) == ["b/open/1", "b/open/2", "b/opened"]
    assert list(store.list_keys("b/open/")) == ["b/open/1", "b/open/2"]
    assert list(store.list_keys("a")) == sorted(key for key in made if key.startswith("a"))
    assert list(store.list_keys("zzz/")) == []


@given(st.sets(st.text("ab-./0", min_size=1, max_size=6), max_size=12), st.text("ab-/", max_size=4))
def test_listing_is_what_a_flat_store_would_list(tmp_path_factory, names: set[str], prefix: str) -> None:
    store = FolderStore(tmp_path_factory.mktemp("list"))
    made: list[str] = []
    for name in names:
        try:
            store.create(name, b"x")
            made.append(name)
        except (ValueError, AlreadyExists, NotWritable):
            continue
    try:
        listed = list(store.list_keys(prefix))
    except ValueError:
        return
    assert listed == sorted(name for name in made if name.startswith(prefix))


def test_an_object_is_uploaded_in_pieces_and_visible_only_when_committed(store: FolderStore) -> None:
    data = os.urandom(5000)
    with store.begin_upload("v/a.mp4", size=None, content_type="video/mp4", metadata={}) as one:
        one.write(data)
        assert store.stat("v/a.mp4") is None
        assert list(store.list_keys("")) == []
        info = one.commit(crc32=zlib.crc32(data), size=len(data))
    assert info.size == 5000 and info.uri == (store.root / "v/a.mp4").as_uri()
    assert info.age_seconds < 60
    found = store.stat("v/a.mp4")
    assert found is not None and found.etag == info.etag
    with store.open_read("v/a.mp4", start=4000) as file:
        assert file.read() == data[4000:]
    assert files(store) == [".clock", "v/a.mp4"]


def test_an_upload_that_is_left_leaves_nothing(store: FolderStore) -> None:
    with store.begin_upload("a", size=None, content_type="", metadata={}) as one:
        one.write(b"data")
    with (
        pytest.raises(RuntimeError),
        store.begin_upload("a", size=None, content_type="", metadata={}) as one,
    ):
        one.write(b"data")
        raise RuntimeError
    assert files(store) == [".clock"]


@pytest.mark.parametrize(("size", "crc32"), [(3, zlib.crc32(b"data")), (4, 0)])
def test_an_upload_that_is_not_what_was_sent_is_refused(store: FolderStore, size: int, crc32: int) -> None:
    with (
        pytest.raises(DamagedUpload),
        store.begin_upload("a", size=None, content_type="", metadata={}) as one,
    ):
        one.write(b"data")
        one.commit(crc32=crc32, size=size)
    assert files(store) == [".clock"]


def test_a_known_size_that_does_not_fit_is_refused_before_any_byte(store: FolderStore) -> None:
    with pytest.raises(NoSpace, match="are free"):
        store.begin_upload("a", size=2**60, content_type="", metadata={})
    assert files(store) == [".clock"]


def test_an_age_is_measured_by_the_clock_of_the_file_system(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("a", b"x")
    written = os.stat(store.root / "a").st_mtime
    os.utime(store.root / "a", (written - 100, written - 100))
    # A worker whose own clock is an hour off reads the same age.
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    blob, info = store.get("a"), store.stat("a")
    assert blob is not None and 99 <= blob.age_seconds < 1000
    assert info is not None and 99 <= info.age_seconds < 1000


def test_an_age_counts_from_when_a_record_became_visible_not_from_the_wait_before(store: FolderStore) -> None:
    etag = store.create("a", b"x")
    with ThreadPoolExecutor(1) as threads:
        with exclusive(store.root / ".lock"):
            swapping = threads.submit(store.swap, "a", b"y", etag=etag)
            time.sleep(0.5)
            released = time.monotonic()
        swapping.result()
    blob = store.get("a")
    assert blob is not None and blob.age_seconds <= time.monotonic() - released + 0.1


def test_a_delete_does_not_cross_a_swap(store: FolderStore) -> None:
    store.create("a", b"x")
    with ThreadPoolExecutor(1) as threads:
        with exclusive(store.root / ".lock"):
            deleting = threads.submit(store.delete, "a")
            time.sleep(0.2)
            assert store.get("a") is not None
        deleting.result()
    assert store.get("a") is None


def test_a_stranger_that_holds_the_lock_is_waited_for_only_so_long(store: FolderStore) -> None:
    etag = store.create("a", b"x")
    patient = FolderStore(store.root, lock_timeout_seconds=0.1)
    with (
        exclusive(store.root / ".lock"),
        ThreadPoolExecutor(1) as threads,
        pytest.raises(StoreUnavailable, match="held this lock"),
    ):
        threads.submit(patient.swap, "a", b"y", etag=etag).result()
    patient.swap("a", b"y", etag=etag)


def test_what_killed_writers_left_is_swept_when_older_than_a_day(store: FolderStore) -> None:
    store.create("a", b"x")
    old, young = (store.root / ".tmp" / uuid4().hex for _ in range(2))
    for path in (old, young):
        path.write_bytes(b"half")
    day_ago = time.time() - 90_000
    os.utime(old, (day_ago, day_ago))
    FolderStore(store.root).create("b", b"x")
    assert not old.exists() and young.exists()
    assert list(store.list_keys("")) == ["a", "b"]


def test_a_cleared_temporary_folder_and_clock_are_made_anew(store: FolderStore) -> None:
    etag = store.create("a", b"x")
    (store.root / ".tmp").rmdir()
    (store.root / ".clock").unlink()
    store.swap("a", b"y", etag=etag)
    assert store.get("a") is not None


@pytest.mark.parametrize("place", ["under a file", "/proc/nowhere", "/dev/null/store"])
def test_a_place_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(tmp_path / "file" / "store" if place == "under a file" else Path(place))
    for attempt in (
        lambda: store.create("a", b"x"),
        lambda: store.swap("a", b"x", etag="e"),
        lambda: store.begin_upload("a", size=1, content_type="", metadata={}),
        store.check_writable,
    ):
        with pytest.raises(NotWritable, match="Let the account that runs the worker write there") as caught:
            attempt()
        assert str(store.root) in str(caught.value)
    assert store.get("a") is None


def test_a_writable_place_is_probed_without_a_trace(store: FolderStore) -> None:
    store.check_writable()
    store.check_writable()
    assert files(store) == [".clock", ".lock"]
    assert list(store.list_keys("")) == []


@contextmanager
def limited(kind: int, soft: int) -> Iterator[None]:
    """Let this process have no more of something for the length of a ``with`` block."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def test_a_file_for_which_there_is_no_space_is_said_and_leaves_nothing(store: FolderStore) -> None:
    etag = store.create("a", b"one")
    video = store.begin_upload("b", size=None, content_type="video/mp4", metadata={})
    with limited(resource.RLIMIT_FSIZE, 1000):
        for write in (
            lambda: store.create("c", bytes(5000)),
            lambda: store.swap("a", bytes(5000), etag=etag),
            lambda: video.write(bytes(5000)),
        ):
            with pytest.raises(NoSpace):
                write()
    video.__exit__(None, None, None)
    assert set(files(store)) <= {".clock", ".lock", "a"} and (store.root / "a").read_bytes() == b"one"


def test_a_record_that_cannot_be_opened_just_now_is_not_taken_for_absent(store: FolderStore) -> None:
    store.create("a", b"one")
    with limited(resource.RLIMIT_NOFILE, 3), pytest.raises(StoreUnavailable, match="Too many open files"):
        store.get("a")
    assert store.get("a") is not None


@contextmanager
def temporary_in(path: Path) -> Iterator[tuple[TemporaryFile, int]]:
    """A file of a writer of ours, and its folder."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    temporary = TemporaryFile(folder, path)
    try:
        yield temporary, folder
    finally:
        temporary.discard()
        temporary.discard()  # as often as anybody likes
        os.close(folder)


def test_a_link_that_a_server_says_is_there_is_ours_if_it_leads_to_our_file(tmp_path: Path) -> None:
    """An NFS server that answers twice says "exists" about the link that it has just made."""
    with temporary_in(tmp_path) as (temporary, folder):
        temporary.link_to(folder, "a", tmp_path / "a")
        temporary.link_to(folder, "a", tmp_path / "a")
    with temporary_in(tmp_path) as (temporary, folder), pytest.raises(FileExistsError):
        temporary.link_to(folder, "a", tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_of_two_file_systems_is_refused_with_the_reason(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    folder = os.open(shared, os.O_RDONLY | os.O_DIRECTORY)
    gone = tmp_path / "gone"
    gone.mkdir()
    deleted = os.open(gone, os.O_RDONLY | os.O_DIRECTORY)
    gone.rmdir()
    try:
        with temporary_in(tmp_path) as (temporary, _):
            with pytest.raises(NotWritable, match="one plain local file system is needed"):
                temporary.link_to(folder, "a", shared / "a")
            with pytest.raises(FileNotFoundError):
                temporary.link_to(deleted, "a", gone / "a")
    finally:
        os.close(folder)
        os.close(deleted)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc")
def test_a_file_system_that_cannot_sync_a_folder_is_written_all_the_same() -> None:
    folder = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="Invalid argument"):
            os.fsync(folder)
        sync_folder(folder)
    finally:
        os.close(folder)


def test_what_is_deleted_while_its_folder_is_listed_is_passed_over(store: FolderStore) -> None:
    for key in ("a", "b", "c"):
        store.create(key, b"x")
    listed = iter(store.list_ages(""))
    first = next(listed)[0]
    store.delete("b")
    assert [first, *(key for key, _ in listed)] == ["a", "c"]


def test_a_store_without_its_temporary_folder_has_no_earlier_versions(store: FolderStore) -> None:
    store.create("a", b"x")
    (store.root / ".tmp").rmdir()
    assert list(store.earlier_versions("a")) == []


def test_an_upload_replaces_only_the_object_that_it_was_begun_for(store: FolderStore) -> None:
    store.create("a", b"damaged")
    damaged = store.stat("a")
    with store.begin_upload("a", size=5, content_type="video/mp4", metadata={}, replaces=damaged) as one:
        one.write(b"whole")
        store.delete("a")
        store.create("a", b"somebody else's")
        with pytest.raises(AlreadyExists):
            one.commit(crc32=zlib.crc32(b"whole"), size=5)
    assert (store.root / "a").read_bytes() == b"somebody else's"


@pytest.mark.parametrize("root", ["videos", "./videos", "~/videos", ""])
def test_a_relative_location_is_refused(root: str) -> None:
    with pytest.raises(BadLocation, match="whole path"):
        FolderStore(Path(root))


def test_a_folder_store_is_a_store(store: FolderStore) -> None:
    as_protocol: Store = store
    assert as_protocol.uri_of("a b").endswith("/a%20b")
