"""A list of requests as a manifest, many rows, and what is written and read again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.manifest import reading
from prefect_seedance.batch.manifest.columns import Columns
from prefect_seedance.batch.manifest.origin import Origin
from prefect_seedance.batch.manifest.row_check import rows_of
from prefect_seedance.batch.manifest.tables.kinds import open_table
from prefect_seedance.client.request.video_request import VideoRequest
from tests.batch.manifest.conftest import Read

LINK = "https://a.example.com/1.png"


def test_a_list_of_requests_becomes_rows_and_json() -> None:
    signed = VideoRequest(prompt="A", model="seedance2.0-std", images=[f"{LINK}?X-Amz-Signature=s3cr3t"])
    other = VideoRequest(prompt="B", take="blue")
    manifest = reading.manifest_of([signed, other], takes=2)
    found = [(row.number, row.request.prompt, row.request.take) for row in manifest.rows if row.request]
    assert found == [(1, "A", "1"), (1, "A", "2"), (2, "B", "blue")]
    assert manifest.rows[0].request and manifest.rows[0].request.images == signed.images  # what is sent stays whole
    listed = json.loads(manifest.content)
    assert listed[0]["images"] == [LINK] and listed[1] == other.model_dump(mode="json")
    assert manifest.sha256 == hashlib.sha256(manifest.content).hexdigest() and manifest.suffix == ".json"


def test_no_requests_are_no_manifest() -> None:
    with pytest.raises(UnusableManifest, match="at least one request"):
        reading.manifest_of([])


def test_too_many_videos_are_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 100)
    with pytest.raises(UnusableManifest, match="more than 100 videos"):
        read("prompt\n" + "A\n" * 101)
    with pytest.raises(UnusableManifest, match="more than 100 videos"):
        read("prompt,takes\n" + "A,51\n" * 2)
    with pytest.raises(UnusableManifest, match="more than 100 videos"):
        reading.manifest_of([VideoRequest(prompt="A")], takes=101)


def test_a_thousand_rows_cost_little_more_than_their_requests(read: Read) -> None:
    """Of the two seconds that a plan of 1,000 rows may take. A ratio, as the machine may be busy."""
    fields = [{"prompt": f"A mug {number}", "model": "seedance2.0-std", "images": LINK} for number in range(1000)]
    file = io.StringIO()
    writer = csv.DictWriter(file, fields[0])
    writer.writeheader()
    writer.writerows(fields)

    def seconds(count: int = 3) -> tuple[float, float]:
        requests, whole = [], []
        for _ in range(count):
            start = time.process_time()
            for each in fields:
                VideoRequest.model_validate(each | {"images": [LINK]})
            middle = time.process_time()
            assert len(read(file.getvalue()).rows) == 1000
            requests.append(middle - start)
            whole.append(time.process_time() - middle)
        return min(requests), min(whole)

    requests, whole = seconds()
    assert whole < 4 * requests


def test_rows_without_end_are_read_one_by_one(read: Read, tmp_path: Path) -> None:
    manifest = read("prompt,notes\n" + ("A," + "x" * 20_000 + "\n") * 500)
    assert len(manifest.rows) == 500


letters = st.characters(exclude_categories=("Cc", "Cs", "Cn"), exclude_characters="\u2028\u2029")
texts = st.text(letters, min_size=1, max_size=40)
#: What a manifest takes for something else on purpose: words for nothing, marks of spreadsheets.
requests = st.builds(
    VideoRequest,
    prompt=st.lists(texts, min_size=1, max_size=3).map(" then\n".join).map("A boat, ".__add__),
    model=st.sampled_from(["seedance2.0-std", "seedance2.0-mini-video"]),
    duration=st.sampled_from([5, 10]),
    ratio=st.sampled_from(["auto", "16:9", "9:16", "1:1"]),
    images=st.lists(st.from_regex(r"https://a\.example\.com/[a-z0-9,;=_-]{1,20}\.png", fullmatch=True), max_size=3),
    take=st.one_of(st.integers(1, 99).map(str), texts.map("take ".__add__)),
)
FIELDS = ("prompt", "model", "duration", "ratio", "images", "take")


def read_again(content: bytes, suffix: str) -> list[VideoRequest]:
    columns, where = Columns(), Origin("m", suffix, content, "/shop")
    rows = [row for record in open_table(content, suffix).table.records for row in rows_of(record, columns, where, 1)]
    assert [row.problems for row in rows if row.problems] == []
    return [row.request for row in rows if row.request]


@given(
    st.lists(requests, min_size=1, max_size=4),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
)
def test_what_is_written_as_csv_is_read_again(listed: list[VideoRequest], separator: str, encoding: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator)
    writer.writerow(FIELDS)
    for each in listed:
        values = each.model_dump()
        writer.writerow(["\n".join(value) if isinstance(value := values[name], list) else value for name in FIELDS])
    content = file.getvalue().encode(encoding)
    columns, where = Columns(), Origin("m", ".csv", content, "/shop")
    declared = "gb18030" if encoding == "gb18030" else ""
    records = open_table(content, ".csv", declared).table.records
    rows = [row for record in records for row in rows_of(record, columns, where, 1)]
    assert [row.request for row in rows] == listed, [row.problems for row in rows]


@given(st.lists(requests, min_size=1, max_size=4))
def test_what_is_written_as_json_is_read_again(listed: list[VideoRequest]) -> None:
    dumped = [each.model_dump(mode="json") for each in listed]
    assert read_again(json.dumps(dumped).encode(), ".json") == listed
    lines = "\n".join(json.dumps(each, ensure_ascii=False) for each in dumped)
    assert read_again(lines.encode(), ".jsonl") == listed
    assert read_again(reading.manifest_of(listed).content, ".json") == listed


@settings(max_examples=30)
@given(st.lists(requests, min_size=1, max_size=3))
def test_what_is_written_as_a_workbook_is_read_again(listed: list[VideoRequest]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(FIELDS)
    for each in listed:
        values = each.model_dump()
        sheet.append(["\n".join(value) if isinstance(value := values[name], list) else value for name in FIELDS])
    file = io.BytesIO()
    book.save(file)
    assert read_again(file.getvalue(), ".xlsx") == listed
