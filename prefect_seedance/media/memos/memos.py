"""Leased memos: what is free and slow at the vendor is done once for each content, over threads, runs and workers.

Nothing here is about money, so a lost answer may be repeated, unlike that of a submission. A maker first claims the
memo, by a compare-and-swap, for the length of a lease, and renews it while the work goes on; others look at the memo
again and again until it is done. One whose lease has lapsed is taken for dead: the next one takes over, and says so in
the memo. Should the first come back after all, its write is refused, since the memo is no longer the one that it had
claimed.

What it does not do: it makes nothing and judges nothing that is kept; both are its caller's. Nor does it protect
processes from each other on a store that ignores conditions: there the price is a repeat.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from prefect_seedance.asides import AsideLog, words_of
from prefect_seedance.client.errors import ApiError, ConfigurationError, ConnectionFailed, UnexpectedAnswer
from prefect_seedance.failpoints import reached
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import JournalUnavailable
from prefect_seedance.journal.journal import Journal
from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import PreparationCancelled, UnusableReference
from prefect_seedance.media.memos.errors import MakeRefused, TooManyMakes
from prefect_seedance.media.memos.listing import MemoEntry, entries_below
from prefect_seedance.media.memos.memo import DAY_SECONDS, MOST_MAKES_A_DAY, Kept, Made, Memo
from prefect_seedance.media.memos.memo_file import RACES, MemoFile, Seen
from prefect_seedance.media.memos.names import FOLDER, MemoKind, folder_of
from prefect_seedance.media.memos.sharing import ContentOwner, Landed, sharing_of
from prefect_seedance.plain_text import one_line
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.protocol import Store

_log = AsideLog(__name__)

#: Pauses between two looks at a memo that somebody else works on.
_FIRST_GAP_SECONDS, _GAP_GROWTH, _LONGEST_GAP_SECONDS = 0.1, 1.5, 5.0
#: How long others leave a memo to whoever makes it, from the last sign of life on: makers renew it as they work.
LEASE_SECONDS = 60.0
#: So many letters of a name tell it from others, for people.
SHORT_NAME = 12

#: What `make` may raise, and no answer of the vendor was lost: it has said what is wrong, or was not asked. The client
#: has errors of its own for what the network does, so that the system's are about files.
_NOTHING_LOST = (
    *(ApiError, ConfigurationError),
    *(StorageError, OSError, UnusableReference),
    *(PreparationCancelled, KeyboardInterrupt),
)


class Memos:
    """The memos of an account in a store. Threads share it.

    Args:
        store: Where they lie.
        account: Label of the account at the vendor; any text.
        store_option: What ``--store`` of the command line takes for the store; "" if its location will do.
        patience: How long the store is tried.
    """

    def __init__(self, store: Store, account: str, *, store_option: str = "", patience: Patience | None = None) -> None:
        self._store, self._account = store, account
        self._store_option = store_option
        self._patience = patience or Patience()
        self._sharing = sharing_of(store)

    def obtain(
        self,
        kind: MemoKind,
        name: str,
        make: Callable[[], Made],
        *,
        usable: Callable[[Kept], str],
        follower: Follower,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Kept:
        """Return what is kept if it can be used, else make it: once, whoever else asks for it meanwhile.

        What was read or made within the last minute costs no request to the store.

        Args:
            kind: What it is.
            name: Of its content: hex digits, or such as ``3f9a-last-frame``.
            make: Makes it. Whoever makes it may die, and then it is made once more.
            usable: Returns "" for what can be used, else why not, in words without a secret. What was made just now is
                not asked about.
            follower: Who follows it, and may end it.
            lease_seconds: How long others wait in vain should whoever makes it die.

        Raises:
            MakeRefused: ``make`` raised it, or did so before, and the vendor is not asked again yet.
            TooManyMakes: It was made three times within a day.
            RecordTooNew: A newer version of this package wrote the memo.
            JournalUnavailable: The store does not answer, or denies the access.
            PreparationCancelled: The run was cancelled.
            Exception: What ``make`` raised, in whichever thread of this process it was called.
        """
        work = _Work(self._file(kind, name, follower.pause), lease_seconds, follower, self._store_option)
        key = work.file.key
        while True:
            follower.check()
            known = self._sharing.recall(key)
            if known is not None and not usable(known):
                return known
            flight, is_ours = self._sharing.join(key)
            if not is_ours:
                landed = self._sharing.wait(flight, follower)
                if landed is not None and (landed.fresh or not usable(landed.kept)):
                    return landed.kept
                continue
            came: Landed | Exception | None = None
            try:
                came = work.do(make, usable)
                self._sharing.remember(key, came.kept)
                return came.kept
            except Exception as error:
                came = None if isinstance(error, PreparationCancelled) else error
                raise
            finally:
                self._sharing.land(key, flight, came)

    def forget(self, kind: MemoKind, name: str, reason: str, *, lift_limit: bool = False) -> bool:
        """Forget what is kept, so that whoever needs it next makes it anew; also what the vendor turned down.

        Another process may go by what it has read for up to a minute still.

        Args:
            kind: What it is.
            name: Of its content.
            reason: Why, for the memo's history.
            lift_limit: Begin to count anew what is made within a day: for a person.

        Returns:
            Whether there was anything.

        Raises:
            RecordTooNew: A newer version of this package wrote the memo.
            JournalUnavailable: The store could not be read or written.
        """
        file = self._file(kind, name, time.sleep)
        for _ in range(RACES):
            self._sharing.drop(file.key)
            seen = file.look()
            if seen.etag is None or (seen.memo.state == "ready" and not lift_limit):
                return seen.etag is not None
            forgotten = seen.memo.ended(seen.age_seconds, reason)
            if file.write(forgotten.unlimited() if lift_limit else forgotten, seen.etag) is not None:
                self._sharing.drop(file.key)
                return True
        raise file.contended()

    def refuse(self, kind: MemoKind, name: str, reason: str, retry_after_seconds: float) -> None:
        """Write down that the vendor turned down what was made, so that nobody makes it again for a while.

        Args:
            kind: What it is.
            name: Of its content.
            reason: In the vendor's words, clean.
            retry_after_seconds: How long it is not made again.

        Raises:
            RecordTooNew: A newer version of this package wrote the memo.
            JournalUnavailable: The store could not be read or written.
        """
        file = self._file(kind, name, time.sleep)
        for _ in range(RACES):
            self._sharing.drop(file.key)
            seen = file.look()
            if seen.memo.state != "have":
                return  # somebody else has been here
            ended = seen.memo.ended(seen.age_seconds, reason)
            if file.write(ended.refused(reason, retry_after_seconds, 0.0), seen.etag) is not None:
                self._sharing.drop(file.key)
                return
        raise file.contended()

    def is_its_own(self, kind: MemoKind, name: str, mark: str, follower: Follower, *, by_content: bool) -> bool:
        """Return whether what is kept for a content belongs to it alone, as far as this process knows.

        A vendor that answers with the same for two contents has one of them in place of the other. Both are forgotten
        then, so that both are made anew. Where it may be one content under two names, for example behind two links,
        that is only logged.

        Args:
            kind: What it is.
            name: Of the content.
            mark: What is kept, or what tells it from others.
            follower: Whose log it is.
            by_content: Whether another name is another content.

        Raises:
            RecordTooNew, JournalUnavailable: See `forget`.
        """
        folder, ours = f"{folder_of(self._account)}{kind}", ContentOwner(name, by_content)
        first = self._sharing.owner(folder, mark, ours)
        if first.name == name:
            return True
        if not (by_content and first.by_content):
            follower.log(
                f"The vendor gave one {_WORDS[kind]} for two references, {first.name[:SHORT_NAME]} and "
                f"{name[:SHORT_NAME]}. They may be one file at two places; if not, one stands for the other.",
                level=logging.WARNING,
            )
            return True
        for each in (first.name, name):
            self.forget(kind, each, "the vendor gave the same for another content")
        self._sharing.disown(folder, mark)
        return False

    def read(self, kind: MemoKind, name: str) -> Kept | None:
        """Return what is kept, usable or not; None if nothing is.

        Raises:
            RecordTooNew: A newer version of this package wrote the memo, in a shape of its own.
            JournalUnavailable: The store does not answer, or denies the access.
        """
        seen = self._file(kind, name, time.sleep).look()
        return seen.memo.kept(seen.age_seconds)

    def entries(self) -> Iterator[MemoEntry]:
        """Read all memos of the account. One that cannot be read is logged and left out.

        Raises:
            JournalUnavailable: The store does not answer, or denies the access.
        """
        return entries_below(self._store, folder_of(self._account), self._patience)

    def _file(self, kind: MemoKind, name: str, sleep: Callable[[float], None]) -> MemoFile:
        return MemoFile(self._store, self._account, kind, name, self._patience, sleep)


def entries_of(store: Store) -> Iterator[MemoEntry]:
    """Read the memos of all accounts in a store, as `Memos.entries` does."""
    return entries_below(store, FOLDER, Patience())


@dataclass(frozen=True)
class _Claim:
    """A memo that is ours to make."""

    memo: Memo
    etag: str


@dataclass(frozen=True)
class _Work:
    """What one thread of this process does about a memo."""

    file: MemoFile
    lease_seconds: float
    follower: Follower
    store_option: str

    def do(self, make: Callable[[], Made], usable: Callable[[Kept], str]) -> Landed:
        """Return what is kept, by whomever it is made; see `Memos.obtain`."""
        makes, races, gap, said = 0, 0, _FIRST_GAP_SECONDS, ""
        while races < RACES:
            self.follower.check()
            seen = self.file.look()
            age = seen.age_seconds
            kept = seen.memo.kept(age)
            unusable = usable(kept) if kept else ""
            if kept and not unusable:
                return Landed(kept, fresh=False)
            if (left := seen.memo.lease_left(age)) > 0:
                if said != seen.memo.holder:
                    said, gap = seen.memo.holder, _FIRST_GAP_SECONDS
                    self.follower.log(f"{self._what} is being made by {one_line(seen.memo.holder)}: waiting for it")
                self.follower.pause(min(gap, left))
                gap = min(gap * _GAP_GROWTH, _LONGEST_GAP_SECONDS)
                continue
            if (seconds := seen.memo.refused_for(age)) > 0:
                raise MakeRefused(seen.memo.reason, seconds)
            claim = self._claim(seen, unusable, makes)
            if claim is None:
                races += 1
                self.follower.pause(0.05)
                continue
            makes += 1
            made = self._make(claim, make)
            if made is not None:
                return Landed(made, fresh=True)
            self.follower.log(f"{self._what} was taken over by another run meanwhile: going by what that has made")
        raise self.file.contended()

    @property
    def _what(self) -> str:
        """The thing, at the beginning of a sentence."""
        return f"The {_WORDS[self.file.kind]} {self.file.name[:SHORT_NAME]}"

    def _claim(self, seen: Seen, unusable: str, makes: int) -> _Claim | None:
        """Take the memo for ourselves; None if somebody else was faster.

        Args:
            seen: As it was found.
            unusable: Why what is kept cannot be used.
            makes: How often this very call has made it already: a store that keeps nothing has no history either.
        """
        ready = seen.memo.ended(seen.age_seconds, seen.memo.why_anew(unusable))
        today = sorted(ready.made_today())
        if len(today) >= MOST_MAKES_A_DAY or makes >= MOST_MAKES_A_DAY:
            wait = DAY_SECONDS - today[MOST_MAKES_A_DAY - 1] if len(today) >= MOST_MAKES_A_DAY else DAY_SECONDS
            raise TooManyMakes(
                _WORDS[self.file.kind],
                max(makes, len(today)),
                ready.reason or "the store does not keep what is written",
                wait,
                f"{self.file.kind}/{self.file.name}",
                Journal(self.file.store, store_option=self.store_option).store_option,
                self.file.account,
            )
        claimed = ready.claimed(_holder(), self.lease_seconds)
        etag = self.file.write(claimed, seen.etag)
        if etag is None:
            return None
        reached("memo.claim.after")
        return _Claim(claimed, etag)

    def _make(self, claim: _Claim, make: Callable[[], Made]) -> Kept | None:
        """Make it; None if somebody else has taken it over meanwhile, so that what is there counts."""
        passed = start_stopwatch()
        lease = _Lease(self.file, claim)
        try:
            if claim.memo.reason:
                self.follower.log(f"{self._what} is made anew: {claim.memo.reason}")
            with lease:
                made = make()
        except MakeRefused as refusal:
            refused = lease.memo.refused(refusal.reason, refusal.retry_after_seconds, lease.age_seconds)
            with suppress(JournalUnavailable):  # the vendor's word is worth more than a note of it
                self.file.write(refused, lease.etag)
            raise
        except BaseException as error:
            self._release(lease, error)
            raise
        reached("memo.make.after")
        having = lease.memo.having(made, lease.age_seconds, older_by_seconds=passed())
        # It is worth a wait even for a fault that looks lasting: else it is all made once more.
        stubborn = replace(self.file, patience=replace(self.file.patience, stubborn=True))
        if stubborn.write(having, lease.etag) is None:
            return None
        reached("memo.write.after")
        return having.kept(0.0)

    def _release(self, lease: _Lease, error: BaseException) -> None:
        """Let others make it at once; if that fails, they do when the lease has lapsed."""
        ended = lease.memo.ended(lease.age_seconds, words_of(error), counts=_may_have_lost_an_answer(error))
        with suppress(Exception):
            replace(self.file, patience=Patience(0.0), sleep=time.sleep).write(ended, lease.etag)


def _may_have_lost_an_answer(error: BaseException) -> bool:
    if isinstance(error, ConnectionFailed):
        return error.sent
    return isinstance(error, UnexpectedAnswer) or not isinstance(error, _NOTHING_LOST)


class _Lease:
    """A claim whose lease is renewed from a thread while something is made under it.

    A renewal that fails does no harm: at worst the lease lapses, and what was made meanwhile is refused.

    Attributes:
        memo: As it was written last.
        etag: Of that.
    """

    def __init__(self, file: MemoFile, claim: _Claim) -> None:
        self._file = replace(file, patience=Patience(0.0), sleep=time.sleep)
        self.memo, self.etag = claim.memo, claim.etag
        self._since: Stopwatch = start_stopwatch()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="memo-lease", daemon=True)

    @property
    def age_seconds(self) -> float:
        """Seconds since it was written last."""
        return self._since()

    def __enter__(self) -> Self:
        """Begin to renew it."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End that: what is written next is the outcome."""
        self._ended.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._ended.wait(self.memo.lease_seconds / 3):
            since = start_stopwatch()
            renewed = self.memo.renewed(self.age_seconds)
            try:
                etag = self._file.write(renewed, self.etag)
            except Exception as error:
                _log.info("The lease of a memo could not be renewed: %s", words_of(error))
                continue
            if etag is None:
                return  # somebody else has taken it over
            self.memo, self.etag, self._since = renewed, etag, since


def _holder() -> str:
    """Return who makes what is made here, for people."""
    return f"process {os.getpid()} of {one_line(socket.gethostname())[:100]}"


#: What the kinds are called in a sentence.
_WORDS: dict[MemoKind, str] = {"hash": "SHA-256", "upload": "upload", "audit": "audit"}
