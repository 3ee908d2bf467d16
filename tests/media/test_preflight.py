"""What references measure, against the limits of every route, with the measured value beside the rule.

The limits are written here a second time, as plain code, from what the pages and the sister services say; nothing of
the route table is read. Lengths are counted in milliseconds and sizes in bytes, so that no rounding is shared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_seedance.client.request.problems import Problem
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.media.preflight import check_facts
from tests.client import route_oracle as oracle
from tests.client.pages import SECRET, address

MB, MIB = 10**6, 2**20
FULL = [*oracle.MANXUE, *oracle.MANXUE_FAST, *oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST]
MD = [*oracle.MD, *oracle.MD_FAST]

IMAGE = ReferenceFacts("image", "png", 2 * MB, 1200, 900)
VIDEO = ReferenceFacts("video", "mp4", 5 * MB, 1280, 720, 5.0, 24.0)
AUDIO = ReferenceFacts("audio", "mp3", MB, seconds=5.0)
USUAL = {"images": IMAGE, "reference_videos": VIDEO, "reference_audios": AUDIO}

Facts = Mapping[str, ReferenceFacts]


def request_with(model: str, fields: Mapping[str, int], **more: Any) -> VideoRequest:
    """Build a request with so many references in each list, whatever the route's own limits are."""
    media = {name: [address(f"{name}-{index}") for index in range(count)] for name, count in fields.items()}
    return VideoRequest(prompt="A paper boat").model_copy(update={"model": model, **media, **more})


def check_of(model: str, facts: Facts, **more: Any) -> list[Problem]:
    """Check facts of the lists, all of which are given."""
    fields: dict[str, int] = {}
    for place in facts:
        name = place.partition("[")[0]
        fields[name] = fields.get(name, 0) + 1
    return check_facts(request_with(model, fields, **more), facts)


def outcome(problems: list[Problem]) -> set[tuple[str, str, str]]:
    return {(each.field, each.rule, each.level) for each in problems}


# --- The limits, a second time ---


def expected(model: str, facts: Facts) -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for place, each in facts.items():
        rules = {"images": of_an_image, "reference_videos": of_a_video, "reference_audios": of_an_audio}
        found |= {(place, *rule) for rule in rules[place.partition("[")[0]](model, each)}
    videos = [each for place, each in facts.items() if place.startswith("reference_videos")]
    audios = [each for place, each in facts.items() if place.startswith("reference_audios")]
    if model in MD:
        total = sum(milliseconds(each) for each in videos)
        if total > 15_200:
            found.add(("reference_videos", "combined length", "refuse"))
        if videos and all(each.seconds for each in videos) and total < 3_800:
            found.add(("reference_videos", "combined length", "warn"))
        size = sum(each.size or 0 for each in videos)
        if size > 200 * MB:
            found.add(("reference_videos", "combined size", "refuse" if size > 200 * MIB else "warn"))
    if model in [*oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST] and sum(map(milliseconds, videos)) > 15_200:
        found.add(("reference_videos", "combined length", "warn"))
    if model in FULL and sum(map(milliseconds, audios)) > 15_200:
        found.add(("reference_audios", "combined length", "warn"))
    return found


def milliseconds(facts: ReferenceFacts) -> int:
    return round(facts.seconds * 1000)


def of_an_image(model: str, facts: ReferenceFacts) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    if model in MD and facts.format == "gif":
        found.add(("no GIF", "refuse"))
    if model in MD and not facts.format:
        found.add(("not measured", "warn"))
    if facts.format not in ("", "jpeg", "png", "webp", "bmp", "tiff", "gif", "heic"):
        found.add(("format", "warn"))
    if facts.size is not None and facts.size >= 30 * MB:
        found.add(("size", "warn"))
    width, height = facts.width, facts.height
    if width and height:
        if min(width, height) < 300 or max(width, height) > 6000:
            found.add(("sides", "warn"))
        if 10 * width < 4 * height or 10 * width > 25 * height:
            found.add(("shape", "warn"))
    return found


