"""Which benchmarks there are, with what they are run, and how one is run."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.report.figures import Figure, Measurement, machine, read_figures, today, versions


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
        module: Whose command it is.
        title: What it measures.
        quick: Its arguments by default, a line for each run.
        full: Its arguments for the sizes that the figures of the documentation have.
        pictured: What its plot shows, for those who cannot see it; "" where there is nothing to plot.
    """

    module: str
    title: str
    quick: tuple[str, ...]
    full: tuple[str, ...]
    pictured: str = ""

    def commands(self, full: bool) -> tuple[str, ...]:
        lines = self.full if full else self.quick
        return tuple(f"python -m benchmarks.{self.module} {line}".strip() for line in lines)


BENCHMARKS = {
    "import": Benchmark("import_time", "Import", ("--rounds 5",), ("--rounds 15",), "Processor time of an import"),
    "one": Benchmark("one", "One video", ("--videos 6",), ("--videos 12",), "What one more video costs each contender"),
    "relay": Benchmark(
        "relay",
        "Relay",
        ("--megabytes 60 --rounds 3", "--megabytes 12 --rounds 1 --uplink 4000"),
        ("--megabytes 200 --rounds 5", "--megabytes 60 --rounds 3 --uplink 4000"),
        "Time, processor time and memory of a relay",
    ),
    "batch": Benchmark(
        "batch",
        "Batch",
        ("--only floor,plain,ours,ours-posters",),
        ("--growth --rounds 2", "--long --only floor,pipeline,ours"),
        "What a batch costs each contender",
    ),
    "polling": Benchmark(
        "polling", "Polling", ("--rounds 20",), ("--rounds 100",), "Questions and lateness of each schedule"
    ),
    "collect": Benchmark(
        "collect",
        "Collect",
        ("--stored 10,10000 --open 60 --minutes 0.5",),
        ("--stored 10,100000 --open 200 --minutes 2",),
        "What collecting costs, with few and with many stored videos beside",
    ),
    "budget": Benchmark(
        "budget",
        "Budget",
        ("--processes 4 --threads 8 --videos 120",),
        ("--processes 1 8 --threads 16 --videos 400",),
        "What a budget costs, with and without a ledger that is written for many threads at once",
    ),
    "spenders": Benchmark("spenders", "Spenders", ("--rounds 5",), ("--rounds 50",)),
    "chaos": Benchmark("chaos", "Kills", ("--rounds 40",), ("--rounds 500",)),
    "prefect": Benchmark(
        "prefect_server", "Prefect's server", (), ("--few 20 --many 120",), "What one more video costs Prefect's server"
    ),
}


class Failed(Exception):
    """A benchmark ended without figures; it has said why."""


def measure(benchmark: Benchmark, *, full: bool, provisional: bool) -> Measurement:
    """Run the commands of a benchmark, each in a process of its own, and return what they found."""
    began, figures = time.monotonic(), list[Figure]()
    commands = benchmark.commands(full)
    with tempfile.TemporaryDirectory() as folder:
        for number, command in enumerate(commands):
            file = Path(folder) / f"{number}.json"
            ended = subprocess.run([sys.executable, *shlex.split(command)[1:], "--json", str(file)], cwd=ROOT)
            if ended.returncode or not file.exists():
                raise Failed(f"{command} ended with {ended.returncode}")
            known = {(each.measured, each.contender) for each in figures}
            figures += [each for each in read_figures(file) if (each.measured, each.contender) not in known]
    return Measurement(
        date=today(),
        commands=commands,
        seconds=round(time.monotonic() - began),
        provisional=provisional,
        versions=versions(),
        machine=machine(),
        figures=tuple(figures),
    )
