"""A run that is retried where its journal is not, for example in another container, stops: it would pay again."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.flow_engine import run_flow_sync

from prefect_seedance import SeedanceCredentials, StoredVideo, VideoStore, create_video, generate_video
from prefect_seedance.blocks.video_store import _journal_ids
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.journal.errors import JournalGone, OrderChanged
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.store_identity import identify_store
from prefect_seedance.runs.context.current_run import current_run
from prefect_seedance.runs.context.journal_label import hold_to_its_journal, journal_label
from prefect_seedance.simulator import Fault, Simulator
from tests.flows import shown
from tests.flows.another_process import run_there
from tests.flows.shown import small
from tests.flows.test_s3_store import bucket_store
from tests.storage.s3_servers import S3Server

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

BOAT = small("A paper boat")
SOME_VIDEO = identify(BOAT, scope=ALWAYS, account="default")
Hook = Callable[[object, FlowRun, object], None]


@pytest.fixture
def elsewhere(store: VideoStore) -> Hook:
    """Before a second try of a run: as if it ran in another container, with an empty folder."""

    def vanish(flow: object, run: FlowRun, state: object) -> None:
        if run.run_count:  # still that of the try before
            shutil.rmtree(store.location)
            _journal_ids.clear()

    return vanish


@pytest.fixture
def failing(vendor: Simulator) -> Simulator:
    """A vendor that accepts one task and then fails it, for a reason that passes."""
    vendor.plan(Fault(fault="failed", message="PROVIDER_TIMEOUT"))
    return vendor


def test_a_retried_run_stops_and_says_what_was_paid(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore, elsewhere: Hook
) -> None:
    retried = generate_video.with_options(retries=1, retry_delay_seconds=0, on_running=[elsewhere])
    state = retried(BOAT, credentials, store, return_state=True)
    with pytest.raises(JournalGone, match=r"began with journal \w+ at .*; there is none at"):
        state.result()
    assert failing.requests().create_received == 1
    first, second = (str(page.data) for page in shown.artifacts(shown.run_of(state)) if page.type == "markdown")
    assert "was accepted" in first
    assert "JournalGone" in second
    assert "a task that was accepted before goes on and stays paid" in second, "the first try of this run has paid"


def test_a_retry_in_the_same_process_sees_that_the_journal_in_the_bucket_is_gone(
    failing: Simulator, credentials: SeedanceCredentials, moto: S3Server
) -> None:
    """A bucket is asked for its journal's name once per process, but not by a retry."""
    store = bucket_store(moto)

    def emptied(flow: object, run: FlowRun, state: object) -> None:
        if run.run_count:
            opened = store.open()
            for key in list(opened.list_keys("journal/")):
                opened.delete(key)

    retried = generate_video.with_options(retries=1, retry_delay_seconds=0, on_running=[emptied])
    with pytest.raises(JournalGone):
        retried(BOAT, credentials, store)
    assert failing.requests().create_received == 1


def test_a_retried_parent_stops_although_its_subflow_is_a_new_run(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore, elsewhere: Hook
) -> None:
    runs: list[UUID] = []

    @flow(retries=1, retry_delay_seconds=0, on_running=[elsewhere])
    def parent() -> None:
        state: State[StoredVideo] = generate_video(BOAT, credentials, store, return_state=True)
        runs.append(shown.run_of(state))
        state.result()

    with pytest.raises(JournalGone):
        parent()
    assert failing.requests().create_received == 1
    page = str(shown.artifact(runs[1], "seedance-no-video").data)
    assert "a task that was accepted before goes on and stays paid" in page


def test_the_task_alone_stops_too(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, elsewhere: Hook
) -> None:
    @flow(retries=1, retry_delay_seconds=0, on_running=[elsewhere])
    async def of_another_team() -> None:
        await create_video(BOAT, credentials, store)
        raise RuntimeError("a later step fails")

    with pytest.raises(JournalGone):
        asyncio.run(of_another_team())
    assert vendor.requests().create_received == 1


