"""What a terminal says of an error, above all about the money."""

from __future__ import annotations

import pytest
from prefect.client.schemas.objects import FlowRun
from pydantic import BaseModel, ValidationError

from prefect_seedance import RunOptions, SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.cli.error_report import paragraph


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
