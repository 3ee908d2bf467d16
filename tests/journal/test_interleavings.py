"""Two runs in turns, in every order, with faults and kills: one bill at most, and no answer is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, note
from hypothesis import strategies as st

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unclear
from prefect_seedance.journal.decision import SubmissionPolicy
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.pointer import Submitted
from prefect_seedance.journal.states import State
from tests.journal.harness import FAULTS, Fault, Killed, World

WRITERS = ("one", "two")


class Turns:
    """Lets one thread go at a time; whose turn is next is told by a list, and in rotation when it is used up."""

    def __init__(self, order: list[int]) -> None:
        self._order = list(order)
        self._condition = threading.Condition()
        self._running = set(WRITERS)
        self._current = WRITERS[0]

    def wait(self, me: str) -> None:
        with self._condition:
            assert self._condition.wait_for(lambda: self._current == me, timeout=30)

    def pass_on(self, me: str) -> None:
        with self._condition:
            self._choose(me)
            assert self._condition.wait_for(lambda: self._current == me, timeout=30)

    def leave(self, me: str) -> None:
        with self._condition:
            self._running.discard(me)
            self._choose(me)

    def _choose(self, me: str) -> None:
        other = WRITERS[1 - WRITERS.index(me)]
        chosen = WRITERS[self._order.pop(0)] if self._order else other
        self._current = chosen if chosen in self._running else next(iter(self._running), "")
        self._condition.notify_all()


@dataclass
class Told:
    """What the vendor told to whom."""

    ids: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WRITERS})


def play(
    order: list[int],
    answers: list[str],
    faults: dict[str, list[Fault | None]],
    deaths: dict[str, int],
    jumps: set[int],
    policy: SubmissionPolicy,
) -> tuple[World, dict[str, Submitted | BaseException], Told]:
    shared = World.in_memory()
    turns, told, steps = Turns(order), Told(), {name: 0 for name in WRITERS}
    results: dict[str, Submitted | BaseException] = {}

    def step(verb: str = "", key: str = "") -> None:
        me = threading.current_thread().name
        turns.pass_on(me)
        steps[me] += 1
        if sum(steps.values()) in jumps:  # everybody was frozen for an hour, or this one was and nobody else moved
            shared.store.later(3600.0)
        if steps[me] >= deaths[me]:
            raise Killed

    def plan(verb: str, key: str) -> None:
        step()
        me = threading.current_thread().name
        fault = faults[me].pop(0) if faults[me] else None
        shared.store.plan = {verb: [fault]}

    def answer() -> Outcome:
        me = threading.current_thread().name
        step()
        outcome = ANSWERS[answers.pop(0) if answers else "accepted"](shared)
        step()
        if isinstance(outcome, Accepted):
            told.ids[me].append(outcome.task_id)
        return outcome

    shared.store.before = plan
    shared.vendor.script = [answer] * 50

    def run(name: str) -> None:
        turns.wait(name)
        world = World(shared.store, shared.vendor)
        try:
            results[name] = world.run(name, policy=policy)
        except (SeedanceError, Killed) as error:
            results[name] = error
        finally:
            turns.leave(name)

    threads = [threading.Thread(target=run, args=(name,), name=name) for name in WRITERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    shared.store.before, shared.store.plan = lambda verb, key: None, {}
    return shared, results, told


def _lost(world: World) -> Outcome:
    world.vendor.accept()
    return Unclear("the answer was lost")


ANSWERS: dict[str, Callable[[World], Outcome]] = {
    "accepted": lambda world: world.vendor.accept(),
    "accepted, lost": _lost,
    "lost": lambda world: Unclear("HTTP 502"),
    "never sent": lambda world: NeverSent("refused"),
    "rate limited": lambda world: TooManyRequests(5.0),
    "busy": lambda world: Busy("busy"),
    "refused": lambda world: Refused("20002", "bad", 200),
}
fault_lists = st.lists(st.one_of(st.none(), st.none(), st.sampled_from(FAULTS)), max_size=30)
NEVER = 10**9
death = st.one_of(st.just(NEVER), st.integers(1, 25))


@given(
    order=st.lists(st.integers(0, 1), max_size=60),
    answers=st.lists(st.sampled_from(sorted(ANSWERS)), max_size=4),
    faults=st.fixed_dictionaries({name: fault_lists for name in WRITERS}),
    deaths=st.fixed_dictionaries({name: death for name in WRITERS}),
    jumps=st.sets(st.integers(1, 30), max_size=3),
    maximum=st.integers(1, 2),
)
def test_two_runs_buy_one_video_at_most(
    order: list[int],
    answers: list[str],
    faults: dict[str, list[Fault | None]],
    deaths: dict[str, int],
    jumps: set[int],
    maximum: int,
) -> None:
    world, results, told = play(order, answers, faults, deaths, jumps, SubmissionPolicy(max_submissions=maximum))
    note(f"{results=} billed={world.vendor.billed} {told=}")
    assert set(results) == set(WRITERS)
    assert len(world.vendor.billed) <= 1  # nothing failed at the vendor, so the limit of two is never used
    for name, result in results.items():
        if isinstance(result, Submitted):
            assert result.task_id in world.vendor.billed
        if told.ids[name] and deaths[name] == NEVER:
            assert isinstance(result, Submitted) and result.task_id == told.ids[name][0]
    # Whatever happened, the next run attaches, submits what was never accepted, or says that nobody knows.
    third = World(world.store, world.vendor)
    world.vendor.script = []
    known = next((each for each in results.values() if isinstance(each, Submitted)), None)
    try:
        submitted = third.run(
            "three", known_task_id=known.task_id if known else "", known_nonce=known.nonce if known else ""
        )
        assert submitted.task_id in world.vendor.billed
        assert third.record().state is State.SUBMITTED
    except SubmissionUnknown:
        assert known is None
        assert third.markers()
    assert len(world.vendor.billed) <= 1
