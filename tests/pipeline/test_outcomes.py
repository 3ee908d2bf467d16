"""What becomes of a create and of its task when something between us and the vendor speaks, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from prefect_seedance.client.errors import ConnectionFailed, SeedanceError, SubmissionRefused
from prefect_seedance.client.outcome import Outcome
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.sync_client import SeedanceClient
from prefect_seedance.journal.errors import ResolutionRefused, SubmissionUnknown
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.storm import UnknownStorm
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.errors import VideoNotStored
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch
from prefect_seedance.simulator import Fault
from prefect_seedance.stopwatch import Stopwatch
from tests.client.wire_server import Reply, WireServer, answer
from tests.journal.harness import INTENT, POLICY, Vendor, World
from tests.pipeline import harness
from tests.pipeline.counter import CREATE, QUERY, Made, envelope
from tests.pipeline.harness import REQUEST, order_of, record_of

ACCEPTED = {"code": 20000, "msg": "ok", "data": {"task_id": "videos_1", "status": "queued"}}
PAGE = b"<html><title>Not today</title></html>"


@dataclass
class WiredVendor(Vendor):
    """A vendor behind a socket; every POST that reaches it is accepted and billed, whatever it answers."""

    url: str = ""
    outcomes: list[Outcome] = field(default_factory=list)

    def post(self, seconds: float, may_send: Callable[[], bool] = lambda: True) -> Outcome:
        with SeedanceClient("sk_test", self.url) as client:
            self.outcomes.append(client.submit_video(REQUEST, timeout=seconds, may_send=may_send))
        return self.outcomes[-1]


def run_of(world: World, number: int) -> State:
    """Ask for a video in a run of its own, and return the state of its record afterwards."""
    identity = identify(VideoRequest(prompt=f"boat {number}"), scope=ALWAYS, account="default")
    world.storm = UnknownStorm()
    with contextlib.suppress(SeedanceError):
        world.run(identity=identity)
    return world.record(identity.intent).state


# What a page after the vendor accepted means for the money.

BARE: dict[str, Callable[[int], Reply]] = {
    "a page": lambda status: answer(status, body=PAGE, headers={"Content-Type": "text/html"}),
    "nothing": lambda status: answer(status, body=b""),
    "a proxy's JSON": lambda status: answer(status, {"message": "forbidden"}),
    "a code without a message": lambda status: answer(status, {"code": "40000"}),
    "an unknown code": lambda status: answer(status, {"code": 50007, "msg": "?", "data": None}),
    "a redirect": lambda status: answer(status, body=b"", headers={"Location": "https://elsewhere.example.com/"}),
}
#: What says of itself that the request was not taken.
REFUSING = (400, 401, 404, 405, 413, 414, 415, 422)
PERHAPS_ACCEPTED = [status for status in range(300, 600) if status not in (*REFUSING, 429)]


@pytest.mark.parametrize("reply", BARE.values(), ids=BARE.keys())
@pytest.mark.sample(every=2)
def test_whatever_stands_in_between_says_after_the_vendor_accepted_is_not_paid_for_again(
    reply: Callable[[int], Reply],
) -> None:
    with WireServer([reply(status) for status in PERHAPS_ACCEPTED]) as server:
        world = World.in_memory()
        world.vendor = WiredVendor(url=server.url)
        for posts, status in enumerate(PERHAPS_ACCEPTED, 1):
            assert [run_of(world, status) for _ in range(2)] == [State.UNKNOWN] * 2, status
            assert server.posts == posts, status


@pytest.mark.parametrize("status", [303, 403, 409, 424, 451, 504])
def test_a_page_of_the_gateway_behind_a_billed_task_stops_every_later_run(
    vendor: harness.Vendor, destination: Destination, status: int
) -> None:
    vendor.simulator.plan(Fault(fault="error_after", status=status))
    for _ in range(3):
        with pytest.raises(SubmissionUnknown, match=f"HTTP {status}") as caught:
            vendor.bought(destination)
        assert "cost nothing" not in str(caught.value)
    assert len(vendor.billed()) == 1
    assert record_of(destination, order_of().identity.intent).state is State.UNKNOWN


@pytest.mark.parametrize("status", [404, 413])
def test_a_bare_refusal_of_the_request_costs_nothing_and_may_be_tried_again(
    vendor: harness.Vendor, destination: Destination, status: int
) -> None:
    vendor.simulator.plan(Fault(fault="error_before", status=status))
    with pytest.raises(SubmissionRefused):
        vendor.bought(destination)
    vendor.bought(destination)
    assert len(vendor.billed()) == 1


# An answer about another task.


def about(task_id: str) -> Made:
    link = "https://media.example.com/of-another.mp4"
    return envelope({"task_id": task_id, "status": "completed", "progress": 100, "result": {"video_url": link}})


def failed(task_id: str) -> Made:
    return envelope({"id": task_id, "status": "failed", "error_message": "TRADEMARK"})


@pytest.mark.parametrize("made", [about, failed], ids=["its video", "its verdict"])
def test_a_wait_goes_on_through_answers_about_another_task(
    vendor: harness.Vendor, destination: Destination, made: Callable[[str], Made]
) -> None:
    submitted = vendor.bought(destination)
    vendor.simulator.elapse(3600)
    vendor.counter.answer(QUERY, lambda: made("videos_2"), times=4)
    task = asyncio.run(watch(submitted, vendor.account, destination, limit_seconds=60))
    assert vendor.counter.count(QUERY) == 5
    assert task.task_id == submitted["task_id"] and "of-another" not in task.video_url
    record = record_of(destination, submitted["intent"])
    assert (record.state, record.task_id) == (State.COMPLETED, submitted["task_id"])


def test_the_video_of_another_task_is_never_stored(vendor: harness.Vendor, destination: Destination) -> None:
    task, submitted = vendor.completed(destination)
    without_link = task.model_copy(update={"video_url": ""})
    vendor.counter.answer(QUERY, lambda: about("videos_2"))
    with pytest.raises(VideoNotStored, match="about task 'videos_2'") as caught:
        deliver(without_link, submitted, vendor.account, destination)
    assert caught.value.task_id == task.task_id and task.task_id in caught.value.reason
    assert list(destination.store.list_keys("videos/")) == []
    vendor.counter.rules.clear()
    assert deliver(without_link, submitted, vendor.account, destination).task_id == task.task_id


def test_facts_of_another_task_are_not_told_of_a_stored_video(vendor: harness.Vendor, destination: Destination) -> None:
    task, submitted = vendor.completed(destination)
    facts = {"task_id": "videos_2", "video_url": "https://x/2.mp4", "cost": 99.0, "model": "m"}
    another = task.model_copy(update=facts)
    stored = deliver(another, submitted, vendor.account, destination)
    assert (stored.task_id, stored.cost, stored.model) == (task.task_id, task.cost, REQUEST.model)


def test_a_task_that_the_vendor_answers_otherwise_about_is_not_attached(
    vendor: harness.Vendor, destination: Destination
) -> None:
    vendor.simulator.plan(Fault(fault="lost_answer"))
    with pytest.raises(SubmissionUnknown) as unknown:
        vendor.bought(destination)
    (task_id,) = vendor.billed()
    vendor.counter.answer(QUERY, lambda: about("videos_2"), times=1)
    vendor.counter.answer(QUERY, lambda: envelope({"status": "ok"}), times=1)

    def attach() -> State:
        intent = unknown.value.intent
        return resolve_unknown(destination.journal, intent, "attach", task_id=task_id, fetch=vendor.task).state

    with pytest.raises(ResolutionRefused, match=f"answers with task videos_2, not {task_id}"):
        attach()
    with pytest.raises(ResolutionRefused, match="does not name it"):
        attach()
    assert record_of(destination, unknown.value.intent).state is State.UNKNOWN
    assert attach() is State.SUBMITTED


def test_a_create_that_is_answered_with_the_task_of_another_is_unknown(
    vendor: harness.Vendor, destination: Destination
) -> None:
    first = vendor.bought(destination)
    other = order_of(VideoRequest(prompt="A paper plane", duration=4))
    vendor.counter.answer(CREATE, lambda: envelope({"task_id": first["task_id"], "status": "queued"}))
    for _ in range(2):
        with pytest.raises(SubmissionUnknown, match=f"task {first['task_id']}, which it gave to intent"):
            submit(other, vendor.account, destination, preflight=False)
    assert vendor.counter.count(CREATE) == 2
    assert record_of(destination, other.identity.intent).task_ids == ()
    assert vendor.bought(destination)["task_id"] == first["task_id"]


def test_a_second_attempt_that_is_answered_with_the_first_ones_task_is_not_another_intents(
    vendor: harness.Vendor, destination: Destination
) -> None:
    vendor.counter.answer(CREATE, lambda: envelope({"task_id": "videos_1", "status": "queued"}))
    assert vendor.bought(destination)["task_id"] == "videos_1"
    harness.delete_record(destination, order_of().identity.intent)
    assert vendor.bought(destination)["task_id"] == "videos_1"


# The time between the claim and the first byte.


@dataclass
class SleepyWorld(World):
    """A process on a machine that falls asleep after a claim was looked at, and before its request is written.

    Attributes:
        naps: In how many claims it does.
        seconds: For how long.
    """

    naps: int = 1
    seconds: float = 3600.0

    def stopwatch(self) -> Stopwatch:
        begun, looks = self.store.passed, iter(range(99))

        def elapsed() -> float:
            if next(looks) == 1 and self.naps:
                self.naps -= 1
                self.freeze(self.seconds)
            return self.store.passed - begun

        return elapsed


@pytest.mark.parametrize("seconds", [POLICY.margin_seconds + 1, 3600.0])
def test_a_claim_that_was_slept_through_before_the_first_byte_sends_nothing_and_a_retry_pays_once(
    seconds: float,
) -> None:
    with WireServer([answer(200, ACCEPTED)]) as server:
        world = SleepyWorld.in_memory()
        world.seconds, world.vendor = seconds, WiredVendor(url=server.url)
        states: list[State] = []
        world.at = lambda point: states.append(world.record().state) if point == "backoff" else None
        assert world.run()["task_id"] == "videos_1"
        assert states == [State.READY]
        assert [each.outcome for each in world.record().attempts] == ["never_sent", "accepted"]
        assert "machine slept" in world.record().attempts[0].message
        assert (server.connections, server.posts, world.record().submissions) == (2, 1, 1)


def test_a_machine_that_sleeps_in_every_attempt_gives_the_record_back_unsent() -> None:
    with WireServer([answer(200, ACCEPTED)]) as server:
        world = SleepyWorld.in_memory()
        world.naps, world.vendor = 99, WiredVendor(url=server.url)
        with pytest.raises(ConnectionFailed, match="machine slept"):
            world.run()
        assert server.received == []
        assert (world.record().state, world.record().holder, world.record().submissions) == (State.READY, None, 0)
        world.naps = 0
        assert world.run("two")["task_id"] == "videos_1"
        assert server.posts == 1


def test_what_another_run_did_while_the_machine_slept_stands() -> None:
    with WireServer([answer(200, ACCEPTED)]) as server:
        world = SleepyWorld.in_memory()
        world.vendor = WiredVendor(url=server.url)

        freeze = world.freeze

        def slept(seconds: float) -> None:
            freeze(seconds)
            other = World(world.store, WiredVendor(url=server.url))
            resolve_unknown(other.journal, INTENT, "not_billed")
            other.run("two")

        world.freeze = slept  # type: ignore[method-assign]
        first = world.run()
        assert (first["task_id"], first["reused"]) == ("videos_1", True)
        assert server.posts == 1 and len(world.record().task_ids) == 1
