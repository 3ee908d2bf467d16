"""A scenario: something to play in the world of the chaos suite, whatever else is played at the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.chaos.harness import Chaos


@dataclass(frozen=True)
class Scenario:
    """Something to play.

    Attributes:
        name: For the test's id.
        play: Raises an `AssertionError` where a promise was broken.
        sleeps: Whether it mostly waits for a lease to run out.
        bucket: Whether its stores are in a bucket instead of folders.
    """

    name: str
    play: Callable[[Chaos], object]
    sleeps: bool = False
    bucket: bool = False


def each(*scenarios: Scenario) -> pytest.MarkDecorator:
    """Make a test of each scenario."""
    return pytest.mark.parametrize("scenario", scenarios, ids=[scenario.name for scenario in scenarios])


def everywhere(*scenarios: Scenario) -> pytest.MarkDecorator:
    """Make two tests of each scenario: with folders for stores, and in a bucket."""
    return each(*scenarios, *on_s3(*scenarios))


def on_s3(*scenarios: Scenario) -> list[Scenario]:
    """Return the same scenarios with the stores in a bucket."""
    return [replace(scenario, name=f"{scenario.name}, on S3", bucket=True) for scenario in scenarios]
