"""The rules of `RunOptions`, and how long a wait may take. What the form says of them: `tests/runs`."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import JsonValue, ValidationError

from prefect_seedance.pipeline.options import Reuse, RunOptions


@pytest.mark.parametrize(
    ("fields", "fix"),
    [
        ({"reuse": "scope"}, "write one"),
        ({"reuse": "scope", "reuse_scope": ""}, "write one"),
        ({"reuse": "scope", "reuse_scope": " \n"}, "write one"),
        ({"reuse_scope": "monday"}, "empty it"),
        ({"reuse": "run", "reuse_scope": " "}, "empty it"),
        ({"reuse": "weekly"}, "auto"),
        ({"max_submissions": 0}, "Maximum submissions \\(max_submissions\\): it is too small. Write 1 or more"),
        ({"max_submissions": 11}, "Write 10 or less"),
        ({"wait_minutes": 0}, "Write 1 or more"),
        ({"wait": 5}, "wait: there is no such field"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_fix(fields: dict[str, JsonValue], fix: str) -> None:
    with pytest.raises(ValidationError, match=fix):
        RunOptions.model_validate(fields)


@pytest.mark.parametrize("reuse", get_args(Reuse))
def test_every_way_to_reuse_can_be_chosen(reuse: Reuse) -> None:
    assert RunOptions(reuse=reuse, reuse_scope="monday" if reuse == "scope" else "").reuse == reuse


def test_the_defaults_pay_once_and_look_at_the_key_first() -> None:
    options = RunOptions()
    assert (options.max_submissions, options.preflight, options.wait_minutes) == (1, True, 45)


@given(minutes=st.integers(1, 1440), duration=st.integers(0, 60))
def test_longer_clips_are_waited_for_in_proportion_and_none_for_less_than_was_asked(
    minutes: int, duration: int
) -> None:
    options = RunOptions(wait_minutes=minutes)
    assert options.wait_seconds(duration) >= 60 * minutes
    assert options.wait_seconds(duration) == pytest.approx(60 * minutes * max(1, duration / 15))


@given(
    reuse=st.sampled_from([*get_args(Reuse), "weekly"]),
    scope=st.one_of(st.sampled_from(["", " ", "\n", "monday", 'no text unless reuse is "scope"']), st.text()),
)
def test_the_schema_refuses_what_the_model_refuses_and_nothing_else(reuse: str, scope: str) -> None:
    fields = {"reuse": reuse, "reuse_scope": scope}
    try:
        RunOptions.model_validate(fields)
        refused = False
    except ValidationError:
        refused = True
    assert Draft202012Validator(RunOptions.model_json_schema()).is_valid(fields) is not refused
