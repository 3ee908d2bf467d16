"""Making one video for whoever calls the command: progress, result, and what goes on after Ctrl-C."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings
from rich.console import Console

from prefect_seedance import RunOptions, SeedanceCredentials, StoredVideo, VideoRequest, VideoStore, generate_video
from prefect_seedance.cli.error_report import interrupted as said_interrupted
from prefect_seedance.cli.error_report import report
from prefect_seedance.cli.progress import RunProgress
from prefect_seedance.cli.store_option import note_prefect
from prefect_seedance.cli.terminal import say, say_document
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.plain_text import coin_words
from prefect_seedance.runs.notifications.messages import reuse_message


def work(command: Callable[[argparse.Namespace], int]) -> None:
    """Run a child's work with the options of its command line, and exit: the counterpart of ``run_apart``."""
    options = argparse.Namespace(**json.loads(sys.argv[1]))
    # As an exception, so that Prefect stops its embedded server on the way out.
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda number, frame: sys.exit(128 + number))
    sys.exit(report(lambda: command(options), debug=options.debug, as_json=options.as_json))


def make(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    options: RunOptions,
    *,
    as_json: bool,
    interrupted: Callable[[str], str],
    cost: Callable[[StoredVideo], str] | None = None,
    afterwards: Callable[[StoredVideo], str] | None = None,
) -> int:
    """Generate one video, print what came of it and return the exit code.

    Args:
        request: The video.
        credentials: Who pays.
        store: Where it goes.
        options: How the run behaves.
        as_json: Print a document instead of words.
        interrupted: Words for Ctrl-C; gets the task id, "" if there is none.
        cost: Words for the cost, in place of the usual ones.
        afterwards: What is printed last, once the video is made.
    """
    store.check()
    with RunProgress(Console(stderr=True)) as progress:
        try:
            reach_prefect()
            progress.done("server")
            stored = generate_video(request, credentials, store, options=options)
        except KeyboardInterrupt:
            task_id = progress.task_id
            return said_interrupted(interrupted(task_id), as_json=as_json, task_id=task_id)
    if as_json:
        took = {step: round(seconds, 3) for step, seconds in progress.seconds.items()}
        say_document({"video": stored.model_dump(mode="json"), "took_seconds": took, "warnings": progress.warnings})
        return 0
    say(f"Video       {_place(stored.uri)}")
    say(f"            {stored.width}x{stored.height}, {stored.seconds:.1f} s, {stored.bytes:,} bytes")
    say(f"            sha256 {stored.sha256}")
    say(f"Intent      {stored.intent}")
    say(f"Provenance  {_place(stored.provenance_uri)}")
    say(f"Poster      {_place(stored.poster_uri) or 'none: install prefect-seedance[media]'}")
    say(f"Cost        {(cost or _cost)(stored)}")
    say("Took        " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in progress.seconds.items()))
    if stored.reused:
        say(f"Note        {reuse_message(stored.task_id)}")
    for warning in progress.warnings:
        say(f"Warning     {warning}")
    if afterwards is not None:
        say(afterwards(stored))
    return 0


def _cost(stored: StoredVideo) -> str:
    """Word what a video cost, and how that is known."""
    if stored.cost is None:
        words = "not known"
    elif stored.cost_source == "vendor":
        words = coin_words(stored.cost)
    else:
        words = f"{coin_words(stored.cost)} expected ({stored.cost_source}); the vendor reports none"
    if earlier := stored.submissions - 1:
        failed = "one earlier submission" if earlier == 1 else f"{earlier} earlier submissions"
        words += f"; {failed} failed, and the vendor's console shows what was charged"
    return words


def reach_prefect() -> None:
    """Start Prefect's embedded server, unless the settings name a running one.

    Raises:
        ConfigurationError: It cannot work as the settings are, or did not start.
    """
    settings = get_current_settings()
    note_prefect()
    if not settings.api.url:
        _check_home(settings.home)
    try:
        with get_client(sync_client=True) as prefect:
            prefect.hello()
    except RuntimeError as error:
        if settings.api.url:
            raise
        fix = "Run prefect server start to see why, or set PREFECT_API_URL to a server that runs."
        raise ConfigurationError("PREFECT_API_URL", f"Prefect's embedded server did not start: {error}", fix) from error


def _check_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        rule = f"{home} cannot be written ({error.strerror}), and Prefect's embedded server keeps its database there."
        fix = "Set it to a folder that can, or PREFECT_API_URL to a server that runs."
        raise ConfigurationError("PREFECT_HOME", rule, fix) from error


def _place(uri: str) -> str:
    return unquote(urlsplit(uri).path) if uri.startswith("file://") else uri
