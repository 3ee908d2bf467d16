"""The file behind a link, for whoever looks at it only: its first bytes, and a few more pieces where somebody seeks.

Everything is bounded, whatever the host does: the number of requests, the bytes in all, the time of each step and of
all steps. Links signed for a GET refuse a HEAD, so parts of a GET are asked for. A host that sends no parts sends the
beginning of its one body, and what stands behind that cannot be read.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Literal, Self

import httpx

from prefect_seedance.asides import words_of
from prefect_seedance.storage.errors import ForbiddenSource
from prefect_seedance.storage.positioned_reader import PositionedReader
from prefect_seedance.storage.relay.network import NetworkLimits
from prefect_seedance.storage.relay.policy import MediaPolicy, parsed
from prefect_seedance.storage.relay.resumption import (
    DownloadProgress,
    ResumeVerdict,
    judge,
    part_of,
    plain_header,
)
from prefect_seedance.storage.relay.transport import MediaHTTP, host_of
from prefect_seedance.unpacking import DamagedPacking, UnpackedTooLong, Unpacker

#: What is asked for first: as much as the decoder asks for at once, and more than the headers of most pictures take.
FIRST_BYTES = 128 * 1024
#: These bytes tell a page from a picture, and one content from another.
HEAD_BYTES = 4 * 1024
#: Asked for where somebody seeks: the index of a long video, in one piece.
NEXT_BYTES = 256 * 1024
MOST_REQUESTS = 6
MOST_BYTES = 1024 * 1024
LONGEST_SECONDS = 60.0
#: For a few pieces. A line of 20 KB/s is far above this.
LIMITS = NetworkLimits(head_seconds=20.0, window_bytes=32 * 1024, window_seconds=10.0)
# Of each step of a request.
_STEP_SECONDS = 10.0
# Of a refusal's body: object stores write there why.
_WORDS_BYTES = 4 * 1024

# OpenSSL's numbers for what is wrong with the certificate itself: self-signed, not yet or no longer valid, made out to
# another name or address. An issuer that is not known here may be that of a proxy which looks into the traffic.
_INVALID_CERTIFICATE = frozenset({9, 10, 18, 62, 64})
# What can be looked into.
_UNPACKED = frozenset({"gzip", "x-gzip", "deflate"})

Fault = Literal[
    "refused", "busy", "no place", "empty", "unreached", "slow", "dropped", "proxy", "certificate", "unknown issuer",
    "broken", "changed", "too far",
]  # fmt: skip


class RemoteFault(Exception):
    """The file behind a link cannot be read, or not any further.

    Attributes:
        fault: What is wrong.
        detail: The same in words, without anything of the link; "" where the fault says it all.
        status: Of the host's answer; 0 if there was none.
        body: Beginning of a refusal's body, as it came.
        date: The host's clock, as it came.
        host: The last host that answered; "" if none did.
    """

    def __init__(
        self, fault: Fault, detail: str = "", *, status: int = 0, body: bytes = b"", date: str = "", host: str = ""
    ) -> None:
        super().__init__(detail or fault)
        self.fault: Fault = fault
        self.detail, self.status = detail, status
        self.body, self.date, self.host = body, date, host


class RemoteFile(PositionedReader):
    """The file behind a link, as a context manager: whoever enters has asked for its first bytes.

    It can be sought in from its start on even if its end is not known. A reading may bring less than was wanted, as of
    any raw file: what is there is not held back until another piece has come.

    Args:
        address: The link.
        policy: Where it may lead; never to plain http, but on this machine where that is allowed.
        cancelled: Ends every wait.
        first_bytes: How much is asked for first.
        limits: How long a host may take.
        longest_seconds: All requests together.

    Attributes:
        size: Number of bytes; None if the host does not tell.
        head: The first `HEAD_BYTES`.
        etag: As the host sent it; "" if it sent none that a header may hold.
        last_modified: Likewise.
        host: Which gave the answer, after all redirects.
        content_type: As the host sent it, cleaned.
        coding: How the host says that it has packed it, against what it was asked for; "" if it is not packed.
        fault: What ended the reading, for whoever has no use for exceptions from a reader.
    """

    def __init__(
        self,
        address: str,
        policy: MediaPolicy,
        cancelled: threading.Event,
        *,
        first_bytes: int = FIRST_BYTES,
        limits: NetworkLimits = LIMITS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        super().__init__()
        self._address, self._first_bytes, self._longest = address, first_bytes, longest_seconds
        self._stack, self._answer = ExitStack(), ExitStack()
        self._http = MediaHTTP(
            HTTPSOnly.of(policy), timeout=httpx.Timeout(_STEP_SECONDS), limits=limits, cancelled=cancelled
        )
        self._end = time.monotonic() + longest_seconds
        self._requests, self._left = 0, MOST_BYTES
        self._position = 0
        self._beginning = bytearray()
        self._pieces: Iterator[bytes] | None = None
        self._further: list[tuple[int, bytes]] = []
        self._sends_parts = self._ended = False
        self._place = address
        self._progress = DownloadProgress()
        self.size: int | None = None
        self.head = b""
        self.etag = self.last_modified = self.host = self.content_type = self.coding = ""
        self.fault: Exception | None = None

    def __enter__(self) -> Self:
        """Ask for the first bytes.

        Raises:
            ForbiddenSource: The link, or a redirect, leads where the policy forbids, or nowhere.
            RemoteFault: It cannot be read.
            RelayCancelled: The event was set.
        """
        self._stack.enter_context(self._http)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close the connection."""
        self._answer.close()
        self._stack.close()
        super().close()

    @property
    def content_mark(self) -> tuple[str, ...] | None:
        """What is another one once the content is; None if the host tells nothing by which that would be noticed.

        A date proves it only if the file was at rest by then: within one second it may be written twice.
        """
        dated = DownloadProgress(last_modified=self.last_modified, date=self._progress.date).validator
        if not (dated or len(self.etag) > 2):
            return None
        digest = "" if self.coding else hashlib.sha256(self.head).hexdigest()
        return self.etag, self.last_modified, str(self._progress.size), digest

    def read_ahead(self) -> None:
        """Read on in a body of unknown size, as far as is read of any; its size is known if it ends there."""
        if self.size is None:
            with suppress(RemoteFault):
                self._grow(MOST_BYTES)

    def _file_size(self) -> int | None:
        return self.size

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # io gives it a memoryview
        """Read what is there, or ask for the piece that is not.

        Raises:
            RemoteFault: It cannot be read any further. From then on every reading says the same.
            RelayCancelled: The event was set.
        """
        if self.fault is not None:
            raise self.fault
        try:
            data = self._read(len(buffer))
        except Exception as error:
            self.fault = error
            raise
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _begin(self) -> None:
        answer = self._ask(self._address, f"bytes=0-{self._first_bytes - 1}")
        judgement = judge(answer.status_code, answer.headers, DownloadProgress())
        if answer.status_code in (206, 416) and judgement.verdict is not ResumeVerdict.READ:
            # It has no first bytes, as it is empty, or it does not know what a part is. The whole shows which.
            answer = self._ask(self._address, "")
            judgement = judge(answer.status_code, answer.headers, DownloadProgress())
        self.host = host_of(self._http.answered)
        if judgement.verdict is not ResumeVerdict.READ:
            raise self._refusal(answer, busy=judgement.verdict is ResumeVerdict.WAIT)
        self._progress = progress = judgement.progress
        self._place, self._sends_parts = self._http.answered, answer.status_code == 206
        self.size = progress.size
        self.etag, self.last_modified = plain_header(progress.etag), progress.last_modified
        self.content_type = plain_header(answer.headers.get("content-type", ""))
        if self._sends_parts and not self.size:
            raise RemoteFault("broken", host=self.host)  # a part of nothing
        most = min(self._first_bytes, self.size or MOST_BYTES) if self._sends_parts else MOST_BYTES
        received = self._received(answer, most)
        self._pieces = self._unpacked(received, progress.coding) if progress.coding else received
        self._grow(HEAD_BYTES)
        self.head = bytes(self._beginning[:HEAD_BYTES])
        if not self.head:
            raise RemoteFault("empty", host=self.host)

    def _refusal(self, answer: httpx.Response, *, busy: bool) -> RemoteFault:
        status, body = answer.status_code, bytearray()
        fault: Fault = "busy" if busy else "refused"
        if status == 407:
            fault = "proxy"
        elif status in (204, 205):
            fault = "empty"
        elif status == 206:
            fault = "broken"
        elif 300 <= status < 400:
            fault = "no place"
        elif status >= 400 and not busy:
            try:
                for piece in self._received(answer, _WORDS_BYTES):
                    body += piece
            except RemoteFault:  # what has come is enough, or nothing is: the status stands
                pass
        return RemoteFault(fault, status=status, body=bytes(body), date=answer.headers.get("date", ""), host=self.host)

    def _ask(self, link: str, span: str) -> httpx.Response:
        """Open the answer to a request for a part, or for the whole if none is named."""
        self._answer.close()
        self._stop_if_late()
        self._requests += 1
        with _in_words():
            return self._answer.enter_context(self._http.get(link, {"range": span} if span else {}))

    def _received(self, answer: httpx.Response, most: int) -> Iterator[bytes]:
        """Yield the body of an answer, and no more than so much of it, whatever was asked for."""
        with _in_words():
            for piece in self._http.body(answer):
                kept = piece[:most]
                most -= len(kept)
                self._left -= len(kept)
                yield kept
                if not most:
                    return
                self._stop_if_late()
        self._ended = not self._sends_parts

    def _unpacked(self, pieces: Iterator[bytes], label: str) -> Iterator[bytes]:
        """Yield what is in a packed body, as the vendor's client will unpack it; bytes as they are where none is."""
        unpacker = Unpacker(label, MOST_BYTES)
        is_known = {*label.split(",")} <= _UNPACKED
        try:
            for piece in pieces:
                for unpacked in unpacker.feed(piece):
                    is_packed = unpacker.is_packed or not is_known  # or the label stands on plain bytes
                    self.coding, self.size = (label, None) if is_packed else ("", self._progress.size)
                    yield unpacked
            yield from unpacker.finish()
        except UnpackedTooLong:
            return
        except DamagedPacking:
            raise RemoteFault("broken", host=self.host) from None
        if unpacker.is_packed:
            self._ended = unpacker.is_whole

    def _grow(self, until: int) -> None:
        """Read on in the first body as far as this."""
        while self._pieces is not None and len(self._beginning) < until:
            piece = next(self._pieces, None)
            if piece is not None:
                self._beginning += piece
                continue
            self._pieces = None
            self._answer.close()
            if self._ended and self.size is None:
                self.size = len(self._beginning)

    def _read(self, count: int) -> bytes:
        position = self._position
        if position < MOST_BYTES:
            self._grow(min(position + count, MOST_BYTES))
        if self.size is not None and position >= self.size:
            return b""
        if position < len(self._beginning):
            return bytes(self._beginning[position : position + count])
        for start, data in self._further:
            if start <= position < start + len(data):
                return data[position - start : position - start + count]
        return self._fetched(position)[:count]

    def _fetched(self, position: int) -> bytes:
        """Ask for the piece from this position on.

        Raises:
            RemoteFault: There is no way to it, or the bounds are reached.
        """
        if self.coding:
            raise RemoteFault("too far", "its host sends it compressed, and only its beginning could be looked at")
        if not self._sends_parts:
            raise RemoteFault("too far", "its host sends no parts of it, and only its beginning could be looked at")
        if self._requests >= MOST_REQUESTS or self._left <= 0:
            raise RemoteFault("too far", f"it would take more than {MOST_BYTES // 1024} KB of it to measure it")
        length = min(NEXT_BYTES, self._left, NEXT_BYTES if self.size is None else self.size - position)
        answer = self._ask(self._place, f"bytes={position}-{position + length - 1}")
        start, size = part_of(answer.headers) if answer.status_code == 206 else (None, self.size)
        told = (size, *(plain_header(answer.headers.get(name, "")) for name in ("etag", "last-modified")))
        before = (self.size, self.etag, self.last_modified)
        if answer.is_success and any(now and then and now != then for now, then in zip(told, before, strict=True)):
            raise RemoteFault("changed", host=self.host)
        if start != position:
            raise RemoteFault("too far", f"its host answered HTTP {answer.status_code} when a part was asked for")
        data = b"".join(self._received(answer, length))
        self._answer.close()
        if not data:
            raise RemoteFault("too far", "its host sent nothing when a part was asked for")
        self._further.append((position, data))
        return data

    def _stop_if_late(self) -> None:
        if time.monotonic() >= self._end:
            raise RemoteFault("slow", f"it was not done within {self._longest:g} s")


