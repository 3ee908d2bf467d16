"""The stop for all spending of a store: a flag that is read before every claim, whoever runs.

    journal/pause.json      whether spending is paused, since when, by whom and why

It is never deleted: `resume` writes that it is lifted, by a swap, so that of two people neither undoes unseen what the
other has just done. What cannot be read of it counts as paused: a damaged flag was once a person's stop, and a flag of
a newer version may mean more than this one knows.

Within a process a reading is shared by those who asked before it began. None is older than the question, so that a
pause holds from the moment at which it is written: the next claim of every process meets it. Where many ask one after
the other, as in a batch, the next reading waits a moment for more of them: readings take a fiftieth of the time.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from uuid import uuid4
from weakref import WeakKeyDictionary

from prefect_seedance.journal.confirmed_store import ConfirmedStore, Patience
from prefect_seedance.journal.errors import JournalGone, JournalUnavailable, RecordChanged, RecordTooNew, SpendingPaused
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import shown_text
from prefect_seedance.storage.protocol import Blob, Store

if TYPE_CHECKING:
    from prefect_seedance.journal.journal import Journal

#: Of what this package writes.
VERSION = 1
_KEY = "journal/pause.json"
#: Races lost in a row before it is called an outage.
_RACES = 20
#: After a reading the next one waits for so many times what that took, at most so many seconds.
_READING_TIMES = 50
_LONGEST_WAIT_SECONDS = 0.5
_LONGEST_NAME = 200
_LONGEST_REASON = 1000
#: What looks like the vendor's key: it is typed by people, whose clipboard may hold one.
_A_KEY = re.compile(r"\bsk[-_][\w-]{6,}")


@dataclass(frozen=True)
class Pause:
    """A stop that stands.

    Attributes:
        since: When, as people read it.
        by: Who.
        reason: Their words, "" if they gave none; or why the flag counts as a stop although it cannot be read.
        version: Of what is written; 0 for a flag that cannot be read.
    """

    since: str
    by: str
    reason: str
    version: int = VERSION

    @property
    def words(self) -> str:
        """Since when, by whom and why."""
        return f"paused since {self.since} by {self.by}" + (f": {self.reason}" if self.reason else "")


def read_pause(store: Store, *, sleep: Callable[[float], None] = time.sleep) -> Pause | None:
    """Read whether all spending of a store is paused; None if it is not. Blocking.

    Args:
        store: Whose spending.
        sleep: Called between tries of the store.

    Raises:
        JournalUnavailable: The store does not answer, or denies the access.
    """
    return _standing(ConfirmedStore(store, sleep).get(_KEY, Patience()))


def pause(
    store: Store,
    *,
    by: str,
    reason: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> Pause:
    """Stop all spending of a store; from now on nothing is claimed in it. Blocking.

    What is submitted already is still polled and collected, and what is there is still reused.

    Args:
        store: Whose spending.
        by: Who stops it.
        reason: Why, for those whose runs it stops.
        now: The clock.
        sleep: Called between tries of the store.

    Returns:
        The stop that stands: an earlier one stays as it is, with its own words.

    Raises:
        JournalUnavailable: The store could not be written: it is not known whether spending is paused.
    """
    written = _values(True, by, reason, now())
    stands = _read(written)

    def paused(found: Pause | None) -> dict[str, object] | None:
        nonlocal stands
        # A flag that cannot be read, or of a newer version, is made one that every version takes for a stop.
        if found is None or found.version != VERSION:
            return written
        stands = found
        return None

    _change(store, paused, sleep)
    return stands


def resume(
    store: Store,
    *,
    by: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Lift the stop for all spending of a store. Blocking.

    Args:
        store: Whose spending.
        by: Who lifts it.
        now: The clock.
        sleep: Called between tries of the store.

    Returns:
        Whether there was a stop. A flag that cannot be read is one, and is lifted as well.

    Raises:
        RecordTooNew: A newer version wrote the flag, and only that one knows what else it means.
        JournalUnavailable: The store could not be written; the stop still stands.
    """
    lifted = False

    def resumed(found: Pause | None) -> dict[str, object] | None:
        nonlocal lifted
        lifted = found is not None
        if found is None:
            return None
        if found.version > VERSION:
            raise RecordTooNew(store.uri_of(_KEY), found.version, VERSION, "")
        return _values(False, by, "", now())

    _change(store, resumed, sleep)
    return lifted


def require_not_paused(journal: Journal, intent: str) -> None:
    """Check that spending is not paused: right before each claim, and not for what is reused or attached. Blocking.

    Args:
        journal: Of the store.
        intent: What is about to be claimed.

    Raises:
        SpendingPaused: It is, or that cannot be told from the flag. Nothing was sent.
        JournalUnavailable: The flag could not be read. Nothing was sent.
    """
    readings = _readings_of(journal.confirmed.store)
    try:
        found = readings.shared(lambda: _standing(journal.confirmed.get(_KEY, journal.patience)))
    except JournalUnavailable as error:  # one error for each who asked, with their own intent
        raise JournalUnavailable(error.where, error.cause, intent) from error
    if found is not None:
        raise SpendingPaused(intent, found.since, found.by, found.reason, journal.store_option)


