"""The store in a bucket: what only S3 has, and what a faulty line does to a record."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.utils import parse_timestamp
from pydantic import SecretStr

from prefect_seedance.storage.errors import AlreadyExists, Conflict, Missing, NotReadable, StoreUnavailable
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.poster import MediaFacts, probe
from prefect_seedance.storage.s3.bucket import OncePerProcess
from prefect_seedance.storage.s3.headers import moment
from prefect_seedance.storage.s3.store import S3Store, open_s3_store
from tests.storage.clips import box, make_clip, poster_jpeg
from tests.storage.s3_proxy import Fault, S3Proxy
from tests.storage.s3_servers import BUCKET, SECRET_KEY, S3Server
from tests.storage.test_store_contract import content, upload

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(moto: S3Server) -> S3Store:
    return moto.store()


@pytest.fixture
def faulty(moto: S3Server, proxy: S3Proxy) -> S3Store:
    return moto.store(endpoint_url=proxy.url)


def facts(moto: S3Server, store: S3Store, key: str) -> Any:
    return moto.client.head_object(Bucket=BUCKET, Key=store.bucket.key_of(key))


def tags(moto: S3Server, store: S3Store, key: str) -> dict[str, str]:
    answer = moto.client.get_object_tagging(Bucket=BUCKET, Key=store.bucket.key_of(key))
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def is_public(moto: S3Server, store: S3Store, key: str) -> bool:
    answer = moto.client.get_object_acl(Bucket=BUCKET, Key=store.bucket.key_of(key))
    return any("AllUsers" in grant["Grantee"].get("URI", "") for grant in answer["Grants"])


@pytest.mark.parametrize(
    "written",
    [
        "Fri, 27 Nov 2026 12:00:07 GMT",
        "Friday, 27-Nov-26 12:00:07 GMT",
        "2026-11-27T12:00:07.123Z",
        "2026-11-27T12:00:07+08:00",
        "2026-11-27T12:00:07",
        "1795780807.5",
        1795780807,
    ],
)
def test_a_moment_is_read_as_boto3_reads_it(written: Any) -> None:
    assert moment(written) == parse_timestamp(written)


def test_what_is_no_moment_is_refused_as_boto3_refuses_it() -> None:
    for written in ("", "GMT", "2026-11-27Tsoon", "99 Nov 99999 GMT"):
        with pytest.raises(ValueError):
            moment(written)


def test_answers_and_listings_are_not_guessed_at(moto: S3Server, store: S3Store) -> None:
    """Boto3's guess at the form of a date was most of what a listing of a large journal cost."""
    store.create("journal/a.json", b"{}")
    head = facts(moto, store, "journal/a.json")
    (listed,) = moto.client.list_objects_v2(Bucket=BUCKET, Prefix=store.bucket.key_of("journal/a.json"))["Contents"]
    assert head["LastModified"].tzinfo is UTC and listed["LastModified"].tzinfo is UTC


def test_a_video_carries_what_it_is(moto: S3Server, store: S3Store) -> None:
    with store.begin_upload(
        "v/a.mp4", size=1, content_type="video/mp4", metadata={"task-id": "t1"}, filename='Hüte "rot".mp4'
    ) as one:
        one.write(b"x")
        one.commit(crc32=0x8CDC1683, size=1)
    there = facts(moto, store, "v/a.mp4")
    assert there["ContentType"] == "video/mp4"
    assert there["Metadata"].items() >= {"task-id": "t1", "expected-size": str(there["ContentLength"])}.items()
    assert there["ContentDisposition"] == (
        "inline; filename=\"H_te _rot_.mp4\"; filename*=UTF-8''H%C3%BCte%20%22rot%22.mp4"
    )


@pytest.mark.parametrize("size", [1, 9_000_000])
def test_class_tags_and_acl_are_of_videos_and_encryption_of_all(moto: S3Server, size: int) -> None:
    kept = {"team": "ML ops", "cost centre": "7/a+b"}
    store = S3Store(
        moto.settings(storage_class="STANDARD_IA", tags=kept, acl="public-read", encryption="aws:kms", kms_key_id="k1")
    )
    upload(store, "videos/a.mp4", bytes(size))
    store.create("videos/a.json", b"{}")
    store.create("videos/a.jpg", b"picture")
    for key in ("videos/a.mp4", "videos/a.json", "videos/a.jpg"):
        assert facts(moto, store, key)["StorageClass"] == "STANDARD_IA"
        assert tags(moto, store, key) == kept
        # A provenance tells prompts, and is for nobody who only looks at videos.
        assert is_public(moto, store, key) == (not key.endswith(".json"))
    etag = store.create("journal/records/a.json", b"{}")
    store.swap("journal/records/a.json", b"[]", etag=etag)
    store.check_writable()
    record = "journal/records/a.json"
    assert "StorageClass" not in facts(moto, store, record)
    assert tags(moto, store, record) == {} and not is_public(moto, store, record)
    for key in ("videos/a.mp4", "videos/a.json", record):
        there = facts(moto, store, key)
        assert (there["ServerSideEncryption"], there["SSEKMSKeyId"]) == ("aws:kms", "k1")
    assert facts(moto, store, "videos/a.json")["ContentType"] == "application/json"


