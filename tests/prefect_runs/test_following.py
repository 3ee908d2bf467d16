"""The parts of a batch as Prefect's server has them: started once, started again, cancelled, refused.

No worker serves their pool. What becomes of a run is written to the server, and its report to the store, as a part of
its own would.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.deployments.runner import EntrypointType
from prefect.runtime import flow_run
from prefect.states import Completed, Crashed, Failed, Pending, Running, State

from prefect_seedance import (
    BatchOptions,
    SeedanceCredentials,
    VideoStore,
    agenerate_videos_in_parts,
    generate_videos,
    plan_videos,
)
from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.batch.report.report_files import write_report
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.errors import PartsMissing, PartsNotStarted
from prefect_seedance.runs.parts import following as following_module
from prefect_seedance.runs.parts import standing
from prefect_seedance.runs.parts.following import PartsFollowing
from prefect_seedance.runs.parts.part_runs import PartRuns
from prefect_seedance.runs.parts.slots import Neighbourhood, require_slots
from prefect_seedance.storage.errors import StoreUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from tests.prefect_runs import api

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("prefect_server"),
]

POOL = "without-workers"
NAME = "generate-videos/without-workers"


@dataclass(frozen=True)
class Saved:
    credentials: SeedanceCredentials
    store: VideoStore
    deployment: UUID


@pytest.fixture
def saved(prefect_server: str, folder: Path) -> Iterator[Saved]:
    SeedanceCredentials(api_key="sk_nobody", base_url="http://127.0.0.1:9").save("parts", overwrite=True, _sync=True)
    VideoStore(location=str(folder / "parts")).save("parts", overwrite=True, _sync=True)
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"), overwrite=True)
    deployment = generate_videos.to_deployment(
        "without-workers", work_pool_name=POOL, entrypoint_type=EntrypointType.MODULE_PATH
    ).apply()
    yield Saved(
        SeedanceCredentials.load("parts", _sync=True), VideoStore.load("parts", _sync=True), UUID(str(deployment))
    )
    with get_client(sync_client=True) as client:
        client.delete_work_pool(POOL)


def end(run: FlowRun, state: State[Any], store: VideoStore, *rows: RowResult) -> None:
    """Have a run end, with a report if there are rows."""
    if rows:
        now = datetime.now(UTC)
        report = BatchReport(run_id=str(run.id), run_name=run.name, started_at=now, ended_at=now, rows=list(rows))
        write_report(report, store.destination(), manifest=None)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, state, force=True)


STORED = RowResult(number=2, outcome="stored", intent="a" * 32)
LACKING = RowResult(number=3, outcome="failed", intent="b" * 32, retryable=True)


def references(saved: Saved) -> dict[str, object]:
    blocks = {"credentials": saved.credentials, "store": saved.store}
    return {name: {"$ref": {"block_document_id": block.saved_id}} for name, block in blocks.items()}


def followed(saved: Saved, key: str, parts: int = 2, **settings: Any) -> PartsFollowing:
    """Parts of the run that this is called in."""
    runs = PartRuns(
        saved.deployment,
        UUID(flow_run.get_id()),
        key,
        parts,
        lambda part: {**references(saved), "manifest": "m.csv", "options": {"part": part}},
        labels={"seedance.root": "a-root"},
    )
    with get_client(sync_client=True) as client:
        place = Neighbourhood(client.read_deployment(saved.deployment), settings.pop("holders", []))
    return PartsFollowing(
        runs, saved.store.destination().store, place, **{"restarts": 1, "look_seconds": 0.2, **settings}
    )


async def started(following: PartsFollowing, number: int, attempt: int) -> FlowRun:
    """Wait until a part has been started so often."""
    async with asyncio.timeout(300):
        while len(following.parts[number - 1].runs) < attempt:
            await asyncio.sleep(0.05)
    return following.parts[number - 1].runs[-1]


async def test_parameters_that_the_deployment_does_not_take_are_refused_in_words(saved: Saved) -> None:
    @flow
    async def whole() -> None:
        following = followed(saved, "parameters")
        following.runs.parameters = lambda part: {"manifest": "m.csv"}
        with pytest.raises(PartsNotStarted, match=r"does not take the parameters of a part: .*credentials"):
            await following.to_the_end()

    await whole()


async def test_a_part_that_dies_is_run_again_and_one_that_failed_with_a_report_is_not(saved: Saved) -> None:
    @flow
    async def whole() -> tuple[PartsFollowing, PartsFollowing]:
        following = followed(saved, "dies")
        waiting = asyncio.create_task(following.to_the_end())
        first, failing = await started(following, 1, 1), await started(following, 2, 1)
        assert (first.labels["seedance.root"], first.parameters["options"]["part"]) == ("a-root", "1/2")
        end(failing, Failed(message="BatchIncomplete"), saved.store, LACKING)
        end(first, Crashed(message="No heartbeat."), saved.store)
        again = await started(following, 1, 2)
        assert again.id != first.id
        end(again, Completed(), saved.store, STORED)
        await waiting

        # The next try of the parent finds what was started; only what has something missing is run again.
        retry = followed(saved, "dies")
        waiting = asyncio.create_task(retry.to_the_end())
        once_more = await started(retry, 2, 2)
        end(once_more, Completed(), saved.store, LACKING.model_copy(update={"outcome": "stored"}))
        await waiting
        return following, retry

    following, retry = await whole()
    assert [len(part.runs) for part in following.parts] == [2, 1]
    assert [part.silent for part in following.parts] == [True, False]
    assert not any(part.missing for part in [*following.parts, *retry.parts])
    assert [[run.id for run in part.runs] for part in retry.parts] == [
        [run.id for run in following.parts[0].runs],
        [following.parts[1].runs[0].id, retry.parts[1].runs[-1].id],
    ]
    assert [len(part.reports) for part in retry.parts] == [1, 2]


async def test_a_part_is_not_run_again_for_ever_and_why_it_is_missing_is_said(saved: Saved) -> None:
    @flow
    async def whole() -> PartsFollowing:
        following = followed(saved, "for-ever")
        waiting = asyncio.create_task(following.to_the_end())
        end(await started(following, 2, 1), Failed(message="UnusableManifest: no such file"), saved.store)
        for attempt in (1, 2):
            end(await started(following, 1, attempt), Crashed(message="gone"), saved.store)
        await waiting
        return following

    crashed, failed = (await whole()).parts
    assert (len(crashed.runs), len(failed.runs)) == (2, 1)
    assert "ended as Crashed" in crashed.missing
    assert "no such file" in failed.missing


async def test_a_part_that_a_worker_took_and_never_started_is_marked_as_crashed_and_started_again(
    saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    @flow
    async def whole() -> FlowRun:
        following = followed(saved, "never-started", parts=1)
        waiting = asyncio.create_task(following.to_the_end())
        first = await started(following, 1, 1)
        monkeypatch.setattr(standing, "_PENDING_SECONDS", -60.0)
        end(first, Pending(), saved.store)
        again = await started(following, 1, 2)
        end(again, Completed(), saved.store, STORED)
        await waiting
        assert not following.parts[0].missing
        return first

    first = api.read((await whole()).id)
    assert first.state_name == "Crashed" and first.state is not None
    assert "did not start it within half an hour" in str(first.state.message)


class BusyStore(FolderStore):
    """A folder whose keys cannot be listed so often."""

    def __init__(self, root: Path, faults: int) -> None:
        super().__init__(root)
        self.faults = faults

    def list_keys(self, *asked: Any, **options: Any) -> Any:
        self.faults -= 1
        if self.faults >= 0:
            raise StoreUnavailable("the share", "it is away")
        return super().list_keys(*asked, **options)


async def test_a_store_that_is_away_when_a_part_ends_is_asked_again_and_its_report_is_not_lost(
    saved: Saved, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @flow
    async def whole(key: str, faults: int) -> PartsFollowing:
        following = followed(saved, key, parts=1)
        following.store = BusyStore(folder / "parts", faults)
        waiting = asyncio.create_task(following.to_the_end())
        end(await started(following, 1, 1), Completed(), saved.store, STORED)
        await waiting
        return following

    (part,) = (await whole("away", 2)).parts
    assert len(part.reports) == 1 and not part.missing and len(part.runs) == 1
    monkeypatch.setattr(following_module, "_STORE_FAULTS", 1)
    with pytest.raises(StoreUnavailable):
        await whole("away-for-good", 1000)


async def test_a_parent_waits_on_while_another_flow_has_the_slot_of_its_parts(
    saved: Saved, on_the_pool: FlowRun
) -> None:
    @flow
    async def whole() -> None:
        # Its own deployment is on that pool; the run there is one of another flow, and ends some day.
        holder = on_the_pool.model_copy(update={"flow_id": UUID(int=0)})
        following = followed(saved, "waits-on", parts=1, holders=[holder], start_seconds=0.0)
        waiting = asyncio.create_task(following.to_the_end())
        run = await started(following, 1, 1)
        while following._asked_last < 2:
            await asyncio.sleep(0.05)
        assert not waiting.done()
        end(run, Completed(), saved.store, STORED)
        await waiting

    await whole()


async def test_nothing_is_started_twice_however_often_it_is_asked_for(saved: Saved) -> None:
    @flow
    async def whole() -> None:
        runs = followed(saved, "twice", parts=3).runs
        first, lost_answer = await runs.start(1, 1), await runs.start(1, 1)
        other_part, other_attempt = await runs.start(2, 1), await runs.start(1, 2)
        assert first.id == lost_answer.id
        assert len({first.id, other_part.id, other_attempt.id}) == 3
        before = await runs.started_before()
        assert {number: [run.id for run in found] for number, found in before.items()} == {
            1: [first.id, other_attempt.id],
            2: [other_part.id],
            3: [],
        }
        assert first.parent_task_run_id is not None

    await whole()


@pytest.fixture
async def on_the_pool(saved: Saved) -> AsyncIterator[FlowRun]:
    """A run of another deployment on the pool of the parts, as their parent may be."""
    deployment = await plan_videos.to_deployment("parent", work_pool_name=POOL)
    identity = await deployment.apply()
    async with get_client() as client:
        yield await client.create_flow_run_from_deployment(
            UUID(str(identity)), parameters={**references(saved), "manifest": "m.csv"}, state=Running()
        )


async def test_a_parent_that_holds_the_only_slot_does_not_wait_for_ever(saved: Saved, on_the_pool: FlowRun) -> None:
    @flow
    async def whole() -> list[FlowRun]:
        following = followed(saved, "only-slot", holders=[on_the_pool], start_seconds=0.0)
        with pytest.raises(PartsNotStarted, match=f"by the work pool '{POOL}', which runs this run as well"):
            await following.to_the_end()
        return [part.runs[-1] for part in following.parts]

    for run in await whole():
        assert api.read(run.id).state_name == "Cancelled"


async def test_a_pool_that_only_the_parent_fits_into_is_refused(saved: Saved, on_the_pool: FlowRun) -> None:
    async with get_client() as client:
        place = Neighbourhood(await client.read_deployment(saved.deployment), [on_the_pool])
        await client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=1))
        with pytest.raises(PartsNotStarted, match="runs 1 at a time, and this run, which waits for the parts, holds"):
            await require_slots(client, place, 2)
        await require_slots(client, Neighbourhood(place.deployment, []), 2)


async def test_a_cancelled_parent_cancels_its_parts(saved: Saved) -> None:
    begun: list[PartsFollowing] = []

    @flow
    async def whole() -> None:
        begun.append(followed(saved, "cancelled"))
        await begun[0].to_the_end()

    running = asyncio.create_task(whole())
    while not begun:
        await asyncio.sleep(0.05)
    runs = [await started(begun[0], number, 1) for number in (1, 2)]
    running.cancel()
    with pytest.raises(BaseException):  # noqa: B017  what Prefect makes of it differs
        await running
    assert [api.read(run.id).state_name for run in runs] == ["Cancelled", "Cancelled"]


async def test_what_cannot_run_in_parts_is_refused_before_anything_starts(saved: Saved) -> None:
    unsaved = SeedanceCredentials(api_key="sk_nobody", base_url="http://127.0.0.1:9")
    changed = saved.store.model_copy(update={"key_template": "elsewhere/{task_id}.mp4"})
    good: dict[str, Any] = {"manifest": "m.csv", "credentials": saved.credentials, "store": saved.store}
    refused: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"manifest": " "}, InvalidRequest, "only a manifest can be made in parts"),
        ({"options": BatchOptions(part="1/2")}, InvalidRequest, "this flow makes all of them"),
        ({"credentials": unsaved}, PartsNotStarted, "credentials: the block is not saved"),
        ({"store": changed}, PartsNotStarted, "store: key_template differ from what is saved"),
        ({"deployment": "generate-videos/nobody"}, PartsNotStarted, "there is no deployment"),
        ({"deployment": "nobody"}, PartsNotStarted, "there is no deployment"),
    ]
    for asked, error, words in refused:
        with pytest.raises(error, match=words) as found:
            await agenerate_videos_in_parts(**{**good, "deployment": NAME, **asked})
        assert "sk_nobody" not in str(found.value)
    with get_client(sync_client=True) as client:
        client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
    with pytest.raises(PartsNotStarted, match=f"the work pool '{POOL}' is paused"):
        await agenerate_videos_in_parts(**good, deployment=NAME)


def test_parts_missing_carries_what_is_known() -> None:
    import pickle

    error = PartsMissing(BatchReport(rows=[STORED]), {"1/2": "it is gone."})
    again = pickle.loads(pickle.dumps(error))
    assert (again.report, again.parts, str(again)) == (error.report, error.parts, str(error))
    assert "Part 1/2: it is gone." in str(error)
