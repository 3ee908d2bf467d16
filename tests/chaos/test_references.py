"""Videos with references, whatever is killed, lost, late or gone: nothing is made twice without its reason.

And nothing is paid for twice, or with a reference that the vendor cannot use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import pytest

from prefect_seedance.failpoints import MEMO_POINTS
from tests.chaos import reference_kills as plays
from tests.chaos.orders import Strike
from tests.chaos.scenarios import Scenario, each

Row = TypeVar("Row")

pytestmark = [pytest.mark.server, pytest.mark.slow]

LONG = bool(os.environ.get("RUN_LONG"))


def some(rows: Sequence[Row], every: int) -> Sequence[Row]:
    """Return every so many of some rows, and all of them with RUN_LONG."""
    return rows if LONG else rows[::every]


def scenario(
    title: str, play: Callable[..., object], *, sleeps: bool = False, bucket: bool = False, **given: object
) -> Scenario:
    return Scenario(title, partial(play, **given), sleeps=sleeps, bucket=bucket)


KILLS = [
    scenario(kill.name, plays.play_kill, kill=kill, bucket=kill.kind.startswith("object"))
    for kill in plays.REFERENCE_KILLS
]


@each(*KILLS)
@pytest.mark.sample(every=4)
def test_a_run_that_is_killed_is_taken_up(scenario: Scenario, played: Callable[[Scenario], None]) -> None:
    played(scenario)


def test_every_named_point_of_the_memos_has_its_row() -> None:
    assert {kill.point for kill in plays.REFERENCE_KILLS if kill.point.startswith("memo.")} == {*MEMO_POINTS}


AT_ONCE = [
    *(scenario(f"rivals {number}", plays.rivals, number=number) for number in range(100 if LONG else 4)),
    scenario("two takes", plays.two_videos),
    *(
        scenario(f"stopped at {point}, {time}", plays.stopped, point=point, time=time)
        for point, time in (("memo.claim.after", 1), ("memo.make.after", 1), ("memo.make.after", 2))
    ),
    *(scenario(f"stopped in the {place}", plays.stopped_in_an_answer, place=place) for place in ("upload", "audit")),
]


@each(*AT_ONCE)
@pytest.mark.sample(every=2)
def test_processes_at_once_make_it_once(scenario: Scenario, played: Callable[[Scenario], None]) -> None:
    played(scenario)


OUTAGES = [
    *(scenario(f"mended {time}", plays.mended, time=time) for time in (1, 2)),
    *(scenario(f"killed while read-only {time}", plays.killed_while_read_only, time=time) for time in (1, 2)),
    *(
        scenario(f"{title}, on S3", plays.through, manner=manner, bucket=True, sleeps=True)
        for title, manner in (plays.HONEST | plays.LYING).items()
    ),
]


@each(*OUTAGES)
def test_a_failing_store_costs_a_repeat_at_worst(scenario: Scenario, played: Callable[[Scenario], None]) -> None:
    played(scenario)


#: Always with those that once went wrong.
TRIED = sorted({*some(plays.ANSWERS, 6), "audit_no_asset_id", "upload_link_dies"})
BROKEN = [
    *(scenario(name, plays.broken_answer, sleeps=True, name=name) for name in TRIED),
    *(
        scenario(f"{name}, then killed", plays.broken_answer, name=name, strike=Strike("memo.make.after"), sleeps=True)
        for name in ("upload_lost_answer", "audit_lost_answer", "status_error_before")
    ),
    *(scenario(name, plays.turned_down, name=name) for name in plays.REFUSED),
]


@each(*BROKEN)
def test_a_broken_answer_is_got_over(scenario: Scenario, played: Callable[[Scenario], None]) -> None:
    played(scenario)


DECAY = [
    scenario("expired", plays.decayed, name="asset_expired", returns=False, sleeps=True),
    scenario("deleted", plays.decayed, name="asset_deleted"),
    scenario("failed", plays.decayed, name="asset_failed"),
    scenario("expired, and back", plays.came_back),
    scenario("link grew old", plays.link_grew_old),
    scenario("link died, by link", plays.link_died, kind="file, by link"),
    scenario("link died, audited", plays.link_died, kind="file, audited"),
    scenario("deleted in its sleep", plays.expired_in_its_sleep, sleeps=True),
]


@each(*DECAY)
def test_what_ends_between_two_runs_is_made_anew_with_its_reason(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)


CANCELLED = [
    *(scenario(f"{each.point}, {each.time}", plays.cancelled, strike=each) for each in plays.CANCELS),
    *(scenario(name, plays.cancelled_in_a_hang, name=name) for name in plays.CANCELLED_HANGS),
    scenario("pending", plays.cancelled_while_pending),
    scenario("waiting for another", plays.cancelled_while_another_makes_it),
]


@each(*CANCELLED)
@pytest.mark.sample(every=4)
def test_a_cancelled_run_ends_at_once_and_the_next_goes_on(
    scenario: Scenario, played: Callable[[Scenario], None]
) -> None:
    played(scenario)


RANDOM = [
    scenario(f"seed {seed}{' on S3' if seed % 3 == 0 else ''}", plays.at_random, seed=seed, bucket=seed % 3 == 0)
    for seed in range(200 if LONG else 4)
]


@each(*RANDOM)
def test_whatever_comes_together_nothing_is_paid_twice(scenario: Scenario, played: Callable[[Scenario], None]) -> None:
    played(scenario)
