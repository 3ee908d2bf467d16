"""A task that is known from elsewhere: it gets into the record, whatever that says, and the right one is followed."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.client.outcome import Accepted, Outcome, Refused, Unknown
from prefect_seedance.journal import changes
from prefect_seedance.journal.codec import encode
from prefect_seedance.journal.errors import FailedBefore, SubmissionsUsedUp, SubmissionUnknown, TaskNotRecorded
from prefect_seedance.journal.record import VERSION, Attempt, Holder, Record, Stored
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.journal.submit.adoption import adopt, raise_verdict
from prefect_seedance.journal.submit.critical_section import Evidence
from prefect_seedance.journal.submit.decision import SubmissionPolicy
from prefect_seedance.storage.errors import NotWritable
from tests.journal.harness import DELIVERY, IDENTITY, INTENT, NOON, POLICY, TWICE, World

#: What a result of an earlier run points to, whatever has become of the record since.
KNOWN = World.in_memory().run("earlier")
KNOWN_ID = KNOWN["task_id"]
OTHER_ID = "videos_of_the_record"
FACTS = Stored(uri="file:///x.mp4", key="x.mp4", bytes=3, sha256="ab", crc32="cd")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "store")


def record_in(state: State, *, task_id: str = "", failure: str = "", nonce: str = "other") -> Record:
    """A record with one attempt. Without a task its answer is not written down."""
    attempt = Attempt(
        number=1,
        nonce=nonce,
        started_at=NOON,
        outcome="accepted" if task_id else "",
        task_id=task_id,
        failure=failure,
    )
    holder = Holder(nonce=nonce, lease_seconds=210.0) if state is State.SENDING else None
    update = {"state": state, "attempts": (attempt,), "holder": holder, "current": 1 if task_id else 0, "rev": 1}
    return changes.new_record(IDENTITY, NOON, DELIVERY).model_copy(update=update)


def lay(world: World, record: Record, **fields: object) -> None:
    """Put a record into the store, as another process wrote it."""
    data = json.dumps(json.loads(encode(record)) | fields).encode()
    world.store.inner.create(world.journal.record_key(INTENT), data)


# Which of the two is followed, and that neither is lost.


def test_a_record_that_has_the_task_is_left_as_it_is(world: World) -> None:
    known = world.run()
    before = world.record()
    for process in (world, World(world.store)):
        followed = adopt(process.journal, known)
        assert (followed.task_id, followed.record) == (known["task_id"], before)
    assert world.record() == before


def test_to_go_on_in_the_same_process_costs_no_call_of_the_store(world: World) -> None:
    known = world.run()
    world.store.calls.clear()
    adopt(world.journal, known)
    assert world.store.calls == []


def test_a_missing_record_is_written_anew(world: World) -> None:
    followed = adopt(world.journal, KNOWN)
    record = world.record()
    assert (followed.task_id, followed.record) == (KNOWN_ID, record)
    assert (record.state, record.task_ids, record.submissions) == (State.SUBMITTED, (KNOWN_ID,), 1)
    assert (record.request, record.take, record.account) == (IDENTITY.request, IDENTITY.take, IDENTITY.account)
    (attempt,) = record.attempts
    assert (attempt.nonce, attempt.model, attempt.created_at, attempt.cost) == (
        KNOWN["nonce"],
        KNOWN["model"],
        KNOWN["created_at"],
        KNOWN["cost"],
    )
    assert world.markers() == [f"{INTENT}.1"]


def test_a_record_that_is_written_anew_says_who_sent_it_where_for_which_price_and_what_becomes_of_it(
    world: World,
) -> None:
    world.before_claim = lambda nonce: Evidence(price=0.5, price_source="catalog")
    known = world.run("one")
    (before,) = world.record().attempts
    world.delete_record()
    followed = adopt(World(world.store).journal, known, watch_seconds=2700.0)
    record, (attempt,) = world.record(), world.record().attempts
    assert followed.record == record
    assert (attempt.run.id, attempt.run.name) == (before.run.id, before.run.name) == ("id-one", "one")
    assert (attempt.host, attempt.credentials) == (before.host, before.credentials) == ("api.test", "f00d")
    assert (attempt.price, attempt.price_source) == (0.5, "catalog")
    assert (record.delivery, record.watch_seconds) == (DELIVERY, 2700.0)
    assert (attempt.number, attempt.nonce) == (1, before.nonce)


def test_the_lost_attempt_comes_with_all_that_is_known_of_it_into_a_record_that_was_begun_anew(world: World) -> None:
    world.before_claim = lambda nonce: Evidence(price=0.5, price_source="catalog")
    known = world.run("one")
    world.delete_record()
    other = World(world.store, world.vendor).run("two")
    adopt(World(world.store).journal, known)
    newer, lost = world.record().attempts
    assert (newer.task_id, newer.run.name) == (other["task_id"], "two")
    assert (lost.task_id, lost.run.name, lost.price, lost.number) == (known["task_id"], "one", 0.5, 2)


def test_a_pointer_of_a_record_that_was_written_anew_says_the_same_as_before(world: World) -> None:
    world.before_claim = lambda nonce: Evidence(price=0.5, price_source="catalog")
    known = world.run("one")
    world.delete_record()
    adopt(World(world.store).journal, known)
    again = World(world.store, world.vendor).run("one")
    assert {**again, "decision": known["decision"]} == known


def test_a_record_that_was_written_anew_is_attached_to(world: World) -> None:
    adopt(world.journal, KNOWN)
    assert world.run()["task_id"] == KNOWN_ID and world.vendor.posts == 0


def test_to_adopt_twice_changes_nothing(world: World) -> None:
    for process in (world, world, World(world.store)):
        assert adopt(process.journal, KNOWN).task_id == KNOWN_ID
    assert world.record().rev == 1


@pytest.mark.parametrize("state", sorted(set(State) - HAVE_TASK - {State.SENDING}))
def test_a_known_task_beats_a_record_without_one(world: World, state: State) -> None:
    lay(world, record_in(state))
    followed = adopt(world.journal, KNOWN)
    record = world.record()
    assert followed.task_id == KNOWN_ID
    assert (record.state, record.task_id, record.submissions) == (State.SUBMITTED, KNOWN_ID, 2)


@pytest.mark.parametrize("state", sorted(HAVE_TASK))
def test_the_task_of_the_record_is_followed_and_the_known_one_is_kept_beside_it(world: World, state: State) -> None:
    lay(world, record_in(state, task_id=OTHER_ID))
    followed = adopt(world.journal, KNOWN)
    record = world.record()
    assert followed.task_id == record.task_id == OTHER_ID
    assert (record.state, record.task_ids, record.submissions) == (state, (OTHER_ID, KNOWN_ID), 2)


def test_the_record_wins_where_it_knows_of_a_later_attempt(world: World) -> None:
    first = world.run()
    world.journal.record_failed(INTENT, first["task_id"], "transient", "PROVIDER_TIMEOUT")
    second = world.run(policy=TWICE)
    before = world.record()
    assert adopt(World(world.store).journal, first).task_id == second["task_id"]
    assert world.record() == before


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN])
def test_a_known_task_settles_the_attempt_that_it_answers(world: World, state: State) -> None:
    # Its process was told, and died, or found no store to write to.
    lay(world, record_in(state, nonce=KNOWN["nonce"]))
    assert adopt(world.journal, KNOWN).task_id == KNOWN_ID
    record = world.record()
    (attempt,) = record.attempts
    assert (record.state, attempt.task_id, attempt.outcome) == (State.SUBMITTED, KNOWN_ID, "accepted")


def test_the_second_copy_of_an_answer_that_could_not_be_written_down_beats_unknown(world: World) -> None:
    def break_store() -> Outcome:
        world.store.down = NotWritable("journal", "Read-only file system")
        return world.vendor.accept()

    world.vendor.script = [break_store]
    known = world.run()
    assert not known["recorded"]
    world.store.down = None
    world.freeze(3600.0)
    with pytest.raises(SubmissionUnknown):
        World(world.store, world.vendor).run("two")
    assert adopt(World(world.store).journal, known).task_id == known["task_id"]
    assert World(world.store, world.vendor).run("three")["task_id"] == known["task_id"]
    assert world.record().submissions == world.vendor.posts == 1


# While another run is sending.


def test_a_known_task_does_not_disturb_a_claim(world: World) -> None:
    def while_posting() -> Outcome:
        assert adopt(World(world.store).journal, KNOWN).task_id == KNOWN_ID
        assert world.record().state is State.SENDING
        return Accepted(KNOWN_ID)

    world.vendor.script = [while_posting]
    world.run("one")
    record = world.record()
    assert (record.state, record.task_ids, record.submissions) == (State.SUBMITTED, (KNOWN_ID,), 1)


@pytest.mark.parametrize("answer", ["accepted", "refused", "unknown"])
def test_a_task_whose_record_was_deleted_is_kept_while_a_rival_is_sending(world: World, answer: str) -> None:
    known = world.run("one")
    world.delete_record()
    rival = World(world.store, world.vendor)
    rival_posts, go_on = threading.Event(), threading.Event()

    def rivals_post() -> Outcome:
        rival_posts.set()
        assert go_on.wait(60)
        return {"accepted": rival.vendor.accept, "refused": lambda: Refused("20002", "bad", 200)}.get(
            answer, lambda: Unknown("lost")
        )()

    ended: list[object] = []
    world.vendor.script = [rivals_post]
    thread = threading.Thread(target=lambda: ended.append(rival.run("two")))
    thread.start()
    assert rival_posts.wait(60)
    followed = adopt(World(world.store).journal, known)
    assert (followed.task_id, followed.record.state) == (known["task_id"], State.SENDING)
    assert world.record().task_ids == (known["task_id"],)
    go_on.set()
    thread.join(60)
    record = world.record()
    assert ended and record.state is State.SUBMITTED
    # The record goes on with the rival's task if there is one, and otherwise with the known one.
    assert set(record.task_ids) == set(world.vendor.billed)
    assert record.task_id == world.vendor.billed[-1] == ended[0]["task_id"]  # type: ignore[index]


def test_the_memory_of_this_process_does_not_keep_a_known_task_out_of_the_store(world: World) -> None:
    # It remembers a record without the task, and that record is gone: the task goes into a new one.
    world.vendor.script = [Refused("20002", "bad", 200)]
    with pytest.raises(Exception, match="bad"):
        world.run()
    world.delete_record()
    assert world.journal.recent(INTENT) is not None
    assert adopt(world.journal, KNOWN).task_id == KNOWN_ID
    assert world.record().task_ids == (KNOWN_ID,)


# Where nothing can be written.


@pytest.mark.parametrize("state", sorted(HAVE_TASK))
def test_the_task_of_a_record_of_a_newer_version_is_followed(world: World, state: State) -> None:
    lay(world, record_in(state, task_id=OTHER_ID), version=VERSION + 1)
    assert adopt(world.journal, KNOWN).task_id == OTHER_ID
    assert world.record().task_ids == (OTHER_ID,)


@pytest.mark.parametrize("state", sorted(set(State) - HAVE_TASK))
def test_a_known_task_is_told_where_a_newer_record_has_none(world: World, state: State) -> None:
    lay(world, record_in(state), version=VERSION + 1)
    with pytest.raises(TaskNotRecorded, match=rf"Task {KNOWN_ID} .* Upgrade") as caught:
        adopt(world.journal, KNOWN)
    assert (caught.value.task_id, caught.value.intent) == (KNOWN_ID, INTENT)


def test_a_known_task_is_told_where_the_store_takes_no_record(world: World) -> None:
    def deny(verb: str, key: str) -> None:
        if verb == "create":
            raise NotWritable(key, "Read-only file system")

    world.store.before = deny
    with pytest.raises(TaskNotRecorded, match="Read-only file system") as caught:
        adopt(world.journal, KNOWN)
    assert caught.value.task_id == KNOWN_ID and sum(world.slept) >= 299  # it was tried for minutes


@pytest.mark.parametrize("state", sorted(State))
def test_a_known_task_is_told_where_its_record_cannot_be_written_whatever_that_says(world: World, state: State) -> None:
    # Only a record of a newer version may stay as it is: what it says is gone by.
    lay(world, record_in(state, task_id=OTHER_ID if state in HAVE_TASK else ""))

    def deny(verb: str, key: str) -> None:
        if verb in ("create", "swap"):
            raise NotWritable(key, "Read-only file system")

    world.store.before = deny
    with pytest.raises(TaskNotRecorded, match="Read-only file system") as caught:
        adopt(world.journal, KNOWN)
    assert caught.value.task_id == KNOWN_ID
    assert KNOWN_ID not in world.record().task_ids


# The vendor's verdict.


@pytest.mark.parametrize(
    ("failure", "words", "kind"),
    [
        ("moderation", "TRADEMARK", "moderation"),
        ("transient", "PROVIDER_TIMEOUT", "transient"),
        ("a word of tomorrow", "TRADEMARK", "moderation"),
        ("a word of tomorrow", "no idea", "unknown"),
    ],
)
def test_a_verdict_that_the_record_has_is_raised(world: World, failure: str, words: str, kind: str) -> None:
    known = world.run()
    world.journal.record_failed(INTENT, known["task_id"], failure, words)
    with pytest.raises(VideoFailed, match=words) as caught:
        raise_verdict(world.journal, adopt(world.journal, known))
    assert (caught.value.task_id, caught.value.failure) == (known["task_id"], kind)


@pytest.mark.parametrize(
    ("failure", "policy", "error"),
    [
        ("moderation", TWICE, FailedBefore),
        ("transient", POLICY, SubmissionsUsedUp),
        ("transient", TWICE, VideoFailed),  # another submission is allowed: the one who asks may try
    ],
)
def test_under_a_policy_the_verdict_is_the_error_that_a_submission_would_end_in(
    world: World, failure: str, policy: SubmissionPolicy, error: type[Exception]
) -> None:
    known = world.run()
    world.journal.record_failed(INTENT, known["task_id"], failure, "the vendor's words")
    with pytest.raises(error, match="the vendor's words"):
        raise_verdict(world.journal, adopt(world.journal, known), policy)


@pytest.mark.parametrize("state", sorted(set(State) - {State.FAILED}))
def test_without_a_verdict_nothing_is_raised(world: World, state: State) -> None:
    lay(world, record_in(state, task_id=KNOWN_ID))
    raise_verdict(world.journal, adopt(world.journal, KNOWN), POLICY)


def test_a_known_task_that_is_still_live_takes_over_from_one_that_failed(world: World) -> None:
    lay(world, record_in(State.FAILED, task_id=OTHER_ID, failure="moderation"))
    followed = adopt(world.journal, KNOWN)
    raise_verdict(world.journal, followed)
    assert followed.task_id == KNOWN_ID and world.record().state is State.SUBMITTED
