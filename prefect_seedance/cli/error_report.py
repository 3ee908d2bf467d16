"""Errors in words for a terminal."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext

from pydantic import ValidationError

from prefect_seedance.cli.terminal import complain, documents_alone, say_document
from prefect_seedance.plain_text import faults, lines, one_line

INTERRUPTED = 130

#: Titles of what a person fills in, which is checked before anything is sent. Prefect's own models may fail at any
#: time, also when a video is paid for.
_ASKED = frozenset(
    {"Batch options", "Collect options", "Run options", "SeedanceCredentials", "Video request", "VideoStore"}
)


def report(command: Callable[[], int], *, debug: bool, as_json: bool = False) -> int:
    """Run a command; turn what it raises into one readable paragraph and an exit code.

    Args:
        command: Returns the exit code.
        debug: Show the traceback too.
        as_json: Print nothing but documents; what it raises is one as well, see `document`.
    """
    with documents_alone() if as_json else nullcontext():
        try:
            _print_any_text()
            return command()
        except KeyboardInterrupt:
            return interrupted("Stopped.", as_json=as_json)
        except Exception as error:
            if not as_json:
                if debug:
                    raise
                complain(paragraph(error))
                return 1
            if debug:
                traceback.print_exc()
            say_document(document(error))
            return 1


def interrupted(words: str, *, as_json: bool, task_id: str = "") -> int:
    """Say what an interrupt leaves behind, and return the exit code."""
    if as_json:
        say_document(_document("Interrupted", words, task_id))
    else:
        complain(words)
    return INTERRUPTED


def document(error: BaseException) -> dict[str, object]:
    """Return an error as a program reads it.

    Example:
        >>> document(ValueError("location: not a folder"))
        {'error': {'type': 'ValueError', 'message': 'location: not a folder', 'task_id': ''}}
    """
    message = paragraph(error).removeprefix("Error: ")
    return _document(type(error).__name__, message, str(getattr(error, "task_id", None) or ""))


def _document(kind: str, message: str, task_id: str) -> dict[str, object]:
    return {"error": {"type": kind, "message": lines(message), "task_id": one_line(task_id)}}


def _print_any_text() -> None:
    """Write what the output's encoding does not have as an escape: a prompt must not end a command half way."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # not where something else stands for the output
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def paragraph(error: BaseException) -> str:
    """Word an error as one paragraph, without a traceback.

    Example:
        >>> paragraph(ValueError("location: not a folder"))
        'Error: location: not a folder'
    """
    if isinstance(error, ValidationError):
        free = error.title in _ASKED
        said = "nothing was sent and nothing is paid." if free else f"this is not a valid {error.title}:"
        return "\n".join([f"Error: {said}", *(f"  {line}" for line in faults(error))])
    return "\n".join([f"Error: {str(error) or type(error).__name__}", *getattr(error, "__notes__", [])])
