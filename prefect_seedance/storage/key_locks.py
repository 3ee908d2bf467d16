"""One lock for each key that somebody works on, shared by all threads of a process, whatever their event loop.

What a store's conditions do between processes these do within one, where a store has no conditions to rely on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _KeyLock:
    """The lock of one key, and how many hold it or wait for it."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    users: int = 0


class _Locks:
    """The locks of one process."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.by_key: dict[str, _KeyLock] = {}


class KeyLocks:
    """Locks by key. A thread may take one again that it holds; one that nobody uses is dropped.

    A forked child begins with none: a thread that holds one in the parent does not exist in the child.

    Example:
        >>> locks = KeyLocks()
        >>> with locks.held("journal/records/one.json", timeout_seconds=5.0) as got:
        ...     got, len(locks)
        (True, 1)
        >>> len(locks)
        0
    """

    def __init__(self) -> None:
        self._by_process: dict[int, _Locks] = {}

    def __len__(self) -> int:
        """Return how many are in use in this process."""
        return len(self._of_this_process().by_key)

    @contextmanager
    def held(self, key: str, *, timeout_seconds: float = threading.TIMEOUT_MAX) -> Generator[bool, None, None]:
        """Hold the lock of a key for the length of a ``with`` block.

        Args:
            key: Of what is worked on.
            timeout_seconds: How long to wait for another thread.

        Yields:
            Whether it is held: not, if another thread held it for all that time.
        """
        process, locks = os.getpid(), self._of_this_process()
        with locks.guard:
            mine = locks.by_key.setdefault(key, _KeyLock())
            mine.users += 1
        try:
            got = mine.lock.acquire(timeout=timeout_seconds)
            try:
                yield got
            finally:
                if got:
                    mine.lock.release()
        finally:
            if os.getpid() == process:  # else forked inside of the block: the parent's guard may be locked for ever
                with locks.guard:
                    mine.users -= 1
                    if not mine.users:
                        del locks.by_key[key]

    def _of_this_process(self) -> _Locks:
        process = os.getpid()
        return self._by_process.get(process) or self._by_process.setdefault(process, _Locks())  # atomic
