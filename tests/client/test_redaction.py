"""Texts for people hold nothing that opens an address."""

from __future__ import annotations

import pytest

from prefect_seedance.client.redaction import without_signatures


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
