"""The page of the benchmarks: what stands between its markers is written here, the prose around it by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.report.figures import Figure, Measurement, Ratio, Results, Role, ratios
from benchmarks.report.suite import BENCHMARKS

#: A ratio above this is a loss: what is smaller reads as 1.00.
EVEN = 1.005
#: So many rivals are named in a cell; of more, the ones that are hardest to beat.
MOST_RIVALS = 3


def number(value: float, unit: str = "") -> str:
    """Write a value with three digits and its unit.

    Example:
        >>> number(0.01534, "s"), number(12345.6), number(128.0, "%")
        ('0.0153 s', '12,346', '128 %')
    """
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:#.3g}"
    return f"{text} {unit}".strip()


def times(value: float) -> str:
    """Write a ratio.

    Example:
        >>> times(0.123), times(9.66), times(12.84), times(128.4)
        ('0.12', '9.66', '12.8', '128')
    """
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def titled(name: str, case: str) -> str:
    title = BENCHMARKS[name].title
    return f"{title}: {case}" if case else title


def in_order(results: Results) -> list[tuple[str, Measurement]]:
    """Return what was measured, in the order of the suite."""
    return [(name, results.measurements[name]) for name in BENCHMARKS if name in results.measurements]


def all_ratios(results: Results) -> list[Ratio]:
    return [each for name, found in in_order(results) for each in ratios(name, found.figures)]


# What stands between the markers.


def measured(results: Results) -> str:
    """Write when, with what and on how large a machine each benchmark was run."""
    lines = list[str]()
    if any(found.provisional for found in results.measurements.values()):
        lines += [
            "**Provisional**: the benchmarks that are marked so were measured in a small size, on a machine that was "
            "busy with other work. Trust their counts, and no time.",
            "",
        ]
    rows = [
        [
            BENCHMARKS[name].title + (" (provisional)" if found.provisional else ""),
            found.date,
            "<br>".join(f"`{command}`" for command in found.commands),
            f"{found.seconds:,} s",
            ", ".join(f"{package} {version}" for package, version in found.versions.items()),
            f"{found.machine.cores} cores, {found.machine.memory_gib} GiB",
        ]
        for name, found in in_order(results)
    ]
    lines.append(table(["Benchmark", "Date", "Command", "Took", "Versions", "Machine"], rows))
    failures = {name: found.failed for name, found in in_order(results) if found.failed is not None}
    for name, failure in failures.items():
        lines += ["", f"**{BENCHMARKS[name].title}** failed on {failure.date}; its figures are of the run before."]
    for name, failure in results.failures.items():
        lines += ["", f"**{BENCHMARKS[name].title}** failed on {failure.date}, and has no figures."]
    known = {*results.measurements, *results.failures}
    if missing := [each.title for name, each in BENCHMARKS.items() if name not in known]:
        lines += ["", f"Not measured yet: {', '.join(missing)}."]
    return "\n".join(lines)


def compared(results: Results) -> str:
    """Write the table of ratios: a row for each quantity of ours."""
    rows = list[list[str]]()
    for name, found in in_order(results):
        for ours in (figure for figure in found.figures if figure.role == "ours"):
            beside = [each for each in ratios(name, found.figures) if each.ours == ours]
            if beside:
                floors, peers = rivals(beside, ("floor",)), rivals(beside, ("peer", "itself"))
                what = f"{ours.quantity} ({ours.contender})" if ours.contender != "ours" else ours.quantity
                rows.append([titled(name, ours.case), what, number(ours.median, ours.unit), floors, peers])
    return table(["Benchmark", "What", "Ours", "To the floor", "To peers, and to itself"], rows)


def rivals(beside: Iterable[Ratio], roles: Sequence[Role]) -> str:
    """Write a cell: the ratios to rivals of these roles, the worst for us first."""
    found = sorted((each for each in beside if each.rival.role in roles), key=lambda each: -each.value)
    cells = [
        f"**{times(each.value)}** to {each.rival.contender} ({number(each.rival.median, each.rival.unit)})"
        for each in found[:MOST_RIVALS]
    ]
    more = [f"{len(found) - MOST_RIVALS} more, down to {times(found[-1].value)}"] if len(found) > MOST_RIVALS else []
    return "<br>".join([*cells, *more]) or "-"


def lost(results: Results) -> str:
    """Write where we lose: every ratio above 1, the worst first; one row for all rivals by the same quantity."""
    everything = all_ratios(results)
    losses = [each for each in everything if each.value > EVEN]

    def what(each: Ratio) -> tuple[str, str, str, str]:
        return each.benchmark, each.case, each.quantity, each.ours.contender

    grouped = [sorted(found, key=lambda each: -each.value) for _, found in groupby(sorted(losses, key=what), key=what)]
    rows = [
        [
            times(found[0].value),
            titled(found[0].benchmark, found[0].case),
            found[0].quantity + (f" ({found[0].ours.contender})" if found[0].ours.contender != "ours" else ""),
            number(found[0].ours.median, found[0].ours.unit),
            ", ".join(f"{times(each.value)} to {each.rival.contender}" for each in found),
            in_turn(found[0], everything),
        ]
        for found in sorted(grouped, key=lambda found: -found[0].value)
    ]
    return table(["Worst ratio", "Benchmark", "What", "Ours", "Who is better", "In turn"], rows) if rows else "Nowhere."


def in_turn(loss: Ratio, everything: Iterable[Ratio]) -> str:
    """Write what we win most in against the one that we lose to, in the same case."""

    def parties(each: Ratio) -> tuple[str, ...]:
        return each.benchmark, each.case, each.ours.contender, each.rival.contender

    won = [each for each in everything if parties(each) == parties(loss) and each.value < 1]
    best = min(won, key=lambda each: each.value, default=None)
    return f"{times(best.value)} of its {best.quantity}" if best else "-"


def details(name: str) -> Callable[[Results], str]:
    """Return what writes all figures of a benchmark: a table for each case, contenders by quantities."""

    def written(results: Results) -> str:
        if (found := results.measurements.get(name)) is None:
            return "Not measured yet."
        parts = [f"![{BENCHMARKS[name].pictured}]({name}.svg)"] if BENCHMARKS[name].pictured else []
        for case in dict.fromkeys(each.case for each in found.figures):
            figures = [each for each in found.figures if each.case == case]
            quantities = [*dict.fromkeys((each.quantity, each.unit) for each in figures)]
            by_contender = {
                contender: {each.quantity: each for each in figures if each.contender == contender}
                for contender in dict.fromkeys(each.contender for each in figures)
            }
            rows = [
                [contender, *(spread(of.get(quantity)) for quantity, _ in quantities)]
                for contender, of in by_contender.items()
            ]
            titles = [f"{quantity}, {unit}" if unit else quantity for quantity, unit in quantities]
            parts.append(table([case or "Contender", *titles], rows))
        return "\n\n".join(parts)

    return written


def spread(figure: Figure | None) -> str:
    """Write a cell: the median, and from where to where the rounds went."""
    if figure is None:
        return "-"
    low, high = number(min(figure.values)), number(max(figure.values))
    return number(figure.median) + (f" ({low} to {high})" if low != high else "")


SECTIONS: dict[str, Callable[[Results], str]] = {
    "measured": measured,
    "compared": compared,
    "lost": lost,
    **{name: details(name) for name in BENCHMARKS},
}


def filled(text: str, results: Results) -> str:
    """Return the text of a page with what the results say between its markers.

    Raises:
        ValueError: The markers of a section are missing, so what was measured would be left out.
    """
    for name, written in SECTIONS.items():
        pattern = re.compile(rf"(<!-- benchmarks: {name} -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the page needs <!-- benchmarks: {name} --> and <!-- /benchmarks --> once")
        inside = written(results)
        text = pattern.sub(lambda found, inside=inside: f"{found[1]}\n{inside}\n\n{found[2]}", text)
    return text


def write_page(file: Path, results: Results) -> None:
    """Fill a page; where there is none yet, one with markers and no prose."""
    bare = "\n\n".join(f"<!-- benchmarks: {name} -->\n<!-- /benchmarks -->" for name in SECTIONS)
    text = file.read_text() if file.exists() else f"# Benchmarks\n\n{bare}\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(filled(text, results))
