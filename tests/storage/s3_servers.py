"""Real S3 servers for the tests, each a process on this machine, and stores in them.

Another folder's tests get them by importing the fixtures into their conftest.py:
`from tests.storage.s3_servers import moto, rclone`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from prefect_seedance.storage.s3.bucket import make_client
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.store import S3Store

BUCKET = "test-bucket"
ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key-0123456789"


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket."""

    url: str
    #: Does it honour If-None-Match and If-Match?
    conditions: bool

    def settings(self, **more: Any) -> S3Settings:
        """Settings of a store with a prefix of its own; `single_writer` where it is needed."""
        options: dict[str, Any] = {
            "bucket": BUCKET,
            "prefix": f"p{uuid4().hex[:12]}/deep",
            "endpoint_url": self.url,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SecretStr(SECRET_KEY),
            "single_writer": not self.conditions,
        }
        return S3Settings(**(options | more))

    def unfinished(self, settings: S3Settings) -> list[str]:
        """Keys of the multipart uploads that are neither completed nor aborted."""
        try:
            answer = self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=settings.prefix)
        except ClientError as error:  # what rclone says of a bucket that has none
            assert error.response["Error"]["Code"] == "NoSuchUpload"
            return []
        return [upload["Key"] for upload in answer.get("Uploads", [])]

    def store(self, **more: Any) -> S3Store:
        """A store with a prefix of its own. The client is shared: it is slow to make."""
        return self.store_of(self.settings(**more))

    def store_of(self, settings: S3Settings) -> S3Store:
        """A store with these settings, but the keys of the tests; a new one each time."""
        return S3Store(settings, make_client=lambda _: _client(settings.endpoint_url))

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which whatever speaks to AWS speaks to this server."""
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        return {**keys, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_S3": self.url}

    @cached_property
    def client(self) -> Any:
        """A boto3 client, to look behind the store's back."""
        return _client(self.url)


@cache
def _client(endpoint_url: str) -> Any:
    keys: dict[str, Any] = {"access_key_id": ACCESS_KEY, "secret_access_key": SecretStr(SECRET_KEY)}
    return make_client(S3Settings(BUCKET, endpoint_url=endpoint_url, **keys))


@contextmanager
def running_moto() -> Iterator[S3Server]:
    """moto, with S3's atomicity."""
    script = Path(__file__).with_name("moto_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        server = S3Server(f"http://127.0.0.1:{int(process.stdout.readline())}", conditions=True)
        server.client.create_bucket(Bucket=BUCKET)
        yield server
    finally:
        end(process)


@contextmanager
def running_rclone(folder: Path) -> Iterator[S3Server]:
    """rclone's server: written in another language, and deaf to conditions."""
    (folder / BUCKET).mkdir()
    binary = Path(sys.executable).with_name("rclone")
    log = folder / "log"
    with open(log, "w") as output:
        process = subprocess.Popen(
            [
                *(str(binary) if binary.exists() else "rclone", "serve", "s3", str(folder)),
                *("--addr", "127.0.0.1:0", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", os.devnull),
            ],
            stderr=output,
            text=True,
        )
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        yield S3Server(found.group(), conditions=False)
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with running_moto() as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server
