"""Whatever the vendor answers to a create, nothing is bought that the policy did not allow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.chaos.create_faults import every_create_fault, failed_for_a_passing_reason
from tests.chaos.scenarios import Scenario, each

pytestmark = [pytest.mark.server, pytest.mark.slow]

SCENARIOS = [
    Scenario(f"{name}, {count} submission(s)", partial(play, max_submissions=count))
    for name, play in (("every fault", every_create_fault), ("failed", failed_for_a_passing_reason))
    for count in (1, 2)
]


@each(*SCENARIOS)
def test_a_create_fault_never_buys_more_than_the_policy_allows(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)
