"""Every rule of every route: what is refused, what is only warned about, in which words, and what is sent.

`pages` was written from the vendor's pages by hand, and so was `route_oracle`; the package's own route table is
imported nowhere here. What the two and the package say must agree.
"""

from __future__ import annotations

import json
import re
import unicodedata
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.check import check
from prefect_seedance.client.request.problems import Problem
from prefect_seedance.client.request.references import check_addresses, check_sources, require_sendable, require_valid
from prefect_seedance.client.request.video_request import VideoRequest, canonical_text
from prefect_seedance.client.request.wire import request_body
from tests.client import route_oracle as oracle
from tests.client.pages import LATER, PAGES, SECRET, Fields, address, addresses, asked, page_of

# Python itself refuses to parse it.
BROKEN = "https://[example/a.png"


def base(place: str) -> str:
    return place.partition("[")[0]


def fields_named(error: ValidationError) -> set[str]:
    return {str((*detail["loc"], "(no field)")[0]) for detail in error.errors()}


def refusal_of(fields: Fields) -> ValidationError | None:
    try:
        VideoRequest(**fields)
    except ValidationError as error:
        return error
    return None


def problems_of(fields: Fields) -> list[Problem]:
    """Ask for the problems of a request that may be one that cannot be made."""
    prompt = fields.get("prompt", "")
    cleaned = canonical_text(prompt) or prompt if isinstance(prompt, str) else prompt
    return check(VideoRequest.model_construct(**fields | {"prompt": cleaned}))


def warned(fields: Fields) -> set[str]:
    problems = check(VideoRequest(**fields))
    assert not [problem for problem in problems if problem.level == "refuse"]
    return {base(problem.field) for problem in problems}


def test_the_pages_cover_every_model_once() -> None:
    assert sorted(model for page in PAGES.values() for model in page.models) == sorted(oracle.MODELS)


@pytest.mark.parametrize("model", oracle.MODELS)
def test_what_a_page_allows_is_accepted(model: str) -> None:
    for shorthand in page_of(model).accepts:
        fields = asked(model, shorthand)
        assert oracle.refused(fields) == set(), shorthand
        assert refusal_of(fields) is None, shorthand
        request = VideoRequest(**fields)
        assert request.model_name == model
        assert not [problem for problem in check(request) if problem.level == "refuse"], shorthand


@pytest.mark.parametrize("model", oracle.MODELS)
def test_what_a_page_forbids_is_refused_with_the_field_the_rule_and_the_fix(model: str) -> None:
    for shorthand, named in page_of(model).refuses.items():
        fields = asked(model, shorthand)
        assert oracle.refused(fields) == set(named.split()), shorthand
        error = refusal_of(fields)
        assert error and fields_named(error) == set(named.split()), shorthand
        refusals = [problem for problem in problems_of(fields) if problem.level == "refuse"]
        assert {base(problem.field) for problem in refusals} == set(named.split()), shorthand
        text = str(error)
        for problem in refusals:
            assert problem.rule.strip() and problem.message.strip() and problem.fix.strip()
            for words in (problem.field, problem.message, problem.fix):
                assert words in text
        assert SECRET not in text
        assert SECRET not in "".join(map(repr, refusals))


# --- All of it at once: the oracle and the package say the same ---


def assert_the_oracle_agrees(fields: Fields) -> None:
    expected = oracle.refused(fields)
    error = refusal_of(fields)
    assert (fields_named(error) if error else set()) == expected, fields
    assert {base(p.field) for p in problems_of(fields) if p.level == "refuse"} == expected, fields


@pytest.mark.parametrize("model", oracle.MODELS)
@pytest.mark.sample(every=2)
def test_every_edge_of_a_route_is_where_the_pages_say(model: str) -> None:
    """Each field through its whole range, and the media in every combination of few, some and many."""
    choices = VideoRequest.model_json_schema()["properties"]
    for duration in range(-1, 21):
        assert_the_oracle_agrees(asked(model) | {"duration": duration})
    for name in ("resolution", "ratio", "orientation"):
        for value in choices[name]["enum"]:
            assert_the_oracle_agrees(asked(model) | {name: value})
    for name, ending in (("images", "png"), ("reference_videos", "mp4"), ("reference_audios", "mp3")):
        for count in range(13):
            assert_the_oracle_agrees(asked(model) | {name: addresses(count, ending)})
    for images, videos, audios, first, last in product((0, 1, 5, 8), (0, 1), (0, 1, 2), (0, 1), (0, 1)):
        media = {
            "images": addresses(images, "png"),
            "reference_videos": addresses(videos, "mp4"),
            "reference_audios": addresses(audios, "mp3"),
            "first_image": address("first.png") * first,
            "last_image": address("last.png") * last,
        }
        assert_the_oracle_agrees(asked(model) | media)


def mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from the second now and then, so that requests with one fault are not lost among hopeless ones."""
    return st.integers(0, 5).flatmap(lambda number: odd if number == 5 else usual)


def media(ending: str, most: int, *odd: str) -> st.SearchStrategy[list[str]]:
    one = mostly(st.just(address(f"0.{ending}")), st.sampled_from(["asset://0", "", " ", BROKEN, *odd]))
    return mostly(st.lists(one, max_size=2), st.lists(one, max_size=most))


frame = mostly(
    st.sampled_from(["", address("frame.png")]),
    st.sampled_from(["asset://frame", address("frame.gif"), " ", BROKEN]),
)
prompts = mostly(
    st.sampled_from(["A paper boat", "一只纸船", "line\nline\ttab", "x" * 5000]),
    st.one_of(st.text(max_size=8), st.sampled_from(["", " \n", "x" * 5001, "a\x00b", "a\r\vb", "\ufeff", "船" * 5001])),
)
requests = st.fixed_dictionaries(
    {
        "prompt": prompts,
        "model": mostly(st.sampled_from(oracle.MODELS), st.just("seedance9")),
        "duration": mostly(st.integers(4, 15), st.integers(0, 20)),
        "resolution": st.sampled_from(["auto", "480p", "720p", "1080p"]),
        "ratio": mostly(
            st.sampled_from(["auto", "16:9", "9:16", "1:1"]),
            st.sampled_from(["4:3", "3:4", "21:9", "Adaptive"]),
        ),
        "orientation": st.sampled_from(["auto", "landscape", "portrait"]),
        "images": media("png", 12, address("0.gif")),
        "first_image": frame,
        "last_image": frame,
        "reference_videos": media("mp4", 5),
        "reference_audios": media("mp3", 5),
        "take": st.sampled_from(["1", "2", "auto"]),
        "other_model": mostly(st.just(""), st.sampled_from(["seedance9-new", "seedance2.0-md"])),
    }
)
thoroughly = settings(max_examples=max(400, settings.default.max_examples))


@thoroughly
@given(requests)
def test_a_request_is_made_exactly_when_no_page_refuses_it(fields: Fields) -> None:
    # Which rules of media hold for a model that nobody knows is nobody's to say.
    assume(fields["other_model"] or fields["model"] in oracle.MODELS)
    assert_the_oracle_agrees(fields)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, {"model"}),
        ({"prompt": " "}, {"model", "prompt"}),
        ({"prompt": "a\x00"}, {"model", "prompt"}),
        ({"duration": 0}, {"model", "duration"}),
        ({"images": [""]}, {"model", "images"}),
    ],
)
def test_an_unknown_model_does_not_hide_what_no_model_takes(fields: Fields, named: set[str]) -> None:
    fields = asked("seedance9") | fields
    assert oracle.refused(fields) == named
    assert_the_oracle_agrees(fields)


#: White space and what has no width, round a text.
BLANK_ENDS = re.compile(r"\A[\s\u200b\u2060\ufeff]+|[\s\u200b\u2060\ufeff]+\Z")


def expected_body(fields: Fields) -> Fields:
    """Write down what the vendor gets, a second time."""
    model = fields["other_model"] or fields["model"]
    body = {
        "model": model,
        "prompt": "\n".join(re.split("\r\n|[\r\v\f\x85]", unicodedata.normalize("NFC", fields["prompt"]))).strip(),
        "duration": fields["duration"],
    }
    if fields["resolution"] != "auto" and not oracle.ignores_resolution(model):
        body["resolution"] = fields["resolution"]
    if fields["ratio"] != "auto":
        body["ratio"] = fields["ratio"]
    elif fields["orientation"] != "auto":
        body["orientation"] = fields["orientation"]
    for name in (*oracle.FRAMES, *oracle.MEDIA_LISTS):
        if fields[name]:
            body[name] = fields[name]
    return body


@thoroughly
@given(requests)
def test_the_body_holds_what_was_asked_and_nothing_that_is_ours_or_ignored(fields: Fields) -> None:
    assume(not oracle.refused(fields))
    body = request_body(VideoRequest(**fields))
    assert body == expected_body(fields)
    assert not body.keys() & {"take", "other_model"}
    assert all(value not in ("", []) for value in body.values())
    assert all(body.get(name) != "auto" for name in ("resolution", "ratio", "orientation"))
    assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize("model", oracle.MODELS)
def test_a_resolution_is_sent_where_the_route_reads_it_and_its_own_one_is_left_out(model: str) -> None:
    ignored = oracle.ignores_resolution(model)
    for resolution in ("480p", "720p", "1080p"):
        fields = asked(model, f"10 s + {resolution}")
        if oracle.refused(fields):
            continue
        assert "resolution" not in warned(fields) or (model in oracle.SP_ECONOMY and resolution == "480p")
        assert request_body(VideoRequest(**fields)).get("resolution") == (None if ignored else resolution)


@pytest.mark.parametrize("model", [model for model in oracle.MODELS if oracle.ignores_resolution(model)])
def test_what_a_fixed_route_cannot_make_is_refused_with_what_it_makes_and_who_makes_it(model: str) -> None:
    own = oracle.made_by(model)
    for resolution in {"480p", "720p", "1080p"} - {own}:
        (refusal,) = problems_of(asked(model, f"10 s + {resolution}"))
        assert (refusal.field, refusal.level) == ("resolution", "refuse")
        assert resolution in refusal.message and model in refusal.message and own in refusal.message
        assert (own if own in ("720p", "1080p") else '"auto"') in refusal.fix
        named = [each for each in oracle.MODELS if re.search(rf"(?<![\w.-]){re.escape(each)}(?![\w.-])", refusal.fix)]
        assert named and model not in named
        for other in named:
            assert "resolution" not in oracle.refused(asked(other, resolution))


@pytest.mark.parametrize("model", oracle.MODELS)
def test_an_orientation_beside_a_ratio_is_a_warning_and_not_sent(model: str) -> None:
    fields = asked(model, "10 s + ratio 9:16") | {"orientation": "portrait"}
    assert warned(fields) - {"model"} == {"orientation"}
    assert "orientation" not in request_body(VideoRequest(**fields))
    del fields["ratio"]
    assert request_body(VideoRequest(**fields))["orientation"] == "portrait"


# --- Where sources split, a request is warned about and never refused ---

SPLITS = {
    "newer: MD makes 5, 10 or 15 s only": (
        oracle.MD,
        [f"{seconds} s" for seconds in range(1, 16) if seconds not in (5, 10, 15)],
        "duration",
    ),
    "newer: MD fast makes 10 or 15 s only": (
        oracle.MD_FAST,
        [f"{seconds} s" for seconds in range(1, 15) if seconds != 10],
        "duration",
    ),
    "newer: MD takes no frames": (oracle.MD, ["first + last", "5 s + first + last"], "first_image"),
    "newer: MD takes no videos": (oracle.MD, ["1 video", "3 videos"], "reference_videos"),
    "newer: Mini Special is not listed": (oracle.MINI_SPECIAL, ["5 s", "480p", "1 image"], "model"),
    "newer: audio and frames exclude each other everywhere": (
        [
            *(*oracle.MANXUE, *oracle.MANXUE_FAST, *oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST),
            *(*oracle.SP_ECONOMY, *oracle.SP_OFFICIAL, *oracle.MINI, *oracle.MINI_VIDEO, *oracle.MINI_SPECIAL),
        ],
        ["first + 1 audio", "first + last + 1 audio"],
        "reference_audios",
    ),
    "newer: the last frame needs the first": (
        [model for model in oracle.MODELS if model not in [*oracle.MD, *oracle.MD_FAST]],
        ["last"],
        "last_image",
    ),
    "silent: audio on Mini and on SP official": (
        [*oracle.MINI, *oracle.MINI_VIDEO, *oracle.SP_OFFICIAL],
        ["1 image + 1 audio", "1 image + 3 audios"],
        "reference_audios",
    ),
    "4: SP economy makes 480p": (oracle.SP_ECONOMY, ["5 s + 480p"], "resolution"),
    "5: SP fast takes videos": (
        ["seedance2.0-fast-sp"],
        ["1 video", "1 video + 1 image"],
        "reference_videos",
    ),
    "10: Mini Special pairs audio with frames": (
        oracle.MINI_SPECIAL,
        ["first + last + 1 audio", "first + 1 audio", "last + 1 audio"],
        "reference_audios",
    ),
    # Only a page of another vendor, which seems to stand behind the route, documents these.
    "inferred: Manxue's images": (oracle.MANXUE, ["10 images"], "images"),
    "inferred: Manxue's audios": (oracle.MANXUE, ["4 audios"], "reference_audios"),
    "inferred: video ref's videos": (oracle.VIDEO_REF, ["4 videos"], "reference_videos"),
    "inferred: Manxue's last frame alone": (oracle.MANXUE_FAST, ["last"], "last_image"),
    # Neither allowed nor refused in writing.
    "unwritten: a frame alone on Fast I2V": (oracle.FAST_I2V, ["first"], "first_image"),
    "unwritten: SP's ratios": (
        [*oracle.SP_ECONOMY, *oracle.SP_OFFICIAL],
        [f"ratio {ratio}" for ratio in ("4:3", "3:4", "21:9", "Adaptive")],
        "ratio",
    ),
    "unwritten: Mini's ratios": (
        [*oracle.MINI, *oracle.MINI_VIDEO, *oracle.MINI_SPECIAL],
        [f"ratio {ratio}" for ratio in ("4:3", "3:4", "21:9", "Adaptive")],
        "ratio",
    ),
    "unwritten: a prompt's length": (
        [model for model in oracle.MODELS if model not in [*oracle.MD, *oracle.MD_FAST, *oracle.FAST_I2V]],
        ["prompt of 5001"],
        "prompt",
    ),
}


@pytest.mark.parametrize(("models", "shorthands", "field"), SPLITS.values(), ids=SPLITS)
def test_where_sources_split_a_request_is_warned_about(models: list[str], shorthands: list[str], field: str) -> None:
    for model, shorthand in product(models, shorthands):
        problems = check(VideoRequest(**asked(model, shorthand)))
        of_the_field = [problem for problem in problems if base(problem.field) == field]
        assert {problem.level for problem in of_the_field} == {"warn"}, (model, shorthand)
        for problem in of_the_field:
            assert problem.message.strip() and problem.fix.strip()
            assert problem.source.strip(), "a warning says who documents what"
        assert SECRET not in repr(problems)


# The other side of each split: what every source allows.
AGREED = {
    "Manxue": (
        [*oracle.MANXUE, *oracle.MANXUE_FAST, *oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST],
        ["4 s", "12 s", "ratio 16:9", "ratio 21:9", "ratio Adaptive", "9 images", "first + last", "3 audios"],
    ),
    "video ref": ([*oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST], ["3 videos"]),
    "SP economy": (oracle.SP_ECONOMY, ["4 s", "15 s", "720p", "1080p", "first", "1 image + 1 audio"]),
    "SP economy takes videos": (["seedance2.0-sp"], ["1 video", "1 video + 1 audio"]),
    "SP official": (oracle.SP_OFFICIAL, ["4 s", "15 s", "480p", "720p", "1080p", "first", "1 video"]),
    "Mini": (oracle.MINI, ["4 s", "15 s", "480p", "1080p", "ratio 9:16", "first"]),
    "Mini video": (oracle.MINI_VIDEO, ["4 s", "15 s", "480p", "1080p", "1 video"]),
    "MD": (oracle.MD, ["5 s", "10 s", "15 s", "720p", "ratio 1:1", "4 images", "prompt of 5000"]),
    "MD fast": (
        oracle.MD_FAST,
        ["10 s", "15 s", "10 s + ratio 9:16", "15 s + 4 images", "10 s + first + last", "15 s + 3 videos"],
    ),
    "Fast I2V": (oracle.FAST_I2V, ["1 s", "15 s", "9 images", "first + last", "prompt of 5000"]),
    "STD": (
        oracle.STD,
        ["4 s", "15 s", "720p", "ratio 21:9", "9 images", "first", "first + last", "1 video", "3 audios"],
    ),
}


@pytest.mark.parametrize(("models", "shorthands"), AGREED.values(), ids=AGREED)
def test_what_every_source_allows_raises_no_warning(models: list[str], shorthands: list[str]) -> None:
    for model, shorthand in product(models, shorthands):
        assert warned(asked(model, shorthand)) == set(), (model, shorthand)


def test_nothing_but_the_model_itself_is_doubted_on_mini_special() -> None:
    for shorthand in ("4 s", "15 s", "480p", "720p", "1 image + 1 audio", "1 video + 1 audio"):
        assert warned(asked("seedance2.0-mini-sp", shorthand)) == {"model"}


# --- A model that the list does not have yet ---


@pytest.mark.parametrize("model", oracle.MODELS)
def test_another_model_turns_a_route_rule_into_a_warning(model: str) -> None:
    for shorthand, named in page_of(model).refuses.items():
        if shorthand == "0 s":
            continue  # no model makes that
        fields = asked("seedance2.0-std", shorthand) | {"other_model": model}
        assert set(named.split()) <= warned(fields), shorthand
        assert request_body(VideoRequest(**fields))["model"] == model


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt": ""}, {"prompt"}),
        ({"prompt": "a\x1bb"}, {"prompt"}),
        ({"duration": 0}, {"duration"}),
        ({"images": ["  "]}, {"images"}),
        ({"reference_videos": [""]}, {"reference_videos"}),
        ({"reference_audios": ["\t"]}, {"reference_audios"}),
        ({"first_image": " "}, {"first_image"}),
    ],
)
def test_what_no_model_could_take_is_refused_for_another_model_too(fields: Fields, named: set[str]) -> None:
    fields = asked("seedance2.0-std") | {"other_model": "seedance9-new"} | fields
    assert oracle.refused(fields) == named
    assert_the_oracle_agrees(fields)


# --- What later pages allow is refused all the same, and the refusal says how to send it ---


@pytest.mark.parametrize("model", LATER)
def test_what_only_later_pages_allow_is_refused_with_the_way_round(model: str) -> None:
    later, never = LATER[model]
    for shorthand in later:
        fields = asked(model, shorthand)
        (refusal,) = (each for each in problems_of(fields) if each.level == "refuse")
        assert refusal.newer in refusal.fix and refusal.newer, shorthand
        assert f"put {model} into Other model (other_model)" in refusal.fix
        assert refusal.source and refusal.newer != refusal.source
        # And the way round is one: it is sent, with a warning that does not send the reader round once more.
        request = VideoRequest(**fields | {"other_model": model})
        warnings = check(request)
        assert refusal.field in {each.field for each in warnings} and {each.level for each in warnings} == {"warn"}
        assert not any("into Other model (other_model)" in each.fix for each in warnings)
        sent = request_body(request)
        assert sent["model"] == model
        assert all(sent[name] == value for name, value in fields.items())
    for shorthand in never:
        refusals = [each for each in problems_of(asked(model, shorthand)) if each.level == "refuse"]
        assert refusals and not any("other_model" in each.fix for each in refusals), shorthand


@pytest.mark.parametrize("model", [*oracle.SP_ECONOMY, *oracle.SP_OFFICIAL])
def test_an_asset_that_only_later_pages_take_is_refused_with_the_way_round(model: str) -> None:
    for place in PLACES[:-1]:
        (refusal,) = check_addresses(with_address(model, place, ASSET))
        assert refusal.level == "refuse" and f"put {model} into Other model (other_model)" in refusal.fix
        request = with_address(model, place, ASSET).model_copy(update={"other_model": model})
        (warning,) = check_addresses(request)
        assert warning.level == "warn" and "other_model" not in warning.fix
        (plain,) = check_addresses(with_address(model, place, "http://example.com/a.png"))
        assert "other_model" not in plain.fix, "no page takes that"


@pytest.mark.parametrize("model", oracle.MODELS)
def test_every_refusal_names_models_that_take_what_was_asked_for(model: str) -> None:
    for shorthand in page_of(model).refuses:
        fields = asked(model, shorthand)
        for refusal in problems_of(fields):
            if refusal.level == "warn" or "use a model that takes it" not in refusal.fix:
                continue
            named = refusal.fix.partition("for example ")[2].partition(". But")[0]
            others = re.split(r", | or ", named)
            assert others and {*others} <= {*oracle.MODELS} - {model}
            for other in others:
                assert base(refusal.field) not in oracle.refused(fields | {"model": other}), (shorthand, other)


def test_an_orientation_that_the_ratio_contradicts_is_told_for_a_model_that_nobody_knows() -> None:
    fields = asked("seedance2.0-std", "ratio 16:9 + portrait") | {"other_model": "seedance9-new"}
    assert warned(fields) == {"other_model", "orientation"}


def test_a_thousand_faults_are_told_at_once() -> None:
    images = [address(f"{number}.gif") for number in range(1_000)]
    problems = problems_of(asked("seedance2.0-md") | {"images": images})
    assert len([each for each in problems if each.level == "refuse"]) == 1_001


# --- Media addresses ---

PUBLIC = [
    "https://example.com/a.png",
    "https://cdn.example.com/a%20b.png?token=1",
    "https://93.184.215.14/a.png",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/a.png",
]
ASSET = "asset://asset-20260601-abc"
HOPELESS = {
    "http": "http://example.com/a.png",
    "localhost": "https://localhost/a.png",
    "localhost with a port": "https://localhost:8080/a.png",
    "localhost with a final dot": "https://localhost./a.png",
    "capital localhost": "https://LOCALHOST/a.png",
    "below localhost": "https://files.localhost/a.png",
    "loopback": "https://127.0.0.1/a.png",
    "loopback in short": "https://127.1/a.png",
    "loopback, version 6": "https://[::1]/a.png",
    "this host": "https://0.0.0.0/a.png",
    "private 10": "https://10.0.0.8/a.png",
    "private 172": "https://172.16.4.4/a.png",
    "private 192": "https://192.168.1.1/a.png",
    "link-local": "https://169.254.169.254/latest/meta-data",
    "private, version 6": "https://[fd00::8]/a.png",
    "private in version 6": "https://[::ffff:192.168.1.1]/a.png",
    "user": "https://user@example.com/a.png",
    "user and password": "https://user:password@example.com/a.png",
    "no host": "https:///a.png",
    "nothing after https": "https://",
    "broken": BROKEN,
    "absolute path": "/home/user/a.png",
    "relative path": "pictures/a.png",
    "file name": "a.png",
    "Windows path": "C:\\pictures\\a.png",
    "file URL": "file:///home/user/a.png",
    "ftp": "ftp://example.com/a.png",
    "s3": "s3://bucket/a.png",
    "data": "data:image/png;base64,iVBORw0KGgo=",
    "no scheme": "//example.com/a.png",
    "asset without an id": "asset://",
}
PLACES = ["first_image", "last_image", "images", "reference_videos", "reference_audios"]


def with_address(model: str, place: str, value: str) -> VideoRequest:
    """Make a request that holds one address; other rules of the route do not matter to the address."""
    return VideoRequest.model_construct(
        prompt="A paper boat", model=model, **{place: value if place in oracle.FRAMES else [value]}
    )


def levels(model: str, place: str, value: str) -> set[str]:
    return {problem.level for problem in check_addresses(with_address(model, place, value))}


@pytest.mark.parametrize("value", HOPELESS.values(), ids=HOPELESS.keys())
def test_an_address_that_the_vendor_cannot_use_is_refused(value: str) -> None:
    for model, place in product(oracle.MODELS, PLACES):
        assert levels(model, place, value) == {"refuse"}, (model, place)
        assert not oracle.usable(model, place, value)


@pytest.mark.parametrize("value", PUBLIC)
def test_a_public_address_is_taken_except_on_manxue(value: str) -> None:
    for model, place in product(oracle.MODELS, PLACES):
        expected = {"refuse"} if model.startswith("sd2_mx_") else set()
        assert levels(model, place, value) == expected, (model, place)
        assert oracle.usable(model, place, value) == (not expected)


@pytest.mark.parametrize(
    ("models", "places", "expected"),
    [
        ([*oracle.MANXUE, *oracle.MANXUE_FAST, *oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST], PLACES, set()),
        ([*oracle.SP_ECONOMY, *oracle.SP_OFFICIAL], ["reference_audios"], set()),
        ([*oracle.SP_ECONOMY, *oracle.SP_OFFICIAL], PLACES[:-1], {"refuse"}),
        (oracle.MINI_SPECIAL, PLACES, {"warn"}),
        ([*oracle.MINI, *oracle.MINI_VIDEO], PLACES, {"refuse"}),
        ([*oracle.MD, *oracle.MD_FAST, *oracle.FAST_I2V, *oracle.STD], PLACES, {"refuse"}),
    ],
    ids=[
        "Manxue needs it",
        "SP takes it for audio",
        "SP refuses it elsewhere",
        "Mini Special is silent",
        "Mini refuses it",
        "MD refuses it",
    ],
)
def test_an_asset_is_taken_where_the_seed_says_so(models: list[str], places: list[str], expected: set[str]) -> None:
    for model, place in product(models, places):
        assert levels(model, place, ASSET) == expected, (model, place)
        assert oracle.usable(model, place, ASSET) == (expected != {"refuse"})


def test_an_address_outside_ascii_is_only_warned_about() -> None:
    assert levels("seedance2.0-std", "images", "https://example.com/照片.png") == {"warn"}


hosts = st.sampled_from(
    [
        "example.com",
        "a.b.example.org",
        "localhost",
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "[::1]",
        "8.8.8.8",
        "",
    ]
)
media_addresses = mostly(
    st.sampled_from([*PUBLIC, ASSET]),
    st.one_of(
        st.sampled_from(list(HOPELESS.values())),
        st.builds(
            "{}://{}{}{}".format,
            st.sampled_from(["https", "http", "ftp", "file"]),
            mostly(st.just(""), st.sampled_from(["user@", "user:password@", "@"])),
            hosts,
            st.sampled_from(["", "/", "/a.png", f"/a.png?token={SECRET}", f"?{SECRET}", f"/a@b?{SECRET}"]),
        ),
    ),
)
references = st.fixed_dictionaries(
    {
        "prompt": st.just("A paper boat"),
        "model": st.sampled_from(oracle.MODELS),
        "images": st.lists(media_addresses, max_size=3),
        "first_image": mostly(st.just(""), media_addresses),
        "last_image": mostly(st.just(""), media_addresses),
        "reference_videos": st.lists(media_addresses, max_size=2),
        "reference_audios": st.lists(media_addresses, max_size=2),
        "other_model": mostly(st.just(""), st.just("seedance9-new")),
    }
)


@thoroughly
@given(references)
def test_addresses_are_refused_exactly_where_the_pages_rule_them_out(fields: Fields) -> None:
    problems = check_addresses(VideoRequest.model_construct(**fields))
    assert {base(p.field) for p in problems if p.level == "refuse"} == oracle.reference_refused(fields)
    for problem in problems:
        assert problem.rule.strip() and problem.message.strip() and problem.fix.strip()
        assert SECRET not in repr(problem)


@pytest.mark.parametrize("model", ["sd2_mx_720p", "seedance2.0-sp", "seedance2.0-md", "seedance2.0-std"])
@pytest.mark.parametrize(
    "value",
    [
        f"https://user:{SECRET}@example.com/a.png",
        f"http://user:{SECRET}@example.com/a.png",
        f"ftp://{SECRET}@example.com/a.png",
        f"https://user:{SECRET}@[example/a.png",
        f"//user:{SECRET}@example.com/a.png",
        f"https://user:{SECRET}@example.com/a b.png",
    ],
    ids=["https", "http", "name only", "broken", "no scheme", "a space"],
)
def test_no_message_shows_a_password_in_an_address(model: str, value: str) -> None:
    request = with_address(model, "images", value)
    problems = [*check(request), *check_addresses(request)]
    assert problems
    assert SECRET not in repr(problems)


def test_the_place_of_a_bad_address_is_named() -> None:
    images = ["https://example.com/0.png", "http://example.com/1.png", "https://10.0.0.1/2.png"]
    request = VideoRequest.model_construct(prompt="A paper boat", images=images)
    assert [problem.field for problem in check_addresses(request)] == ["images[1]", "images[2]"]
    assert [problem.field for problem in check(request)] == ["images[1]"]
    assert [problem.field for problem in check_sources(request)] == ["images[2]"]


def test_a_very_long_address_does_not_flood_the_message() -> None:
    request = with_address("seedance2.0-std", "images", "data:image/png;base64," + "A" * 100_000)
    for problems in (check(request), check_addresses(request)):
        assert problems and all(len(repr(problem)) < 1_000 for problem in problems)


# --- What is asked, and what is sent ---

#: What people have. Each can be made to fit every route, whatever that takes.
FITS_ALL = [
    *PUBLIC,
    *("s3://bucket/mug cup.png", "/home/user/mug.png", "./mug.png", "file:///home/user/mug.png"),
]


@pytest.mark.parametrize("value", FITS_ALL)
def test_what_can_be_made_to_fit_is_asked_of_every_route(value: str) -> None:
    for model, place in product(oracle.MODELS, PLACES):
        request = with_address(model, place, value)
        assert check_sources(request) == [], (model, place)
        assert not any(problem.rule == "a source" for problem in check(request))


@pytest.mark.parametrize("place", PLACES)
def test_a_last_frame_is_asked_for_where_pictures_are_taken(place: str) -> None:
    for value in ("last-frame+/clips/one.mp4", "last-frame+s3://bucket/one.mp4"):
        request = with_address("seedance2.0-sp", place, value)
        told = [problem for problem in check(request) if problem.rule == "a source"]
        assert [problem.level for problem in told] == ["refuse"] * place.startswith("reference_")
        assert check_sources(request) == []


@pytest.mark.parametrize("model", [*oracle.SP_ECONOMY, *oracle.STD, *oracle.MINI])
def test_an_asset_is_asked_only_of_a_route_that_takes_it(model: str) -> None:
    for place in PLACES[:-1]:
        (refusal,) = check_sources(with_address(model, place, ASSET))
        assert refusal.level == "refuse"
        assert "s3://bucket/key or the path of a file" in refusal.fix
        assert (f"put {model} into Other model (other_model)" in refusal.fix) == (model in oracle.SP_ECONOMY)


@thoroughly
@given(references)
def test_what_is_asked_is_refused_exactly_where_it_cannot_be_made_to_fit(fields: Fields) -> None:
    request = VideoRequest.model_construct(**fields)
    refused = [problem for problem in check_sources(request) if problem.level == "refuse"]
    assert {base(problem.field) for problem in refused} == oracle.asked_refused(fields)
    assert SECRET not in repr(refused)


@pytest.mark.parametrize("value", [*FITS_ALL[len(PUBLIC) :], "last-frame+/a.mp4", "http://example.com/a.png"])
def test_what_is_no_address_is_never_sent_whatever_the_model(value: str) -> None:
    for other in ("", "seedance9"):
        request = VideoRequest.model_construct(prompt="A mug", images=[value], other_model=other)
        with pytest.raises(InvalidRequest, match=r"images\[0\]"):
            require_sendable(request)


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost", "[::1]:80", "127.8.9.1"])
def test_a_link_to_a_simulator_on_this_machine_is_sent_where_that_is_allowed(host: str) -> None:
    for scheme in ("http", "https"):
        request = with_address("seedance2.0-std", "images", f"{scheme}://{host}/files/mug.png")
        assert require_sendable(request, allow_loopback=True) == []
        with pytest.raises(InvalidRequest):
            require_sendable(request)
        asset_alone = with_address("sd2_mx_720p", "images", f"{scheme}://{host}/files/mug.png")
        with pytest.raises(InvalidRequest, match="asset://"):
            require_sendable(asset_alone, allow_loopback=True)


@pytest.mark.parametrize(
    "value",
    ["http://10.0.0.1/a", "http://example.com/a", "http://me@127.0.0.1/a", "file:///a.png", "https://10.0.0.1/a"],
)
def test_what_is_allowed_for_a_simulator_is_this_machine_alone(value: str) -> None:
    with pytest.raises(InvalidRequest):
        require_sendable(with_address("seedance2.0-std", "images", value), allow_loopback=True)


@pytest.mark.parametrize(
    "host", ["１２７.0.0.1", "127。0。0。1", "printer.lan", "box.localdomain", "nas.home.arpa", "intranet", "0x7f.1"]
)
def test_a_private_host_is_told_in_every_writing(host: str) -> None:
    request = with_address("sd2_mx_720p", "images", f"https://{host}/a.png")
    for problems in (check_sources(request), check_sources(request.model_copy(update={"other_model": "seedance9"}))):
        assert "refuse" in {problem.level for problem in problems if problem.rule == "public address"}


@pytest.mark.parametrize("value", ["https://example.com:99999/a", "https://[1:2]/a", "https://example.com＃@b/a"])
def test_a_link_that_cannot_be_parsed_is_refused_and_raises_nothing(value: str) -> None:
    request = with_address("seedance2.0-std", "images", value)
    for problems in ([*check(request), *check_sources(request)], check_addresses(request)):
        assert "refuse" in {problem.level for problem in problems}


# --- What people write, and what they are told ---


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("一只纸船漂过水坑，电影感", id="Chinese"),
        pytest.param("قارب ورقي يعبر بركة ماء", id="Arabic"),
        pytest.param("Ein Bötchen aus Papier, caf\u00e9", id="accents"),
        pytest.param("👩\u200d👩\u200d👧 in a boat ⛵\ufe0f", id="emoji"),
        pytest.param("first line\nsecond line\n\ttabbed", id="lines and tabs"),
        pytest.param('quotes " and \\ and </script>', id="quotes"),
        pytest.param("纸" * 5000, id="5000 Chinese characters"),
        pytest.param("⛵" * 4999 + "\U0001f6a3", id="5000 emoji"),
    ],
)
def test_a_prompt_is_sent_as_it_was_written(prompt: str) -> None:
    for model in oracle.MODELS:
        request = VideoRequest(prompt=prompt, model=model)
        assert request_body(request)["prompt"] == prompt
        assert not [problem for problem in check(request) if problem.field == "prompt"], model


LINE_ENDS = ["\r\n", "\r", "\v", "\f", "\x85"]


@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
def test_the_lines_of_a_prompt_end_in_one_way_however_they_were_typed(end: str) -> None:
    request = VideoRequest(prompt=f"{end}first{end}{end}\tsecond{end}")
    assert request.prompt == request_body(request)["prompt"] == "first\n\n\tsecond"


@pytest.mark.parametrize("separator", ["\u2028", "\u2029"], ids=ascii)
def test_what_could_be_sent_before_is_sent_as_it_was(separator: str) -> None:
    prompt = f"first{separator}second"
    assert request_body(VideoRequest(prompt=prompt))["prompt"] == prompt


def test_what_an_editor_counts_as_one_character_is_one_in_the_limit() -> None:
    assert VideoRequest(prompt="x" * 2499 + "\r\n" * 2 + "x" * 2499, model="seedance2.0-md")


@pytest.mark.parametrize(
    "around", ["\ufeff", "\u200b", "\u2060", "\xa0", "\u202f", "\u3000", "\t", "\ufeff\r\n\xa0"], ids=ascii
)
def test_what_comes_along_with_pasted_text_is_left_out(around: str) -> None:
    assert VideoRequest(prompt=f"{around}A paper boat{around}").prompt == "A paper boat"


IMAGE, VIDEO, AUDIO = (address(f"0.{ending}") for ending in ("png", "mp4", "mp3"))
MISSING: dict[str, tuple[Fields, str]] = {
    "the third of two images": (
        {"prompt": "The boat of @image3", "images": [IMAGE] * 2},
        "it names @image3, but there are 2 images. Name image 1 to 2, or add what is missing.",
    ),
    "in Chinese": ({"prompt": "让@图片3中的人走过", "images": [IMAGE] * 2}, "names @图片3, but there are 2 images"),
    "with a full-width at": ({"prompt": "＠图２", "images": [IMAGE]}, "names ＠图２, but there is 1 image."),
    "capital, with a space": ({"prompt": "@Image 2 walks"}, "names @Image 2, but there are no images"),
    "after another word": ({"prompt": "boat,@img_9."}, "names @img_9"),
    "in traditional Chinese": ({"prompt": "讓@圖片3走過", "images": [IMAGE]}, "names @圖片3, but there is 1 image"),
    "in Korean": ({"prompt": "@이미지 3", "images": [IMAGE]}, "names @이미지 3, but there is 1 image"),
    "in Japanese": ({"prompt": "@画像2の人", "images": [IMAGE]}, "names @画像2, but there is 1 image"),
    "in Russian": ({"prompt": "@Фото2", "images": [IMAGE]}, "names @Фото2, but there is 1 image"),
    "in brackets": ({"prompt": "@image[2]", "images": [IMAGE]}, "names @image[2, but there is 1 image"),
    "with a number sign": ({"prompt": "@image#2", "images": [IMAGE]}, "names @image#2, but there is 1 image"),
    "with an unseen space": ({"prompt": "@image\u200b2", "images": [IMAGE]}, "2, but there is 1 image"),
    "several": ({"prompt": "@image1 @image4, @image7 @image4", "images": [IMAGE]}, "@image4 and @image7, but"),
    "number 0": ({"prompt": "@image0", "images": [IMAGE]}, "names @image0, but there is 1 image"),
    "beside a frame": ({"prompt": "@image2", "first_image": IMAGE}, "names @image2, but there is 1 image"),
    "a video": ({"prompt": "as in @video2", "reference_videos": [VIDEO]}, "@video2, but there is 1 video."),
    "a video in Chinese": ({"prompt": "如@视频1", "images": [IMAGE]}, "names @视频1, but there are no videos"),
    "an audio": ({"prompt": "@audio1", "images": [IMAGE]}, "names @audio1, but there are no audios"),
    "an audio in Chinese": (
        {"prompt": "@音频2", "images": [IMAGE], "reference_audios": [AUDIO]},
        "names @音频2, but there is 1 audio.",
    ),
}


@pytest.mark.parametrize(("fields", "words"), MISSING.values(), ids=MISSING.keys())
@pytest.mark.parametrize("other_model", ["", "seedance9-new"])
def test_a_reference_that_the_prompt_names_and_nobody_gave_is_warned_of(
    fields: Fields, words: str, other_model: str
) -> None:
    request = VideoRequest(**fields, other_model=other_model)
    (found,) = (problem for problem in require_valid(request) if problem.rule == "named references")
    assert (found.field, found.level) == ("prompt", "warn")
    assert words in str(found)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "The boats of @image1, @图片2 and @Image 2", "images": [IMAGE] * 2},
        {"prompt": "From @image1 to @image2", "first_image": IMAGE, "last_image": IMAGE},
        {"prompt": "@视频1 @音频1", "reference_videos": [VIDEO], "reference_audios": [AUDIO]},
        {"prompt": "It names none", "images": [IMAGE] * 2},
        {"prompt": "Write me@image3.example.com, image 7, @imagery3, @image3d, @images, 图3, @someone 4"},
    ],
    ids=lambda fields: fields["prompt"][:20],
)
def test_what_is_there_or_names_no_reference_is_not_warned_of(fields: Fields) -> None:
    request = VideoRequest(**fields)
    assert not [problem for problem in check(request) if problem.rule == "named references"]


@pytest.mark.parametrize(
    "prompt", ["", " ", "\n\t \n", "\u3000", "\r\n", "\ufeff", "\u200b \u2060", "\x85\u2028"], ids=ascii
)
def test_a_blank_prompt_is_refused(prompt: str) -> None:
    error = refusal_of({"prompt": prompt})
    assert error and fields_named(error) == {"prompt"}


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x08", "\x1b", "\x1c", "\x7f", "\x9f"], ids=ascii)
def test_a_control_character_is_refused_and_not_repeated(character: str) -> None:
    error = refusal_of({"prompt": f"A paper{character} boat"})
    assert error and fields_named(error) == {"prompt"}
    assert character not in error.errors()[0]["msg"]
    assert f"U+{ord(character):04X}" in error.errors()[0]["msg"] and "position 7" in error.errors()[0]["msg"]


@pytest.mark.parametrize("field", ["take", "other_model"])
@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
def test_what_is_one_line_by_nature_has_no_line_end(field: str, end: str) -> None:
    error = refusal_of({"prompt": "A paper boat", field: f"two{end}lines"})
    assert error and fields_named(error) == {field}


def test_all_problems_are_reported_at_once() -> None:
    fields = asked("seedance2.0-md", "16 s + ratio 21:9 + 4 videos + 2 audios + prompt of 5001") | {
        "images": [*addresses(4, "png"), address("4.gif")],
    }
    error = refusal_of(fields)
    assert error
    assert fields_named(error) == {*("prompt", "duration", "ratio", "images", "reference_videos", "reference_audios")}
    assert [problem["loc"] for problem in error.errors() if problem["loc"][0] == "images"] == [
        ("images",),
        ("images", 4),
    ]


def test_a_mistyped_field_does_not_hide_another_mistyped_field() -> None:
    error = refusal_of({"prompt": 5, "duration": "long", "ratio": "5:4", "resolution": "8k"})
    assert error and fields_named(error) == {"prompt", "duration", "ratio", "resolution"}


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("seedance2.0-stdd", "seedance2.0-std"),
        ("seedance-2.0-md", "seedance2.0-md"),
        ("seedance2.0-mni", "seedance2.0-mini"),
        ("seedance2.0-fast_md", "seedance2.0-fast-md"),
        ("sd2_mx_720", "sd2_mx_720p"),
        ("sd2-mx-video-4k", "sd2_mx_video_4k"),
        ("Seedance2.0-STD", "seedance2.0-std"),
        ("seedance2.0-md ", "seedance2.0-md"),
    ],
)
def test_an_unknown_model_is_refused_with_the_name_that_is_near(typed: str, near: str) -> None:
    error = refusal_of({"prompt": "A paper boat", "model": typed})
    assert error and fields_named(error) == {"model"}
    message = error.errors()[0]["msg"]
    suggestion = message.partition("Choose one of")[0]
    assert f"'{near}'" in suggestion.replace(f"'{typed}'", "")
    assert "other_model" in message


def test_a_model_like_no_other_is_refused_with_the_list() -> None:
    error = refusal_of({"prompt": "A paper boat", "model": "banana"})
    assert error and all(model in str(error) for model in oracle.MODELS)


@pytest.mark.parametrize("name", ["seed", "aspect_ratio", "reference_images", "generate_audio", "Prompt"])
def test_a_field_that_the_request_does_not_have_is_refused(name: str) -> None:
    error = refusal_of({"prompt": "A paper boat", name: "1"})
    assert error and fields_named(error) == {name}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"images": address("0.png")}, id="one address where a list belongs"),
        pytest.param({"first_image": [address("0.png")]}, id="a list where one address belongs"),
        pytest.param({"images": [[address("0.png")]]}, id="a list in a list"),
        pytest.param({"image": address("0.png")}, id="an unknown field"),
        pytest.param({"images": [address("0 0.png")]}, id="a space in the address"),
        pytest.param({"first_image": address("0.png"), "images": [address("0.png")]}, id="images and frames"),
        pytest.param({"model": "seedance2.0-md", "images": [address("0.gif")]}, id="gif"),
    ],
)
def test_no_refusal_shows_the_query_of_an_address(fields: Fields) -> None:
    error = refusal_of({"prompt": "A paper boat"} | fields)
    assert error
    assert SECRET not in str(error)


def test_a_request_that_exists_cannot_be_changed_into_another() -> None:
    request = VideoRequest(prompt="A paper boat")
    with pytest.raises(ValidationError):
        request.duration = 99
