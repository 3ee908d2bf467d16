"""What the pipeline's tests share: a vendor on this machine, a folder as store, and processes that make one video."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.settings import ClientSettings, Timeouts
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Record, Run
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.pipeline.observer import Event, Fact, Observer
from prefect_seedance.pipeline.order import Order, place_order
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.simulator import Simulator
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.pipeline.counter import Counter

REQUEST = VideoRequest(prompt="A paper boat crosses a puddle", duration=4)
TEMPLATE = "videos/{created:%Y/%m/%d}/{task_id}.mp4"
RUN = Run(id="id-nightly", name="nightly", url="https://prefect.example.com/runs/nightly")


def order_of(request: VideoRequest = REQUEST, *, asked: VideoRequest | None = None) -> Order:
    order = place_order(request, scope=ALWAYS, account="default", key_template=TEMPLATE, run_name=RUN.name)
    return Order(asked or order.asked, order.identity, order.delivery)


def account_at(url: str, key: str = "sk_simulator", *, timeout: Timeouts | None = None) -> Account:
    return Account(ClientSettings(key, url, timeout or Timeouts(), max_retries=0))


def destination_in(folder: Path, store: FolderStore | None = None) -> Destination:
    """A store as one process has it; a second one for the same folder is another process."""
    store = store or FolderStore(folder)
    return Destination(store, Journal(store), TEMPLATE, MediaPolicy())


@dataclass
class Followed:
    """An observer that keeps everything."""

    lines: list[str] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def _write(self, level: int, message: str, facts: Mapping[str, Fact]) -> None:
        self.lines.append(message)
        self.levels.append(level)

    @property
    def observer(self) -> Observer:
        return Observer(self._write, self.events.append)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def warnings(self) -> list[str]:
        return [line for line, level in zip(self.lines, self.levels, strict=True) if level >= logging.WARNING]


@dataclass
class Vendor:
    """The simulator, and the counter in front of it."""

    simulator: Simulator
    counter: Counter
    account: Account

    def billed(self) -> list[str]:
        return [task_id for bill in self.simulator.bills() for task_id in bill.task_ids]

    def bought(self, destination: Destination, order: Order | None = None, run: Run = RUN) -> SubmittedVideo:
        """A video that was submitted a moment ago."""
        return submit(order or order_of(), self.account, destination, run=run, preflight=False)

    def task(self, task_id: str) -> VideoTask:
        """What the vendor says of a task."""
        with self.account.client() as client:
            return client.get_video(task_id)

    def completed(self, destination: Destination, order: Order | None = None) -> tuple[VideoTask, SubmittedVideo]:
        """A video that the vendor has made."""
        submitted = self.bought(destination, order)
        self.simulator.elapse(3600)
        return self.task(submitted["task_id"]), submitted


def record_of(destination: Destination, intent: str) -> Record:
    """The record as it lies in the store."""
    entry = Journal(destination.store).read(intent)
    assert entry is not None
    return entry.record


def delete_record(destination: Destination, intent: str) -> None:
    """Somebody who should not deletes the record."""
    destination.store.delete(destination.journal.record_key(intent))
