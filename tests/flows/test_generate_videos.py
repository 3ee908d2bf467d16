"""A batch, end to end: a manifest, a real Prefect server, the simulator over HTTP, real files."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import pytest
from prefect import flow
from prefect.states import State

from prefect_seedance import BatchOptions, SeedanceCredentials, VideoStore, agenerate_videos, generate_videos
from prefect_seedance.batch.models import BatchReport
from prefect_seedance.errors import BatchIncomplete, UnusableManifest
from prefect_seedance.simulator import Fault, Simulator
from tests.flows.shown import artifact, logged, run_of, small, task_runs

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

Run = Callable[..., BatchReport]


def in_a_script(*arguments: Any, **named: Any) -> BatchReport:
    return generate_videos(*arguments, **named)


def in_an_async_script(*arguments: Any, **named: Any) -> BatchReport:
    return asyncio.run(agenerate_videos(*arguments, **named))


def in_a_sync_parent(*arguments: Any, **named: Any) -> BatchReport:
    @flow
    def parent() -> BatchReport:
        return generate_videos(*arguments, **named)

    return parent()


def in_an_async_parent(*arguments: Any, **named: Any) -> BatchReport:
    @flow
    async def parent() -> BatchReport:
        return await agenerate_videos(*arguments, **named)

    return asyncio.run(parent())


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Five rows: two ask for the same, one is invalid."""
    table = tmp_path / "spring.csv"
    table.write_text(
        "name,prompt,model,resolution,duration\n"
        "mug,A mug turns,seedance2.0-mini,480p,4\n"
        "lamp,A lamp glows,seedance2.0-mini,480p,4\n"
        "mug again,A mug turns,seedance2.0-mini,480p,4\n"
        "too long,A film,seedance2.0-mini,480p,400\n"
        "boat,A paper boat,seedance2.0-mini,480p,4\n"
    )
    return table


