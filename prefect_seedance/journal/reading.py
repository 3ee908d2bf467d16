"""Reading the journal: one record, all of them, those that are open, those that a person has to settle."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import sleep as real_sleep
from urllib.parse import unquote, urlsplit

from prefect_seedance.journal.careful import CarefulStore, Patience
from prefect_seedance.journal.codec import decode
from prefect_seedance.journal.errors import JournalUnavailable, RecordDamaged, RecordTooNew
from prefect_seedance.journal.record import Record
from prefect_seedance.journal.states import State
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.protocol import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A record as read: with the etag for the next write, and its age by the store's clock."""

    record: Record
    etag: str
    age_seconds: float

    @property
    def state(self) -> State:
        """The state as of the reading; see `Record.reads_as`."""
        return self.record.reads_as(self.age_seconds)


class JournalReader:
    """The records of one store, for looking at them.

    Args:
        store: Where they lie.
        prefix: Folder of the journal inside the store.
        store_option: What ``--store`` of the command line takes for the store; "" if its location will do.
        sleep: Called between tries of the store.
        patience: How long the store is tried, unless said otherwise.
    """

    def __init__(
        self,
        store: Store,
        *,
        prefix: str = "journal/",
        store_option: str = "",
        sleep: Callable[[float], None] = real_sleep,
        patience: Patience | None = None,
    ) -> None:
        self.prefix = prefix
        self.sleep = sleep
        self.patience = patience or Patience()
        self.careful = CarefulStore(store, sleep)
        self._store_option = store_option

    @property
    def location(self) -> str:
        """The store's location as a user writes it: a folder, or ``s3://bucket/prefix``."""
        uri = self.careful.store.uri_of("x").removesuffix("/x")
        return unquote(urlsplit(uri).path) if uri.startswith("file://") else uri

    @property
    def store_option(self) -> str:
        """What ``--store`` of the command line takes for the store."""
        return self._store_option or self.location

    def record_key(self, intent: str) -> str:
        """Key of an intent's record."""
        return f"{self.prefix}records/{intent}.json"

    def uri_of(self, intent: str) -> str:
        """Full address of an intent's record."""
        return self.careful.store.uri_of(self.record_key(intent))

    def read(self, intent: str, patience: Patience | None = None) -> Entry | None:
        """Read a record, None if there certainly is none.

        Raises:
            JournalUnavailable: The store does not answer, or denies the access.
            RecordDamaged, RecordTooNew: The record is there and cannot be read.
        """
        key = self.record_key(intent)
        blob = self.careful.get(key, patience or self.patience, intent)
        if blob is None:
            return None
        record = decode(blob.data, self.careful.store.uri_of(key), intent)
        return Entry(record, blob.etag, blob.age_seconds)

    def records(self) -> Iterator[Entry]:
        """Read every record, by intent. One that cannot be read is logged and left out."""
        folder = f"{self.prefix}records/"
        for key in self._keys(folder):
            yield from self._readable(Path(key).stem)

    def open_records(self) -> Iterator[Entry]:
        """Read the records that are not done, at the cost of reading just these."""
        seen: set[str] = set()
        for key in self._keys(f"{self.prefix}open/"):
            intent, _, opening = key.rpartition("/")[2].partition(".")
            for entry in () if intent in seen else self._readable(intent):
                if entry.record.is_open:
                    seen.add(intent)
                    yield entry
                elif opening.isdecimal() and int(opening) <= entry.record.opening:
                    self.drop_marker(intent, int(opening))

    def unknown_records(self) -> Iterator[Entry]:
        """Read the records that a person has to settle."""
        return (entry for entry in self.open_records() if entry.state is State.UNKNOWN)

    def marker_key(self, intent: str, opening: int) -> str:
        """Key of the marker of a record that is open for the so manieth time."""
        return f"{self.prefix}open/{intent}.{opening}"

    def drop_marker(self, intent: str, opening: int) -> None:
        """Delete a marker; if that fails it stays, which is harmless."""
        try:
            self.careful.store.delete(self.marker_key(intent, opening))
        except (StorageError, OSError) as error:
            _log.info("The marker of intent %s stays behind, which is harmless: %s", intent, error)

    def _keys(self, prefix: str) -> Iterator[str]:
        try:
            yield from self.careful.store.list_keys(prefix)
        except (StorageError, OSError) as error:
            raise JournalUnavailable(self.careful.store.uri_of(f"{prefix}x").removesuffix("/x"), str(error)) from error

    def _readable(self, intent: str) -> Iterator[Entry]:
        try:
            entry = self.read(intent)
        except (RecordDamaged, RecordTooNew) as error:
            _log.warning("%s", error)
            return
        if entry is not None:
            yield entry
