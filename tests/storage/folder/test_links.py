"""Links inside of a folder store: none is followed where it sweeps, locks, lists or writes, or reads a record."""

from __future__ import annotations

import hashlib
import os
import socket
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from prefect_seedance.storage.errors import AlreadyExists, NotReadable, NotWritable, StorageError
from prefect_seedance.storage.folder.store import FolderStore

RECORD, VIDEO = "journal/records/a.json", "videos/2026/a.mp4"
LONG_AGO = time.time() - 30 * 86_400


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Somebody else's folder, with old files under the names that the store makes."""
    folder = tmp_path / "victim"
    for name in ("a.json", "a.mp4", uuid4().hex, f"probe-{uuid4().hex}", "records/a.json", "2026/a.mp4", "open/a.1"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"precious")
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


def contents(folder: Path) -> dict[str, tuple[bytes, float]]:
    return {str(each): (each.read_bytes(), each.stat().st_mtime) for each in folder.rglob("*") if each.is_file()}


def upload(store: FolderStore, key: str) -> None:
    data = b"video"
    with store.begin_upload(key, size=len(data), content_type="video/mp4", metadata={}) as one:
        one.write(data)
        one.commit(crc32=zlib.crc32(data), size=len(data))


def link(store: FolderStore, name: str, target: Path) -> Path:
    path = store.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


WRITES: list[Callable[[FolderStore], object]] = [
    lambda store: store.create(RECORD, b"new"),
    lambda store: store.swap(RECORD, b"new", etag=hashlib.sha256(b"precious").hexdigest()),
    lambda store: store.delete(RECORD),
    lambda store: upload(store, VIDEO),
    lambda store: store.check_writable(),
    lambda store: store.require_conditions(),
    lambda store: store.check_place(VIDEO),
    lambda store: [*store.list_keys("")],
    lambda store: store.get(RECORD),
    lambda store: [*store.earlier_versions(RECORD)],
]


@pytest.mark.parametrize("name", [".tmp", ".lock", ".clock", "journal", "journal/records", "videos", "videos/2026"])
def test_nothing_behind_a_link_is_touched_and_the_link_is_named(store: FolderStore, victim: Path, name: str) -> None:
    target = victim / "a.json" if name in (".lock", ".clock") else victim
    path, before = link(store, name, target), contents(victim)
    refused: list[str] = []
    for write in WRITES:
        try:
            write(store)
        except (NotWritable, NotReadable) as error:
            refused.append(str(error))
        except StorageError:  # what is not in the way may be as it is: gone, changed, or there already
            continue
    assert contents(victim) == before
    assert path.is_symlink(), "the link is the user's, and stays"
    assert refused and all(str(path) in said and "bind-mount" in said for said in refused), refused


@pytest.mark.parametrize("name", [".tmp", ".lock", ".clock", "journal", "journal/open", "quarantine", "videos"])
def test_a_link_is_refused_before_anything_is_paid(store: FolderStore, victim: Path, name: str) -> None:
    link(store, name, victim)
    with pytest.raises(NotWritable, match="is a link"):
        store.require_conditions()
        store.check_place(VIDEO)


def test_a_sweep_removes_only_old_files_with_names_of_ours(store: FolderStore, victim: Path) -> None:
    store.create("a", b"x")
    temporary, ours = store.root / ".tmp", uuid4().hex
    (temporary / ours).write_bytes(b"half")
    (temporary / "notes.txt").write_bytes(b"a person's")
    (temporary / uuid4().hex).symlink_to(victim / "a.mp4")
    folder = temporary / uuid4().hex
    folder.mkdir()
    for path in (temporary / ours, temporary / "notes.txt", folder):
        os.utime(path, (LONG_AGO, LONG_AGO))
    before = contents(victim)
    FolderStore(store.root).create("b", b"x")
    assert not (temporary / ours).exists()
    assert len([*temporary.iterdir()]) == 3
    assert contents(victim) == before


def test_a_lock_or_clock_that_leads_nowhere_makes_no_file_there(store: FolderStore, tmp_path: Path) -> None:
    etag = store.create(RECORD, b"x")
    (store.root / ".clock").unlink()
    for name in (".lock", ".clock"):
        link(store, name, tmp_path / "made")
    with pytest.raises(NotWritable, match="is a link"):
        store.swap(RECORD, b"y", etag=etag)
    assert not (tmp_path / "made").exists()


