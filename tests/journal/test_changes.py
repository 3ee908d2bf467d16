"""Merging answers: whenever they come, in whatever order, a task id stays and points to its attempt."""

from __future__ import annotations

import itertools

import pytest

from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Refused, TooManyRequests, Unknown
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal import changes
from prefect_seedance.journal.changes import accepted, answered, claimed, completed, described, failed, settled, stored
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.record import Attempt, Delivery, Holder, Record, Stored
from prefect_seedance.journal.states import HAVE_TASK, State
from tests.journal.harness import DELIVERY, IDENTITY, NOON

ONE, TWO = Accepted("videos_1", "queued", "m", 1, 0.5), Accepted("videos_2")
FACTS = Stored(uri="u", key="k", bytes=1, sha256="s", crc32="c")


def claim(record: Record | None, nonce: str, delivery: Delivery = DELIVERY) -> Record:
    record = record or changes.new_record(IDENTITY, NOON)
    attempt = Attempt(number=0, nonce=nonce, started_at=NOON)
    return claimed(record, attempt, Holder(nonce=nonce, lease_seconds=210.0), delivery)


def in_state(state: State) -> Record:
    """A record with one attempt, "a", whose answer was not written down."""
    return claim(None, "a").model_copy(update={"state": state, "holder": None})


@pytest.mark.parametrize("state", State)
def test_a_task_id_is_merged_in_any_state(state: State) -> None:
    after = accepted(in_state(state), "a", ONE, NOON, watch_seconds=60.0)
    assert after.task_ids == ("videos_1",)
    assert after.attempts[0].outcome == "accepted" and after.attempts[0].cost == 0.5
    # (With a claim of somebody else under way the record is left to that one.)
    assert after.state is (state if state in HAVE_TASK | {State.SENDING} else State.SUBMITTED)
    if after.state is State.SUBMITTED and state is not State.SUBMITTED:
        assert (after.task_id, after.key, after.holder) == ("videos_1", "videos/1970-01-01/videos_1.mp4", None)
        assert after.watch_seconds == 60.0


@pytest.mark.parametrize(
    "change", [lambda r: accepted(r, "a", ONE, NOON), lambda r: answered(r, "a", Unknown("x"), NOON)]
)
def test_a_change_may_be_applied_twice(change: changes.Change) -> None:
    once = change(claim(None, "a"))
    assert change(once) is once


@pytest.mark.parametrize(
    ("outcome", "state", "word"),
    [
        (NeverSent("x"), State.READY, "never_sent"),
        (TooManyRequests(None), State.READY, "rate_limited"),
        (TooManyRequests(3.0), State.READY, "rate_limited"),
        (Busy("x"), State.READY, "busy"),
        (Refused("20002", "x", 200), State.REFUSED, "refused"),
        (Unknown("x"), State.UNKNOWN, "unknown"),
    ],
)
def test_an_answer_without_a_task(outcome: changes.NotAccepted, state: State, word: str) -> None:
    holder = Holder(nonce="a", lease_seconds=5.0)
    after = answered(claim(None, "a"), "a", outcome, NOON, holder=holder, final=False)
    assert (after.state, after.attempts[0].outcome) == (state, word)
    assert after.holder == (holder if state is State.READY else None)
    assert after.submissions == (word == "unknown")


def test_a_busy_vendor_is_refused_in_the_end() -> None:
    assert answered(claim(None, "a"), "a", Busy("x"), NOON).state is State.REFUSED


def test_an_answer_to_nobody_changes_nothing() -> None:
    record = claim(None, "a")
    assert answered(record, "b", Unknown("x"), NOON) is record


@pytest.mark.parametrize("first", ["a", "b"])
def test_two_answers_are_kept_in_either_order(first: str) -> None:
    record = claim(answered(claim(None, "a"), "a", NeverSent("wrong"), NOON), "b")
    answers = {"a": ONE, "b": TWO}
    for nonce in (first, "b" if first == "a" else "a"):
        record = accepted(record, nonce, answers[nonce], NOON)
    assert set(record.task_ids) == {"videos_1", "videos_2"}
    # The record is about the attempt that had the claim, and both count.
    assert (record.state, record.task_id, record.submissions) == (State.SUBMITTED, "videos_2", 2)


