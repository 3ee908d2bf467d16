"""A plan for people: a table and its totals on a terminal, and the words that its page has in common with that."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

from prefect_seedance.batch.models import BatchPlan, PlannedRow, RowStanding, outcome_words
from prefect_seedance.plain_text import coin_words, one_line

#: What a person has to look at before the rest comes first.
STANDING_WORST_FIRST: Mapping[RowStanding, str] = {
    "invalid": "invalid",
    "refused": "not readable just now",
    "unknown": "unknown",
    "failed": "failed",
    "new": "to be paid for",
    "going_on": "going on",
    "stored": "stored",
    "duplicate": "the same video as another row",
    "other_part": "of another part",
}
_COLOURS: Mapping[RowStanding, str] = {
    **dict.fromkeys(("invalid", "refused", "unknown", "failed"), "red"),
    "new": "bold",
    **dict.fromkeys(("going_on", "stored"), "green"),
    **dict.fromkeys(("duplicate", "other_part"), "dim"),
}
#: A person reads so many rows at most; more are for the JSON.
MOST_ROWS = 200
_ORDER: tuple[RowStanding, ...] = tuple(STANDING_WORST_FIRST)


def plan_text(plan: BatchPlan, *, width: int = 100, colour: bool = False) -> str:
    """Draw a plan for a terminal.

    Args:
        plan: The plan.
        width: Columns of the terminal.
        colour: Whether it shows colours.

    Example:
        >>> print(plan_text(BatchPlan(rows=[PlannedRow(number=2, name="boat", standing="stored", price=0.0)])))
         row  name  what    price  model  prompt and what is wrong
           2  boat  stored      0
        <BLANKLINE>
        1 row: 1 stored
        Price      0 coins
        Balance    not known
        Time       not known
        Reuse      not known
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None)
    table.add_column("row", justify="right", no_wrap=True)
    table.add_column("name")
    table.add_column("what", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("model")
    table.add_column("prompt and what is wrong")
    for row in worst_first(plan.rows)[:MOST_ROWS]:
        cells = (str(row.number), row.name, outcome_words(row.standing), price_of(row), asked_of(row), told_of(row))
        table.add_row(*(Text(one_line(cell)) for cell in cells), style=_COLOURS[row.standing] if colour else "")
    drawn = io.StringIO()
    console = Console(
        file=drawn,
        width=max(40, width),
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        legacy_windows=False,
    )
    if plan.rows:
        console.print(table)
    lines = [""] if plan.rows else []
    if len(plan.rows) > MOST_ROWS:
        lines.append(f"and {len(plan.rows) - MOST_ROWS:,} more rows")
    lines += [f"{name:<10} {words}" if name else words for name, words in totals(plan)]
    lines += [f"Notice     {one_line(notice)}" for notice in plan.notices]
    for line in lines:
        console.print(Text(line))
    return "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())


def totals(plan: BatchPlan) -> Iterator[tuple[str, str]]:
    """Yield what a plan comes to: a name and words each; the first has no name."""
    counted = counts(plan)
    rows = f"{len(plan.rows):,} row{'s' if len(plan.rows) != 1 else ''}"
    named = ", ".join(f"{count:,} {STANDING_WORST_FIRST[standing]}" for standing, count in counted.items())
    yield "", f"{rows}: {named}" if named else rows
    yield "Price", total_words(plan)
    yield "Balance", "not known" if plan.balance is None else coin_words(plan.balance)
    yield "Time", time_words(plan.expected_seconds)
    yield "Reuse", one_line(plan.scope) or "not known"
    if plan.part:
        yield "Part", plan.part


def counts(plan: BatchPlan) -> dict[RowStanding, int]:
    """Return how many rows have each standing, worst first; a standing without rows is left out."""
    found: dict[RowStanding, int] = {
        standing: sum(row.standing == standing for row in plan.rows) for standing in _ORDER
    }
    return {standing: count for standing, count in found.items() if count}


def total_words(plan: BatchPlan) -> str:
    """Return in words what the new rows cost, where the prices come from, and how many have none.

    Example:
        >>> new = PlannedRow(number=2, standing="new", price=0.4, price_source="your credentials; as of 2026-11-27")
        >>> total_words(BatchPlan(rows=[new, new.model_copy(update={"price": None, "price_source": ""})]))
        'at least 0.4 coins, and 1 row whose price is unknown (your credentials; as of 2026-11-27)'
    """
    unknown = plan.of_unknown_price
    words = f"{'at least ' if unknown else ''}{coin_words(plan.total)}"
    if unknown:
        words += f", and {unknown:,} row{'s' if unknown != 1 else ''} whose price is unknown"
    sources = [*dict.fromkeys(row.price_source for row in plan.rows if row.standing == "new" and row.price_source)]
    if len(sources) > 1:
        return f"{words} ({sources[0]}; and other sources, see each row)"
    return f"{words} ({sources[0]})" if sources else words


def time_words(seconds: float | None) -> str:
    """Return in words how long something takes.

    Example:
        >>> time_words(75), time_words(5400), time_words(7), time_words(None)
        ('about 2 min', 'about 1 h 30 min', 'about 10 s', 'not known')
    """
    if seconds is None:
        return "not known"
    if seconds <= 0:
        return "no waiting"
    if seconds < 60:
        return f"about {max(10, 10 * round(seconds / 10))} s"
    hours, minutes = divmod(max(1, -int(-seconds // 60)), 60)
    return "about " + (f"{hours} h {minutes} min" if hours else f"{minutes} min")


def worst_first(rows: Sequence[PlannedRow]) -> list[PlannedRow]:
    """Sort rows: first what a person has to look at, each kind in the order of the manifest."""
    return sorted(rows, key=lambda row: (_ORDER.index(row.standing), row.number))


def price_of(row: PlannedRow) -> str:
    """Return the price of a row in words."""
    return "unknown" if row.price is None else f"{row.price:g}"


def asked_of(row: PlannedRow) -> str:
    """Return in short what a row asks for.

    Example:
        >>> asked_of(PlannedRow(number=2, standing="new", model="seedance2.0-mini", resolution="480p", duration=4))
        'seedance2.0-mini 480p 4 s'
    """
    parts = (row.model, row.resolution, f"{row.duration} s" if row.duration else "")
    take = f"take {row.take}" if row.take != "1" else ""
    return " ".join(filter(None, (*parts, take)))


def told_of(row: PlannedRow) -> str:
    """Return in words what is wrong with a row, else what it asks for."""
    if row.problems:
        return " ".join(row.problems)
    said = f"the video of row {row.shared_with}. " if row.shared_with else ""
    return f"{said}{' '.join([row.prompt, *(f'Warning: {each}' for each in row.warnings)])}".strip()
