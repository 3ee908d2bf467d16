"""Thumbnails of the videos of a batch: those that this process has made, and of stored posters for the others."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from typing import Protocol

from prefect_seedance.asides import AsideLog, words_of
from prefect_seedance.pipeline.deliver import recent_thumbnail
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.storage.parallel import in_order
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.decoder import MOST_JPEG_BYTES
from prefect_seedance.storage.relay.poster import thumbnail_jpeg
from prefect_seedance.storage.templates import beside

_LOG = AsideLog(__name__)
#: As many as a page has room for.
MOST_THUMBNAILS = 2000
#: How long stored posters are read for in all.
_READING_SECONDS = 120.0
_READS_AT_ONCE = 8


class HasPoster(Protocol):
    """A row of a report, or a stored video."""

    @property
    def intent(self) -> str:
        """Identity of the video."""
        ...

    @property
    def key(self) -> str:
        """Its key inside the store."""
        ...

    @property
    def poster_uri(self) -> str:
        """Where its poster is; empty if there is none."""
        ...


class _Late(Exception):
    """It takes longer than thumbnails are worth."""


def thumbnails_of(
    results: Iterable[HasPoster], destination: Destination, *, cancelled: threading.Event | None = None
) -> dict[str, bytes]:
    """Return thumbnails by intent. Blocking. A poster that cannot be read costs its thumbnail, and nothing else.

    Args:
        results: Rows; those with a poster count, each intent once.
        destination: Where the posters are.
        cancelled: Ends the reading within a moment.
    """
    stop = cancelled or threading.Event()
    wanted = {row.intent: row for row in results if row.intent and row.poster_uri}
    found = {intent: jpeg for intent, row in wanted.items() if (jpeg := recent_thumbnail(row.poster_uri))}
    missing = [row for intent, row in wanted.items() if intent not in found][: max(0, MOST_THUMBNAILS - len(found))]
    if not missing:
        return found
    ends = time.monotonic() + _READING_SECONDS

    def check() -> None:
        if stop.is_set() or time.monotonic() > ends:
            raise _Late

    def read(row: HasPoster) -> tuple[str, bytes | None]:
        return row.intent, None if stop.is_set() else _thumbnail(row, destination.store, stop)

    try:
        with closing(in_order(missing, read, at_once=_READS_AT_ONCE, check=check)) as thumbnails:
            found |= {intent: jpeg for intent, jpeg in thumbnails if jpeg}
    except _Late:
        _LOG.warning("Not all stored posters were read for the report: it has no pictures of some videos.")
    return found


def _thumbnail(row: HasPoster, store: Store, stop: threading.Event) -> bytes | None:
    key = beside(row.key, ".jpg")
    if not row.key or store.uri_of(key) != row.poster_uri:  # not of this store
        return None
    try:
        with store.open_read(key) as file:
            poster = file.read(MOST_JPEG_BYTES + 1)
    except Exception as error:
        _LOG.info("The poster %s cannot be read: %s", row.poster_uri, words_of(error))
        return None
    return thumbnail_jpeg(io.BytesIO(poster), cancelled=stop)
