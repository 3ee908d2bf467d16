"""Parquet files."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.manifest.tables import parquet
from tests.batch.manifest.conftest import Read


def packed(columns: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, **options)
    return file.getvalue()


def test_columns_of_all_kinds_become_fields(read: Read) -> None:
    link = "https://a.example.com/1.png"
    manifest = read(
        packed(
            {
                "Prompt": ["A", None, "C"],
                "duration": [5.0, float("nan"), 10.0],
                "images": [[link], None, [link, link]],
                "model": pyarrow.array(["seedance2.0-std"] * 3).dictionary_encode(),
                "take": pyarrow.array([Decimal("1.00"), None, Decimal("3.00")]),
                "sku": [b"\xff", b"", b""],
            },
            row_group_size=1,
        ),
        "m.parquet",
    )
    first, second, third = manifest.rows
    assert [row.number for row in manifest.rows] == [2, 3, 4]
    assert first.request and first.request.images == [link] and first.request.duration == 5
    assert [problem.message for problem in second.problems] == ["the prompt is empty"]
    assert third.request and (third.request.take, third.request.duration, third.request.images) == ("3", 10, [link] * 2)
    assert manifest.notices == ("Not a field, and ignored: sku.",)


def test_nested_columns_are_the_fault_of_their_rows(read: Read) -> None:
    (row,) = read(packed({"prompt": [{"text": "A"}], "extra": [{"deep": [1]}]}), "m.parquet").rows
    assert "nested" in row.problems[0].message


def test_a_long_text_that_is_written_once_is_not_made_again_for_all_rows_at_once(read: Read) -> None:
    listed = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 300, pyarrow.int32()), ["x" * 1_000_000])
    rows = read(packed({"prompt": listed}), "m.parquet").rows
    assert len(rows) == 300 and "1,000,000 characters" in rows[0].problems[0].message


@pytest.mark.parametrize(
    ("content", "words"),
    {
        packed({"prompt": ["A"] * 100_001}): "100,001 rows",
        packed({"prompt": ["A"], **{f"c{number}": [1] for number in range(1000)}}): "1,001 columns",
        packed({"text": ["A"]}): "no column for the prompt; it has text",
        b"PAR1" + bytes(100): "cannot be read",
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_refused(read: Read, content: bytes, words: str) -> None:
    with pytest.raises(UnusableManifest) as caught:
        read(content, "m.parquet")
    assert words in caught.value.reason and caught.value.fix


@pytest.mark.parametrize("prompts", [[f"{number:0100}" for number in range(1000)], ["x" * 100] * 1000])
def test_what_is_too_large_once_it_is_unpacked_is_refused(
    read: Read, monkeypatch: pytest.MonkeyPatch, prompts: list[str]
) -> None:
    """Its description says so, or what comes out of it: a text that is written once may stand for many."""
    monkeypatch.setattr(parquet, "MOST_UNPACKED_BYTES", 50_000)
    with pytest.raises(UnusableManifest, match="unpacked it has more than"):
        read(packed({"prompt": prompts}), "m.parquet")


def test_empty_rows_are_no_rows_and_bytes_are_text_where_they_can_be(read: Read) -> None:
    first, second = read(packed({"prompt": [b"A", None, b"\xff"], "name": [b"a", b"", b"b"]}), "m.parquet").rows
    assert (first.number, first.request and first.request.prompt) == (2, "A")
    assert second.number == 4 and second.request is None and second.problems
