"""What an account may spend, call by call."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.journal import changes
from prefect_seedance.journal.budget.budget import Budget, _applied, _Change
from prefect_seedance.journal.budget.committer import Committers, Wish
from prefect_seedance.journal.budget.ledger import MOST_OPEN, BudgetLedger
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.reservation import Reservation, Wait
from prefect_seedance.journal.budget.standing import BudgetStanding
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import (
    BudgetDamaged,
    BudgetTooNew,
    JournalUnavailable,
    OverBudget,
    PriceUnknown,
    TooManyReserved,
)
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Attempt, Holder
from prefect_seedance.journal.states import State
from prefect_seedance.storage.errors import StoreUnavailable
from tests.journal.harness import FAULTS, IDENTITY, INTENT, NOON, Fault, FaultyStore, MemoryStore, World

LEASE = 210.0


@dataclass
class Account:
    """A budget in a world whose time stands still unless it is told to pass."""

    limits: Limits = field(default_factory=lambda: Limits(daily=1.0))
    world: World = field(default_factory=World.in_memory)
    told: list[tuple[str, BudgetStanding]] = field(default_factory=list)
    run_key: str = ""
    ahead: float = 0.0
    numbers: Any = field(default_factory=lambda: iter(range(100_000)))

    @property
    def budget(self) -> Budget:
        """The budget as a process that starts just now has it."""
        return Budget(
            self.world.store,  # type: ignore[arg-type]
            account="team",
            limits=self.limits,
            journal=self.world.journal,
            run_key=self.run_key,
            on_reached=lambda budget, standing: self.told.append((budget, standing)),
            sleep=self.world.sleep,
            jitter=lambda: 1.0,
            clock=lambda: NOON.timestamp() + self.world.store.passed + self.ahead,
        )

    def try_reserve(self, nonce: str = "", coins: float | None = 0.4, intent: str = INTENT) -> Reservation | Wait:
        return self.budget.try_reserve(
            *(nonce or f"by-itself-{next(self.numbers)}", intent),
            coins=coins,
            billing="std",
            lease_seconds=LEASE,
            start_stopwatch=self.world.stopwatch,
        )

    def reserve(self, nonce: str = "", coins: float | None = 0.4, intent: str = INTENT) -> Reservation:
        came = self.try_reserve(nonce, coins, intent)
        assert not isinstance(came, Wait)
        return came

    def spend(self, coins: float, cost: float | None = None) -> None:
        self.reserve(coins=coins).settled(Accepted("videos_1", cost=coins if cost is None else cost))

    def ledger(self, month: str = "") -> dict[str, Any]:
        (key,) = [key for key in self.world.store.inner.list_keys("journal/budget/") if month in key]
        blob = self.world.store.inner.get(key)
        assert blob is not None
        return json.loads(blob.data)

    def reads_of_ledgers(self) -> Counter[str]:
        """How often each ledger was read since the calls of the store were cleared."""
        calls = self.world.store.calls
        return Counter(key.rpartition("/")[2] for verb, key in calls if verb == "get" and "/budget/" in key)

    def write(self, values: object) -> None:
        """Somebody writes into the ledger by hand."""
        (key,) = [key for key in self.world.store.inner.list_keys("journal/budget/")]
        blob = self.world.store.inner.get(key)
        assert blob is not None
        data = values if isinstance(values, bytes) else json.dumps(values).encode()
        self.world.store.inner.swap(key, data, etag=blob.etag)

    def record(self, *attempts: Attempt, state: State = State.UNKNOWN, holder: str = "") -> None:
        """Put a record there as a run may have left it."""
        self.world.delete_record()
        self.world.journal._recent.clear()
        entry = self.world.journal.write(
            INTENT,
            None,
            changes.new_record(IDENTITY, NOON).model_copy(update={"state": State.SENDING, "attempts": attempts}),
            step="claim",
        )
        made = Holder(nonce=holder, lease_seconds=LEASE) if holder else None
        steps = {State.SENDING: (), State.LOST: (State.UNKNOWN, State.LOST)}.get(state, (state,))
        for step in steps or (State.SENDING,):
            after = entry.record.model_copy(update={"state": step, "holder": made})
            entry = self.world.journal.write(INTENT, entry, after, step="outcome")


def attempt(nonce: str = "n0", **facts: Any) -> Attempt:
    return Attempt(number=1, nonce=nonce, started_at=NOON, **facts)


def test_what_is_accepted_is_spent_at_its_cost_and_at_its_price_where_that_is_not_told() -> None:
    account = Account(Limits(daily=10.0, monthly=20.0))
    account.reserve().settled(Accepted("videos_1", cost=0.3))
    account.reserve().settled(Accepted("videos_2"))
    standing = account.budget.standing()
    assert (standing.day.spent, standing.month.spent, standing.videos.spent) == (0.7, 0.7, 2)
    assert (standing.day.left, standing.month.left, standing.videos.left) == (9.3, 19.3, None)
    assert standing.shares == {"daily_budget": 0.07, "monthly_budget": 0.035}
    assert standing.entries == ()
    assert standing.day.ends_at == datetime(2026, 11, 23, tzinfo=UTC)
    assert standing.month.ends_at == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "outcome",
    [Refused("20001", "no", 200), NeverSent("x"), TooManyRequests(None), Busy("x")],
    ids=lambda each: str(each),
)
def test_what_is_certainly_free_gives_the_coins_back(outcome: Outcome) -> None:
    account = Account()
    account.reserve().settled(outcome)
    assert account.budget.standing().shares == {"daily_budget": 0}


def test_what_is_unknown_stays_held_and_counts() -> None:
    account = Account(Limits(daily=1.0, daily_videos=2))
    account.reserve("n1", 0.7).settled(Unknown("no answer"))
    standing = account.budget.standing()
    assert (standing.day.held, standing.videos.held, standing.entries[0].held) == (0.7, 1, True)
    account.record(attempt("n1", outcome="unknown"))
    with pytest.raises(OverBudget, match=r"daily_budget \(1 coins\)\. Spent: 0\. Held .*: 0\.7\. This video: 0\.4\."):
        account.reserve()


def test_it_waits_for_those_under_way_and_is_over_when_nothing_of_it_comes_back() -> None:
    account = Account()
    first = account.reserve(coins=0.7)
    assert isinstance(account.try_reserve(), Wait)
    first.settled(Accepted("videos_1", cost=0.7))
    with pytest.raises(OverBudget) as raised:
        account.reserve()
    assert (raised.value.budget, raised.value.ends_at, raised.value.spent) == ("daily_budget", "2026-11-23 00:00", 0.7)


def test_three_times_a_tenth_fits_into_three_tenths() -> None:
    account = Account(Limits(daily=0.3))
    for _ in range(3):
        account.spend(0.1)
    assert account.budget.standing().day.left == 0
    with pytest.raises(OverBudget):
        account.reserve(coins=0.000001)


def test_a_price_must_be_known_where_coins_are_limited_and_need_not_where_videos_are() -> None:
    for limits, budget in ((Limits(daily=1.0), "daily_budget"), (Limits(monthly=1.0), "monthly_budget")):
        for coins in (None, float("nan"), -1.0, float("inf")):
            with pytest.raises(PriceUnknown, match=budget):
                Account(limits).reserve(coins=coins)
    account = Account(Limits(daily_videos=1))
    account.reserve(coins=None).settled(Accepted("videos_1"))
    with pytest.raises(OverBudget, match="daily_videos"):
        account.reserve(coins=None)


def test_a_new_day_has_its_own_budget_and_yesterdays_reservation_is_paid_by_yesterday() -> None:
    account = Account(Limits(daily=1.0, monthly=1.5))
    account.world.store.later(12 * 3600 - 60.0)
    late = account.reserve(coins=0.9)
    account.world.store.later(120.0)
    assert isinstance(account.try_reserve(coins=0.9), Wait)  # the month does not have it while yesterday's is open
    late.settled(Accepted("videos_1", cost=0.8))
    account.spend(0.7)
    assert {day: each["spent"] for day, each in account.ledger()["days"].items()} == {"22": 0.8, "23": 0.7}
    with pytest.raises(OverBudget, match="monthly_budget"):
        account.reserve(coins=0.1)


@pytest.mark.parametrize("days", [-9, 9])
def test_a_clock_of_this_machine_that_is_wrong_by_days_shows_and_sweeps_the_right_month(days: int) -> None:
    account = Account(Limits(monthly=1.0))
    today = datetime(2026, 11, 30, 12, tzinfo=UTC) if days > 0 else datetime(2026, 12, 1, 12, tzinfo=UTC)
    account.world.store.later((datetime(2026, 11, 30, 11, tzinfo=UTC) - NOON).total_seconds())
    account.spend(0.1)
    account.world.store.later((today - datetime(2026, 11, 30, 11, tzinfo=UTC)).total_seconds() - 3_600.0)
    account.reserve("n1", coins=0.25)
    account.world.store.later(3_600.0)
    account.ahead = days * 86_400.0
    standing = account.budget.standing()
    spent = 0.1 if days > 0 else 0.0
    assert (standing.read_at.month, standing.month.spent) == (today.month, spent)
    assert [each.nonce for each in standing.entries] == ["n1"]
    account.budget.sweep()  # it never was in a record
    assert account.budget.standing().entries == ()


def test_what_is_open_at_a_months_end_is_settled_in_the_old_month_and_costs_stay_known() -> None:
    account = Account(Limits(monthly=1.0))
    account.world.store.later((datetime(2026, 11, 30, 23, 59, tzinfo=UTC) - NOON).total_seconds())
    account.spend(0.1, cost=0.2)
    late, unknown = account.reserve(coins=0.1), account.reserve("n9", coins=0.1)
    unknown.settled(Unknown("no answer"))
    account.world.store.later(120.0)
    account.spend(0.1, cost=0.2)
    late.settled(Accepted("videos_2", cost=0.2))
    standing = account.budget.standing()
    assert (standing.month.spent, standing.month.held, [each.nonce for each in standing.entries]) == (0.2, 0, ["n9"])
    account.record(attempt("n9", outcome="accepted", task_id="videos_3", cost=0.2))
    account.budget.sweep()
    assert account.budget.standing().entries == ()
    months = [key.rpartition("/")[2] for key in account.world.store.inner.list_keys("journal/budget/")]
    assert months == ["2026-11.json", "2026-12.json"]


def test_more_than_its_price_is_booked_and_the_next_ones_reserve_what_it_was_seen_to_cost() -> None:
    account = Account(Limits(daily=10.0))
    account.spend(0.2, cost=0.3)
    account.reserve(coins=0.4)
    assert account.budget.standing().day.reserved == 0.6
    free = Account(Limits(daily=10.0))
    free.spend(0.0, cost=0.3)
    free.reserve(coins=0.0)
    assert free.budget.standing().day.reserved == 0.3


def test_limits_that_were_changed_hold_for_the_next_one() -> None:
    account = Account()
    account.spend(0.9)
    account.limits = Limits(daily=2.0)
    account.spend(0.9)
    account.limits = Limits(daily=1.0)
    with pytest.raises(OverBudget):
        account.reserve()


def test_a_reservation_may_be_told_anything_in_any_order_and_only_learns() -> None:
    unknown, accepted = Unknown("no answer"), Accepted("videos_1", cost=0.3)
    calls: dict[str, Callable[[Reservation], None]] = {
        "released": lambda each: each.released(),
        "held": lambda each: each.settled(unknown),
        "spent": lambda each: each.settled(accepted),
    }
    for order in (a + b + c for a in [[x] for x in calls] for b in [[x] for x in calls] for c in [[x] for x in calls]):
        account = Account()
        reservation = account.reserve()
        assert reservation.leaves_room(LEASE)
        for name in order:
            calls[name](reservation)
            assert not reservation.leaves_room(0.0)
        day = account.budget.standing().day
        expected = (0.3, 0.0) if "spent" in order else (0.0, 0.4) if "held" in order else (0.0, 0.0)
        assert (day.spent, day.held, day.reserved) == (*expected, 0.0), order


def test_it_leaves_room_for_as_long_as_others_leave_it_alone() -> None:
    account = Account()
    reservation = account.reserve("n1")
    account.world.freeze(LEASE)
    assert reservation.leaves_room(60.0)
    assert not reservation.leaves_room(61.0)
    account.world.freeze(66.0)
    account.budget.sweep()
    assert account.budget.standing().entries == ()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("verb", ["create", "swap", "get"])
def test_a_lost_answer_neither_loses_nor_doubles_anything(fault: Fault, verb: str) -> None:
    account = Account(Limits(daily=1.0))
    account.world.store.plan = {verb: [fault]}
    reservation = account.reserve(coins=0.3)
    account.world.store.plan = {verb: [None, fault]}
    account.spend(0.4)
    account.world.store.plan = {verb: [fault]}
    reservation.settled(Accepted("videos_1", cost=0.3))
    reservation.settled(Accepted("videos_1", cost=0.3))
    assert account.budget.standing().day.spent == 0.7
    assert account.ledger()["open"] == {}


def test_a_settlement_that_cannot_be_written_is_left_to_the_sweep(caplog: pytest.LogCaptureFixture) -> None:
    account = Account()
    reservation = account.reserve("n1")
    account.world.store.down = StoreUnavailable("x", "connection refused")
    reservation.settled(Accepted("videos_1", cost=0.3))
    assert "left to the next sweep" in caplog.text
    assert sum(account.world.slept) < 10
    account.world.store.down = None
    account.record(attempt("n1", outcome="accepted", task_id="videos_1", cost=0.3), state=State.SUBMITTED)
    account.world.store.later(300.0)
    account.budget.sweep()
    reservation.settled(Accepted("videos_1", cost=0.3))
    assert account.budget.standing().day.spent == 0.3
    account.world.store.down = StoreUnavailable("x", "connection refused")
    with pytest.raises(JournalUnavailable):
        account.reserve()


FREE = ("refused", "never_sent", "rate_limited", "busy", "not_billed", "same_task")
HELD, LEFT, GONE = ("held", 0.0), ("left", 0.0), ("gone", 0.0)


@pytest.mark.parametrize(
    ("write", "after"),
    [
        (lambda account: None, GONE),
        (lambda account: account.record(attempt("other", outcome="unknown")), GONE),
        *(
            (lambda account, free=free: account.record(attempt(outcome=free), state=State.REFUSED), GONE)
            for free in FREE
        ),
        (lambda account: account.record(attempt(outcome="accepted", task_id="t", cost=0.3)), ("gone", 0.3)),
        (lambda account: account.record(attempt(outcome="accepted", task_id="t")), ("gone", 0.4)),
        (
            lambda account: account.record(attempt(task_id="t", failure="media", cost=0.3), state=State.FAILED),
            ("gone", 0.3),
        ),
        (lambda account: account.record(attempt(outcome="unknown"), state=State.LOST), ("gone", 0.4)),
        (lambda account: account.record(attempt(), state=State.SENDING, holder="n0"), LEFT),
        (lambda account: account.record(attempt(), state=State.SENDING, holder="another"), HELD),
        (lambda account: account.record(attempt(), state=State.SENDING), HELD),
        (lambda account: account.record(attempt(outcome="unknown")), HELD),
        (lambda account: account.record(attempt(outcome="a word of next year")), HELD),
        (lambda account: account.record(attempt("other", restored=True, outcome="unknown")), HELD),
        (lambda account: account.world.store.inner.create(f"journal/records/{INTENT}.json", b"{"), LEFT),
    ],
)
def test_an_entry_that_lapsed_becomes_what_its_record_says(
    write: Callable[[Account], None], after: tuple[str, float]
) -> None:
    account = Account()
    account.reserve("n0")
    account.world.store.later(LEASE + 66.0)
    write(account)
    account.budget.sweep()
    standing = account.budget.standing()
    found = "gone" if not standing.entries else "held" if standing.entries[0].held else "left"
    assert (found, standing.day.spent) == after


def test_the_sweep_touches_neither_what_is_under_way_nor_what_another_store_knows_of() -> None:
    account = Account(Limits(daily=2.0))
    account.reserve("n0")
    account.budget.sweep()
    account.budget.sweep([INTENT])
    assert len(account.budget.standing().entries) == 1
    elsewhere = Account(Limits(daily=2.0), World(account.world.store))
    elsewhere.world.journal.prefix = "another/"
    elsewhere.reserve("n1")
    account.world.store.later(300.0)
    account.budget.sweep()
    assert [each.nonce for each in account.budget.standing().entries] == ["n1"]
    assert account.budget.release("n1")
    assert not account.budget.release("n1")


def test_a_denial_sweeps_first() -> None:
    account = Account()
    account.reserve("n0", 0.7)
    account.world.store.later(300.0)
    account.reserve("n1", 0.7).settled(Unknown("no answer"))
    account.record(attempt("n1", outcome="not_billed"), state=State.REFUSED)
    account.reserve("n2", 0.7)


def test_a_denial_sweeps_where_that_makes_just_enough_room() -> None:
    account = Account()
    account.spend(0.6)
    account.reserve("n0", 0.4)
    account.world.store.later(300.0)
    account.reserve("n1", 0.4)
    assert [each.nonce for each in account.budget.standing().entries] == ["n1"]


def test_a_denial_sweeps_its_own_entries_beside_those_of_another_store() -> None:
    account = Account()
    elsewhere = Account(world=World(account.world.store))
    elsewhere.world.journal.prefix = "another/"
    elsewhere.reserve("a0", 0.3)
    account.reserve("n0", 0.7)
    account.world.store.later(300.0)
    account.reserve("n1", 0.7)
    assert {each.nonce for each in account.budget.standing().entries} == {"a0", "n1"}


def test_a_denial_that_no_sweep_can_change_costs_one_reading() -> None:
    account = Account()
    elsewhere = Account(world=World(account.world.store))
    elsewhere.world.journal.prefix = "another/"
    elsewhere.reserve("a0", 0.1)
    account.world.store.later(300.0)  # that one has lapsed, and another journal knows of it
    account.reserve("n0", 0.3).settled(Unknown("no answer"))
    account.record(attempt("n0", outcome="unknown"))
    under_way = account.reserve("n1", 0.5)
    account.world.store.calls.clear()
    assert isinstance(account.try_reserve(coins=0.4), Wait)
    assert account.reads_of_ledgers() == {"2026-11.json": 1}
    under_way.settled(Accepted("videos_1", cost=0.7))
    account.world.store.calls.clear()
    with pytest.raises(OverBudget):
        account.reserve(coins=0.4)
    assert account.reads_of_ledgers() == {"2026-11.json": 1}


@pytest.mark.parametrize("days", [-30, 0, 30])
def test_what_the_store_has_told_a_budget_is_not_asked_again(days: int) -> None:
    account = Account(ahead=days * 86_400.0)
    budget = account.budget
    for nonce in ("n0", "n1"):
        account.world.store.calls.clear()
        budget.try_reserve(nonce, INTENT, coins=0.1, billing="std", lease_seconds=LEASE)
    assert [(verb, key.rpartition("/")[2]) for verb, key in account.world.store.calls] == [
        ("get", "2026-11.json"),
        ("swap", "2026-11.json"),
    ]


def test_a_wait_for_others_is_between_a_quarter_of_a_second_and_one() -> None:
    account = Account()
    account.reserve(coins=0.7)
    waits: list[float] = []
    for share in (0.0, 0.5, 1.0):
        budget = account.budget
        budget._jitter = lambda share=share: share
        came = budget.try_reserve("n1", INTENT, coins=0.7, billing="std", lease_seconds=LEASE)
        assert isinstance(came, Wait) and "daily_budget" in came.reason
        waits.append(came.seconds)
    assert waits == [0.25, 0.625, 1.0]


def test_a_sweep_for_one_intent_leaves_the_others() -> None:
    account = Account()
    account.reserve("n0", 0.1)
    account.reserve("n1", 0.1, intent="2" * 32)
    account.world.store.later(300.0)
    account.budget.sweep(["2" * 32])
    assert [each.nonce for each in account.budget.standing().entries] == ["n0"]


@pytest.mark.parametrize("nonce", ["", "a/b", "../x", "a b", "x" * 101, "n\n"])
def test_what_cannot_be_part_of_a_key_names_no_attempt(nonce: str) -> None:
    with pytest.raises(ValueError, match="cannot name an attempt"):
        Account().budget.book(nonce, INTENT, coins=0.1, billing="std")


def test_what_is_no_ledger_in_its_folder_is_not_read(caplog: pytest.LogCaptureFixture) -> None:
    account = Account()
    account.reserve("n0")
    (key,) = account.world.store.inner.list_keys("journal/budget/")
    account.world.store.inner.create(f"{key.rpartition('/')[0]}/notes.json", b"{")
    assert account.budget.release("n0") and not caplog.records


def test_where_a_store_does_not_say_what_its_clock_says_this_machines_decides() -> None:
    store = MemoryStore()
    limits = Limits(daily=1.0)
    journal = Journal(store)  # type: ignore[arg-type]
    budget = Budget(store, account="team", limits=limits, journal=journal, clock=NOON.timestamp)  # type: ignore[arg-type]
    made = budget.try_reserve("n0", INTENT, coins=0.4, billing="std", lease_seconds=LEASE)
    assert not isinstance(made, Wait)
    made.settled(Accepted("videos_1", cost=0.3))
    standing = budget.standing()
    assert (standing.day.spent, standing.read_at) == (0.3, NOON)


def test_a_price_that_no_account_can_have_is_none() -> None:
    with pytest.raises(PriceUnknown):
        Account().reserve(coins=float("nan"))


def test_a_settlement_that_failed_is_written_by_the_next_and_one_that_was_written_asks_nothing() -> None:
    account = Account()
    reservation = account.reserve("n1")
    account.world.store.down = StoreUnavailable("x", "connection refused")
    reservation.settled(Accepted("videos_1", cost=0.3))
    account.world.store.down = None
    reservation.settled(Accepted("videos_1", cost=0.3))
    assert account.budget.standing().day.spent == 0.3
    asked = len(account.world.store.calls)
    reservation.settled(Accepted("videos_1", cost=0.3))
    reservation.released()
    assert len(account.world.store.calls) == asked


def test_what_was_settled_leaves_no_room_to_send_again() -> None:
    account = Account()
    for outcome in (Accepted("videos_1", cost=0.1), Unknown("no answer"), NeverSent("no route")):
        reservation = account.reserve(coins=0.1)
        assert reservation.leaves_room(LEASE)
        reservation.settled(outcome)
        assert not reservation.leaves_room(0.0)


def test_what_a_sweep_has_settled_is_not_booked_again_in_a_later_month() -> None:
    account = Account(Limits(monthly=9.0))
    account.reserve("n1", 0.4)
    account.world.store.later(300.0)
    account.record(attempt("n1", outcome="accepted", task_id="videos_1", cost=0.4), state=State.SUBMITTED)
    account.budget.sweep()
    account.world.store.later(30 * 86_400.0)
    booked = account.budget.book("n1", INTENT, coins=0.4, billing="std")
    assert not booked.leaves_room(0.0), "nothing stands for it any more"
    account.world.store.calls.clear()
    booked.settled(Accepted("videos_1", cost=0.4))
    assert account.world.store.calls == []
    assert account.budget.standing().month.spent == 0
    (key,) = account.world.store.inner.list_keys("journal/budget/")
    assert key.endswith("2026-11.json") and account.ledger()["days"]["22"] == {"spent": 0.4, "count": 1}


def test_a_settlement_that_was_written_unheard_is_not_written_again() -> None:
    account = Account()
    reservation = account.reserve("n1")

    def written_and_gone(store: FaultyStore, verb: str, key: str, do: Callable[[], object]) -> object:
        do()
        store.down = StoreUnavailable(key, "connection refused")
        raise store.down

    account.world.store.plan = {"swap": [written_and_gone]}
    reservation.settled(Accepted("videos_1", cost=0.3))
    account.world.store.down = None
    reservation.settled(Accepted("videos_1", cost=0.3))
    assert account.ledger()["days"]["22"] == {"spent": 0.3, "count": 1}


def test_a_booking_that_reaches_80_percent_is_told() -> None:
    account = Account()
    account.budget.book("n9", INTENT, coins=0.9, billing="std")
    assert [budget for budget, _ in account.told] == ["daily_budget"]


def test_changes_that_are_written_together_fail_each_for_itself() -> None:
    def broken(reading: Any, elapsed: Any) -> Any:
        raise ValueError("broken")

    def told(reading: Any, elapsed: Any) -> Any:
        return BudgetLedger.model_validate({**reading.ledger.model_dump(), "told": (*reading.ledger.told, "x")}), "done"

    wishes = [Wish(_Change(apply, True, lambda: float)) for apply in (told, broken, told)]
    after, results = _applied(BudgetLedger(), NOON.timestamp(), wishes)
    assert after.told == ("x", "x")
    assert [result for result, _ in results] == ["done", None, "done"]
    assert [str(failure) for _, failure in results if failure] == ["broken"]


def test_a_ledger_is_made_if_one_of_the_changes_that_are_written_together_needs_it() -> None:
    def told(reading: Any, elapsed: Any) -> Any:
        return reading.ledger.model_copy(update={"told": (*reading.ledger.told, "x")}), "done"

    account = Account()
    budget = account.budget
    wishes = [Wish(_Change(told, creates, lambda: float)) for creates in (False, True)]
    budget._write(budget._key_of("2026-11"), wishes, Patience(1.0))
    assert account.ledger()["told"] == ["x", "x"]


class Listening(Committers[Any]):
    """Committers that note what is wanted of them."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[tuple[bool, bool, float | None]] = []

    def commit(self, place: object, wish: Wish[Any], lead: Any, *, longest_seconds: float | None = None) -> object:
        self.wanted.append((wish.frees, wish.hurries, longest_seconds))
        return super().commit(place, wish, lead, longest_seconds=longest_seconds)


