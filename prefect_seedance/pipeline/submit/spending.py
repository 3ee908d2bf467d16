"""The budgets that a submission has to fit into: of its run, and of its account."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from prefect_seedance.asides import aside
from prefect_seedance.client.outcome import Outcome
from prefect_seedance.journal.budget.budget import Budget, OnReached
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.budget.reservation import UNLIMITED, Reservation, Wait
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.stopwatch import Stopwatch


class Spending:
    """Several budgets, each of which a submission has to fit into. Threads share it.

    Args:
        budgets: In the order in which they are entered.
    """

    def __init__(self, budgets: Sequence[Budget] = ()) -> None:
        self._budgets = tuple(budgets)

    @classmethod
    def of(
        cls,
        account: Account,
        destination: Destination,
        *,
        max_cost: float = 0.0,
        run_key: str = "",
        on_reached: OnReached | None = None,
    ) -> Spending:
        """Return the budgets of a run.

        Args:
            account: Who pays; its limits.
            destination: Where the run's journal is, and the ledgers, unless the account names a store for its own.
            max_cost: Coins that the run may spend in all, 0 for no limit.
            run_key: What the runs that share ``max_cost`` have in common.
            on_reached: Is told when most of a budget of the account is used.
        """
        journal, store, budgets = destination.journal, destination.store, list[Budget]()
        if max_cost:
            limits = Limits(total=max_cost)
            budgets.append(Budget(store, account=account.label, limits=limits, journal=journal, run_key=run_key))
        if account.limits:
            ledgers = destination.ledgers_of(account)
            budgets.append(
                Budget(ledgers, account=account.label, limits=account.limits, journal=journal, on_reached=on_reached)
            )
        return cls(budgets)

    def reserve(
        self,
        nonce: str,
        intent: str,
        *,
        coins: float | None,
        billing: str,
        lease_seconds: float,
        start_stopwatch: Callable[[], Stopwatch],
    ) -> Reservation | Wait:
        """Reserve what a POST may cost in each budget, or in none. Blocking.

        Args:
            nonce: Of the attempt.
            intent: Of the video.
            coins: What it is expected to cost; None if that is not known.
            billing: What is paid for, by the name under which a price of one's own is written.
            lease_seconds: Of the claim that follows.
            start_stopwatch: Starts a stopwatch.

        Returns:
            The reservation; or how long to wait, with nothing reserved, where only POSTs under way stand in the way.

        Raises:
            OverBudget, PriceUnknown: It does not fit; nothing is reserved.
            JournalError: A ledger cannot be used; nothing is reserved.
        """
        made = list[Reservation]()
        try:
            for budget in self._budgets:
                answer = budget.try_reserve(
                    nonce,
                    intent,
                    coins=coins,
                    billing=billing,
                    lease_seconds=lease_seconds,
                    start_stopwatch=start_stopwatch,
                )
                if isinstance(answer, Wait):
                    _Reservations(tuple(made)).released()
                    return answer
                made.append(answer)
        except BaseException:
            _Reservations(tuple(made)).released()
            raise
        return _Reservations(tuple(made)) if made else UNLIMITED

    def sweep(self, intents: Collection[str] | None = None) -> None:
        """Clear reservations by what the records say of their attempts.

        Args:
            intents: Of these videos; None for all that have lapsed or are held.
        """
        for budget in self._budgets:
            aside(budget.sweep, intents)


@dataclass(frozen=True)
class _Reservations:
    """Reservations in several budgets, as one."""

    made: tuple[Reservation, ...]

    def leaves_room(self, seconds: float) -> bool:
        return all(each.leaves_room(seconds) for each in self.made)

    def settled(self, outcome: Outcome) -> None:
        for each in self.made:
            each.settled(outcome)

    def released(self) -> None:
        for each in reversed(self.made):
            each.released()
