"""Which journal this is: ``store.json``, written once, and never again.

A run that is retried must meet the journal that it began with. If it meets a freshly made one (another
prefix, a folder that vanished with its container, a clean-up), everything it has submitted would be paid for
again: it stops.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from uuid import uuid4

from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import JournalGone, RecordDamaged
from prefect_seedance.journal.journal import Journal
from prefect_seedance.storage.protocol import Blob
from prefect_seedance.versions import version_of


def identify_store(journal: Journal, *, expected: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the name of a journal, 32 hex digits that were drawn once; one that has no name yet gets one.

    Args:
        journal: The journal.
        expected: By id, with their places, the journals of which it must be one, known from an earlier step or try of
            the run; none if any will do.

    Raises:
        JournalGone: It is another journal than expected, or none.
        JournalUnavailable: The store does not answer.
    """
    key = _key(journal)
    careful, where = journal.confirmed, journal.confirmed.store.uri_of(key)
    patience = journal.patience
    found = known_name(journal)
    if not found:
        if expected:
            what = f"This run began with {_named(expected)}; there is none"
            raise JournalGone(where, what, "", journal.store_option)
        careful.put_once(key, _made(journal), patience)
        found = _name_in(careful.get(key, Patience(patience.seconds)), journal)
    if expected and found not in expected:
        what = f"This run began with {_named(expected)}; there is another journal, {found},"
        raise JournalGone(where, what, "", journal.store_option)
    return found


def known_name(journal: Journal) -> str:
    """Return the name of a journal, "" if it has none: nothing was ever submitted there, or it is not there just now.

    Raises:
        JournalUnavailable: The store does not answer.
    """
    blob = journal.confirmed.get(_key(journal), journal.patience)
    return _name_in(blob, journal) if blob else ""


def _key(journal: Journal) -> str:
    return f"{journal.prefix}store.json"


def _name_in(blob: Blob | None, journal: Journal) -> str:
    try:
        values: dict[str, str] = json.loads(blob.data) if blob else {}
        return str(values["id"])
    except (ValueError, KeyError, TypeError) as error:
        where = journal.confirmed.store.uri_of(_key(journal))
        raise RecordDamaged(where, "it does not name the journal", "", journal.store_option) from error


def _named(expected: Mapping[str, str]) -> str:
    return " or ".join(f"journal {journal_id} at {place}" for journal_id, place in expected.items())


def _made(journal: Journal) -> bytes:
    values = {"id": uuid4().hex, "created": journal.now().isoformat(), "made_by": version_of()}
    return (json.dumps(values, indent=1) + "\n").encode()
