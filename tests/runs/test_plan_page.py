"""The page of a plan, and the words of others on it."""

from __future__ import annotations

import json
import re

from prefect_seedance.batch.models import BatchPlan, PlannedRow
from prefect_seedance.runs.pages.plan_page import plan_markdown, plan_table

SIGNED = "https://x.org/a.png?X-Amz-Signature=5ecre7"
HOSTILE = f"[a](javascript:b) <img src=x> `c` | **d** ``` {SIGNED}"


def test_nothing_on_the_page_is_obeyed_and_no_signature_is_shown() -> None:
    row = PlannedRow(
        number=2, standing="refused", name=HOSTILE, prompt=HOSTILE, problems=[HOSTILE], model=HOSTILE, price=0.0
    )
    plan = BatchPlan(rows=[row], source=HOSTILE, notices=[HOSTILE], scope=HOSTILE, part="1/2")
    page, table = plan_markdown(plan), json.dumps(plan_table(plan), ensure_ascii=False)
    for text in (page, table):
        assert "5ecre7" not in text
    outside = "".join(page.split("```")[0::2])
    assert not re.search(r"(?<!\\)(\]\(javascript|<img)", outside)
    assert "](javascript" not in table and "<img" not in table


def test_a_large_plan_fits_on_a_page() -> None:
    rows = [PlannedRow(number=number, standing="new", prompt="x" * 5000, price=None) for number in range(2, 2002)]
    plan = BatchPlan(rows=rows)
    assert len(plan_table(plan)) == 200
    assert len(json.dumps(plan_table(plan))) < 200_000
    assert "2,000 rows" in plan_markdown(plan) and len(plan_markdown(plan)) < 5000
