"""A damaged file of any kind becomes rows, problems or a refusal, and nothing else."""

from __future__ import annotations

import io
import random
import zipfile

import pytest

from prefect_seedance.batch.errors import UnusableManifest
from tests.batch.manifest.conftest import Read
from tests.batch.manifest.test_excel import book, rewritten, rows
from tests.batch.manifest.test_parquet import packed

TABLE = 'name,prompt,duration,ratio,images\na,"A, b\nc",5,16:9,"x.png; y.png"\nb,B,5s,9:16,\n'
WORKBOOK = book(rows(["prompt", "duration"], ["A", 5], ["B", "=1+1"]))
SOUND = {
    "csv": TABLE.encode("utf-8-sig"),
    "wide": TABLE.encode("utf-16"),
    "json": b'[{"prompt": "A", "duration": 5.0, "images": ["a.png"]}, {"prompt": "B", "x": {"y": [1, NaN]}}]',
    "lines": b'{"prompt": "A"}\n{"prompt": "B", "ratio": "16:9"},\n',
    "workbook": WORKBOOK,
    "parquet": packed({"prompt": ["A", "B"], "images": [["x.png"], []]}),
}
LARGE = (b"99999999999", b"-1", b"<", b">", b'"', b"4294967296", b"18446744073709551615", b"\0")


def damaged(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.choice([1, 2, 5, 20])):
        place = chance.randrange(len(made) or 1)
        match chance.randrange(4):
            case 0:
                made[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del made[place : place + chance.randrange(1, 30)]
            case 2:
                made[place:place] = made[place : place + chance.randrange(1, 40)]
            case _:
                made[place : place + 1] = chance.choice(LARGE)
    return bytes(made)


@pytest.mark.parametrize("kind", [*SOUND, "inside of a workbook"])
def test_a_damaged_file_raises_nothing_unforeseen(read: Read, kind: str) -> None:
    chance = random.Random(kind)
    inner = [name for name in zipfile.ZipFile(io.BytesIO(WORKBOOK)).namelist() if name.startswith("xl/")]
    for _ in range(150):
        if kind in SOUND:
            content = damaged(SOUND[kind], chance)
        else:
            content = rewritten(WORKBOOK, lambda text: damaged(text, chance), chance.choice(inner))
        try:
            manifest = read(content, "m")
        except UnusableManifest as error:
            assert error.reason and error.fix
        else:
            assert all((row.request is None) == bool(row.problems) for row in manifest.rows)
