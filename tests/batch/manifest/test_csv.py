"""CSV: separators, quotes, ragged rows, headers, and numbers of rows as a spreadsheet shows them."""

from __future__ import annotations

import pytest

from prefect_seedance.batch.errors import UnusableManifest
from tests.batch.manifest.conftest import Read

#: A table, and the numbers, names and prompts of its rows.
TABLES: dict[str, tuple[str, list[tuple[int, str, str]]]] = {
    "blank rows count": ("name,prompt\n\na,A\n,\n\nb,B\n\n\n", [(3, "a", "A"), (6, "b", "B")]),
    "a cell of several lines is one row": ('name,prompt\na,"A\n\nA"\nb,B\n', [(2, "a", "A\n\nA"), (3, "b", "B")]),
    "a line that says the separator is none": ("sep=;\r\nname;prompt\r\na;A, turning\r\n", [(2, "a", "A, turning")]),
    "a title above the header": ("Spring catalogue\n\nname,prompt\na,A\n", [(4, "a", "A")]),
    "separators at the end": ("name,prompt,,\na,A,,\n,,,\n", [(2, "a", "A")]),
    "fewer cells": ("prompt,name,duration\nA\nB,b\n", [(2, "", "A"), (3, "b", "B")]),
    "a column without a header": (",prompt,name\n0,A,a\n1,B,b\n", [(2, "a", "A"), (3, "b", "B")]),
    "old line ends": ("name,prompt\ra,A\rb,B", [(2, "a", "A"), (3, "b", "B")]),
    "blanks before quotes": ('name, prompt\na, "A, turning"\n', [(2, "a", "A, turning")]),
    "a quotation mark inside a text": ('name,prompt\na,A 5" screen\n', [(2, "a", 'A 5" screen')]),
    "files put together": (
        '\ufeffname,prompt\na,A\n\ufeffname,prompt\n\ufeff"b",B\n',
        [(2, "a", "A"), (4, "b", "B")],
    ),
    "separators in a text": ('name;prompt\na;"A, b, c; d"\n', [(2, "a", "A, b, c; d")]),
    "only prompts": ("Prompt\nA\nB\n", [(2, "", "A"), (3, "", "B")]),
    "invisible letters in headers": ("na\u200bme,\xa0Prompt\u00a0\na,A\n", [(2, "a", "A")]),
    "non-breaking blanks alone are nothing": ("name,prompt,model\na,A,\xa0\n\xa0,\xa0,\xa0\n", [(2, "a", "A")]),
    "an apostrophe before what a spreadsheet might run": ("prompt,name\n'@image turns,a\n", [(2, "a", "@image turns")]),
    **{
        f"a line that says {said!r} is the separator": (f"sep={said}\r\nname,prompt\r\na,A\r\n", [(2, "a", "A")])
        for said in ("", ";", '"', "\0", "\t")
    },
    "the end of a file of DOS": ("name,prompt\r\na,A\r\n\x1a", [(2, "a", "A")]),
    "fields of a fixed width": ("name,prompt,model\na,A,\0\0\0\n", [(2, "a", "A")]),
    "a text forced upon a spreadsheet": ('prompt,name\n"=""5""",a\n', [(2, "a", "5")]),
}


@pytest.mark.parametrize(("content", "expected"), TABLES.values(), ids=TABLES.keys())
def test_rows_have_the_numbers_that_a_spreadsheet_shows(
    read: Read, content: str, expected: list[tuple[int, str, str]]
) -> None:
    rows = read(content).rows
    assert [problem for row in rows for problem in row.problems] == []
    assert [(row.number, row.name, row.request.prompt) for row in rows if row.request] == expected


def test_more_cells_than_headers_are_the_fault_of_their_row_alone(read: Read) -> None:
    rows = read("prompt,model\nA mug, turning slowly,seedance2.0-mini\nA lamp,seedance2.0-mini\n").rows
    assert rows[0].request is None and rows[1].request is not None
    (problem,) = rows[0].problems
    assert (problem.row, problem.column) == (2, "")
    assert "'seedance2.0-mini' stands right of the last one, 'model'" in problem.message
    assert "quotation marks" in problem.fix