def of_a_video(model: str, facts: ReferenceFacts) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    if facts.format not in ("", "mp4", "mov"):
        found.add(("format", "warn"))
    if facts.seconds and not 1_800 <= milliseconds(facts) <= 15_200:
        found.add(("length", "warn"))
    if facts.size is not None and facts.size > (500 if model in FULL else 50) * MB:
        found.add(("size", "warn"))
    if facts.frames_per_second and not 23_950 <= round(facts.frames_per_second * 1000) <= 60_050:
        found.add(("frame rate", "warn"))
    if model in MD:
        if not all((facts.width, facts.height, facts.seconds, facts.size)):
            found.add(("not measured", "warn"))
        if facts.width and facts.height and not all(720 <= side <= 2160 for side in (facts.width, facts.height)):
            found.add(("sides", "refuse"))
    return found


def of_an_audio(model: str, facts: ReferenceFacts) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    if facts.format not in ("", "mp3", "wav"):
        found.add(("format", "warn"))
    if facts.seconds and not 1_800 <= milliseconds(facts) <= 15_200:
        found.add(("length", "warn"))
    if facts.size is not None and facts.size > (500 if model in FULL else 15) * MB:
        found.add(("size", "warn"))
    return found


def near(*edges: int, scale: int = 1) -> st.SearchStrategy[Any]:
    """Draw whole numbers at some edges, just beside them, anywhere, and 0 for what is not known."""
    beside = st.sampled_from([edge + step for edge in edges for step in (-1, 0, 1)])
    numbers = st.one_of(st.just(0), beside, beside, st.integers(1, max(edges) * 2))
    return numbers.map(lambda number: number / scale) if scale > 1 else numbers


sizes = st.one_of(
    st.none(), near(30 * MB, 50 * MB, 15 * MB, 500 * MB, 200 * MB, 200 * MIB, 100 * MB, 100 * MIB).filter(bool)
)
lengths = near(1_800, 15_200, 3_800, 5_066, 7_600, 1_900, scale=1000)
images = st.builds(
    ReferenceFacts,
    kind=st.just("image"),
    format=st.sampled_from(["", "jpeg", "png", "webp", "bmp", "tiff", "gif", "heic", "avif", "svg"]),
    size=sizes,
    width=near(300, 6000, 720, 1200),
    height=near(300, 6000, 480, 3000),
)
videos = st.builds(
    ReferenceFacts,
    kind=st.just("video"),
    format=st.sampled_from(["", "mp4", "mov", "webm", "mkv"]),
    size=sizes,
    width=near(720, 2160, 1280),
    height=near(720, 2160, 1280),
    seconds=lengths,
    frames_per_second=near(23_950, 60_050, 24_000, scale=1000),
)
audios = st.builds(
    ReferenceFacts,
    kind=st.just("audio"),
    format=st.sampled_from(["", "mp3", "wav", "flac", "aac"]),
    size=sizes,
    seconds=lengths,
)


@st.composite
def media(draw: st.DrawFn) -> dict[str, ReferenceFacts]:
    lists = {"images": images, "reference_videos": videos, "reference_audios": audios}
    return {
        f"{name}[{index}]": each
        for name, kind in lists.items()
        for index, each in enumerate(draw(st.lists(kind, max_size=3)))
    }


@settings(max_examples=max(400, settings.default.max_examples))
@given(st.sampled_from(oracle.MODELS), media())
def test_media_are_judged_as_the_pages_say(model: str, facts: dict[str, ReferenceFacts]) -> None:
    problems = check_of(model, facts)
    assert outcome(problems) == expected(model, facts)
    assert [each.level for each in problems] == sorted(each.level for each in problems), "refusals come first"
    for each in problems:
        assert each.message and each.fix and each.source
        assert SECRET not in repr(each)


# --- At each limit, and one beyond it ---

