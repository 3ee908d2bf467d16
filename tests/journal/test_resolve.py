"""A person settles what is unknown, and cannot make it worse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from prefect_seedance.client.errors import ConnectionFailed, TaskNotFound
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Unknown
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.errors import ResolutionRefused, SubmissionUnknown
from prefect_seedance.journal.identity import ALWAYS, Identity, identify
from prefect_seedance.journal.resolution import Resolution, resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision
from tests.journal.harness import IDENTITY, INTENT, NOON, TWICE, Killed, World

#: When every run here sends, by the vendor's clock.
SENT_AT = int(NOON.timestamp())
OTHER = identify(VideoRequest(prompt="another"), scope=ALWAYS, account="default")


def fetch(task_id: str) -> VideoTask:
    if not task_id.startswith("videos_"):
        raise TaskNotFound(task_id)
    return VideoTask(task_id=task_id, status="processing", model="seedance2.0-std", created_at=SENT_AT, cost=0.5)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "store")


def make_unknown(world: World, identity: Identity = IDENTITY) -> None:
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run(identity=identity)
    world.storm.known()


def leave_sending(world: World) -> None:
    def killed() -> Accepted:
        world.store.down = Killed()
        raise Killed

    world.vendor.script = [killed]
    with pytest.raises(Killed):
        world.run()
    world.store.down = None


def attach(world: World, task_id: str = "videos_x", intent: str = INTENT, **more: object) -> None:
    resolve_unknown(world.journal, intent, "attach", task_id=task_id, fetch=fetch, by="ann", **more)  # type: ignore[arg-type]


def test_a_task_from_the_console_is_attached(world: World) -> None:
    make_unknown(world)
    attach(world, "  videos_x ")
    record = world.record()
    assert (record.state, record.task_id, record.key) == (State.SUBMITTED, "videos_x", "videos/2026-11-22/videos_x.mp4")
    attempt = record.attempts[0]
    assert (attempt.outcome, attempt.cost, attempt.created_at, attempt.resolved_by) == ("accepted", 0.5, SENT_AT, "ann")
    assert world.run("two")["task_id"] == "videos_x" and world.vendor.posts == 1


def test_what_was_not_billed_may_be_submitted_again(world: World) -> None:
    make_unknown(world)
    resolve_unknown(world.journal, INTENT, "not_billed", by="ann")
    assert (world.record().state, world.record().submissions) == (State.READY, 0)
    submitted = world.run("two")
    assert (submitted["decision"], submitted["submissions"]) == (Decision.SUBMIT, 1)


def test_what_is_abandoned_is_closed_and_still_counts(world: World) -> None:
    make_unknown(world)
    resolve_unknown(world.journal, INTENT, "abandon")
    assert (world.record().state, world.record().submissions, world.markers()) == (State.LOST, 1, [])


@pytest.mark.parametrize("resolution", ["attach", "not_billed", "abandon"])
def test_doing_it_twice_changes_nothing(world: World, resolution: Resolution) -> None:
    make_unknown(world)
    first, second = (
        resolve_unknown(world.journal, INTENT, resolution, task_id="videos_x", fetch=fetch) for _ in range(2)
    )
    assert first.record == second.record


@pytest.mark.parametrize("resolution", ["attach", "not_billed"])
def test_what_was_given_up_may_be_settled_after_all(world: World, resolution: Resolution) -> None:
    make_unknown(world)
    resolve_unknown(world.journal, INTENT, "abandon")
    resolve_unknown(world.journal, INTENT, resolution, task_id="videos_x", fetch=fetch)
    assert world.record().state is (State.SUBMITTED if resolution == "attach" else State.READY)
    assert world.markers() == [f"{INTENT}.2"]


def test_a_wrong_not_billed_may_be_corrected_before_anything_is_sent(world: World) -> None:
    make_unknown(world)
    resolve_unknown(world.journal, INTENT, "not_billed")
    attach(world)
    assert (world.record().task_id, world.record().submissions) == ("videos_x", 1)
    assert world.run()["task_id"] == "videos_x"


@pytest.mark.parametrize("resolution", ["attach", "not_billed", "abandon"])
def test_a_claim_that_lapsed_may_be_settled_and_a_fresh_one_may_not(world: World, resolution: Resolution) -> None:
    leave_sending(world)
    with pytest.raises(ResolutionRefused, match=r"right now.*Wait 2\d\d s"):
        resolve_unknown(world.journal, INTENT, resolution, task_id="videos_x", fetch=fetch)
    world.freeze(3600.0)
    resolve_unknown(world.journal, INTENT, resolution, task_id="videos_x", fetch=fetch)
    assert world.record().state in (State.SUBMITTED, State.READY, State.LOST)


@pytest.mark.parametrize("resolution", ["attach", "not_billed", "abandon"])
def test_what_is_not_unknown_is_left_alone(world: World, resolution: Resolution) -> None:
    world.run()
    with pytest.raises(ResolutionRefused, match="not unknown but submitted, task videos_0"):
        resolve_unknown(world.journal, INTENT, resolution, task_id="videos_x", fetch=fetch)
    assert world.record().rev == 2


def test_there_must_be_a_record(world: World) -> None:
    with pytest.raises(ResolutionRefused, match=r"no such record.*journal --unknown --store "):
        resolve_unknown(world.journal, INTENT, "abandon")


@pytest.mark.parametrize("task_id", ["", "  ", "videos 1", "videos_\x00"])
def test_a_task_id_must_be_one(world: World, task_id: str) -> None:
    make_unknown(world)
    with pytest.raises(ResolutionRefused, match="No task id"):
        attach(world, task_id)


def test_a_task_id_must_exist_at_the_vendor(world: World) -> None:
    make_unknown(world)
    with pytest.raises(ResolutionRefused, match="does not know"):
        attach(world, "nonsense")
    with pytest.raises(ResolutionRefused, match="cannot be checked"):
        resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x")
    with pytest.raises(ResolutionRefused, match="answers with task videos_y"):
        resolve_unknown(
            world.journal, INTENT, "attach", task_id="videos_x", fetch=lambda task_id: VideoTask(task_id="videos_y")
        )

    def down(task_id: str) -> VideoTask:
        raise ConnectionFailed("down", sent=False)

    with pytest.raises(ConnectionFailed):
        resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", fetch=down)
    assert world.record().state is State.UNKNOWN


def of_model(model: str) -> Callable[[str], VideoTask]:
    return lambda task_id: VideoTask(task_id=task_id, model=model)


def test_a_task_of_another_model_is_refused(world: World) -> None:
    make_unknown(world)
    asked = world.record()
    words = f"of model seedance2.0-md, and {asked.model} was asked for. Nothing was changed.*any_model"
    with pytest.raises(ResolutionRefused, match=words):
        resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", fetch=of_model("seedance2.0-md"))
    assert world.record() == asked
    make_unknown(world, OTHER)
    attach(world, intent=OTHER.intent)
    assert world.record(OTHER.intent).task_id == "videos_x", "the refused one has not reserved the task"


def test_a_task_of_another_model_is_attached_by_who_is_sure(world: World) -> None:
    make_unknown(world)
    md = of_model("seedance2.0-md")
    resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", fetch=md, any_model=True)
    assert (world.record().task_id, world.record().attempts[0].model) == ("videos_x", "seedance2.0-md")


def test_a_task_whose_model_the_vendor_does_not_say_is_attached(world: World) -> None:
    make_unknown(world)
    resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", fetch=of_model(""))
    assert world.record().task_id == "videos_x"


def test_a_task_goes_to_one_intent_only(world: World) -> None:
    make_unknown(world)
    make_unknown(world, OTHER)
    attach(world)
    with pytest.raises(ResolutionRefused, match=f"belongs to intent {INTENT}"):
        attach(world, intent=OTHER.intent)
    assert world.record(OTHER.intent).task_ids == ()


def test_a_task_that_was_submitted_for_another_intent_is_refused(world: World) -> None:
    task_id = world.run()["task_id"]
    make_unknown(world, OTHER)
    with pytest.raises(ResolutionRefused, match=f"belongs to intent {INTENT}"):
        attach(world, task_id, OTHER.intent)


def test_of_two_people_who_attach_one_task_at_once_one_is_refused(world: World) -> None:
    make_unknown(world)
    make_unknown(world, OTHER)
    rival = World(world.store)

    def overtake(point: str) -> None:
        world.at = lambda point: None
        with pytest.raises(ResolutionRefused, match="belongs to"):
            attach(rival, intent=OTHER.intent)

    world.at = overtake
    attach(world)
    assert world.record().task_id == "videos_x" and world.record(OTHER.intent).task_ids == ()


def test_a_reservation_of_one_who_died_does_not_bind_for_ever(world: World) -> None:
    make_unknown(world)
    make_unknown(world, OTHER)

    def die(point: str) -> None:
        world.store.down = Killed()
        raise Killed

    world.at = die
    with pytest.raises(Killed):
        attach(world)
    world.store.down, world.at = None, lambda point: None
    with pytest.raises(ResolutionRefused):
        attach(world, intent=OTHER.intent)
    world.freeze(3600.0)
    attach(world, intent=OTHER.intent)
    assert world.record(OTHER.intent).task_id == "videos_x"


def test_the_attempt_may_be_named(world: World) -> None:
    make_unknown(world)
    (attempt,) = world.record().attempts
    assert attempt.name == f"1-{attempt.nonce[:8]}"
    for wrong in ("7", "2-" + attempt.nonce[:8], "1-00000000", "0", "1-", "-1"):
        with pytest.raises(ResolutionRefused, match=rf"{wrong}' is not in the record\. .*settled: {attempt.name} "):
            attach(world, attempt=wrong)
    attach(world, attempt=f" {attempt.name} ")
    make_unknown(world, OTHER)
    resolve_unknown(world.journal, OTHER.intent, "abandon", attempt="1")  # typed by hand: its number will do
    assert world.record(OTHER.intent).state is State.LOST


@pytest.mark.parametrize("given_up", [False, True])
def test_a_record_with_two_unknown_attempts_needs_both_settled(world: World, given_up: bool) -> None:
    make_unknown(world)
    resolve_unknown(world.journal, INTENT, "not_billed")
    make_unknown(world)
    record = world.record()
    # (Made by hand: no run would send a second one before the first is settled.)
    attempts = (record.attempts[0].model_copy(update={"outcome": "unknown"}), record.attempts[1])
    world.journal.update(INTENT, lambda found: found.model_copy(update={"attempts": attempts}), step="evidence")
    first, second = (each.name for each in attempts)
    if given_up:
        with pytest.raises(ResolutionRefused, match="is not the newest"):
            resolve_unknown(world.journal, INTENT, "abandon", attempt=first)
        resolve_unknown(world.journal, INTENT, "abandon", attempt=second)
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=first)
    assert world.record().state is (State.LOST if given_up else State.UNKNOWN)
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=second)
    assert world.record().state is State.READY


def test_a_race_with_a_run_is_judged_anew(world: World) -> None:
    leave_sending(world)
    world.freeze(3600.0)

    def overtake(point: str) -> None:
        world.at = lambda point: None
        nonce = world.record().attempts[0].nonce
        World(world.store).journal.record_accepted(INTENT, nonce, Accepted("videos_late"))

    world.at = overtake
    with pytest.raises(ResolutionRefused, match="not unknown but submitted"):
        resolve_unknown(world.journal, INTENT, "not_billed")
    assert world.record().task_id == "videos_late"
    assert world.run(policy=TWICE)["task_id"] == "videos_late"
