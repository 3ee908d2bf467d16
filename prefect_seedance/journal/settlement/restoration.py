"""Restoring a record that is damaged or gone: as *unknown*, never as something that may be claimed.

An older version of a record may say `ready` although a video was paid for since, so nobody puts one back by hand.
What is written here says everything that can still be read, and holds one attempt more, which stands for whatever
was lost: it is unknown, it counts as a submission, and a person has to settle it before anything is sent.

What is looked at, in this order: the versions that the store keeps, the newest first (S3 with versioning; of a folder
what unfinished writes have left); else the videos of the store, by their provenance; else nothing is known but the
intent. The damaged bytes are kept beside the records, for a person. Where the store does not let us look, nothing is
written: a version that nobody was allowed to see may hold the id of a paid task.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast
from uuid import uuid4

from prefect_seedance.asides import words_of
from prefect_seedance.journal.codec import decode, encode
from prefect_seedance.journal.commands import how_to_list_unknown
from prefect_seedance.journal.errors import (
    JournalGone,
    JournalUnavailable,
    RecordChanged,
    RecordDamaged,
    RecordTooNew,
    ResolutionRefused,
)
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import UNKNOWN_MOMENT, VERSION, Attempt, Entry, Record, Stored
from prefect_seedance.journal.states import State
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.parallel import in_order
from prefect_seedance.storage.protocol import Blob
from prefect_seedance.versions import version_of

_RACES = 20
_NEEDS = "which in a bucket takes s3:ListBucketVersions and s3:GetObjectVersion"
#: What a person may still want to know of bytes that are no longer JSON.
_TASK_ID = re.compile(r'"task_id": ?"([!-~]{1,120}?)"')
#: The vendor's own form of it, which a video's key usually holds.
_TASK_ID_IN_KEY = re.compile(r"\bvideos_[0-9A-Za-z]{16,100}")
_NUMBER = re.compile(r'"number": ?(\d{1,6})\b')
_REVISION = re.compile(r'"rev": ?(\d{1,9})\b')


def restore_record(journal: Journal, intent: str) -> Entry:
    """Restore a record as unknown; one that can be read is left as it is.

    Args:
        journal: The journal.
        intent: Identity of the video.

    Returns:
        The record as it stands now. Doing it again changes nothing.

    Raises:
        ResolutionRefused: Nothing is known of such an intent.
        RecordTooNew: A newer version of this package wrote it, and has to restore it.
        JournalUnavailable: The store could not be read or written; nothing was changed.
    """
    key = journal.record_key(intent)
    for _ in range(_RACES):
        damaged = journal.confirmed.get(key, journal.patience, intent)
        cause = "it is gone"
        if damaged is not None:
            try:
                decode(damaged.data, journal.uri_of(intent), intent)
            except RecordDamaged as error:
                cause = error.cause
            else:
                entry = journal.read(intent)
                if entry is not None:
                    return entry
                continue
        readable = _newest_version(journal, intent) or _from_videos(journal, intent)
        openings = _openings(journal, intent)
        if damaged is None and readable is None and not openings:
            fix = f"Those to settle: {how_to_list_unknown(journal.store_option)}"
            raise ResolutionRefused(intent, f"Nothing is known of it in {journal.location}.", fix)
        if damaged is not None:
            aside = f"{journal.prefix}damaged/{intent}.{hashlib.sha256(damaged.data).hexdigest()[:16]}"
            journal.confirmed.put_once(aside, damaged.data, journal.patience, intent)
        record = _as_unknown(journal, intent, readable, damaged, cause, openings)
        marker = journal.marker_key(intent, record.opening)
        journal.confirmed.put_once(marker, intent.encode(), journal.patience, intent)
        with suppress(RecordChanged, JournalGone):  # somebody else was faster: look again
            etag = damaged.etag if damaged else None
            journal.confirmed.put(key, encode(record), etag=etag, patience=journal.patience, intent=intent)
            entry = journal.read(intent)
            if entry is not None:
                return entry
    raise ResolutionRefused(intent, "Other runs keep changing the record.", "Try again when no run is working on it.")


def _newest_version(journal: Journal, intent: str) -> Record | None:
    """Return the newest version that is a record of this intent."""
    where = journal.uri_of(intent)
    try:
        for data in journal.confirmed.store.earlier_versions(journal.record_key(intent)):
            with suppress(RecordDamaged):
                record = decode(data, where, intent)
                if record.version > VERSION:
                    raise RecordTooNew(where, record.version, VERSION, intent)
                return record
    except (StorageError, OSError) as error:
        raise JournalUnavailable(
            where, f"its earlier versions cannot be looked at, {_NEEDS}: {words_of(error)}", intent
        ) from error
    return None


def _from_videos(journal: Journal, intent: str) -> Record | None:
    """Return what the provenance of the intent's videos says; None if there is no such video."""
    found = sorted(_provenances(journal, intent), key=lambda each: str(each["video"].get("stored_at", "")))
    if not found:
        return None
    attempts = tuple(
        Attempt(
            number=number,
            nonce=uuid4().hex,
            started_at=UNKNOWN_MOMENT,
            outcome="accepted",
            task_id=each["video"]["task_id"],
            model=each["video"].get("model", ""),
            cost=each["video"].get("cost"),
            host=each["vendor"].get("host", ""),
            credentials=each["vendor"].get("credentials", ""),
        )
        for number, each in enumerate(found, 1)
    )
    newest = found[-1]
    return Record(
        intent=intent,
        state=State.UNKNOWN,
        request=newest["request"],
        take=newest["take"],
        scope=newest["scope"],
        account=newest["vendor"].get("account", ""),
        model=str(newest["request"].get("model", "")),
        created_at=UNKNOWN_MOMENT,
        updated_at=UNKNOWN_MOMENT,
        current=len(found),
        key=newest["video"]["key"],
        attempts=attempts,
        stored=_stored(newest["video"]),
    )


