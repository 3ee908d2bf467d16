"""Threads for calls that may hang and cannot be ended: whoever asks waits in small steps, and goes when it has to.

A thread for each call would cost as much as a short call. These are kept for the next one, and end when there is none
for a while. They are daemons, since the end of a process shall not wait for what hangs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

#: How long a thread stays without a call.
IDLE_SECONDS = 10.0

_Call = tuple[Future[Any], Callable[..., Any], tuple[object, ...]]


class HelperThreads:
    """As many threads as there are calls at the same time.

    Args:
        name: What they are called.

    Example:
        >>> HelperThreads("example").start(pow, 2, 10).result()
        1024
    """

    def __init__(self, name: str) -> None:
        self._name, self._process = name, os.getpid()
        self._idle: list[SimpleQueue[_Call]] = []

    def start(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Call a function in a thread that is idle, or in a new one."""
        if self._process != os.getpid():  # a forked process has none of these threads
            self._process, self._idle = os.getpid(), []
        future = Future[T]()
        try:
            calls = self._idle.pop()  # one step of the interpreter
        except IndexError:
            calls = SimpleQueue[_Call]()
            threading.Thread(target=self._serve, args=(calls,), name=self._name, daemon=True).start()
        calls.put((future, function, arguments))
        return future

    def _serve(self, calls: SimpleQueue[_Call]) -> None:
        while self._served(calls):
            pass

    def _served(self, calls: SimpleQueue[_Call]) -> bool:
        """Do one call; False if there is none for a while."""
        idle = self._idle
        try:
            future, function, arguments = calls.get(timeout=IDLE_SECONDS)
        except Empty:
            with suppress(ValueError):
                idle.remove(calls)
                return False
            future, function, arguments = calls.get()  # a call was on its way
        if not future.set_running_or_notify_cancel():
            idle.append(calls)
            return True
        try:
            result = function(*arguments)
        except BaseException as error:  # raised again where it is waited for
            idle.append(calls)
            future.set_exception(error)
        else:
            idle.append(calls)
            future.set_result(result)
        return True