#: The models, the field, what is changed of a usual reference: at the limit, beyond it; and what that gets.
EDGES: list[tuple[list[str], str, str, list[Any], list[Any], str, str]] = [
    (oracle.MODELS, "images", "size", [1, 30 * MB - 1], [30 * MB, 31 * MB], "size", "warn"),
    (oracle.MODELS, "images", "width", [800, 6000 * 3 // 8], [299, 6001], "sides", "warn"),
    (oracle.MODELS, "images", "height", [480, 3000], [479, 3001], "shape", "warn"),
    (oracle.MODELS, "images", "format", ["jpeg", "heic", "tiff", "bmp", "webp"], ["avif", "svg"], "format", "warn"),
    ([each for each in oracle.MODELS if each not in MD], "images", "format", ["gif"], [], "no GIF", "refuse"),
    (MD, "images", "format", ["webp"], ["gif"], "no GIF", "refuse"),
    (oracle.MODELS, "reference_videos", "format", ["mov", "mp4"], ["webm", "avi"], "format", "warn"),
    (oracle.MODELS, "reference_videos", "frames_per_second", [23.976, 60.05], [23.9, 60.1], "frame rate", "warn"),
    (oracle.MODELS, "reference_videos", "seconds", [4.0, 15.04, 15.2], [1.7, 15.21], "length", "warn"),
    ([*FULL], "reference_videos", "size", [500 * MB], [500 * MB + 1], "size", "warn"),
    (
        [each for each in oracle.MODELS if each not in FULL],
        "reference_videos",
        "size",
        [50 * MB],
        [50 * MB + 1],
        "size",
        "warn",
    ),
    (MD, "reference_videos", "width", [720, 2160], [719, 2161], "sides", "refuse"),
    (MD, "reference_videos", "height", [720, 2160], [719, 2161], "sides", "refuse"),
    (MD, "reference_videos", "seconds", [3.8, 15.04, 15.2], [15.21, 16.0], "combined length", "refuse"),
    (MD, "reference_videos", "seconds", [3.8, 4.0], [3.7, 2.0], "combined length", "warn"),
    (MD, "reference_videos", "size", [200 * MB], [200 * MIB + 1], "combined size", "refuse"),
    (MD, "reference_videos", "size", [200 * MB], [200 * MB + 1, 200 * MIB], "combined size", "warn"),
    (oracle.MODELS, "reference_audios", "seconds", [1.8, 15.2], [1.7, 15.21], "length", "warn"),
    (oracle.MODELS, "reference_audios", "format", ["mp3", "wav"], ["flac", "m4a", "ogg"], "format", "warn"),
    ([*FULL], "reference_audios", "size", [500 * MB], [500 * MB + 1], "size", "warn"),
    (
        [each for each in oracle.MODELS if each not in FULL],
        "reference_audios",
        "size",
        [15 * MB],
        [15 * MB + 1],
        "size",
        "warn",
    ),
    (FULL, "reference_audios", "seconds", [15.2], [15.21], "combined length", "warn"),
]


@pytest.mark.parametrize(
    ("models", "field", "measure", "within", "beyond", "rule", "level"),
    EDGES,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_limit_holds_to_its_end_and_not_beyond(
    models: list[str], field: str, measure: str, within: list[Any], beyond: list[Any], rule: str, level: str
) -> None:
    for model in models:
        for values, broken in ((within, False), (beyond, True)):
            for value in values:
                problems = check_of(model, {f"{field}[0]": replace(USUAL[field], **{measure: value})})
                levels = {each.level for each in problems if each.rule == rule}
                assert levels == ({level} if broken else set()), (model, value)


def test_usual_media_raise_nothing_on_any_route() -> None:
    for model in oracle.MODELS:
        assert check_of(model, {f"{name}[0]": facts for name, facts in USUAL.items()}) == []


def test_frames_are_held_to_the_limits_of_images() -> None:
    request = request_with("seedance2.0-md", {}, first_image=address("a.jpg"), last_image="/home/me/b.jpg")
    facts = {"first_image": replace(IMAGE, format="gif"), "last_image": replace(IMAGE, width=299, height=299)}
    assert outcome(check_facts(request, facts)) == {
        ("first_image", "no GIF", "refuse"),
        ("last_image", "sides", "warn"),
    }


# --- A GIF is what holds a GIF ---


@pytest.mark.parametrize("text", ["/home/me/photo.gif", "s3://shop/photo.gif", "file:///photo.GIF", "photo.gif"])
def test_a_jpeg_named_gif_passes_where_the_vendor_never_sees_its_name(text: str) -> None:
    request = VideoRequest(prompt="A paper boat", model="seedance2.0-md", images=[text])
    assert check_facts(request, {"images[0]": replace(IMAGE, format="jpeg")}) == []


@pytest.mark.parametrize("text", ["/home/me/photo.jpg", "s3://shop/photo.jpg", address("photo.jpg")])
@pytest.mark.parametrize("model", MD)
def test_a_gif_named_jpg_is_refused(text: str, model: str) -> None:
    request = VideoRequest(prompt="A paper boat", model=model, images=[text])
    (refusal,) = check_facts(request, {"images[0]": replace(IMAGE, format="gif")})
    assert (refusal.field, refusal.level) == ("images[0]", "refuse")
    assert "photo.jpg" in refusal.message and "GIF by its content" in refusal.message and SECRET not in repr(refusal)


# --- What is none of the kind ---

OTHER = ReferenceFacts("other", "html", 900)
WRONG = [
    *(("images[0]", facts) for facts in (VIDEO, AUDIO, OTHER)),
    *(("first_image", facts) for facts in (VIDEO, AUDIO, OTHER)),
    *(("last_image", facts) for facts in (VIDEO, AUDIO, OTHER)),
    *(("reference_videos[0]", facts) for facts in (IMAGE, AUDIO, OTHER)),
    *(("reference_audios[0]", facts) for facts in (IMAGE, VIDEO, OTHER)),
]


@pytest.mark.parametrize(("place", "facts"), WRONG, ids=lambda value: getattr(value, "kind", value))
def test_another_kind_of_media_is_refused_on_every_route_and_by_other_model_too(
    place: str, facts: ReferenceFacts
) -> None:
    name = place.partition("[")[0]
    value = [address("boat")] if "[" in place else address("boat")
    for model in oracle.MODELS:
        for other_model in ("", model, "seedance9-new"):
            request = request_with(model, {}, other_model=other_model, **{name: value})
            (refusal,) = check_facts(request, {place: facts})
            assert (refusal.field, refusal.rule, refusal.level) == (place, "kind of media", "refuse")
            assert "'https://media.example.com/boat'" in refusal.message and SECRET not in repr(refusal)


def test_the_refusal_of_a_kind_says_where_it_belongs() -> None:
    request = request_with("seedance2.0-std", {"reference_videos": 1, "reference_audios": 1}, first_image="/a.mp4")
    facts = {"first_image": VIDEO, "reference_videos[0]": AUDIO, "reference_audios[0]": VIDEO}
    fixes = {each.field: each.fix for each in check_facts(request, facts)}
    assert "reference_videos" in fixes["first_image"] and "last-frame+" in fixes["first_image"]
    assert "reference_audios" in fixes["reference_videos[0]"]
    assert "last-frame+" not in fixes["reference_audios[0]"]


@pytest.mark.parametrize("field", USUAL)
def test_an_empty_file_is_refused_on_every_route(field: str) -> None:
    for other_model in ("", "seedance9-new"):
        facts = {f"{field}[0]": ReferenceFacts("other", size=0)}
        (refusal,) = check_of("seedance2.0-sp", facts, other_model=other_model)
        assert (refusal.rule, refusal.level) == ("not empty", "refuse") and "0 bytes" in refusal.message


# --- All of it at once, in words ---


def test_everything_that_is_wrong_is_told_at_once() -> None:
    facts = {
        "images[0]": replace(IMAGE, format="gif"),
        "images[1]": VIDEO,
        "images[2]": replace(IMAGE, width=100, height=7000, format="avif", size=40 * MB),
        "reference_videos[0]": replace(VIDEO, seconds=8.0, width=640, frames_per_second=12.0, size=150 * MB),
        "reference_videos[1]": replace(VIDEO, seconds=8.0, height=4000, format="webm", size=150 * MB),
        "reference_videos[2]": OTHER,
    }
    assert outcome(check_of("seedance2.0-md", facts)) == {
        ("images[0]", "no GIF", "refuse"),
        ("images[1]", "kind of media", "refuse"),
        ("images[2]", "sides", "warn"),
        ("images[2]", "shape", "warn"),
        ("images[2]", "format", "warn"),
        ("images[2]", "size", "warn"),
        ("reference_videos[0]", "sides", "refuse"),
        ("reference_videos[0]", "frame rate", "warn"),
        ("reference_videos[0]", "size", "warn"),
        ("reference_videos[1]", "sides", "refuse"),
        ("reference_videos[1]", "format", "warn"),
        ("reference_videos[1]", "size", "warn"),
        ("reference_videos[2]", "kind of media", "refuse"),
        ("reference_videos", "combined length", "refuse"),
        ("reference_videos", "combined size", "refuse"),
    }


@pytest.mark.parametrize(
    ("place", "changes", "measured", "limit"),
    [
        ("reference_videos[0]", {"width": 1919, "height": 719}, "1919x719 px", "720-2160 px a side"),
        ("reference_videos", {"seconds": 16.04}, "16.04 s together", "at most 15 s together"),
        ("reference_videos", {"size": 300 * MB}, "300 MB together", "at most 200 MB together"),
        (
            "reference_videos",
            {"size": 200 * MB + 1},
            "200.000001 MB together",
            "at most 200 MB together, which is kept",
        ),
        ("reference_videos", {"seconds": 3.0}, "3 s together", "at least 4 s together"),
        ("reference_videos[0]", {"frames_per_second": 11.988}, "11.99 fps", "24-60 fps"),
        ("reference_videos[0]", {"size": 50 * MB + 1}, "50.000001 MB", "at most 50 MB"),
        ("reference_videos[0]", {"seconds": 1.0}, "is 1 s", "2-15 s"),
        ("images[0]", {"size": 30 * MB}, "is 30 MB", "under 30 MB"),
        ("images[0]", {"width": 3000, "height": 1199}, "2.502 times as wide as high (3000x1199 px)", "0.4-2.5 times"),
    ],
)
def test_a_problem_shows_the_measured_value_beside_the_limit(
    place: str, changes: dict[str, Any], measured: str, limit: str
) -> None:
    field = place.partition("[")[0]
    problems = check_of("seedance2.0-md", {f"{field}[0]": replace(USUAL[field], **changes)})
    assert [each for each in problems if each.field == place and measured in each.message and limit in each.message]
    assert all("MD (seedance2.0-md)" in each.message for each in problems)


def test_a_combined_limit_shows_its_parts() -> None:
    facts = {f"reference_videos[{index}]": replace(VIDEO, seconds=length) for index, length in enumerate((7.5, 8.25))}
    (refusal,) = check_of("seedance2.0-md", facts)
    assert refusal.field == "reference_videos"
    for words in ("15.75 s together", "7.5 s in reference_videos[0]", "8.25 s in reference_videos[1]"):
        assert words in refusal.message
    for index in range(2):
        assert f"'https://media.example.com/reference_videos-{index}'" in refusal.message


# --- What could not be measured ---


def test_what_could_not_be_read_is_one_warning_where_the_route_would_refuse_it() -> None:
    unread = ReferenceFacts("video", "mp4", 5 * MB, unread="PyAV is not installed", unread_here=True)
    for model in MD:
        (warning,) = check_of(model, {"reference_videos[0]": unread})
        assert (warning.field, warning.rule, warning.level) == ("reference_videos[0]", "not measured", "warn")
        for words in ("its length and its sides", "PyAV is not installed", "not checked before paying"):
            assert words in warning.message
        for words in ("at most 15 s", "720-2160 px", "prefect-seedance[media]"):
            assert words in warning.fix
        assert "200 MB" not in warning.fix, "its size is known"
    for model in {*oracle.MODELS} - {*MD}:
        assert check_of(model, {"reference_videos[0]": unread}) == []


def test_an_image_of_an_unknown_format_may_be_a_gif() -> None:
    unread = ReferenceFacts("image", size=MB, unread="its header is damaged")
    (warning,) = check_of("seedance2.0-md", {"images[0]": unread})
    assert "its format" in warning.message and "its header is damaged" in warning.message and "no GIF" in warning.fix
    (warning,) = check_of("seedance2.0-std", {"images[0]": unread})
    assert (warning.rule, warning.fix) == ("not measured", "Open it and see whether it is whole")
    assert "its sides and its shape could not be read" in warning.message


def test_what_certainly_nobody_can_read_is_refused_on_every_route() -> None:
    damaged = ReferenceFacts("image", "png", MB, unread="its header is broken", damaged="its header is broken")
    for model in oracle.MODELS:
        (refusal,) = check_of(model, {"images[0]": damaged})
        assert (refusal.rule, refusal.level) == ("whole file", "refuse")
        assert "cannot be read as an image: its header is broken" in refusal.message


def test_what_is_too_short_is_not_to_be_cut() -> None:
    short = replace(VIDEO, seconds=0.5)
    found = check_of("seedance2.0-std", {"reference_videos[0]": short})
    assert [problem.fix for problem in found if problem.rule == "length"] == ["Use longer ones"]


def test_a_combined_limit_holds_of_what_was_measured_at_least() -> None:
    long, short = replace(VIDEO, seconds=16.0), replace(VIDEO, seconds=2.5)
    request = request_with("seedance2.0-md", {"reference_videos": 3})
    facts = {"reference_videos[1]": long, "reference_videos[2]": replace(VIDEO, seconds=0.0, unread="damaged")}
    (refusal,) = (each for each in check_facts(request, facts) if each.level == "refuse")
    assert refusal.message.startswith("at least 16 s together") and "2 not measured" in refusal.message
    # Who knows how long the others are: 4 s may well be reached.
    assert check_facts(request, {"reference_videos[0]": short}) == []


def test_a_video_of_no_length_counts_as_not_measured() -> None:
    (warning,) = check_of("seedance2.0-md", {"reference_videos[0]": replace(VIDEO, seconds=0.0)})
    assert warning.rule == "not measured" and "its length could not be read" in warning.message


@pytest.mark.parametrize("nonsense", [math.nan, -1, -math.inf, 0])
def test_numbers_that_mean_nothing_count_as_not_measured(nonsense: Any) -> None:
    facts = replace(VIDEO, seconds=nonsense, width=nonsense, frames_per_second=nonsense)
    (warning,) = check_of("seedance2.0-md", {"reference_videos[0]": facts})
    assert warning.rule == "not measured" and "its length and its sides" in warning.message
    assert check_of("sd2_mx_video_720p", {"reference_videos[0]": facts}) == []


@pytest.mark.parametrize("huge", [math.inf, 10**400, 1e300, 2**63], ids=["inf", "10**400", "1e300", "2**63"])
def test_numbers_beyond_counting_are_too_much_and_their_words_stay_short(huge: Any) -> None:
    facts = replace(VIDEO, seconds=huge, width=huge, size=huge, frames_per_second=huge)
    problems = check_of("seedance2.0-md", {"reference_videos[0]": facts, "reference_videos[1]": facts})
    assert {each.rule for each in problems if each.level == "refuse"} == {"sides", "combined length", "combined size"}
    assert all(len(str(each)) < 500 for each in problems)
    image = replace(IMAGE, width=huge, height=1, size=huge)
    problems = check_of("seedance2.0-std", {"images[0]": image})
    assert {each.rule for each in problems} == {"sides", "shape", "size"}
    assert all(len(str(each)) < 500 for each in problems)


# --- Who is not held to a route's rules ---


def test_with_other_model_the_rules_of_a_route_only_warn() -> None:
    facts = {
        "images[0]": replace(IMAGE, format="gif"),
        "reference_videos[0]": replace(VIDEO, width=100, seconds=99.0, size=300 * MB),
    }
    refused = check_of("seedance2.0-md", facts)
    assert {each.level for each in refused} == {"refuse", "warn"}
    told = check_of("seedance2.0-std", facts, other_model="seedance2.0-md")
    assert {each.level for each in told} == {"warn"}
    assert {(each.field, each.rule) for each in told} == {(each.field, each.rule) for each in refused}


def test_a_model_that_nobody_knows_has_no_limits() -> None:
    facts = {"images[0]": replace(IMAGE, format="gif", width=1), "reference_videos[0]": replace(VIDEO, seconds=999.0)}
    assert check_of("seedance2.0-md", facts, other_model="seedance9-new") == []


def test_only_what_was_measured_and_belongs_to_the_request_is_judged() -> None:
    request = request_with("seedance2.0-md", {"reference_videos": 1})
    assert check_facts(request, {}) == []
    assert check_facts(request, {"reference_videos[7]": OTHER, "images[0]": OTHER}) == []


def test_a_token_in_the_path_of_a_link_is_not_shown() -> None:
    link = "https://media.example.com/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLW1pbmU/boat.png"
    request = VideoRequest(prompt="A boat", model="seedance2.0-std", images=[link])
    (refusal,) = check_facts(request, {"images[0]": ReferenceFacts("video", "mp4", 90_000)})
    assert "'https://media.example.com/boat.png'" in refusal.message and "eyJ" not in repr(refusal)
