"""A memo in its store: read, and written over what was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prefect_seedance.asides import AsideLog
from prefect_seedance.journal.confirmed_store import ConfirmedStore, Patience
from prefect_seedance.journal.errors import JournalGone, JournalUnavailable, RecordChanged, RecordTooNew
from prefect_seedance.media.memos.memo import VERSION, Damaged, Memo, TooNew, decode, encode
from prefect_seedance.media.memos.names import MemoKind, key_of
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch
from prefect_seedance.storage.protocol import Store

_log = AsideLog(__name__)

#: Races lost in a row before it is called an outage.
RACES = 100


@dataclass(frozen=True)
class Seen:
    """A memo as it was found.

    Attributes:
        memo: An empty one where there is none, or none that can be read.
        etag: To write over it; None where there is none.
        age_at_reading: Seconds since its last write, by the store's clock.
        since: The time since it was read.
    """

    memo: Memo
    etag: str | None
    age_at_reading: float
    since: Stopwatch

    @property
    def age_seconds(self) -> float:
        """Seconds since its last write, by now."""
        return self.age_at_reading + self.since()


@dataclass(frozen=True)
class MemoFile:
    """The memo of one name.

    Attributes:
        store: Where it lies.
        account: Label of the account at the vendor.
        kind: What it is.
        name: Of its content.
        patience: How long the store is tried.
        sleep: Called between two tries.
    """

    store: Store
    account: str
    kind: MemoKind
    name: str
    patience: Patience
    sleep: Callable[[float], None]

    @property
    def key(self) -> str:
        """Where it lies.

        Raises:
            ValueError: The name or the kind cannot be used.
        """
        return key_of(self.account, self.kind, self.name)

    @property
    def where(self) -> str:
        """Its full address."""
        return self.store.uri_of(self.key)

    def look(self) -> Seen:
        """Read it. One that is damaged counts as empty, to be written over.

        Raises:
            RecordTooNew: It has a shape of its own.
            JournalUnavailable: The store does not answer, or denies the access.
        """
        key, since = self.key, start_stopwatch()
        blob = self._confirmed.get(key, self.patience)
        empty = Memo(account=self.account, kind=self.kind, name=self.name)
        if blob is None:
            return Seen(empty, None, 0.0, since)
        try:
            memo = decode(blob.data)
            if memo.key != key or memo.account != self.account:
                raise Damaged("it is that of another name")
        except TooNew as error:
            raise self._too_new(error.version) from error
        except Damaged as error:
            _log.warning("The memo at %s is written anew, which costs nothing: %s", self.where, error)
            return Seen(empty, blob.etag, blob.age_seconds, since)
        return Seen(memo, blob.etag, max(0.0, blob.age_seconds), since)

    def write(self, memo: Memo, etag: str | None) -> str | None:
        """Write it over what was read, also if that was deleted meanwhile.

        Returns:
            The new etag; None if somebody else was faster, and nothing of ours is there.

        Raises:
            RecordTooNew: It is read-only for this version.
            JournalUnavailable: The store could not be written.
        """
        if memo.version > VERSION:
            raise self._too_new(memo.version)
        data = encode(memo)
        try:
            try:
                return self._confirmed.put(self.key, data, etag=etag, patience=self.patience)
            except JournalGone:  # losing a memo costs nothing: nothing was paid for under it
                return self._confirmed.put(self.key, data, etag=None, patience=self.patience)
        except RecordChanged:
            return None

    def contended(self) -> JournalUnavailable:
        """Return the error for a memo that others write all the time."""
        return JournalUnavailable(self.where, f"{RACES} writes in a row lost a race.")

    @property
    def _confirmed(self) -> ConfirmedStore:
        return ConfirmedStore(self.store, self.sleep)

    def _too_new(self, version: int) -> RecordTooNew:
        return RecordTooNew(self.where, version, VERSION, "")
