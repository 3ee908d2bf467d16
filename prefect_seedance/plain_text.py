"""Texts for people, made plain: nothing in them is obeyed by a terminal, a log or a page rather than shown."""

from __future__ import annotations

import unicodedata

#: Invisible, and part of ordinary words: they join what is written together (emoji of several people, Persian).
_JOINERS = frozenset("\u200c\u200d")
_REPLACEMENT = "\ufffd"


def one_line(text: str) -> str:
    r"""Return a text on one line, without control characters.

    Line breaks and tabs become spaces, other control characters and halves of surrogate pairs the replacement
    character. Invisible format characters, among them those that turn the direction of what follows, are left out.

    Example:
        >>> one_line("a boat\r\n\x1b[2Jat \u202esea"), one_line("👩\u200d🚀")
        ('a boat �[2Jat sea', '👩\u200d🚀')
    """
    if text.isprintable():
        return text
    return " ".join(_shown(line).strip() for line in text.splitlines())


def lines(text: str) -> str:
    r"""Return a text without control characters, on the lines that it has.

    Example:
        >>> lines("Error:\r\n  a boat\x07")
        'Error:\n  a boat�'
    """
    if text.isprintable():
        return text
    return "\n".join(map(_shown, text.splitlines()))


def _shown(line: str) -> str:
    return line if line.isprintable() else "".join(map(_letter, line))


def _letter(letter: str) -> str:
    if letter.isprintable() or letter in _JOINERS:
        return letter
    if letter.isspace():
        return " "
    return "" if unicodedata.category(letter) == "Cf" else _REPLACEMENT
