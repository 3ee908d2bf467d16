"""The plan: which request meets which fault, and what a fault may be told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from prefect_seedance.simulator import FAULTS, Fault, Simulator
from prefect_seedance.simulator.faults import FaultPlan
from tests.simulator.vendor import Vendor


def taken(plan: FaultPlan, prompts: list[str]) -> list[str | None]:
    return [None if fault is None else fault.fault for fault in (plan.take("create", each) for each in prompts)]


def test_a_fault_strikes_as_often_as_planned_after_what_it_skips() -> None:
    plan = FaultPlan()
    plan.add(Fault(fault="busy", times=2, skip=1))
    assert taken(plan, ["", "", "", ""]) == [None, "busy", "busy", None]


def test_faults_of_one_place_strike_in_their_order_and_only_where_they_match() -> None:
    plan = FaultPlan()
    for fault in (Fault(fault="busy", matching="boat"), Fault(fault="hang"), Fault(fault="query_drop")):
        plan.add(fault)
    assert taken(plan, ["a kite", "a boat", "a boat"]) == ["hang", "busy", None]
    assert [fault.fault for fault in plan.planned()] == ["query_drop"]


def test_a_fault_gets_its_kinds_defaults() -> None:
    assert Fault(fault="error_before").status == 502
    assert Fault(fault="hang").seconds == 200
    assert Fault(fault="hang").accepts and not Fault(fault="hang_before").accepts
    assert Fault(fault="server_error", accepted=True).accepts


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_survives_being_written_and_read(name: str) -> None:
    fault = Fault(fault=name, times=3, matching="boat")
    assert Fault.model_validate_json(fault.model_dump_json()) == fault


@pytest.mark.parametrize(
    "settings",
    [
        {"fault": "nonsense"},
        {"fault": "busy", "seconds": 3},
        {"fault": "hang", "seconds": 201},
        {"fault": "busy", "x": 1},
    ],
)
def test_a_fault_that_could_not_work_is_refused(vendor: Vendor, settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(settings)
    assert vendor.post("/_simulator/faults", json=settings).status_code == 422


def test_the_plan_is_shown_and_cleared_over_http(simulator: Simulator, vendor: Vendor) -> None:
    vendor.plan("busy", times=2)
    simulator.plan(Fault(fault="hang"), Fault(fault="failed"))
    assert [fault["fault"] for fault in vendor.control("faults")] == ["busy", "hang", "failed"]
    vendor.create()
    assert vendor.control("faults")[0]["times"] == 1
    assert vendor.delete("/_simulator/faults").json() == []
    assert simulator.faults() == []
    assert set(vendor.control("fault-names")) == set(FAULTS)


def test_a_refused_request_meets_no_fault(simulator: Simulator, vendor: Vendor) -> None:
    simulator.plan(Fault(fault="busy"))
    assert vendor.create(duration=99).json()["code"] == 20002
    assert len(simulator.faults()) == 1
