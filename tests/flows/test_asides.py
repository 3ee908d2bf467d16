"""Logs, events and pages that raise, in a real run: the task id is in the record, one bill, the video stored."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from prefect_seedance import SeedanceCredentials, VideoStore, generate_video, store_video, wait_for_video
from prefect_seedance.client.errors import AuthenticationFailed, ConnectionFailed
from prefect_seedance.client.models import VideoTask
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Record
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.runs import events
from prefect_seedance.runs.logs import FACTS
from prefect_seedance.simulator import Simulator
from prefect_seedance.storage.folder.store import FolderStore
from tests.client.wire_server import WireServer, drop
from tests.flows.shown import run_of, small, task_runs
from tests.pipeline.harness import order_of
from tests.test_asides import Raising

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]


class Ours(Raising):
    """Raises on every line of the package: Prefect's own engine cannot run without its lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not hasattr(record, FACTS) or super().filter(record)


@contextmanager
def filtered(raising: Raising) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("prefect.task_runs", "prefect.flow_runs", "prefect_seedance.runs")]
    for logger in loggers:
        logger.addFilter(raising)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(raising)


def only_record(store: VideoStore) -> Record:
    (entry,) = Journal(FolderStore(Path(store.location))).records()
    return entry.record


def raises(*anything: Any, **more: Any) -> None:
    raise RuntimeError("gone")


@pytest.mark.parametrize(
    "raising",
    [
        Raising("was accepted", RuntimeError("the log server is gone")),
        Raising("was accepted", SystemExit(7)),
        Ours("", RuntimeError("the log server is gone")),
    ],
    ids=["accepted", "accepted-exit", "always"],
)
@pytest.mark.sample(every=3)
def test_a_users_filter_that_raises_costs_its_lines_only(
    raising: Raising, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    with filtered(raising):
        stored = generate_video(small("A paper boat"), credentials, store)
    assert raising.raised > 0
    assert (only_record(store).task_ids, only_record(store).state) == ((stored.task_id,), State.STORED)
    assert [bill.task_ids for bill in vendor.bills()] == [[stored.task_id]]


def test_a_run_whose_lines_events_and_pages_all_raise_stores_its_video(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "emit_event", raises)
    for name in ("acreate_markdown_artifact", "acreate_progress_artifact", "aupdate_progress_artifact"):
        monkeypatch.setattr(f"prefect.artifacts.{name}", raises)
    for name in ("stored_markdown", "flow_run"):
        monkeypatch.setattr(f"prefect_seedance.runs.pages.run_page.{name}", raises)
    monkeypatch.setattr("prefect_seedance.tasks.store.current_run", raises)
    with filtered(Ours("", RuntimeError("the log server is gone"))):
        stored = generate_video(small("A paper boat"), credentials, store)
    assert (only_record(store).task_ids, only_record(store).state) == ((stored.task_id,), State.STORED)
    assert [bill.task_ids for bill in vendor.bills()] == [[stored.task_id]]


def test_a_failure_page_that_raises_hides_no_failure(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.runs.pages.run_page.failure_markdown", raises)
    Path(store.location).mkdir()
    (Path(store.location) / "videos").write_text("a file where the folder of the videos should be")
    with pytest.raises(VideoNotStored, match=r"paid for.*Run the same request again"):
        generate_video(small("A paper boat"), credentials, store)


# What Prefect repeats.


@flow
def steps(submitted: Any, completed: VideoTask | None, credentials: SeedanceCredentials, store: VideoStore) -> None:
    """Wait for a video, or store it, with one more try at once."""

    async def body() -> None:
        if completed is None:
            wait = wait_for_video.with_options(retries=1, retry_delay_seconds=0)
            await wait(submitted, small("A paper boat"), credentials, store)
        else:
            again = store_video.with_options(retries=1, retry_delay_seconds=0)
            await again(completed, submitted, small("A paper boat"), credentials, store)

    asyncio.run(body())


def ended(*arguments: Any) -> tuple[Any, int]:
    """How a step ended, and how often Prefect tried it."""
    state = steps(*arguments, return_state=True)
    (run,) = task_runs(run_of(state), 1)
    return state.result(raise_on_failure=False), run.run_count


@pytest.mark.long
def test_a_refused_key_is_not_tried_again_and_a_fault_of_the_network_is(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    submitted = submit(order_of(), credentials.vendor_account(), store.destination(), preflight=False)
    linkless = VideoTask(task_id=submitted["task_id"], status="completed")
    revoked = SeedanceCredentials(api_key="sk_revoked", base_url=vendor.url)
    refused, refused_tries = ended(submitted, linkless, revoked, store)
    unwatched, unwatched_tries = ended(submitted, None, revoked, store)
    assert (refused_tries, unwatched_tries) == (1, 1)
    with WireServer([drop]) as gone:
        unreachable = SeedanceCredentials(api_key=vendor.key, base_url=gone.url)
        lost, lost_tries = ended(submitted, linkless, unreachable, store)
    assert lost_tries == 2
    for error, kind, cause in (
        (refused, VideoNotStored, AuthenticationFailed),
        (unwatched, WaitStopped, AuthenticationFailed),
        (lost, VideoNotStored, ConnectionFailed),
    ):
        assert isinstance(error, kind) and isinstance(error.__cause__, cause)
        assert error.task_id == submitted["task_id"]
        assert "paid for" in str(error) and "Run the same request again" in str(error)
    assert vendor.requests().create_received == 1
