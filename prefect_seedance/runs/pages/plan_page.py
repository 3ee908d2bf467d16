"""What the page of a plan's run shows: its totals, also as JSON, and the rows as a table.

What cannot be shown is logged and changes nothing.
"""

from __future__ import annotations

import json

from prefect_seedance.batch.models import BatchPlan, outcome_words
from prefect_seedance.batch.plan_text import MOST_ROWS, counts, price_of, told_of, totals, worst_first
from prefect_seedance.plain_text import cut
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.notifications.escaping import cell, fenced, markdown, prose, unlinked
from prefect_seedance.runs.pages.run_page import PAUSES, Page, shown, table

#: Longest text in a cell of the table.
_LONGEST = 300


async def show_plan(plan: BatchPlan) -> None:
    """Put a plan on the run's page: what it comes to, and at most 200 of its rows, worst first."""
    rows = plan_table(plan)

    async def page() -> str:
        return plan_markdown(plan)

    async def drawn() -> str:
        return json.dumps(rows, ensure_ascii=False)

    described = markdown(next(words for _, words in totals(plan)))
    of_all = f"{len(rows)} of {len(plan.rows)} rows" if len(rows) < len(plan.rows) else f"{len(rows)} rows"
    await shown(Page(page, "seedance-plan", described).draw, pauses=PAUSES)
    await shown(Page(drawn, "seedance-plan-rows", f"{of_all}, worst first.", kind="table").draw, pauses=PAUSES)


def plan_table(plan: BatchPlan) -> list[dict[str, str | int | float]]:
    """Return the rows as a table: cells that are text in both of Prefect's UIs."""
    return [
        {
            "row": row.number,
            "name": _text(row.name),
            "standing": outcome_words(row.standing),
            "price": price_of(row) if row.price is None else row.price,
            "what": _text(told_of(row)),
            "model": _text(row.model),
            "seconds": row.duration or "",
            "resolution": _text(row.resolution),
            "source": _text(row.price_source),
            "intent": row.intent,
        }
        for row in worst_first(plan.rows)[:MOST_ROWS]
    ]


def plan_markdown(plan: BatchPlan) -> str:
    """Word what a plan comes to as Markdown."""
    (_, headline), *rest = totals(plan)
    drawn = table({name: markdown(without_signatures(words)) for name, words in [*rest, ("Manifest", plan.source)]})
    parts = ["# Plan: nothing was paid\n", f"{markdown(headline)}\n", drawn]
    if plan.notices:
        parts.append(f"## Notices\n\n{prose(without_signatures(chr(10).join(plan.notices)))}")
    parts.append(f"## As JSON\n\n{fenced(json.dumps(totals_json(plan), ensure_ascii=False, indent=1))}")
    parts.append("The result of the run has every row.\n")
    return "\n".join(parts)


def totals_json(plan: BatchPlan) -> dict[str, object]:
    """Return what a plan comes to, for programs: all of it but the rows."""
    whole = plan.model_dump(mode="json", exclude={"rows", "notices"})
    return {
        **{name: without_signatures(value) if isinstance(value, str) else value for name, value in whole.items()},
        "rows": len(plan.rows),
        "standings": counts(plan),
        "total": plan.total,
        "of_unknown_price": plan.of_unknown_price,
    }


def _text(text: str) -> str:
    return cell(unlinked(cut(without_signatures(" ".join(text.split())), _LONGEST)))