def test_what_makes_room_goes_first_and_only_a_settlement_is_given_up_for_the_sweep() -> None:
    account = Account()
    budget = account.budget
    heard = budget._committers = Listening()
    wait, first, hurry = (False, False, None), (True, False, None), (True, True, 15.0)
    booked = budget.book("n0", INTENT, coins=0.1, billing="std")
    booked.settled(Unknown("no answer"))
    came = budget.try_reserve("n1", INTENT, coins=0.1, billing="std", lease_seconds=LEASE)
    assert not isinstance(came, Wait)
    came.released()
    budget.release("n0")
    account.reserve("n2")
    account.world.store.later(300.0)
    budget.sweep()
    assert heard.wanted == [wait, hurry, wait, hurry, first, first]


def test_one_sweep_serves_all_threads_that_asked_for_it() -> None:
    class Crowded(Committers[None]):
        def commit(self, place: object, wish: Wish[None], lead: Any, *, longest_seconds: float | None = None) -> object:
            crowd.append(Wish(None))
            lead([wish, *crowd])
            return wish.result

    crowd: list[Wish[None]] = []
    account = Account()
    account.reserve("n0", 0.7)
    account.world.store.later(300.0)
    budget = account.budget
    budget._sweeps = Crowded()
    assert not isinstance(budget.try_reserve("n1", INTENT, coins=0.7, billing="std", lease_seconds=LEASE), Wait)
    assert [each.is_done for each in crowd] == [True]


