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
        polls: How often the vendor was asked about it, whatever it answered.
        made_seconds: How long the vendor took; None if that is not known.
        late_seconds: How much later that was noticed; None if that is not known.
    """

    submissions: int = 0
    task_id: str = ""
    price: float | None = None
    price_source: str = ""
    perhaps_sent: bool = False
    polls: int = 0
    made_seconds: float | None = None
    late_seconds: float | None = None

    @property
    def watched_words(self) -> str:
        """How long the vendor took, and how soon that was noticed; "" if nobody asked.

        Example:
            >>> Headway(polls=14, made_seconds=610.2, late_seconds=11.4).watched_words
            'made in 610 s, noticed 11 s later, asked about 14 times'
        """
        if not self.polls:
            return ""
        times = [f"made in {self.made_seconds:.0f} s"] if self.made_seconds is not None else []
        if self.late_seconds is not None:
            times.append(f"noticed {self.late_seconds:.0f} s later")
        return ", ".join([*times, f"asked about {self.polls} time{'s' if self.polls > 1 else ''}"])
