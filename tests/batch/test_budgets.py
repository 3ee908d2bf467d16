"""Budgets: never overshot by submitters at the same time, never left unused, and said in words where a row is over."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.pause import pause, resume
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.spending import Spending
from prefect_seedance.simulator import Fault, Simulator
from tests.batch.harness import Batch, rows
from tests.batch.spender import ROOM, price_of_one
from tests.processes import running

PROCESSES, SUBMITTERS_OF_EACH, ROUNDS = 4, 5, 10
OPTIONS = BatchOptions(max_in_flight=5, preflight=False, posters=False)


def ledger_of(account: Account, destination: Destination) -> Budget:
    return Budget(destination.store, account=account.label, limits=account.limits, journal=destination.journal)


def test_twenty_submitters_in_four_processes_buy_exactly_what_the_budget_has_room_for(
    tmp_path: Path, simulator: Simulator, account: Account, destination: Destination
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                running(
                    "-m",
                    "tests.batch.spender",
                    str(tmp_path / "store"),
                    str(meeting),
                    simulator.url,
                    simulator.key,
                    *map(str, (number, PROCESSES, SUBMITTERS_OF_EACH, ROUNDS)),
                    log=tmp_path / f"spender-{number}.txt",
                )
            )
            for number in range(PROCESSES)
        ]
        for each in processes:
            assert each.process.wait(240) == 0, each.tail()
    outcomes = [json.loads((tmp_path / f"spender-{number}.txt").read_text().splitlines()[-1]) for number in range(4)]
    billed = Counter(str(bill.body["prompt"]).partition(" process")[0] for bill in simulator.bills())
    price = price_of_one(account)
    for of_round in range(ROUNDS):
        found = sum((Counter(each[str(of_round)]) for each in outcomes), Counter[str]())
        assert found == {"stored": ROOM, "over_budget": PROCESSES * SUBMITTERS_OF_EACH - ROOM}, of_round
        assert billed[f"round {of_round}"] == ROOM
        spent = ledger_of(replace(account, label=f"round {of_round}"), destination).standing()
        assert spent.day.spent == pytest.approx(ROOM * price) and not spent.entries


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
