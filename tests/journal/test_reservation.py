"""What a submission holds of a budget: entered before its claim, settled after its record, and never longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from prefect_seedance.client.errors import InvalidParameters, SeedanceError
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.journal.budget.reservation import Reservation, Wait
from prefect_seedance.journal.errors import OverBudget, SubmissionUnknown, SubmittingStopped
from prefect_seedance.journal.states import State
from prefect_seedance.stopwatch import Stopwatch
from tests.journal.harness import INTENT, Killed, World


@dataclass
class Held:
    """One reservation, and what the record said each time that something was done with it."""

    world: World
    nonce: str
    lease_seconds: float
    elapsed: Stopwatch
    done: list[tuple[str, State | None]] = field(default_factory=list)

    def leaves_room(self, seconds: float) -> bool:
        return self.elapsed() + seconds <= self.lease_seconds

    def settled(self, outcome: Outcome) -> None:
        self.done.append((type(outcome).__name__, self._state()))

    def released(self) -> None:
        self.done.append(("released", self._state()))

    def _state(self) -> State | None:
        found = self.world.find()
        return found.state if found else None


@dataclass
class Budget:
    """A budget that is asked by a world, and answers by a script; afterwards everything fits."""

    world: World
    script: list[Wait | Exception] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    when_asked: list[tuple[str, State | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.reserve = self.reserve

    def reserve(self, nonce: str, lease_seconds: float, start: Callable[[], Stopwatch]) -> Reservation | Wait:
        found = self.world.find()
        self.when_asked.append((nonce, found.state if found else None))
        answer = self.script.pop(0) if self.script else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        self.held.append(Held(self.world, nonce, lease_seconds + 60.0, start()))
        return self.held[-1]

    @property
    def done(self) -> list[list[tuple[str, State | None]]]:
        return [each.done for each in self.held]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "store")


@pytest.fixture
def budget(world: World) -> Budget:
    return Budget(world)


def over() -> OverBudget:
    return OverBudget(INTENT, "daily_budget", 20.0, 18.0, 1.0, 2.0, "2026-11-23 00:00")


def test_the_entry_comes_first_the_record_second_and_the_settlement_third(world: World, budget: Budget) -> None:
    world.run()
    assert budget.when_asked == [(world.record().attempts[0].nonce, None)]
    assert budget.done == [[("Accepted", State.SUBMITTED)]]


def test_what_is_over_budget_is_neither_claimed_nor_sent(world: World, budget: Budget) -> None:
    budget.script = [over()]
    with pytest.raises(OverBudget) as caught:
        world.run()
    assert (world.vendor.posts, world.find(), world.markers()) == (0, None, [])
    assert "daily_budget (20 coins)" in str(caught.value) and "2026-11-23 00:00 (UTC)" in str(caught.value)


def test_what_waits_for_the_posts_of_others_holds_nothing_and_goes_on(world: World, budget: Budget) -> None:
    budget.script = [Wait(2.0, "others hold the rest of daily_budget"), Wait(3.0, "others hold it")]
    world.run()
    assert [state for _, state in budget.when_asked] == [None, None, None]
    assert sum(world.slept) >= 5.0
    assert len({nonce for nonce, _ in budget.when_asked}) == 3  # each try has a name of its own
    assert [line for line in world.logs if "waits" in line] == [
        f"Intent {INTENT} waits: others hold the rest of daily_budget"
    ]


def test_the_wait_for_others_has_an_end(world: World, budget: Budget) -> None:
    budget.script = [Wait(1.0, "others hold it")] * 900
    with pytest.raises(SubmittingStopped, match="others hold it"):
        world.run()
    assert sum(world.slept) > 850 and world.vendor.posts == 0
    assert len(budget.when_asked) < 150  # hundreds may wait, and each look costs requests


def test_a_wait_in_the_middle_of_back_offs_does_not_lose_the_hold_on_the_record(world: World, budget: Budget) -> None:
    world.vendor.script = [TooManyRequests(1.0)]

    def then_wait(point: str) -> None:
        if point == "backoff" and len(budget.when_asked) == 1:
            budget.script = [Wait(1.0, "others hold it")]

    world.at = then_wait
    assert world.run()["task_id"] == world.vendor.billed[0]
    assert len(budget.when_asked) == 3


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (TooManyRequests(1.0), State.READY),
        (Busy("busy"), State.READY),
        (NeverSent("connection refused"), State.READY),
    ],
)
def test_nothing_is_held_through_a_back_off_and_each_try_reserves_anew(
    world: World, budget: Budget, outcome: Outcome, state: State
) -> None:
    world.vendor.script = [outcome]
    at_pause: list[list[list[tuple[str, State | None]]]] = []
    world.at = lambda point: at_pause.append(budget.done) if point == "backoff" else None
    world.run()
    free = (type(outcome).__name__, state)
    assert at_pause == [[[free]]]
    assert budget.done == [[free], [("Accepted", State.SUBMITTED)]]
    assert len({nonce for nonce, _ in budget.when_asked}) == 2


@pytest.mark.parametrize(
    ("outcome", "error", "state"),
    [
        (Refused("20002", "bad", 200), InvalidParameters, State.REFUSED),
        (Unknown("no answer"), SubmissionUnknown, State.UNKNOWN),
    ],
)
def test_each_outcome_is_settled_once_the_record_has_it(
    world: World, budget: Budget, outcome: Outcome, error: type[SeedanceError], state: State
) -> None:
    world.vendor.script = [outcome]
    with pytest.raises(error):
        world.run()
    assert budget.done == [[(type(outcome).__name__, state)]]


def test_a_claim_that_lost_its_race_gives_the_coins_back(world: World, budget: Budget) -> None:
    rival = World(world.store, world.vendor)

    def overtake(point: str) -> None:
        if point == "claim.record.before":
            world.at = lambda point: None
            rival.run("two")

    world.at = overtake
    assert world.run()["task_id"] == world.vendor.billed[0]
    assert budget.done == [[("released", State.SUBMITTED)]]
    assert len(world.vendor.billed) == 1


def test_a_reservation_that_others_see_as_lapsed_sends_nothing(world: World, budget: Budget) -> None:
    """The process stands still between its reservation and its claim: the claim is young, the reservation is not."""
    frozen = False

    def freeze(point: str) -> None:
        nonlocal frozen
        if point == "claim.record.after" and not frozen:
            frozen = True
            # As if it had been made an hour ago.
            budget.held[-1].lease_seconds = 1.0

    world.at = freeze
    world.run()
    assert budget.done == [[("NeverSent", State.READY)], [("Accepted", State.SUBMITTED)]]
    assert (world.vendor.posts, len(world.vendor.billed)) == (1, 1)


def test_a_reservation_that_lapses_while_the_connection_is_made_sends_nothing(world: World, budget: Budget) -> None:
    post = world.vendor.post

    def slow_connection(seconds: float, may_send: Callable[[], bool] = lambda: True) -> Outcome:
        if len(budget.held) == 1:
            budget.held[0].lease_seconds = 1.0
        return post(seconds, may_send)

    world.vendor.post = slow_connection  # type: ignore[method-assign]
    world.run()
    assert (world.vendor.posts, len(budget.held)) == (1, 2)


def test_a_process_that_is_ended_in_its_post_settles_what_its_record_says(world: World, budget: Budget) -> None:
    def ended() -> Accepted:
        raise KeyboardInterrupt

    world.vendor.script = [ended]
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert world.record().state is State.UNKNOWN
    assert budget.done == [[("Unknown", State.UNKNOWN)]]


@pytest.mark.parametrize("point", ["post.before", "post.after", "accepted.logged", "accepted.record.before"])
def test_a_kill_leaves_the_entry_for_the_sweep(world: World, budget: Budget, point: str) -> None:
    def kill(reached: str) -> None:
        if reached == point:
            world.store.down = Killed()
            raise Killed

    world.at = kill
    with pytest.raises(Killed):
        world.run()
    assert len(budget.held) == 1
    assert all(name != "released" or world.vendor.posts == 0 for name, _ in budget.held[0].done)
