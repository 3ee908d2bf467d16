"""The blocking client: it carries calls, sleeps between tries, and decides nothing.

Name resolution cannot be interrupted from another thread, so a call may outlast its total deadline by the
resolver's own limit; in that case nothing is sent.
"""

from __future__ import annotations

import random as random_module
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

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


class SeedanceClient(ClientBase):
    """The vendor's API, blocking. Use it as a context manager, or call `close`.

    Args:
        api_key: Begins with ``sk_`` or ``sk-``.
        base_url: Scheme and host of the vendor.
        timeouts: Limits in seconds.
        transport: Carries the bytes instead of httpx's own transport; it is reused for all calls, creates
            included, and is not closed.
        sleep: Called with the seconds to pause between tries.
        random: Gives numbers from 0 to 1, for the jitter of the pauses.

    Raises:
        ConfigurationError: Key, host or a time-out cannot work.

    Example:
        >>> with SeedanceClient("sk_example") as client:
        ...     print(client)
        SeedanceClient(host='www.jimmyai.cn', fingerprint='b568bdccc19f')
    """

    def __init__(
        self,
        api_key: str | SecretStr,
        base_url: str = DEFAULT_BASE_URL,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        random: Random = random_module.random,
    ) -> None:
        super().__init__(api_key, base_url, timeouts, random=random, own_transport=transport is None)
        self._transport = None if transport is None else _Borrowed(transport)
        self._sleep = sleep
        self._shared = self._http_client(SHARED_CONNECTIONS)

    def close(self) -> None:
        """Close the pooled connections."""
        self._shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit_video(self, request: VideoRequest, *, total_seconds: float | None = None) -> Outcome:
        """Send one create, exactly once, on a connection of its own, and say what became of it.

        Args:
            request: What to generate.
            total_seconds: Limit of the whole exchange; by default ``timeouts.submit_total``.

        Returns:
            One of six outcomes; see ``outcome.py`` for which of them may be sent again.
        """
        call = protocol.create_video(body_of(request))
        with self._http_client(FRESH_CONNECTION) as client:
            return call.read(self._carry(client, call, total_seconds, fresh=True))

    def create_video(self, request: VideoRequest, *, total_seconds: float | None = None) -> Accepted:
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
            decision = accepted_or_delay(self.submit_video(request, total_seconds=total_seconds), retries)
            if isinstance(decision, Accepted):
                return decision
            self._sleep(decision)

    def get_video(self, task_id: str) -> VideoTask:
        """Ask how a task stands. A failed task is an answer, not an error."""
        return self._call(protocol.get_video(task_id))

    def upload_file(self, path: Path | str) -> UploadedFile:
        """Hand a local file of at most 100 MB to the vendor, for about 3 days."""
        return self._call(protocol.upload_file(Path(path)))

    def submit_assets(
        self,
        *,
        image_urls: Sequence[str] = (),
        video_urls: Sequence[str] = (),
        audio_urls: Sequence[str] = (),
    ) -> AuditResult:
        """Hand public URLs to the audit that the ``sd2_mx_*`` routes require."""
        return self._call(protocol.submit_assets(image_urls, video_urls, audio_urls))

    def asset_status(self, asset_ids: Sequence[str]) -> tuple[Asset, ...]:
        """Ask how audited assets stand."""
        return self._call(protocol.asset_status(asset_ids))

    def upload_sp_asset(self, name: str, asset_type: SpAssetType, url: str) -> Asset:
        """Put a public URL into the SP routes' library."""
        return self._call(protocol.upload_sp_asset(name, asset_type, url))

    def sp_asset_status(self, asset_ids: Sequence[str]) -> tuple[Asset, ...]:
        """Ask how assets of the SP library stand."""
        return self._call(protocol.sp_asset_status(asset_ids))

    def sp_asset_detail(self, asset_id: str) -> Asset:
        """Ask for all about one asset of the SP library."""
        return self._call(protocol.sp_asset_detail(asset_id))

    def user_balance(self) -> UserBalance:
        """Ask for the account's JimiCoins."""
        return self._call(protocol.user_balance())

    def key_balance(self) -> KeyBalance:
        """Ask for the key's quota."""
        return self._call(protocol.key_balance())

    def catalog(self, search: str = "") -> tuple[CatalogEntry, ...]:
        """Ask for models and default prices; the key is not sent."""
        return self._call(protocol.catalog(search))

    def _call(self, call: ApiRequest[T]) -> T:
        retries = self._call_retries(call)
        while True:
            try:
                return call.read(self._carry(self._shared, call))
            except SeedanceError as error:
                delay = retries.delay_after(error)
            self._sleep(delay)

    def _carry(
        self,
        client: httpx.Client,
        call: ApiRequest[T],
        total_seconds: float | None = None,
        *,
        fresh: bool = False,
    ) -> Exchange:
        watch, incoming = self._watch(call, total_seconds), self._incoming()
        with open_upload(call.file) as upload:
            request = self._http_request(call, watch, watch.note, upload, fresh=fresh)
            timer = threading.Timer(watch.total_seconds, watch.cut)
            timer.daemon = True
            try:
                timer.start()
                response = client.send(request, stream=True)
                try:
                    incoming.begin(response)
                    for chunk in response.iter_bytes():
                        incoming.add(chunk)
                        watch.check()
                finally:
                    watch.finish()
                    response.close()
            except Exception as fault:
                # Whatever it is: once bytes have left, an exception that nobody expected must not pass for
                # a create that can be repeated.
                return incoming.exchange(fault=watch.fault(fault), sent=watch.sent)
            finally:
                timer.cancel()
        return incoming.exchange(sent=watch.sent)

    def _http_client(self, limits: httpx.Limits) -> httpx.Client:
        return httpx.Client(transport=self._transport, verify=tls_context(), trust_env=self._trust_env, limits=limits)


class _Borrowed(httpx.BaseTransport):
    """Somebody else's transport: closing is their business."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._transport.handle_request(request)