def test_another_journal_in_its_place_is_no_better_than_none(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore, elsewhere: Hook
) -> None:
    def another(flow: object, run: FlowRun, state: object) -> None:
        elsewhere(flow, run, state)
        if run.run_count:
            identify_store(store.journal())

    retried = generate_video.with_options(retries=1, retry_delay_seconds=0, on_running=[another])
    with pytest.raises(JournalGone, match="another journal"):
        retried(BOAT, credentials, store)
    assert failing.requests().create_received == 1


# Where the store's location is changed between two tries, there is no journal that could be missed.


@pytest.fixture
def moved(tmp_path: Path) -> VideoStore:
    """The store of another location, with a journal of its own that knows nothing of the first one."""
    store = VideoStore(location=str(tmp_path / "elsewhere"))
    identify_store(store.journal())
    return store


def test_a_run_that_is_retried_with_another_location_stops_and_says_where_it_began(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore, moved: VideoStore
) -> None:
    state = generate_video(BOAT, credentials, store, return_state=True)
    run = shown.run_of(state)
    again = run_there(generate_video, run, request=BOAT, credentials=credentials, store=moved)
    with pytest.raises(JournalGone) as stopped:
        again.result()
    for words in (f"{store.journal_id()} at {store.place}", moved.location, "change it back", "start a new run"):
        assert words in str(stopped.value)
    assert failing.requests().create_received == 1


