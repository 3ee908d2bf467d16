"""The plots of the benchmarks: the same results make the same bytes, so that a diff shows what was measured anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.figures import Figure, Measurement, Ratio, Results, Role
from benchmarks.report.page import all_ratios, number, titled
from benchmarks.report.suite import BENCHMARKS

COLOURS: dict[Role, str] = {
    "ours": "#b3203a",
    "part": "#e0a3ad",
    "floor": "#555555",
    "peer": "#3b75af",
    "itself": "#d9a441",
}
#: Ratios are drawn from a hundredth to a hundred.
SMALLEST, LARGEST = 0.01, 100.0


def pyplot() -> Any:
    """Return matplotlib's pyplot, set up to write the same bytes for the same figures."""
    import matplotlib

    matplotlib.use("Agg")
    # Text as text: the letters are not drawn into each file, and a reader can search it.
    settings = {
        "svg.hashsalt": "benchmarks",
        "svg.fonttype": "none",
        "font.size": 9,
        "font.sans-serif": ["DejaVu Sans"],
    }
    matplotlib.rcParams.update({**settings, "font.sans-serif": ["DejaVu Sans"]})
    from matplotlib import pyplot

    return pyplot


def save(figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None, "Creator": None})
    pyplot().close(figure)
    # Without its indentation a file is a third smaller.
    file.write_text("\n".join(line.strip() for line in file.read_text().splitlines()) + "\n")


def plain_logarithmic(axes: Any, side: str) -> None:
    """Scale an axis by logarithms, with few numbers, as people write them."""
    from matplotlib import ticker

    axes.set(**{f"{side}scale": "log"})
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(ticker.NullLocator())


def subtitle(found: Measurement) -> str:
    busy = ", provisional" if found.provisional else ""
    return f"{found.date}, {found.machine.cores} cores, {found.machine.memory_gib} GiB{busy}"


def plot_ratios(results: Results, file: Path) -> None:
    """Draw each quantity of ours as a row, with a dot for each floor and peer: to the left of the line we win."""
    rows: dict[str, list[Ratio]] = {}
    for each in (each for each in all_ratios(results) if each.rival.role != "itself"):
        ours = f" ({each.ours.contender})" if each.ours.contender != "ours" else ""
        rows.setdefault(f"{titled(each.benchmark, each.case)}: {each.quantity}{ours}", []).append(each)
    plot = pyplot()
    figure, axes = plot.subplots(figsize=(11, 1.2 + 0.22 * max(1, len(rows))), layout="constrained")
    for row, found in enumerate(rows.values()):
        for each in found:
            place = min(max(each.value, SMALLEST), LARGEST)
            axes.plot(place, row, "o", markersize=5, color=COLOURS[each.rival.role], alpha=0.8)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set(xlabel="ours as a multiple of the other: less is better")
    plain_logarithmic(axes, "x")
    axes.set_yticks(range(len(rows)), [*rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    roles: Sequence[tuple[Role, str]] = (("floor", "the floor"), ("peer", "a peer"))
    handles = [axes.plot([], [], "o", markersize=5, color=COLOURS[role], label=label)[0] for role, label in roles]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    axes.grid(axis="x", linewidth=0.3)
    save(figure, file)


def plot_bars(name: str, found: Measurement, file: Path) -> None:
    """Draw a panel for each quantity and case, with a bar for each contender."""
    panels = [*dict.fromkeys(each.measured for each in found.figures)]
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    contenders = max(sum(each.measured == panel for each in found.figures) for panel in panels)
    plot = pyplot()
    size = (11, lines * (0.9 + 0.28 * contenders) + 0.5)
    figure, axes = plot.subplots(lines, columns, figsize=size, layout="constrained", squeeze=False)
    for panel, ax in zip(panels, axes.flat, strict=False):
        bars(ax, [each for each in found.figures if each.measured == panel])
    for ax in [*axes.flat][len(panels) :]:
        ax.axis("off")
    figure.suptitle(f"{titled(name, '')} ({subtitle(found)}); less is better", fontsize=10)
    save(figure, file)


def bars(ax: Any, figures: Sequence[Figure]) -> None:
    """Draw one panel."""
    case, quantity = figures[0].measured
    longest = max(each.median for each in figures) or 1.0
    for row, each in enumerate(figures):
        ax.barh(row, each.median, color=COLOURS[each.role], height=0.7)
        if len(each.values) > 1:
            ax.plot([min(each.values), max(each.values)], [row, row], color="black", linewidth=0.8)
        end = max(each.median, *each.values)
        ax.text(end + 0.02 * longest, row, number(each.median, each.unit), va="center", fontsize=8)
    ax.set_yticks(range(len(figures)), [each.contender for each in figures], fontsize=8)
    ax.set_ylim(len(figures) - 0.5, -0.5)
    ax.set_xlim(0, 1.35 * max(longest, *(value for each in figures for value in each.values)))
    ax.set_title(f"{quantity}\n{case}" if case else quantity, fontsize=8)
    ax.xaxis.set_visible(False)
    ax.spines[["top", "right", "bottom"]].set_visible(False)


def plot_polling(found: Measurement, file: Path) -> None:
    """Draw questions against lateness, a panel for each kind of videos."""
    from benchmarks.polling import LATENESS, QUESTIONS

    plot = pyplot()
    cases = [*dict.fromkeys(each.case for each in found.figures if each.quantity == QUESTIONS)]
    columns = min(3, len(cases))
    lines = -(-len(cases) // columns)
    figure, axes = plot.subplots(lines, columns, figsize=(13, 4 * lines), layout="constrained", squeeze=False)
    for case, ax in zip(cases, axes.flat, strict=False):
        ax.set(title=case, xlabel="questions per video", ylabel="mean lateness, % of the time")
        plain_logarithmic(ax, "x")
        plain_logarithmic(ax, "y")
        late = {each.contender: each.median for each in found.figures if each.measured == (case, LATENESS)}
        schedules = [each for each in found.figures if each.measured == (case, QUESTIONS) and each.role != "part"]
        asked_for = [each.median for each in schedules]
        middle = math.sqrt(min(asked_for) * max(asked_for))
        for place_in_order, asked in enumerate(sorted(schedules, key=lambda each: each.median)):
            ours, place = asked.role == "ours", (asked.median, late[asked.contender])
            ax.plot(*place, "o", markersize=7 if ours else 4, color=COLOURS[asked.role])
            # Names begin at their dot on the left side and end there on the right, above it and below it in turn.
            left = asked.median <= middle
            ax.annotate(
                asked.contender,
                place,
                fontsize=8 if ours else 6,
                fontweight="bold" if ours else "normal",
                xytext=(4 if left else -4, 3 if place_in_order % 2 else -8),
                textcoords="offset points",
                horizontalalignment="left" if left else "right",
            )
            if ours:
                ax.axvline(place[0], color=COLOURS["ours"], linewidth=0.5, linestyle=":")
                ax.axhline(place[1], color=COLOURS["ours"], linewidth=0.5, linestyle=":")
    figure.suptitle(f"Asking the vendor: towards the lower left is better ({subtitle(found)})", fontsize=11)
    save(figure, file)


def write_plots(folder: Path, results: Results) -> None:
    """Draw all that was measured, and the ratios."""
    if all_ratios(results):
        plot_ratios(results, folder / "ratios.svg")
    for name, found in results.measurements.items():
        if name == "polling":
            plot_polling(found, folder / "polling.svg")
        elif BENCHMARKS[name].pictured:
            plot_bars(name, found, folder / f"{name}.svg")
