"""Every create fault: what the client sees of it, and whether the task was made and billed."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from prefect_seedance.simulator import FAULTS, Fault, Simulator, running_simulator
from tests.simulator.vendor import CREATE, Vendor, data_of, request_body

BUSY = {"code": -1, "msg": "系统繁忙，请稍后重试", "data": None}

#: fault -> (settings, what the client sees: an exception or (status, kind of body))
SEEN: dict[str, tuple[dict[str, Any], type[Exception] | tuple[int, str]]] = {
    "lost_answer": ({}, httpx.RemoteProtocolError),
    "hang": ({}, httpx.ReadTimeout),
    "hang_before": ({}, httpx.ReadTimeout),
    "drop_before": ({}, httpx.RemoteProtocolError),
    "error_before": ({}, (502, "html")),
    "error_after": ({"status": 524}, (524, "html")),
    "html_before": ({}, (200, "html")),
    "html_after": ({}, (200, "html")),
    "half_json": ({}, (200, "half")),
    "cut_json": ({}, httpx.RemoteProtocolError),
    "slow_answer": ({"seconds": 0.3}, (200, "20000")),
    "no_task_id": ({}, (200, "20000")),
    "rate_limited_code": ({}, (200, "40000")),
    "rate_limited_http": ({}, (429, "40000")),
    "busy": ({}, (200, "-1")),
    "server_error": ({}, (200, "-1")),
    "unknown_code": ({"code": "77"}, (200, "77")),
    "redirect": ({}, (307, "empty")),
}


def kind_of(answer: httpx.Response) -> str:
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert answer.text.startswith("<!DOCTYPE html>")
        return "html"
    try:
        return str(answer.json()["code"]) if answer.content else "empty"
    except json.JSONDecodeError:
        return "half"


def test_the_table_of_this_file_is_complete() -> None:
    assert set(SEEN) == {name for name, kind in FAULTS.items() if kind.place == "create"}


@pytest.mark.parametrize("name", SEEN)
def test_what_the_client_sees_and_what_was_billed(simulator: Simulator, name: str) -> None:
    settings, expected = SEEN[name]
    fault = Fault.model_validate({"fault": name, **settings})
    simulator.plan(fault)
    with Vendor(simulator.url, simulator.key, timeout=0.5 if expected is httpx.ReadTimeout else 60) as vendor:
        if isinstance(expected, tuple):
            answer = vendor.create()
            assert (answer.status_code, kind_of(answer)) == expected
        else:
            with pytest.raises(expected):
                vendor.create()
    while simulator.faults():
        time.sleep(0.02)  # an impatient client may be gone before the simulator has read all it sent
    assert sum(bill.accepted for bill in simulator.bills()) == int(fault.accepts)
    assert simulator.requests().create_received == 1
    with Vendor(simulator.url, simulator.key) as vendor:
        assert "task_id" in data_of(vendor.create())


@pytest.mark.parametrize("name", ["server_error", "unknown_code"])
def test_an_unknown_refusal_may_have_been_billed(simulator: Simulator, vendor: Vendor, name: str) -> None:
    simulator.plan(Fault(fault=name, accepted=True))
    assert vendor.create().json()["code"] != 20000
    assert vendor.accepted() == 1


def test_details_of_the_answers(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(
        Fault(fault="busy"),
        Fault(fault="server_error"),
        Fault(fault="no_task_id"),
        Fault(fault="rate_limited_http", retry_after=7),
        Fault(fault="rate_limited_http", retry_after=""),
        Fault(fault="redirect", status=302),
    )
    assert vendor.create().json() == BUSY
    assert vendor.create().json() == {"code": -1, "msg": "", "data": None}
    assert "task_id" not in data_of(vendor.create())
    assert vendor.create().headers["retry-after"] == "7"
    assert "retry-after" not in vendor.create().headers
    assert vendor.create().headers["location"] == f"{simulator.url}{CREATE}?moved=1"


def test_a_client_that_follows_a_redirect_is_caught_by_the_oracle(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(Fault(fault="redirect"))
    vendor.follow_redirects = True
    assert vendor.create().json()["code"] == 20000
    assert simulator.requests().create_received == 2 and vendor.accepted() == 1


def raw_answer(simulator: Simulator) -> bytes:
    """Send a create by hand and read until the server closes, however it does that."""
    body = json.dumps(request_body()).encode()
    head = (
        f"POST {CREATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {simulator.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    port = int(simulator.url.rpartition(":")[2])
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        while chunk := connection.recv(65536):
            received += chunk
    return received


@pytest.mark.parametrize("name", ["lost_answer", "drop_before"])
def test_a_dropped_connection_is_really_closed_without_a_byte(simulator: Simulator, name: str) -> None:
    simulator.plan(Fault(fault=name))
    assert raw_answer(simulator) == b""


def test_a_cut_answer_ends_before_its_own_length(simulator: Simulator) -> None:
    simulator.plan(Fault(fault="cut_json"))
    head, _, body = raw_answer(simulator).partition(b"\r\n\r\n")
    announced = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l"))
    assert 0 < len(body) < announced


def test_a_hang_ends_by_itself_and_closes(simulator: Simulator) -> None:
    simulator.plan(Fault(fault="hang", seconds=0.2))
    assert raw_answer(simulator) == b""


def test_a_slow_answer_whose_client_goes_harms_nobody(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(Fault(fault="slow_answer", seconds=100))
    with Vendor(simulator.url, simulator.key, timeout=0.2) as hasty, pytest.raises(httpx.ReadTimeout):
        hasty.create()
    assert data_of(vendor.create())


def test_hanging_requests_keep_nobody_else_waiting() -> None:
    def hanging() -> None:
        with Vendor(simulator.url, simulator.key, timeout=100) as vendor, pytest.raises(httpx.TransportError):
            vendor.create(prompt="hang")

    with ThreadPoolExecutor(7) as pool:
        with running_simulator() as simulator:
            simulator.plan(Fault(fault="hang", times=7, matching="hang"))
            hung = [pool.submit(hanging) for _ in range(7)]
            while simulator.faults():
                time.sleep(0.02)
            with Vendor(simulator.url, simulator.key) as vendor:
                assert data_of(vendor.create(prompt="pass"))
            assert not any(each.done() for each in hung)
            assert sum(bill.accepted for bill in simulator.bills()) == 8
        for each in hung:
            each.result()
