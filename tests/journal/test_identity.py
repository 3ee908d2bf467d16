"""What makes two requests the same video, and what never does."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prefect_seedance.client.request import routes
from prefect_seedance.client.request.routes import ROUTES, ResolutionRule, Route
from prefect_seedance.client.request.video_request import VideoRequest, canonical_text
from prefect_seedance.client.request.wire import request_body
from prefect_seedance.journal.errors import MediaNotIdentified
from prefect_seedance.journal.identity import (
    ALWAYS,
    NOT_SENT,
    PROJECTION,
    canonical,
    identify,
    intent_of,
    named_scope,
    run_scope,
    shown,
)

GOLDEN = json.loads((Path(__file__).parent / "golden_intents.json").read_text(encoding="utf-8"))


def intent(**fields: object) -> str:
    request = VideoRequest.model_validate({"prompt": "A paper boat"} | fields)
    return intent_of(request, scope=ALWAYS, account="default")


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_golden_intents_never_change(case: dict[str, object]) -> None:
    """Frozen since before the first release: cases may be added, and none may change.

    If this fails, every user's catalogue is about to be paid for again. Change the code, not the file.
    """
    request = VideoRequest.model_validate(case["request"])
    assert intent_of(request, scope=str(case["scope"]), account=str(case["account"])) == case["intent"]


def test_every_route_has_a_golden_intent() -> None:
    assert {case["request"].get("model") for case in GOLDEN} >= set(ROUTES)


def test_somebody_has_decided_about_every_field() -> None:
    # A new field of VideoRequest: say in PROJECTION whether it belongs to the intent, and why. Its default must
    # leave the intents of old requests as they are.
    assert set(PROJECTION) == set(VideoRequest.model_fields)
    assert all(row.why for row in PROJECTION.values())


OTHER_VALUES: dict[str, object] = {
    "prompt": "A paper boat.",
    "model": "seedance2.0-sp",
    "duration": 6,
    "resolution": "480p",
    "ratio": "9:16",
    "orientation": "portrait",
    "images": ["https://example.com/a.png"],
    "first_image": "https://example.com/a.png",
    "last_image": "https://example.com/a.png",
    "reference_videos": ["https://example.com/a.mp4"],
    "reference_audios": ["https://example.com/a.mp3"],
    "take": "2",
    "other_model": "seedance2.0-new",
}


@pytest.mark.parametrize("field", VideoRequest.model_fields)
def test_every_field_makes_another_intent(field: str) -> None:
    base = {"prompt": "A paper boat", "model": "seedance2.0-mini-video"}
    if field == "reference_audios":
        base["first_image"] = "https://example.com/f.png"
    one = VideoRequest.model_construct(**(VideoRequest.model_construct(**base).model_dump() | base))
    other = VideoRequest.model_construct(**(one.model_dump() | {field: OTHER_VALUES[field]}))
    first, second = (intent_of(each, scope=ALWAYS, account="default") for each in (one, other))
    assert first != second


@pytest.mark.parametrize("end", ["\r\n", "\r", "\v", "\f", "\x85"], ids=ascii)
def test_how_the_lines_of_a_prompt_end_makes_no_other_intent(end: str) -> None:
    assert intent(prompt=f"one{end}two{end}") == intent(prompt="one\ntwo") != intent(prompt="one two")


def test_what_could_be_asked_for_before_line_ends_counted_as_one_keeps_its_intent() -> None:
    # As the versions computed it that knew no line ends: an upgrade buys nothing again.
    assert intent(prompt="one\u2028two") == "7be36359685e4459bb169d0e327581ba"
    assert intent(prompt="one\u2029two", take="a\u2028b") == "f754620a2722fdc1890f921e78b3e211"
    request = VideoRequest(prompt="x")
    assert intent_of(request, scope=named_scope("a\r\nb"), account="c\x85d") == "81270f1bf60efad40836bd0c84aa1fb4"


def test_scope_and_account_make_another_intent() -> None:
    request = VideoRequest(prompt="x")
    intents = {
        intent_of(request, scope=scope, account=account)
        for scope in (ALWAYS, run_scope("1"), run_scope("2"), named_scope("1"))
        for account in ("default", "team")
    }
    assert len(intents) == 8


@pytest.mark.parametrize("make", [run_scope, named_scope])
def test_an_empty_scope_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match="needs"):
        make("")  # type: ignore[operator]


def test_defaults_that_are_spelled_out_change_nothing() -> None:
    # The form sends every default.
    spelled = VideoRequest(prompt="A paper boat").model_dump()
    assert intent(**spelled) == intent()


def test_auto_is_dropped_only_where_it_means_nothing() -> None:
    assert canonical(VideoRequest(prompt="auto")) == {"prompt": "auto", "model": "seedance2.0-std", "duration": 5}


def test_a_model_counts_by_its_name_however_it_is_given() -> None:
    assert intent(other_model="seedance2.0-sp") == intent(model="seedance2.0-sp")
    assert intent(model="seedance2.0-md", other_model="seedance2.0-sp") == intent(model="seedance2.0-sp")


def test_an_edit_of_the_route_table_moves_no_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    def flipped(route: Route) -> Route:
        sent, values = not route.resolution.sent, ("480p", "720p", "1080p")
        rule = ResolutionRule(sent=sent, fixed="720p", values=values, default="480p", source="a test")
        return route._replace(resolution=rule)

    monkeypatch.setattr(routes, "ROUTES", {model: flipped(route) for model, route in ROUTES.items()})
    asked = VideoRequest(prompt="x", resolution="720p")
    assert request_body(asked)["resolution"] == "720p", "the table that is flipped is the one that is sent by"
    for case in GOLDEN:
        test_golden_intents_never_change(case)


def test_somebody_has_decided_what_each_route_is_not_sent() -> None:
    # A new route: write it into NOT_SENT. One that has changed stays as it is there (see its comment).
    assert set(ROUTES) <= set(NOT_SENT)
    assert all(fields <= set(VideoRequest.model_fields) for fields in NOT_SENT.values())


@pytest.mark.parametrize("model", ROUTES)
def test_what_a_route_is_not_sent_makes_no_other_intent(model: str) -> None:
    # By its other name, since a route refuses what it would ignore.
    intents = {intent(other_model=model, resolution=each) for each in ("auto", "480p", "720p", "1080p")}
    assert len(intents) == (1 if "resolution" in NOT_SENT[model] else 4)


def test_an_orientation_beside_a_ratio_makes_no_other_intent() -> None:
    assert intent(ratio="9:16", orientation="portrait") == intent(ratio="9:16")
    assert intent(orientation="portrait") != intent(orientation="landscape") != intent()


# The same body is one intent, and another body another.

BOAT = "Café Böt"
SAME = [BOAT, unicodedata.normalize("NFD", BOAT), f"  {BOAT}\n", f"\ufeff{BOAT}\u200b\u3000"]
PROMPTS = [*SAME, "Cafe Bot", "café böt", f"{BOAT}."]
ADDRESSES = ["https://example.com/a.png", "https://example.com/b.png"]
SOME = st.lists(st.sampled_from(ADDRESSES), max_size=2)
FRAME = st.sampled_from(["", "", *ADDRESSES])
ANSWERS = {
    "prompt": st.sampled_from(PROMPTS),
    "duration": st.sampled_from([5, 6]),
    "resolution": st.sampled_from(get_args(VideoRequest.model_fields["resolution"].annotation)),
    "ratio": st.sampled_from(["auto", "auto", "16:9", "9:16", "Adaptive"]),
    "orientation": st.sampled_from(["auto", "landscape", "portrait"]),
    "images": SOME,
    "first_image": FRAME,
    "last_image": FRAME,
    "reference_videos": SOME,
    "reference_audios": SOME,
}


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, object], dict[str, object]]:
    """Draw two requests for one route, by either of its names, that differ in few answers."""
    names = st.sampled_from(
        [{"model": "{}"}, {"other_model": "{}"}, {"model": "seedance2.0-mini", "other_model": " {} "}]
    )
    one: dict[str, object] = {"prompt": BOAT, **draw(st.fixed_dictionaries({}, optional=ANSWERS))}
    edits = draw(st.sets(st.sampled_from([*ANSWERS]), max_size=2))
    other = one | {name: draw(ANSWERS[name]) for name in edits}
    return one | draw(names), other | draw(names)


def request_for(model: str, answers: dict[str, object]) -> VideoRequest | None:
    named = {name: value.format(model) for name, value in answers.items() if isinstance(value, str) and "{}" in value}
    try:
        return VideoRequest.model_validate(answers | named)
    except ValidationError:
        return None


@pytest.mark.parametrize("model", [*ROUTES, "seedance-9"])
@settings(max_examples=80)
@given(pair=pairs())
@pytest.mark.sample(every=2)
def test_requests_are_one_intent_if_and_only_if_their_bodies_are_one(
    model: str, pair: tuple[dict[str, object], dict[str, object]]
) -> None:
    one, other = (request_for(model, each) for each in pair)
    if one is None or other is None:
        return
    intents = [intent_of(each, scope=ALWAYS, account="default") for each in (one, other)]
    assert (intents[0] == intents[1]) == (request_body(one) == request_body(other))


def test_texts_are_sent_and_compared_in_one_form() -> None:
    requests = [VideoRequest(prompt=prompt, take=" 2\n") for prompt in SAME]
    assert {str(request_body(each)["prompt"]) for each in requests} == {BOAT}
    assert {each.take for each in requests} == {"2"}


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("two  spaces\n\nand lines", id="inside"),
        pytest.param("a flight ✈\ufe0f", id="a variation selector"),
        pytest.param("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", id="a flag's tags"),
        pytest.param("نامه\u200c", id="a joiner"),
        pytest.param("\u200fשלום", id="a direction"),
    ],
)
def test_what_belongs_to_a_text_stays(prompt: str) -> None:
    assert VideoRequest(prompt=prompt).prompt == prompt


def test_every_white_space_is_blank() -> None:
    for code in range(sys.maxunicode + 1):
        if chr(code).isspace():
            assert canonical_text(f"{chr(code)}x{chr(code)}") == "x", hex(code)


@given(text=st.text())
def test_a_canonical_text_stays_as_it_is(text: str) -> None:
    assert canonical_text(canonical_text(text)) == canonical_text(text)


def test_scope_and_account_are_compared_in_one_form_too() -> None:
    request = VideoRequest(prompt="x")
    assert named_scope(" 2026-11-22\n") == named_scope("2026-11-22")
    accounts = (BOAT, unicodedata.normalize("NFD", f" {BOAT}"))
    written = [identify(request, scope=ALWAYS, account=account) for account in accounts]
    assert written[0] == written[1]


def test_the_order_of_images_counts() -> None:
    images = ["https://example.com/a.png", "https://example.com/b.png"]
    assert intent(images=images) != intent(images=images[::-1])


# Media.

BASE = "https://bucket.example.com/a%20cat.png"
SIGNED = {
    "AWS 4": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k%2F20261122&X-Amz-Date=20261122T000000Z"
    "&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=t&X-Amz-Signature=abc",
    "AWS 2": "AWSAccessKeyId=k&Signature=a%2Bb&Expires=1795348800&x-amz-security-token=t",
    "Google 4": "X-Goog-Algorithm=a&X-Goog-Credential=b&X-Goog-Date=c&X-Goog-Expires=1&X-Goog-SignedHeaders=h"
    "&X-Goog-Signature=s",
    "Google 2": "GoogleAccessId=a%40b&Expires=1&Signature=s",
    "CloudFront": "Expires=1&Signature=s&Key-Pair-Id=k",
    "CloudFront policy": "Policy=p&Signature=s&Key-Pair-Id=k",
    "Azure": "sv=2024-11-04&ss=b&srt=o&sp=r&se=2026-11-23T00%3A00Z&st=2026-11-22T00%3A00Z&spr=https&sip=1.2.3.4"
    "&sig=x%3D",
    "Azure delegation": "skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=2024-11-04&sv=2024-11-04&sr=b&sp=r&se=x&sig=y",
    "OSS 1": "OSSAccessKeyId=k&Expires=1&Signature=s&security-token=t",
    "OSS 4": "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=c&x-oss-date=d&x-oss-expires=60"
    "&x-oss-signature=s",
    "COS": "q-sign-algorithm=sha1&q-ak=a&q-sign-time=1%3B2&q-key-time=1%3B2&q-header-list=host"
    "&q-url-param-list=&q-signature=s",
    "TOS": "X-Tos-Algorithm=a&X-Tos-Credential=c&X-Tos-Date=d&X-Tos-Expires=1&X-Tos-SignedHeaders=host"
    "&X-Tos-Signature=s",
    "OBS": "AccessKeyId=a&Expires=1&Signature=s",
}


@pytest.mark.parametrize("query", SIGNED.values(), ids=SIGNED.keys())
def test_a_signature_is_no_part_of_the_identity(query: str) -> None:
    assert canonical(VideoRequest(prompt="x", images=[f"{BASE}?{query}"]))["images"] == [BASE]
    mixed = f"{BASE}?versionId=7&{query}&width=3#part"
    assert canonical(VideoRequest(prompt="x", first_image=mixed))["first_image"] == f"{BASE}?versionId=7&width=3#part"


@pytest.mark.parametrize(
    "query",
    [
        "versionId=7",
        "Expires=1&Signature=s",  # whose, is not known
        "Expires=1",
        "sig=x",
        "x-oss-process=image/resize,w_300",
        "policy=1",
        "sv=1&sp=2",
        "a=1&&b=&c",
        "token=secret",
    ],
)
def test_what_may_change_the_file_stays(query: str) -> None:
    assert canonical(VideoRequest(prompt="x", first_image=f"{BASE}?{query}"))["first_image"] == f"{BASE}?{query}"


def test_image_processing_beside_a_signature_stays() -> None:
    signed = f"{BASE}?x-oss-process=image/resize,w_300&{SIGNED['OSS 1']}"
    kept = f"{BASE}?x-oss-process=image/resize,w_300"
    assert canonical(VideoRequest(prompt="x", first_image=signed))["first_image"] == kept


@pytest.mark.parametrize("name", ["x-tos-process", "versionId", "x-cos-process"])
def test_what_looks_like_a_signature_and_is_none_stays(name: str) -> None:
    signed = f"{BASE}?{name}=1&{SIGNED['TOS']}"
    assert canonical(VideoRequest(prompt="x", first_image=signed))["first_image"] == f"{BASE}?{name}=1"


def test_a_password_in_an_address_reaches_no_record() -> None:
    request = VideoRequest.model_construct(prompt="x", first_image="https://me:secret@example.com/a.png")
    assert canonical(request)["first_image"] == "https://example.com/a.png"


def test_assets_are_taken_as_they_are() -> None:
    assert canonical(VideoRequest(prompt="x", images=["asset://abc"]))["images"] == ["asset://abc"]


@pytest.mark.parametrize("address", ["/data/cat.png", "cat.png", "s3://bucket/cat.png", "file:///cat.png"])
def test_what_its_text_cannot_identify_needs_help(address: str) -> None:
    request = VideoRequest(prompt="x", first_image=address)
    with pytest.raises(MediaNotIdentified):
        canonical(request)
    identity = identify(request, scope=ALWAYS, account="a", media=lambda text: f"sha256:{len(text)}")
    assert identity.request["first_image"] == f"sha256:{len(address)}"


def test_what_cannot_be_identified_shows_no_secret() -> None:
    with pytest.raises(MediaNotIdentified, match=r"ftp://example\.com/cat\.png") as caught:
        canonical(
            VideoRequest.model_construct(prompt="x", first_image="ftp://me:secret@example.com/cat.png?token=secret")
        )
    assert "secret" not in f"{caught.value} {vars(caught.value)}"


def test_help_may_leave_an_address_to_its_text() -> None:
    request = VideoRequest(prompt="x", first_image=BASE)
    assert canonical(request, lambda address: None)["first_image"] == BASE


@given(address=st.from_regex(r"https://[a-z]{1,5}\.example\.com/[A-Za-z0-9_./%&=?\-]{0,60}", fullmatch=True))
def test_an_address_that_is_not_signed_keeps_its_text_and_a_kept_one_is_stable(address: str) -> None:
    def kept(text: str) -> object:
        return canonical(VideoRequest.model_construct(**VideoRequest(prompt="x").model_dump() | {"first_image": text}))

    once = kept(address)
    assert kept(str(once["first_image"])) == once  # type: ignore[index]


# What of it may be kept.

SECRET = "hunter2hunter2"
SHOWN = {
    "an Azure SAS of the whole account": (
        f"https://acc.blob.core.windows.net/c/a.png?sv=2022-11-02&ss=bfqt&srt=sco&sp=rwdlacupx&sig={SECRET}%3D",
        "https://acc.blob.core.windows.net/c/a.png",
    ),
    "a signature that may be a choice": (f"https://example.com/get?sig={SECRET}&se=2026-12-01", "/get"),
    "a token beside a choice": (f"https://example.com/get?id=3&token={SECRET}&w=100", "/get?id=3&w=100"),
    "a login": (f"https://me:{SECRET}@example.com/a.png", "https://example.com/a.png"),
    "a login with an at sign": (f"https://me:x@{SECRET}@example.com/a.png", "https://example.com/a.png"),
    "a password": (f"https://example.com/a.png?password={SECRET}", "/a.png"),
    "an API key": (f"https://example.com/a.png?api_key={SECRET}", "/a.png"),
    "another's name for it": (f"https://example.com/a.png?ApiKey={SECRET}&X-User-Secret={SECRET}", "/a.png"),
    "a session": (f"https://example.com/a.png?PHPSESSIONID={SECRET}", "/a.png"),
    "the fragment": (f"https://example.com/a.png#access_token={SECRET}", "/a.png"),
    "a value without a name": (f"https://example.com/a.png?{SECRET}", "/a.png"),
    "a folder": (f"https://example.com/token={SECRET}/a.png", "/a.png"),
    "an escaped folder": (f"https://example.com/token%3D{SECRET}/a.png", "/a.png"),
    "a matrix parameter": (f"https://example.com/a;sig={SECRET}/b.png", "/b.png"),
    "a bot's token": (f"https://api.example.com/file/bot123456:{SECRET}{SECRET}/a.png", "/file/a.png"),
    "a signed folder of any file": (f"https://example.com/202611270101/{'0f' * 16}/download", "/download"),
    "an address in a parameter": (f"https://example.com/?url=https%3A%2F%2Fb.example.com%2Fa%3Fsig%3D{SECRET}", "com/"),
    "an escape of an escape": (f"https://example.com/a.png?v=sig%253D{SECRET}", "/a.png"),
    "capitals": (f"HTTPS://EXAMPLE.COM/a.png?SIGNATURE={SECRET}", "https://example.com/a.png"),
    "an asset": (f"asset://me:{SECRET}@abc?token={SECRET}", "asset://abc"),
    "nothing": ("https://example.com/a.png?versionId=7&width=3", "https://example.com/a.png?versionId=7&width=3"),
}


@pytest.mark.parametrize(("address", "end"), SHOWN.values(), ids=SHOWN)
def test_what_a_record_keeps_of_an_address_grants_no_access(address: str, end: str) -> None:
    request = VideoRequest.model_construct(
        **VideoRequest(prompt=f"Like https://example.com/a.png?token={SECRET}").model_dump()
        | {name: address for name in ("first_image", "last_image")}
        | {name: [address, address] for name in ("images", "reference_videos", "reference_audios")}
    )
    identity = identify(request, scope=ALWAYS, account="default")
    assert SECRET not in json.dumps(identity.request) and "0f0f" not in json.dumps(identity.request["images"])
    assert str(identity.request["first_image"]).endswith(end)
    assert identity.request["images"] == [identity.request["first_image"]] * 2
    assert shown(identity.request) == identity.request
    # Nor does it say which video it is: two links that may be of two files are still two.
    other = request.model_copy(update={"first_image": "https://example.com/other.png"})
    assert identify(other, scope=ALWAYS, account="default").intent != identity.intent


def test_what_is_left_out_of_a_record_still_tells_two_files_apart() -> None:
    one, other = (VideoRequest(prompt="x", first_image=f"https://example.com/get?token={each}") for each in ("aa", "b"))
    assert intent_of(one, scope=ALWAYS, account="default") != intent_of(other, scope=ALWAYS, account="default")
