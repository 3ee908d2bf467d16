"""The page of the orphans: what is new on it, of which people are told."""

from __future__ import annotations

from prefect_seedance.pipeline.collect.models import Orphan
from prefect_seedance.runs.collect.page import new_rows, orphans_table


def test_more_orphans_than_the_page_holds_are_not_new_each_time() -> None:
    orphans = [Orphan(intent=f"{number}", kind="late", reason="Late.") for number in range(500)]
    rows = orphans_table(orphans)
    assert len(rows) == new_rows(rows, []) == 200 and new_rows(orphans_table(orphans), rows) == 0
    worse = [orphans[7].model_copy(update={"kind": "link_dying"}), *orphans[:7], *orphans[8:]]
    assert new_rows(orphans_table(worse), rows) == 1, "a link that is dying by now is worth another message"
