"""The flows that stop all spending of a store, and let it go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_seedance.blocks import VideoStore
from prefect_seedance.flows.spending import pause_spending, resume_spending
from prefect_seedance.journal.budget.pause import read_pause
from tests.flows import shown

pytestmark = pytest.mark.server


def test_pausing_and_resuming_say_on_the_page_what_it_means(prefect_server: str, tmp_path: Path) -> None:
    store = VideoStore(location=str(tmp_path / "videos"))
    paused = pause_spending(store, "the *bill* of today", return_state=True)
    stands = read_pause(store.open())
    assert (
        stands is not None
        and stands.by == f"flow run pause-spending: {store.place}"
        and stands.reason == "the *bill* of today"
    )
    assert paused.result() == stands.words
    assert shown.logged(shown.run_of(paused), "still waited for and stored")
    page = shown.latest("seedance-spending")
    for said in (
        "All spending of this store is paused",
        "still reused",
        "prefect-seedance resume --store",
        "UTC by flow run",
    ):
        assert said in page
    assert "*bill*" not in page  # it formats nothing
    assert resume_spending(store) is True
    assert read_pause(store.open()) is None
    assert "The pause is lifted" in shown.latest("seedance-spending")
    assert resume_spending(store) is False
    assert "was not paused" in shown.latest("seedance-spending")
