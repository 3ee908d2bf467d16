"""What Prefect's server says of earlier runs helps and warns; that it is away, or says nonsense, stops nothing."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_UI_URL, temporary_settings

from prefect_seedance.runs.batch import api
from prefect_seedance.runs.batch.api import wait_for_api
from prefect_seedance.runs.context.current_run import CurrentRun
from prefect_seedance.runs.context.journal_label import _hold_to_its_settings
from prefect_seedance.runs.context.last_journal import variable_name, warn_of_another
from prefect_seedance.runs.context.run_labels import RunLabels
from prefect_seedance.runs.context.source_identities import _SOURCES, _labelled, label_of_sources
from prefect_seedance.runs.ends.links import form_url, page_url
from tests.client.wire_server import Reply, WireServer, answer, page
from tests.runs.batch.prefect_away import prefect_at

PLACE, HERE, BEFORE = "s3://bucket/videos", "a" * 32, "b" * 32


def warned(reply: Reply, journal_id: str, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    with WireServer([reply]) as server, prefect_at(f"{server.url}/api"):
        asyncio.run(warn_of_another(PLACE, journal_id))
    return " ".join(record.getMessage() for record in caplog.records if record.levelname == "WARNING")


def remembered(value: str) -> Reply:
    return answer(200, {"id": str(uuid4()), "name": variable_name(PLACE), "value": value, "tags": []})


def test_another_journal_than_before_is_said_before_anybody_looks_for_what_was_paid(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = warned(remembered(BEFORE), HERE, caplog)
    assert f"The journal at {PLACE} is {HERE}" in said and BEFORE in said and "is mounted" in said
    assert f"There is no journal at {PLACE}" in warned(remembered(BEFORE), "", caplog)
    assert warned(remembered(HERE), HERE, caplog) == ""
    assert warned(remembered("what somebody else wrote"), HERE, caplog) == ""
    assert warned(answer(404, {"detail": "no"}), HERE, caplog) == ""
    assert warned(page(503), HERE, caplog) == "", "a server that is away says nothing"


def test_a_label_that_somebody_else_wrote_says_nothing_of_sources() -> None:
    texts = {"./mug.png", "./cup.png"}
    label = label_of_sources({"./mug.png": "sha256:1", "./cup.png": "sha256:2"})
    assert _labelled(texts, label) == {"./mug.png": "sha256:1", "./cup.png": "sha256:2"}
    assert _labelled({*texts, "./jug.png"}, label) == {}, "nor one that leaves out a source"
    assert _labelled(texts, {_SOURCES: "not JSON"}) == {}


def test_a_label_that_somebody_else_wrote_holds_no_batch_to_anything() -> None:
    labels = RunLabels("a-run")
    labels.learn({"seedance.batch": "not JSON"})
    _hold_to_its_settings(CurrentRun(lineage=(labels,)), "seedance.batch", {"scope": "this month"})


def test_an_address_of_the_ui_that_is_none_costs_a_page_its_links_and_nothing_else() -> None:
    with temporary_settings({PREFECT_UI_URL: "http://[nowhere"}):
        assert page_url("flow-run", uuid4()) == "" and form_url(uuid4(), {}) == ""


def at_the_end(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often Prefect's API is asked at the end of a run that gives it no time."""
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    with WireServer([reply]) as server, prefect_at(f"{server.url}/api"):
        asyncio.run(wait_for_api(0.0))
        return len(server.received)


def test_a_run_does_not_wait_for_ever_for_an_api_that_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "prefect.seedance")
    assert at_the_end(page(503), monkeypatch) == 1
    assert "and the run ends without it" in caplog.text
    caplog.clear()
    assert at_the_end(answer(401, {}), monkeypatch) == 1, "something is there that answers"
    monkeypatch.setattr(api, "_QUESTION_SECONDS", 0.0)
    assert "the run ends without it" not in caplog.text
    at_the_end(answer(200, True), monkeypatch)
    assert "no answer within 0 s" in caplog.text
