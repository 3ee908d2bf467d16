"""From a record to rows: each cell read for its field, the request checked, every problem said at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import ValidationError

from prefect_seedance.batch.manifest.cells import READERS, BadCell, addresses_of, is_blank, shown_cell
from prefect_seedance.batch.manifest.columns import FRAMES, LISTS, NAME, TAKES, Column, Columns, shown_header
from prefect_seedance.batch.manifest.origin import Origin
from prefect_seedance.batch.manifest.tables.table_row import TableRow
from prefect_seedance.batch.rows import Row, RowProblem
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.plain_text import one_line

#: A request's own take is this one unless it says otherwise.
FIRST_TAKE = "1"
_MOST_GIVEN = 100
#: What a report shows of an invalid row, whatever the headers of these are.
_GIVEN_BY_FIELD = ("prompt", "model")


def rows_of(record: TableRow, columns: Columns, origin: Origin, takes: int) -> list[Row]:
    """Return the rows of a record: one for each take, or one with all that is wrong with it."""
    return _Check(record, columns, origin).rows(takes)


class _Check:
    """The check of one record."""

    def __init__(self, record: TableRow, columns: Columns, origin: Origin) -> None:
        self._record, self._columns, self._origin = record, columns, origin
        self._problems = [RowProblem(record.number, *fault) for fault in record.faults]
        self._cells: dict[str, list[tuple[Column, object]]] = {}
        self._spoiled: set[str] = set()

    def rows(self, takes: int) -> list[Row]:
        """Return what becomes of it."""
        number = self._record.number
        self._sort_cells()
        values = {field: value for field in self._cells if (value := self._value(field)) is not None}
        name, wanted = str(values.pop(NAME, "")), values.pop(TAKES, None)
        if TAKES in self._cells and "take" in self._cells:
            take, column = self._cells["take"][0][0].header, self._header(TAKES)
            self._add(
                column,
                f"{take} and {column} are both filled",
                f"Clear {take} for takes 1 to n, or {column} for that one",
            )
        self._refuse_remark(values)
        request = None if self._record.faults else self._request(values)
        if request is None or self._problems:
            return [Row(number, name, None, tuple(self._problems), self._given())]
        if isinstance(wanted, int):
            takes = wanted
        return takes_of(Row(number, name, request), takes)

    def _refuse_remark(self, values: Mapping[str, object]) -> None:
        """Refuse a comment below the header: it would be a paid video."""
        prompt = str(values.get("prompt", ""))
        alone = self._cells.keys() == {"prompt"} and self._columns.count > 1
        if alone and "\n" not in prompt and prompt.startswith(("# ", "//")):
            self._spoil(
                "prompt",
                self._header("prompt"),
                "it looks like a comment, and nothing else stands in its row",
                "Delete the row, or write the prompt without its beginning",
            )

    def _sort_cells(self) -> None:
        """Sort cells by field, and find those that were meant for one and have missed it."""
        missed: list[Column] = []
        for header, value in self._record.cells:
            column = self._columns.resolve(header)
            if is_blank(value):
                continue
            if column.field:
                self._cells.setdefault(column.field, []).append((column, value))
            elif column.nearest and column.nearest != NAME:
                missed.append(column)
        for column in missed:
            # What is missing in a list is missed, whatever else is in it.
            if column.nearest in LISTS or column.nearest not in self._cells:
                self._spoiled.add(column.nearest)
                self._add(
                    column.header,
                    f"no field has this name, and it looks like {column.nearest}, which the row would be missing",
                    f"Rename the column to {column.nearest}, or to a name that is not like it if it is something else",
                )

    def _value(self, field: str) -> object:
        """Read the cells of a field; None where something is wrong with them."""
        if field in LISTS:
            return self._addresses(field)
        (column, value), *others = self._cells[field]
        if different := [each.header for each, other in others if other != value]:
            self._spoil(
                field,
                column.header,
                f"{field} is written twice, in {column.header} and {different[0]}, and not the same",
                "Keep one of them",
            )
            return None
        try:
            read = READERS[field](value)
            return self._origin.absolute(str(read)) if field in FRAMES and read else read
        except BadCell as error:
            self._spoil(field, column.header, error.message, error.fix)
            return None

    def _addresses(self, field: str) -> list[str] | None:
        found: list[str] = []
        for column, value in sorted(self._cells[field], key=lambda cell: cell[0].number):
            try:
                found += [self._origin.absolute(address) for address in addresses_of(value)]
            except BadCell as error:
                self._spoil(field, column.header, error.message, error.fix)
        return None if field in self._spoiled else found

    def _request(self, values: dict[str, object]) -> VideoRequest | None:
        try:
            return VideoRequest.model_validate({"prompt": "", **values})
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                field = str(each["loc"][0]) if each["loc"] else ""
                if field in self._spoiled:
                    continue
                said = each.get("ctx", {})
                message = str(said.get("rule") or "the value is not one that the field takes")
                fix = str(said.get("fix") or "Write it as the form of a video shows it")
                self._add(self._header(field), one_line(message), one_line(fix))
            return None

    def _header(self, field: str) -> str:
        """Return the manifest's own header for a field, by this row or another; the field's name if it has none."""
        cells = self._cells.get(field)
        return cells[0][0].header if cells else self._columns.header_of(field) or field

    def _spoil(self, field: str, column: str, message: str, fix: str) -> None:
        self._spoiled.add(field)
        self._add(column, message, fix)

    def _add(self, column: str, message: str, fix: str) -> None:
        self._problems.append(RowProblem(self._record.number, column, message, fix))

    def _given(self) -> Mapping[str, str]:
        cells = self._record.cells[:_MOST_GIVEN]
        given: dict[str, str] = {}
        for header, value in cells:
            if not is_blank(value):
                given.setdefault(shown_header(header), shown_cell(value))
        for field in _GIVEN_BY_FIELD:
            if filled := self._cells.get(field):
                given.setdefault(field, shown_cell(filled[0][1]))
        return MappingProxyType(given)


def takes_of(row: Row, takes: int) -> list[Row]:
    """Return a row for each take. A row that asks for another take than the first has chosen the one it wants."""
    request = row.request
    if request is None or takes == 1 or request.take != FIRST_TAKE:
        return [row]
    copies = [request, *(request.model_copy(update={"take": str(take)}) for take in range(2, takes + 1))]
    return [Row(row.number, row.name, copy) for copy in copies]
