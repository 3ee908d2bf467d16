"""What a submission holds of a budget while its POST is under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from prefect_seedance.client.outcome import Outcome


class Reservation(Protocol):
    """The coins of one POST, entered into a ledger before its claim.

    Every step may be repeated, and none raises: what cannot be written stays in the ledger as spent or held, which
    is the safe side, and is cleared by the records later (`sweep`).
    """

    def leaves_room(self, seconds: float) -> bool:
        """Return whether it still stands for so many seconds, by the stopwatch that was started before it was made."""
        ...

    def settled(self, outcome: Outcome) -> None:
        """Book what an answer cost, once the record has it: accepted is spent, unknown stays held, all else is free."""
        ...

    def released(self) -> None:
        """Release the coins: nothing was sent."""
        ...


class _Unlimited:
    """The reservation of a submission that no budget limits."""

    def leaves_room(self, seconds: float) -> bool:
        return True

    def settled(self, outcome: Outcome) -> None:
        pass

    def released(self) -> None:
        pass


UNLIMITED: Reservation = _Unlimited()


@dataclass(frozen=True)
class Wait:
    """Only reservations of POSTs under way stand in the way: try again soon, holding nothing meanwhile.

    Attributes:
        seconds: After this pause.
        reason: Why, for the log.
    """

    seconds: float
    reason: str
