"""Killed before each single call of the store: spent and held are never less than the vendor's bills, and end equal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from tests.journal.harness import INTENT, TWICE, Killed, Vendor, World

#: What the vendor asks for one video, see `Vendor.accept`.
PRICE = 0.25
Script = list[Outcome | Callable[[], Outcome]]


def lost(vendor: Vendor) -> Outcome:
    """Accepted, and nobody hears of it."""
    vendor.accept()
    return Unknown("the answer was lost")


SCRIPTS: dict[str, Callable[[Vendor], Script]] = {
    "accepted": lambda vendor: [],
    "rate limited": lambda vendor: [TooManyRequests(30.0)],
    "busy, never sent": lambda vendor: [Busy("busy"), NeverSent("connection refused")],
    "refused": lambda vendor: [Refused("20002", "bad", 200)],
    "unknown, accepted": lambda vendor: [lambda: lost(vendor)],
    "unknown, not accepted": lambda vendor: [Unknown("no answer")],
}


def budget_in(world: World) -> Budget:
    budget = Budget(
        world.store,  # type: ignore[arg-type]  # the ledger needs the five primitives only
        account="default",
        limits=Limits(daily=100 * PRICE),
        journal=world.journal,
        sleep=world.sleep,
        jitter=lambda: 1.0,
    )
    world.reserve = lambda nonce, lease_seconds, start: budget.try_reserve(
        nonce, INTENT, coins=PRICE, billing="std", lease_seconds=lease_seconds, start_stopwatch=start
    )
    return budget


def counted(world: World) -> float:
    """Spent and held, by the ledger as it lies in the store."""
    day = budget_in(World(world.store)).standing().day
    return day.spent + day.held + day.reserved


def billed(world: World) -> float:
    return PRICE * len(world.vendor.billed)


def settled_by_a_person(world: World) -> None:
    """A person looks into the console, and says what is true there."""
    in_record = world.record().task_ids
    missing = [task_id for task_id in world.vendor.billed if task_id not in in_record]
    attempt = world.record().unsettled()[-1].name if world.record().unsettled() else ""
    if missing:
        found = VideoTask(task_id=missing[0], status="queued", names_itself=True)
        resolve_unknown(
            world.journal,
            INTENT,
            "attach",
            task_id=missing[0],
            attempt=attempt,
            any_model=True,
            any_age=True,
            fetch=lambda task_id: found,
        )
    else:
        resolve_unknown(world.journal, INTENT, "not_billed", attempt=attempt)


@pytest.mark.parametrize("script", SCRIPTS)
def test_killed_before_any_call_of_the_store_the_budget_counts_what_is_billed(script: str) -> None:
    for call in range(1, 200):
        world = World.in_memory()
        world.vendor.script = SCRIPTS[script](world.vendor)
        budget_in(world)
        calls = 0

        def strike(verb: str, key: str, world: World = world, last: int = call) -> None:
            nonlocal calls
            calls += 1
            if calls == last:
                world.store.down = Killed()

        world.store.before = strike
        killed = False
        try:
            world.run("one", policy=TWICE)
        except Killed:
            killed = True
        except SeedanceError:
            pass
        world.store.before, world.store.down = lambda verb, key: None, None
        assert counted(world) >= billed(world), (script, call)

        world.store.later(3600.0)  # every lease runs out
        later = World(world.store, world.vendor)
        budget = budget_in(later)
        budget.sweep()
        assert counted(later) >= billed(later), (script, call)
        for name in ("two", "three", "four"):
            try:
                later.run(name)
            except SubmissionUnknown:
                assert counted(later) >= billed(later), (script, call)
                settled_by_a_person(later)
            except SeedanceError:
                pass
        assert later.record().state is State.SUBMITTED, (script, call)
        later.store.later(3600.0)
        budget.sweep()
        standing = budget.standing()
        assert standing.entries == (), (script, call)
        assert standing.day.spent == pytest.approx(billed(later)), (script, call)
        if not killed:
            assert calls < call
            return
    raise AssertionError("a submission never takes so many calls")
