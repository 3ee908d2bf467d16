"""How a page leads to a video: beside it in a folder, by a signed link where one was asked for, else by its address."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

from prefect_seedance.asides import AsideLog, words_of
from prefect_seedance.storage.protocol import Store

_LOG = AsideLog(__name__)
#: From the folder of a report in the store (`reports/<date>/<run>/`) to the store.
_UP = "../../../"


class Links:
    """The links of one page.

    Args:
        store: Where the videos are.
        seconds: How long a signed link lives; 0 for none.
        page: The file that the page is written to; None if it is a report of the store.

    Attributes:
        until: When the signed links end; None if there are none, or none has been made.
        origin: Scheme and host of the signed links.
    """

    def __init__(self, store: Store, seconds: int = 0, page: Path | None = None) -> None:
        self._store, self._seconds = store, seconds
        self._folder = _UP if page is None else ""
        if page is not None:
            self._folder = _way(page, store)
        self.in_folder = store.uri_of("x").startswith("file:")
        self.until: datetime | None = None
        self.origin = ""
        self._problem = ""

    def to(self, key: str, uri: str) -> str:
        """Return an address that plays a video; empty if there is none.

        Args:
            key: Of the video.
            uri: Its address as it was stored. A store that has moved since has it under its key all the same.
        """
        if not key:
            return ""
        if self.in_folder:
            return self._folder + quote(key)
        if not self._seconds or not uri:
            return ""
        return self._signed(key)

    def _signed(self, key: str) -> str:
        from prefect_seedance.storage.s3.store import S3Store

        if not isinstance(self._store, S3Store):
            return ""
        try:
            url = self._store.presigned_url(key, self._seconds)
            if self.until is None:
                end = self._store.credentials_end()  # after signing, which may have had to renew them
                asked = datetime.now(UTC) + timedelta(seconds=self._seconds)
                self.until = min(asked, end.at.astimezone(UTC)) if end.at else asked
                parts = urlsplit(url)
                self.origin = f"{parts.scheme}://{parts.netloc}"
        except Exception as error:
            self._seconds, self._problem = 0, f"No links that play videos were made: {words_of(error)}"
            _LOG.warning("%s", self._problem)
            return ""
        return url

    @property
    def unplayable(self) -> str:
        """What a page says where a video cannot be played."""
        if self.until is not None:
            return f"This video cannot be played here. Its link ends at {self.until:%Y-%m-%d %H:%M} UTC, or sooner."
        return "This video cannot be played here. It may no longer lie beside this page."

    @property
    def notice(self) -> str:
        """What a reader should know of the links that were asked for; empty for nothing."""
        if self.until is None:
            return self._problem
        return f"Whoever has this page can watch the videos until {self.until:%Y-%m-%d %H:%M} UTC."


def _way(page: Path, store: Store) -> str:
    """Return the relative path from a page to a store that is a folder; empty for any other store."""
    parts = urlsplit(store.uri_of("x"))
    if parts.scheme != "file":
        return ""
    from urllib.request import url2pathname

    root = Path(url2pathname(parts.path)).parent
    way = Path(os.path.relpath(root, page.parent)).as_posix()
    return f"{quote(way)}/" if way.startswith(".") else f"./{quote(way)}/"