def test_only_changes_of_the_same_ledger_are_written_together(tmp_path: Path) -> None:
    one, another = Account().budget, Account().budget
    assert one._place("a") == one._place("a") and one._place("a") != one._place("b")
    assert one._place("a") != another._place("a"), "buckets of two services may bear the same name"
    first, second = (Account(world=World.in_folder(tmp_path)).budget for _ in range(2))
    assert first._place("a") == second._place("a"), "a folder is one, whoever opens it"


def test_a_booking_stands_until_its_record_can_say_so() -> None:
    account = Account()
    account.budget.book("n9", INTENT, coins=0.5, billing="std")
    account.world.store.later(299.0)
    account.budget.sweep()
    assert [each.nonce for each in account.budget.standing().entries] == ["n9"]


def test_in_january_the_month_before_is_december_of_the_year_before() -> None:
    account = Account(Limits(monthly=1.0))
    account.world.store.later((datetime(2026, 12, 31, 23, 59, tzinfo=UTC) - NOON).total_seconds())
    account.spend(0.1, cost=0.2)
    account.reserve("n1", coins=0.1)
    account.world.store.later(120.0)
    assert [each.nonce for each in account.budget.standing().entries] == ["n1"]
    account.reserve("n2", coins=0.1)
    assert account.budget.standing().month.reserved == 0.2, "what December has learned of costs holds in January"
    account.world.store.later(31 * 86_400.0)
    assert [each.nonce for each in account.budget.standing().entries] == ["n2"], "of January, seen in February"


