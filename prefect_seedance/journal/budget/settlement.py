"""What the budget of an account holds for a record that a person has settled: record first, then the ledger."""

from __future__ import annotations

from prefect_seedance.asides import aside
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.reservation import Reservation
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Attempt, Record
from prefect_seedance.storage.protocol import Store


def settle_budget(journal: Journal, record: Record, ledgers: Store | None = None) -> None:
    """Clear what is held for a record by what it says now. What cannot be done now waits for a sweep.

    Args:
        journal: The journal.
        record: As it was settled.
        ledgers: Where the budgets of the account are kept; None for the journal's own store.
    """
    aside(_budget_of(journal, record, ledgers).sweep, [record.intent])


def book(
    journal: Journal, record: Record, attempt: Attempt, cost: float | None, ledgers: Store | None = None
) -> Reservation:
    """Enter an attempt that nothing is held for and that a person says was paid for: before its record says so.

    Args:
        journal: The journal.
        record: As it was read.
        attempt: Which attempt of it.
        cost: What the vendor reports; None for the price that was expected.
        ledgers: Where the budgets of the account are kept; None for the journal's own store.

    Raises:
        BudgetDamaged, BudgetTooNew: The ledger cannot be read, or not be written.
        JournalUnavailable: The store does not work.
    """
    coins = attempt.price if cost is None else cost
    return _budget_of(journal, record, ledgers).book(attempt.nonce, record.intent, coins=coins, billing=record.model)


def _budget_of(journal: Journal, record: Record, ledgers: Store | None) -> Budget:
    """Return the ledger of a record's account, without limits: what is paid is booked whatever they say."""
    return Budget(ledgers or journal.confirmed.store, account=record.account, limits=Limits(), journal=journal)
