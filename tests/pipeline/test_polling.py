from collections.abc import Callable

import pytest

from prefect_seedance.client import errors
from prefect_seedance.client.failures import WORTH_RESUBMITTING
from prefect_seedance.client.models import VideoTask
from prefect_seedance.pipeline.errors import WaitStopped
from prefect_seedance.pipeline.watch.polling import (
    MAXIMUM_DOUBTFUL,
    MAXIMUM_FAULTS,
    MAXIMUM_GAP_SECONDS,
    MAXIMUM_NOT_FOUND,
    MAXIMUM_WITHOUT_LINK,
    Tolerated,
    after_answer,
    after_fault,
)

ADVICE = "Retry it: that takes the task up."
TASK = "videos_1"


def answer(status: str, **fields: object) -> VideoTask:
    return VideoTask.model_validate({"task_id": TASK, "status": status, **fields})


@pytest.mark.parametrize("status", ["queued", "pending", "submitted", "processing", "Processing", "upscaling", ""])
def test_a_status_that_is_no_end_means_still_running(status: str) -> None:
    assert after_answer(answer(status), Tolerated(faults=3), 10, ADVICE).kind == "wait"


@pytest.mark.parametrize("status", ["completed", "COMPLETED", "success"])
def test_completed_with_a_link_is_done(status: str) -> None:
    assert after_answer(answer(status, video_url="https://example.com/a.mp4"), Tolerated(), 10, ADVICE).kind == "done"


def test_a_proper_answer_restores_all_patience() -> None:
    worn = Tolerated(faults=9, not_found=9, rate_limits=9)
    assert after_answer(answer("processing"), worn, 10, ADVICE).tolerated == Tolerated()


@pytest.mark.parametrize("url", ["", "seedance/mini-sp/video/a.mp4", "seedance/mini-sp/video/a.mp4?Signature=1f0c"])
def test_completed_without_a_usable_link_is_asked_again_and_then_given_up_with_the_task_id(url: str) -> None:
    patience = Tolerated()
    for _ in range(MAXIMUM_WITHOUT_LINK - 1):
        following = after_answer(answer("completed", video_url=url), patience, 10, ADVICE)
        assert following.kind == "wait"
        patience = following.tolerated
    with pytest.raises(errors.MediaUnavailable, match=TASK) as caught:
        after_answer(answer("completed", video_url=url), patience, 10, ADVICE)
    assert "Signature" not in str(caught.value)


def test_a_failed_task_gives_the_vendors_own_words() -> None:
    words = "[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK"
    with pytest.raises(errors.VideoFailed, match="TRADEMARK") as caught:
        after_answer(answer("failed", error_message=words), Tolerated(), 10, ADVICE)
    assert (caught.value.failure, caught.value.task_id) == ("moderation", TASK)


@pytest.mark.parametrize("words", ["", "PROVIDER_TIMEOUT", "s3 upload failed"])
@pytest.mark.parametrize("status", ["failed", "expired", "cancelled"])
def test_a_failure_with_a_link_is_no_reason_to_pay_again(status: str, words: str) -> None:
    contradiction = answer(status, error_message=words, result={"video_url": "https://example.com/a.mp4?sign=1f0c"})
    with pytest.raises(errors.VideoFailed, match="links to a video") as caught:
        after_answer(contradiction, Tolerated(), 10, ADVICE)
    assert caught.value.failure not in WORTH_RESUBMITTING
    assert words in str(caught.value) and "1f0c" not in str(caught.value)


@pytest.mark.parametrize("status", ["error", "TIMEOUT", "timed_out", "Exception"])
def test_a_word_that_may_mean_a_failure_is_asked_about_again_and_then_left_to_a_person(status: str) -> None:
    doubtful = answer(status, error_message="PROVIDER_TIMEOUT")
    patience = Tolerated()
    for _ in range(MAXIMUM_DOUBTFUL - 1):
        following = after_answer(doubtful, patience, 10, ADVICE)
        assert following.kind == "wait"
        patience = following.tolerated
    assert after_answer(answer("processing"), patience, 10, ADVICE).tolerated == Tolerated()
    with pytest.raises(WaitStopped, match=f"{status!r}.*PROVIDER_TIMEOUT.*{ADVICE}") as caught:
        after_answer(doubtful, patience, 10, ADVICE)
    assert caught.value.task_id == TASK


