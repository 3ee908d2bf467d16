"""One exchange with the vendor, as a value: what came back, or why nothing did, and whether our bytes left.

The two clients fill it, everything else reads it. `Watch` holds the total deadline of an exchange and knows
whether its sending began; `Incoming` gathers the answer, so that what arrived before a fault is not lost.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import httpx
from pydantic import JsonValue

from prefect_seedance.client.redaction import without_signatures

# Answers are a few hundred bytes, the price catalogue some hundred kilobytes. More is not an answer.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
EXCERPT_BYTES = 2048
MAX_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What is known after one request.

    Attributes:
        status_code: HTTP status, None if no answer began.
        headers: The answer's headers.
        body: What arrived of the body, perhaps not all of it.
        fault: What ended the exchange early, if something did.
        sent: Whether the request's bytes began to leave; None if the transport did not tell.
        secret: The key, for `hide`.
    """

    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    fault: Exception | None = None
    sent: bool | None = None
    secret: str = field(default="", repr=False)

    @property
    def reason(self) -> str:
        """The fault in a few words, "" without one."""
        if self.fault is None:
            return ""
        return self.hide(f"{type(self.fault).__name__}: {self.fault}".rstrip(": "))

    @property
    def excerpt(self) -> str:
        """The first 2048 bytes of the body or a little less, as text that is safe to print and to keep."""
        # Hidden before it is cut, so that no half of the key is left at the end.
        text = self.hide(self.body[: EXCERPT_BYTES + len(self.secret)].decode("utf-8", "replace"))
        text = "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
        return text.encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")

    def hide(self, text: str) -> str:
        """Take the key, and what opens addresses, out of a text for people: an error may repeat the whole request.

        Only texts for people: "sk_1" also stands in the task id "task_1", which must stay whole.
        """
        hidden = re.sub(rf"(?<![A-Za-z0-9]){re.escape(self.secret)}", "***", text) if self.secret else text
        return without_signatures(hidden)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The vendor's ``{code, msg, data}``.

    Attributes:
        code: As text, since it is a string on the pages and a number on the wire; "" if there is none.
        message: ``msg``, or what stands for it in other gateways' errors.
        data: The payload.
        document: The whole JSON object.
    """

    code: str
    message: str
    data: JsonValue
    document: Mapping[str, JsonValue]

    @property
    def is_success(self) -> bool:
        """Whether the code is one of the two that the vendor uses for success."""
        return self.code in ("20000", "0")


def text_of(value: JsonValue) -> str:
    """Read a text or a whole number as text; anything else counts as missing."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def open_envelope(exchange: Exchange) -> Envelope:
    """Read an answer's body as an envelope, leniently.

    Raises:
        ValueError: It is not a JSON object; the message says what it is instead.
    """
    body = exchange.body
    start = body[:512].lstrip().lower()
    if not start:
        raise ValueError("the answer is empty")
    try:
        document = _parse(body)
        if b"\\ud" in body.lower():
            # Half a surrogate pair is legal in JSON and cannot be written to a record or a log.
            document = _parse(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        kind = "a web page" if start.startswith(b"<") else "no complete JSON"
        raise ValueError(f"the answer is {kind}") from error
    if not isinstance(document, dict):
        raise ValueError("the answer is JSON, but no object")
    message = text_of(document.get("msg")) or text_of(document.get("message"))
    error_part = document.get("error")
    if not message and isinstance(error_part, dict):
        message = text_of(error_part.get("message"))
    message = exchange.hide(message)[:MAX_MESSAGE_CHARACTERS]
    return Envelope(text_of(document.get("code")), message, document.get("data"), document)


def _parse(body: bytes) -> JsonValue:
    return json.loads(body)


class AnswerTooLong(Exception):
    """The answer was cut at the limit."""


class Incoming:
    """Gathers an answer piece by piece, up to a limit."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._status_code: int | None = None
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()

    def begin(self, response: httpx.Response) -> None:
        """Take over status and headers."""
        self._status_code = response.status_code
        self._headers = dict(response.headers)

    def add(self, chunk: bytes) -> None:
        """Take over a piece of the body.

        Raises:
            AnswerTooLong: There is more than an answer can have; what came before is kept.
        """
        room = MAX_ANSWER_BYTES - len(self._body)
        self._body += chunk[:room]
        if len(chunk) > room:
            raise AnswerTooLong(f"cut after {MAX_ANSWER_BYTES} bytes")

    def exchange(self, *, sent: bool | None, fault: Exception | None = None) -> Exchange:
        """Close the account."""
        return Exchange(
            status_code=self._status_code,
            headers=self._headers,
            body=bytes(self._body),
            fault=fault,
            sent=sent,
            secret=self._secret,
        )


@runtime_checkable
class _Stream(Protocol):
    def get_extra_info(self, info: str) -> object: ...


class Watch:
    """The deadline of one exchange, and what the transport reports about it (httpcore's ``trace`` extension).

    httpx limits each read, so a server that sends a byte a second would be waited for for ever. A thread
    cannot be cancelled, so at the deadline a timer calls `cut`, which shuts the socket down: whatever waits
    on it returns at once. Sending is never begun after the deadline; what fails before sending began was
    certainly not received.
    """

    def __init__(self, total_seconds: float, method: str, *, sent: bool | None = None) -> None:
        self.total_seconds = total_seconds
        self._deadline = time.monotonic() + total_seconds
        self._method = method.encode()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._finished = False
        self.sent = sent

    @property
    def expired(self) -> bool:
        """Whether the time has run out."""
        return time.monotonic() >= self._deadline

    def check(self) -> None:
        """Raise if the time has run out.

        Raises:
            TimeoutError: It has.
        """
        if self.expired:
            raise self._overrun()

    def fault(self, seen: Exception) -> Exception:
        """Name the true fault: what the transport reports after a `cut` is only its consequence."""
        if self.expired and self.sent:
            return self._overrun()
        if self.sent is False and isinstance(seen, TimeoutError) and not str(seen):
            return TimeoutError(f"no connection within {self.total_seconds:g} s")
        return seen

    def _overrun(self) -> TimeoutError:
        return TimeoutError(f"no complete answer within {self.total_seconds:g} s")

    def note(self, event: str, info: Mapping[str, object]) -> None:
        """Hear of one event from the transport.

        Raises:
            httpx.ConnectTimeout: Sending is about to begin and the time has run out.
        """
        if event.endswith(("connect_tcp.started", "connect_tcp.complete", "start_tls.complete")):
            if self.sent is None:
                self.sent = False
            self._keep(info.get("return_value"))
        elif event.endswith("send_request_headers.started"):
            # A proxy is sent a CONNECT first; that is not our request yet.
            if getattr(info.get("request"), "method", self._method) != self._method:
                return
            if self.expired:
                self.sent = False
                raise httpx.ConnectTimeout(f"{self.total_seconds:g} s had passed before anything was sent")
            self.sent = True

    async def anote(self, event: str, info: Mapping[str, object]) -> None:
        """`note`, for the transport that awaits it."""
        self.note(event, info)

    def cut(self) -> None:
        """Shut the connection down, unless the exchange is over."""
        with self._lock:
            if self._socket is not None and not self._finished:
                with suppress(OSError):  # already closed, or replaced by its encrypted successor
                    # Not SSLSocket.shutdown: it drops the encryption state under the thread that reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def finish(self) -> None:
        """Say that the answer is complete: from here on `cut` leaves the connection alone."""
        with self._lock:
            self._finished = True

    def _keep(self, stream: object) -> None:
        connection = stream.get_extra_info("socket") if isinstance(stream, _Stream) else None
        if isinstance(connection, socket.socket):
            with self._lock:
                self._socket = connection
            if self.expired:
                self.cut()
