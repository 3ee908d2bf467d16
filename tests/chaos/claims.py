"""Claims of one intent at the same moment, through a store that does not keep its promises.

Real are the store over HTTP, its client, the journal, the pipeline and the vendor. A worker is a thread: several that
share the locks of their process, or several that each have their own, as processes do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Record
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.pipeline.order import Order, place_order
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.simulator import Simulator
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.s3.store import S3Store
from tests.pipeline.harness import TEMPLATE, account_at

WORKERS = 3
_PATIENCE_SECONDS = 15.0


@dataclass
class Claims:
    """One intent and the workers that all want it.

    Attributes:
        vendor: The simulator.
        store: Through which all of them go.
        results: What each worker got: the pointer, or an error.
    """

    vendor: Simulator
    store: S3Store
    results: list[SubmittedVideo | Exception] = field(default_factory=list)
    prompt: str = field(default_factory=lambda: f"A paper boat {uuid4().hex}")

    @property
    def order(self) -> Order:
        request = VideoRequest(prompt=self.prompt, duration=4)
        return place_order(request, scope=ALWAYS, account="default", key_template=TEMPLATE, run_name="nightly")

    def refused_before(self) -> None:
        """An earlier run was refused, so that the record is there and each claim is a swap."""
        with suppress(SeedanceError):
            self.buy(Journal(self.store), key="sk_of_nobody", patience_seconds=60.0)
        assert self.record().state == "refused" and self.bills() == []

    def buy(
        self, journal: Journal, key: str = "sk_simulator", patience_seconds: float = _PATIENCE_SECONDS
    ) -> SubmittedVideo:
        destination = Destination(self.store, journal, TEMPLATE, MediaPolicy())
        given_up = threading.Event()
        clock = threading.Timer(patience_seconds, given_up.set)  # else it would wait for a lease of minutes to run out
        clock.daemon = True
        clock.start()
        try:
            return submit(
                self.order, account_at(self.vendor.url, key), destination, preflight=False, cancelled=given_up
            )
        finally:
            clock.cancel()

    def play(self, journals: Sequence[Journal]) -> None:
        """Let a worker with each of these journals ask for the video, all at once."""
        barrier = threading.Barrier(len(journals))

        def work(journal: Journal) -> SubmittedVideo | Exception:
            barrier.wait()
            try:
                return self.buy(journal)
            except (SeedanceError, StorageError) as error:
                return error

        with ThreadPoolExecutor(len(journals)) as threads:
            self.results += threads.map(work, journals)

    def bills(self) -> list[str]:
        """The tasks that were billed."""
        return [task for bill in self.vendor.bills() if bill.body["prompt"] == self.prompt for task in bill.task_ids]

    def record(self) -> Record:
        """The record as it lies in the store."""
        entry = Journal(self.store).read(self.order.identity.intent)
        assert entry is not None
        return entry.record

    @property
    def told(self) -> set[str]:
        """The task ids that workers were told of."""
        return {result["task_id"] for result in self.results if not isinstance(result, Exception)}

    @property
    def errors(self) -> list[Exception]:
        """What the others ended in."""
        return [result for result in self.results if isinstance(result, Exception)]
