"""What a live table on a terminal has in common, whatever it shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from prefect_seedance.plain_text import one_line

_A_SECOND = 2


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
            refresh_per_second=_A_SECOND,
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


def line_of(text: str, style: str = "") -> Text:
    """Return a text as one line of a screen; what looks like rich's markup in it is none."""
    return cut_to_width(Text(one_line(text), style=style))


def cut_to_width(text: Text) -> Text:
    """Have a text cut where the terminal ends."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
