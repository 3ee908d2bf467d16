"""What was measured, as values: figures, ratios between them, and the file that keeps them.

Of every quantity less is better: seconds, bytes, requests, questions, lateness, videos lost.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

#: What a contender is:
#:
#: ours    what a user of the package runs
#: part    a part of it, to explain the whole; it is compared with nobody
#: floor   the least that anybody could take, who promises nothing
#: peer    what others offer, or what one writes first
#: itself  ours in another situation, or without a piece of it
Role = Literal["ours", "part", "floor", "peer", "itself"]
RIVALS: tuple[Role, ...] = ("floor", "peer", "itself")


class Value(BaseModel):
    """Unchangeable, and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(Value):
    """One quantity of one contender.

    Attributes:
        case: What was done, where a benchmark does several things.
        quantity: What was measured.
        unit: Of the values; "" for a number of things.
        contender: Who did it.
        role: What the contender is.
        values: One for each round. Contenders of one case are measured in turn, round by round.
    """

    case: str = ""
    quantity: str
    unit: str = ""
    contender: str
    role: Role
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def measured(self) -> tuple[str, str]:
        """What must be the same for two figures to be compared."""
        return self.case, self.quantity


class Ratio(Value):
    """Ours to another: above 1 we lose."""

    benchmark: str
    case: str
    quantity: str
    ours: Figure
    rival: Figure
    value: float


class Machine(Value):
    """How large the machine is. Its name and its paths are nobody's business."""

    cores: int
    memory_gib: int


class Failure(Value):
    """A run that ended without figures."""

    date: str
    command: str


class Measurement(Value):
    """What one benchmark found.

    Attributes:
        date: Of the run, in UTC.
        commands: That make it anew.
        seconds: How long they took.
        provisional: Measured while the machine had other work to do.
        versions: By the name of a package.
        machine: Its size.
        figures: What was found.
        failed: A later run, which found nothing.
    """

    date: str
    commands: tuple[str, ...]
    seconds: int
    provisional: bool
    versions: dict[str, str]
    machine: Machine
    figures: tuple[Figure, ...]
    failed: Failure | None = None


class Results(Value):
    """All that was measured last, and which benchmarks have failed without ever having measured anything."""

    measurements: dict[str, Measurement] = {}
    failures: dict[str, Failure] = {}

    def with_measurement(self, name: str, found: Measurement) -> Results:
        failures = {other: failure for other, failure in self.failures.items() if other != name}
        return Results(measurements={**self.measurements, name: found}, failures=failures)

    def with_failure(self, name: str, failure: Failure) -> Results:
        """Keep the figures of the run before, if there is one."""
        if (known := self.measurements.get(name)) is None:
            return Results(measurements=self.measurements, failures={**self.failures, name: failure})
        return self.with_measurement(name, known.model_copy(update={"failed": failure}))


FIGURES = TypeAdapter(tuple[Figure, ...])


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("prefect-seedance", "prefect", "boto3")}
    return {"python": platform.python_version(), **packages}


def machine() -> Machine:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(cores=os.cpu_count() or 1, memory_gib=round(memory / 2**30))


def ratio(ours: Figure, rival: Figure) -> float | None:
    """Return the median of the ratios of each round, or ``None`` where a rival took nothing.

    A busy moment falls on both contenders of a round, and so on no ratio alone.
    """
    if len(ours.values) != len(rival.values):
        return ours.median / rival.median if rival.median > 0 else None
    if any(value <= 0 for value in rival.values):
        return None
    return statistics.median(one / other for one, other in zip(ours.values, rival.values, strict=True))


def ratios(name: str, figures: Sequence[Figure]) -> Iterator[Ratio]:
    """Compare ours with every rival that was measured by the same quantity in the same case."""
    for ours in figures:
        if ours.role != "ours":
            continue
        for rival in figures:
            if rival.role in RIVALS and rival.measured == ours.measured and (value := ratio(ours, rival)) is not None:
                yield Ratio(benchmark=name, case=ours.case, quantity=ours.quantity, ours=ours, rival=rival, value=value)


def rounded(value: float) -> float:
    """Return a value with four digits: more of them are noise."""
    return float(f"{value:.4g}")


# What the commands of the benchmarks share.


def parser(text: str | None) -> ArgumentParser:
    """Return the parser of a benchmark's own command, which can write its figures into a file."""
    made = ArgumentParser(description=text, formatter_class=RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures into this file as well")
    return made


def write_figures(file: Path | None, figures: Iterable[Figure]) -> None:
    """Write what a benchmark has found, if a file was named."""
    if file is not None:
        file.write_bytes(FIGURES.dump_json(tuple(figures)))


def read_figures(file: Path) -> tuple[Figure, ...]:
    """Read what a benchmark has found."""
    found = FIGURES.validate_json(file.read_bytes())
    return tuple(each.model_copy(update={"values": tuple(map(rounded, each.values))}) for each in found)


def text_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns: the first to the left, the others to the right."""
    lines = [titles, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


# The file.


def read_results(file: Path) -> Results:
    """Read what was measured so far; nothing, where there is no file."""
    return Results.model_validate_json(file.read_bytes()) if file.exists() else Results()


def _text(results: Results) -> str:
    """Write results with a line for each figure, so that a diff shows which of them have changed."""
    known = results.model_dump(mode="json", exclude_defaults=True)
    lines = dict[str, str]()
    for name, found in known.get("measurements", {}).items():
        marks = [f"{name} {number}" for number in range(len(found["figures"]))]
        lines |= {json.dumps(mark): json.dumps(figure) for mark, figure in zip(marks, found["figures"], strict=True)}
        found["figures"] = marks
    text = json.dumps(known, indent=1)
    return re.sub(r'"[a-z]+ \d+"', lambda mark: lines.get(mark[0], mark[0]), text) + "\n"


def write_results(file: Path, results: Results) -> None:
    """Write what was measured, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".part")
    half.write_text(_text(results))
    half.replace(file)