def test_what_other_tools_left_is_not_listed(moto: S3Server, store: S3Store) -> None:
    for name in ("folder/", ".hidden", "a//b", "kept"):
        moto.client.put_object(Bucket=BUCKET, Key=store.bucket.prefixed(name), Body=b"")
    moto.client.put_object(Bucket=BUCKET, Key=f"{store.settings.prefix}-beside/x", Body=b"")
    assert list(store.list_keys("")) == ["kept"]


def test_a_listing_goes_on_over_many_pages(store: S3Store) -> None:
    made = [f"journal/open/{number:02}" for number in range(23)]  # moto is told to give seven at a time
    for key in made:
        store.create(key, b"x")
    assert list(store.list_keys("journal/open/")) == made


def test_an_age_is_told_by_the_clock_of_the_store(faulty: S3Store, proxy: S3Proxy) -> None:
    faulty.create("a", b"x")
    proxy.plan(Fault(headers={"date": formatdate(time.time() + 3600, usegmt=True)}, forward=True))
    blob, info = faulty.get("a"), faulty.stat("a")
    assert blob is not None and 3590 < blob.age_seconds < 3660
    assert info is not None and 3590 < info.age_seconds < 3660


def test_a_version_is_told_where_there_are_versions(moto: S3Server) -> None:
    moto.client.create_bucket(Bucket="versioned-bucket")
    moto.client.put_bucket_versioning(Bucket="versioned-bucket", VersioningConfiguration={"Status": "Enabled"})
    store = moto.store(bucket="versioned-bucket")
    assert upload(store, "a", b"x").version not in ("", "null")
    store.delete("a")
    assert store.get("a") is None and store.stat("a") is None and list(store.list_keys("")) == []
    assert upload(store, "a", b"y").version


# Lost answers and conflicts: boto3 repeats a request, and S3 refuses the repetition because of the first.

WRITES: list[tuple[str, Callable[[S3Store, str], str]]] = [
    ("create", lambda store, etag: store.create("new", b"nonce 1")),
    ("swap", lambda store, etag: store.swap("old", b"nonce 1", etag=etag)),
]


@pytest.mark.parametrize(("verb", "write"), WRITES, ids=["create", "swap"])
def test_a_write_whose_answer_was_lost_is_known_to_be_ours(
    faulty: S3Store, proxy: S3Proxy, verb: str, write: Callable[[S3Store, str], str]
) -> None:
    etag = faulty.create("old", b"before")
    proxy.seen.clear()
    proxy.plan(Fault(calls=("PutObject",), forward=True, drop=True, times=1))
    written = write(faulty, etag)
    assert proxy.calls() == ["PutObject", "PutObject", "GetObject"]  # the second was answered with 412
    blob = faulty.get("new" if verb == "create" else "old")
    assert blob is not None and (blob.data, blob.etag) == (b"nonce 1", written)


@pytest.mark.parametrize(("verb", "write"), WRITES, ids=["create", "swap"])
def test_a_conflict_of_the_moment_is_read_and_tried_again(
    faulty: S3Store, proxy: S3Proxy, verb: str, write: Callable[[S3Store, str], str]
) -> None:
    etag = faulty.create("old", b"before")
    proxy.plan(Fault(calls=("PutObject",), status=409, code="ConditionalRequestConflict", times=2))
    written = write(faulty, etag)
    blob = faulty.get("new" if verb == "create" else "old")
    assert blob is not None and (blob.data, blob.etag) == (b"nonce 1", written)
    # Two conflicts that were none, and one behind which our own write stands.
    proxy.plan(Fault(calls=("PutObject",), status=409, code="ConditionalRequestConflict", forward=True, times=1))
    assert faulty.create("another", b"nonce 2") == faulty.get("another").etag  # type: ignore[union-attr]


