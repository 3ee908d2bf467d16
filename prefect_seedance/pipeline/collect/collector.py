"""Collecting: what is open in a journal is asked about and delivered, whoever left it. One process, one pace.

    look      the markers say what is open, the oldest first; each new one costs one read of its record
    settle    a lapsed claim becomes unknown, a record that nobody came back for is closed: no question is needed
    ask       one question at a time, at the gate's pace: first what was not asked about yet in this run, and of that
              first the links that die within a day; the others in an order that moves on with each run, so that none
              is always the last
    deliver   a few at a time, the link that dies first before the others

What it does not do: it never submits, and it takes no "no such task", 401 or 403 for a verdict. Events belong to the
process whose write moved the record, so that several collectors, or one beside a waiting run, tell of each thing once.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from prefect_seedance.asides import aside, words_of
from prefect_seedance.client.errors import (
    AuthenticationFailed,
    MediaUnavailable,
    RateLimited,
    SeedanceError,
    TaskNotFound,
    VideoFailed,
)
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Unknown
from prefect_seedance.client.task.links import is_whole_link
from prefect_seedance.journal import changes
from prefect_seedance.journal.commands import how_to_bring_in, how_to_resolve
from prefect_seedance.journal.errors import JournalError, JournalGone, RecordChanged
from prefect_seedance.journal.identity import is_input
from prefect_seedance.journal.journal import Marker
from prefect_seedance.journal.record import VERSION, Attempt, Entry, Record, Run
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision
from prefect_seedance.journal.submit.pointer import SubmittedVideo, point_to
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.collect.models import Collected, CollectedVideo, CollectReport
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.pipeline.collect.orphans import OpenVideo, orphans_of
from prefect_seedance.pipeline.collect.standing import (
    DYING,
    LINK_LIFE,
    is_given_up,
    link_dies_at,
    next_try_of,
    place_in_turn,
    standing,
)
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped, ways_on
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.watch import polling
from prefect_seedance.pipeline.watch.history import clip_of, history_of, load_history, save_history
from prefect_seedance.pipeline.watch.schedule import LONGEST_SLEEP_SECONDS, made_and_late, next_gap
from prefect_seedance.pipeline.watch.watcher import Watched, Watcher, open_watcher, write_completed, write_failed
from prefect_seedance.storage.errors import LinkExpired, RelayCancelled, SourceUnavailable
from prefect_seedance.storage.relay.source import SourceLimits

#: How often the markers are listed again in one run.
_LIST_SECONDS = 300.0
#: Records that are read at once: 5,000 take 8 s instead of 263 s.
_READ_AT_ONCE = 32
#: Questions that may be without an answer at the same time.
_ASKED_AT_ONCE = 64
#: Completed videos that may wait to be delivered before the next question waits: as many rounds of deliveries.
_ROUNDS_AHEAD = 4
#: How long the deliveries that are under way when the time is up may still take.
_FINISH_SECONDS = 600.0
#: Questions in a row that are answered with "wrong key" and so end the collection.
_REJECTED_IN_A_ROW = 3
#: A task that is older should be known to the vendor: so many answers that it is not are enough until the next try.
_OLD_SECONDS, _NOT_FOUND = 3600.0, 3
#: A marker that is older and leads to nothing is deleted: its writer does not come any more.
_STRAY_SECONDS = 86_400.0
#: The run ends in minutes, and the next one tries again: one fresh link tells whether it is dead.
_LIMITS = SourceLimits(fresh_links=1)


async def collect(
    account: Account,
    destination: Destination,
    options: CollectOptions,
    *,
    observer_of: Callable[[Record], Observer],
    told: Callable[[str], None] = lambda line: None,
    run: Run = Run(),  # noqa: B008 - frozen
    deliver_limit: int = 8,
) -> CollectReport:
    """Ask about everything that is open in a journal, and bring what is finished into the store.

    Args:
        account: Whose records, and with whose key.
        destination: Where the journal is, and where the videos go.
        options: How long, and which records.
        observer_of: Returns who follows a video, from its record.
        told: Is told in words how it goes.
        run: Which run it is, for the provenance.
        deliver_limit: How many videos are fetched at the same time.

    Returns:
        What was done, what is left, and what a person should look at.

    Raises:
        AuthenticationFailed: The vendor does not accept the key.
        JournalUnavailable: The store does not answer.
    """
    async with open_watcher(account) as watcher:
        collection = _Collection(account, destination, options, watcher, observer_of, told, run, deliver_limit)
        return await collection.run_it()


@dataclass(slots=True, eq=False)
class _Item:
    """A task that is asked about in this run. Little is kept of it: there may be thousands.

    Attributes:
        video: What it is.
        number: Of its attempt.
        begun: Unix seconds of the submission.
        dies_at: When its link dies.
        due: When it is asked about (again), by the monotonic clock.
        place: Among those that are not urgent.
        misses: How often it was tried in vain before.
        missed_at: When it was so the last time.
    """

    video: OpenVideo
    number: int
    begun: float
    dies_at: datetime
    due: float
    place: float
    misses: int
    missed_at: datetime | None
    polls: int = 0
    running: bool = False
    tolerated: polling.Tolerated = field(default_factory=polling.Tolerated)
    became: Collected = "open"
    done: bool = False
    advice: str = ""
    uri: str = ""
    cost: float | None = None
    by_another: bool = False

    def result(self) -> CollectedVideo:
        video = self.video
        return CollectedVideo(
            intent=video.intent,
            name=video.name,
            became=self.became,
            reason=video.reason,
            advice=self.advice,
            task_id=video.task_id,
            model=video.model,
            uri=self.uri,
            cost=self.cost,
            link_dies_at=self.dies_at,
            polls=self.polls,
            by_another=self.by_another,
        )


class _Finished(NamedTuple):
    """A completed video that waits to be delivered."""

    dies_at: datetime
    number: int
    item: _Item
    task: VideoTask
    record: Record


class _Collection:
    """One collection."""

    def __init__(
        self,
        account: Account,
        destination: Destination,
        options: CollectOptions,
        watcher: Watcher,
        observer_of: Callable[[Record], Observer],
        told: Callable[[str], None],
        run: Run,
        deliver_limit: int,
    ) -> None:
        self._account, self._destination, self._options = account, destination, options
        self._journal, self._watcher, self._observer_of = destination.journal, watcher, observer_of
        self._run, self._told, self._deliver_limit = run, told, deliver_limit
        self._local, self._history = account.settings.is_local, history_of(destination)
        self._began = time.monotonic()
        self._seconds = 60.0 * options.minutes
        self._seen: dict[str, tuple[int, float]] = {}
        self._items: dict[tuple[str, int], _Item] = {}
        self._left: dict[str, OpenVideo] = {}
        self._left_alone: dict[str, str] = {}
        self._others: dict[str, CollectedVideo] = {}
        self._waiting: list[tuple[float, int, _Item]] = []
        self._ready: list[tuple[tuple[float, ...], int, _Item]] = []
        self._finished: list[_Finished] = []
        self._numbers = itertools.count()
        self._active = 0  # items that something is still to be done for in this run
        self._listing = True
        self._changed = asyncio.Event()  # something is due, finished or over: whoever waits looks again
        self._over = asyncio.Event()
        self._error: Exception | None = None
        self._ahead = timedelta()  # of the store's clock, before this worker's
        self._heard, self._answered, self._rejected = False, False, 0
        self._rejection: AuthenticationFailed | None = None
        self._cancelled: set[threading.Event] = set()

    async def run_it(self) -> CollectReport:
        threads.share_heaps()
        started = self._journal.now()
        if not self._local and self._history.may_load():
            threads.start(threads.RECORDS, load_history, self._destination.store)
        looking, asking = asyncio.create_task(self._look_again_and_again()), asyncio.create_task(self._ask_all())
        delivering = [asyncio.create_task(self._deliver_all()) for _ in range(self._deliver_limit)]
        tasks: list[asyncio.Task[object]] = [looking, asking, *delivering]
        try:
            over = asyncio.create_task(self._over.wait())
            tasks.append(over)
            left = self._seconds - (time.monotonic() - self._began)
            await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            self._end(None)
            looking.cancel()
            await asyncio.wait([looking, asking, *delivering], timeout=_FINISH_SECONDS)
        finally:
            for event in self._cancelled:
                event.set()
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            for item in self._items.values():
                if not item.done:
                    self._watcher.gate.left()
        fault = self._error or next((each for each in ended if isinstance(each, Exception)), None)
        if fault is not None:
            raise fault
        await threads.run(threads.RECORDS, save_history, self._destination.store, self._history)
        return self._report(started)

    def _now(self) -> datetime:
        """Return the time by the store's clock, as the last record showed it."""
        return self._journal.now() + self._ahead

    def _end(self, error: Exception | None) -> None:
        self._error = self._error or error or (None if self._answered else self._rejection)
        self._over.set()
        self._changed.set()

    # Looking: which records are open, and what they are to this collector.

    async def _look_again_and_again(self) -> None:
        is_first = True
        while True:
            self._listing = True
            try:
                await self._look()
                is_first = False
            except Exception as error:
                if is_first:
                    self._end(error)
                    return
                self._say(f"The journal could not be listed again: {words_of(error)}")
            self._listing = False
            self._end_if_done()
            await asyncio.sleep(_LIST_SECONDS)

    async def _look(self) -> None:
        found = await threads.run(threads.RECORDS, lambda: list(self._journal.markers()))
        by_intent: dict[str, list[Marker]] = {}
        for marker in found:
            by_intent.setdefault(marker.intent, []).append(marker)

        def age(markers: list[Marker]) -> float:
            return max(marker.age_seconds or 0.0 for marker in markers)

        unseen = [markers for markers in by_intent.values() if self._is_new(markers)]
        unseen.sort(key=age, reverse=True)
        for at in range(0, len(unseen), _READ_AT_ONCE):
            chunk = unseen[at : at + _READ_AT_ONCE]
            reads = (threads.run(threads.RECORDS, self._journal.look, markers[0].intent) for markers in chunk)
            # Placed together, so that the most urgent one of them is the first to be asked about.
            writes = [self._placed(*each) for each in zip(chunk, await asyncio.gather(*reads), strict=True)]
            await asyncio.gather(*(threads.run(threads.RECORDS, write) for write in writes if write is not None))
            if self._over.is_set():
                return
        if unseen:
            left = Counter(self._left_alone.values())
            words = "".join(f", {count} {why.replace('_', ' ')}" for why, count in sorted(left.items()))
            self._say(f"Open records: {len(by_intent)}. Tasks that are asked about: {self._active}{words}.")

    def _is_new(self, markers: list[Marker]) -> bool:
        opening, again_at = self._seen.get(markers[0].intent, (0, float("inf")))
        return max(marker.opening for marker in markers) > opening or time.monotonic() >= again_at

    def _drop_strays(self, markers: list[Marker], record: Record | None) -> None:
        for marker in markers:
            is_old = marker.age_seconds is not None and marker.age_seconds > _STRAY_SECONDS
            if is_old or (record is not None and self._journal.is_over(record, marker.opening)):
                self._journal.drop_marker(marker.intent, marker.opening)

    def _placed(self, markers: list[Marker], found: Entry | JournalError | None) -> Callable[[], None] | None:
        """Do with a record what its standing says; return what is to be written first, if anything is.

        One that makes no sense, by moments that cannot be for example, costs the others nothing.
        """
        try:
            return self._placed_by_standing(markers, found)
        except Exception as error:
            intent, reason = markers[0].intent, f"Its record makes no sense: {words_of(error)}"
            self._others[intent] = CollectedVideo(intent=intent, became="trouble", reason=reason)
            return None

    def _placed_by_standing(
        self, markers: list[Marker], found: Entry | JournalError | None
    ) -> Callable[[], None] | None:
        intent, opening = markers[0].intent, max(marker.opening for marker in markers)
        # Unless something else is known: a record may follow its marker, and a person may settle it or mend it.
        self._seen[intent] = (opening, time.monotonic() + _LIST_SECONDS)
        self._left.pop(intent, None)
        self._left_alone.pop(intent, None)
        before = self._others.get(intent)
        is_settled = before is not None and before.became in ("unknown", "closed")  # by this very run
        if not is_settled:
            self._others.pop(intent, None)
        if isinstance(found, JournalError):
            self._others[intent] = CollectedVideo(intent=intent, became="trouble", reason=words_of(found))
            return None
        if found is None or (not found.record.is_open and found.record.version <= VERSION):
            return lambda: self._drop_strays(markers, found.record if found else None)
        record = found.record
        if found.read_at is not None:
            self._ahead = datetime.fromtimestamp(found.read_at, UTC) - self._journal.now()
        for_now = standing(record, found.age_seconds, self._account, self._options, self._now())
        # Of what this very run has tried in vain enough is said.
        is_said = is_settled or any((intent, attempt.number) in self._items for attempt in record.unstored())
        match for_now.kind:
            case "ask" | "deliver":
                self._seen[intent] = (opening, float("inf"))
                self._others.pop(intent, None)
                for attempt in for_now.attempts:
                    self._add(record, attempt)
            case "lapsed":
                return lambda: self._settled(self._make_unknown, found)
            case "abandoned":
                return lambda: self._settled(self._close, found)
            case "waiting":
                if not is_said:
                    video = _open_video(found, record.unstored()[0])
                    again = f"{for_now.next_try:%Y-%m-%d %H:%M} UTC" if for_now.next_try else "later"
                    video.reason = f"Its video could not be fetched. The next try is at {again}."
                    self._left[intent] = video
                    on = ways_on(video.scope, intent, self._option, video.attempt)
                    self._others[intent] = _result(video, "open", on)
                if for_now.next_try:
                    in_seconds = (for_now.next_try - self._now()).total_seconds()
                    self._seen[intent] = (opening, time.monotonic() + in_seconds)
            case "newer":
                words = "A newer version of this package wrote its record, which may only be read here."
                self._others[intent] = _result(_open_video(found), "trouble", "Update prefect-seedance.", reason=words)
            case "done":
                pass
            case kind:
                if kind in ("watched", "young"):
                    self._seen[intent] = (opening, time.monotonic() + for_now.watched_seconds)
                elif kind == "other_account":
                    self._seen[intent] = (opening, float("inf"))
                if not is_said:
                    self._left_alone[intent] = kind
                if kind in ("unknown", "watched", "other_host") and (is_settled or not is_said):
                    video = _open_video(found, next(iter(record.unstored()), None))
                    video.is_watched, video.is_foreign = kind == "watched", kind == "other_host"
                    video.state = State.UNKNOWN if kind == "unknown" else video.state
                    self._left[intent] = video
        return None

    def _settled(self, settle: Callable[[Entry], None], entry: Entry) -> None:
        """Write down what no question is needed for. Where that cannot be done, the next run tries again."""
        try:
            settle(entry)
        except (RecordChanged, JournalGone):
            pass  # whoever was faster has told of it
        except Exception as error:
            self._others[entry.record.intent] = _result(_open_video(entry), "trouble", reason=words_of(error))

    def _written(self, entry: Entry, after: Record) -> Record:
        # Over what was read and nothing else: a claim that was renewed meanwhile stands.
        return self._journal.write(entry.record.intent, entry, after, step="outcome").record

    def _close(self, entry: Entry) -> None:
        record = self._written(entry, changes.abandoned(entry.record))
        words = "Nothing was sent, and nobody came back for it within a day. The same request may be run again."
        self._others[record.intent] = _result(_open_video(entry), "closed", reason=words)
        self._observer_of(record).tell(Event("refused", record.intent, facts={"reason": words}))

    def _make_unknown(self, entry: Entry) -> None:
        holder = entry.record.holder
        claimed = entry.record.attempt_by(holder.nonce) if holder else None
        attempt = claimed or entry.record.attempts[-1]
        reason = "its process ended before the answer was written down"
        after = changes.answered(entry.record, attempt.nonce, Unknown(reason), self._now())
        if after.state is State.SENDING:  # its holder is not there, which nobody here writes: it is a person's
            self._left_alone[entry.record.intent] = "unknown"
            return
        record = self._written(entry, after)
        by = f" by run {attempt.run.name or attempt.run.id!r}" if attempt.run.name or attempt.run.id else ""
        video = _open_video(replace(entry, record=record), attempt)
        video.reason = (
            f"It was sent at {attempt.started_at:%Y-%m-%d %H:%M:%S} UTC{by}, or was about to be, and {reason}."
        )
        resolve = how_to_resolve(record.intent, self._option, attempt.name)
        self._others[record.intent] = _result(video, "unknown", resolve)
        self._left[record.intent] = video
        facts = {"attempt": attempt.number, "reason": reason, "model": record.model, "resolve": resolve}
        self._observer_of(record).tell(Event("unknown", record.intent, facts=facts))

    @property
    def _option(self) -> str:
        return self._journal.store_option

    def _add(self, record: Record, attempt: Attempt) -> None:
        key = (record.intent, attempt.number)
        before = self._items.get(key)
        if before is not None and not before.done:
            return
        begun = float(attempt.created_at or attempt.started_at.timestamp())
        item = _Item(
            video=_open_video(Entry(record, "", 0.0), attempt),
            number=attempt.number,
            begun=begun,
            dies_at=link_dies_at(record, attempt),
            due=0.0,
            place=place_in_turn(record.intent, self._now()),
            misses=attempt.misses,
            missed_at=attempt.missed_at,
            cost=attempt.cost,
            polls=before.polls if before else 0,
        )
        age = max(0.0, self._now().timestamp() - begun)
        item.due = time.monotonic() + (0.0 if item.video.is_completed else self._first_wait(item, age))
        self._items[key] = item
        self._active += 1
        self._watcher.gate.joined()
        self._wait_for(item)

    def _first_wait(self, item: _Item, age: float) -> float:
        """Return how long the first question of this run can wait."""
        expected = self._history.expectation(*item.video.clip, local=self._local)
        first = next_gap(0.0, expected, self._local)
        if age < first:
            return first - age
        early = expected.earliest_seconds - age if expected else 0.0
        return min(max(0.0, early), LONGEST_SLEEP_SECONDS)

    # Asking.

    def _wait_for(self, item: _Item) -> None:
        heapq.heappush(self._waiting, (item.due, next(self._numbers), item))
        self._changed.set()

    def _rank(self, item: _Item) -> tuple[float, ...]:
        # What was asked about waits for the others: it is being made, so no link of it is dying yet.
        if timedelta() < item.dies_at - self._now() < DYING:
            return float(item.polls), 0.0, item.dies_at.timestamp()
        return float(item.polls), 1.0, item.place

    async def _ask_all(self) -> None:
        slots = asyncio.Semaphore(_ASKED_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while (item := await self._next_to_ask()) is not None:
                if not self._heard:  # a wrong key is to be one question, not as many as may be under way
                    await self._carefully(item, self._ask(item))
                    continue
                await slots.acquire()
                asked = group.create_task(self._carefully(item, self._ask(item)))
                asked.add_done_callback(lambda _: slots.release())

    async def _next_to_ask(self) -> _Item | None:
        """Return the most urgent item once it is its turn; None when the time is up."""
        while not self._over.is_set():
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                _, number, item = heapq.heappop(self._waiting)
                heapq.heappush(self._ready, (self._rank(item), number, item))
            is_full = len(self._finished) >= _ROUNDS_AHEAD * self._deliver_limit
            if self._ready and not is_full:
                turn = asyncio.create_task(self._watcher.turn(self._began, self._seconds))
                if await self._unless_over(turn):
                    # After a "wrong key" the last of the heap instead: the most urgent may all be of another key.
                    return (self._ready.pop() if self._rejected else heapq.heappop(self._ready))[2]
                return None
            self._changed.clear()
            pause = self._waiting[0][0] - now if self._waiting and not self._ready else None
            await _either(self._changed, pause)
        return None

    async def _unless_over(self, turn: asyncio.Task[bool]) -> bool:
        """Return whether a turn came before the end."""
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait([turn, over], return_when=asyncio.FIRST_COMPLETED)
            return not self._over.is_set() and turn.result()
        finally:
            turn.cancel()
            over.cancel()

    async def _ask(self, item: _Item) -> None:
        """Ask about a task, and do what follows."""
        video, now = item.video, self._now
        item.polls += 1
        gap = polling.LOCAL_POLL_SECONDS if self._local else polling.POLL_SECONDS
        try:
            answer = await self._watcher.ask(video.task_id, self._seconds - (time.monotonic() - self._began))
        except AuthenticationFailed as error:
            self._was_rejected(item, error)
            return
        except SeedanceError as error:
            self._heard = True
            following = polling.after_fault(error, video.task_id, item.tolerated, gap, "")
            if following.tolerated.not_found >= _NOT_FOUND and now().timestamp() - item.begun > _OLD_SECONDS:
                raise
            if isinstance(error, RateLimited):
                self._watcher.gate.limited(following.gap_seconds)
            video.reason = f"The vendor gave no answer: {words_of(error)}"
        else:
            self._heard, self._answered, self._rejected = True, True, 0
            if answer.completed_at:
                item.dies_at = datetime.fromtimestamp(answer.completed_at, UTC) + LINK_LIFE
            record = await self._record_of(item) if answer.state != "running" else None
            if record is not None and is_input(answer.video_url, record.request, record.inputs):
                answer = answer.model_copy(update={"video_url": ""})
            if self._has_lost_link(item, answer):
                raise MediaUnavailable(video.task_id, "the vendor says completed, and has no link any more")
            try:
                following = polling.after_answer(answer, item.tolerated, gap, "")
            except VideoFailed as failed:
                await self._failed(item, failed, record)
                return
            if following.kind == "done" and record is not None:
                self._deliver_soon(item, answer, record)
                return
            item.running = item.running or answer.state == "running"
            video.reason = f"The vendor says {answer.unknown_status or answer.status or 'nothing'}."
        item.tolerated = following.tolerated
        pause = following.gap_seconds
        if item.tolerated == polling.Tolerated():  # it is being made, and that is all
            expected = self._history.expectation(*video.clip, local=self._local)
            pause = next_gap(now().timestamp() - item.begun, expected, self._local)
        item.due = time.monotonic() + self._watcher.gate.gap(pause)
        self._wait_for(item)

    def _has_lost_link(self, item: _Item, answer: VideoTask) -> bool:
        """Return whether a task has lost its link. Before that could be, one that is not there yet is waited for."""
        is_late = self._now() >= item.dies_at
        return answer.state == "completed" and not is_whole_link(answer.video_url) and is_late

    def _was_rejected(self, item: _Item, error: AuthenticationFailed) -> None:
        """Count a key that was not accepted: of one task it says little, of all of them it ends the collection."""
        self._rejected, self._rejection = self._rejected + 1, error
        if self._rejected >= _REJECTED_IN_A_ROW:
            self._end(error)
        item.video.reason = words_of(error)
        self._done(item, "trouble", advice="Check the key; nothing is lost, the next run asks again.")

    async def _record_of(self, item: _Item) -> Record:
        entry = await threads.run(threads.RECORDS, self._journal.read, item.video.intent)
        if entry is None:
            raise JournalGone(
                self._journal.uri_of(item.video.intent), "A record that was there is gone", item.video.intent
            )
        return entry.record

    def _pointer(self, record: Record, item: _Item) -> SubmittedVideo | None:
        """Point to an item's task, from the record alone; None if the record has it no more."""
        attempt = next((each for each in record.attempts if each.task_id == item.video.task_id), None)
        return attempt and point_to(record, attempt, Decision.ATTACH, asked_by=self._run, recorded=True)

    async def _failed(self, item: _Item, failed: VideoFailed, record: Record | None) -> None:
        record = record or await self._record_of(item)
        submitted = self._pointer(record, item)
        if submitted is None:
            raise JournalGone(self._journal.uri_of(record.intent), "The record has lost its task", record.intent)
        arguments = (failed, submitted, self._destination, self._observer_of(record))
        entry = await threads.run(threads.RECORDS, write_failed, *arguments)
        item.video.reason = words_of(failed)
        self._done(item, "failed", by_another=not entry.wrote)

    def _done(self, item: _Item, became: Collected, *, advice: str = "", by_another: bool = False) -> None:
        """Take an item out of this run. What is left open is told how it can be taken up."""
        if item.done:
            return
        item.done, item.became, item.by_another = True, became, by_another
        video = item.video
        item.advice = advice
        if became == "trouble":
            item.advice = advice or ways_on(video.scope, video.intent, self._option, video.attempt)
            # Where this run goes on for long, it is the next run as well.
            opening, _ = self._seen[video.intent]
            self._seen[video.intent] = (opening, time.monotonic() + _LIST_SECONDS)
        self._watcher.gate.left()
        self._active -= 1
        self._changed.set()
        self._end_if_done()

    def _end_if_done(self) -> None:
        if not self._active and not self._listing:
            self._end(None)

    async def _carefully(self, item: _Item, work: Coroutine[None, None, None]) -> None:
        """Do something for an item. Whatever is raised becomes its reason, and the others go on."""
        try:
            await work
        except Exception as error:
            item.video.reason = _reason_of(error)
            try:
                if not await self._is_given_up(item, error):
                    self._done(item, "trouble")
            except Exception as second:  # the store does not answer: nothing is remembered, and the next run tries
                item.video.reason = f"{item.video.reason} {words_of(second)}"
                self._done(item, "trouble")

    async def _is_given_up(self, item: _Item, error: Exception) -> bool:
        """Remember that a video could not be got: it is tried hourly, then daily. Return whether it is given up."""
        cause = error.__cause__ if isinstance(error, VideoNotStored | WaitStopped) else error
        now = self._now()
        # Before its time a host or a link may be away for a moment: the next run tries again.
        may_be_dead = LinkExpired if now < item.dies_at else LinkExpired | MediaUnavailable | SourceUnavailable
        is_dead = isinstance(cause, may_be_dead)
        if is_dead and is_given_up(item.dies_at, item.missed_at, now):
            died = f"its link died at about {item.dies_at:%Y-%m-%d %H:%M} UTC"
            words = f"{died}, and each one that the vendor gave since then was dead"
            await self._failed(item, VideoFailed(item.video.task_id, words, "expired"), None)
            item.advice = how_to_bring_in(item.video.intent, self._option, item.video.attempt)
            return True
        if is_dead or isinstance(cause, TaskNotFound):  # never a verdict by itself
            arguments = (item.video.intent, item.video.task_id, item.misses + 1, now)
            entry = await threads.run(threads.RECORDS, self._journal.record_missed, *arguments)
            attempt = entry.record.attempt_named(item.video.attempt)
            if attempt is not None and (again := next_try_of(attempt)):
                item.video.reason = f"{item.video.reason} The next try is at {again:%Y-%m-%d %H:%M} UTC."
        elif isinstance(error, VideoNotStored):  # the next run need not wait until this one could be dead
            await threads.run(threads.RECORDS, self._journal.record_let_go, item.video.intent, item.video.task_id)
        return False

    # Delivering.

    def _deliver_soon(self, item: _Item, task: VideoTask, record: Record) -> None:
        item.video.reason = "Completed, but not fetched yet."
        heapq.heappush(self._finished, _Finished(item.dies_at, next(self._numbers), item, task, record))
        self._changed.set()

    async def _deliver_all(self) -> None:
        while not self._over.is_set():
            if not self._finished:
                self._changed.clear()
                await _either(self._changed, None)
                continue
            finished = heapq.heappop(self._finished)
            self._changed.set()
            await self._carefully(finished.item, self._deliver(finished))

    async def _deliver(self, finished: _Finished) -> None:
        item, task, record = finished.item, finished.task, finished.record
        submitted = self._pointer(record, item)
        if submitted is None:
            raise JournalGone(self._journal.uri_of(record.intent), "The record has lost its task", record.intent)
        told: list[str] = []
        observer = _hearing(self._observer_of(record), told)
        watched = self._watched(item, task)
        await threads.run(threads.RECORDS, write_completed, watched, submitted, self._destination, observer)
        cancelled = threading.Event()
        self._cancelled.add(cancelled)
        try:
            stored = await threads.run(
                threads.RELAYS,
                deliver,
                task,
                submitted,
                self._account,
                self._destination,
                run=self._run,
                observer=observer,
                cancelled=cancelled,
                own_task=True,
                limits=_LIMITS,
            )
        except RelayCancelled:
            item.video.reason = "It was being fetched when the time was up."
            return
        except VideoFailed as failed:
            item.video.reason = words_of(failed)
            self._done(item, "failed", by_another=True)
            return
        finally:
            cancelled.set()
            self._cancelled.discard(cancelled)
        item.uri, item.cost, item.video.reason = stored.uri, stored.cost, ""
        self._done(item, "stored", by_another="stored" not in told)

    def _watched(self, item: _Item, task: VideoTask) -> Watched:
        made, late = made_and_late(task, running_seconds=0.0, seen_seconds=None, now=time.time())
        if made is not None and not self._local:
            self._history.note(*item.video.clip, made, local=False)
        if item.running and task.completed_at:  # it was seen to be made, so how late it is seen is ours
            late = max(0.0, time.time() - task.completed_at)
        return Watched(task, item.polls, made, late)

    # The end.

    def _say(self, line: str) -> None:
        aside(self._told, line)

    def _report(self, started: datetime) -> CollectReport:
        items = self._items.values()
        videos = [*self._others.values(), *(item.result() for item in items)]
        left = [item.video for item in items if item.became not in ("stored", "failed")]

        def usual_seconds(video: OpenVideo) -> float | None:
            return self._history.expected_seconds(*video.clip, local=self._local)

        orphans = orphans_of(
            [*left, *self._left.values()],
            self._now(),
            usual_seconds=usual_seconds,
            store_option=self._option,
        )
        counts = Counter(video.became for video in videos)
        words = ", ".join(f"{count} {became}" for became, count in sorted(counts.items())) or "nothing was open"
        self._say(f"The collection is over: {words}.")
        return CollectReport(
            account=self._account.label,
            started_at=started,
            ended_at=self._journal.now(),
            videos=videos,
            left_alone=dict(Counter(self._left_alone.values())),
            orphans=orphans,
            polls=sum(item.polls for item in items),
        )


def _open_video(entry: Entry, attempt: Attempt | None = None) -> OpenVideo:
    """Return what is needed later of a record."""
    record = entry.record
    unsettled = next(reversed(record.unsettled()), None)
    about = attempt or unsettled or record.current_attempt
    task_id = about.task_id if about else ""
    return OpenVideo(
        intent=record.intent,
        name=record.delivery.name,
        model=record.model,
        clip=clip_of(record),
        scope=record.scope,
        state=entry.state,
        attempt=about.name if about else "",
        task_id=task_id,
        since=about.started_at if about else None,
        link_dies_at=link_dies_at(record, about) if about and task_id else None,
        is_completed=bool(about and (about.completed_at or record.state is State.COMPLETED)),
    )


def _result(video: OpenVideo, became: Collected, advice: str = "", *, reason: str = "") -> CollectedVideo:
    return CollectedVideo(
        intent=video.intent,
        name=video.name,
        became=became,
        reason=reason or video.reason,
        advice=advice,
        task_id=video.task_id,
        model=video.model,
        link_dies_at=video.link_dies_at,
    )


def _hearing(observer: Observer, told: list[str]) -> Observer:
    """Return an observer that notes the kind of each event before it tells of it."""

    def emit(event: Event) -> None:
        told.append(event.kind)
        observer.emit(event)

    return replace(observer, emit=emit)


def _reason_of(error: Exception) -> str:
    """Return in words what stood in the way, without how to go on: that is said beside it."""
    if isinstance(error, WaitStopped):
        return str(error.cause)
    return error.reason if isinstance(error, VideoNotStored | MediaUnavailable) else words_of(error)


async def _either(changed: asyncio.Event, seconds: float | None) -> None:
    """Wait for a change, or until some seconds have passed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