def _provenances(journal: Journal, intent: str) -> Iterator[dict[str, Any]]:
    """Read the provenance of every video, which is slow in a large store, and yield those of this intent."""
    store = journal.confirmed.store
    try:
        keys = (key for key in store.list_keys("") if key.endswith(".json") and not key.startswith(journal.prefix))
        for blob in in_order(keys, store.get):
            # One that is not of our shape says nothing; the video is where it is.
            with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                values = cast("dict[str, Any]", json.loads(blob.data if blob else b""))
                if values["video"]["intent"] == intent and values["video"]["task_id"]:
                    _stored(values["video"])
                    Record.model_validate(
                        {**_nothing(intent), "request": values["request"], "take": values["take"]}
                        | {"scope": values["scope"], "account": values["vendor"].get("account", "")}
                    )
                    yield values
    except (StorageError, OSError) as error:
        raise JournalUnavailable(
            journal.location, f"its videos cannot be looked at: {words_of(error)}", intent
        ) from error


def _stored(video: dict[str, Any]) -> Stored:
    """Return where a video lies, with the facts that its provenance leaves out: see `pipeline.deliver`."""
    return Stored.model_validate({"poster_uri": "", "width": 0, "height": 0, "seconds": 0.0, **video})


def _nothing(intent: str) -> dict[str, Any]:
    """Return the fields of a record of which nothing is known."""
    words = dict.fromkeys(("take", "scope", "account", "model"), "")
    moments = dict.fromkeys(("created_at", "updated_at"), UNKNOWN_MOMENT)
    return {"intent": intent, "state": State.UNKNOWN, "request": {}, **words, **moments}


def _openings(journal: Journal, intent: str) -> tuple[int, ...]:
    """Return the numbers of the open markers that the intent has."""
    start = journal.marker_key(intent, 0).removesuffix("0")
    try:
        ends = [key.removeprefix(start) for key in journal.confirmed.store.list_keys(start)]
    except (StorageError, OSError) as error:
        raise JournalUnavailable(journal.location, words_of(error), intent) from error
    return tuple(int(end) for end in ends if end.isdecimal())


def _as_unknown(
    journal: Journal, intent: str, readable: Record | None, damaged: Blob | None, cause: str, openings: tuple[int, ...]
) -> Record:
    """Make the record that is written: all that can be read, and one attempt for what cannot."""
    now = journal.now()
    record = readable or Record.model_validate({**_nothing(intent), "created_at": now})
    text = damaged.data.decode("utf-8", "replace") if damaged else ""
    numbers = [*(each.number for each in record.attempts), *map(int, _NUMBER.findall(text))]
    named = sorted({*_TASK_ID.findall(text), *_TASK_ID_IN_KEY.findall(text)} - {*record.task_ids})
    lost = Attempt(
        number=max(numbers, default=0) + 1,
        nonce=uuid4().hex,
        started_at=record.updated_at,
        outcome="unknown",
        message=_lost(record, cause, named),
        restored=True,
    )
    return record.model_copy(
        update={
            "version": VERSION,
            "state": State.UNKNOWN,
            "holder": None,
            "attempts": (*record.attempts, lost),
            "nonce": uuid4().hex,
            "rev": max([record.rev, *map(int, _REVISION.findall(text))]) + 1,
            "opening": max([record.opening, *openings]) + 1,
            "watch_seconds": 0.0,
            "updated_at": now,
            "package_version": version_of(),
        }
    )


def _lost(record: Record, cause: str, task_ids: list[str]) -> str:
    """Return in words what is not known."""
    since = f" after {record.updated_at:%Y-%m-%d %H:%M:%S} UTC" if record.updated_at != UNKNOWN_MOMENT else ""
    named = f"; the damaged file names {', '.join(task_ids[:5])}" if task_ids else ""
    return f"the record was restored ({cause[:200].rstrip('.')}), and what became of it{since} is not known{named}"
