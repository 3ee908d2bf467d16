"""What all kinds of tables become: records, one for each row with something in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class TableRow:
    """A row as it was read.

    Attributes:
        number: Of the row, as `RowProblem.row`.
        cells: Header and value of each cell. A header may come more than once.
        faults: What is wrong with the row as a whole: column, rule and fix of each.
    """

    number: int
    cells: list[tuple[str, object]]
    faults: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


@dataclass
class Table:
    """A table whose rows are still to be read.

    Attributes:
        records: Its rows. Reading may raise `Unreadable`.
        headers: Those that are known before.
        notices: What a person should know; complete once the records are read.
    """

    records: Iterator[TableRow]
    headers: list[str] = field(default_factory=list[str])
    notices: list[str] = field(default_factory=list[str])
