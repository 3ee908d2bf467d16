"""One exchange with the vendor, as a value: what came back, or why nothing did, and whether our bytes left.

``http.py`` fills it, everything else reads it, leniently: a field that is odd counts as missing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import quote

from pydantic import JsonValue

from prefect_seedance.client.failures import is_about_money, is_money_code
from prefect_seedance.headers import retry_after_seconds as retry_after_seconds
from prefect_seedance.redaction import LONGEST_ADDRESS, LONGEST_TEXT, hide, hide_in_error, shown_text
from prefect_seedance.unpacking import DamagedPacking, UnpackedTooLong, Unpacker

# Answers are a few hundred bytes, the price catalogue some hundred kilobytes. More is not an answer.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
EXCERPT_BYTES = 2048
MAX_MESSAGE_CHARACTERS = 500
MAX_CODE_CHARACTERS = 100
# As written in a path: far above any id that was seen, below what servers take for a URL and S3 for metadata.
LONGEST_ENCODED_ID = 1024
# More than any id, code or amount has.
MOST_DIGITS = 40
# Up to here a float is every whole number exactly.
_LARGEST_EXACT_FLOAT = 2.0**53
# What an answer says stands three levels deep.
_MOST_LEVELS = 50
# The byte order mark, and what gateways send before and after an answer to keep its connection open.
_ROUND_AN_ANSWER = "\ufeff\0 \t\r\n"
# Coins, and bytes too: nobody has more.
LARGEST_AMOUNT = 1e15
# Unix seconds of the year 5138; the same number of milliseconds is in 1973, before any task.
FIRST_MOMENT_OUT_OF_RANGE = 1e11
SUCCESS_CODES = frozenset({"20000", "0"})
# Those of kindred gateways. They count where the HTTP status agrees: some repeat it as their code.
KINDRED_SUCCESS_CODES = frozenset({"200", "0000", "00000", "success", "succeed", "succeeded", "ok", "true"})
#: How a web page in place of an answer is worded; more may follow.
A_PAGE = "the answer is a web page"
#: What an envelope's payload is called, the vendor's own name first.
PAYLOADS = ("data", "result", "response", "output", "task")
# Some servers label what nobody labelled as plain text. A page is none of the vendor's answers, whatever is in it.
_JSON_TYPES = frozenset({"application/json", "text/json", "text/plain"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What is known after one request.

    Attributes:
        status_code: HTTP status, None if no answer began.
        headers: The answer's headers.
        body: What arrived of the body, perhaps not all of it.
        fault: What ended the exchange early, if something did.
        sent: Whether the request's bytes began to leave; None if nobody can tell. False is certain.
        secret: The key, for `shown`.
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
        return self.shown(f"{type(self.fault).__name__}: {self.fault}".rstrip(": "))

    @property
    def excerpt(self) -> str:
        """The first 2048 bytes of the body or a little less, as text that is safe to print and to keep."""
        text = self.body[: 8 * EXCERPT_BYTES].decode("utf-8", "replace")
        # Hidden before it is cut, so that no half of the key is left at the end; nor where the body broke off.
        text = hide(text, self.secret, EXCERPT_BYTES, torn=self.fault is not None or len(self.body) > 8 * EXCERPT_BYTES)
        text = "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
        return text.encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")

    def shown(self, text: str, longest: int = LONGEST_TEXT) -> str:
        """Return words of this answer as they may be shown and kept: without secrets, on one line, cut to size.

        Not for ids and links: "sk_1" is also part of the task id "task_1", which must stay whole.
        """
        return shown_text(text, self.secret, longest)


class AnswerTooLong(Exception):
    """The answer was cut at the limit."""


class Incoming:
    """Gathers an answer piece by piece, up to a limit, so that what arrived before a fault is not lost.

    An answer that comes compressed is unpacked, up to the same limit: a task id may be in it.

    Args:
        secret: The key, which the answer may repeat.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._status_code: int | None = None
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()
        self._received = 0
        self._unpacker = Unpacker("", MAX_ANSWER_BYTES)

    def begin(self, status_code: int, headers: Mapping[str, str]) -> None:
        """Take over status and headers."""
        self._status_code = status_code
        self._headers = {name: value[:LONGEST_ADDRESS] for name, value in headers.items()}
        label = ",".join(value for name, value in self._headers.items() if name.lower() == "content-encoding")
        self._unpacker = Unpacker(label, MAX_ANSWER_BYTES)

    def add(self, chunk: bytes) -> None:
        """Take over a piece of the body, as it came from the network.

        Raises:
            AnswerTooLong: There is more than an answer can have; what came before is kept.
            DamagedPacking: It is compressed and cannot be unpacked; what came before is kept.
        """
        room = MAX_ANSWER_BYTES - self._received
        self._received += len(chunk)
        try:
            for piece in self._unpacker.feed(chunk[:room]):
                self._keep(piece)
        except UnpackedTooLong as error:
            raise _too_long() from error
        except DamagedPacking:
            if not self._body:  # evidence of what it was
                self._keep(chunk)
            raise
        if len(chunk) > room:
            raise _too_long()

    def _keep(self, piece: bytes) -> None:
        room = MAX_ANSWER_BYTES - len(self._body)
        self._body += piece[:room]
        if len(piece) > room:
            raise _too_long()

    def exchange(self, *, sent: bool | None, fault: Exception | None = None) -> Exchange:
        """Return what was gathered, at the end of the exchange. The words of a fault may repeat the request."""
        for piece in self._unpacker.finish():
            self._body += piece
        if fault is not None:
            hide_in_error(fault, self._secret)
        return Exchange(
            status_code=self._status_code,
            headers=self._headers,
            body=bytes(self._body),
            fault=fault,
            sent=sent,
            secret=self._secret,
        )


