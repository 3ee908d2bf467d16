"""The route table as a file: each column is there, is known, and of the type that its row says."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from prefect_seedance.client.request.routes import (
    ROUTES,
    SHARED_MEASURES,
    DurationRule,
    Measure,
    MediaKind,
    Route,
    _read,
    _rows,
)

TABLE: dict[str, Any] = json.loads(files("prefect_seedance.client.request").joinpath("routes.json").read_bytes())
ROW = TypeAdapter(Route)
KINDS = get_args(MediaKind)


def test_every_row_is_of_the_types_that_it_says() -> None:
    assert _rows(TABLE) == ROUTES
    for model, route in ROUTES.items():
        assert route.model == model
        assert ROW.validate_python(tuple(route), strict=True) == route


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("billing_unit", "per_minute"),
        ("title", 4),
        ("duration", {"default": "5"}),
        ("doubt", None),
        ("video_measures", ({"of": "weight"},)),
    ],
)
def test_a_wrong_type_would_be_noticed(column: str, value: object) -> None:
    (first, *_) = ROUTES.values()
    with pytest.raises(ValidationError):
        ROW.validate_python(tuple(first._replace(**{column: value})), strict=True)


def test_a_column_that_no_row_has_or_that_a_row_lacks_is_an_error() -> None:
    whole = {"default": 5, "minimum": 4, "maximum": 12, "source": "SEED"}
    assert _read(DurationRule, whole) == DurationRule(5, 4, 12, "SEED")
    with pytest.raises(TypeError, match="minimun"):
        _read(DurationRule, {**whole, "minimun": 3})
    with pytest.raises(TypeError, match="source"):
        _read(DurationRule, {name: value for name, value in whole.items() if name != "source"})


def test_a_row_takes_the_shared_limits_of_media_that_it_says_nothing_of() -> None:
    for route in ROUTES.values():
        for kind, shared in SHARED_MEASURES.items():
            own = [each for each in route.measures_of(kind) if each not in shared]
            assert {each.of for each in route.measures_of(kind)} >= {each.of for each in shared}, (route.model, kind)
            assert {each.of for each in own}.isdisjoint(
                each.of for each in route.measures_of(kind) if each in shared
            ), "what the row says stands in the shared limit's place"


@pytest.mark.parametrize(
    "measure", {each for route in ROUTES.values() for kind in KINDS for each in route.measures_of(kind)}
)
def test_a_limit_of_media_limits_something_and_says_who_documents_it(measure: Measure) -> None:
    assert measure.minimum or measure.maximum is not None
    assert measure.maximum is None or 0 <= measure.minimum < measure.maximum
    assert measure.source
    # Nobody but the seed is certain enough for a refusal.
    assert (measure.level == "refuse") == (measure.source == "SEED")
