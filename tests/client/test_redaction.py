"""Texts from outside hold nothing that opens an address, and nothing that cannot be written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.redaction import (
    LONGEST_TEXT,
    clean_address,
    clean_text,
    shown_json,
    without_signatures,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.b/c.png?X-Amz-Signature=1", "https://a.b/c.png"),
        ("(https://a.b/c.png?sig=1), then", "(https://a.b/c.png), then"),
        ("'https://a.b/c.png#token=1'", "'https://a.b/c.png'"),
        ("https://me:secret@a.b/c?d", "https://a.b/c"),
        ("s3://bucket/key.mp4", "s3://bucket/key.mp4"),
        ("What now? Mail me@a.b #1", "What now? Mail me@a.b #1"),
        ("x" * 100_000, "x" * 100_000),
    ],
)
def test_an_address_is_shown_without_what_may_open_it(text: str, shown: str) -> None:
    assert without_signatures(text) == shown


ODD = st.text(st.characters()) | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl"]))


@given(text=ODD, longest=st.integers(0, 50))
def test_a_clean_text_can_be_printed_written_and_sent(text: str, longest: int) -> None:
    clean = clean_text(text, longest)
    assert clean.isprintable() and len(clean) == len(text[:longest])
    clean.encode()
    assert clean_text(clean, longest) == clean


def test_what_can_be_printed_stays_as_it_is() -> None:
    assert clean_text("模型 \U0001f3ac é") == "模型 \U0001f3ac é"
    assert clean_text("line\r\nline\u3000end\x00") == "line  line end\ufffd"


def test_json_of_any_shape_is_cleaned_to_its_leaves() -> None:
    assert shown_json({"a\ud800": ["\x00", 1, None, {"b": "x" * 3000}]}) == {
        "a\ufffd": ["\ufffd", 1, None, {"b": "x" * LONGEST_TEXT}]
    }


@pytest.mark.parametrize(
    "address", ["https://a.example.com/\ud800", "https://a.example.com/\n", "https://" + "a" * 20_000], ids=ascii
)
def test_an_address_is_never_repaired(address: str) -> None:
    assert clean_address(address) == ""
