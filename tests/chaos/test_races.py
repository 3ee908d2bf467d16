"""Processes that run the same request at the same moment buy it once; different ones do not disturb each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.chaos.races import RACES, eight_takes, race
from tests.chaos.scenarios import Scenario, each, everywhere, on_s3

pytestmark = [pytest.mark.server, pytest.mark.slow]


ROUNDS = [Scenario(f"round {number}", partial(race, number=number)) for number in range(RACES)]


@each(*ROUNDS, *on_s3(*ROUNDS[:2]))
def test_a_race_is_paid_for_once_and_all_racers_get_the_video(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)


@everywhere(Scenario("eight", eight_takes))
def test_takes_made_at_once_are_all_bought_and_stored(scenario: Scenario, played: Callable[[Scenario], None]) -> None:
    played(scenario)
