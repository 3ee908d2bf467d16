"""The journal: one record per intent in a store, and an ``open/`` marker for each that is not done.

    journal/store.json              which store this is
    journal/records/<intent>.json   the records; never deleted
    journal/open/<intent>.<n>       a marker, written before the record becomes open for the n-th time,
                                    deleted once it is done
    journal/damaged/<intent>.<hash>  the bytes of a record that could not be read, kept for a person
    journal/tasks/<hash>.json       a task id that a person gives to an intent, so that no other gets it

Markers make listing what is open cost what is open. The number in their names keeps the one who closes a
record from deleting the marker of one who opens it again at that moment; a marker that is left over is
harmless.

Every write is a compare-and-swap, which keeps processes apart. The threads of one process are kept apart by a lock for
each record as well, so that one process is safe also where the store has no conditions to rely on
(``single_writer``).

What it does not do: it decides nothing about money (`decision`, `submission`), and it does not protect several
processes against a store that ignores conditions (probed by the store).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from prefect_seedance.asides import AsideLog, words_of
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.failpoints import reached
from prefect_seedance.journal import changes
from prefect_seedance.journal.codec import decode, encode
from prefect_seedance.journal.confirmed_store import ConfirmedStore, Patience
from prefect_seedance.journal.errors import (
    JournalError,
    JournalGone,
    JournalUnavailable,
    RecordChanged,
    RecordDamaged,
    RecordTooNew,
    TaskNotRecorded,
)
from prefect_seedance.journal.identity import Identity
from prefect_seedance.journal.record import VERSION, Attempt, Delivery, Entry, Record, Stored
from prefect_seedance.journal.states import STATES, check_transition
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch
from prefect_seedance.storage.errors import NotReadable, StorageError
from prefect_seedance.storage.key_locks import KeyLocks
from prefect_seedance.storage.parallel import in_order
from prefect_seedance.storage.protocol import ListsByAge, Store
from prefect_seedance.versions import version_of

_log = AsideLog(__name__)

T = TypeVar("T")

#: Races lost in a row before it is called an outage.
_RACES = 100
#: For a task id: the POST is paid for, so there is nothing better to do than to go on trying.
LONG_PATIENCE = Patience(300.0, stubborn=True)
#: How long this process goes by what it wrote or read last, when it goes on with a record.
_RECENT_SECONDS = 30.0
_RECENT_ENTRIES = 4096
_ANSWERS_REMEMBERED = 65_536
#: A record that another thread is working on is waited for at least so long.
_SHORTEST_TURN_SECONDS = 1.0
#: So many records in a row that may not be read, and none that may: it is not the records.
_DENIED = 20
#: Whoever finds a marker without an open record leaves it alone for a day, since its writer may still come. One that
#: took longer than this between marker and record writes the marker once more.
_MARKER_SECONDS = 3600.0
#: By address, so that all journals of one place share them.
_RECORDS = KeyLocks()


def is_intent(text: str) -> bool:
    """Return whether a text is written as an intent is: 32 hex digits in small letters."""
    return re.fullmatch("[0-9a-f]{32}", text) is not None


class Marker(NamedTuple):
    """What says that a record is open, or may become so at any moment.

    Attributes:
        intent: Whose.
        opening: How often the record had become open by then.
        age_seconds: By the store's clock; None where the store cannot tell.
    """

    intent: str
    opening: int
    age_seconds: float | None


class Journal:
    """The records of one store. Threads share it.

    Args:
        store: Where they lie.
        prefix: Folder of the journal inside the store.
        store_option: What ``--store`` of the command line takes for the store; "" if its location will do.
        sleep: Called between tries of the store.
        now: The worker's clock, for times that people read.
        at: Called with the name of each point at which a process may die (see `failpoints.JOURNAL_POINTS`).
        patience: How long the store is tried, unless said otherwise.
        locks: One for each record, shared by all journals of this process.
        start_stopwatch: Measures how long a write takes, also while the machine sleeps.
    """

    def __init__(
        self,
        store: Store,
        *,
        prefix: str = "journal/",
        store_option: str = "",
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        at: Callable[[str], None] = reached,
        patience: Patience | None = None,
        locks: KeyLocks = _RECORDS,
        start_stopwatch: Callable[[], Stopwatch] = start_stopwatch,
    ) -> None:
        self.prefix = prefix
        self.sleep, self.now, self.at = sleep, now, at
        self.patience = patience or Patience()
        self._store = store
        self._store_option = store_option
        self.confirmed = ConfirmedStore(store, sleep, self.store_option)
        self._locks = locks
        self._start_stopwatch = start_stopwatch
        self._recent: dict[str, tuple[Entry, float]] = {}
        self._answered: dict[str, str] = {}
        self._not_relayed: set[str] = set()

    @property
    def location(self) -> str:
        """The store's location as a user writes it: a folder, or ``s3://bucket/prefix``."""
        uri = self._store.uri_of("x").removesuffix("/x")
        return unquote(urlsplit(uri).path) if uri.startswith("file://") else uri

    @property
    def store_option(self) -> str:
        """What ``--store`` of the command line takes for the store."""
        return self._store_option or self.location

    def record_key(self, intent: str) -> str:
        """Return the key of an intent's record."""
        return f"{self.prefix}records/{intent}.json"

    def marker_key(self, intent: str, opening: int) -> str:
        """Return the key of the marker of a record that was opened for the n-th time."""
        return f"{self.prefix}open/{intent}.{opening}"

    def uri_of(self, intent: str) -> str:
        """Return the full address of an intent's record."""
        return self.confirmed.store.uri_of(self.record_key(intent))

    # Reading.

    def read(self, intent: str, patience: Patience | None = None) -> Entry | None:
        """Read a record; None if there certainly is none.

        Raises:
            JournalUnavailable: The store does not answer, or denies the access.
            RecordDamaged, RecordTooNew: The record is there and cannot be read.
        """
        self._recent.pop(intent, None)
        entry = self._read(intent, patience or self.patience)
        return None if entry is None else self._remember(entry)

    def _read(self, intent: str, patience: Patience) -> Entry | None:
        key = self.record_key(intent)
        blob = self.confirmed.get(key, patience, intent)
        if blob is None:
            return None
        record = decode(blob.data, self.confirmed.store.uri_of(key), intent, self.store_option)
        return Entry(record, blob.etag, blob.age_seconds, blob.read_at)

    def recent(self, intent: str) -> Entry | None:
        """Return the record as this process wrote or read it within the last half minute, else None.

        Good enough to go on from: every write is a compare-and-swap, so that one which is based on an old reading is
        refused, and the record is then read. It is never what a submission is decided upon.
        """
        entry, at = self._recent.get(intent, (None, 0.0))
        passed = time.monotonic() - at
        if entry is None or passed > _RECENT_SECONDS:
            return None
        return Entry(entry.record, entry.etag, entry.age_seconds + passed)

    def records(self, *, within_seconds: float | None = None, newest_first: bool = False) -> Iterator[Entry]:
        """Read every record, several at once, by intent. One that cannot be read is logged and left out.

        Args:
            within_seconds: Leave out those that were written longer ago than this; None for none.
            newest_first: Begin with the one that was written last, where the store can tell from a listing: the names
                of all are in memory then, and only those records are read that are taken.

        Raises:
            JournalUnavailable: The store does not answer, or lets no record be read.
        """
        intents = self._newest_first(within_seconds) if newest_first else self.intents(within_seconds=within_seconds)
        return self._readable(in_order(intents, self.look))

    def open_records(self, *, newest_first: bool = False) -> Iterator[Entry]:
        """Read the records that are not done, at the cost of reading just these.

        Args:
            newest_first: Begin with the one that was opened last, where the store can tell from a listing.
        """
        openings = self._openings_newest_first() if newest_first else self._openings()
        return self._readable(in_order(openings, lambda opened: self._look_at_open(*opened)))

    def intents(self, *, within_seconds: float | None = None, beginning: str = "") -> Iterator[str]:
        """List the intents that have a record, without reading it.

        Args:
            beginning: Only those that begin with this, at the cost of listing these.
            within_seconds: Leave out those that were written longer ago than this, where the store can tell; None for
                none.
        """
        for key in self._keys(f"{self.prefix}records/{beginning}", within_seconds):
            yield Path(key).stem

    def _newest_first(self, within_seconds: float | None) -> Iterator[str]:
        ages = self._ages(f"{self.prefix}records/")
        found = ((math.inf if age is None else age, Path(key).stem) for key, age in ages)
        limit = math.inf if within_seconds is None else within_seconds
        for _, intent in sorted(each for each in found if each[0] <= limit or each[0] == math.inf):
            yield intent

    def open_intents(self) -> Iterator[str]:
        """List the intents that have a marker, without reading a record. One may be done, or have no record yet."""
        return (intent for intent, _ in self._openings())

    def _openings(self) -> Iterator[tuple[str, list[str]]]:
        """List the intents that have markers, with the numbers of these."""
        names = (key.rpartition("/")[2].partition(".") for key in self._keys(f"{self.prefix}open/"))
        for intent, group in groupby(names, key=lambda name: name[0]):
            yield intent, [opening for _, _, opening in group]

    def _openings_newest_first(self) -> Iterator[tuple[str, list[str]]]:
        found: dict[str, tuple[float, list[str]]] = {}
        for marker in self.markers():
            age = math.inf if marker.age_seconds is None else marker.age_seconds
            youngest, openings = found.get(marker.intent, (math.inf, []))
            found[marker.intent] = (min(youngest, age), [*openings, str(marker.opening)])
        for intent, (_, openings) in sorted(found.items(), key=lambda each: (each[1][0], each[0])):
            yield intent, openings

    def _look_at_open(self, intent: str, openings: list[str]) -> Entry | JournalError | None:
        found = self.look(intent)
        if not isinstance(found, Entry) or found.record.is_open:
            return found
        for opening in openings:
            if opening.isdecimal() and self.is_over(found.record, int(opening)):
                self.drop_marker(intent, int(opening))
        return None

    @staticmethod
    def is_over(record: Record, opening: int) -> bool:
        """Return whether the marker of an opening is left over: its writer has come, and the record has been closed."""
        # What a newer version takes for open is not known here.
        return record.version <= VERSION and not record.is_open and opening <= record.opening

    def markers(self) -> Iterator[Marker]:
        """List the markers, by intent. One may be of a record that is done, or that is not there yet.

        Raises:
            JournalUnavailable: The store does not answer.
        """
        for key, age in self._ages(f"{self.prefix}open/"):
            intent, _, opening = key.rpartition("/")[2].partition(".")
            if is_intent(intent) and opening.isdecimal():
                yield Marker(intent, int(opening), age)

    def drop_marker(self, intent: str, opening: int) -> None:
        """Delete a marker; if that fails it stays, which is harmless."""
        try:
            self.confirmed.store.delete(self.marker_key(intent, opening))
        except Exception as error:  # whatever it is: the record is written, and that is what counts
            _log.info("The marker of intent %s stays behind, which is harmless: %s", intent, error)

    def first_answered(self, task_id: str, intent: str) -> str:
        """Return the intent whose create was the first of this process to be answered with a task id: this one, or not.

        Two creates are never answered with the same task; a cache on the way may answer one with the other's.
        """
        if len(self._answered) >= _ANSWERS_REMEMBERED:
            self._answered.clear()
            self._not_relayed.clear()
        first = self._answered.setdefault(task_id, intent)
        if first == intent:
            self._not_relayed.add(task_id)
        return first

    def is_first_relay(self, task_id: str) -> bool:
        """Return whether this process has submitted a task itself, and asks this for the first time.

        Then there is nothing of its video in the store, unless another process is at it as well.
        """
        try:
            self._not_relayed.remove(task_id)  # one step: of two threads one is the first
        except KeyError:
            return False
        return True

    def _remember(self, entry: Entry) -> Entry:
        if len(self._recent) >= _RECENT_ENTRIES:
            self._recent.clear()
        now = time.monotonic()
        self._recent.pop(entry.record.intent, None)  # the oldest stand first
        self._recent[entry.record.intent] = (entry, now)
        # A batch of thousands would carry the records of all videos that it has stored.
        with suppress(LookupError, RuntimeError, StopIteration):  # other threads are at it as well
            while now - self._recent[oldest := next(iter(self._recent))][1] > _RECENT_SECONDS:
                del self._recent[oldest]
        return entry

    def _keys(self, prefix: str, within_seconds: float | None = None) -> Iterator[str]:
        store = self.confirmed.store
        if within_seconds is not None and isinstance(store, ListsByAge):
            return self._listed(prefix, lambda: store.list_written(prefix, within_seconds=within_seconds))
        return self._listed(prefix, lambda: store.list_keys(prefix))

    def _ages(self, prefix: str) -> Iterator[tuple[str, float | None]]:
        store = self.confirmed.store
        if isinstance(store, ListsByAge):
            return self._listed(prefix, lambda: store.list_ages(prefix))
        return self._listed(prefix, lambda: ((key, None) for key in store.list_keys(prefix)))

    def _listed(self, prefix: str, entries: Callable[[], Iterator[T]]) -> Iterator[T]:
        store = self.confirmed.store
        try:
            yield from entries()
        except (StorageError, OSError) as error:
            raise JournalUnavailable(store.uri_of(f"{prefix}x").removesuffix("/x"), words_of(error)) from error

    def look(self, intent: str) -> Entry | JournalError | None:
        """Read one record among many, without keeping it in mind.

        Returns:
            The record; None if there is none; the error if it is the record that cannot be read, not the store.

        Raises:
            JournalUnavailable: The store does not answer.
        """
        try:
            return self._read(intent, self.patience)
        except (RecordDamaged, RecordTooNew) as error:
            return error
        except JournalUnavailable as error:
            if isinstance(error.__cause__, NotReadable):
                return error
            raise

    @staticmethod
    def _readable(looks: Generator[Entry | JournalError | None, None, None]) -> Iterator[Entry]:
        denied, read = 0, 0
        with closing(looks) as found:
            for each in found:
                if isinstance(each, Entry):
                    read += 1
                    yield each
                elif each is not None:
                    _log.warning("%s", each)
                    denied += isinstance(each, JournalUnavailable)
                    if not read and denied >= _DENIED:
                        raise each

    # Writing.

    @contextmanager
    def alone(self, intent: str, timeout_seconds: float) -> Generator[bool, None, None]:
        """Keep the other threads of this process from writing a record for the length of a ``with`` block.

        Args:
            intent: Whose record.
            timeout_seconds: How long to wait for another thread.

        Yields:
            Whether they are kept from it: not, if another thread was working on the record all the time.
        """
        with self._locks.held(self.uri_of(intent), timeout_seconds=timeout_seconds) as got:
            yield got

    @contextmanager
    def _turn(self, intent: str, patience: Patience) -> Generator[None, None, None]:
        seconds = max(patience.seconds, _SHORTEST_TURN_SECONDS)
        with self.alone(intent, seconds) as got:
            if not got:
                detail = f"another thread of this process has been writing it for {seconds:g} s."
                raise JournalUnavailable(self.uri_of(intent), detail, intent)
            yield

    def write(
        self, intent: str, before: Entry | None, after: Record, *, step: str, patience: Patience | None = None
    ) -> Entry:
        """Write a record over the one that was read (``before``), or as the first of its intent.

        Args:
            intent: Whose record.
            before: As read; None for a new record.
            after: What is to stand there; nonce, rev and times are set here.
            step: Prefix of the named points, one of `failpoints.STEPS`.
            patience: How long to try.

        Raises:
            RecordChanged: Another run wrote first; nothing of ours is there.
            RecordTooNew: The record is read-only for this version.
            JournalGone: The record was deleted.
            JournalUnavailable: The store could not be written.
            IllegalTransition: The states may not follow each other.
        """
        patience = patience or self.patience
        with self._turn(intent, patience):
            return self._write(intent, before, after, step, patience)

    def _write(self, intent: str, before: Entry | None, after: Record, step: str, patience: Patience) -> Entry:
        previous = before.record if before else None
        if previous is not None and previous.version > VERSION:
            raise RecordTooNew(self.uri_of(intent), previous.version, VERSION, intent)
        check_transition(intent, previous.state if previous else None, after.state)
        was_open, opens = previous is not None and previous.is_open, after.is_open
        # An earlier version of this package deletes the marker of a stored record, whatever else was paid for.
        marks = opens and (not was_open or not STATES[after.state].is_open)
        opening = (previous.opening if previous else 0) + (opens and not was_open)
        stamped = after.model_copy(
            update={
                "nonce": uuid4().hex,
                "rev": (previous.rev if previous else 0) + 1,
                "opening": opening,
                "updated_at": self.now(),
                "package_version": version_of(),
            }
        )
        data = encode(stamped)
        self._recent.pop(intent, None)
        since_marked = self._start_stopwatch()
        if marks:
            self.at(f"{step}.marker.before")
            self._mark(intent, opening, patience)
            self.at(f"{step}.marker.after")
        self.at(f"{step}.record.before")
        etag = before.etag if before else None
        etag = self.confirmed.put(self.record_key(intent), data, etag=etag, patience=patience, intent=intent)
        self.at(f"{step}.record.after")
        if was_open and not opens:
            self.at(f"{step}.marker.before")
            self.drop_marker(intent, opening)
            self.at(f"{step}.marker.after")
        elif marks and since_marked() > _MARKER_SECONDS:
            self._mark(intent, opening, patience)
        came_from = previous.state if previous else None
        return replace(self._remember(Entry(stamped, etag, 0.0)), wrote=True, came_from=came_from)

    def _mark(self, intent: str, opening: int, patience: Patience) -> None:
        self.confirmed.put_once(self.marker_key(intent, opening), intent.encode(), patience, intent)

    def update(
        self,
        intent: str,
        change: changes.Change,
        *,
        step: str,
        patience: Patience | None = None,
        first: Record | None = None,
    ) -> Entry:
        """Read, change and write a record, again and again until no other writer interferes.

        Args:
            intent: Whose record.
            change: Returns the record as it shall be; the same one if there is nothing to do. Applied anew to
                what others have written meanwhile, so it must be one of those that bear it: see `changes`.
            step: Prefix of the named points, one of `failpoints.STEPS`.
            patience: How long to try.
            first: What to apply the change to if there is no record.

        Returns:
            The record, and whether this call has written it (`Entry.wrote`).

        Raises:
            JournalGone: There is no record, and no ``first``.
            JournalError: See `write`.
        """
        with self._turn(intent, patience or self.patience):
            return self._update(intent, change, step, patience, first)

    def _update(
        self, intent: str, change: changes.Change, step: str, patience: Patience | None, first: Record | None
    ) -> Entry:
        recent = self.recent(intent)
        for _ in range(_RACES):
            # A recent reading is only what a write may be based upon: that nothing is to be done is seen anew.
            before = recent or self.read(intent, patience)
            was_recent, recent = recent is not None, None
            if before is None and first is None:
                raise JournalGone(self.uri_of(intent), "There is no record", intent, self.store_option)
            record = before.record if before else first
            assert record is not None
            after = change(record)
            if before is not None and after == record:
                if was_recent:
                    continue
                return before
            try:
                return self.write(intent, before, after, step=step, patience=patience)
            except RecordChanged:
                if not was_recent:
                    self.sleep(0.05)
            except (JournalGone, RecordTooNew):
                if not was_recent:
                    raise
        raise JournalUnavailable(self.uri_of(intent), f"{_RACES} writes in a row lost a race.", intent)

    def record_accepted(
        self,
        intent: str,
        nonce: str,
        answer: Accepted,
        *,
        watch_seconds: float = 0.0,
        patience: Patience | None = None,
        identity: Identity | None = None,
        delivery: Delivery | None = None,
        lost: Attempt | None = None,
    ) -> Entry:
        """Bring a task id into the record, whatever its state. See `changes.accepted`.

        Args:
            intent: Whose record.
            nonce: Of the attempt that was answered.
            answer: What the vendor said.
            watch_seconds: How long the caller is going to watch the task.
            patience: How long to try; be stubborn.
            identity: Makes a record if there is none, for a task id that is known from elsewhere.
            delivery: Of that record.
            lost: What is known of the attempt from elsewhere, should the record not have it.

        Raises:
            TaskNotRecorded: The store stays down; carries the task id.
        """
        first = changes.new_record(identity, self.now(), delivery) if identity else None

        def change(record: Record) -> Record:
            return changes.accepted(record, nonce, answer, self.now(), watch_seconds=watch_seconds, lost=lost)

        return self._keeping(intent, answer.task_id, change, "accepted", patience, first)

    def record_completed(self, intent: str, task: VideoTask, patience: Patience | None = None) -> Entry:
        """Write down that the vendor has the video."""

        def change(record: Record) -> Record:
            return changes.completed(record, task)

        return self.update(intent, change, step="completed", patience=patience)

    def record_failed(self, intent: str, task_id: str, failure: str, message: str) -> Entry:
        """Write down the vendor's verdict on a task."""
        return self.update(intent, lambda record: changes.failed(record, task_id, failure, message), step="failed")

    def record_stored(self, intent: str, task_id: str, facts: Stored, completed: VideoTask | None = None) -> Entry:
        """Write down where the video lies.

        Args:
            intent: Whose record.
            task_id: Whose video.
            facts: Where it lies.
            completed: What the vendor said of its completion, if that is not written down yet.
        """

        def change(record: Record) -> Record:
            made = changes.completed(record, completed) if completed else record
            after = changes.stored(made, task_id, facts)
            return record if after is made else after

        return self.update(intent, change, step="stored")

    def record_described(self, intent: str, task_id: str, facts: Stored) -> Entry:
        """Add what was learned of a stored video afterwards."""
        return self.update(intent, lambda record: changes.described(record, task_id, facts), step="described")

    def record_missed(self, intent: str, task_id: str, misses: int, now: datetime) -> Entry:
        """Write down that a collector has tried in vain to get the video of a task, for the ``misses``-th time."""
        return self.update(intent, lambda record: changes.missed(record, task_id, misses, now), step="evidence")

    def record_let_go(self, intent: str, task_id: str) -> Entry:
        """Write down that nobody is at the video of a task any more."""
        return self.update(intent, lambda record: changes.let_go(record, task_id), step="evidence")

    def relay_again(self, intent: str) -> Entry:
        """Take back ``stored``: the object is gone from the store, and the task is still there to be relayed."""
        return self.update(intent, changes.relay_again, step="relay_again")

    def _keeping(
        self,
        intent: str,
        task_id: str,
        change: changes.Change,
        step: str,
        patience: Patience | None,
        first: Record | None,
    ) -> Entry:
        try:
            return self.update(intent, change, step=step, patience=patience or LONG_PATIENCE, first=first)
        except Exception as error:  # whatever it is: the task id must not go down with it
            raise TaskNotRecorded(intent, task_id, str(error), self.store_option) from error
