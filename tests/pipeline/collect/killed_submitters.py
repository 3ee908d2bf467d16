"""Submitters that are killed, each at another point of its way: ``python -m tests.pipeline.collect.killed_submitters``.

Importing takes seconds and forking milliseconds, so one process imports everything and forks a child for each point.
The child makes one video, and kills itself where it is told to. Settings come as one JSON argument.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from prefect_seedance import failpoints
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch
from tests.pipeline.harness import RUN, account_at, destination_in, order_of


def make(url: str, folder: Path, point: str) -> None:
    """Make the video of a point, up to that point."""

    def strike(reached: str) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.listen(strike)
    account, destination = account_at(url), destination_in(folder)
    order = order_of(VideoRequest(prompt=point, duration=4))
    submitted = submit(order, account, destination, run=RUN, preflight=False, watch_seconds=60.0)
    done = asyncio.run(watch(submitted, account, destination, limit_seconds=60.0))
    deliver(done, submitted, account, destination, run=RUN)


def main() -> None:
    """Fork a child for each point, and say how each has ended."""
    url, folder, points = json.loads(sys.argv[1])
    children: dict[str, int] = {}
    for point in points:
        child = os.fork()
        if not child:
            try:
                make(url, Path(folder), point)
            finally:
                os._exit(0)  # it was not killed
        children[point] = child
        if len(children) % 4 == 0:  # a few at a time
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    ended = {point: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for point, child in children.items()}
    print(json.dumps(ended))


if __name__ == "__main__":
    main()
