"""Excel workbooks (.xlsx, .xlsm), read by calamine after a look at what it does not tell.

calamine makes errors of formulas and formulas that were never calculated into empty cells, for which a request has
defaults: it would be another video. And it makes room for all cells between the first and the last one, so that one
letter at the end of an empty sheet takes the memory of the machine. Both stand in the sheet's own text, which is
parsed for that alone. Of the older formats (.xls, .xlsb, .ods) it does not stand there.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence, Set
from posixpath import join, normpath
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.parsers import expat

from prefect_seedance.batch.manifest.cells import CellFault
from prefect_seedance.batch.manifest.limits import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, MOST_UNPACKED_BYTES
from prefect_seedance.batch.manifest.tables.grid import GridRow, has_prompt, table_of
from prefect_seedance.batch.manifest.tables.table_row import Table, TableRow
from prefect_seedance.batch.manifest.unreadable import Unreadable
from prefect_seedance.client.request.problems import both
from prefect_seedance.plain_text import one_line

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

_WORKBOOK = "xl/workbook.xml"
_PIECE_BYTES = 1024 * 1024
#: Of the files in it that are read as a whole, which name the sheets.
_LONGEST_INDEX = 4 * 1024 * 1024
_MOST_MEMBERS = 10_000
#: As the size of a packed file, so that it is unpacked to its own end.
_ENDLESS = 1 << 40
_SAVE = "Save it anew in a spreadsheet, as .xlsx or as CSV UTF-8"

_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_ROW = re.compile(r"[1-9][0-9]{0,6}")
#: Of a value, as much as an error has.
_LONGEST_VALUE = 20


class _Sight:
    """What is seen of a sheet while it is parsed.

    Attributes:
        faults: What is wrong with cells, by row and column, from 0.
        hidden: Numbers of the rows with something in them that are not shown.
        rows: Number of the last row with something in it.
        columns: Number of the last column with something in it.
    """

    def __init__(self) -> None:
        self.faults: dict[tuple[int, int], str] = {}
        self.hidden: set[int] = set()
        self.rows = self.columns = 0
        self._row = self._column = 0
        self._is_hidden = False
        self._kind = self._value = ""
        self._is_value = self._is_filled = self._is_formula = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take the beginning of an element."""
        match name.rpartition(" ")[2]:
            case "row":
                self._row = int(_fitting(_ROW, attributes["r"])[0]) if "r" in attributes else self._row + 1
                self._column = 0
                self._is_hidden = attributes.get("hidden", "") in ("1", "true")
            case "c":
                self._column += 1  # without a place it stands behind the one before it
                if "r" in attributes:
                    place = _fitting(_PLACE, attributes["r"])
                    self._row, self._column = int(place[2]), _column_number(place[1])
                self._kind, self._value = attributes.get("t", ""), ""
                self._is_value = self._is_filled = self._is_formula = False
            case "v":
                self._is_value = self._is_filled = True
            case "f":
                self._is_formula = self._is_filled = True
            case "is":
                self._is_filled = True
            case _:
                pass

    def text(self, text: str) -> None:
        """Take a piece of text."""
        if self._is_value and len(self._value) < _LONGEST_VALUE:
            self._value += text[:_LONGEST_VALUE]

    def end(self, name: str) -> None:
        """Take the end of an element."""
        local = name.rpartition(" ")[2]
        if local == "v":
            self._is_value = False
        if local != "c" or not self._is_filled:
            return
        if self._is_hidden:
            self.hidden.add(self._row)
        self.rows, self.columns = max(self.rows, self._row), max(self.columns, self._column)
        if self._kind == "e":
            self.faults[self._row - 1, self._column - 1] = f"{self._value or 'it'} is the error of a formula"
        elif self._is_formula and not self._value and self._kind not in ("str", "inlineStr"):
            self.faults[self._row - 1, self._column - 1] = "it holds a formula that was never calculated"


