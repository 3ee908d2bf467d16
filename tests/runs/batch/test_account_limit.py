"""The global concurrency limit of an account: at most so many POSTs at a time, and never a video less for it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate

from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.run_state import RunState
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.runs.batch import account_limit as module
from prefect_seedance.runs.batch.account_limit import AccountLimit, account_limit, limit_name
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from tests.client.wire_server import Reply, WireServer, answer, page
from tests.flows.line_to_prefect import line_to_prefect
from tests.pipeline.counter import counted
from tests.pipeline.harness import REQUEST, Vendor, account_at, destination_in, order_of
from tests.processes import until
from tests.runs.batch.prefect_away import prefect_at, prefect_away

pytestmark = [pytest.mark.server]
NEVER = threading.Event()


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(seconds=600.0) as simulator:
        yield simulator


@pytest.fixture
def vendor(running: Simulator) -> Iterator[Vendor]:
    running.reset()
    with counted(running.url) as counter:
        yield Vendor(running, counter, account_at(counter.url))


@pytest.fixture
def destination(tmp_path: Path) -> Destination:
    return destination_in(tmp_path / "store")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become moments."""
    for name, seconds in {
        "_AWAY_SECONDS": 0.3,
        "_SHORTEST_PAUSE_SECONDS": 0.05,
        "_LONGEST_PAUSE_SECONDS": 0.2,
        "_HANDED_ON_SECONDS": 0.3,
        "_LEFT_TO_OTHERS_SECONDS": 0.4,
    }.items():
        monkeypatch.setattr(module, name, seconds)


def make_limit(account: str, slots: int, per_second: float = 0.0) -> None:
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name=limit_name(account), limit=slots, slot_decay_per_second=per_second)
        )


def look_up(account: str) -> AccountLimit:
    limit = asyncio.run(account_limit(account))
    assert limit is not None
    return limit


def taken(account: str) -> int:
    """How many slots are taken, as Prefect's server counts."""
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(limit_name(account)).active_slots


def until_all_are_given_back(account: str) -> None:
    until(lambda: taken(account) == 0, "all slots given back", seconds=30)


def in_line(limit: AccountLimit, cancelled: threading.Event = NEVER) -> Future[bool]:
    return threads.start(threads.SUBMISSIONS, limit.take, cancelled)


def questions(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if "concurrency_limits" in line]


def test_a_hundred_rows_over_a_limit_of_two_never_send_more_than_two_at_once(
    prefect_server: str, vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    make_limit("hundred", 2)
    vendor.simulator.plan(Fault(fault="slow_answer", seconds=0.02, times=100))
    state = RunState()
    with line_to_prefect(prefect_server, tmp_path) as log:
        limit = look_up("hundred")

        def one(number: int) -> str:
            order = order_of(REQUEST.model_copy(update={"take": str(number)}))
            return submit(order, vendor.account, destination, state=state, turn=limit)["task_id"]

        rows = [threads.start(threads.SUBMISSIONS, one, number) for number in range(100)]
        assert len({row.result(120) for row in rows}) == 100
        asyncio.run(limit.close(30))
        asked = len(questions(log))
    assert taken("hundred") == 0
    assert len(vendor.billed()) == 100
    assert vendor.counter.most_creates == 2
    # One to look it up, two to take and two to give back, and some while all were taken; two per video are allowed.
    assert asked <= 50


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("account", ["R&D / 100 % <b>", "工作室 #2", "a?b\\c\nd", "x" * 100, "e\u0301"])
def test_the_limit_of_any_account_can_be_made_and_found(account: str) -> None:
    assert asyncio.run(account_limit(account)) is None
    make_limit(account, 1)
    limit = look_up(account)
    assert limit.take(NEVER) and taken(account) == 1
    limit.leave()
    until_all_are_given_back(account)


def test_where_there_is_no_limit_it_is_looked_for_once(prefect_server: str, tmp_path: Path) -> None:
    with line_to_prefect(prefect_server, tmp_path) as log:
        assert asyncio.run(account_limit("nobody's")) is None
    assert len(questions(log)) == 1


@pytest.mark.usefixtures("prefect_server", "impatient")
def test_a_cancelled_run_leaves_the_line_at_once_and_holds_nothing() -> None:
    make_limit("cancelled", 1)
    limit, cancelled = look_up("cancelled"), threading.Event()
    assert limit.take(NEVER)
    waiting = [in_line(limit, cancelled) for _ in range(5)]
    behind = in_line(limit)
    cancelled.set()
    assert [each.result(30) for each in waiting] == [False] * 5
    assert not behind.done()
    limit.leave()
    assert behind.result(30)
    limit.leave()
    until_all_are_given_back("cancelled")


@pytest.mark.usefixtures("prefect_server", "impatient")
def test_two_processes_share_a_limit_of_one() -> None:
    make_limit("shared", 1)
    limits = [look_up("shared"), look_up("shared")]
    under_way, most, lock = [0], [0], threading.Lock()

    def one(limit: AccountLimit) -> bool:
        assert limit.take(NEVER)
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1
        limit.leave()
        return True

    rows = [threads.start(threads.SUBMISSIONS, one, limits[number % 2]) for number in range(30)]
    assert all(row.result(60) for row in rows)
    assert most == [1]
    until_all_are_given_back("shared")


@pytest.mark.usefixtures("prefect_server", "impatient")
def test_a_limit_of_none_holds_everything_until_it_is_raised() -> None:
    make_limit("closed", 0)
    limit = look_up("closed")
    waiting = in_line(limit)
    with pytest.raises(TimeoutError):
        waiting.result(1)
    with get_client(sync_client=True) as client:
        client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(limit=1))
    assert waiting.result(30)
    limit.leave()
    until_all_are_given_back("closed")


