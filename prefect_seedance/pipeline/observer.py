"""How a caller follows one video: log lines with facts, and events. A failure here never stops the work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from prefect_seedance.asides import AsideLog, aside, words_of

_log = AsideLog(__name__)

Fact = str | int | float | bool | None
EventKind = Literal["submitted", "attached", "completed", "stored", "failed", "unknown", "refused"]


def _no_facts() -> Mapping[str, Fact]:
    return {}


@dataclass(frozen=True)
class Event:
    """Something that others may want to react to.

    Attributes:
        kind: What happened.
        intent: Identity of the video.
        task_id: The vendor's task id, "" if there is none.
        uri: Where the video is, "" if it is nowhere yet.
        facts: More about it.
    """

    kind: EventKind
    intent: str
    task_id: str = ""
    uri: str = ""
    facts: Mapping[str, Fact] = field(default_factory=_no_facts)


def _write_log(level: int, message: str, facts: Mapping[str, Fact]) -> None:
    _log.log(level, "%s", message)


def _emit_nothing(event: Event) -> None:
    pass


@dataclass(frozen=True)
class Observer:
    """Follows one video.

    Attributes:
        write: Takes the level, the message and the facts of a log line.
        emit: Takes each event.
    """

    write: Callable[[int, str, Mapping[str, Fact]], None] = _write_log
    emit: Callable[[Event], None] = _emit_nothing

    def log(self, message: str, *, level: int = logging.INFO, **facts: Fact) -> None:
        """Write a log line. A handler or filter that raises costs the line, never the video."""
        if aside(self.write, level, message, facts) is not None:
            _log.log(level, "%s", message)  # said somewhere at least

    def tell(self, event: Event) -> None:
        """Emit an event; one that cannot be emitted is logged."""
        failure = aside(self.emit, event)
        if failure is not None:
            self.log(f"The event {event.kind} was not emitted: {words_of(failure)}", level=logging.WARNING)
