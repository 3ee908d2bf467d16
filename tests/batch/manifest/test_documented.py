"""What the documentation says of manifests, read by the code that it speaks of."""

from __future__ import annotations

import re
from pathlib import Path

from tests.batch.manifest.conftest import Read

ROOT = Path(__file__).parents[3]
BATCHES = (ROOT / "docs" / "how-to" / "batches.md").read_text()


def test_the_manifest_of_the_documentation_becomes_what_it_says(read: Read) -> None:
    shown = re.search(r"```csv\n(name,.*?)```", BATCHES, re.DOTALL)
    assert shown is not None
    red, blue = read(shown[1]).rows
    assert red.request is not None and blue.request is not None, (red.problems, blue.problems)
    assert (red.name, blue.name) == ("red mug", "blue mug")
    assert red.request.images[0].endswith("/shop/pictures/mug.png"), "beside the manifest"
    assert blue.request.images == ["s3://shop/blue.png", "s3://shop/table.jpg"]


def test_cells_are_read_as_the_documentation_says(read: Read) -> None:
    cells = "A remark above\n\nPrompt;Model;Duration;Resolution;Ratio\n"
    cells += "A;seedance2.0-mini;5.0;480P;\n\nB;seedance2.0-mini;5s;480p;\n"
    for content in (cells.encode(), cells.encode("utf-16"), cells.encode("utf-16-le"), cells.encode("utf-8-sig")):
        first, second = (row.request for row in read(content, "anything.dat").rows)
        assert first is not None and second is not None
        assert first.duration == second.duration == 5 and first.resolution == second.resolution == "480p"
        assert first.ratio == second.ratio == "auto"
    (doubtful,) = read(b"prompt,ratio\nA,n/a\n", "doubtful.csv").rows
    assert doubtful.request is None and "Leave the cell empty" in doubtful.problems[0].fix


def test_a_json_list_may_stand_in_an_object(read: Read) -> None:
    assert len(read('{"requests": [{"prompt": "A"}, {"prompt": "B"}]}', "a.json").rows) == 2
    assert len(read('{"prompt": "A"}\n{"prompt": "B"}\n', "a.jsonl").rows) == 2
