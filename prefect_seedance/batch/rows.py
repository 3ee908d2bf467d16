"""The rows of a batch: what a manifest says, read and checked, one entry per video that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from prefect_seedance.client.request.video_request import VideoRequest


@dataclass(frozen=True)
class RowProblem:
    """One thing that is wrong with a row.

    Attributes:
        row: Number of the row as a spreadsheet shows it: the header of a table is 1. Of a list of requests, its place.
        column: Name of the column as the manifest has it, "" for the row as a whole.
        message: The rule that is broken.
        fix: What to do about it.
        passing: Whether the row itself may be right, and something stood in the way just now, such as an outage.
    """

    row: int
    column: str
    message: str
    fix: str
    passing: bool = False

    @property
    def in_its_row(self) -> str:
        """The problem in words, for where its row is already named.

        Example:
            >>> RowProblem(2, "duration", "99 s is too long", "Write 4 to 15").in_its_row
            'duration: 99 s is too long. Write 4 to 15.'
        """
        return f"{self.column or 'the row'}: {self.message}. {self.fix}."

    def __str__(self) -> str:
        """Return it in words, with its row."""
        where = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{where}: {self.message}. {self.fix}."


@dataclass(frozen=True)
class Row:
    """One video that is asked for: a row of the manifest, or one of its takes.

    Attributes:
        number: Of the row, as `RowProblem.row`.
        name: What the user calls it, "" for nothing; cleaned, one line, at most 200 characters.
        request: The request; None where its cells make none.
        problems: All that is wrong with it.
        given: Its cells as they were read, by column, and prompt and model also by these names: for whoever is told
            of an invalid row.
    """

    number: int
    name: str
    request: VideoRequest | None
    problems: tuple[RowProblem, ...] = ()
    given: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_passing(self) -> bool:
        """Whether something stood in its way, and all of that did so just now: the row itself may be right."""
        return bool(self.problems) and all(problem.passing for problem in self.problems)

    @property
    def label(self) -> str:
        """What it is called where it needs a name: its own, or its number.

        Example:
            >>> Row(7, "", None).label
            'row 7'
        """
        return self.name or f"row {self.number}"


@dataclass(frozen=True)
class Manifest:
    """A manifest as it was read.

    Attributes:
        rows: In its order, takes beside each other.
        source: Where it came from, fit to be shown: no signature, no password.
        sha256: Of its bytes, 64 hex digits.
        content: Its bytes, kept beside the report; of a list of requests, the list as JSON.
        suffix: What its name ends with, such as ``.csv``.
        notices: What a person should know: the encoding that was taken, columns that were ignored.
    """

    rows: tuple[Row, ...]
    source: str
    sha256: str
    content: bytes = field(repr=False)
    suffix: str
    notices: tuple[str, ...] = ()
