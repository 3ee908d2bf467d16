"""The demo's work, in a process of its own: see ``demo``, which starts it with ``python -m``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from prefect.client.orchestration import get_client
from pydantic import SecretStr
from rich.console import Console

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video
from prefect_seedance.cli.progress import RunProgress
from prefect_seedance.cli.words import INTERRUPTED, report
from prefect_seedance.client.routes import DEFAULT_MODEL
from prefect_seedance.simulator import running_simulator


def run(options: argparse.Namespace) -> int:
    """Make one video against the simulator and say what came of it; give the exit code."""
    request = VideoRequest(
        prompt=options.prompt,
        model=options.model or DEFAULT_MODEL,
        duration=options.duration,
        ratio=options.ratio,
    )
    store = VideoStore(location=str(Path(options.folder).expanduser().resolve()))
    store.verify()
    console = Console(stderr=True)
    with running_simulator(seconds=options.seconds) as vendor, RunProgress(console) as progress:
        credentials = SeedanceCredentials(api_key=SecretStr(vendor.key), base_url=vendor.url)
        try:
            with get_client(sync_client=True) as prefect:
                prefect.hello()
            progress.done("server")
            stored = generate_video(request, credentials, store)
        except KeyboardInterrupt:
            task = f"task {progress.task_id}" if progress.task_id else "what was submitted, if anything,"
            print(
                f"Stopped. At the real vendor {task} would go on and be paid for: nothing can cancel it there, and the "
                "same request run again takes it up. Here it ends with the simulator, and nothing was paid.",
                file=sys.stderr,
            )
            return INTERRUPTED
    folder = Path(store.location)
    video = folder / stored.key
    print(f"Video       {video}")
    print(f"            {stored.width}x{stored.height}, {stored.seconds:.1f} s, {stored.bytes:,} bytes")
    print(f"            sha256 {stored.sha256}")
    print(f"Provenance  {video.with_suffix('.json')}")
    print(f"Poster      {video.with_suffix('.jpg') if stored.poster_uri else 'none: install prefect-seedance[media]'}")
    cost = (
        "unknown"
        if stored.cost is None
        else f"{stored.cost:g} coins at the simulator's made-up price; nothing was paid"
    )
    print(f"Cost        {cost}")
    print("Took        " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in progress.seconds.items()))
    for warning in progress.warnings:
        print(f"Warning     {warning}")
    return 0


if __name__ == "__main__":
    given = argparse.Namespace(**json.loads(sys.argv[1]))
    sys.exit(report(lambda: run(given), debug=given.debug))
