"""Logging that works in and out of a run, with facts that a program can read beside the words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

Step = Literal["validate", "create", "wait", "store", "notify"]
Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

#: Name of the attribute of a log record that holds the facts; the command line draws its progress from it.
FACTS = "seedance"

#: How rich exits when its output is no longer read (``Console.on_broken_pipe``).
BROKEN_PIPE = 1


def log(step: Step, message: str, *, level: int = logging.INFO, **facts: str | float | bool | None) -> None:
    """Log a message of a step, with facts beside it (``task_id``, ``progress`` in percent, ...)."""
    _write(level, message, {FACTS: {"step": step, **facts}})


def note(message: str, *, level: int = logging.INFO) -> None:
    """Log a message that marks no step."""
    _write(level, message, {})


def _write(level: int, message: str, extra: Mapping[str, object]) -> None:
    try:
        _logger().log(level, "%s", message, extra=extra)
    except SystemExit as ended:
        # Prefect's console is rich's, which ends the process in this way once its output is no longer read, for example
        # after the death of the worker that started this run. It is silent from then on, and what is under way (an
        # answer to be written down, a paid video) is worth more than that line. Prefect's own lines still end the
        # process, but none of them comes between the vendor's answer and its record, or while a video is waited for.
        if ended.code != BROKEN_PIPE:
            raise


def _logger() -> Logger:
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("seedance")
