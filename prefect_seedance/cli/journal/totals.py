"""What the records of a listing come to: how many stand how, what they cost, and what unknown ones may have cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prefect_seedance.batch.report.gallery import cost_of, stored_video_of
from prefect_seedance.journal.budget.ledger import amount
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.states import State
from prefect_seedance.plain_text import coin_words


@dataclass
class Totals:
    """Counts records as they are read.

    Attributes:
        states: How many records have which state.
        spent: Coins for tasks that the vendor has, as it reported them; the expected price where it has not yet.
        unpriced: How many tasks have neither.
        unsettled: How many submissions are unknown.
        held: Expected coins of these, which may have been paid.
        held_unpriced: How many of these have no expected price.
    """

    states: Counter[State] = field(default_factory=Counter[State])
    spent: float = 0.0
    unpriced: int = 0
    unsettled: int = 0
    held: float = 0.0
    held_unpriced: int = 0

    def count(self, entry: Entry) -> None:
        """Count a record."""
        self.states[entry.state] += 1
        stored = stored_video_of(entry.record)
        for attempt in entry.record.attempts:
            if attempt.task_id:
                cost = amount(cost_of(attempt, stored))
                self.spent += cost or 0.0
                self.unpriced += cost is None
            elif attempt.is_unsettled and not (entry.state is State.SENDING and attempt.outcome == ""):
                self.unsettled += 1
                price = amount(attempt.price)
                self.held += price or 0.0
                self.held_unpriced += price is None

    @property
    def records(self) -> int:
        """How many records were counted."""
        return self.states.total()

    def lines(self, location: str) -> Iterator[str]:
        r"""Return the totals in words.

        Args:
            location: Where the records are.

        Example:
            >>> totals = Totals(Counter({State.STORED: 1}), spent=0.1 + 0.2)
            >>> print(*totals.lines("/data"), sep="\n")
            1 record in /data: 1 stored
            Spent: 0.3 coins
        """
        counts = ", ".join(f"{self.states[state]:,} {state}" for state in State if self.states[state])
        yield f"{_number(self.records, 'record')} in {location}{': ' * bool(counts)}{counts}"
        if self.spent or self.unpriced:
            yield f"Spent: {_sum(self.spent, self.unpriced, 'task')}"
        if self.unsettled:
            held = _sum(self.held, self.held_unpriced, "submission")
            yield f"{_number(self.unsettled, 'unknown submission')} may have been paid: {held}"

    def facts(self) -> dict[str, object]:
        """Return the totals as a program reads them."""
        return {
            "records": self.records,
            "states": {str(state): self.states[state] for state in State if self.states[state]},
            "spent": round(self.spent, 6),
            "of_unknown_cost": self.unpriced,
            "unknown_submissions": self.unsettled,
            "held": round(self.held, 6),
            "held_of_unknown_price": self.held_unpriced,
        }


def _sum(coins: float, unpriced: int, what: str) -> str:
    """Word a sum of coins of which some parts are not known.

    Example:
        >>> _sum(0.5, 0, "task"), _sum(0.5, 2, "task"), _sum(0.0, 1, "task")
        ('0.5 coins', 'at least 0.5 coins, and 2 tasks of unknown price', 'price unknown')
    """
    if not unpriced:
        return coin_words(coins)
    if not coins:
        return "price unknown"
    return f"at least {coin_words(coins)}, and {_number(unpriced, what)} of unknown price"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"