def _fitting(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise Unreadable("a cell of its sheet is not where cells can be", _SAVE)
    return found


def read_excel(content: bytes, wanted: str = "") -> Table:
    """Read a sheet of a workbook.

    Args:
        content: Of the file.
        wanted: Name of the sheet; by default the first that is not hidden.

    Raises:
        Unreadable: It cannot be read.
    """
    try:
        import python_calamine as calamine
    except ImportError:
        raise Unreadable(
            "it is an Excel workbook, and the library that reads it is not installed",
            "Install it where the run takes place: pip install 'prefect-seedance[excel]'; or save it as CSV UTF-8",
        ) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            _refuse_bomb(packed)
            members = _sheet_members(packed)
            book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
            visible = [
                each.name
                for each in book.sheets_metadata
                if each.visible == calamine.SheetVisibleEnum.Visible and each.typ == calamine.SheetTypeEnum.WorkSheet
            ]
            name = _chosen(wanted, [each for each in book.sheet_names if each in members], visible)
            sight = _looked_through(packed, members[name])
            sheet = book.get_sheet_by_name(name)
    except Unreadable:
        raise
    except BaseException as error:
        # What calamine trips over in damaged files is a panic, which is no Exception.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise Unreadable("it is not a workbook that can be read", _SAVE) from error
        raise
    table = table_of(_rows(sheet, sight))
    table.records = _told_of_hidden(table.records, sight.hidden, table.notices)
    others = [each for each in visible if each != name]
    if others and not wanted:
        table.notices.append(
            f"Of the workbook, the sheet {one_line(name)} was read, and not {both([*map(one_line, others[:10])])}."
        )
    return table


def _told_of_hidden(records: Iterator[TableRow], hidden: Set[int], notices: list[str]) -> Iterator[TableRow]:
    """Yield the records, and note which are hidden: they are rows of the table, also when it is saved as CSV."""
    seen: list[int] = []
    for record in records:
        if record.number in hidden:
            seen.append(record.number)
        yield record
    if seen:
        named = ", ".join(map(str, seen[:10])) + (f" and {len(seen) - 10:,} more" if len(seen) > 10 else "")
        notices.append(f"Hidden in the sheet, and read like the others: row {named}. Delete those that are not meant.")


def _refuse_bomb(packed: zipfile.ZipFile) -> None:
    """Unpack it all once, and keep nothing: what its index says of sizes proves nothing."""
    members = packed.infolist()
    if len(members) > _MOST_MEMBERS:
        raise Unreadable(f"it has more than {_MOST_MEMBERS:,} files in it", _SAVE)
    left = MOST_UNPACKED_BYTES
    for member in members:
        if member.flag_bits & 1:
            raise Unreadable("it is encrypted", "Save it without a password")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable("it is packed in a way that no spreadsheet uses", _SAVE)
        if not member.filename.startswith("xl/") or not member.filename.endswith((".xml", ".rels")):
            continue  # pictures and such, which nobody unpacks
        said, member.file_size = member.file_size, _ENDLESS
        try:
            with packed.open(member) as file:
                while piece := file.read(_PIECE_BYTES):
                    left -= len(piece)
                    if left < 0:
                        raise Unreadable(
                            f"unpacked it has more than {MOST_UNPACKED_BYTES // 1024**2} MiB",
                            "Write it as several manifests, and leave out what is not for them",
                        )
        finally:
            member.file_size = said


def _sheet_members(packed: zipfile.ZipFile) -> dict[str, str]:
    """Return the file of each sheet by the sheet's name."""
    targets = {
        each.get("Id", ""): each.get("Target", "") for each in _index(packed, "xl/_rels/workbook.xml.rels").iter()
    }
    found: dict[str, str] = {}
    for each in _index(packed, _WORKBOOK).iter():
        if each.tag.rpartition("}")[2] == "sheet":
            relation = next((value for name, value in each.attrib.items() if name.endswith("}id")), "")
            target = targets.get(relation, "")
            found[each.get("name", "")] = target.lstrip("/") if target.startswith("/") else normpath(join("xl", target))
    return found


def _index(packed: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with packed.open(name) as file:
        text = file.read(_LONGEST_INDEX + 1)
    if len(text) > _LONGEST_INDEX or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise Unreadable("the list of its sheets is not one that a spreadsheet writes", _SAVE)
    return ElementTree.fromstring(text)


def _chosen(wanted: str, names: list[str], visible: list[str]) -> str:
    listed = both([*map(one_line, names[:20])]) if names else "none"
    if wanted:
        for name in names:
            if name.strip().casefold() == wanted.strip().casefold():
                return name
        raise Unreadable(f"it has no sheet {wanted[:100]!r}; its sheets are {listed}", "Name one of these, or none")
    shown = [name for name in names if name in visible]
    if not shown:
        raise Unreadable(f"it has no sheet that is not hidden; its sheets are {listed}", "Show one, or name it")
    return shown[0]


def _looked_through(packed: zipfile.ZipFile, member: str) -> _Sight:
    """Look for the size of a sheet, and for cells that would come out as empty and are not."""
    sight, parser = _Sight(), expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = sight.start, sight.end
    parser.CharacterDataHandler = sight.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    with packed.open(member) as file:
        parser.ParseFile(file)
    if sight.rows * sight.columns > MOST_CELLS:
        raise _too_wide(sight)
    return sight


def _refuse_doctype(*_: object) -> None:
    raise Unreadable("its sheet is not one that a spreadsheet writes", _SAVE)


def _too_wide(sight: _Sight) -> Unreadable:
    return Unreadable(
        f"the cells of its sheet reach to row {sight.rows:,} and column {sight.columns:,}, more than is read",
        f"Delete what stands far from the table; a table has at most {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns",
    )


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _rows(sheet: CalamineSheet, sight: _Sight) -> Iterator[GridRow]:
    """Yield the rows as they look: a header over several columns is over each, a cell over several rows is in each."""
    spans: dict[int, list[tuple[int, int, int]]] = {}
    for (row, column), (last_row, last_column) in sheet.merged_cell_ranges or ():
        spans.setdefault(row, []).append((column, last_row, last_column))
    faults: dict[int, dict[int, str]] = {}
    for (row, column), message in sight.faults.items():
        faults.setdefault(row, {})[column] = message
    below: dict[int, tuple[int, object]] = {}
    may_be_header = True
    for place, values in enumerate(sheet.iter_rows()):
        cells: list[object] = [*values]
        for column, message in faults.get(place, {}).items():
            cells += [""] * (column + 1 - len(cells))
            cells[column] = CellFault(message)
        for column, (last_row, value) in below.items():
            if place <= last_row and column < len(cells):
                cells[column] = value
        for column, last_row, last_column in spans.get(place, ()):
            if column < len(cells):
                below[column] = last_row, cells[column]
                if may_be_header:
                    last = min(last_column + 1, len(cells))
                    cells[column:last] = [cells[column]] * (last - column)
        may_be_header = may_be_header and not has_prompt(cells)
        yield place + 1, cells, []


def names_of(members: Sequence[str]) -> str:
    """Return in words what a packed file is, judged by the files in it; "" for a workbook."""
    if _WORKBOOK in members:
        return ""
    if "xl/workbook.bin" in members:
        return "a binary Excel workbook (.xlsb)"
    if "content.xml" in members:
        return "an OpenDocument file (.ods)"
    if any(name.startswith("word/") for name in members):
        return "a Word document"
    if any(name.startswith("Index/") for name in members):
        return "a Numbers file"
    return "a zip archive"
