"""The page of the orphans: what is new on it, of which people are told."""

from __future__ import annotations

from prefect_seedance.journal.commands import how_to_resolve
from prefect_seedance.pipeline.collect.models import Orphan
from prefect_seedance.runs.collect.page import new_rows, orphans_table


def test_more_orphans_than_the_page_holds_are_not_new_each_time() -> None:
    orphans = [Orphan(intent=f"{number}", kind="late", reason="Late.") for number in range(500)]
    rows = orphans_table(orphans)
    assert len(rows) == new_rows(rows, []) == 200 and new_rows(orphans_table(orphans), rows) == 0
    worse = [orphans[7].model_copy(update={"kind": "link_dying"}), *orphans[:7], *orphans[8:]]
    assert new_rows(orphans_table(worse), rows) == 1, "a link that is dying by now is worth another message"


def test_an_orphan_begins_with_what_it_is_and_what_to_do_since_no_cell_wraps() -> None:
    advice = how_to_resolve("2e5b2ced3957ef68973738a4277cb3f2", "/data", "1-3f9a1c04", briefly=True)
    nameless = Orphan(intent="2e5b2ced3957ef68973738a4277cb3f2", kind="unknown", reason="Perhaps.", advice=advice)
    (row,) = orphans_table([nameless])
    assert [*row] == ["what", "name", "what to do", "why", "intent"], "a column without a word is left out"
    assert row["name"] == "2e5b2ced3957"
    assert row["what to do"] == "Settle it in the Prefect UI (flow resolve-submission, attempt 1-3f9a1c04)."
