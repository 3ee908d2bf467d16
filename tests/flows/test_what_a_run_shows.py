"""What the page of a run shows and what its events say, read back through the server's API."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.deployments.runner import EntrypointType
from prefect.runtime import flow_run, task_run
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from prefect_seedance import SeedanceCredentials, StoredVideo, VideoRequest, VideoStore, generate_video
from prefect_seedance.client.errors import VideoFailed
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.identity import ALWAYS, named_scope, run_scope
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.record_lookup import Standing
from prefect_seedance.runs.pages.run_page import show_cancelled
from prefect_seedance.simulator import Fault, Simulator
from tests.flows import shown
from tests.flows.shown import small

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

SIGNATURE = "X-Amz-Signature=0f1e2d3c4b5a"
SIGNED = f"https://bucket.example.com/first.png?{SIGNATURE}"
BOAT = small("A paper boat | ![x](https://tracker.example.com/x.png)\n<b>sails</b>", ratio="9:16", images=[SIGNED])
LOGO, LOST = small("A known logo"), small("A lost answer")
#: The vendor could not fetch it.
REFUSED = small("A private picture", images=[f"https://127.0.0.1/first.png?{SIGNATURE}"])


@dataclass(frozen=True)
class Scene:
    """Runs that have ended, each as its state.

    Attributes:
        api_url: Of the Prefect server.
        store: Where their videos are.
        stored, reused: The same request, twice.
        failed: The vendor made no video.
        unknown: Perhaps accepted.
        refused: For free, before anything was sent.
        surprised: By an error that nobody foresaw, in the step that pays.
    """

    api_url: str
    credentials: SeedanceCredentials
    store: VideoStore
    stored: State[Any]
    reused: State[Any]
    failed: State[Any]
    unknown: State[Any]
    refused: State[Any]
    surprised: State[Any]

    @property
    def video(self) -> StoredVideo:
        return self.stored.result()

    def error(self, state: State[Any]) -> BaseException:
        found = state.result(raise_on_failure=False)
        assert isinstance(found, BaseException)
        return found


class StoreOfTheirs(VideoStore):
    """What somebody has made of the block, with an error in it."""

    _block_type_slug = "store-of-theirs"

    def destination(self) -> Destination:
        if "create" in str(task_run.get_name()):
            raise RuntimeError(f"no such bucket: {SIGNED}")
        return super().destination()


@pytest.fixture(scope="module")
def scene(
    prefect_server: str, shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    shared_simulator.reset()
    words = f"PROVIDER_MODERATION_ERROR: TRADEMARK ```in {SIGNED}"
    shared_simulator.plan(Fault(fault="failed", matching=LOGO.prompt, message=words))
    shared_simulator.plan(Fault(fault="lost_answer", matching=LOST.prompt))
    # However late it is asked on a busy machine, the first answer is not yet the last.
    shared_simulator.plan(Fault(fault="unknown_status", matching=BOAT.prompt, message="processing"))
    credentials = SeedanceCredentials(api_key=shared_simulator.key, base_url=shared_simulator.url)
    store = VideoStore(location=str(tmp_path_factory.mktemp("shown") / "store"))

    def run(request: VideoRequest, store: VideoStore = store) -> State[Any]:
        return generate_video(request, credentials, store, return_state=True)

    def run_elsewhere(request: VideoRequest) -> State[Any]:
        """As on another machine: without the results that Prefect has kept on this one."""
        with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path_factory.mktemp("elsewhere")}):
            return run(request)

    surprised = run(small("A surprise"), StoreOfTheirs(location=store.location))
    yield Scene(
        prefect_server,
        credentials,
        store,
        run(BOAT),
        run_elsewhere(BOAT),
        run(LOGO),
        run(LOST),
        run(REFUSED),
        surprised,
    )


def test_progress_is_one_artifact_that_was_updated_in_place(scene: Scene) -> None:
    task_id = scene.video.task_id
    progress = shown.artifact(shown.run_of(scene.stored), "seedance-progress-")
    assert progress.type == "progress"
    assert progress.data == 100
    assert progress.description is not None
    asked, status, price, *rest, task = progress.description.split("\n\n")
    assert asked.startswith("A paper boat"), "a card shows the beginning: what a person recognises"
    assert "completed" in {status, price, *rest}
    assert any(each.startswith("Expected to cost 0.12 coins (estimate by the") for each in (price, *rest))
    assert task == f"Task {task_id}"
    assert progress.created is not None and progress.updated is not None
    assert progress.updated > progress.created
    assert progress.key is not None and len(progress.key) <= 30, "longer keys are cut off on the run's page"
    waiting = next(each for each in shown.task_runs(shown.run_of(scene.stored), 4) if "wait" in each.name)
    assert progress.task_run_id == waiting.id


def test_a_stored_video_is_shown_with_its_poster_its_cost_its_times_and_its_request(scene: Scene) -> None:
    video = scene.video
    page = str(shown.artifact(shown.run_of(scene.stored), "seedance-video-").data)
    assert video.provenance_uri.removesuffix(".json") == video.uri.removesuffix(".mp4")
    for said in (
        video.uri,
        f"`{video.task_id}.json`, beside the video",
        video.task_id,
        video.sha256,
        "coins",
        "480x854",
    ):
        assert said in page
    for moment in (video.created_at, video.completed_at, video.stored_at):
        assert moment is not None
        assert f"{moment:%Y-%m-%d %H:%M:%S} UTC" in page
    assert re.search(r"\| Watched \| made in \d+ s, noticed \d+ s later, asked about \d+ times? \|", page)
    assert "| Aspect ratio | 9:16 |" in page
    assert "| Model | seedance2.0-mini |" in page
    described = str(shown.artifact(shown.run_of(scene.stored), "seedance-video-").description)
    assert "A paper boat" in described and "coins" in described and "seedance2.0-mini" in described
    data = described.partition("data:image/jpeg;base64,")[2].partition(")")[0]
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as poster:
        assert poster.format == "JPEG"
        assert poster.height > poster.width


def test_what_is_long_stands_in_a_paragraph_since_a_table_would_grow_over_what_is_beside_it(scene: Scene) -> None:
    page = str(shown.artifact(shown.run_of(scene.stored), "seedance-video-").data)
    blocks = re.findall(r"^```text\n(.*?)\n```$", page, re.DOTALL | re.MULTILINE)
    assert blocks == [scene.video.uri], "words wrap, an address has no place for it"
    assert "- Reference images, entry 1 (images\\[0\\]): `https://bucket.example.com/first.png`" in page
    assert f"\n`prefect-seedance open {scene.video.intent} --store {scene.store.location}`\n" in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert rows and not any("://" in row for row in rows)


def test_a_prompt_cannot_write_on_the_page(scene: Scene) -> None:
    page = str(shown.artifact(shown.run_of(scene.stored), "seedance-video-").data)
    (row,) = (line for line in page.splitlines() if "A paper boat" in line)
    assert row.startswith("**Prompt:** A paper boat \\|"), "a table does not wrap in the older UI"
    assert "![x]" not in row
    assert "<b>" not in row.replace("\\<b\\>", "")


def test_no_page_shows_a_signature_or_a_key(scene: Scene) -> None:
    for state in (scene.stored, scene.reused, scene.failed, scene.unknown, scene.refused, scene.surprised):
        found = shown.artifacts(shown.run_of(state))
        assert found
        for each in found:
            text = f"{each.data} {each.description}"
            assert SIGNATURE not in text
            assert scene.credentials.api_key.get_secret_value() not in text
    for state in (scene.stored, scene.reused, scene.failed, scene.unknown, scene.refused):
        run = shown.run_of(state)
        shown.logged(run, "Finished in state")
        ended = [str(each.state.message) for each in shown.task_runs(run, 1) if each.state]
        for text in (str(state.message), *ended, *shown.messages(run)):
            assert SIGNATURE not in text
    page = str(shown.artifact(shown.run_of(scene.stored), "seedance-video-").data)
    assert "https://bucket.example.com/first.png" in page


def test_a_reused_video_says_when_it_was_made_and_how_to_get_another(scene: Scene) -> None:
    run = shown.run_of(scene.reused)
    page = str(shown.artifact(run, "seedance-video-").data)
    assert "Reused" in page
    assert f"It was stored {scene.video.stored_at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "set another take" in page
    state = shown.flow_run(run).state
    assert state is not None
    assert str(state.message).startswith(f"Reused: task {scene.video.task_id}")


def test_a_failure_shows_what_happened_what_was_paid_and_what_to_do(scene: Scene) -> None:
    error = scene.error(scene.failed)
    assert isinstance(error, VideoFailed)
    page = str(shown.artifact(shown.run_of(scene.failed), "seedance-no-video").data)
    assert page.startswith("# No video: VideoFailed")
    assert f"**Paid:** task {error.task_id} was accepted" in page
    assert "TRADEMARK" in page
    assert "change the prompt or the media" in page
    assert "```" not in page, "the vendor's words began a block"
    assert "A known logo" in page


def test_an_unknown_submission_shows_how_to_settle_it(scene: Scene) -> None:
    error = scene.error(scene.unknown)
    assert isinstance(error, SubmissionUnknown)
    run = shown.run_of(scene.unknown)
    found = shown.artifact(run, f"seedance-unknown-{error.intent[:12]}")
    page = str(found.data)
    assert page.startswith("# Perhaps paid: a person has to settle it")
    assert f"**What the balance says:** {error.balance}" in page.partition("\n## ")[0], "the conclusion is above"
    settle = f"prefect-seedance resolve {error.intent} --store {scene.store.location} --not-billed"
    assert f"\n`{settle} --attempt {error.attempt_name}`\n" in page
    state = shown.flow_run(run).state
    assert state is not None
    said = str(state.message)
    assert re.fullmatch(
        rf"Flow run encountered an exception: SubmissionUnknown: perhaps paid, see \S+/{found.id} for how .+", said
    ), said
    shown.logged(run, "Finished in state Failed('Flow run encountered an exception: SubmissionUnknown")
    assert not any("Traceback" in line for line in shown.messages(run))


def test_what_is_refused_for_free_shows_the_rule_and_that_nothing_was_paid(scene: Scene) -> None:
    assert scene.refused.is_failed()
    page = str(shown.artifact(shown.run_of(scene.refused), "seedance-no-video").data)
    assert page.startswith("# No video: InvalidRequest")
    assert "**Paid:** nothing; it was found before the request was sent." in page
    assert "entry 1 (images[0]): the vendor cannot reach 127.0.0.1" in page.replace("\\", "")
    assert "Use a publicly reachable https URL" in page


def test_an_error_that_nobody_foresaw_is_named_and_not_repeated(scene: Scene) -> None:
    assert isinstance(scene.error(scene.surprised), RuntimeError)
    page = str(shown.artifact(shown.run_of(scene.surprised), "seedance-no-video").data)
    assert page.startswith("# No video: RuntimeError")
    assert "**Paid:** no further video" in page
    assert "no such bucket" not in page


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (
            Standing("videos_1", scope=ALWAYS),
            "`videos_1` **goes on at the vendor and is paid for**; nothing can cancel it there. Run the same request "
            "again: that takes the task up and pays nothing.",
        ),
        (
            Standing("videos_1", scope=run_scope("1f0c")),
            "Retry flow run 1f0c (Retry on its page, or prefect flow-run retry 1f0c): that takes the task up and pays "
            "nothing. A new run would pay for another video.",
        ),
        (
            Standing(scope=named_scope("monday")),
            "Run the same request again with reuse_scope 'monday': it submits only",
        ),
        (Standing(), "stopped before it sent anything"),
    ],
)
def test_a_cancelled_run_shows_what_goes_on(now: Standing, said: str) -> None:
    @flow
    async def stopped() -> str:
        await show_cancelled(BOAT, now)
        return str(flow_run.get_id())

    page = str(shown.artifact(UUID(asyncio.run(stopped())), "seedance-cancelled").data)
    assert said in page
    assert "not a failure" in page
    assert SIGNATURE not in page


def test_a_run_and_its_tasks_have_names_that_can_be_read_and_a_tag(scene: Scene) -> None:
    run = shown.flow_run(shown.run_of(scene.stored))
    assert run.name.startswith('generate-video: seedance2.0-mini 4s 9:16 "A paper boat')
    assert len(run.name) < 100
    assert "seedance:seedance2.0-mini" in run.tags
    steps = ["validate-request", "prepare-media", "create-video", "wait-for-video", "store-video"]
    assert steps_of(scene.stored, 5) == [f"{step}: seedance2.0-mini" for step in steps], "nobody was to be notified"
    steps = ["validate-request", "create-video", "wait-for-video"]
    assert steps_of(scene.failed, 3) == [f"{step}: seedance2.0-mini" for step in steps], "it has no references"


def steps_of(state: State[Any], count: int) -> list[str]:
    """The names of a run's tasks, in the order of their beginning."""
    runs = shown.task_runs(shown.run_of(state), count)
    return [each.name for each in sorted(runs, key=lambda run: run.start_time or datetime.max)]


