"""Settling an unknown submission as a flow: a real Prefect server, the simulator over HTTP, real files."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort
from pydantic import SecretStr

from prefect_seedance import (
    RunOptions,
    SeedanceCredentials,
    VideoRequest,
    VideoStore,
    aresolve_submission,
    generate_video,
    resolve_submission,
)
from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.journal.errors import BalanceContradicts, RecordDamaged, ResolutionRefused, SubmissionUnknown
from prefect_seedance.simulator import Fault, Simulator
from prefect_seedance.storage.errors import KeyTaken
from tests.storage.clips import lookalike

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

REQUEST = VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4)


def in_an_async_script(*arguments: object, **more: object) -> str:
    return asyncio.run(aresolve_submission(*arguments, **more))


@pytest.mark.parametrize("resolve", [resolve_submission, in_an_async_script])
@pytest.mark.sample(every=2)
def test_a_task_of_another_model_is_taken_only_by_who_says_any_model(
    resolve: Callable[..., str], vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="lost_answer"))
    with pytest.raises(SubmissionUnknown) as unknown:
        generate_video(REQUEST, credentials, store)
    with credentials.get_client() as client:
        other = client.create_video(VideoRequest(prompt="A paper plane", model="seedance2.0-fast-i2v"))

    settle = (unknown.value.intent, store, credentials, "attach", other.task_id)
    with pytest.raises(ResolutionRefused, match=r"is of model seedance2\.0-fast-i2v, and seedance2\.0-mini was asked"):
        resolve(*settle)
    assert [entry.state for entry in store.journal().records()] == ["unknown"]
    assert resolve(*settle, any_model=True) == "submitted"
    assert generate_video(REQUEST, credentials, store).task_id == other.task_id


@pytest.mark.parametrize("resolve", [resolve_submission, in_an_async_script])
@pytest.mark.sample(every=2)
def test_a_stale_call_settles_no_other_attempt(
    resolve: Callable[..., str], vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="lost_answer", times=2))

    def unknown() -> SubmissionUnknown:
        with pytest.raises(SubmissionUnknown) as caught:
            generate_video(REQUEST, credentials, store, options=RunOptions(preflight=False))
        return caught.value

    first = unknown()
    settle = (first.intent, store, credentials, "not_billed")
    assert resolve(*settle, attempt=first.attempt_name) == "ready"
    second = unknown()
    assert sum(bill.accepted for bill in vendor.bills()) == 2
    for stale in ({"attempt": first.attempt_name}, {}):
        with pytest.raises(ResolutionRefused, match=second.attempt_name):
            resolve(*settle, **stale)
    assert unknown().attempt_name == second.attempt_name
    assert sum(bill.accepted for bill in vendor.bills()) == 2
    assert resolve(*settle[:3], "abandon", attempt=second.attempt_name) == "lost"


def test_not_billed_against_the_balance_is_refused_unless_it_is_said(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="lost_answer"))
    state = generate_video(REQUEST, credentials, store, return_state=True)
    unknown = state.result(raise_on_failure=False)
    assert isinstance(unknown, SubmissionUnknown)
    assert "fell by exactly the expected price: probably billed" in unknown.balance
    assert unknown.balance in str(unknown)
    settle = (unknown.intent, store, credentials, "not_billed")
    with pytest.raises(BalanceContradicts, match="despite_evidence"):
        resolve_submission(*settle, attempt=unknown.attempt_name)
    assert [entry.state for entry in store.journal().records()] == ["unknown"]
    assert resolve_submission(*settle, attempt=unknown.attempt_name, despite_evidence=True) == "ready"
    described = resolve_submission.parameters.properties["despite_evidence"]["description"]
    assert "fell by exactly the expected price" in " ".join(described.split())


def test_a_damaged_record_is_restored_as_unknown_and_settled_by_its_task(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    stored = generate_video(REQUEST, credentials, store)
    file = Path(store.location) / "journal" / "records" / f"{stored.intent}.json"
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(RecordDamaged, match="--restore"):
        store.journal().read(stored.intent)
    state = resolve_submission(stored.intent, store, credentials, "restore", return_state=True)
    assert state.result() == "unknown"
    (entry,) = store.journal().open_records()
    settle = (stored.intent, store, credentials, "attach", stored.task_id)
    assert resolve_submission(*settle, attempt=entry.record.unsettled()[-1].name) == "stored"
    again = generate_video(REQUEST, credentials, store)
    assert (again.task_id, again.reused) == (stored.task_id, True)
    assert [bill.accepted for bill in vendor.bills()] == [1]


@pytest.mark.parametrize("resolve", [resolve_submission, in_an_async_script])
@pytest.mark.sample(every=2)
def test_a_video_behind_a_link_is_brought_in_and_the_link_is_kept_nowhere(
    resolve: Callable[..., str],
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.plan(Fault(fault="lost_answer"))
    with pytest.raises(SubmissionUnknown) as unknown:
        generate_video(REQUEST, credentials, store)
    (bill,) = vendor.bills()
    vendor.elapse(3600)
    with credentials.get_client() as client:
        link = client.get_video(bill.task_ids[0]).video_url
    secret = link.partition("token=")[2]
    assert secret
    with caplog.at_level(logging.INFO):
        settle = (unknown.value.intent, store, credentials, "take_link")
        assert resolve(*settle, attempt=unknown.value.attempt_name, url=SecretStr(link)) == "stored"
    said = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    assert any("counts as paid" in each for each in said) and not any(secret in each for each in said)
    with get_client(sync_client=True) as prefect:
        runs = prefect.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
    assert runs[0].parameters["url"] == "**********" and secret not in runs[0].model_dump_json()
    for file in Path(store.location).rglob("*.json"):
        assert secret not in file.read_text(encoding="utf-8")

    stored = generate_video(REQUEST, credentials, store)
    assert (stored.reused, stored.brought_by, stored.intent) == (True, "link", unknown.value.intent)
    assert stored.width > 0 and stored.poster_uri
    assert [bill.accepted for bill in vendor.bills()] == [1]


def test_a_video_in_a_file_is_brought_in_and_another_is_not(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    vendor.plan(Fault(fault="failed"))
    with pytest.raises(VideoFailed, match="take_file"):
        generate_video(REQUEST, credentials, store)
    (entry,) = store.journal().records()
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(lookalike(50_000))
    settle = (entry.record.intent, store, credentials, "take_file")
    with pytest.raises(ResolutionRefused, match="No such file"):
        resolve_submission(*settle, path=str(tmp_path / "other.mp4"))
    assert resolve_submission(*settle, path=str(clip)) == "stored"
    clip.write_bytes(lookalike(50_000, seed=2))
    with pytest.raises(KeyTaken):
        resolve_submission(*settle, path=str(clip))
    stored = generate_video(REQUEST, credentials, store)
    assert (stored.task_id, stored.brought_by) == (entry.record.task_id, "file")


def test_the_form_says_what_becomes_of_a_link() -> None:
    asked = resolve_submission.parameters.properties
    assert asked["url"]["format"] == "password"
    words = " ".join(asked["url"]["description"].split())
    assert "as long as the link lives" in words and "Prefect keeps what is typed here" in words
    assert "you have the video itself" in " ".join(asked["resolution"]["description"].split())
    assert asked["resolution"]["enum"][-2:] == ["take_link", "take_file"]
