"""A process is killed at every named point, and the same request is run again.

At most one bill per intent, always; what was accepted ends stored, or unknown where no client could know. The points of
what is free (`MEMO_POINTS`) have their kills in `tests.chaos.test_references`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest

from prefect_seedance.failpoints import JOURNAL_POINTS, POINTS
from tests.chaos.harness import Chaos
from tests.chaos.kills import KILLS, Kill, play
from tests.chaos.scenarios import Scenario, each, on_s3
from tests.chaos.sleepers import RENEWALS

pytestmark = [pytest.mark.server, pytest.mark.slow]

LONG = bool(os.environ.get("RUN_LONG"))


def play_without_prefect(chaos: Chaos, kill: Kill) -> None:
    play(chaos.without_prefect(), kill)


# The points are below the flow, so that every eighth is enough of it, and on S3 every third of those; and as
# `tests/journal/test_kill_points.py` kills at all points of the journal, every second of the others is enough without
# Prefect. With RUN_LONG all. What the flow itself does is always in it: it turns a Ctrl+C into a cancel, has Prefect's
# result where the record is lost, and submits again what failed.
FLOWS = [
    Scenario(kill.name, partial(play, kill=kill))
    for number, kill in enumerate(KILLS)
    if LONG or number % 8 == 0 or kill.strikes or kill.past == "deleted record" or kill.allowed > 1
]
IN_FLOWS = {scenario.name for scenario in FLOWS}
PIPELINES = [
    Scenario(kill.name, partial(play_without_prefect, kill=kill)) for kill in KILLS if kill.name not in IN_FLOWS
][:: None if LONG else 2]


@each(*FLOWS, *PIPELINES, *on_s3(*(FLOWS if LONG else FLOWS[::3])))
def test_a_killed_run_is_taken_up_and_nothing_is_paid_for_twice(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)


def test_every_named_point_has_its_row() -> None:
    rows = {kill.point for kill in (*KILLS, *RENEWALS) if not kill.by_hand}
    assert rows == {*JOURNAL_POINTS, *POINTS}
