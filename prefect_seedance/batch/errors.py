"""What can end a batch: a manifest that cannot be read, rows without a video, and parts that cannot run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from prefect_seedance.client.errors import NOTHING_SENT, SeedanceError
from prefect_seedance.plain_text import Money

if TYPE_CHECKING:
    from prefect_seedance.batch.models import BatchReport


class UnusableManifest(SeedanceError):
    """The manifest as a whole cannot be read; nothing was paid.

    What to do:
        Do what `fix` says, then run again. ``plan_videos`` reads a manifest and pays nothing.

    Attributes:
        source: Where it is, fit to be shown.
        reason: What is wrong with it.
        fix: What to do about it.
    """

    money = Money.NOTHING

    def __init__(self, source: str, reason: str, fix: str) -> None:
        self.source, self.reason, self.fix = source, reason, fix
        super().__init__(f"The manifest {source} cannot be used: {reason}. {fix}. {NOTHING_SENT}")

    def __reduce__(self) -> tuple[type[UnusableManifest], tuple[str, str, str]]:
        """Pickle by what it was made of."""
        return type(self), (self.source, self.reason, self.fix)


class BatchIncomplete(SeedanceError):
    """Rows of a batch have no video. Raised after the report and the notification are written.

    What to do:
        Read `report`, or its page in the store: each row says what was paid and what to do. Run the same batch again
        for what is missing: what is paid for is not paid again.

    Attributes:
        report: What became of each row.
    """

    def __init__(self, report: BatchReport) -> None:
        self.report = report
        super().__init__(report.summary)

    def __reduce__(self) -> tuple[type[BatchIncomplete], tuple[object, ...]]:
        """Pickle by the report."""
        return type(self), (self.report,)


class PartsNotStarted(SeedanceError):
    """The parts of a batch cannot be started, or would never run; nothing was paid.

    What to do:
        Do what `fix` says, then run again.

    Attributes:
        reason: What stands in the way.
        fix: What to do about it.
    """

    money = Money.NOTHING

    def __init__(self, reason: str, fix: str) -> None:
        self.reason, self.fix = reason, fix
        super().__init__(f"The batch cannot run in parts: {reason}. {fix}. Nothing was paid.")

    def __reduce__(self) -> tuple[type[PartsNotStarted], tuple[str, str]]:
        """Pickle by what it was made of."""
        return type(self), (self.reason, self.fix)


class PartsMissing(BatchIncomplete):
    """Parts of a batch ended without a report, so what became of their rows is in the journal alone.

    What to do:
        Read `parts` for why. Run the same batch again: what the parts had submitted is in the journal and is not paid
        again.

    Attributes:
        report: What became of the rows of all other parts.
        parts: Why, by part.
    """

    def __init__(self, report: BatchReport, parts: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(report)
        self.parts = dict(parts)
        told = " ".join(f"Part {part}: {why}" for part, why in self.parts.items())
        self.args = (
            f"{told} What these parts have submitted is in the journal. Run the same batch again: what is paid for is "
            f"not paid again. Of the other parts: {report.summary}",
        )

    def __reduce__(self) -> tuple[type[PartsMissing], tuple[object, ...]]:
        """Pickle by what it was made of."""
        return type(self), (self.report, self.parts)
