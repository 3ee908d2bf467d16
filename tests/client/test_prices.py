"""What a video is expected to cost, with the seconds of reference videos where the vendor bills them."""

from __future__ import annotations

import math

import pytest

from prefect_seedance.client.models import CatalogEntry
from prefect_seedance.client.request.prices import Estimate, estimate, estimate_by_own, read_own_prices
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


# Under every name that is known.


def entry(name: str, price: float | None = UNIT, mode: str = "per_second") -> CatalogEntry:
    return CatalogEntry(model_name=name, price_mode=mode, unit_price=price)


def coins_of(request: VideoRequest, *entries: CatalogEntry) -> float | None:
    found = estimate(request, entries)
    return found.coins if found else None


def sp(model: str = "seedance2.0-sp", resolution: str = "auto", *videos: str) -> VideoRequest:
    return VideoRequest(prompt="A boat", model=model, resolution=resolution, duration=10, reference_videos=[*videos])


VIDEO = "https://example.com/v.mp4"


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (sp(), "seedance2.0-sp"),
        (sp(), "sd2_sp_720p"),
        (sp(resolution="480p"), "sd2_sp_480p"),
        (sp(resolution="1080p"), "sd2_sp_1080p"),
        (sp("seedance2.0-fast-sp"), "sd2_sp_fast_720p"),
        (sp("seedance2.0-fast-sp"), "sd2_sp_fast_780p"),
        (sp("seedance2.0-fast-sp", "1080p"), "sd2_sp_fast_1080p"),
        (sp("seedance2.0-sp", "auto", VIDEO), "sd2_sp_video_720p"),
        (sp("seedance2.0-sp", "auto", VIDEO), "seedance2.0-sp"),
        (sp("seedance2.0-of-sp"), "seedance2.0-of-sp"),
        (VideoRequest(prompt="x", duration=10, other_model="sd2_sp_720p"), "sd2_sp_720p"),
        (VideoRequest(prompt="x", duration=10, other_model="SD2-new"), "sd2-NEW"),
    ],
)
def test_a_price_is_found_under_each_name_that_the_model_is_billed_by(request_: VideoRequest, name: str) -> None:
    assert coins_of(request_, entry("other", 9.0), entry(name)) == UNIT * 10


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (sp(), "sd2_sp_1080p"),
        (sp("seedance2.0-fast-sp"), "sd2_sp_720p"),
        (sp("seedance2.0-fast-sp", "1080p"), "sd2_sp_fast_780p"),
        (sp("seedance2.0-of-sp"), "sd2_sp_720p"),
        (sp("seedance2.0-sp", "auto", VIDEO), "sd2_sp_720p"),
        (sp(), "sd2_sp_video_720p"),
        (VideoRequest(prompt="x", model="seedance2.0-mini"), "seedance2.0-mini-480p"),
    ],
)
def test_the_price_of_something_else_is_not_taken_for_it(request_: VideoRequest, name: str) -> None:
    assert coins_of(request_, entry(name)) is None


def test_entries_without_a_price_are_passed_over_and_of_several_the_highest_counts() -> None:
    unusable = [entry("seedance2.0-sp", None), entry("seedance2.0-sp", 9.0, "pay_as_you_go")]
    assert coins_of(sp(), *unusable, entry("sd2_sp_720p", None), entry("seedance2.0-sp", mode="PER_SECOND")) == 5.0
    found = estimate(sp(), [entry("seedance2.0-sp", 0.2), entry("seedance2.0-sp", 0.3)])
    assert found is not None and found.coins == 3.0 and "highest of 2" in found.source
    twice = estimate(sp(), [entry("seedance2.0-sp", 0.2), entry("seedance2.0-sp", 0.2)])
    assert twice is not None and twice.source == "estimate by the vendor's public catalog"


# The account's own.


def own_coins(request: VideoRequest, prices: dict[str, float], *video_seconds: float) -> float | None:
    found = estimate_by_own(request, read_own_prices(prices), video_seconds=video_seconds)
    return found.coins if found else None


