"""Whatever the vendor answers to a create, nothing is bought that the policy did not allow."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest

from tests.chaos.create_faults import every_create_fault, failed_for_a_passing_reason
from tests.chaos.scenarios import Scenario, each

pytestmark = [pytest.mark.server, pytest.mark.slow]

#: A policy that allows one submission allows no more of them than one that allows two: it has its runs with RUN_LONG.
EVERY_FAULT = (1, 2) if os.environ.get("RUN_LONG") else (2,)
SCENARIOS = [
    Scenario(f"{name}, {count} submission(s)", partial(play, max_submissions=count))
    for name, play, counts in (
        ("every fault", every_create_fault, EVERY_FAULT),
        ("failed", failed_for_a_passing_reason, (1, 2)),
    )
    for count in counts
]


@each(*SCENARIOS)
def test_a_create_fault_never_buys_more_than_the_policy_allows(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)