def test_a_ledger_that_is_deleted_in_the_middle_of_a_change_is_made_anew() -> None:
    account = Account()
    account.spend(0.1)
    (key,) = account.world.store.inner.list_keys("journal/budget/")

    def delete_once(verb: str, at: str) -> None:
        if verb == "swap" and at == key:
            account.world.store.before = lambda verb, key: None
            account.world.store.inner.delete(key)

    account.world.store.before = delete_once
    account.reserve("n1")
    assert [*account.ledger()["open"]] == ["n1"]


def test_a_place_of_any_length_can_be_entered() -> None:
    account = Account()
    account.world.store.inner.uri_of = lambda key: f"memory://{'x' * 3_000}/{key}"  # type: ignore[method-assign]
    account.reserve("n1")
    assert account.ledger()["open"]["n1"]["where"] == account.world.journal.location[:2_000]


def test_an_entry_says_where_its_record_lies() -> None:
    account = Account()
    account.reserve("n1")
    assert account.ledger()["open"]["n1"]["where"] == account.world.journal.location != ""


@pytest.mark.parametrize(
    ("limits", "run_key", "named"),
    [
        (Limits(daily=1.0, monthly=2.0), "", "daily_budget"),
        (Limits(monthly=2.0), "", "monthly_budget"),
        (Limits(total=2.0), "run", "max_cost"),
    ],
)
def test_a_price_that_is_needed_names_the_limit_that_needs_it(limits: Limits, run_key: str, named: str) -> None:
    with pytest.raises(PriceUnknown, match=f": {named} is set"):
        Account(limits, run_key=run_key).reserve(coins=None)
    assert Account(Limits(daily_videos=3), run_key=run_key).reserve(coins=None).leaves_room(1.0)


