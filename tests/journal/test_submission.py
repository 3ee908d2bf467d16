"""One video per intent: what each answer, each rerun and each rival leads to."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from prefect_seedance.client.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidParameters,
    OutcomeUnknown,
    RateLimited,
    VendorBusy,
)
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Refused, TooManyRequests, Unknown
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import (
    AbandonedBefore,
    FailedBefore,
    HeldByAnother,
    JournalUnavailable,
    RecordDamaged,
    SubmissionCancelled,
    SubmissionsUsedUp,
    SubmissionUnknown,
    TooManyUnknowns,
)
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.record import Stored
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.adoption import adopt
from prefect_seedance.journal.submit.critical_section import Evidence
from prefect_seedance.journal.submit.decision import Decision, SubmissionPolicy
from prefect_seedance.journal.submit.submission import resume_or_submit
from prefect_seedance.storage.errors import NotWritable, StoreUnavailable
from tests.journal.harness import (
    DELIVERY,
    IDENTITY,
    INTENT,
    POLICY,
    TWICE,
    FaultyStore,
    Killed,
    World,
    lost_answer,
    sender,
)

UNKNOWN = Unknown("HTTP 502: the answer is a web page", "<html>Bad gateway</html>", 502)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "store")


def test_a_first_request_is_submitted_and_written_down(world: World) -> None:
    world.before_claim = lambda nonce: Evidence(price=0.25, price_source="list of November")
    submitted = world.run(watch_seconds=2700.0)
    (task_id,) = world.vendor.billed
    assert (submitted["task_id"], submitted["decision"], submitted["reused"]) == (task_id, Decision.SUBMIT, False)
    assert submitted["recorded"] and submitted["cost"] == 0.25 and submitted["submissions"] == 1
    record = world.record()
    assert (record.state, record.task_id, record.key) == (State.SUBMITTED, task_id, f"videos/2026-11-22/{task_id}.mp4")
    assert (record.delivery, record.watch_seconds) == (DELIVERY, 2700.0)
    (attempt,) = record.attempts
    assert (attempt.number, attempt.outcome, attempt.run.name) == (1, "accepted", "nightly")
    assert (attempt.credentials, attempt.host) == ("f00d", "api.test")
    assert (attempt.price, attempt.price_source) == (0.25, "list of November")
    assert record.request == IDENTITY.request
    assert world.markers() == [f"{INTENT}.1"]


def test_the_post_gets_the_total_time_out_of_the_policy(world: World) -> None:
    world.run(policy=SubmissionPolicy(post_seconds=12.0))
    assert world.vendor.seconds == [12.0]


def test_the_same_request_attaches_whichever_run_asks(world: World) -> None:
    first = world.run("one")
    second = world.run("two")
    again = world.run("one")
    assert world.vendor.posts == 1
    assert second["task_id"] == again["task_id"] == first["task_id"]
    assert (second["decision"], second["reused"], second["run_name"]) == (Decision.ATTACH, True, "one")
    assert again["reused"] is False  # a rerun of the run that sent it reuses nothing of another


def test_a_stored_video_is_not_made_again(world: World) -> None:
    first = world.run()
    facts = Stored(uri="file:///x.mp4", key="x.mp4", bytes=3, sha256="ab", crc32="cd")
    world.journal.record_stored(INTENT, first["task_id"], facts)
    assert world.markers() == []
    again = world.run("two")
    assert (again["task_id"], again["decision"]) == (first["task_id"], Decision.ALREADY_STORED)
    assert (world.record().stored, world.record().key) == (facts, "x.mp4")
    assert world.vendor.posts == 1


def test_another_take_scope_or_account_is_another_video(world: World) -> None:
    world.run()
    take = VideoRequest(prompt="A paper boat crosses a puddle", take="2")
    for identity in (
        identify(take, scope=ALWAYS, account="default"),
        identify(take, scope="run:1", account="default"),
        identify(take, scope=ALWAYS, account="other"),
    ):
        world.run(identity=identity)
    assert len(set(world.vendor.billed)) == 4


# What never was accepted.


def test_what_never_left_is_tried_again_a_few_times(world: World) -> None:
    world.vendor.script = [NeverSent("connection refused")] * 2
    submitted = world.run()
    assert world.vendor.posts == 3 and submitted["submissions"] == 1 and submitted["attempt"] == 3
    assert [each.outcome for each in world.record().attempts] == ["never_sent", "never_sent", "accepted"]


def test_a_dead_network_ends_and_leaves_the_record_free(world: World) -> None:
    world.vendor.script = [NeverSent("connection refused")] * 99
    with pytest.raises(ConnectionFailed):
        world.run()
    record = world.record()
    assert (record.state, record.holder, record.submissions) == (State.READY, None, 0)
    world.vendor.script = []
    assert world.run("two")["decision"] == Decision.SUBMIT
    assert len(world.vendor.billed) == 1


def test_a_rate_limit_is_waited_for_with_the_record_ready(world: World) -> None:
    states: list[State] = []
    world.at = lambda point: states.append(world.record().state) if point == "backoff" else None
    world.vendor.script = [TooManyRequests(7.0), TooManyRequests(None)]
    world.run()
    assert states == [State.READY, State.READY]
    assert sum(world.slept) >= 12


def test_a_rate_limit_that_is_too_long_is_not_waited_for(world: World) -> None:
    world.vendor.script = [TooManyRequests(3600.0)]
    with pytest.raises(RateLimited):
        world.run()
    assert world.slept == [] and world.record().state is State.READY and world.record().holder is None


def test_a_busy_vendor_is_asked_after_5_10_and_20_seconds_then_it_is_refused(world: World) -> None:
    world.vendor.script = [Busy("系统繁忙")] * 4
    with pytest.raises(VendorBusy):
        world.run()
    assert world.vendor.posts == 4 and sum(world.slept) == 35
    assert world.record().state is State.REFUSED and world.markers() == []


@pytest.mark.parametrize(
    ("outcome", "error"),
    [(Refused("20002", "bad", 200), InvalidParameters), (Refused("20001", "", 200), AuthenticationFailed)],
)
def test_a_refusal_is_raised_at_once_and_may_be_tried_by_a_later_run(
    world: World, outcome: Refused, error: type[Exception]
) -> None:
    world.vendor.script = [outcome]
    with pytest.raises(error) as caught:
        world.run()
    assert any(INTENT in note for note in caught.value.__notes__)
    assert world.record().state is State.REFUSED and world.markers() == []
    submitted = world.run("after the fix")
    assert submitted["decision"] == Decision.RESUBMIT and submitted["submissions"] == 1
    assert world.markers() == [f"{INTENT}.2"]


# What is unknown.


def test_an_unknown_outcome_is_never_sent_again(world: World) -> None:
    world.vendor.script = [UNKNOWN]
    world.before_claim = lambda nonce: Evidence(price=0.25, price_source="list", balance_before=12.0)
    world.balance = lambda: 11.75
    with pytest.raises(SubmissionUnknown) as caught:
        world.run()
    for _ in range(3):
        with pytest.raises(SubmissionUnknown):
            world.run("another", policy=TWICE)
    assert world.vendor.posts == 1
    attempt = world.record().attempts[0]
    assert (attempt.outcome, attempt.excerpt, attempt.status_code) == ("unknown", "<html>Bad gateway</html>", 502)
    assert (attempt.balance_before, attempt.balance_after) == (12.0, 11.75)
    message = str(caught.value)
    for part in ("nightly", "https://prefect", "2026-11-22 12:00:00", "0.25", "console"):
        assert part in message
    assert "12 when the run began and 11.75 afterwards" in message
    assert f'resolve_submission(intent="{INTENT}"' in message and f"prefect-seedance resolve {INTENT}" in message
    assert str(world.store.inner.root) in message  # type: ignore[union-attr]
    assert isinstance(caught.value, OutcomeUnknown)
    assert world.markers() == [f"{INTENT}.1"]


def test_an_exception_of_the_client_is_unknown(world: World) -> None:
    def explode() -> Accepted:
        raise RuntimeError("boom")

    world.vendor.script = [explode]
    with pytest.raises(SubmissionUnknown, match="RuntimeError: boom"):
        world.run()
    assert world.record().state is State.UNKNOWN


def test_a_process_that_dies_in_the_post_leaves_what_reads_as_unknown(world: World) -> None:
    def killed() -> Accepted:
        world.vendor.accept()
        world.store.down = Killed()
        raise Killed

    world.vendor.script = [killed]
    with pytest.raises(Killed):
        world.run()
    world.store.down = None
    assert world.record().state is State.SENDING
    with pytest.raises(SubmissionUnknown, match="its process ended"):
        world.run("two")
    assert world.vendor.posts == 1
    assert sum(world.slept) >= POLICY.lease_seconds - 1  # the claim of the dead is respected until it lapses


def test_a_process_that_is_ended_in_the_post_says_so_at_once(world: World) -> None:
    def terminated() -> Accepted:
        world.vendor.accept()
        raise KeyboardInterrupt

    world.vendor.script = [terminated]
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert world.record().state is State.UNKNOWN


def test_a_process_that_is_ended_behind_its_claim_gives_it_back(world: World) -> None:
    def terminate(point: str) -> None:
        if point == "claim.record.after":
            world.at = lambda point: None
            raise KeyboardInterrupt

    world.at = terminate
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert (world.record().state, world.record().submissions) == (State.READY, 0)


def late_task_before_a_claim_that_lapses(world: World) -> str:
    """Have a task that became known while a later run, which died, had the claim; return its id."""

    def late() -> Accepted:
        world.freeze(3600.0)
        other = World(world.store, world.vendor)
        resolve_unknown(other.journal, INTENT, "not_billed")

        def die(point: str) -> None:
            if point == "post.before":
                world.store.down = Killed()
                raise Killed

        other.at = die
        with pytest.raises(Killed):
            other.run("two")
        world.store.down = None
        return world.vendor.accept()

    world.vendor.script = [late]
    first = world.run("one")
    assert world.record().state is State.SENDING and first["recorded"]
    return first["task_id"]


def test_a_late_task_is_attached_to_when_the_claim_behind_it_lapsed(world: World) -> None:
    task_id = late_task_before_a_claim_that_lapses(world)  # that claim is respected ...
    third = world.run("three")
    assert (third["task_id"], third["decision"]) == (task_id, Decision.ATTACH)  # ... until it lapses
    assert world.record().state is State.SUBMITTED and world.vendor.posts == 1


def test_of_two_runs_that_attach_to_a_late_task_at_once_both_have_it(world: World) -> None:
    task_id = late_task_before_a_claim_that_lapses(world)
    world.freeze(3600.0)
    rival = World(world.store, world.vendor)

    def overtake(verb: str, key: str) -> None:
        if verb == "swap":
            world.store.before = lambda verb, key: None
            assert rival.run("four")["task_id"] == task_id

    world.store.before = overtake
    assert world.run("three")["task_id"] == task_id
    assert world.record().state is State.SUBMITTED and world.vendor.posts == 1


def test_a_process_that_is_ended_right_behind_the_post_keeps_the_answer(world: World) -> None:
    def terminate(point: str) -> None:
        if point in ("post.after", "accepted.record.before"):
            world.at = lambda point: None
            raise KeyboardInterrupt

    for point in ("post.after", "accepted.record.before"):
        world.at = lambda at, point=point: terminate(at) if at == point else None
        identity = identify(VideoRequest(prompt=point), scope=ALWAYS, account="default")
        with pytest.raises(KeyboardInterrupt):
            world.run(identity=identity)
        assert world.record(identity.intent).task_id == world.vendor.billed[-1]


def test_a_process_that_is_ended_right_behind_an_unknown_outcome_says_so(world: World) -> None:
    def terminate(point: str) -> None:
        if point == "outcome.record.before":
            world.at = lambda point: None
            raise KeyboardInterrupt

    world.at, world.vendor.script = terminate, [UNKNOWN]
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert world.record().state is State.UNKNOWN


def test_what_never_left_does_not_end_a_storm(world: World) -> None:
    never = [NeverSent("connection refused")] * 5
    world.vendor.script = [UNKNOWN, UNKNOWN, *never, UNKNOWN]
    for number in range(4):
        with pytest.raises((SubmissionUnknown, ConnectionFailed)):
            world.run(identity=identify(VideoRequest(prompt=f"{number}"), scope=ALWAYS, account="default"))
    with pytest.raises(TooManyUnknowns):
        world.run()


def test_a_second_paid_task_is_said_loudly(world: World) -> None:
    def late() -> Accepted:
        world.freeze(3600.0)
        other = World(world.store, world.vendor)
        resolve_unknown(other.journal, INTENT, "not_billed")
        other.run("two")
        return world.vendor.accept()

    world.vendor.script = [late]
    first = world.run("one")
    record = world.record()
    assert record.task_ids == (first["task_id"], record.task_id) and record.submissions == 2
    assert any("second one that is paid for" in line for line in world.logs)


def test_the_unknown_attempt_is_told_also_behind_later_ones(world: World) -> None:
    world.vendor.script = [UNKNOWN]
    with pytest.raises(SubmissionUnknown):
        world.run()
    record = world.record()
    later = record.attempts[0].model_copy(update={"number": 2, "nonce": "b", "outcome": "refused"})
    world.journal.update(
        INTENT, lambda found: found.model_copy(update={"attempts": (*found.attempts, later)}), step="evidence"
    )
    with pytest.raises(SubmissionUnknown) as caught:
        world.run("two")
    assert caught.value.attempt == 1


def test_three_unknowns_in_a_row_stop_the_run(world: World) -> None:
    identities = [identify(VideoRequest(prompt=f"{n}"), scope=ALWAYS, account="default") for n in range(9)]
    world.vendor.script = [UNKNOWN, UNKNOWN, world.vendor.accept, UNKNOWN, UNKNOWN, UNKNOWN]
    errors: list[str] = []
    for identity in identities:
        try:
            world.run(identity=identity)
            errors.append("")
        except (SubmissionUnknown, TooManyUnknowns) as error:
            errors.append(type(error).__name__)
    unknown, stopped = "SubmissionUnknown", "TooManyUnknowns"
    assert errors == [unknown, unknown, "", unknown, unknown, unknown, stopped, stopped, stopped]
    assert world.vendor.posts == 6
    assert list(world.store.inner.list_keys(f"journal/records/{identities[7].intent}")) == []


def test_a_storm_that_breaks_out_meanwhile_stops_a_claim_before_its_post(world: World) -> None:
    def break_out(point: str) -> None:
        if point == "post.before":
            for _ in range(3):
                world.storm.unknown()

    world.at = break_out
    with pytest.raises(TooManyUnknowns):
        world.run()
    assert world.vendor.posts == 0
    record = world.record()
    assert (record.state, record.holder, record.submissions) == (State.READY, None, 0)


# After a verdict of the vendor.


@pytest.mark.parametrize("failure", ["media", "transient"])
def test_a_failure_that_may_pass_is_submitted_again_if_that_is_paid_for(world: World, failure: str) -> None:
    first = world.run()
    world.journal.record_failed(INTENT, first["task_id"], failure, "s3 upload failed")
    with pytest.raises(SubmissionsUsedUp, match="s3 upload failed"):
        world.run()
    second = world.run(policy=TWICE)
    assert (second["decision"], second["submissions"]) == (Decision.RESUBMIT, 2)
    assert second["task_id"] != first["task_id"]
    assert world.record().key == f"videos/2026-11-22/{second['task_id']}.mp4"
    world.journal.record_failed(INTENT, second["task_id"], failure, "again")
    with pytest.raises(SubmissionsUsedUp):
        world.run(policy=TWICE)
    assert world.vendor.posts == 2


@pytest.mark.parametrize("failure", ["moderation", "invalid", "unknown", "a word of a newer version"])
def test_a_failure_that_stays_is_not_submitted_again(world: World, failure: str) -> None:
    first = world.run()
    world.journal.record_failed(INTENT, first["task_id"], failure, "TRADEMARK")
    with pytest.raises(FailedBefore, match="TRADEMARK"):
        world.run(policy=SubmissionPolicy(max_submissions=9))
    assert world.vendor.posts == 1


def test_max_submissions_counts_over_all_runs_for_ever(world: World) -> None:
    policy = SubmissionPolicy(max_submissions=3)
    for _ in range(3):
        submitted = world.run(policy=policy)
        world.journal.record_failed(INTENT, submitted["task_id"], "transient", "PROVIDER_TIMEOUT")
    for maximum in (1, 2, 3):
        with pytest.raises(SubmissionsUsedUp):
            world.run(policy=SubmissionPolicy(max_submissions=maximum))
    assert world.vendor.posts == 3


def test_a_refusal_after_a_failure_does_not_open_the_limit(world: World) -> None:
    first = world.run()
    world.journal.record_failed(INTENT, first["task_id"], "transient", "PROVIDER_TIMEOUT")
    world.vendor.script = [Refused("20002", "bad", 200)]
    with pytest.raises(InvalidParameters):
        world.run(policy=TWICE)
    with pytest.raises(SubmissionsUsedUp):
        world.run()
    assert world.run(policy=TWICE)["submissions"] == 2


def test_what_a_person_gave_up_stays_given_up(world: World) -> None:
    world.vendor.script = [UNKNOWN]
    with pytest.raises(SubmissionUnknown):
        world.run()
    resolve_unknown(world.journal, INTENT, "abandon")
    with pytest.raises(AbandonedBefore):
        world.run(policy=SubmissionPolicy(max_submissions=9))
    assert world.vendor.posts == 1


# Rivals.


def test_a_rival_waits_for_a_fresh_claim_and_attaches_to_its_task(world: World) -> None:
    other, looked, results = World(world.store, world.vendor), threading.Event(), []

    def look_on(seconds: float) -> None:
        looked.set()
        time.sleep(0.05)

    other.sleep = look_on  # type: ignore[method-assign]
    rival = threading.Thread(target=lambda: results.append(other.run("two")))

    def while_posting() -> Accepted:
        rival.start()
        assert looked.wait(60)
        return world.vendor.accept()

    world.vendor.script = [while_posting]
    first = world.run("one")
    rival.join(60)
    assert results[0]["task_id"] == first["task_id"] and results[0]["reused"]
    said = [line.partition(": ")[2].partition(",")[0] for line in other.logs]
    assert said == ["wait", "attach"] and [event.kind for event in other.events] == ["attached"]
    assert world.vendor.posts == 1


def test_a_rival_looks_on_while_a_claim_is_fresh(world: World) -> None:
    other = World(world.store, world.vendor)
    looks: list[str] = []

    def while_posting() -> Accepted:
        def give_up(point: str) -> None:
            looks.append(point)
            if len(looks) == 3:
                other.cancelled = lambda: True

        other.at = give_up
        with pytest.raises(SubmissionCancelled):
            other.run("two")
        return world.vendor.accept()

    world.vendor.script = [while_posting]
    world.run("one")
    assert looks == ["wait"] * 3 and world.vendor.posts == 1


def test_a_rival_does_not_wait_for_ever(world: World) -> None:
    def die(point: str) -> None:
        if point == "backoff":
            world.store.down = Killed()
            raise Killed

    dying = World(world.store, world.vendor, at=die)
    world.vendor.script = [TooManyRequests(100.0)]
    with pytest.raises(Killed):
        dying.run("one")
    world.store.down = None
    with pytest.raises(HeldByAnother, match="'one'"):
        world.run("two", policy=SubmissionPolicy(hold_patience_seconds=20.0))
    # ... but the lease of the dead runs out, and then anyone may go on, without a person.
    assert world.run("three")["decision"] == Decision.SUBMIT
    assert len(world.vendor.billed) == 1


def test_two_runs_that_claim_at_once_send_one_post(world: World) -> None:
    other = World(world.store, world.vendor)
    results = []

    def overtake(point: str) -> None:
        if point == "claim.record.before":
            world.at = lambda point: None
            results.append(other.run("two"))

    world.at = overtake
    slow = world.run("one")
    assert slow["task_id"] == results[0]["task_id"] and slow["reused"]
    assert world.vendor.posts == 1


# A frozen owner.


def test_an_owner_that_was_frozen_before_the_post_renews_its_claim_first(world: World) -> None:
    def freeze(point: str) -> None:
        if point == "post.before" and "renew.record.after" not in world.points:
            world.freeze(3600.0)

    world.at = freeze
    world.run()
    assert world.vendor.posts == 1 and "renew.record.after" in world.points
    assert world.record().submissions == 1


def test_an_owner_that_was_frozen_does_not_send_what_was_settled_meanwhile(world: World) -> None:
    other = World(world.store, world.vendor)

    def freeze(point: str) -> None:
        if point == "post.before":
            world.at = lambda point: None
            world.freeze(3600.0)
            with pytest.raises(SubmissionUnknown):
                other.run("two")
            resolve_unknown(other.journal, INTENT, "not_billed", by="me")
            other.run("two")

    world.at = freeze
    woken = world.run("one")
    assert world.vendor.posts == 1 and woken["decision"] == Decision.ATTACH
    assert world.record().submissions == 1


def test_an_owner_that_was_frozen_leaves_alone_what_was_abandoned(world: World) -> None:
    def freeze(point: str) -> None:
        if point == "post.before":
            world.at = lambda point: None
            world.freeze(3600.0)
            resolve_unknown(World(world.store).journal, INTENT, "abandon")

    world.at = freeze
    with pytest.raises(AbandonedBefore):
        world.run()
    assert world.vendor.posts == 0
    assert world.record().attempts[0].outcome == "never_sent"  # by now it is known


def test_an_owner_that_is_frozen_again_and_again_sends_nothing(world: World) -> None:
    world.at = lambda point: world.freeze(3600.0) if point == "post.before" else None
    with pytest.raises(JournalUnavailable, match="too old"):
        world.run()
    assert world.vendor.posts == 0 and world.record().state is State.READY


def test_an_answer_that_comes_after_the_deadline_is_kept(world: World) -> None:
    def late() -> Accepted:
        world.freeze(3600.0)
        with pytest.raises(SubmissionUnknown):
            World(world.store).run("two")
        return world.vendor.accept()

    world.vendor.script = [late]
    assert world.run()["task_id"] == world.record().task_id == world.vendor.billed[0]


@pytest.mark.parametrize("resolution", ["not_billed", "abandon"])
def test_an_answer_that_contradicts_a_person_is_kept(world: World, resolution: str) -> None:
    def late() -> Accepted:
        world.freeze(3600.0)
        resolve_unknown(World(world.store).journal, INTENT, resolution)  # type: ignore[arg-type]
        return world.vendor.accept()

    world.vendor.script = [late]
    first = world.run()
    record = world.record()
    assert (record.state, record.task_id, record.submissions) == (State.SUBMITTED, first["task_id"], 1)
    assert len(world.markers()) == 1


# The store fails around the answer.


def test_the_id_is_logged_before_it_is_written(world: World) -> None:
    seen: list[bool] = []
    world.at = lambda point: seen.append(any("videos_" in line for line in world.logs)) if "accepted" in point else None
    world.run()
    assert seen and all(seen)


def test_a_store_that_is_down_after_the_answer_is_tried_for_minutes(world: World) -> None:
    def break_store() -> Accepted:
        world.store.down = NotWritable("journal", "Read-only file system")
        return world.vendor.accept()

    def mend(point: str) -> None:
        if point == "accepted.record.before":
            world.store.down = NotWritable("journal", "Read-only file system")

    world.vendor.script = [break_store]
    real_sleep = world.sleep

    def sleep(seconds: float) -> None:
        real_sleep(seconds)
        if sum(world.slept) > 200:
            world.store.down = None

    world.sleep = sleep  # type: ignore[method-assign]
    world.at = mend
    submitted = world.run()
    assert submitted["recorded"] and world.record().task_id == submitted["task_id"]


def test_a_store_that_stays_down_after_the_answer_does_not_take_the_id_with_it(world: World) -> None:
    def break_store() -> Accepted:
        world.store.down = NotWritable("journal", "Read-only file system")
        return world.vendor.accept()

    world.vendor.script = [break_store]
    first = world.run()
    assert (first["recorded"], first["task_id"]) == (False, world.vendor.billed[0])
    assert sum(world.slept) >= 299
    assert any(first["task_id"] in line and "is paid for" in line for line in world.logs)
    world.store.down = None
    # Prefect's result is the second copy: it beats what reads as unknown by now.
    world.freeze(3600.0)
    assert adopt(world.journal, first).task_id == first["task_id"]
    record = world.record()
    assert (record.state, record.submissions, len(record.attempts)) == (State.SUBMITTED, 1, 1)
    assert world.run("two")["task_id"] == first["task_id"]
    assert world.vendor.posts == 1


def test_a_lost_store_after_an_unknown_outcome_is_unknown_all_the_same(world: World) -> None:
    def break_store() -> Unknown:
        world.store.down = StoreUnavailable("journal", "down")
        return UNKNOWN

    world.vendor.script = [break_store]
    with pytest.raises(SubmissionUnknown, match="Bad gateway"):
        world.run()
    world.store.down = None
    world.freeze(3600.0)
    with pytest.raises(SubmissionUnknown):
        world.run("two")
    assert world.vendor.posts == 1


def test_a_lost_store_after_a_refusal_says_that_nothing_was_bought(world: World) -> None:
    def break_store() -> Refused:
        world.store.down = StoreUnavailable("journal", "down")
        return Refused("20002", "bad", 200)

    world.vendor.script = [break_store]
    with pytest.raises(JournalUnavailable) as caught:
        world.run()
    assert any("bought nothing" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("error", [NotWritable("j", "denied"), StoreUnavailable("j", "down")])
def test_without_a_journal_nothing_is_sent(world: World, error: Exception) -> None:
    world.store.down = error
    with pytest.raises(JournalUnavailable):
        world.run()
    assert world.vendor.posts == 0


def test_a_damaged_record_is_not_taken_for_absent(world: World) -> None:
    world.run()
    (path,) = (world.store.inner.root / "journal/records").iterdir()  # type: ignore[union-attr]
    path.write_bytes(b"{")
    with pytest.raises(RecordDamaged):
        world.run()
    assert world.vendor.posts == 1


def test_lost_answers_to_our_own_writes_change_nothing(world: World) -> None:
    world.store.plan = {"create": [lost_answer, lost_answer], "swap": [lost_answer]}
    submitted = world.run()
    assert submitted["recorded"] and world.vendor.posts == 1 and world.record().rev == 2


def test_a_claim_that_landed_unheard_and_was_merged_into_is_given_back(world: World) -> None:
    world.vendor.script = [Refused("20002", "bad", 200)]
    with pytest.raises(InvalidParameters):
        world.run()
    nonce = world.record().attempts[0].nonce
    rival = World(FaultyStore(world.store.inner))

    def merge(verb: str, key: str) -> None:
        if verb == "get":
            world.store.before = lambda verb, key: None
            rival.journal.record_accepted(INTENT, nonce, Accepted("videos_late"))

    def arm(point: str) -> None:
        if point == "claim.record.before":
            world.store.plan, world.store.before = {"swap": [lost_answer]}, merge

    world.at = arm
    submitted = world.run()
    assert (submitted["task_id"], world.vendor.posts) == ("videos_late", 1)
    assert [each.outcome for each in world.record().attempts] == ["accepted", "never_sent"]


def test_a_claim_that_perhaps_landed_in_an_outage_is_given_back(world: World) -> None:
    def break_store(verb: str, key: str) -> None:
        if verb == "get" and "claim.record.before" in world.points:
            world.store.down = StoreUnavailable("journal", "down") if sum(world.slept) < 30 else None

    world.at = lambda point: world.store.plan.update(create=[lost_answer]) if point == "claim.record.before" else None
    world.store.before = break_store
    with pytest.raises(JournalUnavailable):
        world.run(policy=SubmissionPolicy(store_patience_seconds=29.0))
    world.store.before, world.store.down, world.at = lambda verb, key: None, None, lambda point: None
    assert (world.record().state, world.record().submissions, world.vendor.posts) == (State.READY, 0, 0)
    assert world.run()["decision"] == Decision.SUBMIT


# Cancelling.


def test_a_cancelled_run_sends_nothing_more(world: World) -> None:
    world.cancelled = lambda: "claim.record.after" in world.points
    with pytest.raises(SubmissionCancelled):
        world.run()
    assert world.vendor.posts == 0
    assert (world.record().state, world.record().holder) == (State.READY, None)
    world.cancelled = lambda: False
    assert world.run()["decision"] == Decision.SUBMIT


def test_a_cancelled_back_off_frees_the_record_at_once(world: World) -> None:
    world.vendor.script = [TooManyRequests(100.0)]
    world.cancelled = lambda: sum(world.slept) >= 3
    with pytest.raises(SubmissionCancelled):
        world.run()
    assert sum(world.slept) == 3
    assert (world.record().state, world.record().holder) == (State.READY, None)


# What is told.


def test_decisions_are_logged_and_what_comes_of_them_is_emitted(world: World) -> None:
    world.run("one")
    world.run("two")
    kinds = [(event.kind, event.decision, event.task_id) for event in world.events]
    task_id = world.vendor.billed[0]
    assert kinds == [("submitted", Decision.SUBMIT, task_id), ("attached", Decision.ATTACH, task_id)]
    assert any("submit, since nothing is known" in line for line in world.logs)
    assert any(f"attach, since task {task_id}" in line for line in world.logs)


def test_a_caller_that_fails_to_follow_changes_nothing(world: World) -> None:
    def fail(*_: object) -> float:
        raise RuntimeError("no balance, no event")

    world.events = type("Broken", (), {"append": fail})()  # type: ignore[assignment]
    submitted = world.run()
    assert submitted["recorded"]
    world.balance = fail
    world.vendor.script = [UNKNOWN]
    with pytest.raises(SubmissionUnknown):
        world.run(identity=identify(VideoRequest(prompt="x"), scope=ALWAYS, account="default"))


def test_nothing_needs_to_be_passed_for_logs(world: World, caplog: pytest.LogCaptureFixture) -> None:
    from prefect_seedance.journal.submit.callbacks import Callbacks

    with caplog.at_level(logging.INFO):
        callbacks = Callbacks()
        callbacks.log(logging.INFO, "hello")
        callbacks.tell(None)  # type: ignore[arg-type]
    assert "hello" in caplog.text
    assert callbacks.balance_now() is None and not callbacks.cancelled()


def test_hooks_need_not_be_passed(world: World) -> None:
    submitted = resume_or_submit(world.journal, IDENTITY, world.vendor.post, sender=sender(), policy=POLICY)
    assert world.vendor.billed == [submitted["task_id"]]


def test_whoever_has_no_patience_with_another_thread_of_its_process_sends_nothing(world: World) -> None:
    impatient = SubmissionPolicy(hold_patience_seconds=0.0)
    stopped: list[BaseException] = []

    def run() -> None:
        try:
            world.run(policy=impatient)
        except HeldByAnother as error:
            stopped.append(error)

    with world.journal.alone(INTENT, 0.0) as has_turn:
        assert has_turn
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert "being decided in this process" in str(stopped[0]) and world.vendor.posts == 0


def test_what_a_broken_log_was_told_is_said_somewhere_at_least(caplog: pytest.LogCaptureFixture) -> None:
    from prefect_seedance.journal.submit.callbacks import Callbacks

    def broken(level: int, message: str) -> None:
        raise RuntimeError("no log")

    with caplog.at_level(logging.INFO):
        Callbacks(log=broken).log(logging.WARNING, "task videos_1 was accepted")
    assert "task videos_1 was accepted" in caplog.text


def test_what_a_store_raises_unforeseen_after_the_answer_is_tried_again_and_not_repeated(world: World) -> None:
    world.store.down = RuntimeError("https://b.example.com/?X-Amz-Signature=s3cr3t")
    with pytest.raises(JournalUnavailable, match="an unexpected RuntimeError") as stopped:
        world.journal.read(INTENT, Patience(5.0, stubborn=True))
    assert "s3cr3t" not in str(stopped.value) and sum(world.slept) > 0
