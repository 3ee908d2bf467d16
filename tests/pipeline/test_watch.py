"""Watching: until the vendor has made the video, whatever single answers do, and never longer than was asked for."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from prefect_seedance.client.errors import TaskError, VideoFailed, WaitTimedOut
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.changes import STORING_SECONDS
from prefect_seedance.journal.errors import SubmissionsUsedUp
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.errors import WaitStopped
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.headway import Headway
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch import polling, watcher
from prefect_seedance.pipeline.watch.gate import gate_for
from prefect_seedance.pipeline.watch.history import clip_of, history_of
from prefect_seedance.pipeline.watch.schedule import Expectation
from prefect_seedance.pipeline.watch.watcher import Watcher, open_watcher, watch
from prefect_seedance.simulator import Fault, running_simulator
from tests.pipeline.counter import QUERY, Made, counted, envelope
from tests.pipeline.harness import (
    REQUEST,
    Followed,
    Vendor,
    account_at,
    delete_record,
    order_of,
    record_of,
)

ADVICE = "Run it again: that takes the task up."
SLOWEST_SECONDS = 8.0
#: Tasks whose answers nobody reads are asked about by this name.
TASK = "videos_1"


def running() -> Made:
    """An answer that fits whichever task was asked about, since it names none."""
    return envelope({"status": "processing", "progress": 10})


def completed() -> Made:
    """As `running`, with a link."""
    return envelope(
        {"status": "completed", "progress": 100, "result": {"video_url": "https://media.example.com/a.mp4"}}
    )


async def wait(
    account: Account,
    task_id: str = TASK,
    *,
    limit_seconds: float = 30.0,
    followed: Followed | None = None,
    on_answer: watcher.OnAnswer | None = None,
) -> VideoTask:
    async with open_watcher(account) as opened:
        watched = await opened.wait(
            task_id,
            limit_seconds=limit_seconds,
            advice=ADVICE,
            observer=(followed or Followed()).observer,
            on_answer=on_answer,
        )
        return watched.task


@pytest.fixture
def bought(vendor: Vendor, destination: Destination) -> SubmittedVideo:
    return vendor.bought(destination)


async def soon_done(vendor: Vendor) -> None:
    """Let the vendor finish once it was asked."""
    while not vendor.counter.count(QUERY):
        await asyncio.sleep(0.01)
    vendor.simulator.elapse(3600)


# The whole way.


async def test_a_video_is_watched_until_it_is_made(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo, followed: Followed
) -> None:
    seen: list[tuple[str, float]] = []

    async def on_answer(task: VideoTask, waited: float) -> None:
        seen.append((task.state, waited))

    async def done_after_the_first_answer() -> None:
        while not seen:
            await asyncio.sleep(0.01)
        vendor.simulator.elapse(3600)

    ending = asyncio.ensure_future(done_after_the_first_answer())
    task = await watch(
        bought, vendor.account, destination, limit_seconds=60, observer=followed.observer, on_answer=on_answer
    )
    await ending
    assert (task.task_id, task.state) == (bought["task_id"], "completed") and task.video_url
    assert [state for state, _ in seen] == ["running"] * (len(seen) - 1) + ["completed"] and len(seen) > 1
    assert [waited for _, waited in seen] == sorted(waited for _, waited in seen)
    assert followed.kinds == ["completed"]


async def test_a_completed_record_is_left_to_its_run_for_the_time_of_storing(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    vendor.simulator.elapse(3600)
    await watch(bought, vendor.account, destination, limit_seconds=60)
    record = record_of(destination, bought["intent"])
    assert (record.state, record.watch_seconds, STORING_SECONDS) == (State.COMPLETED, 600.0, 600.0)
    assert record.attempts[0].completed_at


async def test_a_verdict_of_the_vendor_is_in_the_record_and_an_event(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo, followed: Followed
) -> None:
    vendor.simulator.plan(Fault(fault="failed", message="PROVIDER_TIMEOUT"))
    with pytest.raises(VideoFailed, match="PROVIDER_TIMEOUT"):
        await watch(bought, vendor.account, destination, limit_seconds=60, observer=followed.observer)
    assert followed.kinds == ["failed"]
    record = record_of(destination, bought["intent"])
    assert (record.state, record.attempts[0].failure) == (State.FAILED, "transient")
    vendor.counter.asked.clear()
    with pytest.raises(SubmissionsUsedUp):
        await watch(bought, vendor.account, destination, limit_seconds=60)
    with pytest.raises(VideoFailed):
        await watch(bought, vendor.account, destination, limit_seconds=60, max_submissions=2)
    assert vendor.counter.asked == []


async def test_a_video_that_is_stored_already_is_not_asked_about(vendor: Vendor, destination: Destination) -> None:
    task, submitted = vendor.completed(destination)
    deliver(task, submitted, vendor.account, destination)
    vendor.counter.asked.clear()
    found = await watch(submitted, vendor.account, destination, limit_seconds=60)
    assert (found.task_id, found.state, found.video_url) == (submitted["task_id"], "completed", "")
    assert vendor.counter.asked == []


# A record that is deleted.


async def test_a_record_that_was_deleted_before_the_watch_is_written_anew(
    vendor: Vendor, destination: Destination, other_process: Destination, bought: SubmittedVideo
) -> None:
    delete_record(destination, bought["intent"])
    vendor.simulator.elapse(3600)
    await watch(bought, vendor.account, other_process, limit_seconds=60)
    record = record_of(destination, bought["intent"])
    assert (record.state, record.task_ids) == (State.COMPLETED, (bought["task_id"],))
    assert record.attempts[0].run.name == "nightly"


@pytest.mark.parametrize("verdict", ["completed", "failed"])
async def test_a_record_that_is_deleted_while_it_is_watched_is_written_anew(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo, verdict: str
) -> None:
    async def on_answer(task: VideoTask, waited: float) -> None:
        if task.state != "running":
            return
        delete_record(destination, bought["intent"])
        if verdict == "failed":
            vendor.simulator.plan(Fault(fault="failed"))
        vendor.simulator.elapse(3600)

    watching = watch(bought, vendor.account, destination, limit_seconds=60, on_answer=on_answer)
    if verdict == "failed":
        with pytest.raises(VideoFailed):
            await watching
    else:
        await watching
    record = record_of(destination, bought["intent"])
    assert (str(record.state), record.task_ids) == (verdict, (bought["task_id"],))


# The limit of the wait.


async def test_running_out_of_time_is_no_failure_and_names_the_task(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    began = time.monotonic()
    with pytest.raises(WaitTimedOut, match="videos_") as caught:
        await watch(bought, vendor.account, destination, limit_seconds=0.6)
    assert 0.6 <= time.monotonic() - began < SLOWEST_SECONDS
    assert caught.value.task_id == bought["task_id"]
    assert record_of(destination, bought["intent"]).state is State.SUBMITTED


@pytest.mark.parametrize("hang_after", [0, 1])
async def test_the_limit_holds_even_if_a_single_answer_hangs(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, hang_after: int
) -> None:
    monkeypatch.setattr(polling, "LAST_ANSWER_SECONDS", 0.3)
    if hang_after:
        vendor.counter.answer(QUERY, running, times=hang_after)
    vendor.counter.hang(QUERY)
    began = time.monotonic()
    with pytest.raises(WaitTimedOut) as caught:
        await wait(vendor.account, limit_seconds=1.0)
    assert time.monotonic() - began < SLOWEST_SECONDS
    assert caught.value.task_id == TASK and ADVICE in str(caught.value)


async def test_an_answer_that_hangs_is_given_up_and_asked_for_again(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "ANSWER_SECONDS", 0.3)
    vendor.counter.hang(QUERY, times=2)
    vendor.counter.answer(QUERY, completed)
    assert (await wait(vendor.account)).state == "completed"
    assert vendor.counter.count(QUERY) == 3


async def test_the_limit_holds_while_everybody_pauses_for_a_rate_limit(vendor: Vendor) -> None:
    gate_for(vendor.account).limited(4.0)
    began = time.monotonic()
    with pytest.raises(WaitTimedOut):
        await wait(vendor.account, limit_seconds=0.5)
    assert time.monotonic() - began < 3.0


# What earlier videos have taken.


def taking(destination: Destination, bought: SubmittedVideo, seconds: float) -> None:
    """Have this process know that videos such as this one take so long."""
    for _ in range(10):
        history_of(destination).note(*clip_of(record_of(destination, bought["intent"])), seconds, local=True)


async def test_nobody_asks_before_the_earliest_moment(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    began = time.monotonic()
    bought = vendor.bought(destination)
    taking(destination, bought, 1.5)
    vendor.simulator.elapse(3600)
    await watch(bought, vendor.account, destination, limit_seconds=60, observer=followed.observer)
    moments = [moment for moment, path in vendor.counter.moments if bought["task_id"] in path]
    assert len(moments) == 1 and moments[0] - began >= 1.5
    facts = followed.events[0].facts
    assert facts["polls"] == 1
    made, late = facts["made_seconds"], facts["late_seconds"]
    assert isinstance(made, float) and isinstance(late, float) and made + late >= 1.5


async def test_the_limit_holds_in_the_middle_of_a_long_sleep(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    taking(destination, bought, 3000.0)
    began = time.monotonic()
    with pytest.raises(WaitTimedOut):
        await watch(bought, vendor.account, destination, limit_seconds=0.5)
    assert time.monotonic() - began < SLOWEST_SECONDS
    assert vendor.counter.count(QUERY) == 1, "the last question is asked all the same"


async def test_a_long_sleep_is_cancelled_at_once(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    taking(destination, bought, 3000.0)
    watching = asyncio.ensure_future(watch(bought, vendor.account, destination, limit_seconds=3000))
    while not gate_for(vendor.account)._open:
        await asyncio.sleep(0.01)
    began = time.monotonic()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert time.monotonic() - began < SLOWEST_SECONDS and gate_for(vendor.account)._open == 0


async def test_what_is_tolerated_is_asked_about_again_soon(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    taking(destination, bought, 0.5)
    vendor.simulator.elapse(3600)
    vendor.simulator.plan(Fault(fault="query_5xx", times=2), Fault(fault="completed_without_url", times=2))
    history_of(destination).note(*clip_of(record_of(destination, bought["intent"])), 3000.0, local=True)
    assert (await watch(bought, vendor.account, destination, limit_seconds=60)).video_url
    assert vendor.counter.count(QUERY) == 5


async def test_a_second_wave_is_asked_about_less_often_than_the_first(destination: Destination) -> None:
    with running_simulator(seconds=2.0) as simulator, counted(simulator.url) as counter:
        vendor = Vendor(simulator, counter, account_at(counter.url))

        async def wave(name: str) -> int:
            before = counter.count(QUERY)

            async def one(number: int) -> None:
                order = order_of(REQUEST.model_copy(update={"take": f"{name}-{number}"}))
                bought = await asyncio.to_thread(vendor.bought, destination, order)
                await watch(bought, vendor.account, destination, limit_seconds=60)

            await asyncio.gather(*(one(number) for number in range(6)))
            return counter.count(QUERY) - before

        first, second = await wave("first"), await wave("second")
    assert second < first / 1.5
    history = history_of(destination)
    assert history.unsaved == 12
    assert 1.0 < (history.expected_seconds(REQUEST.model_name, REQUEST.resolution, REQUEST.duration) or 0) < 4.0


async def test_what_it_took_to_see_a_video_is_told_to_the_caller_and_the_log(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo, followed: Followed
) -> None:
    headway = Headway()
    vendor.simulator.plan(Fault(fault="query_5xx", times=2))
    vendor.simulator.elapse(3600)
    await watch(bought, vendor.account, destination, limit_seconds=60, observer=followed.observer, headway=headway)
    assert headway.polls == vendor.counter.count(QUERY) == 3, "also those without an answer"
    assert headway.made_seconds is not None and headway.late_seconds is not None
    assert any(headway.watched_words in line for line in followed.lines)


async def test_questions_are_counted_also_where_no_video_comes_of_them(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    headway = Headway()
    vendor.simulator.plan(Fault(fault="failed", message="PROVIDER_TIMEOUT"))
    vendor.simulator.elapse(3600)
    with pytest.raises(VideoFailed):
        await watch(bought, vendor.account, destination, limit_seconds=60, headway=headway)
    assert (headway.polls, headway.late_seconds) == (vendor.counter.count(QUERY), None) != (0, None)


async def test_a_wait_that_is_begun_anew_long_after_its_submission_asks_at_once_and_teaches_nothing_wrong(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    """The pointer that Prefect persisted says "submit" for ever, whoever has it from there."""
    taking(destination, bought, 3000.0)
    known = history_of(destination).unsaved
    record = destination.journal.record_key(bought["intent"])
    file = Path(urlsplit(destination.store.uri_of(record)).path)
    os.utime(file, (time.time() - 3600, time.time() - 3600))
    destination.journal.read(bought["intent"])
    vendor.simulator.elapse(3600)
    began = time.monotonic()
    await watch(bought, vendor.account, destination, limit_seconds=3000)
    assert time.monotonic() - began < SLOWEST_SECONDS
    assert vendor.counter.count(QUERY) == 1
    assert history_of(destination).unsaved == known


async def test_the_age_of_a_task_that_is_taken_up_is_known_also_where_the_clock_of_the_machine_is_slow(
    vendor: Vendor,
) -> None:
    """By the vendor's word it is not older than the wait; by the store's clock it is."""
    vendor.counter.answer(QUERY, running, times=1)
    vendor.counter.answer(QUERY, completed)
    async with open_watcher(vendor.account) as opened:
        watched = await opened.wait(
            TASK,
            limit_seconds=20,
            advice=ADVICE,
            observer=Followed().observer,
            age_seconds=39.9,
            expected=lambda: Expectation(earliest_seconds=40.0, usual_seconds=40.0),
        )
    assert watched.polls == 2


async def test_a_video_whose_vendors_clock_was_moved_on_teaches_nothing_when_it_is_taken_up(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    vendor.simulator.elapse(3600)
    await watch({**bought, "decision": "attach"}, vendor.account, destination, limit_seconds=60)
    assert history_of(destination).unsaved == 0


# What ends the wait, and what does not.


@pytest.mark.parametrize("task_id", ["videos_1\\..", "../user/balance", "videos_1/../../x"])
async def test_a_task_id_that_is_none_ends_the_wait_at_once(vendor: Vendor, task_id: str) -> None:
    began = time.monotonic()
    with pytest.raises(WaitStopped) as caught:
        await wait(vendor.account, task_id)
    assert caught.value.task_id == task_id and ADVICE in str(caught.value)
    assert time.monotonic() - began < SLOWEST_SECONDS and vendor.counter.asked == []


async def test_a_refused_key_ends_the_wait_at_once_with_the_task_id(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    with pytest.raises(WaitStopped, match="goes on at the vendor and is paid for") as caught:
        await watch(bought, account_at(vendor.counter.url, "sk_wrong"), destination, limit_seconds=60)
    assert caught.value.task_id == bought["task_id"] and vendor.counter.count(QUERY) == 1


async def test_faults_on_the_way_are_sat_out(vendor: Vendor, destination: Destination, bought: SubmittedVideo) -> None:
    names = ("query_5xx", "query_drop", "query_html", "not_found", "unknown_status")
    vendor.simulator.elapse(3600)
    vendor.simulator.plan(*(Fault(fault=name) for name in names), Fault(fault="completed_without_url", times=2))
    task = await watch(bought, vendor.account, destination, limit_seconds=60)
    assert task.video_url and vendor.counter.count(QUERY) == 8, "each question was asked once"
    assert vendor.simulator.faults() == []


async def raises(task: VideoTask, waited: float) -> None:
    raise RuntimeError("the progress bar is gone")


async def hangs(task: VideoTask, waited: float) -> None:
    await asyncio.Event().wait()


def raises_at_once(task: VideoTask, waited: float) -> Future[None]:
    raise RuntimeError("the progress bar is gone")


async def is_cancelled(task: VideoTask, waited: float) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    "on_answer",
    [
        raises,
        hangs,
        raises_at_once,
        is_cancelled,
    ],
    ids=lambda each: each.__name__,
)
async def test_progress_that_cannot_be_shown_does_not_stop_the_wait(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, on_answer: watcher.OnAnswer
) -> None:
    monkeypatch.setattr(watcher, "_PROGRESS_SECONDS", 0.1)
    vendor.counter.answer(QUERY, running, times=2)
    vendor.counter.answer(QUERY, completed)
    assert (await wait(vendor.account, on_answer=on_answer)).state == "completed"
    assert vendor.counter.count(QUERY) == 3


async def test_progress_that_cannot_be_shown_is_a_line_of_the_log(vendor: Vendor, followed: Followed) -> None:
    vendor.counter.answer(QUERY, completed)
    await wait(vendor.account, followed=followed, on_answer=raises)
    assert followed.lines == ["The progress was not shown: the progress bar is gone"]
    assert followed.levels == [logging.DEBUG]


async def test_a_cancelled_wait_takes_its_progress_along(vendor: Vendor) -> None:
    vendor.counter.answer(QUERY, running)
    showing = asyncio.Event()
    left: list[str] = []

    async def slow(task: VideoTask, waited: float) -> None:
        showing.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.append("progress")

    waiting = asyncio.ensure_future(wait(vendor.account, on_answer=slow))
    await showing.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert left == ["progress"]


# Rate limits.


async def test_a_rate_limit_is_never_the_end(vendor: Vendor, destination: Destination, bought: SubmittedVideo) -> None:
    vendor.simulator.elapse(3600)
    vendor.simulator.plan(Fault(fault="query_rate_limited", times=2))
    assert (await watch(bought, vendor.account, destination, limit_seconds=60)).video_url
    assert vendor.counter.count(QUERY) == 3


async def test_a_rate_limit_pauses_all_tasks_of_the_gate(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    # One is limited while the others sleep between two questions, also one that begins only then.
    vendor.counter.answer(QUERY, running, times=5)
    vendor.counter.answer(QUERY, lambda: Made(429, b"", {"Retry-After": "3"}), times=1)
    vendor.counter.answer(QUERY, completed)
    gate, limited = gate_for(vendor.account), asyncio.Event()
    begun: list[float] = []
    limit = gate.limited

    def note(pause_seconds: float) -> None:
        limit(pause_seconds)
        begun.append(time.monotonic())
        limited.set()

    monkeypatch.setattr(gate, "limited", note)

    async def late() -> VideoTask:
        await limited.wait()
        return await wait(vendor.account, "videos_late")

    # They begin apart, so that none has its moment already when the limit comes.
    async def begin(number: int) -> VideoTask:
        await asyncio.sleep(0.04 * number)
        return await wait(vendor.account, f"videos_{number}")

    tasks = await asyncio.gather(*(begin(number) for number in range(5)), late())
    assert all(task.state == "completed" for task in tasks)
    (pause,) = begun
    # Of what was on its way when the limit was heard of, all has come a second later.
    asked = [moment - pause for moment, _ in vendor.counter.moments if moment > pause + 1]
    assert len(asked) >= 2 and min(asked) > 2.9, "nobody asked in the pause"


async def test_a_rate_limit_also_pauses_who_has_been_given_a_moment_already(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = gate_for(vendor.account)
    monkeypatch.setattr(gate, "_rate", 5.0)  # as to the real vendor: the twentieth begins four seconds later
    vendor.counter.answer(QUERY, lambda: Made(429, b"", {"Retry-After": "2"}), times=1)
    vendor.counter.answer(QUERY, completed)
    await asyncio.gather(*(wait(vendor.account, f"videos_{number}") for number in range(6)))
    first, second, *_ = (moment for moment, _ in vendor.counter.moments)
    assert second - first > 1.5


async def test_a_submission_that_is_limited_pauses_the_questions_too(vendor: Vendor, destination: Destination) -> None:
    vendor.counter.answer("POST /videos", lambda: Made(429, b"", {"Retry-After": "1"}), times=1)
    await asyncio.to_thread(vendor.bought, destination)
    gate = gate_for(vendor.account)
    assert gate.rate < gate._highest


# Watchers.


async def test_two_watches_of_one_account_share_one_client_and_the_last_closes_it(vendor: Vendor) -> None:
    vendor.counter.answer(QUERY, running)
    counter = vendor.counter
    async with open_watcher(vendor.account) as first:
        async with open_watcher(vendor.account) as second:
            assert second is first
        async with open_watcher(account_at(vendor.counter.url)) as third:  # equal, and another object
            assert third is first
        for _ in range(2):
            with pytest.raises(WaitTimedOut):
                await wait(vendor.account, limit_seconds=0.3)
        assert (counter.connections, counter.closed) == (1, 0), "who leaves first closes nothing"
    await asyncio.to_thread(counter.until_closed)
    async with open_watcher(vendor.account) as fourth:
        assert fourth is not first


async def test_all_questions_of_a_watcher_go_over_the_connections_that_are_open(vendor: Vendor) -> None:
    vendor.counter.answer(QUERY, running, times=6)
    vendor.counter.answer(QUERY, completed)
    await asyncio.gather(*(wait(vendor.account, f"videos_{number}") for number in range(3)))
    assert vendor.counter.count(QUERY) == 9 and vendor.counter.connections <= 3


async def test_another_account_has_a_watcher_of_its_own(vendor: Vendor) -> None:
    async with open_watcher(vendor.account) as one, open_watcher(account_at(vendor.counter.url, "sk_other")) as two:
        assert one is not two


async def test_a_watch_that_fails_leaves_its_watcher_to_the_others(vendor: Vendor) -> None:
    async with open_watcher(vendor.account) as shared:
        with pytest.raises(WaitStopped):
            await wait(vendor.account, "a/b")
        vendor.counter.answer(QUERY, completed)
        advice = {"limit_seconds": 30.0, "advice": ADVICE, "observer": Followed().observer}
        assert (await shared.wait(TASK, **advice)).task.state == "completed"  # type: ignore[arg-type]


def test_each_loop_has_a_watcher_of_its_own(vendor: Vendor) -> None:
    vendor.counter.answer(QUERY, completed)

    async def one() -> tuple[Watcher, VideoTask]:
        async with open_watcher(vendor.account) as opened:
            return opened, await wait(vendor.account)

    first, second = asyncio.run(one()), asyncio.run(one())
    assert first[0] is not second[0]
    vendor.counter.until_closed()
    assert vendor.counter.connections == 2


def test_a_loop_that_is_cancelled_leaves_nothing_to_the_next(vendor: Vendor) -> None:
    vendor.counter.answer(QUERY, running, times=1)
    vendor.counter.answer(QUERY, completed)

    async def cut_short() -> None:
        async with asyncio.timeout(0.1):
            await wait(vendor.account)

    with pytest.raises(TimeoutError):
        asyncio.run(cut_short())
    assert asyncio.run(wait(vendor.account)).state == "completed"
    assert gate_for(vendor.account)._open == 0


def test_the_gate_counts_no_task_any_longer_whose_wait_has_ended(vendor: Vendor) -> None:
    vendor.counter.answer(QUERY, lambda: envelope(code=20001))
    for _ in range(3):
        with pytest.raises(WaitStopped):
            asyncio.run(wait(vendor.account))
    assert gate_for(vendor.account)._open == 0


async def test_many_videos_are_watched_at_once(vendor: Vendor, destination: Destination) -> None:
    orders = [order_of(REQUEST.model_copy(update={"take": str(number)})) for number in range(12)]
    many = [await asyncio.to_thread(vendor.bought, destination, order) for order in orders]
    vendor.simulator.elapse(3600)
    tasks = await asyncio.gather(*(watch(each, vendor.account, destination, limit_seconds=60) for each in many))
    assert [task.task_id for task in tasks] == [each["task_id"] for each in many]
    assert all(record_of(destination, each["intent"]).state is State.COMPLETED for each in many)


# Words of kindred gateways.


@pytest.mark.parametrize("document", ["succeeded", "SUCCESS", "Done"])
async def test_a_kindred_word_for_success_ends_the_wait(vendor: Vendor, document: str) -> None:
    link = "https://media.example.com/a.mp4"
    vendor.counter.answer(QUERY, lambda: envelope({"status": document, "data": {"url": link}}))
    assert (await wait(vendor.account, limit_seconds=SLOWEST_SECONDS)).video_url == link


async def test_a_video_whose_link_is_elsewhere_comes_into_the_store(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    vendor.simulator.elapse(3600)
    link = vendor.task(bought["task_id"]).video_url
    task = {"taskId": bought["task_id"], "state": "success", "resultJson": json.dumps({"resultUrls": [link]})}
    document = json.dumps({"code": 200, "msg": "success", "data": task}).encode()
    vendor.counter.answer(QUERY, lambda: Made(200, document))
    completed = await watch(bought, vendor.account, destination, limit_seconds=SLOWEST_SECONDS)
    await asyncio.to_thread(deliver, completed, bought, vendor.account, destination)
    assert record_of(destination, bought["intent"]).state is State.STORED


async def test_a_file_of_the_request_that_an_answer_repeats_is_not_taken_for_the_video(
    vendor: Vendor, destination: Destination
) -> None:
    own = "https://a.example.com/own.mp4"
    request = VideoRequest(
        prompt="A paper boat", model="seedance2.0-mini-video", reference_videos=[f"{own}?Signature=1f0c"]
    )
    pointer = await asyncio.to_thread(submit, order_of(request), vendor.account, destination, preflight=False)
    vendor.simulator.elapse(3600)
    link = vendor.task(pointer["task_id"]).video_url
    answers = iter([{"videos": [f"{own}?Signature=2a1d"]}, {"result": {"video_url": own}}])
    vendor.counter.answer(QUERY, lambda: envelope({"status": "completed", **next(answers, {"url": link})}))
    completed = await watch(pointer, vendor.account, destination, limit_seconds=SLOWEST_SECONDS)
    assert completed.video_url == link


@pytest.mark.parametrize("status", ["FAILURE", "expired", "rejected"])
async def test_a_kindred_word_for_failure_is_the_vendors_verdict(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo, status: str
) -> None:
    vendor.counter.answer(QUERY, lambda: envelope({"status": status, "fail_reason": "no face"}))
    with pytest.raises(VideoFailed, match="no face"):
        await watch(bought, vendor.account, destination, limit_seconds=SLOWEST_SECONDS)
    assert record_of(destination, bought["intent"]).state is State.FAILED


async def test_a_word_that_may_be_a_failure_writes_no_verdict(
    vendor: Vendor, destination: Destination, bought: SubmittedVideo
) -> None:
    vendor.counter.answer(QUERY, lambda: envelope({"status": "error", "error_message": "PROVIDER_TIMEOUT"}))
    with pytest.raises(TaskError, match="'error'"):
        await watch(bought, vendor.account, destination, limit_seconds=1.0, max_submissions=3)
    assert record_of(destination, bought["intent"]).state is State.SUBMITTED


async def test_an_unknown_word_is_named_once_in_the_log_and_in_the_time_out(vendor: Vendor, followed: Followed) -> None:
    vendor.counter.answer(QUERY, lambda: envelope({"status": "reviewing"}))
    with pytest.raises(WaitTimedOut, match=r"'reviewing'.*not known") as caught:
        await wait(vendor.account, limit_seconds=1.2, followed=followed)
    assert caught.value.unknown_status == "reviewing"
    assert vendor.counter.count(QUERY) > 2
    assert [line for line in followed.lines if "'reviewing'" in line] == [
        f"Task {TASK}: the vendor's status 'reviewing' is not known here."
    ]


# Pages of what stands between.

PAGES: dict[str, Made] = {
    **{
        f"HTTP {status}": Made(status, b"<html>Access denied</html>", {"Content-Type": "text/html"})
        for status in (200, 400, 401, 402, 403, 404, 407, 422, 451, 511)
    },
    "nothing under 401": Made(401, b""),
    "JSON of a firewall under 401": Made(401, b'{"message": "login"}'),
    "JSON of a firewall under 403": Made(403, b'{"success": false, "errors": [{"code": 1020}]}'),
    "a key's code without the vendor's envelope": Made(401, b'{"code": 20001, "data": null}'),
    "a sign-in": Made(302, b"", {"Location": "https://login.example.com/"}),
    "no money": Made(403, b'{"error": {"code": "insufficient_user_quota"}}'),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
async def test_what_something_in_between_sent_is_waited_out(vendor: Vendor, page: Made) -> None:
    vendor.counter.answer(QUERY, lambda: page, times=2)
    vendor.counter.answer(QUERY, completed)
    assert (await wait(vendor.account, limit_seconds=SLOWEST_SECONDS)).state == "completed"
