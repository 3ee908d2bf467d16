"""Words from outside, made fit to be shown and kept: without secrets, clean, cut to size.

What the vendor or a media host says is untrusted, and may repeat whatever it was sent. It goes through here where it is
read, so that nothing behind asks again whether a text may be logged. Two things are taken out:

- **the API key**, by its value, in whatever writing: percent-encoded, with JSON or HTML escapes, one inside the other,
  in base64 or hexadecimal digits, or with blanks, control and invisible characters in between. Case counts.
- **what opens a link**: user name and password, query and fragment of every address, and parameters and headers that
  are a signature by their name (`signing_schemes`), also in an address that is encoded or has no scheme.

A key of fewer than `SHORTEST_UNMISTAKABLE_KEY` characters may be part of an ordinary word, as "sk_1" is of "task_1": it
is taken out only where no letter and no digit stands before it. Ids and the links that are fetched never come here:
they must stay whole, and whoever reads them asks `holds_secret` first, or never shows them.

The work is bounded: a text is cut before it is looked at, to what is kept of it and as much more as a key may be long,
so that no half of one is left at the cut. Texts in bulk cost time in proportion to what is kept.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, cast

from pydantic import JsonValue

from prefect_seedance.signing_schemes import looks_like, names_a_signature, says_signature_alone

#: Longest text that is kept of an answer: a sentence for a person, not a document.
LONGEST_TEXT = 2000
#: Longest line of a log, or words of an error, that are looked through; the rest is left out.
LONGEST_LINE = 20_000
#: Longest address that is taken for one: signed ones have one or two thousand characters.
LONGEST_ADDRESS = 16_384
#: A shorter key is looked for at the beginning of words alone.
SHORTEST_UNMISTAKABLE_KEY = 12

_MARK = "***"
#: How many characters one of the key may be written in, twice encoded: ``%26%23x73%3B``.
_WRITTEN_CHARACTERS = 16
#: How often one encoding may lie in another. What is encoded more often is left out as a whole.
_MOST_LEVELS = 12
#: How much of a key at the end of a text that was cut gives it away.
_TELLING_START = 4
_TELLING_ENCODED_START = 8

_secret_in_use: ContextVar[str] = ContextVar("secret_in_use", default="")


@contextmanager
def keeping_secret(secret: str) -> Generator[None]:
    """Have `hide` take this key out of every text, in this thread or task, for the length of a ``with`` block."""
    token = _secret_in_use.set(secret or _secret_in_use.get())
    try:
        yield
    finally:
        _secret_in_use.reset(token)


def hide(text: str, secret: str = "", longest: int = LONGEST_LINE, *, torn: bool = False) -> str:
    r"""Return a text without secrets, cut to size.

    Args:
        text: As it came, of any length.
        secret: The key; by default that of `keeping_secret`.
        longest: Number of characters that are kept of it.
        torn: Whether it was cut off before, so that it may end with the beginning of a key.

    Example:
        >>> hide("Not found: https://bucket.example.com/a.png?X-Amz-Signature=1f0c (404)")
        'Not found: https://bucket.example.com/a.png (404)'
        >>> hide(r"no such key: sk\u005fpaper-boat-1914", "sk_paper-boat-1914")
        'no such key: ***'
    """
    secret = secret or _secret_in_use.get()
    window = longest + _WRITTEN_CHARACTERS * len(secret) + _WRITTEN_CHARACTERS
    torn = torn or len(text) > window
    seen = text[:window]
    if torn:
        seen = seen[:-_LONGEST_HALF] + _HALF_ESCAPE.sub("", seen[-_LONGEST_HALF:])
    hidden, changed = _hidden_once(seen, secret, longest, torn)
    for _ in range(2):  # what stood on both sides of what was taken out may belong together now
        if not changed:
            break
        hidden, changed = _hidden_once(hidden, secret, len(hidden), torn=False)
    return hidden


def without_signatures(text: str) -> str:
    """Remove what opens a link from a user's own text, of which nothing is cut."""
    return hide(text, longest=len(text))


