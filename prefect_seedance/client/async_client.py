"""The awaited client: it carries calls, sleeps between tries, and decides nothing.

Cancelling an awaited create loses its answer, and with it perhaps a paid task id. Where that matters, run the
blocking client's ``submit_video`` in a thread, which a cancellation does not interrupt.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import httpx
from pydantic import SecretStr

from prefect_seedance.client import protocol
from prefect_seedance.client.base import FRESH_CONNECTION, SHARED_CONNECTIONS, ClientBase, open_upload
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.exchange import Exchange
from prefect_seedance.client.models import (
    Asset,
    AuditResult,
    CatalogEntry,
    KeyBalance,
    UploadedFile,
    UserBalance,
    VideoTask,
)
from prefect_seedance.client.outcome import Accepted, Outcome
from prefect_seedance.client.protocol import ApiRequest, SpAssetType, T
from prefect_seedance.client.request import VideoRequest
from prefect_seedance.client.retry import Random
from prefect_seedance.client.settings import DEFAULT_BASE_URL, DEFAULT_TIMEOUTS, Timeouts
from prefect_seedance.client.submission import accepted_or_delay
from prefect_seedance.client.wire import body_of
from prefect_seedance.tls import tls_context


class AsyncSeedanceClient(ClientBase):
    """The vendor's API, awaited. Use it as an async context manager, or call `aclose`.

    Arguments and methods are those of `SeedanceClient`.

    Example:
        >>> AsyncSeedanceClient("sk_example")
        AsyncSeedanceClient(host='www.jimmyai.cn', fingerprint='b568bdccc19f')
    """

    def __init__(
        self,
        api_key: str | SecretStr,
        base_url: str = DEFAULT_BASE_URL,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        random: Random = random_module.random,
    ) -> None:
        super().__init__(api_key, base_url, timeouts, random=random, own_transport=transport is None)
        self._transport = None if transport is None else _Borrowed(transport)
        self._sleep = sleep
        self._shared = self._http_client(SHARED_CONNECTIONS)

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._shared.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def submit_video(self, request: VideoRequest, *, total_seconds: float | None = None) -> Outcome:
        """Send one create, exactly once, on a connection of its own, and say what became of it.

        Args:
            request: What to generate.
            total_seconds: Limit of the whole exchange; by default ``timeouts.submit_total``.

        Returns:
            One of six outcomes; see ``outcome.py`` for which of them may be sent again.
        """
        call = protocol.create_video(body_of(request))
        async with self._http_client(FRESH_CONNECTION) as client:
            return call.read(await self._carry(client, call, total_seconds, fresh=True))

    async def create_video(self, request: VideoRequest, *, total_seconds: float | None = None) -> Accepted:
        """Submit a video and give the task that was accepted.

        Sent again only when it certainly was not accepted: no connection, too many requests, a busy vendor.

        Args:
            request: What to generate.
            total_seconds: Limit of each try.

        Raises:
            SubmissionUnclear: Perhaps accepted. Look into the vendor's console before anything else.
            SeedanceError: Certainly not accepted; the class says why.
        """
        retries = self._submission_retries()
        while True:
            decision = accepted_or_delay(await self.submit_video(request, total_seconds=total_seconds), retries)
            if isinstance(decision, Accepted):
                return decision
            await self._sleep(decision)

    async def get_video(self, task_id: str) -> VideoTask:
        """Ask how a task stands. A failed task is an answer, not an error."""
        return await self._call(protocol.get_video(task_id))

    async def upload_file(self, path: Path | str) -> UploadedFile:
        """Hand a local file of at most 100 MB to the vendor, for about 3 days."""
        return await self._call(protocol.upload_file(Path(path)))

    async def submit_assets(
        self,
        *,
        image_urls: Sequence[str] = (),
        video_urls: Sequence[str] = (),
        audio_urls: Sequence[str] = (),
    ) -> AuditResult:
        """Hand public URLs to the audit that the ``sd2_mx_*`` routes require."""
        return await self._call(protocol.submit_assets(image_urls, video_urls, audio_urls))

    async def asset_status(self, asset_ids: Sequence[str]) -> tuple[Asset, ...]:
        """Ask how audited assets stand."""
        return await self._call(protocol.asset_status(asset_ids))

    async def upload_sp_asset(self, name: str, asset_type: SpAssetType, url: str) -> Asset:
        """Put a public URL into the SP routes' library."""
        return await self._call(protocol.upload_sp_asset(name, asset_type, url))

    async def sp_asset_status(self, asset_ids: Sequence[str]) -> tuple[Asset, ...]:
        """Ask how assets of the SP library stand."""
        return await self._call(protocol.sp_asset_status(asset_ids))

    async def sp_asset_detail(self, asset_id: str) -> Asset:
        """Ask for all about one asset of the SP library."""
        return await self._call(protocol.sp_asset_detail(asset_id))

    async def user_balance(self) -> UserBalance:
        """Ask for the account's JimiCoins."""
        return await self._call(protocol.user_balance())

    async def key_balance(self) -> KeyBalance:
        """Ask for the key's quota."""
        return await self._call(protocol.key_balance())

    async def catalog(self, search: str = "") -> tuple[CatalogEntry, ...]:
        """Ask for models and default prices; the key is not sent."""
        return await self._call(protocol.catalog(search))

    async def _call(self, call: ApiRequest[T]) -> T:
        retries = self._call_retries(call)
        while True:
            try:
                return call.read(await self._carry(self._shared, call))
            except SeedanceError as error:
                delay = retries.delay_after(error)
            await self._sleep(delay)

    async def _carry(
        self,
        client: httpx.AsyncClient,
        call: ApiRequest[T],
        total_seconds: float | None = None,
        *,
        fresh: bool = False,
    ) -> Exchange:
        watch, incoming = self._watch(call, total_seconds), self._incoming()
        with open_upload(call.file) as upload:
            request = self._http_request(call, watch, watch.anote, upload, fresh=fresh)
            try:
                with anyio.fail_after(watch.total_seconds):
                    response = await client.send(request, stream=True)
                    try:
                        incoming.begin(response)
                        async for chunk in response.aiter_bytes():
                            incoming.add(chunk)
                    finally:
                        await response.aclose()
            except Exception as fault:
                # As in the blocking client: nothing unexpected may pass for a create that can be repeated.
                return incoming.exchange(fault=watch.fault(fault), sent=watch.sent)
        return incoming.exchange(sent=watch.sent)

    def _http_client(self, limits: httpx.Limits) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=self._transport, verify=tls_context(), trust_env=self._trust_env, limits=limits
        )


class _Borrowed(httpx.AsyncBaseTransport):
    """Somebody else's transport: closing is their business."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)
