"""The world of the chaos suite: a simulated vendor, child processes, and cases, each an intent in its own store."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_seedance import SeedanceCredentials
from prefect_seedance.journal.identity import identify
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from prefect_seedance.storage.protocol import Store
from tests.chaos.child import request_for
from tests.chaos.orders import Order, Report
from tests.chaos.places import Place, place_of
from tests.chaos.processes import PATIENCE_SECONDS, Child, Zygote, running_zygote
from tests.chaos.report import Table
from tests.prefect_server import PrefectServer, running_prefect_server
from tests.storage.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server

#: Every key of the suite begins like this; nothing that is written down may hold it.
KEY_MARK = "sk_chaos-"
KEY = KEY_MARK + "4f1b9c7e2a"
#: Older than any lease.
_LONG_AGO_SECONDS = 100_000.0
#: Runs that failed for a reason outside of this package, a locked database say, are repeated so often.
_TRIES = 3


@dataclass
class Chaos:
    """What all cases share. Safe to use from several threads.

    Attributes:
        folder: Holds everything that the children write, but for what is in the bucket.
        vendor: The simulator.
        zygote: Forks the children.
        bucket: The S3 server of the stores; without one they are folders.
        flow: Whether the children run the flow, or only the pipeline below it.
        table: What the kills have shown.
    """

    folder: Path
    vendor: Simulator
    zygote: Zygote
    bucket: S3Server | None = None
    flow: bool = True
    table: Table = field(default_factory=Table)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def credentials(self) -> SeedanceCredentials:
        """The credentials, for this process."""
        return SeedanceCredentials.model_validate({"api_key": KEY, "base_url": self.vendor.url})

    @property
    def home(self) -> Path:
        """The children's Prefect home, with the results that Prefect persisted."""
        return self.folder / "home"

    def on(self, bucket: S3Server) -> Chaos:
        """Return the same world with the stores in a bucket, and a table of its own."""
        return replace(self, bucket=bucket, table=Table())

    def without_prefect(self) -> Chaos:
        """Return the same world with children that run only the pipeline, and the same table."""
        return replace(self, flow=False)

    def store_settings(self, folder: Path) -> dict[str, str]:
        """Return the fields of the store of the case with this folder."""
        if self.bucket is None:
            return {"location": str(folder / "store")}
        return {
            "location": f"s3://{BUCKET}/{folder.name}",
            "endpoint_url": self.bucket.url,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
        }

    def case(self, name: str, *faults: Fault) -> Case:
        """Make a case, and plan its faults."""
        with self._lock:
            number = next(self._numbers)
        case = Case(self, f"[{number:04}] {name}", self.folder / f"{number:04}")
        case.plan(*faults)
        return case


@contextmanager
def running_chaos(folder: Path) -> Iterator[Chaos]:
    """Run a Prefect server, the simulated vendor and the zygote for the length of a ``with`` block.

    Args:
        folder: For all files.
    """
    idle = ("SCHEDULER", "LATE_RUNS", "FOREMAN", "TRIGGERS", "REPOSSESSOR", "PAUSE_EXPIRATIONS")
    quiet = {f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in idle}
    with (
        running_prefect_server(folder / "server", environment=quiet) as server,
        running_simulator(seconds=0.3, key=KEY, balance=1e9) as vendor,
        running_zygote(_environment(server, folder)) as zygote,
        temporary_settings({PREFECT_API_URL: server.api_url}),
    ):
        yield Chaos(folder, vendor, zygote)


def _environment(server: PrefectServer, folder: Path) -> dict[str, str]:
    """What every child finds in its environment."""
    return {
        "PREFECT_API_URL": server.api_url,
        "PREFECT_HOME": str(folder / "home"),
        "JIMMYAI_API_KEY": KEY,
        "PREFECT_CLIENT_MAX_RETRIES": "60",
    }


