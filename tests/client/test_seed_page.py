"""The vendor's create page, clause by clause, in the page's own words: what it makes of each field on each route.

The page is the law of the route table: what it refuses is refused, what it allows is never refused. Each clause is
held against `check`, against the request itself, against both copies of the form's schema, and, for the form of an
address, against the flow's check. Written from the page; "warned" is what another page of the vendor doubts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.check import check
from prefect_seedance.client.request.references import check_addresses, require_sendable, require_valid
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.media.preflight import check_facts
from tests.client import route_oracle as oracle
from tests.client.pages import Fields, addresses, asked
from tests.client.test_form import PREPARED, PREPARED_V1, errors_of

FULL = [*oracle.MANXUE, *oracle.MANXUE_FAST, *oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST]
MD = [*oracle.MD, *oracle.MD_FAST]
VIDEOS, AUDIOS = "reference_videos", "reference_audios"


@dataclass(frozen=True)
class Clause:
    """What the page says of one field of some routes, with samples in the shorthand of `pages`."""

    words: str
    models: list[str]
    field: str
    accepted: list[str] = field(default_factory=list[str])
    warned: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])


def seconds(*numbers: int) -> list[str]:
    return [f"{number} s" for number in numbers]


def ratios(*names: str) -> list[str]:
    return [f"ratio {name}" for name in names]


THREE = ratios("16:9", "9:16", "1:1")
STD_ONLY = ratios("21:9", "4:3", "3:4")

CLAUSES = [
    # duration
    Clause("Full 4-12", FULL, "duration", seconds(*range(4, 13)), refused=seconds(0, 1, 3, 13, 14, 15, 16)),
    Clause("SP economy 4-15", oracle.SP_ECONOMY, "duration", seconds(*range(4, 16)), refused=seconds(0, 3, 16)),
    Clause("MD 1-15", oracle.MD, "duration", seconds(5, 10, 15), seconds(1, 4, 6, 9, 11, 14), seconds(-1, 0, 16)),
    Clause("MD 1-15", oracle.MD_FAST, "duration", seconds(10, 15), seconds(1, 5, 9, 11, 14), seconds(-1, 0, 16)),
    Clause("STD standard 4-15", oracle.STD, "duration", seconds(*range(4, 16)), refused=seconds(0, 3, 16)),
    Clause("Seconds, 4-15", oracle.MINI_SPECIAL, "duration", seconds(*range(4, 16)), refused=seconds(0, 3, 16)),
    # resolution
    Clause("480p, 720p, 1080p", oracle.SP_ECONOMY, "resolution", ["720p", "1080p"], ["480p"]),
    Clause("480p and 720p only", oracle.MINI_SPECIAL, "resolution", ["480p", "720p"], refused=["1080p"]),
    Clause("MD: 720p", MD, "resolution", ["720p"], refused=["480p", "1080p"]),
    Clause("Fast I2V: 720p", oracle.FAST_I2V, "resolution", ["720p"], refused=["480p", "1080p"]),
    Clause("STD standard: 720p", oracle.STD, "resolution", ["720p"], refused=["480p", "1080p"]),
    *(
        Clause("in the model's name", [model], "resolution", [own] * (own in ("720p", "1080p")), refused=others)
        for model in FULL
        for own in [oracle.made_by(model)]
        for others in [[each for each in ("480p", "720p", "1080p") if each != own]]
    ),
    # orientation
    Clause(
        "ratio takes precedence if set",
        oracle.MODELS,
        "orientation",
        warned=["landscape", "portrait", "ratio 16:9 + landscape", "ratio 9:16 + portrait"],
        refused=[
            *("ratio 16:9 + portrait", "ratio 9:16 + landscape", "ratio 1:1 + landscape", "ratio 1:1 + portrait"),
        ],
    ),
    # ratio
    Clause("MD: 16:9, 9:16, 1:1 only", MD, "ratio", THREE, refused=[*STD_ONLY, "ratio Adaptive"]),
    Clause(
        "STD: 21:9, 16:9, 4:3, 1:1, 3:4, 9:16", oracle.STD, "ratio", [*THREE, *STD_ONLY], refused=["ratio Adaptive"]
    ),
    Clause("Full route also supports 4:3, 3:4, 21:9, Adaptive", FULL, "ratio", [*THREE, *STD_ONLY, "ratio Adaptive"]),
    Clause("e.g. 16:9, 9:16, 1:1", oracle.MINI_SPECIAL, "ratio", THREE, STD_ONLY),
    # images
    Clause("MD max 4", MD, "images", ["1 image", "4 images"], refused=["5 images", "9 images"]),
    Clause("seedance2.0-fast-i2v max 9", oracle.FAST_I2V, "images", ["1 image", "9 images"], refused=["10 images"]),
    Clause("STD max 9", oracle.STD, "images", ["1 image", "9 images"], refused=["10 images"]),
    Clause(
        "Mutually exclusive with first_image/last_image",
        oracle.MODELS,
        "images",
        ["1 image"],
        refused=["1 image + first", "1 image + last", "1 image + first + last"],
    ),
    # frames
    Clause("MD: first frame only is not supported", MD, "first_image", refused=["first", "first + 1 video"]),
    Clause("MD frame mode requires first_image as well", MD, "last_image", refused=["last"]),
    Clause("MD frame mode", oracle.MD, "first_image", warned=["first + last"]),
    Clause("MD frame mode", oracle.MD_FAST, "first_image", ["first + last"]),
    # reference videos
    Clause(
        "only for video-series models", [*oracle.MANXUE, *oracle.MANXUE_FAST], "reference_videos", refused=["1 video"]
    ),
    Clause(
        "only for video-series models", [*oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST], "reference_videos", ["1 video"]
    ),
    Clause("MD: max 3", oracle.MD, "reference_videos", [], ["1 video", "3 videos"], ["4 videos"]),
    Clause("MD: max 3", oracle.MD_FAST, "reference_videos", ["1 video", "3 videos"], refused=["4 videos"]),
    Clause("Not supported on seedance2.0-fast-i2v", oracle.FAST_I2V, "reference_videos", refused=["1 video"]),
    Clause("Economy: https URL", ["seedance2.0-sp"], "reference_videos", ["1 video", "4 videos"]),
    Clause("Reference videos", oracle.MINI_SPECIAL, "reference_videos", ["1 video"]),
    # reference audios
    Clause("Supported on Full", FULL, "reference_audios", ["1 audio", "3 audios", "1 image + 1 audio"]),
    Clause("Supported on SP economy", oracle.SP_ECONOMY, "reference_audios", ["1 image + 1 audio"]),
    Clause(
        "Supported on STD, max 3 clips", oracle.STD, "reference_audios", ["1 audio", "3 audios"], refused=["4 audios"]
    ),
    Clause(
        "Not supported on MD or seedance2.0-fast-i2v",
        [*MD, *oracle.FAST_I2V],
        "reference_audios",
        refused=["1 audio", "1 image + 1 audio", "2 audios"],
    ),
    Clause(
        "frame mode does not support audio references",
        oracle.STD,
        "reference_audios",
        refused=["first + 1 audio", "last + 1 audio", "first + last + 1 audio"],
    ),
    Clause(
        "cannot be used alone; pair with images, reference video, or frames",
        oracle.MINI_SPECIAL,
        "reference_audios",
        ["1 image + 1 audio", "1 video + 1 audio"],
        ["first + 1 audio", "first + last + 1 audio"],
        ["1 audio", "3 audios"],
    ),
    Clause(
        "(not in the list of who supports audio)",
        [*oracle.MINI, *oracle.MINI_VIDEO, *oracle.SP_OFFICIAL],
        "reference_audios",
        warned=["1 image + 1 audio"],
    ),
    # prompt
    Clause("MD route: max 5000 characters", MD, "prompt", ["prompt of 5000"], refused=["prompt of 5001"]),
]


def ruling(fields: Fields, name: str) -> str:
    """Ask everybody who rules on a request what becomes of one of its fields."""
    problems = check(VideoRequest.model_construct(**fields))
    levels = {each.level for each in problems if each.field.partition("[")[0] == name}
    found = "refused" if "refuse" in levels else "warned" if levels else "accepted"
    try:
        VideoRequest(**fields)
        refused: set[object] = set()
    except ValidationError as error:
        refused = {each["loc"][0] for each in error.errors()}
    told = [
        refused,
        *({place.partition("[")[0] for place in errors_of(fields, each)} for each in (PREPARED, PREPARED_V1)),
    ]
    assert [name in places for places in told] == [found == "refused"] * 3, "form, request and check disagree"
    return found


def words_of(clause: Clause) -> str:
    return f"{clause.field}: {clause.words} ({clause.models[0]})"


@pytest.mark.parametrize("clause", CLAUSES, ids=words_of)
def test_the_form_and_the_request_rule_as_the_page_says(clause: Clause) -> None:
    samples = {"accepted": clause.accepted, "warned": clause.warned, "refused": clause.refused}
    for model in clause.models:
        for expected, shorthands in samples.items():
            for shorthand in shorthands:
                assert ruling(asked(model, shorthand), clause.field) == expected, (model, shorthand)
                # No route rule refuses a model that the user names: the list here may be the older one.
                other = asked(model, shorthand) | {"other_model": model}
                assert shorthand in ("0 s", "-1 s") or ruling(other, clause.field) != "refused", (model, shorthand)


@pytest.mark.parametrize(
    "changes", [{"resolution": "1080p"}, {"ratio": "16:9", "orientation": "portrait"}, {"duration": 16}], ids=str
)
def test_the_flow_refuses_what_was_changed_after_the_request_was_checked(changes: Fields) -> None:
    request = VideoRequest(prompt="A paper boat", model="seedance2.0-std").model_copy(update=changes)
    with pytest.raises(InvalidRequest):
        require_valid(request)


def test_an_orientation_is_refused_with_what_may_stand_beside_the_ratio() -> None:
    for shorthand, possible in (("ratio 4:3 + portrait", "or landscape,"), ("ratio 1:1 + landscape", '"auto",')):
        fields = asked("seedance2.0-std", shorthand)
        (refusal,) = (each for each in check(VideoRequest.model_construct(**fields)) if each.level == "refuse")
        assert possible in refusal.fix and f"a ratio that is {fields['orientation']}" in refusal.fix


def test_every_route_of_the_page_has_a_clause() -> None:
    unnamed = {*oracle.MINI, *oracle.MINI_VIDEO, *oracle.SP_OFFICIAL}  # the page names them without a limit of theirs
    ruled = {model for clause in CLAUSES for model in clause.models if len(clause.models) < len(oracle.MODELS)}
    assert ruled - unnamed == {*oracle.MODELS} - unnamed


# --- Where each limit lies: at it, and one beyond ---

#: The least and the most of each, where the page has a limit.
LIMITS: dict[str, dict[str, tuple[int, int]]] = {
    **{model: {"duration": (4, 12)} for model in FULL},
    **{model: {"duration": (4, 12), VIDEOS: (0, 0)} for model in [*oracle.MANXUE, *oracle.MANXUE_FAST]},
    **{model: {"duration": (4, 15)} for model in [*oracle.SP_ECONOMY, *oracle.MINI_SPECIAL]},
    **{
        model: {"duration": (1, 15), "images": (0, 4), VIDEOS: (0, 3), AUDIOS: (0, 0), "prompt": (1, 5000)}
        for model in MD
    },
    "seedance2.0-fast-i2v": {"images": (0, 9), VIDEOS: (0, 0), AUDIOS: (0, 0)},
    "seedance2.0-std": {"duration": (4, 15), "images": (0, 9), AUDIOS: (0, 3)},
}
EDGES = [(model, name) for model, limits in LIMITS.items() for name in limits]


def of_size(model: str, name: str, size: int) -> Fields:
    values = {"duration": size, "prompt": "x" * size}
    return asked(model) | {name: values.get(name, addresses(max(size, 0), "bin"))}


@pytest.mark.parametrize(("model", "name"), EDGES)
def test_a_limit_is_refused_one_beyond_it_and_not_at_it(model: str, name: str) -> None:
    least, most = LIMITS[model][name]
    for size in (least, most):
        assert ruling(of_size(model, name, size), name) != "refused"
    assert ruling(of_size(model, name, most + 1), name) == "refused"
    if least:
        assert ruling(of_size(model, name, least - 1), name) == "refused"


@given(st.sampled_from(EDGES), st.integers(-3, 40))
def test_a_value_is_refused_exactly_outside_its_limits(edge: tuple[str, str], size: int) -> None:
    model, name = edge
    least, most = LIMITS[model][name]
    if name != "duration":
        size = max(size, 0)
    inside = least <= size <= most
    assert (ruling(of_size(model, name, size), name) != "refused") == inside


# --- The form of an address, as it is sent: before that the flow makes of a source what the route needs ---

HTTPS, ASSET = "https://media.example.com/a", "asset://abc"
PICTURES = ["images", "first_image", "last_image"]
EVERY = [*PICTURES, VIDEOS, AUDIOS]

#: The page's words, the models, the fields, and what becomes of an https:// URL and of an asset:// of an audit.
ADDRESSES = [
    ("Full: asset://{assetId}", FULL, EVERY, "refused", "accepted"),
    ("SP: https:// URL", oracle.SP_ECONOMY, [*PICTURES, VIDEOS], "accepted", "refused"),
    ("SP: https:// URL", oracle.SP_OFFICIAL, [*PICTURES, VIDEOS], "accepted", "refused"),
    ("SP: https:// URL or asset://", [*oracle.SP_ECONOMY, *oracle.SP_OFFICIAL], [AUDIOS], "accepted", "accepted"),
    ("MD: https:// URL", MD, [*PICTURES, VIDEOS], "accepted", "refused"),
    ("STD: https:// URL", oracle.STD, EVERY, "accepted", "refused"),
    ("Fast I2V: https:// URL", oracle.FAST_I2V, PICTURES, "accepted", "refused"),
    ("https in the sample", oracle.MINI_SPECIAL, EVERY, "accepted", "warned"),
    ("(https by the Mini page)", [*oracle.MINI, *oracle.MINI_VIDEO], EVERY, "accepted", "refused"),
]


@pytest.mark.parametrize(("words", "models", "places", "https", "asset"), ADDRESSES)
def test_each_field_takes_the_addresses_that_the_page_says(
    words: str, models: list[str], places: list[str], https: str, asset: str
) -> None:
    for model, place, (value, expected) in product(models, places, ((HTTPS, https), (ASSET, asset))):
        given_: Fields = {place: value if place.endswith("_image") else [value]}
        request = VideoRequest.model_construct(**asked(model) | given_)
        levels = {each.level for each in check_addresses(request)}
        found = "refused" if "refuse" in levels else "warned" if levels else "accepted"
        assert found == expected, (words, model, place, value)


def test_a_picture_on_disk_or_at_a_link_can_be_asked_of_manxue() -> None:
    for picture in (HTTPS, "./mug.png", "s3://bucket/mug.png"):
        request = VideoRequest(**asked("sd2_mx_720p") | {"images": [picture]})
        assert {each.level for each in require_valid(request)} <= {"warn"}
        with pytest.raises(InvalidRequest):
            require_sendable(request)


def test_what_the_flow_refuses_of_addresses_it_names_field_by_field() -> None:
    request = VideoRequest(
        prompt="A paper boat",
        model="seedance2.0-sp",
        images=[HTTPS, ASSET],
        reference_videos=[ASSET],
        reference_audios=[ASSET],
    )
    with pytest.raises(InvalidRequest) as refused:
        require_valid(request)
    assert {each.field for each in refused.value.problems} == {"images[1]", "reference_videos[0]"}


# --- What the page says of media that only a file can show ---


#: "MD: combined duration ≤ 15 s, combined size ≤ 200 MB, each resolution 720px–2160px": within it, and beyond it, by
#: what three videos measure. (What is only another page's may be warned about.)
WITHIN = [
    {"seconds": [15.0]},
    {"seconds": [5.0, 5.0, 5.0]},
    {"size": [200_000_000]},
    {"size": [66_000_000, 67_000_000, 67_000_000]},
    {"width": [720], "height": [2160]},
    {"width": [2160], "height": [720]},
]
BEYOND = [
    {"seconds": [15.5]},
    {"seconds": [5.5, 5.5, 5.5]},
    {"size": [210_000_000]},
    {"size": [70_000_000, 70_000_000, 70_000_000]},
    {"width": [719], "height": [1280]},
    {"width": [1280], "height": [719]},
    {"width": [2161], "height": [1080]},
    {"width": [3840], "height": [2160]},
]


@pytest.mark.parametrize("model", MD)
@pytest.mark.parametrize(
    ("measures", "refused"), [*((each, False) for each in WITHIN), *((each, True) for each in BEYOND)], ids=str
)
def test_the_videos_of_md_are_held_to_the_pages_limits(model: str, measures: Fields, refused: bool) -> None:
    count = len(next(iter(measures.values())))
    request = VideoRequest(**asked(model, f"10 s + {count} video{'s' * (count > 1)}"))
    usual = ReferenceFacts("video", "mp4", 1_000_000, 1280, 720, 5.0, 24)
    facts = {
        f"reference_videos[{index}]": replace(usual, **{name: values[index] for name, values in measures.items()})
        for index in range(count)
    }
    refusals = [each for each in check_facts(request, facts) if each.level == "refuse"]
    assert [each.source for each in refusals] == ["SEED"] * refused
    std = request.model_copy(update={"model": "seedance2.0-std"})
    assert not [each for each in check_facts(std, facts) if each.level == "refuse"], "the page says it of MD only"
