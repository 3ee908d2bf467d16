"""A process that slept past its deadline never sends what others may have settled; leases run out by the clock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.chaos import sleepers
from tests.chaos.scenarios import Scenario, each, on_s3

pytestmark = [pytest.mark.server, pytest.mark.slow]

SCENARIOS = [
    *(
        Scenario(play.__name__.replace("_", " "), play, sleeps=True)
        for play in (
            sleepers.nobody_settled_it,
            sleepers.another_run_bought_it,
            sleepers.given_up_meanwhile,
            sleepers.in_the_post_after_it_was_accepted,
            sleepers.in_the_post_before_it_was_accepted,
            sleepers.ready_after_a_kill,
            sleepers.unknown_after_a_kill,
        )
    ),
    *(
        Scenario(f"killed at {kill.point}", partial(sleepers.killed_in_a_renewal, kill=kill), sleeps=True)
        for kill in sleepers.RENEWALS
    ),
]


@each(*SCENARIOS, *on_s3(*SCENARIOS[1::4]))
def test_a_sleeper_pays_for_nothing_twice(scenario: Scenario, played: Callable[[Scenario], None]) -> None:
    played(scenario)
