"""What an error means for its row: each class in the words and with the money of its own."""

from __future__ import annotations

import inspect

import pytest

from prefect_seedance import errors
from prefect_seedance.batch import outcomes
from prefect_seedance.batch.models import Outcome
from prefect_seedance.batch.outcomes import of_invalid, reason_of, verdict_of
from prefect_seedance.batch.rows import Row, RowProblem
from prefect_seedance.client.errors import AuthenticationFailed, ConnectionFailed, RateLimited, VideoFailed
from prefect_seedance.client.failures import FailureClass
from prefect_seedance.journal.errors import FailedBefore
from prefect_seedance.storage.errors import NoSpace

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
        verdict = next(row for of, row in outcomes._TABLE if issubclass(kind, of))  # pyright: ignore[reportPrivateUsage]
        if kind in (errors.SubmissionsUsedUp, errors.AbandonedBefore, errors.FailedBefore):
            continue  # these were paid for by an earlier run, and have no video
        assert verdict.outcome == "not_started", kind


def test_what_concerns_every_row_ends_further_submitting() -> None:
    ending = {name for name in errors.__all__ if _ends(getattr(errors, name))}
    assert ending == {"AuthenticationFailed", "ConfigurationError", "InsufficientBalance", "TooManyUnknowns"}


def _ends(kind: type[Exception]) -> bool:
    found = next((row for of, row in outcomes._TABLE if issubclass(kind, of)), None)  # pyright: ignore[reportPrivateUsage]
    return bool(found and found.ends_submitting)


def test_a_reason_is_one_line_of_bounded_length_without_signatures() -> None:
    said = f"https://a.example.com/x?X-Amz-Signature={SECRET}\n\x1b[31m{'x' * 5000}"
    words = reason_of(ConnectionFailed(said, sent=False))
    assert SECRET not in words and "\n" not in words and "\x1b" not in words
    assert len(words) <= outcomes.LONGEST_REASON


def test_a_refusal_for_now_and_a_refusal_of_the_key_are_told_apart() -> None:
    assert "ends_submitting" in inspect.signature(outcomes.Verdict).parameters
    assert not _ends(RateLimited) and _ends(AuthenticationFailed)


def test_the_reason_of_an_invalid_row_leaves_its_number_to_those_who_name_the_row() -> None:
    row = Row(
        7, "mug", None, (RowProblem(7, "ratio", "it is odd", "Write 9:16"), RowProblem(7, "", "it is cut", "Fill it"))
    )
    assert of_invalid(row).reason == "ratio: it is odd. Write 9:16. the row: it is cut. Fill it."
