"""The journal: one record per intent in a store, and an ``open/`` marker for each that is not done.

    journal/store.json              which store this is
    journal/records/<intent>.json   the records; never deleted
    journal/open/<intent>.<n>       a marker, written before the record becomes open for the n-th time,
                                    deleted once it is done
    journal/tasks/<hash>.json       a task id that a person gives to an intent, so that no other gets it

Markers make listing what is open cost what is open. The number in their names keeps the one who closes a
record from deleting the marker of one who opens it again at that moment; a marker that is left over is
harmless.

What it does not do: it does not lock (every write is a compare-and-swap), it decides nothing about money
(`decision`, `submission`), and it does not protect against a store that ignores conditions (probed by the
block).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import sleep as real_sleep
from uuid import uuid4

from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.journal import changes
from prefect_seedance.journal.careful import Patience
from prefect_seedance.journal.codec import encode, package_version
from prefect_seedance.journal.errors import (
    JournalGone,
    JournalUnavailable,
    RecordChanged,
    RecordTooNew,
    TaskNotRecorded,
)
from prefect_seedance.journal.identity import Identity
from prefect_seedance.journal.reading import Entry, JournalReader
from prefect_seedance.journal.record import VERSION, Record, Stored
from prefect_seedance.journal.states import STATES, check_transition
from prefect_seedance.points import reached
from prefect_seedance.storage.protocol import Store

#: Races lost in a row before it is called an outage.
_RACES = 100
#: For a task id: the POST is paid for, so there is nothing better to do than to go on trying.
LONG_PATIENCE = Patience(300.0, stubborn=True)


class Journal(JournalReader):
    """The records of one store.

    Args:
        store: Where they lie.
        prefix: Folder of the journal inside the store.
        store_option: What ``--store`` of the command line takes for the store; "" if its location will do.
        sleep: Called between tries of the store.
        now: The worker's clock, for times that people read.
        at: Called with the name of each point at which a process may die (see `points.POINTS`).
        patience: How long the store is tried, unless said otherwise.
    """

    def __init__(
        self,
        store: Store,
        *,
        prefix: str = "journal/",
        store_option: str = "",
        sleep: Callable[[float], None] = real_sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        at: Callable[[str], None] = reached,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(store, prefix=prefix, store_option=store_option, sleep=sleep, patience=patience)
        self.now, self.at = now, at

    # Writing.

    def write(
        self, intent: str, before: Entry | None, after: Record, *, step: str, patience: Patience | None = None
    ) -> Entry:
        """Write a record over the one that was read (``before``), or as the first of its intent.

        Args:
            intent: Whose record.
            before: As read; None for a new record.
            after: What is to stand there; nonce, rev and times are set here.
            step: Prefix of the named points, one of `points.STEPS`.
            patience: How long to try.

        Raises:
            RecordChanged: Somebody else wrote first; nothing of ours is there.
            RecordTooNew: The record is read-only for this version.
            JournalGone: The record was deleted.
            JournalUnavailable: The store could not be written.
            IllegalTransition: The states may not follow each other.
        """
        patience = patience or self.patience
        previous = before.record if before else None
        if previous is not None and previous.version > VERSION:
            raise RecordTooNew(self.uri_of(intent), previous.version, VERSION, intent)
        check_transition(intent, previous.state if previous else None, after.state)
        was_open, opens = previous is not None and previous.is_open, STATES[after.state].is_open
        opening = (previous.opening if previous else 0) + (opens and not was_open)
        stamped = after.model_copy(
            update={
                "nonce": uuid4().hex,
                "rev": (previous.rev if previous else 0) + 1,
                "opening": opening,
                "updated_at": self.now(),
                "package_version": package_version(),
            }
        )
        data = encode(stamped)
        if opens and not was_open:
            self.at(f"{step}.marker.before")
            self.careful.put_once(self.marker_key(intent, opening), intent.encode(), patience, intent)
            self.at(f"{step}.marker.after")
        self.at(f"{step}.record.before")
        etag = before.etag if before else None
        etag = self.careful.put(self.record_key(intent), data, etag=etag, patience=patience, intent=intent)
        self.at(f"{step}.record.after")
        if was_open and not opens:
            self.at(f"{step}.marker.before")
            self.drop_marker(intent, opening)
            self.at(f"{step}.marker.after")
        return Entry(stamped, etag, 0.0)

    def update(
        self,
        intent: str,
        change: changes.Change,
        *,
        step: str,
        patience: Patience | None = None,
        first: Record | None = None,
    ) -> Entry:
        """Read, change and write a record, again and again until nobody interferes.

        Args:
            intent: Whose record.
            change: Gives the record as it shall be; the same one if there is nothing to do. Applied anew to
                what others have written meanwhile, so it must be one of those that bear it: see `changes`.
            step: Prefix of the named points, one of `points.STEPS`.
            patience: How long to try.
            first: What to apply the change to if there is no record.

        Raises:
            JournalGone: There is no record, and no ``first``.
            JournalError: See `write`.
        """
        for _ in range(_RACES):
            before = self.read(intent, patience)
            if before is None and first is None:
                raise JournalGone(self.uri_of(intent), "There is no record", intent)
            record = before.record if before else first
            assert record is not None
            after = change(record)
            if before is not None and after == record:
                return before
            try:
                return self.write(intent, before, after, step=step, patience=patience)
            except RecordChanged:
                self.sleep(0.05)
        raise JournalUnavailable(self.uri_of(intent), f"{_RACES} writes in a row lost a race.", intent)

    def record_accepted(
        self,
        intent: str,
        nonce: str,
        answer: Accepted,
        *,
        key: str = "",
        patience: Patience | None = None,
        identity: Identity | None = None,
    ) -> Entry:
        """Bring a task id into the record, whatever its state. See `changes.accepted`.

        Args:
            intent: Whose record.
            nonce: Of the attempt that was answered.
            answer: What the vendor said.
            key: Object key for the video.
            patience: How long to try; be stubborn.
            identity: Makes a record if there is none, for a task id that is known from elsewhere.

        Raises:
            TaskNotRecorded: The store stays down; carries the task id.
        """
        first = changes.new_record(identity, self.now()) if identity else None

        def change(record: Record) -> Record:
            return changes.accepted(record, nonce, answer, self.now(), key=key)

        return self._keeping(intent, answer.task_id, change, "accepted", patience, first)

    def record_completed(self, intent: str, task: VideoTask) -> Entry:
        """Write down that the vendor has the video."""
        return self.update(intent, lambda record: changes.completed(record, task), step="completed")

    def record_failed(self, intent: str, task_id: str, failure: str, message: str) -> Entry:
        """Write down the vendor's verdict on a task."""
        return self.update(intent, lambda record: changes.failed(record, task_id, failure, message), step="failed")

    def record_stored(self, intent: str, task_id: str, facts: Stored) -> Entry:
        """Write down where the video lies."""
        return self.update(intent, lambda record: changes.stored(record, task_id, facts), step="stored")

    def keep_key(self, intent: str, task_id: str, key: str) -> Entry:
        """Write down the object key of the current task; the one that is there already stays."""
        return self.update(intent, lambda record: changes.keyed(record, task_id, key), step="keyed")

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
            raise TaskNotRecorded(intent, task_id, str(error)) from error
