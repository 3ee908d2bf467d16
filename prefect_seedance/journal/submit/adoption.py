"""A task that is known from elsewhere, and the record of its intent: which of the two decides.

The journal is the first copy of a task id, Prefect's persisted result the second. The one rule for both:

    the record has a task        the record decides: it may know of a later attempt, or that the video is stored
    the record has none          the known task decides: the record is unknown, is being claimed by another run, or
                                 had been lost and was begun anew
    there is no record           one is written from the known task

In each case the known task id is brought into the record, so that a paid video cannot be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast, get_args

from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.client.failures import FailureClass, classify_failure
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.journal.errors import JournalGone, RecordTooNew, TaskNotRecorded
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Delivery, Entry, Record
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.journal.submit.decision import SubmissionPolicy, decide
from prefect_seedance.journal.submit.pointer import SubmittedVideo, attempt_of, identity_of
from prefect_seedance.journal.submit.stop_errors import stop_error


@dataclass(frozen=True)
class FollowedTask:
    """The task to go on with.

    Attributes:
        entry: The record as it stands.
        task_id: The vendor's task id.
    """

    entry: Entry
    task_id: str

    @property
    def record(self) -> Record:
        """The record."""
        return self.entry.record


def adopt(journal: Journal, known: SubmittedVideo, *, watch_seconds: float = 0.0) -> FollowedTask:
    """Return the task of an intent to go on with, and bring the known one into the record if it is not there.

    Args:
        journal: The journal.
        known: The pointer to the task that is known.
        watch_seconds: How long the caller is going to watch the task, for a record that has to be written.

    Raises:
        TaskNotRecorded: The task is in no record, and none can be written; carries the task id.
        JournalError: The journal cannot be used.
    """
    intent, task_id = known["intent"], known["task_id"]
    entry = journal.recent(intent) or journal.read(intent)
    if entry is None or task_id not in entry.record.task_ids:
        answer = Accepted(task_id, model=known["model"], created_at=known["created_at"] or None, cost=known["cost"])
        try:
            entry = journal.record_accepted(
                intent,
                known["nonce"],
                answer,
                watch_seconds=watch_seconds,
                identity=identity_of(known),
                delivery=Delivery.model_validate(known["delivery"]),
                lost=attempt_of(known, journal.now()),
            )
        except TaskNotRecorded as error:
            # A record of a newer version may only be read: it decides.
            if entry is None or entry.record.state not in HAVE_TASK or not isinstance(error.__cause__, RecordTooNew):
                raise
    record = entry.record
    return FollowedTask(entry, record.task_id if record.state in HAVE_TASK else task_id)


def written_with_task(journal: Journal, known: SubmittedVideo, write: Callable[[], Entry]) -> Entry:
    """Write something about a known task into its record, whatever has become of the record meanwhile.

    A record that was deleted, or deleted and begun anew by another run, gets the task first.

    Args:
        journal: The journal.
        known: The pointer to the task.
        write: Writes; may be called twice.

    Raises:
        JournalError: The journal cannot be used.
    """
    try:
        entry = write()
    except JournalGone:
        entry = None
    if entry is not None and known["task_id"] in entry.record.task_ids:
        return entry
    adopt(journal, known)
    return write()


def raise_verdict(journal: Journal, followed: FollowedTask, policy: SubmissionPolicy | None = None) -> None:
    """Raise the vendor's verdict if the record has one.

    Args:
        journal: The journal.
        followed: What `adopt` returned.
        policy: Where it forbids another submission, the error is the one that a submission would end in.

    Raises:
        VideoFailed: The vendor made no video.
        SubmissionStopped: It made none, and no other submission is allowed.
    """
    record = followed.record
    if record.state is not State.FAILED:
        return
    if policy is not None:
        verdict = decide(record, age_seconds=followed.entry.age_seconds, policy=policy)
        if not verdict.decision.sends:
            where = journal.uri_of(record.intent)
            raise stop_error(verdict.decision, record, policy, where, journal.store_option)
    attempt = record.current_attempt
    words, failure = (attempt.message, attempt.failure) if attempt else ("", "")
    raise VideoFailed(record.task_id or followed.task_id, words, _class_of(failure, words))


def _class_of(failure: str, words: str) -> FailureClass:
    """Return the recorded class; of a record that has none, or one of a newer package, what the words say."""
    return cast("FailureClass", failure) if failure in get_args(FailureClass) else classify_failure(words)
