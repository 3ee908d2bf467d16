"""Watching: from the vendor's task to the completed video. Asking is free; giving up early is not."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from weakref import WeakKeyDictionary

from pydantic import JsonValue

from prefect_seedance.asides import words_of
from prefect_seedance.client.errors import RateLimited, SeedanceError, TaskError, VideoFailed, WaitTimedOut
from prefect_seedance.client.models import VideoTask
from prefect_seedance.failpoints import reached
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.identity import is_input
from prefect_seedance.journal.record import Entry, Record
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.adoption import FollowedTask, adopt, raise_verdict, written_with_task
from prefect_seedance.journal.submit.decision import Decision, SubmissionPolicy
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.deliver import stored_video
from prefect_seedance.pipeline.errors import WaitStopped, telling_of_the_task, ways_on
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.headway import Headway
from prefect_seedance.pipeline.watch import polling
from prefect_seedance.pipeline.watch.gate import Gate, gate_for
from prefect_seedance.pipeline.watch.history import clip_of, history_of, load_history
from prefect_seedance.pipeline.watch.schedule import Expectation, made_and_late, next_gap, older_by

#: Takes each answer and the seconds waited so far; may draw a progress bar. What it raises is logged.
OnAnswer = Callable[[VideoTask, float], Awaitable[None]]
#: Longest that a caller's progress may hold up the watching.
_PROGRESS_SECONDS = 15.0
_NOTHING_TOLERATED = polling.Tolerated()
#: Words for a status that a wait names in the log: a vendor may write a new one into each answer.
_MOST_UNKNOWN_WORDS = 10
#: A task is new for so long after it was submitted. Whoever comes later asks at once.
_NEW_SECONDS = 30.0


@dataclass(frozen=True)
class Watched:
    """A video that the vendor has made, and what it took to notice that.

    Attributes:
        task: The completed task, with a link that can be fetched.
        polls: How often the vendor was asked.
        made_seconds: How long the vendor took; None if not known.
        late_seconds: How much later that was noticed; None if not known.
    """

    task: VideoTask
    polls: int
    made_seconds: float | None = None
    late_seconds: float | None = None


def _nothing_expected() -> Expectation | None:
    return None


class Watcher:
    """Watches any number of one account's tasks in one event loop, with one pooled HTTP client.

    It belongs to the loop that opened it, as its connections do. The pace is the process's: see `gate`.

    Args:
        account: Whose tasks.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._gate = gate_for(account)
        self._client = account.async_client()

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def wait(
        self,
        task_id: str,
        *,
        limit_seconds: float,
        advice: str,
        observer: Observer,
        on_answer: OnAnswer | None = None,
        is_new: bool = False,
        age_seconds: float = 0.0,
        asked: Mapping[str, JsonValue] = MappingProxyType({}),
        sent: Collection[str] = (),
        expected: Callable[[], Expectation | None] = _nothing_expected,
        headway: Headway | None = None,
    ) -> Watched:
        """Wait until the vendor has made a video.

        Args:
            task_id: The vendor's task id.
            limit_seconds: How long to wait in all, whatever a single answer takes.
            advice: For errors: how the task is taken up.
            observer: Follows it.
            on_answer: Is told of each answer.
            is_new: Whether it was submitted just now, so that the first question can wait.
            age_seconds: How long ago it was submitted; of one that is not new, how long ago at least.
            asked: The request, whose own files are not taken for the video.
            sent: Digests of the addresses that were sent for them, likewise.
            expected: Returns how long such videos take, as far as that is known by now; asked before each sleep.
            headway: Counts the questions, also where they end in an error.

        Returns:
            The completed task, and what it took to see it.

        Raises:
            WaitTimedOut: The limit is reached; the task goes on.
            VideoFailed: The vendor's verdict.
            TaskError: It could not be watched any longer; the task goes on.
        """
        started = time.monotonic()
        local = self._account.settings.is_local
        gap = polling.LOCAL_POLL_SECONDS if local else polling.POLL_SECONDS
        tolerated = polling.Tolerated()
        unknown, named = "", set[str]()
        polls, running, older = 0, 0.0, age_seconds  # by how much the task is older than the wait
        self._gate.joined()
        try:
            if is_new:
                await asyncio.sleep(min(self._gate.gap(next_gap(older, expected(), local)), limit_seconds))
            while True:
                if not await self.turn(started, limit_seconds):
                    raise WaitTimedOut(task_id, time.monotonic() - started, advice, unknown)
                left = limit_seconds - (time.monotonic() - started)
                polls += 1
                if headway is not None:
                    headway.polls += 1
                try:
                    answer = await self.ask(task_id, left)
                except TaskError:
                    raise
                except SeedanceError as error:
                    following = polling.after_fault(error, task_id, tolerated, gap, advice)
                    if isinstance(error, RateLimited):
                        self._gate.limited(following.gap_seconds)
                else:
                    if is_input(answer.video_url, asked, sent):
                        answer = answer.model_copy(update={"video_url": ""})
                    unknown = answer.unknown_status
                    if unknown and unknown not in named and len(named) < _MOST_UNKNOWN_WORDS:
                        named.add(unknown)
                        text = f"Task {task_id}: the vendor's status {unknown!r} is not known here."
                        observer.log(text, task_id=task_id)
                    following = polling.after_answer(answer, tolerated, gap, advice)
                    waited = time.monotonic() - started
                    if on_answer is not None:
                        await _told(on_answer, answer, waited, observer)
                    if following.kind == "done":
                        seen = waited + older if is_new else None
                        times = made_and_late(answer, running_seconds=running, seen_seconds=seen, now=time.time())
                        return Watched(answer, polls, *times)
                    if answer.state == "running":
                        if not is_new:  # the vendor knows better, unless the clock of this machine is wrong
                            by_vendor = older_by(answer, watched_seconds=waited, now=time.time())
                            older = max(age_seconds, by_vendor)
                        running = waited + older
                if following.note and following.tolerated != tolerated:
                    observer.log(f"Task {task_id}: {following.note}.", level=logging.DEBUG, task_id=task_id)
                tolerated = following.tolerated
                waited = time.monotonic() - started
                if waited >= limit_seconds:
                    raise WaitTimedOut(task_id, waited, advice, unknown)
                pause = following.gap_seconds
                if tolerated == _NOTHING_TOLERATED:  # it is being made, and that is all
                    pause = next_gap(waited + older, expected(), local)
                await asyncio.sleep(min(self._gate.gap(pause), limit_seconds - waited))
        finally:
            self._gate.left()

    @property
    def gate(self) -> Gate:
        """The pace of its questions."""
        return self._gate

    async def ask(self, task_id: str, left_seconds: float) -> VideoTask:
        """Ask once how a task stands; whose turn it is was settled before.

        Args:
            task_id: The vendor's task id.
            left_seconds: How much of the wait is left; a last answer may take a little longer.

        Raises:
            SeedanceError: There was no proper answer.
        """
        reached("poll.before")
        limit = min(polling.ANSWER_SECONDS, max(left_seconds, polling.LAST_ANSWER_SECONDS))
        answer = await self._client.get_video(task_id, max_retries=0, timeout=limit)
        reached("poll.after")
        self._gate.answered()
        return answer

    async def turn(self, started: float, limit_seconds: float) -> bool:
        """Sleep until it is the next task's turn to be asked about, and through every pause that begins meanwhile.

        Args:
            started: When the wait began, by the monotonic clock.
            limit_seconds: Of the wait.

        Returns:
            Whether it is; False when the limit of the wait comes first.
        """
        pause = self._gate.reserve()
        while pause > 0:
            waited = time.monotonic() - started
            if waited + pause > limit_seconds:
                await asyncio.sleep(max(0.0, limit_seconds - waited))
                return False
            await asyncio.sleep(pause)
            pause = self._gate.pause_left()
        return True


