"""What a child process does: it runs `generate_video` as a user's script would, and strikes itself where it is told to.

Everything is real: the Prefect server that `PREFECT_API_URL` names, the simulator over HTTP, files in a folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect_seedance import (
    RunOptions,
    SeedanceCredentials,
    StoredVideo,
    VideoRequest,
    VideoStore,
    agenerate_video,
    generate_video,
)
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.failpoints import listen
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline import steps
from prefect_seedance.pipeline.observer import Observer
from tests.chaos.orders import Order, Report, Strike
from tests.chaos.places import place_of

POINTS_FILE, OUTPUT_FILE, REPORTS_FILE = "points.txt", "output.txt", "reports.json"
#: Flows that one process runs at once.
AT_ONCE = 4


#: Set when a run of the pipeline alone is cancelled: by itself, or by SIGUSR1.
CANCELLED = threading.Event()


def request_for(prompt: str, take: str = "1", fields: Mapping[str, Any] | None = None) -> VideoRequest:
    """Return the request of a prompt: the smallest video, unless other fields say otherwise."""
    smallest = {"model": "seedance2.0-mini", "resolution": "480p", "duration": 4}
    return VideoRequest.model_validate({**(fields or smallest), "prompt": prompt, "take": take})


def run(order: Order) -> None:
    """Do what an order says, and report."""
    os.chdir(order.folder)
    output = os.open(OUTPUT_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(theirs, ours)
    listen(Listener(order))
    time.sleep(order.delay_seconds)
    if order.resolve:
        reports = [_settled(order)]
    elif not order.flow:
        signal.signal(signal.SIGUSR1, lambda number, frame: CANCELLED.set())
        reports = [_made(order)]
    elif len(order.prompts) == 1:
        reports = [_generated(order)]
    else:
        reports = asyncio.run(_all_generated(order))
    part = Path(f"{REPORTS_FILE}.part")
    part.write_text(json.dumps([asdict(report) for report in reports]))
    part.rename(REPORTS_FILE)


class Listener:
    """Writes down every named point that is reached, and strikes."""

    def __init__(self, order: Order) -> None:
        self._order, self._seen = order, Counter[str]()
        self._file = os.open(Path(order.folder, POINTS_FILE), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, point: str) -> None:
        self._seen[point] += 1
        os.write(self._file, f"{point}\n".encode())
        for strike in self._order.strikes:
            if (strike.point, strike.time) == (point, self._seen[point]):
                self._strike(strike)

    def _strike(self, strike: Strike) -> None:
        place = place_of(self._order.store)
        match strike.action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "freeze":
                # To this thread: as a signal to the process it could run on while another thread is woken to stop.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            case "linger":
                time.sleep(2.0)
            case "cancel":
                CANCELLED.set()
            case "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            case "lose_records":
                place.destroy("records")
            case "block_writes":
                place.destroy("writes")


def _generated(order: Order) -> Report:
    try:
        request = request_for(order.prompts[0], order.take, order.request)
        return _report(generate_video(request, *_blocks(order), **_options(order)))
    except BaseException as error:
        return _failed(error)


def _made(order: Order) -> Report:
    """Go the way of one video without Prefect."""
    credentials, store = _blocks(order)
    account, destination = credentials.vendor_account(), store.destination()
    request = request_for(order.prompts[0], order.take, order.request)
    observer = Observer(lambda level, message, facts: print(message, flush=True))
    follower = steps.follower_of(observer, CANCELLED)
    try:
        placed = steps.place_order(
            request,
            scope=ALWAYS,
            account=account.label,
            key_template=destination.key_template,
            sources=steps.identify(request, account, destination, follower),
        )
        most = order.max_submissions
        steps.prepare_ahead(
            placed, account, destination, follower, preflight=True, wait_seconds=120.0, max_submissions=most
        )
        submitted = steps.submit(
            placed, account, destination, max_submissions=most, observer=observer, cancelled=CANCELLED
        )
        completed = asyncio.run(
            steps.watch(submitted, account, destination, limit_seconds=120.0, max_submissions=most, observer=observer)
        )
        return _report(steps.deliver(completed, submitted, account, destination, observer=observer))
    except BaseException as error:
        return _failed(error)


async def _all_generated(order: Order) -> list[Report]:
    room = asyncio.Semaphore(AT_ONCE)
    blocks = _blocks(order)

    async def one(prompt: str) -> Report:
        async with room:
            try:
                return _report(await agenerate_video(request_for(prompt, order.take), *blocks, **_options(order)))
            except Exception as error:
                return _failed(error)

    return await asyncio.gather(*map(one, order.prompts))


def _settled(order: Order) -> Report:
    credentials, store = _blocks(order)
    try:
        journal = store.journal()
        before = journal.read(order.resolve)
        attempts = (before.record.unsettled() or before.record.attempts) if before else ()
        with credentials.get_client() as client:
            entry = resolve_unknown(
                journal,
                order.resolve,
                order.resolution,
                task_id=order.task_id,
                attempt=attempts[-1].name if attempts else "",
                fetch=client.get_video,
            )
    except BaseException as error:
        return _failed(error)
    return Report(task_id=entry.record.task_id)


def _blocks(order: Order) -> tuple[SeedanceCredentials, VideoStore]:
    store = place_of(order.store).store
    if order.block:
        return SeedanceCredentials.load(order.block), store
    key = {"api_key": order.api_key} if order.api_key else {}
    settings = {"base_url": order.url, "submit_timeout_seconds": order.submit_timeout_seconds, **key}
    return SeedanceCredentials.model_validate(settings), store


def _options(order: Order) -> dict[str, RunOptions]:
    return {"options": RunOptions(reuse="always", max_submissions=order.max_submissions, wait_minutes=2)}


def _report(stored: StoredVideo) -> Report:
    return Report(stored.task_id, stored.sha256, stored.reused)


def _failed(error: BaseException) -> Report:
    traceback.print_exception(error)
    return Report(
        error=type(error).__name__, ours=isinstance(error, SeedanceError | PreparationCancelled), message=str(error)
    )
