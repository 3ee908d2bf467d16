"""Why a manifest cannot be read, before it is known what to call it."""

from __future__ import annotations


class Unreadable(Exception):
    """The manifest as a whole cannot be read.

    Attributes:
        reason: What is wrong.
        fix: What to do about it.
    """

    def __init__(self, reason: str, fix: str) -> None:
        reason, fix = reason.rstrip(" ."), fix.rstrip(" .")
        super().__init__(f"{reason}. {fix}.")
        self.reason, self.fix = reason, fix
