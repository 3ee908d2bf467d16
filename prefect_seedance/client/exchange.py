"""One exchange with the vendor, as a value: what came back, or why nothing did, and whether our bytes left.

``http.py`` fills it, everything else reads it, leniently: a field that is odd counts as missing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import JsonValue

from prefect_seedance.client.redaction import clean_text, without_signatures

# Answers are a few hundred bytes, the price catalogue some hundred kilobytes. More is not an answer.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
EXCERPT_BYTES = 2048
MAX_MESSAGE_CHARACTERS = 500
MAX_CODE_CHARACTERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What is known after one request.

    Attributes:
        status_code: HTTP status, None if no answer began.
        headers: The answer's headers.
        body: What arrived of the body, perhaps not all of it.
        fault: What ended the exchange early, if something did.
        sent: Whether the request's bytes began to leave; None if nobody can tell. False is certain.
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
        return clean_text(self.hide(f"{type(self.fault).__name__}: {self.fault}".rstrip(": ")))

    @property
    def excerpt(self) -> str:
        """The first 2048 bytes of the body or a little less, as text that is safe to print and to keep."""
        # Hidden before it is cut, so that no half of the key is left at the end.
        text = self.hide(self.body[: EXCERPT_BYTES + len(self.secret)].decode("utf-8", "replace"))
        text = "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
        return text.encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")

    def hide(self, text: str) -> str:
        """Remove the key, and what may grant access to an address, from a text: an error may repeat the whole request.

        For texts that people read only: "sk_1" is also part of the task id "task_1", which must stay whole.
        """
        hidden = re.sub(rf"(?<![A-Za-z0-9]){re.escape(self.secret)}", "***", text) if self.secret else text
        return without_signatures(hidden)


class AnswerTooLong(Exception):
    """The answer was cut at the limit."""


class Incoming:
    """Gathers an answer piece by piece, up to a limit, so that what arrived before a fault is not lost.

    Args:
        secret: The key, which the answer may repeat.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._status_code: int | None = None
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()

    def begin(self, status_code: int, headers: Mapping[str, str]) -> None:
        """Take over status and headers."""
        self._status_code = status_code
        self._headers = dict(headers)

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
        """Return what was gathered, at the end of the exchange."""
        return Exchange(
            status_code=self._status_code,
            headers=self._headers,
            body=bytes(self._body),
            fault=fault,
            sent=sent,
            secret=self._secret,
        )


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


def number(value: JsonValue) -> float | None:
    """Read a finite number; anything else counts as missing."""
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole_number(value: JsonValue) -> int | None:
    """Read a finite number as a whole one; anything else counts as missing."""
    found = number(value)
    return None if found is None else int(found)


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
        document: JsonValue = json.loads(body)
    except (ValueError, RecursionError) as error:
        kind = "a web page" if start.startswith(b"<") else "not valid JSON"
        raise ValueError(f"the answer is {kind}") from error
    if not isinstance(document, dict):
        raise ValueError("the answer is JSON, but not an object")
    message = text_of(document.get("msg")) or text_of(document.get("message"))
    error_part = document.get("error")
    if not message and isinstance(error_part, dict):
        message = text_of(error_part.get("message"))
    message = clean_text(exchange.hide(message), MAX_MESSAGE_CHARACTERS)
    return Envelope(
        clean_text(text_of(document.get("code")), MAX_CODE_CHARACTERS), message, document.get("data"), document
    )


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read how long the server asks to wait: ``retry-after-ms``, else ``retry-after`` as seconds or a date.

    Args:
        headers: The answer's headers, in any case.
        now: What a date is compared with; by default the server's own ``Date``, else this machine's clock.

    Returns:
        Seconds, at least 0; None if it does not ask, or not readably.

    Example:
        >>> retry_after_seconds({"Retry-After": "7"})
        7.0
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    milliseconds = _plain_number(lower.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = lower.get("retry-after", "")
    seconds = _plain_number(asked)
    if seconds is not None:
        return seconds
    moment = _date(asked)
    if moment is None:
        return None
    start = now or _date(lower.get("date", "")) or datetime.now(UTC)
    return max(0.0, (moment - start).total_seconds())


def _plain_number(text: str) -> float | None:
    # The limit keeps a silly number finite; it is far above every cap.
    return min(float(text), 1e9) if re.fullmatch(r"[0-9]{1,100}(\.[0-9]{1,100})?", text) else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
