"""Processes that run the same request at the same moment buy it once; different ones do not disturb each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest

from tests.chaos.races import RACES, eight_takes, equal_rows_through, race, race_through
from tests.chaos.scenarios import Scenario, each, on_s3
from tests.storage.dishonest_s3 import Dishonest

pytestmark = [pytest.mark.server, pytest.mark.slow]

LONG = bool(os.environ.get("RUN_LONG"))

ROUNDS = [Scenario(f"round {number}", partial(race, number=number)) for number in range(RACES if LONG else 3)]


@each(*ROUNDS, *on_s3(ROUNDS[0]))
def test_a_race_is_paid_for_once_and_all_racers_get_the_video(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)


DISHONEST = {
    "racy swap": Dishonest(racy=("swap",)),
    "racy create, slow": Dishonest(racy=("create",), latency_seconds=0.02, stalls=0.05),
    "ignores": Dishonest(ignores=("create", "swap")),
    "slow and stalling": Dishonest(latency_seconds=0.02, stalls=0.05),
    "fails after it wrote": Dishonest(hides=0.1),
}


@pytest.mark.sample(every=2)
@each(*(Scenario(name, partial(race_through, DISHONEST[name]), bucket=True) for name in DISHONEST))
def test_a_race_on_a_dishonest_store_is_paid_for_once_at_most(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)


DEAF = {
    "100 ms away": Dishonest(ignores=("create", "swap"), latency_seconds=0.1),
    "racy": Dishonest(racy=("create", "swap"), window_seconds=0.1),
}


@each(*(Scenario(name, partial(equal_rows_through, DEAF[name]), bucket=True) for name in DEAF))
def test_equal_rows_of_a_single_writer_are_paid_for_once(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)


EIGHT = Scenario("eight", eight_takes)


@each(*([EIGHT] if LONG else []), *on_s3(EIGHT))
def test_takes_made_at_once_are_all_bought_and_stored(scenario: Scenario, played: Callable[[Scenario], None]) -> None:
    played(scenario)
