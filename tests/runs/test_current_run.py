"""Which run this is: its root is found through its parents, also while somebody deletes them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_UI_URL, temporary_settings

from prefect_seedance.runs.context import current_run as module
from prefect_seedance.runs.context.current_run import ROOT, SCHEDULED, CurrentRun, current_run, run_url
from tests.client.wire_server import Reply, WireServer, answer
from tests.runs.batch.prefect_away import prefect_at

FLOW = str(uuid4())


def a_run(run_id: UUID, stands_for: UUID | None = None, **labels: str) -> Reply:
    told: dict[str, Any] = {"id": str(run_id), "flow_id": FLOW, "name": "boat", "labels": labels}
    return answer(200, {**told, "parent_task_run_id": str(stands_for) if stands_for else None, "run_count": 1})


def a_task_run(task_id: UUID, of: UUID | None) -> Reply:
    told = {"id": str(task_id), "task_key": "part", "dynamic_key": "1"}
    return answer(200, {**told, "flow_run_id": str(of) if of else None})


def found(run_id: UUID, monkeypatch: pytest.MonkeyPatch, *answers: Reply) -> CurrentRun:
    """The run that a process is started for, by what Prefect's server answers."""
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(run_id))
    with WireServer(answers) as server, prefect_at(f"{server.url}/api"):
        return asyncio.run(current_run())


NOT_FOUND = answer(404, {"detail": "not found"})


def test_the_root_of_a_run_is_the_outermost_one_and_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    this, parent, stands_for = uuid4(), uuid4(), uuid4()
    answers = [a_run(this, stands_for), a_task_run(stands_for, parent), a_run(parent)]
    run = found(this, monkeypatch, *answers)
    assert (run.id, run.root_id, len(run.lineage)) == (str(this), str(parent), 2)
    assert found(this, monkeypatch, answer(500)) is run


def test_a_run_whose_parent_is_gone_keeps_the_root_that_its_label_names(monkeypatch: pytest.MonkeyPatch) -> None:
    this = uuid4()
    run = found(this, monkeypatch, a_run(this, uuid4(), **{ROOT: "the-root", SCHEDULED: "True"}), NOT_FOUND)
    assert (run.root_id, run.made_by_schedule) == ("the-root", True)


def test_a_run_whose_parent_is_gone_before_it_learnt_its_root_is_not_taken_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = uuid4()
    with pytest.raises(ObjectNotFound):
        found(this, monkeypatch, a_run(this, uuid4()), NOT_FOUND)


def test_a_run_that_stands_for_a_task_outside_of_any_flow_is_its_own_root(monkeypatch: pytest.MonkeyPatch) -> None:
    this, alone = uuid4(), uuid4()
    assert found(this, monkeypatch, a_run(this, alone), a_task_run(alone, None)).root_id == str(this)


def test_a_process_remembers_so_many_runs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    runs = [uuid4() for _ in range(4)]
    for each in runs:
        found(each, monkeypatch, a_run(each))
    assert [*module._runs] == [str(each) for each in runs[-2:]]


def test_an_address_of_the_ui_that_is_none_costs_a_run_its_links_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    with temporary_settings({PREFECT_UI_URL: "http://[nowhere"}):
        assert run_url() == ""
