"""How an API key may be written in what the vendor answers, and how to tell that a text gives it away.

The second reads a text as somebody would who looks for the key: it decodes what can be decoded and knows nothing of
`prefect_seedance.redaction`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import quote, unquote

Write = Callable[[str], str]


def _each(form: str) -> Write:
    return lambda key: "".join(form.format(ord(letter), letter) for letter in key)


def _every_other(key: str) -> str:
    return "".join(letter if index % 2 else f"%{ord(letter):02x}" for index, letter in enumerate(key))


def _base64_inside(shift: int) -> Write:
    return lambda key: b64encode(b"user:"[:shift] + key.encode() + b"\n").decode()


WRITINGS: dict[str, Write] = {
    "as it is": lambda key: key,
    "percent-encoded where it must be": lambda key: quote(key, safe=""),
    "percent-encoded, small digits": _each("%{0:02x}"),
    "percent-encoded, capital digits": _each("%{0:02X}"),
    "percent-encoded in part": _every_other,
    "percent-encoded twice": _each("%25{0:02x}"),
    "percent-encoded three times": _each("%2525{0:02X}"),
    "percent-encoded as old servers do": _each("%u{0:04x}"),
    "escaped for JSON": _each("\\u{0:04x}"),
    "escaped for JSON, capital digits": _each("\\u{0:04X}"),
    "escaped for JSON twice": _each("\\\\u{0:04x}"),
    "escaped for JSON, then for an address": lambda key: quote(_each("\\u{0:04x}")(key), safe=""),
    "escaped for JSON, in part": lambda key: f"{key[:2]}\\u{ord(key[2]):04x}{key[3:]}",
    "escaped for Python": _each("\\x{0:02x}"),
    "escaped for HTML": _each("&#{0};"),
    "escaped for HTML, hexadecimal": _each("&#x{0:x};"),
    "escaped for HTML, with noughts": _each("&#0000{0};"),
    "escaped for HTML twice": _each("&amp;#{0};"),
    "in base64": lambda key: b64encode(key.encode()).decode(),
    "in base64, with the scheme": lambda key: b64encode(f"Bearer {key}".encode()).decode(),
    "in base64, after one byte": _base64_inside(1),
    "in base64, after two bytes": _base64_inside(2),
    "in base64 of addresses": lambda key: urlsafe_b64encode(b"??>" + key.encode()).decode(),
    "in base64, percent-encoded": lambda key: quote(b64encode(b"~" + key.encode()).decode(), safe=""),
    "in hexadecimal digits": lambda key: key.encode().hex(),
    "in hexadecimal digits, capital": lambda key: key.encode().hex().upper(),
    "in UTF-16, in base64": lambda key: b64encode(key.encode("utf-16-le")).decode(),
    "in UTF-16, in hexadecimal digits": lambda key: key.encode("utf-16-be").hex(),
    "in quoted-printable": _each("={0:02X}"),
    "in quoted-printable, in part": lambda key: f"{key[:4]}={ord(key[4]):02X}{key[5:]}",
    "in letters of full width": lambda key: "".join(chr(ord(letter) + 0xFEE0) for letter in key),
    "with blanks between": " ".join,
    "with line breaks between": "\r\n\t".join,
    "with NULs between": "\0".join,
    "with invisible characters between": "\u200b\ufeff".join,
    "with a soft hyphen in it": lambda key: f"{key[:5]}\xad{key[5:]}",
    "with a turned direction in it": lambda key: f"{key[:4]}\u202e{key[4:]}",
    "folded, escaped for JSON": lambda key: f"{key[:6]}\\r\\n {key[6:]}",
    "as the user of an address": lambda key: f"https://me:{key}@vendor.example.com/",
    "as a header": lambda key: f"Authorization: Bearer {key}",
}


def gives_away(text: str, key: str) -> bool:
    """Tell whether somebody who decodes a text in any way comes upon the key."""
    return any(key in _visible(form) for form in _forms(text))


def _visible(text: str) -> str:
    narrow = unicodedata.normalize("NFKC", text)
    return "".join(letter for letter in narrow if unicodedata.category(letter)[0] not in "CZ" and letter != "\ufffd")


def _forms(text: str) -> Iterator[str]:
    decoded = {text}
    for _ in range(4):
        decoded |= {decode(each) for each in decoded for decode in (unquote, html.unescape, _unescaped, _unquoted)}
    for form in decoded:
        yield form
        for word in re.findall(r"[A-Za-z0-9+/_-]{8,}", form):
            for start in range(4):
                standard = word[start:].replace("-", "+").replace("_", "/")
                whole = standard[: len(standard) - (len(standard) % 4 == 1)]
                yield b64decode(whole + "=" * (-len(whole) % 4)).decode("latin-1")
        for word in re.findall(r"[0-9a-fA-F]{8,}", form):
            for start in range(2):
                with suppress(ValueError):
                    yield bytes.fromhex(word[start:][: (len(word) - start) // 2 * 2]).decode("latin-1")


def _unescaped(text: str) -> str:
    escape = re.compile(r"%u([0-9a-fA-F]{4})|\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\([\\rntbf/])")
    return escape.sub(lambda found: " " if found[4] and found[4] in "rntbf" else _letter(found), text)


def _unquoted(text: str) -> str:
    return re.sub("=([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)


def _letter(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    return chr(int(digits, 16)) if digits else found[4]
