"""A batch that is piped: each event is a line, of words or of JSON."""

from __future__ import annotations

from prefect_seedance.batch.models import GOOD, RowResult, outcome_words
from prefect_seedance.cli.terminal import say_document, say_event
from prefect_seedance.plain_text import coin_words, one_line


class EventLines:
    """Follows a batch and prints a line per event.

    Attributes:
        messages: What was told beside the rows, and need not be said again.
    """

    def __init__(self) -> None:
        self._total, self._ended = 0, 0
        self.messages: set[str] = set()

    def planned(self, total: int) -> None:
        """Say how many rows there are."""
        self._total = total
        say_event(f"planned {total} row{'s' if total != 1 else ''}")

    def started(self, number: int, label: str) -> None:
        """Say that a row is being made."""
        say_event(f"started {called(number, label)}")

    def ended(self, result: RowResult) -> None:
        """Say what became of a row."""
        self._ended += 1
        say_event(f"[{self._ended}/{self._total}] {words_of_row(result)}")

    def told(self, message: str) -> None:
        """Say something else."""
        self.messages.add(message)
        say_event(f"note: {message}")


class EventDocuments:
    """Follows a batch and prints a JSON document per event, each on a line of its own."""

    def planned(self, total: int) -> None:
        """Print how many rows there are."""
        say_document({"event": "planned", "total": total})

    def started(self, number: int, label: str) -> None:
        """Print that a row is being made."""
        say_document({"event": "started", "number": number, "label": label})

    def ended(self, result: RowResult) -> None:
        """Print what became of a row."""
        say_document({"event": "ended", "row": result.model_dump(mode="json")})

    def told(self, message: str) -> None:
        """Print something else."""
        say_document({"event": "told", "message": message})


def called(number: int, label: str) -> str:
    """Return what a row is called on the command line.

    Example:
        >>> called(7, "row 7"), called(7, "mug")
        ('row 7', 'row 7 (mug)')
    """
    return label if label == f"row {number}" else f"row {number} ({label})"


def words_of_row(result: RowResult) -> str:
    """Return what became of a row, in words on one line.

    Example:
        >>> words_of_row(RowResult(number=7, name="mug", outcome="reused", cost=0, uri="s3://shop/mug.mp4"))
        'reused: row 7 (mug), 0 coins, s3://shop/mug.mp4'
        >>> words_of_row(RowResult(number=8, outcome="over_budget", reason="no coins are left.", advice="Top up."))
        'over budget: row 8: no coins are left. Top up.'
    """
    words = f"{outcome_words(result.outcome)}: {called(result.number, result.label)}"
    if result.outcome in GOOD:
        cost = "cost not known" if result.cost is None else coin_words(result.cost)
        return one_line(", ".join(filter(None, (words, cost, result.uri or f"task {result.task_id}"))))
    if result.task_id:
        words += f", task {result.task_id}"
    said = " ".join(filter(None, (result.reason, result.advice)))
    return one_line(f"{words}: {said}" if said else words)