def test_a_conflict_with_somebody_else_is_theirs(faulty: S3Store, proxy: S3Proxy) -> None:
    other = faulty.bucket

    def overtake(request: object) -> None:
        proxy.faults.clear()
        other.client.put_object(Bucket=BUCKET, Key=other.key_of("a"), Body=b"theirs")

    proxy.plan(
        Fault(calls=("PutObject",), status=409, code="ConditionalRequestConflict", before=overtake, times=1),
    )
    with pytest.raises(AlreadyExists):
        faulty.create("a", b"ours")
    etag = faulty.create("b", b"first")
    proxy.plan(Fault(calls=("PutObject",), status=409, code="ConditionalRequestConflict", times=1))
    proxy.plan(Fault(calls=("GetObject",), before=lambda request: overtake_b(), times=1, forward=True))

    def overtake_b() -> None:
        proxy.faults.clear()
        other.client.put_object(Bucket=BUCKET, Key=other.key_of("b"), Body=b"theirs")

    with pytest.raises(Conflict):
        faulty.swap("b", b"ours", etag=etag)
    assert content(faulty, "b") == b"theirs"


def test_a_conflict_without_end_is_an_outage(faulty: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(calls=("PutObject",), status=409, code="ConditionalRequestConflict"))
    with pytest.raises(StoreUnavailable, match="at the same moment"):
        faulty.create("a", b"x")
    assert proxy.calls().count("PutObject") == 5


def test_a_record_that_was_deleted_in_between_is_missing(faulty: S3Store, proxy: S3Proxy) -> None:
    etag = faulty.create("a", b"x")
    proxy.plan(Fault(calls=("PutObject",), status=412, code="PreconditionFailed", before=lambda _: delete(), times=1))

    def delete() -> None:
        proxy.faults.clear()
        faulty.delete("a")

    with pytest.raises(Missing):
        faulty.swap("a", b"y", etag=etag)
    assert faulty.get("a") is None


def test_a_denied_swap_is_neither_missing_nor_a_conflict(faulty: S3Store, proxy: S3Proxy) -> None:
    etag = faulty.create("a", b"x")
    proxy.plan(Fault(calls=("PutObject",), status=412, code="PreconditionFailed", times=1))
    proxy.plan(Fault(calls=("GetObject",), status=403, code="AccessDenied"))
    with pytest.raises(NotReadable):
        faulty.swap("a", b"y", etag=etag)


def test_an_endpoint_that_does_not_know_checksums_is_sent_none(faulty: S3Store, proxy: S3Proxy, moto: S3Server) -> None:
    proxy.plan(Fault(when=lambda it: any("checksum" in name for name in it.headers), status=501, code="NotImplemented"))
    etag = faulty.create("a", b"x")
    faulty.swap("a", b"y", etag=etag)
    data = os.urandom(18_000_000)
    for key, part in (("large", data), ("small", data[:5])):
        fresh = S3Store(faulty.settings, make_client=lambda _: faulty.client)
        upload(fresh, key, part)
        assert content(fresh, key) == part
    assert proxy.calls().count("CreateMultipartUpload") == 2
    assert moto.unfinished(faulty.settings) == []


# Reading.


def test_a_reading_goes_on_where_the_line_breaks(faulty: S3Store, proxy: S3Proxy) -> None:
    data = os.urandom(5_000_000)
    upload(faulty, "a", data)
    proxy.plan(*(Fault(calls=("GetObject",), cut_after=cut, times=1) for cut in (100_000, 0, 400_000, 700_000)))
    assert content(faulty, "a") == data
    proxy.plan(Fault(calls=("GetObject",), cut_after=3, times=2))
    faulty.create("record", b"a record")
    blob = faulty.get("record")
    assert blob is not None and blob.data == b"a record"


def test_a_reading_that_does_not_get_on_is_given_up(faulty: S3Store, proxy: S3Proxy) -> None:
    upload(faulty, "a", bytes(1000))
    proxy.plan(Fault(calls=("GetObject",), cut_after=0))
    with pytest.raises(StoreUnavailable, match="again and again"):
        content(faulty, "a")


def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed(store: S3Store) -> None:
    upload(store, "a", bytes(2_000_000))
    with store.open_read("a") as file:
        assert file.read(10) == bytes(10)
        store.delete("a")
        upload(store, "a", b"\1" * 2_000_000)
        with pytest.raises(StoreUnavailable, match="replaced"):
            file.read()


