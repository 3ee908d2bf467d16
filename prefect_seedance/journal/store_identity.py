"""Which journal this is: ``store.json``, written once, and never again.

A run that is retried must meet the journal that it began with. If it meets a freshly made one (another
prefix, a folder that vanished with its container, a clean-up), everything it has submitted would be paid for
again: it stops.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import uuid4

from prefect_seedance.journal.careful import Patience
from prefect_seedance.journal.codec import package_version
from prefect_seedance.journal.errors import JournalGone, RecordDamaged
from prefect_seedance.journal.journal import Journal


@dataclass(frozen=True)
class StoreIdentity:
    """The name of a journal.

    Attributes:
        id: Made once, 32 hex digits.
        created: When, ISO 8601 by the worker's clock.
        is_new: Whether it was made by this call.
    """

    id: str
    created: str
    is_new: bool


def identify_store(journal: Journal, *, expected_id: str = "") -> StoreIdentity:
    """Read which journal this is, and name it if it has no name yet.

    Args:
        journal: The journal.
        expected_id: The name that it must have, known from an earlier step or try of the run; "" for any.

    Raises:
        JournalGone: It is another journal than expected, or none.
        JournalUnavailable: The store does not answer.
    """
    key = f"{journal.prefix}store.json"
    careful, where = journal.careful, journal.careful.store.uri_of(key)
    patience = journal.patience
    blob = careful.get(key, patience)
    is_new = blob is None
    if blob is None:
        if expected_id:
            raise JournalGone(where, "The journal that this run began with is gone")
        careful.put_once(key, _made(journal), patience)
        blob = careful.get(key, Patience(patience.seconds))
    try:
        values: dict[str, str] = json.loads(blob.data) if blob else {}
        identity = StoreIdentity(str(values["id"]), str(values["created"]), is_new)
    except (ValueError, KeyError, TypeError) as error:
        raise RecordDamaged(where, "it does not name the journal", "") from error
    if expected_id and identity.id != expected_id:
        raise JournalGone(where, "This is another journal than the one that this run began with")
    return identity


def _made(journal: Journal) -> bytes:
    values = {"id": uuid4().hex, "created": journal.now().isoformat(), "made_by": package_version()}
    return (json.dumps(values, indent=1) + "\n").encode()
