"""One video, end to end: a real Prefect server, the simulator over HTTP, real files."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image
from prefect import flow

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
from prefect_seedance.client import errors
from prefect_seedance.pipeline.errors import VideoNotStored
from prefect_seedance.simulator import Fault, Simulator

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

Run = Callable[[VideoRequest, SeedanceCredentials, VideoStore], StoredVideo]


def small(prompt: str = "A paper boat", **fields: object) -> VideoRequest:
    return VideoRequest.model_validate(
        {"prompt": prompt, "model": "seedance2.0-mini", "resolution": "480p", "duration": 4, **fields}
    )


def in_a_script(*arguments: object) -> StoredVideo:
    return generate_video(*arguments)


def in_an_async_script(*arguments: object) -> StoredVideo:
    return asyncio.run(agenerate_video(*arguments))


def in_a_sync_parent(*arguments: object) -> StoredVideo:
    @flow
    def parent() -> StoredVideo:
        return generate_video(*arguments)

    return parent()


def in_an_async_parent(*arguments: object) -> StoredVideo:
    @flow
    async def parent() -> StoredVideo:
        return await agenerate_video(*arguments)

    return asyncio.run(parent())


def in_a_thread_with_a_running_loop(*arguments: object) -> StoredVideo:
    async def main() -> StoredVideo:
        return generate_video(*arguments)

    return asyncio.run(main())


WAYS = [
    in_a_script,
    in_an_async_script,
    in_a_sync_parent,
    in_an_async_parent,
    in_a_thread_with_a_running_loop,
]


@pytest.mark.parametrize("run", WAYS)
@pytest.mark.sample(every=2)
def test_a_prompt_goes_in_and_a_whole_video_comes_out(
    run: Run, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    stored = run(small(ratio="9:16"), credentials, store)

    video = Path(store.location) / stored.key
    assert video.stat().st_size == stored.bytes
    assert hashlib.sha256(video.read_bytes()).hexdigest() == stored.sha256
    with av.open(str(video)) as container:
        (stream,) = container.streams.video
        assert (stream.width, stream.height) == (480, 854) == (stored.width, stored.height)
        assert sum(1 for _ in container.decode(stream)) > 80
    assert video.with_suffix(".jpg").read_bytes().startswith(b"\xff\xd8")
    assert stored.poster_uri.endswith(".jpg")
    (bill,) = vendor.bills()
    assert bill.accepted == 1
    assert stored.cost == pytest.approx(bill.cost)


@pytest.mark.newest
def test_a_picture_on_this_machine_becomes_the_asset_that_its_route_takes(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore, tmp_path: Path
) -> None:
    picture = tmp_path / "a mug.png"
    Image.new("RGB", (640, 480), "teal").save(picture)
    asked = VideoRequest(prompt="A mug turns", model="sd2_mx_720p", duration=4, images=[str(picture)])
    stored = generate_video(asked, credentials, store)
    (bill,) = vendor.bills()
    (asset,) = vendor.assets()
    assert (bill.accepted, bill.task_ids) == (1, [stored.task_id])
    assert asset.content == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert bill.body["images"] == [f"asset://{asset.asset_id}"]


def test_the_provenance_says_where_a_video_came_from_and_holds_no_key(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    stored = generate_video(small(), credentials, store)
    text = (Path(store.location) / stored.key).with_suffix(".json").read_text()
    provenance = json.loads(text)
    assert provenance["request"]["prompt"] == "A paper boat"
    assert provenance["video"]["task_id"] == stored.task_id
    assert provenance["video"]["sha256"] == stored.sha256
    assert provenance["vendor"]["credentials"] == credentials.fingerprint
    assert set(provenance["versions"]) == {"prefect-seedance", "prefect", "python"}
    assert vendor.key not in text
    assert not any(each.authorization for each in vendor.media_requests()), "the key went to the media host"


@pytest.mark.newest
@pytest.mark.parametrize(
    "faults",
    [
        ("not_found", "query_5xx", "query_html", "query_rate_limited", "query_drop", "unknown_status"),
        ("completed_without_url", "relative_url", "link_not_ready", "expired_link"),
        ("truncated_media", "dropped_media", "media_5xx"),
    ],
    ids=["questions", "links", "media"],
)
@pytest.mark.sample(every=2)
def test_what_passes_is_ridden_out_and_paid_once(
    faults: tuple[str, ...], vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    """One after the other; what passes of a submission is for tests/chaos, with each of its faults."""
    vendor.plan(*(Fault(fault=each) for each in faults))
    stored = generate_video(small(), credentials, store)
    assert vendor.simulation.faults.planned() == [], "it has met them all"
    video = (Path(store.location) / stored.key).read_bytes()
    assert hashlib.sha256(video).hexdigest() == stored.sha256
    assert [bill.accepted for bill in vendor.bills()] == [1]


def test_an_unknown_submission_stops_and_is_never_sent_again(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="lost_answer", times=5))  # the others are in tests/chaos
    with pytest.raises(errors.OutcomeUnknown, match="console"):
        generate_video(small(), credentials, store)
    assert vendor.requests().create_received == 1


def test_a_failed_video_gives_the_vendors_words_and_the_task_id(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="failed"))
    with pytest.raises(errors.VideoFailed, match="TRADEMARK") as caught:
        generate_video(small(), credentials, store)
    assert caught.value.task_id in vendor.bills()[0].task_ids
    assert vendor.requests().create_received == 1


def test_running_out_of_time_is_no_failure_and_names_the_task(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="stuck", times=1000))

    class Impatient(RunOptions):
        def wait_seconds(self, duration: int) -> float:
            return 1.5

    with pytest.raises(errors.WaitTimedOut, match="goes on at the vendor") as caught:
        generate_video.with_options(validate_parameters=False)(small(), credentials, store, [], Impatient())
    assert caught.value.task_id in vendor.bills()[0].task_ids


@pytest.mark.newest
@pytest.mark.parametrize(
    ("request_fields", "said"),
    [
        ({"images": ["asset://abc"]}, "images[0]"),
        ({"first_image": "/home/me/a.png"}, "first_image"),
        ({"images": ["https://localhost/a.png"]}, "vendor cannot reach"),
    ],
)
def test_what_can_be_refused_for_free_is_not_paid_for(
    request_fields: dict[str, object],
    said: str,
    vendor: Simulator,
    credentials: SeedanceCredentials,
    store: VideoStore,
) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        generate_video(small(**request_fields), credentials, store)
    assert said in str(caught.value)
    assert vendor.requests().create_received == 0


@pytest.mark.newest
def test_a_store_that_cannot_be_written_is_found_before_anything_is_paid(
    vendor: Simulator, credentials: SeedanceCredentials, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Exception, match="file"):
        generate_video(small(), credentials, VideoStore(location=str(tmp_path / "file")))
    assert vendor.requests().create_received == 0


@pytest.mark.newest
def test_a_missing_notification_block_is_found_before_anything_is_paid(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    with pytest.raises(errors.InvalidRequest, match="slack-webhook/nobody"):
        generate_video(small(), credentials, store, notify=["slack-webhook/nobody"])
    assert vendor.requests().create_received == 0


@pytest.mark.newest
def test_a_wrong_key_is_said_before_anything_is_paid(vendor: Simulator, store: VideoStore) -> None:
    stranger = SeedanceCredentials(api_key="sk_wrong", base_url=vendor.url)
    with pytest.raises(errors.AuthenticationFailed, match="API key") as caught:
        generate_video(small(), stranger, store)
    assert "sk_wrong" not in str(caught.value)
    assert vendor.bills() == []


@pytest.mark.newest
def test_what_comes_instead_of_a_video_is_kept_apart_and_named(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    vendor.plan(Fault(fault="not_a_video", times=9))
    with pytest.raises(VideoNotStored, match="quarantine") as caught:
        generate_video(small(), credentials, store)
    assert caught.value.task_id in str(caught.value)
    assert list((Path(store.location) / "quarantine").iterdir())
    assert vendor.requests().create_received == 1


@pytest.mark.newest
@pytest.mark.parametrize("prompt", ["Ein Boot fährt 🚤 über die Pfütze，慢镜头", "x" * 5000])
def test_long_and_non_ascii_prompts_arrive_as_they_are(
    prompt: str, vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    generate_video(small(prompt), credentials, store)
    assert vendor.bills()[0].body["prompt"] == prompt


def test_a_rerun_of_the_flow_run_finds_the_submission_persisted(
    vendor: Simulator, credentials: SeedanceCredentials, store: VideoStore
) -> None:
    @flow
    async def twice() -> list[str]:
        return [(await create_video(small(), credentials, store))["task_id"] for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first == second
    assert [bill.accepted for bill in vendor.bills()] == [1]
