"""An upload through faults, kills and rivals: one whole object or none, and no parts left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_seedance.storage.errors import AlreadyExists, DamagedUpload, NotWritable, StoreUnavailable
from prefect_seedance.storage.s3.store import S3Store
from prefect_seedance.storage.s3.upload import PART_BYTES
from tests.storage.s3_proxy import Fault, S3Proxy, faulty_line
from tests.storage.s3_servers import BUCKET, S3Server
from tests.storage.test_store_contract import content, upload

ROOT = Path(__file__).parents[3]
LARGE = os.urandom(2 * PART_BYTES + 1_000_000)
METADATA = {"task-id": "videos_1"}


@pytest.fixture
def store(moto: S3Server, proxy: S3Proxy) -> S3Store:
    return moto.store(endpoint_url=proxy.url)


def test_a_small_object_is_one_request_and_a_large_one_few(store: S3Store, proxy: S3Proxy) -> None:
    upload(store, "small", bytes(PART_BYTES))
    assert [call for call in proxy.calls() if call not in ("HeadObject", "GetObject")] == ["PutObject"]
    proxy.seen.clear()
    upload(store, "large", bytes(PART_BYTES + 1))
    calls = [call for call in proxy.calls() if call not in ("HeadObject", "GetObject")]
    assert calls == [
        *("CreateMultipartUpload", "UploadPart", "UploadPart"),
        *("CompleteMultipartUpload", "ListMultipartUploads"),
    ]


def test_nothing_is_asked_before_a_write_that_a_probed_store_refuses_by_itself(store: S3Store, proxy: S3Proxy) -> None:
    store.require_conditions()
    proxy.seen.clear()
    upload(store, "a", b"video")
    assert proxy.calls() == ["PutObject", "HeadObject"]
    with pytest.raises(AlreadyExists):
        upload(store, "a", b"other")
    assert content(store, "a") == b"video"
    proxy.seen.clear()
    upload(store, "large", LARGE)  # put together only where the key is free
    calls = [call for call in proxy.calls() if call in ("HeadObject", "CompleteMultipartUpload")]
    assert calls == ["HeadObject", "CompleteMultipartUpload", "HeadObject"]


@pytest.mark.parametrize(
    ("server", "single_writer", "probed"),
    [("moto", False, False), ("moto", True, True), ("rclone", True, True), ("rclone", False, True)],
    ids=["not probed", "single writer", "deaf to conditions", "deaf, and found to be"],
)
def test_a_key_is_looked_at_before_the_write_where_the_store_may_overwrite(
    request: pytest.FixtureRequest, server: str, single_writer: bool, probed: bool
) -> None:
    upstream: S3Server = request.getfixturevalue(server)
    with faulty_line(upstream.url) as proxy:
        store = upstream.store(endpoint_url=proxy.url, single_writer=single_writer)
        if probed:
            store.conditions()
        proxy.seen.clear()
        upload(store, "a", b"video")
        assert [call for call in proxy.calls() if call != "GetObject"] == ["HeadObject", "PutObject", "HeadObject"]
        with pytest.raises(AlreadyExists):
            upload(store, "a", b"other")
        assert content(store, "a") == b"video"


@pytest.mark.parametrize("size", [5, len(LARGE)], ids=["one request", "parts"])
@pytest.mark.parametrize("endpoint", ["S3", "checks parts only", "checks nothing"])
def test_bytes_that_are_not_those_that_were_measured_never_stay(
    store: S3Store, proxy: S3Proxy, moto: S3Server, endpoint: str, size: int
) -> None:
    if endpoint == "checks parts only":
        proxy.plan(Fault(calls=("CreateMultipartUpload",), without=("x-amz-checksum-type",), forward=True))
    if endpoint == "checks nothing":
        asked = Fault(when=lambda it: any("checksum" in each for each in it.headers), status=501, code="NotImplemented")
        proxy.plan(asked)
    with (
        pytest.raises(DamagedUpload),
        store.begin_upload("a", size=size, content_type="video/mp4", metadata={}) as one,
    ):
        one.write(LARGE[: size - 1] + bytes([LARGE[size - 1] ^ 1]))
        one.commit(crc32=zlib.crc32(LARGE[:size]), size=size)
    assert store.stat("a") is None and moto.unfinished(store.settings) == []


def test_s3_is_asked_to_check_size_checksum_and_that_nothing_is_there(store: S3Store, proxy: S3Proxy) -> None:
    upload(store, "large", LARGE)
    upload(store, "small", b"x")
    sent = {request.call: request.headers for request in proxy.seen}
    assert sent["CreateMultipartUpload"]["x-amz-checksum-algorithm"] == "CRC32"
    assert sent["CreateMultipartUpload"]["x-amz-checksum-type"] == "FULL_OBJECT"
    assert all("x-amz-checksum-crc32" in seen.headers for seen in proxy.seen if seen.call == "UploadPart")
    complete = sent["CompleteMultipartUpload"]
    assert (complete["if-none-match"], complete["x-amz-mp-object-size"]) == ("*", str(len(LARGE)))
    assert complete["x-amz-checksum-type"] == "FULL_OBJECT" and complete["x-amz-checksum-crc32"]
    assert sent["PutObject"]["if-none-match"] == "*" and sent["PutObject"]["x-amz-checksum-crc32"]
    assert not any("expect" in seen.headers for seen in proxy.seen)


FAULTS = st.builds(
    Fault,
    calls=st.sampled_from(
        [(), ("UploadPart",), ("CompleteMultipartUpload",), ("CreateMultipartUpload",), ("PutObject",), ("HeadObject",)]
    ),
    skip=st.integers(0, 3),
    times=st.just(1),
    status=st.sampled_from([0, 500, 503]),
    code=st.sampled_from(["SlowDown", "InternalError"]),
    forward=st.booleans(),
    drop=st.booleans(),
)


@settings(max_examples=4)
@given(st.lists(FAULTS, min_size=1, max_size=3), st.sampled_from([1000, 2 * PART_BYTES + 1_000_000]))
def test_a_few_faults_do_not_show(moto: S3Server, line: S3Proxy, faults: list[Fault], size: int) -> None:
    line.mend()  # the test before may have left it with a manner of its own
    store = moto.store(endpoint_url=line.url)
    line.plan(*faults)
    try:
        info = upload(store, "a", LARGE[:size], METADATA)
    except AlreadyExists:
        # moto tells no checksum of what came in one request; see the next test.
        assert size == 1000
    else:
        assert info.size == size
    line.faults.clear()
    assert content(store, "a") == LARGE[:size]
    # A lost answer to CreateMultipartUpload makes a second one; that is cleared away too.
    assert moto.unfinished(store.settings) == []


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["one request", "parts"])
def test_a_commit_whose_answer_was_lost_is_a_success(
    store: S3Store, proxy: S3Proxy, moto: S3Server, data: bytes
) -> None:
    proxy.plan(Fault(calls=("PutObject", "CompleteMultipartUpload"), forward=True, drop=True, times=1))
    try:
        upload(store, "a", data, METADATA)
    except AlreadyExists:
        # moto tells no checksum of what came in one request, so that the store cannot know it is its own. The
        # relay then compares the bytes.
        assert data == b"small"
    assert content(store, "a") == data
    assert moto.unfinished(store.settings) == []


def test_a_commit_that_meets_another_upload_waits_for_its_end(store: S3Store, proxy: S3Proxy, moto: S3Server) -> None:
    proxy.plan(
        Fault(calls=("CompleteMultipartUpload",), status=409, code="ConditionalRequestConflict", times=1),
        Fault(calls=("PutObject",), status=409, code="ConditionalRequestConflict", times=1),
    )
    upload(store, "large", LARGE)
    upload(store, "small", b"small")
    assert content(store, "large") == LARGE and content(store, "small") == b"small"
    assert moto.unfinished(store.settings) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(calls=("UploadPart",), status=403, code="AccessDenied", skip=1), NotWritable),
        (Fault(calls=("CompleteMultipartUpload",), status=400, code="InvalidPart"), NotWritable),
        (Fault(calls=("CompleteMultipartUpload",), status=400, code="BadDigest"), DamagedUpload),
        (Fault(calls=("CompleteMultipartUpload",), status=409, code="ConditionalRequestConflict"), StoreUnavailable),
        (Fault(calls=("CreateMultipartUpload",), status=403, code="AccessDenied"), NotWritable),
    ],
    ids=["part denied", "complete refused", "damaged", "busy", "begin denied"],
)
def test_an_upload_that_fails_leaves_neither_object_nor_parts(
    store: S3Store, proxy: S3Proxy, moto: S3Server, fault: Fault, error: type[Exception]
) -> None:
    proxy.plan(fault)
    with pytest.raises(error):
        upload(store, "a", LARGE)
    proxy.faults.clear()
    assert list(store.list_keys("")) == [] and moto.unfinished(store.settings) == []
    upload(store, "a", LARGE)
    assert content(store, "a") == LARGE


def test_what_arrived_otherwise_is_removed_again(store: S3Store, proxy: S3Proxy) -> None:
    wrong = Fault(calls=("HeadObject",), headers={"content-length": "4"}, forward=True, skip=1)
    proxy.plan(wrong)
    with pytest.raises(DamagedUpload, match=r"4 bytes.*expected 5"):
        upload(store, "a", b"video")
    proxy.faults.clear()
    assert store.stat("a") is None
    # Never what somebody else wrote.
    proxy.plan(Fault(calls=("HeadObject",), headers={"content-length": "4", "etag": '"x"'}, forward=True, skip=1))
    with pytest.raises(NotWritable, match="by hand"):
        upload(store, "a", b"video")
    proxy.faults.clear()
    assert content(store, "a") == b"video"


def test_a_checksum_that_does_not_fit_is_damage(store: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(calls=("HeadObject",), headers={"x-amz-checksum-crc32": "AAAAAA=="}, forward=True, skip=1))
    with pytest.raises(DamagedUpload, match="AAAAAA=="):
        upload(store, "a", b"video")
    proxy.faults.clear()
    # The checksum of parts' checksums says nothing of the whole.
    composite = {"x-amz-checksum-crc32": "AAAAAA==-2", "x-amz-checksum-type": "COMPOSITE"}
    proxy.plan(Fault(calls=("HeadObject",), headers=composite, forward=True, skip=1))
    upload(store, "b", b"video")


def test_an_endpoint_that_puts_checksums_of_parts_together_is_not_asked_for_the_whole(
    store: S3Store, proxy: S3Proxy
) -> None:
    proxy.plan(Fault(calls=("CreateMultipartUpload",), without=("x-amz-checksum-type",), forward=True))
    upload(store, "a", LARGE)
    (complete,) = [seen for seen in proxy.seen if seen.call == "CompleteMultipartUpload"]
    assert "x-amz-checksum-crc32" not in complete.headers and "x-amz-mp-object-size" in complete.headers
    assert content(store, "a") == LARGE


def test_an_upload_that_a_rival_ends_finds_the_rivals_object(store: S3Store, moto: S3Server) -> None:
    slow = store.begin_upload("a", size=None, content_type="video/mp4", metadata=METADATA)
    with slow:
        slow.write(LARGE[: PART_BYTES + 1])
        while not moto.unfinished(store.settings):
            time.sleep(0.02)
        upload(store, "a", LARGE, METADATA)
        assert moto.unfinished(store.settings) == []  # the rival has removed our parts too
        slow.write(LARGE[PART_BYTES + 1 :])
        with pytest.raises(AlreadyExists):
            slow.commit(crc32=zlib.crc32(LARGE), size=len(LARGE))
    assert content(store, "a") == LARGE and moto.unfinished(store.settings) == []


def test_an_upload_that_was_ended_from_outside_says_so(store: S3Store, moto: S3Server) -> None:
    with store.begin_upload("a", size=None, content_type="", metadata={}) as one:
        one.write(LARGE[: PART_BYTES + 1])
        while not (
            found := moto.client.list_multipart_uploads(Bucket=BUCKET, Prefix=store.settings.prefix).get("Uploads")
        ):
            time.sleep(0.02)
        moto.client.abort_multipart_upload(Bucket=BUCKET, Key=found[0]["Key"], UploadId=found[0]["UploadId"])
        with pytest.raises(StoreUnavailable, match="ended by somebody else"):
            one.write(LARGE[PART_BYTES + 1 :])
            one.commit(crc32=zlib.crc32(LARGE), size=len(LARGE))


def test_many_uploads_of_one_key_at_once_end_in_one_object(moto: S3Server) -> None:
    kept = moto.settings()

    def one(number: int) -> bool:
        try:
            upload(moto.store_of(kept), "a", LARGE, METADATA)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert any(threads.map(one, range(4)))
    assert content(moto.store_of(kept), "a") == LARGE
    assert moto.unfinished(kept) == []


KILLED = """
import sys, time
from pydantic import SecretStr
from prefect_seedance.storage.s3.store import S3Store
from prefect_seedance.storage.s3.settings import S3Settings
url, bucket, prefix = sys.argv[1:]
settings = S3Settings(bucket, prefix, endpoint_url=url, access_key_id="a", secret_access_key=SecretStr("b"))
with S3Store(settings).begin_upload("a", size=None, content_type="video/mp4", metadata={}) as one:
    one.write(bytes(20_000_000))
    print("sent", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_upload_left_is_removed_by_the_next(store: S3Store, moto: S3Server) -> None:
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, moto.url, BUCKET, store.settings.prefix],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None and child.stdout.readline() == b"sent\n"
        child.kill()
        child.communicate()
    left = f"{store.settings.prefix}/a"
    assert moto.unfinished(store.settings) == [left, left]
    upload(store, "ab", LARGE)  # a key that only begins alike
    assert moto.unfinished(store.settings) == [left, left]
    upload(store, "a", LARGE)
    assert moto.unfinished(store.settings) == [] and content(store, "a") == LARGE


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("RUN_LONG"), reason="takes long; set RUN_LONG=1")
@pytest.mark.timeout(600)
def test_300_megabytes_go_in_and_come_out(moto: S3Server) -> None:
    store = moto.store()
    data = os.urandom(300_000_000)
    upload(store, "a", data, METADATA)
    assert content(store, "a") == data
    assert moto.unfinished(store.settings) == []
