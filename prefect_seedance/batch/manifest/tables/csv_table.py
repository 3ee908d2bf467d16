"""CSV, as programs and people in all countries write it."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prefect_seedance.batch.manifest.columns import column_of
from prefect_seedance.batch.manifest.encoding import Encoded
from prefect_seedance.batch.manifest.limits import MOST_BYTES
from prefect_seedance.batch.manifest.tables.grid import GridRow, header_place, table_of
from prefect_seedance.batch.manifest.tables.table_row import Table
from prefect_seedance.batch.manifest.unreadable import Unreadable

if TYPE_CHECKING:
    from _csv import Reader

_SEPARATORS = (",", ";", "\t", "|")
#: Written for Excel, and not shown by it.
_SAYS_SEPARATOR = re.compile(r'"?sep=([^\r\n]?)"?\s*', re.IGNORECASE)
#: Enough to see the header, and a line of it that is not one.
_SEEN_LINES, _SEEN_CHARACTERS = 40, 256 * 1024
#: Of a line; with far fewer it is refused in the words for columns.
_MOST_CELLS = 100_000
#: As many as a sheet of a spreadsheet has. Blank ones take time as well, during which nothing can be cancelled.
_MOST_LINES = 1_048_576
_DOUBLE = 'Write each quotation mark inside a quoted cell twice ("")'


def read_csv(encoded: Encoded, suffix: str) -> Table:
    """Read a CSV file. Its separator is the one that gives the most columns that are fields.

    Raises:
        Unreadable: It is not a table.
    """
    # One cell may hold a lot, which is then said of its row. The limit belongs to the process and is only raised.
    if csv.field_size_limit() < MOST_BYTES:
        csv.field_size_limit(MOST_BYTES)
    with encoded.open() as file:
        first = [line[:_SEEN_CHARACTERS].lstrip("\ufeff") for line in itertools.islice(file, _SEEN_LINES)]
    said = _SAYS_SEPARATOR.fullmatch(first[0]) if first else None
    below = first[1:] if said else first
    if said and said[1] not in ("", '"', "\0") and _worth(below, said[1])[0]:
        separator = said[1]
    else:  # a program may write that line, and separate the cells by something else
        separator = _separator(below, "\t" if suffix in (".tsv", ".tab") else ",")
    lines = _lines(encoded, separator)
    if said:
        next(lines, None)
    return table_of(_rows(lines, separator))


def has_prompt_column(encoded: Encoded) -> bool:
    """Return whether a text is a CSV file with a column for the prompt."""
    with encoded.open() as file:
        first = [line[:_SEEN_CHARACTERS].lstrip("\ufeff") for line in itertools.islice(file, _SEEN_LINES)]
    return any(_worth(first, separator)[0] for separator in _SEPARATORS)


def _separator(lines: list[str], usual: str) -> str:
    candidates = sorted(_SEPARATORS, key=lambda each: each != usual)
    return max(candidates, key=lambda each: _worth(lines, each))


def _worth(lines: list[str], separator: str) -> tuple[int, int]:
    """Return how many columns are fields, and how many there are, by this separator; none without a prompt."""
    rows: list[list[str]] = []
    reader = _reader(lines, separator)
    while True:
        try:
            rows.append(next(reader))
        except csv.Error:
            continue
        except StopIteration:
            break
    place = header_place(rows)
    if place is None:
        return 0, 0
    columns = [column_of(cell).field for cell in rows[place]]
    return (len(set(filter(None, columns))) if "prompt" in columns else 0), len(columns)


def _reader(lines: Iterable[str], separator: str) -> Reader:
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)


def _lines(encoded: Encoded, separator: str) -> Iterator[str]:
    """Yield the lines, none of which becomes more cells than memory has room for."""
    with encoded.open() as file:
        for line in file:
            if len(line) > _MOST_CELLS and line.count(separator) > _MOST_CELLS:
                raise Unreadable(f"a line of it has more than {_MOST_CELLS:,} cells", "Write a row on each line")
            yield line.lstrip("\ufeff")


def _rows(lines: Iterator[str], separator: str) -> Iterator[GridRow]:
    reader = _reader(lines, separator)
    number = 0
    while True:
        number, before = number + 1, reader.line_num
        if number > _MOST_LINES:
            raise Unreadable(
                f"it has more than {_MOST_LINES:,} rows, counting blank ones", "Delete those below the table"
            )
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise Unreadable(
                    f"a quotation mark in row {number} (line {before + 1} of the file) is not closed, so all that "
                    "follows would belong to one cell",
                    f"Close it. {_DOUBLE}",
                ) from None
            if reader.line_num > before + 1:
                raise Unreadable(
                    f"a quotation mark in row {number} (line {before + 1} of the file) is closed on line "
                    f"{reader.line_num} only, in the middle of a text, so the rows between would belong to one cell",
                    f"Close it where its cell ends. {_DOUBLE}",
                ) from None
            yield number, [], [("", "text follows a quotation mark that closes its cell", _DOUBLE)]
            continue
        yield number, cells, []
