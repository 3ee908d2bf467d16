"""A worker of some version of the package: ``python -m tests.journal.records.worker``, with that version on the path.

It makes the videos that it is told to, each in a child process of its own, and kills a child with SIGKILL where it is
told to. Settings come as one JSON argument: the vendor's address, the store's folder, and for each prompt the named
point at which its child is killed, "" for not at all. What became of each is said as JSON: how its process ended, and
the task or the class of the error.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from prefect_seedance import __version__, failpoints
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.parties import Account
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch
from tests.pipeline.harness import RUN, account_at, destination_in, order_of

#: Children at once.
AT_ONCE = 4


def make(account: Account, folder: Path, prompt: str, point: str) -> str:
    """Make a video, up to a point; return its task, or the class of what went wrong."""

    def strike(reached: str) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.listen(strike)
    destination = destination_in(folder)
    try:
        order = order_of(VideoRequest(prompt=prompt, duration=4))
        submitted = submit(order, account, destination, run=RUN, preflight=False, watch_seconds=60.0)
        done = asyncio.run(watch(submitted, account, destination, limit_seconds=60.0))
        return deliver(done, submitted, account, destination, run=RUN).task_id
    except Exception as error:
        return type(error).__name__


def main() -> None:
    """Fork a child for each video, and say how each has ended."""
    url, folder, points = json.loads(sys.argv[1])
    account = account_at(url)
    children: dict[str, tuple[int, int]] = {}
    for prompt, point in points.items():
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(writing, make(account, Path(folder), prompt, point).encode())
            finally:
                os._exit(0)
        os.close(writing)
        children[prompt] = child, reading
        if len(children) % AT_ONCE == 0:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    ended: dict[str, tuple[int, str]] = {}
    for prompt, (child, reading) in children.items():
        said = os.read(reading, 4096).decode()
        ended[prompt] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said
    print(json.dumps({"version": __version__, "ended": ended}))


if __name__ == "__main__":
    main()
