"""The protocol over simulated time: what is spent and held is never less than what is billed, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from prefect_seedance.journal.budget.ledger import total
from tests.journal.budget.simulation import PRICE, Fate, World, simulate

LONG = bool(os.environ.get("RUN_LONG"))
SEEDS = 300 if LONG else 4
BEFORE_MIDNIGHT = datetime(2026, 11, 22, 23, 59, 50, tzinfo=UTC)
BEFORE_DECEMBER = datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC)

FATES: dict[str, Callable[[int], Fate]] = {
    "lost answers": lambda seed: Fate(seed, lost=0.05),
    "kills": lambda seed: Fate(seed, kills=2),
    "pauses beyond leases": lambda seed: Fate(seed, pauses=0.01),
    "all of it": lambda seed: Fate(seed, kills=2, pauses=0.01, lost=0.05),
    "given up": lambda seed: Fate(seed, kills=1, pauses=0.005, abandons=True),
    "midnight": lambda seed: Fate(seed, begins=BEFORE_MIDNIGHT, videos=4, kills=1, pauses=0.005),
    "a month's end": lambda seed: Fate(seed, begins=BEFORE_DECEMBER, videos=4, kills=1, pauses=0.005),
}


def spent_of(world: World) -> float:
    return total(*(day.spent for ledger in world.ledgers() for day in ledger.days.values()))


def wrong(world: World) -> list[str]:
    """Everything that came of a simulation and should not."""
    left = [nonce for ledger in world.ledgers() for nonce in ledger.open]
    said = [*world.problems, *(f"entry {nonce} outlives its reason" for nonce in left)]
    spent, billed = spent_of(world), total(*world.bills.values())
    if not world.fate.abandons and spent != billed:
        said.append(f"{spent} is booked in the end, and {billed} was billed")
    if len(world.told) != len(set(world.told)):
        said.append(f"told more than once: {world.told}")
    return said


@pytest.mark.parametrize("name", FATES)
def test_what_is_spent_and_held_covers_the_bills_always_and_equals_them_in_the_end(name: str) -> None:
    for seed in range(SEEDS):
        world = simulate(FATES[name](seed))
        assert wrong(world) == [], f"{name}, seed {seed}"
        assert set(world.ended.values()) <= {"submitted", "over", "unknown", "lost", "sending"}


def test_where_nothing_fails_the_budget_is_used_to_the_last_video_and_told_once() -> None:
    for seed in range(SEEDS):
        world = simulate(Fate(seed, rows=16, videos=10, lost=0.0, trouble=0.0))
        assert wrong(world) == []
        assert len(world.bills) == 10
        assert sorted(world.ended.values()) == ["over"] * 6 + ["submitted"] * 10
        assert world.told == ["22 daily_budget"]
        assert spent_of(world) == total(10 * PRICE)


@pytest.mark.parametrize("mutation", ["no fence", "settlement before record"])
def test_without_the_fence_or_in_another_order_it_goes_wrong(mutation: str) -> None:
    """What shows that the simulation would see it."""
    for seed in range(300):
        fate = Fate(seed, rows=8, videos=20, trouble=0.0, lost=0.0)
        if mutation == "no fence":
            fate.fenced, fate.pauses = False, 0.05
        else:
            fate.record_first, fate.kills = False, 3
        if wrong(simulate(fate)):
            return
    pytest.fail("nothing went wrong")
