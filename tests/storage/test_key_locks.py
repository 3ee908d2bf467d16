"""One lock for each key, however many threads and event loops there are, and none left when nobody works."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from prefect_seedance.storage.key_locks import KeyLocks


def test_one_thread_at_a_time_works_on_a_key_and_no_lock_is_left() -> None:
    locks, inside, most = KeyLocks(), dict.fromkeys("ab", 0), dict.fromkeys("ab", 0)

    def work(number: int) -> None:
        key = "ab"[number % 2]
        with locks.held(key) as got:
            assert got
            inside[key] += 1
            most[key] = max(most[key], inside[key])
            time.sleep(0.001)
            inside[key] -= 1

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(200)))
    assert most == {"a": 1, "b": 1} and len(locks) == 0


def test_work_of_several_event_loops_is_kept_apart() -> None:
    locks, order = KeyLocks(), []

    def work(name: str) -> None:
        with locks.held("key"):
            order.append(name)
            time.sleep(0.01)
            order.append(name)

    async def both(name: str) -> None:
        await asyncio.gather(*(asyncio.to_thread(work, f"{name}{number}") for number in range(3)))

    loops = [threading.Thread(target=lambda name=name: asyncio.run(both(name))) for name in "ab"]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    assert len(order) == 12 and order[::2] == order[1::2]


def test_a_thread_takes_again_what_it_holds_and_another_waits_only_so_long() -> None:
    locks = KeyLocks()
    with locks.held("key") as first, locks.held("key") as second, ThreadPoolExecutor(1) as other:
        assert first and second

        def try_it() -> bool:
            with locks.held("key", timeout_seconds=0.05) as got:
                return got

        assert other.submit(try_it).result() is False
        assert len(locks) == 1
    assert len(locks) == 0


def test_a_thousand_keys_that_were_used_cost_nothing() -> None:
    locks = KeyLocks()
    for number in range(1000):
        with locks.held(f"key {number}"):
            assert len(locks) == 1
    assert len(locks) == 0


def test_an_error_inside_lets_go() -> None:
    locks = KeyLocks()
    with pytest.raises(TimeoutError), locks.held("key"):
        raise TimeoutError
    assert len(locks) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_waits_for_no_thread_of_its_parent() -> None:
    locks, held, go_on = KeyLocks(), threading.Event(), threading.Event()

    def hold() -> None:
        with locks.held("key"):
            held.set()
            go_on.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = os.fork()
    if not child:
        signal.alarm(20)
        with locks.held("key", timeout_seconds=10.0) as got:
            os._exit(0 if got else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go_on.set()
    thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_that_is_forked_by_the_holder_leaves_in_good_order() -> None:
    locks = KeyLocks()
    with locks.held("key"):
        child = os.fork()
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        else:
            signal.alarm(20)
    if not child:
        with locks.held("key", timeout_seconds=10.0) as got:
            os._exit(0 if got else 1)
    assert len(locks) == 0
