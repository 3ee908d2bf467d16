"""Collectors that are killed, each at another point of its way: ``python -m tests.pipeline.collect.killed_collectors``.

Importing takes seconds and forking milliseconds, so one process imports everything and forks a child for each point.
All run at the same time. Settings come as one JSON argument; what a child tells is appended to a file as it is told.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from prefect_seedance import failpoints
from prefect_seedance.journal.journal import Journal
from prefect_seedance.pipeline.collect.collector import collect
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.pipeline.collect.harness import COLLECTOR
from tests.pipeline.harness import TEMPLATE, account_at
from tests.storage.s3_servers import S3Server


class Child(TypedDict):
    """One collector: where it dies ("" for nowhere), and its store: a folder, or a prefix at an S3 server."""

    point: str
    folder: str
    s3: str
    prefix: str


def store_of(child: Child) -> Store:
    return (
        S3Server(child["s3"], True).store(prefix=child["prefix"]) if child["s3"] else FolderStore(Path(child["folder"]))
    )


def run(url: str, told: Path, child: Child) -> None:
    """Collect, up to the point."""

    def strike(reached: str) -> None:
        if reached == child["point"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(event: Event) -> None:
        with told.open("a") as file:
            file.write(f"{event.intent} {event.kind}\n")

    failpoints.listen(strike)
    store = store_of(child)
    destination = Destination(store, Journal(store), TEMPLATE, MediaPolicy())
    observer_of: Callable[..., Observer] = lambda record: Observer(emit=tell)  # noqa: E731
    asyncio.run(
        collect(account_at(url), destination, CollectOptions(minutes=1), observer_of=observer_of, run=COLLECTOR)
    )


def main() -> None:
    """Fork a child for each collector, and say how each has ended."""
    url, told, collectors = json.loads(sys.argv[1])
    children: list[int] = []
    for child in collectors:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                run(url, Path(told), child)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
        if len(children) % 4 == 0:  # a few at a time
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]))


if __name__ == "__main__":
    main()
