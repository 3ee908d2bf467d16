"""Threads that are kept for the next call."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from prefect_seedance.storage import helper_threads
from prefect_seedance.storage.helper_threads import HelperThreads


def test_one_thread_does_calls_that_come_one_after_the_other() -> None:
    threads = HelperThreads("test-one")
    assert len({threads.start(threading.get_ident).result(10) for _ in range(20)}) == 1


def test_a_call_that_hangs_holds_up_no_other() -> None:
    threads, go_on = HelperThreads("test-hanging"), threading.Event()
    hanging = [threads.start(go_on.wait, 30) for _ in range(50)]
    assert threads.start(pow, 2, 5).result(10) == 32
    go_on.set()
    assert all(each.result(10) for each in hanging)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_a_call_raises_is_raised_where_it_is_waited_for_and_its_thread_stays(error: BaseException) -> None:
    threads = HelperThreads("test-failing")

    def fail() -> None:
        raise error

    first = threads.start(threading.get_ident).result(10)
    with pytest.raises(type(error)):
        threads.start(fail).result(10)
    assert threads.start(threading.get_ident).result(10) == first


def test_threads_end_when_there_are_no_calls_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_threads, "IDLE_SECONDS", 0.05)
    threads = HelperThreads("test-idle")
    barrier = threading.Barrier(4)
    for work in [threads.start(barrier.wait, 10) for _ in range(4)]:
        work.result(10)
    ends = time.monotonic() + 10
    while any(each.name == "test-idle" for each in threading.enumerate()):
        assert time.monotonic() < ends
        time.sleep(0.01)
    assert threads.start(pow, 2, 3).result(10) == 8


def test_no_call_is_lost_while_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_threads, "IDLE_SECONDS", 0.001)
    threads = HelperThreads("test-ending")
    for number in range(300):
        assert threads.start(pow, number, 2).result(10) == number**2
        time.sleep(0.001)


FORKED = """
import os
from prefect_seedance.storage.helper_threads import HelperThreads
threads = HelperThreads("forked")
assert threads.start(os.getpid).result(10) == os.getpid()
if child := os.fork():
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
else:
    assert threads.start(os.getpid).result(10) == os.getpid()
    os._exit(0)
"""

HANGING = """
import time
from prefect_seedance.storage.helper_threads import HelperThreads
HelperThreads("hanging").start(time.sleep, 600)
"""


@pytest.mark.parametrize("script", [pytest.param(FORKED, id="a forked child"), pytest.param(HANGING, id="its end")])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_is_not_held_up_by_threads_that_it_has_not_or_that_hang(script: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
