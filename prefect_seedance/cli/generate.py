"""``prefect-seedance generate``: one video from the real vendor, guarded by the journal."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from prefect_seedance.cli.child_process import run_apart, say_at_once
from prefect_seedance.cli.terminal import complain
from prefect_seedance.client.request.sources import LAST_FRAME, Source, UnusableSource, read_source


def generate(options: argparse.Namespace) -> int:
    """Generate one video and return the exit code. The user's own Prefect server is used if one is configured."""
    if options.dry_run:
        complain("Planning one video; nothing is paid ...")  # without Prefect's server
    else:
        say_at_once("Making one video.")
    given = dict(vars(options))
    for name in ("images", "reference_videos", "reference_audios"):
        given[name] = [whole_source(text) for text in given[name]]
    for name in ("first_image", "last_image"):
        given[name] = whole_source(given[name])
    return run_apart("prefect_seedance.cli.generate_run", given)


def whole_source(text: str) -> str:
    """Return a source as whoever works on it finds it: a path from the root on, seen from the shell's folder and home.

    Example:
        >>> whole_source("s3://shop/mug.png")
        's3://shop/mug.png'
        >>> whole_source("../mug.png").startswith("/")
        True
    """
    frame, path = LAST_FRAME * text.startswith(LAST_FRAME), text.removeprefix(LAST_FRAME)
    if path.startswith("~"):
        path = os.path.expanduser(path)
    elif not _is_path(path):
        return text
    return text if path.startswith("~") else f"{frame}{Path.cwd() / path}"


def _is_path(text: str) -> bool:
    try:
        return read_source(text) == Source("file", text)
    except UnusableSource:  # from a shell a name alone may be that of a file
        return os.path.isfile(text)
