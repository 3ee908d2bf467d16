"""Endpoints that refuse a header which S3 knows: found out before anything is paid, left out from then on."""

from __future__ import annotations

import os

import pytest

from prefect_seedance.storage.errors import NotWritable, StorageError
from prefect_seedance.storage.s3.store import S3Store
from prefect_seedance.storage.s3.upload import PART_BYTES
from prefect_seedance.storage.s3.verification import verify_store
from tests.storage.dishonest_s3 import Dishonest, Refusing
from tests.storage.s3_proxy import S3Proxy
from tests.storage.s3_servers import S3Server
from tests.storage.test_store_contract import content, upload

LARGE = os.urandom(PART_BYTES + 1_000_000)
CONDITIONS = ("if-none-match", "if-match")
CHECKSUMS = ("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-mp-object-size")
ANSWERS = [
    (501, "NotImplemented"),
    (501, ""),
    (400, "InvalidArgument"),
    (400, ""),
    (405, "MethodNotAllowed"),
    (405, ""),
]


def use(store: S3Store) -> None:
    """All that is written for one video: records, the video in one request and in parts, what is beside it."""
    etag = store.create("journal/records/a.json", b"1")
    store.swap("journal/records/a.json", b"2", etag=etag)
    upload(store, "videos/small.mp4", b"small")
    upload(store, "videos/large.mp4", LARGE)
    upload(store, "quarantine/what", b"<html>")
    store.create("videos/small.json", b"{}")
    store.create("videos/small.jpg", b"jpeg")
    assert content(store, "videos/small.mp4") == b"small" and content(store, "videos/large.mp4") == LARGE


@pytest.mark.parametrize(("status", "code"), [*ANSWERS, (403, "AccessDenied"), (403, "")])
@pytest.mark.parametrize("names", [CONDITIONS, CONDITIONS + CHECKSUMS], ids=["conditions", "conditions and checksums"])
@pytest.mark.sample(every=3)
def test_a_single_writer_stores_whatever_was_checked(
    names: tuple[str, ...], status: int, code: str, moto: S3Server, proxy: S3Proxy
) -> None:
    if status == 403 and names != CONDITIONS:
        pytest.skip("a checksum is no reason to deny anything")
    proxy.manner = Refusing(names, status, code)
    store = moto.store(endpoint_url=proxy.url, single_writer=True)
    store.check_writable()
    store.require_conditions()
    proxy.seen.clear()
    use(store)
    refused = [seen for seen in proxy.seen if any(each.startswith(names) for each in seen.headers)]
    assert [seen.call for seen in refused if seen.method != "GET"] == [], (
        "what was found out by the check is asked for no more"
    )
    assert len(refused) <= 1, "and a reader finds it out once"
    assert moto.unfinished(store.settings) == []


@pytest.mark.parametrize(("status", "code"), ANSWERS)
@pytest.mark.sample(every=2)
def test_checksums_that_are_refused_are_left_out(status: int, code: str, moto: S3Server, proxy: S3Proxy) -> None:
    proxy.manner = Refusing(CHECKSUMS, status, code)
    store = moto.store(endpoint_url=proxy.url)
    store.require_conditions()
    proxy.seen.clear()
    use(store)
    assert not any(each.startswith(CHECKSUMS) for seen in proxy.seen for each in seen.headers)
    puts = [seen for seen in proxy.seen if seen.call in ("PutObject", "CompleteMultipartUpload")]
    assert all({*CONDITIONS} & {*seen.headers} for seen in puts), "conditions stay"


@pytest.mark.parametrize("call", ["PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload"])
def test_one_call_may_know_less_than_the_others(call: str, moto: S3Server, proxy: S3Proxy) -> None:
    proxy.manner = Refusing(CHECKSUMS, 400, "InvalidRequest", calls=(call,))
    store = moto.store(endpoint_url=proxy.url)
    store.require_conditions()
    use(store)


