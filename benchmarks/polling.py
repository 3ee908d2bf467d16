"""How often each schedule asks about a video, and how late it sees it. From the root of the repository:

    python -m benchmarks.polling

The learned schedule beside fixed gaps and one that grows with a video's age, on log-normal durations around 45, 180,
600 and 840 s, and on four that were recorded: 316, 825, 856, 1042 s. Nothing sleeps. The learned schedule is given as
many durations as a history keeps, drawn anew for each of the rounds; its cost is the mean over them.

The target: from 600 s on at most 20 questions, at a mean lateness under 3 % of what the videos take.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prefect_seedance.pipeline.watch.history import MOST_DURATIONS, History
from prefect_seedance.pipeline.watch.schedule import next_gap

RECORDED = (316.0, 825.0, 856.0, 1042.0)
FIXED_SECONDS = (5.0, 6.0, 9.0, 10.0, 30.0)
Gap = Callable[[float], float]


@dataclass(frozen=True)
class Cost:
    """What a schedule costs and misses.

    Attributes:
        polls: Questions per video.
        late_share: Lateness as a share of what the videos take.
    """

    polls: float
    late_share: float


def cost_of(gap: Gap, durations: Sequence[float]) -> Cost:
    """Ask about each of the videos by a schedule."""
    polls, late = 0, 0.0
    for duration in durations:
        age = 0.0
        while age < duration:
            age += gap(age)
            polls += 1
        late += age - duration
    return Cost(polls / len(durations), late / sum(durations))


def learned_from(durations: Sequence[float]) -> Gap:
    """Return the schedule of a process that knows these durations."""
    history = History()
    for duration in durations:
        history.note("model", "480p", 5, duration)
    expectation = history.expectation("model", "480p", 5, local=False)
    return lambda age: next_gap(age, expectation, local=False)


def others() -> Iterator[tuple[str, Gap]]:
    """Name what others do."""
    for seconds in FIXED_SECONDS:
        yield f"every {seconds:g} s", lambda age, seconds=seconds: seconds
    yield "5 s, then a tenth of the age", lambda age: max(5.0, age / 10)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare schedules of polling.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--videos", type=int, default=100, help="of each round")
    parser.add_argument("--spread", type=float, default=0.35, help="standard deviation of the logarithm")
    arguments = parser.parse_args()
    chance = random.Random(15)

    def around(median: float, count: int) -> list[float]:
        return [median * chance.lognormvariate(0.0, arguments.spread) for _ in range(count)]

    kinds: list[tuple[str, Callable[[int], list[float]]]] = [
        (f"around {median:g} s", lambda count, median=median: around(median, count)) for median in (45, 180, 600, 840)
    ]
    kinds.append(("recorded", lambda count: [chance.choice(RECORDED) for _ in range(count)]))
    print(f"{'durations':16} {'schedule':30} {'questions':>9} {'late':>7}")
    for name, draw in kinds:
        rounds = [(draw(MOST_DURATIONS), draw(arguments.videos)) for _ in range(arguments.rounds)]
        learned = [cost_of(learned_from(known), videos) for known, videos in rounds]
        rows = [("learned", learned)]
        rows += [(title, [cost_of(gap, videos) for _, videos in rounds]) for title, gap in others()]
        for title, costs in rows:
            polls = statistics.mean(cost.polls for cost in costs)
            late = statistics.mean(cost.late_share for cost in costs)
            print(f"{name:16} {title:30} {polls:9.1f} {late:7.2%}")


if __name__ == "__main__":
    main()
