"""The table of a report: read back by any CSV reader, and never a formula."""

from __future__ import annotations

import csv
import io

import pytest

from prefect_seedance.batch.models import RowResult
from prefect_seedance.batch.report.spreadsheet import spreadsheet
from tests.batch.report.builders import HOSTILE, mixed_rows, row_of


def table_of(rows: list[RowResult]) -> list[dict[str, str]]:
    data = spreadsheet(rows)
    assert data.startswith(b"\xef\xbb\xbf")
    csv.field_size_limit(200_000)
    return [*csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))]


@pytest.mark.parametrize(
    "begins", ["=", "+", "-", "@", "\t", "\r", "\n", "\x00=", "\u202e=", "＝", "＠", "\r\n=", "\ufeff=", " =", "\xa0+"]
)
@pytest.mark.parametrize("column", ["name", "prompt", "reason", "advice", "model", "task_id"])
def test_no_cell_is_a_formula(begins: str, column: str) -> None:
    (row,) = table_of([row_of(2, **{column: f"{begins}1+1"})])
    assert row[column].lstrip()[0] in "'�"
    assert "1+1" in row[column]


def test_ordinary_texts_stay_as_they_are() -> None:
    prompt = 'A "lamp"; red, blue\n- and green; 100 % 灯 👩\u200d🚀'
    (row,) = table_of([row_of(2, prompt=prompt, cost=0.4)])
    assert row["prompt"] == prompt
    assert (row["number"], row["cost"], row["retryable"]) == ("2", "0.4", "FALSE")


def test_each_row_is_one_row_whatever_it_says() -> None:
    rows = [row_of(number, name=text, prompt=text, reason=text) for number, text in enumerate(HOSTILE, 2)]
    table = table_of(rows)
    assert [row["number"] for row in table] == [str(row.number) for row in rows]
    assert {*table[0]} == {*RowResult.model_fields}
    assert all(len(cell) <= 32_767 for row in table for cell in row.values())
    assert not any(character in cell for row in table for cell in row.values() for character in "\x00\x1b\u202e\u2028")


def test_the_table_adds_up_to_the_report() -> None:
    table = table_of(mixed_rows(100))
    assert len(table) == 100 and {row["outcome"] for row in table} >= {"stored", "invalid", "unknown"}


def test_what_opens_a_link_is_left_out() -> None:
    (row,) = table_of([row_of(2, prompt="As in https://cdn.example.com/a.png?X-Amz-Signature=5eC2eT here")])
    assert row["prompt"] == "As in https://cdn.example.com/a.png here"