def holds_secret(text: str, secret: str) -> bool:
    """Return whether what should be an id is the key, or has a key in it that is long enough to be no accident.

    Example:
        >>> holds_secret("task_1", "sk_1"), holds_secret("sk_1", "sk_1")
        (False, True)
        >>> holds_secret("videos_sk_paper-boat-1914", "sk_paper-boat-1914")
        True
    """
    if len(secret) < SHORTEST_UNMISTAKABLE_KEY:
        return bool(secret) and text == secret
    layers = _layers(text[:LONGEST_LINE])
    return layers is None or any(True for layer in layers for _ in _keys_in(layer, secret, torn=False))


def hide_in_error(error: BaseException, secret: str = "") -> None:
    """Take secrets out of what an exception says, and those that led to it: their words may repeat what was sent."""
    seen: set[int] = set()
    ahead: list[BaseException | None] = [error]
    while ahead:
        each = ahead.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        ahead += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            ahead += cast("BaseExceptionGroup[BaseException]", each).exceptions
        _hide_in_one(cast("BaseException", each), secret)


#: What classes of Python's own keep outside of an exception's dictionary.
_KEPT: tuple[tuple[type[BaseException], tuple[str, ...]], ...] = (
    (OSError, ("strerror", "filename", "filename2")),
    (ImportError, ("msg", "name", "path")),
    (SyntaxError, ("msg", "filename", "text")),
)


def _hide_in_one(error: BaseException, secret: str) -> None:
    args = tuple(_hidden_value(each, secret) for each in error.args)
    if args != error.args:
        error.args = args
    kept = (name for kind, names in _KEPT if isinstance(error, kind) for name in names)
    for name in (*kept, *vars(error)):
        before: object = getattr(error, name, None)
        after = _hidden_value(before, secret)
        if after != before:
            with suppress(AttributeError):  # a class may forbid it
                setattr(error, name, after)


def _hidden_value(value: object, secret: str) -> object:
    if isinstance(value, str):
        return hide(value, secret)
    if isinstance(value, list | tuple):
        inside = [_hidden_value(each, secret) for each in cast("Sequence[object]", value)]
        return inside if isinstance(value, list) else tuple(inside)
    if isinstance(value, set | frozenset):
        inside = {_hidden_value(each, secret) for each in cast("Set[Hashable]", value)}
        return inside if isinstance(value, set) else frozenset(inside)
    if isinstance(value, dict):
        entries = cast("dict[object, object]", value).items()
        return {_hidden_value(name, secret): _hidden_value(each, secret) for name, each in entries}
    if isinstance(value, bytes | bytearray):
        shown = hide(said := repr(value), secret)
        return value if shown == said[:LONGEST_LINE] else shown
    return value


def clean_text(text: str, longest: int = LONGEST_TEXT) -> str:
    r"""Return a text on one line, cut to size, without anything that cannot be printed or written.

    JSON may hold half a surrogate pair, which no file, header or log takes, and control characters, which a terminal
    obeys. White space becomes a space, everything else that is not printable the replacement character.

    Args:
        text: As it came.
        longest: Number of characters that are kept.

    Example:
        >>> clean_text("sd2\ud800\x1b[2J\nfast")
        'sd2��[2J fast'
    """
    text = text[:longest]
    if text.isprintable():
        return text
    return "".join(_clean_letter(letter) for letter in text)


def clean_address(text: str) -> str:
    r"""Return an address as it came; "" for one that no request can name. An address is never repaired or cut.

    Example:
        >>> clean_address("https://cdn.example.com/a.mp4?sign=1"), clean_address("https://cdn.example.com/\ud800")
        ('https://cdn.example.com/a.mp4?sign=1', '')
    """
    return text if text.isprintable() and len(text) <= LONGEST_ADDRESS else ""


def shown_text(text: str, secret: str = "", longest: int = LONGEST_TEXT) -> str:
    r"""Return words from outside as they may be shown and kept: without secrets, clean, cut to size.

    Example:
        >>> shown_text("bad key\x07 sk_paper-boat-1914", "sk_paper-boat-1914")
        'bad key� ***'
    """
    return clean_text(hide(text, secret, longest), longest)


