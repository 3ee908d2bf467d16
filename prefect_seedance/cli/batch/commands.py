"""``plan``, ``batch`` and ``submit``: what can be refused at once is, and a process of its own does the work."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.cli.child_process import EMBEDDED_SERVER, run_apart, say_at_once
from prefect_seedance.cli.terminal import give_back
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import without_signatures
from prefect_seedance.storage.errors import shown_location


def plan(options: argparse.Namespace) -> int:
    """Plan a batch and return the exit code; nothing is paid."""
    return _run("prefect_seedance.cli.batch.plan_run", "Planning the rows of {}; nothing is paid.", options)


def batch(options: argparse.Namespace) -> int:
    """Make the rows of a manifest and return the exit code."""
    return _on_screen("Making the rows of {}.", options)


def submit(options: argparse.Namespace) -> int:
    """Submit the rows of a manifest and return the exit code."""
    return _on_screen("Submitting the rows of {}.", options)


def _on_screen(doing: str, options: argparse.Namespace) -> int:
    code = _run("prefect_seedance.cli.batch.batch_run", doing, options)
    if code < 0 and sys.stderr.isatty():  # by a signal that cannot be caught
        give_back()
    return code


def _run(module: str, doing: str, options: argparse.Namespace) -> int:
    manifest = whole_manifest(options.manifest)
    given = {**vars(options), "manifest": manifest, "options": batch_options(options).model_dump(mode="json")}
    _require_file(manifest)
    say_at_once(doing.format(shown_manifest(options.manifest)))
    return run_apart(module, given, {**EMBEDDED_SERVER, **os.environ})


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
