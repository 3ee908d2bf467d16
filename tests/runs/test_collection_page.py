"""The page of a collection: narrow enough for the place that Prefect has for it."""

from __future__ import annotations

from prefect_seedance.pipeline.collect.models import CollectedVideo, CollectReport
from prefect_seedance.runs.collect.page import collection_markdown

PLACE = "s3://shop/videos"
STORED = CollectedVideo(intent="1" * 32, name="mug", became="stored", task_id="videos_1", uri=f"{PLACE}/2026/1.mp4")
OPEN = CollectedVideo(intent="2" * 32, name="cup", became="open", task_id="videos_2")
FAILED = CollectedVideo(intent="3" * 32, name="jug", became="failed", task_id="videos_3", reason="Task videos_3 broke.")


def test_a_video_is_named_as_seen_from_its_store_and_every_task_once() -> None:
    page = collection_markdown(CollectReport(videos=[STORED, OPEN, FAILED]), PLACE).replace("\\", "")
    rows = [line for line in page.splitlines() if line.startswith("- **")]
    assert rows == [
        "- **jug: failed.** Task videos_3 broke.",
        "- **cup: still at the vendor.** Task videos_2.",
        "- **mug: stored.** 2026/1.mp4",
    ]
