"""Errors in words for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pydantic import ValidationError

from prefect_seedance.cli.terminal import complain
from prefect_seedance.plain_text import faults

INTERRUPTED = 130

#: Titles of what a person fills in, which is checked before anything is sent. Prefect's own models may fail at any
#: time, also when a video is paid for.
_ASKED = frozenset({"Run options", "SeedanceCredentials", "Video request", "VideoStore"})


def report(command: Callable[[], int], *, debug: bool) -> int:
    """Run a command; turn what it raises into one readable paragraph and an exit code.

    Args:
        command: Returns the exit code.
        debug: Let the traceback through instead.
    """
    try:
        _print_any_text()
        return command()
    except KeyboardInterrupt:
        complain("Stopped.")
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        complain(paragraph(error))
        return 1


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