def _too_long() -> AnswerTooLong:
    return AnswerTooLong(f"cut after {MAX_ANSWER_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A JSON object that came back: the vendor's ``{code, msg, data}``, or that of something in between.

    Attributes:
        code: As text, since it is a string on the pages and a number on the wire; "" if there is none.
        message: ``msg``, or what stands for it in other gateways' errors.
        data: The payload.
        document: The whole JSON object.
        is_vendors: Whether it has the vendor's form: not sent as a page, with a code and the text ``msg``. A proxy or a
            firewall may answer with JSON too, after the vendor has accepted.
        is_success: Whether the code is one of the two that the vendor uses for success, or a kindred gateway's.
        lacks_money: Whether it says for certain that the account has too little: the vendor in its own envelope, or a
            gateway by a code that means nothing else.
    """

    code: str
    message: str
    data: JsonValue
    document: Mapping[str, JsonValue]
    is_vendors: bool
    is_success: bool = False
    lacks_money: bool = False

    @property
    def error_code(self) -> str:
        """The code if it is the vendor's word, else "": only then does it say what was not done."""
        return self.code if self.is_vendors else ""

    @property
    def task(self) -> Mapping[str, JsonValue]:
        """What the answer says about a task: its payload, also where that lies deeper or is not wrapped; else empty."""
        if found := _task_in(self.document):
            return found
        return self.document if documented_id(self.document) else _alone(self.data)

    @property
    def task_id(self) -> str:
        """The id of the task that the payload is about, "" if it names none."""
        return task_id_of(self.task)


def text_of(value: JsonValue) -> str:
    """Read a text or a whole number as text, also one that is written as ``2.0``; anything else counts as missing."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT_FLOAT:
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MOST_DIGITS
    return str(value) if whole else ""


def task_id_of(data: Mapping[str, JsonValue]) -> str:
    """Read the id of the task that a payload is about: ``task_id`` as documented, else ``id``; "" if it names none.

    The vendor's own command line reads both. Where both stand there the documented one is meant: the other may be that
    of a row in somebody's table. 0 is what some servers write for no task.
    """
    return documented_id(data) or _id_in(data, "id")


def documented_id(data: Mapping[str, JsonValue]) -> str:
    """Read ``task_id``, also as it is written in Java; "" if there is none."""
    return _id_in(data, "task_id") or _id_in(data, "taskId")


def _id_in(data: Mapping[str, JsonValue], name: str) -> str:
    found = text_of(data.get(name))
    return "" if found == "0" else found


def _alone(value: JsonValue) -> Mapping[str, JsonValue]:
    """Return an object, also where it came as the one entry of a list; an empty one for anything else."""
    alone = value[0] if isinstance(value, list) and len(value) == 1 else value
    return alone if isinstance(alone, dict) else {}


def _task_in(document: Mapping[str, JsonValue], levels: int = 2) -> Mapping[str, JsonValue]:
    """Find the payload that names a task, with what stands round it filled in; empty if none does.

    An ``id`` alone is that of a task only in ``task``, or in the envelope's own ``data``: elsewhere it may be a file's.
    A number there gives way to a task further in, since it may be that of a row in somebody's table.
    """
    for name in PAYLOADS:
        inside = _alone(document.get(name))
        may_be_row = not isinstance(inside.get("id"), str)
        has_id = bool(_id_in(inside, "id")) and (name == "task" or (name == "data" and levels == 2))
        if documented_id(inside) or (has_id and not may_be_row):
            return inside
        if levels and (deeper := _task_in(inside, levels - 1)):
            outer = {field: value for field, value in inside.items() if value is not None}
            return {**deeper, **outer, "id": deeper.get("id")} if has_id else {**deeper, **outer}
        if has_id:
            return inside
    return {}


def amount(value: JsonValue) -> float | None:
    """Read a number of coins, which may be below 0 where an account is overdrawn; nonsense counts as missing."""
    return _number(value, -LARGEST_AMOUNT, LARGEST_AMOUNT)


def price(value: JsonValue) -> float | None:
    """Read what something costs; a negative price, like other nonsense, counts as missing."""
    return _number(value, 0.0, LARGEST_AMOUNT)


def percentage(value: JsonValue) -> int | None:
    """Read a progress from 0 to 100 as a whole number, also where it is written ``40%``; else it counts as missing."""
    return _whole(_number(value.strip().removesuffix("%") if isinstance(value, str) else value, 0.0, 100.0))


def byte_count(value: JsonValue) -> int | None:
    """Read the size of a file; nonsense counts as missing."""
    return _whole(_number(value, 0.0, LARGEST_AMOUNT))


def unix_seconds(value: JsonValue) -> int | None:
    """Read a moment as whole Unix seconds, also from milliseconds, microseconds or nanoseconds.

    Which of them it is shows in its size: what would be after the year 5138 in one unit is meant in a smaller one. 0
    stands for "not yet", and nonsense counts as missing.

    Example:
        >>> unix_seconds(1_764_210_466), unix_seconds(1_764_210_466_000), unix_seconds(1e300), unix_seconds(0)
        (1764210466, 1764210466, None, None)
    """
    moment = _number(value, 1.0, FIRST_MOMENT_OUT_OF_RANGE * 1e9)
    for _ in range(3):
        if moment is not None and moment >= FIRST_MOMENT_OUT_OF_RANGE:
            moment /= 1000
    return _whole(moment) if moment is None or moment < FIRST_MOMENT_OUT_OF_RANGE else None


def _number(value: JsonValue, least: float, most: float) -> float | None:
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return found if least <= found <= most else None  # not a number is in no range


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def is_vendor_id(text: str) -> bool:
    """Return whether a text can be the id of a task or an asset: it prints, is not too long, and leads nowhere else.

    The one alphabet of ids: what an answer may bring is what can be asked for, or a task would be paid for and never
    fetched. What becomes of an id in an object's key is in ``storage/templates.py``.

    Example:
        >>> [is_vendor_id(text) for text in ("videos_1", "a/b?c", "", "a/../b", "a" * 5000)]
        [True, True, False, False, False]
    """
    # Gateways take "." and ".." for steps in a path, also beside a slash that was percent-encoded. U+FFFD stands for
    # what could not be read.
    steps = {".", ".."} & set(re.split(r"[/\\]", text))
    if not text.strip() or text != text.strip() or steps or "\ufffd" in text:
        return False
    return text.isprintable() and len(text) <= LONGEST_ENCODED_ID >= len(path_segment(text))


def path_segment(identifier: str) -> str:
    """Write an id as one segment of a URL's path.

    Example:
        >>> path_segment("videos/1 2")
        'videos%2F1%202'
    """
    return quote(identifier, safe="")


def open_envelope(exchange: Exchange) -> Envelope:
    """Read an answer's body as an envelope, leniently.

    Raises:
        ValueError: It is not a JSON object; the message says what it is instead.
    """
    text = _decoded(exchange.body)
    if not text:
        raise ValueError("the answer is empty")
    try:
        document = _parsed(text)
    except (ValueError, RecursionError):  # Python's error has the whole text, which is repeated to nobody
        document = _UNREADABLE
    if document is _UNREADABLE:
        raise ValueError(_page_in_words(exchange, text) if text.startswith("<") else "the answer is not valid JSON")
    if not isinstance(document, dict):
        raise ValueError("the answer is JSON, but not an object")
    message = text_of(document.get("msg")) or text_of(document.get("message"))
    error_part = document.get("error")
    named = ""
    if isinstance(error_part, dict):
        named = text_of(error_part.get("code")) or text_of(error_part.get("type"))
        message = message or text_of(error_part.get("message")) or named
    message = exchange.shown(message, MAX_MESSAGE_CHARACTERS)
    code = exchange.shown(_code_of(document.get("code")), MAX_CODE_CHARACTERS)
    is_vendors = bool(code) and isinstance(document.get("msg"), str) and _is_json(exchange.headers)
    agreed = exchange.status_code is None or 200 <= exchange.status_code < 300
    is_success = code in SUCCESS_CODES or (agreed and _is_kindred_success(document, code))
    payload = next((found for name in PAYLOADS if (found := document.get(name)) is not None), None)
    certain = is_vendors or exchange.status_code == 402
    lacks_money = is_money_code(named) or is_money_code(code) or (certain and is_about_money(message))
    lacks_money = lacks_money and not is_success and _is_json(exchange.headers)
    return Envelope(code, message, payload, document, is_vendors, is_success, lacks_money)


def _page_in_words(exchange: Exchange, text: str) -> str:
    """Return in words what a page calls itself, and who sent it: perhaps a firewall, or a network's sign-in."""
    title = re.search(r"<title[^>]*>([^<]{1,500})", text[:65_536], re.IGNORECASE)
    server = next((value for name, value in exchange.headers.items() if name.lower() == "server"), "")
    words = A_PAGE
    if title and (shown := " ".join(exchange.shown(unescape(title[1])).split())[:80]):
        words += f", titled {shown!r}"
    if shown := exchange.shown(server, 40):
        words += f", from the server {shown!r}"
    return words


def _is_kindred_success(document: Mapping[str, JsonValue], code: str) -> bool:
    """Return whether an envelope is a success in the words of a kindred gateway, and nothing in it says otherwise."""
    said = document.get("success")
    if document.get("error") or said is False:
        return False
    is_named = code.lower() in KINDRED_SUCCESS_CODES or document.get("code") is True
    return is_named or (said is True and document.get("code") is None)


def _code_of(value: JsonValue) -> str:
    """Read a code as text. A fraction such as ``20000.0`` counts for a success alone: a refusal must be certain."""
    if isinstance(value, float | str):
        whole = re.sub(r"\.0+\Z", "", str(value).strip())
        is_success = whole in SUCCESS_CODES or whole in KINDRED_SUCCESS_CODES
        if is_success or isinstance(value, float):
            return whole if is_success else ""
    return text_of(value)


def _decoded(body: bytes) -> str:
    """Decode as `json.loads` does; a byte that does not fit costs its letter, not the task id beside it."""
    encoding = json.detect_encoding(body.lstrip(b" \t\r\n"))
    try:
        text = body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        text = body.decode(encoding, "replace")
    return text.strip(_ROUND_AN_ANSWER)


def _parsed(text: str) -> JsonValue:
    try:
        return _DECODER.decode(text)
    except RecursionError:
        return _DECODER.decode(_without_depths(text))


def _without_depths(text: str) -> str:
    """Replace what lies deeper in a JSON text than anything that is read: Python cannot read thousands of levels."""
    kept: list[str] = []
    depth = done = 0
    for found in _TEXT_OR_BRACKET.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            if depth == _MOST_LEVELS:
                kept.append(text[done : found.start()])
        elif mark in "]}":
            if depth == _MOST_LEVELS:
                kept.append("null")
                done = found.end()
            depth -= 1
    return "".join(kept) + text[done:] if depth == 0 else text


def _is_json(headers: Mapping[str, str]) -> bool:
    """Return whether a body was sent as JSON. One that is not labelled at all may be."""
    labels = [value for name, value in headers.items() if name.lower() == "content-type"]
    return all(label.partition(";")[0].strip().lower() in _JSON_TYPES for label in labels)


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= MOST_DIGITS else None


def _real(text: str) -> float | None:
    found = float(text)
    return found if math.isfinite(found) else None


def _no_number(word: str) -> None:
    """Read ``NaN`` and ``Infinity``, which Python's reader takes and no JSON knows, as not answered."""


_UNREADABLE: JsonValue = {}
# A text that never ends is one up to the end: were it none, it would be looked for anew behind each of its quotes.
_TEXT_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)

# A text may hold raw line breaks, as when a vendor repeats a prompt unescaped (`strict`).
# Python reads no integer of more than 4,300 digits: a single silly number would make the whole answer unreadable, with
# the task id in it.
_DECODER = json.JSONDecoder(strict=False, parse_int=_integer, parse_float=_real, parse_constant=_no_number)
