"""What the rounds have shown, as a table: kill point, rounds, bills, stored, unknown, lost."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

#: ``unknown``: the record reads so until a person settles it. ``lost``: billed, and nothing knows of it any more.
Ending = Literal["stored", "unknown", "lost"]


@dataclass(frozen=True)
class Outcome:
    """What became of one round.

    Attributes:
        point: Where the process was killed.
        ending: How the intent ended, without a person.
        bills: What was billed for it in the end, after a person had settled what was unknown.
        allowed: How many bills the policy allowed.
        settled: Whether it was unknown, and is stored now that a person has settled it.
    """

    point: str
    ending: Ending
    bills: int
    allowed: int = 1
    settled: bool = False

    @property
    def overpaid(self) -> int:
        """Bills that the policy did not allow."""
        return max(0, self.bills - self.allowed)


@dataclass
class Table:
    """All outcomes so far. Safe to use from several threads."""

    outcomes: list[Outcome] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: Outcome) -> None:
        """Add one."""
        with self._lock:
            self.outcomes.append(outcome)

    def lines(self) -> list[str]:
        """Return the table as text, a row per point in the order of their names, and the sum."""
        points = sorted({each.point for each in self.outcomes})
        width = max(map(len, [*points, "kill point"]))
        heads = ("rounds", "bills", "overpaid", "stored", "unknown", "lost")
        rows = [(point, [each for each in self.outcomes if each.point == point]) for point in points]
        lines = [f"{'kill point':{width}}  {'  '.join(heads)}"]
        for name, outcomes in [*rows, ("all", self.outcomes)]:
            cells = (f"{number:{len(head)}}" for head, number in zip(heads, _numbers(outcomes), strict=True))
            lines.append(f"{name:{width}}  {'  '.join(cells)}")
        return lines


def _numbers(outcomes: Iterable[Outcome]) -> list[int]:
    found = list(outcomes)
    endings = [each.ending for each in found]
    bills, overpaid = sum(each.bills for each in found), sum(each.overpaid for each in found)
    return [len(found), bills, overpaid, *(endings.count(each) for each in ("stored", "unknown", "lost"))]
