"""The unknown storm: how many unknown outcomes in a row stop a run, and what does not."""

from __future__ import annotations

import pytest

from prefect_seedance.journal.errors import TooManyUnknowns
from prefect_seedance.journal.submit.storm import UnknownStorm


def stops(storm: UnknownStorm) -> bool:
    try:
        storm.check("/videos")
    except TooManyUnknowns:
        return True
    return False


def told(*outcomes: str, limit: int = 3) -> UnknownStorm:
    storm = UnknownStorm(limit)
    for outcome in outcomes:
        storm.unknown() if outcome == "unknown" else storm.known()
    return storm


@pytest.mark.parametrize(
    ("outcomes", "stopped"),
    [
        ([], False),
        (["unknown"] * 2, False),
        (["unknown"] * 3, True),
        (["unknown", "unknown", "known", "unknown", "unknown"], False),
        (["unknown", "unknown", "known", "unknown", "unknown", "unknown"], True),
        # Once it stands, an answer that was on its way does not lift it.
        (["unknown"] * 3 + ["known"], True),
        (["unknown"] * 4 + ["known"] * 5, True),
    ],
)
def test_only_unknown_outcomes_in_a_row_stop_a_run_and_nothing_lifts_that(outcomes: list[str], stopped: bool) -> None:
    assert stops(told(*outcomes)) == stopped


def test_three_are_the_limit_and_another_may_be_set() -> None:
    storm = UnknownStorm()
    for _ in range(3):
        assert not stops(storm)
        storm.unknown()
    assert stops(storm)
    assert stops(told("unknown", limit=1))


def test_a_run_that_stops_says_where_the_unknown_ones_are_listed() -> None:
    with pytest.raises(TooManyUnknowns, match="last 3 submissions") as caught:
        told(*["unknown"] * 3).check("s3://bucket/videos")
    assert "s3://bucket/videos" in str(caught.value)
