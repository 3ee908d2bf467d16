"""The demo's work, in a process of its own: see `child_process`."""

from __future__ import annotations

import argparse

from pydantic import SecretStr

from prefect_seedance import RunOptions, SeedanceCredentials, StoredVideo, VideoRequest
from prefect_seedance.cli.generation import make, work
from prefect_seedance.cli.store_option import store_at
from prefect_seedance.client.request.routes import DEFAULT_MODEL
from prefect_seedance.plain_text import coin_words
from prefect_seedance.simulator import running_simulator


def run_demo(options: argparse.Namespace) -> int:
    """Make one video against the simulator and return the exit code."""
    request = VideoRequest(
        prompt=options.prompt,
        model=options.model or DEFAULT_MODEL,
        duration=options.duration,
        ratio=options.ratio,
    )
    store = store_at(options.folder)
    with running_simulator(seconds=options.seconds) as vendor:
        credentials = SeedanceCredentials(api_key=SecretStr(vendor.key), base_url=vendor.url)
        # Each demo has a simulator of its own, which would not know the task of an earlier one.
        return make(
            request,
            credentials,
            store,
            RunOptions(reuse="run"),
            as_json=options.as_json,
            interrupted=_interrupted,
            cost=_cost,
        )


def _interrupted(task_id: str) -> str:
    task = f"task {task_id}" if task_id else "what was submitted, if anything,"
    return (
        f"Stopped. At the real vendor {task} would go on and be paid for: nothing can cancel it there, and the same "
        "request run again takes it up. Here it ends with the simulator, and nothing was paid."
    )


def _cost(stored: StoredVideo) -> str:
    cost = "unknown" if stored.cost is None else coin_words(stored.cost)
    return f"{cost} at the simulator's made-up price; nothing was paid"


if __name__ == "__main__":
    work(run_demo)
