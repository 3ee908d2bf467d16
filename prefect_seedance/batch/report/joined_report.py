"""One report of all the parts of a batch, made of what each part has left in the store.

A part's report is found by the id of its run, not by what Prefect remembers of the run: the store is what all of them
share, whichever machine a part ran on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from pydantic import ValidationError

from prefect_seedance.batch.models import BatchReport, RowResult
from prefect_seedance.batch.report.report_files import JSON_NAME, folder_name
from prefect_seedance.plain_text import cut
from prefect_seedance.storage.protocol import Store

_EDITED = (
    "The manifest was changed while its parts read it, so they are not parts of one table: a row may have two videos, "
    "or be missing. Run the same batch again once the table stays as it is: what is paid for is not paid again."
)
_AGAIN = "was run again, and one of its runs left no report: what it paid counts as paid before, not by this run."
#: How much of what stopped a part is repeated.
_LONGEST = 300


def days_of(started: datetime, ended: datetime) -> list[date]:
    """Return the days that a run's reports may lie under. The clocks of server and worker need not agree.

    Example:
        >>> [f"{day:%d}" for day in days_of(datetime(2026, 11, 27, 23), datetime(2026, 11, 28, 1))]
        ['26', '27', '28', '29']
    """
    first, last = started.date() - timedelta(days=1), ended.date() + timedelta(days=1)
    return [first + timedelta(days=number) for number in range(max(0, (last - first).days) + 1)]


def find_reports(store: Store, run_id: str, run_name: str, days: Sequence[date]) -> list[BatchReport]:
    """Return the reports of a run, in the order of its tries. Blocking. What is not a report is left out.

    Args:
        store: Where the run has written them.
        run_id: Of the flow run.
        run_name: What it is called. A person may have renamed it since, which only takes longer.
        days: When it may have begun.

    Raises:
        StorageError: The store cannot be read.
    """
    folder = folder_name(run_name, run_id)
    mark = folder.rpartition("-")[2]
    for beginning in (folder, ""):
        keys = (key for day in days for key in store.list_keys(f"reports/{day:%Y-%m-%d}/{beginning}"))
        read = (_read(store, key) for key in keys if f"-{mark}" in key and key.endswith(f"/{JSON_NAME}"))
        if found := [report for report in read if report is not None and report.run_id == run_id]:
            return sorted(found, key=lambda each: each.ended_at.timestamp() if each.ended_at else 0.0)
    return []


def join_reports(
    parts: Mapping[str, Sequence[BatchReport]],
    whole: BatchReport,
    *,
    missing: Mapping[str, str],
    silent: Collection[str] = (),
) -> BatchReport:
    """Return the report of the whole, with each row once.

    Args:
        parts: The reports of each part, such as "2/8": of all its runs, the latest last.
        whole: What is to be said of the run that joins them; its rows are replaced.
        missing: Parts that left no report at all, and why.
        silent: Parts of which a run left none, and a later one did.
    """
    rows: dict[tuple[int, str, str], RowResult] = {}
    for reports in parts.values():
        for report in reports:
            for row in report.rows:
                key = (row.number, row.take, row.intent)
                rows[key] = _after(rows[key], row) if key in rows else row
    identified = {row.number for row in rows.values() if row.intent}
    latest = [(part, reports[-1]) for part, reports in parts.items() if reports]
    first = latest[0][1] if latest else whole
    notices = [*whole.notices, *(f"Part {part}: {why}" for part, why in missing.items())]
    notices += [f"Part {part} {_AGAIN}" for part in silent]
    if len({report.manifest_sha256 for _, report in latest if report.manifest_sha256}) > 1:
        notices.append(_EDITED)
    notices += [notice for _, report in latest for notice in report.notices]
    return whole.model_copy(
        update={
            "source": first.source or whole.source,
            "manifest_sha256": first.manifest_sha256,
            "scope": first.scope or whole.scope,
            "notices": list(dict.fromkeys(notices)),
            "stopped": " ".join(_stops(latest)),
            # One part may have met a fault that passes where another has read the row.
            "rows": sorted(
                (row for row in rows.values() if row.intent or row.number not in identified),
                key=lambda row: (row.number, row.take),
            ),
        }
    )


def _stops(latest: Iterable[tuple[str, BatchReport]]) -> Iterator[str]:
    """Yield what has stopped parts, the same words once."""
    by_words: dict[str, list[str]] = {}
    for part, report in latest:
        if report.stopped:
            by_words.setdefault(cut(report.stopped, _LONGEST), []).append(part)
    for words, parts in by_words.items():
        yield f"Part {', '.join(parts)}: {words.rstrip('.')}."


def _after(earlier: RowResult, later: RowResult) -> RowResult:
    """Return what became of a row in two runs of its part: the later one tells, and both have paid."""
    if not earlier.submissions:
        return later
    paid = [each.cost for each in (earlier, later) if each.submissions and each.cost is not None]
    stored = later.outcome == "reused" and later.task_id == earlier.task_id
    return later.model_copy(
        update={
            "outcome": "stored" if stored else later.outcome,
            "submissions": earlier.submissions + later.submissions,
            "price": later.price if later.submissions else earlier.price,
            "cost": round(sum(paid), 6) if paid else None,
            "cost_source": later.cost_source if later.submissions else earlier.cost_source,
        }
    )


def _read(store: Store, key: str) -> BatchReport | None:
    blob = store.get(key)
    try:
        return BatchReport.model_validate_json(blob.data) if blob else None
    except ValidationError:
        return None
