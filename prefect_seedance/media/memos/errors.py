"""Why nothing is kept under a memo."""

from __future__ import annotations

import math

from prefect_seedance.journal.commands import how_to_forget
from prefect_seedance.media.errors import UnusableReference

#: How long what the vendor turned down is not shown to it again, unless it says otherwise.
RETRY_AFTER_SECONDS = 86_400.0


class MakeRefused(Exception):
    """The vendor turned the content down, and would again.

    Attributes:
        reason: In the vendor's words, clean.
        retry_after_seconds: How long it is not asked again.
    """

    def __init__(self, reason: str, retry_after_seconds: float = RETRY_AFTER_SECONDS) -> None:
        super().__init__(reason, retry_after_seconds)
        self.reason, self.retry_after_seconds = reason, retry_after_seconds

    def __str__(self) -> str:
        return self.reason


class TooManyMakes(UnusableReference):
    """The vendor was asked for the same several times within a day, and nothing that lasts came of it."""

    def __init__(
        self, what: str, makes: int, why: str, wait_seconds: float, name: str, store_option: str, account: str
    ) -> None:
        hours = max(1, math.ceil(wait_seconds / 3600))
        why = why.rstrip(".")
        super().__init__(
            "three tries a day",
            f"the {what} of its content was made {makes} times within a day, and no more is tried. The last "
            f"reason to make it again: {why}",
            f"Nothing was paid. Run again in {hours} hour{'s' if hours > 1 else ''}, or lift the limit, which costs "
            f"nothing, and run again:\n{how_to_forget(name, store_option, account)}\n(it forgets this {what})",
        )
