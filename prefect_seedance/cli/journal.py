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
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.resolution import Resolution, resolve_unknown

_COLUMNS = ("intent", "state", "model", "task id", "paid", "cost", "updated", "prompt")


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
    console = Console()
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
    kind: Resolution = "attach" if options.task_id else "not_billed" if options.not_billed else "abandon"

    def fetch(task_id: str) -> VideoTask:
        with SeedanceCredentials.model_validate({}).get_client() as client:
            return client.get_video(task_id)

    journal = chosen_store(options.store).journal()
    entry = resolve_unknown(
        journal,
        options.intent,
        kind,
        task_id=options.task_id,
        by=getpass.getuser(),
        any_model=options.any_model,
        fetch=fetch,
    )
    print(f"Intent {options.intent} is now {entry.state}.")
    return 0


def _row(entry: Entry) -> tuple[str, ...]:
    record = entry.record
    attempt = record.current_attempt
    cost = "" if attempt is None or attempt.cost is None else f"{attempt.cost:g}"
    prompt = " ".join(str(record.request.get("prompt", "")).split())
    return (
        record.intent,
        str(entry.state),
        record.model,
        record.task_id,
        str(record.submissions),
        cost,
        f"{record.updated_at:%Y-%m-%d %H:%M}",
        prompt if len(prompt) <= 40 else prompt[:39] + "…",
    )