def shown_json(value: JsonValue, shown: Callable[[str], str] = shown_text) -> JsonValue:
    """Return a JSON value of unknown shape with every text made fit to be shown; infinity and NaN become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list):
        return [shown_json(each, shown) for each in value]
    if isinstance(value, dict):
        return {shown(name): shown_json(each, shown) for name, each in value.items()}
    return value


def _clean_letter(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else "\ufffd"


# How secrets are found: the text is decoded level by level, and each level is searched. What is found is taken out of
# the text as it came.


class _Span(NamedTuple):
    """A piece of the text as it came that is left out, with what is written for it."""

    start: int
    end: int
    mark: str


@dataclass(frozen=True, slots=True)
class _Layer:
    """The text after so many decodings.

    Attributes:
        text: Decoded.
        starts: Where each character begins in the text as it came, and where the last one ends.
    """

    text: str
    starts: Sequence[int]

    def span(self, start: int, end: int, mark: str = _MARK) -> _Span:
        return _Span(self.starts[start], self.starts[end], mark)


def _hidden_once(text: str, secret: str, longest: int, torn: bool) -> tuple[str, bool]:
    layers = _layers(text)
    if layers is None:
        return _MARK, False
    spans = [span for layer in layers for span in _signatures_in(layer)]
    if secret:
        spans += [span for layer in layers for span in _keys_in(layer, secret, torn)]
    if not spans:
        return text[:longest], False
    return _without(text[:longest], spans), True


def _without(text: str, spans: list[_Span]) -> str:
    """Take spans out of a text. Of those that overlap, one without a mark that covers the others leaves nothing."""
    parts: list[str] = []
    done = 0
    for start, end, mark in _merged(spans):
        if start >= len(text):
            break
        parts += [text[done:start], mark]
        done = end
    return "".join(parts) + text[done:]


def _merged(spans: list[_Span]) -> Iterator[_Span]:
    ordered = sorted(spans, key=lambda span: (span.start, -span.end, span.mark))
    start, end, mark = ordered[0]
    for span in ordered[1:]:
        if span.start > end or (span.start == end and not (mark and span.mark)):
            yield _Span(start, end, mark)
            start, end, mark = span
        elif span.end > end:
            end, mark = span.end, mark or span.mark
    yield _Span(start, end, mark)


_ESCAPE = re.compile(
    r"%(?:(?P<percent>[0-9a-fA-F]{2})|u(?P<percent_u>[0-9a-fA-F]{4}))|=(?P<quoted>[0-9A-F]{2})"
    r"|\\(?:u(?P<u>[0-9a-fA-F]{4})|u\{(?P<braces>[0-9a-fA-F]{1,6})\}|U(?P<long>[0-9a-fA-F]{8})|x(?P<x>[0-9a-fA-F]{2})"
    r"|(?P<octal>[0-3][0-7]{2})|(?P<one>[/\"'\\bfnrt]))"
    r"|&(?:#0*(?P<decimal>[0-9]{1,7});?|#[xX]0*(?P<hexadecimal>[0-9a-fA-F]{1,6});?|(?P<named>[A-Za-z]{2,8});)"
)
_BASES = {"octal": 8, "decimal": 10}
_CONTROLS = dict(zip("bfnrt", "\b\f\n\r\t", strict=True))


def _layers(text: str) -> list[_Layer] | None:
    """Return the text, and what it becomes by one decoding after the other; None if they hardly end."""
    layers = [_Layer(text, range(len(text) + 1))]
    while (decoded := _decoded(layers[-1])) is not None:
        if len(layers) > _MOST_LEVELS:
            return None
        layers.append(decoded)
    return layers


def _decoded(layer: _Layer) -> _Layer | None:
    """Decode what is encoded in any way, once; None if nothing is."""
    parts: list[str] = []
    starts: list[int] = []
    done = 0
    for found in _ESCAPE.finditer(layer.text):
        letter = _letter_of(found)
        if not letter:
            continue
        parts += [layer.text[done : found.start()], letter]
        starts += layer.starts[done : found.start() + 1]
        done = found.end()
    if not parts:
        return None
    return _Layer("".join(parts) + layer.text[done:], [*starts, *layer.starts[done:]])


def _letter_of(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    written = found[kind]
    if kind == "one":
        return _CONTROLS.get(written, written)
    if kind == "named":
        letter = html.unescape(found[0])
        return letter if len(letter) == 1 else ""
    code = int(written, _BASES.get(kind, 16))
    # A byte of UTF-8 is half a letter, and none that a key has.
    return "\ufffd" if code > 0x10FFFF or (kind in ("percent", "quoted", "x", "octal") and code >= 0x80) else chr(code)


@dataclass(frozen=True, slots=True)
class _Needle:
    """One way to write the key. In base64 only those characters that do not depend on what stands beside it."""

    text: str
    kind: Literal["plain", "base64", "hexadecimal"]


@lru_cache(maxsize=32)
def _needles(secret: str) -> tuple[_Needle, ...]:
    # As bytes it may be in UTF-16 too, as Windows and Java keep texts.
    keys = [secret.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
    # The key itself may look encoded.
    decoded = {layer.text for layer in _layers(secret) or ()} | {secret}
    plain = {_Needle(_squeezed(text), "plain") for text in decoded}
    base64 = {_Needle(_base64_core(key, shift), "base64") for key in keys for shift in range(3)}
    found = plain | base64 | {_Needle(key.hex(), "hexadecimal") for key in keys}
    return tuple(sorted((each for each in found if each.text), key=lambda each: each.text))


def _base64_core(key: bytes, shift: int) -> str:
    written = b64encode(b"\0" * shift + key).decode().rstrip("=")
    return written[-(-shift * 8 // 6) : (shift + len(key)) * 8 // 6]


_TO_STANDARD_BASE64 = str.maketrans("-_", "+/")
_TO_SMALL_DIGITS = str.maketrans("ABCDEF", "abcdef")
_BASE64_END = re.compile(r"[A-Za-z0-9+/_-]{0,2}={0,2}")
_BASE64_LETTER = re.compile(r"[A-Za-z0-9+/_-]")
#: An escape that a cut has left half.
_HALF_ESCAPE = re.compile(r"(?:[%&\\][#;{0-9a-zA-Z]{0,12})+\Z|=[0-9A-F]?\Z")
_LONGEST_HALF = 64


def _squeezed(text: str) -> str:
    """Return a text without what may be put between two characters unseen."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text.replace(" ", "")
    return "".join([_narrow(letter) for letter in text if not _is_filler(letter)])


