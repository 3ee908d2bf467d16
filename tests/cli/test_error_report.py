"""What a terminal says of an error, above all about the money."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from prefect.client.schemas.objects import FlowRun
from pydantic import BaseModel, ValidationError

from prefect_seedance import RunOptions, SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.cli.error_report import note_address, paragraph, report


def refused(model: type[BaseModel], **fields: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)
    return caught.value


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (VideoRequest, {"prompt": 7}),
        (RunOptions, {"wait_minutes": "soon"}),
        (SeedanceCredentials, {"api_key": []}),
        (VideoStore, {"location": 7}),
    ],
)
def test_what_a_person_fills_in_wrong_is_free(model: type[BaseModel], fields: dict[str, object]) -> None:
    assert paragraph(refused(model, **fields)).startswith("Error: nothing was sent and nothing is paid.\n  ")


def test_what_prefect_answers_wrong_says_nothing_of_the_money_and_shows_no_value() -> None:
    """It may come at any time, also when the video is paid for."""
    said = paragraph(refused(FlowRun, flow_id="sk_secret"))
    assert said.startswith("Error: this is not a valid FlowRun:\n  flow_id")
    assert "paid" not in said and "sk_secret" not in said


def fails_at(error: Exception) -> Callable[[], int]:
    def command() -> int:
        note_address("vendor", "https://shop:sk_secret@vendor.example/api?token=sk_other#sk_third")
        note_address("store", "s3://shop/videos", "seedance-video-store/shop")
        note_address("key", "", "from JIMMYAI_API_KEY")
        raise error

    return command


def test_an_error_says_what_is_in_use_and_no_secret_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(fails_at(ValueError("The key was refused.")), debug=False) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "Error: The key was refused."
    assert said.splitlines()[1] == (
        "In use: vendor https://vendor.example/api; store seedance-video-store/shop (s3://shop/videos); "
        "key from JIMMYAI_API_KEY"
    )
    assert report(fails_at(ValueError("The key was refused.")), debug=False, as_json=True) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["in_use"]["store"] == "seedance-video-store/shop (s3://shop/videos)"
    assert {*document["error"]} == {"type", "message", "task_id"} and "sk_s" not in json.dumps(document)


def test_what_is_in_use_belongs_to_its_command_and_not_to_what_a_person_fills_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report(fails_at(ValueError("first")), debug=False)
    capsys.readouterr()

    def fails() -> int:
        raise ValueError("second")

    assert report(fails, debug=False) == 1
    assert capsys.readouterr().err == "Error: second\n"
    report(fails_at(refused(VideoRequest, prompt=7)), debug=False)
    assert "In use" not in capsys.readouterr().err
