"""The help of every form is in plain sentences, and made from the route table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

import prefect_seedance
from prefect_seedance import BatchOptions, SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.client.models import CatalogEntry
from prefect_seedance.client.request import routes
from prefect_seedance.client.request.fields import RequestFields
from prefect_seedance.client.request.form import say_prices
from prefect_seedance.client.request.prices import read_own_prices
from prefect_seedance.client.request.routes import ROUTES
from prefect_seedance.client.request.words import form_help
from prefect_seedance.client.request.words.form_prices import form_prices
from prefect_seedance.client.request.words.titles import TITLES
from prefect_seedance.flows.form import PARAMETER_TITLES

FLOWS = (
    *("generate_video", "generate_videos", "plan_videos", "submit_videos", "collect_videos"),
    *("generate_videos_in_parts", "resolve_submission", "pause_spending", "resume_spending"),
)
FORMS: dict[str, dict[str, Any]] = {
    **{name: parameter_schema(getattr(prefect_seedance, name)).model_dump_for_openapi() for name in FLOWS},
    "credentials": SeedanceCredentials.model_json_schema(),
    "store": VideoStore.model_json_schema(),
}


def fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each field of each form, those in a card too."""
    for form, schema in FORMS.items():
        parts = [schema, *schema.get("definitions", {}).values(), *schema["properties"].values()]
        for part in parts:
            for name, field in part.get("properties", {}).items():
                yield form, name, field


every_field = pytest.mark.parametrize(
    ("name", "field"), [pytest.param(name, field, id=f"{form}-{name}") for form, name, field in fields()]
)


@every_field
def test_a_field_is_titled_in_words_and_told_in_sentences(name: str, field: dict[str, Any]) -> None:
    title, said = field["title"], " ".join(field["description"].split())
    assert title[0].isupper() and "_" not in title
    assert said[0].isupper() or said.startswith("seedance")
    assert said.endswith(".") and not said.endswith("..")
    for sign in ("?", "sure:", "max ", "others:", "Empty:", "0:", " ;", "``", "None"):
        assert sign not in said, sign
    # A sentence has a verb; what has none is a telegram.
    assert all(len(sentence.split()) > 1 for sentence in re.split(r"(?<=[a-z])\. ", said)), said


def test_every_parameter_of_a_flow_has_a_title_of_its_own() -> None:
    for name in FLOWS:
        for parameter, field in FORMS[name]["properties"].items():
            assert field["title"] == PARAMETER_TITLES[parameter] and field["title"] != parameter


def test_calls_and_runs_go_by_the_function_s_own_signature() -> None:
    """The titles are of the form alone: a default of theirs would reach the flow in place of a value."""
    assert (
        prefect_seedance.pause_spending.validate_parameters({"store": VideoStore(location="/videos")})["reason"] == ""
    )


def test_the_titles_of_the_fields_are_those_of_the_table() -> None:
    assert {name: field.title for name, field in RequestFields.model_fields.items()} == {
        name: TITLES[name] for name in RequestFields.model_fields
    }


def test_the_form_of_parts_has_no_part_and_takes_what_an_earlier_form_sent() -> None:
    flow = prefect_seedance.generate_videos_in_parts
    options = FORMS["generate_videos_in_parts"]["properties"]["options"]
    whole = FORMS["generate_videos"]["definitions"]["BatchOptions"]["properties"]
    assert options["properties"].keys() == whole.keys() - {"part"}
    assert options["allOf"] and "additionalProperties" not in options
    blocks = {"credentials": SeedanceCredentials(api_key="sk_" + "a" * 40), "store": VideoStore(location="/videos")}  # type: ignore[arg-type]
    sent = {"manifest": "s3://shop/a.csv", **blocks, "options": BatchOptions().model_dump()}
    taken = flow.validate_parameters(sent)
    assert taken["options"] == BatchOptions()


@pytest.mark.parametrize(
    ("words", "changed", "said"),
    [
        (form_help.duration_words, {"minimum": 2, "maximum": 77}, "makes 2 to 77 seconds"),
        (form_help.prompt_words, {"maximum": 1234}, "takes 1234 characters"),
    ],
)
def test_a_changed_row_changes_the_words(
    monkeypatch: pytest.MonkeyPatch, words: Any, changed: dict[str, int], said: str
) -> None:
    std = ROUTES["seedance2.0-std"]
    column = words.__name__.removesuffix("_words")
    row = std._replace(**{column: getattr(std, column)._replace(**changed)})
    for module in (form_help, routes):
        monkeypatch.setattr(module, "ROUTES", {**ROUTES, row.model: row})
    assert f"seedance2.0-std {said}" in form_help.sentences(words)
    monkeypatch.undo()
    assert said not in form_help.sentences(words)


SAID = (
    *(form_help.prompt_words, form_help.duration_words, form_help.resolution_words, form_help.ratio_words),
    *(form_help.image_words, form_help.frame_words, form_help.video_words, form_help.audio_words),
)


@pytest.mark.parametrize("words", SAID)
def test_no_model_is_left_out_or_named_twice(words: Any) -> None:
    said = form_help.sentences(words)
    for model in ROUTES:
        named = len(re.findall(rf"(?<![\w.-]){re.escape(model)}(?![\w-])", said))
        named += sum(model.startswith(each) for group in re.findall(r"begin with ([^.;]*?) (?:take|make)", said)
                     for each in re.split(r", | or ", group))  # fmt: skip
        assert named <= 1, model
        assert named or "All other models" in said or "Every model" in said


MINI = CatalogEntry(model_name="seedance2.0-mini-480p", price_mode="per_second", unit_price=0.05)
LARGE = CatalogEntry(model_name="seedance2.0-mini-1080p", price_mode="per_second", unit_price=0.11)
STD = CatalogEntry(model_name="seedance2.0-std", price_mode="per_task", unit_price=1.2)


def test_prices_are_by_unit_with_the_day_and_the_account_s_own_first() -> None:
    own = read_own_prices({"seedance2.0-mini 480p": 0.02})
    assert form_prices(own, [MINI, LARGE, STD], "2026-11-27") == (
        "Prices in your credentials: in coins a second, seedance2.0-mini 0.02 at 480p. "
        "Prices in the vendor's public catalog of 27 November 2026: in coins a second, seedance2.0-mini 0.11 at 1080p; "
        "in coins a video, seedance2.0-std 1.2."
    )


def test_a_price_is_in_the_form_while_it_is_said_and_changes_no_rule() -> None:
    plain = VideoRequest.model_json_schema()
    before = say_prices(form_prices((), [STD], "2026-11-27"))
    try:
        priced = VideoRequest.model_json_schema()
    finally:
        say_prices(before)
    said = priced["properties"]["model"].pop("description")
    assert said.startswith(plain["properties"]["model"]["description"]) and "seedance2.0-std 1.2." in said
    assert VideoRequest.model_json_schema() == plain
    del plain["properties"]["model"]["description"]
    assert priced == plain


@pytest.mark.parametrize("catalog", [[], [STD.model_copy(update={"unit_price": None})]])
def test_without_a_price_nothing_is_said_of_prices(catalog: list[CatalogEntry]) -> None:
    assert form_prices((), catalog, "2026-11-27") == ""
