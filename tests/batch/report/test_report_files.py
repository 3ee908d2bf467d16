"""The files of a report in a store: where they lie, what they take of the videos, and that nothing overwrites them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.batch.models import HAVE_VIDEO, BatchReport
from prefect_seedance.batch.report.report_files import write_report
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store
from tests.batch.report.builders import (
    HOSTILE,
    destination_of,
    folder_at,
    manifest_of_bytes,
    mixed_rows,
    report_of,
    row_of,
    thumbnail,
)
from tests.batch.report.test_page import data_of
from tests.storage.s3_servers import BUCKET, S3Server

FOLDER = "reports/2026-11-27/nightly-lamps-456789ab"


def contents(store: Store, folder: str = FOLDER) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for key in store.list_keys(f"{folder}/"):
        with store.open_read(key) as file:
            found[key.removeprefix(f"{folder}/")] = file.read()
    return found


def test_a_report_lies_in_four_files(tmp_path: Path) -> None:
    destination = folder_at(tmp_path)
    rows = mixed_rows(30)
    content = b"\xff\xfep\x00r\x00 as it was read \x00"
    report = write_report(
        report_of(rows), destination, manifest=manifest_of_bytes(content), thumbnails={rows[1].intent: thumbnail()}
    )
    files = contents(destination.store)
    assert {*files} == {"report.html", "report.csv", "report.json", "manifest.csv"}
    assert report.report_uri == (tmp_path / FOLDER / "report.html").as_uri()
    assert files["manifest.csv"] == content
    again = BatchReport.model_validate_json(files["report.json"])
    assert again == report and again.counts == report_of(rows).counts
    data = data_of(files["report.html"])
    assert [row["number"] for row in data["rows"]] == [row.number for row in rows]
    assert data["rows"][1]["href"] == "../../../videos/2026/11/27/videos_0003.mp4"
    assert len(data["thumbs"]) == 1
    facts = {label: text for label, text, _ in data["facts"]}
    with_video = sum(row.outcome in HAVE_VIDEO for row in rows)
    assert facts["SHA-256 of the manifest"] == "ab" * 32
    assert facts["Watched"] == report.watched_words != ""
    whole = json.loads(files["report.json"])
    assert (whole["polls"], whole["mean_late_seconds"]) == (5 * with_video, 3.0) and 0 < whole["late_share"] < 1
    assert (whole["rows"][1]["polls"], whole["rows"][1]["late_seconds"]) == (5, 3.0)
    assert (whole["rows"][0]["polls"], whole["rows"][0]["late_seconds"]) == (0, None)
    assert ["Run", report.run_url, report.run_url] in data["facts"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("vendor", []),
        ("catalog", ["by estimate"]),
        ("vendor, without 2 earlier submissions", ["without 2 earlier submissions"]),
        ("catalog, without 1 earlier submission", ["without 1 earlier submission", "by estimate"]),
    ],
)
def test_a_cost_says_whether_it_is_an_estimate_and_what_it_leaves_out(
    tmp_path: Path, source: str, words: list[str]
) -> None:
    destination = folder_at(tmp_path)
    row = row_of(2, "stored").model_copy(update={"cost": 1.5, "cost_source": source})
    write_report(report_of([row]), destination, manifest=None)
    (shown,) = data_of(contents(destination.store)["report.html"])["rows"]
    assert shown["side"][:-1] == words


def test_a_row_that_shares_a_video_says_nothing_of_its_cost_but_whose_it_is(tmp_path: Path) -> None:
    destination = folder_at(tmp_path)
    told = {"cost": 1.5, "cost_source": "catalog, without 1 earlier submission"}
    owner = row_of(2, "stored").model_copy(update=told)
    write_report(
        report_of([owner, owner.model_copy(update={"number": 3, "shared_with": 2, "cost": 0.0})]),
        destination,
        manifest=None,
    )
    _, later = data_of(contents(destination.store)["report.html"])["rows"]
    assert later["unpriced"] == "with row 2" and later["side"][:-1] == []


def test_each_try_of_a_run_has_a_report_of_its_own(tmp_path: Path) -> None:
    destination = folder_at(tmp_path)
    first, second, other = (
        write_report(report, destination, manifest=None)
        for report in (
            report_of([row_of(2, "failed")]),
            report_of([row_of(2)]),
            report_of([row_of(2)], run_id="01a2b3c4-0000-7000-8000-fedcba987654"),
        )
    )
    places = [each.report_uri.split("/")[-2] for each in (first, second, other)]
    assert places == ["nightly-lamps-456789ab", "nightly-lamps-456789ab-2", "nightly-lamps-ba987654"]
    kept = BatchReport.model_validate_json(contents(destination.store)["report.json"])
    assert kept.counts == {"failed": 1}


@pytest.mark.parametrize("name", ["", "../../videos/x", "a/b\\c", "...", "Ä" * 300, "\x00\u202e", "nul", "a" * 300])
def test_any_name_of_a_run_names_a_folder(tmp_path: Path, name: str) -> None:
    destination = folder_at(tmp_path)
    report = write_report(report_of([row_of(2)], run_name=name), destination, manifest=None)
    (folder,) = (tmp_path / "reports/2026-11-27").iterdir()
    assert report.report_uri == (folder / "report.html").as_uri() and report.notices == []


@pytest.mark.parametrize("suffix", [".html", ".svg", ".mp4", "/../x", "", ".CSV"])
def test_a_manifest_is_nothing_that_a_browser_shows(tmp_path: Path, suffix: str) -> None:
    destination = folder_at(tmp_path)
    write_report(report_of([]), destination, manifest=manifest_of_bytes(suffix=suffix))
    expected = "manifest.csv" if suffix == ".CSV" else "manifest.bin"
    assert expected in contents(destination.store)


def test_a_bucket_gives_a_report_nothing_that_opens_videos(moto: S3Server) -> None:
    store = moto.store(acl="public-read", storage_class="STANDARD_IA", tags={"public": "yes"})
    write_report(report_of(mixed_rows(3)), destination_of(store), manifest=manifest_of_bytes())
    types: dict[str, str] = {}
    for key in store.list_keys(f"{FOLDER}/"):
        whole: dict[str, Any] = {"Bucket": BUCKET, "Key": store.bucket.key_of(key)}
        head = moto.client.head_object(**whole)
        grants = moto.client.get_object_acl(**whole)["Grants"]
        assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]
        assert head.get("StorageClass", "STANDARD") == "STANDARD"
        assert moto.client.get_object_tagging(**whole)["TagSet"] == []
        types[key.rpartition("/")[2]] = head["ContentType"]
    assert types == {
        "report.html": "text/html; charset=utf-8",
        "report.csv": "text/csv",
        "report.json": "application/json",
        "manifest.csv": "text/csv",
    }


def test_signed_links_stand_in_the_page_alone_and_only_if_asked_for(moto: S3Server) -> None:
    store = moto.store()
    destination = destination_of(store)
    rows = mixed_rows(5)
    write_report(report_of(rows), destination, manifest=None)
    assert all(b"Signature" not in content for content in contents(store).values())
    assert "href" not in data_of(contents(store)["report.html"])["rows"][1]
    report = write_report(report_of(rows), destination, manifest=None, link_seconds=3600)
    files = contents(store, f"{FOLDER}-2")
    data = data_of(files["report.html"])
    assert data["rows"][1]["href"].startswith(moto.url) and "Signature" in data["rows"][1]["href"]
    assert "href" not in data["rows"][0]  # it has no video
    assert data["notices"][0][0].startswith("Whoever has this page can watch the videos until ")
    assert b"Signature" not in files["report.csv"] + files["report.json"]
    assert "Signature" not in repr(report)


def test_links_that_cannot_be_signed_cost_themselves_alone(moto: S3Server) -> None:
    store = moto.store()
    write_report(report_of(mixed_rows(3)), destination_of(store), manifest=None, link_seconds=30 * 86_400)
    data = data_of(contents(store)["report.html"])
    assert "href" not in data["rows"][1] and data["rows"][1]["uri"].startswith("s3://")
    assert data["notices"][0][0].startswith("No links that play videos were made: a link can live from 1 to")


def test_no_text_of_a_row_brings_a_signature_into_a_file(tmp_path: Path) -> None:
    destination = folder_at(tmp_path)
    text = "see https://user:pa55w0rd@cdn.example.com/a.mp4?X-Amz-Signature=5eC2eT&X-Amz-Credential=AKIA5eC2eT"
    facts = {"name": text, "prompt": text, "reason": text, "advice": text}
    report = report_of([row_of(2, **facts)], source=text, notices=[text], stopped=text, run_name=text, scope=text)
    write_report(report, destination, manifest=None)
    (folder,) = (tmp_path / "reports/2026-11-27").iterdir()
    for file in folder.iterdir():
        assert b"5eC2eT" not in file.read_bytes() and b"pa55w0rd" not in file.read_bytes(), file.name


def test_hostile_texts_are_read_back_from_the_json(tmp_path: Path) -> None:
    destination = folder_at(tmp_path)
    rows = [row_of(number, name=text[:200], prompt=text) for number, text in enumerate(HOSTILE, 2)]
    write_report(report_of(rows), destination, manifest=None)
    again = BatchReport.model_validate_json(contents(destination.store)["report.json"])
    assert [row.prompt for row in again.rows] == [*HOSTILE]


def test_a_store_that_takes_nothing_costs_the_report_alone(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where the folder should be")
    report = write_report(report_of([row_of(2)]), folder_at(tmp_path), manifest=manifest_of_bytes())
    assert report.report_uri == ""
    assert [notice.partition(" could not be written")[0] for notice in report.notices] == [
        "The report's page",
        "The copy of the manifest",
        "The report as CSV",
        "The report as JSON",
    ]


def test_a_page_that_cannot_be_written_leaves_the_rest(tmp_path: Path) -> None:
    class NoPages(FolderStore):
        def create(self, key: str, data: bytes) -> str:
            if key.endswith(".html"):
                raise PermissionError("no pages here")
            return super().create(key, data)

    report = write_report(report_of([row_of(2)]), destination_of(NoPages(tmp_path)), manifest=None)
    assert report.report_uri == "" and len(report.notices) == 1
    (folder,) = (tmp_path / "reports/2026-11-27").iterdir()
    assert {file.name for file in folder.iterdir()} == {"report.csv", "report.json"}
