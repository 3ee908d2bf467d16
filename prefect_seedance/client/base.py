"""What the two clients share: everything but carrying bytes and sleeping."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx
from pydantic import SecretStr

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.exchange import Incoming, Watch
from prefect_seedance.client.protocol import ApiRequest, T
from prefect_seedance.client.retry import CallRetries, Random
from prefect_seedance.client.settings import ClientSettings, Timeouts
from prefect_seedance.client.submission import SubmissionRetries

# A create has a connection of its own. One that waits in a pool may have been closed by the server meanwhile,
# and a create that fails on it would be unclear although nobody received it.
FRESH_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=0)
SHARED_CONNECTIONS = httpx.Limits(max_connections=100, max_keepalive_connections=20)


class ClientBase:
    """Settings, the writing of requests, and the counting of tries; no I/O."""

    def __init__(
        self,
        api_key: str | SecretStr,
        base_url: str,
        timeouts: Timeouts,
        *,
        random: Random,
        own_transport: bool,
    ) -> None:
        self.settings = ClientSettings(api_key, base_url, timeouts)
        self._random = random
        self._own_transport = own_transport
        # A simulator on this machine is never asked through a proxy, which would see the key in clear text.
        self._trust_env = not self.settings.is_local

    def __repr__(self) -> str:
        # Never the key.
        return f"{type(self).__name__}(host={self.settings.host!r}, fingerprint={self.settings.fingerprint!r})"

    def _call_retries(self, call: ApiRequest[T]) -> CallRetries:
        return CallRetries(repeatable=call.repeatable, random=self._random)

    def _submission_retries(self) -> SubmissionRetries:
        return SubmissionRetries(random=self._random)

    def _incoming(self) -> Incoming:
        return Incoming(self.settings.api_key.get_secret_value())

    def _watch(self, call: ApiRequest[T], total_seconds: float | None) -> Watch:
        total = total_seconds if total_seconds is not None else call.total_seconds
        if total is None:
            total = self.settings.timeouts.submit_total
        # httpx's own transport tells when sending begins, so until then nothing is sent. A transport that was
        # passed in may tell nothing: then nothing is known.
        return Watch(total, call.method, sent=False if self._own_transport else None)

    def _http_request(
        self,
        call: ApiRequest[T],
        watch: Watch,
        trace: Callable[..., Any],
        upload: BinaryIO | None,
        *,
        fresh: bool,
    ) -> httpx.Request:
        """Write a call as an HTTP request, with its time-outs and its watch."""
        # No compression: answers are small, and an error page stays readable when it is cut.
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "prefect-seedance",
        }
        if call.authenticated:
            headers["Authorization"] = f"Bearer {self.settings.api_key.get_secret_value()}"
        if fresh:
            headers["Connection"] = "close"
        content = None
        if call.json is not None:
            headers["Content-Type"] = "application/json"
            content = _encoded(call)
        files = None
        if upload is not None and call.file is not None:
            media_type = mimetypes.guess_type(call.file.name)[0] or "application/octet-stream"
            files = {"file": (call.file.name, upload, media_type)}
        limits = self.settings.timeouts
        total = max(watch.total_seconds, 0.001)
        # The total deadline alone limits a create once sent: to give up earlier would only make it unclear.
        read, write = (total, total) if fresh else (limits.read, limits.write)
        timeout = {"connect": min(limits.connect, total), "read": read, "write": write, "pool": limits.pool}
        return httpx.Request(
            call.method,
            self.settings.base_url + call.path,
            params=dict(call.params) or None,
            headers=headers,
            content=content,
            files=files,
            extensions={"timeout": timeout, "trace": trace},
        )


def _encoded(call: ApiRequest[T]) -> bytes:
    try:
        return json.dumps(call.json, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise InvalidRequest(
            ["a text holds half a character (a lone surrogate), or a number is not finite: write it anew"]
        ) from error


@contextmanager
def open_upload(path: Path | None) -> Generator[BinaryIO | None]:
    """Open a file for one try of its upload; nothing to open gives nothing."""
    if path is None:
        yield None
    else:
        with path.open("rb") as upload:
            yield upload
