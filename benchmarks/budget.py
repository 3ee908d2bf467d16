"""How fast many processes with many threads reserve and settle under one budget. From the root of the repository:

    python -m benchmarks.budget [--processes 1 8] [--threads 1 16] [--latency 0.075] [--videos 200]

Each line is a budget of so many videos, in a folder that answers as slowly as a bucket does (`--latency`, seconds per
request), used up by all threads at once, with a POST of 50 ms that is always accepted. With the committer a process
writes the ledger once for all of its threads that want to; without it each thread does so for itself. Whatever the
speed, exactly as many videos are accepted as fit.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.report.figures import Figure, parser, text_table, write_figures
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.committer import Committers
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.reservation import Wait
from prefect_seedance.journal.errors import OverBudget
from prefect_seedance.journal.journal import Journal
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.store import open_s3_store

PRICE = 0.1


class EachForItself(Committers[Any]):
    """What there would be without a committer: every thread reads and swaps for itself."""

    def commit(self, place: object, *args: Any, **kwargs: Any) -> object:
        return super().commit(object(), *args, **kwargs)


class SlowStore:
    """A store in front of another, which counts what is asked of it and answers late."""

    def __init__(self, inner: Any, latency_seconds: float) -> None:
        self._inner, self._latency_seconds = inner, latency_seconds
        self.requests = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("get", "create", "swap"):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self.requests += 1
            if self._latency_seconds:
                time.sleep(self._latency_seconds)
            return found(*args, **kwargs)

        return call


@dataclass(frozen=True)
class Load:
    """Who wants what.

    Attributes:
        place: A folder, or the settings of a bucket.
        processes: How many.
        threads: Of each.
        videos: So many fit.
        merged: Whether there is a committer.
        latency_seconds: Of each request to the store, beside what it takes.
        post_seconds: Of each POST.
    """

    place: Path | S3Settings
    processes: int
    threads: int
    videos: int
    merged: bool = True
    latency_seconds: float = 0.0
    post_seconds: float = 0.05


@dataclass(frozen=True)
class Result:
    """What came of it, in one process or in all.

    Attributes:
        accepted: Videos.
        requests: To the store.
        waits: Seconds from wanting a reservation to having it, for each video.
        seconds: From the first to the last.
    """

    accepted: int
    requests: int
    waits: list[float]
    seconds: float


def submit_all(load: Load, number: int, ready: Any, results: Any) -> None:
    """Submit until the budget is used up: one process."""
    inner = FolderStore(load.place) if isinstance(load.place, Path) else open_s3_store(load.place)
    store: Any = SlowStore(inner, load.latency_seconds)
    journal = Journal(store)
    budget = Budget(
        store,
        account="benchmark",
        limits=Limits(daily=round(PRICE * load.videos, 6)),
        journal=journal,
        **({} if load.merged else {"committers": EachForItself()}),
    )
    waits = list[float]()

    def submit() -> None:
        while True:
            begun, nonce = time.monotonic(), uuid4().hex
            try:
                while isinstance(
                    got := budget.try_reserve(nonce, nonce, coins=PRICE, billing="std", lease_seconds=210.0), Wait
                ):
                    time.sleep(got.seconds)
            except OverBudget:
                return
            waits.append(time.monotonic() - begun)
            time.sleep(load.post_seconds)
            got.settled(Accepted(f"videos_{nonce}", cost=PRICE))

    ready.wait()
    begun = time.monotonic()
    threads = [threading.Thread(target=submit) for _ in range(load.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(Result(len(waits), store.requests, waits, time.monotonic() - begun))


def run(load: Load) -> Result:
    """Use a budget up with processes that begin at the same moment."""
    spawn = multiprocessing.get_context("spawn")
    ready, results = spawn.Barrier(load.processes), spawn.Queue()
    processes = [
        spawn.Process(target=submit_all, args=(load, number, ready, results)) for number in range(load.processes)
    ]
    for process in processes:
        process.start()
    came: list[Result] = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    return Result(
        sum(each.accepted for each in came),
        sum(each.requests for each in came),
        [wait for each in came for wait in each.waits],
        max(each.seconds for each in came),
    )


def main() -> None:
    command = parser(__doc__)
    command.add_argument("--processes", type=int, nargs="+", default=[1, 8])
    command.add_argument("--threads", type=int, nargs="+", default=[1, 16])
    command.add_argument("--latency", type=float, default=0.075)
    command.add_argument("--videos", type=int, default=200)
    options = command.parse_args()
    print(f"{options.latency * 1000:.0f} ms a request, {options.videos} videos, {os.cpu_count()} cores\n")
    rows, figures = list[list[str]](), list[Figure]()
    for processes in options.processes:
        for threads in options.threads:
            for merged in (True, False) if processes * threads > 1 else (True,):
                with tempfile.TemporaryDirectory() as folder:
                    came = run(Load(Path(folder), processes, threads, options.videos, merged, options.latency))
                waits = sorted(came.waits)
                each, requests = came.seconds / came.accepted, came.requests / came.accepted
                half, longest = statistics.median(waits), waits[int(len(waits) * 0.99)]
                counts = [str(processes), str(threads), "yes" if merged else "no", str(came.accepted)]
                rows.append([*counts, f"{1 / each:.1f}", f"{requests:.1f}", f"{half:.2f}", f"{longest:.2f}"])
                if processes * threads == 1:
                    continue
                quantities = {
                    ("time of a video", "s"): each,
                    ("requests of a video", ""): requests,
                    ("wait for a reservation, the longest of 99 in 100", "s"): longest,
                    ("videos beyond the budget", ""): came.accepted - options.videos,
                }
                figures += [
                    Figure(
                        case=f"{processes} processes of {threads} threads, {options.latency * 1000:.0f} ms a request",
                        quantity=quantity,
                        unit=unit,
                        contender="ours" if merged else "each thread for itself",
                        role="ours" if merged else "itself",
                        values=(value,),
                    )
                    for (quantity, unit), value in quantities.items()
                ]
    titles = ["processes", "threads", "committer", "accepted", "videos/s", "requests/video", "wait p50 s", "p99 s"]
    print(text_table(titles, rows))
    write_figures(options.json, figures)


if __name__ == "__main__":
    main()
