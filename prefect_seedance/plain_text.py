"""Texts for people, made plain: nothing in them is obeyed by a terminal, a log or a page rather than shown."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

#: Invisible, and part of ordinary words: they join what is written together (emoji of several people, Persian).
_JOINERS = frozenset("\u200c\u200d")
_OF_LIBRARY = re.compile(r"\A(?:Input|String|List|Dictionary|Value) should ")
_REPLACEMENT = "\ufffd"


class Money(Enum):
    """What an error means for the money: each class says so itself, and whatever words it or sorts by it asks there.

    Attributes:
        title: In two or three words.
        meaning: In a sentence or two.

    Example:
        >>> Money.PERHAPS.title
        'Perhaps paid'
    """

    NOTHING = ("Nothing paid", "What raised it bought no video. What was paid for before stays paid, and goes on.")
    BEFORE = (
        "Nothing paid now",
        "An earlier attempt at this video was accepted, and no video came of it. The vendor does not document refunds: "
        "its console shows what was charged.",
    )
    PERHAPS = (
        "Perhaps paid",
        "It is not known whether the vendor accepted the video. If it did, it is being made and billed.",
    )
    KEPT = (
        "Paid and kept",
        "The vendor accepted the video and it is paid for. It is not lost: to take it up again costs nothing.",
    )
    NO_VIDEO = (
        "Paid, and no video",
        "The vendor accepted the task and made no video that can be had. It does not document refunds: its console "
        "shows what was charged.",
    )
    VARIES = ("It varies", "The class that was raised, or the report that it carries, says what was paid.")

    def __init__(self, title: str, meaning: str) -> None:
        self.title, self.meaning = title, meaning


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


def cut(text: str, longest: int) -> str:
    """Return a text of at most so many characters; one that is longer ends in an ellipsis.

    Example:
        >>> cut("a paper boat", 8), cut("a boat", 8)
        ('a paper…', 'a boat')
    """
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def coin_words(coins: float) -> str:
    """Word a sum of coins, however large: to the ten-thousandth, which is finer than any price.

    Example:
        >>> coin_words(1234567.5), coin_words(0.25), coin_words(0)
        ('1234567.5 coins', '0.25 coins', '0 coins')
    """
    return f"{coins:.4f}".rstrip("0").rstrip(".") + " coins"


def faults(error: ValidationError) -> list[str]:
    """Return what is wrong with each field of a model, a line each, without any value: one may be a secret.

    Example:
        >>> from pydantic import TypeAdapter, ValidationError
        >>> try:
        ...     TypeAdapter(list[int]).validate_python(["sk_secret"])
        ... except ValidationError as error:
        ...     print(*faults(error))
        0: must be a valid integer
    """
    listed = error.errors(include_input=False, include_url=False, include_context=False)
    return [_fault(".".join(map(str, each["loc"])), each["msg"]) for each in listed]


def _fault(field: str, message: str) -> str:
    text = message.removeprefix("Value error, ")
    if text == message:  # the library's own words
        text = _OF_LIBRARY.sub("must ", text.partition(", unable to ")[0])
    names = [name for name in field.split(".") if not name.isdecimal()]
    is_named = any(text.casefold().startswith(name.casefold()) or f"({name}" in text for name in names)
    return text if is_named or not field else f"{field}: {text}"


def _shown(line: str) -> str:
    return line if line.isprintable() else "".join(map(_letter, line))


def _letter(letter: str) -> str:
    if letter.isprintable() or letter in _JOINERS:
        return letter
    if letter.isspace():
        return " "
    return "" if unicodedata.category(letter) == "Cf" else _REPLACEMENT
