"""The world of the chaos suite: a simulated vendor, child processes, and cases, each an intent in its own store."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_seedance import SeedanceCredentials, VideoStore
from prefect_seedance.journal import Entry, Journal, State, identify, resolve_unclear
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from tests.chaos.child import request_for
from tests.chaos.orders import Order, Report
from tests.chaos.processes import PATIENCE_SECONDS, Child, Zygote, running_zygote
from tests.chaos.report import Table
from tests.prefect_server import PrefectServer, running_prefect_server

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
        folder: Holds everything that the children write.
        vendor: The simulator.
        zygote: Forks the children.
        table: What the kills have shown.
    """

    folder: Path
    vendor: Simulator
    zygote: Zygote
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
    quiet = {"PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false", "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false"}
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

    @property
    def store(self) -> Path:
        """The store's folder."""
        return self.folder / "store"

    @property
    def journal(self) -> Journal:
        """The store's journal."""
        return VideoStore(location=str(self.store)).journal()

    @property
    def intent(self) -> str:
        """The intent of the prompt's first take."""
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
        given: dict[str, Any] = {"prompts": (self.prompt,), "store": str(self.store), "url": self.chaos.vendor.url}
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
    def record_file(self) -> Path:
        """The record."""
        return self.store / "journal" / "records" / f"{self.intent}.json"

    def age(self) -> None:
        """Let every lease run out: the age of a record is the age of its file, by the file system's clock."""
        past = time.time() - _LONG_AGO_SECONDS
        if self.record_file.exists():
            os.utime(self.record_file, (past, past))

    def settle(self, task_id: str = "") -> None:
        """Settle what is unclear, as a person would who sees the vendor's console."""
        task_id = task_id or next(iter(self.bills()), "")
        with self.chaos.credentials.get_client() as client:
            resolution = "attach" if task_id else "not_billed"
            resolve_unclear(self.journal, self.intent, resolution, task_id=task_id, fetch=client.get_video)

    # Assertions.

    def assert_stored(self, *reports: Report) -> None:
        """The video is whole, its record and provenance say so, and all runs speak of the same task."""
        record = self.record().record
        assert record.state is State.STORED and record.stored is not None
        assert {*record.task_ids} == {*self.bills()}
        video = self.store / record.stored.key
        assert hashlib.sha256(video.read_bytes()).hexdigest() == record.stored.sha256
        assert record.task_id in video.with_suffix(".json").read_text()
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