def test_a_clock_that_is_a_second_name_of_another_file_is_replaced(store: FolderStore, victim: Path) -> None:
    store.create("a", b"x")
    (store.root / ".clock").unlink()
    os.link(victim / "a.mp4", store.root / ".clock")
    before = contents(victim)
    blob = store.get("a")
    assert blob is not None and blob.age_seconds < 60
    assert contents(victim) == before


def test_a_record_that_is_a_link_is_neither_read_nor_written_through(store: FolderStore, victim: Path) -> None:
    link(store, RECORD, victim / "a.json")
    before = contents(victim)
    with pytest.raises(NotReadable, match="is a link"):
        store.get(RECORD)
    with pytest.raises(AlreadyExists):
        store.create(RECORD, b"new")
    with pytest.raises(NotWritable, match="is a link"):
        store.swap(RECORD, b"new", etag=hashlib.sha256(b"precious").hexdigest())
    assert [*store.list_keys("journal/")] == [RECORD], "so that a list says that it cannot be read"
    store.delete(RECORD)
    assert contents(victim) == before and store.get(RECORD) is None


@pytest.mark.parametrize("make", ["pipe", "socket"])
def test_what_is_no_file_is_not_waited_for(store: FolderStore, make: str) -> None:
    store.create("journal/records/b.json", b"x")
    path = store.root / RECORD
    if make == "pipe":
        os.mkfifo(path)
    else:
        here = os.getcwd()
        os.chdir(path.parent)  # the name of a socket is short
        try:
            socket.socket(socket.AF_UNIX).bind(path.name)
        finally:
            os.chdir(here)
    for attempt in (lambda: store.get(RECORD), lambda: store.open_read(RECORD)):
        with pytest.raises(StorageError, match=r"neither|No such device"):
            attempt()


def test_a_video_is_not_written_through_a_link_that_bears_its_name(store: FolderStore, tmp_path: Path) -> None:
    link(store, VIDEO, tmp_path / "elsewhere.mp4")
    with pytest.raises(NotWritable, match="is a link"):
        upload(store, VIDEO)
    assert not (tmp_path / "elsewhere.mp4").exists()


def test_a_video_is_read_through_a_link(store: FolderStore, victim: Path) -> None:
    """Whoever moved old videos to another disk still finds them."""
    link(store, "videos/2026", victim / "2026")
    info = store.stat(VIDEO)
    assert info is not None and info.size == len(b"precious")
    with store.open_read(VIDEO) as file:
        assert file.read() == b"precious"


@pytest.mark.parametrize("where", ["the root", "above it"])
def test_the_location_itself_may_be_a_link(tmp_path: Path, where: str) -> None:
    (tmp_path / "disk" / "store").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "disk" / "store" if where == "the root" else tmp_path / "disk")
    store = FolderStore(tmp_path / "data" if where == "the root" else tmp_path / "data" / "store")
    store.check_writable()
    store.require_conditions()
    store.swap(RECORD, b"y", etag=store.create(RECORD, b"x"))
    upload(store, VIDEO)
    assert [*store.list_keys("")] == [RECORD, VIDEO]
    assert (tmp_path / "disk" / "store" / VIDEO).read_bytes() == b"video"


def test_a_link_that_appears_in_the_middle_of_an_upload_is_not_followed(store: FolderStore, victim: Path) -> None:
    before = contents(victim)
    with (
        pytest.raises(NotWritable, match="is a link"),
        store.begin_upload("videos/2027/b.mp4", size=4, content_type="", metadata={}) as one,
    ):
        one.write(b"data")
        link(store, "videos/2027", victim)
        one.commit(crc32=zlib.crc32(b"data"), size=4)
    assert contents(victim) == before
    assert [*(store.root / ".tmp").iterdir()] == []


def test_no_handle_stays_open(store: FolderStore, victim: Path) -> None:
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("counted in /proc")
    store.create(RECORD, b"x")
    link(store, "videos", victim)
    open_before = len([*handles.iterdir()])
    for write in WRITES * 3:
        with suppress(StorageError):
            write(store)
    assert len([*handles.iterdir()]) == open_before