def _change(
    store: Store, change: Callable[[Pause | None], dict[str, object] | None], sleep: Callable[[float], None]
) -> None:
    """Write what a change makes of the flag; None for leaving it."""
    careful, patience = ConfirmedStore(store, sleep), Patience()
    for _ in range(_RACES):
        blob = careful.get(_KEY, patience)
        values = change(_standing(blob))
        if values is None:
            return
        known = _fields(blob) if blob else {}
        kept = known if known.get("version") == VERSION else {}  # fields that a newer package added among them
        data = (json.dumps({**kept, **values, "nonce": uuid4().hex}, indent=1) + "\n").encode()
        try:
            careful.put(_KEY, data, etag=blob.etag if blob else None, patience=patience)
            return
        except (RecordChanged, JournalGone):  # somebody else pauses, resumes or deletes it at this moment
            continue
    raise JournalUnavailable(store.uri_of(_KEY), "others write it all the time.")


def _values(paused: bool, by: str, reason: str, at: datetime) -> dict[str, object]:
    return {
        "version": VERSION,
        "paused": paused,
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "by": _clean(by, _LONGEST_NAME),
        "reason": _clean(reason, _LONGEST_REASON),
    }


def _standing(blob: Blob | None) -> Pause | None:
    """Return the stop that a flag stands for."""
    if blob is None:
        return None
    values = _fields(blob)
    version, paused = values.get("version"), values.get("paused")
    number = version if type(version) is int else 0  # true is one as well
    if number > VERSION:
        why = f"the flag has version {number}, and this prefect-seedance reads version {VERSION}: upgrade it"
        return Pause("an unknown time", "a newer version", why, number)
    if number != VERSION or not isinstance(paused, bool):
        return Pause("an unknown time", "an unknown person", f"{_KEY} cannot be read, so it counts as a stop", 0)
    return _read(values) if paused else None


def _fields(blob: Blob) -> dict[str, object]:
    """Return what is written in a flag; nothing if that cannot be read."""
    try:
        found: object = json.loads(blob.data)
    except (ValueError, RecursionError):
        found = None
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def _read(values: dict[str, object]) -> Pause:
    """Read a stop. Its words are cleaned here too: anybody may have written the file."""
    by = _clean(str(values.get("by") or ""), _LONGEST_NAME) or "an unknown person"
    return Pause(_moment(values.get("at")), by, _clean(str(values.get("reason") or ""), _LONGEST_REASON))


def _moment(written: object) -> str:
    try:
        moment = datetime.fromisoformat(str(written)).astimezone(UTC)
    except (ValueError, OverflowError):
        return "an unknown time"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _clean(text: str, longest: int) -> str:
    """Return words as they may be shown and kept: without secrets, on one line, cut to size."""
    return one_line(_A_KEY.sub("***", shown_text(text, longest=longest))).strip()


#: A reading to come: whether it was made (not, if its thread was ended before), and what stands.
_Reading = Future[tuple[bool, Pause | None]]


@dataclass
class _State:
    """The reading that is under way in one process, the one that is made after it, and when that may begin."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    under_way: _Reading | None = None
    next: _Reading | None = None
    next_begins: float = -math.inf


class Readings:
    """One reading at a time; whoever asks while one is under way waits for the next, with all others that do.

    A forked child begins with none: the threads that read in the parent do not exist in it.

    Args:
        clock: Tells seconds.
        sleep: Waits for some.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._by_process: dict[int, _State] = {}

    def shared(self, read: Callable[[], Pause | None]) -> Pause | None:
        """Return what a reading finds that begins after this call."""
        process = os.getpid()
        state = self._by_process.get(process) or self._by_process.setdefault(process, _State())  # atomic
        made, found = False, None
        while not made:
            with state.guard:
                joined, before = state.next, state.under_way
                mine = state.next = joined or _Reading()
            if joined is None:
                self._make(state, mine, before, read)
            made, found = mine.result()
        return found

    def _make(self, state: _State, mine: _Reading, before: _Reading | None, read: Callable[[], Pause | None]) -> None:
        try:
            if before is not None:
                wait([before])
            if (early := state.next_begins - self._clock()) > 0:
                self._sleep(early)
            with state.guard:
                state.next, state.under_way = None, mine  # whoever asks from here on asks after it has begun
            mine.set_result((True, self._timed(state, read)))
        except Exception as error:
            mine.set_exception(error)
        finally:
            with state.guard:
                state.next = None if state.next is mine else state.next
                state.under_way = None if state.under_way is mine else state.under_way
            if not mine.done():  # the thread is being ended: one of those who wait makes it
                mine.set_result((False, None))

    def _timed(self, state: _State, read: Callable[[], Pause | None]) -> Pause | None:
        began = self._clock()
        found = read()
        ended = self._clock()
        state.next_begins = ended + min(_READING_TIMES * (ended - began), _LONGEST_WAIT_SECONDS)
        return found


_guard = threading.Lock()
_of_stores: WeakKeyDictionary[Store, Readings] = WeakKeyDictionary()


def _readings_of(store: Store) -> Readings:
    with _guard:
        return _of_stores.setdefault(store, Readings())
