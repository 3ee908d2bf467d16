"""What a person sees while a video is made: a live line on a terminal, nothing when piped.

The tasks put facts beside their log messages; this listens to them, so that the command line shows exactly what the
run logs.
"""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Any, Self, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from prefect_seedance.plain_text import one_line
from prefect_seedance.runs.logs import FACTS

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")
_WORDS = {
    "server": "Starting Prefect's embedded server",
    "validate": "Checking the request and the store",
    "prepare": "Preparing the references",
    "create": "Submitting",
    "wait": "Waiting for the video",
    "store": "Storing",
    "notify": "Notifying",
}


class RunProgress(logging.Handler):
    """Follows a run by its logs: shows the step, times each one, keeps warnings and the task id.

    Attributes:
        seconds: How long each step took.
        warnings: Messages of level WARNING and above.
        task_id: The vendor's task id, "" until there is one.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.DEBUG)
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self.task_id = ""
        self._since = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[note]}", markup=False),  # the vendor's word
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._line = self._bar.add_task(_WORDS["server"], total=100, note="")

    def __enter__(self) -> Self:
        """Begin to listen and to show."""
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            logger.addHandler(self)
            logger.setLevel(logging.DEBUG)
        self._since = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing and listening."""
        self._bar.stop()
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self)

    def done(self, step: str, *, ended: bool = True) -> None:
        """Count the time until now to a step, and show the next one if it has ended."""
        now = time.monotonic()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._since
        self._since = now
        steps = [each for each in _WORDS if each != "prepare" or step == "prepare"]  # many videos have no references
        shown = steps[min(steps.index(step) + 1, len(steps) - 1)] if ended else step
        self._bar.update(self._line, description=_WORDS[shown])

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one message of the run."""
        facts = cast("dict[str, Any]", getattr(record, FACTS, {}))
        step = facts.get("step")
        if step is None:
            return
        if record.levelno >= logging.WARNING and (warning := one_line(record.getMessage())) not in self.warnings:
            self.warnings.append(warning)  # a reference is looked at by two steps
        self.task_id = one_line(str(facts.get("task_id", self.task_id)))
        if step == "wait":
            self._bar.update(
                self._line, completed=facts.get("progress", 0), note=one_line(str(facts.get("status", "")))
            )
        if record.levelno == logging.INFO:
            self.done(str(step), ended=step not in ("wait", "prepare") or facts.get("progress") == 100)
