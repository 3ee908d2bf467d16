"""The one notification at the end of a batch. Plain text: `notifiers` puts it into the language of each chat."""

from __future__ import annotations

from prefect_seedance.batch.models import BatchReport, outcome_words
from prefect_seedance.plain_text import cut
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.batch.page import reason_words
from prefect_seedance.runs.notifications.escaping import unlinked
from prefect_seedance.runs.pages.play_link import PlayLink

#: How many of the worst rows are named, and how much is said of each.
_MOST_ROWS, _LENGTH = 5, 150


def batch_message(report: BatchReport, run_url: str, *, link: PlayLink | None = None) -> tuple[str, str]:
    """Return subject and body.

    Args:
        report: What became of each row.
        run_url: Address of the run's page, "" where there is none.
        link: By which anybody can open the report; None where there is none.

    Example:
        >>> print(*batch_message(BatchReport(rows=[]), "https://prefect.example.com/runs/1"), sep="|")
        Batch: no rows|Paid now: 0 coins.
        The run: https://prefect.example.com/runs/1
    """
    counts = ", ".join(f"{count} {outcome_words(outcome)}" for outcome, count in report.counts.items())
    lines = [f"Manifest: {_theirs(report.source)}"] if report.source else []
    if counts:
        lines.append(f"Rows: {counts}.")
    lines.append(f"Paid now: {report.spent_words}.")
    if report.stopped:
        lines.append(f"Stopped: {_theirs(report.stopped)}")
    missing = report.missing
    for row in missing[:_MOST_ROWS]:
        label = f"Row {row.number}" + (f" ({_theirs(row.name, 60)})" if row.name else "")
        lines.append(f"{label}: {outcome_words(row.outcome)}. {_theirs(reason_words(row))}".rstrip())
    if len(missing) > _MOST_ROWS:
        lines.append(f"And {len(missing) - _MOST_ROWS} more without a video.")
    if report.report_uri:
        lines.append(f"Report: {without_signatures(report.report_uri)}")
    if link:
        lines += [link.life, link.url]
    if run_url:
        lines.append(f"The run: {run_url}")
    return f"Batch: {report.headline if report.rows else 'no rows'}", "\n".join(lines)


def _theirs(words: str, length: int = _LENGTH) -> str:
    """Return words of others on one line: an address in them is not one of our links."""
    return cut(unlinked(without_signatures(" ".join(words.split()))), length)
