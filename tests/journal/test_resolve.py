"""A person settles what is unknown, and cannot make it worse."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from prefect_seedance.client.errors import ConnectionFailed, TaskNotFound
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Unknown
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.errors import BalanceContradicts, ResolutionRefused, SubmissionUnknown
from prefect_seedance.journal.identity import ALWAYS, Identity, identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Attempt, Stored
from prefect_seedance.journal.resolution import Resolution, remarks, resolve_unknown
from prefect_seedance.journal.settlement.brought_video import hold_for_video, record_brought
from prefect_seedance.journal.settlement.restoration import restore_record
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.critical_section import Evidence
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


@pytest.mark.parametrize("task_id", ["", "  ", "..", "x" * 5000, "videos_\x00"], ids=lambda text: text[:8])
def test_a_task_id_must_be_one(world: World, task_id: str) -> None:
    make_unknown(world)
    with pytest.raises(ResolutionRefused, match=" cannot be a task id" if task_id.strip() else "No task id"):
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

    with pytest.raises(ResolutionRefused, match="does not name it"):
        resolve_unknown(
            world.journal,
            INTENT,
            "attach",
            task_id="videos_x",
            fetch=lambda task_id: VideoTask(task_id=task_id, names_itself=False),
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


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{}", b'{"intent"'])
def test_a_damaged_reservation_does_not_bind(world: World, damaged: bytes) -> None:
    make_unknown(world)
    key = f"journal/tasks/{hashlib.sha256(b'videos_x').hexdigest()[:32]}.json"
    world.store.inner.create(key, damaged)
    attach(world)
    assert world.record().task_id == "videos_x"
    make_unknown(world, OTHER)
    with pytest.raises(ResolutionRefused, match=f"belongs to intent {INTENT}"):
        attach(world, intent=OTHER.intent)


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


@pytest.mark.parametrize(
    "settle",
    [
        lambda journal: resolve_unknown(journal, INTENT, "not_billed"),
        lambda journal: resolve_unknown(journal, INTENT, "abandon"),
        lambda journal: hold_for_video(journal, INTENT, ""),
    ],
    ids=("not billed", "abandon", "a video"),
)
def test_whoever_loses_every_race_settles_nothing_and_says_so(
    world: World, settle: Callable[[Journal], object]
) -> None:
    make_unknown(world)
    key = f"journal/records/{INTENT}.json"

    def overtake(verb: str, written: str) -> None:
        if (verb, written) == ("swap", key):
            blob = world.store.inner.get(key)
            assert blob is not None
            values = json.loads(blob.data)
            values |= {"rev": values["rev"] + 1, "nonce": uuid4().hex}
            world.store.inner.swap(key, json.dumps(values).encode(), etag=blob.etag)

    world.store.before = overtake
    with pytest.raises(ResolutionRefused, match="Other runs keep changing the record"):
        settle(world.journal)
    assert world.record().state is State.UNKNOWN and len(world.record().unsettled()) == 1


def test_a_video_whose_attempt_is_no_longer_in_the_record_is_not_written_down_for_another(world: World) -> None:
    make_unknown(world)
    held = hold_for_video(world.journal, INTENT, "")
    world.delete_record()
    restore_record(world.journal, INTENT)
    facts = Stored(uri="u", key="videos/a.mp4", bytes=1, sha256="s", crc32="c")
    with pytest.raises(ResolutionRefused, match=r"no longer in the record.*The video is in the store: call again"):
        record_brought(world.journal, held, facts, "ann")
    assert world.record().state is State.UNKNOWN and world.record().stored is None


def test_a_name_that_no_attempt_has_is_refused_where_nothing_is_to_be_settled(world: World) -> None:
    make_unknown(world)
    resolve_unknown(world.journal, INTENT, "not_billed")
    with pytest.raises(ResolutionRefused, match=r"'9-ffff' is not in the record.*No attempt of it is to be settled"):
        resolve_unknown(world.journal, INTENT, "not_billed", attempt="9-ffff")
    assert world.record().state is State.READY


# A command settles the attempt that it was written for, and no other.


def make_unknown_again(world: World) -> tuple[Attempt, Attempt]:
    """The first attempt is settled as not billed, a second one is sent and unknown."""
    make_unknown(world)
    (first,) = world.record().attempts
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=first.name)
    make_unknown(world)
    return first, world.record().attempts[-1]


@pytest.mark.parametrize("resolution", ["not_billed", "abandon"])
def test_a_command_of_an_earlier_attempt_is_refused_with_what_the_record_says_now(
    world: World, resolution: Resolution
) -> None:
    first, second = make_unknown_again(world)
    before = world.record()
    words = rf"{first.name} is settled already \(not billed\)\. The record is unknown now\..*settled: {second.name} "
    for _ in range(2):
        with pytest.raises(ResolutionRefused, match=words):
            resolve_unknown(world.journal, INTENT, resolution, attempt=first.name)
    assert world.record() == before and world.vendor.posts == 2


@pytest.mark.parametrize("resolution", ["not_billed", "abandon", "attach"])
def test_a_call_that_names_no_attempt_is_refused_once_there_was_another(world: World, resolution: Resolution) -> None:
    _, second = make_unknown_again(world)
    with pytest.raises(ResolutionRefused, match=rf"does not name one.*{second.name}"):
        resolve_unknown(world.journal, INTENT, resolution, task_id="videos_x", fetch=fetch)
    resolve_unknown(world.journal, INTENT, resolution, task_id="videos_x", fetch=fetch, attempt=second.name)
    assert world.record().state in (State.SUBMITTED, State.READY, State.LOST)


def test_a_stale_command_does_not_lead_to_a_third_post(world: World) -> None:
    """Not billed, says one; the second attempt is unknown and billed; another person runs the first one's command."""
    make_unknown(world)
    with pytest.raises(SubmissionUnknown) as stopped:
        world.run("two")
    command = str(stopped.value)
    named = re.search(r'resolution="not_billed", attempt="([^"]+)"', command)
    assert named is not None
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=named[1])
    make_unknown(world)
    with pytest.raises(ResolutionRefused):
        resolve_unknown(world.journal, INTENT, "not_billed", attempt=named[1])
    with pytest.raises(SubmissionUnknown) as now:
        world.run("three")
    assert world.vendor.posts == 2
    assert now.value.attempt_name == world.record().attempts[-1].name != named[1]


