"""A process is killed at every named point; the next one takes up what it left, and nothing is paid for twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.failpoints import JOURNAL_POINTS as POINTS
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.record import Stored
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.adoption import adopt
from prefect_seedance.journal.submit.critical_section import Evidence
from tests.journal.harness import DELIVERY, INTENT, Killed, World

FACTS = Stored(uri="file:///x.mp4", key="x.mp4", bytes=3, sha256="ab", crc32="cd")
MORE_FACTS = Stored.model_validate(FACTS.model_dump() | {"width": 1280})

Script = Callable[[World], list[Outcome | Callable[[], Outcome]]]


def unknown_but_accepted(world: World) -> Callable[[], Outcome]:
    def answer() -> Outcome:
        world.vendor.accept()
        return Unknown("the answer was lost")

    return answer


SCRIPTS: dict[str, Script] = {
    "accepted": lambda world: [],
    "never sent": lambda world: [NeverSent("refused")],
    "rate limited": lambda world: [TooManyRequests(30.0)],
    "busy": lambda world: [Busy("busy"), Busy("busy")],
    "refused": lambda world: [Refused("20002", "bad", 200)],
    "unknown, accepted": lambda world: [unknown_but_accepted(world)],
    "unknown, not accepted": lambda world: [Unknown("no answer")],
}
#: Killed behind these, nobody can know whether the POST went out, or what became of it.
NOBODY_KNOWS = {
    "claim.record.after",
    "renew.record.before",
    "renew.record.after",
    "post.before",
    "post.after",
    "accepted.logged",
    "accepted.record.before",
}
OF_SUBMITTING = [
    point
    for point in POINTS
    if point.split(".")[0] in ("claim", "renew", "post", "accepted", "outcome", "release", "evidence", "backoff")
    and not point.startswith("accepted.marker")
]


def kill_at(world: World, wanted: str) -> Callable[[str], None]:
    def at(point: str) -> None:
        if point == "post.before" and wanted.startswith("renew") and "renew.record.before" not in world.points:
            world.freeze(3600.0)
        if point == "post.before" and wanted.startswith("release"):
            world.cancelled = lambda: True
        if point == wanted:
            world.store.down = Killed()
            raise Killed

    return at


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("point", OF_SUBMITTING)
def test_a_killed_submission_is_paid_for_once_at_most(tmp_path: Path, point: str, script: str) -> None:
    world = World.in_folder(tmp_path / "store")
    world.vendor.script = SCRIPTS[script](world)
    world.balance = lambda: 1.0
    world.at = kill_at(world, point)
    try:
        world.run("one")
        killed = False
    except Killed:
        killed = True
    except SeedanceError:
        killed = False
    next_world = World(world.store, world.vendor)
    world.store.down = None
    last: Exception | None = None
    for name in ("two", "three", "four"):
        try:
            assert next_world.run(name)["task_id"] in world.vendor.billed
            last = None
        except SeedanceError as error:
            last = error
    assert len(world.vendor.billed) <= 1
    if isinstance(last, SubmissionUnknown):
        outcome_known = "unknown" not in script
        assert not outcome_known or point in NOBODY_KNOWS | {"outcome.record.before", "release.record.before"}
        assert killed or not outcome_known
        assert next_world.record().is_open and next_world.markers()
    else:
        assert last is None and len(world.vendor.billed) == 1
        assert next_world.record().state is State.SUBMITTED


@pytest.mark.parametrize("point", ["outcome.record.after", "backoff"])
def test_a_record_that_a_kill_left_ready_needs_no_person(tmp_path: Path, point: str) -> None:
    world = World.in_folder(tmp_path / "store")
    world.vendor.script = [TooManyRequests(30.0)]
    world.at = kill_at(world, point)
    with pytest.raises(Killed):
        world.run("one")
    world.store.down = None
    assert world.record().state is State.READY
    World(world.store, world.vendor).run("two")
    assert len(world.vendor.billed) == 1


OF_FOLLOWING = [
    point for point in POINTS if point.split(".")[0] in ("completed", "failed", "stored", "described", "relay_again")
]


@pytest.mark.parametrize("point", OF_FOLLOWING)
def test_a_killed_follow_up_is_done_again(tmp_path: Path, point: str) -> None:
    world = World.in_folder(tmp_path / "store")
    task_id = world.run("one")["task_id"]
    fails = point.startswith("failed")

    def follow() -> None:
        journal = world.journal
        if fails:
            journal.record_failed(INTENT, task_id, "transient", "PROVIDER_TIMEOUT")
            return
        journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed", cost=0.5))
        journal.record_stored(INTENT, task_id, FACTS)
        if point.startswith("relay_again"):
            journal.relay_again(INTENT)
            journal.record_stored(INTENT, task_id, FACTS)
        journal.record_described(INTENT, task_id, MORE_FACTS)

    world.at = kill_at(world, point)
    with pytest.raises(Killed):
        follow()
    world.store.down, world.at = None, lambda point: None
    follow()
    assert world.record().state is (State.FAILED if fails else State.STORED)
    assert world.record().stored == (None if fails else MORE_FACTS)
    # A marker may have been left over; whoever lists sees through it and clears it away.
    assert list(world.journal.open_records()) == [] and world.markers() == []
    assert world.record().task_ids == (task_id,)


@pytest.mark.parametrize(
    "point", [point for point in POINTS if point.startswith("accepted.") and "logged" not in point]
)
def test_a_killed_adoption_is_done_again(tmp_path: Path, point: str) -> None:
    world = World.in_folder(tmp_path / "store")
    known = World(world.store, world.vendor).run("one")
    world.delete_record()
    world.at = kill_at(world, point)
    with pytest.raises(Killed):
        adopt(world.journal, known)
    world.store.down = None
    restarted = World(world.store, world.vendor)
    followed = adopt(restarted.journal, known)
    assert followed.task_id == known["task_id"]
    record = world.record()
    assert (record.state, record.task_ids, record.delivery) == (State.SUBMITTED, (known["task_id"],), DELIVERY)
    assert world.markers() == [f"{INTENT}.1"]


def test_a_process_that_is_killed_before_it_claims_leaves_nothing(tmp_path: Path) -> None:
    world = World.in_folder(tmp_path / "store")

    def killed(nonce: str) -> Evidence:
        world.store.down = Killed()
        raise Killed

    world.before_claim = killed
    with pytest.raises(Killed):
        world.run("one")
    world.store.down = None
    assert world.find() is None and world.markers() == [] and world.vendor.posts == 0


FIRST_POST = [*(f"claim.{what}.{when}" for what in ("marker", "record") for when in ("before", "after")), "post.before"]


def test_every_point_is_reached(tmp_path: Path) -> None:
    reached: set[str] = set()
    count = itertools.count()

    def world_with(*script: Outcome | Callable[[], Outcome]) -> World:
        world = World.in_folder(tmp_path / f"{next(count)}")
        world.points = points
        world.vendor.script = list(script)
        return world

    points: list[str] = []
    world = world_with(TooManyRequests(1.0))
    world.at = lambda point: world.freeze(3600.0) if points == FIRST_POST else None
    task_id = world.run()["task_id"]
    world.journal.record_completed(INTENT, VideoTask(task_id=task_id, status="completed"))
    world.journal.record_stored(INTENT, task_id, FACTS)
    world.journal.record_described(INTENT, task_id, MORE_FACTS)
    world.journal.relay_again(INTENT)
    world.journal.record_failed(INTENT, task_id, "transient", "")

    world = world_with(Refused("20002", "", 200), Unknown("lost"))
    world.balance = lambda: 1.0
    for _ in range(2):
        with pytest.raises(SeedanceError):
            world.run()
    resolve_unknown(world.journal, INTENT, "abandon", attempt=world.record().attempts[-1].name)
    world.journal.record_accepted(INTENT, "late", Accepted("videos_late"))

    world = world_with()
    world.cancelled = lambda: "post.before" in points[-1:]
    with pytest.raises(SeedanceError):
        world.run()

    def rival() -> Outcome:
        other = World(world.store, world.vendor, points=points)
        other.cancelled = lambda: "wait" in points
        with pytest.raises(SeedanceError):
            other.run("two")
        return NeverSent("x")

    world = world_with(rival)
    world.run()
    reached.update(points)
    assert reached == set(POINTS)
