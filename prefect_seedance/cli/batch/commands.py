"""``plan``, ``batch`` and ``submit``: what can be refused at once is, and a process of its own does the work."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.cli.child_process import run_apart, run_on_screen, say_at_once
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import without_signatures
from prefect_seedance.storage.errors import shown_location

_BATCH_RUN = "prefect_seedance.cli.batch.batch_run"


def plan(options: argparse.Namespace) -> int:
    """Plan a batch and return the exit code; nothing is paid."""
    given = _given("Planning the rows of {}; nothing is paid.", options)
    return run_apart("prefect_seedance.cli.batch.plan_run", given)


def batch(options: argparse.Namespace) -> int:
    """Make the rows of a manifest and return the exit code."""
    return run_on_screen(_BATCH_RUN, _given("Making the rows of {}.", options))


def submit(options: argparse.Namespace) -> int:
    """Submit the rows of a manifest and return the exit code."""
    return run_on_screen(_BATCH_RUN, _given("Submitting the rows of {}.", options))


def _given(doing: str, options: argparse.Namespace) -> dict[str, object]:
    """Say what is done, and return what the process that does it is given.

    Raises:
        UnusableManifest: There is no such file.
        ValidationError: An option cannot be.
    """
    manifest = whole_manifest(options.manifest)
    given: dict[str, object] = {
        **vars(options),
        "manifest": manifest,
        "options": batch_options(options).model_dump(mode="json"),
    }
    _require_file(manifest)
    say_at_once(doing.format(shown_manifest(options.manifest)))
    return given


def batch_options(options: argparse.Namespace) -> BatchOptions:
    """Build the options of a batch from a command line; what is left out there is as in the form.

    Raises:
        ValidationError: One of them cannot be.
    """
    given = {name: getattr(options, name, None) for name in BatchOptions.model_fields}
    if given["reuse_scope"] is not None and given["reuse"] is None:
        given["reuse"] = "scope"
    return BatchOptions.model_validate({name: value for name, value in given.items() if value is not None})


def whole_manifest(text: str) -> str:
    """Return where a manifest is as whoever reads it finds it: a path seen from the shell's folder and home.

    Example:
        >>> whole_manifest("s3://shop/catalogue.csv")
        's3://shop/catalogue.csv'
        >>> whole_manifest("../catalogue.csv").startswith("/")
        True
    """
    if "://" in text and not os.path.isfile(text):
        return text
    return str(Path.cwd() / os.path.expanduser(text))


def shown_manifest(text: str) -> str:
    """Return where a manifest is as it may be shown: a link may be signed, also one with a typing error.

    Example:
        >>> shown_manifest("https:/shop.example.com/spring.csv?sig=1f0c")
        'https:/shop.example.com/spring.csv'
    """
    return one_line(shown_location(without_signatures(text)))


def _require_file(manifest: str) -> None:
    """Refuse a path without a file before Prefect is started for it.

    Raises:
        UnusableManifest: There is none, or it is a folder.
    """
    if "://" in manifest and not manifest.startswith("/"):
        return
    if os.path.isdir(manifest):
        raise UnusableManifest(shown_manifest(manifest), "it is a folder", "Name the file in it")
    if not os.path.exists(manifest):
        raise UnusableManifest(
            shown_manifest(manifest),
            "there is no such file",
            "Write its path as seen from this folder, or s3://bucket/key",
        )
