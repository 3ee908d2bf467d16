"""The rules in the request's JSON schema, as the Prefect server applies them to what a form sends.

They must refuse what `check` refuses, which `test_routes` holds against the vendor's pages, and nothing else.
"""

from __future__ import annotations

import json
import re
import sys
from copy import deepcopy
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from prefect.client.base import PrefectHttpxAsyncClient
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validation as server_side

from prefect_seedance.client.request.check import _ROUTE_RULES, _always, _sources, check
from prefect_seedance.client.request.references import check_sources
from prefect_seedance.client.request.routes import ROUTES, Route, VerdictRule
from prefect_seedance.client.request.sources import RULES
from prefect_seedance.client.request.video_request import VideoRequest, form
from prefect_seedance.flows.generate_video import generate_video
from prefect_seedance.flows.twins.agenerate_video import agenerate_video
from tests.client import route_oracle as oracle
from tests.client.pages import SECRET, Fields, address, addresses, asked, page_of
from tests.client.test_request_schema import inner_schemas

#: What a deployment of the flow stores.
SCHEMA: dict[str, Any] = parameter_schema(generate_video).model_dump_for_openapi()
REQUEST: dict[str, Any] = SCHEMA["definitions"]["VideoRequest"]

DEFAULTS: Fields = {name: each["default"] for name, each in REQUEST["properties"].items() if "default" in each}

Errors = dict[str, list[str]]


