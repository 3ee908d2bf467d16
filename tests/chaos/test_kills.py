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
from tests.chaos.kills import KILLS, play
from tests.chaos.scenarios import Scenario, each, on_s3
from tests.chaos.sleepers import RENEWALS

pytestmark = [pytest.mark.server, pytest.mark.slow]


ROWS = [Scenario(kill.name, partial(play, kill=kill)) for kill in KILLS]


# On S3 every eighth one, and with RUN_LONG all.
@each(*ROWS, *on_s3(*(ROWS if os.environ.get("RUN_LONG") else ROWS[::8])))
def test_a_killed_run_is_taken_up_and_nothing_is_paid_for_twice(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)


def test_every_named_point_has_its_row() -> None:
    rows = {kill.point for kill in (*KILLS, *RENEWALS) if not kill.by_hand}
    assert rows == {*JOURNAL_POINTS, *POINTS}
