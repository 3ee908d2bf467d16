"""The rules of `RunOptions` in the form: the Prefect form refuses what the model refuses, on the field itself."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from prefect.utilities.schema_tools import validation as server_side
from pydantic import ValidationError

from prefect_seedance.pipeline.options import Reuse, RunOptions
from tests.client.test_form import PREPARED, PREPARED_V1, SCHEMA, parameters
from tests.client.test_routes import Fields

OPTIONS: dict[str, Any] = SCHEMA["definitions"]["RunOptions"]
DEFAULTS: Fields = RunOptions().model_dump()
NO_TEXT = 'no text unless reuse is "scope"'

both_forms = pytest.mark.parametrize("schema", [PREPARED, PREPARED_V1], ids=["V2", "V1"])


def told(fields: Fields, schema: dict[str, Any] = PREPARED, *, ignore_required: bool = False) -> dict[str, list[str]]:
    """Return the messages by field, as the server answers a form."""
    values = parameters({"prompt": "A paper boat"}) | {"options": fields}
    errors = server_side.validate(values, schema, preprocess=False, ignore_required=ignore_required)
    found: dict[str, list[str]] = {}
    for parameter in server_side.build_error_obj(errors)["errors"]:
        assert parameter["property"] == "options"
        for field in parameter["errors"]:
            found.setdefault(field["property"], []).extend(field["errors"])
    return found


def is_refused(fields: Fields) -> bool:
    try:
        RunOptions.model_validate(fields)
    except ValidationError:
        return True
    return False


@both_forms
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"reuse": "scope", "reuse_scope": ""}, "'a text to share within, for example 2026-11-22' was expected"),
        ({"reuse": "scope", "reuse_scope": " \n"}, "'a text to share within, for example 2026-11-22' was expected"),
        ({"reuse": "scope"}, "'reuse_scope' is a required property"),
        ({"reuse": "auto", "reuse_scope": "monday"}, f"'{NO_TEXT}' was expected"),
        ({"reuse": "run", "reuse_scope": " "}, f"'{NO_TEXT}' was expected"),
        ({"reuse_scope": "monday"}, f"'{NO_TEXT}' was expected"),
    ],
)
def test_the_form_tells_one_thing_on_the_field_of_the_text(
    fields: Fields, message: str, schema: dict[str, Any]
) -> None:
    assert is_refused(fields)
    assert told(fields, schema) == {"reuse_scope": [message]}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "reuse": st.sampled_from(get_args(Reuse)),
            "reuse_scope": st.one_of(
                st.sampled_from(["", " ", "\n", "\x1c", "\u2003", "\ufeff", "monday", "a text", NO_TEXT]), st.text()
            ),
        },
    ),
    st.booleans(),
)
@example({"reuse": "auto", "reuse_scope": NO_TEXT}, False)
def test_the_form_refuses_what_the_model_refuses_and_nothing_else(fields: Fields, v1: bool) -> None:
    expected = {"reuse_scope"} if is_refused(fields) else set[str]()
    schema = PREPARED_V1 if v1 else PREPARED
    assert told(fields, schema).keys() == expected
    as_the_form_sends = DEFAULTS | fields
    assert told(as_the_form_sends, schema).keys() == expected, "absence means the default"


@pytest.mark.parametrize("fields", [{"reuse": "weekly"}, {"reuse": "weekly", "reuse_scope": "x"}, {"reuse_scope": 1}])
def test_a_value_of_another_kind_is_told_once(fields: Fields) -> None:
    (messages,) = told(fields).values()
    assert len(messages) == 1


@pytest.mark.parametrize("fields", [{}, *({"reuse": reuse} for reuse in ("auto", "always", "run"))])
def test_a_deployment_may_keep_a_part_of_the_options(fields: Fields) -> None:
    assert told(fields, ignore_required=True) == {}


def test_the_forms_find_nothing_to_draw_in_the_rules() -> None:
    for mode in ("validation", "serialization"):
        Draft202012Validator.check_schema(RunOptions.model_json_schema(mode=mode))
    assert all(entry.keys() <= {"if", "then", "else"} for entry in OPTIONS["allOf"])
    assert not OPTIONS.keys() & {"if", "then", "else", "anyOf", "oneOf", "not"}, "V1 would drop them"
