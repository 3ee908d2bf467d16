"""What can end a batch: a manifest that cannot be read, and rows without a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect_seedance.client.errors import NOTHING_SENT, SeedanceError

if TYPE_CHECKING:
    from prefect_seedance.batch.models import BatchReport


class UnusableManifest(SeedanceError):
    """The manifest as a whole cannot be read; nothing was paid.

    Attributes:
        source: Where it is, fit to be shown.
        reason: What is wrong with it.
        fix: What to do about it.
    """

    def __init__(self, source: str, reason: str, fix: str) -> None:
        self.source, self.reason, self.fix = source, reason, fix
        super().__init__(f"The manifest {source} cannot be used: {reason}. {fix}. {NOTHING_SENT}")

    def __reduce__(self) -> tuple[type[UnusableManifest], tuple[str, str, str]]:
        """Pickle by what it was made of."""
        return type(self), (self.source, self.reason, self.fix)


class BatchIncomplete(SeedanceError):
    """Rows of a batch have no video. Raised after the report and the notification are written.

    Attributes:
        report: What became of each row.
    """

    def __init__(self, report: BatchReport) -> None:
        self.report = report
        super().__init__(report.summary)

    def __reduce__(self) -> tuple[type[BatchIncomplete], tuple[BatchReport]]:
        """Pickle by the report."""
        return type(self), (self.report,)
