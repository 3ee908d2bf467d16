"""The long take: clip after clip, each from the last frame of the one before it, and one film in the end."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from pydantic import ValidationError

from examples.long_take import long_take, requests_of
from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.pipeline.films.joining import CannotJoin
from prefect_seedance.simulator import Fault, Simulator
from tests.examples.test_examples import environment
from tests.pipeline.films import pixels
from tests.processes import running, until

ROOT = Path(__file__).parents[2]
PROMPTS = ["A boat on a puddle", "The boat drifts on", "The boat reaches the sea"]
SMALL: dict[str, Any] = {"seconds": 4}


def on_a_server(test: Any) -> Any:
    """A test that needs a Prefect server."""
    return pytest.mark.server(pytest.mark.slow(pytest.mark.usefixtures("prefect_server")(test)))


def of_store(store: VideoStore, pattern: str) -> list[Path]:
    return sorted(Path(store.location).glob(pattern))


def blocks_of(picture: av.VideoFrame) -> list[int]:
    """A picture as the brightness of a few blocks, which is what the simulator's last frames are made of."""
    small = picture.reformat(8, 4, "gray", interpolation="AREA", dst_color_range="JPEG")
    plane = small.planes[0]
    return [value for row in range(4) for value in bytes(plane)[row * plane.line_size : row * plane.line_size + 8]]


def last_frame(path: Path) -> list[int]:
    with av.open(str(path)) as file:
        return blocks_of([*file.decode(video=0)][-1])


def sent_picture(address: str) -> list[int]:
    """What the vendor reads at the address that was sent."""
    answer = httpx.get(address, trust_env=False, verify=False, timeout=20)
    with av.open(io.BytesIO(answer.raise_for_status().content)) as file:
        return blocks_of(next(file.decode(video=0)))


def alike(one: list[int], other: list[int]) -> bool:
    """Whether they are one picture; its colours may have been converted. Two of the simulator's differ by some 85."""
    return sum(abs(left - right) for left, right in zip(one, other, strict=True)) / len(one) < 10


@on_a_server
async def test_each_clip_goes_on_from_the_one_before_and_a_repeat_is_free(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    film = await long_take(PROMPTS, credentials, store, **SMALL)
    bills = vendor.bills()
    assert [(bill.body["prompt"], bill.accepted) for bill in bills] == [(prompt, 1) for prompt in PROMPTS]
    clips = [Path(clip.uri.removeprefix("file://")) for clip in film.clips]
    assert [clip.task_id for clip in film.clips] == [task_id for bill in bills for task_id in bill.task_ids]
    assert "first_image" not in bills[0].body
    for before, another, bill in zip(clips, clips[1:], bills[1:], strict=False):
        sent = sent_picture(str(bill.body["first_image"]))
        assert alike(sent, last_frame(before)) and not alike(sent, last_frame(another))
    made = Path(film.uri.removeprefix("file://"))
    assert pixels(made) == [each for clip in clips for each in pixels(clip)]
    assert film.seconds == 12 and film.cost is not None

    assert await long_take(PROMPTS, credentials, store, **SMALL) == film
    assert sum(bill.accepted for bill in vendor.bills()) == 3
    assert of_store(store, "films/*.mp4") == [made]


@pytest.mark.server
@pytest.mark.slow
def test_a_killed_run_pays_only_for_what_is_missing(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    credentials.save("long-take", overwrite=True, _sync=True)
    store.save("long-take", overwrite=True, _sync=True)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n\n".join(PROMPTS) + "\n")
    script = [str(ROOT / "examples" / "long_take.py"), str(prompts), "--seconds", "4"]
    script += ["--credentials", "long-take", "--store", "long-take"]
    vendor.plan(Fault(fault="query_5xx", times=10_000, matching=PROMPTS[1]))

    def second_is_watched() -> bool:
        bills = vendor.bills()
        return len(bills) == 2 and vendor.requests().polls.get(bills[1].task_ids[0], 0) > 0

    with running(*script, log=tmp_path / "killed.log", environment=environment(prefect_server)) as run:
        until(second_is_watched, "the second clip", alive=run)
        run.process.kill()
        run.process.wait(30)
    vendor.simulation.faults.clear()
    made = asyncio.run(long_take(PROMPTS, credentials, store, **SMALL))
    assert [bill.accepted for bill in vendor.bills()] == [1, 1, 1]
    (film,) = of_store(store, "films/*.mp4")
    record = json.loads(film.with_suffix(".json").read_text())
    assert [clip["task_id"] for clip in record["clips"]] == [bill.task_ids[0] for bill in vendor.bills()]
    assert made.uri == film.as_uri()


@on_a_server
async def test_a_film_of_one_clip_is_joined_once_and_its_page_tells_what_it_cost(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    film = await long_take(PROMPTS[:1], credentials, store, **SMALL)
    assert await long_take(PROMPTS[:1], credentials, store, **SMALL) == film
    assert sum(bill.accepted for bill in vendor.bills()) == 1
    (clip,) = film.clips
    assert pixels(Path(film.uri.removeprefix("file://"))) == pixels(Path(clip.uri.removeprefix("file://")))
    assert film.cost == clip.cost
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["long-take"])))
    assert any(film.uri in str(each.data) and clip.uri in str(each.data) for each in found)


@on_a_server
@pytest.mark.parametrize(
    ("prompts", "changes", "words"),
    [
        ([], {}, "prompts is empty"),
        ([*PROMPTS, " "], {}, "the prompt is empty"),
        (PROMPTS, {"model": "seedance2.0-md", "resolution": "720p"}, "a first frame alone is not taken"),
        (PROMPTS, {"seconds": 99}, "99 s"),
    ],
    ids=["no prompt", "the last prompt", "no first frame", "too long"],
)
async def test_what_is_refused_for_any_clip_is_refused_before_the_first_is_paid_for(
    prompts: list[str],
    changes: dict[str, Any],
    words: str,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
) -> None:
    with pytest.raises((ValueError, ValidationError), match=words):
        await long_take(prompts, credentials, store, **{**SMALL, **changes})
    assert vendor.bills() == []


@on_a_server
async def test_where_clips_cannot_be_joined_none_is_paid_for(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.pipeline.films.joining.importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotJoin, match=r"prefect-seedance\[media\]"):
        await long_take(PROMPTS, credentials, store, **SMALL)
    assert vendor.bills() == []


def test_the_prompts_that_come_with_the_example_are_sound() -> None:
    prompts = (ROOT / "examples" / "long_take.txt").read_text(encoding="utf-8").splitlines()
    asked = VideoRequest(prompt="x", model="seedance2.0-mini", resolution="480p", duration=10, ratio="16:9")
    assert 30 <= sum(each.duration for each in requests_of(prompts, asked)) <= 60