class HTTPSOnly(MediaPolicy):
    """A policy by which a link of plain http is not followed, by https neither: the vendor would go another way.

    On this machine plain http is as good, where loopback is allowed.
    """

    @classmethod
    def of(cls, policy: MediaPolicy) -> Self:
        """Return a policy with the other rules of this one."""
        return cls(policy.allow_loopback, False, policy.allow_hosts, policy.maximum_bytes, policy.resolver)

    def ways(self, link: str) -> tuple[str, ...]:
        """Return the link, unless it is of plain http.

        Raises:
            ForbiddenSource: It is, or is not an address.
            OSError: The host's name cannot be resolved now.
        """
        url = parsed(link)
        host = url.raw_host.decode("ascii", "replace").lower().rstrip(".")
        if url.scheme == "http" and not self._is_here(host, url.port or 80):
            raise ForbiddenSource(host, "it is plain http, and only https is followed.")
        return (link,)


@contextmanager
def _in_words() -> Generator[None]:
    """Raise what goes wrong on the way as a `RemoteFault`. What a host has sent is not repeated: it may be the link."""
    try:
        yield
    except httpx.ProxyError as error:
        raise RemoteFault("proxy", words_of(error)) from None
    except httpx.TimeoutException as error:
        raise RemoteFault("slow", words_of(error)) from None
    except httpx.ProtocolError as error:
        # "Server disconnected without sending a response", "peer closed connection without sending ..."
        dropped = "disconnected" in f"{error}" or "closed" in f"{error}"
        raise RemoteFault("dropped" if dropped else "broken") from None
    except httpx.TransportError as error:
        certificate = _certificate_fault(error)
        if certificate is None:
            fault: Fault = "unreached" if isinstance(error, httpx.ConnectError) else "dropped"
            raise RemoteFault(fault, words_of(error)) from None
        fault = "certificate" if certificate.verify_code in _INVALID_CERTIFICATE else "unknown issuer"
        raise RemoteFault(fault, words_of(Exception(certificate.verify_message))) from None


def _certificate_fault(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None
