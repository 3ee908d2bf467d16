"""What became of a row: its error sorted by a table, in words for the person who reads the report."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from prefect_seedance.asides import words_of
from prefect_seedance.batch.models import COST_WITHOUT, Outcome, RowResult
from prefect_seedance.client.errors import (
    ApiError,
    AuthenticationFailed,
    ConfigurationError,
    ConnectionFailed,
    InsufficientBalance,
    InvalidParameters,
    InvalidRequest,
    OutcomeUnknown,
    SeedanceError,
    SubmissionRefused,
    TaskError,
    VideoFailed,
)
from prefect_seedance.client.failures import WORTH_RESUBMITTING
from prefect_seedance.journal.errors import (
    AbandonedBefore,
    BudgetDamaged,
    BudgetTooNew,
    FailedBefore,
    JournalError,
    MediaNotIdentified,
    OverBudget,
    PriceUnknown,
    SpendingPaused,
    SubmissionCancelled,
    SubmissionsUsedUp,
    SubmittingStopped,
    TaskNotRecorded,
    TooManyReserved,
    TooManyUnknowns,
)
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import without_signatures
from prefect_seedance.storage.errors import StorageError

if TYPE_CHECKING:
    from prefect_seedance.batch.orders import WantedVideo
    from prefect_seedance.batch.rows import Row
    from prefect_seedance.journal.submit.pointer import SubmittedVideo
    from prefect_seedance.pipeline.models import StoredVideo
    from prefect_seedance.pipeline.submit.headway import Headway

#: Longest reason that a report holds of one row; the run's log has the whole.
LONGEST_REASON = 1_000
#: How many calls the log names that led to a fault.
_MOST_FRAMES = 4
#: Longest prompt that a report holds of one row.
_LONGEST_PROMPT = 5_000

EDIT_ROW = "Edit the row."
RUN_AGAIN = "Run the batch again: what is paid for is not paid again."
GOES_ON = "Run the batch again: it takes up this task and pays nothing for it."
COLLECT = "collect_videos stores its video once it is made."
_ANOTHER = "Another attempt pays once more: raise max_submissions to allow one, or set another take. Or edit the row."
_SETTLE = "Look into the vendor's console, and settle it with resolve_submission; then run the batch again."
_TOP_UP = "Top up the account, or the quota of its key; then run the batch again."
_CREDENTIALS = "Correct the credentials; then run the batch again."
_LIFT = "Lift the pause with prefect-seedance resume, or wait until it is lifted; then run the batch again."
_NEXT_PERIOD = "Raise the budget, or wait for its next period; then run the batch again."
_MEND = "Repair the ledger as the reason says; then run the batch again."
_MORE_FOR_THE_RUN = (
    "Raise max_cost, and run the batch again. Without a cost_key a new run counts from nothing, and may spend as much "
    "once more."
)
_PRICE = "Write what the model costs into the prices of the credentials; then run the batch again."
_TAKE = "Edit the row, or set another take, which pays for another video."


@dataclass(frozen=True)
class RowVerdict:
    """What an error means for its row.

    Attributes:
        outcome: What became of it.
        advice: What to do about it.
        retryable: Whether another run of the same manifest may still make the video.
        ends_submitting: Why no other row can be submitted either; "" if the others are not concerned.
    """

    outcome: Outcome
    advice: str
    retryable: bool
    ends_submitting: str = ""


_INVALID = RowVerdict("invalid", EDIT_ROW, retryable=False)
_NOT_STARTED = RowVerdict("not_started", RUN_AGAIN, retryable=True)
_NOT_YET = RowVerdict("failed", GOES_ON, retryable=True)

_STORM = RowVerdict(
    "not_started", _SETTLE, retryable=True, ends_submitting="Several submissions in a row ended unknown"
)
_KEY = RowVerdict("refused", _CREDENTIALS, retryable=True, ends_submitting="The vendor does not take the key")
_SETTINGS = RowVerdict("not_started", _CREDENTIALS, retryable=True, ends_submitting="The settings cannot work")
_MONEY = RowVerdict("refused", _TOP_UP, retryable=True, ends_submitting="The account has too little money or quota")
_PAUSED = RowVerdict("not_started", _LIFT, retryable=True, ends_submitting="All spending is paused")
_LEDGER = RowVerdict("not_started", _MEND, retryable=True, ends_submitting="The ledger of a budget cannot be used")
_RESERVED = RowVerdict("not_started", _SETTLE, retryable=True, ends_submitting="A budget holds too many open entries")
_OVER_BUDGET = RowVerdict("over_budget", _NEXT_PERIOD, retryable=True)
_TURNED_DOWN = RowVerdict("refused", RUN_AGAIN, retryable=True)

#: Outcomes of what was never accepted.
_BEFORE_A_BILL: frozenset[Outcome] = frozenset({"invalid", "refused", "over_budget", "not_started"})

#: The first row whose class fits decides. What is not here was either accepted (`_NOT_YET`) or never sent.
_TABLE: tuple[tuple[type[Exception], RowVerdict], ...] = (
    (InvalidRequest, _INVALID),
    (MediaNotIdentified, _INVALID),
    (OutcomeUnknown, RowVerdict("unknown", _SETTLE, retryable=True)),
    (TaskNotRecorded, _NOT_YET),
    (TaskError, _NOT_YET),
    (VideoNotStored, _NOT_YET),
    (SubmissionsUsedUp, RowVerdict("failed", _ANOTHER, retryable=True)),
    (AbandonedBefore, RowVerdict("failed", _TAKE, retryable=False)),
    (TooManyUnknowns, _STORM),
    (SpendingPaused, _PAUSED),
    (OverBudget, _OVER_BUDGET),
    (BudgetDamaged, _LEDGER),
    (BudgetTooNew, _LEDGER),
    (TooManyReserved, _RESERVED),
    (PriceUnknown, RowVerdict("refused", _PRICE, retryable=True)),
    (SubmittingStopped, _NOT_STARTED),
    (PreparationCancelled, _NOT_STARTED),
    (SubmissionCancelled, _NOT_STARTED),
    (AuthenticationFailed, _KEY),
    (ConfigurationError, _SETTINGS),
    (InsufficientBalance, _MONEY),
    (InvalidParameters, RowVerdict("refused", EDIT_ROW, retryable=False)),
    (SubmissionRefused, RowVerdict("refused", EDIT_ROW, retryable=True)),
    (ApiError, _TURNED_DOWN),
    (ConnectionFailed, _NOT_STARTED),
    (JournalError, _NOT_STARTED),
    (StorageError, _NOT_STARTED),
)


def verdict_of(error: Exception, *, task_id: str = "") -> RowVerdict:
    """Sort an error.

    Args:
        error: What ended the row.
        task_id: The vendor's task that is known to go on, "" for none: whatever the error is, it is paid for.

    Example:
        >>> verdict_of(VideoFailed("videos_1", "PROVIDER_MODERATION_ERROR", "moderation")).outcome
        'moderated'
    """
    if isinstance(error, VideoFailed | FailedBefore):
        return _of_failure(error.failure, before=isinstance(error, FailedBefore))
    found = verdict_of_class(type(error))
    if task_id and (found is None or found.outcome in _BEFORE_A_BILL):
        return _NOT_YET
    return found or RowVerdict("failed", RUN_AGAIN, retryable=True)


def verdict_of_class(kind: type[Exception]) -> RowVerdict | None:
    """Return what the table says of an error of this class, None for nothing.

    Of a failure of the vendor it says less than `verdict_of`, which goes by the class of the failure.
    """
    return next((verdict for of, verdict in _TABLE if issubclass(kind, of)), None)


def _of_failure(failure: str, *, before: bool) -> RowVerdict:
    if failure == "moderation":
        return RowVerdict("moderated", _TAKE if before else EDIT_ROW, retryable=False)
    if failure in WORTH_RESUBMITTING:
        return RowVerdict("failed", _ANOTHER, retryable=True)
    return RowVerdict("failed", _TAKE, retryable=False)


def reason_of(error: Exception) -> str:
    """Return an error in words, on one line. One that is not ours is named by its class; its text loses its secrets."""
    if isinstance(error, SeedanceError | StorageError):
        # What to do stands in a column of its own.
        return short(without_signatures(error.facts if isinstance(error, OverBudget) else str(error)))
    return short(f"An unexpected {type(error).__name__}; the run's log has the details. {words_of(error)}")


def details_of(error: Exception) -> str:
    """Return what the log is to say of an error that arose by a fault of a program, and where; "" of any other."""
    cause = error.__cause__ if isinstance(error, VideoNotStored | WaitStopped) else error
    if cause is None or isinstance(cause, SeedanceError | StorageError):
        return ""
    frames = reversed(traceback.extract_tb(cause.__traceback__)[-_MOST_FRAMES:])
    places = ", called ".join(f"at {PurePath(each.filename).name}:{each.lineno} in {each.name}" for each in frames)
    return f"An unexpected {type(cause).__name__} {places}: {words_of(cause)}"


def short(text: str, longest: int = LONGEST_REASON) -> str:
    """Return a text on one line, and not longer than a report has room for."""
    line = " ".join(one_line(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def of_invalid(row: Row) -> RowResult:
    """Return the result of a row that cannot be ordered: not as it is, or not just now."""
    passing = row.is_passing
    return RowResult(
        number=row.number,
        name=row.name,
        outcome="not_started" if passing else "invalid",
        reason=short(" ".join(problem.in_its_row for problem in row.problems)),
        advice=RUN_AGAIN if passing else EDIT_ROW,
        retryable=passing,
        cost=0.0,
        prompt=without_signatures(row.request.prompt if row.request else row.given.get("prompt", ""))[:_LONGEST_PROMPT],
        model=short(row.request.model_name if row.request else row.given.get("model", ""), 100),
    )


def of_error(wanted: WantedVideo, error: Exception, headway: Headway) -> RowResult:
    """Return the result of a video that an error has ended."""
    task_id = str(getattr(error, "task_id", "") or headway.task_id)
    verdict = verdict_of(error, task_id=headway.task_id)
    if headway.submissions and verdict.outcome in _BEFORE_A_BILL:
        # What ended it concerns a further submission; the one before was sent, and has no video.
        verdict = replace(verdict, outcome="failed")
    if isinstance(error, OverBudget) and not error.ends_at:
        verdict = replace(verdict, advice=_MORE_FOR_THE_RUN)
    return _asked(wanted).model_copy(
        update={
            "outcome": verdict.outcome,
            "reason": reason_of(error),
            "advice": verdict.advice,
            "retryable": verdict.retryable,
            "task_id": task_id,
            "submissions": headway.submissions,
            "price": headway.price,
            "cost": None if headway.submissions else 0.0,
            "polls": headway.polls,
        }
    )


def of_video(wanted: WantedVideo, stored: StoredVideo, headway: Headway) -> RowResult:
    """Return the result of a video that is in the store."""
    bought = headway.submissions > 0
    made = headway.made_seconds
    if made is None and stored.completed_at is not None and stored.created_at is not None:
        made = (stored.completed_at - stored.created_at).total_seconds()
    return _asked(wanted).model_copy(
        update={
            "outcome": "stored" if bought else "reused",
            "task_id": stored.task_id,
            "submissions": headway.submissions,
            "price": headway.price if bought else 0.0,
            "cost": stored.cost if bought else 0.0,
            "cost_source": _cost_source(stored, headway) if bought else "paid for before",
            "uri": stored.uri,
            "key": stored.key,
            "poster_uri": stored.poster_uri,
            "provenance_uri": stored.provenance_uri,
            "bytes": stored.bytes,
            "width": stored.width,
            "height": stored.height,
            "seconds": stored.seconds,
            "made_seconds": _rounded(made if made is not None and made >= 0 else None),
            "polls": headway.polls,
            "late_seconds": _rounded(headway.late_seconds),
            "stored_at": stored.stored_at,
        }
    )


def of_submitted(wanted: WantedVideo, submitted: SubmittedVideo, headway: Headway) -> RowResult:
    """Return the result of a video that the vendor is making, and that a collector stores."""
    bought = headway.submissions > 0
    reported = submitted["cost"] is not None
    cost, source = (submitted["cost"], "vendor") if reported else (submitted["price"], submitted["price_source"])
    return _asked(wanted).model_copy(
        update={
            "outcome": "submitted",
            "advice": COLLECT,
            "retryable": True,
            "task_id": submitted["task_id"],
            "submissions": headway.submissions,
            "price": headway.price if bought else 0.0,
            "cost": cost if bought else 0.0,
            "cost_source": source if bought else "paid for before",
        }
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _cost_source(stored: StoredVideo, headway: Headway) -> str:
    earlier = headway.submissions - 1
    return (
        f"{stored.cost_source}{COST_WITHOUT}{earlier} earlier submission{'s' * (earlier > 1)} that failed"
        if earlier
        else stored.cost_source
    )


def of_unstarted(wanted: WantedVideo, reason: str, advice: str = RUN_AGAIN) -> RowResult:
    """Return the result of a video that nothing was sent for."""
    return _asked(wanted).model_copy(
        update={"outcome": "not_started", "reason": reason, "advice": advice, "retryable": True, "cost": 0.0}
    )


def shared(result: RowResult, row: Row) -> RowResult:
    """Return the result of a later row that asks for the very same video."""
    return result.model_copy(update={"number": row.number, "name": row.name, "shared_with": result.number, "cost": 0.0})


def _asked(wanted: WantedVideo) -> RowResult:
    asked, row = wanted.order.asked, wanted.rows[0]
    return RowResult(
        number=row.number,
        name=row.name,
        outcome="not_started",
        model=asked.model_name,
        prompt=without_signatures(asked.prompt)[:_LONGEST_PROMPT],
        take=asked.take,
        duration=asked.duration,
        resolution=asked.resolution,
        ratio=asked.ratio,
        intent=wanted.order.intent,
    )