@pytest.mark.usefixtures("impatient")
def test_a_limit_with_a_decay_is_a_rate(prefect_server: str, tmp_path: Path) -> None:
    make_limit("rate", 1, per_second=10)
    with line_to_prefect(prefect_server, tmp_path) as log:
        limit = look_up("rate")
        rows = [in_line(limit) for _ in range(8)]
        assert all(row.result(60) for row in rows)
        for _ in rows:
            limit.leave()
        until(lambda: len([line for line in questions(log) if line.endswith("/increment")]) >= 8, "one slot each")
    assert not [line for line in questions(log) if "lease" in line or "decrement" in line]


@pytest.mark.usefixtures("prefect_server", "impatient")
def test_a_limit_that_is_deleted_meanwhile_holds_nobody() -> None:
    make_limit("deleted", 1)
    limit = look_up("deleted")
    assert limit.take(NEVER)
    waiting = [in_line(limit) for _ in range(3)]
    with get_client(sync_client=True) as client:
        client.delete_global_concurrency_limit_by_name(limit.name)
    assert all(each.result(30) for each in waiting)
    assert limit.take(NEVER)


@pytest.mark.usefixtures("prefect_server", "impatient")
@pytest.mark.parametrize("how", ["refused", "silent"])
def test_where_prefect_does_not_answer_nobody_waits(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = f"away {how}"
    make_limit(account, 1)
    limit = look_up(account)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.5)
    with prefect_away(how):
        rows = [in_line(limit) for _ in range(10)]
        assert all(row.result(60) for row in rows)
        for _ in rows:
            limit.leave()


@pytest.mark.usefixtures("impatient")
def test_a_limit_is_honoured_again_once_prefect_answers(prefect_server: str, tmp_path: Path) -> None:
    make_limit("back", 1)
    with line_to_prefect(prefect_server, tmp_path, refused=r"POST \S+/increment", times=2):
        limit = look_up("back")
        rows = [in_line(limit) for _ in range(3)]
        assert all(row.result(60) for row in rows), "busy, so nobody waits"
        until(lambda: taken("back") == 1, "the slot of those that went without", seconds=30)
        late = in_line(limit)
        with pytest.raises(TimeoutError):
            late.result(0.5)
        for _ in rows:
            limit.leave()
        assert late.result(30)
        limit.leave()
        until_all_are_given_back("back")