def until(true: Callable[[], bool], what: str, child: Child | None = None) -> None:
    """Wait until something is true, as long as the child that it depends on lives."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        over = child is not None and child.is_over
        if (over and not true()) or time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen.\n{child.story() if child else ''}")
        time.sleep(0.01)


@dataclass
class Case:
    """One intent in a store of its own, and the processes that work on it.

    Attributes:
        prompt: Its own, so that faults and bills can be told apart.
    """

    chaos: Chaos
    prompt: str
    folder: Path
    _runs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def place(self) -> Place:
        """Where the store is."""
        return place_of(self.chaos.store_settings(self.folder))

    @cached_property
    def files(self) -> Store:
        """What is in the store."""
        return self.place.store.open()

    @property
    def journal(self) -> Journal:
        """The store's journal."""
        return self.place.store.journal()

    @property
    def intent(self) -> str:
        """The intent of the first take."""
        return identify(request_for(self.prompt), scope="", account="default").intent

    # The vendor.

    def plan(self, *faults: Fault) -> None:
        """Plan faults for this case's requests alone."""
        self.chaos.vendor.plan(*(fault.model_copy(update={"matching": self.prompt}) for fault in faults))

    def await_the_faults(self, child: Child) -> None:
        """Wait until every planned fault has struck, and what the vendor accepts in spite of it is in its books."""
        planned = [fault for fault in self.chaos.vendor.faults() if fault.matching == self.prompt]
        until(lambda: not any(each.matching == self.prompt for each in self.chaos.vendor.faults()), "A fault", child)
        if any(fault.accepts for fault in planned):
            until(lambda: bool(self.bills()), "The bill", child)

    def bills(self) -> list[str]:
        """What the vendor has billed for the prompt: the tasks, oldest first."""
        return [
            task for bill in self.chaos.vendor.bills() if bill.body["prompt"] == self.prompt for task in bill.task_ids
        ]

    # Processes.

    def order(self, **fields: Any) -> Order:
        """Order a run of this case."""
        folder = self.folder / f"run-{next(self._runs)}"
        given: dict[str, Any] = {
            "prompts": (self.prompt,),
            "store": dict(self.place.settings),
            "url": self.chaos.vendor.url,
            "flow": self.chaos.flow,
        }
        return Order(folder=str(folder), **{**given, **fields})

    def begin(self, **fields: Any) -> Child:
        """Begin a process."""
        return self.chaos.zygote.begin(self.order(**fields))

    def run(self, **fields: Any) -> Report:
        """Run a process to its end; again if it was the machine that failed."""
        for _ in range(_TRIES):
            child = self.begin(**fields).ended()
            if child.report.ours:
                return child.report
        raise AssertionError(f"The machine is too slow.\n{child.story()}")

    # The journal.

    def record(self) -> Entry:
        """Read the record."""
        entry = self.journal.read(self.intent)
        assert entry is not None, "there is no record"
        return entry

    @property
    def record_key(self) -> str:
        """Where the record is in the store."""
        return f"journal/records/{self.intent}.json"

    def age(self) -> None:
        """Let every lease run out."""
        self.place.age(self.record_key, _LONG_AGO_SECONDS)

    def settle(self, task_id: str = "") -> None:
        """Settle what is unknown, as a person would who sees the vendor's console."""
        task_id = task_id or next(iter(self.bills()), "")
        with self.chaos.credentials.get_client() as client:
            resolution = "attach" if task_id else "not_billed"
            record = self.record().record
            attempt = (record.unsettled() or record.attempts)[-1].name
            resolve_unknown(
                self.journal, self.intent, resolution, task_id=task_id, attempt=attempt, fetch=client.get_video
            )

    def read(self, key: str) -> bytes:
        """Read an object of the store."""
        with self.files.open_read(key) as file:
            return file.read()

    # Assertions.

    def assert_stored(self, *reports: Report) -> None:
        """The video is whole, its record and provenance say so, and all runs speak of the same task."""
        record = self.record().record
        assert record.state is State.STORED and record.stored is not None
        assert {*record.task_ids} == {*self.bills()}
        assert hashlib.sha256(self.read(record.stored.key)).hexdigest() == record.stored.sha256
        provenance = str(PurePosixPath(record.stored.key).with_suffix(".json"))
        assert record.task_id.encode() in self.read(provenance)
        assert not list(self.journal.open_records())
        for report in reports:
            assert (report.error, report.task_id, report.sha256) == ("", record.task_id, record.stored.sha256), report

    def assert_unknown(self, *reports: Report) -> None:
        """The record says so and is listed, every run said so, and Prefect has kept no result either."""
        entry = self.record()
        assert entry.state is State.UNKNOWN
        assert [each.record.intent for each in self.journal.open_records()] == [self.intent]
        assert {report.error for report in reports} <= {"SubmissionUnknown"}
        for task_id in self.bills():
            assert task_id not in entry.record.task_ids
            assert not any(task_id in path.read_text() for path in persisted_results(self.chaos.home))


def persisted_results(home: Path) -> list[Path]:
    """The files of Prefect's result storage."""
    folder = home / "storage"
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
