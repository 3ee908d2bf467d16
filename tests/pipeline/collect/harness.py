"""What the collector's tests share: records that somebody left, clocks that are moved, and one collection."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect_seedance.client.outcome import Accepted
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.changes import new_record
from prefect_seedance.journal.codec import encode
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Attempt, Delivery, Holder, Record, Run
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.collect.collector import collect
from prefect_seedance.pipeline.collect.models import CollectedVideo, CollectReport
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.simulator import Simulator
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Blob
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.pipeline.harness import TEMPLATE

COLLECTOR = Run(id="id-collector", name="collector")


class MovedStore(FolderStore):
    """A folder whose clock can be moved on."""

    ahead = timedelta()

    def get(self, key: str) -> Blob | None:
        blob = super().get(key)
        if blob is None or blob.read_at is None:
            return blob
        return replace(blob, read_at=blob.read_at + self.ahead.total_seconds())


@dataclass
class Office:
    """A folder with a journal, and clocks that can be moved. Another one of the folder is a process.

    Attributes:
        ahead: How far time has moved on.
        wrong: How far the worker's clock is ahead of that.
    """

    folder: Path
    account: Account
    ahead: timedelta = timedelta()
    wrong: timedelta = timedelta()
    events: list[Event] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead + self.wrong

    def destination(self) -> Destination:
        store = MovedStore(self.folder)
        store.ahead = self.ahead
        return Destination(store, Journal(store, now=self.now), TEMPLATE, MediaPolicy())

    def observer_of(self, record: Record) -> Observer:
        return Observer(emit=self.events.append)

    async def collect(self, *, minutes: float = 0.5, older_than: float = 0.0, deliver_limit: int = 8) -> CollectReport:
        return await collect(
            self.account,
            self.destination(),
            CollectOptions(minutes=minutes, older_than=older_than),
            observer_of=self.observer_of,
            told=self.lines.append,
            run=COLLECTOR,
            deliver_limit=deliver_limit,
        )

    def collected(self, *, minutes: float = 0.5, older_than: float = 0.0, deliver_limit: int = 8) -> CollectReport:
        return asyncio.run(self.collect(minutes=minutes, older_than=older_than, deliver_limit=deliver_limit))

    def record(self, intent: str) -> Record:
        entry = Journal(FolderStore(self.folder)).read(intent)
        assert entry is not None
        return entry.record

    def markers(self) -> list[str]:
        return [key.rpartition("/")[2] for key in FolderStore(self.folder).list_keys("journal/open/")]

    def videos(self) -> list[str]:
        return [key for key in FolderStore(self.folder).list_keys("videos/") if key.endswith(".mp4")]

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def write(self, record: Record) -> None:
        """Put a record and its marker where they belong, as whoever left it did."""
        paths = {f"records/{record.intent}.json": encode(record)}
        if record.is_open:
            paths[f"open/{record.intent}.{record.opening}"] = record.intent.encode()
        for name, data in paths.items():
            path = self.folder / "journal" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def age(self, seconds: float, pattern: str = "*/*") -> None:
        """Let time pass by the store's clock since what lies in the journal was written."""
        for path in (self.folder / "journal").glob(pattern):
            written = path.stat().st_mtime - seconds
            os.utime(path, (written, written))


def a_record(prompt: str, *attempts: Attempt, account: str = "default", **facts: object) -> Record:
    """A record as a run left it that submitted the video and died."""
    request = VideoRequest(prompt=prompt, duration=4, model="seedance2.0-mini")
    now = datetime.now(UTC)
    delivery = Delivery(key_template="videos/{task_id}.mp4", name=prompt, notify=("team",), posters=False)
    record = new_record(identify(request, scope=ALWAYS, account=account), now, delivery)
    attempts = attempts or (an_attempt(),)
    current = next((each.number for each in attempts if each.task_id), 0)
    state = State.SUBMITTED if current else State.UNKNOWN
    written = {"state": state, "attempts": attempts, "current": current, "opening": 1, "rev": 1, "nonce": "n"}
    if current:
        written["key"] = f"videos/{attempts[current - 1].task_id}.mp4"
    return record.model_copy(update={**written, **facts})


def an_attempt(task_id: str = "videos_1", number: int = 1, *, age: float = 3600.0, **facts: object) -> Attempt:
    """An attempt that was accepted some seconds ago."""
    started = datetime.now(UTC) - timedelta(seconds=age)
    known = {"host": "127.0.0.1", "outcome": "accepted", "run": Run(id="id-nightly", name="nightly")}
    attempt = Attempt(number=number, nonce=f"{number:032x}", started_at=started, task_id=task_id)
    return attempt.model_copy(update={**known, **facts})


def a_task(simulator: Simulator, prompt: str, *, age: float = 0.0, made: bool = True) -> str:
    """A task at the vendor, made some seconds ago; no request is sent for it."""
    ledger = simulator.simulation.ledger
    task = ledger.accept({"model": "seedance2.0-mini", "prompt": prompt, "duration": 4}, 1.0)
    inner = ledger._tasks[task.task_id]
    inner.judged = True
    inner.created_at = time.time() - age
    if made:
        inner.started -= 10_000.0
    return task.task_id


def left_behind(office: Office, simulator: Simulator, prompt: str, *, age: float = 3600.0, made: bool = True) -> Record:
    """A record whose submitter is gone, with its task at the vendor."""
    task_id = a_task(simulator, prompt, age=age, made=made)
    attempt = an_attempt(task_id, age=age, created_at=int(time.time() - age), price=1.0, price_source="catalog")
    record = a_record(prompt, attempt)
    office.write(record)
    return record


def a_lapsed_claim(office: Office) -> Record:
    """A claim whose process ended before the answer was written down."""
    holder = Holder(nonce="0" * 32, lease_seconds=210.0)
    attempt = an_attempt("", nonce="0" * 32, outcome="")
    record = a_record("claimed", attempt, state=State.SENDING, holder=holder)
    office.write(record)
    office.age(211.0, f"records/{record.intent}.json")
    return record


def accepted(task_id: str) -> Accepted:
    return Accepted(task_id)


def became(report: CollectReport) -> dict[str, CollectedVideo]:
    """What became of each video, by its name."""
    return {video.name: video for video in report.videos}


Change = Callable[[Record], Record]
