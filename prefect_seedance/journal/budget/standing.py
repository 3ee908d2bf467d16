"""How a budget stands, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, computed_field

from prefect_seedance.journal.budget.ledger import BudgetLedger, LedgerEntry, moment, uses
from prefect_seedance.journal.budget.limits import Limits


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class LimitStanding(_Frozen):
    """How much of one limit is used.

    Attributes:
        budget: Which one: "daily_budget", "monthly_budget", "daily_videos" or "max_cost".
        limit: In coins, or videos for "daily_videos"; 0 for none.
        spent: Of videos that were accepted.
        held: By submissions that are unknown.
        reserved: By POSTs under way.
        left: What may still be reserved; None without a limit.
        share: The share of the limit that is spent, held or reserved; 0 without a limit.
        ends_at: When the period ends; None for a run.
    """

    budget: str
    limit: float
    spent: float
    held: float
    reserved: float
    left: float | None
    share: float
    ends_at: datetime | None = None


class OpenReservation(_Frozen):
    """An entry of a ledger that is not settled.

    Attributes:
        nonce: Of the attempt; releases it by hand.
        intent: Whose record it is in.
        where: The store of that record.
        coins: What it has taken.
        since: When it was reserved, by the store's clock.
        held: Whether it is unknown what became of it.
    """

    nonce: str
    intent: str
    where: str
    coins: float
    since: datetime
    held: bool


class BudgetStanding(_Frozen):
    """How the budget of an account, or of a run, stands.

    Attributes:
        account: Label of the account.
        run_key: Of the run; "" for the budget of the account.
        read_at: When, by the store's clock.
        limits: Each limit, also those that are not set: a month, a day and the videos of a day; or that of the run.
        entries: What is not settled, the oldest first.
    """

    account: str
    run_key: str
    read_at: datetime
    limits: tuple[LimitStanding, ...]
    entries: tuple[OpenReservation, ...]

    @property
    def day(self) -> LimitStanding:
        """Coins of today, UTC."""
        return self.limit("daily_budget")

    @property
    def month(self) -> LimitStanding:
        """Coins of this month, UTC."""
        return self.limit("monthly_budget")

    @property
    def videos(self) -> LimitStanding:
        """Videos of today, UTC."""
        return self.limit("daily_videos")

    @property
    def total(self) -> LimitStanding:
        """Coins of the run."""
        return self.limit("max_cost")

    @computed_field
    @property
    def shares(self) -> dict[str, float]:
        """The used share of each limit that is set."""
        return {each.budget: each.share for each in self.limits if each.limit}

    def limit(self, budget: str) -> LimitStanding:
        """Return one of the limits.

        Raises:
            KeyError: A run has no days, and an account no total.
        """
        found = {each.budget: each for each in self.limits}
        return found[budget]


def standing_of(
    ledger: BudgetLedger,
    limits: Limits,
    now: float,
    *,
    account: str,
    run_key: str,
    earlier: Iterable[tuple[str, LedgerEntry]] = (),
) -> BudgetStanding:
    """Return how a ledger stands.

    Args:
        ledger: Of this month, or of the run.
        limits: What may be spent.
        now: Unix seconds by the store's clock.
        account: Label of the account.
        run_key: Of the run.
        earlier: Open entries of the month before.
    """
    entries = sorted([*earlier, *ledger.open.items()], key=lambda each: each[1].at)
    return BudgetStanding(
        account=account,
        run_key=run_key,
        read_at=moment(now),
        limits=tuple(LimitStanding.model_validate(use) for use in uses(ledger, limits, now, of_run=bool(run_key))),
        entries=tuple(_shown(nonce, entry) for nonce, entry in entries),
    )


def _shown(nonce: str, entry: LedgerEntry) -> OpenReservation:
    return OpenReservation(
        nonce=nonce,
        intent=entry.intent,
        where=entry.where,
        coins=entry.coins,
        since=moment(entry.at),
        held=entry.held,
    )
