"""Errors in words for a terminal."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext

from pydantic import ValidationError

from prefect_seedance.cli.exit_codes import ERROR, INTERRUPTED, stopped_by
from prefect_seedance.cli.terminal import NobodyReads, complain, documents_alone, flush, say_document
from prefect_seedance.plain_text import faults, lines, one_line
from prefect_seedance.redaction import hide
from prefect_seedance.storage.errors import shown_location

#: What the command uses, by name: see `note_address`.
_addresses: dict[str, str] = {}

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
            code = command()
            flush()
            return code
        except KeyboardInterrupt:
            return interrupted("Stopped.", as_json=as_json)
        except NobodyReads:  # such as head, which has read enough
            return stopped_by(signal.SIGPIPE)
        except Exception as error:
            if not as_json:
                if debug:
                    raise
                complain("\n".join([paragraph(error), *_addresses_line(error)]))
                return ERROR
            if debug:
                traceback.print_exc()
            say_document(document(error))
            return ERROR
        finally:
            _addresses.clear()


def note_address(name: str, address: str, called: str = "") -> None:
    """Note what is in use, to be said with an error: a key that is refused may be asked at a wrong host.

    Args:
        name: What it is, such as "store".
        address: Where it is, "" where that is not known. What may be a secret in it is left out.
        called: What a person calls it, or where it comes from.
    """
    shown = shown_location(address)
    _addresses[name] = one_line(hide(f"{called} ({shown})" if called and shown else called or shown))


def _addresses_line(error: BaseException) -> list[str]:
    """Return the line that says what was in use; none for an error of what a person fills in."""
    if not _addresses or (isinstance(error, ValidationError) and error.title in _ASKED):
        return []
    return ["In use: " + "; ".join(f"{name} {address}" for name, address in _addresses.items())]


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
    said = _document(type(error).__name__, message, str(getattr(error, "task_id", None) or ""))
    return {**said, "in_use": dict(_addresses)} if _addresses else said


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
