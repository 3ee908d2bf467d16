"""A link by which anybody can watch a stored video for a while, or open the report of a batch.

There is one only where the store allows it (``VideoStore.link_hours``).

It is a secret: whoever has it needs no other right to the video. It stands on the run's page and in the notification,
and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from prefect_seedance.asides import words_of
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.logs import log

if TYPE_CHECKING:
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.pipeline.models import StoredVideo
    from prefect_seedance.storage.s3.store import S3Store

#: A link that would end sooner is of no use to anybody who reads of it.
_LEAST = timedelta(minutes=1)


@dataclass(frozen=True)
class PlayLink:
    """A link that plays a video, or opens a report.

    Attributes:
        url: The link, which is a secret.
        until: When it ends, at the latest.
        is_certain: Whether it lives that long: the credentials that signed it may end sooner, at a time not known.
        use: What can be done with it.
    """

    url: str = field(repr=False)
    until: datetime
    is_certain: bool = True
    use: str = "watch the video"

    @property
    def life(self) -> str:
        """How long it lives, in words.

        Example:
            >>> PlayLink("https://example.com", datetime(2026, 11, 27, 12, 0, tzinfo=UTC)).life
            'Whoever has this link can watch the video until 2026-11-27 12:00 UTC.'
        """
        words = f"Whoever has this link can {self.use} until {self.until:%Y-%m-%d %H:%M} UTC"
        if self.is_certain:
            return f"{words}."
        return f"{words}, or less: it ends with the temporary credentials that signed it, whose end is unknown."


async def play_link(stored: StoredVideo, store: VideoStore) -> PlayLink | None:
    """Sign a link to a video; none where the store allows none. What fails is logged and changes nothing."""

    def sign(opened: S3Store, seconds: int) -> str:
        return stored.presigned_url(seconds, store=store)

    return await _link(store, "watch the video", sign)


async def report_link(report_uri: str, store: VideoStore) -> PlayLink | None:
    """Sign a link to a report that lies in this store; none where there is no report, or the store allows none."""

    def sign(opened: S3Store, seconds: int) -> str:
        return opened.presigned_url(report_uri.removeprefix(opened.uri_of("x")[:-1]), seconds)

    return await _link(store, "open the report", sign) if report_uri else None


async def _link(store: VideoStore, use: str, sign: Callable[[S3Store, int], str]) -> PlayLink | None:
    if not store.link_hours or not store.is_s3:
        return None
    try:
        return await threads.run(threads.RECORDS, _signed, store, use, sign)
    except Exception as error:
        log("notify", f"No link to {use} was made: {words_of(error)}", level=logging.WARNING)
        return None


def _signed(store: VideoStore, use: str, sign: Callable[[S3Store, int], str]) -> PlayLink | None:
    opened = cast("S3Store", store.open())
    now = datetime.now(UTC)
    asked = timedelta(hours=store.link_hours)
    url = sign(opened, max(1, int(asked.total_seconds())))
    end = opened.credentials_end()  # after signing, which may have had to renew them
    until = now + asked if end.at is None else min(now + asked, end.at.astimezone(UTC))
    if until - now < min(asked, _LEAST):
        why = "the credentials of the store end within a minute"
        log("notify", f"No link to {use} was made: {why}.", level=logging.WARNING)
        return None
    return PlayLink(url, until, is_certain=end.is_known, use=use)
