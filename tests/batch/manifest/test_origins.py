"""Where a manifest comes from, what is shown of that, and what a relative path in it means."""

from __future__ import annotations

import hashlib
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.manifest import origin
from prefect_seedance.batch.manifest.reading import read_manifest
from prefect_seedance.batch.rows import Manifest
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.batch.manifest.conftest import Read
from tests.media.contexts import context_of
from tests.storage.media_server import Fault, MediaServer, serving
from tests.storage.s3_servers import BUCKET, S3Server

TABLE = b"prompt,first_image\nA,mug.png\nB,./img/b.png\nC,last-frame+../c.mp4\nD,/abs/d.png\nE,s3://other/e.png\n"
SECRET = "s3cr3t"


@pytest.fixture
def context(tmp_path: Path) -> MediaContext:
    return context_of(FolderStore(tmp_path / "store"))


def frames(manifest: Manifest) -> list[str]:
    return [row.request.first_image for row in manifest.rows if row.request]


def test_a_relative_path_is_beside_the_file(read: Read, tmp_path: Path) -> None:
    folder = f"{tmp_path}/shop"
    assert frames(read(TABLE)) == [
        f"{folder}/mug.png",
        f"{folder}/img/b.png",
        f"last-frame+{folder}/../c.mp4",
        "/abs/d.png",
        "s3://other/e.png",
    ]


def test_a_path_may_begin_at_the_home_of_the_runs_user(
    tmp_path: Path, context: MediaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "m.csv").write_bytes(TABLE)
    assert frames(read_manifest("~/m.csv", context, Follower()))[0] == f"{tmp_path}/mug.png"


def test_a_file_may_be_named_as_an_address(tmp_path: Path, context: MediaContext) -> None:
    path = tmp_path / "my shop.csv"
    path.write_bytes(TABLE)
    manifest = read_manifest(f"file://{tmp_path}/my%20shop.csv", context, Follower())
    assert frames(manifest)[0] == f"{tmp_path}/mug.png"
    assert manifest.sha256 == hashlib.sha256(TABLE).hexdigest() and manifest.content == TABLE


def test_a_relative_path_is_beside_the_object(moto: S3Server) -> None:
    moto.client.put_object(Bucket=BUCKET, Key="shop/spring/m.csv", Body=TABLE)
    manifest = read_manifest(f"s3://{BUCKET}/shop/spring/m.csv", context_of(moto.store()), Follower())
    assert frames(manifest) == [
        f"s3://{BUCKET}/shop/spring/mug.png",
        f"s3://{BUCKET}/shop/spring/img/b.png",
        f"last-frame+s3://{BUCKET}/shop/c.mp4",
        "/abs/d.png",
        "s3://other/e.png",
    ]
    assert (manifest.source, manifest.suffix) == (f"s3://{BUCKET}/shop/spring/m.csv", ".csv")


def test_a_path_out_of_the_bucket_is_the_fault_of_its_row(moto: S3Server) -> None:
    moto.client.put_object(Bucket=BUCKET, Key="m2.csv", Body=b"prompt,images\nA,../x.png\nB,x.png\n")
    first, second = read_manifest(f"s3://{BUCKET}/m2.csv", context_of(moto.store()), Follower()).rows
    assert "out of the bucket" in first.problems[0].message
    assert second.request and second.request.images == [f"s3://{BUCKET}/x.png"]


@pytest.mark.parametrize(("key", "words"), {"gone.csv": "no such object", "empty.csv": "empty"}.items())
def test_an_object_that_cannot_be_read_is_said(moto: S3Server, key: str, words: str) -> None:
    moto.client.put_object(Bucket=BUCKET, Key="empty.csv", Body=b"")
    with pytest.raises(UnusableManifest, match=words):
        read_manifest(f"s3://{BUCKET}/{key}", context_of(moto.store()), Follower())


def test_an_object_that_is_replaced_while_it_is_read_is_refused(moto: S3Server) -> None:
    """Half of one manifest and half of another would buy what nobody ordered."""
    place = {"Bucket": BUCKET, "Key": "busy.csv"}
    moto.client.put_object(**place, Body=b"prompt\n" + b"A\n" * 4_000_000)

    class Rewriting(Follower):
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 3:
                moto.client.put_object(**place, Body=b"prompt\n" + b"B\n" * 4_000_000)

    with pytest.raises(UnusableManifest, match="replaced while it was read"):
        read_manifest(f"s3://{BUCKET}/busy.csv", context_of(moto.store()), Rewriting())


def test_a_bucket_that_cannot_be_read_is_said_with_what_to_do(moto: S3Server) -> None:
    with pytest.raises(UnusableManifest) as caught:
        read_manifest("s3://no-such-bucket/m.csv", context_of(moto.store()), Follower())
    assert caught.value.reason and caught.value.fix


