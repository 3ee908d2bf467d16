"""Local files as references: what is one, what is none, and that its bytes stay those that were hashed."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from prefect_seedance.client.request.sources import Source, read_source
from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import ContentChanged, PreparationCancelled, UnusableReference
from prefect_seedance.media.finding import find_material
from prefect_seedance.media.material import Material
from prefect_seedance.media.materials import local_file
from prefect_seedance.storage.folder.store import FolderStore
from tests.media.contexts import context_of

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n\x1a\n" + b"mug" * 100_000
#: Long ago, in whole seconds: long enough for its hash to be remembered.
OLD = 1_700_000_000


def find(text: str, follower: Follower | None = None) -> Material:
    return find_material(read_source(text), context_of(FolderStore(Path("/nowhere"))), follower or Follower())


@pytest.fixture
def mug(tmp_path: Path) -> Path:
    path = tmp_path / "mug.mp4"
    path.write_bytes(PNG)
    os.utime(path, (OLD, OLD))
    return path


def test_a_file_is_identified_by_its_content(mug: Path) -> None:
    found = find(str(mug))
    assert found.identity == f"sha256:{hashlib.sha256(PNG).hexdigest()}"
    assert (found.sha256, found.size) == (hashlib.sha256(PNG).hexdigest(), len(PNG))
    with found.open_read() as file:
        assert file.read() == PNG
        assert file.seek(-3, os.SEEK_END) == len(PNG) - 3
        assert (file.read(), file.read()) == (b"mug", b"")
    with found.open_read(8) as file:
        assert file.read(6) == b"mugmug"
    assert found.sign_link(60) is None


def test_the_identity_of_a_content_is_frozen(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"paper boat")
    golden = "sha256:068fa308e2f90014ccc99104f7a9838de9e33c621e896864e97fa52abcc418b4"
    assert find(str(tmp_path / "a")).identity == golden


def test_the_name_for_an_upload_follows_the_content_and_not_the_name(mug: Path) -> None:
    assert find(str(mug)).name == "mug.png"


def relative(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(path.parent)
    return f"./{path.name}"


def bare(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(path.parent)
    return path.name


def as_address(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return path.as_uri()


def by_link(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    link = path.with_name("link")
    link.symlink_to(path)
    return str(link)


def behind_a_linked_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (path.parent / "deep" / "er").mkdir(parents=True)
    (path.parent / "short").symlink_to(path.parent / "deep" / "er")
    (path.parent / "deep" / path.name).write_bytes(PNG)
    path.unlink()  # a path that is tidied as a text leads here
    return f"{path.parent}/short/../{path.name}"


@pytest.mark.parametrize("written", [relative, bare, as_address, by_link, behind_a_linked_folder])
def test_a_path_may_be_written_in_many_ways(
    mug: Path, monkeypatch: pytest.MonkeyPatch, written: Callable[[Path, pytest.MonkeyPatch], str]
) -> None:
    assert find(written(mug, monkeypatch)).sha256 == hashlib.sha256(PNG).hexdigest()


def test_a_name_may_hold_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "Bécher #1 50% off?+é.png"
    path.write_bytes(PNG)
    assert find(str(path)).sha256 == find(path.as_uri()).sha256 == hashlib.sha256(PNG).hexdigest()
    assert find(str(path)).name == "B-cher-1-50-off.png"


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def missing(path: Path) -> None:
    """Make nothing."""


def dead_link(path: Path) -> None:
    path.symlink_to(path.with_name("gone"))


def link_in_a_circle(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (folder, "it is a folder"),
        (pipe, "a pipe"),
        (device, "a device"),
        (missing, "there is no such file"),
        (dead_link, "there is no such file"),
        (link_in_a_circle, os.strerror(errno.ELOOP)),
    ],
)
def test_what_is_not_a_file_is_refused_with_its_whole_path_the_machine_and_the_way_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path / "mug.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnusableReference) as caught:
        find("mug.png")
    assert words in caught.value.message
    assert str(tmp_path / "mug.png") in caught.value.message
    assert platform.node() in caught.value.message
    assert "put the file into a bucket" in caught.value.fix


def test_a_file_that_may_not_be_read_is_refused_with_what_the_system_says(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # may read everything but the memory of others
        path = Path("/proc/1/mem") if not os.access("/proc/1/mem", os.R_OK) else tmp_path / ("x" * 300)
    else:
        path = tmp_path / "mug.png"
        path.write_bytes(PNG)
        path.chmod(0)
    with pytest.raises(UnusableReference, match="cannot be read on this machine"):
        find(str(path))


@pytest.mark.parametrize("name", ["a\0b", "half \ud800", "x" * 5000])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(UnusableReference):
        find_material(Source("file", f"/{name}"), context_of(FolderStore(Path("/nowhere"))), Follower())


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mug.png").touch()
    with pytest.raises(UnusableReference, match="is empty"):
        find(str(tmp_path / "mug.png"))


def test_a_folder_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UnusableReference, match="folder of this process does not exist"):
        find("mug.png")


def rewritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(200_000)
        file.write(b"cup")


def rewritten_with_its_old_time(path: Path) -> None:
    rewritten(path)
    os.utime(path, (OLD, OLD))


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrunk(path: Path) -> None:
    os.truncate(path, 250_000)


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(PNG.replace(b"mug", b"cup"))
    other.replace(path)


CHANGES = [rewritten, rewritten_with_its_old_time, grown, shrunk]


@pytest.mark.parametrize("change", [*CHANGES, replaced])
def test_a_file_that_has_changed_is_not_read_again(mug: Path, change: Callable[[Path], None]) -> None:
    found = find(str(mug))
    change(mug)
    with pytest.raises(ContentChanged):
        found.open_read()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_while_a_file_is_read_shows_before_its_end(mug: Path, change: Callable[[Path], None]) -> None:
    with find(str(mug)).open_read() as file:
        assert file.read(1000) == PNG[:1000]
        change(mug)
        with pytest.raises(ContentChanged):
            while file.read(4096):
                pass


def test_other_bytes_under_unchanged_times_show_with_the_last_byte(mug: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system whose clock stands still, or that somebody mounts from elsewhere."""
    first = local_file._stamp_of
    with mug.open("rb") as file:
        stamp = first(file)
    monkeypatch.setattr(local_file, "_stamp_of", lambda _: stamp)
    found = find(str(mug))
    rewritten(mug)
    with found.open_read() as file:
        assert file.read(1000) == PNG[:1000]
        with pytest.raises(ContentChanged):
            file.read()
    with found.open_read() as file:  # read to the middle, and from the start once more
        file.read(1000)
        file.seek(0)
        with pytest.raises(ContentChanged):
            file.read()


