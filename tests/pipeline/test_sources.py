"""A stored video as a reference of the next request: as text, and by itself where that can mean one thing only."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from prefect_seedance.client.request.sources import Source, read_source
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.request.words.titles import titled
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.store import open_s3_store
from tests.pipeline.stored import stored_video

KEYS = [
    "videos/2026/11/27/videos_1.mp4",
    "videos/a b.mp4",
    "videos/100%.mp4",
    "videos/%41%2F.mp4",
    "videos/a#b?c=d&e.mp4",
    "videos/für Ünal.mp4",
    "videos/u\u0308.mp4",  # as macOS writes an umlaut
    "videos/日本/a+b;c,d=e@f.mp4",
    "videos/a:b.mp4",
    "videos/last-frame+x.mp4",
]
VIDEO = stored_video("s3://bucket/one.mp4", poster_uri="s3://bucket/one.jpg")


@pytest.mark.parametrize("key", KEYS)
def test_the_sources_of_a_video_in_a_folder_lead_to_its_files(key: str, tmp_path: Path) -> None:
    root = tmp_path / "a store, 50% #1"
    store = FolderStore(root)
    stored = stored_video(store.uri_of(key), key=key, poster_uri=store.uri_of(key + ".jpg"))
    assert read_source(stored.video_source) == Source("file", str(root / key))
    assert read_source(stored.last_frame_source) == Source("file", str(root / key), last_frame=True)
    assert read_source(stored.poster_source) == Source("file", str(root / key) + ".jpg")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("prefix", ["", "/team ä/50%"])
def test_the_sources_of_a_video_in_a_bucket_lead_to_its_objects(key: str, prefix: str) -> None:
    settings = S3Settings.from_location(f"s3://bucket{prefix}", region="eu-central-1")
    store = open_s3_store(settings)
    stored = stored_video(store.uri_of(key), key=key, poster_uri=store.uri_of(key + ".jpg"))
    whole = f"{prefix}/{key}".removeprefix("/")
    assert read_source(stored.video_source).bucket_and_key == ("bucket", whole)
    frame = read_source(stored.last_frame_source)
    assert (frame.bucket_and_key, frame.last_frame) == (("bucket", whole), True)
    assert read_source(stored.poster_source).bucket_and_key == ("bucket", whole + ".jpg")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("location", ["s3://bucket/team ä/", "file:///a%20store/"])
def test_a_request_takes_the_sources_of_any_stored_video(key: str, location: str) -> None:
    uri = location + (key if location.startswith("s3:") else quote(key))
    stored = stored_video(uri, poster_uri=f"{uri}.jpg")
    request = VideoRequest(prompt="A boat", model="seedance2.0-mini", first_image=stored.last_frame_source)
    assert read_source(request.first_image).last_frame
    VideoRequest(prompt="A boat", model="seedance2.0-of-sp", images=[stored.poster_source], reference_videos=[stored])


def test_a_video_without_a_poster_says_so_and_what_to_write_instead() -> None:
    with pytest.raises(ValueError, match=r"s3://bucket/one.mp4 has no poster.*last_frame_source"):
        _ = stored_video("s3://bucket/one.mp4").poster_source


@pytest.mark.parametrize("poster", ["", "s3://bucket/one.jpg"])
def test_a_stored_video_among_reference_videos_is_its_video(poster: str) -> None:
    stored = stored_video("s3://bucket/one.mp4", poster_uri=poster)
    given: list[Any] = [[stored], (stored,), iter([stored])]
    for videos in given:
        request = VideoRequest(prompt="A boat", model="seedance2.0-of-sp", reference_videos=videos)
        assert request.reference_videos == ["s3://bucket/one.mp4"]
        # The same wherever the request is kept: in a form, in the parameters of a run, in an identity.
        assert VideoRequest.model_validate_json(request.model_dump_json()) == request


def test_the_last_frame_of_a_stored_video_is_the_first_of_the_next() -> None:
    request = VideoRequest(prompt="A boat", model="seedance2.0-mini", first_image=VIDEO.last_frame_source)
    assert request.first_image == "last-frame+s3://bucket/one.mp4"


@pytest.mark.parametrize(
    ("field", "value", "ways"),
    [
        ("first_image", VIDEO, ["stored.last_frame_source", "stored.poster_source"]),
        ("last_image", VIDEO, ["stored.last_frame_source", "stored.poster_source"]),
        ("images", [VIDEO], ["stored.last_frame_source", "stored.poster_source"]),
        ("images", VIDEO, ["stored.last_frame_source", "stored.poster_source"]),
        ("images", ["s3://bucket/a.png", VIDEO], ["stored.last_frame_source", "stored.poster_source"]),
        ("reference_videos", VIDEO, ["[stored]", "[stored.video_source]"]),
        ("reference_audios", [VIDEO], ["address of a sound"]),
    ],
)
def test_a_stored_video_that_can_mean_several_things_is_refused_with_the_ways_to_write_it(
    field: str, value: Any, ways: list[str]
) -> None:
    with pytest.raises(ValidationError) as refused:
        VideoRequest(prompt="A boat", model="seedance2.0-of-sp", **{field: value})
    (error,) = refused.value.errors()
    assert error["loc"] == (field,)
    assert error["msg"].startswith(f"{titled(field)}: ")
    assert all(way in error["msg"] for way in ways)


@pytest.mark.parametrize("value", [5, "s3://bucket/a.png", {"uri": "s3://bucket/one.mp4"}, [VIDEO.model_dump()]])
def test_what_is_neither_a_text_nor_a_stored_video_is_refused_as_before(value: Any) -> None:
    with pytest.raises(ValidationError, match=r"valid (list|string)"):
        VideoRequest(prompt="A boat", images=value)
