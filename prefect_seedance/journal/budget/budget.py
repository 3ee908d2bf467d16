"""A budget: its ledger, kept in a store by compare-and-swap.

    journal/budget/<hash of the account>/<YYYY-MM>.json   what an account has spent and reserved in a month
    journal/budget/runs/<hash of the run's key>.json      the same for a run

Entry first, record second, settlement third. A submission is entered before its claim, so that all that may be billed
is counted; it is settled once its record says what became of it, so that whoever finds the entry finds the reason as
well. An entry stands for as long as its lease, by the store's clock. Its owner goes by a stopwatch that was started
before the reading upon which the entry was written, and sends only while that leaves room: when others read the entry
as lapsed, the owner knew earlier.

The day is that of the store's clock: of the ``Date`` with which S3 answers the very reading that is written upon, or of
the file system's clock in a folder. It costs no request. Which month's object is read first is a guess by this
machine's clock, corrected by what the store's said the last time; if the guess is wrong, the right one is read.

What it does not do: it cannot know of spending that goes past it, by other programs or with limits of 0. Where the cost
turns out above the price, those submissions overshoot that were under way when this was first seen.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import cast
from uuid import uuid4

from prefect_seedance.asides import AsideLog, aside
from prefect_seedance.client.outcome import Accepted, Outcome, Unknown
from prefect_seedance.journal.budget import ledger as changes
from prefect_seedance.journal.budget.committer import Committers, Wish, pause_after
from prefect_seedance.journal.budget.ledger import (
    MOST_OPEN,
    VERSION,
    BudgetLedger,
    Expense,
    LedgerEntry,
    Short,
    amount,
    decode,
    encode,
    following,
    lapsed_or_held,
    month_of,
    reached,
)
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.reservation import Reservation, Wait
from prefect_seedance.journal.budget.standing import BudgetStanding, standing_of
from prefect_seedance.journal.budget.sweep import look, swept
from prefect_seedance.journal.confirmed_store import ConfirmedStore, Patience
from prefect_seedance.journal.errors import (
    BudgetTooNew,
    JournalGone,
    JournalUnavailable,
    OverBudget,
    PriceUnknown,
    RecordChanged,
    SubmissionStopped,
    TooManyReserved,
)
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.store_identity import identify_store
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.parallel import READS_AT_ONCE
from prefect_seedance.storage.protocol import Store

_log = AsideLog(__name__)

#: Called with the name of a limit of which 80 % is used for the first time in its period, and with how all stands.
OnReached = Callable[[str, BudgetStanding], None]

#: An entry stands so much longer than the claim that follows it.
BEYOND_CLAIM_SECONDS = 60.0
#: Of an entry for a task that is known already: until its record says so, and it is settled.
_BOOKING_SECONDS = 300.0
#: A settlement that cannot be written for so long is left to the sweep: the record has what counts.
_SETTLING = Patience(3.0)
_SETTLING_SECONDS = 15.0
#: Races lost in a row before it is called an outage.
_RACES = 100
#: The clock says another month once in a month, and never twice in a row.
_MONTHS_TRIED = 4
_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.25, 1.0


@dataclass(frozen=True)
class _Reading:
    """A ledger as it was read.

    Attributes:
        ledger: What it says.
        now: When, by the store's clock.
    """

    ledger: BudgetLedger
    now: float


@dataclass(frozen=True)
class _Made:
    """What came of a change, with the ledger as it was written.

    Attributes:
        entry: The entry that it is about, None if there is none (any more).
        ledger: After this change.
        now: Of the reading, by the store's clock.
        elapsed: Since before the reading.
        told: Limits of which 80 % was reached by it.
    """

    entry: LedgerEntry | None
    ledger: BudgetLedger
    now: float
    elapsed: Stopwatch
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Denied:
    """What stands in the way of a reservation."""

    short: Short | None
    reading: _Reading


@dataclass(frozen=True)
class _Elsewhere:
    """The store's clock says another month."""

    month: str