def test_a_reading_asks_for_little_where_it_jumps_and_for_more_as_it_goes_on(faulty: S3Store, proxy: S3Proxy) -> None:
    upload(faulty, "a", bytes(20_000_000))
    proxy.seen.clear()
    with faulty.open_read("a") as file:
        file.read(1000)
        file.seek(19_000_000)
        file.read(1000)
    assert [seen.headers["range"] for seen in proxy.seen] == ["bytes=0-524287", "bytes=19000000-19524287"]
    proxy.seen.clear()
    content(faulty, "a")
    assert len(proxy.seen) == 6


def test_an_endpoint_without_ranges_is_read_all_the_same(faulty: S3Store, proxy: S3Proxy) -> None:
    data = os.urandom(1_000_000)
    upload(faulty, "a", data)
    proxy.plan(Fault(calls=("GetObject",), without=("range",), forward=True))
    with faulty.open_read("a", start=999_000) as file:
        assert file.read() == data[999_000:]
        file.seek(3)
        assert file.read(4) == data[3:7]


def test_poster_and_facts_are_read_from_the_bucket(faulty: S3Store, proxy: S3Proxy, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=1, black_frames=5).read_bytes() + box(b"free", bytes(1_000_000))
    upload(faulty, "a.mp4", clip)
    with faulty.open_read("a.mp4") as file:
        assert probe(file) == MediaFacts(width=320, height=180, seconds=1.2, codec="h264")
        jpeg = poster_jpeg(file)
    assert jpeg is not None and jpeg.startswith(b"\xff\xd8\xff")
    file = faulty.open_read("a.mp4")
    file.seek(len(clip) - 10)
    file.read()  # so that its beginning is to be asked for anew
    proxy.plan(Fault(calls=("GetObject",), status=403, code="AccessDenied"))
    assert probe(file) is None  # and no exception: a poster is an extra
    file.close()


# Links.


def test_a_signed_link_gives_the_object_for_a_while(store: S3Store) -> None:
    upload(store, "v/a b.mp4", b"video")
    link = store.presigned_url("v/a b.mp4", 60)
    assert SECRET_KEY not in link and "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link and "X-Amz-Expires=60" in link
    assert httpx.get(link).content == b"video"
    for seconds in (0, -1, 604_801):
        with pytest.raises(ValueError, match="604800 seconds"):
            store.presigned_url("v/a b.mp4", seconds)


# The client.


def test_a_client_is_made_once_and_shared_by_threads(moto: S3Server) -> None:
    store = S3Store(moto.settings())
    barrier = threading.Barrier(6)

    def client(_: int) -> object:
        barrier.wait()
        return store.client

    with ThreadPoolExecutor(6) as threads:
        assert len({id(each) for each in threads.map(client, range(6))}) == 1


ROLE = """
[profile videos]
role_arn = arn:aws:iam::123456789012:role/videos
source_profile = base
region = us-east-1
[profile base]
aws_access_key_id = base
aws_secret_access_key = base-secret
"""


