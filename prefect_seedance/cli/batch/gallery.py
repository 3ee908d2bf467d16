"""``prefect-seedance gallery``: one page of all videos of a store."""

from __future__ import annotations

import argparse
from pathlib import Path

from prefect_seedance.cli.terminal import complain, say, say_document
from prefect_seedance.plain_text import one_line
from prefect_seedance.storage.errors import shown_location


def make_gallery(options: argparse.Namespace) -> int:
    """Make the page and return the exit code."""
    # Before Prefect is imported, which the stores need.
    complain(f"Reading the journal of {one_line(shown_location(options.store))} ...")
    from prefect_seedance.batch.report.gallery import gallery
    from prefect_seedance.cli.store_option import chosen_store

    to = str(Path.cwd() / Path(options.to).expanduser()) if options.to else ""
    since = None if options.since is None else options.since.date()
    place = gallery(chosen_store(options.store).destination(), since=since, link_seconds=options.presign, to=to)
    if options.as_json:
        say_document({"gallery": place})
    else:
        say(place)
    return 0
