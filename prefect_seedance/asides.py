"""Asides: what only tells people of the work (log lines, events, progress, pages) and must never stop it.

A user's logging handler or filter, an event queue, Prefect's API: any of them may raise anything, and it may do so
between the vendor's answer and its record. Whatever is said on the side is said through this module.

What ends a run still ends it: the cancellation of asyncio and of Prefect and the keyboard's interrupt pass.
`SystemExit` passes in the main thread, where it may be a signal handler's; in any other thread only what was called can
have raised it, and nobody asked for an end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec

from pydantic import ValidationError

from prefect_seedance.plain_text import faults, one_line
from prefect_seedance.redaction import hide, keeping_secret

P = ParamSpec("P")

#: How rich exits when its output is no longer read (``Console.on_broken_pipe``), in whatever thread. Prefect's console
#: is rich's, and it is silent from then on: the worker that started this run has died, and what is under way (an answer
#: to be written down, a paid video) is worth more than the line.
BROKEN_PIPE = 1
_LONGEST = 1000
#: The loggers of the HTTP library, which writes a line between an answer's head and its body.
_HTTP_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
_guards_http: ContextVar[bool] = ContextVar("guards_http", default=False)


def aside(tell: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> BaseException | None:
    """Call what only tells people of the work, and return what it raised instead of raising it.

    Example:
        >>> aside(print, "It goes on.")
        It goes on.
        >>> aside(int, "the log server is gone")
        ValueError("invalid literal for int() with base 10: 'the log server is gone'")
    """
    try:
        tell(*args, **kwargs)
    except Exception as error:
        return error
    except SystemExit as ended:
        if ended.code != BROKEN_PIPE and threading.current_thread() is threading.main_thread():
            raise
        return ended
    return None


def words_of(error: BaseException) -> str:
    """Return what an exception says, without secrets, on one line and cut to size; its class if it says nothing.

    Example:
        >>> words_of(RuntimeError("the event server is gone")), words_of(TimeoutError())
        ('the event server is gone', 'TimeoutError')
    """
    try:
        said = "; ".join(faults(error)) if isinstance(error, ValidationError) else str(error)
        return one_line(hide(said, longest=_LONGEST)).strip() or type(error).__name__
    except Exception:
        return type(error).__name__


class AsideLog:
    """A logger of the standard library's whose handlers and filters cannot stop the caller. A line stays one line.

    Args:
        name: Of the logger.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def log(self, level: int, message: str, *args: object) -> None:
        """Write a line."""
        aside(self._write, level, message, args)

    def info(self, message: str, *args: object) -> None:
        """Write a line for whoever follows the work."""
        aside(self._write, logging.INFO, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Write a line that somebody should read."""
        aside(self._write, logging.WARNING, message, args)

    def _write(self, level: int, message: str, args: tuple[object, ...]) -> None:
        # The caller's place is the fourth from here: this, `aside`, and the method that was called.
        self._logger.log(level, one_line(message), *map(_on_one_line, args), stacklevel=4)


def _on_one_line(value: object) -> object:
    if isinstance(value, BaseException):
        return one_line(str(value)) or type(value).__name__
    return one_line(value) if isinstance(value, str) else value


class _BeforeAllFilters(logging.Filter):
    """Stands first among the filters of the HTTP library, and passes its lines on as asides, without secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not _guards_http.get():
            return True
        _guards_http.set(False)  # the same record comes by once more, on its way to the other filters and the handlers
        try:
            aside(_hand_on, record)
        finally:
            _guards_http.set(True)
        return False


def _hand_on(record: logging.LogRecord) -> None:
    """Pass a line on that holds addresses and headers of ours: whole links, and where one is redirected to."""
    record.msg, record.args = hide(record.getMessage()), ()
    logging.getLogger(record.name).handle(record)


_FIRST = _BeforeAllFilters()


@contextmanager
def http_lines_are_asides(secret: str = "") -> Generator[None]:
    """Keep the handlers of the HTTP library's log lines from ending a call: its answer may be a paid task's id.

    Those lines show no secret either.

    Args:
        secret: The API key that answers may repeat; by default that of the block around this one.
    """
    for name in _HTTP_LOGGERS:
        filters = logging.getLogger(name).filters
        if _FIRST not in filters:
            filters.insert(0, _FIRST)
    before = _guards_http.get()
    _guards_http.set(True)
    try:
        with keeping_secret(secret):
            yield
    finally:
        _guards_http.set(before)