def test_a_signed_link_is_read_and_its_signature_is_shown_nowhere(context: MediaContext) -> None:
    with serving(b"prompt,first_image,images\nA,,\nB,mug.png,\n") as host:
        link = f"{host.url}/shop/m.csv?X-Amz-Signature={SECRET}#{SECRET}"
        manifest = read_manifest(link, context, Follower())
    first, second = manifest.rows
    assert first.request is not None and "nothing is read beside a link" in second.problems[0].message
    assert manifest.source == f"{host.url}/shop/m.csv" and manifest.suffix == ".csv"
    assert SECRET not in f"{manifest}"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=403), "refuses it (HTTP 403)"),
        (Fault(status=404), "refuses it (HTTP 404)"),
        (Fault(content=b"<html>Sign in</html>"), "page or XML"),
        (Fault(status=302, headers={"location": "http://10.0.0.1/m.csv"}), "http"),
    ],
)
def test_a_link_that_gives_no_table_is_refused_without_its_signature(
    context: MediaContext, fault: Fault, words: str
) -> None:
    with serving(TABLE) as host, pytest.raises(UnusableManifest) as caught:
        host.plan(fault)
        read_manifest(f"{host.url}/m.csv?sig={SECRET}", context, Follower())
    assert words in caught.value.reason and SECRET not in f"{caught.value} {caught.value.__cause__!r}"
    assert "video" not in caught.value.reason + caught.value.fix  # no words of the relay, which is after payment
    assert f"{pickle.loads(pickle.dumps(caught.value))}" == f"{caught.value}"


def changed(host: MediaServer) -> None:
    host.content, host.etag = TABLE.replace(b"A", b"Z"), '"second"'


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([Fault(status=500)] * 9, "127.0.0.1 does not serve it"),
        ([Fault(cut_after=20), Fault(before=changed)], "the download breaks off"),
    ],
)
def test_a_link_that_gives_half_a_table_is_refused_without_its_signature(
    context: MediaContext, monkeypatch: pytest.MonkeyPatch, faults: list[Fault], words: str
) -> None:
    monkeypatch.setattr(origin, "_LINK_LIMITS", replace(origin._LINK_LIMITS, faults_in_a_row=1))
    with serving(TABLE) as host, pytest.raises(UnusableManifest) as caught:
        host.plan(*faults)
        read_manifest(f"{host.url}/m.csv?sig={SECRET}", context, Follower())
    assert words in caught.value.reason and SECRET not in f"{caught.value} {caught.value.__cause__!r}"
    assert "video" not in caught.value.reason + caught.value.fix


def test_a_run_that_is_cancelled_during_the_download_reads_no_further(context: MediaContext) -> None:
    follower = Follower()
    with serving(TABLE) as host, pytest.raises(PreparationCancelled):
        host.plan(Fault(cut_after=20, how="stall", before=lambda _: follower.cancelled.set()))
        read_manifest(f"{host.url}/m.csv", context, follower)


@pytest.mark.parametrize(
    "link",
    [
        "http://example.com/m.csv",
        "https://10.0.0.1/m.csv",
        "https://169.254.169.254/m.csv",
        "https://me:pw@127.0.0.1/m",
    ],
)
def test_a_link_into_a_network_is_not_followed(tmp_path: Path, link: str) -> None:
    store = context_of(FolderStore(tmp_path))
    closed = MediaContext(store.vendor, store.store, MediaPolicy(resolver=lambda host, port: [host]))
    with pytest.raises(UnusableManifest) as caught:
        read_manifest(f"{link}?sig={SECRET}", closed, Follower())
    assert SECRET not in str(caught.value) and "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "words"),
    {
        "": "no location",
        "m.csv": "relative",
        "./m.csv": "relative",
        "/no/such/m.csv": "no such file",
        "/tmp": "folder",
        "ftp://a.example.com/m.csv": "not taken",
        "gs://shop/m.csv": "S3",
        "asset://one": "media",
        "C:\\shop\\m.csv": "Windows",
        "/dev/zero": "",
        "/proc/self/environ": "empty",
    }.items(),
)
def test_a_location_that_leads_to_no_table_is_refused(context: MediaContext, location: str, words: str) -> None:
    with pytest.raises(UnusableManifest) as caught:
        read_manifest(location, context, Follower())
    assert words in caught.value.reason and caught.value.fix


def test_a_pipe_does_not_hang_the_run(tmp_path: Path, context: MediaContext) -> None:
    os.mkfifo(tmp_path / "m.csv")
    with pytest.raises(UnusableManifest):
        read_manifest(f"{tmp_path}/m.csv", context, Follower())


def test_what_is_too_large_is_refused_before_it_is_held(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "MOST_BYTES", 1024 * 1024)
    with pytest.raises(UnusableManifest, match="more than 1 MiB"):
        read(b"prompt\n" + b"A\n" * 600_000)
    with serving(b"prompt\n" + b"A\n" * 600_000) as host, pytest.raises(UnusableManifest, match="more than 1 MiB"):
        read_manifest(f"{host.url}/m.csv", context_of(FolderStore(Path("/tmp"))), Follower())


def test_a_cancelled_run_reads_no_further(tmp_path: Path, context: MediaContext) -> None:
    path, follower = tmp_path / "m.csv", Follower()
    path.write_bytes(TABLE)
    follower.cancelled.set()
    with pytest.raises(PreparationCancelled):
        read_manifest(str(path), context, follower)
