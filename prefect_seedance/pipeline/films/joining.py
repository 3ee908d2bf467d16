"""Joining clips into one MP4 without encoding them again: PyAV (extra `media`) copies their packets in a child.

The clips come from the user's own store, so they are trusted more than what a link leads to. But they were made by
others, and FFmpeg's reader of containers runs over all of their bytes. A child with limits costs a tenth of a second,
and ends at once when a run is cancelled; so nothing is parsed in this process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline.errors import CannotJoin, ClipsDoNotFit
from prefect_seedance.pipeline.films import joiner
from prefect_seedance.plain_text import one_line
from prefect_seedance.versions import version_of

#: How long the child may take for one clip, or for the end of the film: it copies a file on this machine.
_STEP_SECONDS = 300.0
_LOOK_SECONDS = 0.25
_LONGEST_ANSWER = 20_000
#: Earlier ones open an encoder for a track that is only copied.
OLDEST_PYAV = (17, 1)
_OLDEST_PYAV_TEXT = ".".join(map(str, OLDEST_PYAV))
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "WINDIR", "__PYVENV_LAUNCHER__")


def check_joining() -> None:
    """Check that clips can be joined on this machine. Call it before they are paid for.

    Raises:
        CannotJoin: They cannot; it says why.
    """
    _folder_of_pyav()
    if getattr(sys, "frozen", False) or not sys.executable:
        raise CannotJoin(
            "Joining clips needs a Python interpreter, and this frozen application has none. Run it with Python."
        )


class Joining:
    """A film that grows clip by clip in a file. A context manager, at whose end the child is gone.

    Args:
        film: The file, which must not exist yet.
        most_bytes: Largest that it may become.
        cancelled: Set when the run is cancelled: the joining ends within a moment.

    Example:
        ```python
        with Joining(Path("/tmp/film.mp4"), most_bytes=2**30) as joining:
            for clip in clips:
                joining.add(clip)
            joining.end()
        ```
    """

    def __init__(self, film: Path, *, most_bytes: int, cancelled: threading.Event | None = None) -> None:
        self._film, self._most_bytes = film, most_bytes
        self._cancelled = cancelled or threading.Event()
        self._over = threading.Event()
        self._until = 0.0
        self._number = 0
        self._differences: dict[int, list[str]] = {}

    def __enter__(self) -> Self:
        """Start the child."""
        command = [sys.executable, "-I", "-S", joiner.__file__, _folder_of_pyav(), str(os.getpid())]
        try:
            self._child = subprocess.Popen(
                [*command, str(self._most_bytes), str(self._film)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise CannotJoin(f"The process that joins clips cannot be started: {error.strerror}.") from error
        self._until = time.monotonic() + _STEP_SECONDS
        threading.Thread(target=self._watch, name="seedance-joining-limit", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child."""
        self._over.set()
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()
        self._child.wait()

    def add(self, clip: Path) -> None:
        """Append a clip. One that does not fit is named by `end`, with all others.

        Raises:
            CannotJoin: The child came to an end, or took too long.
            PreparationCancelled: The run was cancelled.
        """
        self._number += 1
        if found := self._ask(str(clip)):
            self._differences[self._number] = found

    def end(self) -> None:
        """Finish the film.

        Raises:
            ClipsDoNotFit: Some clips cannot be joined to the first one.
            CannotJoin: The file cannot be finished.
            PreparationCancelled: The run was cancelled.
        """
        if self._differences:
            raise ClipsDoNotFit(self._differences)
        if problem := self._ask(""):
            raise CannotJoin(f"The film cannot be written: {', '.join(problem)}. The clips are untouched; run again.")

    def _ask(self, clip: str) -> list[str]:
        self._until = time.monotonic() + _STEP_SECONDS
        assert self._child.stdin is not None and self._child.stdout is not None
        answer = b""
        with suppress(OSError):  # it is gone
            self._child.stdin.write(json.dumps(clip).encode() + b"\n")
            self._child.stdin.flush()
            answer = self._child.stdout.readline(_LONGEST_ANSWER)
        if self._cancelled.is_set():
            raise PreparationCancelled
        try:
            words: object = json.loads(answer)
        except ValueError:
            where = f"at clip {self._number}" if clip else "at the end of the film"
            why = "took too long" if time.monotonic() >= self._until else "ended, or reached a limit,"
            raise CannotJoin(
                f"The process that joins clips {why} {where}. The clips are untouched. Run again; if it stays so, join "
                "them with another program, such as ffmpeg."
            ) from None
        assert isinstance(words, list)
        return [one_line(str(each)) for each in words]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            if self._cancelled.is_set() or time.monotonic() >= self._until:
                self._child.kill()
                return


def _folder_of_pyav() -> str:
    found = importlib.util.find_spec("av")
    if found is None or not found.origin:
        raise CannotJoin("PyAV, which joins clips, is missing. Install prefect-seedance[media].")
    installed = version_of("av")
    numbers = re.match(r"(\d+)\.(\d+)", installed)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST_PYAV:
        raise CannotJoin(f"PyAV {installed} cannot copy a track as it is. Install 'av>={_OLDEST_PYAV_TEXT}'.")
    return str(Path(found.origin).parent.parent)