async def _told(on_answer: OnAnswer, answer: VideoTask, waited_seconds: float, observer: Observer) -> None:
    """Tell the caller of an answer, in a task of its own, so that its failure does not end the wait."""

    async def tell() -> None:
        await on_answer(answer, waited_seconds)

    telling = asyncio.ensure_future(tell())
    try:
        _, late = await asyncio.wait([telling], timeout=_PROGRESS_SECONDS)
    except BaseException:
        telling.cancel()
        raise
    if late:
        telling.cancel()
    elif telling.cancelled() or telling.exception() is not None:
        failure = None if telling.cancelled() else telling.exception()
        why = words_of(failure) if failure else "it was cancelled"
        observer.log(f"The progress was not shown: {why}", level=logging.DEBUG)


#: The watchers of this process that are open: by event loop, and by account, each with the number of its users.
_open_watchers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[Watcher, int]]] = WeakKeyDictionary()
_open_lock = threading.Lock()


@asynccontextmanager
async def open_watcher(account: Account) -> AsyncGenerator[Watcher]:
    """Open the event loop's watcher for an account, or join the one that is open; the last who leaves closes it."""
    with _open_lock:
        watchers = _open_watchers.setdefault(asyncio.get_running_loop(), {})
    key = f"{account.settings.base_url} {account.fingerprint}"
    # No lock from here on: one loop, and nothing is awaited between a look and what follows from it.
    watcher, users = watchers.get(key) or (Watcher(account), 0)
    watchers[key] = (watcher, users + 1)
    try:
        yield watcher
    finally:
        _, users = watchers[key]
        watchers[key] = (watcher, users - 1)
        if users == 1:
            del watchers[key]
            await watcher.aclose()


