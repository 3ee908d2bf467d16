"""A grid of cells, as spreadsheets have it: which row is the header, and what belongs under it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from prefect_seedance.batch.manifest.cells import is_blank, shown_cell
from prefect_seedance.batch.manifest.columns import column_of, shown_header
from prefect_seedance.batch.manifest.limits import MOST_COLUMNS
from prefect_seedance.batch.manifest.tables.table_row import Table, TableRow
from prefect_seedance.batch.manifest.unreadable import Unreadable

#: Above a header there may be a title and a few remarks.
_HEADER_WITHIN = 20

#: The number of a row, its cells, and what is wrong with the row as a whole.
GridRow = tuple[int, Sequence[object], list[tuple[str, str, str]]]


def table_of(rows: Iterable[GridRow]) -> Table:
    """Read a grid as a table. Blank rows count, and are left out.

    Raises:
        Unreadable: There is nothing in it, or far too many columns.
    """
    ahead = iter(rows)
    head = list(itertools.islice(ahead, _HEADER_WITHIN))
    place = header_place([cells for _, cells, _ in head])
    if place is None:
        raise Unreadable("it holds no header", "Write the names of the columns into the first row, such as prompt")
    table = Table(iter(()))
    if any(not _is_empty(cells) for _, cells, _ in head[:place]):
        table.notices.append(
            f"What stands above row {head[place][0]}, which has the names of the columns, was left out."
        )
    headers = [_header(cell) for cell in head[place][1]]
    while headers and is_blank(headers[-1]):
        headers.pop()
    if len(headers) > MOST_COLUMNS:
        raise Unreadable(f"it has {len(headers):,} columns, and at most {MOST_COLUMNS:,} are read", "Leave some out")
    table.headers = headers
    table.records = _records(itertools.chain(head[place + 1 :], ahead), table)
    return table


def header_place(rows: Sequence[Sequence[object]]) -> int | None:
    """Return the place of the header: the first row with a column for the prompt, else the first that is not blank."""
    for place, cells in enumerate(rows):
        if has_prompt(cells):
            return place
    return next((place for place, cells in enumerate(rows) if not _is_empty(cells)), None)


def has_prompt(cells: Sequence[object]) -> bool:
    """Return whether a row has a header for the prompt."""
    return any(isinstance(cell, str) and column_of(cell).field == "prompt" for cell in cells[:MOST_COLUMNS])


def _records(rows: Iterator[GridRow], table: Table) -> Iterator[TableRow]:
    headers = table.headers
    repeated: list[int] = []
    for number, cells, faults in rows:
        if _is_empty(cells) and not faults:
            continue
        if [_header(cell) for cell in cells[: len(headers)]] == headers and not faults:
            repeated.append(number)
            continue
        record = TableRow(number, [*zip(headers, cells, strict=False)], faults)
        if beyond := [cell for cell in cells[len(headers) :] if not is_blank(cell)]:
            record.faults.append(_ragged(beyond, headers))
        yield record
    if repeated:
        rows_named = ", ".join(map(str, repeated[:10])) + (" and more" if len(repeated) > 10 else "")
        table.notices.append(f"The header is repeated in row {rows_named}, and was left out there.")


def _ragged(beyond: list[object], headers: list[str]) -> tuple[str, str, str]:
    count = len(beyond)
    more = f" and {count - 1} more" if count > 1 else ""
    return (
        "",
        f"it has more cells than there are headers: {shown_cell(beyond[0])!r}{more} stands right of the last one, "
        f"{shown_header(headers[-1])!r}",
        'Put quotation marks (") around a text with the separator in it, or give the column a header',
    )


def _header(cell: object) -> str:
    return cell.strip("\ufeff \t\xa0") if isinstance(cell, str) else "" if is_blank(cell) else shown_cell(cell)


def _is_empty(cells: Sequence[object]) -> bool:
    return all(map(is_blank, cells))
