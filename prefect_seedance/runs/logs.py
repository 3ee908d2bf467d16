"""Logging that works in and out of a run, with facts that a program can read beside the words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

from prefect_seedance.asides import AsideLog, aside
from prefect_seedance.plain_text import one_line

Step = Literal["validate", "prepare", "create", "wait", "store", "notify"]
Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

#: Name of the attribute of a log record that holds the facts; the command line draws its progress from it.
FACTS = "seedance"

_log = AsideLog("prefect_seedance.runs")


def log(step: Step, message: str, *, level: int = logging.INFO, **facts: str | float | bool | None) -> None:
    """Log a message of a step, with facts beside it (``task_id``, ``progress`` in percent, ...)."""
    _write(level, message, {FACTS: {"step": step, **facts}})


def note(message: str, *, level: int = logging.INFO) -> None:
    """Log a message that marks no step."""
    _write(level, message, {})


def _write(level: int, message: str, extra: Mapping[str, object]) -> None:
    message = one_line(message)  # the words of others in it could write lines of their own
    # Prefect's own lines can still end the run, but none of them comes between the vendor's answer and its record, or
    # while a video is waited for.
    if aside(_run_log, level, message, extra) is not None:
        _log.log(level, "%s", message)  # said somewhere at least


def _run_log(level: int, message: str, extra: Mapping[str, object]) -> None:
    _logger().log(level, "%s", message, extra=extra)


def _logger() -> Logger:
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("seedance")


class _EndsOfTasks(logging.Filter):
    """Leaves out what Prefect logs of the ends of a task's runs, of which a batch has hundreds.

    The state of the task run says it, and the batch tells of all of them. Of one that failed a line stays; the line
    before it only repeats it, with an empty traceback.
    """

    def __init__(self, task_name: str) -> None:
        super().__init__()
        self._task_name = task_name

    def filter(self, record: logging.LogRecord) -> bool:
        if vars(record).get("task_name") != self._task_name:
            return True
        return record.levelno >= logging.WARNING and not str(record.msg).startswith("Task run failed with state")


def leave_out_ends_of(task_name: str) -> None:
    """Leave out what Prefect logs of the ends of a task's runs, but for one line for each that failed."""
    filter_lines("prefect.task_runs", _EndsOfTasks(task_name))


def filter_lines(logger_name: str, lines: logging.Filter) -> None:
    """Add a filter to what Prefect logs under a name; one that is there already is not added again."""
    logging.getLogger(logger_name).addFilter(lines)