def test_a_put_that_knows_conditions_may_have_a_complete_that_does_not(moto: S3Server, proxy: S3Proxy) -> None:
    """It was looked whether the key is free, and the key is this video's own: it is not left unstored for that."""
    proxy.manner = Refusing(CONDITIONS, calls=("CompleteMultipartUpload",))
    store = moto.store(endpoint_url=proxy.url)
    store.require_conditions()
    use(store)


def test_a_question_for_a_checksum_that_is_refused_is_asked_for_no_more(moto: S3Server, proxy: S3Proxy) -> None:
    proxy.manner = Refusing(("x-amz-checksum-mode",), 400, "")
    store = moto.store(endpoint_url=proxy.url)
    store.require_conditions()
    proxy.seen.clear()
    use(store)
    assert not any("x-amz-checksum-mode" in seen.headers for seen in proxy.seen)


@pytest.mark.parametrize(("status", "code"), ANSWERS)
def test_a_range_that_is_refused_is_asked_for_no_more(status: int, code: str, moto: S3Server, proxy: S3Proxy) -> None:
    proxy.manner = Refusing(("range",), status, code)
    store = moto.store(endpoint_url=proxy.url)
    upload(store, "videos/large.mp4", LARGE)
    proxy.seen.clear()
    with store.open_read("videos/large.mp4") as file:
        file.seek(-1000, os.SEEK_END)
        assert file.read() == LARGE[-1000:]
        file.seek(0)
        assert file.read() == LARGE
    assert sum("range" in seen.headers for seen in proxy.seen) == 1


SETTINGS = [
    ("x-amz-tagging", {"tags": {"team": "ml"}}),
    ("x-amz-acl", {"acl": "public-read"}),
    ("x-amz-storage-class", {"storage_class": "STANDARD_IA"}),
    ("x-amz-server-side-encryption", {"encryption": "AES256"}),
    ("x-amz-meta-", {}),
    ("content-disposition", {}),
]


@pytest.mark.parametrize("single_writer", [False, True])
@pytest.mark.parametrize(("header", "options"), SETTINGS, ids=[header for header, _ in SETTINGS])
@pytest.mark.parametrize("status", [400, 403, 501])
@pytest.mark.sample(every=5)
def test_a_setting_that_the_video_would_be_refused_for_is_refused_before(
    header: str, options: dict[str, object], status: int, single_writer: bool, moto: S3Server, proxy: S3Proxy
) -> None:
    proxy.manner = Refusing((header,), status, "AccessDenied" if status == 403 else "NotImplemented")
    store = moto.store(endpoint_url=proxy.url, single_writer=single_writer, **options)
    with pytest.raises(NotWritable):
        store.check_writable()
    with pytest.raises(NotWritable):
        store.require_conditions()


@pytest.mark.parametrize("call", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_a_store_that_takes_no_parts_is_refused_before_anything_is_paid(
    call: str, moto: S3Server, proxy: S3Proxy
) -> None:
    proxy.manner = Refusing(("host",), 501, "NotImplemented", calls=(call,))
    store = moto.store(endpoint_url=proxy.url)
    with pytest.raises(StorageError):
        store.check_writable()
    proxy.manner = Dishonest()
    assert moto.unfinished(store.settings) == []


@pytest.mark.parametrize(("status", "code"), [*ANSWERS, (403, "AccessDenied")])
def test_conditions_that_are_refused_stop_everybody_but_a_single_writer(
    status: int, code: str, moto: S3Server, proxy: S3Proxy
) -> None:
    proxy.manner = Refusing(CONDITIONS, status, code)
    with pytest.raises(StorageError):
        moto.store(endpoint_url=proxy.url).require_conditions()
    assert verify_store(moto.store(endpoint_url=proxy.url, single_writer=True)) == []


def test_where_deleting_is_denied_outside_of_the_journal_a_video_can_be_stored(moto: S3Server, proxy: S3Proxy) -> None:
    class NoDeleting:
        def __call__(self, request, forward):  # type: ignore[no-untyped-def]
            denied = request.call == "DeleteObject" and "/journal/" not in request.path
            return Refusing(("host",), 403, "AccessDenied")(request, forward) if denied else forward()

    proxy.manner = NoDeleting()
    moto.store(endpoint_url=proxy.url).require_conditions()
