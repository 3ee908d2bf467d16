"""A bad request is told in the terms of its form: title and name, rule and fix, all of it at once and none twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.exceptions import ParameterTypeError
from pydantic import ValidationError

from prefect_seedance import BatchOptions, CollectOptions, RunOptions, VideoRequest, generate_video
from prefect_seedance.client.request.words.titles import TITLES, titled
from prefect_seedance.plain_text import faults


def told(form: type[Any] = VideoRequest, /, **fields: object) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        form(**fields)
    return [str(each["msg"]) for each in refused.value.errors()]


def test_everything_that_is_wrong_is_told_at_once_each_by_the_field_s_title() -> None:
    bad = {"prompt": " ", "duration": "long", "ratio": "4:3", "first_image": "https://example.com/a.png"}
    said = told(model="seedance2.0-md", resolution="8k", images=[3], aspect="9:16", **bad)
    assert [each.partition(": ")[0] for each in said] == [
        *("Duration", "Resolution", "Reference images, entry 1 (images[0])", "aspect", "Prompt"),
        "Aspect ratio (ratio)",
    ]
    assert all(each.endswith((".", ")")) for each in said)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Prompt: it is missing. Fill it in."),
        ({"prompt": 5}, "Prompt: it is not a valid string. Write a text."),
        ({"prompt": "x", "duration": 5.5}, "Duration: it is not a whole number. Write one, such as 5."),
        ({"prompt": "x", "duration": "1" * 5000}, "Duration: it is too large a number. Write a smaller one."),
        (
            {"prompt": "x", "ratio": "2:1"},
            "Aspect ratio (ratio): it is not one of the choices. Choose 'auto', '16:9', ",
        ),
        ({"prompt": "x", "images": "a.png"}, "Reference images (images): it is not a valid list. Write a list"),
        ({"prompt": "x", "first_image": None}, "First frame (first_image): it is not a valid string. Write a text."),
        (
            {"prompt": "x", "aspect_ratio": "1:1"},
            "aspect_ratio: there is no such field. Did you mean Aspect ratio (ratio)? If not, leave it out.",
        ),
        ({"prompt": "x", "colour": "red"}, "colour: there is no such field. Leave it out."),
    ],
)
def test_what_the_library_finds_is_told_in_the_same_words(fields: dict[str, object], said: str) -> None:
    (message,) = told(**fields)
    assert message.startswith(said)


def test_nothing_is_made_of_what_a_field_that_cannot_be_read_might_have_said() -> None:
    assert len(told(prompt="x", model=5, duration=99)) == 1, "which model decides"
    assert len(told(prompt="x", other_model=5, duration=99)) == 1, "it would lift the rules"
    assert len(told(prompt="x", model="seedance2.0-md", first_image="https://example.com/a.png", last_image=5)) == 1
    assert len(told(prompt="x", model="seedance2.0-sp", reference_audios=["https://example.com/a.mp3"], images=5)) == 1


@pytest.mark.parametrize(
    ("model", "fields", "said"),
    [
        (RunOptions, {"wait_minutes": 0}, "Maximum wait (wait_minutes): it is too small. Write 1 or more."),
        (
            BatchOptions,
            {"max_in_flight": 9999},
            "Maximum in flight (max_in_flight): it is too large. ",
        ),
        (BatchOptions, {"posters": "often"}, "Posters: it is neither true nor false. Write one of the two."),
        (BatchOptions, {"max_cost": float("inf")}, "Maximum cost (max_cost): it is not a finite number."),
        (CollectOptions, {"minutes": 0}, "Time (minutes): it is too small. Write more than 0"),
    ],
)
def test_options_are_told_so_too(model: type[Any], fields: dict[str, object], said: str) -> None:
    (message,) = told(model, **fields)
    assert message.startswith(said)


def test_a_run_and_the_command_line_name_a_field_by_title_and_name_once() -> None:
    fields = {"prompt": "x", "ratio": "2:1", "images": [5]}
    with pytest.raises(ValidationError) as refused:
        VideoRequest(**fields)  # type: ignore[arg-type]
    assert [each.partition(": ")[0] for each in faults(refused.value)] == [
        "Aspect ratio (ratio)",
        "Reference images, entry 1 (images[0])",
    ]
    with pytest.raises(ParameterTypeError) as failed:
        generate_video.validate_parameters({"request": fields, "credentials": None, "store": None})
    assert str(failed.value).startswith("Nothing was sent or paid. Aspect ratio (ratio): it is not one of the choices.")
    assert "request." not in str(failed.value), "a title, and no path beside it"


@given(st.dictionaries(st.sampled_from([*TITLES, "colour"]), st.one_of(st.none(), st.integers(), st.text(max_size=9))))
def test_whatever_is_written_nothing_is_told_twice_and_no_value_is_shown(fields: dict[str, Any]) -> None:
    secret = "https://example.com/a.png?signature=5ec2e7"
    with pytest.raises(ValidationError) as refused:
        VideoRequest(**(fields | {"images": secret}))
    said = [str(each["msg"]) for each in refused.value.errors()]
    assert max(Counter(said).values()) == 1
    assert any(each.startswith("Reference images (images): ") for each in said)
    assert "5ec2e7" not in str(refused.value) + repr(refused.value.errors(include_input=False))


def test_a_place_without_a_title_stays_as_it_is() -> None:
    assert [titled(each) for each in ("row 3", "", "images[x]")] == ["row 3", "", "Reference images (images[x])"]
