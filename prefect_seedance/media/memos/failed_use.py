"""A submission whose references the vendor could not use: what had been made for it by then is made anew."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_seedance.media.memos.memo import Kept

#: Why something is made anew.
FAILED_USE = "the vendor could not use it"
#: Where a memo says after which submission it was made anew.
_NOTE = "after"
#: The store tells the age of a memo, in whole seconds, and workers tell that of a submission, by clocks that differ;
#: what a submission sends is often made a moment before it. A video takes longer than this to fail.
_GRAIN_SECONDS = 30.0


@dataclass(frozen=True)
class FailedUse:
    """The last submission of a video whose references the vendor could not use.

    Attributes:
        name: Of the attempt.
        seconds_ago: When it began.
    """

    name: str
    seconds_ago: float

    def may_have_used(self, kept: Kept) -> bool:
        """Return whether that submission may have used what is kept, which the next one then must not."""
        return kept.notes.get(_NOTE) != self.name and kept.age_seconds >= self.seconds_ago - _GRAIN_SECONDS


def notes_of(failed: FailedUse | None) -> dict[str, str]:
    """Return what a memo notes of the submission after which it was made anew."""
    return {_NOTE: failed.name} if failed else {}
