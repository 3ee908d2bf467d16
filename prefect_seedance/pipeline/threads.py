"""Threads of our own for blocking work.

Never asyncio's default pool: name resolution and Prefect share that one, and twenty POSTs that hang for minutes would
stop both.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from prefect_seedance.storage.relay.decoder_process import MOST_CHILDREN

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """A pool that makes its threads when they are needed; a forked child makes its own.

    Args:
        size: Maximum number of threads.
        name: What their names begin with.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name = size, name
        self._lock = threading.Lock()
        self._made: tuple[int, ThreadPoolExecutor] | None = None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Start work, or queue it if all threads are busy."""
        made = self._made
        if made is None or made[0] != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made[0] != os.getpid():
                    executor = ThreadPoolExecutor(self._size, thread_name_prefix=self._name)
                    made = self._made = (os.getpid(), executor)
        return made[1].submit(work)


#: POSTs to the vendor. Each may hang for minutes, and the next one shall not wait for it.
SUBMISSIONS = Pool(128, "seedance-submit")
#: Files and objects that are read for their identity: no order waits until the audits of others are over.
IDENTIFICATIONS = Pool(16, "seedance-identify")
#: References that are read, uploaded and waited for. An audit may take minutes, of which next to nothing is work.
REFERENCES = Pool(64, "seedance-references")
#: Videos on their way into a store: as many as share a network well. Each takes some 30 MB of memory.
RELAYS = Pool(16, "seedance-relay")
#: Waiting for the children that decode media, and writing what they made: as many as there are children.
MEDIA = Pool(MOST_CHILDREN, "seedance-media")
#: Short questions to a store.
RECORDS = Pool(32, "seedance-records")
#: Short questions to the vendor that a submission depends on, such as the price catalog.
LOOKUPS = Pool(8, "seedance-lookup")


#: glibc's M_ARENA_MAX, and how many heaps all threads share.
_ARENA_MAX, _HEAPS = -8, 2


def share_heaps() -> None:
    """Let the threads of this process share two heaps, for whoever is about to use many of them.

    glibc gives threads heaps of their own, up to eight for each core, and each keeps what it once held: 17 MiB more for
    a batch of 300 videos, 6 for one of 500, and no less processor time (`benchmarks.batch`). It is a setting of the
    whole process, so one that somebody has chosen by ``MALLOC_ARENA_MAX`` or ``GLIBC_TUNABLES`` is left alone. Other C
    libraries have none.
    """
    chosen = "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", "")
    if sys.platform == "linux" and not chosen:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, _HEAPS)


def start(pool: Pool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Start blocking work in a pool, in a copy of the caller's context, so that it logs to the same Prefect run."""
    context = copy_context()
    return pool.submit(lambda: context.run(work, *args, **kwargs))


async def run(pool: Pool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a pool and wait for it.

    Cancelling the waiting does not stop work that has begun.
    """
    return await asyncio.wrap_future(start(pool, work, *args, **kwargs))
