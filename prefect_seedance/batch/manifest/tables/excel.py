"""Excel workbooks (.xlsx, .xlsm), read by calamine after a look at what it does not tell.

calamine makes errors of formulas and formulas that were never calculated into empty cells, for which a request has
defaults: it would be another video. And it makes room for all cells between the first and the last one, so that one
letter at the end of an empty sheet takes the memory of the machine. Both stand in the sheet's own text, which is
looked through piece by piece. Of the older formats (.xls, .xlsb, .ods) it does not stand there.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from posixpath import join, normpath
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from prefect_seedance.batch.manifest.cells import CellFault
from prefect_seedance.batch.manifest.limits import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, MOST_UNPACKED_BYTES
from prefect_seedance.batch.manifest.tables.grid import GridRow, has_prompt, table_of
from prefect_seedance.batch.manifest.tables.record import Table
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
#: Of a cell as it is written in the sheet. It may hold 32,767 characters.
_LONGEST_TAIL = 1024 * 1024
_SAVE = "Save it anew in a spreadsheet, as .xlsx or as CSV UTF-8"

_TAG = re.compile(rb"<(?:\w+:)?(row|c)\b([^<>]*)>")
_END = re.compile(rb"</(?:\w+:)?sheetData\s*>")
_ROW = re.compile(rb"\br=[\"']([0-9]{1,9})[\"']")
_PLACE = re.compile(rb"\br=[\"']([A-Z]{1,3})([0-9]{1,9})[\"']")
_IS_ERROR = re.compile(rb"\bt=[\"']e[\"']")
_IS_FORMULA = re.compile(rb"<(?:\w+:)?f\b")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>([^<]*)</")
_IS_TEXT = re.compile(rb"\bt=[\"'](?:str|inlineStr)[\"']")


@dataclass
class _Sight:
    """What was seen of a sheet.

    Attributes:
        faults: What is wrong with cells, by row and column, from 0.
        rows: Number of the last row with something in it.
        columns: Number of the last column with something in it.
        cells: How many cells have something in them.
        row: Number of the row that is looked at.
    """

    faults: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    rows: int = 0
    columns: int = 0
    cells: int = 0
    row: int = 0


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
            "it is an Excel workbook, and what reads them is not installed",
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
    except (
        zipfile.BadZipFile,
        ElementTree.ParseError,
        KeyError,
        calamine.CalamineError,
        OSError,
        ValueError,
        EOFError,
    ) as error:
        raise Unreadable("it is not a workbook that can be read", _SAVE) from error
    table = table_of(_rows(sheet, sight))
    others = [each for each in visible if each != name]
    if others and not wanted:
        table.notices.append(
            f"Of the workbook, the sheet {one_line(name)} was read, and not {both([*map(one_line, others[:10])])}."
        )
    return table


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
        said, member.file_size = member.file_size, left + 1
        try:
            with packed.open(member) as file:
                member_size = 0
                while piece := file.read(_PIECE_BYTES):
                    member_size += len(piece)
        finally:
            member.file_size = said
        left -= member_size
        if left < 0:
            raise Unreadable(
                f"unpacked it has more than {MOST_UNPACKED_BYTES // 1024**2} MiB",
                "Write it as several manifests, and leave out what is not for them",
            )


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
    sight, text = _Sight(), b""
    with packed.open(member) as file:
        while True:
            piece = file.read(_PIECE_BYTES)
            text += piece
            end = _END.search(text)
            is_last = end is not None or not piece
            text = _look(sight, text[: end.start()] if end else text, is_last)
            if sight.cells > MOST_CELLS or sight.rows * sight.columns > MOST_CELLS:
                raise _too_wide(sight)
            if is_last:
                return sight
            if len(text) > _LONGEST_TAIL:
                raise Unreadable("a cell of its sheet is longer than cells can be", _SAVE)


def _look(sight: _Sight, text: bytes, is_last: bool) -> bytes:
    """Look at the cells of a piece, and return what has to be seen with the next one: from its last tag on."""
    tags = list(_TAG.finditer(text))
    for number, tag in enumerate(tags):
        is_end = number + 1 == len(tags)
        if is_end and not is_last:
            return text[tag.start() :]
        if tag[1] == b"row":
            found = _ROW.search(tag[2])
            sight.row = int(found[1]) if found else sight.row + 1
        elif not tag[2].endswith(b"/"):
            body = text[tag.end() : len(text) if is_end else tags[number + 1].start()]
            _note(sight, tag[2], body)
    return text


def _note(sight: _Sight, names: bytes, body: bytes) -> None:
    sight.cells += 1
    place = _PLACE.search(names)
    if place is None:  # it stands behind the one before it; the row may be named alone
        sight.rows, sight.columns = max(sight.rows, sight.row), max(sight.columns, 1)
        return
    at = int(place[2]), _column_number(place[1])
    value = _VALUE.search(body)
    if _IS_ERROR.search(names):
        text = value[1].decode("utf-8", "replace") if value else "an error"
        sight.faults[at[0] - 1, at[1] - 1] = f"{text[:20]} is the error of a formula"
    elif _IS_FORMULA.search(body) and not (value and value[1]) and not _IS_TEXT.search(names):
        sight.faults[at[0] - 1, at[1] - 1] = "it holds a formula that was never calculated"
    sight.rows, sight.columns = max(sight.rows, at[0]), max(sight.columns, at[1])


def _too_wide(sight: _Sight) -> Unreadable:
    return Unreadable(
        f"the cells of its sheet reach to row {sight.rows:,} and column {sight.columns:,}, more than is read",
        f"Delete what stands far from the table; a table has at most {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns",
    )


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
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
    """Return what a packed file is by the files in it, in words; "" for a workbook."""
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