@pytest.mark.parametrize("days", [-30, 30])
def test_a_clock_of_this_machine_that_is_wrong_enters_into_the_month_of_the_stores(days: int) -> None:
    account = Account(ahead=days * 86_400.0)
    account.reserve("n1", 0.1)
    account.budget.book("n2", "2" * 32, coins=0.1, billing="std")
    november = [key for key in account.world.store.inner.list_keys("journal/budget/") if key.endswith("2026-11.json")]
    blob = account.world.store.inner.get(november[0])
    assert blob is not None and {*json.loads(blob.data)["open"]} == {"n1", "n2"}
    assert {each.nonce for each in account.budget.standing().entries} == {"n1", "n2"}


@pytest.mark.parametrize("is_booked", [False, True])
def test_a_clock_of_the_store_that_runs_wild_is_an_outage(is_booked: bool) -> None:
    account = Account()
    account.reserve("n0", 0.1)

    def a_month_later(verb: str, key: str) -> None:
        if verb == "get" and key.startswith("journal/budget/"):
            account.world.store.later(31 * 86_400.0)

    account.world.store.before = a_month_later
    with pytest.raises(JournalUnavailable, match="another month again and again"):
        if is_booked:
            account.budget.book("n1", INTENT, coins=0.1, billing="std")
        else:
            account.reserve("n1", 0.1)


def test_a_damaged_ledger_of_another_month_is_passed_over_and_named(caplog: pytest.LogCaptureFixture) -> None:
    account = Account()
    account.reserve("n1", 0.1)
    account.write(b"{")
    account.world.store.later(30 * 86_400.0)
    account.spend(0.2)
    account.budget.sweep()
    assert account.budget.standing().day.spent == 0.2
    assert not account.budget.release("n1")
    assert "The ledger of another month is passed over" in caplog.text


def test_a_writer_who_loses_every_race_says_so() -> None:
    account = Account()
    account.reserve("n0", 0.1)

    def another_writes(verb: str, key: str) -> None:
        if verb == "swap" and key.startswith("journal/budget/"):
            account.write({**account.ledger(), "rev": account.ledger()["rev"] + 1})

    account.world.store.before = another_writes
    account.world.store.calls.clear()
    with pytest.raises(JournalUnavailable, match="100 writes in a row lost a race"):
        account.reserve("n1", 0.1)
    assert sum(verb == "swap" for verb, _ in account.world.store.calls) == 100
    assert account.world.slept[:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0], "so that writers part"
    account.world.store.before = lambda verb, key: None
    assert [*account.ledger()["open"]] == ["n0"]