@pytest.mark.long
def test_nor_is_a_journal_made_at_the_other_location(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    moved = VideoStore(location=str(tmp_path / "empty"))
    run = shown.run_of(generate_video(BOAT, credentials, store, return_state=True))
    again = run_there(generate_video, run, request=BOAT, credentials=credentials, store=moved)
    with pytest.raises(JournalGone, match="there is none at"):
        again.result()
    assert not list(moved.open().list_keys("journal/store.json"))
    # Changed back, it goes on; the vendor's verdict on the first try stands.
    back = run_there(generate_video, run, request=BOAT, credentials=credentials, store=store)
    assert not isinstance(back.result(raise_on_failure=False), JournalGone)
    assert failing.requests().create_received == 1


def test_a_journal_that_has_moved_with_its_records_is_the_same(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    vendor.plan(Fault(fault="not_a_video"))
    run = shown.run_of(generate_video(BOAT, credentials, store, return_state=True))
    moved = VideoStore(location=str(tmp_path / "moved"))
    shutil.move(store.location, moved.location)
    again = run_there(generate_video, run, request=BOAT, credentials=credentials, store=moved)
    assert again.is_completed()
    assert vendor.requests().create_received == 1


@pytest.mark.parametrize("below", ["at once", "by a subflow of its own", "by a deployment"])
@pytest.mark.sample(every=2)
def test_a_retried_parent_with_another_location_stops_too(
    below: str, failing: Simulator, credentials: SeedanceCredentials, store: VideoStore, moved: VideoStore
) -> None:
    stores = {"now": store}

    @flow
    def middle() -> StoredVideo:
        return generate_video(BOAT, credentials, stores["now"])

    @flow
    def parent() -> None:
        if below == "by a deployment":
            run_there(middle, run_deployment("middle/of-moved", timeout=0).id).result()
        elif below == "at once":
            generate_video(BOAT, credentials, stores["now"])
        else:
            middle()

    with get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow(middle), "of-moved")
    first = parent(return_state=True)
    stores["now"] = moved
    with pytest.raises(JournalGone):
        run_there(parent, shown.run_of(first)).result()
    assert failing.requests().create_received == 1


@pytest.mark.long
def test_a_retried_middle_with_another_location_stops_too(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore, moved: VideoStore
) -> None:
    stores = iter([store, moved])

    @flow(retries=1, retry_delay_seconds=0)
    def middle() -> StoredVideo:
        return generate_video(BOAT, credentials, next(stores))

    @flow
    def parent() -> StoredVideo:
        return middle()

    with pytest.raises(JournalGone):
        parent()
    assert failing.requests().create_received == 1


def test_the_task_alone_with_another_location_stops_too(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, moved: VideoStore
) -> None:
    stores = iter([store, moved])

    @flow(retries=1, retry_delay_seconds=0)
    async def of_another_team() -> None:
        await create_video(BOAT, credentials, next(stores))
        raise RuntimeError("a later step fails")

    with pytest.raises(JournalGone):
        asyncio.run(of_another_team())
    assert vendor.requests().create_received == 1


def test_a_video_that_the_first_try_did_not_come_to_may_go_into_another_store(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, moved: VideoStore
) -> None:
    tries: list[int] = []

    @flow(retries=1, retry_delay_seconds=0)
    async def into_two_stores() -> None:
        tries.append(len(tries))
        await create_video(BOAT, credentials, store)
        if len(tries) == 1:
            raise RuntimeError("between the two")
        await create_video(small("Another boat"), credentials, moved)
        await create_video(BOAT, credentials, store)

    asyncio.run(into_two_stores())
    assert vendor.requests().create_received == 2


def test_one_video_in_two_stores_is_two_and_a_retry_finds_both(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, moved: VideoStore
) -> None:
    tries: list[int] = []

    @flow(retries=1, retry_delay_seconds=0)
    async def into_two_stores() -> None:
        tries.append(len(tries))
        await create_video(BOAT, credentials, store)
        await create_video(BOAT, credentials, moved)
        if len(tries) == 1:
            raise RuntimeError("after both")

    asyncio.run(into_two_stores())
    assert vendor.requests().create_received == 2


def test_a_run_that_was_refused_for_free_has_not_begun(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    state = generate_video(BOAT, credentials, store, ["slack-webhook/nobody"], return_state=True)
    assert isinstance(state.result(raise_on_failure=False), InvalidRequest)
    assert not [name for name in shown.flow_run(shown.run_of(state)).labels if name.startswith("seedance.")]


def test_a_retry_that_would_make_another_video_stops(
    failing: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    """The account's label is a part of every intent, and a saved block may be edited between two tries."""
    run = shown.run_of(generate_video(BOAT, credentials, store, return_state=True))
    renamed = credentials.model_copy(update={"account": "renamed"})
    again = run_there(generate_video, run, request=BOAT, credentials=renamed, store=store)
    with pytest.raises(OrderChanged, match=r"Nothing was sent.*Change it back") as stopped:
        again.result()
    assert SOME_VIDEO.intent.startswith(stopped.value.began_with)
    assert failing.requests().create_received == 1
    back = run_there(generate_video, run, request=BOAT, credentials=credentials, store=store)
    assert not isinstance(back.result(raise_on_failure=False), OrderChanged)


def test_a_new_run_may_begin_a_new_journal(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    first = generate_video(BOAT, credentials, store)
    shutil.rmtree(store.location)
    second = generate_video(BOAT, credentials, store)
    assert first.task_id != second.task_id, "a new journal knows nothing, and a person asked for it"


def test_a_deployment_of_its_own_is_not_held_to_the_journal_of_the_machine_that_started_it(store: VideoStore) -> None:
    """Each may have a folder of its own under the same name."""

    async def hold() -> None:
        await hold_to_its_journal(store, await current_run(), SOME_VIDEO)

    @flow
    def child() -> None:
        asyncio.run(hold())

    @flow
    def parent() -> None:
        asyncio.run(hold())
        # In a container of its own.
        shutil.rmtree(store.location)
        run_flow_sync(child, flow_run=run_deployment("child/elsewhere", timeout=0))

    with get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow(child), "elsewhere")
    parent()
    assert identify_store(store.journal(), expected={store.journal_id(): store.place})


def test_two_stores_of_one_location_at_two_services_have_a_journal_each(moto: S3Server, rclone: S3Server) -> None:
    location = moto.settings().location
    stores = [bucket_store(server, location=location) for server in (moto, rclone)]

    @flow
    async def of_both() -> list[str]:
        for each in stores:
            await hold_to_its_journal(each, await current_run(), SOME_VIDEO)
        return [each.journal_id() for each in stores]

    state = asyncio.run(of_both(return_state=True))
    ids = state.result()
    assert ids == [identify_store(each.journal()) for each in stores]
    assert ids[0] != ids[1]
    labels = shown.flow_run(shown.run_of(state)).labels
    found = [labels[journal_label(SOME_VIDEO.intent, journal_id)] for journal_id in ids]
    assert found == [f"{journal_id} at {each.place}" for journal_id, each in zip(ids, stores, strict=True)]
