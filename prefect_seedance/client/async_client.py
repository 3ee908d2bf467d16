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
from pydantic import SecretStr

from prefect_seedance.client import protocol
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.http import KEEPALIVE_SECONDS, AsyncCarrier, AsyncTransport, MaySend
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
from prefect_seedance.client.protocol import ApiRequest, SpAssetType, T, UploadSource
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.request.wire import request_body
from prefect_seedance.client.retry import CallRetries, Random, SubmissionRetries, accepted_or_delay
from prefect_seedance.client.settings import (
    DEFAULT_BASE_URL,
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    ClientSettings,
    Timeouts,
)


class AsyncSeedanceClient:
    """The vendor's API, awaited. Use it as an async context manager, or call `aclose`.

    Arguments and methods are those of `SeedanceClient`.

    Examples:
        >>> AsyncSeedanceClient("sk_example")
        AsyncSeedanceClient(host='www.jimmyai.cn', fingerprint='b568bdccc19f')
    """

    def __init__(
        self,
        api_key: str | SecretStr,
        base_url: str = DEFAULT_BASE_URL,
        *,
        max_retries: int = DEFAULT_MAX_RETRIES,
        timeout: Timeouts | float = DEFAULT_TIMEOUT,
        keepalive_seconds: float = KEEPALIVE_SECONDS,
        transport: AsyncTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        random: Random = random_module.random,
    ) -> None:
        self.settings = ClientSettings(api_key, base_url, timeout, max_retries)
        self._carrier = AsyncCarrier(self.settings, keepalive_seconds, transport)
        self._sleep = sleep
        self._random = random

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.shown})"

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._carrier.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def submit_video(
        self, request: VideoRequest, *, timeout: float | None = None, may_send: MaySend | None = None
    ) -> Outcome:
        """Send one create, exactly once, on a connection of its own, and return what became of it.

        Args:
            request: What to generate.
            timeout: Limit of the whole exchange in seconds; from 0 down nothing is sent.
            may_send: Asked when the connection stands and the first byte is about to leave; False keeps it back, and
                the outcome is `NeverSent`.

        Returns:
            One of six outcomes; see ``outcome.py`` for which of them may be sent again.

        Raises:
            InvalidRequest: A reference is not an address that can be sent, such as a path or ``s3://``. Hand such a
                file to `upload_file` first, or let the flow ``generate_video`` do so.
        """
        call = protocol.create_video_call(request_body(request))
        return call.read(await self._carrier.carry(call, timeout, may_send))

    async def create_video(
        self, request: VideoRequest, *, max_retries: int | None = None, timeout: float | None = None
    ) -> Accepted:
        """Submit a video and return the task that was accepted.

        Sent again only when it certainly was not accepted: no connection, too many requests, a busy vendor.

        Args:
            request: What to generate.
            max_retries: How often it may be sent again in all.
            timeout: Limit of each try in seconds.

        Raises:
            OutcomeUnknown: Perhaps accepted. Look into the vendor's console before anything else.
            SeedanceError: Certainly not accepted; the class tells why.
        """
        retries = SubmissionRetries(max_retries=self.settings.retries(max_retries), random=self._random)
        while True:
            decision = accepted_or_delay(await self.submit_video(request, timeout=timeout), retries)
            if isinstance(decision, Accepted):
                return decision
            await self._sleep(decision)

    async def get_video(
        self, task_id: str, *, max_retries: int | None = None, timeout: float | None = None
    ) -> VideoTask:
        """Ask how a task stands. A failed task is an answer, not an error.

        Args:
            task_id: The vendor's task id.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.

        Raises:
            TaskNotFound: The vendor does not know it (yet).
        """
        return await self._call(protocol.get_video(task_id), max_retries, timeout)

    async def upload_file(
        self, source: Path | str | UploadSource, *, max_retries: int | None = None, timeout: float | None = None
    ) -> UploadedFile:
        """Hand a file of at most 100 MB to the vendor, for about 3 days. Each try has 30 minutes by default.

        Args:
            source: The path of a local file; or anything else that has a name, a size and a media type, and can be
                opened: it is read in small pieces, in a thread.
            max_retries: How often it is repeated, where nothing of it can have been accepted.
            timeout: Limit of each try in seconds.

        Raises:
            InvalidRequest: The vendor would not take it, or it is not as long as it said.
            UnexpectedAnswer: The vendor took it, and named no link that a request could hold.
            Exception: What ``source`` raises while it is opened or read, as it is; the upload is not repeated then.
        """
        upload = Path(source) if isinstance(source, str) else source
        call = protocol.upload_file(upload, allow_loopback=self.settings.is_local)
        return await self._call(call, max_retries, timeout)

    async def submit_assets(
        self,
        *,
        image_urls: Sequence[str] = (),
        video_urls: Sequence[str] = (),
        audio_urls: Sequence[str] = (),
        max_retries: int | None = None,
        timeout: float | None = None,
    ) -> AuditResult:
        """Hand public URLs to the audit that the ``sd2_mx_*`` routes require.

        That a part fails is normal: ask the result for each address by `AuditResult.of`. The same address handed in
        again makes another asset.

        Args:
            image_urls: Addresses of pictures.
            video_urls: Addresses of videos.
            audio_urls: Addresses of audios.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.

        Raises:
            InvalidRequest: There is no address.
        """
        return await self._call(protocol.submit_assets(image_urls, video_urls, audio_urls), max_retries, timeout)

    async def asset_status(
        self, asset_ids: Sequence[str], *, max_retries: int | None = None, timeout: float | None = None
    ) -> tuple[Asset, ...]:
        """Ask how audited assets stand: one for each id, in that order; `Asset.state` says what is known.

        Args:
            asset_ids: The ids that the audit answered.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.asset_status(asset_ids), max_retries, timeout)

    async def upload_sp_asset(
        self,
        name: str,
        asset_type: SpAssetType,
        url: str,
        *,
        max_retries: int | None = None,
        timeout: float | None = None,
    ) -> Asset:
        """Put a public URL into the SP routes' library.

        Args:
            name: What it is called in the library.
            asset_type: What it is.
            url: Where the vendor can download it.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.upload_sp_asset(name, asset_type, url), max_retries, timeout)

    async def sp_asset_status(
        self, asset_ids: Sequence[str], *, max_retries: int | None = None, timeout: float | None = None
    ) -> tuple[Asset, ...]:
        """Ask how assets of the SP library stand: one for each id, in that order; `Asset.state` says what is known.

        Args:
            asset_ids: The ids that the library answered.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.sp_asset_status(asset_ids), max_retries, timeout)

    async def sp_asset_detail(
        self, asset_id: str, *, max_retries: int | None = None, timeout: float | None = None
    ) -> Asset:
        """Ask for all about one asset of the SP library.

        Args:
            asset_id: The id that the library answered.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.sp_asset_detail(asset_id), max_retries, timeout)

    async def submit_real_person(
        self, name: str, url: str, *, max_retries: int | None = None, timeout: float | None = None
    ) -> Asset:
        """Put a public URL of a real person's portrait into the SP routes' list.

        The list is gone from the vendor's newest pages, so the vendor may not answer to this any more.

        Args:
            name: What it is called in the list.
            url: Where the vendor can download it.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.submit_real_person(name, url), max_retries, timeout)

    async def real_person_status(
        self, asset_id: str, *, max_retries: int | None = None, timeout: float | None = None
    ) -> Asset:
        """Ask how one portrait of the SP routes' list stands; see `submit_real_person`.

        Args:
            asset_id: The id that the list answered.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.real_person_status(asset_id), max_retries, timeout)

    async def real_person_statuses(
        self, asset_ids: Sequence[str], *, max_retries: int | None = None, timeout: float | None = None
    ) -> tuple[Asset, ...]:
        """Ask how portraits of the SP routes' list stand: one for each id, in that order.

        Args:
            asset_ids: The ids that the list answered.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.real_person_statuses(asset_ids), max_retries, timeout)

    async def user_balance(self, *, max_retries: int | None = None, timeout: float | None = None) -> UserBalance:
        """Ask for the account's JimiCoins.

        Args:
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.user_balance(), max_retries, timeout)

    async def key_balance(self, *, max_retries: int | None = None, timeout: float | None = None) -> KeyBalance:
        """Ask for the key's quota.

        Args:
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.key_balance(), max_retries, timeout)

    async def catalog(
        self, search: str = "", *, max_retries: int | None = None, timeout: float | None = None
    ) -> tuple[CatalogEntry, ...]:
        """Ask for models and default prices; the key is not sent.

        Args:
            search: Only models with this in their name; empty for all.
            max_retries: How often it is repeated at most.
            timeout: Limit of each try in seconds.
        """
        return await self._call(protocol.catalog(search), max_retries, timeout)

    async def _call(self, call: ApiRequest[T], max_retries: int | None, timeout: float | None) -> T:
        retries = CallRetries(
            call.name,
            repeatable=call.repeatable,
            max_retries=self.settings.retries(max_retries),
            random=self._random,
        )
        while True:
            # What reading an upload raises comes from here, and is never repeated.
            exchange = await self._carrier.carry(call, timeout)
            try:
                return call.read(exchange)
            except SeedanceError as error:
                delay = retries.delay_after(error)
            await self._sleep(delay)
