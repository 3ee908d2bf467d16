"""Videos with references in Prefect: what is made ready when, how often, what is told, and what is kept of it."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

from prefect_seedance import (
    RunOptions,
    SeedanceCredentials,
    StoredVideo,
    VideoRequest,
    VideoStore,
    agenerate_video,
    create_video,
    generate_video,
)
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.failpoints import listen
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.runs.context.source_identities import source_identities
from prefect_seedance.simulator import Fault, Simulator
from prefect_seedance.simulator.simulation import RequestCounts
from prefect_seedance.tasks.prepare import prepare_media
from tests.flows import shown
from tests.flows.stand_ins import running_services

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

MANY = 10
SIGNATURE = "X-Amz-Signature=0f1e2d3c4b5a"


def picture(path: Path, colour: str) -> Path:
    """A picture that no other test has: what is uploaded is remembered by its content."""
    Image.new("RGB", (640, 480), colour).save(path)
    return path


def audited(prompt: str, *images: object) -> VideoRequest:
    """A request of a route that takes audited assets only."""
    return VideoRequest(prompt=prompt, model="sd2_mx_720p", duration=4, images=[str(each) for each in images])


def content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Ten videos that share a picture, and what comes after them.


@dataclass(frozen=True)
class Scene:
    """Runs that have ended.

    Attributes:
        vendor, picture: What they were made with.
        many: States of subflows that ran at the same time.
        counts: What had arrived at the vendor by then.
        again: The first of them, asked for once more.
        counts_again: What had arrived by then.
        next: A video that begins with the last frame of the first, made by one flow of both.
    """

    vendor: Simulator
    picture: Path
    many: list[State[Any]]
    counts: RequestCounts
    again: State[Any]
    counts_again: RequestCounts
    next: StoredVideo


@pytest.fixture(scope="module")
def scene(prefect_server: str, shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    shared_simulator.reset()
    folder = tmp_path_factory.mktemp("references")
    mug = picture(folder / "a mug.png", "peru")
    credentials = SeedanceCredentials(api_key=shared_simulator.key, base_url=shared_simulator.url)
    store = VideoStore(location=str(folder / "store"))

    asked = [audited(f"A mug, number {number}", mug) for number in range(MANY)]
    many: list[State[Any]] = []

    @flow
    async def catalogue() -> None:
        many.extend(
            await asyncio.gather(*[agenerate_video(each, credentials, store, return_state=True) for each in asked])
        )

    @flow
    def film() -> StoredVideo:
        first = generate_video(asked[0], credentials, store)
        return generate_video(shown.small("It goes on", first_image=first.last_frame_source), credentials, store)

    asyncio.run(catalogue())
    counts = shared_simulator.requests()
    again = generate_video(asked[0], credentials, store, return_state=True)
    return Scene(shared_simulator, mug, many, counts, again, shared_simulator.requests(), film())


def test_subflows_at_the_same_time_share_one_upload_and_one_audit(scene: Scene) -> None:
    assert all(state.is_completed() for state in scene.many)
    assert scene.counts.uploads == {content(scene.picture): 1}
    assert [*scene.counts.audits.values()] == [1]
    prompts = [bill.body["prompt"] for bill in scene.vendor.bills() if "number" in str(bill.body["prompt"])]
    assert sorted(prompts) == [f"A mug, number {number}" for number in range(MANY)]
    assert sum(bill.accepted for bill in scene.vendor.bills()) == MANY + 1


def test_what_is_stored_already_is_not_looked_at_again(scene: Scene) -> None:
    assert scene.again.is_completed() and "Reused" in str(scene.again.message)
    assert scene.counts_again == scene.counts
    assert shown.logged(shown.run_of(scene.again), "references are not looked at again")


def test_a_stored_video_is_handed_on_by_its_last_frame(scene: Scene) -> None:
    (sent,) = [body for body in scene.vendor.creates() if body["prompt"] == "It goes on"]
    last = scene.vendor.uploads()[-1]
    assert last.name in str(sent)
    assert last.filename.endswith(".png")
    assert scene.next.task_id in {task for bill in scene.vendor.bills() for task in bill.task_ids}


def test_a_run_tells_of_its_references_in_plain_words(scene: Scene) -> None:
    lines: list[str] = []
    for state in scene.many:
        run = shown.run_of(state)
        shown.logged(run, "1 reference is ready for sd2_mx_720p.")
        lines += shown.messages(run)
    for words in (
        f"images[0]: uploading {scene.picture} (", f"images[0]: handing {scene.picture} to the vendor's audit."
    ):  # fmt: skip
        assert sum(line.startswith(words) for line in lines) == 1
    assert lines.count("Preparing 1 reference for sd2_mx_720p.") == MANY
    page = str(shown.artifact(shown.run_of(scene.many[0]), "seedance-video-").data)
    assert f"- Reference images, entry 1 (images[0]): `{scene.picture}`" in page.replace("\\", "")


def test_prefect_keeps_neither_links_nor_bytes_nor_the_key(scene: Scene) -> None:
    """What was uploaded can be fetched by its link, by anybody, for days."""
    secrets = [scene.vendor.key, *(f"/files/{upload.name}" for upload in scene.vendor.uploads())]
    kept: list[str] = []
    for state in [*scene.many, scene.again]:
        run = shown.run_of(state)
        shown.logged(run, "Finished in state Completed")
        kept += shown.messages(run)
        kept += [each.model_dump_json() for each in (*shown.artifacts(run), *shown.task_runs(run, 5))]
        (prepared,) = [each for each in shown.task_runs(run, 5) if each.name == "prepare-media: sd2_mx_720p"]
        assert prepared.state is not None and not prepared.task_inputs.get("order"), "nothing of it is an input"
    results = [path for path in PREFECT_LOCAL_STORAGE_PATH.value().rglob("*") if path.is_file()]
    assert results
    kept += [path.read_bytes().decode("latin-1") for path in results]
    bytes_of_it = scene.picture.read_bytes()[40:80].decode("latin-1")
    for each in kept:
        assert not [secret for secret in [*secrets, bytes_of_it] if secret in each]


# What goes wrong before anything is paid.


def prepared(
    request: VideoRequest, credentials: SeedanceCredentials, store: VideoStore, retries: int = 2
) -> State[Any]:
    """Make its references ready as the flow does, and try again at once."""

    states: list[State[Any]] = []

    @flow
    async def alone() -> None:
        sources = await source_identities(request, credentials, store, preflight=True)
        order = place_order(request, scope="", account="default", key_template=store.key_template, sources=sources)
        again = prepare_media.with_options(retries=retries, retry_delay_seconds=0)
        states.append(await again(request, credentials, store, RunOptions(), order, return_state=True))

    asyncio.run(alone())
    return states[0]


def tries(state: State[Any]) -> int:
    """How often Prefect has tried a task."""
    (run,) = [
        each
        for each in shown.task_runs(state.state_details.flow_run_id, 1)  # type: ignore[arg-type]
        if each.id == state.state_details.task_run_id
    ]
    return run.run_count


def test_what_passes_is_tried_again_and_leaves_one_upload_and_one_audit(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    vendor.plan(
        Fault(fault="upload_error_before", status=503),
        Fault(fault="upload_drop_before"),
        Fault(fault="audit_rate_limited_http", retry_after=3600),  # longer than a call waits
    )
    mug = picture(tmp_path / "mug.png", "olive")
    state = prepared(audited("A vendor that is down for a while", mug), credentials, store, retries=3)
    assert state.is_completed(), state.message
    assert tries(state) == 4
    assert (vendor.requests().uploads, [*vendor.requests().audits.values()]) == ({content(mug): 1}, [1])
    assert vendor.bills() == []


def test_what_is_refused_is_not_tried_again(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    vendor.plan(Fault(fault="asset_rejected", message="a trademark"))
    state = prepared(audited("A refused picture", picture(tmp_path / "logo.png", "red")), credentials, store)
    assert re.search(
        r"InvalidRequest: .*\n- Reference images, entry 1 \(images\[0\]\): '.*logo.png'.*a trademark",
        str(state.message),
    )
    assert tries(state) == 1


def test_a_run_that_is_cancelled_in_an_audit_stops_asking_and_the_next_goes_on_with_the_same_asset(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    vendor.plan(Fault(fault="asset_slow", after=1e6))
    asked = audited("An audit without an end", picture(tmp_path / "mug.png", "navy"))

    async def cancelled() -> None:
        run = asyncio.ensure_future(agenerate_video(asked, credentials, store, return_state=True))
        while not vendor.requests().statuses:
            await asyncio.sleep(0.05)
        run.cancel()
        await asyncio.wait([run])

    asyncio.run(cancelled())
    assert "stopped before it sent anything" in shown.latest("seedance-cancelled")
    (asset,) = vendor.assets()
    assert (asset.status.upper(), vendor.bills()) == ("PENDING", [])

    vendor.elapse(2e6)
    stored = generate_video(asked, credentials, store)
    assert not stored.reused
    assert [each.asset_id for each in vendor.assets()] == [asset.asset_id]
    assert asset.asset_id in str(vendor.creates())
    assert [bill.accepted for bill in vendor.bills()] == [1]


def test_a_run_that_breaks_off_between_preparing_and_paying_pays_and_uploads_once_when_it_is_retried(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    breaks = iter([True])

    def strike(point: str) -> None:
        if point == "claim.record.before" and next(breaks, False):
            raise RuntimeError("it breaks off here")

    asked = audited("A run that breaks off", picture(tmp_path / "mug.png", "coral"))
    listen(strike)
    try:
        state = generate_video.with_options(retries=1)(asked, credentials, store, return_state=True)
    finally:
        listen(lambda point: None)
    assert state.is_completed(), state.message
    assert next(breaks, None) is None
    counts = vendor.requests()
    assert ([*counts.uploads.values()], [*counts.audits.values()]) == ([1], [1])
    assert [bill.accepted for bill in vendor.bills()] == [1]


@pytest.mark.filterwarnings("ignore:Logger 'prefect.task_runs' attempted")  # outside of a flow that is so
def test_the_task_that_pays_makes_a_file_ready_by_itself(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    mug = picture(tmp_path / "mug.png", "plum")
    submitted = asyncio.run(create_video(audited("A task alone", mug), credentials, store))
    (bill,) = vendor.bills()
    assert bill.task_ids == [submitted["task_id"]]
    (asset,) = vendor.assets()
    assert (asset.content, asset.asset_id in str(bill.body)) == (content(mug), True)


# What a person is told.


@pytest.fixture(scope="module")
def notified(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running_services(tmp_path_factory.mktemp("services")) as services:
        as_text = {"text": "{{subject}}\n{{body}}"}
        hook = CustomWebhookNotificationBlock(name="references", url=f"{services.url}/here", json_data=as_text)
        hook.save("references", overwrite=True)
        yield services


def test_a_missing_file_is_told_with_its_field_the_rule_and_the_fix_and_that_nothing_was_paid(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path, notified: Any
) -> None:
    missing = tmp_path / "of my laptop.png"
    asked = audited("A file of my laptop", missing, f"https://bucket.example.com/second.png?{SIGNATURE}")
    state = generate_video(asked, credentials, store, notify=["custom-webhook/references"], return_state=True)
    assert isinstance(state.result(raise_on_failure=False), InvalidRequest)
    page = str(shown.artifact(shown.run_of(state), "seedance-no-video").data)
    (message,) = notified.with_words("A file of my laptop")
    for told in (str(state.message), page, message.body):
        for once in (f"'{missing}' cannot be read on this machine", "there is no such file", "write s3://bucket/key"):
            assert told.replace("\\", "").count(once) == 1, told
        assert "images[0]" in told.replace("\\", "") and ("nothing is billed" in told or "nothing was sent" in told)
        assert SIGNATURE not in told and vendor.key not in told
    assert "**Paid:** nothing; it was found before the request was sent." in page
    lines = "\n".join(shown.messages(shown.run_of(state)))
    assert SIGNATURE not in lines and vendor.key not in lines
    assert vendor.requests().asset_requests == {}
    assert vendor.requests().create_received == 0
