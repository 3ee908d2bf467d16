"""Every query fault, as a poller meets it."""

from __future__ import annotations

import time

import httpx
import pytest

from prefect_seedance.simulator import FAULTS, Fault, Simulator, running_simulator
from tests.simulator.vendor import Vendor, data_of

PASSING = {
    "not_found": (200, '"code": 20002'),
    "query_5xx": (503, "<!DOCTYPE html>"),
    "query_html": (200, "<!DOCTYPE html>"),
    "query_rate_limited": (200, '"code": 40000'),
}
TESTED_BELOW = {"completed_without_url", "relative_url", "query_drop", "stuck", "failed", "unknown_status"}


def test_the_table_of_this_file_is_complete() -> None:
    assert set(PASSING) | TESTED_BELOW == {name for name, kind in FAULTS.items() if kind.place == "query"}


@pytest.mark.parametrize("name", PASSING)
def test_a_passing_fault_leaves_the_task_as_it_was(simulator: Simulator, vendor: Vendor, name: str) -> None:
    simulator.plan(Fault(fault=name, times=2))
    task_id = vendor.made()
    for _ in range(2):
        answer = vendor.query(task_id)
        assert (answer.status_code, PASSING[name][1] in answer.text) == (PASSING[name][0], True)
    assert data_of(vendor.query(task_id))["status"] == "completed"
    assert simulator.requests().polls == {task_id: 3}


def test_a_dropped_query_is_closed_without_an_answer(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(Fault(fault="query_drop"))
    task_id = vendor.made()
    with pytest.raises(httpx.RemoteProtocolError):
        vendor.query(task_id)
    assert data_of(vendor.query(task_id))["status"] == "completed"


def test_faults_of_the_link_wait_until_there_is_one() -> None:
    with running_simulator(seconds=1000) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        simulator.plan(Fault(fault="completed_without_url"), Fault(fault="relative_url"))
        task_id = vendor.made()
        assert data_of(vendor.query(task_id))["status"] != "completed"
        simulator.elapse(1000)
        data = data_of(vendor.query(task_id))
        assert data["status"] == "completed"
        assert data["result"]["video_url"] == ""
        assert vendor.link(task_id) == f"seedance/video/{task_id}.mp4"
        assert vendor.link(task_id).startswith(simulator.url)


def test_a_failed_task_stays_failed(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(Fault(fault="failed", matching="boat"), Fault(fault="failed", message="Read timed out"))
    boat, kite = vendor.made(), vendor.made(prompt="A kite")
    assert data_of(vendor.query(kite))["error_message"] == "Read timed out"
    for _ in range(2):
        data = data_of(vendor.query(boat))
        assert (data["status"], data["progress"], data["result"]) == ("failed", 0, None)
        assert data["error_message"] == "[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK"


def test_a_stuck_task_never_gets_on() -> None:
    with running_simulator(seconds=0.1) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        simulator.plan(Fault(fault="stuck"))
        task_id = vendor.made()
        first = data_of(vendor.query(task_id))
        assert first["status"] == "processing"
        time.sleep(0.2)
        assert data_of(vendor.query(task_id)) == first


def test_an_unknown_status_passes(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(Fault(fault="unknown_status"))
    task_id = vendor.made()
    assert data_of(vendor.query(task_id))["status"] == "reviewing"
    assert data_of(vendor.query(task_id))["status"] == "completed"
