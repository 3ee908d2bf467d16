"""A plan as a terminal shows it."""

from __future__ import annotations

import pytest

from prefect_seedance.batch.models import BatchPlan, PlannedRow
from prefect_seedance.batch.plan_text import MOST_ROWS, plan_text, worst_first

HOSTILE = "\x1b[2J[red]boo[/red]\r\nrow 99\u202e"


def row(number: int, standing: str = "new", **fields: object) -> PlannedRow:
    return PlannedRow.model_validate({"number": number, "standing": standing, "price": 0.2, **fields})


def test_what_has_to_be_looked_at_comes_first_and_the_totals_last() -> None:
    rows = [
        row(2, "new", name="boat", model="seedance2.0-mini", duration=4, price_source="catalog; as of 2026-11-27"),
        row(3, "stored", price=0.0),
        row(4, "invalid", problems=["duration: 99 s is too long. Use 4 to 15."], price=0.0),
        row(5, "duplicate", shared_with=2, price=0.0),
        row(6, "new", price=None),
    ]
    plan = BatchPlan(rows=rows, balance=10.0, expected_seconds=600, scope="always", part="1/2", notices=["Look out."])
    lines = plan_text(plan).splitlines()
    assert [line.split()[0] for line in lines[1:6]] == ["4", "2", "6", "3", "5"]
    text = "\n".join(lines)
    for words in (
        *("99 s is too long", "the video of row 2", "unknown", "5 rows: 1 invalid, 2 to be paid for, 1 stored"),
        *("at least 0.2 coins, and 1 row whose price is unknown (catalog; as of 2026-11-27)", "Balance    10 coins"),
        *("about 10 min", "Part       1/2", "Notice     Look out."),
    ):
        assert words in " ".join(text.split()) or words in text, words


@pytest.mark.parametrize("width", [1, 40, 72, 100, 240])
@pytest.mark.parametrize("colour", [False, True])
def test_nothing_in_a_row_is_obeyed_by_the_terminal_and_no_line_is_too_wide(width: int, colour: bool) -> None:
    rows = [row(2, name=HOSTILE, prompt=HOSTILE * 30, problems=[HOSTILE], model=HOSTILE)]
    plan = BatchPlan(rows=rows, notices=[HOSTILE], scope=HOSTILE, source=HOSTILE)
    text = plan_text(plan, width=width, colour=colour)
    assert "\x1b[2J" not in text and "\u202e" not in text and "\r" not in text
    assert "[red]" in text.replace("\n", "").replace(" ", "") or width < 72
    if not colour:
        assert "\x1b" not in text and all(len(line) <= max(40, width) for line in text.splitlines())


def test_of_many_rows_those_that_matter_are_shown_and_the_rest_is_counted() -> None:
    rows = [row(number) for number in range(2, 1001)] + [row(1001, "refused", problems=["no"])]
    text = plan_text(BatchPlan(rows=rows))
    assert text.splitlines()[1].split()[0] == "1001"
    assert f"and {1000 - MOST_ROWS} more rows" in text and "1,000 rows" in text
    assert len(worst_first(rows)) == 1000


def test_prices_of_several_sources_say_so_and_a_plan_without_rows_has_no_table() -> None:
    rows = [row(2, price_source="your credentials"), row(3, price_source="catalog; as of 2026-11-27")]
    assert "(your credentials; and other sources, see each row)" in plan_text(BatchPlan(rows=rows, scope="always"))
    assert plan_text(BatchPlan(rows=[], scope="always")).splitlines()[0].startswith("0 rows")
