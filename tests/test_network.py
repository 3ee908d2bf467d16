"""What the environment says of the network and cannot work is named, without its value, before anything is sent."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest
from prefect_aws import AwsCredentials, MinIOCredentials
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr

from prefect_seedance import SeedanceClient, SeedanceCredentials
from prefect_seedance.blocks import aws
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.network import UnusableEnvironment, check_proxies
from prefect_seedance.storage.errors import BadLocation, NotReadable, StoreUnavailable
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.store import S3Store
from tests.client.test_tls_and_proxy import contexts
from tests.client.wire_server import WireServer, answer

__all__ = ["contexts"]

KEYS: dict[str, Any] = {"access_key_id": "a", "secret_access_key": SecretStr("b")}
ABSENT = b"<Error><Code>NoSuchKey</Code></Error>"
BAD_PROXIES = [
    "http://me:hunter2@proxy:99999",
    "http://me:hunter2@proxy:port",
    "http://me:hunter2@proxy:0",
    "http://me:hunter2@[::1",
    "http://me:hunter2@a b:1",
    "http://",
    "://hunter2",
    "ftp://hunter2:21",
    "socks4://hunter2:1080",
    "socks5://me:hunter2@127.0.0.1:1080",
    "socks5h://me:hunter2@127.0.0.1:1080",
]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"])
@pytest.mark.parametrize("proxy", BAD_PROXIES)
def test_a_proxy_that_cannot_be_used_is_named_by_the_vendor_s_client(
    proxy: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, proxy)
    for make in (lambda: SeedanceClient("sk_test"), SeedanceCredentials(api_key="sk_test").get_async_client):
        with pytest.raises(ConfigurationError, match=name) as caught:
            make()
        assert "Nothing was sent" in str(caught.value) and "hunter2" not in f"{caught.value} {caught.value.__cause__!r}"
    with pytest.raises(ConfigurationError, match=name):
        SeedanceCredentials(api_key="sk_test").vendor_account().check_environment()
    SeedanceClient("sk_test", "http://127.0.0.1:9").close()  # this machine is not reached through a proxy


@pytest.mark.parametrize("proxy", BAD_PROXIES)
@pytest.mark.sample(every=3)
def test_a_proxy_that_cannot_be_used_is_named_by_the_store(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    for endpoint in ("", "https://minio.example.com"):
        with pytest.raises(NotReadable, match="HTTPS_PROXY") as caught:
            S3Store(S3Settings("bucket", endpoint_url=endpoint, **KEYS)).check_writable()
        assert "hunter2" not in f"{caught.value} {caught.value.__cause__!r}"
    assert S3Store(S3Settings("bucket", endpoint_url="https://127.0.0.1:9", **KEYS)).client
    monkeypatch.setenv("NO_PROXY", "minio.example.com")
    assert S3Store(S3Settings("bucket", endpoint_url="https://minio.example.com", **KEYS)).client


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "http://me:pw@proxy", "https://proxy.example.com:8443", "http://[::1]:1"]
)
@pytest.mark.parametrize("exceptions", ["", "*", "localhost, .example.com,10.0.0.0/8,::1", "::1", "*.example.com:443,"])
def test_what_works_is_taken(proxy: str, exceptions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", exceptions)
    check_proxies()
    SeedanceClient("sk_test").close()


@pytest.mark.parametrize(
    "exceptions", ["[::1", "[::1]", "a b", "localhost;example.com", "host:port", "fd00::/8", "::1,10.0.0.0/8,fe80::/10"]
)
def test_exceptions_that_nobody_can_read_are_named(exceptions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", exceptions)
    with pytest.raises(UnusableEnvironment, match="NO_PROXY"):
        check_proxies()
    with pytest.raises(ConfigurationError, match="NO_PROXY"):
        SeedanceClient("sk_test")


@pytest.mark.parametrize("content", [None, "no certificates"])
def test_certificates_that_are_not_there_are_named(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "trusted.pem").write_text(content)
    monkeypatch.setattr("prefect_seedance.tls._context", None)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        SeedanceClient("sk_test")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_DIR"):
        SeedanceClient("sk_test")


def aws_settings(tmp_path: Path) -> list[tuple[dict[str, str], str]]:
    (tmp_path / "broken").write_text("[default\nregion = ")
    (tmp_path / "bundle").write_text("[default]\nca_bundle = /nowhere/hunter2.pem\n")
    return [
        ({"AWS_PROFILE": "nobody"}, "profile"),
        ({"AWS_CONFIG_FILE": str(tmp_path / "broken")}, "configuration file"),
        ({"AWS_CONFIG_FILE": str(tmp_path / "bundle")}, "ca_bundle"),
        ({"AWS_CA_BUNDLE": "/nowhere/hunter2.pem"}, "AWS_CA_BUNDLE"),
        ({"REQUESTS_CA_BUNDLE": "/nowhere/hunter2.pem"}, "REQUESTS_CA_BUNDLE"),
        ({"AWS_ENDPOINT_URL": "https://me:hunter2@ho st"}, "AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL_S3": "hunter2"}, "AWS_ENDPOINT_URL_S3"),
        ({"AWS_MAX_ATTEMPTS": "hunter2"}, "AWS_MAX_ATTEMPTS"),
        ({"AWS_DEFAULT_REGION": "eu central"}, "region"),
        ({"AWS_RETRY_MODE": "hunter2"}, ""),
    ]


@pytest.mark.parametrize("number", range(10))
def test_a_setting_of_aws_that_cannot_work_is_named_by_the_store(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables, words = aws_settings(tmp_path)[number]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    store = S3Store(S3Settings("bucket", **({} if "profile" in words else KEYS)))
    if "AWS_RETRY_MODE" in variables or "AWS_MAX_ATTEMPTS" in variables:
        assert store.client, "the store sets its own"
        return
    with pytest.raises(NotReadable, match=words) as caught:
        store.check_writable()
    assert "hunter2" not in str(caught.value)


def test_certificates_that_are_there_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", certifi.where())
    assert S3Store(S3Settings("bucket", **KEYS)).client


# The client parameters of a saved block of prefect-aws: each is honoured, refused or told.

SaveBlock = Callable[..., str]


@pytest.fixture(params=["minio-credentials", "aws-credentials"])
def saved(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SaveBlock:
    """Put a block where a saved one is looked for, without a Prefect server."""

    def save(**parameters: Any) -> str:
        made = AwsClientParameters(**parameters)
        block: Any
        if request.param == "minio-credentials":
            block = MinIOCredentials(
                minio_root_user="a", minio_root_password=SecretStr("hunter2"), aws_client_parameters=made
            )
        else:
            block = AwsCredentials(
                aws_access_key_id="a", aws_secret_access_key=SecretStr("hunter2"), aws_client_parameters=made
            )
        monkeypatch.setattr(aws.Block, "load", lambda name, _sync: block)
        monkeypatch.setattr(aws, "_kept", {})
        return f"{request.param}/studio"

    return save


def settings_of(name: str) -> S3Settings:
    return S3Settings.from_location("s3://bucket", **aws.options_of(name))


def test_a_block_may_turn_the_verification_off_or_bring_its_own_certificates(
    saved: SaveBlock, contexts: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> None:
    authority = tmp_path / "authority.pem"
    with WireServer([answer(404, body=ABSENT)] * 8, tls=contexts[0]) as server:
        authority.write_text(ssl.get_server_certificate(("127.0.0.1", server.port)))
        for parameters in ({"verify": False}, {"verify_cert_path": authority}, {"verify": authority}):
            store = S3Store(settings_of(saved(endpoint_url=server.url, **parameters)))
            assert store.get("journal/a") is None
        with pytest.raises(StoreUnavailable, match="certificate"):
            S3Store(settings_of(saved(endpoint_url=server.url))).get("journal/a")


def test_what_a_block_sets_is_honoured_or_told(saved: SaveBlock) -> None:
    name = saved(
        endpoint_url="https://minio.example.com",
        verify=False,
        config={"s3": {"addressing_style": "path"}, "region_name": "moon-1", "retries": {"total_max_attempts": 9}},
    )
    settings = settings_of(name)
    assert (settings.path_style, settings.region, settings.verify) == (True, "moon-1", False)
    unverified, ours = aws.notices_of(name)
    assert "verify off" in unverified and "retries" in ours
    name = saved(endpoint_url="https://minio.example.com", config={"s3": {"payload_signing_enabled": True}})
    assert S3Store(settings_of(name)).client.meta.config.s3["payload_signing_enabled"] is True
    assert aws.notices_of(name) == []
    assert settings_of(saved(api_version="2006-03-01", endpoint_url="https://minio.example.com", use_ssl=False))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"use_ssl": False}, "use_ssl"),
        ({"api_version": "2012-01-01"}, "api_version"),
        ({"config": {"signature_version": "s3"}}, "signature_version"),
        ({"config": {"signature_version": "unsigned"}}, "signature_version"),
        ({"config": {"no_such_setting": "hunter2"}}, "config"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_words(saved: SaveBlock, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(BadLocation, match=words) as caught:
        settings_of(saved(**parameters))
    assert "hunter2" not in str(caught.value)


def test_every_client_parameter_of_prefect_aws_is_known_here() -> None:
    """A new one has to be honoured or refused."""
    assert AwsClientParameters.model_fields.keys() == aws._Parameters.__annotations__.keys()
