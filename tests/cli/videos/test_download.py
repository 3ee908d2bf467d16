"""``prefect-seedance download``: the right video, whole, and no file of anybody's overwritten."""

from __future__ import annotations

import errno
import json
import shlex
import tracemalloc
from pathlib import Path
from typing import BinaryIO

import pytest

from prefect_seedance.cli import main
from prefect_seedance.cli.arguments import parser
from prefect_seedance.cli.videos.download import FileInTheWay, _publish
from prefect_seedance.cli.videos.finding import _MOST_LISTED
from prefect_seedance.journal.states import State
from prefect_seedance.storage.folder.store import FolderStore
from tests.cli.videos.stored import Shelf

MUG, CUP, SECOND_CUP = "3f9a1c04" + "0" * 24, "aaaa0000" + "1" * 24, "aaaa0001" + "2" * 24


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(FolderStore(tmp_path / "my videos"))
    shelf.add(MUG, "mug")
    return shelf


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a person is in."""
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path / "desk"


def download(name: str, *options: str) -> int:
    return main(["download", name, "--store", "../my videos", *options])


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", [MUG, MUG[:8], MUG[:3], MUG.upper(), f"videos_{MUG}", "mug", f" {MUG}\n"])
def test_a_video_is_found_by_whatever_a_person_has_of_it(shelf: Shelf, there: Path, name: str) -> None:
    shelf.add(CUP, "cup")
    assert download(name) == 0
    assert files(there) == {f"videos_{MUG}.mp4": shelf.made[MUG]}


@pytest.mark.parametrize("name", ["cup", "aaaa", "aaaa000"])
def test_of_several_none_is_taken_and_each_is_listed(
    shelf: Shelf, there: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.add(CUP, "cup")
    shelf.add(SECOND_CUP, "cup", state=State.SUBMITTED)
    assert download(name) == 1
    said = capsys.readouterr().err
    assert f"  {CUP}  stored, " in said and f"  {SECOND_CUP}  submitted, " in said and MUG not in said
    assert files(there) == {}
    assert download(CUP) == 0


@pytest.mark.parametrize("name", ["plate", "", " ", "f" * 32, "ffffffff", "mu", "../mug", "*"])
def test_what_is_not_there_is_said(shelf: Shelf, there: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert download(name) == 1
    said = capsys.readouterr().err
    assert "has no video called" in said and "check --store" in said and "In use: store ../my videos" in said
    assert files(there) == {}


@pytest.mark.parametrize(
    ("state", "way_on"),
    [
        (State.SUBMITTED, "Run the same request again: that takes the task up and pays nothing."),
        (State.COMPLETED, "prefect-seedance collect --store "),
        (State.UNKNOWN, f"prefect-seedance resolve {CUP} "),
        (State.REFUSED, "the logo is not yours. Nothing is paid for it."),
        (State.FAILED, "the logo is not yours. Another take, or another prompt, is another video"),
        (State.LOST, "Another take is another video"),
    ],
)
def test_a_video_that_is_not_stored_says_its_state_and_the_way_on(
    shelf: Shelf, there: Path, state: State, way_on: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = shelf.add(CUP, "cup", state=state, message="the logo is not yours.")
    assert download("cup", "--json") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert f"Its state is {state}: " in error["message"] and way_on in error["message"]
    assert (error["type"], error["task_id"]) == ("NotStored", record.task_id)
    for line in error["message"].splitlines():
        if line.startswith("prefect-seedance ") and "..." not in line:
            parser().parse_args(shlex.split(line)[1:])
    assert files(there) == {}


def test_a_file_that_is_there_is_never_overwritten_unasked(
    shelf: Shelf, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = there / f"videos_{MUG}.mp4"
    mine.write_bytes(b"my own cut")
    assert download("mug") == 1
    assert "--force" in capsys.readouterr().err and files(there) == {mine.name: b"my own cut"}
    assert download("mug", "--force") == 0
    assert files(there) == {mine.name: shelf.made[MUG]}
    capsys.readouterr()
    assert download("mug") == 0
    assert capsys.readouterr().out.startswith("Already there, and the same: ")


def test_a_link_that_leads_nowhere_is_in_the_way_too(shelf: Shelf, there: Path) -> None:
    (there / f"videos_{MUG}.mp4").symlink_to(there / "elsewhere")
    assert download("mug") == 1
    assert not (there / "elsewhere").exists()


@pytest.mark.parametrize("damage", [b"", b"x", "flipped", "longer"])
def test_a_damaged_object_is_said_and_leaves_no_file(
    shelf: Shelf, there: Path, damage: bytes | str, capsys: pytest.CaptureFixture[str]
) -> None:
    object_ = there.parent / "my videos" / "videos" / "2026-11" / f"videos_{MUG}.mp4"
    whole = shelf.made[MUG]
    damaged = {"flipped": b"X" + whole[1:], "longer": whole + b"x"}.get(str(damage), damage)
    object_.chmod(0o600)
    object_.write_bytes(damaged if isinstance(damaged, bytes) else b"")
    assert download("mug") == 1
    said = capsys.readouterr().err
    assert "is damaged" in said and "Nothing was saved" in said and "pays nothing" in said
    assert files(there) == {}, "no piece of it either"


def test_an_object_that_is_gone_is_said(shelf: Shelf, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (there.parent / "my videos" / "videos" / "2026-11" / f"videos_{MUG}.mp4").unlink()
    assert download("mug") == 1
    assert "is not there any more, though its record says that it is stored" in capsys.readouterr().err
    assert files(there) == {}


def test_what_lies_beside_it_comes_too_where_that_is_asked(
    shelf: Shelf, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = there.parent / "my videos" / "videos" / "2026-11"
    (beside / f"videos_{MUG}.json").write_text("{}")
    assert download("mug", "--all", "--to", "deep/er", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {*files(there / "deep" / "er")} == {f"videos_{MUG}.mp4", f"videos_{MUG}.json"}, "there is no poster"
    assert found["video"]["bytes"] == len(shelf.made[MUG]) and len(found["files"]) == 1


def test_a_folder_that_cannot_be_is_said(shelf: Shelf, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (there / "file").touch()
    assert download("mug", "--to", "file") == 1
    assert "file cannot be written: " in capsys.readouterr().err
    (there / f"videos_{MUG}.mp4").mkdir()
    assert download("mug", "--force") == 1
    assert "--to" in capsys.readouterr().err


def test_it_takes_no_more_memory_for_a_long_video(shelf: Shelf, there: Path) -> None:
    shelf.add(CUP, "cup", data=bytes(24 * 1024 * 1024))
    download("mug")  # what is imported
    tracemalloc.start()
    try:
        assert download("cup") == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert (there / f"videos_{CUP}.mp4").stat().st_size == 24 * 1024 * 1024


def test_each_file_that_comes_beside_it_is_said_and_one_that_is_there_is_kept(
    shelf: Shelf, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = there.parent / "my videos" / "videos" / "2026-11"
    (beside / f"videos_{MUG}.json").write_text("{}")
    (beside / f"videos_{MUG}.jpg").write_bytes(b"poster")
    (there / f"videos_{MUG}.jpg").write_bytes(b"my own")
    assert download("mug", "--all") == 0
    said = capsys.readouterr().out
    assert said.count("Beside it: ") == 1 and f"videos_{MUG}.json" in said
    assert files(there)[f"videos_{MUG}.jpg"] == b"my own"
    assert download("mug", "--all", "--force") == 0
    assert files(there)[f"videos_{MUG}.jpg"] == b"poster"


def test_a_file_that_appears_while_the_video_is_read_is_not_overwritten(
    shelf: Shelf, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target, read = there / f"videos_{MUG}.mp4", FolderStore.open_read

    def meanwhile(store: FolderStore, key: str) -> BinaryIO:
        target.write_bytes(b"of another download")
        return read(store, key)

    monkeypatch.setattr(FolderStore, "open_read", meanwhile)
    assert download("mug") == 1
    assert "has appeared in the meantime; it was not touched" in capsys.readouterr().err
    assert files(there) == {target.name: b"of another download"}, "no piece of it either"


def test_where_the_file_system_has_no_links_a_video_is_saved_and_nothing_overwritten_all_the_same(
    shelf: Shelf, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")  # as on FAT

    monkeypatch.setattr("os.link", link)
    assert download("mug") == 0
    assert files(there) == {f"videos_{MUG}.mp4": shelf.made[MUG]}
    with pytest.raises(FileInTheWay):
        _publish(there / "part", there / f"videos_{MUG}.mp4")
    assert files(there) == {f"videos_{MUG}.mp4": shelf.made[MUG]}


def test_of_very_many_with_one_name_the_first_are_listed_and_the_others_counted(
    shelf: Shelf, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(_MOST_LISTED + 2):
        shelf.add(f"{number:032x}", "cup")
    assert download("cup") == 1
    said = capsys.readouterr().err
    assert said.count("  stored, ") == _MOST_LISTED and "and 2 more" in said


def test_a_video_that_is_not_submitted_yet_says_that_nothing_is_paid(
    shelf: Shelf, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.add(CUP, "cup", state=State.READY)
    assert download("cup") == 1
    assert "Nothing is paid for it. The run that wants it submits it" in " ".join(capsys.readouterr().err.split())


def test_a_damaged_record_among_those_that_begin_so_is_said_and_not_passed_over(
    shelf: Shelf, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.add(CUP, "cup")
    record = there.parent / "my videos" / "journal" / "records" / f"{CUP}.json"
    record.chmod(0o600)
    record.write_text("{")
    assert download(CUP[:8]) == 1
    assert CUP in capsys.readouterr().err and files(there) == {}
