"""The request's JSON schema is the form that people fill in: complete and in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from prefect_seedance.client.request.video_request import VideoRequest
from tests.client import route_oracle as oracle

SCHEMA: dict[str, Any] = VideoRequest.model_json_schema()
PROPERTIES: dict[str, dict[str, Any]] = SCHEMA["properties"]

every_property = pytest.mark.parametrize("name", PROPERTIES)


def inner_schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Walk a schema and everything in it."""
    if isinstance(schema, dict):
        yield schema
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from inner_schemas(inner)


def test_the_form_has_the_fields_of_the_request_in_their_order() -> None:
    assert list(PROPERTIES) == [
        "prompt",
        "model",
        "duration",
        "resolution",
        "ratio",
        "orientation",
        "images",
        "first_image",
        "last_image",
        "reference_videos",
        "reference_audios",
        "take",
        "other_model",
    ]


@every_property
def test_every_field_has_a_title(name: str) -> None:
    title = PROPERTIES[name]["title"]
    assert title.strip() == title != ""
    assert "_" not in title, "a title is for people, not the field's name"


@every_property
def test_every_field_has_a_description_that_ends_with_a_full_stop(name: str) -> None:
    description = PROPERTIES[name]["description"]
    assert description.endswith(".") and not description.endswith("..")
    assert description.strip() == description
    assert len(description) > 20
    assert "\n" not in description


def test_no_two_fields_share_a_title() -> None:
    titles = [schema["title"] for schema in PROPERTIES.values()]
    assert len(set(titles)) == len(titles)


def test_positions_are_unique_and_ascend_in_the_order_of_the_fields() -> None:
    positions = [schema["position"] for schema in PROPERTIES.values()]
    assert positions == sorted(set(positions))


@every_property
def test_no_field_may_be_null_or_one_of_several_types(name: str) -> None:
    for schema in inner_schemas(PROPERTIES[name]):
        assert not schema.keys() & {"anyOf", "oneOf", "allOf"}
        assert schema.get("type") != "null" and not isinstance(schema.get("type"), list)
    assert PROPERTIES[name].get("default", "") is not None
    assert None not in PROPERTIES[name].get("enum", [])


@every_property
def test_every_field_but_the_prompt_has_a_default_of_its_own_type(name: str) -> None:
    schema = PROPERTIES[name]
    if name == "prompt":
        assert "default" not in schema
        assert SCHEMA["required"] == ["prompt"]
    else:
        types = {"string": str, "integer": int, "array": list}
        assert type(schema["default"]) is types[schema["type"]]


@pytest.mark.parametrize("name", ["model", "resolution", "ratio", "orientation"])
def test_the_default_of_a_choice_is_one_of_the_choices(name: str) -> None:
    assert PROPERTIES[name]["default"] in PROPERTIES[name]["enum"]


def test_the_models_are_those_that_the_vendor_documents_in_its_order() -> None:
    assert PROPERTIES["model"]["enum"] == oracle.MODELS


def test_the_choices_are_those_that_the_vendor_documents() -> None:
    assert PROPERTIES["resolution"]["enum"] == ["auto", "480p", "720p", "1080p"]
    assert PROPERTIES["ratio"]["enum"][0] == "auto"
    assert set(PROPERTIES["ratio"]["enum"]) == {
        "auto",
        *("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "Adaptive"),
    }
    assert PROPERTIES["orientation"]["enum"] == ["auto", "landscape", "portrait"]


def test_the_form_offers_no_other_fields() -> None:
    assert SCHEMA["additionalProperties"] is False


def test_the_schema_is_the_same_for_what_is_written_and_what_is_read() -> None:
    assert VideoRequest.model_json_schema(mode="serialization")["properties"] == PROPERTIES
