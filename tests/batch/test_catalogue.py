"""A catalogue with misfortunes adds up: to the row, to the bill, and after kills."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.simulator import Simulator, running_simulator
from tests.batch.catalogue import IN_FLIGHT, LONG, ROWS, SUBMIT_SECONDS, catalogue, fate_of, faults
from tests.processes import Running, running
from tests.storage.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server

KILLS = 10 if LONG else 2

EXPECTED = {"": "stored", "invalid": "invalid", "moderated": "moderated", "transient": "stored", "lost": "unknown"}


class Night:
    """One catalogue at one vendor and in one bucket, made by one process after another."""

    def __init__(self, simulator: Simulator, s3: S3Server, folder: Path) -> None:
        self.simulator, self.folder = simulator, folder
        self.place = json.dumps({"bucket": BUCKET, "prefix": f"night-{os.urandom(4).hex()}", "url": s3.url})
        self.tries = 0
        simulator.reset()
        simulator.plan(*faults())

    def begin(self) -> tuple[object, Path]:
        self.tries += 1
        report = self.folder / f"report-{self.tries}.json"
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1"}
        return running(
            "-m",
            "tests.batch.catalogue",
            self.place,
            self.simulator.url,
            self.simulator.key,
            str(report),
            log=self.folder / f"log-{self.tries}.txt",
            environment=keys,
        ), report

    def run(self) -> dict[int, RowResult]:
        """Make it to its end."""
        process, report = self.begin()
        with process as child:  # type: ignore[attr-defined]
            self._ended(child)
            assert child.process.returncode == 0, child.tail()
        found = BatchReport.model_validate_json(report.read_text())
        assert sorted(row.number for row in found.rows) == [row.number for row in catalogue()]
        return {row.number: row for row in found.rows}

    def kill_once(self, chance: random.Random) -> None:
        """Begin it, and kill the process in the middle of its work."""
        before = len(self.simulator.bills())
        process, _ = self.begin()
        with process as child:  # type: ignore[attr-defined]
            more = chance.randint(1, ROWS // (2 * KILLS))
            end = time.monotonic() + 120
            while len(self.simulator.bills()) < before + more and child.process.poll() is None:
                assert time.monotonic() < end, child.tail()
                time.sleep(0.01)
            time.sleep(chance.random() * 0.5)
            child.process.kill()
            child.process.wait(30)

    @staticmethod
    def _ended(child: Running) -> None:
        child.process.wait(90 if not LONG else 600)


@pytest.fixture(scope="module")
def vendor() -> object:
    with running_simulator(seconds=0.5, balance=1e9) as simulator:
        yield simulator


@pytest.fixture
def night(vendor: Simulator, moto: S3Server, tmp_path: Path) -> Night:
    return Night(vendor, moto, tmp_path)


def check(night: Night, rows: dict[int, RowResult]) -> None:
    """What must hold after any history: nothing is paid for twice unasked, and each bill is some row's."""
    bills = night.simulator.bills()
    accepted = {str(bill.body["prompt"]): bill for bill in bills}
    assert len(accepted) == len(bills)
    for number, row in rows.items():
        bill = accepted.pop(row.prompt, None)
        billed = bill.accepted if bill else 0
        match row.outcome:
            case "stored" | "reused":
                assert bill and row.task_id in bill.task_ids
                assert billed == (2 if fate_of(number) == "transient" else 1), row
            case "invalid" | "not_started":
                assert billed == 0, row
            case "unknown":
                assert billed <= (2 if fate_of(number) == "transient" else 1), row
            case _:
                assert billed >= 1, row
    assert not accepted, "each bill belongs to a row"


def test_the_report_adds_up_to_the_row_and_a_second_run_pays_for_nothing(night: Night) -> None:
    first = night.run()
    assert Counter(row.outcome for row in first.values()) == Counter(
        EXPECTED[fate_of(number)] for number in range(2, ROWS + 2)
    )
    check(night, first)
    bills = len(night.simulator.bills())
    again = night.run()
    assert {row.outcome for row in again.values()} == {"reused", "invalid", "moderated", "unknown"}
    check(night, again)
    assert len(night.simulator.bills()) == bills
    assert sum(row.cost or 0.0 for row in again.values()) == 0


@pytest.mark.timeout(1200 if LONG else 240)
def test_killed_again_and_again_it_adds_up_the_same(night: Night) -> None:
    chance = random.Random(14)
    for _ in range(KILLS):
        night.kill_once(chance)
    time.sleep(SUBMIT_SECONDS)
    rows = night.run()
    check(night, rows)
    on_the_wire = [row for number, row in rows.items() if row.outcome == "unknown" and fate_of(number) != "lost"]
    assert len(on_the_wire) <= IN_FLIGHT * KILLS
    for number, row in rows.items():
        if row not in on_the_wire:
            assert row.outcome in (EXPECTED[fate_of(number)], "reused"), row
