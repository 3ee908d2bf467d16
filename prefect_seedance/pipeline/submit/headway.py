"""How far a video has come: for whoever has to say what became of it when something ends its way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Headway:
    """How far a video has come: kept up to date while it is made, so that whatever ends it can be told.

    Attributes:
        submissions: How often this call has sent it, unknown outcomes included.
        task_id: The vendor's task that goes on or is done, "" if there is none.
        price: What it is expected to cost, in coins; None if that is not known, or was not asked.
        price_source: Where that comes from.
        perhaps_sent: Whether a POST is under way, or its outcome is being written down: whoever is ended now cannot
            tell.
    """

    submissions: int = 0
    task_id: str = ""
    price: float | None = None
    price_source: str = ""
    perhaps_sent: bool = False
