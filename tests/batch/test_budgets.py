"""Budgets: never overshot by submitters at the same time, never left unused, and said in words where a row is over."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.rows import Row
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.pause import pause, resume
from prefect_seedance.journal.errors import OverBudget
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.pipeline.by_hand import Brought, bring_in
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit import run_state
from prefect_seedance.pipeline.submit.run_state import RunState
from prefect_seedance.pipeline.submit.spending import Spending
from prefect_seedance.simulator import Fault, Simulator
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Blob
from tests.batch.harness import Batch, request, rows
from tests.batch.spender import ROOM, Round, play_rounds, price_of_one
from tests.pipeline.harness import destination_in
from tests.storage.clips import lookalike
from tests.storage.s3_servers import S3Server

OPTIONS = BatchOptions(max_in_flight=5, preflight=False, posters=False)


def ledger_of(account: Account, destination: Destination) -> Budget:
    return Budget(destination.store, account=account.label, limits=account.limits, journal=destination.journal)


def test_twenty_submitters_in_four_processes_buy_exactly_what_the_budget_has_room_for(
    tmp_path: Path, simulator: Simulator
) -> None:
    expected = Round(Counter(stored=ROOM, over_budget=20 - ROOM), bills=ROOM, spent=float(ROOM), left=0)
    assert play_rounds(tmp_path, simulator, rounds=10) == [expected] * 10


def test_a_row_over_budget_costs_nothing_and_says_when_the_period_ends(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    account = replace(account, limits=Limits(monthly=2.5 * price_of_one(account)))
    found = Batch(account, destination, OPTIONS).run(rows("one", "two", "three", "four"))
    assert Counter(each.outcome for each in found.values()) == {"stored": 2, "over_budget": 2}
    over = next(each for each in found.values() if each.outcome == "over_budget")
    assert (over.cost, over.submissions, over.retryable) == (0.0, 0, True)
    assert over.reason.endswith("(UTC).") and "monthly_budget" in over.reason and "next period" in over.advice
    assert len(simulator.bills()) == 2
    smaller = replace(account, limits=Limits(monthly=0.5 * price_of_one(account)))
    never = Batch(smaller, destination, OPTIONS).run(rows("five"))["five"]
    assert "more than the whole budget" in never.reason and "run it again then" not in never.reason
    # What is paid for is reused under any budget, and asks it nothing.
    again = Batch(account, destination, OPTIONS).run(rows("one", "two", "three", "four"))
    assert Counter(each.outcome for each in again.values()) == {"reused": 2, "over_budget": 2}


def test_people_may_cap_the_number_of_videos_and_need_no_price_for_that(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    account = replace(account, limits=Limits(daily_videos=3))
    found = Batch(account, destination, OPTIONS).run(rows(*map(str, range(7))))
    assert Counter(each.outcome for each in found.values()) == {"stored": 3, "over_budget": 4}


def test_a_run_has_a_maximum_of_its_own_that_its_parts_share(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    price = price_of_one(account)
    account = replace(account, limits=Limits(daily=100 * price))
    table = rows(*map(str, range(12)))
    found = Counter[str]()
    for part in ("1/2", "2/2"):
        batch = Batch(account, destination, OPTIONS.model_copy(update={"part": part}))
        batch.spending = Spending.of(account, destination, max_cost=5 * price, run_key="the root run")
        results = batch.run(table).values()
        found += Counter(each.outcome for each in results)
        # No period of it ends, and a run of its own would spend anew.
        assert all("cost_key" in each.advice for each in results if each.outcome == "over_budget")
    assert found == {"stored": 5, "over_budget": 7}
    assert ledger_of(account, destination).standing().day.spent == pytest.approx(5 * price)  # denied: nothing held


def test_an_unknown_submission_holds_its_coins_until_a_person_settles_it(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    price = price_of_one(account)
    account = replace(account, limits=Limits(daily=2 * price))
    simulator.plan(Fault(fault="lost_answer", matching="lost"), Fault(fault="lost_answer", matching="gone"))
    found = Batch(account, destination, OPTIONS).run(rows("lost", "gone"))
    assert {each.outcome for each in found.values()} == {"unknown"}
    held = ledger_of(account, destination).standing()
    assert (held.day.spent, held.day.held) == (0.0, pytest.approx(2 * price))
    assert {each.outcome for each in Batch(account, destination, OPTIONS).run(rows("next")).values()} == {"over_budget"}

    settled = resolve_unknown(destination.journal, found["gone"].intent, "abandon")
    assert settled.state == "lost"
    with account.client() as client:
        task_id = next(bill.task_ids[0] for bill in simulator.bills() if bill.body["prompt"] == "lost")
        resolve_unknown(destination.journal, found["lost"].intent, "attach", task_id=task_id, fetch=client.get_video)
    found_now = ledger_of(account, destination).standing()
    assert (found_now.day.spent, found_now.day.held, len(found_now.entries)) == (pytest.approx(2 * price), 0.0, 0)


def test_what_was_not_billed_is_free_again_and_attached_after_that_is_spent(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    price = price_of_one(account)
    account = replace(account, limits=Limits(daily=10 * price))
    simulator.plan(Fault(fault="lost_answer", matching="lost"))
    found = Batch(account, destination, OPTIONS).run(rows("lost"))["lost"]
    resolve_unknown(destination.journal, found.intent, "not_billed")
    assert ledger_of(account, destination).standing().day.held == 0.0
    with account.client() as client:
        task_id = simulator.bills()[0].task_ids[0]
        resolve_unknown(
            destination.journal, found.intent, "attach", task_id=task_id, attempt="", fetch=client.get_video
        )
    assert ledger_of(account, destination).standing().day.spent == pytest.approx(price)


def test_a_pause_stops_all_submitting_at_once_and_what_is_open_goes_on(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    first = Batch(account, destination, OPTIONS).run(rows("one"))
    assert first["one"].outcome == "stored"
    pause(destination.store, by="Ada", reason="the vendor raised its prices")
    found = Batch(account, destination, OPTIONS).run(rows("one", "two", "three"))
    assert [found[each].outcome for each in ("one", "two", "three")] == ["reused", "not_started", "not_started"]
    assert "Ada" in found["two"].reason or "paused" in found["two"].reason
    assert len(simulator.bills()) == 1
    resume(destination.store)
    assert Batch(account, destination, OPTIONS).run(rows("two"))["two"].outcome == "stored"


class Counted(FolderStore):
    """A folder that counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def get(self, key: str) -> Blob | None:
        self.read.append(key)
        return super().get(key)


