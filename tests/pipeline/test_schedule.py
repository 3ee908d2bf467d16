"""When to ask again while a video is being made: tables of cases, and what the schedule costs and misses over many."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle, islice
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.client.models import VideoTask
from prefect_seedance.pipeline.watch.history import MOST_DURATIONS, RECENT_DURATIONS, History
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


TWO_QUEUES = Expectation(
    55.0, 70.0, (*(50.0 + number for number in range(12)), *(800.0 + number for number in range(8)))
)


@pytest.mark.parametrize(
    ("age", "known", "gap"),
    [
        (62, TWO_QUEUES, 5),  # the quick ones may take a little longer than any has
        (77, TWO_QUEUES, 600),  # then nothing is there for long
        (700, TWO_QUEUES, 99.45),  # until the first of the slow ones may be
        (797, TWO_QUEUES, 29.8875),
        (77, replace(TWO_QUEUES, seen_seconds=TWO_QUEUES.seen_seconds[:-1]), 5),  # too few of them to believe it
        (77, replace(TWO_QUEUES, seen_seconds=TWO_QUEUES.seen_seconds[12:]), 5),
        (2000, TWO_QUEUES, 75),
    ],
)
def test_the_time_between_two_queues_is_slept_through(age: float, known: Expectation, gap: float) -> None:
    assert next_gap(age, known, local=False) == pytest.approx(gap)


seconds = st.floats(0.001, LONGEST_SECONDS)


@given(age=st.floats(-10.0, 1e6), one=seconds, other=seconds, seen=st.lists(seconds, max_size=20), local=st.booleans())
def test_whatever_is_known_the_gap_is_never_too_short_and_never_endless(
    age: float, one: float, other: float, seen: list[float], local: bool
) -> None:
    gap = next_gap(age, Expectation(min(one, other), max(one, other), tuple(sorted(seen))), local)
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


def next_videos(history: History, durations: list[float]) -> list[Cost]:
    """Make videos one after the other, and learn from each."""
    costs: list[Cost] = []
    for duration in durations:
        expectation = history.expectation("model", "480p", 5, local=False)
        costs.append(cost_of(lambda age, known=expectation: next_gap(age, known, local=False), [duration]))
        history.note("model", "480p", 5, duration)
    return costs


@pytest.mark.parametrize("factor", [1 / 3, 3.0])
def test_a_vendor_that_takes_a_third_or_three_times_as_long_overnight_is_believed_within_twenty_videos(
    factor: float,
) -> None:
    chance = random.Random(15)
    draw = cycle([600.0 * chance.lognormvariate(0.0, 0.3) for _ in range(10_000)])
    nights: list[list[Cost]] = []
    for _ in range(30):
        history = History()
        next_videos(history, [*islice(draw, MOST_DURATIONS)])
        nights.append(next_videos(history, [factor * each for each in islice(draw, 2 * RECENT_DURATIONS)]))

    def mean(numbers: range) -> Cost:
        costs = [night[number] for night in nights for number in numbers]
        return Cost(statistics.mean(cost.polls for cost in costs), statistics.mean(cost.late_share for cost in costs))

    first, soon, then = mean(range(1)), mean(range(3, 6)), mean(range(RECENT_DURATIONS, 2 * RECENT_DURATIONS))
    assert then.polls <= 20 and then.late_share < 0.035
    if factor < 1:  # the first question comes too late, until the first of them are known
        assert first.late_share > 0.5 and soon.late_share < 0.15
    else:  # the questions begin too early, and their gap grows with the age: they are many, and none is late
        assert first.polls < 60 and first.late_share < 0.03


@pytest.mark.parametrize("slow", [2, 4, 5, 6, 8])
def test_durations_of_two_kinds_are_never_asked_about_more_often_and_seen_later_than_by_a_fixed_gap(slow: int) -> None:
    """A vendor with two queues: no fixed gap asks less and sees sooner at once."""
    chance = random.Random(15)

    def draw(count: int) -> list[float]:
        return [
            (900.0 if chance.randrange(10) < slow else 60.0) * chance.lognormvariate(0.0, 0.1) for _ in range(count)
        ]

    rounds = [(draw(MOST_DURATIONS), draw(100)) for _ in range(20)]
    learned = [cost_of(learned_from(known), videos) for known, videos in rounds]
    ours = Cost(statistics.mean(cost.polls for cost in learned), statistics.mean(cost.late_share for cost in learned))
    for seconds in (5.0, 6.0, 9.0, 10.0, 20.0, 30.0, 60.0):
        costs = [cost_of(lambda age, gap=seconds: gap, videos) for _, videos in rounds]
        theirs = Cost(statistics.mean(cost.polls for cost in costs), statistics.mean(cost.late_share for cost in costs))
        assert ours.polls < theirs.polls or ours.late_share < theirs.late_share


@pytest.mark.parametrize("hostile", [0.001, 1.0, LONGEST_SECONDS])
def test_a_history_that_lies_costs_bounded_time_until_what_is_seen_has_replaced_it(hostile: float) -> None:
    history = History()
    for _ in range(MOST_DURATIONS):
        history.note("model", "480p", 5, hostile)
    costs = next_videos(history, [840.0] * (RECENT_DURATIONS + 1))
    assert costs[0].polls <= 80 and costs[0].late_share * 840 <= LONGEST_SLEEP_SECONDS
    assert costs[-1].polls <= 5 and costs[-1].late_share < 0.03


def test_a_video_that_ends_right_before_the_fifth_percentile_is_seen_at_it() -> None:
    history = History()
    for _ in range(MOST_DURATIONS):
        history.note("model", "480p", 5, 600.0)
    known = history.expectation("model", "480p", 5, local=False)
    just_before, at_it, just_after = (
        cost_of(lambda age: next_gap(age, known, local=False), [seconds]) for seconds in (599.0, 600.0, 601.0)
    )
    assert max(cost.polls for cost in (just_before, at_it, just_after)) <= 3
    assert just_before.late_share == pytest.approx(1 / 599)
    assert at_it.late_share == 0 and just_after.late_share * 601 <= 0.0375 * 600


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
    assert expectation == Expectation(1.0, statistics.median(durations), tuple(durations))
