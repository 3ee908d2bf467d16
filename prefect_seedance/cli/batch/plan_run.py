"""The work of ``plan``, in a process of its own: see `cli.child_process`."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.cli.error_report import interrupted
from prefect_seedance.cli.generation import reach_prefect, work
from prefect_seedance.cli.store_option import chosen_credentials, chosen_store
from prefect_seedance.cli.terminal import output_is_terminal, say, say_coloured, say_document

_WIDTH_WHEN_PIPED = 160


def run_plan(options: argparse.Namespace) -> int:
    """Plan a manifest and return the exit code."""
    credentials, store = chosen_credentials(options.credentials), chosen_store(options.store)
    return show_plan(options.manifest, credentials, store, [], options.options, as_json=options.as_json)


def show_plan(
    manifest: str,
    credentials: SeedanceCredentials,
    store: VideoStore,
    requests: Sequence[VideoRequest],
    options: Mapping[str, object],
    *,
    as_json: bool,
) -> int:
    """Plan a batch, print the plan and return the exit code.

    Args:
        manifest: Where it is; "" where there are requests.
        credentials: Who would pay.
        store: Where the videos would go.
        requests: What is asked for, where that is no manifest.
        options: Of the batch.
        as_json: Print a document instead of a table.
    """
    from prefect_seedance import plan_videos

    try:
        reach_prefect()
        plan = plan_videos(
            manifest, credentials, store, requests=[*requests], options=BatchOptions.model_validate(options)
        )
    except KeyboardInterrupt:
        return interrupted("Stopped. Nothing was submitted, and nothing is paid.", as_json=as_json)
    if as_json:
        counted = {"total": plan.total, "of_unknown_price": plan.of_unknown_price}
        say_document({"plan": {**plan.model_dump(mode="json"), **counted}})
        return 0
    from prefect_seedance.batch.plan_text import plan_text

    colour = output_is_terminal()
    width = shutil.get_terminal_size().columns if colour else _WIDTH_WHEN_PIPED
    text = plan_text(plan, width=width, colour=colour)
    if colour:
        say_coloured(text)  # what stands in it is made plain already; the rest are its colours
    else:
        say(text)
    return 0


if __name__ == "__main__":
    work(run_plan)
