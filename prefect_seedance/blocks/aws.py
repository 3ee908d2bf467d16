"""Credentials for S3 from a block that users of prefect-aws have saved already."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, cast

from prefect.blocks.core import Block
from pydantic import SecretStr

from prefect_seedance.storage.errors import BadLocation
from prefect_seedance.storage.s3.settings import S3Options

SLUGS = ("aws-credentials", "minio-credentials")

#: How long what was loaded is used again. Keys of an assumed role live for an hour or more.
_KEPT_SECONDS = 600.0
_kept: dict[str, tuple[float, S3Options]] = {}


class _Frozen(Protocol):
    access_key: str
    secret_key: str
    token: str | None


class _Credentials(Protocol):
    def get_frozen_credentials(self) -> _Frozen: ...


class _Session(Protocol):
    region_name: str | None

    def get_credentials(self) -> _Credentials | None: ...


class _Parameters(Protocol):
    endpoint_url: str | None


class _AwsBlock(Protocol):
    """What ``AwsCredentials`` and ``MinIOCredentials`` have in common."""

    aws_client_parameters: _Parameters

    def get_boto3_session(self) -> _Session: ...


def check_name(name: str) -> str:
    """Check the name of a saved block.

    Raises:
        ValueError: It is not of the form ``aws-credentials/name``.
    """
    slug, _, document = name.partition("/")
    if name and (slug not in SLUGS or not document):
        raise ValueError(
            "aws_credentials is not the name of a saved block: write aws-credentials/NAME or minio-credentials/NAME"
        )
    return name


def options_of(name: str) -> S3Options:
    """Load a saved block and take its keys, region and endpoint. Blocking: call it in a thread.

    Args:
        name: ``aws-credentials/NAME`` or ``minio-credentials/NAME``.

    Raises:
        BadLocation: The block cannot be loaded.
    """
    kept = _kept.get(name)
    if kept is None or time.monotonic() - kept[0] > _KEPT_SECONDS:
        kept = _kept[name] = (time.monotonic(), _loaded(name))
    return kept[1]


def _loaded(name: str) -> S3Options:
    try:
        # In a thread of an asynchronous run, load would return a coroutine; its signature does not tell of _sync.
        load = cast("Callable[..., _AwsBlock]", Block.load)
        block = load(name, _sync=True)
    except (ValueError, RuntimeError, ImportError) as error:
        raise BadLocation(
            name,
            f"the saved block cannot be loaded ({error}). Save it first; it needs prefect-seedance[aws].",
        ) from error
    session = block.get_boto3_session()
    found = session.get_credentials()
    options: S3Options = {}
    if found is not None:
        frozen = found.get_frozen_credentials()
        options["access_key_id"] = frozen.access_key
        options["secret_access_key"] = SecretStr(frozen.secret_key)
        options["session_token"] = SecretStr(frozen.token or "")
    if session.region_name:
        options["region"] = session.region_name
    if block.aws_client_parameters.endpoint_url:
        options["endpoint_url"] = block.aws_client_parameters.endpoint_url
    return options
