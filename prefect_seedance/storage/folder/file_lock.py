"""One writer at a time, between threads and between processes, on one machine.

Why `fcntl.lockf` (a POSIX record lock) and not `flock`: a `flock` belongs to the open file description, which
a forked child shares. If a worker forks in the middle of a swap and is then killed, the child keeps the lock
for its whole life without knowing. A POSIX lock belongs to the process: the kernel drops it when the process
dies, however it dies, and a child never has it. No pid file, so nothing to clean up after a SIGKILL.

Its two known traps, and what is done about them:
- it does not keep threads of one process apart, and closing *any* descriptor of the file drops it. So one
  lock of the whole process is taken first, and the file is opened and closed under it, once per operation;
- a child forked while another thread holds that process lock would find it locked for ever, since the thread
  that would release it does not exist there. So a child starts with a new one.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from prefect_seedance.storage.errors import StoreUnavailable
from prefect_seedance.storage.folder.places import open_file, opened

_FIRST_PAUSE_SECONDS = 0.0005
_LONGEST_PAUSE_SECONDS = 0.02


class _ProcessLock:
    """The lock of this process; a forked child gets a new one."""

    current = threading.Lock()


def _renew_in_child() -> None:
    _ProcessLock.current = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_in_child)


@contextmanager
def exclusive(path: Path, *, timeout_seconds: float = 60.0) -> Generator[None, None, None]:
    """Hold the lock of this file, which is made if need be and never removed; nothing is ever written into it.

    Raises:
        StoreUnavailable: Somebody else held it for the whole time-out (a stopped process, for instance).
        OSError: The file cannot be opened, or is a link.
    """
    deadline = time.monotonic() + timeout_seconds
    process_lock = _ProcessLock.current
    if not process_lock.acquire(timeout=timeout_seconds):
        raise _lock_not_free(path, timeout_seconds)
    try:
        with opened(path.parent) as folder:
            handle = open_file(folder, path.name, os.O_RDWR | os.O_CREAT, path)
        try:
            pause = _FIRST_PAUSE_SECONDS
            while not _try_lock(handle):
                if time.monotonic() >= deadline:
                    raise _lock_not_free(path, timeout_seconds)
                time.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            yield
        finally:
            os.close(handle)  # releases the lock
    finally:
        process_lock.release()


def _lock_not_free(path: Path, seconds: float) -> StoreUnavailable:
    return StoreUnavailable(str(path), f"another process or thread has held this lock for {seconds:g} seconds")


def _try_lock(handle: int) -> bool:
    if sys.platform == "win32":  # the folder store refuses Windows before it comes here
        raise NotImplementedError
    else:
        import fcntl

        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX lets a system answer EAGAIN or EACCES
            return False
        return True
