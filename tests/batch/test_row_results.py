"""What a row's result says of each way that a video can end: field by field, above all what it cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from prefect_seedance import errors
from prefect_seedance.batch import outcomes
from prefect_seedance.batch.models import RowResult
from prefect_seedance.batch.orders import WantedVideo
from prefect_seedance.batch.rows import Row, RowProblem
from prefect_seedance.client.failures import FailureClass
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.pipeline.submit.headway import Headway
from prefect_seedance.storage.errors import NoSpace
from tests.pipeline.harness import TEMPLATE
from tests.pipeline.stored import stored_video

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ASKED = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", duration=5, resolution="480p", ratio="9:16")
ORDER = place_order(ASKED.model_copy(update={"take": "2"}), scope="", account="default", key_template=TEMPLATE)
WANTED = WantedVideo(ORDER, (Row(7, "boat", ASKED), Row(9, "the same", ASKED)))
#: What every result says of its row.
OF_THE_ROW = {
    **{"number": 7, "name": "boat", "model": "seedance2.0-mini", "prompt": "A paper boat", "take": "2"},
    **{"duration": 5, "resolution": "480p", "ratio": "9:16", "intent": ORDER.intent},
}
BOUGHT = Headway(submissions=1, task_id="videos_1", price=0.5, polls=14, made_seconds=610.24, late_seconds=11.46)
ATTACHED = Headway(submissions=0, task_id="videos_1", price=0.5, polls=3)
STORED = stored_video(
    "file:///videos/one.mp4",
    **{"cost": 0.4, "created_at": NOON, "completed_at": NOON + timedelta(seconds=600.04), "stored_at": NOON},
    **{"bytes": 99, "width": 480, "height": 864, "seconds": 5.04, "key": "videos/one.mp4"},
    **{"poster_uri": "file:///videos/one.jpg", "provenance_uri": "file:///videos/one.json"},
)
OF_THE_VIDEO = {
    **{"task_id": "videos_1", "uri": "file:///videos/one.mp4", "key": "videos/one.mp4", "bytes": 99, "stored_at": NOON},
    **{"poster_uri": "file:///videos/one.jpg", "provenance_uri": "file:///videos/one.json"},
    **{"width": 480, "height": 864, "seconds": 5.04},
}


def said(result: RowResult) -> dict[str, Any]:
    """Return what a result says beside its defaults."""
    return result.model_dump(exclude_defaults=True)


def expected(outcome: str, **facts: Any) -> dict[str, Any]:
    return said(RowResult.model_validate({**OF_THE_ROW, "outcome": outcome, **facts}))


def test_a_video_that_was_bought_costs_what_its_task_cost() -> None:
    assert said(outcomes.of_video(WANTED, STORED, BOUGHT)) == expected(
        "stored",
        **OF_THE_VIDEO,
        **{"submissions": 1, "price": 0.5, "cost": 0.4, "cost_source": "vendor"},
        **{"polls": 14, "made_seconds": 610.2, "late_seconds": 11.5},
    )


def test_a_video_that_was_there_costs_nothing() -> None:
    assert said(outcomes.of_video(WANTED, STORED, ATTACHED)) == expected(
        "reused",
        **OF_THE_VIDEO,
        **{"price": 0.0, "cost": 0.0, "cost_source": "paid for before", "polls": 3, "made_seconds": 600.0},
    )


@pytest.mark.parametrize(
    ("known", "made"),
    [
        ({"created_at": None}, None),
        ({"completed_at": None}, None),
        ({"completed_at": NOON - timedelta(seconds=1)}, None),
        ({"completed_at": NOON}, 0.0),
    ],
)
def test_how_long_the_vendor_took_is_said_where_it_is_known(known: dict[str, Any], made: float | None) -> None:
    assert outcomes.of_video(WANTED, STORED.model_copy(update=known), ATTACHED).made_seconds == made


def test_the_cost_of_a_video_says_how_many_submissions_before_it_failed() -> None:
    second = Headway(submissions=2, task_id="videos_1")
    assert outcomes.of_video(WANTED, STORED, second).cost_source == "vendor, without 1 earlier submission that failed"
    third = Headway(submissions=3, task_id="videos_1")
    assert outcomes.of_video(WANTED, STORED, third).cost_source == "vendor, without 2 earlier submissions that failed"


@pytest.mark.parametrize(
    ("reported", "cost", "source"), [(0.4, 0.4, "vendor"), (0.0, 0.0, "vendor"), (None, 0.6, "catalog")]
)
def test_a_video_that_a_collector_stores_costs_what_the_vendor_said_or_else_its_price(
    reported: float | None, cost: float, source: str
) -> None:
    facts = {"task_id": "videos_1", "cost": reported, "price": 0.6, "price_source": "catalog"}
    submitted = cast(SubmittedVideo, facts)
    common = {"advice": outcomes.COLLECT, "retryable": True, "task_id": "videos_1"}
    assert said(outcomes.of_submitted(WANTED, submitted, BOUGHT)) == expected(
        "submitted", **common, submissions=1, price=0.5, cost=cost, cost_source=source
    )
    assert said(outcomes.of_submitted(WANTED, submitted, ATTACHED)) == expected(
        "submitted", **common, price=0.0, cost=0.0, cost_source="paid for before"
    )


def test_what_nothing_was_sent_for_costs_nothing() -> None:
    assert said(outcomes.of_unstarted(WANTED, "It was not begun.")) == expected(
        "not_started", reason="It was not begun.", advice=outcomes.RUN_AGAIN, retryable=True, cost=0.0
    )


def test_a_row_that_shares_its_video_costs_nothing_of_its_own() -> None:
    first = outcomes.of_video(WANTED, STORED, BOUGHT)
    shared = outcomes.shared(first, WANTED.rows[1])
    assert said(shared) == {**said(first), "number": 9, "name": "the same", "shared_with": 7, "cost": 0.0}


NO_SPACE = NoSpace("/videos", "full")


@pytest.mark.parametrize(
    ("headway", "outcome", "cost", "advice"),
    [
        (Headway(price=0.5), "not_started", 0.0, outcomes.RUN_AGAIN),
        # Its task goes on, and somebody else has paid for it, or this row has.
        (ATTACHED, "failed", 0.0, outcomes.GOES_ON),
        (BOUGHT, "failed", None, outcomes.GOES_ON),
        # One submission has failed, and the next was ended before it was sent.
        (Headway(submissions=1, price=0.5), "failed", None, outcomes.RUN_AGAIN),
    ],
)
def test_an_error_costs_nothing_only_where_nothing_was_sent(
    headway: Headway, outcome: str, cost: float | None, advice: str
) -> None:
    assert said(outcomes.of_error(WANTED, NO_SPACE, headway)) == expected(
        outcome,
        **{"reason": outcomes.reason_of(NO_SPACE), "advice": advice, "retryable": True, "cost": cost, "price": 0.5},
        **{"task_id": headway.task_id, "submissions": headway.submissions, "polls": headway.polls},
    )


def test_an_error_names_its_own_task_before_the_one_that_goes_on() -> None:
    failed = errors.VideoFailed("videos_2", "words", "moderation")
    assert outcomes.of_error(WANTED, failed, BOUGHT).task_id == "videos_2"


def test_the_budget_of_a_run_and_that_of_a_period_have_advice_of_their_own() -> None:
    of_the_run = errors.OverBudget("0" * 32, "max_cost", 1.0, 1.0, 0.0, 0.5)
    result = outcomes.of_error(WANTED, of_the_run, Headway())
    assert (result.outcome, result.retryable, result.reason) == ("over_budget", True, of_the_run.facts)
    assert result.advice.startswith("Raise max_cost, and run the batch again.")
    of_the_day = errors.OverBudget("0" * 32, "daily_budget", 1.0, 1.0, 0.0, 0.5, "2026-11-23 00:00")
    assert outcomes.of_error(WANTED, of_the_day, Headway()).advice.startswith("Raise the budget, or wait")


def test_an_error_that_is_not_ours_is_named_with_its_words_without_secrets() -> None:
    words = outcomes.reason_of(ValueError("no route\nto https://a.example.com/x?X-Amz-Signature=0123456789abcdef"))
    assert words.startswith(
        "An unexpected ValueError; the run's log has the details. no route to https://a.example.com/x"
    )
    assert "0123456789abcdef" not in words


def test_a_text_that_just_fits_is_not_shortened() -> None:
    assert outcomes.short("x" * 10, 10) == "x" * 10
    assert outcomes.short("x" * 11, 10) == "x" * 9 + "…"
    assert outcomes.short(" a\n b ", 10) == "a b"
    assert len(outcomes.short("x" * 2000)) == 1000


@pytest.mark.parametrize(
    ("passing", "outcome", "advice", "retryable"),
    [
        ((False,), "invalid", outcomes.EDIT_ROW, False),
        ((True,), "not_started", outcomes.RUN_AGAIN, True),
        ((True, True), "not_started", outcomes.RUN_AGAIN, True),
        # What is wrong for good decides.
        ((True, False), "invalid", outcomes.EDIT_ROW, False),
        ((), "invalid", outcomes.EDIT_ROW, False),
    ],
)
def test_a_row_that_cannot_be_ordered_is_free_and_may_be_tried_again_only_if_it_could_work(
    passing: tuple[bool, ...], outcome: str, advice: str, retryable: bool
) -> None:
    problems = tuple(RowProblem(7, "ratio", "it is odd", "Write 9:16", each) for each in passing)
    given = {"prompt": "as in https://a.example.com/b.png?X-Amz-Signature=abc", "model": "seedance2.0\nmini"}
    result = outcomes.of_invalid(Row(7, "boat", None, problems, given))
    assert said(result) == said(
        RowResult.model_validate(
            {
                **{"number": 7, "name": "boat", "outcome": outcome, "advice": advice, "retryable": retryable},
                **{"reason": " ".join(["ratio: it is odd. Write 9:16."] * len(passing)), "cost": 0.0},
                **{"prompt": "as in https://a.example.com/b.png", "model": "seedance2.0 mini"},
            }
        )
    )


def test_an_invalid_row_shows_its_request_where_it_makes_one() -> None:
    result = outcomes.of_invalid(Row(7, "boat", ASKED, (RowProblem(7, "", "it is cut", "Fill it"),), {"model": "x"}))
    assert (result.prompt, result.model) == ("A paper boat", "seedance2.0-mini")


def test_a_row_without_a_prompt_and_a_model_shows_none() -> None:
    result = outcomes.of_invalid(Row(7, "", None, ()))
    assert (result.prompt, result.model) == ("", "")


def test_an_endless_prompt_and_model_are_cut() -> None:
    result = outcomes.of_invalid(Row(7, "", None, (), {"prompt": "x" * 9000, "model": "y" * 200}))
    assert (len(result.prompt), len(result.model)) == (5000, 100)
    asked = VideoRequest(prompt="x" * 4000, model="seedance2.0-mini")
    order = place_order(asked, scope="", account="default", key_template=TEMPLATE)
    assert outcomes.of_unstarted(WantedVideo(order, (Row(7, "", asked),)), "").prompt == "x" * 4000


#: How the advice begins, for errors that are not advised as the others of their outcome.
@pytest.mark.parametrize(
    ("names", "advice"),
    [
        ("InvalidRequest MediaNotIdentified InvalidParameters SubmissionRefused", "Edit the row."),
        ("OutcomeUnknown TooManyUnknowns TooManyReserved", "Look into the vendor's console, and settle it"),
        ("TaskNotRecorded VideoNotStored WaitTimedOut MediaUnavailable", "Run the batch again: it takes up this task"),
        ("SubmissionsUsedUp", "Another attempt pays once more"),
        ("AbandonedBefore", "Edit the row, or set another take"),
        ("SpendingPaused", "Lift the pause with prefect-seedance resume"),
        ("OverBudget", "Raise the budget, or wait for its next period"),
        ("BudgetDamaged BudgetTooNew", "Repair the ledger as the reason says"),
        ("PriceUnknown", "Write what the model costs into the prices"),
        ("AuthenticationFailed ConfigurationError", "Correct the credentials"),
        ("InsufficientBalance", "Top up the account"),
        ("RateLimited VendorBusy ConnectionFailed SubmissionCancelled JournalUnavailable", "Run the batch again: what"),
    ],
)
def test_each_error_has_the_advice_that_helps(names: str, advice: str) -> None:
    for name in names.split():
        kind = getattr(errors, name)
        assert outcomes.verdict_of(kind.__new__(kind)).advice.startswith(advice), name


@pytest.mark.parametrize(
    ("failure", "now", "before"),
    [
        ("moderation", "Edit the row.", "Edit the row, or set another take"),
        ("transient", "Another attempt pays once more", "Another attempt pays once more"),
        ("invalid", "Edit the row, or set another take", "Edit the row, or set another take"),
    ],
)
def test_a_failure_is_advised_by_its_class(failure: FailureClass, now: str, before: str) -> None:
    assert outcomes.verdict_of(errors.VideoFailed("videos_1", "words", failure)).advice.startswith(now)
    assert outcomes.verdict_of(errors.FailedBefore("0" * 32, "videos_1", failure, "words")).advice.startswith(before)


def test_preparing_that_was_cancelled_has_sent_nothing() -> None:
    verdict = outcomes.verdict_of(PreparationCancelled.__new__(PreparationCancelled))
    assert (verdict.outcome, verdict.advice, verdict.retryable) == ("not_started", outcomes.RUN_AGAIN, True)


def test_an_unexpected_error_is_worth_another_run() -> None:
    verdict = outcomes.verdict_of(ValueError("odd"))
    assert (verdict.outcome, verdict.advice, verdict.retryable) == ("failed", outcomes.RUN_AGAIN, True)


def test_why_no_other_row_is_submitted_is_said_in_words() -> None:
    words = {
        "TooManyUnknowns": "Several submissions in a row ended unknown",
        "AuthenticationFailed": "The vendor does not take the key",
        "ConfigurationError": "The settings cannot work",
        "InsufficientBalance": "The account has too little money or quota",
        "SpendingPaused": "All spending is paused",
        "BudgetDamaged": "The ledger of a budget cannot be used",
        "TooManyReserved": "A budget holds too many open entries",
    }
    for name, why in words.items():
        kind = getattr(errors, name)
        assert outcomes.verdict_of(kind.__new__(kind)).ends_submitting == why