def test_a_stale_command_is_refused_while_and_after_a_later_attempt_is_sent(world: World) -> None:
    make_unknown(world)
    (first,) = world.record().attempts
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=first.name)

    def meanwhile() -> Accepted:
        with pytest.raises(ResolutionRefused, match="right now"):
            resolve_unknown(World(world.store).journal, INTENT, "abandon", attempt=first.name)
        return world.vendor.accept()

    world.vendor.script = [meanwhile]
    world.run("two")
    with pytest.raises(ResolutionRefused, match="not unknown but submitted"):
        resolve_unknown(world.journal, INTENT, "abandon", attempt=first.name)


@pytest.mark.parametrize(
    "resolutions", [("not_billed", "abandon"), ("abandon", "not_billed"), ("attach", "not_billed")]
)
def test_of_two_people_who_settle_one_attempt_at_once_the_second_is_judged_by_what_the_first_wrote(
    world: World, resolutions: tuple[Resolution, Resolution]
) -> None:
    make_unknown(world)
    name = world.record().attempts[0].name
    first, second = resolutions

    def overtake(point: str) -> None:
        world.at = lambda point: None
        resolve_unknown(World(world.store).journal, INTENT, first, task_id="videos_x", attempt=name, fetch=fetch)

    world.at = overtake
    if first == "abandon":  # given up, and settled after all
        resolve_unknown(world.journal, INTENT, second, attempt=name)
        assert world.record().state is State.READY
        return
    with pytest.raises(ResolutionRefused):
        resolve_unknown(world.journal, INTENT, second, attempt=name)
    assert world.record().state is (State.READY if first == "not_billed" else State.SUBMITTED)


def made_at(seconds: int | None) -> Callable[[str], VideoTask]:
    return lambda task_id: VideoTask(task_id=task_id, created_at=seconds)


@pytest.mark.parametrize("seconds", [SENT_AT - 301, SENT_AT - 86_400, 7])
def test_a_task_that_was_made_before_the_attempt_is_refused(world: World, seconds: int) -> None:
    make_unknown(world)
    with pytest.raises(ResolutionRefused, match=r"was made .* UTC, before attempt 1-.*any_age.*--any-age"):
        resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", fetch=made_at(seconds))
    assert world.record().state is State.UNKNOWN
    resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", fetch=made_at(seconds), any_age=True)
    assert world.record().task_id == "videos_x"


