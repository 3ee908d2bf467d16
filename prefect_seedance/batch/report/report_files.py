"""The report of a batch in the store: a page, a table, the report itself, and the manifest as it was read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import uuid4

from prefect_seedance.asides import AsideLog, words_of
from prefect_seedance.batch.models import COST_WITHOUT, HAVE_VIDEO, BatchReport, RowResult
from prefect_seedance.batch.report.links import Links
from prefect_seedance.batch.report.page import Fact, PageRow, ReportPage, at, coins_of, length, page_html, shown
from prefect_seedance.batch.report.spreadsheet import spreadsheet
from prefect_seedance.batch.rows import Manifest
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.redaction import shown_json, without_signatures
from prefect_seedance.storage.errors import AlreadyExists
from prefect_seedance.storage.protocol import Store

_LOG = AsideLog(__name__)
#: Names of the page and of the report itself in their folder.
PAGE, JSON_NAME = "report.html", "report.json"
_UNSAFE = re.compile(r"[^A-Za-z0-9._\-]+")
#: What a manifest may end with; anything else is kept under a name that no browser shows.
_SUFFIXES = frozenset(
    {".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".xlsb", ".ods", ".parquet"}
)
#: How many tries of a run get a number.
_MOST_TRIES = 200


def write_report(
    report: BatchReport,
    destination: Destination,
    *,
    manifest: Manifest | None,
    thumbnails: Mapping[str, bytes] = MappingProxyType({}),
    link_seconds: int = 0,
) -> BatchReport:
    """Write the report of a batch into its store. Blocking; never raises: what cannot be written is a notice.

    `reports/<date>/<run>/` gets `report.html`, `report.csv`, `report.json` and `manifest` with its suffix. Nothing is
    overwritten: a run that is tried again writes beside the first report, under its name with ``-2``.

    Args:
        report: What became of each row.
        destination: The store.
        manifest: Kept as it was read, whatever it holds; None for none.
        thumbnails: JPEGs by intent, see `thumbnails_of`.
        link_seconds: How long links to videos in a bucket live that stand in the page, and nowhere else; 0 for none.

    Returns:
        The report with its address, if the page could be written, and with notices of what could not.
    """
    store = destination.store
    problems: list[str] = []

    def tried(what: str, write: Callable[[], str]) -> str:
        try:
            return write()
        except Exception as error:
            problems.append(f"{what} could not be written: {words_of(error)}")
            _LOG.warning("%s", problems[-1])
            return ""

    def write_page() -> str:
        copy = f"manifest{_suffix(manifest)}" if manifest else ""
        page = page_html(_page(report, Links(store, link_seconds), thumbnails, copy))
        return _in_first_free(store, _folders(report), page)

    folder = tried("The report's page", write_page)
    if folder:
        report = report.model_copy(update={"report_uri": store.uri_of(f"{folder}/{PAGE}")})
    else:  # what is written without it is in nobody's way
        folder = f"{next(_folders(report))}-{uuid4().hex[:8]}"
    if manifest is not None:
        kept, key = manifest.content, f"{folder}/manifest{_suffix(manifest)}"
        tried("The copy of the manifest", lambda: store.create(key, kept))
    tried("The report as CSV", lambda: store.create(f"{folder}/report.csv", spreadsheet(report.rows)))
    told = report.model_copy(update={"notices": [*report.notices, *problems]})
    tried("The report as JSON", lambda: store.create(f"{folder}/{JSON_NAME}", report_json(told)))
    return report.model_copy(update={"notices": [*report.notices, *problems]})


def report_json(report: BatchReport) -> bytes:
    """Return a report as JSON that `BatchReport` can read again. No link in it opens anything."""
    clean = shown_json(report.model_dump(mode="json"), without_signatures)
    return (json.dumps(clean, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def folder_name(run_name: str, run_id: str) -> str:
    """Return what the name of a run's report folders begins with, in all of its tries.

    Example:
        >>> folder_name("generate-videos: spring.csv 2/8", "0197a3b2-9d1c-7c3e-8f00-2E5B2CED3957")
        'generate-videos-spring.csv-2-8-2ced3957'
    """
    name = _UNSAFE.sub("-", shown(run_name, 200))[:80].strip(".-") or "batch"
    # The end of an id: the beginning of Prefect's tells the time, and runs of one moment would share it.
    mark = re.sub(r"[^0-9A-Za-z]", "", run_id)[-8:].lower() or uuid4().hex[:8]
    return f"{name}-{mark}"


def _folders(report: BatchReport) -> Iterator[str]:
    """Yield the folders that a report may lie in, for the first try of a run, its second and so on."""
    begun = report.started_at or datetime.now(UTC)
    day = (begun.astimezone(UTC) if begun.tzinfo else begun).strftime("%Y-%m-%d")
    first = f"reports/{day}/{folder_name(report.run_name, report.run_id)}"
    yield first
    for number in range(2, _MOST_TRIES):
        yield f"{first}-{number}"
    yield f"{first}-{uuid4().hex}"


def _in_first_free(store: Store, folders: Iterator[str], page: bytes) -> str:
    """Write the page into the first folder that has none, and return which that is. The page claims its folder."""
    for folder in folders:
        key = f"{folder}/{PAGE}"
        if store.stat(key):
            continue
        with suppress(AlreadyExists):  # another try was faster
            store.create(key, page)
            return folder
    raise AlreadyExists(store.uri_of(PAGE))


def _suffix(manifest: Manifest) -> str:
    suffix = manifest.suffix.lower()
    return suffix if suffix in _SUFFIXES else ".bin"


def _page(report: BatchReport, links: Links, thumbnails: Mapping[str, bytes], manifest_name: str) -> ReportPage:
    rows = [_row(row, links) for row in report.rows]
    have = sum(row.outcome in HAVE_VIDEO for row in report.rows)
    totals = [("Videos", f"{have:,}", f"of {len(rows):,} rows"), ("Paid by this run", coins_of(report.spent), "coins")]
    if report.of_unknown_cost:
        totals.append(("Cost not known", f"{report.of_unknown_cost:,}", "videos"))
    if submitted := report.counts.get("submitted", 0):
        totals.append(("Submitted", f"{submitted:,}", "rows"))
    if missing := len(rows) - have - submitted:
        totals.append(("Without a video", f"{missing:,}", "rows"))
    if report.started_at and report.ended_at:
        totals.append(("Took", length((report.ended_at - report.started_at).total_seconds()), ""))
    return ReportPage(
        kind="Batch report",
        title=report.run_name or "Seedance batch",
        lead=report.advice,
        totals=totals,
        rows=rows,
        thumbnails=thumbnails,
        facts=[*_facts(report, links, manifest_name)],
        notices=[*filter(None, [links.notice]), *report.notices],
        stopped=report.stopped,
        media_origin=links.origin,
        unplayable=links.unplayable,
    )


def _facts(report: BatchReport, links: Links, manifest_name: str) -> Iterator[Fact]:
    said = {
        "Manifest": report.source,
        "SHA-256 of the manifest": report.manifest_sha256,
        "Account": report.account,
        "Reuse scope": report.scope,
        "Part": report.part,
        "Started": at(report.started_at),
        "Ended": at(report.ended_at),
        "Watched": report.watched_words,
    }
    yield from (Fact(label, text) for label, text in said.items() if text)
    if report.run_url:
        yield Fact("Run", report.run_url, report.run_url)
    for label, name in (("As a table", "report.csv"), ("As JSON", JSON_NAME), ("Manifest as read", manifest_name)):
        if name:
            yield Fact(label, name, f"./{name}" if links.in_folder else "")


def _row(row: RowResult, links: Links) -> PageRow:
    have = row.outcome in HAVE_VIDEO
    asked = [row.model, f"{row.duration} s" if row.duration else "", row.resolution, row.ratio]
    if row.take not in ("", "1"):
        asked.append(f"take {row.take}")
    if row.shared_with:
        asked.append(f"same video as row {row.shared_with}")
    cost, unpriced, side = row.cost, "", [at(row.stored_at)]
    if row.shared_with:
        cost, unpriced = None, f"with row {row.shared_with}"
    elif row.outcome == "reused" or (row.outcome == "submitted" and not row.submissions):
        cost, unpriced = None, "paid before"
    elif cost is None and row.submissions:
        unpriced = "cost not known"
    source, separator, left_out = row.cost_source.partition(COST_WITHOUT)
    if cost is not None and source not in ("", "vendor"):
        side.insert(0, "by estimate")
    if separator and not row.shared_with:
        side.insert(0, f"without {left_out}")
    return PageRow(
        number=row.number,
        name=row.name,
        outcome=row.outcome,
        reason=row.reason,
        advice=row.advice,
        prompt=row.prompt,
        model=row.model,
        meta=asked,
        cost=cost if cost or have or row.submissions else None,
        unpriced=unpriced,
        side=side,
        made_seconds=row.made_seconds,
        moment=row.stored_at,
        href=links.to(row.key, row.uri) if have else "",
        uri=row.uri,
        task_id=row.task_id,
        picture=row.intent,
        upright=row.height > row.width,
    )
