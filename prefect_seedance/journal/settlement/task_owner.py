"""Which intent a task of the vendor belongs to: asked before a person gives the task to an intent.

The records are the truth, and there may be a million of them. So they are looked at in this order, and the search ends
with the first that has the task:

1. the one that the provenance beside the task's video names. The key of a video is made of the task's id and the time
   of its creation, so it can be worked out: the videos are an index by task id that costs no request to keep;
2. the open ones, by their markers;
3. all that were written since the task was made, less a day for clocks that are wrong: no older one can hold its id.
   Where the vendor does not say when that was, or the store does not say when it was written, that is every record.

Nothing that is missing, stale or wrong in 1 and 2 can hide an owner: only 3 finds that there is none. A record that
cannot be decoded counts by its bytes. One that cannot be read at all is an error, not a record without the task.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from prefect_seedance.journal.codec import decode
from prefect_seedance.journal.errors import RecordDamaged, RecordTooNew
from prefect_seedance.journal.journal import Journal, is_intent
from prefect_seedance.storage.parallel import in_order
from prefect_seedance.storage.templates import beside, render

#: How far the clocks of a store, a worker and the vendor may be apart together: a wrong time zone, at worst.
_CLOCKS_APART_SECONDS = 86_400.0


@dataclass(frozen=True)
class Owner:
    """Whose a task is.

    Attributes:
        intent: Identity of the video.
        readable: Whether its record can be read; if not, its bytes name the task.
    """

    intent: str
    readable: bool = True


def owner_of(
    journal: Journal, task_id: str, *, besides: str, created_at: float | None, key_template: str
) -> Owner | None:
    """Find the record that has a task; None if there certainly is none.

    Args:
        journal: The journal.
        task_id: The vendor's task id.
        besides: An intent that is not looked for.
        created_at: When the vendor made the task, in seconds since 1970; None if it does not say.
        key_template: By which its video may have been named, as in `Delivery.key_template`.

    Raises:
        JournalUnavailable: A record could not be read, so that it is not known.
    """
    within, now = None, journal.now().timestamp()
    if created_at is not None and created_at <= now + _CLOCKS_APART_SECONDS / 2:  # later cannot be right
        within = max(0.0, now - created_at) + _CLOCKS_APART_SECONDS
    intents = chain(
        _by_video(journal, task_id, created_at, key_template),
        journal.open_intents(),
        journal.intents(within_seconds=within),
    )
    looked_for = (intent for intent in intents if intent != besides)
    with closing(in_order(looked_for, _reading(journal, task_id))) as found:
        return next(filter(None, found), None)


def _reading(journal: Journal, task_id: str) -> Callable[[str], Owner | None]:
    named = json.dumps(task_id, ensure_ascii=False).encode()

    def read(intent: str) -> Owner | None:
        key = journal.record_key(intent)
        blob = journal.confirmed.get(key, journal.patience, intent)
        if blob is None or named not in blob.data:  # of a million, one is decoded
            return None
        try:
            record = decode(blob.data, journal.uri_of(intent), intent)
        except (RecordDamaged, RecordTooNew):
            return Owner(intent, readable=False)
        return Owner(intent) if task_id in record.task_ids else None

    return read


def _by_video(journal: Journal, task_id: str, created_at: float | None, key_template: str) -> Iterator[str]:
    """Yield the intent that the provenance of the task's video names, if there is one where it would be."""
    named = ""
    with suppress(Exception):  # whatever it is, it only makes the search longer
        created = datetime.fromtimestamp(created_at or 0.0, UTC)
        blob = journal.confirmed.store.get(beside(render(key_template, task_id, created), ".json"))
        named = str(json.loads(blob.data)["video"]["intent"]) if blob else ""
    if is_intent(named):
        yield named
