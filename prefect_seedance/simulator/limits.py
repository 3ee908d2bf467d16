"""What the simulated vendor refuses: a JSON body against the row of its route.

Only what every source refuses is refused (level ``refuse`` of the table, unless a ``newer`` source allows it): where
sources disagree, the simulator takes it, so that a client which merely warns, or sends it by ``other_model``, is not
stopped. Surplus fields are ignored, and so is a resolution that the route does not read: it is paid for and not made,
as at the vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast
from urllib.parse import urlsplit

from pydantic import JsonValue

from prefect_seedance.client.request.routes import ROUTES, Route, UrlForm
from prefect_seedance.simulator.assets.addresses import LOOPBACK

Body = Mapping[str, JsonValue]

UNSUPPORTED_MODEL = "不支持的模型参数"

_LISTS = ("images", "reference_videos", "reference_audios")
_FRAMES = ("first_image", "last_image")


def refusal(body: Body) -> str | None:
    """Return the vendor's reason to refuse a create body, or None if it is accepted.

    Example:
        >>> refusal({"model": "seedance2.0-std", "prompt": "A boat", "duration": 3})
        'duration: 4-15 s on STD'
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        return "model: required"
    route = ROUTES.get(model)
    if route is None:
        return UNSUPPORTED_MODEL
    wrong_type = next(_types(body), None)
    if wrong_type is not None:
        return wrong_type
    return next((message for rule in _RULES for message in rule(body, route)), None)


def media_of(body: Body) -> list[tuple[str, str]]:
    """List every media address of a body with the field that it stands in."""
    found = [(field, _text(body, field)) for field in _FRAMES if _text(body, field)]
    for field in _LISTS:
        found += [(f"{field}[{index}]", url) for index, url in enumerate(_urls(body, field))]
    return found


def _text(body: Body, field: str) -> str:
    return str(body.get(field) or "")


def _urls(body: Body, field: str) -> list[str]:
    return cast("list[str]", body.get(field) or [])


def _frames(body: Body) -> list[str]:
    return [field for field in _FRAMES if _text(body, field)]


def _types(body: Body) -> Iterator[str]:
    prompt, duration = body.get("prompt"), body.get("duration")
    if not isinstance(prompt, str) or not prompt.strip():
        yield "prompt: required"
    if isinstance(duration, bool) or not isinstance(duration, int):
        yield "duration: required, whole seconds"
    for field in ("resolution", "ratio", "orientation", *_FRAMES):
        if not isinstance(body.get(field) or "", str):
            yield f"{field}: must be a string"
    for field in _LISTS:
        urls = body.get(field) or []
        if not isinstance(urls, list) or not all(isinstance(url, str) and url for url in urls):
            yield f"{field}: must be a list of strings"


def _prompt(body: Body, route: Route) -> Iterator[str]:
    rule, length = route.prompt, len(_text(body, "prompt"))
    if rule.level == "refuse" and length > rule.maximum and not rule.newer_source(length):
        yield f"prompt: {rule.maximum} characters at most on {route.title}"


def _duration(body: Body, route: Route) -> Iterator[str]:
    rule, seconds = route.duration, cast("int", body["duration"])
    if not rule.minimum <= seconds <= rule.maximum and not rule.newer_source(seconds):
        yield f"duration: {rule.minimum}-{rule.maximum} s on {route.title}"


def _choices(body: Body, route: Route) -> Iterator[str]:
    resolution, ratio = _text(body, "resolution"), _text(body, "ratio")
    rule = route.resolution
    if rule.sent and resolution and resolution not in rule.values and rule.others == "refuse":
        yield f"resolution: one of {', '.join(rule.values)} on {route.title}"
    disputed = route.ratio.others == "warn" or route.ratio.newer_source(ratio)
    if ratio and ratio not in route.ratio.values and not disputed:
        yield f"ratio: one of {', '.join(route.ratio.values)} on {route.title}"
    if _text(body, "orientation") not in ("", "landscape", "portrait"):
        yield "orientation: landscape or portrait"


def _counts(body: Body, route: Route) -> Iterator[str]:
    rules = {
        "images": route.images,
        "reference_videos": route.reference_videos,
        "reference_audios": route.reference_audios,
    }
    for field, rule in rules.items():
        count = len(_urls(body, field))
        for limit in rule.limits:
            if limit.level == "refuse" and count > limit.maximum and not limit.newer_source(count):
                yield f"{field}: {limit.maximum or 'none'} at most on {route.title}"


def _frame_rules(body: Body, route: Route) -> Iterator[str]:
    frames = _frames(body)
    if frames and _urls(body, "images") and route.images_with_frames.level == "refuse":
        yield "images: not together with first_image / last_image"
    if frames == ["first_image"] and route.first_frame_alone.level == "refuse":
        yield f"first_image: needs last_image on {route.title}"
    if frames == ["last_image"] and route.last_frame_alone.level == "refuse":
        yield f"last_image: needs first_image on {route.title}"


def _audio(body: Body, route: Route) -> Iterator[str]:
    if not _urls(body, "reference_audios"):
        return
    frames = _frames(body)
    beside = frames or _urls(body, "images") or _urls(body, "reference_videos")
    if not beside and route.audio_alone.level == "refuse":
        yield f"reference_audios: not alone on {route.title}"
    if frames and route.audio_with_frames.level == "refuse":
        yield f"reference_audios: not with frames on {route.title}"


def _addresses(body: Body, route: Route) -> Iterator[str]:
    for field, url in media_of(body):
        form, rule = _form(url), route.urls.of(field)
        if form is None or not (form in rule.forms + rule.unknown or rule.newer_source(form)):
            yield f"{field}: must be {' or '.join(rule.forms)} on {route.title}"
        picture = not field.startswith("reference_")
        if picture and route.gif_images.level == "refuse" and urlsplit(url).path.lower().endswith(".gif"):
            yield f"{field}: no GIF on {route.title}"


def _form(url: str) -> UrlForm | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme == "asset":
        return "asset"
    # What the simulator's own upload route answers is plain http on loopback, and must be usable here.
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return "https"
    return None


_RULES: tuple[Callable[[Body, Route], Iterator[str]], ...] = (
    _prompt,
    _duration,
    _choices,
    _counts,
    _frame_rules,
    _audio,
    _addresses,
)
