"""Excel workbooks: what a sheet shows, and what its reader would silently take for nothing."""

from __future__ import annotations

import io
import re
import resource
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable
from datetime import datetime, time
from typing import Any

import openpyxl
import pytest

from prefect_seedance.batch.errors import UnusableManifest
from tests.batch.manifest.conftest import Read


def book(fill: Callable[[Any, Any], None]) -> bytes:
    made = openpyxl.Workbook()
    fill(made, made.active)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def rows(*listed: list[Any]) -> Callable[[Any, Any], None]:
    def fill(_: Any, sheet: Any) -> None:
        for each in listed:
            sheet.append(each)

    return fill


def test_values_mean_what_the_sheet_shows(read: Read) -> None:
    manifest = read(
        book(rows(
            ["Product", "Prompt", "Duration", "Ratio", "Resolution", "Take", "Model"],
            ["mug", "A mug\r\nturns", 5, time(16, 9), 480, 2, "seedance2.0-mini"],
            [],
            ["lamp", 2024, "5 s", 969 / 1440, None, None, "seedance2.0-mini"],
        )),
        "spring.xlsx",
    )  # fmt: skip
    first, second = manifest.rows
    assert (first.number, second.number) == (2, 4)
    assert first.request and second.request, (first.problems, second.problems)
    assert (first.request.prompt, second.request.prompt) == ("A mug\nturns", "2024")
    assert {(each.duration, each.ratio) for each in (first.request, second.request)} == {(5, "16:9")}
    assert (first.request.resolution, first.request.take) == ("480p", "2")
    assert manifest.suffix == ".xlsx" and manifest.notices == ("Not a field, and ignored: Product.",)


def test_a_cell_that_the_reader_takes_for_nothing_is_the_fault_of_its_row(read: Read) -> None:
    """An error, or a formula that was never calculated: the default would be another video."""

    def fill(_: Any, sheet: Any) -> None:
        for each in (["prompt", "duration", "note"], ["A", "=2*5", "=1/0"], ["B", "#REF!", ""], ["C", 5, "#N/A"]):
            sheet.append(each)
        sheet["B3"].data_type = sheet["C4"].data_type = "e"

    first, second, third = read(book(fill), "m.xlsx").rows
    assert "never calculated" in first.problems[0].message and first.problems[0].column == "duration"
    assert "#REF!" in second.problems[0].message
    assert third.request is not None  # an error under what is no field


def test_the_cached_value_of_a_formula_counts(read: Read) -> None:
    content = book(rows(["prompt", "duration"], ["A", 10]))
    packed = rewritten(content, lambda text: text.replace(b"<v>10</v>", b"<f>2*5</f><v>10</v>"))
    (row,) = read(packed, "m.xlsx").rows
    assert row.request and row.request.duration == 10


def rewritten(content: bytes, change: Callable[[bytes], bytes], name: str = "xl/worksheets/sheet1.xml") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            text = old.read(member)
            new.writestr(member, change(text) if member == name else text)
    return file.getvalue()


def test_merged_cells_are_what_they_look_like(read: Read) -> None:
    one, two = "https://a.example.com/1.png", "https://a.example.com/2.png"

    def fill(_: Any, sheet: Any) -> None:
        for each in (
            ["Spring catalogue", None, None, None],
            ["Prompt", "Images", None, "Model"],
            ["A", one, two, "seedance2.0-std"],
            ["B", one, None, None],
        ):
            sheet.append(each)
        for span in ("A1:D1", "B2:C2", "D3:D4"):
            sheet.merge_cells(span)

    manifest = read(book(fill), "m.xlsx")
    assert [row.number for row in manifest.rows] == [3, 4]
    assert [row.request and (row.request.images, row.request.model) for row in manifest.rows] == [
        ([one, two], "seedance2.0-std"),
        ([one], "seedance2.0-std"),
    ]
    assert "above row 2" in manifest.notices[0]


def sheets(made: Any, sheet: Any) -> None:
    sheet.title, sheet.sheet_state = "Old", "hidden"
    rows(["prompt"], ["old"])(made, sheet)
    rows(["prompt"], ["new"])(made, made.create_sheet("New"))
    rows(["prompt"], ["other"])(made, made.create_sheet("Other"))


