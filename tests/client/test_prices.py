"""What a video is expected to cost, with the seconds of reference videos where the vendor bills them."""

from __future__ import annotations

import math

import pytest

from prefect_seedance.client.models import CatalogEntry
from prefect_seedance.client.request.prices import Estimate, estimate
from prefect_seedance.client.request.routes import ROUTES
from prefect_seedance.client.request.video_request import VideoRequest
from tests.client import route_oracle as oracle
from tests.client.pages import asked

UNIT = 0.5


def price_of(model: str, shorthand: str, *video_seconds: float, mode: str = "per_second") -> Estimate:
    request = VideoRequest(**asked(model, shorthand))
    entry = CatalogEntry(model_name=ROUTES[model].bills_as("auto"), price_mode=mode, unit_price=UNIT)
    found = estimate(request, [entry], video_seconds=video_seconds)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("lengths", "billed"),
    [([7.0], 7), ([7.4, 99.0], 7), ([7.5, 99.0], 8), ([7.6, 0.0], 8), ([0.4], 0), ([2.5], 3)],
)
def test_mini_video_bills_the_first_reference_video_rounded(lengths: list[float], billed: int) -> None:
    count = len(lengths)
    found = price_of("seedance2.0-mini-video", f"10 s + {count} video{'s' * (count > 1)}", *lengths)
    assert found.coins == UNIT * (10 + billed)
    assert ("with" if billed else "without") in found.source and "first reference video" in found.source
    assert not billed or f"{billed} s" in found.source


@pytest.mark.parametrize("length", [0.0, -3.0, math.nan, math.inf, 1e300, 10**400, None])
def test_a_length_that_could_not_be_read_leaves_the_duration_alone_and_that_is_said(length: float | None) -> None:
    lengths = [] if length is None else [length]
    found = price_of("seedance2.0-mini-video", "10 s + 1 video", *lengths)
    assert found.coins == UNIT * 10
    assert "without the length of the first reference video, which is billed too" in found.source


@pytest.mark.parametrize("model", [*oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST])
def test_video_ref_may_bill_all_of_them_so_the_figure_is_named_and_not_added(model: str) -> None:
    found = price_of(model, "10 s + 2 videos", 4.0, 5.6)
    assert found.coins == UNIT * 10
    assert "which may be billed too: 10 s, 5 coins more" in found.source and "inferred" in found.source
    unknown = price_of(model, "10 s + 2 videos", 4.0, 0.0)
    assert unknown.coins == UNIT * 10
    assert "may be billed too (" in unknown.source


def test_seconds_count_neither_without_a_reference_video_nor_on_other_routes_nor_per_task() -> None:
    others = {*oracle.MODELS} - {*oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST, *oracle.MINI_VIDEO}
    for model in others:
        shorthand = "10 s" if oracle.refused(asked(model, "10 s + 1 video")) else "10 s + 1 video"
        assert price_of(model, shorthand, 7.0) == Estimate(UNIT * 10, "estimate by the vendor's public catalog")
    for model in {*oracle.MODELS} - others:
        plain = "estimate by the vendor's public catalog"
        assert price_of(model, "10 s", 7.0) == Estimate(UNIT * 10, plain)
        assert price_of(model, "10 s + 1 video", 7.0, mode="per_task") == Estimate(UNIT, plain)


def test_more_lengths_than_videos_add_nothing() -> None:
    found = price_of("sd2_mx_video_720p", "10 s + 1 video", 4.0, 50.0)
    assert "4 s, 2 coins more" in found.source
