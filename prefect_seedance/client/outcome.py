"""What the answer to a create means for the money: a table from exchanges to six outcomes.

    outcome          a task exists?    send again by itself?    when
    Accepted         yes               never                    a success code and a task id, whatever else
    NeverSent        no                yes                      no connection; no byte of ours left
    TooManyRequests  no                yes, after a wait        HTTP 429, code 40000
    Busy             no                yes, after 5, 10, 20 s   code -1 in the vendor's own words for it
    Refused          no                no, change something     codes 20001, 20002; REFUSING_STATUSES without a code;
                                                                too little money, in words that are certain
    Unknown          perhaps           never                    everything else once bytes have left

The last row is the point: a repeated create may be billed twice and there is no key to prevent it, so only
what is known to be harmless is listed above, and whatever nobody thought of falls below.

A code counts in the vendor's own envelope only (`Envelope.is_vendors`), a task id wherever it stands: the one says
that there is nothing to pay for, and must be certain; the other may be all that is left of a paid video.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prefect_seedance.client.exchange import (
    Envelope,
    Exchange,
    amount,
    is_vendor_id,
    open_envelope,
    price,
    retry_after_seconds,
    text_of,
    unix_seconds,
)
from prefect_seedance.redaction import holds_secret

BUSY_WORDS = "系统繁忙"
REFUSING_CODES = frozenset({"20001", "20002"})
RATE_LIMIT_CODE = "40000"
SERVER_ERROR_CODE = "-1"
# Without the vendor's envelope these say that the request was not taken: it is malformed, too large, or for another
# address. The vendor words its business errors under 200, so any other bare status, 403 or a redirect included, comes
# from something in between, perhaps after the vendor accepted.
REFUSING_STATUSES = frozenset({400, 401, 404, 405, 413, 414, 415, 422})
# All of 4xx but the two that are about time, not about the request: it may have been carried out.
CERTAIN_STATUSES = frozenset({200, *range(400, 500)}) - {408, 499}
# A task id anywhere in what came back, even in half a JSON or in a JSON text within it, in any of the spellings that
# clients have met; and the vendor's own ids, which also stand in messages. Behind a slash it may be an input's.
_NAMES_A_TASK = re.compile(
    rb'(?:(?<!\\)"|[{,]\s*\\+")(?:task|video|job|generation|prediction)_?id\\*"\s*:\s*(?:\\*"\s*(?!0\\*")[^"\\\s]|[1-9])'
    rb'|"id\\*"\s*:\s*\\*"(?:videos|vid)_|(?<![/\w])videos_[0-9a-f]{32}(?![\w.])',
    re.IGNORECASE,
)
# The success of an answer that was cut before its task id.
_BEGINS_AS_SUCCESS = re.compile(rb'\s*\{\s*"code"\s*:\s*(?:"\s*)?(?:20000|0)\s*[",}]')


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
class Shortage:
    """That the account has too little money.

    Attributes:
        required: What the video would cost in JimiCoin, None if that is not known.
        available: What there is, None if that is not known.
    """

    required: float | None = None
    available: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly not accepted, and not worth repeating unchanged.

    Attributes:
        code: The code of the vendor's envelope as text, "" without one.
        message: The vendor's words, "" if it gave none.
        status_code: HTTP status, None if unknown.
        shortage: What is known of the account's money, if that is why.
    """

    code: str
    message: str
    status_code: int | None
    shortage: Shortage | None = None


@dataclass(frozen=True, slots=True)
class NeverSent:
    """No byte of the request left this machine.

    Attributes:
        reason: What stood in the way.
    """

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
    """Not accepted: the vendor says that its system is busy, and to try later.

    Attributes:
        message: The vendor's words.
    """

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
        envelope = Envelope("", str(error), None, {}, is_vendors=False)
    if envelope.is_success:
        return _success(exchange, envelope)
    if envelope.task_id or _NAMES_A_TASK.search(exchange.body):
        return _unknown(exchange, f"a task id came without a success: {_said(envelope)}")
    if not envelope.document and _BEGINS_AS_SUCCESS.match(exchange.body):
        return _unknown(exchange, "it begins as a success, and ends before the task id")
    if envelope.lacks_money and envelope.code != RATE_LIMIT_CODE and exchange.status_code in CERTAIN_STATUSES:
        shortage = Shortage(amount(envelope.task.get("required")), amount(envelope.task.get("available")))
        return Refused(envelope.error_code, envelope.message, exchange.status_code, shortage)
    if exchange.status_code == 429:
        return TooManyRequests(retry_after_seconds(exchange.headers))
    # A gateway's own envelope often repeats the status as the code, which says no more than the status does.
    by_code = envelope.is_vendors and envelope.code != str(exchange.status_code)
    return _by_code(exchange, envelope) if by_code else _bare(exchange, envelope)


def _success(exchange: Exchange, envelope: Envelope) -> Outcome:
    data, task_id = envelope.task, envelope.task_id
    if not task_id:
        return _unknown(exchange, "the vendor reports success, but without a task id")
    if not is_vendor_id(task_id):
        return _unknown(exchange, "the task id is too long, or holds characters that no id has")
    if holds_secret(task_id, exchange.secret):
        return _unknown(exchange, "what should be the task id holds the API key")
    return Accepted(
        task_id,
        exchange.shown(text_of(data.get("status"))),
        exchange.shown(text_of(data.get("model"))),
        unix_seconds(data.get("created_at")),
        price(data.get("cost")),
    )


def _by_code(exchange: Exchange, envelope: Envelope) -> NotAccepted:
    if envelope.code == RATE_LIMIT_CODE:
        return TooManyRequests(retry_after_seconds(exchange.headers))
    if envelope.code in REFUSING_CODES:
        return Refused(envelope.code, envelope.message, exchange.status_code)
    if (
        envelope.code == SERVER_ERROR_CODE
        and BUSY_WORDS in envelope.message
        and exchange.status_code in CERTAIN_STATUSES
    ):
        return Busy(envelope.message)
    return _unknown(exchange, _said(envelope))


def _bare(exchange: Exchange, envelope: Envelope) -> NotAccepted:
    """Judge an answer that is not the vendor's envelope: by its status alone."""
    status_code = exchange.status_code
    if status_code in REFUSING_STATUSES:
        return Refused("", envelope.message, status_code)
    target = exchange.shown(exchange.headers.get("location", ""))
    if target and status_code is not None and 300 <= status_code < 400:
        return _unknown(exchange, f"it redirects to {target}, which is not followed")
    return _unknown(exchange, _said(envelope))


def _said(envelope: Envelope) -> str:
    message = envelope.message or "no message"
    if envelope.is_vendors:
        return f"code {envelope.code}: {message}"
    return f"not the vendor's envelope: {message}" if envelope.document else message


def _unknown(exchange: Exchange, reason: str) -> Unknown:
    status = "" if exchange.status_code is None else f"HTTP {exchange.status_code}: "
    ended = "" if exchange.fault is None or exchange.status_code is None else f" ({exchange.reason})"
    return Unknown(f"{status}{reason}{ended}", exchange.excerpt, exchange.status_code)
