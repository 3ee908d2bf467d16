"""What a batch says that it paid, and what it must not send any more: looked at as whoever pays."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from prefect_seedance.batch import orders
from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.orders import OrderSettings, WantedVideo
from prefect_seedance.batch.outcomes import of_invalid
from prefect_seedance.batch.rows import Row
from prefect_seedance.media.context import Follower
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit import background
from prefect_seedance.pipeline.submit.run_state import RunState
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.gate import gate_for
from prefect_seedance.simulator import Fault, Simulator
from prefect_seedance.storage.errors import StoreUnavailable
from tests.batch.harness import Batch, request, rows
from tests.pipeline.harness import destination_in, order_of

TRANSIENT = "[SY_ERR:10] PROVIDER_TIMEOUT"
NO_MONEY = Fault(fault="unknown_code", matching="dear", code=20002, message="Insufficient balance", times=100)


def outcomes(results: dict[str, RowResult]) -> dict[str, str]:
    return {prompt: result.outcome for prompt, result in results.items()}


def test_a_submission_that_failed_before_the_one_that_came_is_in_no_sum_and_is_said(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(Fault(fault="failed", message=TRANSIENT, matching="twice"))
    results = Batch(account, destination, BatchOptions(max_submissions=2)).run(rows("twice", "once"))
    twice = results["twice"]
    assert (twice.outcome, twice.submissions) == ("stored", 2)
    assert "1 earlier submission that failed" in twice.cost_source
    report = BatchReport(rows=[*results.values()])
    assert report.of_unknown_cost == 1 and "1 video whose cost is not known" in report.summary


def test_what_stops_a_second_submission_does_not_make_the_first_one_unsent(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    """The key is refused, or the batch stopped, between the failure of the first and the second."""
    simulator.plan(
        Fault(fault="failed", message=TRANSIENT, matching="stopped", times=2),
        Fault(fault="unknown_code", code=20001, matching="refused", skip=1),
        Fault(fault="failed", message=TRANSIENT, matching="refused"),
    )
    stopping = BatchOptions(max_submissions=2, max_in_flight=1)
    batch = Batch(account, destination, stopping)
    engine = batch.engine()
    videos = batch.orders(rows("stopped")).videos

    async def wrapped(video: WantedVideo, make: Callable[[], Awaitable[RowResult]]) -> object:
        making = asyncio.ensure_future(make())
        while not simulator.bills():
            await asyncio.sleep(0.01)
        engine._stop("a rule")  # pyright: ignore[reportPrivateUsage]
        return await making

    asyncio.run(engine.run(videos, wrapped))
    stopped = engine.results[videos[0].order.intent]
    refused = Batch(account, destination, stopping).run(rows("refused"))["refused"]
    for row in (stopped, refused):
        assert (row.outcome, row.submissions, row.cost) == ("failed", 1, None), row.reason
    assert len(simulator.bills()) == 2


def test_a_rule_that_stops_one_batch_stops_no_other_of_its_run_and_no_single_video(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    state = RunState()
    simulator.plan(Fault(fault="failed", message=TRANSIENT, matching="bad"))
    options = BatchOptions(stop_after_failures=1, max_in_flight=1)
    first = Batch(account, destination, options, state=state).run(rows("bad", "after"))
    assert outcomes(first) == {"bad": "failed", "after": "not_started"}
    second = Batch(account, destination, options, state=state).run(rows("after"))
    assert outcomes(second) == {"after": "stored"}
    assert submit(order_of(request("alone")), account, destination, state=state)["task_id"]


class LongLine:
    """A turn that a batch is stopped in."""

    def __init__(self) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.left = 0

    def take(self, cancelled: threading.Event) -> bool:
        self.begun.set()
        return self.goes_on.wait(60)

    def leave(self) -> None:
        self.left += 1


def test_rows_that_wait_in_line_when_a_rule_stops_the_batch_are_not_sent(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    line = LongLine()
    batch = Batch(account, destination, turn=line)
    engine = batch.engine()
    videos = batch.orders(rows("in line")).videos

    async def main() -> None:
        running = asyncio.ensure_future(engine.run(videos, lambda video, make: make()))
        await asyncio.to_thread(line.begun.wait, 60)
        engine._stop("a rule")  # pyright: ignore[reportPrivateUsage]
        line.goes_on.set()
        await running

    asyncio.run(main())
    (row,) = engine.results.values()
    assert row.outcome == "not_started" and "a rule" in row.reason
    assert line.left == 1 and not simulator.bills()


def test_after_a_refusal_for_money_only_cheaper_rows_are_tried(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(NO_MONEY)
    asked = [
        Row(number, "", request(prompt, duration=seconds))
        for number, (prompt, seconds) in enumerate([("dear", 8), ("dear too", 8), ("dearer", 10), ("cheap", 4)], 2)
    ]
    batch = Batch(account, destination, BatchOptions(max_in_flight=1))
    results = batch.run(asked)
    assert outcomes(results) == {
        "dear": "refused",
        "dear too": "not_started",
        "dearer": "not_started",
        "cheap": "stored",
    }
    price = results["dear"].price
    assert price and f"No row of {price:g} coins or more is submitted" in results["dear too"].reason
    assert sum("No row of" in words for words in batch.told.words) == 1


def test_where_the_price_is_not_known_a_refusal_for_money_stops_all() -> None:
    state = RunState()
    assert state.why_not(None) == ""
    state.short, state.short_from = "too little money", 2.0
    assert [state.why_not(price) for price in (1.9, 2.0, None)] == ["", "too little money", "too little money"]
    assert state.of_a_batch().why_not(None) == ""


def test_no_row_is_sent_while_the_vendor_asks_for_a_pause(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    """A pause that is too long for a row's own patience refuses that row; the next ones are not thrown after it."""
    gate = gate_for(account)
    batch = Batch(account, destination)
    engine = batch.engine()
    left: list[float] = []

    async def wrapped(video: WantedVideo, make: Callable[[], Awaitable[RowResult]]) -> object:
        left.append(gate.pause_left())
        return await make()

    gate.limited(0.3)
    asyncio.run(engine.run(batch.orders(rows("a", "b")).videos, wrapped))
    assert left == [0.0, 0.0]


