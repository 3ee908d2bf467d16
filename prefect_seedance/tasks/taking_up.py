"""Before polling: what the record says of a submitted video. The record wins over Prefect's persisted result.

The exception: a task id that is known beats a record that is missing, or that does not know it.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.client.failures import FailureClass, classify_failure
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.journal.careful import Patience
from prefect_seedance.journal.decision import SubmissionPolicy, decide
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.evidence import stop_error, unknown_error
from prefect_seedance.journal.identity import how_to_go_on, identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Record
from prefect_seedance.journal.states import HAVE_TASK, State
from prefect_seedance.tasks.logs import note
from prefect_seedance.tasks.models import StoredVideo, SubmittedVideo


def take_up(
    journal: Journal, submitted: SubmittedVideo, request: VideoRequest, account: str, policy: SubmissionPolicy
) -> Record:
    """Read the record of a submitted video, and bring the known task id into it if it is not there.

    Raises:
        VideoFailed: The record has the vendor's verdict, and the policy allows another submission.
        SubmissionStopped: It has the verdict, and the policy allows none: what ``create_video`` would say as well.
        JournalError: The journal cannot be used; the error carries the task id where it is new.
    """
    intent, task_id = submitted["intent"], submitted["task_id"]
    entry = journal.read(intent)
    known = entry is not None and (entry.record.state in HAVE_TASK or task_id in entry.record.task_ids)
    if entry is None or not known:
        answer = Accepted(task_id, model=submitted["model"], created_at=submitted["created_at"] or None)
        identity = identify(request, scope=submitted["scope"], account=account)
        entry = journal.record_accepted(intent, submitted["nonce"], answer, identity=identity)
    record = entry.record
    if record.state is State.FAILED:
        verdict = decide(record, age_seconds=entry.age_seconds, policy=policy)
        if not verdict.decision.sends:
            raise stop_error(verdict.decision, record, policy, journal.uri_of(intent), journal.store_option)
        attempt = record.current_attempt
        words = attempt.message if attempt else ""
        raise VideoFailed(record.task_id or task_id, words, _class_of(attempt.failure if attempt else "", words))
    return record


@dataclass(frozen=True)
class Standing:
    """How things stand with a request, for the money: what a run says when it ends without its video.

    Attributes:
        task_id: The vendor's task that goes on, "" if none is known.
        unclear: Set where a submission may have been accepted, and a person has to settle it.
        scope: What the video is shared within; None before anything could have been sent.
    """

    task_id: str = ""
    unclear: SubmissionUnknown | None = None
    scope: str | None = None

    @property
    def advice(self) -> str:
        """How to go on, "" where there is no task."""
        return how_to_go_on(self.scope or "") if self.task_id else ""


def standing(store: VideoStore, request: VideoRequest, scope: str, account: str) -> Standing:
    """Look up how things stand; nothing is known if the journal cannot be read just now."""
    try:
        journal = store.journal()
        intent = identify(request, scope=scope, account=account).intent
        entry = journal.read(intent, Patience(seconds=3.0))
    except Exception as error:
        note(f"The journal could not be read: {error}")
        return Standing(scope=scope)
    if entry is None:
        return Standing(scope=scope)
    if entry.state is State.UNKNOWN:
        return Standing(unclear=unknown_error(entry.record, journal.uri_of(intent), journal.store_option), scope=scope)
    return Standing(entry.record.task_id if entry.state in HAVE_TASK else "", scope=scope)


def stored_video(store: VideoStore, record: Record) -> StoredVideo | None:
    """Give the video that a record says is stored, if it really is there."""
    if record.state is not State.STORED or record.stored is None:
        return None
    found = store.open().stat(record.stored.key)
    if found is None or found.size != record.stored.bytes:
        return None
    return StoredVideo.model_validate(record.stored.model_dump())


def _class_of(failure: str, words: str) -> FailureClass:
    for each in ("moderation", "media", "invalid", "transient", "unknown"):
        if each == failure:
            return each
    return classify_failure(words)
