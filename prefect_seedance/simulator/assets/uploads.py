"""The files that were uploaded to the simulated vendor, and how long it serves them. Safe for several threads."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from prefect_seedance.simulator.clock import Clock

#: The suffixes that the vendor's upload page lists, and the types that they are served as.
CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".svg": "image/svg+xml",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/x-msvideo",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".m4v": "video/x-m4v",
    ".flv": "video/x-flv",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".aac": "audio/aac",
    ".m4a": "audio/mp4",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
}


@dataclass(frozen=True)
class KeptFile:
    """One uploaded file.

    Attributes:
        path: Where it is kept; its name is the one that it is served under.
        filename: As the client named it.
        content: SHA-256 of its bytes.
        size: In bytes.
        signature: What its link must bring along, "" for nothing.
        dies_at: When its link dies, by the simulator's clock.
    """

    path: Path
    filename: str
    content: str
    size: int
    signature: str
    dies_at: float


class UploadedFiles:
    """Files that were uploaded, kept in a temporary folder until the simulator ends.

    Args:
        life_seconds: How long a link lives.
        signed: Whether a link carries a signature, as one to a private bucket does.
        clock: Measures that.
    """

    def __init__(self, life_seconds: float, signed: bool, clock: Clock) -> None:
        self._life_seconds, self._signed, self._clock = life_seconds, signed, clock
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[str, KeptFile] = {}

    def clear(self) -> None:
        """Delete every file."""
        with self._lock:
            if self._folder is not None:
                self._folder.cleanup()
            self._folder = None
            self._files.clear()

    def save(self, file: IO[bytes], filename: str, suffix: str, life_seconds: float | None = None) -> KeptFile:
        """Keep a file. Its link lives for ``life_seconds``, or as long as all do."""
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="seedance-simulator-files-")
            path = Path(self._folder.name, f"{secrets.token_hex(8)}{suffix}")
        with path.open("xb") as target:
            shutil.copyfileobj(file, target)
        with path.open("rb") as written:
            content = hashlib.file_digest(written, "sha256").hexdigest()
        life = self._life_seconds if life_seconds is None else life_seconds
        signature = secrets.token_hex(16) if self._signed else ""
        kept = KeptFile(path, filename, content, path.stat().st_size, signature, self._clock.now() + life)
        with self._lock:
            self._files[path.name] = kept
        return kept

    def all(self) -> list[KeptFile]:
        """List every file, oldest first, those with a dead link too."""
        with self._lock:
            return list(self._files.values())

    def find(self, name: str) -> KeptFile | None:
        """Return a file by the name that it is served under, or None."""
        with self._lock:
            return self._files.get(name)

    def served(self, kept: KeptFile, signature: str) -> bool:
        """Return whether a link with this signature still leads to its file."""
        return signature == kept.signature and self._clock.now() < kept.dies_at