def test_a_file_is_hashed_once_and_again_when_it_has_changed(mug: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_file, "_COARSEST_CLOCK_NS", -(10**15))  # the file is new, by its inode
    find(str(mug))
    hashed: list[int] = []
    monkeypatch.setattr(local_file, "sha256_of", lambda *_, **__: hashed.append(1) or "0" * 64)
    find(str(mug))
    assert not hashed
    rewritten_with_its_old_time(mug)
    assert find(str(mug)).sha256 == "0" * 64


def test_the_hash_of_a_file_that_was_just_written_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "mug.png"
    path.write_bytes(b"one")
    before = os.stat(path)
    one = find(str(path)).identity
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert find(str(path)).identity != one


def test_the_hashes_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_file, "_MOST_HASHES", 3)
    monkeypatch.setattr(local_file, "_hashes", {})
    for number in range(5):
        local_file._remember((1, number, 1, 0, 0), str(number))
    assert [*local_file._hashes.values()] == ["3", "4"]


def test_a_cancelled_run_reads_no_further(mug: Path) -> None:
    cancelled = threading.Event()
    follower = Follower(cancelled=cancelled)
    with find(str(mug), follower).open_read() as file:
        file.read(1000)
        cancelled.set()
        with pytest.raises(PreparationCancelled):
            file.read()
    with pytest.raises(PreparationCancelled):
        find(str(mug), follower)


MEASURED = """
import re, sys
from pathlib import Path
from prefect_seedance.client.request.sources import read_source
from prefect_seedance.media.context import Follower
from prefect_seedance.media.finding import find_material
from prefect_seedance.storage.folder.store import FolderStore
from tests.media.contexts import context_of
found = find_material(read_source(sys.argv[1]), context_of(FolderStore(Path("/nowhere"))), Follower())
with found.open_read() as file:
    while file.read(1 << 20):
        pass
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_huge_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    def peak_mebibytes(size: int) -> float:
        path = tmp_path / f"{size}"
        with path.open("wb") as file:
            file.truncate(size)
        output = subprocess.run(
            [sys.executable, "-c", MEASURED, str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return float(re.findall(r"[\d.]+", output)[-1])

    assert peak_mebibytes(200_000_000) < peak_mebibytes(1000) + 30
