"""All videos of a store on one page, by its journal, with what they cost by day and model."""

from __future__ import annotations

import heapq
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from prefect_seedance.batch.report.links import Links
from prefect_seedance.batch.report.page import MOST_ROWS, Fact, PageRow, ReportPage, Spend, at, coins_of, page_html
from prefect_seedance.batch.report.thumbnails import thumbnails_of
from prefect_seedance.journal.record import UNKNOWN_MOMENT, Attempt, Record
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.parties import Destination

#: Days that a plot shows each for itself, and months after that.
_MOST_DAYS, _MOST_MONTHS = 62, 60
#: Of clocks that do not agree: a record may be older by the store's clock than its own moments are.
_SLACK = timedelta(days=1)
_OUTCOMES = {
    State.STORED: "stored",
    State.FAILED: "failed",
    State.UNKNOWN: "unknown",
    State.REFUSED: "refused",
    State.LOST: "failed",
}


def gallery(destination: Destination, *, since: date | None = None, link_seconds: int = 0, to: str = "") -> str:
    """Write a page of all that a store has, the newest first: at most 10,000 videos, and the sums of all. Blocking.

    Args:
        destination: The store.
        since: Leave out what was last done before this day (UTC); None for nothing.
        link_seconds: How long links to videos in a bucket live, which whoever has the page can use; 0 for none.
        to: Path of the file to write, which is replaced; of a folder, the page is `gallery.html` in it. Empty for a
            place in the store, under `reports/`.

    Returns:
        Where the page is.

    Raises:
        StorageError, JournalUnavailable: The store cannot be read, or not be written.
        OSError: The file cannot be written.
        ValueError: `to` is not a path of this machine.
    """
    store, now = destination.store, datetime.now(UTC)
    path = _path(to) if to else None
    found = _found(destination, since, now)
    links = Links(store, link_seconds, path)
    rows = [_row(each, links) for each in found.newest]
    pictures = thumbnails_of((each.stored for each in found.newest if each.stored), destination)
    page = page_html(_page(found, rows, pictures, links, store.uri_of("x")[:-2], since, now))
    if path is not None:
        unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
        try:
            unfinished.write_bytes(page)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        return str(path)
    key = f"reports/{now:%Y-%m-%d}/gallery-{now:%H%M%S}-{uuid4().hex[:8]}/gallery.html"
    store.create(key, page)
    return store.uri_of(key)


@dataclass(frozen=True)
class _Video:
    """One record, and the video that it tells of."""

    record: Record
    state: State
    moment: datetime
    stored: StoredVideo | None


@dataclass
class _Found:
    """What a journal tells: the newest records, and sums of all."""

    newest: list[_Video] = field(default_factory=list[_Video])
    records: int = 0
    videos: int = 0
    bytes: int = 0
    unpriced: int = 0
    coins: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    paid: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])


def _path(to: str) -> Path:
    if "://" in to:
        raise ValueError(
            f"to: {to!r} is not a path of this machine; write one, or leave it out to write into the store"
        )
    path = Path(os.path.abspath(os.path.expanduser(to)))
    return path / "gallery.html" if path.is_dir() else path


def _found(destination: Destination, since: date | None, now: datetime) -> _Found:
    """Read the journal once. What is kept is bounded, however many records there are."""
    start = datetime(since.year, since.month, since.day, tzinfo=UTC) if since else None
    within = (now - start + _SLACK).total_seconds() if start else None
    if within is not None and within <= 0:
        return _Found()
    found, heap = _Found(), list[tuple[datetime, int, _Video]]()
    for number, entry in enumerate(destination.journal.records(within_seconds=within)):
        stored = stored_video_of(entry.record)
        moment = _aware(stored.stored_at if stored else entry.record.updated_at)
        _count_spend(found, entry.record, stored, start)
        if start and moment < start:
            continue
        found.records += 1
        if stored:
            found.videos += 1
            found.bytes += stored.bytes
        item = (moment, -number, _Video(entry.record, entry.state, moment, stored))
        heapq.heappush(heap, item) if len(heap) < MOST_ROWS else heapq.heappushpop(heap, item)
    found.newest = [video for _, _, video in sorted(heap, reverse=True)]
    return found


def stored_video_of(record: Record) -> StoredVideo | None:
    """Return the video of a record; None where it has none, or its facts are those of another version."""
    if record.state is State.STORED and record.stored is not None:
        with suppress(ValueError):  # facts of another version of this package
            return StoredVideo.model_validate(record.stored.model_dump())
    return None


def _count_spend(found: _Found, record: Record, stored: StoredVideo | None, start: datetime | None) -> None:
    for attempt in record.attempts:
        begun = _aware(attempt.started_at)
        if not attempt.task_id or (start and begun < start):
            continue
        cost = cost_of(attempt, stored)
        if cost is None:
            found.unpriced += 1
            continue
        day = "unknown" if begun == UNKNOWN_MOMENT else f"{begun:%Y-%m-%d}"
        found.coins[day, record.model] += cost
        found.paid[day, record.model] += 1


