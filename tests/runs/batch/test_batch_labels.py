"""A batch stays with the journal and the scope that it began with: one label for all of its videos."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from prefect_seedance import VideoStore
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.store_identity import identify_store
from prefect_seedance.runs.context.current_run import current_run
from prefect_seedance.runs.context.journal_label import hold_batch_to_its_journal, hold_to_its_journal
from prefect_seedance.runs.context.scope import SCOPE, scope_of_batch
from tests.flows import shown
from tests.flows.another_process import forget, run_there
from tests.flows.line_to_prefect import line_to_prefect
from tests.flows.shown import small

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

BOAT = identify(small("A paper boat"), scope=ALWAYS, account="default")


@pytest.fixture
def store(tmp_path: Path) -> VideoStore:
    return VideoStore(location=str(tmp_path / "store"))


@pytest.fixture
def other(tmp_path: Path) -> VideoStore:
    return VideoStore(location=str(tmp_path / "other"))


@flow(name="generate-videos")
async def a_batch(store: Any, manifest: str = "a.csv", reuse: Any = "always", account: str = "default") -> str:
    current = await current_run()
    scope = scope_of_batch(BatchOptions(reuse=reuse, reuse_scope="monday" if reuse == "scope" else ""), current)
    await hold_batch_to_its_journal(store, current, scope, batch=manifest, account=account)
    return scope


def begun(store: VideoStore, **more: Any) -> UUID:
    state: State[str] = asyncio.run(a_batch(store, return_state=True, **more))
    assert state.is_completed(), state
    return shown.run_of(state)


def labels_of(run: UUID) -> dict[str, str]:
    return {name: str(value) for name, value in shown.flow_run(run).labels.items() if name.startswith("seedance.")}


def fails_with_gone(state: State[Any]) -> bool:
    return "JournalGone" in str(state.message)


def test_a_batch_has_one_label_and_costs_a_handful_of_requests(
    prefect_server: str, store: VideoStore, tmp_path: Path
) -> None:
    forget()
    with line_to_prefect(prefect_server, tmp_path) as log:
        run = begun(store)
    labels = labels_of(run)
    (journal,) = [value for name, value in labels.items() if name.startswith("seedance.journal.")]
    assert journal.endswith(f" at {store.location}") and labels[SCOPE] == ALWAYS
    asked = log.read_text().splitlines()
    assert len([line for line in asked if "/labels" in line]) == 1
    assert len([line for line in asked if "/variables" in line]) <= 2


def gone(store: VideoStore, other: VideoStore) -> VideoStore:
    shutil.rmtree(store.location)
    return store


def another(store: VideoStore, other: VideoStore) -> VideoStore:
    shutil.rmtree(store.location)
    identify_store(store.journal())
    return store


def moved(store: VideoStore, other: VideoStore) -> VideoStore:
    identify_store(other.journal())
    return other


@pytest.mark.parametrize("change", [gone, another, moved])
def test_a_retry_with_another_journal_stops(
    change: Callable[[VideoStore, VideoStore], VideoStore], store: VideoStore, other: VideoStore
) -> None:
    run = begun(store)
    assert run_there(a_batch, run, store=store).is_completed()
    assert fails_with_gone(run_there(a_batch, run, store=change(store, other)))


def test_the_location_of_a_saved_store_may_not_change_within_a_run(store: VideoStore, other: VideoStore) -> None:
    store.save("of-a-batch")
    run = begun(VideoStore.load("of-a-batch"))
    identify_store(other.journal())
    other.save("of-a-batch", overwrite=True)
    assert fails_with_gone(run_there(a_batch, run, store=VideoStore.load("of-a-batch")))
    assert begun(VideoStore.load("of-a-batch")), "a new run goes by the store as it is now"


def test_a_retried_batch_keeps_its_scope(store: VideoStore) -> None:
    run = begun(store, reuse="run")
    scope = labels_of(run)[SCOPE]
    for reuse in ("always", "scope", "run"):
        again = run_there(a_batch, run, store=store, reuse=reuse)
        assert again.is_completed() and labels_of(run)[SCOPE] == scope


@pytest.mark.parametrize("setting", ["account", "ignored_link_parameters"])
def test_a_retry_whose_videos_would_all_be_others_stops_and_goes_on_once_that_is_changed_back(
    setting: str, store: VideoStore
) -> None:
    run = begun(store)
    edited = store.model_copy(update={"ignored_link_parameters": ["token"]})
    changed = {"store": store, "account": "other"} if setting == "account" else {"store": edited}
    stopped = run_there(a_batch, run, **changed)
    assert stopped.is_failed() and "BatchChanged" in str(stopped.message) and "Change it back" in str(stopped.message)
    assert run_there(a_batch, run, store=store).is_completed()


def parent_of(*steps: Callable[[], Any]) -> Any:
    @flow
    async def nightly() -> None:
        for step in steps:
            await step()

    return nightly


def began(parent: Any) -> UUID:
    return shown.run_of(asyncio.run(parent(return_state=True)))


def test_a_retried_parent_whose_batch_is_a_new_run_stops_too(store: VideoStore, other: VideoStore) -> None:
    now = [store]
    parent = parent_of(lambda: a_batch(now[0]))
    run = began(parent)
    assert run_there(parent, run).is_completed()
    identify_store(other.journal())
    now[0] = other
    assert fails_with_gone(run_there(parent, run))


@pytest.mark.parametrize("apart", ["manifests", "stores"])
@pytest.mark.sample(every=2)
def test_a_second_batch_that_the_first_try_had_not_begun_may_begin(
    apart: str, store: VideoStore, other: VideoStore
) -> None:
    first, second = store, other
    manifests = ["a.csv", "b.csv"]
    if apart == "stores":
        first.save("first-of-two")
        second.save("second-of-two")
        manifests = ["a.csv", "a.csv"]
    fails = [True]

    async def failing() -> None:
        if fails[0]:
            raise RuntimeError("a step between the two")

    parent = parent_of(lambda: a_batch(first, manifests[0]), failing, lambda: a_batch(second, manifests[1]))
    run = began(parent)
    fails[0] = False
    again = run_there(parent, run)
    assert again.is_completed(), again
    assert len([name for name in labels_of(run) if name.startswith("seedance.journal.")]) == 2
    shutil.rmtree(second.location)
    assert fails_with_gone(run_there(parent, run))


def test_a_single_video_beside_a_batch_is_held_as_well(store: VideoStore) -> None:
    made = [False]

    async def video() -> None:
        if made[0]:
            await hold_to_its_journal(store, await current_run(), BOAT)

    parent = parent_of(lambda: a_batch(store), video)
    run = began(parent)
    shutil.rmtree(store.location)
    made[0] = True
    alone = parent_of(video)
    assert run_there(alone, run).is_failed(), "no video of that journal was asked for yet, but its batch was"


def test_outside_of_a_flow_any_journal_will_do(store: VideoStore) -> None:
    async def alone() -> str:
        assert not flow_run.get_id()
        return await hold_batch_to_its_journal(store, await current_run(), ALWAYS)

    assert len(asyncio.run(alone())) == 32