def v1_copy(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the V1 form makes of a schema before it sends it to be validated against (seen in its source)."""
    kept = (
        *("position", "block_type_slug", "$ref", "anyOf", "allOf", "example", "default", "const", "description"),
        *("enum", "format", "items", "prefixItems", "required", "title", "type", "maxItems", "minItems"),
    )
    copy = {key: schema[key] for key in kept if key in schema}
    for key in ("properties", "definitions"):
        if key in schema:
            copy[key] = {name: v1_copy(each) for name, each in schema[key].items()}
    return copy


PREPARED = server_side.preprocess_schema(SCHEMA)
PREPARED_V1 = server_side.preprocess_schema(v1_copy(SCHEMA))


def parameters(fields: Fields) -> dict[str, Any]:
    block = {"$ref": "5b1fd1b1-7b1f-4b1f-8b1f-0123456789ab"}
    return {"request": fields, "credentials": block, "store": block}


def errors_of(fields: Fields, schema: dict[str, Any] = PREPARED) -> Errors:
    """Return the messages by place ("images[0]"), found as the server finds them."""
    found: Errors = {}
    for error in server_side.validate(parameters(fields), schema, preprocess=False):
        parameter, *path = error.absolute_path
        assert parameter == "request"
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        found.setdefault(place.removeprefix("."), []).append(error.message)
    return found


def base(place: str) -> str:
    return place.partition("[")[0]


def refused_places(fields: Fields) -> set[str]:
    """Return the places where `check` refuses."""
    return {each.field for each in check(VideoRequest.model_construct(**fields)) if each.level == "refuse"}


def as_the_form_sends(fields: Fields) -> Fields:
    return DEFAULTS | fields


# --- The schema itself ---


def test_the_schemas_are_valid() -> None:
    for mode in ("validation", "serialization"):
        Draft202012Validator.check_schema(VideoRequest.model_json_schema(mode=mode))
    for schema in (SCHEMA, v1_copy(SCHEMA)):
        server_side.is_valid_schema(schema)


def test_the_rules_reach_both_flows_unchanged() -> None:
    rules = VideoRequest.model_json_schema()["allOf"]
    assert REQUEST["allOf"] == rules
    assert parameter_schema(agenerate_video).model_dump_for_openapi() == SCHEMA


def test_the_request_stays_small_enough_for_every_deployment_to_carry() -> None:
    assert len(json.dumps(REQUEST, separators=(",", ":")).encode()) < 28_000


def test_the_forms_find_nothing_to_draw_in_the_rules() -> None:
    # V2 merges every other keyword of an entry into the fields that it draws.
    assert all(entry.keys() <= {"if", "then", "else"} for entry in REQUEST["allOf"])
    assert not REQUEST.keys() & {"if", "then", "else", "anyOf", "oneOf", "not"}, "V1 would drop them"


def test_no_rule_needs_a_field_to_be_there() -> None:
    # The server strips `required` everywhere before it checks a deployment's parameters.
    for schema in inner_schemas(REQUEST["allOf"]):
        assert "required" not in schema


def test_every_pattern_means_the_same_to_the_server_as_to_check() -> None:
    patterns = {str(each["pattern"]) for each in inner_schemas(REQUEST["allOf"]) if "pattern" in each}
    assert {r"^[\s\u200b\u2060\ufeff]*$", r"^[\s\u200b\u2060\ufeff]+$"} < patterns
    for code in range(sys.maxunicode + 1):
        assert bool(re.search(r"\s", chr(code))) == chr(code).isspace()


@pytest.mark.parametrize("model", oracle.MODELS)
def test_a_deployment_may_keep_a_part_of_a_request(model: str) -> None:
    """The server forgets `required` when it checks the parameters of a deployment: no rule may awake by that."""
    for fields in ({}, {"model": model}, {"prompt": "A paper boat"}, {"model": model, "take": "2"}):
        found = server_side.validate({"request": fields}, SCHEMA, ignore_required=True)
        assert found == []


# --- Every request: the form and `check` say the same ---


def assert_the_form_agrees(fields: Fields) -> None:
    expected = refused_places(fields)
    for schema in (PREPARED, PREPARED_V1):
        assert errors_of(fields, schema).keys() == expected, fields
        assert errors_of(as_the_form_sends(fields), schema).keys() == expected, "absence means the default"


@pytest.mark.parametrize("model", oracle.MODELS)
@pytest.mark.sample(every=2)
def test_the_form_refuses_of_every_sample_of_a_page_what_check_refuses(model: str) -> None:
    page = page_of(model)
    for shorthand in (*page.accepts, *page.refuses):
        fields = asked(model, shorthand)
        assert_the_form_agrees(fields)
        assert_the_form_agrees(fields | {"other_model": "seedance9"})
        if model == DEFAULTS["model"]:
            del fields["model"]
            assert_the_form_agrees(fields)


def texts(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


FOUR = "a link, s3://bucket/key, a path or asset://id"
LINK = "a whole link, such as https://example.com/mug.png"
#: What the form answers must not pass as an answer to it.
WORDS = [rule.expected for rule in RULES]

FRAME = texts(
    *("", "", address("0.png"), address("0.gif"), "a.GIF#x", "https://example.com/a.gif.png", "a.gif\n", "a b"),
    *("HTTPS://EXAMPLE.COM/A.GIF#X", "s3://shop/a.gif", "asset://a.gif", "https://example.com/a.gif?a.png"),
    *(" ", "asset://1", "?a.gif", "/home/me/a.png", "both frames, or none", "a\x00", ".gif"),
    *("s3://shop/mug cup.png", "last-frame+/a.mp4", "ftp://x/a.png", "https:x", "mug", "//x/a.png"),
)
ENTRY = st.one_of(texts(address("0.png"), address("1.png")), FRAME, texts(*WORDS))
SHORT = st.one_of(texts("1", "", " ", "\n", "a\tb", "a\x7f", "a\nb", "\u2003", "\ufeff", "😀"), st.text(max_size=3))
REQUESTS = st.fixed_dictionaries(
    {"prompt": st.one_of(texts("A paper boat", "x" * 5000, "x" * 5001, "a\n\tb", "at most 5000 characters"), SHORT)},
    optional={
        "model": texts(*oracle.MODELS),
        "duration": st.integers(-1, 17),
        "resolution": texts("auto", "480p", "720p", "1080p"),
        "ratio": texts("auto", "16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "Adaptive"),
        "orientation": texts("auto", "landscape", "portrait"),
        "images": st.lists(ENTRY, max_size=11),
        "first_image": FRAME,
        "last_image": FRAME,
        "reference_videos": st.lists(ENTRY, max_size=5),
        "reference_audios": st.lists(ENTRY, max_size=5),
        "take": SHORT,
        "other_model": st.one_of(texts("", "", "", "", "seedance9", "seedance2.0-md", " "), SHORT),
    },
).filter(lambda fields: not re.search("[\ud800-\udfff]", json.dumps(fields, ensure_ascii=False)))


@given(REQUESTS)
def test_the_form_refuses_what_check_refuses_and_nothing_else(fields: Fields) -> None:
    assert_the_form_agrees(fields)


LEVELS = st.sampled_from(["allow", "warn", "refuse"])
VERDICTS = [name for name, kind in get_type_hints(Route).items() if kind is VerdictRule]


@given(
    REQUESTS,
    st.sampled_from(list(ROUTES.values())),
    st.fixed_dictionaries({name: st.fixed_dictionaries({"level": LEVELS}) for name in VERDICTS}),
)
def test_a_route_of_tomorrow_has_its_rules_in_the_form(fields: Fields, route: Route, verdicts: Fields) -> None:
    """A new row may combine the columns as no row does yet."""
    assert len(VERDICTS) == 7
    route = route._replace(**{name: VerdictRule(**verdict) for name, verdict in verdicts.items()})
    request = VideoRequest.model_construct(**fields)
    problems = [
        *_always(request),
        *_sources(request),
        *(problem for rule in _ROUTE_RULES for problem in rule(request, route)),
    ]
    choices = {name: REQUEST["properties"][name]["enum"] for name in ("resolution", "ratio")}
    schema = {
        **form._always(),
        "allOf": [form._rules(route, choices), *form._orientations(choices["ratio"])],
    }
    found = Draft202012Validator(schema).iter_errors(fields)
    places = {error.json_path.removeprefix("$.") for error in found}
    assert places == {problem.field for problem in problems if problem.level == "refuse"}


# --- What the schema cannot say, and what it says beyond `check`: the table in form.py ---


def test_half_a_surrogate_pair_is_left_to_the_flow() -> None:
    fields = {"prompt": "\ud83d", "take": "\ud83d", "other_model": "\ud83d"}
    assert refused_places(fields) == fields.keys()
    assert errors_of(fields) == {}


def test_what_one_route_takes_and_who_can_reach_it_is_left_to_the_flow() -> None:
    fields = asked("seedance2.0-std") | {"images": ["asset://mug", "https://10.0.0.1/a.png"]}
    assert errors_of(fields) == {}
    assert {each.field for each in check_sources(VideoRequest(**fields))} == {"images[0]", "images[1]"}


@pytest.mark.parametrize("encoded", ["%FF", "%C3%28", "a%2F", "%2E%2E"])
def test_what_percent_encoding_hides_is_left_to_the_flow(encoded: str) -> None:
    fields = {"prompt": "x", "images": [f"file:///folder/{encoded}"]}
    assert refused_places(fields) == {"images[0]"}
    assert errors_of(fields) == {}


def test_an_unlisted_model_is_refused_even_where_it_is_not_used() -> None:
    fields = {"prompt": "x", "model": "seedance9", "other_model": "seedance9"}
    assert refused_places(fields) == set()
    assert errors_of(fields).keys() == {"model"}


# --- What the user reads ---


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        (asked("seedance2.0-std", "3 s"), "duration", "3 is less than the minimum of 4"),
        (asked("seedance2.0-std", "16 s"), "duration", "16 is greater than the maximum of 15"),
        (
            asked("seedance2.0-mini-sp", "1080p"),
            "resolution",
            "'1080p' is not one of ['auto', '480p', '720p']",
        ),
        (asked("seedance2.0-md", "ratio 4:3"), "ratio", "'4:3' is not one of ['auto', '16:9', '9:16', '1:1']"),
        (asked("seedance2.0-md", "5 images"), "images", "'at most 4 images' was expected"),
        (asked("seedance2.0-md", "gif"), "images[1]", "'an image that is not a GIF' was expected"),
        (asked("seedance2.0-md", "first"), "first_image", "'both frames, or none' was expected"),
        (asked("seedance2.0-md", "1 audio"), "reference_audios", "'no reference audios on this model' was expected"),
        (asked("seedance2.0-std", "4 audios"), "reference_audios", "'at most 3 reference audios' was expected"),
        (asked("seedance2.0-std", "1080p"), "resolution", "'1080p' is not one of ['auto', '720p']"),
        (asked("sd2_mx_1080p", "720p"), "resolution", "'720p' is not one of ['auto', '1080p']"),
        (asked("sd2_mx_4k", "1080p"), "resolution", "'1080p' is not one of ['auto']"),
        (asked("sd2_mx_720p", "13 s"), "duration", "13 is greater than the maximum of 12"),
        (
            asked("seedance2.0-std", "ratio 16:9 + portrait"),
            "orientation",
            "'portrait' is not one of ['auto', 'landscape']",
        ),
        (asked("seedance2.0-std", "ratio 1:1 + portrait"), "orientation", "'portrait' is not one of ['auto']"),
        (asked("seedance2.0-md", "prompt of 5001"), "prompt", "'at most 5000 characters' was expected"),
        (asked("seedance2.0-mini", "1 video"), "reference_videos", "'no reference videos on this model' was expected"),
        (asked("seedance2.0-std", "1 image + last"), "images", "'images or frames, not both' was expected"),
        (
            asked("seedance2.0-std", "first + 1 audio"),
            "reference_audios",
            "'no audio beside a first or last frame' was expected",
        ),
        (
            asked("seedance2.0-sp", "1 audio"),
            "reference_audios",
            "'audio beside images, a reference video or a frame' was expected",
        ),
        ({"prompt": "  "}, "prompt", "'a text that says what the video shows' was expected"),
        *(
            ({"prompt": "x", name: value}, place, f"'{words}' was expected")
            for name, value, place, words in (
                ("images", [""], "images[0]", f"{FOUR}, without blanks around it"),
                ("first_image", " mug.png", "first_image", f"{FOUR}, without blanks around it"),
                ("first_image", "ftp://example.com/mug.png", "first_image", FOUR),
                (
                    "last_image",
                    "HTTP://example.com/mug.png",
                    "last_image",
                    "a link that begins with https://, or a path",
                ),
                (
                    "reference_videos",
                    ["data:,x"],
                    "reference_videos[0]",
                    "the path of a file, since base64 is not taken",
                ),
                ("first_image", "A" * 9000, "first_image", "the path of a file, since base64 is not taken"),
                ("first_image", "/a-b./" * 1500, "first_image", "at most 8192 characters"),
                ("first_image", "https:/example.com/a", "first_image", LINK),
                ("first_image", "www.example.com/mug.png", "first_image", LINK),
                ("first_image", "asset:mug", "first_image", "an asset as asset://id"),
                ("images", ["s3://bucket"], "images[0]", "one object as s3://bucket/key"),
                (
                    "images",
                    ["gs://bucket/mug.png"],
                    "images[0]",
                    "a signed https:// link, or a copy as s3://bucket/key",
                ),
                ("images", ["file://nas/mug.png"], "images[0]", "a file as file:///folder/mug.png, or its path"),
                ("images", ["mug"], "images[0]", "a path such as /folder/mug.png or ./mug.png"),
                ("images", ["C:\\mug.png"], "images[0]", "a path such as /folder/mug.png or ./mug.png"),
                (
                    "images",
                    ["https://x.org/my mug"],
                    "images[0]",
                    "a link with %20 for each blank and / for each backslash",
                ),
                ("images", ["https://a:b@x.org/m"], "images[0]", "a link without user name and password"),
                ("images", ["mug\u200b.png"], "images[0]", "a text without hidden characters"),
                (
                    "images",
                    ["last-frame+https://x.org/m"],
                    "images[0]",
                    "a frame as last-frame+s3://bucket/key, or last-frame+ and a path",
                ),
                ("reference_videos", ["last-frame+/a.mp4"], "reference_videos[0]", "a video, and no frame of one"),
            )
        ),
    ],
)
def test_one_field_gets_one_message_that_a_person_understands(fields: Fields, place: str, message: str) -> None:
    assert errors_of(as_the_form_sends(fields)) == {place: [message]}


@pytest.mark.parametrize("name", ["images", "reference_videos", "reference_audios", "first_image", "last_image"])
def test_no_message_repeats_an_address(name: str) -> None:
    signed = address("a b.gif")
    for model in oracle.MODELS:
        one = name.endswith("_image")
        fields = asked(model) | {name: signed if one else [signed, *addresses(20, "png")]}
        messages = [message for found in errors_of(fields).values() for message in found]
        assert messages and SECRET not in "".join(messages)


def test_a_wrong_type_is_told_once() -> None:
    wrong = {"prompt": 1, "take": 1, "other_model": 1, "first_image": 1, "images": "x"}
    for model in oracle.MODELS:
        found = errors_of({"model": model} | wrong)
        assert all(len(messages) == 1 and "is not of type" in messages[0] for messages in found.values()), found


# --- The server itself ---


def to_server(url: str) -> PrefectHttpxAsyncClient:
    """Prefect's own client, which repeats the 503 of a busy server on SQLite."""
    return PrefectHttpxAsyncClient(base_url=url, timeout=60, raise_on_all_errors=False)


@pytest.mark.server
async def test_the_server_answers_with_errors_on_the_fields(prefect_server: str) -> None:
    bad = asked("seedance2.0-md", "16 s + first + 5 images") | {"other_model": ""}
    async with to_server(prefect_server) as server:
        for schema in (SCHEMA, v1_copy(SCHEMA)):
            for fields, valid in ((bad, False), (asked("seedance2.0-md"), True)):
                answer = await server.post(
                    "/ui/schemas/validate", json={"schema": schema, "values": parameters(fields)}
                )
                assert answer.status_code == 200, answer.text
                assert answer.json()["valid"] is valid
                if valid:
                    continue
                (request,) = answer.json()["errors"]
                assert request["property"] == "request"
                told = [(error["property"], *error["errors"]) for error in request["errors"]]
                assert sorted(told) == [
                    ("duration", "16 is greater than the maximum of 15"),
                    ("first_image", "'both frames, or none' was expected"),
                    ("images", "'at most 4 images' was expected"),
                    ("images", "'images or frames, not both' was expected"),
                ]


@pytest.mark.server
async def test_the_server_makes_no_run_of_a_refused_request(prefect_server: str) -> None:
    """A deployment is saved with a part of a request, and the rules hold for whoever starts a run of it."""
    async with to_server(prefect_server) as server:
        flow = (await server.post("/flows/", json={"name": "form-rules"})).json()
        deployment = await server.post(
            "/deployments/",
            json={
                "name": "form-rules",
                "flow_id": flow["id"],
                "parameter_openapi_schema": deepcopy(SCHEMA),
                "parameters": {"request": {"prompt": "A paper boat", "reference_videos": [address("0.mp4")]}},
                "enforce_parameter_schema": True,
            },
        )
        assert deployment.status_code == 201, deployment.text
        runs = f"/deployments/{deployment.json()['id']}/create_flow_run"
        refused = await server.post(runs, json={"parameters": parameters(asked("seedance2.0-std", "16 s"))})
        assert refused.status_code == 409
        assert "'request.duration'" in refused.text and "16 is greater than the maximum of 15" in refused.text
        made = await server.post(runs, json={"parameters": parameters(asked("seedance2.0-std", "15 s"))})
        assert made.status_code == 201, made.text
