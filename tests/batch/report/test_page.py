"""The page by its bytes: its policy, its size, and how what it shows is written."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from prefect_seedance.batch.report.page import PageRow, ReportPage, page_html, shown
from tests.batch.report.builders import HOSTILE, thumbnail

MOST_BYTES = 8_000_000


def page_of(rows: list[PageRow], **more: Any) -> bytes:
    return page_html(ReportPage("Batch report", "nightly", "", [], rows, **more))


def data_of(page: bytes) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.decode(), re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_ends_the_block_of_data(text: str) -> None:
    row = PageRow(2, text, "stored", text, text, text, text, [text], side=[text], uri=text, task_id=text, href=text)
    page = page_of([row], notices=[text], stopped=text)
    data = data_of(page)
    written = page.decode().split('id="data">')[1].split("</script>")[0]
    assert not any(character in written for character in "<>&\u2028\u2029")
    assert data["rows"][0]["prompt"] == shown(text, 8000)
    assert page.count(b"<script") == 2 == page.count(b"</script>")


def test_half_a_surrogate_pair_is_written_too() -> None:
    assert data_of(page_of([PageRow(2, "\ud800", "stored", prompt="a\udfffb")]))["rows"][0]["prompt"] == "a�b"


def test_the_policy_lets_only_the_pages_own_script_and_style_run() -> None:
    page = page_of([]).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    rules = dict(rule.split(" ", 1) for rule in policy[1].replace("&#x27;", "'").split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    for name, tag in (("script-src", "<script>"), ("style-src", "<style>")):
        content = page.split(tag)[1].split("</" + tag[1:])[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"


@pytest.mark.parametrize(
    ("origin", "taken"),
    [
        ("https://bucket.s3.eu-central-1.amazonaws.com", True),
        ("http://127.0.0.1:9000", True),
        ("http://[::1]:9000", True),
        ("https://*", False),
        ("https://a.example.com; script-src 'unsafe-inline'", False),
        ('https://a.example.com"><script>', False),
        ("blob:", False),
    ],
)
def test_videos_are_played_from_one_host_of_the_web_at_most(origin: str, taken: bool) -> None:
    head = page_of([], media_origin=origin).split(b"<style>")[0].decode()
    assert (origin in head) is taken
    assert "unsafe" not in head


def test_a_thousand_rows_with_the_largest_pictures_stay_below_8_mb() -> None:
    picture = thumbnail(noise=True)
    rows = [PageRow(at, f"lamp {at}", "stored", prompt="灯" * 200, picture=f"{at}") for at in range(1000)]
    page = page_of(rows, thumbnails={f"{at}": picture for at in range(1000)})
    assert len(page) <= MOST_BYTES
    data = data_of(page)
    assert len(data["rows"]) == 1000
    assert len(data["thumbs"]) > 900


def test_our_own_thumbnails_all_have_room() -> None:
    picture = thumbnail(noise=True)[:4500]
    rows = [PageRow(at, f"lamp {at}", "stored", prompt="A lamp. " * 60, picture=f"{at}") for at in range(1000)]
    page = page_of(rows, thumbnails={f"{at}": picture for at in range(1000)})
    assert len(page) <= MOST_BYTES
    assert len(data_of(page)["thumbs"]) == 1000 and data_of(page)["notices"] == []


def test_texts_without_end_are_shortened_and_no_row_is_lost() -> None:
    rows = [PageRow(at, f"lamp {at}", "failed", reason="<" * 9000, prompt="<" * 9000) for at in range(1000)]
    page = page_of(rows)
    assert len(page) <= MOST_BYTES
    assert len(data_of(page)["rows"]) == 1000
    assert data_of(page)["notices"] == [["Long texts are shortened on this page.", ""]]


def test_what_a_page_leaves_out_it_says() -> None:
    data = data_of(page_of([PageRow(at, "", "stored") for at in range(10_050)]))
    assert len(data["rows"]) == 10_000
    assert data["notices"] == [["This page shows the first 10,000 of 10,050 rows.", ""]]


def test_a_picture_that_rows_share_is_there_once() -> None:
    rows = [PageRow(2, "a", "stored", picture="x"), PageRow(3, "b", "stored", picture="x")]
    data = data_of(page_of(rows, thumbnails={"x": thumbnail()}))
    assert [row["thumb"] for row in data["rows"]] == [0, 0] and len(data["thumbs"]) == 1


def test_what_is_larger_than_a_thumbnail_is_none() -> None:
    data = data_of(page_of([PageRow(2, "a", "stored", picture="x")], thumbnails={"x": bytes(6001)}))
    assert data["thumbs"] == []
