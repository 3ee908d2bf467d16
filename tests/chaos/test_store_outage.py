"""A store that fails between the vendor's answer and its record costs no task and no second bill."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos import outages
from tests.chaos.scenarios import Scenario, everywhere

pytestmark = [pytest.mark.server, pytest.mark.slow]

SCENARIOS = [
    Scenario(play.__name__.replace("_", " "), play)
    for play in (
        outages.mended_while_it_waits,
        outages.killed_while_read_only,
        outages.records_gone_and_back,
        outages.records_back_in_time,
    )
]


@everywhere(*SCENARIOS)
def test_an_accepted_task_survives_an_outage_of_the_store(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)
