"""What the answer to a create means for the money: a table from exchanges to six outcomes.

    outcome          a task exists?    send again by itself?    when
    Accepted         yes               never                    a success code and a task id, whatever else
    NeverSent        no                yes                      no connection; no byte of ours left
    TooManyRequests  no                yes, after a wait        HTTP 429, code 40000
    Busy             no                yes, after 5, 10, 20 s   code -1 in the vendor's own words for it
    Refused          no                no, change something     codes 20001, 20002; plain 3xx, 4xx
    Unknown          perhaps           never                    everything else once bytes have left

The last row is the point: a repeated create may be billed twice and there is no key to prevent it, so only
what is known to be harmless is listed above, and whatever nobody thought of falls below.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect_seedance.client.exchange import (
    Envelope,
    Exchange,
    number,
    open_envelope,
    retry_after_seconds,
    text_of,
    whole_number,
)
from prefect_seedance.client.redaction import clean_text

BUSY_WORDS = "系统繁忙"
REFUSING_CODES = frozenset({"20001", "20002"})
RATE_LIMIT_CODE = "40000"
SERVER_ERROR_CODE = "-1"
# Statuses of the 4xx range that are about time, not about the request: it may have been carried out.
UNKNOWN_STATUSES = frozenset({408, 499})
BUSY_STATUSES = frozenset({200, *range(400, 500)}) - UNKNOWN_STATUSES


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor has a task; it is or will be billed.

    Attributes:
        task_id: The vendor's id: all that is needed to get the video.
        status: As answered, usually ``queued``.
        model: As answered.
        created_at: Unix seconds, None if not answered.
        cost: JimiCoin, None if not answered.
    """

    task_id: str
    status: str = ""
    model: str = ""
    created_at: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not accepted, and not worth repeating unchanged."""

    code: str
    message: str
    status_code: int | None


@dataclass(frozen=True, slots=True)
class NeverSent:
    """No byte of the request left this machine."""

    reason: str


@dataclass(frozen=True, slots=True)
class TooManyRequests:
    """Certainly not accepted, since there were too many requests.

    Attributes:
        retry_after: Seconds that the server asks to wait, None if it names none.
    """

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Busy:
    """Not accepted: the vendor says that its system is busy, and to try later."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Perhaps accepted, perhaps billed. Never to be repeated automatically.

    Attributes:
        reason: Why it is unknown.
        excerpt: Up to 2048 bytes of what came back, as text.
        status_code: HTTP status, None if there was none.
    """

    reason: str
    excerpt: str = ""
    status_code: int | None = None


#: What an answer without a task may be.
NotAccepted = Refused | NeverSent | TooManyRequests | Busy | Unknown
Outcome = Accepted | NotAccepted


def read_submission(exchange: Exchange) -> Outcome:
    """Decide what became of a create. Never raises, whatever came back.

    Example:
        >>> body = b'{"code": 20000, "data": {"task_id": "videos_1"}}'
        >>> read_submission(Exchange(status_code=200, body=body))
        Accepted(task_id='videos_1', status='', model='', created_at=None, cost=None)
        >>> read_submission(Exchange(status_code=502, body=b"<html>Bad gateway</html>")).reason
        'HTTP 502: the answer is a web page'
    """
    if exchange.status_code is None:
        if exchange.sent is False:
            return NeverSent(exchange.reason)
        return _unknown(exchange, exchange.reason or "no answer")
    try:
        envelope = open_envelope(exchange)
    except ValueError as error:
        return _by_status(exchange, None, str(error))
    return _by_code(exchange, envelope)


def _by_code(exchange: Exchange, envelope: Envelope) -> Outcome:
    data = envelope.data if isinstance(envelope.data, dict) else {}
    task_id = text_of(data.get("task_id"))
    if task_id and not task_id.isprintable():
        return _unknown(exchange, "the task id holds characters that no id has")
    if envelope.is_success:
        if not task_id:
            return _unknown(exchange, "the vendor reports success, but without a task id")
        return Accepted(
            task_id,
            clean_text(text_of(data.get("status"))),
            clean_text(text_of(data.get("model"))),
            whole_number(data.get("created_at")),
            number(data.get("cost")),
        )
    if task_id:
        return _unknown(exchange, f"the vendor sent a task id with code {envelope.code or 'missing'}")
    if exchange.status_code == 429 or envelope.code == RATE_LIMIT_CODE:
        return TooManyRequests(retry_after_seconds(exchange.headers))
    if envelope.code in REFUSING_CODES:
        return Refused(envelope.code, envelope.message, exchange.status_code)
    if envelope.code == SERVER_ERROR_CODE:
        if BUSY_WORDS in envelope.message and exchange.status_code in BUSY_STATUSES:
            return Busy(envelope.message)
        return _unknown(exchange, f"code -1: {envelope.message or 'no message'}")
    return _by_status(exchange, envelope, f"code {envelope.code or 'missing'}: {envelope.message or 'no message'}")


def _by_status(exchange: Exchange, envelope: Envelope | None, reason: str) -> Outcome:
    """Judge by the HTTP status, for an answer without a code that is known."""
    status_code = exchange.status_code
    if status_code == 429:
        return TooManyRequests(retry_after_seconds(exchange.headers))
    if status_code is not None and 300 <= status_code < 500 and status_code not in UNKNOWN_STATUSES:
        if envelope is not None:
            return Refused(envelope.code, envelope.message, status_code)
        target = clean_text(exchange.hide(exchange.headers.get("location", "")))
        return Refused("", f"redirected to {target}, not followed" if target else reason, status_code)
    return _unknown(exchange, reason)


def _unknown(exchange: Exchange, reason: str) -> Unknown:
    status = "" if exchange.status_code is None else f"HTTP {exchange.status_code}: "
    ended = "" if exchange.fault is None or exchange.status_code is None else f" ({exchange.reason})"
    return Unknown(f"{status}{reason}{ended}", exchange.excerpt, exchange.status_code)
