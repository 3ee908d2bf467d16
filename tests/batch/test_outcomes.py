"""What an error means for its row: each class in the words and with the money of its own."""

from __future__ import annotations

import inspect

import pytest

from prefect_seedance import errors
from prefect_seedance.batch import outcomes
from prefect_seedance.batch.models import GOOD, WORST_FIRST, BatchReport, Outcome, RowResult
from prefect_seedance.batch.options import BatchOptions, RequireAll
from prefect_seedance.batch.orders import WantedVideo
from prefect_seedance.batch.outcomes import details_of, of_invalid, reason_of, verdict_of, verdict_of_class
from prefect_seedance.batch.rows import Row, RowProblem
from prefect_seedance.client.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidRequest,
    RateLimited,
    VideoFailed,
)
from prefect_seedance.client.failures import FailureClass
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.flows.bodies.batch_end import counts_as_failed
from prefect_seedance.journal.errors import FailedBefore
from prefect_seedance.pipeline.errors import VideoNotStored
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.plain_text import Money
from prefect_seedance.storage.errors import NoSpace
from tests.pipeline.harness import TEMPLATE

SECRET = "sk_0123456789abcdef"


@pytest.mark.parametrize(
    ("failure", "outcome", "retryable"),
    [
        ("moderation", "moderated", False),
        ("media", "failed", True),
        ("transient", "failed", True),
        ("invalid", "failed", False),
        ("unknown", "failed", False),
    ],
)
def test_the_vendors_verdict_decides_whether_another_attempt_could_help(
    failure: FailureClass, outcome: Outcome, retryable: bool
) -> None:
    now = verdict_of(VideoFailed("videos_1", "words", failure))
    before = verdict_of(FailedBefore("0" * 32, "videos_1", failure, "words"))
    assert (now.outcome, now.retryable) == (before.outcome, before.retryable) == (outcome, retryable)


@pytest.mark.parametrize(
    "error", [ConnectionFailed("no route", sent=False), NoSpace("/videos", "full"), ValueError("odd")]
)
def test_whatever_ends_a_row_whose_task_goes_on_it_is_paid_for_and_the_next_run_takes_it_up(error: Exception) -> None:
    verdict = verdict_of(error, task_id="videos_1")
    assert verdict.outcome == "failed" and verdict.retryable
    if not isinstance(error, ValueError):
        assert verdict_of(error).outcome == "not_started", "without a task nothing was sent"


def test_every_error_that_says_nothing_was_sent_is_a_row_without_a_bill() -> None:
    """A new class lands in a row of the table by its parents, and is looked at here once."""
    stops = [each for name in errors.__all__ if issubclass(each := getattr(errors, name), errors.SubmissionStopped)]
    assert len(stops) > 8
    for kind in stops:
        verdict = verdict_of_class(kind)
        assert verdict is not None, kind
        if kind in (errors.SubmissionsUsedUp, errors.AbandonedBefore, errors.FailedBefore):
            continue  # these were paid for by an earlier run, and have no video
        assert verdict.outcome in ("not_started", "over_budget", "refused"), kind
        assert verdict.outcome != "refused" or kind is errors.PriceUnknown


#: What each error makes of a row that nothing is under way for, and whether another run may still make its video. A new
#: class is looked at here once. "" for what no row can end in, and for the roots.
MEANING: dict[str, tuple[Outcome | str, bool]] = {
    **dict.fromkeys(["InvalidRequest", "MediaNotIdentified"], ("invalid", False)),
    **dict.fromkeys(["OutcomeUnknown", "SubmissionUnknown"], ("unknown", True)),
    **dict.fromkeys(["AuthenticationFailed", "InsufficientBalance", "SubmissionRefused"], ("refused", True)),
    **dict.fromkeys(["RateLimited", "VendorBusy", "TaskNotFound", "UnexpectedAnswer", "WrongTask"], ("refused", True)),
    "InvalidParameters": ("refused", False),
    # A budget: it needs a price, or has no room.
    "PriceUnknown": ("refused", True),
    "OverBudget": ("over_budget", True),
    # Paid for, and the task goes on.
    **dict.fromkeys(["WaitTimedOut", "WaitStopped", "MediaUnavailable"], ("failed", True)),
    **dict.fromkeys(["TaskNotRecorded", "VideoNotStored"], ("failed", True)),
    # Paid for, and there is no video: the class of the failure decides, see above.
    **dict.fromkeys(["VideoFailed", "FailedBefore"], ("by its class", False)),
    "SubmissionsUsedUp": ("failed", True),
    "AbandonedBefore": ("failed", False),
    # Nothing was sent.
    **dict.fromkeys(["ConfigurationError", "ConnectionFailed", "TooManyUnknowns"], ("not_started", True)),
    **dict.fromkeys(["SubmittingStopped", "SubmissionCancelled", "HeldByAnother"], ("not_started", True)),
    **dict.fromkeys(["SpendingPaused", "TooManyReserved", "BudgetDamaged", "BudgetTooNew"], ("not_started", True)),
    **dict.fromkeys(
        ["RunNotLabelled", "OrderChanged", "BatchChanged", "JournalUnavailable", "JournalGone"], ("not_started", True)
    ),
    **dict.fromkeys(["RecordDamaged", "RecordTooNew", "RecordChanged", "IllegalTransition"], ("not_started", True)),
    **dict.fromkeys(["ResolutionRefused", "BalanceContradicts"], ("not_started", True)),
    # Of the batch itself, and roots.
    **dict.fromkeys(
        ["UnusableManifest", "BatchIncomplete", "PartsMissing", "PartsNotStarted", "SeedanceError"], ("", False)
    ),
    **dict.fromkeys(["CannotJoin", "ClipsDoNotFit"], ("", False)),
    "TaskError": ("failed", True),
    "ApiError": ("refused", True),
    **dict.fromkeys(["JournalError", "SubmissionStopped"], ("not_started", True)),
}