def test_a_ledger_that_another_process_makes_first_is_used() -> None:
    account, other = Account(), Account()
    other.spend(0.7)
    (made,) = other.world.store.inner.list_keys("journal/budget/")
    blob = other.world.store.inner.get(made)
    assert blob is not None

    def another_makes_it(verb: str, key: str) -> None:
        if verb == "create" and key == made:
            account.world.store.before = lambda verb, key: None
            account.world.store.inner.create(key, blob.data)

    account.world.store.before = another_makes_it
    with pytest.raises(OverBudget):
        account.reserve("n1", 0.4)
    assert account.world.slept == [0.1], "so that the two part"


def test_what_cannot_be_entered_fails_for_its_caller_alone() -> None:
    account = Account()
    with pytest.raises(ValueError):
        account.budget.try_reserve("n1", INTENT, coins=0.1, billing="std", lease_seconds=float("nan"))
    account.reserve("n2", 0.1)
    assert [*account.ledger()["open"]] == ["n2"]


def test_every_write_raises_the_revision_by_one() -> None:
    account = Account()
    account.reserve("n0", 0.1)
    first = account.ledger()["rev"]
    account.reserve("n1", 0.1)
    assert (first, account.ledger()["rev"]) == (2, 3), "made, and then written"


def test_a_stopwatch_that_fails_leaves_no_room() -> None:
    def broken() -> float:
        raise OSError("no clock")

    came = Account().budget.try_reserve(
        "n1", INTENT, coins=0.1, billing="std", lease_seconds=LEASE, start_stopwatch=lambda: broken
    )
    assert not isinstance(came, Wait) and not came.leaves_room(0.0)


@pytest.mark.parametrize("outcome", [Unknown("no answer"), Accepted("videos_1", cost=0.3), NeverSent("no route")])
def test_an_owner_who_comes_after_the_sweep_changes_nothing(outcome: Outcome, caplog: pytest.LogCaptureFixture) -> None:
    account = Account()
    late = account.reserve("n1", 0.4)
    account.world.store.later(300.0)
    account.record(attempt("n1", outcome="accepted", task_id="videos_1", cost=0.3), state=State.SUBMITTED)
    account.budget.sweep()
    swept = account.ledger()
    late.settled(outcome)
    assert account.ledger() == swept and not caplog.records
    assert not account.budget.release("n1"), "there is nothing left to take out"


def test_a_sweep_that_finds_nothing_new_writes_nothing() -> None:
    account = Account()
    account.reserve("n1", 0.1).settled(Unknown("no answer"))
    account.record(attempt("n1", outcome="unknown"))
    before = account.ledger()
    account.world.store.calls.clear()
    account.budget.sweep()
    assert account.ledger() == before
    assert account.reads_of_ledgers() == {"2026-11.json": 1, "2026-10.json": 1}
    account.reserve("n2", 0.1, intent="2" * 32)
    account.world.store.later(300.0)
    account.budget.sweep()
    assert [*account.ledger()["open"]] == ["n1"], "one that is held does not hide one that lapsed"


def test_a_sweep_that_leaves_all_to_their_owners_writes_nothing_and_reads_once() -> None:
    account = Account()
    account.reserve("n1", 0.1)
    account.world.store.later(300.0)
    account.record(attempt("n1"), state=State.SENDING, holder="n1")
    before = account.ledger()
    account.world.store.calls.clear()
    account.budget.sweep()
    assert account.ledger() == before
    assert account.reads_of_ledgers() == {"2026-11.json": 1, "2026-10.json": 1}


def test_a_sweep_goes_through_this_month_and_the_last_and_for_an_intent_through_all() -> None:
    account = Account()
    account.reserve("n1", 0.1)
    account.world.store.later(70 * 86_400.0)
    account.budget.sweep()
    assert [*account.ledger()["open"]] == ["n1"]
    account.reserve("n2", 0.1, intent="2" * 32)  # the newest ledger is not that of the intent
    account.budget.sweep([INTENT])
    assert [*account.ledger("2026-11")["open"]] == []
    assert [*account.ledger("2027-01")["open"]] == ["n2"]


@pytest.mark.parametrize("fault", [StoreUnavailable("x", "connection refused"), OSError("no route")])
def test_a_store_that_does_not_list_its_ledgers_is_an_outage(fault: Exception) -> None:
    account = Account()
    account.reserve("n1", 0.1)

    def on_list(verb: str, key: str) -> None:
        if verb == "list":
            raise fault

    account.world.store.before = on_list
    with pytest.raises(JournalUnavailable, match=r"journal/budget/[0-9a-f]{32}[^/0-9a-f]"):
        account.budget.release("n1")


def test_the_keys_of_ledgers_are_those_of_every_version() -> None:
    account = Account()
    account.reserve(coins=0.1)
    (key,) = account.world.store.inner.list_keys("journal/budget/")
    assert key == f"journal/budget/{hashlib.sha256(b'team').hexdigest()[:32]}/2026-11.json"
    run = Account(Limits(total=1.0), run_key="nightly")
    run.reserve(coins=0.1)
    (key,) = run.world.store.inner.list_keys("journal/budget/")
    assert key == f"journal/budget/runs/{hashlib.sha256(b'nightly').hexdigest()[:32]}.json"
    Account(Limits(total=1.0), run_key="\udce4").reserve(coins=0.1)  # as Python reads what is no text


def test_a_booked_video_counts_whether_it_fits_or_not_and_once() -> None:
    account = Account()
    account.spend(0.9)
    account.budget.book("n9", INTENT, coins=0.5, billing="std").settled(Accepted("videos_9", cost=0.6))
    account.budget.book("n9", INTENT, coins=0.5, billing="std").settled(Accepted("videos_9", cost=0.6))
    assert account.budget.standing().day.spent == 1.5
    unknown = account.budget.book("n8", INTENT, coins=0.5, billing="std")
    unknown.settled(Unknown("x"))
    account.world.store.later(40 * 86_400.0)  # found weeks later, in the month that it belongs to
    account.budget.book("n8", INTENT, coins=0.5, billing="std").settled(Accepted("videos_8", cost=0.5))
    assert account.budget.standing().month.spent == 0
    assert account.ledger()["days"]["22"] == {"spent": 2.0, "count": 3}


