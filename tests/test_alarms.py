"""Alarms: each rings once, in its order and in time, or never once it is called off; one thread waits for all."""

from __future__ import annotations

import os
import queue
import threading

import pytest

from prefect_seedance import stopwatch
from prefect_seedance.stopwatch import set_alarm

PATIENCE = 30.0


def threads_of_alarms() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "alarms"]


def test_alarms_ring_in_the_order_of_their_moments_whatever_was_set_first() -> None:
    rung: queue.Queue[str] = queue.Queue()
    far = set_alarm(600, lambda: rung.put("far"))
    set_alarm(0.3, lambda: rung.put("second"))
    set_alarm(0.1, lambda: rung.put("first"))
    assert [rung.get(timeout=PATIENCE), rung.get(timeout=PATIENCE)] == ["first", "second"]
    far()
    assert rung.empty()


def test_an_alarm_that_was_called_off_does_not_ring() -> None:
    rung: queue.Queue[str] = queue.Queue()
    call_off = set_alarm(0.1, lambda: rung.put("called off"))
    call_off()
    call_off()  # once more does no harm
    set_alarm(0.2, lambda: rung.put("later"))
    assert rung.get(timeout=PATIENCE) == "later"


def test_one_that_fails_leaves_the_others_theirs() -> None:
    rung = threading.Event()
    set_alarm(0.05, lambda: 1 // 0)
    set_alarm(0.1, rung.set)
    assert rung.wait(PATIENCE)


def test_many_alarms_share_one_thread() -> None:
    calls_off = [set_alarm(600, print) for _ in range(1000)]
    assert len(threads_of_alarms()) == 1
    for call_off in calls_off:
        call_off()


def test_one_that_is_set_by_an_alarm_rings_too() -> None:
    rung = threading.Event()
    set_alarm(0.0, lambda: set_alarm(0.0, rung.set))
    assert rung.wait(PATIENCE)


def test_alarms_ring_again_once_the_system_has_threads_again() -> None:
    alarms, rung = stopwatch._Alarms(), threading.Event()
    usual = threading.stack_size(2**46)  # more than there is: no thread can be started
    try:
        with pytest.raises(RuntimeError):
            alarms.set(0.0, rung.set)
    finally:
        threading.stack_size(usual)
    alarms.set(0.0, rung.set)
    assert rung.wait(30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_alarms_of_its_own() -> None:
    parents = threading.Event()
    call_off = set_alarm(600, parents.set)
    child = os.fork()
    if child == 0:
        rung = threading.Event()
        set_alarm(0.05, rung.set)
        os._exit(0 if rung.wait(PATIENCE) and len(threads_of_alarms()) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    call_off()
