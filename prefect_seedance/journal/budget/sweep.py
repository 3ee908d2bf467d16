"""What becomes of entries whose owners do not settle them: their records decide.

    the attempt is ...                          its entry is
    not in the record, or certainly free        released
    in the record with a task                   settled at the cost that it names, else at what was reserved
    given up by a person                        settled at what was reserved
    being sent, and its claim has not lapsed    left
    anything else: perhaps billed               held

An attempt that is not in its record was never sent: the claim comes before the POST, and whoever comes late looks at
the stopwatch of the entry first. Except where the record itself is not what it was: an entry that is held has been in
it, and a restored record may have lost it: then it is settled with the attempt that stands for what was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from prefect_seedance.asides import AsideLog
from prefect_seedance.journal.budget import ledger as changes
from prefect_seedance.journal.budget.ledger import BudgetLedger, LedgerEntry, amount
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import JournalError
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Entry, Record
from prefect_seedance.journal.states import State
from prefect_seedance.storage.parallel import READS_AT_ONCE, in_order

_log = AsideLog(__name__)

#: An entry whose record cannot be read stays, and the next sweep looks again.
_PATIENCE = Patience(5.0)


@dataclass(frozen=True)
class Finding:
    """What a record says of an entry.

    Attributes:
        action: What becomes of the entry.
        cost: For "settle": what the vendor reported, None if nothing.
    """

    action: Literal["leave", "release", "hold", "settle"]
    cost: float | None = None


_LEAVE, _RELEASE, _HOLD, _SETTLE = Finding("leave"), Finding("release"), Finding("hold"), Finding("settle")


def finding_of(nonce: str, entry: LedgerEntry, found: Entry | None) -> Finding:
    """Judge an entry that has lapsed or is held.

    Args:
        nonce: Of its attempt.
        entry: As read, before its record was.
        found: The record as read, None if there is none.
    """
    if found is None:
        return _LEAVE if entry.held else _RELEASE
    record = found.record
    attempt = record.attempt_by(nonce)
    if attempt is None:
        return _of_restored(entry, record)
    if not attempt.counts:
        return _RELEASE
    if attempt.task_id:
        return Finding("settle", amount(attempt.cost))
    if record.state is State.LOST:
        return _SETTLE
    is_claim = record.holder is not None and record.holder.nonce == nonce
    return _LEAVE if found.state is State.SENDING and is_claim else _HOLD


def _of_restored(entry: LedgerEntry, record: Record) -> Finding:
    """Judge an entry whose attempt is not in its record: perhaps the one that a restored attempt stands for is."""
    restored = [each for each in record.attempts if each.restored and each.counts]
    if any(each.is_unsettled for each in restored):
        return _SETTLE if record.state is State.LOST else _HOLD
    attached = (each for each in restored if each.answered_at is None or entry.at <= each.answered_at.timestamp())
    found = next(attached, None)
    return Finding("settle", amount(found.cost)) if found else _RELEASE


def look(
    journal: Journal, entries: Iterable[tuple[str, LedgerEntry]], at_once: int = READS_AT_ONCE
) -> dict[str, Finding]:
    """Read the records of some entries, and judge these. One whose record cannot be read is left, and logged.

    Args:
        journal: Where the records lie.
        entries: By nonce of the attempt; all of this journal.
        at_once: How many records are read at the same time.
    """
    entries = list(entries)
    intents = sorted({entry.intent for _, entry in entries})
    reads = in_order(intents, lambda intent: _read(journal, intent), at_once=at_once) if at_once > 1 else None
    found = dict(zip(intents, reads or (_read(journal, intent) for intent in intents), strict=True))
    findings = dict[str, Finding]()
    for nonce, entry in entries:
        record = found[entry.intent]
        if isinstance(record, JournalError):
            _log.warning("The reservation of intent %s stays: %s", entry.intent, record)
        else:
            findings[nonce] = finding_of(nonce, entry, record)
    return findings


def _read(journal: Journal, intent: str) -> Entry | JournalError | None:
    try:
        return journal.read(intent, _PATIENCE)
    except JournalError as error:
        return error


def swept(
    ledger: BudgetLedger, seen: Mapping[str, LedgerEntry], findings: Mapping[str, Finding], now: float
) -> BudgetLedger:
    """Do what the records say, with the entries that still are what was judged."""
    act: dict[str, Callable[[BudgetLedger, str, Finding], BudgetLedger]] = {
        "leave": lambda ledger, nonce, finding: ledger,
        "release": lambda ledger, nonce, finding: changes.released(ledger, nonce),
        "hold": lambda ledger, nonce, finding: changes.held(ledger, nonce),
        "settle": lambda ledger, nonce, finding: changes.swept(ledger, nonce, finding.cost, now),
    }
    for nonce, finding in findings.items():
        if ledger.open.get(nonce) == seen[nonce]:
            ledger = act[finding.action](ledger, nonce, finding)
    return ledger