async def watch(
    submitted: SubmittedVideo,
    account: Account,
    destination: Destination,
    *,
    limit_seconds: float,
    max_submissions: int = 1,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    on_answer: OnAnswer | None = None,
    headway: Headway | None = None,
) -> VideoTask:
    """Wait until the vendor has made the video of a submission.

    The journal's record is looked at first, and wins: it may know of a later attempt, or that the video is stored.

    Args:
        submitted: What `submit` returned.
        account: Whose task it is.
        destination: Where the journal is.
        limit_seconds: How long to wait.
        max_submissions: How often the video may be paid for; decides which error a verdict in the record becomes.
        observer: Follows it.
        on_answer: Is told of each answer of the vendor.
        headway: Is told how often the vendor was asked, how long it took and how late that was seen.

    Returns:
        The completed task, with a link that lives about three days; without one if the video is stored already.

    Raises:
        WaitTimedOut: Not a failure: the task goes on, and its id is in the error.
        VideoFailed: The vendor's own verdict.
        TaskError: It could not be watched any longer, whatever stood in the way.
        SubmissionStopped: The record has the verdict already, and no further submission is allowed.
        TaskNotRecorded: The journal does not have the task, and cannot be written.
    """

    async def write(watched: Watched) -> None:
        await threads.run(threads.RECORDS, write_completed, watched, submitted, destination, observer)

    return await _watch(
        submitted, account, destination, limit_seconds, max_submissions, observer, on_answer, headway, write
    )


async def watch_and_hand_on(
    submitted: SubmittedVideo,
    account: Account,
    destination: Destination,
    *,
    limit_seconds: float,
    max_submissions: int = 1,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    headway: Headway | None = None,
) -> tuple[VideoTask, Event | None]:
    """Wait as `watch` does, for a caller that stores the video at once: `deliver` writes both ends in one.

    Args:
        submitted: What `submit` returned.
        account: Whose task it is.
        destination: Where the journal is.
        limit_seconds: How long to wait.
        max_submissions: As for `watch`.
        observer: Follows it.
        headway: As for `watch`.

    Returns:
        The completed task, and the event of its completion, for `deliver`; None if the video is stored already.
    """
    unwritten: list[Event] = []

    async def keep(watched: Watched) -> None:
        unwritten.append(completion_of(watched, submitted["intent"]))

    completed = await _watch(
        submitted, account, destination, limit_seconds, max_submissions, observer, None, headway, keep
    )
    return completed, unwritten[0] if unwritten else None


async def _watch(
    submitted: SubmittedVideo,
    account: Account,
    destination: Destination,
    limit_seconds: float,
    max_submissions: int,
    observer: Observer,
    on_answer: OnAnswer | None,
    headway: Headway | None,
    end: Callable[[Watched], Awaitable[None]],
) -> VideoTask:
    """Wait for the video of a submission, and hand its completion to ``end``."""
    option = destination.journal.store_option
    with telling_of_the_task(WaitStopped, submitted, option):
        followed, there = await threads.run(
            threads.RECORDS, _followed, destination, submitted, max_submissions, limit_seconds
        )
        if there:
            return _stored_task(followed.task_id, followed.record)
    # The record may know of a later task than the caller.
    with telling_of_the_task(WaitStopped, submitted, option, followed.task_id):
        try:
            watched = await _watched(
                followed,
                submitted,
                account,
                destination,
                limit_seconds=limit_seconds,
                observer=observer,
                on_answer=on_answer,
                headway=headway or Headway(),
            )
            await end(watched)
            return watched.task
        except Exception:
            # Somebody else may have brought the video meanwhile, a person by hand for example.
            record = await threads.run(threads.RECORDS, _record_now, destination, followed)
            if not await threads.run(threads.RECORDS, stored_video, destination, record):
                raise
            return _stored_task(record.task_id, record)


