"""What to do with a request: every case of the table."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.journal import changes
from prefect_seedance.journal.record import FREE_OUTCOMES, Attempt, Holder, Record
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision, SubmissionPolicy, decide
from tests.journal.harness import IDENTITY, NOON

LEASE = 210.0
FRESH, LAPSED = 1.0, 999.0


def attempt(outcome: str = "", task_id: str = "", failure: str = "") -> Attempt:
    return Attempt(number=0, nonce="n", started_at=NOON, outcome=outcome, task_id=task_id, failure=failure)


ACCEPTED = attempt("accepted", "videos_1")
FAILED = attempt("accepted", "videos_1", "transient")
MODERATED = attempt("accepted", "videos_1", "moderation")
UNKNOWN, REFUSED, NOT_BILLED, ON_THE_WIRE = attempt("unknown"), attempt("refused"), attempt("not_billed"), attempt()


def record(state: State, *attempts: Attempt, held: bool = False, current: int = 1) -> Record:
    numbered = tuple(each.model_copy(update={"number": n, "nonce": f"n{n}"}) for n, each in enumerate(attempts, 1))
    holder = Holder(nonce="theirs", lease_seconds=LEASE) if held else None
    update = {"state": state, "attempts": numbered, "holder": holder, "current": current}
    return changes.new_record(IDENTITY, NOON).model_copy(update=update)


@dataclass
class Case:
    record: Record | None
    decision: Decision
    age: float = FRESH
    maximum: int = 1
    holder: str = ""


D, S = Decision, State
CASES: dict[str, Case] = {
    "nothing known": Case(None, D.SUBMIT),
    # ready
    "ready, free": Case(record(S.READY, NOT_BILLED), D.SUBMIT),
    "ready, held by another": Case(record(S.READY, REFUSED, held=True), D.WAIT),
    "ready, held by a dead one": Case(record(S.READY, REFUSED, held=True), D.SUBMIT, age=LAPSED),
    "ready, held by another for a moment more": Case(record(S.READY, REFUSED, held=True), D.WAIT, age=LEASE - 0.5),
    "ready, just let go": Case(record(S.READY, REFUSED, held=True), D.SUBMIT, age=LEASE),
    "ready, held by ourselves": Case(record(S.READY, REFUSED, held=True), D.SUBMIT, holder="theirs"),
    "ready after a failure, one allowed": Case(record(S.READY, FAILED, NOT_BILLED), D.STOP_USED_UP),
    "ready after a failure, two allowed": Case(record(S.READY, FAILED, NOT_BILLED), D.SUBMIT, maximum=2),
    # sending
    "sending": Case(record(S.SENDING, ON_THE_WIRE, held=True), D.WAIT),
    "sending, past the deadline": Case(record(S.SENDING, ON_THE_WIRE, held=True), D.STOP_UNKNOWN, age=LAPSED),
    "sending, past the deadline, even if more is allowed": Case(
        record(S.SENDING, ON_THE_WIRE, held=True), D.STOP_UNKNOWN, age=LAPSED, maximum=9
    ),
    "sending, and an older answer came late": Case(record(S.SENDING, ACCEPTED, ON_THE_WIRE, held=True), D.WAIT),
    "the same, past the deadline": Case(record(S.SENDING, ACCEPTED, ON_THE_WIRE, held=True), D.ATTACH, age=LAPSED),
    "sending after a failure, past the deadline": Case(
        record(S.SENDING, FAILED, ON_THE_WIRE, held=True), D.STOP_UNKNOWN, age=LAPSED
    ),
    # with a task
    "submitted": Case(record(S.SUBMITTED, ACCEPTED), D.ATTACH),
    "submitted long ago": Case(record(S.SUBMITTED, ACCEPTED), D.ATTACH, age=1e9),
    "completed": Case(record(S.COMPLETED, ACCEPTED), D.ATTACH),
    "stored": Case(record(S.STORED, ACCEPTED), D.ALREADY_STORED),
    # refused
    "refused": Case(record(S.REFUSED, REFUSED), D.RESUBMIT),
    "refused, again and again": Case(record(S.REFUSED, *[REFUSED] * 9), D.RESUBMIT),
    "refused after a failure": Case(record(S.REFUSED, FAILED, REFUSED), D.STOP_USED_UP),
    "refused after a failure, two allowed": Case(record(S.REFUSED, FAILED, REFUSED), D.RESUBMIT, maximum=2),
    # failed
    "failed": Case(record(S.FAILED, FAILED), D.STOP_USED_UP),
    "failed, two allowed": Case(record(S.FAILED, FAILED), D.RESUBMIT, maximum=2),
    "failed twice, two allowed": Case(record(S.FAILED, FAILED, FAILED), D.STOP_USED_UP, maximum=2),
    "failed by moderation": Case(record(S.FAILED, MODERATED), D.STOP_FAILED, maximum=9),
    "failed, the newest by moderation": Case(record(S.FAILED, FAILED, MODERATED, current=2), D.STOP_FAILED, maximum=9),
    "failed, and nobody knows which attempt": Case(record(S.FAILED, current=9), D.STOP_FAILED, maximum=9),
    # a person's
    "unknown": Case(record(S.UNKNOWN, UNKNOWN), D.STOP_UNKNOWN),
    "unknown, more allowed": Case(record(S.UNKNOWN, UNKNOWN), D.STOP_UNKNOWN, maximum=9),
    "unknown for ever": Case(record(S.UNKNOWN, UNKNOWN), D.STOP_UNKNOWN, age=1e9),
    "ready, but an attempt is unknown": Case(record(S.READY, UNKNOWN), D.STOP_UNKNOWN, maximum=9),
    "refused, but an attempt is unknown": Case(record(S.REFUSED, UNKNOWN, REFUSED), D.STOP_UNKNOWN, maximum=9),
    "failed, but an attempt is unknown": Case(record(S.FAILED, FAILED, UNKNOWN), D.STOP_UNKNOWN, maximum=9),
    "lost": Case(record(S.LOST, UNKNOWN), D.STOP_LOST, maximum=9),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_decision(case: Case) -> None:
    policy = SubmissionPolicy(max_submissions=case.maximum)
    verdict = decide(case.record, age_seconds=case.age, policy=policy, holder=case.holder)
    assert verdict.decision is case.decision, verdict.reason
    assert verdict.reason
    assert (verdict.wait_seconds > 0) == (verdict.decision is Decision.WAIT)


def test_only_two_decisions_lead_to_a_post() -> None:
    assert {decision for decision in Decision if decision.sends} == {Decision.SUBMIT, Decision.RESUBMIT}


def test_decisions_keep_their_words_since_runs_hand_them_to_each_other() -> None:
    assert {decision.name.lower(): decision.value for decision in Decision} == {each: each for each in Decision}


def test_a_failure_that_no_attempt_tells_of_is_of_the_class_unknown() -> None:
    found = record(S.FAILED, current=9)
    assert decide(found, age_seconds=FRESH, policy=SubmissionPolicy(resubmit_after=frozenset())).reason.endswith(
        "class unknown"
    )


def test_a_wait_ends_with_the_lease() -> None:
    verdict = decide(record(S.SENDING, ON_THE_WIRE, held=True), age_seconds=200.0, policy=SubmissionPolicy())
    assert verdict.wait_seconds == pytest.approx(10.0)


attempts = st.lists(
    st.builds(
        attempt,
        st.sampled_from(("", "accepted", "unknown", "a word of tomorrow", *sorted(FREE_OUTCOMES))),
        st.sampled_from(("", "videos_1")),
        st.sampled_from(("", "transient", "media", "moderation", "unknown")),
    ),
    min_size=1,
    max_size=5,
)


@given(
    state=st.sampled_from(State),
    attempts=attempts,
    held=st.booleans(),
    age=st.floats(0, 1e6),
    maximum=st.integers(1, 4),
)
def test_nothing_is_sent_beyond_the_limit_nor_where_it_may_be_on_the_wire(
    state: State, attempts: list[Attempt], held: bool, age: float, maximum: int
) -> None:
    found = record(state, *attempts, held=held)
    policy = SubmissionPolicy(max_submissions=maximum)
    verdict = decide(found, age_seconds=age, policy=policy)
    if verdict.decision.sends:
        assert state in (State.READY, State.REFUSED, State.FAILED)
        assert found.submissions < maximum and not found.unsettled()
        assert state is not State.READY or not held or age >= LEASE


def test_the_defaults_pay_once_and_outlast_the_gateway() -> None:
    policy = SubmissionPolicy()
    assert policy.max_submissions == 1 and policy.post_seconds == 150.0, "the gateway's own time-out is 100 s"
    assert (policy.margin_seconds, policy.store_patience_seconds) == (30.0, 30.0)
    assert (policy.outcome_patience_seconds, policy.hold_patience_seconds) == (300.0, 900.0)


def test_the_lease_leaves_room_for_the_whole_post() -> None:
    policy = SubmissionPolicy(post_seconds=150.0, margin_seconds=30.0)
    assert policy.lease_seconds == 210.0
    assert policy.leaves_room(0.0) and policy.leaves_room(30.0) and not policy.leaves_room(30.1)
