"""A batch that is submitted and left to a collector: nothing is waited for, and the record says all that is needed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from prefect_seedance.batch.models import RowResult
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.simulator import Fault, Simulator
from prefect_seedance.storage.errors import NotWritable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.batch.harness import Batch, rows
from tests.pipeline.collect.harness import Office
from tests.pipeline.harness import TEMPLATE, destination_in, record_of

ROOT = Path(__file__).parents[2]
ENDLESS = Fault(fault="stuck", times=10_000)


def outcomes(results: dict[str, RowResult]) -> dict[str, str]:
    return {prompt: result.outcome for prompt, result in results.items()}


def test_rows_are_submitted_while_the_vendor_goes_on_and_nothing_is_submitted_twice(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(ENDLESS)
    batch = Batch(account, destination, BatchOptions(posters=False), waits=False, notify=("slack-webhook/team",))
    first = batch.run([replace(row, name=f"boat {row.number}") for row in rows("red", "blue", "red")])
    assert outcomes(first) == {"red": "submitted", "blue": "submitted"}
    bills = {bill.body["prompt"]: bill for bill in simulator.bills()}
    assert len(bills) == 2 and not simulator.requests().polls
    for prompt, row in first.items():
        assert (row.task_id,) == tuple(bills[prompt].task_ids)
        assert (row.submissions, row.cost, row.retryable) == (1, bills[prompt].cost, True)
        assert not row.uri and not row.reason and "collect_videos" in row.advice

    record = record_of(destination, first["red"].intent)
    assert (record.state, record.watch_seconds) == (State.SUBMITTED, 0), "a collector takes it up at once"
    assert (record.delivery.notify, record.delivery.posters) == (("slack-webhook/team",), False)
    assert record.delivery.name == "boat 2" and "{task_id}" in record.delivery.key_template

    again = Batch(account, destination, waits=False).run(rows("red", "blue"))
    assert outcomes(again) == outcomes(first) and len(simulator.bills()) == 2
    assert [(row.submissions, row.cost, row.price) for row in again.values()] == [(0, 0.0, 0.0)] * 2


def test_what_is_in_the_store_is_reused_and_what_was_submitted_is_made_by_a_batch_that_waits(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    submitted = Batch(account, destination, waits=False).run(rows("there", "gone"))
    made = Batch(account, destination).run(rows("there", "gone"))
    assert outcomes(made) == {"there": "reused", "gone": "reused"}, "this run paid for neither"
    assert made["there"].task_id == submitted["there"].task_id
    destination.store.delete(made["gone"].key)
    again = Batch(account, destination, waits=False).run(rows("there", "gone"))
    assert outcomes(again) == {"there": "reused", "gone": "reused"}
    assert destination.store.stat(made["gone"].key), "a record is not believed: the video is looked for"
    assert len(simulator.bills()) == 2


def test_rows_that_are_not_accepted_end_as_ever(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    faults = (
        Fault(fault="unknown_code", matching="refused", code=20001),
        Fault(fault="lost_answer", matching="lost"),
    )
    simulator.plan(*faults)
    found = Batch(account, destination, waits=False, notify=("slack-webhook/team",)).run(
        rows("refused", "lost", "fine")
    )
    assert outcomes(found) == {"refused": "refused", "lost": "unknown", "fine": "submitted"}
    of_the_claim = record_of(destination, found["lost"].intent).delivery
    assert of_the_claim.notify == ("slack-webhook/team",) and of_the_claim.key_template, "before any answer"


def test_what_failed_since_is_submitted_again_only_as_often_as_it_may_be_paid_for(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(Fault(fault="failed", message="[SY_ERR:10] PROVIDER_TIMEOUT"))
    Batch(account, destination, waits=False).run(rows("boat"))
    assert outcomes(Batch(account, destination).run(rows("boat"))) == {"boat": "failed"}, "whoever polls sees it"
    once = Batch(account, destination, waits=False).run(rows("boat"))
    assert outcomes(once) == {"boat": "failed"} and simulator.requests().create_received == 1
    twice = Batch(account, destination, BatchOptions(max_submissions=2), waits=False).run(rows("boat"))
    assert outcomes(twice) == {"boat": "submitted"} and simulator.requests().create_received == 2


def test_max_in_flight_bounds_the_submissions_alone(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(ENDLESS)
    batch = Batch(account, destination, BatchOptions(max_in_flight=2), waits=False)
    batch.run(rows(*(f"boat {number}" for number in range(7))))
    assert batch.most_inside == 2 and len(simulator.bills()) == 7


def test_a_row_whose_answer_came_while_its_run_was_cancelled_is_submitted(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(Fault(fault="slow_answer", seconds=0.5))
    batch = Batch(account, destination, BatchOptions(max_in_flight=1), waits=False)
    engine, orders = batch.engine(), batch.orders(rows("accepted", "later"))

    async def main() -> None:
        running = asyncio.ensure_future(engine.run(orders.videos, lambda video, make: make()))
        while not simulator.bills():
            await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    accepted, later = (engine.results[video.order.intent] for video in orders.videos)
    assert (accepted.outcome, accepted.submissions) == ("submitted", 1)
    assert (accepted.task_id,) == tuple(simulator.bills()[0].task_ids) and "collect_videos" in accepted.advice
    assert later.outcome == "not_started"


def test_a_task_that_the_journal_does_not_take_is_no_submitted_row_since_no_collector_would_find_it(
    simulator: Simulator, account: Account, tmp_path: Path
) -> None:
    class FullDisk(FolderStore):
        def swap(self, key: str, data: bytes, etag: str) -> str:
            if b"videos_" in data:
                raise NotWritable(key, "No space left on device")
            return super().swap(key, data, etag)

    store = FullDisk(tmp_path / "store")
    destination = Destination(store, Journal(store, sleep=lambda seconds: None), TEMPLATE, MediaPolicy())
    (row,) = Batch(account, destination, waits=False).run(rows("paid")).values()
    (bill,) = simulator.bills()
    assert (row.outcome, row.submissions, (row.task_id,)) == ("failed", 1, tuple(bill.task_ids))


def test_what_a_killed_process_has_submitted_a_collector_stores_and_the_same_batch_submits_the_rest(
    simulator: Simulator, account: Account, tmp_path: Path
) -> None:
    prompts = [f"boat {number}" for number in range(5)]
    command = [sys.executable, "-m", "tests.batch.killed_submission", simulator.url, str(tmp_path), "3", *prompts]
    assert subprocess.run(command, cwd=ROOT, timeout=120).returncode == -signal.SIGKILL
    assert simulator.requests().create_received == 3
    office = Office(tmp_path, account)
    report = office.collected()
    assert [video.became for video in report.videos] == ["stored"] * 3, "from the records alone, and at once"
    assert office.kinds().count("stored") == len(office.videos()) == 3
    again = Batch(account, destination_in(tmp_path), waits=False).run(rows(*prompts))
    assert [row.outcome for row in again.values()] == ["reused"] * 3 + ["submitted"] * 2
    assert simulator.requests().create_received == 5
