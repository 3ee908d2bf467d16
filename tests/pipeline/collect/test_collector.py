"""The collector: whoever left a paid video, it is stored once, and nobody is asked who should not be."""

from __future__ import annotations

import pytest

from prefect_seedance.journal.states import State
from tests.pipeline.collect.harness import Office, became, left_behind
from tests.pipeline.harness import Vendor


@pytest.fixture
def office(vendor: Vendor, tmp_path) -> Office:  # type: ignore[no-untyped-def]
    return Office(tmp_path / "store", vendor.account)


def test_what_a_dead_submitter_left_is_stored(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "one")
    report = office.collected()
    assert became(report)["one"].became == "stored", report
    assert office.record(record.intent).state is State.STORED
    assert office.markers() == [] and office.kinds() == ["completed", "stored"]