MINI = VideoRequest(prompt="x", model="seedance2.0-mini", resolution="480p", duration=10)


@pytest.mark.parametrize(
    ("request_", "prices", "coins"),
    [
        (MINI, {"seedance2.0-mini 480p": 0.02}, 0.2),
        (MINI, {"seedance2.0-mini": 0.03}, 0.3),
        (MINI, {"seedance2.0-mini": 0.03, "seedance2.0-mini 480p": 0.02}, 0.2),
        (MINI, {"seedance2.0-mini-480p": 0.02, "seedance2.0-mini": 0.03}, 0.2),
        (MINI, {"  Seedance2.0-MINI   480P ": 0.02}, 0.2),
        (MINI, {"seedance2.0-mini 480p per task": 0.9}, 0.9),
        (MINI, {"seedance2.0-mini 480p per_second": 0.02}, 0.2),
        (MINI, {"seedance2.0-mini 720p": 0.02}, None),
        (MINI, {"seedance2.0-mini 480p": 0.0}, 0.0),
        (sp(), {"seedance2.0-sp 720p": 0.1}, 1.0),
        (sp(), {"sd2_sp_720p": 0.1}, 1.0),
        (VideoRequest(prompt="x", model="seedance2.0-std", duration=10), {"seedance2.0-std": 0.4}, 0.4),
        (VideoRequest(prompt="x", model="sd2_mx_720p", duration=10), {"sd2_mx_720p": 0.1}, 1.0),
        (VideoRequest(prompt="x", model="sd2_mx_720p", duration=10), {"sd2_mx_720p 720p": 0.1}, 1.0),
        (VideoRequest(prompt="x", other_model="New-3", duration=10), {"new-3 per second": 0.1}, 1.0),
        (VideoRequest(prompt="x", other_model="new-3", duration=10), {"new-3 480p per task": 0.1}, None),
    ],
)
def test_an_own_price_is_by_model_or_by_model_and_resolution(
    request_: VideoRequest, prices: dict[str, float], coins: float | None
) -> None:
    assert own_coins(request_, prices) == pytest.approx(coins)


def test_seconds_of_references_count_with_own_prices_as_well() -> None:
    request = VideoRequest(prompt="x", model="seedance2.0-mini-video", duration=10, reference_videos=[VIDEO])
    assert own_coins(request, {"seedance2.0-mini-video": 0.5}, 7.0) == 8.5
    found = estimate_by_own(request, read_own_prices({"seedance2.0-mini-video": 0.5}), video_seconds=[7.0], as_of="d")
    assert found is not None and found.as_of == "d"
    assert found.source == "your credentials, with 7 s of the first reference video, which is billed too"


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ({"seedance2.0-minni": 0.1}, "'seedance2.0-minni' is not a known model; did you mean seedance2.0-mini?"),
        ({"seedance2.0-mini 270p": 0.1}, "480p, 720p or 1080p, and not '270p'; did you mean"),
        ({"sd2_mx_720p 480p": 0.1}, "sd2_mx_720p makes 720p, and not '480p'"),
        ({"seedance2.0-mini": -0.1}, "'seedance2.0-mini' costs -0.1; write coins from 0"),
        ({"seedance2.0-mini": math.nan}, "'seedance2.0-mini' costs nan"),
        ({"seedance2.0-mini": math.inf}, "'seedance2.0-mini' costs inf"),
        ({"seedance2.0-mini": 1e300}, "costs 1e+300"),
        ({"": 0.1}, "'' is not a model"),
        ({"a b c": 0.1}, "'a b c' is not a model, or a model and a resolution"),
        ({"seedance2.0-mini": 0.1, "Seedance2.0-mini ": 0.2}, "are the same; keep one"),
        ({"x" * 5000: 0.1}, "..."),
    ],
)
def test_what_is_wrong_with_an_own_price_is_named(prices: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match="prices: ") as caught:
        read_own_prices(prices)
    assert said in str(caught.value) and len(str(caught.value)) < 700


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"minni.*costs -1"):
        read_own_prices({"seedance2.0-minni": 0.1, "seedance2.0-std": -1.0})
