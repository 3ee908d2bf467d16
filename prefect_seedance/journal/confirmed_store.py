"""Reading and writing one record so that it is known what stands in the store afterwards.

An answer of the store is only an opinion. A write whose answer was lost may have landed; a conflict may be
with our own write (a client that repeats a request by itself is told so); a conflict may be spurious. So
after anything but success the record is read, and its nonce decides: ours means written, what was there
before means not written, anything else means that another writer was faster. The same bytes, with the same nonce
and the same condition, are then tried again, so that a first try which lands late can do no harm.

Only a get that answers "nothing there" means absent. Denied, damaged and unreachable never do.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prefect_seedance.journal.codec import nonce_of
from prefect_seedance.journal.errors import JournalGone, JournalUnavailable, RecordChanged
from prefect_seedance.storage.errors import (
    AlreadyExists,
    BadKey,
    BadLocation,
    Conflict,
    Missing,
    NoSpace,
    NotReadable,
    NotWritable,
    StorageError,
)
from prefect_seedance.storage.protocol import Blob, Store

#: Pauses between tries of the store, in seconds; the last is repeated. Short at first: a conflict is over at once.
PAUSES_SECONDS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 15.0)

#: Faults that another try does not cure, unless somebody repairs the store meanwhile.
_LASTING = (BadKey, BadLocation, NotReadable, NotWritable, NoSpace)
#: Faults that no repair cures: the request itself is wrong.
_HOPELESS = (BadKey, BadLocation)
#: What a store may raise; an `OSError` should have been turned into the other, but it is an outage all the same.
_TROUBLE = (StorageError, OSError)


@dataclass(frozen=True)
class Patience:
    """How long to go on trying.

    Attributes:
        seconds: Sum of the pauses.
        stubborn: Whether to go on even if the fault looks lasting, such as a folder without write access: for an
            outcome that must not be lost there is nothing better to do.
    """

    seconds: float = 30.0
    stubborn: bool = False

    def pauses(self) -> Iterator[float]:
        """Yield the pause after each try; the tries are over when it ends."""
        left = self.seconds
        for pause in itertools.chain(PAUSES_SECONDS, itertools.repeat(PAUSES_SECONDS[-1])):
            if left <= 0:
                return
            yield min(pause, left)
            left -= pause

    def gives_up_on(self, error: Exception) -> bool:
        """Return whether another try is useless."""
        return isinstance(error, _HOPELESS) or (isinstance(error, _LASTING) and not self.stubborn)


class ConfirmedStore:
    """A `Store` whose reads and writes are pursued until it is known what happened.

    Args:
        store: The store below.
        sleep: Called between tries.
        store_option: What ``--store`` of the command line takes for the store, for messages.
    """

    def __init__(self, store: Store, sleep: Callable[[float], None], store_option: str = "") -> None:
        self.store = store
        self._store_option = store_option
        self._sleep = sleep

    def get(self, key: str, patience: Patience, intent: str = "") -> Blob | None:
        """Read a record, None if there certainly is none.

        Raises:
            JournalUnavailable: It could not be read for that long.
        """
        failure: Exception | None = None
        for pause in self._tries(patience):
            try:
                return self.store.get(key)
            except Exception as error:
                failure = self._trouble(error, patience)
                if patience.gives_up_on(error):
                    break
            self._sleep(pause)
        raise self._unavailable(key, failure, intent) from failure

    def put(self, key: str, data: bytes, *, etag: str | None, patience: Patience, intent: str = "") -> str:
        """Write a record that is not there (``etag`` None), or that still has this etag.

        Returns:
            The new etag.

        Raises:
            RecordChanged: Another writer's record is there.
            JournalGone: The record that was read has been deleted.
            JournalUnavailable: It could not be written for that long; perhaps it was written all the same.
        """
        failure: Exception | None = None
        ours = nonce_of(data)
        for pause in self._tries(patience):
            try:
                return self.store.create(key, data) if etag is None else self.store.swap(key, data, etag=etag)
            except Missing as error:
                raise self._gone(key, intent) from error
            except Exception as error:
                failure = self._trouble(error, patience)
            try:
                found = self.store.get(key)
            except Exception as error:
                self._trouble(error, patience)
                if not isinstance(failure, AlreadyExists | Conflict):
                    failure = error if patience.gives_up_on(error) else failure
            else:
                if found is None and etag is not None:
                    raise self._gone(key, intent)
                if found is not None and nonce_of(found.data) == ours:
                    return found.etag
                if found is not None and found.etag != etag:
                    raise RecordChanged(self.store.uri_of(key), intent)
            if patience.gives_up_on(failure):
                break
            self._sleep(pause)
        raise self._unavailable(key, failure, intent)

    def put_once(self, key: str, data: bytes, patience: Patience, intent: str = "") -> None:
        """Write something whose presence is all that counts; it is fine if it is there.

        Raises:
            JournalUnavailable: It could not be written for that long.
        """
        failure: Exception | None = None
        for pause in self._tries(patience):
            try:
                try:
                    self.store.create(key, data)
                    return
                except AlreadyExists as error:
                    failure = error  # only an opinion, like any answer of the store
                    if self.store.get(key) is not None:
                        return
            except Exception as error:
                failure = self._trouble(error, patience)
                if patience.gives_up_on(error):
                    break
            self._sleep(pause)
        raise self._unavailable(key, failure, intent)

    def _tries(self, patience: Patience) -> Iterator[float]:
        # One try more than pauses: after the last pause it is tried once again.
        return itertools.chain(patience.pauses(), (0.0,))

    @staticmethod
    def _trouble(error: Exception, patience: Patience) -> Exception:
        """Return what may be tried again: what a store may raise; anything at all where an outcome would be lost.

        A user's log filter that raises in the middle of a request is such a thing.
        """
        if isinstance(error, _TROUBLE) or patience.stubborn:
            return error
        raise error

    def _gone(self, key: str, intent: str) -> JournalGone:
        return JournalGone(self.store.uri_of(key), "A record that was there is gone", intent, self._store_option)

    def _unavailable(self, key: str, failure: Exception | None, intent: str) -> JournalUnavailable:
        detail = str(failure) if failure else "no answer."
        if failure and not isinstance(failure, _TROUBLE):  # what it says may hold a secret
            detail = f"an unexpected {type(failure).__name__}."
        return JournalUnavailable(self.store.uri_of(key), detail, intent)
