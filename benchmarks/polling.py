"""How often each schedule asks about a video, and how late it sees it. From the root of the repository:

    python -m benchmarks.polling
    python -m benchmarks.polling --overnight

The learned schedule beside those of others: gaps that are fixed, and gaps that grow with a video's age. The videos take
log-normal times around 45, 180, 600 and 840 s, as long as four that were recorded (316, 825, 856, 1042 s), or come from
two queues. Nothing sleeps. What is driven is what a run drives: `History.note`, `History.expectation` and `next_gap`.
The learned schedule knows as many durations as a history keeps, drawn anew for each of the rounds.

Printed are questions per video and mean lateness, in seconds and as a share of what the videos take; `*` marks a
schedule that asks less often than the learned one and sees sooner. The target: from 600 s on at most 20 questions at a
mean lateness under 3 %, and no `*`.

`--overnight` shows what a vendor costs that takes a third or three times as long from one video to the next.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.report.figures import Figure, Role, parser, text_table, write_figures
from prefect_seedance.pipeline.watch.history import MOST_DURATIONS, History
from prefect_seedance.pipeline.watch.schedule import next_gap

RECORDED = (316.0, 825.0, 856.0, 1042.0)
MEDIANS = (45.0, 180.0, 600.0, 840.0)
LEARNED = "learned"
QUESTIONS, LATENESS = "questions about a video", "lateness"
Gap = Callable[[float], float]
Draw = Callable[[int], list[float]]


def every(seconds: float) -> Gap:
    """Return a schedule with a fixed gap."""
    return lambda age: seconds


def doubling(first: float, longest: float, per_seconds: float) -> Gap:
    """Return a schedule whose gap doubles with each so many seconds of age."""
    return lambda age: min(longest, first * 2.0 ** int(age / per_seconds))


def growing(first: float, factor: float, longest: float) -> Gap:
    """Return a schedule whose every gap is so many times as long as the one before."""
    moments: list[tuple[float, float]] = []
    age, gap = 0.0, first
    while age < 200_000:
        moments.append((age, gap))
        age, gap = age + gap, min(longest, gap * factor)
    by_age = dict(moments)
    return lambda age: by_age.get(age, longest)


def first_after(seconds: float, then: float) -> Gap:
    """Return a schedule that sleeps before its first question."""
    return lambda age: then if age else seconds


#: Whose schedules they are, read in their code or documentation. Gaps of 0.1 to 2 s are left out: the vendor limits
#: rates there.
PEERS: dict[str, tuple[Gap, str]] = {
    "every 5 s": (every(5.0), "Vercel AI SDK, ComfyUI, Dagster Pipes Databricks, Prefect Cloud Run"),
    "every 6 s": (every(6.0), "Runway SDK (6 s with jitter of 1.5 s)"),
    "every 9 s": (every(9.0), "ComfyUI's Seedance nodes"),
    "every 10 s": (every(10.0), "the vendor's own client, Prefect Databricks and dbt Cloud, ArcReel Ark"),
    "every 20 s": (every(20.0), "google-genai (Veo), ArcReel Gemini"),
    "every 30 s": (every(30.0), "Airflow Databricks"),
    "every 60 s": (every(60.0), "Airflow dbt Cloud, Prefect Glue"),
    "50 s, then every 5 s": (first_after(50.0, 5.0), "a third party's page on Ark"),
    "1 s x 1.5 up to 20 s": (growing(1.0, 1.5, 20.0), "google-genai, its unused helper"),
    "5 s x 2 per 30 s up to 30 s": (doubling(5.0, 30.0, 30.0), "genblaze GMICloud (Seedance)"),
    "5 s, then a tenth of the age": (lambda age: max(5.0, age / 10), "nobody we know of: the simplest that grows"),
}


@dataclass(frozen=True)
class Cost:
    """What a schedule costs and misses.

    Attributes:
        polls: Questions per video.
        late: Mean lateness in seconds.
        share: Lateness as a share of what the videos take.
    """

    polls: float
    late: float
    share: float

    def beats(self, other: Cost) -> bool:
        """Tell whether it asks less often than another and sees sooner."""
        return self.polls < other.polls and self.late < other.late


def cost_of(gap: Gap, durations: Sequence[float]) -> Cost:
    """Ask about each of the videos by a schedule."""
    polls, late = 0, 0.0
    for duration in durations:
        age = 0.0
        while age < duration:
            age += gap(age)
            polls += 1
        late += age - duration
    return Cost(polls / len(durations), late / len(durations), late / sum(durations))


def mean(costs: Sequence[Cost]) -> Cost:
    """Return what several rounds cost on average."""
    return Cost(
        statistics.mean(cost.polls for cost in costs),
        statistics.mean(cost.late for cost in costs),
        statistics.mean(cost.share for cost in costs),
    )


def learned_from(durations: Sequence[float]) -> Gap:
    """Return the schedule of a process that knows these durations; of one that knows none, for an empty list."""
    history = History()
    for duration in durations:
        history.note("model", "480p", 5, duration)
    expectation = history.expectation("model", "480p", 5, local=False)
    return lambda age: next_gap(age, expectation, local=False)


def kinds(chance: random.Random, spread: float) -> dict[str, Draw]:
    """Return what the videos take, by name."""

    def around(median: float) -> Draw:
        return lambda count: [median * chance.lognormvariate(0.0, spread) for _ in range(count)]

    def two_queues(count: int) -> list[float]:
        return [chance.choice((60.0, 900.0)) * chance.lognormvariate(0.0, 0.1) for _ in range(count)]

    return {
        **{f"around {median:g} s": around(median) for median in MEDIANS},
        "recorded": lambda count: [chance.choice(RECORDED) for _ in range(count)],
        "60 s or 900 s": two_queues,
    }


def compared(draw: Draw, rounds: int, videos: int) -> dict[str, Cost]:
    """Return what each schedule costs, over several rounds."""
    drawn = [(draw(MOST_DURATIONS), draw(videos)) for _ in range(rounds)]
    costs = {LEARNED: mean([cost_of(learned_from(known), asked) for known, asked in drawn])}
    costs["learned, nothing known"] = mean([cost_of(learned_from([]), asked) for _, asked in drawn])
    for name, (gap, _) in PEERS.items():
        costs[name] = mean([cost_of(gap, asked) for _, asked in drawn])
    return costs


def overnight(factor: float, spread: float, chance: random.Random, rounds: int) -> list[Cost]:
    """Return what the first, second and so on video costs after the vendor takes so many times as long."""
    nights: list[list[Cost]] = []
    for _ in range(rounds):
        history = History()
        for _ in range(MOST_DURATIONS):
            history.note("model", "480p", 5, 600.0 * chance.lognormvariate(0.0, spread))
        costs: list[Cost] = []
        for _ in range(31):
            duration = 600.0 * factor * chance.lognormvariate(0.0, spread)
            known = history.expectation("model", "480p", 5, local=False)
            costs.append(cost_of(lambda age, known=known: next_gap(age, known, local=False), [duration]))
            history.note("model", "480p", 5, duration)
        nights.append(costs)
    return [mean(costs) for costs in zip(*nights, strict=True)]


def figures_of(results: dict[str, dict[str, Cost]]) -> Iterator[Figure]:
    """Return what is published."""
    for kind, costs in results.items():
        for name, cost in costs.items():
            role: Role = "peer" if name in PEERS else "ours" if name == LEARNED else "part"
            contender = "ours" if name == LEARNED else name
            for quantity, unit, value in ((QUESTIONS, "", cost.polls), (LATENESS, "%", 100 * cost.share)):
                yield Figure(
                    case=f"videos {kind}", quantity=quantity, unit=unit, contender=contender, role=role, values=(value,)
                )
        better = sum(cost.beats(costs[LEARNED]) for name, cost in costs.items() if name in PEERS)
        quantity = "schedules that ask less often and see sooner"
        yield Figure(case=f"videos {kind}", quantity=quantity, contender="ours", role="ours", values=(better,))


def main() -> None:
    command = parser(__doc__)
    command.add_argument("--rounds", type=int, default=100)
    command.add_argument("--videos", type=int, default=100, help="of each round")
    command.add_argument("--spread", type=float, default=0.35, help="standard deviation of the logarithm")
    command.add_argument("--overnight", action="store_true", help="show how soon a change of the vendor is believed")
    arguments = command.parse_args()
    chance, spread, rounds = random.Random(15), arguments.spread, arguments.rounds
    print(f"spread {spread:g}, {rounds} rounds of {arguments.videos} videos\n")
    if arguments.overnight:
        for factor in (1 / 3, 3.0):
            costs = overnight(factor, spread, chance, rounds)
            print(f"{factor:.2g} times as long: questions / lateness in % of the time")
            for number in (0, 1, 2, 3, 5, 10, 15, 20, 30):
                print(f"  after {number:2} videos {costs[number].polls:6.1f} / {costs[number].share:6.1%}")
        return
    results: dict[str, dict[str, Cost]] = {}
    for kind, draw in kinds(chance, spread).items():
        results[kind] = compared(draw, rounds, arguments.videos)
        ours = results[kind][LEARNED]
        rows = [
            [name, f"{cost.polls:.1f}", f"{cost.late:.1f}", f"{cost.share:.2%}", "*" if cost.beats(ours) else ""]
            for name, cost in results[kind].items()
        ]
        print(text_table([kind, "questions", "late s", "late", ""], rows))
    print("\nwhose they are:")
    for name, (_, whose) in PEERS.items():
        print(f"  {name:<30}{whose}")
    write_figures(arguments.json, figures_of(results))


if __name__ == "__main__":
    main()