def test_a_quotation_mark_in_the_middle_spoils_one_row(read: Read) -> None:
    rows = read('prompt,name\n"A mug" turns,a\nB,b\n').rows
    assert [row.number for row in rows] == [2, 3] and rows[1].request is not None
    assert [problem.message for problem in rows[0].problems] == ["text follows a quotation mark that closes its cell"]


@pytest.mark.parametrize(
    ("content", "words"),
    {
        'prompt,name\nA,a\n"B,b\nC,c\n': "row 3 (line 3 of the file) is not closed",
        'prompt,name\n"A,a\n"B,b\nC,c\n': "is closed on line 3 only",
    }.items(),
)
def test_a_quotation_mark_that_swallows_rows_refuses_the_manifest(read: Read, content: str, words: str) -> None:
    """What follows would be the prompt of one paid video."""
    with pytest.raises(UnusableManifest, match="quotation mark") as caught:
        read(content)
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("content", "words"),
    {
        "": "it is empty",
        "\n \n": "nothing in it",
        "prompt,model\n": "no row below its header",
        "promt,model\nA,seedance2.0-mini\n": "no column for the prompt; it has promt and model",
        "A mug turns\nA lamp glows\n": "no column for the prompt",
        "<html><body>Sign in</body></html>": "page or XML",
        "prompt\nA" + "," * 200_000: "more than 100,000 cells",
        "prompt" * 100_000 + ",x\nA\n": "no column for the prompt",
        "PATH=/bin\0SECRET=x\0": "it is not a text",
        "\x89PNG\r\n\x1a\n\0\0": "it is not a text",
        "prompt\n" + "\n" * 1_100_000: "more than 1,048,576 rows",
        "SQLite format 3\0": "database",
        "PARE\0\0": "encrypted",
        "prompt," + ",".join(f"c{number}" for number in range(1200)) + "\nA\n": "1,201 columns",
    }.items(),
    ids=lambda value: value[:20],
)
def test_what_is_no_table_is_refused(read: Read, content: str, words: str) -> None:
    with pytest.raises(UnusableManifest) as caught:
        read(content)
    assert words in caught.value.reason and caught.value.fix


@pytest.mark.parametrize(
    "content",
    ['"prompt,name"\n"A,a"\n', '"name,""prompt"""\n"a,""A, b"""\n', "prompt^name\nA^a", "name，prompt\na，A\n",
     "- prompt: A\n  name: a\n"],
)  # fmt: skip
def test_columns_that_are_not_parted_are_said_so(read: Read, content: str) -> None:
    with pytest.raises(UnusableManifest) as caught:
        read(content)
    assert "Its columns are not separated" in caught.value.fix


@pytest.mark.parametrize("content", ["name,prompt\n,# made by hand\na,A\n", "name,prompt\n,// x\na,A\n"])
def test_a_comment_below_the_header_is_no_video(read: Read, content: str) -> None:
    first, second = read(content).rows
    assert first.request is None and "comment" in first.problems[0].message and second.request is not None


def test_rows_of_separators_alone_are_no_videos(read: Read) -> None:
    rows = read("prompt,name\n,,\n;;\n,\nA,a\n").rows
    assert [(row.number, row.request is None) for row in rows] == [(3, True), (5, False)]


def test_a_cell_of_a_million_characters_is_the_fault_of_its_row(read: Read) -> None:
    rows = read(f"prompt\n{'A' * 1_000_000}\nB\n").rows
    assert "1,000,000 characters" in rows[0].problems[0].message and rows[1].request is not None
    assert all(len(text) < 100 for text in rows[0].given.values())


def test_zero_bytes_are_the_fault_of_their_row(read: Read) -> None:
    rows = read("prompt,name\nA\0B,a\nC,c\n").rows
    assert "U+0000 (NUL)" in rows[0].problems[0].message and rows[1].request is not None