def cost_of(attempt: Attempt, stored: StoredVideo | None) -> float | None:
    """Return what a task cost, as far as it is known; nothing is expected of one that the vendor ended in failure."""
    if stored and stored.task_id == attempt.task_id and stored.cost is not None:
        return stored.cost
    if attempt.cost is not None:
        return attempt.cost
    return 0.0 if attempt.failure else attempt.price


def _row(video: _Video, links: Links) -> PageRow:
    record, stored, attempt = video.record, video.stored, video.record.current_attempt
    asked = record.request
    duration = asked.get("duration")
    meta = [
        stored.model if stored else record.model,
        f"{duration} s" if duration else "",
        str(asked.get("resolution") or ""),
        str(asked.get("ratio") or ""),
        f"take {record.take}" if record.take not in ("", "1") else "",
        f"account {record.account}" if record.account not in ("", "default") else "",
    ]
    cost = cost_of(attempt, stored) if attempt and attempt.task_id else None
    failed = attempt is not None and attempt.failure == "moderation" and video.state is State.FAILED
    completed, created = (stored.completed_at, stored.created_at) if stored else (None, None)
    return PageRow(
        number=0,
        name=record.delivery.name or (Path(stored.key).stem if stored else record.intent[:8]),
        outcome="moderated" if failed else _OUTCOMES.get(video.state, "in_progress"),
        reason=attempt.message if attempt and not stored else "",
        advice=_advice(video.state),
        prompt=str(asked.get("prompt") or ""),
        model=record.model,
        meta=meta,
        cost=cost,
        unpriced="cost not known" if stored and cost is None else "",
        side=[at(video.moment)],
        made_seconds=(completed - created).total_seconds() if completed and created else None,
        moment=video.moment,
        href=links.to(stored.key, stored.uri) if stored else "",
        uri=stored.uri if stored else "",
        task_id=record.task_id,
        picture=record.intent,
        upright=stored is not None and stored.height > stored.width,
    )


def _advice(state: State) -> str:
    if state is State.UNKNOWN:
        return "Nobody knows whether the vendor accepted it. resolve_submission settles it."
    if state in (State.SUBMITTED, State.COMPLETED):
        return "The vendor has it. Run collect_videos, or the same request again, to bring it into the store."
    return ""


def _page(
    found: _Found,
    rows: list[PageRow],
    pictures: dict[str, bytes],
    links: Links,
    where: str,
    since: date | None,
    now: datetime,
) -> ReportPage:
    total = sum(found.coins.values())
    totals = [("Videos", f"{found.videos:,}", _size(found.bytes)), ("Spent", coins_of(total), "coins")]
    if found.unpriced:
        totals.append(("Cost not known", f"{found.unpriced:,}", "videos"))
    if found.records > found.videos:
        totals.append(("Without a video", f"{found.records - found.videos:,}", ""))
    notices = [links.notice] if links.notice else []
    if found.records > len(rows):
        notices.append(f"This page shows the newest {len(rows):,} of {found.records:,}. The sums are of all of them.")
    period, spend = _spend(found)
    since_words = f" since {since:%Y-%m-%d}" if since else ""
    return ReportPage(
        kind="Gallery",
        title="Seedance videos",
        lead=f"All that {where} has{since_words}, as of {at(now)}.",
        totals=totals,
        rows=rows,
        thumbnails=pictures,
        facts=[Fact("Store", where), Fact("Made", at(now)), *([Fact("Since", f"{since}")] if since else [])],
        notices=notices,
        spend=spend,
        period="day" if period == "day" else "month",
        order="newest",
        noun="videos",
        media_origin=links.origin,
        unplayable=links.unplayable,
    )


def _spend(found: _Found) -> tuple[str, Sequence[Spend]]:
    days = {day for day, _ in found.coins}
    if len(days) <= _MOST_DAYS:
        return "day", [*_sums(found, days, characters=10)]
    months = sorted({day[:7] for day in days})[-_MOST_MONTHS:]
    return "month", [*_sums(found, months, characters=7)]


def _sums(found: _Found, periods: Iterable[str], characters: int) -> Iterable[Spend]:
    coins, paid = defaultdict[tuple[str, str], float](float), Counter[tuple[str, str]]()
    kept = {*periods}
    for (day, model), sum_of_day in found.coins.items():
        period = day[:characters]
        if period in kept:
            coins[period, model] += sum_of_day
            paid[period, model] += found.paid[day, model]
    for (period, model), total in sorted(coins.items()):
        yield Spend(period, model, round(total, 6), paid[period, model])


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
