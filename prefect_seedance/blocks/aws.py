"""Credentials for S3 from a block that users of prefect-aws have saved already."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from prefect.blocks.core import Block
from pydantic import SecretStr

from prefect_seedance.storage.errors import BadLocation
from prefect_seedance.storage.s3.settings import LoadedOptions

SLUGS = ("aws-credentials", "minio-credentials")

#: How long what was loaded is used again. Keys of an assumed role live for an hour or more.
_KEPT_SECONDS = 600.0
_kept: dict[str, tuple[float, LoadedOptions]] = {}

#: The only version of S3's API that there is.
_API_VERSION = "2006-03-01"
#: Of botocore's `Config`: what the store sets itself, since an upload that is safe depends on it.
_OURS = frozenset(
    {
        *("signature_version", "retries", "connect_timeout", "read_timeout", "max_pool_connections", "tcp_keepalive"),
        *("user_agent", "request_checksum_calculation", "response_checksum_validation"),
    }
)


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
    api_version: str | None
    use_ssl: bool
    verify: bool | Path | None
    verify_cert_path: Path | None
    endpoint_url: str | None
    config: dict[str, Any] | None


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


def options_of(name: str) -> LoadedOptions:
    """Load a saved block and take its keys, region and client parameters. Blocking: call it in a thread.

    Args:
        name: ``aws-credentials/NAME`` or ``minio-credentials/NAME``.

    Raises:
        BadLocation: The block cannot be loaded, or has a setting that is neither taken nor safe to leave out.
    """
    kept = _kept.get(name)
    if kept is None or time.monotonic() - kept[0] > _KEPT_SECONDS:
        kept = _kept[name] = (time.monotonic(), _loaded(name))
    return kept[1]


def notices_of(name: str) -> list[str]:
    """Return what a person should know of the settings of a saved block, in words. Blocking.

    Args:
        name: As for `options_of`.
    """
    options, notices = options_of(name), list[str]()
    if options.get("verify") is False:
        notices.append(
            f"{name} has verify off: the certificate of the endpoint is not verified, and whoever is on the way can "
            "read the videos and the keys. A file of certificates in verify_cert_path is safe."
        )
    ours = sorted(_OURS & json.loads(options.get("client_config", "{}")).keys())
    if ours:
        notices.append(f"{', '.join(ours)} in the client parameters of {name} have no effect: the store sets its own.")
    return notices


def _loaded(name: str) -> LoadedOptions:
    try:
        # In a thread of an asynchronous run, load would return a coroutine; its signature does not tell of _sync.
        load = cast("Callable[..., _AwsBlock]", Block.load)
        block = load(name, _sync=True)
    except (ValueError, RuntimeError, ImportError) as error:
        # Here, as a server that loads the blocks needs none of it.
        from prefect_seedance.blocks.saved_blocks import why_not_loaded

        raise BadLocation(
            name,
            f"the saved block cannot be loaded ({why_not_loaded(error)}). Save it first; it needs "
            "prefect-seedance[aws].",
        ) from error
    session = block.get_boto3_session()
    found = session.get_credentials()
    options = _client_options(name, block.aws_client_parameters)
    if found is not None:
        frozen = found.get_frozen_credentials()
        options["access_key_id"] = frozen.access_key
        options["secret_access_key"] = SecretStr(frozen.secret_key)
        options["session_token"] = SecretStr(frozen.token or "")
    if session.region_name:
        options["region"] = session.region_name
    return options


def _client_options(name: str, parameters: _Parameters) -> LoadedOptions:
    """Take the client parameters of a block; each is honoured, refused, or told by `notices_of`.

    Raises:
        BadLocation: One of them cannot be honoured.
    """
    options: LoadedOptions = {}
    if parameters.endpoint_url:
        options["endpoint_url"] = parameters.endpoint_url
    elif not parameters.use_ssl:
        raise BadLocation(name, "its use_ssl is off without an endpoint_url. Turn it on, or name an http:// endpoint.")
    if parameters.api_version not in (None, "", _API_VERSION):
        raise BadLocation(name, f"its api_version is not that of S3. Clear it, or write {_API_VERSION}.")
    bundle = parameters.verify_cert_path or (parameters.verify if isinstance(parameters.verify, Path) else None)
    if bundle is not None:
        if not bundle.is_file():
            raise BadLocation(name, "the file of certificates that it names is not on this machine.")
        options["verify"] = str(bundle)
    elif isinstance(parameters.verify, bool):
        options["verify"] = parameters.verify
    if parameters.config:
        options |= _config_options(name, parameters.config)
    return options


def _config_options(name: str, config: dict[str, Any]) -> LoadedOptions:
    from botocore.config import Config

    options: LoadedOptions = {}
    if config.get("signature_version", "s3v4") not in ("s3v4", "v4"):
        raise BadLocation(name, "its config asks for a signature_version other than s3v4. Remove it.")
    s3: dict[str, Any] = config.get("s3") or {}
    try:
        Config(**config)
        options["client_config"] = json.dumps(config, sort_keys=True)
        if s3.get("addressing_style") == "path":
            options["path_style"] = True
    except Exception as error:  # whatever botocore thinks of it; its words may repeat a secret
        raise BadLocation(name, "botocore does not accept its config. Correct it.") from error
    if config.get("region_name"):
        options["region"] = config["region_name"]
    return options
