"""The rows of a batch on their way: each ends in one outcome, and none spoils another."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from prefect_seedance import failpoints
from prefect_seedance.batch.engine import Engine
from prefect_seedance.batch.followers import Following
from prefect_seedance.batch.models import RowResult
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.rows import Row, RowProblem
from prefect_seedance.journal.changes import STORING_SECONDS
from prefect_seedance.journal.record import Run
from prefect_seedance.pipeline.observer import Observer
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.video import Workshop
from prefect_seedance.simulator import Fault, Simulator
from tests.batch.harness import Batch, Told, rows

HOW_IT_ENDS = {
    "fine": ("stored", 1),
    "filtered": ("moderated", 1),
    "broken": ("failed", 1),
    "refused": ("refused", 0),
    "lost": ("unknown", 1),
}


def outcomes(results: dict[str, RowResult]) -> dict[str, str]:
    return {prompt: result.outcome for prompt, result in results.items()}


def test_each_row_ends_in_its_own_outcome_and_a_second_run_pays_for_no_video_again(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    faults = (
        Fault(fault="failed", matching="filtered"),
        Fault(fault="failed", matching="broken", message="[SY_ERR:10] PROVIDER_TIMEOUT"),
        Fault(fault="unknown_code", matching="refused", code=20001),
        Fault(fault="lost_answer", matching="lost"),
    )
    simulator.plan(*faults)
    batch = Batch(account, destination)
    first = batch.run(rows(*HOW_IT_ENDS))
    assert {prompt: (row.outcome, row.submissions) for prompt, row in first.items()} == HOW_IT_ENDS
    for row in first.values():
        assert bool(row.reason) == bool(row.advice) == (row.outcome != "stored")
    assert first["fine"].cost == simulator.bills()[0].cost and first["fine"].uri
    assert "resolve_submission" in first["lost"].advice
    assert {result.number for result in batch.told.results} == {2, 3, 4, 5, 6}

    bills = len(simulator.bills())
    again = Batch(account, destination).run(rows(*HOW_IT_ENDS))
    assert outcomes(again) == {**outcomes(first), "fine": "reused", "refused": "stored"}
    assert again["fine"].cost == 0.0, "it was paid for before"
    assert len(simulator.bills()) == bills + 1, "what was refused is tried again; nothing else is"


def test_a_collector_leaves_a_row_alone_while_it_is_watched_and_then_stored(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    batch = Batch(account, destination)
    (video,) = batch.orders(rows("a boat")).videos
    left: list[float] = []

    def look(point: str) -> None:
        if point == "relay.before":
            entry = destination.journal.read(video.order.intent)
            left.append(entry.record.watch_seconds if entry else 0.0)

    failpoints.listen(look)
    try:
        batch.run(rows("a boat"))
    finally:
        failpoints.listen(lambda point: None)
    waits = batch.options.wait_seconds(video.order.asked.duration)
    assert left == [waits + STORING_SECONDS], "nothing is written between submitted and stored"


def test_a_fault_of_a_program_is_in_the_log_that_its_row_refers_to(
    account: Account, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def faulty(*_: object) -> None:
        raise AssertionError("a mistake of ours")

    monkeypatch.setattr(Workshop, "make", faulty)
    batch, said = Batch(account, destination), list[str]()
    observer = Observer(lambda level, message, facts: said.append(message))
    workshop = Workshop(account, destination, batch.options, batch.state, Run())
    engine = Engine(workshop, batch.options, Following(batch.told), lambda video: observer, waits=True)
    videos = batch.orders(rows("a boat")).videos
    asyncio.run(engine.run(videos, lambda video, make: make()))
    (result,) = engine.results.values()
    assert "the run's log has the details" in result.reason
    assert len(said) == 1 and said[0].startswith("An unexpected AssertionError at test_engine.py:")


def test_equal_rows_are_one_video(simulator: Simulator, account: Account, destination: Destination) -> None:
    batch = Batch(account, destination)
    orders = batch.orders(rows("same", "other", "same", "same"))
    assert [[row.number for row in video.rows] for video in orders.videos] == [[2, 4, 5], [3]]
    batch.run(rows("same", "other", "same", "same"))
    assert len(simulator.bills()) == 2


def test_each_row_tells_how_often_the_vendor_was_asked_about_it_and_how_late_its_video_was_seen(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(Fault(fault="failed", matching="bad"))
    asked = rows("good", "bad")
    first, second = (Batch(account, destination).run(asked) for _ in range(2))
    good, bad, again = first["good"], first["bad"], second["good"]
    assert good.polls >= 1 and good.made_seconds is not None and good.late_seconds is not None
    assert bad.polls >= 1 and bad.late_seconds is None
    assert (again.outcome, again.polls, again.late_seconds) == ("reused", 0, None)
    assert good.polls + bad.polls == sum(simulator.requests().polls.values())


def test_no_more_than_the_options_say_are_at_the_vendor_and_the_next_are_made_while_these_are_stored(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    """The store stands still: three are made, three more behind them, and then the vendor waits for the store."""
    at_the_store, goes_on = threading.Semaphore(0), threading.Event()
    before: list[int] = []

    def look(point: str) -> None:
        if point == "relay.before":
            at_the_store.release()
            assert goes_on.wait(30)

    def watch() -> None:
        try:
            for _ in range(6):
                assert at_the_store.acquire(timeout=30)
            time.sleep(0.3)  # time for more than there is room for
            before.append(len(simulator.bills()))
        finally:
            goes_on.set()

    batch = Batch(account, destination, BatchOptions(max_in_flight=3))
    asked = rows(*(f"boat {number}" for number in range(12)))
    watching = threading.Thread(target=watch)
    failpoints.listen(look)
    try:
        watching.start()
        results = batch.run(asked)
    finally:
        goes_on.set()
        watching.join()
        failpoints.listen(lambda point: None)
    assert before == [6] and batch.most_inside == 6
    assert {row.outcome for row in results.values()} == {"stored"} and len(simulator.bills()) == 12


@pytest.mark.parametrize(
    "options",
    [BatchOptions(stop_after_failures=2, max_in_flight=1), BatchOptions(stop_after_share=0.2, max_in_flight=1)],
)
def test_after_too_many_failures_nothing_more_is_submitted_and_what_is_there_still_comes(
    options: BatchOptions, simulator: Simulator, account: Account, destination: Destination
) -> None:
    Batch(account, destination).run(rows("there before"))
    simulator.plan(Fault(fault="failed", matching="bad", times=100))
    asked = rows(*(f"bad {number}" for number in range(12)), "there before", "new")
    batch = Batch(account, destination, options)
    results = batch.run(asked)
    submitted = [row for row in results.values() if row.submissions]
    assert len(submitted) == (2 if options.stop_after_failures else 10)
    assert results["there before"].outcome == "reused"
    assert results["new"].outcome == "not_started" and "no more" in results["new"].reason
    assert any("No further row is submitted" in words for words in batch.told.words)
    assert len(simulator.bills()) == 1 + len(submitted)


def test_failures_of_an_earlier_run_do_not_stop_this_one(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(Fault(fault="failed", matching="bad", times=100))
    bad = [f"bad {number}" for number in range(3)]
    Batch(account, destination).run(rows(*bad))
    results = Batch(account, destination, BatchOptions(stop_after_failures=1)).run(rows(*bad, "new"))
    assert results["new"].outcome == "stored"


def test_one_unknown_row_stops_itself_and_three_in_a_row_stop_the_rest(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(Fault(fault="lost_answer", matching="lost", times=100))
    options = BatchOptions(max_in_flight=1)
    one = Batch(account, destination, options).run(rows("lost once", "good"))
    assert outcomes(one) == {"lost once": "unknown", "good": "stored"}
    three = Batch(account, destination, options).run(rows("lost 1", "lost 2", "lost 3", "after", "good"))
    assert outcomes(three) == {
        "lost 1": "unknown",
        "lost 2": "unknown",
        "lost 3": "unknown",
        "after": "not_started",
        "good": "reused",
    }


def test_an_account_without_money_stops_the_batch_at_its_first_refusal(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    simulator.plan(Fault(fault="unknown_code", code=20002, message="Insufficient balance", times=100))
    results = Batch(account, destination, BatchOptions(max_in_flight=1)).run(rows("a", "b", "c"))
    assert outcomes(results) == {"a": "refused", "b": "not_started", "c": "not_started"}
    assert "Top up" in results["a"].advice
    assert not simulator.bills()


def test_fewer_are_on_their_way_after_a_rate_limit(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    batch = Batch(account, destination, BatchOptions(max_in_flight=8))
    engine = batch.engine()
    simulator.plan(Fault(fault="rate_limited_http", retry_after=0.2))
    limits: list[int] = []

    async def wrapped(video: object, make: object) -> object:
        result = await make()  # type: ignore[operator]
        assert engine._admission is not None  # pyright: ignore[reportPrivateUsage]
        limits.append(engine._admission.limit)  # pyright: ignore[reportPrivateUsage]
        return result

    orders = batch.orders(rows(*(f"boat {number}" for number in range(30))))
    asyncio.run(engine.run(orders.videos, wrapped))
    assert min(limits) <= 5, "4, and one more once four are made"
    assert limits[-1] > min(limits), "it recovers"
    assert all(result.outcome == "stored" for result in engine.results.values())


def test_few_submissions_work_at_once_and_those_that_wait_for_the_vendor_hold_up_none(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    many = 40
    simulator.plan(Fault(fault="slow_answer", seconds=3.0, times=many))
    lock, between = threading.Lock(), threading.Barrier(many)
    working: set[int] = set()
    most = 0

    def look(point: str) -> None:
        nonlocal most
        if point not in ("claim.record.before", "post.before", "post.after"):
            return
        with lock:
            working.discard(threading.get_ident())
            if point == "claim.record.before":
                working.add(threading.get_ident())
            most = max(most, len(working))
        if point == "claim.record.before":
            time.sleep(0.02)  # room for others to come as far
        elif point == "post.after":
            between.wait(30)  # all of them are sent, or none gets any further

    failpoints.listen(look)
    try:
        asked = rows(*(f"boat {number}" for number in range(many)))
        results = Batch(account, destination, BatchOptions(max_in_flight=many)).run(asked)
    finally:
        failpoints.listen(lambda point: None)
    assert {row.outcome for row in results.values()} == {"stored"}
    assert len(simulator.bills()) == many
    assert 1 < most <= 16


def test_rows_that_wait_for_their_turn_hold_up_none_that_needs_no_turn(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    Batch(account, destination).run(rows("there"))
    ended = threading.Event()

    class Turns:
        def take(self, cancelled: threading.Event) -> bool:
            return ended.wait(30)

        def leave(self) -> None:
            pass

    class Followed(Told):
        def ended(self, result: RowResult) -> None:
            super().ended(result)
            ended.set()

    asked = rows(*(f"boat {number}" for number in range(20)), "there")
    batch = Batch(account, destination, BatchOptions(max_in_flight=len(asked)), told=Followed(), turn=Turns())
    results = batch.run(asked)
    assert outcomes(results) == {row.request.prompt: "stored" for row in asked if row.request} | {"there": "reused"}
    assert batch.told.results[0].outcome == "reused"


def test_a_cancelled_batch_says_of_each_row_what_became_of_it(
    account: Account, destination: Destination, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.pipeline.submit.background._ANSWER_SECONDS", 0.2)
    simulator.plan(Fault(fault="stuck", matching="slow", times=10_000))
    simulator.plan(Fault(fault="slow_answer", matching="on its way", seconds=2))
    batch = Batch(account, destination, BatchOptions(max_in_flight=3))
    engine = batch.engine()
    orders = batch.orders(rows("slow 1", "slow 2", "on its way", "later"))

    async def main() -> None:
        running = asyncio.ensure_future(engine.run(orders.videos, lambda video, make: make()))
        while len(simulator.bills()) < 3:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    found = [engine.results[video.order.intent] for video in orders.videos]
    assert [row.outcome for row in found] == ["failed", "failed", "unknown", "not_started"]
    slow = [bill for bill in simulator.bills() if "slow" in bill.body["prompt"]]
    assert {row.task_id for row in found[:2]} == {task for bill in slow for task in bill.task_ids}
    assert [(row.submissions, row.cost) for row in found[2:]] == [(1, None), (0, 0.0)], "a sent row may be paid for"
    simulator.reset()


def test_whatever_wraps_a_video_and_fails_loses_no_row(
    simulator: Simulator, account: Account, destination: Destination
) -> None:
    batch = Batch(account, destination)
    engine = batch.engine()

    async def before(video: object, make: object) -> object:
        raise ConnectionError("Prefect is gone")

    async def after(video: object, make: object) -> object:
        await make()  # type: ignore[operator]
        raise ConnectionError("Prefect is gone")

    asyncio.run(engine.run(batch.orders(rows("a")).videos, before))
    asyncio.run(engine.run(batch.orders(rows("b")).videos, after))
    assert [row.outcome for row in engine.results.values()] == ["stored", "stored"]
    assert len(simulator.bills()) == 2


@pytest.mark.parametrize("of", [1, 2, 7])
def test_the_parts_of_a_batch_are_all_of_it_and_no_row_twice(
    of: int, account: Account, destination: Destination
) -> None:
    invalid = Row(43, "", None, (RowProblem(43, "duration", "400 is too long", "Write 4 to 15"),))
    asked = [*rows(*(f"boat {number}" for number in range(40)), "boat 3"), invalid]
    parts = [
        {row.number for video in orders.videos for row in video.rows} | {row.number for row in orders.invalid}
        for part in range(1, of + 1)
        for orders in [Batch(account, destination, BatchOptions(part=f"{part}/{of}")).orders(asked)]
    ]
    assert sorted(number for part in parts for number in part) == [row.number for row in asked]
    assert min(len(part) for part in parts) > 0
