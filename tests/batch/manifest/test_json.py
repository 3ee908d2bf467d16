"""JSON and JSON Lines."""

from __future__ import annotations

import json

import pytest

from prefect_seedance.batch.errors import UnusableManifest
from tests.batch.manifest.conftest import Read


def prompts(read: Read, content: str, name: str) -> list[tuple[int, str]]:
    return [(row.number, row.request.prompt) for row in read(content, name).rows if row.request]


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ('[{"prompt": "A"}, {"Prompt": "B"}]', "m.json", [(1, "A"), (2, "B")]),
        ('\ufeff{"requests": [{"prompt": "A"}]}', "m.json", [(1, "A")]),
        ('{"prompt": "A"}', "m.json", [(1, "A")]),
        ('{"prompt": "A"}\n\n{"prompt": "B"},\r\n{"prompt": "C\u2028"}', "m.jsonl", [(1, "A"), (3, "B"), (4, "C")]),
        ('{"prompt": "A"}\n{"prompt": "B"}', "m.json", [(1, "A"), (2, "B")]),
        ('{\n "requests": [\n  {"prompt": "A"}\n ]\n}', "m.json", [(1, "A")]),
    ],
)
def test_objects_become_rows(read: Read, content: str, name: str, expected: list[tuple[int, str]]) -> None:
    assert prompts(read, content, name) == expected


def test_each_bad_object_is_the_fault_of_its_row_alone(read: Read) -> None:
    rows = read(
        '[{"prompt": "A", "duration": NaN}, {"prompt": "B", "prompt": "C"}, {"prompt": {"text": "D"}}, 5, null, '
        '{"prompt": "E", "images": [["x"]]}, {"prompt": "F", "images": null, "duration": 5.0, "take": 2}]',
        "m.json",
    ).rows
    assert [bool(row.problems) for row in rows] == [True] * 6 + [False]
    assert "not a value" in rows[0].problems[0].message and "twice" in rows[1].problems[0].message
    assert "nested" in rows[2].problems[0].message and "not an object" in rows[3].problems[0].message
    request = rows[6].request
    assert request and (request.images, request.duration, request.take) == ([], 5, "2")


def test_a_line_that_is_no_json_is_the_fault_of_its_row(read: Read) -> None:
    rows = read('{"prompt": "A"}\n{"prompt": "B"\n[1]\n{"prompt": "C"}', "m.jsonl").rows
    assert [(row.number, bool(row.problems)) for row in rows] == [(1, False), (2, True), (3, True), (4, False)]


def test_a_line_that_is_nested_too_deeply_is_the_fault_of_its_row(read: Read) -> None:
    rows = read('{"prompt": "A"}\n' + "[" * 90_000 + '\n{"prompt": "B", "n": ' + "9" * 5000 + "}", "m.jsonl").rows
    assert [(row.number, bool(row.problems)) for row in rows] == [(1, False), (2, True), (3, True)]
    assert all("nested too deeply" in row.problems[0].message for row in rows[1:])


def test_an_object_with_too_many_names_is_the_fault_of_its_row(read: Read) -> None:
    many = {"prompt": "A", **{f"name {number}": 1 for number in range(1000)}}
    first, second = read(json.dumps([many, {"prompt": "B"}]), "m.json").rows
    assert "more than 1,000 names" in first.problems[0].message and second.request is not None


def test_rows_with_too_many_different_names_between_them_are_refused(read: Read) -> None:
    rows = [{"prompt": "A", **{f"{row} {number}": 1 for number in range(600)}} for row in "ab"]
    with pytest.raises(UnusableManifest, match="more than 1,000 different names"):
        read(json.dumps(rows), "m.json")


def test_a_name_that_cannot_be_read_spoils_no_row_and_another_model_is_taken_as_it_is_written(read: Read) -> None:
    written = {"prompt": "A", "name": {"shown": "mug"}, "model": "", "other_model": "brand\u2013new-3"}
    (row,) = read(json.dumps([written]), "m.json").rows
    assert row.request and (row.name, row.request.other_model) == ("", "brand-new-3"), row.problems


def test_what_stands_beside_the_list_of_requests_is_named(read: Read) -> None:
    manifest = read('{"shop": "mugs", "requests": [{"prompt": "A"}], "season": "spring"}', "m.json")
    assert manifest.rows[0].request is not None
    assert manifest.notices == ("Beside the list of requests, these were ignored: shop, season.",)


@pytest.mark.parametrize(
    ("content", "words"),
    {
        '[{"prompt": "A",}]': "nothing follows a comma, on line 1",
        '[{"prompt": "A"}, ]': "nothing follows a comma, on line 1",
        '[\n// spring\n{"prompt": "A"}]': "JSON has no comments, on line 2",
        '// spring\n[{"prompt": "A"}]': "begins with a comment",
        "[{'prompt': 'A'}]": "straight double quotation marks",
        "[{“prompt”: “A”}]": "straight double quotation marks",
        '[{prompt: "A"}]': "names are written in double quotation marks",
        '[{"prompt": "A", "x": True}]': "true, false and null",
        '[{"prompt": "A"}': "ends in the middle",
        '[{"prompt": "A"}] x': "more follows after its end",
        '[{"prompt": "A\nB"}]': "line break",
        '[{"prompt": "a \\mug"}]': "backslash",
        '[{"prompt": "a "big" mug"}]': "a comma is missing",
        "[" * 100_000: "nested too deep",
        '[{"n": ' + "9" * 5000 + "}]": "number is too long",
        "[" + "{}," * 2_000_001 + "{}]": "millions of parts",
        "[]": "no row",
        '{"requests": {"prompt": "A"}}': "neither a list",
        '{"requests": [{"prompt": "A"}], "Rows": [{"prompt": "B"}]}': "more than one list of requests",
        '[{"prompt": "A"}' + " " * 33_554_432 + "]": "more than 32 MiB",
        '{"prices": 5}': "no column for the prompt; it has prices",
        "just words": "its name says JSON",
    }.items(),
    ids=lambda value: value[:20],
)
def test_what_is_no_list_of_objects_is_refused(read: Read, content: str, words: str) -> None:
    with pytest.raises(UnusableManifest) as caught:
        read(content, "m.json")
    assert words in caught.value.reason and caught.value.fix


def test_a_name_that_lies_is_said(read: Read) -> None:
    as_csv = read(json.dumps([{"prompt": "A"}]), "m.csv")
    as_json = read("prompt\nA\n", "m.json")
    assert (as_csv.suffix, as_json.suffix) == (".json", ".csv")
    assert "ends with .csv, but it is JSON" in as_csv.notices[0]
    assert "ends with .json, but it is a CSV table" in as_json.notices[0]