def path_of(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


@pytest.mark.parametrize("run", [in_a_script, in_an_async_script, in_a_sync_parent, in_an_async_parent])
@pytest.mark.sample(every=2)
def test_a_manifest_goes_in_and_each_row_has_its_video(
    run: Run, manifest: Path, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    report = run(str(manifest), credentials, store, options=BatchOptions(require_all="retryable"))
    assert [(row.number, row.name, row.outcome) for row in report.rows] == [
        (2, "mug", "stored"),
        (3, "lamp", "stored"),
        (4, "mug again", "stored"),
        (5, "too long", "invalid"),
        (6, "boat", "stored"),
    ]
    assert len(vendor.bills()) == 3
    assert report.rows[2].shared_with == 2 and report.rows[2].uri == report.rows[0].uri
    assert report.spent == pytest.approx(sum(bill.cost for bill in vendor.bills()))
    assert path_of(report.rows[0].uri).is_file()
    page = path_of(report.report_uri)
    assert page.name == "report.html" and "A mug turns" in page.read_text()
    assert json.loads((page.parent / "report.json").read_text())["rows"][3]["outcome"] == "invalid"
    assert next(page.parent.glob("manifest*.csv")).read_bytes() == manifest.read_bytes()

    again = run(str(manifest), credentials, store, options=BatchOptions(require_all="none"))
    assert again.counts == {"invalid": 1, "reused": 4}
    assert again.spent == 0 and len(vendor.bills()) == 3


def test_a_renamed_row_buys_and_moves_nothing_and_an_edited_one_is_new(
    manifest: Path, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    named = store.model_copy(update={"key_template": "shop/{name}/{task_id}.mp4"})
    options = BatchOptions(require_all="none")
    first = generate_videos(str(manifest), credentials, named, options=options)
    assert first.rows[0].key.startswith("shop/mug/")
    text = manifest.read_text().replace("mug,", "cup,", 1).replace("A lamp glows", "A lamp glows softly")
    manifest.write_text(text)
    second = generate_videos(str(manifest), credentials, named, options=options)
    assert (second.rows[0].name, second.rows[0].outcome, second.rows[0].key) == ("cup", "reused", first.rows[0].key)
    assert second.rows[1].outcome == "stored"
    assert len(vendor.bills()) == 4


@pytest.mark.parametrize(
    ("require", "fault", "fails"),
    [
        ("all", Fault(fault="failed"), True),
        ("retryable", Fault(fault="failed"), False),
        ("retryable", Fault(fault="failed", message="PROVIDER_TIMEOUT"), True),
        ("none", Fault(fault="lost_answer"), False),
    ],
)
@pytest.mark.sample(every=2)
def test_the_run_fails_as_the_options_say_after_its_report_is_written(
    require: str, fault: Fault, fails: bool, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(fault)
    options = BatchOptions.model_validate({"require_all": require})
    state: State[Any] = generate_videos(
        "", credentials, store, requests=[small("A boat")], options=options, return_state=True
    )
    assert state.is_failed() == fails
    if not fails:
        return
    error = state.result(raise_on_failure=False)
    assert isinstance(error, BatchIncomplete)
    assert path_of(error.report.report_uri).is_file() and error.report.report_uri in str(state.message)
    assert pickle.loads(pickle.dumps(error)).report == error.report


def test_a_cancelled_batch_writes_its_report_says_what_goes_on_and_is_taken_up_by_the_next(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    prompts = ["A quick one", "A slow one", "A second slow one", "A late one"]
    requests = [small(prompt) for prompt in prompts]
    vendor.plan(Fault(fault="unknown_status", matching="slow", times=1_000_000))

    def is_there() -> bool:
        sent = {str(bill.body["prompt"]) for bill in vendor.bills()}
        return sent == {*prompts[:3]} and any(Path(store.location).rglob("*.mp4"))

    async def cancelled() -> None:
        options = BatchOptions(max_in_flight=2, posters=False)
        run = asyncio.create_task(agenerate_videos("", credentials, store, requests=requests, options=options))
        async with asyncio.timeout(60):
            while not is_there():
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # the quick one has its record as well
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(cancelled())
    (written,) = Path(store.location).rglob("report.json")
    report = BatchReport.model_validate_json(written.read_text())
    assert [row.outcome for row in report.rows] == ["stored", "failed", "failed", "not_started"]
    assert (written.parent / "report.html").is_file()
    going_on = [row.task_id for row in report.rows[1:3]]
    run_id = UUID(report.run_id)
    assert logged(run_id, "These tasks go on at the vendor and are paid for", *going_on)
    assert logged(run_id, f"The run was cancelled. {report.summary}")
    page = str(artifact(run_id, "seedance-batch-report").data)
    assert "# 1 of 4 rows has its video" in page and all(task_id in page for task_id in going_on)

    vendor.simulation.faults.clear()
    again = generate_videos("", credentials, store, requests=requests, options=BatchOptions(posters=False))
    assert [row.outcome for row in again.rows] == ["reused", "reused", "reused", "stored"]
    assert [row.task_id for row in again.rows[1:3]] == going_on and len(vendor.bills()) == 4


def test_a_failed_batch_reaches_its_parent_as_what_it_is(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="failed"))

    @flow
    def parent() -> int:
        try:
            generate_videos("", credentials, store, requests=[small("A boat"), small("A lamp")])
        except BatchIncomplete as error:
            return len(error.report.without_video)
        return 0

    assert parent() == 1


def test_each_row_is_a_task_run_named_after_it_and_logs_only_what_failed(
    manifest: Path,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.plan(Fault(fault="failed", matching="lamp"))
    options = BatchOptions(require_all="none")
    state: State[Any] = generate_videos(str(manifest), credentials, store, options=options, return_state=True)
    found = {run.name: run.state_name for run in task_runs(run_of(state), 3)}
    assert found == {"generate: mug": "Stored", "generate: lamp": "Moderated", "generate: boat": "Stored"}
    of_rows = [each for each in caplog.records if vars(each).get("task_name") == "generate-row"]
    (line,) = [each.getMessage() for each in of_rows if "state" in each.getMessage()]
    assert line.startswith("Finished in state Moderated(") and not any(each.exc_info for each in of_rows)


@pytest.mark.parametrize(("manifest_text", "requests"), [("", 0), ("somewhere.csv", 1)], ids=["neither", "both"])
def test_a_manifest_or_requests(
    manifest_text: str, requests: int, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    with pytest.raises(UnusableManifest):
        generate_videos(manifest_text, credentials, store, requests=[small("A boat")] * requests)


def test_a_manifest_that_is_not_there_and_a_wrong_key_cost_nothing(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    with pytest.raises(UnusableManifest, match="nowhere"):
        generate_videos("/nowhere/at/all.csv", credentials, store)
    wrong = SeedanceCredentials(api_key="sk_wrong", base_url=vendor.url)
    with pytest.raises(Exception, match="key"):
        generate_videos("", wrong, store, requests=[small("A boat")])
    assert not vendor.bills()


def test_a_column_that_is_ignored_is_said_in_the_report_and_not_only_in_the_log(
    tmp_path: Path, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    table = tmp_path / "colours.csv"
    table.write_text("prompt,model,resolution,duration,colour\nA mug,seedance2.0-mini,480p,400,teal\n")
    report = generate_videos(str(table), credentials, store, options=BatchOptions(require_all="none"))
    assert [notice for notice in report.notices if "colour" in notice and "ignored" in notice]
    assert report.counts == {"invalid": 1} and not vendor.bills()
