"""Logging that works in and out of a run, with facts that a program can read beside the words."""

from __future__ import annotations

import logging
from typing import Literal

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

Step = Literal["validate", "create", "wait", "store", "notify"]
Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

#: Name of the attribute of a log record that holds the facts; the command line draws its progress from it.
FACTS = "seedance"


def run_logger() -> Logger:
    """Give the logger of the run, or a plain one outside of a run."""
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("seedance")


def log(step: Step, message: str, *, level: int = logging.INFO, **facts: str | float | bool) -> None:
    """Log a message of a step, with facts beside it (``task_id``, ``progress`` in percent, ...)."""
    run_logger().log(level, "%s", message, extra={FACTS: {"step": step, **facts}})
