"""A video behind a link, read in constant memory through drops, stalls, busy hosts and expired links.

A download that breaks is continued with `Range` and `If-Range` where it broke. One that cannot be continued
(other content, a host that cannot do it) is a `SourceChanged`: whoever stores the bytes has to start over.
Every kind of patience is bounded. Whatever happens here, nothing is ever submitted again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

import httpx

from prefect_seedance.asides import words_of
from prefect_seedance.storage.errors import (
    LinkExpired,
    RelayCancelled,
    SourceChanged,
    SourceError,
    SourceTooLarge,
    SourceUnavailable,
    TruncatedSource,
)
from prefect_seedance.storage.relay.file_type import is_page
from prefect_seedance.storage.relay.network import NetworkLimits
from prefect_seedance.storage.relay.policy import HOW_TO_ALLOW_HTTP, MediaPolicy
from prefect_seedance.storage.relay.resumption import DownloadProgress, Judgement, ResumeVerdict, judge, request_headers
from prefect_seedance.storage.relay.transport import TIMEOUT, MediaHTTP, TransportFactory, host_of
from prefect_seedance.storage.relay.wrapping import Unwrap, unwrapped, unwrapping_of

#: Several of these are in memory for each relay: what was received, what is taken apart, what is handed on.
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """How patient a source is. Waits double from `first_wait_seconds` to `longest_wait_seconds`, also between readings.

    Attributes:
        faults_in_a_row: Drops or busy answers without real progress in between; by default 31 s of waiting.
        faults: Drops and busy answers in one reading altogether, even with progress.
        fresh_links: How often a refused link is replaced, over all readings; by default within 30 s of waiting.
        longest_retry_after_seconds: A host that asks for more than this is given up.
        real_progress_bytes: What must have come between two faults for patience to begin anew.
        longest_seconds: All readings together; no attempt is begun, and no body read on, after this. At 20 KB/s more
            than 800 MB come in that time, far above any clip, and links live three days.
        network: How long one answer may take, and how fast its body has to come.
    """

    faults_in_a_row: int = 6
    faults: int = 200
    fresh_links: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 30.0
    longest_retry_after_seconds: float = 120.0
    real_progress_bytes: int = 64 * 1024
    longest_seconds: float = 12 * 3600.0
    network: NetworkLimits = field(default_factory=NetworkLimits)

    def wait(self, number: int) -> float:
        """Return the seconds to wait before try number 1, 2, 3 ..."""
        return min(self.longest_wait_seconds, self.first_wait_seconds * 2.0 ** (number - 1))


class MediaSource:
    """A video that can be read from its first byte, more than once.

    Args:
        link: Returns the link; called with True when the last one was refused and a fresh one is needed. What
            it raises passes through.
        policy: Where the link and its redirects may lead.
        limits: How patient to be.
        transport: Makes what connects; for tests and special networks.
        timeout: Of connecting and of each read.
        sleep: Waits this many seconds; by default the event of the reading, so that a cancel wakes it.

    Example:
        >>> source = MediaSource(lambda refresh: "https://media.example.com/a.mp4")
        >>> for chunk in source.iter_bytes():   # doctest: +SKIP
        ...     file.write(chunk)
    """

    def __init__(
        self,
        link: Callable[[bool], str],
        *,
        policy: MediaPolicy | None = None,
        limits: SourceLimits | None = None,
        transport: TransportFactory | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._ask_link = link
        self._policy = policy or MediaPolicy()
        self._limits = limits or SourceLimits()
        self._transport = transport
        self._timeout = timeout
        self._sleep = sleep
        self._link = ""
        self._fresh_links = 0
        self._advice = ""
        self._progress = DownloadProgress()
        self._end = 0.0
        self._readings = 0
        self._unwrapping: tuple[Unwrap, ...] = ()

    @property
    def size(self) -> int | None:
        """Size of the whole, known once the first chunk is there and if the host told; of what is wrapped it is not."""
        return None if self._unwrapping else self._progress.size

    def iter_bytes(self, cancelled: threading.Event | None = None) -> Iterator[bytes]:
        """Yield the whole content in chunks of 64 KiB, the last one smaller.

        Args:
            cancelled: Looked at between reads and while waiting.

        Raises:
            SourceChanged: Start over with a new call; nothing can be made of what came so far.
            SourceError: Any other fault of the download, when the limits are reached.
            RelayCancelled: The event was set.
        """
        chunks = self._received(cancelled)
        head = next(chunks, b"")
        self._unwrapping = unwrapping_of(head, self._progress.coding, self._policy.maximum_bytes)
        chunks = chain((head,) if head else (), chunks)
        yield from _even(unwrapped(chunks, self._unwrapping)) if self._unwrapping else chunks

    def _received(self, cancelled: threading.Event | None) -> Iterator[bytes]:
        """Yield what the host sends in even chunks."""
        if self._readings:  # it is started over; at once would be the same moment of the same host
            self._pause(self._limits.wait(self._readings), cancelled)
        self._readings += 1
        faults = _FaultCount(self._limits)
        self._end = self._end or time.monotonic() + self._limits.longest_seconds
        self._progress = DownloadProgress()
        buffer = bytearray()
        with MediaHTTP(
            self._policy,
            transport=self._transport,
            timeout=self._timeout,
            limits=self._limits.network,
            cancelled=cancelled,
        ) as http:
            while True:
                judgement = yield from self._read_once(http, buffer, cancelled)
                self._advice = http.advice
                if self._is_whole(judgement):
                    break
                self._recover(faults, judgement, cancelled)
        if buffer:
            yield bytes(buffer)

    def _read_once(
        self, http: MediaHTTP, buffer: bytearray, cancelled: threading.Event | None
    ) -> Generator[bytes, None, Judgement]:
        """Ask once and yield what comes; READ in the end means that the body was closed in good order."""
        _stop_if(cancelled)
        self._stop_if_late()
        self._link = self._link or self._ask_link(self._fresh_links > 0)
        if "://" not in self._link:  # none, or the path without a host that the vendor gives now and then for a moment
            self._link = ""
            return Judgement(ResumeVerdict.WAIT, "there is no whole link to it at the moment", self._progress)
        try:
            with http.get(self._link, request_headers(self._progress)) as response:
                judgement = judge(response.status_code, response.headers, self._progress)
                self._progress = judgement.progress
                if judgement.verdict is ResumeVerdict.READ:
                    for piece in http.body(response):
                        _stop_if(cancelled)
                        self._stop_if_late()
                        if http.upgraded and not self._progress.position and is_page(piece):
                            return self._of_another_site(http, "a page")
                        self._advance(len(piece))
                        buffer += piece
                        while len(buffer) >= CHUNK_BYTES:
                            yield bytes(memoryview(buffer)[:CHUNK_BYTES])
                            del buffer[:CHUNK_BYTES]
                elif self._may_be_of_another_site(http, judgement):
                    return self._of_another_site(http, judgement.reason)
                return judgement
        except httpx.TransportError as error:
            return Judgement(ResumeVerdict.WAIT, words_of(error), self._progress)

    def _may_be_of_another_site(self, http: MediaHTTP, judgement: Judgement) -> bool:
        """Return whether plain http is still to be tried; not half way, where https has given the beginning."""
        refused = judgement.verdict is ResumeVerdict.FRESH_LINK and not self._progress.position
        return refused and bool(http.upgraded) and self._policy.allow_http

    def _of_another_site(self, http: MediaHTTP, what: str) -> Judgement:
        """Give up the https of a host whose link was of plain http: many hosts serve another site there.

        Raises:
            SourceUnavailable: Plain http is not allowed.
        """
        reason = f"the link is plain http, and by https its host answers with {what}"
        if not self._policy.allow_http:
            raise SourceUnavailable(http.upgraded, f"{reason}. {HOW_TO_ALLOW_HTTP}")
        http.go_by_plain_http(http.upgraded)
        self._progress = DownloadProgress()
        return Judgement(ResumeVerdict.WAIT, reason, self._progress)

    def _is_whole(self, judgement: Judgement) -> bool:
        position, size = self._progress.position, self._progress.size
        if size is None:
            return judgement.verdict is ResumeVerdict.READ and position > 0
        return position == size > 0

    def _advance(self, count: int) -> None:
        position = self._progress.position + count
        self._progress = replace(self._progress, position=position)
        size = self._progress.size
        if size is not None and position > size:
            raise SourceChanged(f"more than the announced {size} bytes came")
        if max(position, size or 0) > self._policy.maximum_bytes:
            raise SourceTooLarge(max(position, size or 0), self._policy.maximum_bytes)

    def _recover(self, faults: _FaultCount, judgement: Judgement, cancelled: threading.Event | None) -> None:
        """Wait, or get a fresh link, or give up."""
        progress = self._progress
        if judgement.verdict is ResumeVerdict.START_OVER:
            raise SourceChanged(judgement.reason)
        if judgement.verdict is ResumeVerdict.FRESH_LINK:
            self._renew_link(judgement, cancelled)
        else:
            wait = faults.wait_after_fault(progress.position)
            asked = judgement.wait_seconds
            if wait is None or (asked or 0.0) > self._limits.longest_retry_after_seconds:
                raise self._given_up(judgement.reason or "the body is empty")
            self._pause(max(wait, asked or 0.0), cancelled)
        if progress.position and not progress.validator:
            raise SourceChanged("the host sends neither a strong ETag nor a date to continue by")

    def _renew_link(self, judgement: Judgement, cancelled: threading.Event | None) -> None:
        if self._fresh_links >= self._limits.fresh_links:
            raise LinkExpired(judgement.status, host_of(self._link), self._advice)
        if self._fresh_links:  # the first time at once: links do expire
            self._pause(self._limits.wait(self._fresh_links + 1), cancelled)
        self._fresh_links += 1
        self._link = self._ask_link(True)

    def _given_up(self, reason: str) -> SourceError:
        if self._progress.position:
            return TruncatedSource(self._progress.position, self._progress.size)
        host = host_of(self._link) if self._link else ""
        return SourceUnavailable(host, f"{reason}. {self._advice}" if self._advice else reason)

    def _stop_if_late(self) -> None:
        if time.monotonic() >= self._end:
            raise self._given_up(f"it has not come within {self._limits.longest_seconds:g} s")

    def _pause(self, seconds: float, cancelled: threading.Event | None) -> None:
        if self._sleep is not None:
            self._sleep(seconds)
        elif cancelled is not None:
            cancelled.wait(seconds)
        else:
            time.sleep(seconds)
        _stop_if(cancelled)


def _even(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces of any size in even chunks; what came before they end too early, too."""
    buffer = bytearray()
    try:
        for piece in pieces:
            buffer += piece
            while len(buffer) >= CHUNK_BYTES:
                yield bytes(memoryview(buffer)[:CHUNK_BYTES])
                del buffer[:CHUNK_BYTES]
    except TruncatedSource:
        if buffer:
            yield bytes(buffer)
        raise
    if buffer:
        yield bytes(buffer)


class _FaultCount:
    """Counts the faults of one reading."""

    def __init__(self, limits: SourceLimits) -> None:
        self._limits = limits
        self._faults = self._in_a_row = 0
        self._position = 0

    def wait_after_fault(self, position: int) -> float | None:
        """Count a fault; return the seconds to wait before the next try, or None when there were too many."""
        self._faults += 1
        if position - self._position >= self._limits.real_progress_bytes:
            self._in_a_row = 0
            self._position = position
        self._in_a_row += 1
        if self._in_a_row >= self._limits.faults_in_a_row or self._faults >= self._limits.faults:
            return None
        return self._limits.wait(self._in_a_row)


def _stop_if(cancelled: threading.Event | None) -> None:
    if cancelled is not None and cancelled.is_set():
        raise RelayCancelled
