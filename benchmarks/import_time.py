"""How much the package adds to an import of Prefect itself.

    python -m benchmarks.import_time --rounds 15
    python -m benchmarks.import_time --check          # exit code 1 above the limit, for a quiet machine
    python -m benchmarks.import_time --check flow     # the same against the second baseline

Each round starts one fresh interpreter per statement, in an order that turns from round to round, so that a
busy moment or a warming cache does not fall on one of them alone. Counted is processor time: an import reads
little and computes much, and the wall clock of a shared machine says more about its neighbours. Printed are
the medians, the fastest, and the median of the ratios to each of two baselines of the same round:

prefect     what every Prefect flow of this kind imports anyway: Prefect and httpx.
flow        the same and one decorated flow with a parameter. At the first such flow of anybody Prefect imports
            pydantic.v1, to see whether a parameter is of an old model. That is in our import too, since it
            decorates flows, and in that of every script with a flow of its own, whether or not it uses ours.

The goal is a ratio of at most 1.1 to the first. About half of what we add is Prefect reading the parameters of
two flows and the fields of two blocks; no lazy import changes that.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile

from benchmarks.processes import child
from benchmarks.report.figures import Figure, parser, text_table, write_figures

PREFECT = "from prefect import flow, task; from prefect.blocks.core import Block; import httpx"
BASELINES = {
    "prefect": PREFECT,
    "flow": f"{PREFECT}\n@flow\ndef one(x: int) -> int: return x",
}
OURS = {
    "package": "import prefect_seedance",
    "blocks": "from prefect_seedance import SeedanceCredentials, VideoStore",
    "flows": "from prefect_seedance import generate_video",
    "names": "from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video",
}
STATEMENTS = BASELINES | OURS
#: The statement that the limit is for.
CHECKED = "names"
LIMIT = 1.1


def seconds_for(statement: str, home: str) -> float:
    """Processor time of a statement in a fresh interpreter, whose own start is not counted."""
    script = f"import time; started = time.process_time()\n{statement}\nprint(time.process_time() - started)"
    return float(child(["-c", script], {"PREFECT_HOME": home, "DO_NOT_TRACK": "1"}))


def measure(rounds: int) -> dict[str, list[float]]:
    """Time every statement `rounds` times, interleaved."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    with tempfile.TemporaryDirectory() as home:
        # Without byte code of its own, a checkout would be compiled again by every import, and Prefect would not.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for statement in STATEMENTS.values():  # writes the byte code, fills the disk cache
            seconds_for(statement, home)
        names = list(STATEMENTS)
        for round_number in range(rounds):
            turn = round_number % len(names)
            for name in names[turn:] + names[:turn]:
                times[name].append(seconds_for(STATEMENTS[name], home))
    return times


def ratio(times: dict[str, list[float]], name: str, baseline: str) -> float:
    """Median of the ratios of a statement to a baseline, each within one round."""
    return statistics.median(ours / base for ours, base in zip(times[name], times[baseline], strict=True))


def figures_of(times: dict[str, list[float]]) -> list[Figure]:
    """Return what is published: the statement that the limit is for, beside the baselines."""
    named = {"prefect": "Prefect and httpx", "flow": "the same and a flow", CHECKED: "ours"}
    return [
        Figure(
            quantity="processor time",
            unit="s",
            contender=contender,
            role="ours" if name == CHECKED else "floor",
            values=tuple(times[name]),
        )
        for name, contender in named.items()
    ]


def main() -> int:
    """Read the command line, measure, print a table; return the exit code."""
    command = parser(__doc__)
    command.add_argument("--rounds", type=int, default=15, help="fresh interpreters per statement (default 15)")
    command.add_argument("--limit", type=float, default=LIMIT, help=f"largest ratio for --check (default {LIMIT})")
    command.add_argument(
        "--check",
        choices=[*BASELINES],
        nargs="?",
        const="prefect",
        help=f"exit with 1 if the ratio of {CHECKED!r} to this baseline (default prefect) is above the limit",
    )
    arguments = command.parse_args()
    rounds: int = arguments.rounds
    limit: float = arguments.limit
    checked: str | None = arguments.check

    times = measure(rounds)
    write_figures(arguments.json, figures_of(times))
    rows = [
        [
            name,
            f"{statistics.median(values) * 1000:.0f}",
            f"{min(values) * 1000:.0f}",
            *(f"{ratio(times, name, baseline):.2f}" for baseline in BASELINES),
        ]
        for name, values in times.items()
    ]
    print(text_table(["what", "median ms", "fastest ms", *(f"to {name}" for name in BASELINES)], rows))
    print(f"{rounds} rounds; the goal for {CHECKED!r} is a ratio to 'prefect' of at most {LIMIT}")
    if checked is None or (found := ratio(times, CHECKED, checked)) <= limit:
        return 0
    print(f"{CHECKED!r} to {checked!r} is {found:.3f}, above {limit}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