def test_of_80_percent_one_is_told_once_a_period() -> None:
    account = Account(Limits(daily=1.0, monthly=1.5, daily_videos=100))
    account.spend(0.7)
    assert account.told == []
    account.spend(0.1)
    account.spend(0.1)
    assert [budget for budget, _ in account.told] == ["daily_budget"]
    assert account.told[0][1].day.share == 0.8
    account.world.store.later(86_400.0)
    account.spend(0.5)
    assert [budget for budget, _ in account.told] == ["daily_budget", "monthly_budget"]
    assert account.ledger()["told"] == ["2026-11-22", "2026-11"]


def test_what_is_settled_late_in_an_old_month_is_not_told_of_the_new_one() -> None:
    account = Account(Limits(monthly=1.0))
    account.world.store.later((datetime(2026, 11, 30, 23, 59, tzinfo=UTC) - NOON).total_seconds())
    late = account.reserve(coins=0.5)
    account.world.store.later(120.0)
    late.settled(Accepted("videos_1", cost=0.9))
    assert (account.told, account.ledger()["told"]) == ([], [])
    assert account.ledger("2026-11")["days"]["30"]["spent"] == 0.9


def test_what_its_sender_settles_in_time_leaves_no_note_for_others() -> None:
    account = Account()
    account.spend(0.1)
    assert account.ledger()["swept"] == {}
    account.budget.book("n9", INTENT, coins=0.1, billing="std").settled(Accepted("videos_9", cost=0.1))
    assert [*account.ledger()["swept"]] == ["n9"], "its sender may come for it as well"


@pytest.mark.parametrize(("late", "noted"), [(0.0, []), (0.5, ["n1"])])
def test_what_its_sender_settles_late_is_noted_for_a_person_who_comes_for_it(late: float, noted: list[str]) -> None:
    account = Account()
    reservation = account.reserve("n1")
    account.world.freeze(LEASE + 60.0 + late)
    reservation.settled(Accepted("videos_1", cost=0.3))
    assert [*account.ledger()["swept"]] == noted
    if noted:
        account.budget.book("n1", INTENT, coins=0.3, billing="std").settled(Accepted("videos_1", cost=0.3))
    assert account.ledger()["days"]["22"] == {"spent": 0.3, "count": 1}


def test_whoever_is_told_cannot_stop_a_settlement() -> None:
    account = Account()
    account.told = None  # type: ignore[assignment]
    account.spend(0.9)
    assert account.budget.standing().day.spent == 0.9


def test_the_budget_of_a_run_is_one_for_all_its_parts_and_has_no_end() -> None:
    account = Account(Limits(total=1.0, daily=0.1), run_key="run of 2026/11")
    account.spend(0.6)
    account.world.store.later(20 * 86_400.0)
    account.reserve("n1")
    standing = account.budget.standing()
    assert (standing.total.reserved, [each.nonce for each in standing.entries]) == (0.4, ["n1"])
    assert account.budget.release("n1")
    assert account.budget.standing().total.reserved == 0
    with pytest.raises(OverBudget) as raised:
        account.reserve(coins=0.5)
    assert (raised.value.budget, raised.value.ends_at) == ("max_cost", "")
    with pytest.raises(PriceUnknown, match="max_cost"):
        account.reserve(coins=None)


def test_the_budget_of_a_run_begins_in_a_folder(tmp_path: Path) -> None:
    account = Account(Limits(total=1.0), World.in_folder(tmp_path), run_key="nightly")
    assert not account.budget.release("n1"), "there is no ledger yet"
    account.spend(0.6)
    assert account.budget.standing().total.spent == 0.6


def test_too_many_open_entries_stop_submitting_in_words() -> None:
    account = Account(Limits(daily=1e6))
    account.reserve("n0").settled(Unknown("x"))
    ledger = account.ledger()
    account.write({**ledger, "open": {f"o{number}": ledger["open"]["n0"] for number in range(MOST_OPEN)}})
    account.record(attempt("other", restored=True, outcome="unknown"))
    with pytest.raises(TooManyReserved, match="1000 open entries, 1000 of them unknown"):
        account.reserve()
    assert account.reserve("o0").leaves_room(LEASE), "one that is among them has its place"


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "half of it": lambda ledger: json.dumps(ledger).encode()[:-20],
    "nothing": lambda ledger: b"",
    "a list": lambda ledger: [],
    "text": lambda ledger: {**ledger, "days": {"22": {"spent": "much", "count": 1}}},
    "not a number": lambda ledger: json.dumps({**ledger, "days": {"22": {"spent": float("nan")}}}).encode(),
    "infinite": lambda ledger: json.dumps({**ledger, "days": {"22": {"spent": float("inf")}}}).encode(),
    "negative": lambda ledger: {**ledger, "days": {"22": {"spent": -5}}},
    "huge": lambda ledger: {**ledger, "days": {"22": {"spent": 10**400}}},
    "digits": lambda ledger: json.dumps({**ledger, "rev": 0}).replace('"rev": 0', '"rev": ' + "9" * 5000).encode(),
    "no day": lambda ledger: {**ledger, "days": {"99": {"spent": 1}}},
    "a path": lambda ledger: {
        **ledger,
        "open": {"n": {"intent": "../x", "day": "22", "coins": 1, "at": 1, "lease": 1}},
    },
    "a factor": lambda ledger: {**ledger, "factor": {"std": 0}},
    "deep": lambda ledger: b"[" * 100_000,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_ledger_stops_submitting_and_is_never_taken_for_empty(name: str) -> None:
    account = Account()
    account.spend(0.1)
    open_one = account.reserve()
    account.write(DAMAGES[name](account.ledger()))
    for call in (account.reserve, account.budget.standing, account.budget.sweep):
        with pytest.raises(BudgetDamaged, match="begins a new ledger, in which nothing is spent: lower the limit"):
            call()
    open_one.settled(Accepted("videos_1"))  # never raises


def test_a_deleted_ledger_is_a_fresh_one_and_what_was_under_way_is_booked_there() -> None:
    account = Account()
    account.spend(0.5)
    reservation = account.reserve(coins=0.3)
    (key,) = account.world.store.inner.list_keys("journal/budget/")
    account.world.store.inner.delete(key)
    reservation.settled(Accepted("videos_1", cost=0.3))
    assert account.budget.standing().day.spent == 0.3
    account.spend(0.7)


def test_what_is_given_back_to_a_deleted_ledger_makes_no_new_one(caplog: pytest.LogCaptureFixture) -> None:
    account = Account()
    reservation = account.reserve()
    (key,) = account.world.store.inner.list_keys("journal/budget/")
    account.world.store.inner.delete(key)
    reservation.settled(NeverSent("no route"))
    assert [*account.world.store.inner.list_keys("journal/budget/")] == [] and not caplog.records


