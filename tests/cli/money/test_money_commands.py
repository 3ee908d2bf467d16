"""budget, pause and resume in this process, over a real ledger in a folder."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from prefect_seedance.blocks import SeedanceCredentials, VideoStore
from prefect_seedance.cli import main
from prefect_seedance.cli.money.budget import document, entry_rows, limit_rows
from prefect_seedance.client.outcome import Accepted, Unknown
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.pause import read_pause
from prefect_seedance.journal.budget.reservation import Wait
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.journal import Journal
from prefect_seedance.storage.folder.store import FolderStore
from tests.journal.harness import INTENT, World

KEY = "sk_paper-boat-1914-0123"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "my videos"


def used(place: Path, limits: Limits | None = None, account: str = "studio") -> Budget:
    """A budget of which 1.25 is spent, 2.5 reserved and 0.5 held."""
    store = FolderStore(place)
    budget = Budget(store, account=account, limits=limits or Limits(), journal=Journal(store))
    for nonce, coins, outcome in (("n1", 1.25, Accepted("videos_1")), ("n2", 2.5, None), ("n3", 0.5, Unknown("lost"))):
        reserved = budget.try_reserve(nonce, nonce[1] * 32, coins=coins, billing="std", lease_seconds=600.0)
        assert not isinstance(reserved, Wait)
        if outcome is not None:
            reserved.settled(outcome)
    return budget


def test_each_limit_says_what_is_spent_reserved_held_and_left(place: Path) -> None:
    standing = used(place, Limits(daily=20.0, daily_videos=10)).standing()
    rows = {row[0]: row for row in limit_rows(standing)}
    day, month, videos = rows["daily_budget (coins)"], rows["monthly_budget (coins)"], rows["daily_videos"]
    assert day[:6] == ("daily_budget (coins)", "20", "1.25", "2.5", "0.5", "15.75")
    assert month[:6] == ("monthly_budget (coins)", "none", "1.25", "2.5", "0.5", "")
    assert videos[:6] == ("daily_videos", "10", "1", "1", "1", "7")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d 00:00", row[6]) for row in (day, month, videos))
    assert [(row[0], row[1], row[2], row[4]) for row in entry_rows(standing)] == [
        ("n2", "2.5", "reserved", "2" * 32),
        ("n3", "0.5", "held: unknown", "3" * 32),
    ]
    told = document(standing, "/data", None)
    assert told["paused"] is None and json.loads(json.dumps(told)) == told


def test_without_saved_credentials_the_ledger_of_a_label_is_shown(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used(place)
    assert main(["budget", "--account", "studio", "--store", str(place)]) == 0
    shown = capsys.readouterr().out
    assert "Account studio" in shown and "--credentials" in shown and "that have a budget is counted" in shown
    assert re.search(r"^daily_budget \(coins\)\tnone\t1.25\t2.5\t0.5\t\t", shown, re.MULTILINE)
    assert re.search(r"^n3\t0.5\theld: unknown\t", shown, re.MULTILINE)
    assert main(["budget", "--store", str(place), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["account"], told["entries"], told["limits"][0]["spent"]) == ("default", [], 0.0)


def test_an_entry_is_released_by_a_person_and_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budget = used(place)
    release = ["budget", "--account", "studio", "--store", str(place), "--release", "n3"]
    assert main(release) == 0
    assert "Released: n3" in capsys.readouterr().out
    assert [each.nonce for each in budget.standing().entries] == ["n2"]
    assert main([*release, "--json"]) == 1
    assert "no open entry n3" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_pause_and_resume_say_what_they_mean_and_how_to_undo_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JIMMYAI_API_KEY", KEY)
    assert main(["pause", "--store", str(place), "--reason", f"the bill\x1b[2J of {KEY}"]) == 0
    shown = capsys.readouterr().out
    assert "Nothing was ever submitted into this store" in shown  # its location may be mistyped
    assert "the bill" in shown and "still waited for and stored" in shown and "\x1b" not in shown and KEY not in shown
    assert main(["budget", "--store", str(place)]) == 0
    assert "is paused since" in capsys.readouterr().out
    (command,) = re.findall("To lift it: prefect-seedance (.+)", shown)
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == f"Spending of {place} goes on.\n"
    assert read_pause(FolderStore(place)) is None


def test_both_print_one_document_for_a_program(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pause", "--store", str(place), "--reason", "why", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["location"], told["paused"]["reason"], told["has_records"]) == (str(place), "why", False)
    for was_paused in (True, False):
        assert main(["resume", "--store", str(place), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "location": str(place),
            "paused": None,
            "was_paused": was_paused,
        }


def test_a_flag_of_a_newer_version_is_not_lifted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FolderStore(place).create("journal/pause.json", b'{"version": 2, "paused": true}')
    assert main(["resume", "--store", str(place), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "RecordTooNew"


@pytest.mark.server
def test_what_a_person_settles_is_settled_in_the_budget_store_of_the_credentials(
    prefect_server: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    VideoStore(location=str(tmp_path / "money")).save("settled-money", overwrite=True)
    SeedanceCredentials(api_key=KEY, daily_budget=20, budget_store="settled-money").save("settling", overwrite=True)
    world = World.in_folder(place)
    kept = Budget(
        FolderStore(tmp_path / "money"),
        account="default",
        limits=Limits(daily=20.0),
        journal=Journal(FolderStore(place)),
    )
    world.reserve = lambda nonce, lease_seconds, start: kept.try_reserve(
        nonce, INTENT, coins=0.25, billing="std", lease_seconds=lease_seconds
    )
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()
    assert kept.standing().day.held == 0.25
    assert main(["resolve", INTENT, "--store", str(place), "--credentials", "settling", "--abandon"]) == 0
    standing = kept.standing()
    assert (standing.day.spent, standing.entries) == (0.25, ())
    assert KEY not in "".join(capsys.readouterr())
