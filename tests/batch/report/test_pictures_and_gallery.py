"""Thumbnails from posters that lie in a store, and the page of a whole store from its journal."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from prefect_seedance.batch.report.contact_sheet import contact_sheet
from prefect_seedance.batch.report.gallery import gallery
from prefect_seedance.batch.report.thumbnails import thumbnails_of
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Attempt, Entry, Record, Stored
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.batch.report.builders import folder_at, row_of
from tests.batch.report.test_page import data_of
from tests.pipeline.harness import REQUEST, Vendor, order_of
from tests.pipeline.stored import stored_video

NOW = datetime.now(UTC)


def poster(width: int = 640, height: int = 360) -> bytes:
    written = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(written, "JPEG")
    return written.getvalue()


def test_stored_posters_become_thumbnails_and_bad_ones_cost_themselves_alone(tmp_path: Path) -> None:
    destination = folder_at(tmp_path)
    contents = {2: poster(), 3: b"<script>no picture</script>", 4: poster(9000, 9000), 5: bytes(5_000_000), 7: poster()}
    rows = [row_of(number, "reused") for number in range(2, 9)]
    rows = [row.model_copy(update={"poster_uri": destination.store.uri_of(f"{row.key[:-4]}.jpg")}) for row in rows]
    for row in rows:
        if row.number in contents:
            destination.store.create(f"{row.key[:-4]}.jpg", contents[row.number])
    rows[-1] = rows[0].model_copy(update={"number": 8})  # a row that shares a video
    foreign = row_of(9).model_copy(update={"poster_uri": "file:///etc/passwd"})
    thumbnails = thumbnails_of([*rows, foreign, row_of(10, "failed")], destination)
    assert {*thumbnails} == {rows[0].intent, rows[5].intent}
    assert all(len(jpeg) <= 4500 for jpeg in thumbnails.values())
    sheet = contact_sheet([*thumbnails.values()])
    assert sheet is not None and max(Image.open(io.BytesIO(sheet)).size) <= 2 * 160 + 12


def test_a_gallery_shows_what_a_store_has(vendor: Vendor, destination: Destination, tmp_path: Path) -> None:
    first = VideoRequest(prompt="A paper boat <b>crosses</b> a puddle", duration=4)
    for request in (first, REQUEST):
        deliver(*vendor.completed(destination, order_of(request)), vendor.account, destination)
    where = gallery(destination)
    page = Path(unquote(urlsplit(where).path))
    data = data_of(page.read_bytes())
    assert len(data["rows"]) == 2 == len(data["thumbs"])
    assert {row["prompt"] for row in data["rows"]} == {first.prompt, REQUEST.prompt}
    for row in data["rows"]:
        assert row["outcome"] == "stored" and (page.parent / row["href"]).read_bytes()[4:8] == b"ftyp"
    spent = sum(row["cost"] for row in data["rows"])
    assert spent > 0 and sum(coins for _, _, coins, _ in data["spend"]) == pytest.approx(spent)
    assert [period for period, *_ in data["spend"]] == [f"{NOW:%Y-%m-%d}"] or len(data["spend"]) == 2
    assert gallery(destination) != where

    outside = tmp_path / "elsewhere" / "my page.html"
    outside.parent.mkdir()
    assert gallery(destination, to=str(outside)) == str(outside)
    beside = data_of(outside.read_bytes())["rows"][0]["href"]
    assert (outside.parent / beside).is_file()

    tomorrow = gallery(destination, since=(NOW + timedelta(days=2)).date())
    assert data_of(Path(unquote(urlsplit(tomorrow).path)).read_bytes())["rows"] == []


def test_a_gallery_is_no_address_of_the_web(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a path"):
        gallery(folder_at(tmp_path), to="s3://bucket/page.html")


def record_of(number: int, state: State = State.STORED, **attempt: object) -> Record:
    begun = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    intent, task_id = f"{number:032x}", f"videos_{number}"
    facts = {"number": 1, "nonce": "n", "started_at": begun, "outcome": "accepted", "task_id": task_id, "cost": 0.5}
    stored = stored_video(f"file:///x/{task_id}.mp4", intent=intent, task_id=task_id, cost=0.5, stored_at=begun)
    return Record(
        intent=intent,
        state=state,
        request={"prompt": f"Lamp {number}", "duration": 5},
        take="1",
        scope="always",
        account="default",
        model=f"model-{number % 9}",
        created_at=begun,
        updated_at=begun,
        current=1,
        attempts=(Attempt.model_validate(facts | attempt),),
        stored=Stored.model_validate(stored.model_dump(mode="json")) if state is State.STORED else None,
    )


class Told(Journal):
    """A journal that tells of these records."""

    told: list[Record]

    def records(self, *, within_seconds: float | None = None) -> Iterator[Entry]:
        return (Entry(record, "", 0.0) for record in self.told)


def gallery_of(records: list[Record], tmp_path: Path, since: date | None = None) -> dict[str, object]:
    store = FolderStore(tmp_path)
    journal = Told(store)
    journal.told = records
    where = gallery(Destination(store, journal, "videos/{task_id}.mp4", MediaPolicy()), since=since)
    return data_of(Path(unquote(urlsplit(where).path)).read_bytes())


def test_a_gallery_of_very_many_shows_the_newest_and_adds_up_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.batch.report.gallery.MOST_ROWS", 100)
    data = gallery_of([record_of(24 * day) for day in range(150)], tmp_path)
    rows, totals = data["rows"], data["totals"]
    assert isinstance(rows, list) and len(rows) == 100
    assert (rows[0]["prompt"], rows[-1]["prompt"]) == (f"Lamp {24 * 149}", f"Lamp {24 * 50}")
    assert totals == [["Videos", "150", "150 bytes"], ["Spent", "75", "coins"]]
    assert ["This page shows the newest 100 of 150. The sums are of all of them.", ""] in data["notices"]  # type: ignore[operator]
    spend = data["spend"]
    assert data["period"] == "month" and isinstance(spend, list)
    assert sum(coins for _, _, coins, _ in spend) == pytest.approx(75)


def test_a_gallery_tells_what_has_no_video_and_what_became_of_it(tmp_path: Path) -> None:
    records = [
        record_of(1),
        record_of(2, State.FAILED, failure="moderation", message="The prompt is not allowed.", cost=None, price=0.9),
        record_of(3, State.FAILED, failure="transient", cost=None, price=0.9),
        record_of(4, State.UNKNOWN, outcome="unknown", task_id="", cost=None),
        record_of(5, State.SUBMITTED, cost=None, price=0.7),
        record_of(6, State.SUBMITTED, cost=None),
    ]
    data = gallery_of(records, tmp_path)
    rows = {row["prompt"]: row for row in data["rows"]}  # type: ignore[union-attr]
    assert {prompt: row["outcome"] for prompt, row in rows.items()} == {
        "Lamp 1": "stored",
        "Lamp 2": "moderated",
        "Lamp 3": "failed",
        "Lamp 4": "unknown",
        "Lamp 5": "in_progress",
        "Lamp 6": "in_progress",
    }
    assert rows["Lamp 2"]["reason"] == "The prompt is not allowed."
    assert data["totals"] == [
        ["Videos", "1", "1 bytes"],
        ["Spent", "1.2", "coins"],
        ["Cost not known", "1", "videos"],
        ["Without a video", "5", ""],
    ]


def test_a_gallery_since_a_day_leaves_out_what_is_older(tmp_path: Path) -> None:
    data = gallery_of([record_of(number) for number in range(72)], tmp_path, since=date(2026, 1, 3))
    rows = data["rows"]
    assert isinstance(rows, list) and len(rows) == 24
    assert {period for period, *_ in data["spend"]} == {"2026-01-03"}  # type: ignore[union-attr]
