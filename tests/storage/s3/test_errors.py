"""Each fault of S3 is said in words, as the error that fits, and never as "absent"."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from prefect_seedance.storage.errors import (
    NoSpace,
    NotReadable,
    NotWritable,
    StoreUnavailable,
)
from prefect_seedance.storage.s3.errors import TABLE, storage_error
from prefect_seedance.storage.s3.store import S3Store
from tests.storage.s3_proxy import Fault, S3Proxy
from tests.storage.s3_servers import BUCKET, SECRET_KEY, S3Server
from tests.storage.test_store_contract import upload


@pytest.fixture
def store(moto: S3Server, proxy: S3Proxy) -> S3Store:
    return moto.store(endpoint_url=proxy.url)


def attempts(store: S3Store) -> list[tuple[Any, bool]]:
    """Every way to ask the store for something, and whether it is a write."""
    return [
        (lambda: store.create("journal/a", b"x"), True),
        (lambda: store.swap("journal/a", b"x", etag='"e"'), True),
        (lambda: upload(store, "v/small", b"x"), True),
        (lambda: upload(store, "v/large", bytes(9_000_000)), True),
        (lambda: store.delete("journal/a"), True),
        (lambda: store.get("journal/a"), False),
        (lambda: store.stat("journal/a"), False),
        (lambda: store.open_read("journal/a"), False),
        (lambda: list(store.list_keys("journal/")), False),
    ]


REFUSED = [
    (404, "NoSuchBucket", "no such bucket", "Create the bucket"),
    (403, "AccessDenied", "access is denied", "s3:ListBucket"),
    (403, "InvalidAccessKeyId", "access key is unknown", "Set access keys"),
    (403, "SignatureDoesNotMatch", "does not fit", "Set both again"),
    (400, "ExpiredToken", "have expired", "Log in again"),
    (400, "InvalidToken", "session token is not valid", "session token"),
    (403, "RequestTimeTooSkewed", "clock of this machine is wrong", "Set the clock"),
    (400, "AuthorizationHeaderMalformed", "another region", "Set the region"),
    (400, "IllegalLocationConstraintException", "another region", "Set the region"),
    (400, "KMS.DisabledException", "encryption key", "enable the key"),
    (403, "InvalidObjectState", "archived", "lifecycle rule"),
    (400, "SomethingNew", "refuses the request", "Words of the store about SomethingNew"),
]


# One for each way in which S3 may answer to HEAD.
EVERYWHERE = ("NoSuchBucket", "AccessDenied", "ExpiredToken")


@pytest.mark.parametrize(("status", "code", "words", "advice"), REFUSED, ids=[row[1] for row in REFUSED])
def test_what_has_to_be_mended_is_said_at_once(
    store: S3Store, proxy: S3Proxy, status: int, code: str, words: str, advice: str
) -> None:
    proxy.plan(Fault(status=status, code=code))
    for attempt, writing in attempts(store)[:: 1 if code in EVERYWHERE else 3]:
        with pytest.raises(NotReadable if not writing else (NotWritable, NotReadable), match=words) as caught:
            attempt()
        message = str(caught.value)
        assert advice in message and store.settings.location in message
        assert code in message and SECRET_KEY not in message
    # Nothing of it is tried again and again: boto3 looks once more where a redirect leads.
    assert max(len(list(group)) for _, group in itertools.groupby(proxy.calls())) <= 4


def test_the_region_of_the_bucket_is_named_where_it_is_known(store: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(status=301, code="PermanentRedirect", headers={"x-amz-bucket-region": "eu-north-1"}))
    with pytest.raises(NotReadable, match="the bucket is in eu-north-1"):
        store.get("a")
    proxy.faults.clear()
    proxy.plan(Fault(status=400, code="AuthorizationHeaderMalformed", extra="<Region>eu-west-3</Region>"))
    with pytest.raises(NotReadable, match="the bucket is in eu-west-3"):
        store.get("a")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_an_endpoint_that_redirects_everything_is_said(store: S3Store, proxy: S3Proxy, status: int) -> None:
    proxy.plan(Fault(status=status, code="PermanentRedirect" if status == 301 else ""))
    for attempt in (lambda: store.get("a"), lambda: store.create("a", b"x"), lambda: upload(store, "a", b"x")):
        with pytest.raises((NotReadable, NotWritable), match="redirects to another address"):
            attempt()


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409])
def test_an_answer_without_a_code_is_never_taken_for_absent(store: S3Store, proxy: S3Proxy, status: int) -> None:
    proxy.plan(Fault(status=status))
    for read in (store.get, store.stat, store.open_read):
        with pytest.raises(NotReadable):
            read("journal/a")


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Fault(status=503, code="SlowDown"), "asks to slow down"), (Fault(drop=True), "connection failed")],
    ids=["SlowDown", "dropped"],
)
def test_what_may_pass_is_tried_a_few_times_and_then_said(
    store: S3Store, proxy: S3Proxy, fault: Fault, words: str
) -> None:
    proxy.plan(fault)
    with pytest.raises(StoreUnavailable, match=words) as caught:
        store.get("journal/a")
    assert proxy.calls() == ["GetObject"] * 4
    assert "Try again" in str(caught.value)


def test_one_fault_is_passed_over_in_silence(store: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(status=503, code="SlowDown", times=1), Fault(drop=True, times=1))
    etag = store.create("journal/a", b"x")
    blob = store.get("journal/a")
    assert blob is not None and blob.etag == etag


def test_a_full_store_is_said(store: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(status=400, code="XMinioStorageFull"))
    with pytest.raises(NoSpace, match="Make room"):
        store.create("journal/a", b"x")


def test_a_denied_encryption_key_is_told_from_a_denied_object() -> None:
    said = {"Code": "AccessDenied", "Message": "User: me is not authorized to perform: kms:GenerateDataKey"}
    error = storage_error(ClientError({"Error": said}, "PutObject"), "s3://b/k", writing=True)
    assert isinstance(error, NotWritable)
    assert "encryption key may not be used" in str(error) and "kms:Decrypt" in str(error)


def test_a_bucket_that_is_not_there_is_not_an_empty_one(moto: S3Server) -> None:
    store = moto.store(bucket="another-bucket")
    for attempt, _ in attempts(store):
        with pytest.raises((NotReadable, NotWritable), match="no such bucket"):
            attempt()


@pytest.mark.parametrize(
    "keys", [{"access_key_id": "unknown-key"}, {"secret_access_key": SecretStr("another-secret-0123456789")}]
)
def test_wrong_keys_are_said(rclone: S3Server, keys: dict[str, Any]) -> None:
    store = S3Store(rclone.settings(**keys))
    for attempt in (lambda: store.get("a"), lambda: store.stat("a"), lambda: list(store.list_keys(""))):
        with pytest.raises(NotReadable, match="access key"):
            attempt()
    with pytest.raises((NotReadable, NotWritable), match="access key") as caught:
        upload(store, "a", b"x")
    assert "another-secret" not in str(caught.value)


def test_nobody_at_the_endpoint_is_said(moto: S3Server) -> None:
    store = moto.store(endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match=r"cannot be reached.*endpoint_url"):
        store.get("a")


def test_no_credentials_are_said(moto: S3Server) -> None:
    store = S3Store(moto.settings(access_key_id="", secret_access_key=SecretStr("")))
    with pytest.raises(NotReadable, match=r"no AWS credentials were found.*access keys or a profile"):
        store.get("a")
    with pytest.raises(NotWritable, match="no AWS credentials"):
        store.create("a", b"x")
    with pytest.raises(NotReadable, match="no AWS credentials"):
        store.presigned_url("a")


def test_an_unknown_profile_is_said(moto: S3Server) -> None:
    settings = moto.settings(access_key_id="", secret_access_key=SecretStr(""), profile="nobody")
    with pytest.raises(NotReadable, match="profile was not found"):
        S3Store(settings).get("a")


def test_words_of_other_programs_are_not_repeated() -> None:
    class CredentialRetrievalError(BotoCoreError):
        fmt = "Error when retrieving credentials from custom-process: secret={secret}"

    error = storage_error(CredentialRetrievalError(secret="s3cr3t"), f"s3://{BUCKET}", writing=True)
    assert isinstance(error, NotWritable) and "s3cr3t" not in str(error)


def test_each_code_stands_in_one_row_and_each_row_says_what_to_do() -> None:
    codes = [code for row in TABLE for code in row.codes]
    assert len(codes) == len(set(codes))
    assert all(row.codes and row.cause and row.advice.endswith(".") for row in TABLE)


def test_nothing_is_left_by_a_denied_upload(
    store: S3Store, proxy: S3Proxy, moto: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.plan(Fault(calls=("UploadPart",), status=403, code="AccessDenied"))
    with pytest.raises(NotWritable):
        upload(store, "v/large", bytes(20_000_000))
    proxy.faults.clear()
    assert moto.unfinished(store.settings) == [] and list(store.list_keys("")) == []
    proxy.plan(Fault(calls=("UploadPart", "AbortMultipartUpload"), status=403, code="AccessDenied"))
    with caplog.at_level(logging.WARNING, "prefect_seedance"), pytest.raises(NotWritable):
        upload(store, "v/large", bytes(20_000_000))
    assert "could not be removed" in caplog.text
