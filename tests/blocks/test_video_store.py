from pathlib import Path

import pytest
from pydantic import ValidationError

from prefect_seedance.blocks import VideoStore
from prefect_seedance.storage.errors import StorageError


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("videos", "not an absolute path"),
        ("./videos", "not an absolute path"),
        ("", "not an absolute path"),
        ("/data/../etc", "not an absolute path"),
        ("gs://bucket/x", "no place to store to"),
    ],
)
def test_a_location_that_would_lose_videos_is_refused(location: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        VideoStore(location=location)


def test_a_folder_is_made_and_verified(tmp_path: Path) -> None:
    store = VideoStore(location=str(tmp_path / "new" / "folder"))
    assert "can be written" in store.verify()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        VideoStore(location=str(tmp_path / "file" / "videos")).verify()


def test_a_template_is_checked_when_the_block_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="two videos would share a key"):
        VideoStore(location=str(tmp_path), key_template="all/video.mp4")


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"location": "/data/my videos"}, "/data/my videos"),
        ({"location": "s3://bucket/videos", "tags": {"team": "studio"}, "acl": "private"}, "s3://bucket/videos"),
        ({"location": "s3://bucket", "endpoint_url": "https://minio.example.com"}, "seedance-video-store/NAME"),
        ({"location": "s3://bucket", "aws_credentials": "aws-credentials/studio"}, "seedance-video-store/NAME"),
        ({"location": "s3://bucket", "profile": "studio"}, "seedance-video-store/NAME"),
    ],
)
def test_the_command_line_is_told_the_saved_block_where_the_location_does_not_lead_there(
    settings: dict[str, object], option: str
) -> None:
    assert VideoStore.model_validate(settings).store_option == option
