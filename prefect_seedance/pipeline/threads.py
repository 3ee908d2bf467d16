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


#: glibc's numbers of two settings of its memory, and what a batch sets them to: how many heaps all threads share, and
#: from how many bytes on a block has memory of its own, which the system gets back at once.
_ARENA_MAX, _HEAPS = -8, 1
_MMAP_THRESHOLD, _OWN_MEMORY_BYTES = -3, 512 * 1024


def share_heaps() -> None:
    """Let the threads of this process share a heap, for whoever is about to use many of them.

    By default glibc gives threads heaps of their own, up to eight for each core, and each keeps what it once held; and
    once a video has passed by, blocks of its size come out of the heaps too, which so never get whole again. Settings
    that somebody has chosen, by ``MALLOC_…`` or ``GLIBC_TUNABLES``, are left alone. Other C libraries have none.
    """
    chosen = any(name.startswith("MALLOC_") and name.endswith("_") for name in os.environ)
    chosen = chosen or "MALLOC_ARENA_MAX" in os.environ or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if sys.platform == "linux" and not chosen:
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(_ARENA_MAX, _HEAPS)
            library.mallopt(_MMAP_THRESHOLD, _OWN_MEMORY_BYTES)


def start(pool: Pool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Start blocking work in a pool, in a copy of the caller's context, so that it logs to the same Prefect run."""
    context = copy_context()
    return pool.submit(lambda: context.run(work, *args, **kwargs))


async def run(pool: Pool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a pool and wait for it.

    Cancelling the waiting does not stop work that has begun.
    """
    return await asyncio.wrap_future(start(pool, work, *args, **kwargs))
