"""The pace of a process towards one host with one key, told by a clock that only moves when a test says so."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.pipeline.watch.gate import (
    LEAST_RATE,
    LOCAL_RATE,
    LONGEST_PAUSE_SECONDS,
    VENDOR_RATE,
    Gate,
    gate_for,
)
from tests.pipeline.harness import account_at


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def moments(gate: Gate, clock: Clock, count: int) -> list[float]:
    return [clock.now + gate.reserve() for _ in range(count)]


def test_questions_are_spaced_evenly_and_the_first_does_not_wait(clock: Clock) -> None:
    assert moments(Gate(4.0, clock), clock, 4) == [1000.0, 1000.25, 1000.5, 1000.75]


def test_a_quiet_time_saves_up_no_burst(clock: Clock) -> None:
    gate = Gate(4.0, clock)
    gate.reserve()
    clock.now += 60
    assert moments(gate, clock, 3) == [1060.0, 1060.25, 1060.5]


def test_the_end_of_a_pause_is_no_burst(clock: Clock) -> None:
    gate = Gate(4.0, clock)
    gate.limited(30.0)
    assert moments(gate, clock, 4) == [1030.0, 1030.5, 1031.0, 1031.5]  # at half the pace


def test_all_the_limits_of_one_pause_halve_the_pace_once(clock: Clock) -> None:
    gate = Gate(4.0, clock)
    for _ in range(20):  # questions that were under way when the first was limited
        gate.limited(10.0)
        clock.now += 0.4
    assert gate.rate == 2.0
    clock.now += 10.0
    gate.limited(10.0)
    assert gate.rate == 1.0


@pytest.mark.parametrize(("first", "second", "ends"), [(10.0, 30.0, 1030.0), (30.0, 10.0, 1030.0)])
def test_the_longer_of_two_pauses_holds(clock: Clock, first: float, second: float, ends: float) -> None:
    gate = Gate(4.0, clock)
    gate.limited(first)
    gate.limited(second)
    assert moments(gate, clock, 1) == [ends]


def test_no_pause_is_longer_than_the_limit_whatever_the_vendor_asks_for(clock: Clock) -> None:
    gate = Gate(4.0, clock)
    gate.limited(86_400.0)
    assert gate.reserve() == LONGEST_PAUSE_SECONDS


def test_the_pace_never_falls_below_the_least(clock: Clock) -> None:
    gate = Gate(4.0, clock)
    for _ in range(50):
        gate.limited(1.0)
        clock.now += 2.0
    assert gate.rate == LEAST_RATE


def test_the_pace_rises_slowly_and_to_no_more_than_it_was(clock: Clock) -> None:
    gate = Gate(4.0, clock)
    gate.limited(1.0)
    paces = []
    for _ in range(60):
        gate.answered()
        paces.append(gate.rate)
    assert paces == sorted(paces) and paces[-1] == 4.0
    assert paces[10] < 2.6, "ten answers do not undo a limit"
    assert all(later <= earlier * 1.05 for earlier, later in pairwise(paces))


def test_a_submission_waits_for_nobody_and_the_questions_wait_for_it(clock: Clock) -> None:
    gate = Gate(4.0, clock)
    gate.limited(30.0)
    assert gate.take_now() is None  # not even for the pause: its claim runs out
    clock.now += 30.0
    for _ in range(4):
        gate.take_now()
    assert gate.reserve() == 2.0


@pytest.mark.parametrize(("tasks", "gap"), [(0, 10.0), (1, 10.0), (20, 10.0), (40, 10.0), (41, 10.25), (400, 100.0)])
def test_the_gap_grows_where_more_tasks_are_open_than_the_pace_has_room_for(
    clock: Clock, tasks: int, gap: float
) -> None:
    gate = Gate(4.0, clock)
    for _ in range(tasks):
        gate.joined()
    assert gate.gap(10.0) == gap
    for _ in range(tasks):
        gate.left()
    assert gate.gap(10.0) == 10.0


def test_the_gap_is_longer_while_the_pace_is_slow(clock: Clock) -> None:
    gate = Gate(4.0, clock)
    for _ in range(40):
        gate.joined()
    gate.limited(1.0)
    assert gate.gap(10.0) == 20.0


steps = st.lists(
    st.one_of(
        st.just(("reserve", 0.0)),
        st.just(("answered", 0.0)),
        st.just(("submit", 0.0)),
        st.tuples(st.just("limited"), st.floats(0.0, 500.0)),
        st.tuples(st.just("later"), st.floats(0.0, 200.0)),
    ),
    max_size=80,
)


@given(steps=steps, rate=st.sampled_from([LEAST_RATE, 1.0, VENDOR_RATE, LOCAL_RATE]))
def test_whatever_happens_moments_only_rise_and_none_is_handed_out_in_a_pause(
    steps: list[tuple[str, float]], rate: float
) -> None:
    clock = Clock()
    gate, paused_until, handed_out = Gate(rate, clock), 0.0, [0.0]
    for step, seconds in steps:
        match step:
            case "reserve":
                moment = clock.now + gate.reserve()
                assert moment > handed_out[-1]
                assert moment >= clock.now and moment >= paused_until
                if len(handed_out) > 1:
                    assert moment - handed_out[-1] >= 1 / rate - 1e-6, "never faster than the highest pace"
                handed_out.append(moment)
            case "answered":
                gate.answered()
            case "submit":
                gate.take_now()
            case "limited":
                gate.limited(seconds)
                paused_until = max(paused_until, clock.now + min(seconds, LONGEST_PAUSE_SECONDS))
            case _:
                clock.now += seconds
        assert LEAST_RATE <= gate.rate <= rate


@given(steps=steps)
def test_a_pause_halves_the_pace_once_whatever_is_limited_in_it(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    gate, paused_until = Gate(64.0, clock), 0.0
    for step, seconds in steps:
        before = gate.rate
        if step == "limited":
            gate.limited(seconds)
            expected = before if clock.now < paused_until else max(LEAST_RATE, before / 2)
            assert gate.rate == expected
            paused_until = max(paused_until, clock.now + min(seconds, LONGEST_PAUSE_SECONDS))
        elif step == "later":
            clock.now += seconds


def test_threads_that_ask_at_once_get_moments_of_their_own(clock: Clock) -> None:
    gate, ready = Gate(4.0, clock), threading.Barrier(20)

    def ask(_: int) -> list[float]:
        ready.wait(60)
        return moments(gate, clock, 10)

    with ThreadPoolExecutor(20) as threads:
        handed_out = sorted(moment for some in threads.map(ask, range(20)) for moment in some)
    assert handed_out == [1000.0 + number / 4 for number in range(200)]


def test_a_process_has_one_gate_per_host_and_key() -> None:
    here, there = "http://127.0.0.1:1", "http://127.0.0.1:2"
    gate = gate_for(account_at(here))
    assert gate_for(account_at(here)) is gate
    assert gate_for(account_at(there)) is not gate and gate_for(account_at(here, "sk_other")) is not gate
    assert (gate.rate, gate_for(account_at("https://vendor.example.com")).rate) == (LOCAL_RATE, VENDOR_RATE)