@pytest.mark.parametrize("outcome", [NeverSent("x"), Refused("", "x", 400), Unknown("x"), Busy("x")])
def test_a_late_task_is_gone_on_with_when_the_attempt_after_it_comes_to_nothing(outcome: changes.NotAccepted) -> None:
    record = claim(answered(claim(None, "a"), "a", NeverSent("not billed, says a person"), NOON), "b")
    record = accepted(record, "a", ONE, NOON)
    assert record.state is State.SENDING
    record = answered(record, "b", outcome, NOON)
    assert (record.state, record.task_id) == (State.SUBMITTED, "videos_1")
    assert record.attempts[1].outcome != ""


def test_a_late_task_is_gone_on_with_when_the_claim_after_it_lapses() -> None:
    record = accepted(claim(answered(claim(None, "a"), "a", NeverSent("x"), NOON), "b"), "a", ONE, NOON)
    assert (settled(record).state, settled(record).task_id) == (State.SUBMITTED, "videos_1")
    bare = claim(None, "a")
    assert settled(bare) is bare


def test_a_task_that_was_adopted_is_not_counted_twice_when_its_answer_comes() -> None:
    adopted = accepted(claim(None, "a"), "from Prefect", ONE, NOON)
    assert (adopted.state, adopted.submissions) == (State.SENDING, 2)
    after = accepted(adopted, "a", ONE, NOON)
    assert (after.state, after.task_ids, after.submissions) == (State.SUBMITTED, ("videos_1",), 1)


def test_an_answer_beside_an_id_that_a_person_attached_keeps_both() -> None:
    attached = accepted(in_state(State.UNKNOWN), "a", TWO, NOON)
    after = accepted(attached, "a", ONE, NOON)
    assert after.task_ids == ("videos_2", "videos_1")
    assert accepted(after, "a", ONE, NOON) == after


def test_a_definite_answer_after_a_person_spoke_only_corrects_the_count() -> None:
    lost = in_state(State.LOST)
    after = answered(lost, "a", Refused("20002", "x", 200), NOON)
    assert (after.state, after.submissions) == (State.LOST, 0)


def test_an_answer_that_a_person_settled_before_is_left_alone() -> None:
    attached = accepted(claim(None, "a"), "a", ONE, NOON)
    for outcome in (NeverSent("x"), Refused("20002", "x", 200), Unknown("x")):
        assert answered(attached, "a", outcome, NOON) is attached
    cleared = cleared_by_a_person(claim(None, "a"))
    assert answered(cleared, "a", NeverSent("x"), NOON) is cleared


def cleared_by_a_person(record: Record) -> Record:
    attempt = record.attempts[-1].model_copy(update={"outcome": "not_billed", "resolved_by": "ann"})
    return record.model_copy(
        update={"state": State.READY, "holder": None, "attempts": (*record.attempts[:-1], attempt)}
    )


def test_an_unknown_outcome_weighs_more_than_a_person_who_spoke_before_it() -> None:
    record = answered(cleared_by_a_person(claim(None, "a")), "a", Unknown("late"), NOON)
    assert (record.state, record.submissions) == (State.UNKNOWN, 1)


@pytest.mark.parametrize("outcome", [NeverSent("x"), TooManyRequests(1.0), Refused("", "x", 400), Busy("x")])
def test_nothing_is_ready_while_an_attempt_is_unknown(outcome: changes.NotAccepted) -> None:
    record = answered(claim(cleared_by_a_person(claim(None, "a")), "b"), "a", Unknown("late"), NOON)
    assert record.state is State.SENDING
    assert answered(record, "b", outcome, NOON, final=False).state is State.UNKNOWN
    with_task = accepted(record, "b", TWO, NOON)
    assert with_task.state is State.SUBMITTED
    assert failed(with_task, "videos_2", "transient", "x").state is State.UNKNOWN


