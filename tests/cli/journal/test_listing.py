"""``prefect-seedance journal``: the newest first, what they come to, and what that costs."""

from __future__ import annotations

import json
import os
import re
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from prefect_seedance.cli import main
from prefect_seedance.cli.journal.totals import Totals
from prefect_seedance.journal.codec import encode
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.states import State
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Blob
from tests.cli.videos.stored import Shelf
from tests.journal.harness import MemoryStore

MANY = 10_000


class CountingStore(MemoryStore):
    """Knows when records were written, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def get(self, key: str) -> Blob | None:
        self.asked["get"] += 1
        return super().get(key)

    def list_ages(self, prefix: str) -> Iterator[tuple[str, float | None]]:
        self.asked["list"] += 1
        # The order of writing has nothing to do with that of the names.
        return ((key, float(int(key[-7:-5], 16))) for key in super().list_keys(prefix))

    def list_written(self, prefix: str, *, within_seconds: float) -> Iterator[str]:
        return (key for key, age in self.list_ages(prefix) if age is not None and age <= within_seconds)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> CountingStore:
    store = CountingStore()
    record = Shelf(FolderStore(tmp_path_factory.mktemp("one"))).add("e" * 32, "mug")
    data = encode(record)
    for number in range(MANY):
        intent = f"{number:030x}{number * 37 % 256:02x}"
        store.objects[f"journal/records/{intent}.json"] = data.replace(b"e" * 32, intent.encode())
    return store


def test_the_newest_of_many_are_read_and_no_others(many: CountingStore) -> None:
    many.asked.clear()
    journal = Journal(many)  # type: ignore[arg-type]  # it is listed and read only
    newest = [*islice(journal.records(newest_first=True), 20)]
    assert {int(entry.record.intent[-2:], 16) for entry in newest} == {0}, "256 records are written at each moment"
    assert many.asked["list"] == 1 and many.asked["get"] <= 20 + 64 + 16, "what is read ahead is bounded"


def test_many_records_are_summed_without_being_kept(many: CountingStore) -> None:
    many.asked.clear()
    totals, alive, most = Totals(), list[weakref.ref[Entry]](), 0
    for entry in Journal(many).records(newest_first=True):  # type: ignore[arg-type]
        totals.count(entry)
        alive = [each for each in [*alive, weakref.ref(entry)] if each() is not None]
        most = max(most, len(alive))
    assert (totals.records, round(totals.spent, 6)) == (MANY, MANY / 10)
    assert (many.asked["list"], many.asked["get"]) == (1, MANY)
    assert most < 100, "those that are read ahead, and none that was counted"


def test_what_the_records_come_to_is_said_below_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf(FolderStore(tmp_path))
    states = (State.STORED, State.STORED, State.STORED, State.SUBMITTED, State.UNKNOWN, State.FAILED, State.REFUSED)
    for number, state in enumerate(states):
        shelf.add(f"{number:032x}", state=state)
    assert main(["journal", "--store", str(tmp_path)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"7 records in {tmp_path}: 1 submitted, 3 stored, 1 refused, 1 failed, 1 unknown",
        "Spent: 0.55 coins",  # 0.1 for each that is stored, and the price of the one that is under way
        "1 unknown submission may have been paid: 0.25 coins",
    ]
    assert main(["journal", "--json", "--store", str(tmp_path)]) == 0
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert (totals["spent"], totals["held"], totals["states"]["stored"]) == (0.55, 0.25, 3)
    assert main(["journal", "--limit", "2", "--store", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("2 records in ") and "--limit 2 leaves out older ones" in said.err
    assert main(["journal", "--account", "nobody", "--store", str(tmp_path)]) == 0
    assert capsys.readouterr().err == f"0 records in {tmp_path}\n"


def test_what_is_open_comes_the_newest_first_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf(FolderStore(tmp_path))
    for number, minutes in ((0, 30), (1, 10), (2, 20)):
        shelf.add(f"{number:032x}", state=State.UNKNOWN)
        marker = tmp_path / "journal" / "open" / f"{number:032x}.1"
        marker.parent.mkdir(exist_ok=True)
        marker.write_bytes(b"")
        _age(marker, minutes)
    shelf.add("f" * 32)
    for which in ("--open", "--unknown"):
        assert main(["journal", which, "--store", str(tmp_path)]) == 0
        listed = [line.split("\t")[0][-1] for line in capsys.readouterr().out.splitlines()[1:]]
        assert listed == ["1", "2", "0"]


def _age(path: Path, minutes: float) -> None:
    moment = time.time() - minutes * 60
    os.utime(path, (moment, moment))


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-5.0", "1e308"])
def test_a_number_that_is_no_cost_is_one_that_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cost: str
) -> None:
    intent = "3f9a1c04" + "0" * 24
    Shelf(FolderStore(tmp_path)).add(intent)
    place = tmp_path / "journal" / "records" / f"{intent}.json"
    place.chmod(0o600)
    place.write_text(re.sub(r'("cost": ?)0\.1', rf"\g<1>{cost}", place.read_text()))
    assert main(["journal", "--store", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told["records"][0]["cost"] is None
    assert (told["totals"]["spent"], told["totals"]["of_unknown_cost"]) == (0.0, 1)