@dataclass
class _Change:
    """A change of one ledger.

    Attributes:
        apply: Returns the ledger as it shall be, the same one if there is nothing to do, and what came of it.
        creates: Whether the ledger is made if there is none.
        start: Starts the stopwatch of each reading.
        elapsed: Since before the reading.
    """

    apply: Callable[[_Reading, Stopwatch], tuple[BudgetLedger, object]]
    creates: bool
    start: Callable[[], Stopwatch]
    elapsed: Stopwatch = float  # none


_COMMITTERS: Committers[_Change] = Committers()
#: One sweep serves all threads that asked for it before it began.
_SWEEPS: Committers[None] = Committers()


class Budget:
    """What an account, or a run, may spend. Threads and processes share it.

    Args:
        store: Where the ledger lies.
        account: Label of the account.
        limits: What may be spent: ``total`` for a run, the others for an account. They may differ from call to call,
            and between processes: those of the one who asks hold.
        journal: Of the records that are submitted under this budget.
        run_key: Makes it the budget of a run: of all that bring the same key.
        on_reached: Told of a limit of which 80 % is used, once per period, whoever else shares the ledger. It is called
            in the thread of whoever reached it.
        sleep: Called between tries of the store, and after a lost race.
        jitter: Draws the share of a pause that is waited.
        clock: This machine's clock, where the store does not say what its own says.
        committers: Those of this process, for what is written.
        sweeps: Those of this process, for sweeps.
        reads_at_once: How many records a sweep reads at the same time.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from prefect_seedance.storage.folder.store import FolderStore
        >>> store = FolderStore(Path(tempfile.mkdtemp()))
        >>> budget = Budget(store, account="team", limits=Limits(daily=20.0), journal=Journal(store))
        >>> reservation = budget.try_reserve("n1", "i1", coins=1.5, billing="std", lease_seconds=210.0)
        >>> budget.standing().day.reserved
        1.5
        >>> reservation.settled(Accepted("videos_1", cost=1.4))
        >>> budget.standing().day.spent, budget.standing().day.left
        (1.4, 18.6)
    """

    def __init__(
        self,
        store: Store,
        *,
        account: str,
        limits: Limits,
        journal: Journal,
        run_key: str = "",
        on_reached: OnReached | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
        committers: Committers[_Change] = _COMMITTERS,
        sweeps: Committers[None] = _SWEEPS,
        reads_at_once: int = READS_AT_ONCE,
    ) -> None:
        self.account, self.limits, self.run_key = account, limits, run_key
        self._store, self._journal = store, journal
        self._confirmed = ConfirmedStore(store, sleep, journal.store_option)
        self._on_reached, self._sleep, self._jitter, self._clock = on_reached, sleep, jitter, clock
        self._committers, self._sweeps, self._reads_at_once = committers, sweeps, reads_at_once
        self._ahead_seconds = 0.0
        self._store_id = ""

    # What a submission calls.

    def try_reserve(
        self,
        nonce: str,
        intent: str,
        *,
        coins: float | None,
        billing: str,
        lease_seconds: float,
        start_stopwatch: Callable[[], Stopwatch] = start_stopwatch,
    ) -> Reservation | Wait:
        """Reserve what a submission is expected to cost, before its claim.

        Args:
            nonce: Of the attempt that is about to be claimed.
            intent: Whose record it will be in.
            coins: The price, None if it is not known.
            billing: What the vendor bills it as: whether prices are right is learned by it.
            lease_seconds: Of the claim that follows; the reservation stands for a minute longer.
            start_stopwatch: Starts the stopwatch of the reservation.

        Returns:
            The reservation, or that it has to wait for others to be settled.

        Raises:
            OverBudget: It does not fit, whatever becomes of those under way.
            PriceUnknown: There is a limit in coins.
            TooManyReserved: Too many unknown submissions are held.
            BudgetDamaged, BudgetTooNew: The ledger cannot be read, or not be written.
            JournalUnavailable: The store does not work.
        """
        price = amount(coins)
        if price is None and (unpriced := self._limit_in_coins()):
            raise PriceUnknown(intent, unpriced)
        expense = self._expense(nonce, intent, price, billing, lease_seconds + BEYOND_CLAIM_SECONDS)
        denied = self._reserve(expense, start_stopwatch)
        if isinstance(denied, _Denied) and self._may_be_swept(denied):
            self._sweep(self._key_of(month_of(denied.reading.now)))
            denied = self._reserve(expense, start_stopwatch)
        if isinstance(denied, _Entered):
            return denied
        short = denied.short
        if short is None:
            entries = denied.reading.ledger.open.values()
            raise TooManyReserved(intent, len(entries), sum(each.held for each in entries), self._journal.store_option)
        use = short.use
        if short.over:
            ends_at = f"{use.ends_at:%Y-%m-%d %H:%M}" if use.ends_at else ""
            taken = changes.total(use.held, use.reserved)
            raise OverBudget(intent, use.budget, use.limit, use.spent, taken, short.more, ends_at)
        seconds = _SHORTEST_WAIT_SECONDS + self._jitter() * (_LONGEST_WAIT_SECONDS - _SHORTEST_WAIT_SECONDS)
        return Wait(seconds, f"what is left of {use.budget} is reserved by submissions under way")

    def book(self, nonce: str, intent: str, *, coins: float | None, billing: str) -> Reservation:
        """Enter what is paid for already, whether it fits or not: a task id that arrives without an entry.

        It comes before the record is written, and is settled after that. An attempt that has its entry keeps it; one
        that was settled by its record is not paid twice.

        Args:
            nonce: Of the attempt.
            intent: Whose record it is in.
            coins: The price, None if it is not known.
            billing: What the vendor bills it as.

        Raises:
            BudgetDamaged, BudgetTooNew: The ledger cannot be read, or not be written.
            JournalUnavailable: The store does not work.
        """
        expense = self._expense(nonce, intent, amount(coins), billing, _BOOKING_SECONDS)
        there = next((key for key in self._all_keys() if self._has(key, nonce, or_swept=True)), "")

        def apply(reading: _Reading, elapsed: Stopwatch) -> tuple[BudgetLedger, object]:
            if not there and (elsewhere := self._elsewhere(key, reading)):
                return reading.ledger, elsewhere
            if nonce in reading.ledger.swept:
                return reading.ledger, _Made(None, reading.ledger, reading.now, elapsed)
            return self._made(key, changes.booked(reading.ledger, expense, reading.now), nonce, reading.now, elapsed)

        key = there or self._key_of(self._month())
        for _ in range(_MONTHS_TRIED):
            came = self._commit(key, _Change(apply, True, start_stopwatch), self._journal.patience)
            if not isinstance(came, _Elsewhere):
                made = cast(_Made, came)
                self._tell(made)
                return self._reservation(key, expense, made, is_booked=True)
            key = self._key_of(came.month)
        raise self._no_clock(key)

    def sweep(self, intents: Collection[str] | None = None) -> None:
        """Clear the entries that their owners do not settle, by their records.

        Entries whose owner may still come are left, and those of another store than this journal's.

        Args:
            intents: Only theirs, in whatever month; None for all of this month and the last.

        Raises:
            BudgetDamaged, BudgetTooNew: A ledger cannot be read, or not be written.
            JournalUnavailable: The store does not work.
        """
        keys = self._recent_keys() if intents is None else self._all_keys()
        done = set[str]()
        while key := next((key for key in keys if key not in done), ""):
            with self._old_ones_may_be_damaged(key):
                self._sweep_alone(key, intents)
            done.add(key)
            if intents is None:
                keys = self._recent_keys()  # by the store's clock, should this machine's have named another month

    def standing(self) -> BudgetStanding:
        """Return how the budget stands. Nothing is written.

        Raises:
            BudgetDamaged, BudgetTooNew: The ledger cannot be read.
            JournalUnavailable: The store does not work.
        """
        keys = self._recent_keys()
        reading, earlier = self._read_recent(keys)
        if keys != (keys := self._recent_keys()):  # this machine's clock named another month than the store's
            reading, earlier = self._read_recent(keys)
        return standing_of(
            reading.ledger if reading else BudgetLedger(),
            self.limits,
            reading.now if reading else self._now(),
            account=self.account,
            run_key=self.run_key,
            earlier=earlier,
        )

    def release(self, nonce: str) -> bool:
        """Take an entry out, in whatever month, because a person says that nothing was paid.

        Returns:
            Whether it was there.

        Raises:
            BudgetDamaged, BudgetTooNew: A ledger cannot be read, or not be written.
            JournalUnavailable: The store does not work.
        """

        def apply(reading: _Reading, elapsed: Stopwatch) -> tuple[BudgetLedger, object]:
            return changes.released(reading.ledger, nonce), None

        for key in self._all_keys():
            if self._has(key, nonce):
                self._commit(key, _Change(apply, False, start_stopwatch), self._journal.patience, frees=True)
                return True
        return False

    # Ledgers.

    def _limit_in_coins(self) -> str:
        """Return the name of a limit that cannot be kept without a price, "" if there is none."""
        if self.run_key:
            return "max_cost" if self.limits.total else ""
        return "daily_budget" if self.limits.daily else "monthly_budget" if self.limits.monthly else ""

    def _expense(self, nonce: str, intent: str, price: float | None, billing: str, lease: float) -> Expense:
        if not re.fullmatch(r"[0-9A-Za-z_.-]{1,100}", nonce):
            raise ValueError(f"{nonce[:100]!r} cannot name an attempt")
        where = self._journal.location
        return Expense(nonce, intent, self._journal_id(), where[:2000], price, billing, lease)

    def _journal_id(self) -> str:
        if not self._store_id:
            self._store_id = identify_store(self._journal)
        return self._store_id

    def _reserve(self, expense: Expense, start_stopwatch: Callable[[], Stopwatch]) -> _Entered | _Denied:
        limits, of_run = self.limits, bool(self.run_key)

        def apply(reading: _Reading, elapsed: Stopwatch) -> tuple[BudgetLedger, object]:
            before = reading.ledger
            if elsewhere := self._elsewhere(key, reading):
                return before, elsewhere
            if len(before.open) >= MOST_OPEN and expense.nonce not in before.open:
                return before, _Denied(None, reading)
            after = changes.reserved(before, expense, limits, reading.now, of_run=of_run)
            if isinstance(after, Short):
                return before, _Denied(after, reading)
            return self._made(key, after, expense.nonce, reading.now, elapsed)

        key = self._key_of(self._month())
        for _ in range(_MONTHS_TRIED):
            came = self._commit(key, _Change(apply, True, start_stopwatch), self._journal.patience)
            if isinstance(came, _Denied):
                return came
            if not isinstance(came, _Elsewhere):
                made = cast(_Made, came)
                self._tell(made)
                return self._reservation(key, expense, made)
            key = self._key_of(came.month)
        raise self._no_clock(key)

    def _made(
        self, key: str, after: BudgetLedger, nonce: str, now: float, elapsed: Stopwatch
    ) -> tuple[BudgetLedger, object]:
        """Return a ledger with what came of a change, and with what somebody is to be told of."""
        told: tuple[str, ...] = ()
        if key == self._key_of(month_of(now)):
            after, told = reached(after, self.limits, now, of_run=bool(self.run_key))
        return after, _Made(after.open.get(nonce), after, now, elapsed, told)

    def _reservation(self, key: str, expense: Expense, made: _Made, *, is_booked: bool = False) -> _Entered:
        def write(settle: _Settling, creates: bool) -> None:
            def apply(reading: _Reading, elapsed: Stopwatch) -> tuple[BudgetLedger, object]:
                return self._made(key, settle(reading), expense.nonce, reading.now, elapsed)

            change = _Change(apply, creates, start_stopwatch)
            self._tell(cast(_Made, self._commit(key, change, _SETTLING, hurries=True, frees=True)))

        return _Entered(expense.nonce, expense.lease, made, write, is_booked=is_booked)

    def _elsewhere(self, key: str, reading: _Reading) -> _Elsewhere | None:
        month = month_of(reading.now)
        return None if self._key_of(month) == key else _Elsewhere(month)

    def _tell(self, made: _Made) -> None:
        if made.told and self._on_reached is not None:
            standing = standing_of(made.ledger, self.limits, made.now, account=self.account, run_key=self.run_key)
            for budget in made.told:
                aside(self._on_reached, budget, standing)

    def _may_be_swept(self, denied: _Denied) -> bool:
        """Return whether a sweep could make room: an entry has lapsed, or is held where only that is in the way."""
        short, ledger, now = denied.short, denied.reading.ledger, denied.reading.now
        if short is not None and changes.total(short.use.spent, short.more) > short.use.limit:
            return False
        waits = short is not None and not short.over
        return any(
            entry.store == self._journal_id() and not (waits and entry.held) for _, entry in lapsed_or_held(ledger, now)
        )

    def _sweep(self, key: str) -> None:
        """Sweep a ledger, or wait for another thread that begins to do so now."""

        def lead(wishes: list[Wish[None]]) -> None:
            self._sweep_alone(key)
            for wish in wishes:
                wish.done()

        self._sweeps.commit((self._place(key), self._journal_id()), Wish(None), lead)

    def _sweep_alone(self, key: str, intents: Collection[str] | None = None) -> None:
        reading = self._read(key)
        asked = [
            (nonce, entry)
            for nonce, entry in (lapsed_or_held(reading.ledger, reading.now) if reading else ())
            if intents is None or entry.intent in intents
        ]
        seen = {nonce: entry for nonce, entry in asked if entry.store == self._journal_id()}
        findings = look(self._journal, seen.items(), self._reads_at_once)
        if all(
            each.action == "leave" or (each.action == "hold" and seen[nonce].held) for nonce, each in findings.items()
        ):
            return

        def apply(reading: _Reading, elapsed: Stopwatch) -> tuple[BudgetLedger, object]:
            return swept(reading.ledger, seen, findings, reading.now), None

        self._commit(key, _Change(apply, False, start_stopwatch), self._journal.patience, frees=True)

    # Keys and clocks.

    def _now(self) -> float:
        """Return what the store's clock says, as far as can be told without asking it."""
        return self._clock() + self._ahead_seconds

    def _month(self) -> str:
        return month_of(self._now())

    def _folder(self) -> str:
        return f"journal/budget/{_hash(self.account)}/"

    def _key_of(self, month: str) -> str:
        if self.run_key:
            return f"journal/budget/runs/{_hash(self.run_key)}.json"
        return f"{self._folder()}{month}.json"

    def _recent_keys(self) -> list[str]:
        """Return the key of this month, and that of the last; or that of the run."""
        this = self._month()
        if self.run_key:
            return [self._key_of(this)]
        return [self._key_of(this), self._key_of(_month_before(this))]

    def _read_recent(self, keys: Sequence[str]) -> tuple[_Reading | None, list[tuple[str, LedgerEntry]]]:
        """Return the ledger of this month, if there is one, and the open entries of the last."""
        reading, earlier = self._read(keys[0]), list[tuple[str, LedgerEntry]]()
        for key in keys[1:]:
            with self._old_ones_may_be_damaged(key):
                found = self._read(key)
                earlier += found.ledger.open.items() if found else []
        return reading, earlier

    def _all_keys(self) -> list[str]:
        """Return the keys of the ledgers that there are, the newest first."""
        if self.run_key:
            return self._recent_keys()
        try:
            keys = list(self._store.list_keys(self._folder()))
            return sorted((key for key in keys if re.search(r"/\d{4}-\d\d\.json$", key)), reverse=True)
        except (StorageError, OSError) as error:
            raise JournalUnavailable(self._store.uri_of(f"{self._folder()}x").removesuffix("/x"), str(error)) from error

    def _has(self, key: str, nonce: str, *, or_swept: bool = False) -> bool:
        with self._old_ones_may_be_damaged(key):
            reading = self._read(key)
            return reading is not None and (
                nonce in reading.ledger.open or (or_swept and nonce in reading.ledger.swept)
            )
        return False

    @contextmanager
    def _old_ones_may_be_damaged(self, key: str) -> Generator[None, None, None]:
        """Pass over what is wrong with another month's ledger: it limits nothing any more."""
        try:
            yield
        except SubmissionStopped as error:
            if key == self._key_of(self._month()):
                raise
            _log.warning("The ledger of another month is passed over: %s", error)

    def _no_clock(self, key: str) -> JournalUnavailable:
        return JournalUnavailable(self._store.uri_of(key), "the store's clock says another month again and again.")

    # Reading and writing.

    def _read(self, key: str, patience: Patience | None = None) -> _Reading | None:
        blob = self._confirmed.get(key, patience or self._journal.patience)
        if blob is None:
            return None
        if blob.read_at is not None:
            self._ahead_seconds = blob.read_at - self._clock()
        return _Reading(
            decode(blob.data, self._store.uri_of(key)), self._now() if blob.read_at is None else blob.read_at
        )

    def _commit(
        self, key: str, change: _Change, patience: Patience, *, hurries: bool = False, frees: bool = False
    ) -> object:
        """Have a change made by this thread, or by the one that is writing."""
        return self._committers.commit(
            self._place(key),
            Wish(change, hurries=hurries, frees=frees),
            lambda wishes: self._write(key, wishes, patience),
            longest_seconds=_SETTLING_SECONDS if hurries else None,
        )

    def _place(self, key: str) -> object:
        """Return what names a ledger in this process: two buckets of two services may bear the same name."""
        uri = self._store.uri_of(key)
        return uri if uri.startswith("file:") else (id(self._store), key)

    def _write(self, key: str, wishes: list[Wish[_Change]], patience: Patience) -> None:
        """Make what is wanted: one reading, and one swap if it changes anything.

        Raises:
            BudgetDamaged, BudgetTooNew, JournalUnavailable: It befalls all of them.
        """
        for races in range(1, _RACES + 1):
            for wish in wishes:
                wish.change.elapsed = wish.change.start()
            blob = self._confirmed.get(key, patience)
            if blob is None and any(wish.change.creates for wish in wishes):
                # Made first and then read: only an answer about it says what the store's clock says.
                self._make(key, patience)
                continue
            before = decode(blob.data, self._store.uri_of(key)) if blob else BudgetLedger()
            if blob and blob.read_at is not None:
                self._ahead_seconds = blob.read_at - self._clock()
            now = self._now() if blob is None or blob.read_at is None else blob.read_at
            after, results = _applied(before, now, wishes)
            if blob is not None and after is not before:
                if before.version > VERSION:
                    raise BudgetTooNew(self._store.uri_of(key), before.version, VERSION)
                try:
                    self._put(key, after, blob.etag, patience)
                except (RecordChanged, JournalGone):
                    self._sleep(pause_after(races, self._jitter()))
                    continue
            for wish, (result, failure) in zip(wishes, results, strict=True):
                wish.done(result, failure)
            return
        raise JournalUnavailable(self._store.uri_of(key), f"{_RACES} writes in a row lost a race.")

    def _make(self, key: str, patience: Patience) -> None:
        last = None if self.run_key else self._key_of(_month_before(key.rpartition("/")[2].removesuffix(".json")))
        begun = BudgetLedger()
        if last:
            with self._old_ones_may_be_damaged(last):  # then what it has learned of costs is learned anew
                reading = self._read(last, patience)
                begun = following(reading.ledger) if reading else begun
        try:
            self._put(key, begun, None, patience)
        except RecordChanged:  # another process has made it
            self._sleep(pause_after(1, self._jitter()))

    def _put(self, key: str, ledger: BudgetLedger, etag: str | None, patience: Patience) -> None:
        stamped = ledger.model_copy(update={"rev": ledger.rev + 1, "nonce": uuid4().hex})
        self._confirmed.put(key, encode(stamped), etag=etag, patience=patience)