def test_a_role_is_taken_on_anew_when_its_credentials_run_out(
    moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a client of another service, made by the session that has made ours."""
    config = tmp_path / "config"
    config.write_text(ROLE)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-something-else")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-something-else")
    store = S3Store(moto.settings(profile="videos", access_key_id="", secret_access_key=SecretStr("")))
    store.create("before", b"1")
    client: Any = store.client
    credentials = client._request_signer._credentials
    first = credentials.get_frozen_credentials().access_key
    credentials._expiry_time = datetime.now(UTC)
    credentials._refresh_using.__self__._cache.clear()  # it believes in the time that is written there
    store.create("after", b"2")
    assert credentials.get_frozen_credentials().access_key not in (first, "base", "of-something-else")


@pytest.mark.parametrize("found", [False, True], ids=["given", "found in the environment"])
def test_a_client_with_keys_keeps_no_endpoints_of_other_services(
    moto: S3Server, monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    if found:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "found")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "found-secret")
    keys = {"access_key_id": "", "secret_access_key": SecretStr("")} if found else {}
    client: Any = S3Store(moto.settings(**keys)).client
    assert client._loader.load_data("endpoints") == {}
    assert client.list_objects_v2(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"] == 200


def at_once(count: int, call: Callable[[], object]) -> list[object]:
    """What a call returns, or raises, in each of so many threads that make it at the same moment."""
    barrier = threading.Barrier(count)

    def one(_: int) -> object:
        barrier.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_a_question_is_asked_once_and_a_failure_is_not_remembered() -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(len(asked))
        time.sleep(0.2)  # so that all others come meanwhile
        if len(asked) == 1:
            raise OSError("not now")
        return asked[-1]

    answer = OncePerProcess(ask)
    assert {str(each) for each in at_once(20, answer)} == {"not now"}
    assert at_once(20, answer) == [1] * 20
    assert answer() == 1 and asked == [0, 1]


def test_threads_that_open_a_store_at_once_get_the_same(moto: S3Server) -> None:
    for _ in range(20):
        settings = moto.settings(tags={"team": "ml"})
        assert len({id(store) for store in at_once(8, lambda settings=settings: open_s3_store(settings))}) == 1


def test_a_store_with_the_same_settings_is_opened_once(moto: S3Server) -> None:
    settings = moto.settings()
    assert open_s3_store(settings) is open_s3_store(moto.settings(prefix=settings.prefix))
    assert open_s3_store(settings) is not open_s3_store(moto.settings())
    as_protocol: Store = open_s3_store(settings)
    assert as_protocol.uri_of("a") == f"s3://{BUCKET}/{settings.prefix}/a"


FORKED = """
import os, sys, threading
from pydantic import SecretStr
from prefect_seedance.storage.s3.store import S3Store
from prefect_seedance.storage.s3.bucket import make_client
from prefect_seedance.storage.s3.settings import S3Settings
keys = {"access_key_id": "a", "secret_access_key": SecretStr("b")}
settings = S3Settings(sys.argv[2], "forked", endpoint_url=sys.argv[1], **keys)
store = S3Store(settings)
store.create("a", b"parent")
mine = store.client

parent, begun, go_on = os.getpid(), threading.Event(), threading.Event()
def make_slowly(settings):
    if os.getpid() == parent:
        begun.set()
        go_on.wait()
    return make_client(settings)
slow = S3Store(settings, make_client=make_slowly)
thread = threading.Thread(target=lambda: slow.client)
thread.start()
begun.wait()  # a thread makes a client at the moment of the fork; there is none in the child that could end it

child = os.fork()
if child == 0:
    assert store.client is not mine and store.client is store.client
    assert store.get("a").data == slow.get("a").data == b"parent"
    store.create("b", b"child")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
go_on.set()
thread.join()
assert store.client is mine and store.get("b").data == b"child"
print("both")
"""


def test_a_client_does_not_cross_a_fork(moto: S3Server) -> None:
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, moto.url, BUCKET],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert output.stdout == "both\n", output.stderr


def test_a_store_can_be_named_without_boto3() -> None:
    script = (
        "import sys; from prefect_seedance.storage.s3.settings import S3Settings; from "
        "prefect_seedance.storage.s3.permissions import iam_policy; S3Settings.from_location('s3://my-bucket/a');"
        "from prefect_seedance.storage.folder.store import FolderStore;"
        "print({'boto3', 'botocore', 'urllib3', 'prefect'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert output.stdout == "set()\n"


def versioned(server: S3Server, **more: object) -> S3Store:
    server.client.create_bucket(Bucket="of-versions")
    server.client.put_bucket_versioning(Bucket="of-versions", VersioningConfiguration={"Status": "Enabled"})
    return server.store(bucket="of-versions", **more)


def test_earlier_versions_come_newest_first_and_outlive_the_record(moto: S3Server, proxy: S3Proxy) -> None:
    store = versioned(moto, endpoint_url=proxy.url)
    etag = store.create("journal/records/a", b"1")
    store.create("journal/records/ab", b"of another key")
    store.swap("journal/records/a", b"2", etag=etag)
    assert list(store.earlier_versions("journal/records/a")) == [b"2", b"1"]
    store.delete("journal/records/a")
    assert store.get("journal/records/a") is None
    assert list(store.earlier_versions("journal/records/a")) == [b"2", b"1"]
    assert list(store.earlier_versions("journal/records/b")) == []


def test_a_bucket_that_keeps_no_versions_has_the_record_only(moto: S3Server) -> None:
    store = moto.store()
    etag = store.create("journal/records/a", b"1")
    store.swap("journal/records/a", b"2", etag=etag)
    assert list(store.earlier_versions("journal/records/a")) == [b"2"]


@pytest.mark.parametrize(("code", "status"), [("NotImplemented", 501), ("MethodNotAllowed", 405)])
def test_an_endpoint_that_knows_no_versions_has_none(faulty: S3Store, proxy: S3Proxy, code: str, status: int) -> None:
    proxy.plan(Fault(when=lambda request: "versions" in request.path, status=status, code=code))
    assert list(faulty.earlier_versions("journal/records/a")) == []


def test_versions_that_may_not_be_seen_are_an_error_and_not_none(faulty: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(when=lambda request: "versions" in request.path, status=403, code="AccessDenied"))
    with pytest.raises(NotReadable):
        list(faulty.earlier_versions("journal/records/a"))
