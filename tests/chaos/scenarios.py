"""A scenario: something to play in the world of the chaos suite, whatever else is played at the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.chaos.harness import Chaos


@dataclass(frozen=True)
class Scenario:
    """Something to play.

    Attributes:
        name: For the test's id.
        play: Raises an `AssertionError` where a promise was broken.
        sleeps: Whether it mostly waits for a lease to run out.
    """

    name: str
    play: Callable[[Chaos], object]
    sleeps: bool = False


def each(*scenarios: Scenario) -> pytest.MarkDecorator:
    """Make a test of each scenario."""
    return pytest.mark.parametrize("scenario", scenarios, ids=[scenario.name for scenario in scenarios])
