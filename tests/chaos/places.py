"""Where a case's store is, and what is done to it behind its back: it is made older, broken and mended.

A child process makes its place again from the store's settings, so that it can break it at an exact point.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx

from prefect_seedance import VideoStore

#: ``writes``: nothing can be written. ``records``: the journal's records are gone, and none can be written.
Part = Literal["writes", "records"]


@dataclass(frozen=True)
class Place(ABC):
    """A place for a store.

    Attributes:
        settings: Fields of the `VideoStore`.
    """

    settings: Mapping[str, str]

    @property
    def store(self) -> VideoStore:
        """The block."""
        return VideoStore.model_validate(dict(self.settings))

    @abstractmethod
    def age(self, key: str, seconds: float) -> None:
        """Let an object look as if it had been written so long ago, by the store's own clock."""

    @abstractmethod
    def destroy(self, part: Part) -> None:
        """Make a part of it fail, whoever asks."""

    @abstractmethod
    def mend(self, part: Part) -> None:
        """Undo `destroy`."""


#: For a bucket: below which keys, and the status that each method is answered with.
_REFUSED: Mapping[Part, tuple[str, dict[str, str]]] = {
    "writes": ("", {"PUT": "503"}),
    "records": ("journal/records/", {"GET": "404", "PUT": "403"}),
}


def place_of(settings: Mapping[str, str]) -> Place:
    """Return the place that a store's settings name."""
    return (Bucket if settings["location"].startswith("s3://") else Folder)(settings)


class Folder(Place):
    """A folder. Its clock is the file system's."""

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.settings["location"])

    def age(self, key: str, seconds: float) -> None:
        """Set the file's time of change."""
        past = time.time() - seconds
        if (self.path / key).exists():
            os.utime(self.path / key, (past, past))

    def destroy(self, part: Part) -> None:
        """Put a file in a folder's place: that also stops root, to whom no access right is denied."""
        folder = self._folder_of(part)
        folder.rename(_away(folder))
        folder.touch()

    def mend(self, part: Part) -> None:
        """Put the folder back."""
        folder = self._folder_of(part)
        folder.unlink()
        _away(folder).rename(folder)

    def _folder_of(self, part: Part) -> Path:
        return self.path / (".tmp" if part == "writes" else "journal/records")


class Bucket(Place):
    """A prefix in the bucket of `tests.storage.moto_process`, which has a control for each of these."""

    def age(self, key: str, seconds: float) -> None:
        """Set the object's time of change."""
        self._control("age", key, seconds=str(seconds))

    def destroy(self, part: Part) -> None:
        """Let the server refuse to write, or deny that there are records."""
        below, statuses = _REFUSED[part]
        self._control("refuse", below, **statuses)

    def mend(self, part: Part) -> None:
        """Let it answer again."""
        below, statuses = _REFUSED[part]
        self._control("allow", below, **statuses)

    def _control(self, control: str, key: str, **query: str) -> None:
        location = urlsplit(self.settings["location"])
        path = f"/{location.netloc}{location.path}/{key}"
        httpx.post(
            f"{self.settings['endpoint_url']}/-/{control}", params={"path": path, **query}, timeout=60
        ).raise_for_status()


def _away(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.away")
