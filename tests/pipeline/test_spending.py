"""Several budgets that a submission has to fit into: it is entered in all of them, or in none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prefect_seedance.client.outcome import Accepted
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.reservation import Reservation, Wait
from prefect_seedance.journal.errors import OverBudget
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.spending import Spending
from prefect_seedance.stopwatch import start_stopwatch
from tests.pipeline.harness import account_at


@pytest.fixture
def account() -> Account:
    return replace(account_at("http://127.0.0.1:9"), limits=Limits(daily=0.5))


def reserve(spending: Spending, nonce: str, coins: float) -> Reservation | Wait:
    return spending.reserve(
        nonce, "a" * 32, coins=coins, billing="std", lease_seconds=210.0, start_stopwatch=lambda: start_stopwatch()
    )


def entries(spending: Spending) -> list[list[str]]:
    """What each budget holds something for."""
    return [[entry.nonce for entry in budget.standing().entries] for budget in spending._budgets]


def test_what_fits_is_entered_in_each_budget_and_spent_in_each(account: Account, destination: Destination) -> None:
    spending = Spending.of(account, destination, max_cost=1.0, run_key="root")
    made = reserve(spending, "n0", 0.4)
    assert not isinstance(made, Wait) and made.leaves_room(1.0)
    assert entries(spending) == [["n0"], ["n0"]]
    made.settled(Accepted("videos_1", cost=0.4))
    assert entries(spending) == [[], []]
    with pytest.raises(OverBudget):
        reserve(spending, "n1", 0.2)


def test_what_one_budget_refuses_is_given_back_to_the_others(account: Account, destination: Destination) -> None:
    spending = Spending.of(account, destination, max_cost=1.0, run_key="root")
    with pytest.raises(OverBudget):
        reserve(spending, "n0", 0.6)
    assert entries(spending) == [[], []]


def test_what_has_to_wait_for_one_budget_holds_nothing_of_the_others(
    account: Account, destination: Destination
) -> None:
    reserve(Spending.of(account, destination), "another-run", 0.4)
    spending = Spending.of(account, destination, max_cost=1.0, run_key="root")
    assert isinstance(reserve(spending, "n0", 0.4), Wait)
    assert entries(spending) == [[], ["another-run"]]
