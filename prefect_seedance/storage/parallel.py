"""Several reads at once, with what came of them in order: one after the other, a million would take hours.

The threads are daemons: an interrupt, or whoever has found what was looked for, waits for no read that is under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

#: A bucket serves more, and one process does not ask faster: most of a read is its own work.
READS_AT_ONCE = 16
#: Taken up beforehand, so that one slow read does not keep the others waiting.
_AHEAD = 4 * READS_AT_ONCE
_LOOK_SECONDS = 0.2


def _go_on() -> None:
    """Never end a wait."""


def in_order(
    items: Iterable[S],
    read: Callable[[S], T],
    *,
    at_once: int = READS_AT_ONCE,
    check: Callable[[], None] = _go_on,
) -> Generator[T, None, None]:
    """Call a function for each item, for some at once, and yield what it returns in the order of the items.

    Few more items are taken up than have been yielded, however many there are. Nothing more is begun once the iterator
    is closed. What the function raises is raised in its turn.

    Args:
        items: What to call it for.
        read: The function.
        at_once: How many calls may be under way.
        check: Called again and again while a result is waited for; it raises to end the wait.

    Example:
        >>> list(in_order([3, 1, 2], str))
        ['3', '1', '2']
    """
    work: SimpleQueue[tuple[Future[T], S] | None] = SimpleQueue()
    results: deque[Future[T]] = deque()
    threads = 0
    try:
        for item in items:
            if len(results) >= _AHEAD:
                yield _result(results.popleft(), check)
            results.append(Future())
            work.put((results[-1], item))
            if threads < at_once:
                threads += 1
                # The caller's context: what is logged belongs to its run.
                Thread(target=copy_context().run, args=(_serve, work, read), name="parallel-reads", daemon=True).start()
        while results:
            yield _result(results.popleft(), check)
    finally:
        for left in results:
            left.cancel()
        for _ in range(threads):
            work.put(None)


def _result(future: Future[T], check: Callable[[], None]) -> T:
    while not future.done():
        check()
        wait([future], timeout=_LOOK_SECONDS)
    return future.result()


def _serve(work: SimpleQueue[tuple[Future[T], S] | None], read: Callable[[S], T]) -> None:
    while (task := work.get()) is not None:
        future, item = task
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(read(item))
        except BaseException as error:
            future.set_exception(error)
