"""What the live tables on a terminal have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from prefect_seedance.cli.terminal import output_is_terminal
from prefect_seedance.plain_text import one_line

_REFRESHES_PER_SECOND = 2


class LiveScreen(ABC):
    """A screen of the terminal's own, drawn anew twice a second and at whatever size the terminal has then.

    Nothing is left of it when it ends: what came of it is printed below what stood there before.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._live = Live(
            self,
            console=console,
            screen=True,
            refresh_per_second=_REFRESHES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        """Begin to show."""
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal."""
        self._live.stop()

    @abstractmethod
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as it is now."""


def shows_table(screen: Console, *, as_json: bool) -> bool:
    """Return whether a live table is shown: on one terminal there is either the table or the events.

    Args:
        screen: Where it would be.
        as_json: Whether the events are printed as documents.
    """
    return screen.is_terminal and not screen.is_dumb_terminal and not (as_json and output_is_terminal())


def line_of(text: str, style: str = "") -> Text:
    """Return a text as one line of a screen; rich's markup in it is not interpreted."""
    return cut_to_width(Text(one_line(text), style=style))


def cut_to_width(text: Text) -> Text:
    """Let a text be cut where the terminal ends, and return it."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