class _Said(IntEnum):
    """What is known of a submission, by how much."""

    NOTHING = 0
    FREE = 1
    HELD = 2
    SPENT = 3


#: Changes a ledger by what became of an entry.
_Settling = Callable[[_Reading], BudgetLedger]


class _Entered:
    """A `Reservation` that stands in a ledger.

    Args:
        nonce: Of the attempt.
        lease: For how many seconds its owner may send.
        made: What came of entering it: without an entry it was settled before.
        write: Has the ledger changed; tells whether one is made if there is none.
        is_booked: Whether it was entered for an attempt that somebody else may have sent.
    """

    def __init__(
        self, nonce: str, lease: float, made: _Made, write: Callable[[_Settling, bool], None], *, is_booked: bool
    ) -> None:
        self._nonce, self._lease, self._write, self._is_booked = nonce, lease, write, is_booked
        self._entry, self._elapsed = made.entry, made.elapsed
        self._said, self._is_written, self._was_seen = _Said.NOTHING, False, False

    def leaves_room(self, seconds: float) -> bool:
        """See `Reservation.leaves_room`. One that was settled or released leaves none."""
        return self._entry is not None and self._said is _Said.NOTHING and self._lasts(seconds)

    def settled(self, outcome: Outcome) -> None:
        """See `Reservation.settled`. What more is known later is written down as well, and nothing is taken back."""
        if isinstance(outcome, Accepted):
            cost = outcome.cost
            self._say(_Said.SPENT, lambda reading, entry: self._spent(reading, entry, cost))
        elif isinstance(outcome, Unknown):
            self._say(_Said.HELD, self._held)
        else:
            self.released()

    def released(self) -> None:
        """See `Reservation.released`. What was settled as spent or held stays so."""
        self._say(_Said.FREE, lambda reading, entry: changes.released(reading.ledger, self._nonce))

    def _lasts(self, seconds: float) -> bool:
        try:
            return self._elapsed() + seconds <= self._lease
        except Exception:
            return False

    def _spent(self, reading: _Reading, entry: LedgerEntry, cost: float | None) -> BudgetLedger:
        before, nonce = reading.ledger, self._nonce
        if nonce in before.open:
            self._was_seen = True
            # Others may come for it as well: its sender, where it was booked; a person, where its sender is late.
            alone = not self._is_booked and self._lasts(0.0)
            return changes.settled(before, nonce, cost) if alone else changes.swept(before, nonce, cost, reading.now)
        if self._was_seen or nonce in before.swept:
            return before  # an earlier try was written, or the sweep was faster
        # The ledger was deleted, or somebody took the entry out: what is billed counts all the same.
        return changes.swept(changes.put_back(before, nonce, entry), nonce, cost, reading.now)

    def _held(self, reading: _Reading, entry: LedgerEntry) -> BudgetLedger:
        if self._nonce in reading.ledger.swept:
            return reading.ledger
        return changes.held(changes.put_back(reading.ledger, self._nonce, entry), self._nonce)

    def _say(self, said: _Said, settle: Callable[[_Reading, LedgerEntry], BudgetLedger]) -> None:
        """Write down what became of it, unless that was done, or more than that is known."""
        entry = self._entry
        if entry is None or said < self._said or (said == self._said and self._is_written):
            return
        self._said, self._is_written = said, False
        try:
            self._write(lambda reading: settle(reading, entry), said > _Said.FREE)
            self._is_written = True
        except Exception as error:
            _log.warning("The reservation of intent %s is left to the next sweep: %s", entry.intent, error)


def _applied(
    before: BudgetLedger, now: float, wishes: list[Wish[_Change]]
) -> tuple[BudgetLedger, list[tuple[object, Exception | None]]]:
    """Apply changes one after the other; what one of them raises befalls it alone."""
    after, results = before, list[tuple[object, Exception | None]]()
    for wish in wishes:
        try:
            after, result = wish.change.apply(_Reading(after, now), wish.change.elapsed)
            results.append((result, None))
        except Exception as error:
            results.append((None, error))
    return after, results


def _month_before(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year - 1}-12" if number == 1 else f"{year}-{number - 1:02d}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
