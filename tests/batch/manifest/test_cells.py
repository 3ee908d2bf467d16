"""What people, spreadsheets and programs make of a value, and what it means."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from prefect_seedance.batch.manifest.cells import READERS, BadCell, addresses_of
from tests.batch.manifest.conftest import Read

READ: list[tuple[str, object, object]] = [
    *(
        ("duration", value, 5)
        for value in (5, 5.0, 5.0000000001, "5", "5.0", "5,0", "5s", "5 s", "5 Sec.", "5 seconds")
    ),
    *(("duration", value, 5) for value in ("５", "5\xa0s", "'5", '="5"', "“5”", "00:00:05", "0:05", time(0, 0, 5))),
    *(("duration", value, 5) for value in (timedelta(seconds=5), "5秒", "\ufeff5", datetime(1899, 12, 31, 0, 0, 5))),
    *(("ratio", value, "16:9") for value in ("16:9", "16：9", "16/9", "16x9", "16×9", "16 : 9", "16∶9", "'16:9")),
    *(("ratio", value, "16:9") for value in ("16:09", "16:09:00", "4:09 PM", "04:09:00 pm", time(16, 9), 969 / 1440)),
    *(("ratio", value, "16:9") for value in (timedelta(hours=16, minutes=9), datetime(1899, 12, 30, 16, 9))),
    ("ratio", "9:16:00", "9:16"),
    ("ratio", time(1, 1), "1:1"),
    ("ratio", "21:09", "21:9"),
    ("ratio", time(4, 3), "4:3"),
    ("ratio", "adaptive", "Adaptive"),
    ("ratio", "AUTO", "auto"),
    *(("resolution", value, "480p") for value in ("480P", "480", 480, 480.0, "480 p", "４８０ｐ")),
    ("orientation", "Landscape", "landscape"),
    *(
        ("model", value, "seedance2.0-mini")
        for value in (" Seedance2.0-MINI ", "seedance2.0–mini", "“seedance2.0-mini”")
    ),
    *(("take", value, "2") for value in (2, 2.0, "2", "2.0", "'2")),
    ("take", "blue", "blue"),
    *(("takes", value, 3) for value in (3, 3.0, "3", "3.0")),
    ("prompt", "“A mug”\r\nturns", "“A mug”\nturns"),
    ("prompt", 2024.0, "2024"),
    ("prompt", "Total eclipse", "Total eclipse"),
    ("prompt", "🎥", "🎥"),
    ("name", "mug https://me:pw@a.example.com/1.png?X-Amz-Signature=s3cr3t", "mug https://a.example.com/1.png"),
    ("name", "a\r\nb\x07\u202ec", "a b\ufffdc"),
    ("name", "x" * 500, "x" * 200),
    ("first_image", " “https://a.example.com/1.png” ", "https://a.example.com/1.png"),
]


@pytest.mark.parametrize(("field", "value", "expected"), READ, ids=lambda value: str(value)[:20])
def test_a_cell_is_read_for_what_it_means(field: str, value: object, expected: object) -> None:
    assert READERS[field](value) == expected


REFUSED: list[tuple[str, object]] = [
    *(("duration", value) for value in (5.5, "5.5", True, "long", date(2026, 5, 1), time(5, 0), float("nan"), "5 min")),
    *(
        ("ratio", value)
        for value in ("16:7", date(2026, 9, 16), datetime(2026, 9, 16), 1.78, True, "wide", time(16, 9, 1))
    ),
    *(("resolution", value) for value in ("4k", 481, "HD")),
    *(("takes", value) for value in (0, 101, "two", True, -1, 1.5, "")),
    *(
        ("prompt", value)
        for value in ("#REF!", "#N/A", "Err:502", "nan", "None", "NULL", "n/a", "####", ["A"], {"a": 1})
    ),
    ("prompt", b"\xff"),
    ("model", "#VALUE!"),
    ("take", 10**400),
    *(("take", value) for value in ("1,000", "2.000", "12,000")),
    ("takes", "1,000"),
    ("images", ";a" * 40_000),  # would take minutes
    *(("prompt", value) for value in (True, date(2026, 5, 1), time(16, 9), timedelta(seconds=5))),
    *(("prompt", value) for value in (";;", "---", "|", '""', "…", "\u200d")),
    *(("prompt", value) for value in ("Total", "TOTAL:", "Totals 12", "Grand total", "Summe", "合计：", "Итого: 5")),
]


@pytest.mark.parametrize(("field", "value"), REFUSED, ids=lambda value: str(value)[:20])
def test_a_cell_that_cannot_be_meant_is_refused_in_plain_words(field: str, value: object) -> None:
    with pytest.raises(BadCell) as caught:
        (addresses_of if field == "images" else READERS[field])(value)
    assert caught.value.message and caught.value.fix
    assert not caught.value.message.endswith(".") and not caught.value.fix.endswith(".")


A, B = "https://a.example.com/1.png", "https://a.example.com/2.png?sign=1,2;x=3"
LISTS: list[tuple[object, list[str]]] = [
    (f"{A}, {B}", [A, B]),
    (f"{A},{B}", [A, B]),
    (f"{A};{B}", [A, B]),
    (f"{A}; {B};", [A, B]),
    (f"{A}\r\n{B}\n\n", [A, B]),
    (f"{A}，{B}；", [A, B]),
    (f'["{A}", "{B}"]', [A, B]),
    (f"['{A}', '{B}']", [A, B]),
    (f"“{A}”, “{B}”", [A, B]),
    ([A, "", B, None], [A, B]),
    ("https://a.example.com/w_9,h_9,c_fit/1.png", ["https://a.example.com/w_9,h_9,c_fit/1.png"]),
    ("https://a.example.com/1.png;version=2", ["https://a.example.com/1.png;version=2"]),
    ("mug.png, lamp.png,vase.png", ["mug.png", "lamp.png", "vase.png"]),
    ("mug, red.png", ["mug, red.png"]),
    ("mug.png;lamp.png", ["mug.png", "lamp.png"]),
    (f"{A}, mug.png", [A, "mug.png"]),
    ("s3://shop/a,b.png, last-frame+s3://shop/c.mp4", ["s3://shop/a,b.png", "last-frame+s3://shop/c.mp4"]),
    ("asset://one,asset://two", ["asset://one", "asset://two"]),
    (f"{A},, {B} ,;", [A, B]),
    (" ", []),
    (";,", []),
    (r'["https:\/\/a.example.com\/1.png", "a, b.png", null]', ["https://a.example.com/1.png", "a, b.png"]),
    (f'["{A}", "{B}",]', [A, B]),
    ("[]", []),
]


@pytest.mark.parametrize(("value", "expected"), LISTS, ids=lambda value: str(value)[:30])
def test_a_list_is_parted_between_addresses_and_not_inside_of_one(value: object, expected: list[str]) -> None:
    assert addresses_of(value) == expected


def test_every_problem_of_every_row_is_said_at_once(read: Read) -> None:
    manifest = read(
        "Prompt,Duration (seconds),Aspect ratio,model,takes\n"
        "A,5.5,16:7,seedance2.0-mini,0\n"
        ",99,16:9,seedance-9,\n"
        "C,5,16:9,seedance2.0-mini,\n"
    )
    first, second, third = manifest.rows
    assert [problem.column for problem in first.problems] == ["Duration (seconds)", "Aspect ratio", "takes"]
    assert {problem.column for problem in second.problems} == {"Prompt", "model"}
    assert third.request is not None and third.problems == ()
    for problem in (*first.problems, *second.problems):
        words = str(problem)
        assert problem.message and problem.fix and "Input should" not in words and "pydantic" not in words
        assert words.count(problem.message) == 1 and ".." not in words
    assert first.given["Duration (seconds)"] == "5.5"


def test_take_and_takes_in_one_row_are_an_error(read: Read) -> None:
    (row,) = read("prompt,take,takes\nA,2,3\n").rows
    assert row.request is None and [problem.message for problem in row.problems] == ["take and takes are both filled"]


def test_takes_of_the_row_come_before_those_of_the_batch(read: Read) -> None:
    rows = read("prompt,take,takes\nA,,3\nB,,\nC,blue,\n", takes=2).rows
    found = [(row.number, row.request.take) for row in rows if row.request]
    assert found == [(2, "1"), (2, "2"), (2, "3"), (3, "1"), (3, "2"), (4, "blue")]


def test_signatures_of_references_reach_no_problem_and_no_cell_that_is_shown(read: Read) -> None:
    link = "https://a.example.com/1.png?X-Amz-Signature=s3cr3t"
    manifest = read(f"prompt,images,first_image,duration\nA,{link},http://me:s3cr3t@a.example.com/b.png?sig=s3cr3t,x\n")
    (row,) = manifest.rows
    assert row.request is None and len(row.problems) >= 2
    assert "s3cr3t" not in f"{row} {row.given} {row.problems} {manifest.notices} {manifest}"
