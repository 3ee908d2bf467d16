"""What the budget of an account holds for a record that a person has settled: record first, then the ledger."""

from __future__ import annotations

from prefect_seedance.asides import aside
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Record
from prefect_seedance.storage.protocol import Store


def settle_budget(journal: Journal, record: Record, ledgers: Store | None = None) -> None:
    """Clear what is held for a record by what it says now. What cannot be done now waits for a sweep.

    Args:
        journal: The journal.
        record: As it was settled.
        ledgers: Where the budgets of the account are kept; None for the journal's own store.
    """
    aside(budget_of(journal, record, ledgers).sweep, [record.intent])


def budget_of(journal: Journal, record: Record, ledgers: Store | None = None) -> Budget:
    """Return the ledger of a record's account, without limits: what is paid is booked whatever they say."""
    return Budget(ledgers or journal.confirmed.store, account=record.account, limits=Limits(), journal=journal)
