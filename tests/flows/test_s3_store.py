"""The same flow with videos and journal in a bucket: a real S3 API over HTTP."""

import hashlib
import json
import re
import shlex
from pathlib import Path

import httpx
import pytest
from prefect.blocks.core import Block
from prefect_aws import AwsCredentials, MinIOCredentials
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.simulator import Fault, Simulator
from prefect_seedance.storage.errors import BadLocation, ConditionsIgnored, StorageError
from tests.cli.test_commands import run
from tests.storage.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

REQUEST = VideoRequest(prompt="Ein Papierboot 🚤", model="seedance2.0-mini", resolution="480p", duration=4)


def bucket_store(server: S3Server, **fields: object) -> VideoStore:
    settings = {
        "location": server.settings().location,
        "endpoint_url": server.url,
        "region": "us-east-1",
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
        **fields,
    }
    return VideoStore.model_validate(settings)


def test_a_video_ends_whole_in_the_bucket_and_the_next_run_pays_nothing(
    vendor: Simulator, credentials: SeedanceCredentials, moto: S3Server
) -> None:
    store = bucket_store(moto, tags={"team": "studio"}, encryption="AES256")
    assert "can be written" in store.verify()
    stored = generate_video(REQUEST, credentials, store)

    assert stored.uri == f"{store.location}/{stored.key}"
    answer = httpx.get(stored.presigned_url(600, store=store))
    with pytest.raises(ValueError, match="does not lie in the store s3://elsewhere"):
        stored.presigned_url(600, store=bucket_store(moto, location="s3://elsewhere"))
    with pytest.raises(TypeError, match="store"):
        stored.presigned_url(600)  # pyright: ignore[reportCallIssue]
    assert hashlib.sha256(answer.content).hexdigest() == stored.sha256
    assert answer.headers["content-type"] == "video/mp4"
    assert stored.task_id.removeprefix("videos_")[:8] in answer.headers["content-disposition"]

    prefix = store.location.removeprefix(f"s3://{BUCKET}/")
    name = f"{prefix}/{stored.key}".removesuffix(".mp4")
    client = moto.client
    assert client.head_object(Bucket=BUCKET, Key=f"{name}.mp4")["Metadata"]["task-id"] == stored.task_id
    assert client.get_object(Bucket=BUCKET, Key=f"{name}.jpg")["Body"].read().startswith(b"\xff\xd8")
    provenance = client.get_object(Bucket=BUCKET, Key=f"{name}.json")["Body"].read()
    assert json.loads(provenance)["video"]["sha256"] == stored.sha256
    assert SECRET_KEY.encode() not in provenance
    assert moto.unfinished(store.s3_settings()) == []

    again = generate_video(REQUEST, credentials, store)
    assert again.reused
    assert again.sha256 == stored.sha256
    assert [bill.accepted for bill in vendor.bills()] == [1]


def test_an_unknown_submission_is_in_the_bucket_for_the_next_run(
    vendor: Simulator, credentials: SeedanceCredentials, moto: S3Server
) -> None:
    store = bucket_store(moto)
    vendor.plan(Fault(fault="lost_answer"))
    for _ in range(2):
        with pytest.raises(SubmissionUnknown, match="not known"):
            generate_video(REQUEST, credentials, store)
    assert vendor.requests().create_received == 1


@pytest.mark.long
def test_the_commands_that_settle_it_reach_the_bucket_by_the_saved_store(
    vendor: Simulator, credentials: SeedanceCredentials, moto: S3Server, prefect_server: str, tmp_path: Path
) -> None:
    bucket_store(moto).save("bucket-of-minio", overwrite=True)
    store = VideoStore.load("bucket-of-minio")
    vendor.plan(Fault(fault="lost_answer"))
    with pytest.raises(SubmissionUnknown) as unknown:
        generate_video(REQUEST, credentials, store)
    line = re.search(r"prefect-seedance (resolve .*) --task-id \.\.\.", str(unknown.value))
    assert line is not None
    settle = shlex.split(line[1])
    assert settle[-2:] == ["--store", "seedance-video-store/bucket-of-minio"]

    # What the saved store does not say is not known here: neither its keys nor its endpoint.
    known = {
        "PREFECT_API_URL": prefect_server,
        "JIMMYAI_API_KEY": vendor.key,
        "JIMMYAI_BASE_URL": vendor.url,
    }
    (task_id,) = vendor.bills()[0].task_ids
    done = run(*settle, "--task-id", task_id, cwd=tmp_path, **known)
    assert done.returncode == 0, done.stderr
    assert generate_video(REQUEST, credentials, store).task_id == task_id


@pytest.mark.parametrize("kind", ["aws-credentials", "minio-credentials"])
@pytest.mark.sample(every=2)
def test_a_saved_block_of_prefect_aws_gives_the_keys(
    kind: str, vendor: Simulator, credentials: SeedanceCredentials, moto: S3Server
) -> None:
    parameters = AwsClientParameters(endpoint_url=moto.url)
    if kind == "aws-credentials":
        block: Block = AwsCredentials(
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SecretStr(SECRET_KEY),
            region_name="us-east-1",
            aws_client_parameters=parameters,
        )
    else:
        block = MinIOCredentials(
            minio_root_user=ACCESS_KEY,
            minio_root_password=SecretStr(SECRET_KEY),
            region_name="us-east-1",
            aws_client_parameters=parameters,
        )
    block.save("studio", overwrite=True)
    store = VideoStore(location=moto.settings().location, aws_credentials=f"{kind}/studio")
    stored = generate_video(REQUEST, credentials, store)
    found = store.open().stat(stored.key)
    assert found is not None
    assert found.size == stored.bytes


def test_a_missing_block_of_prefect_aws_is_said_before_anything_is_paid(
    vendor: Simulator, credentials: SeedanceCredentials
) -> None:
    store = VideoStore(location="s3://somewhere", aws_credentials="aws-credentials/nobody")
    with pytest.raises(BadLocation, match="Save it first"):
        generate_video(REQUEST, credentials, store)
    assert vendor.requests().create_received == 0


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_paid(
    vendor: Simulator, credentials: SeedanceCredentials, rclone: S3Server
) -> None:
    with pytest.raises(ConditionsIgnored, match="single_writer"):
        generate_video(REQUEST, credentials, bucket_store(rclone))
    assert vendor.requests().create_received == 0
    stored = generate_video(REQUEST, credentials, bucket_store(rclone, single_writer=True))
    assert stored.bytes > 0


def test_what_a_bucket_refuses_is_said_before_anything_is_paid(
    vendor: Simulator, credentials: SeedanceCredentials, moto: S3Server
) -> None:
    with pytest.raises(StorageError, match="bucket does not exist"):
        generate_video(REQUEST, credentials, bucket_store(moto, location="s3://nowhere"))
    assert vendor.requests().create_received == 0
