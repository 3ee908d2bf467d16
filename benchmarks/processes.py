"""Processes that measurements start: children that measure, and servers that say where they listen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: How much of what a failed child has said is shown.
SHOWN_CHARACTERS = 4000


def child(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run this interpreter with these arguments to its end, and return the last line that it printed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if ended.returncode or not ended.stdout.strip():
        raise SystemExit(f"{' '.join(arguments[:4])} failed:\n{ended.stderr[-SHOWN_CHARACTERS:]}")
    return ended.stdout.splitlines()[-1]


@contextmanager
def announced(*arguments: str) -> Iterator[str]:
    """Run this interpreter as a server for the length of a ``with`` block, and return the first line that it prints."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        if not (line := process.stdout.readline().strip()):
            raise SystemExit(f"{' '.join(arguments[:2])} did not start")
        yield line
    finally:
        process.kill()
        process.communicate()