def test_each_error_of_the_package_has_its_meaning_for_a_row() -> None:
    found: dict[str, tuple[Outcome | str, bool]] = {}
    for name in errors.__all__:
        kind = getattr(errors, name)
        verdict = verdict_of_class(kind)
        if issubclass(kind, errors.VideoFailed | errors.FailedBefore):
            found[name] = ("by its class", False)
        elif issubclass(kind, errors.StorageError):
            assert verdict and (verdict.outcome, verdict.retryable) == ("not_started", True), name
        else:
            found[name] = (verdict.outcome, verdict.retryable) if verdict else ("", False)
    assert found == MEANING


#: What each kind of money may become in a report.
OF_MONEY: dict[Money, set[str]] = {
    Money.NOTHING: {"invalid", "refused", "over_budget", "not_started"},
    Money.BEFORE: {"failed", "by its class"},
    Money.PERHAPS: {"unknown"},
    Money.KEPT: {"failed"},
    Money.NO_VIDEO: {"by its class"},
}


def test_a_row_says_of_the_money_what_its_error_says() -> None:
    told = {name: (getattr(errors, name).money, outcome) for name, (outcome, _) in MEANING.items() if outcome}
    del told["JournalError"]  # a root, which nothing raises
    assert {name: each for name, each in told.items() if each[1] not in OF_MONEY[each[0]]} == {}


def test_whatever_it_is_a_task_that_goes_on_is_paid_for() -> None:
    """No row with a task is said to be invalid, refused or not begun."""
    for name in errors.__all__:
        kind = getattr(errors, name)
        error = kind.__new__(kind)
        error.failure = "transient"
        assert verdict_of(error, task_id="videos_1").outcome in ("failed", "unknown"), name


def test_what_concerns_every_row_ends_further_submitting() -> None:
    ending = {name for name in errors.__all__ if _ends(getattr(errors, name))}
    assert ending == {
        "AuthenticationFailed",
        "BudgetDamaged",
        "BudgetTooNew",
        "ConfigurationError",
        "InsufficientBalance",
        "SpendingPaused",
        "TooManyReserved",
        "TooManyUnknowns",
    }


def _ends(kind: type[Exception]) -> bool:
    found = verdict_of_class(kind)
    return bool(found and found.ends_submitting)


@pytest.mark.parametrize(
    ("require", "failing"),
    [("none", set[bool]()), ("retryable", {True}), ("all", {True, False})],
)
def test_a_run_fails_by_what_is_required_whatever_the_outcome(require: RequireAll, failing: set[bool]) -> None:
    options = BatchOptions(require_all=require)
    assert not counts_as_failed(BatchReport(rows=[]), options), "all rows belong to other parts"
    for outcome in WORST_FIRST:
        for retryable in (True, False):
            report = BatchReport(rows=[RowResult(number=2, outcome=outcome, retryable=retryable)])
            fails = outcome not in GOOD and retryable in failing
            assert counts_as_failed(report, options) == fails, (outcome, retryable)


def test_a_reason_is_one_line_of_bounded_length_without_signatures() -> None:
    said = f"https://a.example.com/x?X-Amz-Signature={SECRET}\n\x1b[31m{'x' * 5000}"
    words = reason_of(ConnectionFailed(said, sent=False))
    assert SECRET not in words and "\n" not in words and "\x1b" not in words
    assert len(words) <= outcomes.LONGEST_REASON


def test_a_prompt_is_reported_without_what_opens_the_links_in_it() -> None:
    asked = VideoRequest(prompt=f"as in https://a.example.com/b.png?X-Amz-Signature={SECRET}", model="seedance2.0-mini")
    order = place_order(asked, scope="", account="default", key_template=TEMPLATE)
    result = outcomes.of_unstarted(WantedVideo(order, (Row(2, "", asked),)), "It has not been started")
    assert result.prompt == "as in https://a.example.com/b.png"


def test_a_refusal_for_now_and_a_refusal_of_the_key_are_told_apart() -> None:
    assert "ends_submitting" in inspect.signature(outcomes.RowVerdict).parameters
    assert not _ends(RateLimited) and _ends(AuthenticationFailed)


def test_the_reason_of_an_invalid_row_leaves_its_number_to_those_who_name_the_row() -> None:
    row = Row(
        7, "mug", None, (RowProblem(7, "ratio", "it is odd", "Write 9:16"), RowProblem(7, "", "it is cut", "Fill it"))
    )
    assert of_invalid(row).reason == "ratio: it is odd. Write 9:16. the row: it is cut. Fill it."


def test_the_log_says_where_a_fault_of_a_program_arose_and_of_no_other_error() -> None:
    def faulty() -> None:
        raise TypeError("https://b.example.com/a.mp4?X-Amz-Signature=1f0c is no number")

    with pytest.raises(VideoNotStored) as raised:
        try:
            faulty()
        except TypeError as fault:
            raise VideoNotStored("videos_1", "an unexpected TypeError.", "Run it again.") from fault
    said = details_of(raised.value)
    assert said.startswith("An unexpected TypeError at test_outcomes.py:") and " in faulty, called at " in said
    assert "1f0c" not in said
    cause = raised.value.__cause__
    assert isinstance(cause, TypeError) and details_of(cause) == said
    assert details_of(VideoNotStored("videos_1", "The disk is full.", "Run it again.")) == ""
    assert details_of(InvalidRequest(["prompt: it is empty."])) == ""