@pytest.mark.long
def test_a_run_that_was_asked_for_with_plain_json_has_the_same_name_and_tags(scene: Scene, tmp_path: Path) -> None:
    """As the UI, ``run_deployment`` and the API ask for it; run as a worker does."""
    scene.credentials.save("shown", overwrite=True)
    scene.store.save("shown", overwrite=True)
    deployment = generate_video.to_deployment(
        "shown", entrypoint_type=EntrypointType.MODULE_PATH, tags=["nightly"]
    ).apply()
    parameters = {
        "request": BOAT.model_dump(mode="json"),
        "credentials": {"$ref": {"block_document_slug": "seedance-credentials/shown"}},
        "store": {"$ref": {"block_document_slug": "seedance-video-store/shown"}},
    }
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(UUID(str(deployment)), parameters=parameters).id
    done = subprocess.run(
        [sys.executable, "-m", "prefect.engine", str(run)],
        cwd=tmp_path,
        env={**os.environ, "PREFECT_API_URL": scene.api_url, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=110,
    )
    found = shown.flow_run(run)
    assert found.state is not None and found.state.is_completed(), done.stderr[-3000:]
    assert found.name == shown.flow_run(shown.run_of(scene.stored)).name
    assert {"seedance:seedance2.0-mini", "nightly"} <= set(found.tags)


def events_of(scene: Scene, resource: str, *kinds: str) -> dict[str, dict[str, Any]]:
    """The events of a resource by kind, once all these are there."""

    def found() -> dict[str, dict[str, Any]] | None:
        by_kind = {
            each["event"].removeprefix("seedance.video."): each
            for each in shown.events(scene.api_url, resource=resource)
        }
        return by_kind if set(kinds) <= set(by_kind) else None

    return shown.until(found, f"events {kinds} of {resource}")


def test_a_stored_video_has_told_each_step_with_its_task_and_its_place(scene: Scene) -> None:
    video = scene.video
    intent = f"seedance.video.{video.intent}"
    found = events_of(scene, intent, "submitted", "completed", "stored", "attached")
    run = f"prefect.flow-run.{shown.run_of(scene.stored)}"
    for kind in ("submitted", "completed", "stored"):
        event = found[kind]
        assert event["resource"]["prefect.resource.id"] == intent
        related = {each["prefect.resource.id"]: each.get("prefect.resource.role") for each in event["related"]}
        assert related[f"seedance.task.{video.task_id}"] == "task"
        assert related[run] == "flow-run"
    assert {"prefect.resource.id": video.uri, "prefect.resource.role": "video"} in found["stored"]["related"]
    assert found["stored"]["payload"]["uri"] == video.uri
    assert found["stored"]["payload"]["bytes"] == video.bytes
    reused = {each["prefect.resource.id"] for each in found["attached"]["related"]}
    # Several runs have taken it up by now; whichever told it last, it was not the one that paid.
    assert any(each.startswith("prefect.flow-run.") and each != run for each in reused)


def test_a_video_is_found_by_its_place_and_by_its_task(scene: Scene) -> None:
    assert "stored" in events_of(scene, scene.video.uri, "stored")
    assert "submitted" in events_of(scene, f"seedance.task.{scene.video.task_id}", "submitted")


def test_a_failed_video_tells_the_vendors_words(scene: Scene) -> None:
    error = scene.error(scene.failed)
    assert isinstance(error, VideoFailed)
    payload = events_of(scene, f"seedance.task.{error.task_id}", "failed")["failed"]["payload"]
    assert payload["failure"] == "moderation"
    assert "TRADEMARK" in payload["message"]
    assert SIGNATURE not in json.dumps(payload)


def test_an_unknown_submission_tells_its_intent_and_how_to_settle_it(scene: Scene) -> None:
    error = scene.error(scene.unknown)
    assert isinstance(error, SubmissionUnknown)
    payload = events_of(scene, f"seedance.video.{error.intent}", "unknown")["unknown"]["payload"]
    assert payload["intent"] == error.intent
    assert payload["attempt"] == 1
    assert payload["reason"] in str(error)
    assert f"prefect-seedance resolve {error.intent} --store " in payload["resolve"]
    assert re.search(r"--not-billed --attempt 1-[0-9a-f]{8}$", payload["resolve"], re.MULTILINE)
