"""Texts from outside, made fit to be kept and read: clean, cut to size, without what may grant access."""

from __future__ import annotations

import math
import re

from pydantic import JsonValue

#: Longest text that is kept of an answer: a sentence for a person, not a document.
LONGEST_TEXT = 2000
#: Longest address that is taken for one: signed ones have one or two thousand characters.
LONGEST_ADDRESS = 16_384

_ADDRESS = re.compile(r"(\w{1,20}://)(?:[^\s/@'\"<>]*@)?([^\s?#'\"<>)\]]*)(?:[?#][^\s'\"<>)\]]*)?")


def without_signatures(text: str) -> str:
    """Remove the user, the query and the fragment from every address in a text: they may grant access.

    Example:
        >>> without_signatures("Not found: https://bucket.example.com/a.png?X-Amz-Signature=1f0c (404)")
        'Not found: https://bucket.example.com/a.png (404)'
    """
    return _ADDRESS.sub(r"\1\2", text)


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


def clean_json(value: JsonValue) -> JsonValue:
    """Return a JSON value of unknown shape with every text in it made clean, and without numbers that no JSON knows."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean_json(each) for each in value]
    if isinstance(value, dict):
        return {clean_text(name): clean_json(each) for name, each in value.items()}
    return value


def _clean_letter(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else "\ufffd"
