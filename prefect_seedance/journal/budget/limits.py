"""What an account, or a run, may spend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What may be spent; 0 stands for no limit.

    Days and months are those of UTC.

    Attributes:
        daily: Coins a day.
        monthly: Coins a month.
        daily_videos: Submissions a day that were, or perhaps were, accepted.
        total: Coins in all, for the ledger of a run.

    Example:
        >>> bool(Limits()), bool(Limits(daily=20.0))
        (False, True)
    """

    daily: float = 0.0
    monthly: float = 0.0
    daily_videos: int = 0
    total: float = 0.0

    def __bool__(self) -> bool:
        return any((self.daily, self.monthly, self.daily_videos, self.total))