def test_what_can_no_longer_fit_is_refused_by_its_record_alone_and_its_references_go_nowhere(
    simulator: Simulator, account: Account, tmp_path: Path
) -> None:
    asked = list[Row]()
    for number in range(2, 22):
        Image.new("RGB", (800, 800), (number, 0, 0)).save(photo := tmp_path / f"mug {number}.png")
        asked.append(Row(number, "", request(f"mug {number}", images=[str(photo)])))
    store = Counted(tmp_path / "store")
    account = replace(account, limits=Limits(daily=0.5 * price_of_one(account)))
    batch = Batch(account, destination_in(tmp_path / "store", store), OPTIONS.model_copy(update={"max_in_flight": 1}))
    found = batch.run(asked)
    assert {each.outcome for each in found.values()} == {"over_budget"}
    assert all("daily_budget" in each.reason and each.intent in each.reason for each in found.values())
    records = sum(key.startswith("journal/records/") for key in store.read)
    assert records <= 2 * len(asked) + 2
    assert sum(key.startswith(("journal/budget/", "journal/pause")) for key in store.read) <= 6
    assert len(simulator.uploads()) <= 1  # the first one could not know


def test_a_budget_without_room_is_asked_again_after_a_while(
    simulator: Simulator,
    account: Account,
    destination: Destination,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its period ends, and people settle what it holds."""
    price, store = price_of_one(account), destination.store
    account, state = replace(account, limits=Limits(daily=price)), RunState()
    error = OverBudget("i0", "daily_budget", price, price, 0.0, price)
    seconds = 0.0
    monkeypatch.setattr(run_state, "start_stopwatch", lambda: lambda: seconds)
    state.had_no_room(error, request("x"), account, store, price)

    def refused(**fields: object) -> bool:
        return state.no_room(request("y", **fields), account, store, "i1", lambda: False) is not None

    assert refused() and refused(duration=10)
    assert not refused(resolution="720p")  # dearer, but what it was seen to cost is learned by its own name
    assert state.no_room(request("y"), replace(account, label="another"), store, "i1", lambda: False) is None
    another = destination_in(tmp_path / "another").store  # which keeps a count of its own
    assert state.no_room(request("y"), account, another, "i1", lambda: False) is None
    assert state.of_a_batch().no_room(request("y"), account, store, "i1", lambda: False) is None
    seconds = 61.0
    assert not refused()


def test_a_ledger_that_cannot_be_used_ends_the_submitting(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    account = replace(account, limits=Limits(daily=100.0))
    first = Batch(account, destination, OPTIONS).run(rows("one"))
    (key,) = [key for key in destination.store.list_keys("journal/budget/") if key.endswith(".json")]
    destination.store.delete(key)
    destination.store.create(key, b"{}x")
    batch = Batch(account, destination, OPTIONS.model_copy(update={"max_in_flight": 1}))
    found = batch.run(rows("one", "two", "three"))
    assert [each.outcome for each in found.values()] == ["reused", "not_started", "not_started"]
    assert "cannot be read" in found["two"].reason and "ledger" in found["three"].reason
    assert first["one"].outcome == "stored" and len(simulator.bills()) == 1


def test_a_budget_store_that_is_gone_stops_submitting_and_what_is_open_goes_on(
    simulator: Simulator, account: Account, destination: Destination, moto: S3Server
) -> None:
    settings = moto.settings(bucket="soon-gone")
    moto.client.create_bucket(Bucket="soon-gone")
    ledgers = moto.store_of(settings)
    account = replace(account, limits=Limits(daily=100.0), budget_store=ledgers)
    submitting = Batch(account, destination, OPTIONS, waits=False)
    assert submitting.run(rows("one"))["one"].outcome == "submitted"
    for key in ledgers.list_keys(""):
        ledgers.delete(key)
    moto.client.delete_bucket(Bucket="soon-gone")
    found = Batch(account, destination, OPTIONS).run(rows("one", "two"))
    assert [each.outcome for each in found.values()] == ["reused", "not_started"]
    assert "soon-gone" in found["two"].reason
    assert len(simulator.bills()) == 1


def task_of(simulator: Simulator, prompt: str) -> str:
    return next(bill.task_ids[0] for bill in simulator.bills() if bill.body["prompt"] == prompt)


def test_a_task_that_is_attached_to_a_restored_record_is_spent(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    """What was held for it is held under a name that went with the damaged record."""
    price = price_of_one(account)
    account = replace(account, limits=Limits(daily=10 * price))
    simulator.plan(Fault(fault="lost_answer", matching="lost"))
    intent = Batch(account, destination, OPTIONS).run(rows("lost"))["lost"].intent
    destination.store.delete(destination.journal.record_key(intent))
    restored = resolve_unknown(destination.journal, intent, "restore").record
    assert ledger_of(account, destination).standing().day.held == pytest.approx(price)
    with account.client() as client:
        how = {"attempt": restored.attempts[-1].name, "any_age": True}
        for _ in range(2):
            task_id = task_of(simulator, "lost")
            resolve_unknown(destination.journal, intent, "attach", task_id=task_id, fetch=client.get_video, **how)  # type: ignore[arg-type]
    Spending.of(account, destination).sweep()  # the record that was made of nothing does not name its account
    standing = ledger_of(account, destination).standing()
    assert (standing.day.spent, standing.entries) == (pytest.approx(price), ())


@pytest.mark.parametrize("before", ["unknown", "not_billed", "abandon"])
def test_a_video_that_a_person_brings_in_is_spent_once_in_the_budget_store(
    before: str, simulator: Simulator, account: Account, destination: Destination, tmp_path: Path
) -> None:
    price = price_of_one(account)
    ledgers = FolderStore(tmp_path / "ledgers")
    account = replace(account, limits=Limits(daily=10 * price), budget_store=ledgers)
    simulator.plan(Fault(fault="lost_answer", matching="lost"))
    intent = Batch(account, destination, OPTIONS).run(rows("lost"))["lost"].intent
    if before != "unknown":
        resolve_unknown(destination.journal, intent, before, ledgers=ledgers)  # type: ignore[arg-type]
    (tmp_path / "mine.mp4").write_bytes(lookalike(300_000))
    for _ in range(2):
        bring_in(Brought(path=str(tmp_path / "mine.mp4")), intent, destination, ledgers=ledgers)
    standing = ledger_of(account, replace(destination, store=ledgers)).standing()
    assert (standing.day.spent, standing.videos.spent, standing.entries) == (pytest.approx(price), 1, ())
    assert list(destination.store.list_keys("journal/budget/")) == []
