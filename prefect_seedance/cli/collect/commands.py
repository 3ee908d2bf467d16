"""``prefect-seedance collect``: what can be refused at once is, and a process of its own does the work."""

from __future__ import annotations

import argparse

from prefect_seedance.cli.child_process import run_on_screen, say_at_once
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import without_signatures


def collect(options: argparse.Namespace) -> int:
    """Take up what is open in a store and return the exit code; nothing is paid."""
    given = {**vars(options), "options": collect_options(options).model_dump(mode="json")}
    say_at_once(f"Collecting what is open in {one_line(without_signatures(options.store))}; nothing is paid.")
    return run_on_screen("prefect_seedance.cli.collect.collect_run", given)


def collect_options(options: argparse.Namespace) -> CollectOptions:
    """Build the options of a collection from a command line; what is left out there is as in the form.

    Raises:
        ValidationError: One of them cannot be.
    """
    given = {name: getattr(options, name) for name in CollectOptions.model_fields}
    return CollectOptions.model_validate({name: value for name, value in given.items() if value is not None})
