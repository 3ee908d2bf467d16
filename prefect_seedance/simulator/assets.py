"""The two asset libraries and the uploaded files of the simulated vendor. Safe for several threads.

An asset becomes usable some time after it was handed in; one whose address holds "reject" never does.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from prefect_seedance.simulator.clock import Clock

Library = Literal["manxue", "sp"]

#: The words of each library: waiting, usable, turned down.
_WORDS: dict[Library, tuple[str, str, str]] = {
    "manxue": ("Pending", "Active", "Rejected"),
    "sp": ("Processing", "Active", "Failed"),
}


@dataclass(frozen=True)
class SubmittedAsset:
    """One asset that was handed in."""

    asset_id: str
    library: Library
    name: str
    url: str
    asset_type: str
    started: float
    created_at: float = field(default_factory=time.time)


class AssetLibrary:
    """Both libraries: Manxue's audit and SP's.

    Args:
        seconds: How long an asset takes to become usable.
        clock: Measures that.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._lock = threading.Lock()
        self._assets: dict[str, SubmittedAsset] = {}

    def clear(self) -> None:
        """Forget every asset."""
        with self._lock:
            self._assets.clear()

    def add(self, library: Library, url: str, asset_type: str, name: str = "") -> SubmittedAsset:
        """Take an asset in."""
        asset = SubmittedAsset(f"asset-{secrets.token_hex(8)}", library, name, url, asset_type, self._clock.now())
        with self._lock:
            self._assets[asset.asset_id] = asset
        return asset

    def find(self, asset_id: str) -> SubmittedAsset | None:
        """Return an asset, or None if none has that id."""
        with self._lock:
            return self._assets.get(asset_id)

    def status(self, asset: SubmittedAsset) -> str:
        """Return an asset's status in the words of its library."""
        waiting, usable, turned_down = _WORDS[asset.library]
        if self._clock.now() - asset.started < self._seconds:
            return waiting
        return turned_down if "reject" in asset.url else usable

    def unusable(self, url: str) -> bool:
        """Tell whether ``asset://{id}`` names an asset of ours that is not usable (yet)."""
        asset = self.find(url.removeprefix("asset://"))
        return asset is not None and self.status(asset) != "Active"


class UploadedFiles:
    """Files that were uploaded, kept in a temporary folder until the simulator ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def clear(self) -> None:
        """Delete every file."""
        with self._lock:
            if self._folder is not None:
                self._folder.cleanup()
            self._folder = None

    def save(self, file: IO[bytes], suffix: str) -> str:
        """Keep a file and return the name under which it is served."""
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="seedance-simulator-files-")
            path = Path(self._folder.name, f"{secrets.token_hex(8)}{suffix}")
        with path.open("xb") as target:
            shutil.copyfileobj(file, target)
        return path.name

    def path(self, name: str) -> Path | None:
        """Find a kept file by the name that ``save`` gave."""
        with self._lock:
            kept = [] if self._folder is None else list(Path(self._folder.name).iterdir())
        return next((path for path in kept if path.name == name), None)
