"""The route table as a file: each column is there, is known, and of the type that its row says."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from prefect_seedance.client.request.routes import ROUTES, DurationRule, Route, _read, _rows

TABLE: dict[str, Any] = json.loads(files("prefect_seedance.client.request").joinpath("routes.json").read_bytes())
ROW = TypeAdapter(Route)


def test_every_row_is_of_the_types_that_it_says() -> None:
    assert _rows(TABLE) == ROUTES
    for model, route in ROUTES.items():
        assert route.model == model
        assert ROW.validate_python(tuple(route), strict=True) == route


@pytest.mark.parametrize(
    ("column", "value"),
    [("billing_unit", "per_minute"), ("title", 4), ("duration", {"default": "5"}), ("doubt", None)],
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
