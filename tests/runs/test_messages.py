"""What people are told, as text: about their money first, and never with what opens an address."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_seedance import VideoRequest
from prefect_seedance.client.errors import (
    AuthenticationFailed,
    InvalidRequest,
    MediaUnavailable,
    OutcomeUnknown,
    SeedanceError,
    VideoFailed,
    WaitTimedOut,
)
from prefect_seedance.journal.errors import (
    FailedBefore,
    JournalUnavailable,
    SubmissionUnknown,
    TaskNotRecorded,
    TooManyUnknowns,
)
from prefect_seedance.journal.settlement.billing import balance_evidence
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.runs.notifications.messages import (
    NoVideo,
    cost_in_short,
    cost_words,
    expected_price,
    failure_message,
)
from prefect_seedance.storage.errors import NotWritable

REQUEST = VideoRequest(prompt="A paper boat")
INTENT = "0123456789abcdef0123456789abcdef"


def unknown(store_option: str, balance: str = "") -> SubmissionUnknown:
    return SubmissionUnknown(
        "It is not known.",
        intent=INTENT,
        attempt=1,
        reason="the answer was lost",
        excerpt="",
        status_code=None,
        run_name="nightly",
        run_url="",
        started_at="2026-11-22T10:00:00+00:00",
        record_uri="s3://b/journal/records/x.json",
        store_option=store_option,
        attempt_name="1-3f9a1c04",
        balance=balance,
    )


@pytest.mark.parametrize(
    ("error", "title", "paid"),
    [
        (unknown("s3://b"), f"Perhaps paid, a person has to settle it: {INTENT}", "perhaps;"),
        (OutcomeUnknown("lost"), "Perhaps paid, a person has to settle it", "perhaps;"),
        (VideoFailed("videos_1", "no", "transient"), "No video: VideoFailed", "videos_1 was accepted; the vendor"),
        (WaitTimedOut("videos_1", 60), "No video yet, it goes on: videos_1", "videos_1 was accepted and is paid for"),
        (
            MediaUnavailable("videos_1", "gone"),
            "No video: MediaUnavailable",
            "accepted and is paid for; it is not lost",
        ),
        (
            TaskNotRecorded(INTENT, "videos_1", "full."),
            "No video: TaskNotRecorded",
            "videos_1 was accepted and is paid",
        ),
        (FailedBefore(INTENT, "videos_1", "moderation", "no"), "No video: FailedBefore", "nothing now; task videos_1"),
        (TooManyUnknowns(3, "/data"), "No video: TooManyUnknowns", "nothing now; what was accepted before stays paid"),
        (AuthenticationFailed(), "No video: AuthenticationFailed", "no further video"),
        # It may come while the task of this run is being waited for.
        (JournalUnavailable("/s", "full."), "No video: JournalUnavailable", "accepted before goes on and stays paid"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SeedanceError) else "",
)
def test_a_run_without_a_video_says_what_it_has_paid(error: SeedanceError, title: str, paid: str) -> None:
    end = NoVideo(error)
    assert end.headline.startswith(title)
    assert paid in end.paid
    subject, body = failure_message(end, REQUEST)
    assert subject == end.headline
    assert body.startswith("A paper boat\n")


@pytest.mark.parametrize("error", [InvalidRequest(["a rule"]), NotWritable("/videos", "read only"), KeyError("x")])
def test_what_ended_before_anything_was_sent_has_paid_nothing(error: Exception) -> None:
    assert NoVideo(error, may_have_paid=False).paid == "nothing; it was found before the request was sent"


def test_an_error_that_nobody_expected_is_named_with_the_task_that_goes_on_and_not_repeated() -> None:
    error = RuntimeError("sk_not-for-everybody")
    subject, body = failure_message(NoVideo(error, "videos_1", advice="Retry it."), REQUEST)
    assert subject == "No video: RuntimeError"
    assert "Task videos_1 goes on. Retry it." in body
    assert "Paid: task videos_1 was accepted and is paid for; it is not lost." in body
    assert "sk_not" not in subject + body
    assert "no further video" in NoVideo(error).paid


@pytest.mark.parametrize(
    "error", [JournalUnavailable("/s", "full."), AuthenticationFailed(), NotWritable("/s", "full")]
)
def test_a_task_that_goes_on_is_named_whatever_ended_the_run(error: Exception) -> None:
    end = NoVideo(error, "videos_1")
    assert "Task videos_1 goes on" in end.words
    assert end.paid == "task videos_1 was accepted and is paid for; it is not lost"


@pytest.mark.parametrize(
    ("submissions", "said"),
    [
        (1, "It cost 0.12 coins."),
        (2, "It cost 0.12 coins. One submission before failed; the vendor's console shows whether it was charged."),
        (3, "It cost 0.12 coins. 2 submissions before failed; the vendor's console shows whether they were charged."),
    ],
)
def test_the_cost_is_that_of_the_task_and_what_failed_before_may_have_cost_more(submissions: int, said: str) -> None:
    stored = StoredVideo.model_construct(cost=0.12, cost_source="vendor", submissions=submissions)
    assert cost_words(stored) == said


@pytest.mark.parametrize(
    ("store", "quoted"),
    [
        ("s3://bucket/a/journal/b", "s3://bucket/a/journal/b"),
        ("/data/my videos", "'/data/my videos'"),
        ("seedance-video-store/studio", "seedance-video-store/studio"),
    ],
)
def test_the_commands_that_settle_a_submission_name_the_store_as_a_user_does(store: str, quoted: str) -> None:
    _, body = failure_message(NoVideo(unknown(store)), REQUEST)
    assert f"prefect-seedance resolve {INTENT} --store {quoted} --not-billed --attempt 1-3f9a1c04\n" in body


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (11.75, "fell by exactly the expected price: probably billed"),
        (12.0, "did not change: probably not billed, though the vendor may charge later"),
        (11.0, "changed by another amount: says nothing"),
        (None, "not known"),
    ],
)
def test_what_the_balance_says_is_told_in_the_notification_and_above_the_page(after: float | None, said: str) -> None:
    end = NoVideo(unknown("/data", balance_evidence(0.25, 12.0, after).words))
    assert said in failure_message(end, REQUEST)[1]
    assert end.paid.startswith("perhaps;") and said in end.paid and not end.paid.endswith(".")


def test_a_message_is_short_whatever_the_vendor_says() -> None:
    request = VideoRequest(prompt="x" * 4000)
    _, body = failure_message(NoVideo(VideoFailed("videos_1", "y" * 5000, "unknown")), request)
    assert len(body) < 1800
    assert body.endswith("…")


def test_a_cost_that_is_not_known_is_not_told_as_nothing() -> None:
    stored = StoredVideo.model_construct(cost=None, cost_source="", submissions=1)
    assert cost_words(stored) == "Its cost is not known." and cost_in_short(stored) == "cost not known"
    submitted: Any = {"price": None, "price_source": ""}
    assert expected_price(submitted) == "its price was unknown"
    assert expected_price({**submitted, "price": 0.5}) == "expected to cost 0.5 coins"