async def _watched(
    followed: FollowedTask,
    submitted: SubmittedVideo,
    account: Account,
    destination: Destination,
    *,
    limit_seconds: float,
    observer: Observer,
    on_answer: OnAnswer | None,
    headway: Headway,
) -> Watched:
    """Watch a task to its end; a verdict is written into the record."""
    task_id, record = followed.task_id, followed.record
    attempt = next((each.name for each in record.attempts if each.task_id == task_id), "")
    advice = ways_on(record.scope, record.intent, destination.journal.store_option, attempt)
    is_new = _is_new(followed, submitted)
    history, clip, local = history_of(destination), clip_of(record), account.settings.is_local
    # A simulator makes a video in seconds, however old the record is.
    age_seconds = 0.0 if local else max(0.0, followed.entry.age_seconds)
    if not local and history.may_load():
        # Nobody waits for it: it is there long before the second question.
        threads.start(threads.RECORDS, load_history, destination.store)
    try:
        async with open_watcher(account) as watcher:
            watched = await watcher.wait(
                task_id,
                limit_seconds=limit_seconds,
                advice=advice,
                observer=observer,
                on_answer=on_answer,
                is_new=is_new,
                age_seconds=age_seconds,
                asked=record.request,
                sent=record.inputs,
                expected=lambda: history.expectation(*clip, local=local),
                headway=headway,
            )
    except VideoFailed as failed:
        await threads.run(threads.RECORDS, write_failed, failed, submitted, destination, observer)
        raise
    headway.made_seconds, headway.late_seconds = watched.made_seconds, watched.late_seconds
    observer.log(f"Task {task_id}: {headway.watched_words}.", task_id=task_id, polls=watched.polls)
    if watched.made_seconds is not None and (is_new or not local):  # a simulator's clock may have been moved on
        history.note(*clip, watched.made_seconds, local=local)
    return watched


def write_failed(failed: VideoFailed, submitted: SubmittedVideo, destination: Destination, observer: Observer) -> Entry:
    """Write the vendor's verdict on a task into its record, and tell of it unless another process was faster."""
    intent, task_id, verdict = submitted["intent"], failed.task_id, (failed.failure, failed.error_message)
    journal = destination.journal
    entry = written_with_task(journal, submitted, lambda: journal.record_failed(intent, task_id, *verdict))
    if entry.wrote:
        facts = {"failure": failed.failure, "message": failed.error_message[:500]}
        observer.tell(Event("failed", intent, task_id, facts=facts))
    return entry


def write_completed(watched: Watched, submitted: SubmittedVideo, destination: Destination, observer: Observer) -> Entry:
    """Write into its record that a task has its video, and tell of it unless another process was faster."""
    intent, journal = submitted["intent"], destination.journal
    entry = written_with_task(journal, submitted, lambda: journal.record_completed(intent, watched.task))
    if entry.moved:
        observer.tell(completion_of(watched, intent))
    return entry


def completion_of(watched: Watched, intent: str) -> Event:
    """Return the event of a task that has its video."""
    facts = {"model": watched.task.model, "polls": watched.polls}
    times = {"made_seconds": _rounded(watched.made_seconds), "late_seconds": _rounded(watched.late_seconds)}
    return Event("completed", intent, watched.task.task_id, facts={**facts, **times})


def _is_new(followed: FollowedTask, submitted: SubmittedVideo) -> bool:
    """Return whether a task was submitted just now, by the store's clock.

    Its pointer alone cannot tell: a wait, or a run, that is tried again may have it from hours ago. To such a task
    nobody owes a first sleep, and how long it was watched says nothing of how long it takes.
    """
    entry = followed.entry
    ours = Decision(submitted["decision"]).sends and submitted["task_id"] == followed.task_id
    return ours and entry.record.state is State.SUBMITTED and entry.age_seconds <= _NEW_SECONDS


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _record_now(destination: Destination, followed: FollowedTask) -> Record:
    """Read the record again; as it was if it cannot be read just now: something else stopped the wait."""
    with suppress(Exception):
        if entry := destination.journal.read(followed.record.intent, Patience(seconds=3.0)):
            return entry.record
    return followed.record


def _followed(
    destination: Destination, submitted: SubmittedVideo, max_submissions: int, watch_seconds: float
) -> tuple[FollowedTask, bool]:
    """Return the task to be watched, and whether its video is in the store already."""
    followed = adopt(destination.journal, submitted, watch_seconds=watch_seconds)
    raise_verdict(destination.journal, followed, SubmissionPolicy(max_submissions=max_submissions))
    return followed, stored_video(destination, followed.record) is not None


def _stored_task(task_id: str, record: Record) -> VideoTask:
    """Return a task whose video is in the store; no link is needed."""
    return VideoTask(task_id=task_id, status="completed", progress=100, model=record.model)
