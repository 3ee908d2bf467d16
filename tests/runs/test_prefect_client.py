"""The client of Prefect's API that the steps of a run share."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest
from prefect.client import orchestration
from prefect.client.orchestration import get_client
from prefect.context import AsyncClientContext
from prefect.settings import (
    PREFECT_API_ENABLE_HTTP2,
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_TLS_INSECURE_SKIP_VERIFY,
    PREFECT_API_URL,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)

from prefect_seedance.runs.context.prefect_client import RunClientContext
from prefect_seedance.tls import tls_context

#: Nothing is sent to it.
SERVER: dict[Any, Any] = {PREFECT_API_URL: "http://127.0.0.1:9/api"}


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ssl.SSLContext]:
    """Return the TLS context that a run's client is made with, under the settings of Prefect's that are given."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    made: list[ssl.SSLContext] = []
    original = orchestration.PrefectHttpxAsyncClient

    def noted(**named: Any) -> Any:
        made.append(named["verify"])
        return original(**named)

    monkeypatch.setattr(orchestration, "PrefectHttpxAsyncClient", noted)

    def trusted_with(certificates: str | None = None, insecure: bool = False, http2: bool = False) -> ssl.SSLContext:
        settings: dict[Any, Any] = {
            PREFECT_API_SSL_CERT_FILE: certificates,
            PREFECT_API_TLS_INSECURE_SKIP_VERIFY: insecure,
            PREFECT_API_ENABLE_HTTP2: http2,
        }
        with temporary_settings(SERVER | settings):
            RunClientContext()
        return made[-1]

    return trusted_with


def test_takes_the_tls_context_of_this_process(trusted: Callable[..., ssl.SSLContext]) -> None:
    assert trusted() is tls_context()


def test_shares_the_file_that_the_environment_names_for_both(
    trusted: Callable[..., ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert trusted(certificates=certifi.where()) is tls_context()


def test_leaves_other_certificates_to_prefect(trusted: Callable[..., ssl.SSLContext], tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_text(Path(certifi.where()).read_text())
    assert trusted(certificates=str(own)) is not tls_context()


def test_leaves_a_folder_of_certificates_to_prefect(
    trusted: Callable[..., ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Prefect does not read `SSL_CERT_DIR`, so what our clients trust by it may be more."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trusted() is not tls_context()


def test_an_unverified_connection_is_for_prefects_server_alone(trusted: Callable[..., ssl.SSLContext]) -> None:
    context = trusted(insecure=True)
    assert context is not tls_context()
    assert context.verify_mode is ssl.CERT_NONE
    assert tls_context().verify_mode is ssl.CERT_REQUIRED


def test_http2_gets_a_context_of_its_own(trusted: Callable[..., ssl.SSLContext]) -> None:
    """What a connection may negotiate is a mark on the context, which HTTP/1.1 clients would set back."""
    pytest.importorskip("h2")
    assert trusted(http2=True) is not tls_context()


def test_prefects_own_code_gets_this_client() -> None:
    """It asks for a client without settings, and would otherwise make another one at each call."""

    async def within() -> None:
        async with RunClientContext.get_or_create() as context:
            assert isinstance(context, RunClientContext)
            assert get_client() is context.client
            async with AsyncClientContext.get_or_create() as found:
                assert found is context

    with temporary_settings(SERVER | {PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}):
        asyncio.run(within())
