"""A new run may begin a new journal, but not in silence where Prefect's server knows another one."""

import asyncio
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableUpdate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Variable

from prefect_seedance import RunOptions, SeedanceCredentials, StoredVideo, VideoStore, generate_video
from prefect_seedance.runs.context.last_journal import compare_with_last, variable_name
from prefect_seedance.simulator import Simulator
from tests.flows import shown
from tests.flows.another_process import forget
from tests.flows.line_to_prefect import line_to_prefect
from tests.flows.shown import small
from tests.flows.test_s3_store import bucket_store
from tests.storage.s3_servers import S3Server

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

BOAT = small("A paper boat")
PER_RUN = RunOptions(reuse="run")


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    forget()
    yield


def variable(store: VideoStore) -> Variable:
    with get_client(sync_client=True) as client:
        found = client.read_variable_by_name(variable_name(store.place))
    assert found is not None
    return found


def made(credentials: SeedanceCredentials, store: VideoStore) -> UUID:
    state: Any = generate_video(BOAT, credentials, store, options=PER_RUN, return_state=True)
    assert isinstance(state.result(), StoredVideo)
    return shown.run_of(state)


def empty(store: VideoStore) -> None:
    opened = store.open()
    for key in list(opened.list_keys("journal/")):
        opened.delete(key)


def check_that_it_is_told(run: UUID, store: VideoStore, last: str, api_url: str) -> None:
    told = shown.logged(run, "last seen another one", store.place, last, store.journal_id(), "mounted", "prefix")
    assert "goes on" in told
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
    with get_client(sync_client=True) as client:
        (line,) = [each for each in client.read_logs(of_run, limit=200) if each.message == told]
    assert line.level == logging.WARNING
    assert last in str(shown.artifact(run, "seedance-warning").data)
    resource = f"seedance.journal.{store.journal_id()}"

    def emitted() -> list[dict[str, Any]]:
        found = shown.events(api_url, resource=resource)
        return [each for each in found if each["resource"]["prefect.resource.id"] == resource]

    (event,) = shown.until(emitted, "the event")
    assert event["event"] == "seedance.journal.replaced"
    assert event["payload"]["last_journal_id"] == last


@pytest.mark.parametrize("same_process", [True, False])
@pytest.mark.sample(every=2)
def test_a_folder_that_is_emptied_between_two_runs_is_told(
    same_process: bool, prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    made(credentials, store)
    last = store.journal_id()
    assert variable(store).value == last
    shutil.rmtree(store.location)
    if not same_process:
        forget()
    run = made(credentials, store)
    check_that_it_is_told(run, store, last, prefect_server)
    assert variable(store).value == store.journal_id() != last


def test_it_is_told_before_anything_is_paid(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, caplog: pytest.LogCaptureFixture
) -> None:
    made(credentials, store)
    shutil.rmtree(store.location)
    caplog.clear()
    made(credentials, store)
    lines = [record.getMessage() for record in caplog.records]
    (told,) = [index for index, line in enumerate(lines) if "last seen another one" in line]
    (accepted,) = [index for index, line in enumerate(lines) if "was accepted" in line]
    assert told < accepted


@pytest.mark.long
def test_so_is_a_bucket(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, moto: S3Server
) -> None:
    store = bucket_store(moto)
    made(credentials, store)
    last = store.journal_id()
    empty(store)
    forget()
    check_that_it_is_told(made(credentials, store), store, last, prefect_server)


@pytest.mark.long
def test_a_share_that_is_mounted_again_is_told_too(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    """What was paid for while it was away is in another journal."""
    made(credentials, store)
    shutil.move(store.location, tmp_path / "share")
    made(credentials, store)
    meanwhile = store.journal_id()
    shutil.rmtree(store.location)
    shutil.move(tmp_path / "share", store.location)
    check_that_it_is_told(made(credentials, store), store, meanwhile, prefect_server)


def test_a_place_that_the_server_has_not_seen_is_named_once(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    """A wrong prefix looks like that."""
    first, second = made(credentials, store), made(credentials, store)
    assert "location and prefix" in shown.logged(first, "not seen", store.place)
    shown.logged(second, "was accepted")
    assert not [each for each in shown.messages(second) if "not seen" in each or "last seen" in each]
    assert store.place in variable(store).tags


def test_a_video_beside_the_one_that_asks_waits_for_what_is_told(store: VideoStore) -> None:
    last, now = "a" * 32, store.journal_id()
    asyncio.run(compare_with_last(store.place, last))

    async def known_then() -> object:
        await compare_with_last(store.place, now)
        async with get_client() as client:
            found = await client.read_variable_by_name(variable_name(store.place))
        return found and found.value

    @flow
    async def both() -> list[object]:
        return await asyncio.gather(known_then(), known_then())

    assert asyncio.run(both()) == [now, now]


def test_a_further_video_of_a_process_asks_nothing(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    with line_to_prefect(prefect_server, tmp_path) as log:
        made(credentials, store)
        first = [each for each in log.read_text().splitlines() if "/variables" in each]
        made(credentials, store)
    name = variable_name(store.place)
    assert first == [f"GET /api/variables/name/{name}", "POST /api/variables/"]
    assert [each for each in log.read_text().splitlines() if "/variables" in each] == first


@pytest.mark.parametrize("refused", [r"GET \S+/variables", r"(POST|PATCH) \S+/variables"])
@pytest.mark.sample(every=2)
def test_a_server_that_keeps_no_variables_fails_no_run(
    refused: str,
    prefect_server: str,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    tmp_path: Path,
) -> None:
    with line_to_prefect(prefect_server, tmp_path, refused=refused):
        run = made(credentials, store)
    assert "could not be read or written" in shown.logged(run, variable_name(store.place))


@pytest.mark.parametrize("value", ["", "by hand\n", {"id": ["x"]}, 7], ids=repr)
@pytest.mark.sample(every=4)
def test_a_variable_that_holds_no_journal_is_written_anew(
    value: Any, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    made(credentials, store)
    with get_client(sync_client=True) as client:
        client.update_variable(VariableUpdate(name=variable_name(store.place), value=value))
    forget()
    run = made(credentials, store)
    assert variable(store).value == store.journal_id()
    shown.logged(run, "was accepted")
    assert not [each for each in shown.messages(run) if "last seen" in each]