def _narrow(letter: str) -> str:
    """Return the plain letter for one of full width, as keyboards of East Asia make them."""
    return chr(ord(letter) - 0xFEE0) if "\uff01" <= letter <= "\uff5e" else letter


def _is_filler(letter: str) -> bool:
    if letter < "\x7f":
        return letter <= " " or letter == "\\"
    # The backslash of full width is one too, as `_narrow` has it.
    return letter in "\ufffd\uff3c" or unicodedata.category(letter)[0] in "CZM"


def _keys_in(layer: _Layer, secret: str, torn: bool) -> Iterator[_Span]:
    squeezed = _squeezed(layer.text)
    views = {
        "plain": squeezed,
        "base64": squeezed.translate(_TO_STANDARD_BASE64),
        "hexadecimal": squeezed.translate(_TO_SMALL_DIGITS),
    }
    if not torn and not any(needle.text in views[needle.kind] for needle in _needles(secret)):
        return
    positions = [index for index, letter in enumerate(layer.text) if not _is_filler(letter)]
    short = len(secret) < SHORTEST_UNMISTAKABLE_KEY
    for needle in _needles(secret):
        view, index = views[needle.kind], 0
        while (index := view.find(needle.text, index)) >= 0:
            start, end = positions[index], positions[index + len(needle.text) - 1] + 1
            index += 1
            if short and _continues_a_word(layer.text, start):
                continue
            if needle.kind == "base64":
                start, end = _whole_base64(layer.text, start, end)
            yield layer.span(start, end)
            index = bisect_left(positions, end)
        if torn and (index := _torn_from(view, needle)) < len(view):
            start, is_long = positions[index], len(view) - index >= _TELLING_ENCODED_START and not short
            if is_long or not _continues_a_word(layer.text, start):
                yield layer.span(start, len(layer.text))