def test_a_definite_answer_to_the_last_unknown_attempt_makes_it_ready() -> None:
    record = claim(None, "a").model_copy(update={"state": State.UNKNOWN, "holder": None})
    assert answered(record, "a", Refused("20002", "x", 200), NOON).state is State.READY


def test_a_task_that_failed_before_does_not_come_back() -> None:
    record = failed(accepted(claim(None, "a"), "a", ONE, NOON), "videos_1", "transient", "x")
    assert accepted(record, "a", ONE, NOON) is record
    assert record.state is State.FAILED


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN])
def test_a_verdict_that_came_before_the_answer_stands(state: State) -> None:
    adopted = failed(accepted(claim(None, "a"), "from Prefect", ONE, NOON), "videos_1", "moderation", "TRADEMARK")
    assert adopted.state is State.SENDING
    record = accepted(adopted.model_copy(update={"state": state}), "a", ONE, NOON)
    assert (record.state, record.task_id, record.submissions) == (State.FAILED, "videos_1", 1)


def test_another_live_task_takes_over_when_one_fails() -> None:
    record = accepted(accepted(claim(None, "a"), "a", ONE, NOON), "late", TWO, NOON)
    assert record.task_id == "videos_1"
    record = failed(record, "videos_1", "transient", "x")
    assert (record.state, record.task_id) == (State.SUBMITTED, "videos_2")
    assert failed(record, "videos_2", "transient", "x").state is State.FAILED


def test_a_verdict_on_an_old_task_changes_nothing_else() -> None:
    record = accepted(accepted(claim(None, "a"), "a", ONE, NOON), "late", TWO, NOON)
    after = failed(record, "videos_2", "moderation", "x")
    assert (after.state, after.task_id) == (State.SUBMITTED, "videos_1")
    assert after.attempts[1].failure == "moderation"
    assert failed(after, "videos_2", "transient", "y") is after


def test_completion_keeps_what_the_vendor_reports() -> None:
    record = accepted(claim(None, "a"), "a", ONE, NOON)
    after = completed(record, VideoTask(task_id="videos_1", status="completed", completed_at=99))
    assert (after.state, after.attempts[0].completed_at, after.attempts[0].cost) == (State.COMPLETED, 99, 0.5)
    assert completed(after, VideoTask(task_id="videos_1", completed_at=99)) is after
    assert completed(after, VideoTask(task_id="videos_7")) is after


def test_a_record_is_left_for_a_while_to_who_watches_and_then_to_who_stores() -> None:
    record = accepted(claim(None, "a"), "a", ONE, NOON, watch_seconds=2700.0)
    assert record.watch_seconds == 2700.0
    assert completed(record, VideoTask(task_id="videos_1")).watch_seconds == changes.STORING_SECONDS == 600.0


def test_facts_that_are_learned_later_are_added_to_a_stored_video_only() -> None:
    facts = Stored.model_validate(FACTS.model_dump() | {"width": 1280})
    record = accepted(claim(None, "a"), "a", ONE, NOON)
    assert described(record, "videos_1", facts) is record
    record = stored(record, "videos_1", FACTS)
    assert described(record, "videos_2", facts) is record
    after = described(record, "videos_1", facts)
    assert (after.state, after.stored) == (State.STORED, facts)
    assert described(after, "videos_1", facts) == after
    again = changes.relay_again(record)
    assert described(again, "videos_1", facts) is again


def test_a_stored_video_ends_it_and_may_be_relayed_again() -> None:
    record = stored(accepted(claim(None, "a"), "a", ONE, NOON), "videos_1", FACTS)
    assert (record.state, record.stored, record.key) == (State.STORED, FACTS, "k")
    assert stored(record, "videos_1", FACTS) is record
    again = changes.relay_again(record)
    assert again.state is State.COMPLETED and changes.relay_again(again) is again