def test_several_links_are_told_where_none_is_the_documented_one() -> None:
    videos = ["https://example.com/a.mp4?sign=1f0c", "https://example.com/b.mp4"]
    with pytest.raises(errors.MediaUnavailable, match=r"2 links.*a\.mp4, https://example\.com/b\.mp4") as caught:
        after_answer(answer("done", videos=videos), Tolerated(without_link=MAXIMUM_WITHOUT_LINK - 1), 10, ADVICE)
    assert "1f0c" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"video_url": "https://example.com/a"},
        {"video_url": "seedance/mini-sp/video/a.mp4"},
        {"rival_links": ["https://example.com/a.mp4", "https://example.com/b.mp4"]},
        {"by_vendor": False},
    ],
    ids=repr,
)
def test_a_failure_that_may_be_none_is_no_reason_to_pay_again(fields: dict[str, object]) -> None:
    words = "s3 upload failed: connection reset"
    with pytest.raises(errors.VideoFailed, match="connection reset") as caught:
        after_answer(answer("failed", error_message=words, **fields), Tolerated(), 10, ADVICE)
    assert caught.value.failure not in WORTH_RESUBMITTING
    with pytest.raises(errors.VideoFailed) as caught:
        after_answer(answer("failed", error_message=words), Tolerated(), 10, ADVICE)
    assert caught.value.failure in WORTH_RESUBMITTING


def test_a_canceled_task_is_a_failed_one() -> None:
    with pytest.raises(errors.VideoFailed, match="canceled"):
        after_answer(answer("cancelled"), Tolerated(), 10, ADVICE)


@pytest.mark.parametrize(
    ("fault", "allowed"),
    [
        (lambda: errors.TaskNotFound(TASK), MAXIMUM_NOT_FOUND),
        (lambda: errors.ConnectionFailed("reset", sent=True), MAXIMUM_FAULTS),
        (lambda: errors.UnexpectedAnswer("a page", transient=True), MAXIMUM_FAULTS),
        (lambda: errors.WrongTask(TASK, "videos_2"), MAXIMUM_FAULTS),
        (lambda: errors.VendorBusy(), MAXIMUM_FAULTS),
    ],
)
def test_faults_are_tolerated_within_bounds(fault: Callable[[], errors.SeedanceError], allowed: int) -> None:
    patience = Tolerated()
    for _ in range(allowed):
        patience = after_fault(fault(), TASK, patience, 10, ADVICE).tolerated
    with pytest.raises(WaitStopped, match=f"goes on at the vendor and is paid for.*{ADVICE}") as caught:
        after_fault(fault(), TASK, patience, 10, ADVICE)
    assert caught.value.task_id == TASK


def test_a_rate_limit_slows_down_and_is_never_the_end() -> None:
    patience, gaps = Tolerated(), []
    for _ in range(100):
        following = after_fault(errors.RateLimited(retry_after=None), TASK, patience, 10, ADVICE)
        patience = following.tolerated
        gaps.append(following.gap_seconds)
    assert gaps[:3] == [20, 40, 80]
    assert max(gaps) == MAXIMUM_GAP_SECONDS
    assert after_fault(errors.RateLimited(retry_after=50.0), TASK, Tolerated(), 10, ADVICE).gap_seconds == 50


def test_a_refused_key_stops_at_once_and_keeps_the_task_id() -> None:
    with pytest.raises(WaitStopped, match="API key") as caught:
        after_fault(errors.AuthenticationFailed(), TASK, Tolerated(), 10, ADVICE)
    assert caught.value.task_id == TASK
