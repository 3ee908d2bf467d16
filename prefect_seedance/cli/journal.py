"""``prefect-seedance journal`` and ``resolve``: looking at the records of a store, and settling one."""

from __future__ import annotations

import argparse
import getpass
import sys

from rich.console import Console
from rich.table import Table

from prefect_seedance import SeedanceCredentials
from prefect_seedance.cli.store_option import chosen_store
from prefect_seedance.client.models import VideoTask
from prefect_seedance.journal.errors import BalanceContradicts
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.resolution import Resolution, remarks, resolve_unknown
from prefect_seedance.redaction import clean_text

#: Wider than any row: a terminal wraps a long line itself, and what was wrapped there can still be copied in one piece.
_WIDTH = 1000
_COLUMNS = ("intent", "state", "attempt", "model", "task id", "submissions", "cost", "updated", "prompt")


def list_records(options: argparse.Namespace) -> int:
    """List the records of a store: a table on a terminal, tab-separated lines when piped."""
    journal = chosen_store(options.store).journal()
    if options.unknown:
        entries = journal.unknown_records()
    elif options.open:
        entries = journal.open_records()
    else:
        entries = journal.records()
    rows = [_row(entry) for entry in entries]
    # A prompt is shown as it is: what looks like rich's markup in it is none.
    console = Console(width=_WIDTH, markup=False, emoji=False)
    if console.is_terminal:
        table = Table(*_COLUMNS, box=None)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        for row in (_COLUMNS, *rows):
            print("\t".join(row))
    print(f"{len(rows)} record{'s' if len(rows) != 1 else ''} in {journal.location}", file=sys.stderr)
    return 0


def resolve(options: argparse.Namespace) -> int:
    """Settle an unknown submission."""
    kind: Resolution = "attach"  # which refuses an empty id, should a shell's variable have been empty
    if options.abandon:
        kind = "abandon"
    elif options.not_billed:
        kind = "not_billed"
    elif options.restore:
        kind = "restore"

    def fetch(task_id: str) -> VideoTask:
        with SeedanceCredentials.model_validate({}).get_client() as client:
            return client.get_video(task_id)

    journal = chosen_store(options.store).journal()

    def settle(attempt: str, *, despite_evidence: bool) -> Entry:
        return resolve_unknown(
            journal,
            options.intent,
            kind,
            task_id=options.task_id,
            attempt=attempt,
            by=getpass.getuser(),
            any_model=options.any_model,
            any_age=options.any_age,
            despite_evidence=despite_evidence,
            fetch=fetch,
        )

    try:
        entry = settle(options.attempt, despite_evidence=options.yes)
    except BalanceContradicts as doubt:
        if not sys.stdin.isatty():
            raise
        print(doubt.balance, file=sys.stderr)
        if not _said_yes(f"Settle attempt {doubt.attempt_name} as not billed all the same? [y/N] "):
            print("Nothing was changed.", file=sys.stderr)
            return 1
        entry = settle(doubt.attempt_name, despite_evidence=True)
    print(f"Intent {entry.record.intent} is now {entry.state}.")
    for remark in remarks(entry, kind, journal.store_option):
        print(remark)
    return 0


def _said_yes(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _row(entry: Entry) -> tuple[str, ...]:
    record = entry.record
    attempt = record.current_attempt
    cost = "" if attempt is None or attempt.cost is None else f"{attempt.cost:g}"
    prompt = " ".join(clean_text(str(record.request.get("prompt", ""))).split())
    return (
        record.intent,
        str(entry.state),
        " ".join(each.name for each in record.unsettled()) or (attempt.name if attempt else ""),
        clean_text(record.model),
        clean_text(record.task_id),
        str(record.submissions),
        cost,
        f"{record.updated_at:%Y-%m-%d %H:%M}",
        prompt if len(prompt) <= 40 else prompt[:39] + "…",
    )
