"""Two processes in turns, in every order, with faults and kills: one bill at most, and no answer is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.journal.submit.adoption import FollowedTask, adopt
from prefect_seedance.journal.submit.critical_section import Evidence
from prefect_seedance.journal.submit.decision import SubmissionPolicy
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.storage.errors import NotWritable
from tests.journal.harness import FAULTS, INTENT, POLICY, TWICE, Fault, Killed, World

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


#: What a process does, in a world of its own.
Actor = Callable[[World], SubmittedVideo | FollowedTask]


@dataclass
class Fate:
    """What befalls the two: whose turn it is, what the vendor answers, what the store does, who dies when.

    Attributes:
        order: Whose turn it is at each step.
        answers: What the vendor answers; "accepted" when they are used up.
        faults: Of the store, at each of the writer's calls.
        deaths: At which of its steps a writer dies.
        jumps: The steps before which an hour passes.
        deletions: The steps before which somebody deletes the record.
    """

    order: list[int]
    answers: list[str]
    faults: dict[str, list[Fault | None]]
    deaths: dict[str, int]
    jumps: set[int]
    deletions: set[int] = field(default_factory=set)


@dataclass
class Outcomes:
    """What came of it: what each returned or raised, the task ids that it was told, its claims asked for, its POSTs."""

    results: dict[str, SubmittedVideo | FollowedTask | BaseException] = field(default_factory=dict)
    told: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WRITERS})
    asked: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WRITERS})
    posts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WRITERS, 0))

    @property
    def submitted(self) -> dict[str, SubmittedVideo]:
        """The results that a run would hand on."""
        return {name: result for name, result in self.results.items() if isinstance(result, dict)}


def play(shared: World, actors: Mapping[str, Actor], fate: Fate) -> Outcomes:
    turns, came, steps = Turns(fate.order), Outcomes(), dict.fromkeys(WRITERS, 0)

    def step() -> str:
        me = threading.current_thread().name
        turns.pass_on(me)
        steps[me] += 1
        if sum(steps.values()) in fate.jumps:  # everybody was frozen for an hour, or this one was and nobody else moved
            shared.store.later(3600.0)
        if sum(steps.values()) in fate.deletions:
            shared.delete_record()
        if steps[me] >= fate.deaths[me]:
            raise Killed
        return me

    def plan(verb: str, key: str) -> None:
        me = step()
        fault = fate.faults[me].pop(0) if fate.faults[me] else None
        shared.store.plan = {verb: [fault]}

    def answer() -> Outcome:
        me = step()
        came.posts[me] += 1
        outcome = ANSWERS[fate.answers.pop(0) if fate.answers else "accepted"](shared)
        step()
        if isinstance(outcome, Accepted):
            came.told[me].append(outcome.task_id)
        return outcome

    def before_claim(nonce: str) -> Evidence:
        step()
        return Evidence()

    def act(name: str) -> None:
        turns.wait(name)
        world = World(shared.store, shared.vendor, asked=came.asked[name], before_claim=before_claim)
        try:
            came.results[name] = actors[name](world)
        except (SeedanceError, Killed) as error:
            came.results[name] = error
        finally:
            turns.leave(name)

    shared.store.before = plan
    shared.vendor.script = [answer] * 50
    threads = [threading.Thread(target=act, args=(name,), name=name) for name in WRITERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    shared.store.before, shared.store.plan, shared.vendor.script = lambda verb, key: None, {}, []
    note(f"{came=} billed={shared.vendor.billed}")
    assert set(came.results) == set(WRITERS)
    for name in WRITERS:
        assert came.posts[name] <= len(came.asked[name]) == len(set(came.asked[name])), (
            "a POST that nobody was asked of"
        )
    return came


def _lost(world: World) -> Outcome:
    world.vendor.accept()
    return Unknown("the answer was lost")


ANSWERS: dict[str, Callable[[World], Outcome]] = {
    "accepted": lambda world: world.vendor.accept(),
    "accepted, lost": _lost,
    "lost": lambda world: Unknown("HTTP 502"),
    "never sent": lambda world: NeverSent("refused"),
    "rate limited": lambda world: TooManyRequests(5.0),
    "busy": lambda world: Busy("busy"),
    "refused": lambda world: Refused("20002", "bad", 200),
}
fault_lists = st.lists(st.one_of(st.none(), st.none(), st.sampled_from(FAULTS)), max_size=30)
NEVER = 10**9
death = st.one_of(st.just(NEVER), st.integers(1, 25))
fates = st.builds(
    Fate,
    order=st.lists(st.integers(0, 1), max_size=60),
    answers=st.lists(st.sampled_from(sorted(ANSWERS)), max_size=4),
    faults=st.fixed_dictionaries({name: fault_lists for name in WRITERS}),
    deaths=st.fixed_dictionaries({name: death for name in WRITERS}),
    jumps=st.sets(st.integers(1, 30), max_size=3),
    deletions=st.just(set()),
)
deletions = st.one_of(st.just(set()), st.sets(st.integers(1, 30), max_size=2))


def adopted(shared: World, known: SubmittedVideo) -> FollowedTask:
    """Another process goes on with what a result knows: whatever the record says, that is not lost."""
    followed = adopt(World(shared.store, shared.vendor).journal, known)
    record = shared.record()
    assert known["task_id"] in record.task_ids
    assert followed.task_id and followed.task_id in record.task_ids
    if record.state in HAVE_TASK:
        assert followed.task_id == record.task_id
    if record.is_open:
        assert f"{INTENT}.{record.opening}" in shared.markers()
    return followed


@given(fate=fates, maximum=st.integers(1, 2))
def test_two_runs_buy_one_video_at_most(fate: Fate, maximum: int) -> None:
    policy = SubmissionPolicy(max_submissions=maximum)
    world = World.in_memory()
    came = play(world, {name: lambda each, name=name: each.run(name, policy=policy) for name in WRITERS}, fate)
    billed, record = world.vendor.billed, world.find()
    assert {each.nonce for each in (record.attempts if record else ())} <= {*came.asked["one"], *came.asked["two"]}
    assert len(billed) <= 1  # nothing failed at the vendor, so the limit of two is never used
    for name in WRITERS:
        if came.told[name] and fate.deaths[name] == NEVER:
            assert came.submitted[name]["task_id"] == came.told[name][0]
    # Whatever happened, what is known is gone on with; the next run attaches, submits what was never accepted, or says
    # that nobody knows.
    for known in came.submitted.values():
        assert adopted(world, known).task_id == known["task_id"] == billed[0]
        assert world.record().state is State.SUBMITTED
    third = World(world.store, world.vendor)
    try:
        assert third.run("three")["task_id"] in billed
        assert world.record().state is State.SUBMITTED
    except SubmissionUnknown:
        assert not came.submitted
        assert third.markers()
    assert len(billed) <= 1


def known_and_recorded(shared: World) -> SubmittedVideo:
    return World(shared.store, shared.vendor).run("earlier")


def known_and_deleted(shared: World) -> SubmittedVideo:
    known = known_and_recorded(shared)
    shared.delete_record()
    return known


def known_and_failed(shared: World) -> SubmittedVideo:
    known = known_and_recorded(shared)
    World(shared.store).journal.record_failed(INTENT, known["task_id"], "transient", "PROVIDER_TIMEOUT")
    return known


def known_and_unrecorded(shared: World) -> SubmittedVideo:
    """The store broke behind the answer: what stands there is the claim."""

    def break_store() -> Outcome:
        shared.store.down = NotWritable("journal", "Read-only file system")
        return shared.vendor.accept()

    shared.vendor.script = [break_store]
    known = known_and_recorded(shared)
    assert not known["recorded"]
    shared.store.down = None
    return known


@pytest.mark.parametrize(
    "earlier",
    [known_and_recorded, known_and_deleted, known_and_failed, known_and_unrecorded],
    ids=lambda each: each.__name__,
)
@given(data=st.data(), fate=fates, deletions=deletions)
def test_what_a_result_knows_is_never_lost_whatever_a_rival_does(
    earlier: Callable[[World], SubmittedVideo], data: st.DataObject, fate: Fate, deletions: set[int]
) -> None:
    world, fate.deletions = World.in_memory(), deletions
    known = earlier(world)
    policy = TWICE if earlier is known_and_failed else POLICY
    actors: dict[str, Actor] = {
        "one": lambda each: adopt(each.journal, known),
        "two": lambda each: each.run("two", policy=policy),
    }
    came = play(world, actors, fate)
    # (Only with the record gone, or its task failed, may a rival buy another.)
    may_buy = deletions or earlier in (known_and_deleted, known_and_failed)
    assert len(world.vendor.billed) <= 1 + bool(may_buy)
    followed = came.results["one"]
    if isinstance(followed, FollowedTask):
        assert followed.task_id in world.vendor.billed
        assert deletions or known["task_id"] in world.record().task_ids
    results = [known, *came.submitted.values()]
    for result in data.draw(st.permutations(results)):
        adopted(world, result)
    record = world.record()
    assert {result["task_id"] for result in results} <= set(record.task_ids)
    assert len(set(record.task_ids)) == len(record.task_ids)