def _continues_a_word(text: str, start: int) -> bool:
    before = text[start - 1 : start]
    return before.isascii() and before.isalnum()


def _whole_base64(text: str, start: int, end: int) -> tuple[int, int]:
    """Add the characters at both ends that hold some bits of the key."""
    first = max(0, start - 2)
    while first < start and not _BASE64_LETTER.fullmatch(text, first, first + 1):
        first += 1
    found = _BASE64_END.match(text, end)
    return first, found.end() if found else end


def _torn_from(view: str, needle: _Needle) -> int:
    """Return where the beginning of a key starts that a text ends with; the text's length if there is none."""
    least = _TELLING_START if needle.kind == "plain" else _TELLING_ENCODED_START
    longest = min(len(needle.text) - 1, len(view))
    found = (length for length in range(longest, least - 1, -1) if view.endswith(needle.text[:length]))
    return len(view) - next(found, 0)


_ENDS = r"\s'\"<>)\]"
_ADDRESS = re.compile(rf"\w{{1,20}}://(?P<user>[^\s/@'\"<>]*@)?[^{_ENDS}?#]*(?P<query>[?#][^{_ENDS}]*)?")
_QUERY_WITHOUT_ADDRESS = re.compile(rf"(?<=[^\s?'\"<>(])\?(?=[^{_ENDS}=?]{{1,200}}=)[^{_ENDS}]*")
_PARAMETERS = re.compile(rf"(?<![\w.~-])[\w.~-]{{1,64}}=[^{_ENDS}}}]*")
_PARAMETER_NAME = re.compile(r"(?:\A|[&;,?])(?:amp;)?([\w.~-]{1,64})(?==)")
_QUOTED = re.compile(r"[\"']([\w.-]{1,64})[\"']\s{0,5}[:=,]\s{0,5}b?[\"']([^\"']*)")
_AFTER_A_COLON = re.compile(r"(?<![\w.~-])([\w.-]{1,64})[\"']?:\s{0,5}([^\s\"'<>,;)\]}]+)")
_AUTHORIZATION = re.compile(
    r"authorization[\"']?\s{0,5}[:=,]\s{0,5}b?[\"']?(?:(?:[a-z][a-z-]{2,20}|aws4-[a-z0-9-]{1,30})\s{1,5})?"
    r"([^\s\"'<>,;)\]}]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(?:bearer|basic)\s{1,5}([\w.~+/=-]{6,})", re.IGNORECASE)


def _signatures_in(layer: _Layer) -> Iterator[_Span]:
    text = layer.text
    if "://" in text:
        for found in _ADDRESS.finditer(text):
            yield from (layer.span(*found.span(part), "") for part in ("user", "query") if found[part])
    if "=" in text:
        for found in _QUERY_WITHOUT_ADDRESS.finditer(text):
            yield layer.span(*found.span(), "")
        for found in _PARAMETERS.finditer(text):
            if any(map(names_a_signature, _PARAMETER_NAME.findall(found[0]))):
                yield layer.span(*found.span())
    if '"' in text or "'" in text:
        for found in _QUOTED.finditer(text):
            if found[2] and (says_signature_alone(found[1]) or (names_a_signature(found[1]) and _is_opaque(found[2]))):
                yield layer.span(*found.span(2))
    if ":" in text:
        for found in _AFTER_A_COLON.finditer(text):
            if names_a_signature(found[1]) and (found[1].lower().startswith("x-") or _is_opaque(found[2])):
                yield layer.span(*found.span(2))
    for found in _AUTHORIZATION.finditer(text):
        yield layer.span(*found.span(1))
    for found in _BEARER.finditer(text):
        if _is_opaque(found[1]):
            yield layer.span(*found.span(1))


def _is_opaque(value: str) -> bool:
    """Return whether a value was made by a machine, and is not a word."""
    return looks_like(value, "signature") or (len(value) >= 6 and any(map(str.isdigit, value)) and " " not in value)
