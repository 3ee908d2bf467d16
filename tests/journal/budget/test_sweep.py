"""What becomes of an entry that its owner did not settle: a table from records to the money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from prefect_seedance.client.outcome import Unknown
from prefect_seedance.journal import changes
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.ledger import BudgetLedger, DayTotal, LedgerEntry
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.reservation import Wait
from prefect_seedance.journal.budget.settlement import book, settle_budget
from prefect_seedance.journal.budget.sweep import Finding, finding_of, swept
from prefect_seedance.journal.record import Attempt, Entry, Holder
from prefect_seedance.journal.states import State
from tests.journal.harness import IDENTITY, INTENT, NOON, FaultyStore, MemoryStore, World

EARLIER, LATER = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)


def attempt(nonce: str = "n0", **facts: Any) -> Attempt:
    return Attempt(number=1, nonce=nonce, started_at=NOON, **facts)


def restored(**facts: Any) -> Attempt:
    """An attempt of a record that was deleted or damaged: it stands for what was lost, under another nonce."""
    return attempt("other", restored=True, **facts)


@dataclass
class Case:
    """What a record says of the entry `n0`, which was made at noon."""

    attempts: tuple[Attempt, ...]
    action: str
    cost: float | None = None
    state: State = State.SUBMITTED
    holder: str = ""
    age: float = 1.0


ACCEPTED = {"outcome": "accepted", "task_id": "videos_1", "cost": 0.3}
CASES: dict[str, Case] = {
    "accepted": Case((attempt(**ACCEPTED),), "settle", 0.3),
    "accepted, at a cost that no account can have": Case((attempt(**{**ACCEPTED, "cost": -1.0}),), "settle"),
    "refused": Case((attempt(outcome="refused"),), "release", state=State.REFUSED),
    "unknown": Case((attempt(outcome="unknown"),), "hold", state=State.UNKNOWN),
    "given up by a person": Case((attempt(outcome="unknown"),), "settle", state=State.LOST),
    "on the wire": Case((attempt(),), "leave", state=State.SENDING, holder="n0"),
    "on the wire, of another": Case((attempt(),), "hold", state=State.SENDING, holder="n9"),
    "on the wire, past the deadline": Case((attempt(),), "hold", state=State.SENDING, holder="n0", age=999.0),
    "not in its record": Case((attempt("other", **ACCEPTED),), "release"),
    # It may be the one that a restored attempt stands for.
    "restored, and unknown": Case((restored(outcome="unknown"),), "hold", state=State.UNKNOWN),
    "restored, and given up": Case((restored(outcome="unknown"),), "settle", state=State.LOST),
    "restored, and free": Case((restored(outcome="refused"),), "release", state=State.REFUSED),
    "restored, answered nobody knows when": Case((restored(**ACCEPTED),), "settle", 0.3),
    "restored, answered after the entry": Case((restored(**ACCEPTED, answered_at=LATER),), "settle", 0.3),
    "restored, answered at that moment": Case((restored(**ACCEPTED, answered_at=NOON),), "settle", 0.3),
    "restored, answered before the entry": Case((restored(**ACCEPTED, answered_at=EARLIER),), "release"),
    "restored, one before and one after": Case(
        (restored(**ACCEPTED, answered_at=EARLIER), restored(**{**ACCEPTED, "cost": 0.2}, answered_at=LATER)),
        *("settle", 0.2),
    ),
}


def entry(**facts: Any) -> LedgerEntry:
    return LedgerEntry(intent=INTENT, day="22", coins=0.4, at=NOON.timestamp(), lease=210.0, **facts)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("held", [False, True])
def test_a_record_decides_what_becomes_of_an_entry(case: Case, held: bool) -> None:
    holder = Holder(nonce=case.holder, lease_seconds=210.0) if case.holder else None
    update = {"state": case.state, "attempts": case.attempts, "holder": holder}
    record = changes.new_record(IDENTITY, NOON).model_copy(update=update)
    finding = finding_of("n0", entry(held=held), Entry(record, "etag", case.age))
    assert (finding.action, finding.cost) == (case.action, case.cost)


@pytest.mark.parametrize(("held", "action"), [(False, "release"), (True, "leave")])
def test_without_a_record_nothing_was_sent_unless_it_was_known_to_be_unknown(held: bool, action: str) -> None:
    assert finding_of("n0", entry(held=held), None).action == action


def test_a_sweep_does_what_the_records_say_with_the_entries_that_still_are_what_was_judged() -> None:
    seen = {name: entry() for name in ("leave", "release", "hold", "settle", "renewed", "gone")}
    findings = {name: Finding(name) for name in ("leave", "release", "hold")}  # type: ignore[arg-type]
    findings |= {"settle": Finding("settle", 0.3), "renewed": Finding("release"), "gone": Finding("settle", 9.0)}
    renewed = entry().model_copy(update={"at": NOON.timestamp() + 60})
    now = NOON.timestamp() + 300
    opened = {name: each for name, each in seen.items() if name != "gone"} | {"renewed": renewed}
    after = swept(BudgetLedger(open=opened), seen, findings, now)
    assert after == BudgetLedger(
        days={"22": DayTotal(spent=0.3, count=1)},
        open={"leave": entry(), "hold": entry(held=True), "renewed": renewed},
        swept={"settle": now},
    )


@pytest.fixture
def world() -> World:
    return World.in_memory()


def budget_of(world: World) -> Budget:
    limits = Limits(daily=9.0)
    return Budget(world.store, account="default", limits=limits, journal=world.journal, sleep=world.sleep)  # type: ignore[arg-type]


@pytest.mark.parametrize(("cost", "spent"), [(0.3, 0.3), (None, 0.4), (0.0, 0.0)])
def test_what_a_person_says_was_paid_is_booked_at_its_cost_or_at_its_price(
    world: World, cost: float | None, spent: float
) -> None:
    record = changes.new_record(IDENTITY, NOON)
    entered = book(world.journal, record, attempt(price=0.4), cost)
    (held,) = budget_of(world).standing().entries
    assert held.nonce == "n0" and budget_of(world).standing().day.reserved == spent
    entered.released()


def test_what_a_person_has_settled_frees_what_was_held_for_it(world: World) -> None:
    came = budget_of(world).try_reserve("n0", INTENT, coins=0.4, billing="std", lease_seconds=210.0)
    assert not isinstance(came, Wait)
    came.settled(Unknown("no answer"))
    claimed = changes.new_record(IDENTITY, NOON).model_copy(
        update={"state": State.SENDING, "attempts": (attempt(outcome="not_billed"),)}
    )
    written = world.journal.write(INTENT, None, claimed, step="claim")
    settle_budget(world.journal, written.record, world.store)  # type: ignore[arg-type]
    assert budget_of(world).standing().entries == ()


def test_a_budget_that_is_kept_in_another_store_is_booked_and_settled_there(world: World) -> None:
    elsewhere = FaultyStore(MemoryStore())
    budget = Budget(elsewhere, account="default", limits=Limits(daily=9.0), journal=world.journal)  # type: ignore[arg-type]
    given_up = {"state": State.SENDING, "attempts": (attempt(outcome="not_billed", price=0.4),)}
    written = world.journal.write(
        INTENT, None, changes.new_record(IDENTITY, NOON).model_copy(update=given_up), step="claim"
    )
    booked = book(world.journal, written.record, attempt(price=0.4), None, elsewhere)  # type: ignore[arg-type]
    booked.settled(Unknown("no answer"))
    assert [each.nonce for each in budget.standing().entries] == ["n0"]
    settle_budget(world.journal, written.record, elsewhere)  # type: ignore[arg-type]
    assert budget.standing().entries == ()
    assert [*world.store.inner.list_keys("journal/budget/")] == []


def test_an_entry_whose_record_cannot_be_read_stays_and_that_is_said(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    budget = budget_of(world)
    came = budget.try_reserve("n0", INTENT, coins=0.4, billing="std", lease_seconds=210.0)
    assert not isinstance(came, Wait)
    world.store.inner.create(f"journal/records/{INTENT}.json", b"{")
    world.store.later(300.0)
    budget.sweep()
    assert [each.nonce for each in budget.standing().entries] == ["n0"]
    assert f"The reservation of intent {INTENT} stays" in caplog.text
