"""Resume or submit: one video per intent, whoever asks, however often, and whichever process dies in between.

`resume_or_submit` is the heart of the product: a free function of callbacks, without Prefect. It reads the
record, decides (`decision`), and either points to what is there or sends one POST under a claim (`critical_section`)
and writes down what became of it. It runs in a worker thread from beginning to end.

What it does not do: it does not wait for the vendor's task, it never sends again what is unknown, and it
cannot know what happened to a POST whose process was killed before the answer: that is `unknown`, and a
person's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, nullcontext

from prefect_seedance.client.retry import SubmissionRetries
from prefect_seedance.journal import changes
from prefect_seedance.journal.budget.reservation import UNLIMITED, Reservation
from prefect_seedance.journal.errors import HeldByAnother, RecordChanged, SubmissionCancelled, SubmittingStopped
from prefect_seedance.journal.identity import Identity
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Delivery, Entry, Record
from prefect_seedance.journal.states import HAVE_TASK
from prefect_seedance.journal.submit.attempt import BeforeClaim, LookAgain, Reserve, Submission, Turn, attempt
from prefect_seedance.journal.submit.callbacks import Callbacks, SubmissionEvent
from prefect_seedance.journal.submit.critical_section import Evidence, Post, Sender, let_go
from prefect_seedance.journal.submit.decision import Decision, SubmissionPolicy, Verdict, decide
from prefect_seedance.journal.submit.pointer import SubmittedVideo, point_to
from prefect_seedance.journal.submit.stop_errors import stop_error
from prefect_seedance.journal.submit.storm import UnknownStorm
from prefect_seedance.stopwatch import Stopwatch

# How soon to look again at a record that another run works on.
_SHORTEST_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.2, 2.0
# A budget that is waited for is looked at less often with time: each look costs requests, and hundreds may wait. By so
# many times at the most, and by one time more with each so many seconds.
_SLOWEST_LOOKS, _SLOWER_AFTER_SECONDS = 8.0, 10.0
# How often a pause is interrupted to see whether the run is being cancelled.
_SLICE_SECONDS = 1.0
# Far more looks than the patience with another run has room for.
_RACES = 10_000


def _nothing_known(nonce: str) -> Evidence:
    return Evidence()


def _unlimited(nonce: str, lease_seconds: float, start_stopwatch: Callable[[], Stopwatch]) -> Reservation:
    return UNLIMITED


def resume_or_submit(
    journal: Journal,
    identity: Identity,
    post: Post,
    *,
    sender: Sender,
    policy: SubmissionPolicy,
    before_claim: BeforeClaim | None = None,
    turn: Turn = nullcontext,
    reserve: Reserve = _unlimited,
    delivery: Delivery | None = None,
    watch_seconds: float = 0.0,
    callbacks: Callbacks | None = None,
    storm: UnknownStorm | None = None,
) -> SubmittedVideo:
    """Return the task of an intent: the one that is there, or a new one if that is allowed.

    Args:
        journal: The journal of the store.
        identity: What is asked for (`identify`).
        post: Sends exactly one POST within the given total of seconds, and returns what its answer means. On a
            fresh connection, without retries, without following redirects. It asks the function that it is given when
            the first byte is about to leave, and sends nothing if that says False.
        sender: Who asks.
        policy: How often it may be paid for.
        before_claim: Called each time that a claim is about to be made, and never otherwise, with the nonce that the
            claim then uses. It checks what may still forbid a submission, and returns what may help a person if
            its outcome is unknown.
        turn: Opened after `before_claim` and closed when the POST is over: what only a few may do at a time.
        reserve: Called with the turn in hand, right before the claim: reserves what the POST may cost, or says that it
            has to wait, which it does with nothing in hand.
        delivery: What becomes of the video, for the record; None leaves what the record says.
        watch_seconds: How long the caller is going to watch the task, for the record.
        callbacks: How the caller follows, waits and stops it.
        storm: Shared by all submissions of the run.

    Raises:
        SubmissionUnknown: Perhaps accepted: a person has to settle it.
        SubmissionStopped: Nothing was sent, for a reason that its class tells.
        JournalError: The journal cannot be used; nothing was sent.
        SeedanceError: The vendor refused, or could not be reached; nothing was bought.
    """
    submission = Submission(
        journal=journal,
        identity=identity,
        post=post,
        sender=sender,
        policy=policy,
        before_claim=before_claim or _nothing_known,
        turn=turn,
        reserve=reserve,
        delivery=delivery,
        watch_seconds=watch_seconds,
        callbacks=callbacks or Callbacks(),
        storm=storm or UnknownStorm(),
    )
    return _Call(submission).run()


class _Call:
    """One call of `resume_or_submit`, with what it has seen so far."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._journal, self._callbacks, self._intent = submission.journal, submission.callbacks, submission.intent
        self._retries = SubmissionRetries(random=submission.callbacks.random)
        self._holder = ""  # the nonce under which we hold the record through a back-off
        self._waited = self._waited_for_budget = 0.0
        self._told: Decision | None = None

    def run(self) -> SubmittedVideo:
        try:
            return self._run()
        except BaseException:
            if self._holder:  # held through a back-off, and stopped before it was claimed once more
                let_go(self._journal, self._intent, self._holder, "stopped in or after a back-off")
            raise

    def _run(self) -> SubmittedVideo:
        turn_seconds = 0.0
        for _ in range(_RACES):
            with ExitStack() as alone:
                # Between processes the swap on what was read decides. Within one it need not be relied on: only the
                # thread whose turn it is may send. What is there already needs no turn, or equal requests would queue.
                has_turn = alone.enter_context(self._journal.alone(self._intent, turn_seconds))
                entry = self._journal.read(self._intent)
                if entry is not None and not entry.record.request:
                    entry = self._journal.update(self._intent, self._identified, step="evidence")
                verdict = decide(
                    entry.record if entry else None,
                    age_seconds=entry.age_seconds if entry else 0.0,
                    policy=self._submission.policy,
                    holder=self._holder,
                )
                if verdict.decision.sends and not has_turn:
                    self._wait_for_turn(turn_seconds)
                    turn_seconds = _SLICE_SECONDS
                    continue
                turn_seconds = 0.0
                self._tell(verdict)
                match verdict.decision:
                    case Decision.SUBMIT | Decision.RESUBMIT:
                        result = attempt(self._submission, entry, verdict, self._retries, alone.close)
                        if not isinstance(result, LookAgain):
                            return result
                        alone.close()
                        self._back_off(result)
                    case _ if entry is None:
                        raise AssertionError(f"{verdict.decision} without a record")
                    case Decision.ATTACH | Decision.ALREADY_STORED:
                        if submitted := self._attach(entry, verdict):
                            return submitted
                    case Decision.WAIT:
                        alone.close()
                        self._wait(entry, verdict)
                    case _:
                        where, store_option = self._journal.uri_of(self._intent), self._journal.store_option
                        raise stop_error(verdict.decision, entry.record, self._submission.policy, where, store_option)
        raise HeldByAnother(self._intent, self._waited, "", "changing all the time")

    def _identified(self, record: Record) -> Record:
        return changes.identified(record, self._submission.identity, self._submission.delivery)

    def _wait_for_turn(self, waited: float) -> None:
        """Go on waiting while another thread of this process decides about the intent, or stop."""
        if self._callbacks.cancelled():
            raise SubmissionCancelled(self._intent)
        self._waited += waited
        if self._waited >= self._submission.policy.hold_patience_seconds:
            raise HeldByAnother(self._intent, self._waited, "", "being decided in this process")

    def _tell(self, verdict: Verdict) -> None:
        """Log what was decided, when it is something new."""
        if verdict.decision is self._told:
            return
        self._told = verdict.decision
        self._callbacks.log(logging.INFO, f"Intent {self._intent}: {verdict.decision}, since {verdict.reason}.")

    def _attach(self, entry: Entry, verdict: Verdict) -> SubmittedVideo | None:
        """Point to the task that the record has; None if it is to be read again."""
        record = entry.record
        if record.state not in HAVE_TASK:  # past its deadline, and an earlier attempt has a task
            try:
                record = self._journal.write(self._intent, entry, changes.settled(record), step="accepted").record
            except RecordChanged:
                return None
        return self._point(record, verdict)

    def _point(self, record: Record, verdict: Verdict) -> SubmittedVideo:
        found = next(each for each in record.attempts if each.task_id == record.task_id)
        decision = verdict.decision
        self._callbacks.tell(
            SubmissionEvent("attached", self._intent, decision, verdict.reason, found.task_id, found.number)
        )
        return point_to(record, found, decision, asked_by=self._submission.sender.run, recorded=True)

    def _wait(self, entry: Entry, verdict: Verdict) -> None:
        """Let another run go on, for a little while."""
        if self._waited >= self._submission.policy.hold_patience_seconds:
            run = entry.record.holder.run if entry.record.holder else None
            raise HeldByAnother(self._intent, self._waited, run.name if run else "", str(entry.record.state))
        self._journal.at("wait")
        seconds = max(_SHORTEST_LOOK_SECONDS, min(_LONGEST_LOOK_SECONDS, verdict.wait_seconds))
        self._waited += seconds
        self._pause(seconds)

    def _back_off(self, look: LookAgain) -> None:
        """Pause, while the record is ready and held by us; as it is, where the budget is waited for."""
        seconds = look.pause_seconds
        if not look.waits_for:
            self._holder = look.holder
        else:
            seconds *= min(_SLOWEST_LOOKS, 1.0 + self._waited_for_budget / _SLOWER_AFTER_SECONDS)
            if not self._waited_for_budget:
                self._callbacks.log(logging.INFO, f"Intent {self._intent} waits: {look.waits_for}")
            self._waited_for_budget += seconds
            if self._waited_for_budget >= self._submission.policy.hold_patience_seconds:
                raise SubmittingStopped(self._intent, f"it waited {self._waited_for_budget:.0f} s: {look.waits_for}")
        if seconds:
            self._journal.at("backoff")
            self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        while seconds > 0:
            if self._callbacks.cancelled():
                raise SubmissionCancelled(self._intent)
            self._callbacks.sleep(min(seconds, _SLICE_SECONDS))
            seconds -= _SLICE_SECONDS
