"""The store as a Prefect asset: materialized by each new video if the block says so, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoStore, generate_video
from tests.flows import shown
from tests.flows.shown import small

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]


def materialized(api_url: str, store: VideoStore) -> list[dict[str, object]]:
    key = Path(store.location).as_uri()
    return shown.events(api_url, resource=key, prefix="prefect.asset.materialization.")


def test_a_new_video_materializes_the_store_with_its_cost(
    credentials: SeedanceCredentials, prefect_server: str, tmp_path: Path
) -> None:
    store = VideoStore(location=str(tmp_path / "store"), assets=True)
    video = generate_video(small("An asset"), credentials, store)
    (event,) = shown.until(lambda: materialized(prefect_server, store), "the asset's event")
    assert event["event"] == "prefect.asset.materialization.succeeded"
    payload = event["payload"]
    assert isinstance(payload, dict)
    assert (payload["uri"], payload["task_id"], payload["cost"]) == (video.uri, video.task_id, video.cost)
    assert payload["sha256"] == video.sha256
    related = event["related"]
    assert isinstance(related, list)
    assert {"prefect.resource.id": "prefect-seedance", "prefect.resource.role": "asset-materialized-by"} in related

    other = generate_video(small("An asset", take="2"), credentials, store)
    assert generate_video(small("An asset"), credentials, store).reused
    events = shown.until(lambda: found if len(found := materialized(prefect_server, store)) > 1 else None, "the second")
    assert [each["payload"]["task_id"] for each in events] == [video.task_id, other.task_id]  # type: ignore[index]


def test_without_being_asked_nothing_is_materialized(
    credentials: SeedanceCredentials, prefect_server: str, tmp_path: Path
) -> None:
    store = VideoStore(location=str(tmp_path / "store"))
    video = generate_video(small("No asset"), credentials, store)
    shown.until(
        lambda: [
            each
            for each in shown.events(prefect_server, resource=f"seedance.video.{video.intent}")
            if each["event"] == "seedance.video.stored"
        ],
        "the last event of the video",
    )
    assert not materialized(prefect_server, store)


def test_a_location_that_can_be_no_asset_is_refused_when_the_block_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be the key of a Prefect asset"):
        VideoStore(location=str(tmp_path / "my videos"), assets=True)
    VideoStore(location=str(tmp_path / "my videos"))
