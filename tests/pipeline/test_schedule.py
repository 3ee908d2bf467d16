"""When to ask again while a video is being made: tables of cases, and what the schedule costs and misses over many."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from itertools import cycle, islice
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.client.models import VideoTask
from prefect_seedance.pipeline.watch.history import MOST_DURATIONS, History
from prefect_seedance.pipeline.watch.schedule import (
    LEAST_GAP_SECONDS,
    LONGEST_SECONDS,
    LONGEST_SLEEP_SECONDS,
    Expectation,
    made_and_late,
    next_gap,
    older_by,
)

SLOW = Expectation(earliest_seconds=400.0, usual_seconds=600.0)
QUICK = Expectation(earliest_seconds=30.0, usual_seconds=45.0)
NOW = 1_764_210_700.0
BEGUN = 1_764_210_000


@pytest.mark.parametrize(
    ("age", "expectation", "local", "gap"),
    [
        (0, None, False, 10),
        (1000, None, False, 10),
        (0, None, True, 0.25),
        (2.5, None, True, 0.25),
        (20, None, True, 2),
        (86_400, None, True, 120),
        (0, SLOW, False, 60),  # one early look, since a refusal comes early
        (59, SLOW, False, 5),
        (60, SLOW, False, 340),
        (390, SLOW, False, 22.5),  # not twice within a gap
        (400, SLOW, False, 22.5),
        (600, SLOW, False, 22.5),
        (1200, SLOW, False, 45),
        (86_400, SLOW, False, 120),
        (0, QUICK, False, 30),
        (30, QUICK, False, 5),
        (200, QUICK, False, 7.5),
        (0, Expectation(20.0, 20.0), True, 20),
        (20, Expectation(20.0, 20.0), True, 0.75),
        (0, Expectation(1.0, 1.5), True, 1),
        (1, Expectation(1.0, 1.5), True, 0.25),
        (60, Expectation(86_400.0, 86_400.0), False, LONGEST_SLEEP_SECONDS),
        (-5, None, True, 0.25),
    ],
)
def test_the_gap_before_the_next_question(age: float, expectation: Expectation | None, local: bool, gap: float) -> None:
    assert next_gap(age, expectation, local) == pytest.approx(gap)


seconds = st.floats(0.001, LONGEST_SECONDS)


@given(age=st.floats(-10.0, 1e6), one=seconds, other=seconds, local=st.booleans())
def test_whatever_is_known_the_gap_is_never_too_short_and_never_endless(
    age: float, one: float, other: float, local: bool
) -> None:
    gap = next_gap(age, Expectation(min(one, other), max(one, other)), local)
    assert (0.25 if local else LEAST_GAP_SECONDS) <= gap <= LONGEST_SLEEP_SECONDS


class Cost(NamedTuple):
    polls: float
    late_share: float


def cost_of(gap: Callable[[float], float], durations: list[float]) -> Cost:
    polls, late = 0, 0.0
    for duration in durations:
        age = 0.0
        while age < duration:
            age += gap(age)
            polls += 1
        late += age - duration
    return Cost(polls / len(durations), late / sum(durations))


def learned_from(durations: list[float]) -> Callable[[float], float]:
    history = History()
    for duration in durations:
        history.note("model", "480p", 5, duration)
    expectation = history.expectation("model", "480p", 5, local=False)
    assert expectation is not None
    return lambda age: next_gap(age, expectation, local=False)


@pytest.mark.parametrize("spread", [0.15, 0.25, 0.35, 0.5])
@pytest.mark.parametrize("median", [600.0, 840.0])
def test_a_long_video_costs_few_questions_and_is_seen_soon(median: float, spread: float) -> None:
    chance = random.Random(15)
    draw = cycle([median * chance.lognormvariate(0.0, spread) for _ in range(10_000)])
    costs = [cost_of(learned_from([*islice(draw, MOST_DURATIONS)]), [*islice(draw, 100)]) for _ in range(40)]
    assert statistics.mean(cost.polls for cost in costs) <= 20
    assert statistics.mean(cost.late_share for cost in costs) < 0.03


def test_the_durations_that_were_recorded_cost_few_questions_and_are_seen_soon() -> None:
    recorded = [316.0, 825.0, 856.0, 1042.0]
    cost = cost_of(learned_from(recorded * 10), recorded)
    assert cost.polls <= 20 and cost.late_share < 0.03


@pytest.mark.parametrize("seconds", [20.0, 60.0])
def test_a_video_of_a_simulator_costs_few_questions_also_where_nothing_is_known(seconds: float) -> None:
    assert cost_of(lambda age: next_gap(age, None, local=True), [seconds]).polls < 50


def test_what_changes_is_learned_also_where_the_vendor_gives_no_times() -> None:
    """A vendor gets faster than it ever was: the first question always comes too late to tell by how much."""
    history = History()
    for _ in range(MOST_DURATIONS):
        history.note("model", "480p", 5, 600.0)
    for _ in range(MOST_DURATIONS):
        expectation = history.expectation("model", "480p", 5, local=False)
        age = running = 0.0
        while age < 100.0:
            running, age = age, age + next_gap(age, expectation, local=False)
        made, _ = made_and_late(VideoTask(), running_seconds=running, seen_seconds=age, now=NOW)
        assert made is not None
        history.note("model", "480p", 5, made)
    assert (history.expected_seconds("model", "480p", 5) or 0) < 150


# How long a video took, and how late it was seen.


@pytest.mark.parametrize(
    ("begun", "ended", "running", "seen", "made", "late"),
    [
        (BEGUN, BEGUN + 610, 600, 621, 610, 11),
        (BEGUN, BEGUN + 599, 600, 621, 600, 21),  # whole seconds
        (BEGUN, BEGUN + 630, 600, 621, 621, 0),  # begun with the POST, long before it was answered
        (BEGUN, BEGUN + 90_000, 600, 620, 610, 10),
        (BEGUN, BEGUN - 5, 600, 620, 610, 10),
        (BEGUN, BEGUN + 20, 600, 620, 610, 10),
        (None, BEGUN + 610, 600, 620, 610, 10),
        (BEGUN, None, 0, 20, 10, 10),
        (BEGUN, BEGUN + 610, 1000, 620, 620, 0),
        (BEGUN, BEGUN + 610, 0, None, 610, None),
        (BEGUN, BEGUN + 610 + 90_000, 0, None, None, None),
        (BEGUN, BEGUN, 0, None, None, None),
        (BEGUN, BEGUN - 5, 0, None, None, None),
        (1, BEGUN, 0, None, None, None),
        (None, None, 0, None, None, None),
    ],
)
def test_how_long_a_video_took_and_how_late_it_was_seen(
    begun: int | None, ended: int | None, running: float, seen: float | None, made: float | None, late: float | None
) -> None:
    task = VideoTask(status="completed", created_at=begun, completed_at=ended)
    assert made_and_late(task, running_seconds=running, seen_seconds=seen, now=NOW) == (made, late)


@pytest.mark.parametrize(
    ("begun", "older"), [(None, 0), (BEGUN, 690), (BEGUN + 5000, 0), (1, LONGEST_SECONDS), (BEGUN + 700, 0)]
)
def test_a_task_that_is_taken_up_is_as_old_as_the_vendor_says(begun: int | None, older: float) -> None:
    assert older_by(VideoTask(created_at=begun), watched_seconds=10.0, now=NOW) == older


def test_the_median_and_the_fifth_percentile_are_those_of_the_standard_library() -> None:
    history, durations = History(), [float(number) for number in range(1, 20)]
    for duration in durations:
        history.note("model", "480p", 5, duration)
    expectation = history.expectation("model", "480p", 5, local=False)
    assert expectation == Expectation(1.0, statistics.median(durations))
