from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import SecretStr

from prefect_seedance.storage.errors import BadLocation
from prefect_seedance.storage.s3.bucket import make_client
from prefect_seedance.storage.s3.settings import S3Settings

SECRET, TOKEN = "wJalrXUtnFEMI/K7MDENG", "FwoGZXIvYXdzEBYaD"


def made(**more: Any) -> S3Settings:
    return S3Settings(**({"bucket": "my-bucket"} | more))


@pytest.mark.parametrize(
    ("location", "bucket", "prefix"),
    [
        ("s3://my-bucket", "my-bucket", ""),
        ("s3://my-bucket/", "my-bucket", ""),
        ("s3://my-bucket/videos", "my-bucket", "videos"),
        ("s3://my-bucket/a/b c/é/", "my-bucket", "a/b c/é"),
        ("s3://0.my.bucket.9/a", "0.my.bucket.9", "a"),
    ],
)
def test_a_location_is_read(location: str, bucket: str, prefix: str) -> None:
    settings = S3Settings.from_location(location, region="eu-central-1")
    assert (settings.bucket, settings.prefix, settings.region) == (bucket, prefix, "eu-central-1")
    assert settings.location == location.rstrip("/")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("my-bucket/videos", "s3://bucket/prefix"),
        ("S3://my-bucket", "s3://bucket/prefix"),
        ("s3://", "3 to 63 characters"),
        ("s3:///videos", "3 to 63 characters"),
        ("s3://My-Bucket", "3 to 63 characters"),
        ("s3://ab", "3 to 63 characters"),
        ("s3://" + "a" * 64, "3 to 63 characters"),
        ("s3://-bucket", "3 to 63 characters"),
        ("s3://my..bucket", "3 to 63 characters"),
        ("s3://192.168.5.4", "3 to 63 characters"),
        ("s3://my_bucket", "3 to 63 characters"),
        ("s3://bucket--use1-az4--x-s3", "directory bucket"),
        ("s3://my-bucket//a", "prefix"),
        ("s3://my-bucket/a//b", "prefix"),
        ("s3://my-bucket/a//", "prefix"),
        ("s3://my-bucket/../a", "starts with a dot"),
        ("s3://my-bucket/.a", "starts with a dot"),
        ("s3://my-bucket/a?region=x", r"\? or #"),
        ("s3://my-bucket/" + "a" * 224, "longer than 223"),
    ],
)
def test_a_location_that_cannot_be_is_refused_with_the_reason(location: str, words: str) -> None:
    with pytest.raises(BadLocation, match=words):
        S3Settings.from_location(location)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpoint_url": "minio:9000"}, "complete https"),
        ({"endpoint_url": "ftp://minio"}, "complete https"),
        ({"endpoint_url": "https://"}, "complete https"),
        ({"endpoint_url": "https://me:pass@minio"}, "more in it"),
        ({"endpoint_url": "https://minio?x=1"}, "more in it"),
        ({"endpoint_url": "http://minio:9000"}, "allow_http_endpoint"),
        ({"endpoint_url": "https://minio_1:9000"}, "underscore"),
        ({"endpoint_url": "http://my_minio.local:9000", "allow_http_endpoint": True}, "underscore"),
        ({"endpoint_url": "https://minio:0"}, "port"),
        ({"endpoint_url": "https://minio:99999"}, "port"),
        ({"endpoint_url": "https://minio:port"}, "port"),
        ({"endpoint_url": "https://[::1"}, "invalid port or address"),
        ({"endpoint_url": "https://[::1%25eth0]"}, "endpoint_url"),
        ({"endpoint_url": "https://my minio"}, "not a valid name"),
        ({"endpoint_url": "https://minio/a b"}, "blank"),
        ({"endpoint_url": "https://-minio.example.com"}, "not a valid name"),
        ({"endpoint_url": "https://minio..example.com"}, "not a valid name"),
        ({"endpoint_url": "https://minio?"}, "more in it"),
        ({"endpoint_url": "https://minio#a"}, "more in it"),
        ({"endpoint_url": "https://@minio"}, "more in it"),
        ({"endpoint_url": "https://my-bucket.s3.eu-north-1.amazonaws.com"}, "bucket in it"),
        ({"endpoint_url": "https://account.r2.cloudflarestorage.com/my-bucket/"}, "bucket in it"),
        ({"region": "eu central 1"}, "region"),
        ({"region": "EU-Central-1"}, "region"),
        ({"region": "eu-central-1a"}, "region"),
        ({"region": "Frankfurt"}, "region"),
        ({"region": "eu-central-1, us-east-1"}, "region"),
        ({"region": "re gion", "endpoint_url": "https://minio"}, "region"),
        ({"endpoint_url": "http://10.0.0.7:9000"}, "allow_http_endpoint"),
        ({"endpoint_url": "http://localhost.example.com"}, "allow_http_endpoint"),
        ({"access_key_id": "AKIA"}, "go together"),
        ({"secret_access_key": SecretStr(SECRET)}, "go together"),
        ({"session_token": SecretStr(TOKEN)}, "needs access_key_id"),
        ({"access_key_id": "AKIA", "secret_access_key": SecretStr(SECRET), "profile": "p"}, "exclude each other"),
        ({"access_key_id": "AKIA", "secret_access_key": SecretStr("**********")}, "asterisks"),
        ({"encryption": "aes"}, "AES256 or aws:kms"),
        ({"kms_key_id": "alias/k"}, "needs encryption aws:kms"),
        ({"encryption": "AES256", "kms_key_id": "alias/k"}, "needs encryption aws:kms"),
        *(
            ({"encryption": "aws:kms", "kms_key_id": name}, "kms_key_id")
            for name in (
                "*",
                "alias/*",
                "my-key",
                "arn:aws:kms:*:*:key/*",
                "arn:aws:s3:::bucket",
                "key/1",
                "a b",
                "ALIAS/k",
            )
        ),
        ({"storage_class": "GLACIER"}, "lifecycle rule"),
        ({"storage_class": "DEEP_ARCHIVE"}, "lifecycle rule"),
        ({"storage_class": "standard"}, "in capitals"),
        ({"acl": "everyone"}, "bucket-owner-full-control"),
        ({"tags": {f"t{number}": "" for number in range(11)}}, "at most 10"),
        ({"tags": {"": "x"}}, "tag"),
        ({"tags": {"a": "x" * 257}}, "tag 'a'"),
        ({"tags": {"a?": "x"}}, "tag"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_the_reason(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadLocation, match=words) as caught:
        made(**options)
    assert SECRET not in str(caught.value) and TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint_url": "http://127.0.0.1:9000"},
        {"endpoint_url": "http://[::1]:9000"},
        {"endpoint_url": "http://localhost:9000"},
        {"endpoint_url": "https://project.example.com/storage/v1/s3"},
        {"endpoint_url": "http://minio:9000", "allow_http_endpoint": True},
        {"encryption": "aws:kms", "kms_key_id": "alias/videos"},
        {"encryption": "aws:kms", "kms_key_id": "my-minio-key", "endpoint_url": "https://minio.example.com"},
        {"storage_class": "STANDARD_IA", "acl": "bucket-owner-full-control", "tags": {"team": "ML ops: é"}},
    ],
)
def test_what_can_be_is_taken(options: dict[str, Any]) -> None:
    assert made(**options) == made(**options)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (" HTTPS://Minio.Example.com/ ", "https://minio.example.com"),
        ("https://minio.example.com.:9000", "https://minio.example.com:9000"),
        ("https://münchen.example:9000/Storage/V1/", "https://xn--mnchen-3ya.example:9000/Storage/V1"),
        ("https://[FD00::1]:9000/", "https://[fd00::1]:9000"),
    ],
)
def test_an_endpoint_is_brought_into_the_form_that_botocore_takes(given: str, kept: str) -> None:
    assert made(endpoint_url=given).endpoint_url == kept
    assert make_client(made(endpoint_url=given, access_key_id="a", secret_access_key=SecretStr("b"))).meta.endpoint_url


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [("eu-central-1", ""), (" us-gov-west-1\n", ""), ("cn-north-1", ""), ("eusc-de-east-1", ""), ("aws-global", "")]
    + [(region, "https://minio") for region in ("auto", "RegionOne", "us-east-1", "default")],
)
def test_a_region_that_can_be_is_taken(region: str, endpoint: str) -> None:
    assert made(region=region, endpoint_url=endpoint).region == region.strip()


