"""Tables as people's spreadsheets write them, each with what it must become."""

from __future__ import annotations

from typing import Any

import pytest

from tests.batch.manifest.conftest import Read

PLAIN = (
    "product,prompt,model,duration,ratio\n"
    "mug,A mug turns,seedance2.0-mini,5,16:9\n"
    "lamp,A lamp glows,seedance2.0-mini,5,9:16\n"
)
TWO: list[dict[str, Any]] = [
    {"prompt": "A mug turns", "model": "seedance2.0-mini", "ratio": "16:9", "duration": 5},
    {"prompt": "A lamp glows", "model": "seedance2.0-mini", "ratio": "9:16", "duration": 5},
]
FIRST, SECOND = "https://a.example.com/1.png", "https://a.example.com/2.png"
CASES: dict[str, tuple[bytes, list[dict[str, Any]]]] = {
    "plain": (PLAIN.encode(), TWO),
    "a mark and CRLF": (PLAIN.replace("\n", "\r\n").encode("utf-8-sig"), TWO),
    "semicolons": (PLAIN.replace(",", ";").encode("utf-8-sig"), TWO),
    "tabs": (PLAIN.replace(",", "\t").encode(), TWO),
    "bars": (PLAIN.replace(",", "|").encode(), TWO),
    "capitals and blanks in headers": (
        b"Product, Prompt ,Model\nmug,A mug turns,seedance2.0-mini\n",
        [{"prompt": "A mug turns", "model": "seedance2.0-mini"}],
    ),
    "GB18030": (
        PLAIN.replace("A mug turns", "一个马克杯缓缓旋转").encode("gb18030"),
        [TWO[0] | {"prompt": "一个马克杯缓缓旋转"}, TWO[1]],
    ),
    "CR LF in a cell": (
        b'product,prompt,model\r\nmug,"Shot 1: a mug\r\nShot 2: steam",seedance2.0-mini\r\n'
        b"lamp,A lamp glows,seedance2.0-mini\r\n",
        [{"prompt": "Shot 1: a mug\nShot 2: steam"}, {"prompt": "A lamp glows"}],
    ),
    "images": (
        f"product,prompt,model,images,first_image\nmug,@image1 turns,seedance2.0-std,{FIRST},\n"
        f'lamp,glows,seedance2.0-std,,{SECOND}\nvase,spins,seedance2.0-std,"{FIRST}, {SECOND}",\n'.encode(),
        [{"images": [FIRST]}, {"images": [], "first_image": SECOND}, {"images": [FIRST, SECOND]}],
    ),
    "notes": (
        b"product,prompt,model,notes\nmug,A mug turns,seedance2.0-mini,for the spring page\nlamp,A lamp,,\n",
        [{"prompt": "A mug turns"}, {"prompt": "A lamp"}],
    ),
    "seconds": (
        b"product,prompt,model,duration,resolution\nmug,A mug,seedance2.0-mini,5s,720p\n"
        b"lamp,A lamp,seedance2.0-mini,5.0,480P\n",
        [{"duration": 5, "resolution": "720p"}, {"duration": 5, "resolution": "480p"}],
    ),
}


@pytest.mark.parametrize(("content", "expected"), CASES.values(), ids=CASES.keys())
def test_a_table_becomes_its_rows(read: Read, content: bytes, expected: list[dict[str, Any]]) -> None:
    manifest = read(content)
    assert [row.problems for row in manifest.rows] == [()] * len(expected)
    assert [row.number for row in manifest.rows] == [*range(2, len(expected) + 2)]
    for row, fields in zip(manifest.rows, expected, strict=True):
        assert row.request is not None
        assert fields.items() <= row.request.model_dump().items()
    assert manifest.content == content and len(manifest.sha256) == 64


def test_what_is_no_field_is_named_once(read: Read) -> None:
    assert read(CASES["notes"][0]).notices == ("Not fields, and ignored: product and notes.",)


def test_an_encoding_that_was_guessed_is_named(read: Read) -> None:
    assert "it was read as gb18030" in read(CASES["GB18030"][0]).notices[0]
