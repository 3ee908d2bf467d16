"""A record as bytes: JSON that machines and people read.

Whatever is written is read back first, so that no record can be written that cannot be read.
"""

from __future__ import annotations

import json
from typing import cast

from pydantic import JsonValue, ValidationError

from prefect_seedance.journal.errors import RecordDamaged, RecordTooNew
from prefect_seedance.journal.record import VERSION, Record


def encode(record: Record) -> bytes:
    """Write a record as JSON for machines and people.

    Raises:
        ValueError: It would not read back, so it must not be written.
    """
    values: dict[str, JsonValue] = record.model_dump(mode="json", warnings=False)
    values["submissions"] = record.submissions  # for people; never read back
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # No text may keep a record from being written. What the vendor says is clean; a run's name may be anything.
    data = text.encode("utf-8", "replace")
    Record.model_validate_json(data)
    return data


def decode(data: bytes, where: str, intent: str, store_option: str = "") -> Record:
    """Read a record.

    Args:
        data: As stored.
        where: Where, for the message.
        intent: Whose record it must be.
        store_option: What ``--store`` of the command line takes for the store, for the message.

    Raises:
        RecordDamaged: It is not a valid record, or it is another intent's.
        RecordTooNew: It is newer than this package, and has a shape of its own.
    """
    try:
        values = _object(data)
    except (ValueError, RecursionError) as error:
        raise RecordDamaged(where, f"{type(error).__name__}: {error}", intent, store_option) from error
    values.pop("submissions", None)
    try:
        record = Record.model_validate(values)
    except ValidationError as error:
        newer = values.get("version")
        if isinstance(newer, int) and newer > VERSION:
            raise RecordTooNew(where, newer, VERSION, intent) from error
        raise RecordDamaged(where, f"{error.error_count()} field(s) are wrong", intent, store_option) from error
    if record.intent != intent:
        raise RecordDamaged(where, f"it is the record of intent {record.intent[:40]!r}", intent, store_option)
    return record


def nonce_of(data: bytes) -> str:
    """Return the nonce of a write, and read nothing else of it; "" if it has none or is not a record."""
    try:
        return str(_object(data).get("nonce", ""))
    except (ValueError, RecursionError):
        return ""


def _object(data: bytes) -> dict[str, JsonValue]:
    values: object = json.loads(data)
    if not isinstance(values, dict):
        raise ValueError("it is not a JSON object")
    return cast(dict[str, JsonValue], values)