@pytest.mark.parametrize(
    ("endpoint", "in_path"),
    [
        ("", False),
        ("https://s3.eu-central-1.amazonaws.com", False),
        ("https://minio:9000", True),
        ("http://localhost:9000", True),
        ("http://127.0.0.1:9000", True),
        ("http://[::1]:9000", True),
    ],
)
def test_a_bucket_goes_into_the_path_where_it_cannot_go_before_the_host(endpoint: str, in_path: bool) -> None:
    assert made(endpoint_url=endpoint).uses_path_style is in_path
    assert made(endpoint_url=endpoint, path_style=True).uses_path_style


def test_no_secret_is_shown() -> None:
    settings = made(
        access_key_id="AKIAIOSFODNN7",
        secret_access_key=SecretStr(SECRET),
        session_token=SecretStr(TOKEN),
        tags={"a": "b"},
    )
    for text in (repr(settings), str(settings), f"{settings}", repr([settings])):
        assert SECRET not in text and TOKEN not in text and "AKIA" not in text
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_settings_stay_what_they_were_when_the_tags_that_they_were_made_of_change() -> None:
    tags = {"a": "1"}
    settings = made(tags=tags)
    tags["a"] = "2"
    assert settings == made(tags={"a": "1"}) and hash(settings) == hash(made(tags={"a": "1"}))
    assert settings != made(tags=tags)


def test_settings_tell_stores_apart() -> None:
    assert (
        len({made(), made(), made(region="eu-central-1"), made(secret_access_key=SecretStr("a"), access_key_id="b")})
        == 3
    )
    assert made(tags={"a": "1"}) != made(tags={"a": "2"})
