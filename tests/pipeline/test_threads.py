"""Blocking work: in the caller's context, and in threads that a forked child does not inherit."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

from prefect_seedance.pipeline import threads

POOLS = [threads.SUBMISSIONS, threads.RELAYS, threads.MEDIA, threads.RECORDS, threads.LOOKUPS]
run_id: ContextVar[str] = ContextVar("run_id", default="none")

all_pools = pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool._name)


@all_pools
def test_work_runs_in_a_copy_of_the_context_that_started_it(pool: threads.Pool) -> None:
    def work() -> str:
        seen = run_id.get()
        run_id.set("changed by the work")
        return seen

    for name in ("first", "second"):  # the same thread, perhaps, and never the context of the work before
        token = run_id.set(name)
        started = threads.start(pool, work)
        run_id.reset(token)
        assert started.result(30) == name
    assert run_id.get() == "none"


async def test_awaited_work_sees_the_context_of_who_awaits() -> None:
    run_id.set("awaiting")
    assert await threads.run(threads.RECORDS, run_id.get) == "awaiting"


async def test_awaited_work_raises_what_it_raised_and_takes_arguments() -> None:
    assert await threads.run(threads.RECORDS, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(threads.RECORDS, divmod, 7, 0)


async def test_work_that_has_begun_goes_on_when_nobody_waits_any_longer() -> None:
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go_on.wait(30)
        ended.set()

    waiting = asyncio.ensure_future(threads.run(threads.SUBMISSIONS, work))
    while not began.is_set():
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 30)


def test_work_never_runs_in_the_default_threads_of_asyncio() -> None:
    async def names() -> set[str]:
        return {await threads.run(pool, lambda: threading.current_thread().name) for pool in POOLS}

    assert {name.partition("_")[0] for name in asyncio.run(names())} == {pool._name for pool in POOLS}


def test_as_many_as_the_pool_has_room_for_run_at_once_and_the_next_one_waits() -> None:
    pool, began, go_on = threads.Pool(3, "test"), threading.Semaphore(0), threading.Event()

    def work() -> None:
        began.release()
        go_on.wait(30)

    started = [threads.start(pool, work) for _ in range(4)]
    assert all(began.acquire(timeout=30) for _ in range(3))
    time.sleep(0.05)
    assert not started[3].running() and not started[3].done()
    go_on.set()
    for each in started:
        each.result(30)


FORKED = """
import os, sys, threading
from prefect_seedance.pipeline import threads

busy, names = threading.Event(), lambda: (os.getpid(), threading.current_thread().name)
pool = threads.Pool(1, "seedance-test")
parent = threads.start(pool, os.getpid).result(30)
hanging = threads.start(pool, lambda: busy.wait(60))  # the only thread of the parent is busy, and not in the child
child = os.fork()
if not child:
    try:
        assert threads.start(pool, os.getpid).result(30) == os.getpid() != parent
        assert threads.start(threads.RECORDS, os.getpid).result(30) == os.getpid()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
busy.set()
assert hanging.result(30)
assert threads.start(pool, os.getpid).result(30) == parent == os.getpid()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_child_makes_threads_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


HEAPS = """
import ctypes, sys, threading
from prefect_seedance.pipeline.threads import share_heaps
share_heaps()
room = threading.Barrier(7)
def work():
    room.wait()
    held = [bytes(600) for _ in range(100)]
    room.wait()
for _ in range(6):
    threading.Thread(target=work).start()
room.wait(); room.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
@pytest.mark.parametrize(("chosen", "most"), [({}, 1), ({"MALLOC_ARENA_MAX": "5"}, 5)], ids=["ours", "a user's own"])
def test_many_threads_share_a_heap_unless_somebody_has_chosen(chosen: dict[str, str], most: int) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | chosen
    done = subprocess.run([sys.executable, "-c", HEAPS], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count("<heap nr=") == most


OWN_MEMORY = """
import ctypes
from prefect_seedance.pipeline.threads import share_heaps
class Figures(ctypes.Structure):
    _fields_ = [(f"figure{number}", ctypes.c_size_t) for number in range(10)]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Figures
blocks_of_their_own = lambda: libc.mallinfo2().figure3
share_heaps()
video = bytes(8 << 20)
del video  # from here on glibc would take blocks up to this size out of its heaps
before = blocks_of_their_own()
held = bytes(1 << 20)
during = blocks_of_their_own()
del held
print(during - before, blocks_of_their_own() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
@pytest.mark.parametrize(
    ("chosen", "own"), [({}, "1 0"), ({"GLIBC_TUNABLES": "glibc.malloc.check=0"}, "0 0")], ids=["ours", "a user's own"]
)
def test_the_memory_of_a_video_goes_back_to_the_system_unless_somebody_has_chosen(
    chosen: dict[str, str], own: str
) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | chosen
    command = [sys.executable, "-c", OWN_MEMORY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == own.split()