@pytest.mark.parametrize("call", [lambda budget: budget.release("n1"), lambda budget: budget.sweep([INTENT])])
def test_a_ledger_that_is_deleted_while_it_is_cleared_stays_deleted(call: Callable[[Budget], object]) -> None:
    account = Account()
    account.reserve("n1")
    account.world.store.later(300.0)
    (ledger,) = account.world.store.inner.list_keys("journal/budget/")
    account.world.store.calls.clear()

    def delete_before_the_second_reading(verb: str, key: str) -> None:
        if account.reads_of_ledgers() and (verb, key) == ("get", ledger):
            account.world.store.inner.delete(ledger)

    account.world.store.before = delete_before_the_second_reading
    call(account.budget)
    assert account.reads_of_ledgers().total() >= 2
    assert [*account.world.store.inner.list_keys("journal/budget/")] == []


def test_what_a_newer_version_added_survives_and_a_newer_shape_is_only_read() -> None:
    account = Account()
    account.reserve("n0").settled(Unknown("x"))
    ledger = account.ledger()
    ledger["open"]["n0"]["of_tomorrow"] = ledger["of_tomorrow"] = {"a": [1]}
    account.write(ledger)
    account.spend(0.1)
    after = account.ledger()
    assert (after["of_tomorrow"], after["open"]["n0"]["of_tomorrow"]) == ({"a": [1]}, {"a": [1]})
    account.write({**after, "version": 2})
    assert account.budget.standing().day.spent == 0.1
    with pytest.raises(BudgetTooNew, match="Upgrade"):
        account.reserve()
    assert account.ledger() == {**after, "version": 2}


def test_many_threads_make_few_requests_and_leave_nothing_behind() -> None:
    account = Account(Limits(daily=3.2))
    budget, gate, committers = account.budget, threading.Barrier(32), Committers[Any]()
    budget._committers = committers
    before = {*threading.enumerate()}

    def submit(number: int) -> None:
        gate.wait()
        got = budget.try_reserve(f"n{number}", INTENT, coins=0.1, billing="std", lease_seconds=LEASE)
        assert not isinstance(got, Wait)
        gate.wait()
        got.settled(Accepted(f"videos_{number}", cost=0.1))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert account.budget.standing().day.spent == 3.2
    assert {*threading.enumerate()} <= before
    assert len(committers) == 0


class Led:
    """A committer whose first leader is at work until it is let go, and the rounds that were led."""

    def __init__(self, *, wait: Callable[[], None] = lambda: None) -> None:
        self.rounds: list[list[str]] = []
        self.fails: list[str] = []
        self._inside, self._go_on, self._waits = threading.Event(), threading.Event(), threading.Event()
        led = self

        class Watched(threading.Condition):
            def wait(self, timeout: float | None = None) -> bool:
                led._waits.set()
                wait()
                return super().wait(timeout)

        self.committers = Committers[str](condition=Watched)
        self._threads = [threading.Thread(target=self.commit, args=(Wish("first"),))]
        self._threads[0].start()
        assert self._inside.wait(30)

    def commit(self, wish: Wish[str], longest_seconds: float | None = None) -> object:
        return self.committers.commit("ledger", wish, self._lead, longest_seconds=longest_seconds)

    def commit_behind(self, wish: Wish[str]) -> None:
        """Have another thread wait for the one that leads."""
        self._threads.append(threading.Thread(target=self._commit_quietly, args=(wish,)))
        self._threads[-1].start()
        assert self._waits.wait(30)

    def let_go(self) -> None:
        self._go_on.set()
        for thread in self._threads:
            thread.join()

    def _commit_quietly(self, wish: Wish[str]) -> None:
        with contextlib.suppress(RuntimeError):
            self.commit(wish)

    def _lead(self, wishes: list[Wish[str]]) -> None:
        self.rounds.append(changes := [wish.change for wish in wishes])
        if changes == ["first"]:
            self._inside.set()
            assert self._go_on.wait(30)
        if self.fails and self.fails[0] in changes:
            raise RuntimeError("no store")
        for wish in wishes:
            wish.done("made")


def test_whoever_waits_too_long_for_another_thread_gives_up_and_its_change_is_made_with_the_next() -> None:
    led, late = Led(), Wish("late")
    with pytest.raises(TimeoutError, match="the ledger was busy"):
        led.commit(late, longest_seconds=0.0)
    led.commit_behind(Wish("next"))
    led.let_go()
    assert led.rounds == [["first"], ["late", "next"]] and late.result == "made"
    assert len(led.committers) == 0


def test_the_change_of_a_thread_that_is_ended_while_it_waits_is_not_made() -> None:
    ends = [True]

    def end() -> None:
        if ends:
            ends.clear()
            raise KeyboardInterrupt

    led, ended = Led(wait=end), Wish("ended")
    with pytest.raises(KeyboardInterrupt):
        led.commit(ended)
    led.commit_behind(Wish("next"))
    led.let_go()
    assert led.rounds == [["first"], ["next"]] and not ended.is_done


@pytest.mark.parametrize("hurries", [True, False])
def test_the_failure_of_a_leader_that_hurries_befalls_only_those_that_hurry(hurries: bool) -> None:
    led, late, leader = Led(), Wish("late", hurries=hurries), Wish("leader", hurries=True)
    with pytest.raises(TimeoutError):
        led.commit(late, longest_seconds=0.0)
    led.fails = ["leader"]
    led.commit_behind(leader)
    led.let_go()
    assert led.rounds == [["first"], ["late", "leader"]]
    assert str(leader.failure) == "no store"
    assert late.is_done is hurries, "whoever does not hurry tries by itself"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_does_not_wait_for_a_thread_that_it_does_not_have() -> None:
    account = Account()
    budget, inside, go_on = account.budget, threading.Event(), threading.Event()

    def stop(verb: str, key: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go_on.wait(30)

    account.reserve("n0", 0.1)
    account.world.store.before = stop
    other = threading.Thread(target=lambda: account.reserve("n1", 0.1))
    other.start()
    assert inside.wait(30)
    child = os.fork()
    if not child:
        got = budget.try_reserve("n2", INTENT, coins=0.1, billing="std", lease_seconds=LEASE)
        os._exit(0 if not isinstance(got, Wait) else 1)
    assert os.waitpid(child, 0)[1] == 0
    go_on.set()
    other.join()


def test_the_key_names_the_account_by_a_hash() -> None:
    account = Account()
    account.reserve()
    (key,) = account.world.store.inner.list_keys("journal/budget/")
    assert "team" not in key and key.endswith("/2026-11.json")
