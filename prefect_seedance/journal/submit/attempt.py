"""One attempt: claim, POST, and what its answer does to the record, the storm and the caller.

    Accepted         the id is logged, then written, for minutes if need be; it is returned even if that fails
    NeverSent        back to ready; again after a pause, a few times
    TooManyRequests  back to ready; again after the pause that the vendor asks for, if that is short
    Busy             back to ready; again after 5, 10, 20 s; then refused
    Refused          refused; the vendor's error is raised
    Unknown          unknown; never sent again

Before any pause the record is `ready` again, held by a lease as long as the pause, and nothing of a budget is held.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from uuid import uuid4

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.outcome import Accepted, NeverSent, Unknown
from prefect_seedance.client.retry import SubmissionRetries
from prefect_seedance.journal import changes
from prefect_seedance.journal.budget.reservation import Reservation, Wait
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import (
    JournalError,
    RecordChanged,
    SubmissionCancelled,
    SubmissionUnknown,
    TaskNotRecorded,
)
from prefect_seedance.journal.identity import Identity
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Delivery, Entry, Record
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.journal.submit.callbacks import Callbacks, SubmissionEvent
from prefect_seedance.journal.submit.critical_section import (
    HASTE,
    Claim,
    Evidence,
    Post,
    Sender,
    claim,
    keep,
    lease,
    send,
)
from prefect_seedance.journal.submit.decision import SubmissionPolicy, Verdict
from prefect_seedance.journal.submit.pointer import SubmittedVideo, point_to
from prefect_seedance.journal.submit.stop_errors import unknown_error
from prefect_seedance.journal.submit.storm import UnknownStorm
from prefect_seedance.stopwatch import Stopwatch

#: Called between the decision to send and the claim, with the nonce that the claim is going to use: everything that may
#: still forbid a submission. What it raises ends the submission, with nothing claimed and nothing sent.
BeforeClaim = Callable[[str], Evidence]
#: Opened after `BeforeClaim` and closed when the POST is over: what only a few may do at a time. What it raises on the
#: way in ends the submission, with nothing claimed and nothing sent.
Turn = Callable[[], AbstractContextManager[None]]
#: Called with the turn in hand, right before the claim, with the claim's nonce, the seconds of its lease, and what
#: starts a stopwatch: reserves what the POST may cost. What it raises ends the submission, with nothing claimed and
#: nothing sent.
Reserve = Callable[[str, float, Callable[[], Stopwatch]], Reservation | Wait]

_SETTLE_AS_NOT_BILLED = "Should the record read unknown later on, it may be settled as not billed."


@dataclass(frozen=True)
class Submission:
    """Everything that one call of `resume_or_submit` was given; see there."""

    journal: Journal
    identity: Identity
    post: Post
    sender: Sender
    policy: SubmissionPolicy
    before_claim: BeforeClaim
    turn: Turn
    reserve: Reserve
    delivery: Delivery | None
    watch_seconds: float
    callbacks: Callbacks
    storm: UnknownStorm

    @property
    def intent(self) -> str:
        """What is asked for."""
        return self.identity.intent

    def may_still_send(self) -> None:
        """Raise if nothing shall go out (any more).

        Raises:
            SubmissionCancelled, TooManyUnknowns: Why.
        """
        if self.callbacks.cancelled():
            raise SubmissionCancelled(self.intent)
        self.storm.check(self.journal.store_option)


@dataclass(frozen=True)
class LookAgain:
    """Nothing was bought; read the record again.

    Attributes:
        pause_seconds: After this pause.
        holder: The nonce under which the record is held meanwhile, "" if it is not.
        waits_for: What it waits for, where that is the budget of others, "" otherwise.
    """

    pause_seconds: float = 0.0
    holder: str = ""
    waits_for: str = ""


def attempt(
    submission: Submission,
    before: Entry | None,
    verdict: Verdict,
    retries: SubmissionRetries,
    claimed: Callable[[], None],
) -> SubmittedVideo | LookAgain:
    """Make one attempt, upon a record as it was read and decided upon.

    Args:
        submission: What is asked for.
        before: The record, None if there is none.
        verdict: The decision.
        retries: Counts how often it was tried.
        claimed: Called once the record says that it is claimed: other threads may look at it again.

    Raises:
        SeedanceError: See `resume_or_submit`.
    """
    submission.may_still_send()
    journal, callbacks = submission.journal, submission.callbacks
    nonce = uuid4().hex
    evidence = submission.before_claim(nonce)
    try:
        # Over before the outcome is looked at: nothing is held through a pause or a wait for another run.
        with submission.turn():
            reservation = submission.reserve(nonce, submission.policy.lease_seconds, callbacks.start_stopwatch)
            if isinstance(reservation, Wait):
                return LookAgain(reservation.seconds, waits_for=reservation.reason)
            current = claim(
                journal,
                submission.identity,
                before,
                sender=submission.sender,
                evidence=evidence,
                policy=submission.policy,
                start_stopwatch=callbacks.start_stopwatch,
                nonce=nonce,
                delivery=submission.delivery,
                reservation=reservation,
            )
            claimed()
            outcome = send(
                journal,
                current,
                submission.post,
                policy=submission.policy,
                may_still_send=submission.may_still_send,
                start_stopwatch=callbacks.start_stopwatch,
            )
    except RecordChanged:
        return LookAgain()
    if isinstance(outcome, Accepted):
        first = journal.first_answered(outcome.task_id, submission.intent)
        if first == submission.intent:
            return _accepted(submission, current, outcome, verdict)
        outcome = Unknown(f"the vendor answered with task {outcome.task_id}, which it gave to intent {first} before")
    return _not_accepted(submission, current, outcome, verdict, retries)


def _accepted(submission: Submission, current: Claim, answer: Accepted, verdict: Verdict) -> SubmittedVideo:
    journal, callbacks, policy = submission.journal, submission.callbacks, submission.policy
    recorded = True
    try:
        callbacks.log(logging.INFO, f"Task {answer.task_id} was accepted (intent {submission.intent}).")
        journal.at("accepted.logged")
        record = journal.record_accepted(
            submission.intent,
            current.nonce,
            answer,
            watch_seconds=submission.watch_seconds,
            patience=Patience(policy.outcome_patience_seconds, stubborn=True),
            lost=current.attempt,
        ).record
    except TaskNotRecorded as error:
        recorded = False
        record = changes.accepted(current.entry.record, current.nonce, answer, journal.now())
        callbacks.log(logging.ERROR, f"{error} The task id is handed on with the result of this step.")
    except BaseException:  # the process is being ended
        keep(journal, current, answer)
        raise
    current.reservation.settled(answer)
    submission.storm.known()
    mine = next(each for each in record.attempts if each.task_id == answer.task_id)
    if record.task_id not in ("", answer.task_id):
        callbacks.log(
            logging.WARNING,
            f"Intent {submission.intent} has task {record.task_id} by now, so task {answer.task_id} is a second one "
            f"that is paid for. Both are in the record: {journal.uri_of(submission.intent)}",
        )
    event = SubmissionEvent(
        "submitted", submission.intent, verdict.decision, verdict.reason, answer.task_id, mine.number
    )
    callbacks.tell(event)
    return point_to(record, mine, verdict.decision, asked_by=submission.sender.run, recorded=recorded)


def _not_accepted(
    submission: Submission, current: Claim, outcome: changes.NotAccepted, verdict: Verdict, retries: SubmissionRetries
) -> LookAgain:
    pause, error = _next_pause(outcome, retries)
    _count(submission.storm, outcome)
    journal, nonce, now = submission.journal, current.nonce, submission.journal.now()
    seconds = pause + submission.policy.margin_seconds if pause is not None else 0.0
    holder = None if pause is None else lease(journal, nonce, submission.sender.run, seconds)

    def change(record: Record) -> Record:
        return changes.answered(record, nonce, outcome, now, holder=holder, final=pause is None, lost=current.attempt)

    patience = Patience(submission.policy.store_patience_seconds, stubborn=True)
    try:
        record = journal.update(submission.intent, change, step="outcome", patience=patience).record
    except JournalError as failure:
        if not isinstance(outcome, Unknown):
            failure.add_note(f"The POST before that bought nothing ({error or outcome}). {_SETTLE_AS_NOT_BILLED}")
            raise failure from error
        record = change(current.entry.record)
        submission.callbacks.log(logging.ERROR, f"The unknown outcome could not be written down: {failure}")
    except BaseException:  # the process is being ended
        keep(journal, current, outcome)
        raise
    current.reservation.settled(outcome)
    if record.state in HAVE_TASK or (error is None and record.state is not State.READY):
        return LookAgain()  # an earlier answer came late, and weighs more than this one
    if isinstance(outcome, Unknown):
        raise _unknown(submission, current, record, verdict)
    if error is None:
        submission.callbacks.log(
            logging.INFO, f"Not accepted ({outcome}), nothing bought; next try in {pause or 0:.0f} s."
        )
        return LookAgain(pause or 0.0, nonce)
    submission.callbacks.tell(SubmissionEvent("refused", submission.intent, verdict.decision, str(error)))
    error.add_note(f"Intent {submission.intent}. Nothing was bought; the same request may be run again.")
    raise error


def _next_pause(
    outcome: changes.NotAccepted, retries: SubmissionRetries
) -> tuple[float, None] | tuple[None, SeedanceError]:
    try:
        return retries.delay_after(outcome), None
    except SeedanceError as error:
        return None, error


def _count(storm: UnknownStorm, outcome: changes.NotAccepted) -> None:
    """Count for the storm. What never left says nothing about the vendor, so it does not interrupt a row."""
    if isinstance(outcome, Unknown):
        storm.unknown()
    elif not isinstance(outcome, NeverSent):
        storm.known()


def _unknown(submission: Submission, current: Claim, record: Record, verdict: Verdict) -> SubmissionUnknown:
    """Gather what may help a person, and word it."""
    journal, callbacks = submission.journal, submission.callbacks
    balance = callbacks.balance_now()
    if balance is not None:
        record = changes.looked(record, current.nonce, balance)
        with suppress(JournalError):
            journal.update(
                submission.intent,
                lambda found: changes.looked(found, current.nonce, balance),
                step="evidence",
                patience=HASTE,
            )
    error = unknown_error(record, journal.uri_of(submission.intent), journal.store_option)
    callbacks.tell(
        SubmissionEvent(
            "unknown",
            submission.intent,
            verdict.decision,
            error.reason,
            attempt=error.attempt,
            attempt_name=error.attempt_name,
        )
    )
    return error
