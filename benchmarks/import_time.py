"""How much the package adds to an import of Prefect itself.

    python benchmarks/import_time.py --rounds 15

Each round starts one fresh interpreter per statement, in an order that turns from round to round, so that a
busy moment or a warming cache does not fall on one of them alone. Counted is processor time: an import reads
little and computes much, and the wall clock of a shared machine says more about its neighbours. Printed are
the medians, the fastest, and each one's ratio to the baseline: what every Prefect flow of this kind imports
anyway. The target is a ratio of the medians of at most 1.1; on a busy machine trust the fastest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

BASELINE = "prefect"
STATEMENTS = {
    BASELINE: "from prefect import flow, task; from prefect.blocks.core import Block; import httpx",
    "package": "import prefect_seedance",
    "names": "from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video",
}
TARGET_RATIO = 1.1


def seconds_for(statement: str, environment: dict[str, str]) -> float:
    """Processor time of a statement in a fresh interpreter, whose own start is not counted."""
    script = f"import time; started = time.process_time()\n{statement}\nprint(time.process_time() - started)"
    output = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return float(output.stdout.splitlines()[-1])


def measure(rounds: int) -> dict[str, list[float]]:
    """Time every statement `rounds` times, interleaved."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"PREFECT_HOME": home, "DO_NOT_TRACK": "1"}
        for statement in STATEMENTS.values():  # writes the byte code, fills the disk cache
            seconds_for(statement, environment)
        names = list(STATEMENTS)
        for round_number in range(rounds):
            turn = round_number % len(names)
            for name in names[turn:] + names[:turn]:
                times[name].append(seconds_for(STATEMENTS[name], environment))
    return times


def main() -> None:
    """Read the command line, measure, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="fresh interpreters per statement (default 15)")
    rounds: int = parser.parse_args().rounds

    times = measure(rounds)
    print(f"{'what':<10}{'median ms':>10}{'ratio':>7}{'fastest ms':>12}{'ratio':>7}   statement")
    for name, values in times.items():
        median, fastest = statistics.median(values), min(values)
        ratios = median / statistics.median(times[BASELINE]), fastest / min(times[BASELINE])
        row = f"{name:<10}{median * 1000:>10.0f}{ratios[0]:>7.2f}{fastest * 1000:>12.0f}{ratios[1]:>7.2f}"
        print(f"{row}   {STATEMENTS[name]}")
    print(f"{rounds} rounds; the target is a ratio of at most {TARGET_RATIO}")


if __name__ == "__main__":
    main()