@pytest.mark.usefixtures("prefect_server", "impatient")
def test_a_slot_that_a_restarted_server_has_forgotten_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    make_limit("forgotten", 1)
    limit = look_up("forgotten")
    assert limit.take(NEVER)
    with get_client(sync_client=True) as client:
        client.release_concurrency_slots_with_lease(limit._leases[0].id)
        # Leases were in the server's memory, and slots are in its database.
        client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(active_slots=1))
    forgotten = limit._leases[0].id
    waiting = in_line(limit)
    monkeypatch.setattr(module, "_RENEWAL_SECONDS", 0.1)
    until(lambda: [each.id for each in limit._leases] not in ([], [forgotten]), "a slot in its place", seconds=30)
    assert not waiting.done()
    limit.leave()
    assert waiting.result(30)
    limit.leave()
    until_all_are_given_back("forgotten")


def test_a_batch_whose_prefect_is_away_at_the_start_goes_without(caplog: pytest.LogCaptureFixture) -> None:
    with prefect_away("refused"):
        assert asyncio.run(account_limit("default")) is None
    assert "goes without" in caplog.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_limit_that_may_not_be_used_holds_nobody_and_is_not_asked_for_again(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with WireServer([answer(status, {"detail": "no"})]) as server, prefect_at(f"{server.url}/api"):
        limit = AccountLimit("seedance-ours")
        assert all(each.result(30) for each in [in_line(limit) for _ in range(3)])
        asked = len(server.received)
        assert limit.take(NEVER) and len(server.received) == asked
    assert "The concurrency limit seedance-ours is not honoured any more" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_a_client_of_prefect_s_that_cannot_be_made_holds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "prefect.seedance")
    with prefect_at("no address at all"):
        limit = AccountLimit("seedance-ours")
        assert in_line(limit).result(30)
    assert "does not say whether there is room under the concurrency limit seedance-ours" in caplog.text


@pytest.mark.usefixtures("prefect_server", "impatient")
def test_whoever_waits_long_is_told_for_what(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "prefect.seedance")
    monkeypatch.setattr(module, "_FIRST_TOLD_SECONDS", 0.0)
    make_limit("told", 0)
    limit, cancelled = look_up("told"), threading.Event()
    waiting = in_line(limit, cancelled)
    until(lambda: "1 submission waits for room" in caplog.text, "the words", seconds=30)
    assert f"`prefect gcl inspect {limit.name}`" in caplog.text
    cancelled.set()
    assert not waiting.result(30)


def granted() -> Reply:
    """Prefect's answer that gives a slot."""
    return answer(200, {"lease_id": str(uuid4()), "limits": [{"id": str(uuid4()), "name": "ours", "limit": 1}]})


@pytest.mark.usefixtures("impatient")
def test_a_slot_whose_renewal_got_no_answer_is_renewed_before_anything_else_and_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_RENEWAL_SECONDS", 0.0)
    with WireServer([granted(), page(503), answer(200, {})]) as server, prefect_at(f"{server.url}/api"):
        limit = AccountLimit("seedance-ours")
        assert limit.take(NEVER)
        until(lambda: limit._away, "a renewal without an answer", seconds=30)
        monkeypatch.setattr(module, "_RENEWAL_SECONDS", 100.0)
        assert limit.take(NEVER), "nobody waits meanwhile"
        until(lambda: not limit._away, "an answer", seconds=30)
        assert [each.is_certain for each in limit._leases] == [True]
        assert [each.path.rpartition("/")[2] for each in server.received[1:3]] == ["renew", "renew"]
        assert not [each.path for each in server.received if "decrement" in each.path], "nor is it given back"


@pytest.mark.usefixtures("impatient")
def test_a_slot_whose_lease_had_lapsed_when_it_was_missed_is_not_given_back_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_RENEWAL_SECONDS", 0.0)
    monkeypatch.setattr(module, "_LEASE_SECONDS", 0.0)
    with WireServer([granted(), answer(404, {"detail": "no such lease"})]) as server, prefect_at(f"{server.url}/api"):
        limit = AccountLimit("seedance-ours")
        assert limit.take(NEVER)
        until(lambda: not limit._leases, "the end of the lease", seconds=30)
        assert not [each.path for each in server.received if "decrement" in each.path], "another may have the slot"
