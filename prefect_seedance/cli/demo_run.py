"""The demo's work, in a process of its own: see `child_process`."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

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
            afterwards=next_steps,
        )


def next_steps(stored: StoredVideo) -> str:
    """Return what to do after the demo, as lines that run where it was started."""
    video = unquote(urlsplit(stored.uri).path)
    example = Path("examples", "products.csv")
    manifest = f"plan {example.as_posix()}" if example.exists() else "plan YOUR.csv"
    ours = _command("prefect-seedance")
    return f"""
Next, in {Path.cwd()}

Watch it      {_player()} {shlex.quote(video)}
See runs      the demo's Prefect server is gone. In another terminal start yours: later runs are at http://127.0.0.1:4200
                {_command("prefect")} server start
                export PREFECT_API_URL=http://127.0.0.1:4200/api
Use a key     from www.jimmyai.cn: this says what a video would cost; without --dry-run it is made, and paid for
                export JIMMYAI_API_KEY=sk_...
                {ours} generate --prompt "A paper boat" --store ./catalogue --dry-run
Or use none   run a stand-in for the vendor in another terminal, and the line that it prints in place of the key's
                {ours} simulator
Plan a batch  one row per video: what each would cost, and what is wrong with it, for free
                {ours} {manifest} --store ./catalogue"""


def _player() -> str:
    """Return the command that opens a file in the user's own player, or words where there is no screen."""
    if sys.platform == "darwin":
        return "open"
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return "xdg-open" if screen and shutil.which("xdg-open") else "with any player, for example a browser:"


def _command(name: str) -> str:
    """Return how a command of this environment is called from here: by its name only if PATH leads to this one."""
    ours = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if not ours.exists() or (found is not None and Path(found) == ours):
        return name
    here = Path.cwd()
    return shlex.quote(str(ours.relative_to(here) if ours.is_relative_to(here) else ours))


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
