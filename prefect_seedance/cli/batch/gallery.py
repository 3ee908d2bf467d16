"""``prefect-seedance gallery``: one page of all videos of a store."""

from __future__ import annotations

import argparse

from prefect_seedance.cli.terminal import complain, say, say_document


def make_gallery(options: argparse.Namespace) -> int:
    """Make the page and return the exit code."""
    complain(f"Reading the journal of {options.store} ...")  # before Prefect is imported, which the stores need
    from prefect_seedance.batch.report.gallery import gallery
    from prefect_seedance.cli.store_option import chosen_store

    since = None if options.since is None else options.since.date()
    place = gallery(chosen_store(options.store).destination(), since=since, link_seconds=options.presign)
    if options.as_json:
        say_document({"gallery": place})
    else:
        say(place)
    return 0
