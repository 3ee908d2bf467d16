"""Objects in buckets as references, on a real S3 API: with which credentials, told by what, and never another one."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.session import Session
from pydantic import SecretStr

from prefect_seedance.client.request.sources import read_source
from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import ContentChanged, PreparationCancelled, UnusableReference
from prefect_seedance.media.finding import find_material
from prefect_seedance.media.material import Material
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.s3.bucket import Bucket
from prefect_seedance.storage.s3.given.given_object import GivenObject
from prefect_seedance.storage.s3.store import S3Store
from tests.media.contexts import context_of
from tests.storage.s3_proxy import Answer, Fault, Forward, Request, S3Proxy, error_xml
from tests.storage.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server

PNG = b"\x89PNG\r\n\x1a\n" + b"mug" * 1000
#: Of several windows of a reading.
LARGE = os.urandom(3_000_000)
WEEK = 7 * 24 * 3600


def hex_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(moto: S3Server, proxy: S3Proxy) -> S3Store:
    return moto.store(endpoint_url=proxy.url)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    return FolderStore(tmp_path_factory.mktemp("folder"))


class Shop:
    """A bucket of somebody else."""

    def __init__(self, client: Any, name: str) -> None:
        self.client, self.name = client, name

    def put(self, data: bytes = PNG, key: str = "mug.mp4", **more: Any) -> str:
        self.client.put_object(Bucket=self.name, Key=key, Body=data, **more)
        return f"s3://{self.name}/{key}"


@pytest.fixture
def shop(moto: S3Server) -> Shop:
    name = f"shop-{uuid4().hex[:12]}"
    moto.client.create_bucket(Bucket=name)
    return Shop(moto.client, name)


@pytest.fixture
def versioned(shop: Shop) -> Shop:
    shop.client.put_bucket_versioning(Bucket=shop.name, VersioningConfiguration={"Status": "Enabled"})
    return shop


def find(address: str, store: Store, follower: Follower | None = None) -> Material:
    return find_material(read_source(address), context_of(store), follower or Follower())


def read(found: Material) -> bytes:
    with found.open_read() as file:
        return file.read()


def fetch(link: str) -> bytes:
    with urllib.request.urlopen(link, timeout=10) as answer:
        return answer.read()


def bodies_read(proxy: S3Proxy, shop: Shop) -> int:
    return sum(each.call == "GetObject" and f"/{shop.name}/" in each.path for each in proxy.seen)


@pytest.mark.parametrize(
    "key",
    [
        "mug.mp4",
        "Mein Becher #1 50% a+b?é=ü&x.png",
        "a//b/ c",
        ".hidden/%41%2F+",
        "a;b,c@d:e$f'(g)!*~",
        "深/猫.png",
        "?X-Amz-Date=1",
    ],
)
def test_an_object_of_any_key_is_identified_read_and_signed(store: S3Store, shop: Shop, key: str) -> None:
    found = find(shop.put(key=key), store)
    assert (found.identity, found.sha256, found.size) == (f"sha256:{hex_of(PNG)}", hex_of(PNG), len(PNG))
    assert read(found) == PNG
    with found.open_read(8) as file:
        assert file.read(6) == b"mugmug"
        assert file.seek(-3, os.SEEK_END) == len(PNG) - 3
        assert file.read() == b"mug"
    link = found.sign_link(60)
    assert link is not None and fetch(link.address) == PNG
    assert found.name.endswith(".png")


def test_content_is_one_wherever_it_lies(store: S3Store, shop: Shop, tmp_path: Any) -> None:
    (tmp_path / "mug.png").write_bytes(PNG)
    store.client.put_object(Bucket=BUCKET, Key="own/mug.png", Body=PNG)
    places = [str(tmp_path / "mug.png"), shop.put(key="a"), shop.put(key="b"), f"s3://{BUCKET}/own/mug.png"]
    assert {find(place, store).identity for place in places} == {f"sha256:{hex_of(PNG)}"}


# What is remembered.


def test_a_second_look_reads_no_body(moto: S3Server, store: S3Store, shop: Shop, proxy: S3Proxy) -> None:
    address = shop.put(LARGE)
    find(address, store)
    windows = bodies_read(proxy, shop)
    again = find(address, moto.store_of(store.settings))  # as another process has it
    assert again.sha256 == hex_of(LARGE)
    assert bodies_read(proxy, shop) == windows > 0


def test_another_content_under_the_same_key_is_read(store: S3Store, shop: Shop) -> None:
    assert find(shop.put(b"one"), store).sha256 == hex_of(b"one")
    assert find(shop.put(b"two"), store).sha256 == hex_of(b"two")


def test_the_sha256_that_s3_has_of_a_whole_object_is_believed(store: S3Store, shop: Shop, proxy: S3Proxy) -> None:
    found = find(shop.put(ChecksumAlgorithm="SHA256"), store)
    assert found.sha256 == hex_of(PNG)
    assert bodies_read(proxy, shop) == 0
    assert read(found) == PNG


WRONG = base64.b64encode(bytes(32)).decode()
CHECKSUMS_OF_PARTS = {
    "with the number of parts": {"x-amz-checksum-sha256": f"{WRONG}-2"},
    "said to be of parts": {"x-amz-checksum-sha256": WRONG, "x-amz-checksum-type": "COMPOSITE"},
    "said to be whole, and not": {"x-amz-checksum-sha256": f"{WRONG}-2", "x-amz-checksum-type": "FULL_OBJECT"},
    "of another algorithm": {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "FULL_OBJECT"},
    "too short": {"x-amz-checksum-sha256": "AAAAAA==", "x-amz-checksum-type": "FULL_OBJECT"},
    "nonsense": {"x-amz-checksum-sha256": "§$%", "x-amz-checksum-type": "FULL_OBJECT"},
}


@pytest.mark.parametrize("headers", CHECKSUMS_OF_PARTS.values(), ids=CHECKSUMS_OF_PARTS.keys())
def test_no_other_checksum_is_taken_for_that_of_the_content(
    store: S3Store, shop: Shop, proxy: S3Proxy, headers: dict[str, str]
) -> None:
    headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    proxy.plan(Fault(("HeadObject",), forward=True, headers=headers))
    assert find(shop.put(), store).sha256 == hex_of(PNG)


def test_an_object_of_parts_is_read_for_its_sha256(store: S3Store, shop: Shop) -> None:
    place: dict[str, Any] = {"Bucket": shop.name, "Key": "parts"}
    upload = shop.client.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]
    pieces = [LARGE[:1] * 5 * 1024 * 1024, LARGE]
    parts = [
        {
            "PartNumber": number,
            "ETag": shop.client.upload_part(**place, UploadId=upload, PartNumber=number, Body=piece)["ETag"],
        }
        for number, piece in enumerate(pieces, 1)
    ]
    shop.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    assert find(f"s3://{shop.name}/parts", store).sha256 == hex_of(b"".join(pieces))


# What has changed.


def test_an_object_that_is_replaced_before_it_is_read_is_not_read(store: S3Store, shop: Shop, proxy: S3Proxy) -> None:
    address = shop.put()

    def replace(_: Request) -> None:
        shop.put(b"another")

    proxy.plan(Fault(("GetObject",), when=lambda each: shop.name in each.path, times=1, forward=True, before=replace))
    with pytest.raises(ContentChanged):
        find(address, store)


def test_an_object_that_is_replaced_later_is_not_read(store: S3Store, shop: Shop) -> None:
    found = find(shop.put(), store)
    shop.put(PNG.replace(b"mug", b"cup"))
    with pytest.raises(ContentChanged):
        found.open_read()


def test_an_object_that_is_replaced_while_it_is_read_is_not_read_to_its_end(store: S3Store, shop: Shop) -> None:
    with find(shop.put(LARGE), store).open_read() as file:
        assert file.read(1000) == LARGE[:1000]
        shop.put(LARGE[::-1])
        with pytest.raises(ContentChanged):
            file.read()


def test_an_object_that_is_deleted_is_told(store: S3Store, shop: Shop) -> None:
    found = find(shop.put(), store)
    shop.client.delete_object(Bucket=shop.name, Key="mug.mp4")
    with pytest.raises(UnusableReference, match="there is no such object"):
        found.open_read()


def test_other_bytes_under_an_unchanged_etag_show_with_the_last_byte(
    store: S3Store, shop: Shop, proxy: S3Proxy
) -> None:
    found = find(shop.put(), store)

    def lie(request: Request, forward: Forward) -> Answer:
        status, headers, body = forward()
        return status, headers, body.replace(b"mugmug", b"cupmug")

    proxy.manner = lie
    with pytest.raises(ContentChanged):
        read(found)


def test_a_version_is_read_and_signed_though_another_one_came(store: S3Store, versioned: Shop) -> None:
    found = find(versioned.put(), store)
    versioned.put(b"another")
    versioned.client.delete_object(Bucket=versioned.name, Key="mug.mp4")
    assert read(found) == PNG
    link = found.sign_link(60)
    assert link is not None and fetch(link.address) == PNG


def test_where_a_version_may_not_be_read_by_its_id_the_newest_one_is(
    store: S3Store, versioned: Shop, proxy: S3Proxy
) -> None:
    proxy.plan(Fault(when=lambda each: "versionId=" in each.path, status=403, code="AccessDenied"))
    found = find(versioned.put(), store)
    assert read(found) == PNG
    link = found.sign_link(60)
    assert link is not None and fetch(link.address) == PNG
    versioned.put(b"another")
    with pytest.raises(ContentChanged):
        read(found)


# What is none.


def test_what_is_not_there_is_told(store: S3Store, shop: Shop, versioned: Shop) -> None:
    address = versioned.put()
    shop.client.delete_object(Bucket=shop.name, Key="mug.mp4")
    for each in (address, f"s3://{shop.name}/nothing"):
        with pytest.raises(UnusableReference, match="there is no such object"):
            find(each, store)


def test_a_bucket_that_is_not_there_is_told(store: S3Store) -> None:
    with pytest.raises(UnusableReference, match="there is no such bucket") as caught:
        find("s3://nobodys-bucket-1914/a.png", store)
    assert "Correct the name of the bucket" in caught.value.fix


def test_a_name_that_no_bucket_can_have_is_told(store: S3Store, folder: FolderStore) -> None:
    for each in (store, folder):
        with pytest.raises(UnusableReference, match="the bucket's name is not valid"):
            find("s3://My_Bucket/a.png", each)


def test_an_empty_object_is_refused(store: S3Store, shop: Shop) -> None:
    with pytest.raises(UnusableReference, match="is empty"):
        find(shop.put(b""), store)


@pytest.mark.parametrize("archive", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_refused_before_it_is_restored(
    store: S3Store, shop: Shop, proxy: S3Proxy, archive: str
) -> None:
    address = shop.put(StorageClass=archive)
    with pytest.raises(UnusableReference, match=rf"it is archived \({archive}\)") as caught:
        find(address, store)
    assert "Have it restored" in caught.value.fix


def test_a_restored_object_is_read(store: S3Store, shop: Shop, proxy: S3Proxy) -> None:
    restored = {"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="false", expiry-date="Fri, ..."'}
    proxy.plan(Fault(("HeadObject",), forward=True, headers=restored))
    assert find(shop.put(), store).sha256 == hex_of(PNG)


def test_a_denied_encryption_key_is_told(store: S3Store, shop: Shop, proxy: S3Proxy) -> None:
    def deny(request: Request, forward: Forward) -> Answer:
        said = b"<Error><Code>AccessDenied</Code><Message>not authorized to perform: kms:Decrypt</Message></Error>"
        return (403, {"content-type": "application/xml"}, said) if shop.name in request.path else forward()

    address = shop.put()
    proxy.manner = deny
    with pytest.raises(UnusableReference, match="the encryption key may not be used") as caught:
        find(address, store)
    assert "kms:Decrypt" in caught.value.fix


# With which credentials.


@pytest.fixture
def default_chain(proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": "default-access-key",
        "AWS_SECRET_ACCESS_KEY": "default-secret-key-0123456789",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return "default-access-key"


def denying(access_key: str) -> Fault:
    return Fault(
        when=lambda each: (
            f"Credential={access_key}/" in each.headers.get("authorization", "") and "/shop-" in each.path
        ),
        status=403,
        code="AccessDenied",
    )


@pytest.mark.usefixtures("default_chain")
def test_a_folder_store_reads_with_the_default_credentials(folder: FolderStore, shop: Shop) -> None:
    found = find(shop.put(), folder)
    assert read(found) == PNG
    link = found.sign_link(60)
    assert link is not None and fetch(link.address) == PNG


@pytest.mark.usefixtures("default_chain")
def test_where_the_keys_of_the_store_are_denied_the_default_credentials_are_tried(
    store: S3Store, shop: Shop, proxy: S3Proxy
) -> None:
    proxy.plan(denying(ACCESS_KEY))
    assert read(find(shop.put(), store)) == PNG


def test_where_all_are_denied_the_error_says_which_were_tried_and_what_is_missing(
    store: S3Store, shop: Shop, proxy: S3Proxy, default_chain: str
) -> None:
    proxy.plan(denying(ACCESS_KEY), denying(default_chain))
    with pytest.raises(UnusableReference) as caught:
        find(shop.put(), store)
    words = str(caught.value)
    assert "with the access keys of the store, access is denied" in words
    assert "with boto3's default credentials, access is denied" in words
    assert f"s3:GetObject on arn:aws:s3:::{shop.name}/mug.mp4" in words
    assert f"s3:ListBucket on arn:aws:s3:::{shop.name}" in words
    assert not any(secret in words for secret in (ACCESS_KEY, SECRET_KEY, default_chain, "default-secret"))


def test_a_signature_in_a_key_is_not_shown(store: S3Store, shop: Shop, proxy: S3Proxy, default_chain: str) -> None:
    proxy.plan(denying(ACCESS_KEY), denying(default_chain))
    with pytest.raises(UnusableReference) as caught:
        find(f"s3://{shop.name}/mug.png?X-Amz-Signature={hex_of(PNG)}", store)
    assert hex_of(PNG) not in str(caught.value)


def test_where_there_are_no_default_credentials_both_are_said(store: S3Store, shop: Shop, proxy: S3Proxy) -> None:
    proxy.plan(denying(ACCESS_KEY))
    with pytest.raises(UnusableReference, match=r"access is denied.*; with boto3's default credentials, no AWS"):
        find(shop.put(), store)


def test_without_credentials_a_folder_store_is_not_told_to_have_some(folder: FolderStore) -> None:
    with pytest.raises(UnusableReference, match="no AWS credentials were found") as caught:
        find("s3://shop/mug.png", folder)
    assert caught.value.fix.startswith("Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


def test_a_bucket_of_another_region_is_read_and_signed_there(store: S3Store, shop: Shop, proxy: S3Proxy) -> None:
    def elsewhere(request: Request, forward: Forward) -> Answer:
        signed = request.headers.get("authorization", "") + request.path
        if "/shop-" not in request.path or "eu-west-1" in signed:
            return forward()
        body = error_xml("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")
        return 400, {"content-type": "application/xml", "x-amz-bucket-region": "eu-west-1"}, body

    proxy.manner = elsewhere
    found = find(shop.put(), store)
    assert read(found) == PNG
    link = found.sign_link(60)
    assert link is not None and "eu-west-1" in link.address and fetch(link.address) == PNG


# Links.


def test_a_link_lives_at_most_a_week(store: S3Store, shop: Shop) -> None:
    found = find(shop.put(), store)
    link = found.sign_link(WEEK)
    assert link is not None and fetch(link.address) == PNG
    assert found.sign_link(WEEK + 1) is found.sign_link(0) is None
    assert "Signature" not in repr(link)


def test_a_link_outlives_what_was_asked_though_clocks_differ(store: S3Store, shop: Shop) -> None:
    link = find(shop.put(), store).sign_link(3600)
    assert link is not None and f"X-Amz-Expires={3601 + 15 * 60}" in link.address
    assert timedelta(minutes=50) < link.good_until - datetime.now(UTC) <= timedelta(seconds=3601)


def temporary(moto: S3Server, proxy: S3Proxy, lasts: timedelta) -> S3Store:
    """A store whose credentials end."""
    session = Session()
    end = datetime.now(UTC) + lasts
    session._credentials = RefreshableCredentials(  # type: ignore[attr-defined]
        ACCESS_KEY, SECRET_KEY, "token", end, refresh_using=dict, method="test"
    )
    client = session.create_client("s3", "us-east-1", endpoint_url=proxy.url)
    return S3Store(moto.settings(endpoint_url=proxy.url), make_client=lambda _: client)


def test_no_link_is_signed_that_would_end_with_temporary_credentials(
    moto: S3Server, proxy: S3Proxy, shop: Shop
) -> None:
    found = find(shop.put(), temporary(moto, proxy, timedelta(hours=2)))
    assert found.sign_link(2 * 3600) is None
    link = found.sign_link(3600)
    assert link is not None and fetch(link.address) == PNG
    assert link.good_until < datetime.now(UTC) + timedelta(hours=2)


def test_no_link_is_signed_with_temporary_credentials_of_unknown_end(
    moto: S3Server, proxy: S3Proxy, shop: Shop
) -> None:
    settings = moto.settings(endpoint_url=proxy.url, session_token=SecretStr("token-1914"))
    assert find(shop.put(), S3Store(settings)).sign_link(60) is None


def test_no_link_is_signed_without_credentials(moto: S3Server) -> None:
    settings = moto.settings(access_key_id="", secret_access_key=SecretStr(""))
    found = GivenObject(Bucket(settings), "a", 1, '"e"', datetime.now(UTC))
    assert found.sign_link(60) is None


def test_a_cancelled_run_reads_no_further(store: S3Store, shop: Shop) -> None:
    follower = Follower(cancelled=threading.Event())
    address = shop.put(LARGE)
    with find(address, store, follower).open_read() as file:
        file.read(1000)
        follower.cancelled.set()
        with pytest.raises(PreparationCancelled):
            file.read()
    with pytest.raises(PreparationCancelled):
        find(address, store, follower)


@pytest.fixture(autouse=True)
def _no_faults_are_left(proxy: S3Proxy) -> Iterator[None]:
    yield
    proxy.faults.clear()
