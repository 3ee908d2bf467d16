"""The memos of a store, for the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from prefect_seedance.asides import AsideLog, words_of
from prefect_seedance.journal.confirmed_store import ConfirmedStore, Patience
from prefect_seedance.journal.errors import JournalUnavailable
from prefect_seedance.media.memos.memo import Damaged, Kept, MemoState, Past, TooNew, decode
from prefect_seedance.media.memos.names import MemoKind
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.parallel import in_order
from prefect_seedance.storage.protocol import Store

_log = AsideLog(__name__)


@dataclass(frozen=True)
class MemoEntry:
    """A memo as it is listed.

    Attributes:
        account: Label of the account at the vendor.
        kind: What it is.
        name: Of its content.
        state: See `memo`.
        lapsed: Whether who is making it has had the time for that, and anybody may make it.
        age_seconds: Since it was made, or written last, by the store's clock.
        kept: What is kept, if anything is.
        holder: Who is making it, "" if nobody is.
        reason: Why nothing is kept, or why it is made anew.
        history: What became of earlier ones.
    """

    account: str
    kind: MemoKind
    name: str
    state: MemoState
    lapsed: bool
    age_seconds: float
    kept: Kept | None
    holder: str
    reason: str
    history: tuple[Past, ...]


def entries_below(store: Store, folder: str, patience: Patience) -> Iterator[MemoEntry]:
    """Read the memos below a folder, several at once. One that cannot be read is logged and left out.

    Raises:
        JournalUnavailable: The store does not answer, or denies the access.
    """
    with closing(in_order(_keys(store, folder), lambda key: _read(store, key, patience))) as found:
        for entry in found:
            if isinstance(entry, MemoEntry):
                yield entry
            elif entry:
                _log.warning("%s", entry)


def _keys(store: Store, folder: str) -> Iterator[str]:
    try:
        yield from (key for key in store.list_keys(folder) if key.endswith(".json"))
    except (StorageError, OSError) as error:
        raise JournalUnavailable(store.uri_of(folder.removesuffix("/")), words_of(error)) from error


def _read(store: Store, key: str, patience: Patience) -> MemoEntry | str:
    """Read one memo; return words if it cannot be listed, which are "" if it is gone."""
    blob = ConfirmedStore(store, time.sleep).get(key, patience)
    if blob is None:
        return ""
    try:
        memo = decode(blob.data)
    except TooNew as error:
        return f"The memo at {store.uri_of(key)} is of version {error.version}: upgrade prefect-seedance to list it."
    except Damaged as error:
        return f"The memo at {store.uri_of(key)} is not listed: {error}. It is written anew when it is needed."
    if memo.key != key:
        return f"The memo at {store.uri_of(key)} is not listed: it is that of another name."
    age = max(0.0, blob.age_seconds)
    kept = memo.kept(age)
    return MemoEntry(
        account=memo.account,
        kind=memo.kind,
        name=memo.name,
        state=memo.state,
        lapsed=memo.state == "working" and memo.lease_left(age) <= 0,
        age_seconds=kept.age_seconds if kept else age,
        kept=kept,
        holder=memo.holder,
        reason=memo.reason,
        history=memo.history,
    )