@pytest.mark.parametrize(
    ("created_at", "day"),
    [
        (86_400, "1970-01-02"),
        (None, "2026-11-22"),  # the vendor did not say: that of the submission
        (0, "2026-11-22"),
    ],
)
def test_the_key_is_that_of_the_day_of_the_task(created_at: int | None, day: str) -> None:
    record = accepted(claim(None, "a"), "a", Accepted("videos_1", created_at=created_at), NOON)
    assert record.key == f"videos/{day}/videos_1.mp4"


def test_a_task_that_takes_over_gets_a_key_of_its_own() -> None:
    record = accepted(accepted(claim(None, "a"), "a", ONE, NOON), "late", TWO, NOON)
    assert record.key == "videos/1970-01-01/videos_1.mp4"
    assert failed(record, "videos_1", "transient", "x").key == "videos/2026-11-22/videos_2.mp4"


def test_every_order_of_the_same_answers_keeps_every_id() -> None:
    record = answered(claim(None, "a"), "a", NeverSent("x"), NOON)
    record = answered(claim(record, "b"), "b", NeverSent("x"), NOON)
    record = claim(record, "c")
    writes = [("a", ONE), ("b", TWO), ("c", Accepted("videos_3"))]
    for order in itertools.permutations(writes):
        after = record
        for nonce, answer in order:
            after = accepted(after, nonce, answer, NOON)
        assert {each.nonce: each.task_id for each in after.attempts} == {n: a.task_id for n, a in writes}
        assert after.state is State.SUBMITTED


def test_a_verdict_on_one_task_does_not_settle_another_attempt_that_is_unknown() -> None:
    record = answered(claim(cleared_by_a_person(claim(None, "a")), "b"), "a", Unknown("late"), NOON)
    record = failed(accepted(record, "from Prefect", ONE, NOON), "videos_1", "moderation", "TRADEMARK")
    record = record.model_copy(update={"state": State.UNKNOWN, "holder": None})
    after = accepted(record, "b", ONE, NOON)
    assert (after.state, [each.nonce for each in after.unsettled()]) == (State.UNKNOWN, ["a"])


def test_what_was_asked_for_is_filled_in_only_where_the_record_does_not_say() -> None:
    record = claim(None, "a")
    other = identify(VideoRequest(prompt="Another boat"), scope=ALWAYS, account="team")
    assert changes.identified(record, other, None) is record
    restored = record.model_copy(update={"request": {}})
    assert changes.identified(restored, other, None).request == other.request


def test_a_video_that_is_brought_in_waits_for_a_post_that_is_under_way() -> None:
    sending = claim(cleared_by_a_person(claim(None, "a")), "b")
    assert changes.brought_in(sending, "a", FACTS, "by-hand", "ann", NOON) is sending
    assert changes.brought_in(in_state(State.UNKNOWN), "b", FACTS, "by-hand", "ann", NOON).state is State.UNKNOWN


def test_a_video_that_is_brought_in_replaces_none_but_the_one_that_is_gone() -> None:
    record = stored(accepted(claim(None, "a"), "a", ONE, NOON), "videos_1", FACTS)
    facts = Stored(uri="u2", key="k2", bytes=1, sha256="s", crc32="c")
    assert changes.brought_in(record, "a", facts, "by-hand", "ann", NOON) is record
    assert changes.brought_in(record, "a", facts, "by-hand", "ann", NOON, instead_of=facts) is record
    after = changes.brought_in(record, "a", facts, "by-hand", "ann", NOON, instead_of=FACTS)
    assert (after.state, after.stored, after.task_id) == (State.STORED, facts, "videos_1")


def test_a_doubt_about_an_attempt_takes_no_task_away() -> None:
    record = accepted(claim(answered(claim(None, "a"), "a", NeverSent("x"), NOON), "b"), "b", ONE, NOON)
    assert changes.perhaps_billed(record, "a", "a video of it was brought in") is record
    ready = answered(claim(None, "a"), "a", NeverSent("x"), NOON)
    assert changes.perhaps_billed(ready, "nobody's", "x") is ready
    assert changes.perhaps_billed(ready, "a", "x").state is State.UNKNOWN
