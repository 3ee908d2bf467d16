"""A submission from asynchronous code: the POST runs in a thread, so that no cancellation loses its answer."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from prefect_seedance.journal.commands import how_to_go_on
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.observer import Observer

if TYPE_CHECKING:
    from prefect_seedance.journal.submit.pointer import SubmittedVideo

#: How long a cancelled run waits for the answer to a POST that is under way. Prefect ends its process after 30 s.
_ANSWER_SECONDS = 20.0


async def in_background(submission: Callable[[threading.Event], SubmittedVideo], observer: Observer) -> SubmittedVideo:
    """Run a submission in a thread and wait for it; when the run is ended, wait a while for an answer on its way.

    Args:
        submission: Calls `submit` with the event that ends it before its POST.
        observer: Is told what goes on at the vendor although the run is ended.
    """
    cancelled = threading.Event()
    # A future of a pool, not an asyncio task: when a signal ends the run, asyncio cancels every task, and the answer
    # to a POST that is under way would be lost.
    under_way = threads.start(threads.SUBMISSIONS, lambda: submission(cancelled))
    try:
        return await asyncio.shield(asyncio.wrap_future(under_way))
    except Exception:
        raise
    except BaseException:  # cancelled, or a signal of Prefect's in the middle of it
        # The thread ends by itself: before the POST at once, within it when the answer is in the record.
        cancelled.set()
        await _after_cancel(under_way, observer)
        raise


async def _after_cancel(submission: Future[SubmittedVideo], observer: Observer) -> None:
    """Wait for the thread to finish, within its time, and log what goes on at the vendor."""
    if submission.cancel():  # it had not begun
        return
    end = time.monotonic() + _ANSWER_SECONDS
    while not submission.done() and (left := end - time.monotonic()) > 0:
        try:
            await asyncio.wait([asyncio.wrap_future(submission)], timeout=left)
        except asyncio.CancelledError:
            continue  # cancelled once more: the answer is still worth waiting for
    if not submission.done():
        observer.log(
            "The run was cancelled while its submission was waiting for the vendor's answer. The answer is still "
            "written into the journal when it comes; if this process ends before that, the submission is unknown.",
            level=logging.WARNING,
        )
        return
    if error := submission.exception():
        observer.log(f"The run was cancelled. {error}", level=logging.WARNING)
        return
    submitted = submission.result()
    observer.log(
        f"The run was cancelled. Task {submitted['task_id']} goes on at the vendor and is paid for; nothing can cancel "
        f"it there. {how_to_go_on(submitted['scope'])}",
        level=logging.WARNING,
        task_id=submitted["task_id"],
    )
