from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from prefect_seedance.blocks import VideoStore
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.s3.settings import S3Options, S3Settings


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("videos", "not an absolute path"),
        ("./videos", "not an absolute path"),
        ("", "not an absolute path"),
        ("/data/../etc", "not an absolute path"),
        ("gs://bucket/x", "not a valid location"),
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


FOR_FOLDERS_TOO = {
    *("location", "key_template", "allow_media_hosts", "allow_http_media", "ignored_link_parameters"),
    *("single_writer", "maximum_gigabytes", "link_hours", "assets"),
}
OF_BUCKETS = {
    "aws_credentials": "aws-credentials/studio",
    "endpoint_url": "https://minio.example.com",
    "region": "eu-central-1",
    "profile": "studio",
    "access_key_id": "AKIAEXAMPLE",
    "secret_access_key": "9c3e1d5b7f2a4e8d6c0b",
    "session_token": "a-token",
    "path_style": True,
    "encryption": "aws:kms",
    "kms_key_id": "alias/studio",
    "storage_class": "STANDARD_IA",
    "tags": {"team": "studio"},
    "acl": "private",
    "allow_http_endpoint": True,
}


@pytest.mark.parametrize("name", ["", " ", "token=1", "?token", "a&b", "x-amz-*"])
def test_a_link_parameter_is_named_alone(name: str) -> None:
    with pytest.raises(ValidationError, match="write the name alone"):
        VideoStore(location="/data/videos", ignored_link_parameters=["fine", name])


def test_a_link_parameter_is_named_without_blanks() -> None:
    assert VideoStore(location="/data", ignored_link_parameters=[" odd_one\n"]).ignored_link_parameters == ["odd_one"]


def test_every_field_is_for_folders_too_or_for_buckets_only() -> None:
    assert VideoStore.model_fields.keys() == FOR_FOLDERS_TOO | OF_BUCKETS.keys()


@pytest.mark.parametrize("name", OF_BUCKETS)
def test_a_folder_refuses_what_only_a_bucket_has(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=f"{name} is for s3:// locations") as caught:
        VideoStore.model_validate({"location": str(tmp_path), name: OF_BUCKETS[name]})
    assert "9c3e1d5b7f2a4e8d6c0b" not in str(caught.value)


def test_a_folder_takes_everything_else(tmp_path: Path) -> None:
    VideoStore(
        location=str(tmp_path),
        key_template="{intent}.mp4",
        allow_media_hosts=["cdn.example.com"],
        single_writer=True,
        maximum_gigabytes=1,
        assets=True,
    )


def test_the_settings_of_a_bucket_reach_it() -> None:
    fields = {name: value for name, value in OF_BUCKETS.items() if name not in ("aws_credentials", "profile")}
    store = VideoStore.model_validate({"location": "s3://bucket/p", "single_writer": True} | fields)
    settings = store.s3_settings()
    secrets = {name: SecretStr(str(OF_BUCKETS[name])) for name in ("secret_access_key", "session_token")}
    assert settings == S3Settings("bucket", "p", **(fields | secrets), single_writer=True)
    assert VideoStore(location="s3://bucket", profile="studio").s3_settings().profile == "studio"
    assert fields.keys() | {"profile", "single_writer"} == S3Options.__annotations__.keys()


def test_what_is_not_set_is_left_to_the_usual_places() -> None:
    assert VideoStore(location="s3://bucket/p").s3_settings() == S3Settings("bucket", "p")


def test_a_place_is_the_location_and_where_it_is_looked_for(tmp_path: Path) -> None:
    bucket = "s3://bucket/p"
    stores = [
        VideoStore(location=str(tmp_path)),
        VideoStore(location=bucket),
        VideoStore(location=bucket, endpoint_url="https://minio.example.com"),
        VideoStore(location=bucket, endpoint_url="https://ceph.example.com"),
        VideoStore(location=bucket, aws_credentials="minio-credentials/studio"),
        VideoStore(location=bucket, profile="studio"),
    ]
    assert len({each.place for each in stores}) == len(stores)
    assert [each.place for each in stores[:2]] == [each.location for each in stores[:2]]


