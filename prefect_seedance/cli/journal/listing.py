"""``prefect-seedance journal``: the records of a store, the newest first, and what they come to."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice

from prefect_seedance.cli.journal.totals import Totals
from prefect_seedance.cli.store_option import chosen_store
from prefect_seedance.cli.terminal import complain, say_document, say_rows
from prefect_seedance.journal.budget.ledger import amount
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.states import State
from prefect_seedance.plain_text import coin_words, cut, one_line

#: How many records are read between two words on that.
_TOLD_EVERY = 1000
#: How far the clocks of the workers and of the store may be apart.
_CLOCKS_SECONDS = 86_400.0
_LONGEST_PROMPT = 60
_COLUMNS = (
    "intent", "state", "updated (UTC)", "cost", "attempt", "submissions", "name", "model", "task id", "prompt",
)  # fmt: skip
#: Columns whose values say what they are.
_PLAIN = frozenset({"intent", "state", "cost", "model", "task id", "prompt"})


def list_records(options: argparse.Namespace) -> int:
    """List the records of a store: a table on a terminal, tab-separated lines when piped; the totals follow."""
    journal, totals = chosen_store(options.store).journal(), Totals()
    listed = islice(_counted(_asked(journal, options)), options.limit)
    if options.as_json:
        records = [facts_of(entry) for entry in _summed(listed, totals)]
        say_document({"location": journal.location, "records": records, "totals": totals.facts()})
        return 0
    say_rows(_COLUMNS, (_row(entry) for entry in _summed(listed, totals)), plain=_PLAIN)
    for line in totals.lines(one_line(journal.location)):
        complain(line)
    if totals.records == options.limit:
        complain(f"These are the newest; --limit {options.limit} leaves out older ones, if there are any.")
    return 0


def _asked(journal: Journal, options: argparse.Namespace) -> Iterator[Entry]:
    """Read the records that a command line asks for."""
    if options.open or options.unknown:
        entries = journal.open_records(newest_first=True)
    else:
        within = None if options.since is None else _seconds_since(options.since)
        entries = journal.records(within_seconds=within, newest_first=True)
    for entry in entries:
        if options.unknown and entry.state is not State.UNKNOWN:
            continue
        if options.since is not None and entry.record.updated_at < options.since:
            continue
        if options.account is None or entry.record.account == options.account:
            yield entry


def _seconds_since(moment: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - moment).total_seconds()) + _CLOCKS_SECONDS


def _counted(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Say now and then how far the reading has come, where a person is looking."""
    for number, entry in enumerate(entries):
        if number and number % _TOLD_EVERY == 0 and sys.stderr.isatty():
            complain(f"{number:,} records read ...")
        yield entry


def _summed(entries: Iterable[Entry], totals: Totals) -> Iterator[Entry]:
    for entry in entries:
        totals.count(entry)
        yield entry


def facts_of(entry: Entry) -> dict[str, object]:
    """Return a record as a program reads it."""
    record = entry.record
    attempt = record.current_attempt
    cost = amount(attempt.cost) if attempt else None
    return {
        "intent": record.intent,
        "state": str(entry.state),
        "attempt": attempt.name if attempt else "",
        "unsettled": [each.name for each in record.unsettled()],
        "account": record.account,
        "name": record.delivery.name,
        "model": record.model,
        "task_id": record.task_id,
        "submissions": record.submissions,
        "cost": None if cost is None else round(cost, 6),
        "updated_at": record.updated_at.isoformat(),
        "key": record.stored.key if record.stored else "",
        "prompt": str(record.request.get("prompt", "")),
    }


def _row(entry: Entry) -> tuple[str, ...]:
    record = entry.record
    attempt = record.current_attempt
    cost = amount(attempt.cost) if attempt else None
    return (
        record.intent,
        str(entry.state),
        f"{record.updated_at.astimezone(UTC):%Y-%m-%d %H:%M}",
        "" if cost is None else coin_words(cost),
        " ".join(each.name for each in record.unsettled()) or (attempt.name if attempt else ""),
        str(record.submissions),
        _cell(record.delivery.name),
        one_line(record.model),
        one_line(record.task_id),
        _cell(str(record.request.get("prompt", ""))),
    )


def _cell(text: str) -> str:
    return cut(" ".join(one_line(text).split()), _LONGEST_PROMPT)