@pytest.mark.parametrize("seconds", [SENT_AT - 299, SENT_AT, SENT_AT + 86_400, None])
def test_clocks_may_differ_by_minutes_and_a_task_of_unknown_age_is_taken(world: World, seconds: int | None) -> None:
    make_unknown(world)
    entry = resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", fetch=made_at(seconds))
    assert world.record().task_id == "videos_x"
    assert ("could not be compared" in " ".join(remarks(entry, "attach", "/s"))) is (seconds is None)


def test_the_task_of_a_later_attempt_is_not_taken_for_an_earlier_one(world: World) -> None:
    first, second = make_unknown_again(world)
    attempts = (first.model_copy(update={"outcome": "not_billed"}), second)
    later = second.model_copy(update={"started_at": NOON + timedelta(hours=2)})
    world.journal.update(
        INTENT, lambda found: found.model_copy(update={"attempts": (attempts[0], later)}), step="evidence"
    )
    of_the_second = made_at(SENT_AT + 7200 + 301)
    with pytest.raises(ResolutionRefused, match=f"after attempt {second.name}"):
        resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", attempt=first.name, fetch=of_the_second)
    resolve_unknown(world.journal, INTENT, "attach", task_id="videos_x", attempt=second.name, fetch=of_the_second)
    assert world.record().attempts[1].task_id == "videos_x"


def test_what_was_not_billed_is_not_paid_again_while_an_earlier_attempt_has_its_task(world: World) -> None:
    task_id = world.run()["task_id"]
    lost = Attempt(number=2, nonce="b" * 32, started_at=NOON, outcome="unknown")
    world.journal.update(
        INTENT,
        lambda found: found.model_copy(update={"state": State.UNKNOWN, "attempts": (*found.attempts, lost)}),
        step="evidence",
    )
    resolve_unknown(world.journal, INTENT, "not_billed", attempt="2")
    assert (world.record().state, world.record().task_id) == (State.SUBMITTED, task_id)
    assert world.run("two", policy=TWICE)["task_id"] == task_id and world.vendor.posts == 1


# Not billed, and the balance says otherwise.


def make_unknown_with(world: World, price: float | None, before: float | None, after: float | None) -> Attempt:
    world.before_claim = lambda nonce: Evidence(price=price, balance_before=before)
    world.balance = lambda: after
    make_unknown(world)
    return world.record().attempts[-1]


def test_not_billed_against_the_balance_needs_a_word_more(world: World) -> None:
    attempt = make_unknown_with(world, 0.1, 0.3, 0.2)
    before = world.record()
    with pytest.raises(
        BalanceContradicts, match=r"fell by exactly the expected price.*despite_evidence.*--yes"
    ) as doubt:
        resolve_unknown(world.journal, INTENT, "not_billed", attempt=attempt.name)
    assert (doubt.value.attempt_name, world.record()) == (attempt.name, before)
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=attempt.name, despite_evidence=True)
    assert world.record().state is State.READY
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=attempt.name)  # says so already


@pytest.mark.parametrize(
    ("price", "before", "after", "said"),
    [
        (0.1, 0.3, 0.3, "did not change: probably not billed, though the vendor may charge later"),
        (0.1, 0.3, 0.1, "changed by another amount: says nothing"),
        (0.1, 0.3, None, "not known"),
        (None, None, None, "not known"),
    ],
)
def test_other_evidence_is_told_and_forbids_nothing(
    world: World, price: float | None, before: float | None, after: float | None, said: str
) -> None:
    attempt = make_unknown_with(world, price, before, after)
    with pytest.raises(SubmissionUnknown) as stopped:
        world.run("two")
    assert said in str(stopped.value) and said in stopped.value.balance
    resolve_unknown(world.journal, INTENT, "not_billed", attempt=attempt.name)


@pytest.mark.parametrize("resolution", ["attach", "abandon"])
def test_a_billed_video_is_attached_or_given_up_without_a_question(world: World, resolution: Resolution) -> None:
    make_unknown_with(world, 0.1, 0.3, 0.2)
    resolve_unknown(world.journal, INTENT, resolution, task_id="videos_x", fetch=fetch)
    assert world.record().state in (State.SUBMITTED, State.LOST)
