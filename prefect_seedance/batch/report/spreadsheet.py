"""The rows of a report as a CSV file, for people's spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime

from prefect_seedance.batch.models import RowResult
from prefect_seedance.plain_text import lines
from prefect_seedance.redaction import without_signatures

#: What a cell must not begin with: spreadsheets take it for a formula, some also in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
#: Excel takes no longer text in a cell.
_MOST_CELL_CHARACTERS = 32_767


def spreadsheet(rows: Sequence[RowResult]) -> bytes:
    r"""Return rows as CSV in UTF-8 with a byte order mark, by which Excel knows it. Its columns are their fields.

    No cell is a formula: one that would be taken for it begins with an apostrophe.

    Example:
        >>> text = spreadsheet([RowResult(number=2, name="=1+1", outcome="stored")]).decode("utf-8-sig")
        >>> text.splitlines()[1][:18]
        "2,'=1+1,stored,,,F"
    """
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow(RowResult.model_fields)
    for row in rows:
        table.writerow(_cell(getattr(row, field)) for field in RowResult.model_fields)
    return written.getvalue().encode("utf-8-sig", "replace")


def _cell(value: str | float | datetime | None) -> str:
    match value:
        case None:
            return ""
        case str():
            return _text(value)
        case bool():
            return "TRUE" if value else "FALSE"
        case datetime():
            return value.isoformat()
        case _:
            return str(value)


def _text(value: str) -> str:
    clean = lines(without_signatures(value))
    # Both: what is taken out at the beginning may have hidden what follows, or have been what is not wanted there.
    # Some spreadsheets leave out blanks before a formula.
    is_formula = value.startswith(_FORMULA) or clean.lstrip().startswith(_FORMULA)
    guarded = f"'{clean}" if is_formula else clean
    return guarded if len(guarded) <= _MOST_CELL_CHARACTERS else f"{guarded[: _MOST_CELL_CHARACTERS - 1]}…"
