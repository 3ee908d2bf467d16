"""What to do with a request, by its record: a pure function, and the only place where that is decided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from prefect_seedance.client.failures import WORTH_RESUBMITTING, FailureClass
from prefect_seedance.journal.record import Record
from prefect_seedance.journal.states import State


class Decision(StrEnum):
    """What to do with a request.

    Attributes:
        SUBMIT: Nothing was accepted so far: send it.
        ATTACH: The vendor has a task, running or done: go on with that.
        ALREADY_STORED: The video is in the store.
        RESUBMIT: Send it again, which the policy still allows after ``failed`` or ``refused``.
        WAIT: Another run is working on it: look again a little later.
        STOP_UNKNOWN: Perhaps accepted: a person has to settle it.
        STOP_FAILED: The vendor failed it, and another attempt would fail as well.
        STOP_USED_UP: It has had all the submissions that the policy allows.
        STOP_LOST: A person gave it up.
    """

    SUBMIT = "submit"
    ATTACH = "attach"
    ALREADY_STORED = "already_stored"
    RESUBMIT = "resubmit"
    WAIT = "wait"
    STOP_UNKNOWN = "stop_unknown"
    STOP_FAILED = "stop_failed"
    STOP_USED_UP = "stop_used_up"
    STOP_LOST = "stop_lost"

    @property
    def sends(self) -> bool:
        """Whether it leads to a POST."""
        return self in (Decision.SUBMIT, Decision.RESUBMIT)


@dataclass(frozen=True)
class Verdict:
    """A decision with its reason.

    Attributes:
        decision: What to do.
        reason: Why, for the log.
        wait_seconds: For ``wait``, the longest time until the record changes.
    """

    decision: Decision
    reason: str
    wait_seconds: float = 0.0


@dataclass(frozen=True)
class SubmissionPolicy:
    """How often an intent may be paid for, and how long each step may take.

    Attributes:
        max_submissions: Per intent, for ever, whichever run asks. Only attempts that were perhaps billed
            count: what the vendor refused, or what never left, does not.
        resubmit_after: Failure classes that may use a further attempt.
        post_seconds: Total time-out of the POST, above the gateway's own 100 s.
        margin_seconds: Room in the lease on either side of the POST.
        store_patience_seconds: How long to try the store before the POST.
        outcome_patience_seconds: How long to try the store after an answer with a task id.
        hold_patience_seconds: How long to wait for another run in all.
    """

    max_submissions: int = 1
    resubmit_after: frozenset[FailureClass] = WORTH_RESUBMITTING
    post_seconds: float = 150.0
    margin_seconds: float = 30.0
    store_patience_seconds: float = 30.0
    outcome_patience_seconds: float = 300.0
    hold_patience_seconds: float = 900.0

    @property
    def lease_seconds(self) -> float:
        """How long a claim holds: for its way to the POST, the POST, and writing down the outcome."""
        return self.post_seconds + 2 * self.margin_seconds

    def leaves_room(self, elapsed_seconds: float) -> bool:
        """Return whether a claim of this age may still send its POST.

        Args:
            elapsed_seconds: Since before the claim was written, so never less than its age in the store.
        """
        return elapsed_seconds + self.post_seconds + self.margin_seconds <= self.lease_seconds


_UNKNOWN = Verdict(Decision.STOP_UNKNOWN, "the outcome of an earlier submission is unknown")


def decide(
    record: Record | None,
    *,
    age_seconds: float,
    policy: SubmissionPolicy,
    holder: str = "",
) -> Verdict:
    """Decide what to do with a request.

    Args:
        record: As read, None if there is none.
        age_seconds: Its age by the store's clock.
        policy: What is allowed.
        holder: The nonce under which the caller itself holds the record through a back-off.
    """
    if record is None:
        return Verdict(Decision.SUBMIT, "nothing is known of this request")
    match record.reads_as(age_seconds):
        case State.STORED:
            return Verdict(Decision.ALREADY_STORED, "the video is in the store")
        case State.SUBMITTED | State.COMPLETED as state:
            return Verdict(Decision.ATTACH, f"task {record.task_id} is {state}")
        case State.UNKNOWN if record.state is State.SENDING and record.live_attempt() is not None:
            return Verdict(Decision.ATTACH, "an earlier attempt has a task")
        case State.UNKNOWN:
            return _UNKNOWN
        case State.SENDING:
            left = record.lease_left(age_seconds)
            return Verdict(Decision.WAIT, "another run is submitting it right now", wait_seconds=left)
        case State.LOST:
            return Verdict(Decision.STOP_LOST, "a person gave it up")
        case State.FAILED:
            return _after_failure(record, policy)
        case State.READY | State.REFUSED as state:
            return _may_send(record, state, age_seconds, policy, holder)


def _after_failure(record: Record, policy: SubmissionPolicy) -> Verdict:
    if record.unsettled():
        return _UNKNOWN
    attempt = record.current_attempt
    failure = attempt.failure if attempt else "unknown"
    if failure not in policy.resubmit_after:
        return Verdict(Decision.STOP_FAILED, f"the vendor failed it, class {failure}")
    used = f"{record.submissions} of {policy.max_submissions} submissions are used"
    if record.submissions >= policy.max_submissions:
        return Verdict(Decision.STOP_USED_UP, used)
    return Verdict(Decision.RESUBMIT, f"the vendor failed it, class {failure}, and {used}")


def _may_send(record: Record, state: State, age_seconds: float, policy: SubmissionPolicy, holder: str) -> Verdict:
    if record.unsettled():  # such a record is never written here; if there is one, nothing is sent
        return _UNKNOWN
    if record.submissions >= policy.max_submissions:
        return Verdict(Decision.STOP_USED_UP, f"{record.submissions} of {policy.max_submissions} submissions are used")
    if state is State.REFUSED:
        return Verdict(Decision.RESUBMIT, "it was refused before, which cost nothing")
    left = record.lease_left(age_seconds)
    ours = record.holder is not None and record.holder.nonce == holder
    if left > 0 and not ours:
        return Verdict(Decision.WAIT, "another run is about to submit it", wait_seconds=left)
    return Verdict(Decision.SUBMIT, "nothing was accepted so far")
