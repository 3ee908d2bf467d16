"""The work of ``plan``, in a process of its own: see `cli.child_process`."""

from __future__ import annotations

import argparse
import shutil

from pydantic import JsonValue

from prefect_seedance.batch.models import BatchPlan
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.cli.error_report import interrupted
from prefect_seedance.cli.generation import reach_prefect, work
from prefect_seedance.cli.store_option import chosen_credentials, chosen_store
from prefect_seedance.cli.terminal import output_is_terminal, say, say_coloured, say_document

_WIDTH_WHEN_PIPED = 160


def run_plan(options: argparse.Namespace) -> int:
    """Plan a manifest, print the plan and return the exit code."""
    from prefect_seedance import plan_videos

    credentials, store = chosen_credentials(options.credentials), chosen_store(options.store)
    try:
        reach_prefect()
        plan = plan_videos(options.manifest, credentials, store, options=BatchOptions.model_validate(options.options))
    except KeyboardInterrupt:
        return interrupted("Stopped. Nothing was submitted, and nothing is paid.", as_json=options.as_json)
    if options.as_json:
        say_document(plan_document(plan))
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


def plan_document(plan: BatchPlan) -> dict[str, JsonValue]:
    """Return what ``--json`` prints of a plan."""
    counted = {"total": plan.total, "of_unknown_price": plan.of_unknown_price}
    return {"plan": {**plan.model_dump(mode="json"), **counted}}


if __name__ == "__main__":
    work(run_plan)
