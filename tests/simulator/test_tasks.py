"""A task's life, its money, and what the oracle says of it."""

from __future__ import annotations

import hashlib
import json

import httpx
import pytest

from prefect_seedance.simulator import Simulator, running_simulator
from tests.simulator.vendor import CREATE, Vendor, data_of, request_body


def test_a_wrong_key_gets_a_200_with_an_empty_reason(simulator: Simulator) -> None:
    paths = [
        "/api/open-api/v1/videos/videos_1",
        "/api/open-api/v1/user/balance",
        "/api/open-api/v1/key/balance",
    ]
    with Vendor(simulator.url, "sk_wrong") as stranger:
        answers = [stranger.create(), *(stranger.get(path) for path in paths)]
    answers.append(httpx.post(simulator.url + CREATE, json=request_body(), trust_env=False, verify=False))
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json() == {"code": 20001, "msg": "", "data": None}
    assert simulator.bills() == []


def test_a_task_goes_from_queued_over_processing_to_completed() -> None:
    with running_simulator(seconds=1000) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        task_id = vendor.made()
        seen: list[dict[str, object]] = []
        for passing in (0, 300, 300, 400):
            simulator.elapse(passing)
            seen.append(data_of(vendor.query(task_id)))
        counted = simulator.requests().polls[task_id]
    assert [each["status"] for each in seen] == ["queued", "processing", "processing", "completed"]
    start, early, late, end = (int(str(each["progress"])) for each in seen)
    assert start == 0 and 30 <= early < late <= 99 and end == 100
    assert seen[0]["result"] is None and "completed_at" not in seen[0]
    last = seen[-1]
    assert int(str(last["completed_at"])) - int(str(last["created_at"])) in (1000, 1001) and last["cost"] == 0.35
    assert isinstance(last["result"], dict) and last["result"]["image_url"] == ""
    assert counted == len(seen)


def test_an_unknown_task_is_told_as_such(vendor: Vendor) -> None:
    answer = vendor.query("videos_0")
    assert answer.json() == {"code": 20002, "msg": "任务不存在", "data": None}


def test_the_oracle_counts_the_same_body_once_per_acceptance(vendor: Vendor) -> None:
    first, second = vendor.made(prompt="é"), vendor.made(prompt="é")
    vendor.made(prompt="another")
    bills = vendor.control("bills")
    assert [bill["accepted"] for bill in bills] == [2, 1]
    assert bills[0]["task_ids"] == [first, second] and bills[0]["cost"] == pytest.approx(0.7)
    canonical = json.dumps(request_body(prompt="é"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert bills[0]["request_digest"] == hashlib.sha256(canonical.encode()).hexdigest()


def test_no_control_route_ever_shows_the_key(simulator: Simulator, vendor: Vendor) -> None:
    vendor.get(vendor.link(vendor.made()))
    for path in ("bills", "requests", "media-log", "faults", "fault-names"):
        text = vendor.get(f"/_simulator/{path}").text
        assert simulator.key not in text and "Bearer" not in text


def test_money_is_taken_at_create_and_given_back_on_failure(vendor: Vendor) -> None:
    vendor.plan("failed", matching="boat")
    first = vendor.made()
    account = data_of(vendor.get("/api/open-api/v1/user/balance"))
    assert account == {"balance": 1000.0, "used_coin": 0.35, "available": 999.65}
    assert data_of(vendor.query(first))["status"] == "failed"
    assert data_of(vendor.get("/api/open-api/v1/user/balance"))["available"] == 1000
    (bill,) = vendor.control("bills")
    assert bill["cost"] == bill["refunded"] == 0.35


def test_the_key_quota_moves_when_a_task_has_succeeded() -> None:
    with (
        running_simulator(seconds=1000, quota=0.3) as simulator,
        Vendor(simulator.url, simulator.key) as vendor,
    ):
        vendor.made()
        before = data_of(vendor.get("/api/open-api/v1/key/balance"))
        simulator.elapse(1000)
        after = data_of(vendor.get("/api/open-api/v1/key/balance"))
        refused = vendor.create().json()
    assert before["used_quota"] == 0 and before["unlimited"] is False
    assert after["used_quota"] == 0.35 and after["available_quota"] == 0
    assert refused["code"] == 20002 and refused["data"] is None


def test_a_key_without_a_quota_says_so(vendor: Vendor) -> None:
    key = data_of(vendor.get("/api/open-api/v1/key/balance"))
    assert key["unlimited"] is True and key["total_quota"] == 0 and key["available_quota"] == 0


def test_an_empty_account_is_refused() -> None:
    with running_simulator(balance=0.5) as simulator, Vendor(simulator.url, simulator.key) as vendor:
        assert vendor.create().json()["code"] == 20000
        assert vendor.create().json()["code"] == 20002
        assert simulator.bills()[0].accepted == 1


def test_the_catalog_needs_no_key_and_searches(simulator: Simulator) -> None:
    url = f"{simulator.url}/api/openapi/model/catalog"
    everything = data_of(httpx.get(url, trust_env=False, verify=False))["list"]
    mini = data_of(httpx.get(url, params={"search": "MINI-480p"}, trust_env=False, verify=False))["list"]
    names = [row["model_name"] for row in everything]
    assert len(names) == len(set(names)) and "sd2_mx_4k" in names
    assert [row["model_name"] for row in mini] == ["seedance2.0-mini-480p", "seedance2.0-mini-480p-video"]
    assert all(row["unit_price"] > 0 and "made up" in row["remark"] for row in everything)


def test_reset_forgets_everything(simulator: Simulator, vendor: Vendor) -> None:
    task_id = vendor.made()
    vendor.plan("busy")
    vendor.post("/_simulator/reset")
    assert vendor.control("bills") == [] and vendor.control("faults") == []
    assert not any(vendor.control("requests").values())
    assert vendor.control("creates") == vendor.control("uploads") == vendor.control("assets") == []
    assert vendor.query(task_id).json()["code"] == 20002
