"""Many changes of one object, from many threads, by few requests: what is pending goes into one reading and one swap.

There is no thread for it. Of the threads that want something written one leads: it takes what is pending, reads,
applies all of it and swaps, while the others wait and newcomers queue up for the next round. What it has written for
the others they find done. Other processes do the same; the one that loses the race waits for up to a second, at random,
and reads again. So the object sees one writer a process, however many threads there are.

Each change must bear being applied again upon what others have written meanwhile: an answer may be lost.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

#: The longest pause after a lost race; each lasts a random share of it.
LONGEST_PAUSE_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.1


def pause_after(races: int, random: float) -> float:
    """Return how long to wait after so many lost races: full jitter, so that writers part.

    Example:
        >>> [pause_after(races, 1.0) for races in (1, 2, 3, 4, 5, 50)]
        [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    """
    return random * min(LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(races - 1, 10))


class Waiting(Protocol):
    """What threads wait on: a `threading.Condition`, or what stands for one in simulated time."""

    def __enter__(self) -> object:
        """Take it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> object:
        """Let it go."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all are notified; False if the time is over."""
        ...

    def notify_all(self) -> None:
        """Wake all who wait."""
        ...


@dataclass(eq=False)
class Wish(Generic[T]):
    """One change that a thread wants made, or anything that takes a turn with the others.

    Attributes:
        change: What it is; the leader knows how to make it.
        hurries: Whether it is given up with the first round that fails, instead of being tried by its own thread.
        frees: Whether it is made before those that need room.
        is_done: Whether there is a result.
    """

    change: T
    hurries: bool = False
    frees: bool = False
    is_done: bool = False
    failure: BaseException | None = None
    result: object = None

    def done(self, result: object = None, failure: BaseException | None = None) -> None:
        """Note what came of it."""
        self.result, self.failure, self.is_done = result, failure, True


#: Makes all of some wishes, and says of each what came of it. What it raises befalls the one whose thread it is.
Lead = Callable[[list[Wish[T]]], None]


@dataclass
class _Queue(Generic[T]):
    """What is pending for one object."""

    changed: Waiting
    pending: list[Wish[T]] = field(default_factory=list[Wish[T]])
    is_led: bool = False
    users: int = 0


class Committers(Generic[T]):
    """The committers of this process, one for each object that somebody is writing.

    A forked child begins with none: a thread that leads in the parent does not exist in the child.

    Args:
        condition: Makes what the threads wait on.
        clock: By which those who hurry wait.
    """

    def __init__(
        self, condition: Callable[[], Waiting] = threading.Condition, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._condition, self._clock = condition, clock
        self._by_process: dict[int, tuple[threading.Lock, dict[object, _Queue[T]]]] = {}

    def __len__(self) -> int:
        """Return how many objects are being written by this process."""
        return len(self._of_this_process()[1])

    def commit(self, place: object, wish: Wish[T], lead: Lead[T], *, longest_seconds: float | None = None) -> object:
        """Have a change made, by this thread or another, and return what came of it.

        Args:
            place: Names the object; all who name the same one share a committer.
            wish: What is wanted.
            lead: Makes wishes, if it falls to this thread; it must do so for all who name this place.
            longest_seconds: How long to wait for another thread; None for as long as it takes. The wish stays with the
                others that are pending, and is made with them if somebody still writes.

        Raises:
            TimeoutError: It took another thread too long.
            Exception: What the leader says came of it.
        """
        with self._queue(place) as queue:
            self._wait_or_lead(queue, wish, lead, longest_seconds)
        if wish.failure is not None:
            raise wish.failure
        return wish.result

    def _wait_or_lead(self, queue: _Queue[T], wish: Wish[T], lead: Lead[T], longest_seconds: float | None) -> None:
        until = None if longest_seconds is None else self._clock() + longest_seconds
        with queue.changed:
            queue.pending.append(wish)
            try:
                while queue.is_led and not wish.is_done:
                    left = None if until is None else until - self._clock()
                    if left is not None and left <= 0:
                        raise TimeoutError("the ledger was busy")
                    queue.changed.wait(left)
            except BaseException as error:
                # The thread is being ended: nobody would use what is made for it.
                if wish in queue.pending and not isinstance(error, TimeoutError):
                    queue.pending.remove(wish)
                raise
            if wish.is_done:
                return
            queue.is_led = True
            taken = sorted(queue.pending, key=lambda each: not each.frees)
            queue.pending.clear()
        try:
            lead(taken)
        except Exception as failure:
            for each in taken:
                # Whoever hurries does not try again, and whoever does not has waited for this one's tries.
                if not each.is_done and (each.hurries or not wish.hurries):
                    each.done(failure=failure)
            wish.done(failure=failure)
        finally:
            with queue.changed:
                queue.pending[:0] = [each for each in taken if not each.is_done and each is not wish]
                queue.is_led = False
                queue.changed.notify_all()

    @contextmanager
    def _queue(self, place: object) -> Generator[_Queue[T], None, None]:
        process, (guard, queues) = os.getpid(), self._of_this_process()
        with guard:
            queue = queues.get(place)
            if queue is None:
                queue = queues[place] = _Queue[T](self._condition())
            queue.users += 1
        try:
            yield queue
        finally:
            if os.getpid() == process:  # else forked inside of the block: the parent's guard may be locked for ever
                with guard:
                    queue.users -= 1
                    if not queue.users:
                        del queues[place]

    def _of_this_process(self) -> tuple[threading.Lock, dict[object, _Queue[T]]]:
        process = os.getpid()
        found = self._by_process.get(process)
        return found or self._by_process.setdefault(process, (threading.Lock(), {}))  # atomic
