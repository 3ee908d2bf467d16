"""Submit now, collect later: a real Prefect server, the simulator over HTTP, real files, a chat that is one of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.states import State

from prefect_seedance import (
    BatchOptions,
    CollectOptions,
    SeedanceCredentials,
    VideoStore,
    acollect_videos,
    asubmit_videos,
    collect_videos,
    submit_videos,
)
from prefect_seedance.batch.models import BatchReport
from prefect_seedance.pipeline.collect.models import CollectReport
from prefect_seedance.runs.collect.page import store_mark
from prefect_seedance.runs.events import TOLD_BY
from prefect_seedance.simulator import Fault, Simulator
from tests.flows import shown
from tests.flows.shown import run_of, small
from tests.flows.stand_ins import Services, running_services

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

TEAM = "custom-webhook/collectors"
SOON = CollectOptions(minutes=0.5)


@pytest.fixture(scope="module")
def chat(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_services(tmp_path_factory.mktemp("chat")) as services:
        as_json = {"text": "{{subject}}\n{{body}}"}
        block = CustomWebhookNotificationBlock(name="collectors", url=f"{services.url}/chat", json_data=as_json)
        block.save("collectors", overwrite=True)
        yield services


def label(event: dict[str, Any]) -> str:
    return event["resource"][TOLD_BY]


def test_what_one_run_submits_another_stores_and_tells_as_if_the_first_had_waited(
    prefect_server: str,
    chat: Services,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    tmp_path: Path,
) -> None:
    vendor.plan(
        Fault(fault="failed", matching="filtered"),
        Fault(fault="lost_answer", matching="lost"),
    )
    manifest = tmp_path / "spring.csv"
    header, kind = "name,prompt,model,resolution,duration", "seedance2.0-mini,480p,4"
    rows = [f"{name},A {name} turns,{kind}" for name in ("red mug", "filtered lamp", "lost boat")]
    manifest.write_text("\n".join([header, *rows, f"too long,A film,{kind}00\n"]))
    state: State[Any] = submit_videos(
        str(manifest), credentials, store, options=BatchOptions(require_all="none"), notify=[TEAM], return_state=True
    )
    report: BatchReport = asyncio.run(state.aresult())
    assert [row.outcome for row in report.rows] == ["submitted", "submitted", "unknown", "invalid"]
    assert report.headline == "2 of 4 rows are submitted"
    assert not vendor.requests().polls and vendor.requests().create_received == 3
    assert {each.name for each in shown.task_runs(run_of(state), 3)} >= {"submit: red mug", "submit: lost boat"}
    (told,) = chat.with_words("2 submitted")
    assert "Row 4 (lost boat): unknown" in told.body and "Row 2" not in told.body, "what is on its way needs nobody"

    before = len(chat.received)
    collected: State[Any] = collect_videos(credentials, store, notify=[TEAM], options=SOON, return_state=True)
    harvest: CollectReport = asyncio.run(collected.aresult())
    run = run_of(collected)
    assert {video.name: video.became for video in harvest.videos} == {"red mug": "stored", "filtered lamp": "failed"}
    assert [(orphan.name, orphan.kind) for orphan in harvest.orphans] == [("lost boat", "unknown")]
    assert str(shown.flow_run(run).name) == f"collect-videos: {store.place}"
    assert "1 failed" in str(collected.message) and "1 stored" in str(collected.message)
    assert "1 orphan" in str(collected.message)
    assert vendor.requests().create_received == 3, "nothing is paid for"

    stored, failed = sorted(harvest.videos, key=lambda video: video.became, reverse=True)
    texts = [each.body for each in chat.received[before:]]
    of_the_videos = [text for text in texts if "Collected:" not in text]
    assert len(of_the_videos) == 2 and len(texts) == 3
    assert any(f"Video stored: {stored.task_id}" in text and "A red mug turns" in text for text in of_the_videos)
    assert any("No video: VideoFailed" in text and failed.task_id in text for text in of_the_videos)
    assert "lost boat" in next(text for text in texts if "Collected:" in text)

    def of_this_run() -> list[dict[str, Any]] | None:
        found = shown.events(prefect_server, resource=f"seedance.video.{stored.intent}")
        return found if [each["event"].rpartition(".")[2] for each in found][-1:] == ["stored"] else None

    events = shown.until(of_this_run, "the event of the stored video")
    assert [each["event"] for each in events] == [
        f"seedance.video.{kind}" for kind in ("submitted", "completed", "stored")
    ]
    assert {label(each) for each in events} == {"run"}, "people are told, so no automation tells them once more"

    page = str(shown.artifact(run, "seedance-collected-").data)
    assert "red mug" in page and stored.uri.rpartition("/")[2] in page and failed.task_id in page
    key = f"seedance-orphans-{store_mark(store.place)}"
    (orphan,) = json.loads(shown.latest(key))
    assert orphan["name"] == "lost boat" and orphan["intent"] == report.rows[2].intent
    found = shown.until(
        lambda: shown.events(prefect_server, resource=f"seedance.store.{store_mark(store.place)}"), "the orphans' event"
    )
    assert [(each["event"], each["payload"]["count"]) for each in found] == [("seedance.orphans.found", 1)]
    assert found[0]["resource"]["seedance.new-orphans"] == "yes"

    # The next one, five minutes later: nothing has changed, so nobody is told, and the page stays as it is.
    before = len(chat.received)
    again: State[Any] = collect_videos(credentials, store, notify=[TEAM], options=SOON, return_state=True)
    later: CollectReport = asyncio.run(again.aresult())
    assert not later.videos and len(later.orphans) == 1 and len(chat.received) == before
    assert not [each for each in shown.artifacts(run_of(again)) if str(each.key) == key]


@pytest.mark.long
def test_asynchronous_callers_have_the_same_and_a_block_that_is_gone_costs_a_line(
    prefect_server: str, chat: Services, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    gone = CustomWebhookNotificationBlock(name="gone", url=f"{chat.url}/gone")
    gone.save("gone", overwrite=True)

    async def main() -> tuple[BatchReport, State[Any]]:
        requests = [small("A boat"), small("A boat")]
        submitted = await asubmit_videos("", credentials, store, requests=requests, notify=["custom-webhook/gone"])
        await CustomWebhookNotificationBlock.adelete("custom-webhook/gone".partition("/")[2])
        return submitted, await acollect_videos(credentials, store, options=SOON, return_state=True)

    submitted, state = asyncio.run(main())
    assert submitted.counts == {"submitted": 2} and len(vendor.bills()) == 1
    harvest: CollectReport = asyncio.run(state.aresult())
    assert [video.became for video in harvest.videos] == ["stored"]
    assert shown.logged(run_of(state), "custom-webhook/gone", "failed")
    again = submit_videos("", credentials, store, requests=[small("A boat")])
    assert again.counts == {"reused": 1} and len(vendor.bills()) == 1


def test_a_collector_that_finds_no_journal_makes_none(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    state: State[Any] = collect_videos(credentials, store, options=SOON, return_state=True)
    assert "Nothing is open" in str(state.message)
    assert not (Path(store.location) / "journal" / "store.json").exists()
    assert not vendor.requests().polls
