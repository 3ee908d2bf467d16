"""A collection on a terminal, as a live table; piped, as lines of words or of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.text import Text

from prefect_seedance.cli.collect.tally import CollectionTally
from prefect_seedance.cli.live_screen import LiveScreen, cut_to_width, line_of
from prefect_seedance.cli.terminal import say_document, say_event
from prefect_seedance.pipeline.observer import Event, EventKind
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import without_signatures

_COLOURS: Mapping[EventKind, str] = {
    "unknown": "bold red",
    "failed": "red",
    "refused": "yellow",
    "completed": "blue",
    "stored": "green",
}
#: How many messages are shown.
_MESSAGES = 2


class MoveLines:
    """Follows a collection and prints a line per event."""

    def moved(self, label: str, event: Event) -> None:
        """Say where a video has got to."""
        say_event(words_of_move(label, event))

    def told(self, message: str) -> None:
        """Say something else."""
        say_event(f"note: {message}")


class MoveDocuments:
    """Follows a collection and prints a JSON document per event, each on a line of its own."""

    def moved(self, label: str, event: Event) -> None:
        """Print where a video has got to."""
        facts = {"intent": event.intent, "task_id": event.task_id, "uri": event.uri}
        say_document({"event": event.kind, "name": label, **facts})

    def told(self, message: str) -> None:
        """Print something else."""
        say_document({"event": "told", "message": message})


def words_of_move(label: str, event: Event) -> str:
    """Return where a video has got to, on one line.

    Example:
        >>> words_of_move("mug", Event("completed", "2e5b2ced3957", "videos_1"))
        'completed: mug, task videos_1'
    """
    task = f"task {event.task_id}" if event.task_id else ""
    return without_signatures(one_line(", ".join(filter(None, (f"{event.kind}: {label}", task, event.uri)))))


class CollectionScreen(LiveScreen):
    """Shows a tally of a collection.

    Args:
        tally: What is shown.
        title: What stands above it.
        minutes: How long the collection goes on at most.
        console: The terminal.
    """

    def __init__(self, tally: CollectionTally, title: str, minutes: float, console: Console) -> None:
        super().__init__(console)
        self._tally, self._title, self._seconds = tally, one_line(title), minutes * 60

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as it is now."""
        status, left = self._tally.now(), (options.height or console.height) - 3
        yield line_of(self._title, "bold")
        yield ProgressBar(total=self._seconds, completed=min(status.seconds, self._seconds))
        counts = [Text(f"{count} {kind}", style=_COLOURS.get(kind, "")) for kind, count in status.counts.items()]
        so_far = f"{timedelta(seconds=int(status.seconds))} of {timedelta(seconds=int(self._seconds))} at most"
        yield cut_to_width(Text("   ").join([*counts, Text(so_far)]))
        for title, lines in (
            ("notes", [line_of(message) for message in reversed(status.messages)][:_MESSAGES]),
            ("moved last", [line_of(words_of_move(*each), _COLOURS.get(each[1].kind, "")) for each in status.recent]),
        ):
            if lines and left > 1:
                yield Rule(title, style="dim", align="left")
                yield from lines[: left - 1]
                left -= 1 + len(lines[: left - 1])
