"""Which failures of a step Prefect repeats: those that may pass, and no verdict."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Failed

from prefect_seedance.client.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InsufficientBalance,
    RateLimited,
    TaskNotFound,
    UnexpectedAnswer,
    VideoFailed,
    WaitTimedOut,
)
from prefect_seedance.journal.errors import FailedBefore, JournalUnavailable, RecordDamaged, TaskNotRecorded
from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped
from prefect_seedance.runs.retry_conditions import worth_repeating
from prefect_seedance.storage.errors import (
    BadLocation,
    LinkExpired,
    NoSpace,
    NotAVideo,
    NotWritable,
    SourceChanged,
    SourceUnavailable,
    StoreUnavailable,
    TruncatedSource,
)
from prefect_seedance.tasks.store import store_video
from prefect_seedance.tasks.wait import wait_for_video

INTENT = "0" * 32


def ended(failure: Exception) -> tuple[TaskRun, State[Any]]:
    """A task run that has failed, as Prefect hands it over."""
    run = TaskRun(flow_run_id=uuid4(), task_key="step", dynamic_key="0")
    return run, Failed(data=failure)


def because(kind: type[WaitStopped] | type[VideoNotStored], cause: Exception) -> Exception:
    """The error that tells of the task, as a step raises it."""
    failure = kind("videos_1", str(cause), "Retry it.")
    failure.__cause__ = cause
    return failure


@pytest.mark.parametrize(
    ("failure", "useful"),
    [
        (ConnectionError("the database of Prefect's server is locked"), True),
        (JournalUnavailable("/videos", "no answer."), True),
        (TaskNotRecorded(INTENT, "videos_1", "no answer."), True),
        (FailedBefore(INTENT, "videos_1", "moderation", "no"), False),
        (VideoFailed("videos_1", "no", "moderation"), False),
        (WaitTimedOut("videos_1", 60), False),
        (because(WaitStopped, AuthenticationFailed(code="20001", status_code=200)), False),
        (because(WaitStopped, InsufficientBalance(status_code=403)), True),
        (because(WaitStopped, UnexpectedAnswer("a page", transient=False, status_code=401)), True),
        (because(WaitStopped, ConnectionFailed("reset", sent=True)), True),
        (because(WaitStopped, RateLimited(code="40000")), True),
        (because(WaitStopped, UnexpectedAnswer("half a JSON", transient=True)), True),
        (because(WaitStopped, TaskNotFound("videos_1")), False),
        (because(WaitStopped, JournalUnavailable("/videos", "no answer.")), True),
        (because(WaitStopped, RecordDamaged("/videos", "half a JSON", INTENT)), False),
        (because(WaitStopped, StoreUnavailable("s3://b", "no answer")), True),
        (because(WaitStopped, BadLocation("videos", "it is relative")), False),
        (because(WaitStopped, ValueError("a fault of ours")), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_wait_is_repeated_for_what_may_pass(failure: Exception, useful: bool) -> None:
    assert worth_repeating(wait_for_video, *ended(failure)) is useful


@pytest.mark.parametrize(
    ("cause", "useful"),
    [
        (StoreUnavailable("s3://b", "no answer"), True),
        (NotWritable("/videos", "read only"), False),
        (NoSpace("/videos", "full"), False),
        (SourceUnavailable("media.example.com", "HTTP 503"), True),
        (TruncatedSource(5, 10), True),
        (LinkExpired(403, "media.example.com"), False),
        (SourceChanged("its size was 5 and is 6"), False),
        (NotAVideo("s3://b/quarantine/a", "an HTML page"), False),
        (AuthenticationFailed(code="20001", status_code=200), False),
        (UnexpectedAnswer("a page", transient=False, status_code=403), True),
        (ConnectionFailed("refused", sent=False), True),
        (RateLimited(code="40000"), True),
        (JournalUnavailable("/videos", "no answer."), True),
        (TaskNotRecorded(INTENT, "videos_1", "no answer."), True),
        (KeyError("a fault of ours"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_storing_is_repeated_for_what_may_pass(cause: Exception, useful: bool) -> None:
    failure = because(VideoNotStored, cause)
    assert worth_repeating(store_video, *ended(failure)) is useful
