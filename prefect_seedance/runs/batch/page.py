"""What the page of a batch's run shows: its rows as a table, and at the end the report with a contact sheet.

What cannot be shown is logged and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from prefect_seedance.batch.models import BatchReport, RowResult, outcome_words, worst_first
from prefect_seedance.plain_text import cut
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.notifications.escaping import cell, code, link, markdown, prose, unlinked
from prefect_seedance.runs.pages.play_link import PlayLink
from prefect_seedance.runs.pages.run_page import PAUSES, Page, image, inline_jpeg, shown, table

#: Rows of the table, and of the list on the page: the report has all of them.
_MOST_ROWS, _MOST_LISTED = 200, 20
#: Largest contact sheet that a page holds.
_SHEET_BYTES = 300_000
#: Longest reason in a table.
_REASON = 300


async def show_rows(rows: Sequence[RowResult]) -> None:
    """Put the rows on the run's page as a table, worst first, at most 200 of them."""
    drawn = rows_table(rows)

    async def page() -> str:
        return json.dumps(drawn, ensure_ascii=False)

    of_all = f"{len(drawn)} of {len(rows)} rows" if len(drawn) < len(rows) else f"{len(rows)} rows"
    await shown(Page(page, "seedance-batch-rows", f"{of_all}, worst first.", kind="table").draw, pauses=PAUSES)


async def show_report(report: BatchReport, sheet: bytes | None, link: PlayLink | None = None) -> None:
    """Put the report on the run's page: contact sheet, totals, and what to look into.

    Args:
        report: The report.
        sheet: The contact sheet as a JPEG of at most 300 kB; None for none.
        link: By which anybody can open report.html; None where there is none.
    """

    async def page() -> str:
        return report_markdown(report, link)

    described = report_description(report, sheet)
    await shown(Page(page, "seedance-batch-report", described).draw, pauses=PAUSES)


def rows_table(rows: Sequence[RowResult]) -> list[dict[str, str | int | float]]:
    """Return the table: one entry per row, with cells that are text in both of Prefect's UIs."""
    return [
        {
            "row": row.number,
            "name": unlinked(cell(row.name)),
            "outcome": outcome_words(row.outcome),
            "cost": "" if row.cost is None else row.cost,
            # No cell wraps: the task, which a reason begins with, would be all that is seen of it.
            "reason": unlinked(cell(reason_words(row).removeprefix(f"Task {row.task_id}: "))),
            "video": cell(without_signatures(row.uri)),
            "task": cell(row.task_id),
        }
        for row in worst_first(rows)[:_MOST_ROWS]
    ]


def report_description(report: BatchReport, sheet: bytes | None) -> str:
    """Word the report as the description of its page, which the run's own page shows: contact sheet, result, cost."""
    drawn = [image("Contact sheet", inline_jpeg(sheet))] if sheet and len(sheet) <= _SHEET_BYTES else []
    return "\n\n".join([*drawn, markdown(report.headline), f"Paid now: {markdown(report.spent_words)}"])


def report_markdown(report: BatchReport, report_link: PlayLink | None = None) -> str:
    """Word the report as Markdown; the contact sheet stands above it, in its description."""
    parts = [f"# {markdown(report.headline)}\n"]
    if report.advice:
        parts.append(f"{markdown(report.advice)}\n")
    if report.stopped:
        parts.append(f"**Stopped:** {markdown(without_signatures(report.stopped))}\n")
    parts.append(
        table(
            {
                **{outcome_words(outcome).capitalize(): str(count) for outcome, count in report.counts.items()},
                "Paid now": markdown(report.spent_words),
                "Manifest": code(without_signatures(report.source)),
                "Account": markdown(report.account),
                "Reuse": markdown(report.scope),
                "Part": markdown(report.part),
                "Began": f"{report.started_at:%Y-%m-%d %H:%M:%S} UTC" if report.started_at else "",
                "Ended": f"{report.ended_at:%Y-%m-%d %H:%M:%S} UTC" if report.ended_at else "",
            }
        )
    )
    if report.watched_words:
        parts.append(f"**Watched:** {markdown(report.watched_words)}\n")
    if report.report_uri:
        parts.append(f"Report, with every row:\n\n{code(without_signatures(report.report_uri))}\n")
    if report_link:
        parts.append(f"{link('Open the report', report_link.url)}. {markdown(report_link.life)}\n")
    if report.notices:
        parts.append(f"## Notices\n\n{prose(without_signatures(chr(10).join(report.notices)))}")
    if missing := report.missing:
        parts += [f"## Without a video\n\n{_list(missing[:_MOST_LISTED])}"]
        if len(missing) > _MOST_LISTED:
            parts.append(f"And {len(missing) - _MOST_LISTED} more, in the report.\n")
    return "\n".join(parts)


def reason_words(row: RowResult) -> str:
    """Return why a row has no video, without signatures and cut to size."""
    return cut(without_signatures(" ".join(row.reason.split())), _REASON)


def _list(rows: Sequence[RowResult]) -> str:
    """Write rows as a list, which wraps where a table is cut off."""
    lines: list[str] = []
    for row in rows:
        name = ", ".join(filter(None, (f"Row {row.number}", row.name)))
        said = " ".join(filter(None, (reason_words(row), without_signatures(row.advice))))
        lines.append(f"- **{_plain(f'{name}: {outcome_words(row.outcome)}')}.** {_plain(said)}".rstrip())
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return unlinked(markdown(text))