@pytest.mark.parametrize(("wanted", "prompt"), [("", "new"), ("Old", "old"), (" oTHER", "other")])
def test_the_first_sheet_that_is_shown_is_read_or_the_one_that_is_named(read: Read, wanted: str, prompt: str) -> None:
    manifest = read(book(sheets), "m.xlsx", sheet=wanted)
    assert manifest.rows[0].request and manifest.rows[0].request.prompt == prompt
    said = ("Of the workbook, the sheet New was read, and not Other.",)
    assert manifest.notices == (said if not wanted else ())


def test_a_sheet_that_is_not_there_is_said_with_those_that_are(read: Read) -> None:
    with pytest.raises(UnusableManifest, match=r"no sheet 'Neu'; its sheets are Old, New and Other"):
        read(book(sheets), "m.xlsx", sheet="Neu")


def test_a_table_may_begin_anywhere(read: Read) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet["C5"], sheet["D5"], sheet["C7"] = "prompt", "name", "A"
        sheet["A2000"].number_format = sheet["ZZ3"].number_format = "0.00"  # nothing is in them

    (row,) = read(book(fill), "m.xlsx").rows
    assert (row.number, row.request and row.request.prompt) == (7, "A")


def test_hidden_rows_are_read_and_named(read: Read) -> None:
    def fill(made: Any, sheet: Any) -> None:
        rows(["prompt", "name"], ["A"], ["B"], ["C"])(made, sheet)
        sheet.auto_filter.ref = "A1:B4"
        sheet.row_dimensions[3].hidden = sheet.row_dimensions[9].hidden = sheet.column_dimensions["B"].hidden = True

    manifest = read(book(fill), "m.xlsx")
    assert [row.number for row in manifest.rows] == [2, 3, 4]
    assert manifest.notices == (
        "Hidden in the sheet, and read like the others: row 3. Delete those that are not meant.",
    )


def test_what_stands_right_of_the_table_is_the_fault_of_its_row(read: Read) -> None:
    first, second = read(book(rows(["prompt"], ["A", None, "later"], ["B"])), "m.xlsx").rows
    assert "'later'" in first.problems[0].message and second.request is not None


def test_one_letter_far_away_takes_no_memory(read: Read) -> None:
    """The reader makes room for 16 billion cells, and ends the process."""

    def fill(_: Any, sheet: Any) -> None:
        sheet["A1"], sheet["A2"], sheet["XFD1000000"] = "prompt", "A", "x"

    with pytest.raises(UnusableManifest, match="reach to row 1,000,000 and column 16,384"):
        read(book(fill), "m.xlsx")


