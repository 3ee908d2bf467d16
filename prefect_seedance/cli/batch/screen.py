"""A batch on a terminal: a live table of how far it is."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from prefect_seedance.batch.models import GOOD, Outcome, RowResult, outcome_words
from prefect_seedance.cli.batch.lines import called
from prefect_seedance.cli.batch.tally import BatchStatus, Tally
from prefect_seedance.cli.live_screen import LiveScreen, cut_to_width, line_of
from prefect_seedance.plain_text import coin_words, one_line

_COLOURS: dict[Outcome, str] = {
    "unknown": "bold red",
    "failed": "red",
    "moderated": "magenta",
    "refused": "yellow",
    "invalid": "yellow",
    "over_budget": "yellow",
    "not_started": "dim",
    "submitted": "blue",
    "stored": "green",
    "reused": "cyan",
}
_MOST_OF_A_DAY = 80_000
_GAP = "   "
#: How many messages are shown, and rows in flight below the others where a terminal is tall enough.
_MESSAGES, _IN_FLIGHT, _TALL = 2, 4, 14


class BatchScreen(LiveScreen):
    """Shows a tally of a batch.

    Args:
        tally: What is shown.
        title: What stands above it.
        console: The terminal.
    """

    def __init__(self, tally: Tally, title: str, console: Console) -> None:
        super().__init__(console)
        self._tally, self._title = tally, one_line(title)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as it is now."""
        status = self._tally.now()
        above = head(status, self._title, options.max_width)
        yield from above
        yield from rows(status, (options.height or console.height) - len(above))


def head(status: BatchStatus, title: str, width: int) -> list[RenderableType]:
    """Return the lines that are always there: how many rows have ended, and how, what was paid, and when it ends."""
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    of = f"{status.ended} of {status.total} rows" if status.total else "starting, and reading the manifest"
    bar.add_row(ProgressBar(total=status.total or None, completed=status.ended, pulse=not status.total), of)
    good_first = sorted(status.counts, key=lambda outcome: outcome not in GOOD)
    counts = [
        Text(f"{status.counts[outcome]} {outcome_words(outcome)}", style=_COLOURS[outcome]) for outcome in good_first
    ]
    facts = [f"in flight {len(status.in_flight)}", f"paid {coin_words(status.spent)}"]
    if status.seconds_left is not None:
        end = datetime.now().astimezone() + timedelta(seconds=status.seconds_left)
        day = "%d %b " if status.seconds_left > _MOST_OF_A_DAY else ""
        facts.append(f"expected end {end:{day}%H:%M}")
    facts.append(f"{timedelta(seconds=int(status.seconds))} so far")
    return [line_of(title, "bold"), bar, *_packed(counts, width), *_packed([Text(each) for each in facts], width)]


def rows(status: BatchStatus, height: int) -> list[RenderableType]:
    """Return as much of the rest as fits into so many lines: messages, the worst rows, the last ones, and those going.

    The worst have the half of what is free, and those in flight the rest: how many these are stands above.
    """
    shown: list[RenderableType] = []

    def add(title: str, lines: list[Text], most: int) -> None:
        most = min(most, height - len(shown) - 1)
        if lines and most > 0:
            shown.extend([Rule(title, style="dim", align="left"), *lines[:most]])

    add("notes", [line_of(message) for message in reversed(status.messages)], _MESSAGES)
    recent = [row for row in status.recent if row.outcome in GOOD]
    kept = min(_IN_FLIGHT, len(status.in_flight)) + 1 if height > _TALL else 0
    free = height - len(shown) - kept
    add("without a video, worst first", [_row(row) for row in status.worst], free // 2 if recent else free)
    add("finished last", [_row(row) for row in recent], height - len(shown) - kept - 1)
    add("in flight", [line_of(called(*row)) for row in status.in_flight], height)
    return shown


def _packed(parts: list[Text], width: int) -> list[Text]:
    """Return parts side by side, on as many lines as they need."""
    lines = list[Text]()
    for part in parts:
        if lines and lines[-1].cell_len + len(_GAP) + part.cell_len <= width:
            lines[-1] = Text(_GAP).join([lines[-1], part])
        else:
            lines.append(part)
    return [cut_to_width(line) for line in lines]


def _row(row: RowResult) -> Text:
    words = Text(f"{outcome_words(row.outcome):<12}", style=_COLOURS[row.outcome])
    said = (
        (row.uri or f"task {row.task_id}") if row.outcome in GOOD else " ".join(filter(None, (row.reason, row.advice)))
    )
    cost = "" if row.cost is None or row.outcome not in GOOD else f"{coin_words(row.cost)}  "
    words.append(one_line(f"{called(row.number, row.label)}  {cost}{said}"), style="default")
    return cut_to_width(words)
