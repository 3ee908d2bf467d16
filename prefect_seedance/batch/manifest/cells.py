"""What a cell means for its field, whatever a spreadsheet or a program has made of it."""

from __future__ import annotations

import itertools
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import cast, get_args

from prefect_seedance.batch.manifest.limits import LONGEST_CELL, LONGEST_SHOWN
from prefect_seedance.client.request.fields import OrientationChoice, RatioChoice, ResolutionChoice
from prefect_seedance.client.request.problems import either
from prefect_seedance.client.request.routes import ROUTES
from prefect_seedance.client.request.text import canonical_lines, canonical_text
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import hide, without_signatures

LONGEST_NAME = 200
MOST_TAKES = 100


class BadCell(ValueError):
    """A cell that cannot mean anything for its field.

    Attributes:
        message: The rule that is broken.
        fix: What to do about it.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message}. {fix}.")
        self.message, self.fix = message, fix


class CellFault:
    """Stands for a cell that a reader cannot read, so that it is not taken for an empty one.

    Attributes:
        message: What is wrong with it.
    """

    def __init__(self, message: str) -> None:
        self.message = message


#: What programs write into an empty cell.
_NOTHING = frozenset({"nan", "none", "null", "undefined", "n/a", "nil", "<na>", "nat"})
#: What spreadsheets write for a formula that failed, or a column that is too narrow.
_ERROR_VALUE = re.compile(
    r"#(?:REF!|N/A|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|SPILL!|CALC!|FIELD!|BUSY!|BLOCKED!|CONNECT!|GETTING_DATA|#+)"
    r"|Err:[0-9]{3}"
)
#: How a cell is kept from being taken for a number.
_AS_TEXT = re.compile(r'="((?:[^"]|"")*)"')
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\u201a\u00ab\u00bb"
_UNSEEN = dict.fromkeys(map(ord, "\0\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")


def is_blank(value: object) -> bool:
    r"""Return whether a cell is empty to the eye.

    Example:
        >>> is_blank("\xa0\ufeff"), is_blank(None), is_blank([]), is_blank(0)
        (True, True, True, False)
    """
    if isinstance(value, str):
        # Zero bytes fill up fields of a fixed width, and U+001A ends files of DOS.
        return not value or not canonical_text(value[:LONGEST_CELL]).strip("\0\x1a")
    return value is None or value == [] or value == ()


def text_of(value: object) -> str:
    """Return the text of a cell that holds one value.

    Raises:
        BadCell: It holds something else, or the error of a formula, or too much.
    """
    match value:
        case str():
            text = value
        case bool():
            text = "TRUE" if value else "FALSE"
        case int():
            text = _digits(value)
        case float():
            if not math.isfinite(value):
                raise BadCell(f"{value} is not a value", "Write it as it should be, or leave the cell empty")
            text = _digits(int(value)) if value.is_integer() else repr(value)
        case date() | time():
            text = value.isoformat()
        case timedelta():
            text = str(value)
        case CellFault():
            raise BadCell(value.message, "Correct it in the spreadsheet, and save it there")
        case list() | tuple():
            raise BadCell("it holds a list, but the field takes one value", "Write one value, as text")
        case _:
            raise BadCell("it holds nested data, but the field takes one value", "Write one value, as text")
    if len(text) > LONGEST_CELL:
        raise BadCell(
            f"the cell has {len(text):,} characters, and at most {LONGEST_CELL:,} are read",
            "Shorten it; if it swallowed other rows, look for a quotation mark that is not closed",
        )
    if as_text := _AS_TEXT.fullmatch(text):
        text = as_text[1].replace('""', '"')
    bare = canonical_text(text)
    if _ERROR_VALUE.fullmatch(bare):
        raise BadCell(f"{bare[:20]} is the error of a formula", "Correct the formula, or write the value itself")
    if bare.casefold() in _NOTHING:
        raise BadCell(f"{bare!r} is what programs write into an empty cell", "Leave the cell empty if nothing is meant")
    # Before these, tools that make a table safe for spreadsheets write an apostrophe.
    return text[1:] if text[:2] in ("'=", "'+", "'-", "'@") else text


def _digits(number: int) -> str:
    # Python refuses to write out numbers of thousands of digits.
    if abs(number) >= 10**300:
        raise BadCell("the number has more than 300 digits", "Write it as it should be")
    return str(number)


def word_of(value: object) -> str:
    """Return the text of a cell that holds a word or a number: plain letters, without blanks and quotes around it."""
    text = unicodedata.normalize("NFKC", text_of(value)).translate(_UNSEEN)
    return canonical_text(canonical_text(text).strip(_QUOTES))


def shown_cell(value: object) -> str:
    """Return a cell as it may be shown: on one line, cut to size, without what may be a signature."""
    try:
        text = value if isinstance(value, str) else text_of(value)
    except BadCell as error:
        text = str(value) if isinstance(value, float) else f"({error.message})"
    whole = one_line(hide(text, longest=LONGEST_SHOWN + 1)).strip()
    return whole if len(whole) <= LONGEST_SHOWN else whole[: LONGEST_SHOWN - 3] + "..."


#: What stands before the sum in the last row of a table.
_OF_TOTALS = re.compile(
    r"(?:grand |sub-?\s?)?totals?|sum|(?:gesamt|zwischen)?summe|gesamt|somme|(?:sous-)?total(?:e|es)?|sum[ae]|totaal"
    r"|итого|всего|合计|总计|小计|总和|合計|總計|小計|総計|합계|총계",
    re.IGNORECASE,
)
_AROUND_TOTALS = " \t\n0123456789.,:：=-"


def _prompt(value: object) -> str:
    if isinstance(value, bool | date | time | timedelta):
        made = "TRUE or FALSE" if isinstance(value, bool) else "a date or a time"
        raise BadCell(
            f"it holds {made} ({shown_cell(value)}), but the field takes text", "Describe what the video shows"
        )
    text = canonical_lines(text_of(value))
    # Rows of separators alone, lines of a table that was drawn, and sums would each be a paid video.
    if not any(unicodedata.category(letter) in _OF_WORDS for letter in text):
        raise BadCell("there is no word in it", "Describe what the video shows, or delete the row")
    if _OF_TOTALS.fullmatch(text[:100].strip(_AROUND_TOTALS)):
        raise BadCell(f"{text[:100]!r} is the label of a sum, not a prompt", "Delete the row, or say what is shown")
    return text


#: Categories of letters, digits and pictures such as emoji.
_OF_WORDS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "So"})


def _name(value: object) -> str:
    try:
        text = text_of(value)
    except BadCell:
        text = value if isinstance(value, str) else ""  # what is for people alone spoils no row
    return clean_name(text)


def clean_name(text: str) -> str:
    r"""Return a name on one line, of at most 200 characters, without control characters and what opens a link.

    It is repeated in the names of task runs, in logs, messages and tables.

    Example:
        >>> clean_name(" Mug,\r\nlarge "), clean_name("https://a.example.com/mug.png?sig=1f0c")
        ('Mug, large', 'https://a.example.com/mug.png')
    """
    bare = without_signatures(canonical_text(text[: 4 * LONGEST_NAME]))
    return " ".join(one_line(bare).split())[:LONGEST_NAME].strip()


def _model(value: object) -> str:
    word = word_of(value).translate(_DASHES)
    return _ROUTES.get(word.casefold(), word)


_ROUTES = {name.casefold(): name for name in ROUTES}


def _other_model(value: object) -> str:
    return word_of(value).translate(_DASHES)


def _take(value: object) -> str:
    text = canonical_lines(text_of(value))
    # "2.0" is what a spreadsheet or pandas makes of 2; it would be another take, and paid for once more.
    bare = unicodedata.normalize("NFKC", text).strip(_QUOTES)
    number = _NUMBER.fullmatch(bare)
    if number and _THOUSANDS.fullmatch(bare):
        raise BadCell(f"{bare!r} may be {number[1]} or {number[1]}000", "Write it without a separator")
    return str(int(number[1])) if number else text


_NUMBER = re.compile(r"([+-]?[0-9]{1,9})(?:[.,]0*)?")
#: 1,000 is one, or a thousand, by the country.
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,]000")
_SECONDS = re.compile(r"([+-]?[0-9]{1,9})(?:[.,]0*)?\s*(?:s|sec|secs|second|seconds|秒|秒钟)?\.?", re.IGNORECASE)
_CLOCK = re.compile(r"0{1,2}:(?:0{1,2}:)?([0-9]{1,2})(?:\.0*)?")


def _seconds(value: object) -> int:
    if isinstance(value, datetime) and value.year <= 1900:
        value = value.time()
    if isinstance(value, time) and not value.hour and not value.minute and not value.microsecond:
        return value.second
    if isinstance(value, timedelta) and value < timedelta(minutes=1):
        return round(value.total_seconds())
    fix = "Write whole seconds, for example 5"
    if isinstance(value, date | time | timedelta | bool):
        made = "a date or a time" if not isinstance(value, bool) else "TRUE or FALSE"
        raise BadCell(f"the spreadsheet has turned it into {made} ({shown_cell(value)})", fix)
    if isinstance(value, float) and math.isfinite(value) and abs(value - round(value)) < 1e-9:
        value = round(value)
    word = word_of(value)
    found = _SECONDS.fullmatch(word) or _CLOCK.fullmatch(word)
    if not found:
        raise BadCell(f"{shown_cell(word)!r} is not a number of whole seconds", fix)
    return int(found[1])


def _takes(value: object) -> int:
    word = "" if isinstance(value, bool | date | time | timedelta) else word_of(value)
    found = None if _THOUSANDS.fullmatch(word) else _NUMBER.fullmatch(word)
    if not found or not 1 <= int(found[1]) <= MOST_TAKES:
        fix = f"Write a whole number from 1 to {MOST_TAKES}, or delete the row if no video is wanted"
        raise BadCell(f"{shown_cell(value)!r} is not a number of takes", fix)
    return int(found[1])


def _chosen(word: str, choices: Mapping[str, str], fix: str = "") -> str:
    choice = choices.get(word.casefold())
    if choice is None:
        named = either([*choices.values()])
        raise BadCell(f"{shown_cell(word)!r} is not one of the choices", f"Write {named}{fix}")
    return choice


def _choices(literal: object) -> dict[str, str]:
    return {choice.casefold(): choice for choice in cast("tuple[str, ...]", get_args(literal))}


_RESOLUTIONS, _RATIOS, _ORIENTATIONS = map(_choices, (ResolutionChoice, RatioChoice, OrientationChoice))
_LINES = re.compile(r"([0-9]{3,4})\s*p?", re.IGNORECASE)
#: 16:9 as it is typed, or as a spreadsheet writes the time that it has made of it: 16:09, 16:09:00, 4:09 PM.
_TWO_NUMBERS = re.compile(r"([0-9]{1,2})\s*[:/x×∶比]\s*([0-9]{1,2})(?::00)?\s*([ap]m)?", re.IGNORECASE)
_AS_A_TEXT = "; format the column as text first, since spreadsheets turn it into a time or a date"


def _resolution(value: object) -> str:
    word = word_of(value)
    lines = _LINES.fullmatch(word)
    return _chosen(f"{lines[1]}p" if lines else word, _RESOLUTIONS)


def _orientation(value: object) -> str:
    return _chosen(word_of(value), _ORIENTATIONS)


def _ratio(value: object) -> str:
    if isinstance(value, datetime) and value.year <= 1900:
        value = value.time()
    if isinstance(value, date):
        raise BadCell(
            f"the spreadsheet has turned it into a date ({value.isoformat()[:10]})", f"Write it as 16:9{_AS_A_TEXT}"
        )
    if isinstance(value, time):
        value = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
    elif isinstance(value, float) and 0 < value < 1:  # a time is a part of a day
        value = timedelta(seconds=round(value * 86_400))
    if isinstance(value, timedelta):
        hours, rest = divmod(round(value.total_seconds()), 3600)
        word = f"{hours}:{rest // 60}" if rest % 60 == 0 else str(value)
    else:
        word = word_of(value)
    if numbers := _TWO_NUMBERS.fullmatch(word):
        left, right = int(numbers[1]), int(numbers[2])
        if numbers[3]:
            left = left % 12 + (12 if numbers[3].lower() == "pm" else 0)
        word = f"{left}:{right}"
    return _chosen(word, _RATIOS, _AS_A_TEXT)


def _address(value: object) -> str:
    return _bare(text_of(value))


def _bare(text: str) -> str:
    return canonical_text(canonical_text(text).strip("\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb<>"))


#: How each field that holds one value is read.
READERS: Mapping[str, Callable[[object], object]] = {
    "prompt": _prompt,
    "model": _model,
    "duration": _seconds,
    "resolution": _resolution,
    "ratio": _ratio,
    "orientation": _orientation,
    "first_image": _address,
    "last_image": _address,
    "take": _take,
    "other_model": _other_model,
    "name": _name,
    "takes": _takes,
}

_MARK = re.compile(r"[;,；，、]")
#: In a cell: no model takes so many addresses, with so many commas in them.
_MOST_MARKS = 300
_MARKS_AT_END = " \t;,；，、"
#: How an address begins that cannot be the middle of another one.
_BEGINNING = re.compile(r"\s*[\"'\u201c\u2018]?(?:last-frame\+|[A-Za-z][A-Za-z0-9+.-]*://|data:)", re.IGNORECASE)
_PATH_START = re.compile(r"\s*[\"'\u201c\u2018]?\.{0,2}/")
_FILE_NAME = re.compile(r".*\.[A-Za-z0-9]{2,5}[\"'\u201d\u2019]?", re.DOTALL)


def addresses_of(value: object) -> list[str]:
    r"""Read a list of addresses: separated by line breaks, semicolons, or commas that are not part of an address.

    Raises:
        BadCell: It holds something else.

    Example:
        >>> addresses_of("https://a.example.com/w_9,h_9/1.png, https://a.example.com/2.png; mug.png\nvase, red.png")
        ['https://a.example.com/w_9,h_9/1.png', 'https://a.example.com/2.png', 'mug.png', 'vase, red.png']
    """
    if isinstance(value, list | tuple):
        listed = cast("list[object] | tuple[object, ...]", value)
        return [_address(each) for each in listed if not is_blank(each)]
    text = canonical_text(text_of(value))
    if text.startswith("[") and text.endswith("]"):  # as programs write a list
        listed = None
        with suppress(ValueError, RecursionError):
            listed = json.loads(text)
        if listed is not None:
            return addresses_of(listed)
        text = text[1:-1]
    if len(_MARK.findall(text)) > _MOST_MARKS:  # each is weighed against all that stands before it
        raise BadCell(
            f"it has more than {_MOST_MARKS} commas and semicolons", "Write the addresses on lines of their own"
        )
    found = [_bare(piece) for line in text.splitlines() for piece in _pieces(line)]
    return [piece for piece in found if piece]


def _pieces(line: str) -> list[str]:
    found: list[str] = []
    marks = [each.start() for each in _MARK.finditer(line)]
    start = 0
    for position, end in itertools.pairwise([*marks, len(line)]):
        if _parts(line[start:position], line[position], line[position + 1 : end]):
            found.append(line[start:position])
            start = position + 1
    return [piece.rstrip(_MARKS_AT_END) for piece in (*found, line[start:])]


def _parts(left: str, mark: str, right: str) -> bool:
    """Return whether a mark separates two addresses; else it belongs to one, as the commas of many image hosts do."""
    if not left.strip() or _BEGINNING.match(right):
        return True
    if not right.strip():
        return False  # another mark follows, or the end; what is left at it goes with `_MARKS_AT_END`
    is_semicolon = mark in ";；"
    are_files = _FILE_NAME.fullmatch(left.strip()) is not None and (
        _PATH_START.match(right) is not None or _FILE_NAME.fullmatch(right.strip()) is not None
    )
    if "://" in left:
        return right[0].isspace() or left[-1].isspace() or mark not in ";," or (is_semicolon and are_files)
    return is_semicolon or are_files
