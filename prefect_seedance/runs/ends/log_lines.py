"""What Prefect logs of a run that ends by an error of ours: the sentence once, at the run's end.

By itself Prefect logs it up to five times, and three of them with a traceback: of the task, of the flow, and of the
process. A traceback helps nobody whose request broke a rule. Errors that are not ours keep theirs.
"""

from __future__ import annotations

import logging
import re

from prefect.exceptions import ParameterTypeError

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.storage.errors import StorageError

#: Of the flows and tasks of this package. A flow of somebody else's keeps its lines: they say where it called us.
FLOWS = frozenset(
    {
        "generate-video",
        "generate-videos",
        "generate-videos-in-parts",
        "plan-videos",
        "submit-videos",
        "collect-videos",
        "resolve-submission",
        "pause-spending",
        "resume-spending",
    }
)
TASKS = frozenset({"validate-request", "prepare-media", "create-video", "wait-for-video", "store-video"})

_TASK_ENDED = re.compile(r"Finished in state Failed\((['\"])Task run encountered an exception (\w+): .*", re.DOTALL)
_FLOW_ENDED = "Finished in state Failed("
_DOUBLED = (
    "Task run failed with exception",
    "Encountered exception during execution",
)
_OURS = (SeedanceError, StorageError, ParameterTypeError)
#: How a flow of this package refuses parameters, which happens before Prefect knows the run's logger.
REFUSED = "Nothing was sent or paid."
_INVALID, _DUMPED = "Validation of flow parameters failed", "Parameter validation failed for flow"
_OF_PROCESS = "Engine execution exited with unexpected exception"


def tell_errors_once() -> None:
    """Log in one line what ends a run by an error of ours. May be called more than once."""
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        logging.getLogger(name).addFilter(_once)
    for name in ("prefect.engine", "prefect.flows"):
        logging.getLogger(name).addFilter(_refused_once)


class _Once(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        facts, message = vars(record), record.msg
        if not isinstance(message, str):  # somebody's object: to word it is the business of whoever writes the line
            return True
        flow, task = facts.get("flow_name"), facts.get("task_name")
        # The process that ran a flow names none.
        if message.startswith(_OF_PROCESS) and _is_ours(record) and flow in {*FLOWS, "<unknown>", None}:
            return False
        if not (task in TASKS if task else flow in FLOWS):
            return True
        if message.startswith(_DOUBLED):
            return not _is_ours(record)
        if task and flow in FLOWS and (ended := _TASK_ENDED.match(message)) and ended[2] in _names():
            record.msg = f"Finished in state Failed({ended[2]})"  # the flow's own line says why
        elif not task and message.startswith(_FLOW_ENDED):
            record.levelno, record.levelname = logging.ERROR, logging.getLevelName(logging.ERROR)
        return True


class _RefusedOnce(logging.Filter):
    """Leaves of the lines about refused parameters the last, which has the sentence: another repeats every value."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception:  # a line that cannot be worded: the logging says so itself
            return True
        if message.startswith(_DUMPED):
            return message.removeprefix(_DUMPED).partition("'")[2].partition("'")[0] not in FLOWS
        if REFUSED not in message:
            return True
        if message.startswith(_FLOW_ENDED):
            record.levelno, record.levelname = logging.ERROR, logging.getLevelName(logging.ERROR)
        return not message.startswith(_INVALID)


_once, _refused_once = _Once(), _RefusedOnce()


def _is_ours(record: logging.LogRecord) -> bool:
    from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped  # here: an import of the flow ends no run

    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, WaitStopped | VideoNotStored) and not isinstance(error.__cause__, _OURS):
        return False  # it only says that the log has the details
    return isinstance(error, _OURS)


def _names() -> set[str]:
    """Return the names of every error of ours that is known by now: one that was raised is."""
    found, open_ = set[str](), [SeedanceError, StorageError]
    while open_:
        kind = open_.pop()
        found.add(kind.__name__)
        open_ += kind.__subclasses__()
    return found
