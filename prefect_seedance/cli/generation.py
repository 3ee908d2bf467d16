"""Making one video for a person at a terminal: progress, result, and what goes on after Ctrl-C."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from prefect.client.orchestration import get_client
from rich.console import Console

from prefect_seedance import RunOptions, SeedanceCredentials, StoredVideo, VideoRequest, VideoStore, generate_video
from prefect_seedance.cli.error_report import INTERRUPTED, report
from prefect_seedance.cli.progress import RunProgress
from prefect_seedance.cli.terminal import complain, say
from prefect_seedance.runs.messages import cost_words, reuse_message


def work(command: Callable[[argparse.Namespace], int]) -> None:
    """Run a child's work with the options of its command line, and exit: the counterpart of ``run_apart``."""
    options = argparse.Namespace(**json.loads(sys.argv[1]))
    sys.exit(report(lambda: command(options), debug=options.debug))


def make(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    options: RunOptions,
    *,
    interrupted: Callable[[str], str],
    cost: Callable[[StoredVideo], str] = cost_words,
) -> int:
    """Generate one video, print what came of it and return the exit code.

    Args:
        request: The video.
        credentials: Who pays.
        store: Where it goes.
        options: How the run behaves.
        interrupted: Words for Ctrl-C; gets the task id, "" if there is none.
        cost: Words for the cost.
    """
    store.check()
    with RunProgress(Console(stderr=True)) as progress:
        try:
            with get_client(sync_client=True) as prefect:
                prefect.hello()
            progress.done("server")
            stored = generate_video(request, credentials, store, options=options)
        except KeyboardInterrupt:
            complain(interrupted(progress.task_id))
            return INTERRUPTED
    say(f"Video       {_place(stored.uri)}")
    say(f"            {stored.width}x{stored.height}, {stored.seconds:.1f} s, {stored.bytes:,} bytes")
    say(f"            sha256 {stored.sha256}")
    say(f"Provenance  {_place(stored.provenance_uri)}")
    say(f"Poster      {_place(stored.poster_uri) or 'none: install prefect-seedance[media]'}")
    say(f"Cost        {cost(stored)}")
    say("Took        " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in progress.seconds.items()))
    if stored.reused:
        say(f"Note        {reuse_message(stored.task_id)}")
    for warning in progress.warnings:
        say(f"Warning     {warning}")
    return 0


def _place(uri: str) -> str:
    return unquote(urlsplit(uri).path) if uri.startswith("file://") else uri
