"""JSON and JSON Lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import cast

from prefect_seedance.batch.manifest.columns import shown_header
from prefect_seedance.batch.manifest.encoding import Encoded
from prefect_seedance.batch.manifest.limits import MOST_COLUMNS, MOST_JSON_BYTES, MOST_ROWS
from prefect_seedance.batch.manifest.tables.table_row import Table, TableRow
from prefect_seedance.batch.manifest.unreadable import Unreadable

_SHAPE = 'Write a list of objects, [{"prompt": ...}, ...], or {"requests": [...]}'
_OBJECT = 'Write an object, such as {"prompt": "A mug turns"}'
_LINE = 'Write one object on each line, such as {"prompt": "A mug turns"}'
#: Lists and objects, which take far more memory than they take letters.
_MOST_PARTS = 20 * MOST_ROWS
#: Under which an object may hold the list.
_LIST_NAMES = ("requests", "rows", "videos")


class Pairs:
    """An object of JSON as it was written: a name may come twice.

    Attributes:
        items: Names and values.
    """

    def __init__(self, items: list[tuple[str, object]]) -> None:
        self.items = items


def read_json(encoded: Encoded) -> Table:
    """Read a JSON document: a list of objects, or an object with that list as its requests.

    Raises:
        Unreadable: It is something else.
    """
    if len(encoded.content) > MOST_JSON_BYTES:
        raise Unreadable(
            f"as JSON it has more than {MOST_JSON_BYTES // 1024**2} MiB, which has to be read as a whole",
            "Write it as JSON Lines, an object on each line, which is read one by one",
        )
    text = encoded.text()
    if text.count("{") + text.count("[") > _MOST_PARTS:
        raise Unreadable("its JSON has millions of parts", "Write one object for each video, without anything nested")
    try:
        found = _loads(text)
    except json.JSONDecodeError as error:
        where = f"on line {error.lineno}, column {error.colno}"
        raise Unreadable(f"it is not valid JSON: {_said_of(error)}, {where}", _SHAPE) from None
    except (ValueError, RecursionError):
        raise Unreadable(
            "it is not JSON that can be read: it is nested too deeply, or a number is too long", _SHAPE
        ) from None
    notices: list[str] = []
    if isinstance(found, Pairs):
        found = _requests(found, notices)
    if not isinstance(found, list):
        raise Unreadable("its JSON is neither a list nor an object with requests", _SHAPE)
    return Table(_records(cast("list[object]", found)), notices=notices)


def _requests(found: Pairs, notices: list[str]) -> object:
    listed = [value for name, value in found.items if name.strip().casefold() in _LIST_NAMES]
    if len(listed) > 1:
        raise Unreadable("its object has more than one list of requests", _SHAPE)
    if not listed:  # one line of JSON Lines
        return [found]
    if others := [name for name, _ in found.items if name.strip().casefold() not in _LIST_NAMES]:
        notices.append(f"Beside the list of requests, these were ignored: {', '.join(map(shown_header, others[:10]))}.")
    return listed[0]


def read_json_lines(encoded: Encoded) -> Table:
    """Read JSON Lines. A line that is not an object is a fault of its row."""
    return Table(_lines(encoded))


def _lines(encoded: Encoded) -> Iterator[TableRow]:
    with encoded.open() as file:
        for number, line in enumerate(file, start=1):
            # Lines are often cut out of a list.
            text = line.strip().strip("\ufeff").removesuffix(",").rstrip()
            if not text:
                continue
            try:
                found = _loads(text)
            except json.JSONDecodeError as error:
                message = f"the line is not valid JSON: {_said_of(error)}, at its character {error.pos + 1}"
                yield TableRow(number, [], [("", message, _LINE)])
            except (ValueError, RecursionError):
                yield TableRow(
                    number, [], [("", "the line is nested too deeply, or has a number that is too long", _LINE)]
                )
            else:
                yield _record(number, found)


#: What JavaScript, Python and people write, and JSON does not have.
_NOT_IN_JSON = (
    (re.compile(r"/[/*]|#"), "JSON has no comments"),
    (re.compile(r"['\u2018\u2019\u201c\u201d]"), 'texts and names are written in straight double quotation marks (")'),
    (re.compile(r"True\b|False\b|None\b|undefined\b"), "it is true, false and null there"),
    (re.compile(r"[A-Za-z_]\w*\s*:"), 'names are written in double quotation marks (")'),
)
_AFTER_COMMA = re.compile(r",\s*\Z")
_SEEN_BEFORE = 200


def _said_of(error: json.JSONDecodeError) -> str:
    """Return in words what is wrong with JSON."""
    # Of a comma too many, Python from 3.13 on tells the place of the comma, and older ones what follows it.
    text, place = error.doc, error.pos
    after_comma = _AFTER_COMMA.search(text, max(0, place - _SEEN_BEFORE), place)
    rest = text[place : place + _SEEN_BEFORE].lstrip()
    if rest.startswith(",") and rest[1:].lstrip()[:1] in ("]", "}"):
        after_comma, rest = True, rest[1:].lstrip()
    if after_comma and rest[:1] in ("]", "}"):
        return "nothing follows a comma"
    for pattern, words in _NOT_IN_JSON:
        if pattern.match(rest):
            return words
    if not rest:
        return "it ends in the middle"
    if error.msg.startswith("Extra data"):
        return "more follows after its end"
    if error.msg.startswith(("Invalid control", "Unterminated")):
        return "a text is not closed, or has a line break or a control character in it, which is written \\n or \\u000b"
    if error.msg.startswith("Invalid \\"):
        return "a backslash in a text is written twice"
    if error.msg.startswith("Expecting ',"):
        return 'a comma is missing, or a quotation mark in a text is not written \\"'
    return "something is missing or does not belong there"


def _records(listed: list[object]) -> Iterator[TableRow]:
    for number, found in enumerate(listed, start=1):
        yield _record(number, found)


def _record(number: int, found: object) -> TableRow:
    if not isinstance(found, Pairs):
        return TableRow(number, [], [("", "it is not an object with names and values", _OBJECT)])
    record = TableRow(number, found.items[:MOST_COLUMNS])
    if len(found.items) > MOST_COLUMNS:
        record.faults.append(
            ("", f"the object has more than {MOST_COLUMNS:,} names", "Leave out those that are not fields")
        )
    return record


def _loads(text: str) -> object:
    return json.loads(text, object_pairs_hook=Pairs)
