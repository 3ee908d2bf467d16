"""Run the benchmarks, and write the page, the plots and the results that the documentation shows.

    python -m benchmarks                     # all of them, each in a size that is quick and still honest
    python -m benchmarks --full              # in the sizes of the published figures, on a quiet machine
    python -m benchmarks --only import,one   # these; the figures of the others stay as they are
    python -m benchmarks --write             # measure nothing; write page and plots from the results that are there

Each benchmark is a process of its own, and what it found is written as soon as it has ended: one that fails, or is
interrupted, costs no other its figures. Then the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.report.figures import Failure, read_results, today, write_results
from benchmarks.report.page import write_page
from benchmarks.report.plots import write_plots
from benchmarks.report.suite import BENCHMARKS, Failed, measure

FOLDER = ROOT / "docs" / "benchmarks"


def names(text: str) -> list[str]:
    """Read names of benchmarks from the command line."""
    chosen = [name.strip() for name in text.split(",")]
    if unknown := [name for name in chosen if name not in BENCHMARKS]:
        raise argparse.ArgumentTypeError(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return chosen


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--only", type=names, metavar="NAMES", help=f"of {','.join(BENCHMARKS)}")
    made.add_argument("--full", action="store_true", help="in the sizes of the published figures")
    made.add_argument("--provisional", action="store_true", help="mark the figures: the machine has other work to do")
    made.add_argument("--write", action="store_true", help="measure nothing, only write page and plots")
    made.add_argument("--folder", type=Path, default=FOLDER, help="where all is written (docs/benchmarks)")
    return made


def main(given: Sequence[str] | None = None) -> int:
    """Read the command line, measure, write; return the exit code."""
    arguments = parser().parse_args(given)
    folder, full = arguments.folder, arguments.full
    file = folder / "results.json"
    # By default those that have a quick size.
    chosen = arguments.only or [name for name, each in BENCHMARKS.items() if each.commands(full)]
    failed = list[str]()
    try:
        for name in [] if arguments.write else chosen:
            benchmark = BENCHMARKS[name]
            # One that has no quick size is run in its only one.
            size = full or not benchmark.commands(False)
            print(f"\n== {name}: {'; '.join(benchmark.commands(size))}", flush=True)
            before = read_results(file)
            try:
                found = measure(benchmark, full=size, provisional=arguments.provisional)
            except Failed as failure:
                print(f"{failure}; its figures stay as they were", file=sys.stderr, flush=True)
                failed.append(name)
                command = "; ".join(benchmark.commands(size))
                write_results(file, before.with_failure(name, Failure(date=today(), command=command)))
                continue
            write_results(file, before.with_measurement(name, found))
            print(f"{name}: {found.seconds} s", flush=True)
    except KeyboardInterrupt:
        print("interrupted; what was measured so far is kept", file=sys.stderr)
        failed.append("the rest")
    results = read_results(file)
    write_page(folder / "index.md", results)
    write_plots(folder, results)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