def test_a_bomb_takes_no_memory(read: Read) -> None:
    content = book(rows(["prompt"], ["A"]))
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as packed, packed.open("xl/more.xml", "w") as member:
        for _ in range(300):
            member.write(bytes(1024 * 1024))
    # Its index says that it is a small file.
    told = file.getvalue().replace(struct.pack("<I", 300 * 1024 * 1024), struct.pack("<I", 1000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnusableManifest, match="unpacked it has more than 256 MiB"):
        read(told, "m.xlsx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024


@pytest.mark.parametrize(
    ("content", "words"),
    {
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600): "old format (.xls), or one with a password",
        b"PK\x03\x04 damaged": "damaged or cut off",
        b"\x1f\x8b\x08": "gzip",
        b"%PDF-1.7": "PDF",
    }.items(),
)
def test_what_is_no_workbook_is_refused_with_what_to_do(read: Read, content: bytes, words: str) -> None:
    with pytest.raises(UnusableManifest) as caught:
        read(content, "m.xlsx")
    assert words in caught.value.reason and caught.value.fix


@pytest.mark.parametrize(
    ("member", "words"),
    {
        "content.xml": ".ods",
        "word/document.xml": "Word",
        "xl/workbook.bin": ".xlsb",
        "Index/Document.iwa": "Numbers",
        "a.csv": "zip archive",
    }.items(),
)
def test_other_archives_are_called_by_their_names(read: Read, member: str, words: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(member, "x")
    with pytest.raises(UnusableManifest) as caught:
        read(file.getvalue(), "m.xlsx")
    assert words in caught.value.reason


def test_a_workbook_is_told_by_its_content(read: Read) -> None:
    manifest = read(book(rows(["prompt"], ["A"])), "m.csv")
    assert manifest.suffix == ".xlsx" and "ends with .csv, but it is an Excel workbook" in manifest.notices[0]
    assert read("prompt\nA\n", "m.xlsx").suffix == ".csv"


def test_cells_without_places_stand_one_behind_the_other(read: Read) -> None:
    content = rewritten(
        book(rows(["prompt", "take"], ["A", "2"])), lambda text: re.sub(rb'(<c) r="[A-Z]+[0-9]+"', rb"\1", text)
    )
    (row,) = read(content, "m.xlsx").rows
    assert row.request and (row.request.prompt, row.request.take) == ("A", "2")


def with_members(content: bytes, names: Iterable[str], packing: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a", packing) as packed:
        for name in names:
            packed.writestr(name, "x")
    return file.getvalue()


def encrypted(content: bytes) -> bytes:
    """Mark the members of a workbook as encrypted, in its index."""
    made = bytearray(content)
    place = made.find(b"PK\x01\x02")
    while place >= 0:
        made[place + 8] |= 1
        place = made.find(b"PK\x01\x02", place + 4)
    return bytes(made)


PLAIN = book(rows(["prompt"], ["A"]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (with_members(PLAIN, map("media/{}.png".format, range(10_001))), "files in it"),
        (encrypted(PLAIN), "it is encrypted"),
        (with_members(PLAIN, ["a.bin"], zipfile.ZIP_BZIP2), "packed in a way that no spreadsheet uses"),
    ],
    ids=("members", "encrypted", "packing"),
)
def test_an_archive_that_no_spreadsheet_writes_is_refused(read: Read, content: bytes, words: str) -> None:
    with pytest.raises(UnusableManifest, match=words):
        read(content, "m.xlsx")


@pytest.mark.parametrize("member", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_an_entity_in_a_workbook_is_never_expanded(read: Read, member: str) -> None:
    def declare(text: bytes) -> bytes:
        head, mark, rest = text.rpartition(b"?>")
        return head + mark + b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + rest

    with pytest.raises(UnusableManifest, match="not one that a spreadsheet writes"):
        read(rewritten(PLAIN, declare, member), "m.xlsx")


def test_a_workbook_whose_sheets_are_all_hidden_says_so(read: Read) -> None:
    content = rewritten(PLAIN, lambda text: text.replace(b'state="visible"', b'state="hidden"'), "xl/workbook.xml")
    with pytest.raises(UnusableManifest, match="no sheet that is not hidden; its sheets are Sheet"):
        read(content, "m.xlsx")
    assert read(content, "m.xlsx", sheet="Sheet").rows[0].request is not None


@pytest.mark.parametrize("place", ["A18446744073709551615", "XFDX9", "A0", "a1", "&#65;1048577777"])
def test_a_cell_where_none_can_be_is_refused(read: Read, place: str) -> None:
    """The reader counts on from it, and takes the memory of the machine."""
    content = rewritten(book(rows(["prompt"], ["A"])), lambda text: text.replace(b'r="A2"', f"r = '{place}'".encode()))
    with pytest.raises(UnusableManifest, match="not where cells can be"):
        read(content, "m.xlsx")


@pytest.mark.parametrize(
    ("content", "name", "extra"), [("excel", "python_calamine", "excel"), ("parquet", "pyarrow.parquet", "parquet")]
)
def test_a_missing_extra_is_said_with_how_to_install_it(
    read: Read, monkeypatch: pytest.MonkeyPatch, content: str, name: str, extra: str
) -> None:
    bytes_of = {"excel": book(rows(["prompt"], ["A"])), "parquet": b"PAR1"}
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UnusableManifest, match=rf"pip install 'prefect-seedance\[{extra}\]'"):
        read(bytes_of[content], "m")


def test_dates_that_a_spreadsheet_has_made_are_said(read: Read) -> None:
    (row,) = read(
        book(rows(["prompt", "ratio", "duration"], ["A", datetime(2026, 9, 16), datetime(2026, 5, 5)])), "m.xlsx"
    ).rows
    assert [problem.column for problem in row.problems] == ["ratio", "duration"]
    assert "turned it into a date (2026-09-16)" in row.problems[0].message
