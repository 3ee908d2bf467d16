from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.storage.s3_proxy import S3Proxy, faulty_line
from tests.storage.s3_servers import S3Server, moto, rclone

__all__ = ["moto", "rclone"]


@pytest.fixture(scope="session")
def line(moto: S3Server) -> Iterator[S3Proxy]:
    with faulty_line(moto.url) as proxy:
        yield proxy


@pytest.fixture
def proxy(line: S3Proxy) -> S3Proxy:
    """A line to the S3 server that does as each test says; by itself it is a good one."""
    line.mend()
    return line