@pytest.mark.parametrize(("patience", "outcome"), [(20.0, "failed"), (0.05, "unknown")])
def test_a_row_whose_post_is_under_way_when_the_run_is_cancelled_twice_is_never_called_unsent(
    patience: float,
    outcome: str,
    simulator: Simulator,
    account: Account,
    destination: Destination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "_ANSWER_SECONDS", patience)
    simulator.plan(Fault(fault="slow_answer", seconds=1.0))
    batch = Batch(account, destination, BatchOptions(max_in_flight=1))
    engine = batch.engine()
    videos = batch.orders(rows("under way", "later")).videos

    async def main() -> None:
        running = asyncio.ensure_future(engine.run(videos, lambda video, make: make()))
        while not simulator.bills():
            await asyncio.sleep(0.01)
        for _ in range(2):
            running.cancel()
            await asyncio.sleep(0.02)
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    sent, later = (engine.results[video.order.intent] for video in videos)
    assert (sent.outcome, sent.submissions, sent.cost) == (outcome, 1, None)
    assert bool(sent.task_id) == (outcome == "failed") and sent.price
    assert (later.outcome, later.cost) == ("not_started", 0.0)
    again = Batch(account, destination).run(rows("under way"))
    assert outcomes(again) == {"under way": "reused"} and len(simulator.bills()) == 1


def test_a_row_that_is_wrapped_and_never_begun_or_ended_from_elsewhere_has_its_result(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    batch = Batch(account, destination)
    engine = batch.engine()

    async def wrapped(video: WantedVideo, make: Callable[[], Awaitable[RowResult]]) -> object:
        if video.order.asked.prompt == "ended":
            raise asyncio.CancelledError
        return None

    asyncio.run(engine.run(batch.orders(rows("not begun", "ended")).videos, wrapped))
    assert [row.outcome for row in engine.results.values()] == ["stored", "not_started"]


def test_two_runs_of_one_manifest_at_once_pay_once_and_only_one_says_so(
    simulator: Simulator, account: Account, destination: Destination, tmp_path: Path
) -> None:
    """With stores of their own, as two processes have."""
    asked = rows(*(f"boat {number}" for number in range(8)))
    both = [Batch(account, each) for each in (destination, destination_in(tmp_path / "store"))]
    engines = [batch.engine() for batch in both]

    async def main() -> None:
        await asyncio.gather(
            *(
                engine.run(batch.orders(asked).videos, lambda video, make: make())
                for batch, engine in zip(both, engines, strict=True)
            )
        )

    asyncio.run(main())
    assert len(simulator.bills()) == 8
    results = [row for engine in engines for row in engine.results.values()]
    assert sorted(row.outcome for row in results) == ["reused"] * 8 + ["stored"] * 8
    spent = sum(BatchReport(rows=[*engine.results.values()]).spent for engine in engines)
    assert spent == pytest.approx(sum(bill.cost for bill in simulator.bills()))


def test_a_row_whose_object_cannot_be_read_just_now_is_not_invalid(account: Account) -> None:
    photo = "s3://photos/mug.png"
    row = Row(2, "", request("a mug", images=[photo]))
    found = {frozenset({photo}): StoreUnavailable("s3://photos", "no answer")}
    placed = orders._placed(row, account, OrderSettings("", "{intent}.mp4"), found, Follower())  # pyright: ignore[reportPrivateUsage]
    assert placed.order is None
    result = of_invalid(placed.row)
    assert (result.outcome, result.retryable, result.cost) == ("not_started", True, 0.0)
    assert "no answer" in result.reason and "Run the batch again" in result.advice


class Ended(BaseException):
    """As a signal that is raised in whatever code runs at that moment."""


def test_a_signal_in_the_code_of_one_row_ends_the_run_with_it_and_each_row_has_its_result(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(Fault(fault="stuck", matching="goes on", times=10_000))
    batch = Batch(account, destination, BatchOptions(max_in_flight=2))
    engine = batch.engine()
    videos = batch.orders(rows("goes on", "struck", "later")).videos

    async def wrapped(video: WantedVideo, make: Callable[[], Awaitable[RowResult]]) -> object:
        if video.order.asked.prompt == "struck":
            while not simulator.bills():
                await asyncio.sleep(0.01)
            raise Ended
        return await make()

    with pytest.raises(Ended):
        asyncio.run(engine.run(videos, wrapped))
    found = [engine.results[video.order.intent] for video in videos]
    assert [row.outcome for row in found] == ["failed", "not_started", "not_started"]
    assert [row.task_id for row in found if row.task_id] == simulator.bills()[0].task_ids
    simulator.reset()