@pytest.mark.parametrize("hours", [-1, 168.5, 10_000, float("nan"), float("inf")])
def test_a_link_lives_no_longer_than_s3_signs_one_for(hours: float) -> None:
    with pytest.raises(ValidationError, match="set from 0 \\(no link\\) to 168"):
        VideoStore(location="s3://bucket", link_hours=hours)


@pytest.mark.parametrize("hours", [0, 0.5, 24, 168])
def test_a_link_may_live_up_to_a_week(hours: float) -> None:
    assert VideoStore(location="s3://bucket", link_hours=hours).link_hours == hours
    assert VideoStore(location="s3://bucket").link_hours == 0


def test_allowed_hosts_are_kept_as_links_name_them_and_what_matches_nothing_is_refused() -> None:
    names = ["https://CDN.example.com/", "cdn.example.com", "*.example.net"]
    assert VideoStore(location="/data", allow_media_hosts=names).allow_media_hosts == [
        "cdn.example.com",
        ".example.net",
    ]
    with pytest.raises(ValidationError, match="entry 2 of allow_media_hosts has a path"):
        VideoStore(location="/data", allow_media_hosts=["a.example.com", "a/b"])


SECRETS = [
    {"location": "s3://AKIAEXAMPLE:hunter2@bucket/videos"},
    {"location": "s3://AKIAEXAMPLE:hunt/hunter2@bucket"},
    {"location": "s3://AKIAEXAMPLE:hunter2"},
    {"location": "s3://hunter2@bucket"},
    {"location": "s3://bucket/videos?X-Amz-Signature=hunter2"},
    {"location": "s3://bucket/videos#hunter2"},
    {"location": "https://me:hunter2@minio.example.com/bucket"},
    {"location": "gs://me:hunter2@bucket"},
    {"location": "me:hunter2@bucket"},
    {"location": "s3:/AKIAEXAMPLE:hunter2@bucket"},
    {"location": "s3:\\\\AKIAEXAMPLE:hunter2@bucket"},
    {"location": " S3 : //AKIAEXAMPLE:hunter2@bucket"},
    {"location": "s3://AKIAEXAMPLE%3Ahunter2%40bucket/videos"},
    {"location": "s3:/AKIAEXAMPLE%3Ahunter2%40bucket/videos"},
    {"location": "https:/minio.example.com/bucket?X-Amz-Signature=hunter2"},
    {"location": "s3://bucket", "endpoint_url": "https://me:hunter2@minio.example.com"},
    {"location": "s3://bucket", "endpoint_url": "https://minio.example.com/?token=hunter2"},
    {"location": "s3://bucket", "aws_credentials": "AKIAEXAMPLE:hunter2"},
    {"location": "s3://bucket", "access_key_id": "hunter2"},
    {"location": "s3://bucket", "secret_access_key": "hunter2"},
    {"location": "s3://bucket", "session_token": "hunter2"},
    {"location": "s3://bucket", "profile": "p", "access_key_id": "AKIAEXAMPLE", "secret_access_key": "hunter2"},
    {"location": "/data", "allow_media_hosts": ["https://me:hunter2@cdn.example.com"]},
    {"location": "/data", "ignored_link_parameters": ["sig=hunter2"]},
    {"location": "/data", "secret_access_key": "hunter2"},
    {"location": "/data", "secret_acess_key": "hunter2"},
]


@pytest.mark.parametrize("settings", SECRETS)
def test_no_refusal_repeats_a_secret(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        VideoStore(**settings)
    everything = [
        caught.value,
        caught.value.__cause__,
        *(each.get("ctx") for each in caught.value.errors(include_input=False)),
    ]
    assert "hunter2" not in f"{everything} {everything!r} {[getattr(each, 'args', '') for each in everything]}"
