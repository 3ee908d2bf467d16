"""Every rule of every route, checked before anything is paid.

``check`` finds all problems of a request at once, from the route table. It is pure and free. The form of the
media addresses is checked elsewhere: see ``references``.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace

from prefect_seedance.client.request.fields import RequestFields
from prefect_seedance.client.request.problems import Problem, either, shown
from prefect_seedance.client.request.routes import ROUTES, ListRule, Route, VerdictRule, route_for

#: Names that belong to the 2.5 family: on this endpoint they land on another line (DOCS, August).
_OTHER_ENDPOINT = re.compile(r"^(seedance-?2\.5|sd2\.5)")


Rule = Callable[[RequestFields, Route], Iterator[Problem]]


def check(request: RequestFields) -> list[Problem]:
    """Find everything that is wrong with a request, refusals first.

    With ``other_model`` set, the rules of a route are warnings only: the vendor's list changes faster than ours.

    Example:
        >>> from prefect_seedance.client.request.video_request import VideoRequest
        >>> check(VideoRequest(prompt="A paper boat"))
        []
    """
    problems = list(_always(request))
    route = route_for(request.model_name)
    if route is not None:
        found = [problem for rule in _ROUTE_RULES for problem in rule(request, route)]
        problems += [replace(each, level="warn") for each in found] if request.other_model else found
    elif request.other_model:
        problems += _unknown_model(request)
    else:
        near = difflib.get_close_matches(request.model.lower(), ROUTES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        fix = f"{hint}Choose one of {', '.join(ROUTES)}, or put a newer name into other_model"
        problems.append(
            Problem(
                "model",
                "known model",
                f"{request.model!r} is not a known model",
                fix[0].upper() + fix[1:],
                "refuse",
            )
        )
    return sorted(problems, key=lambda problem: problem.level)


def _always(request: RequestFields) -> Iterator[Problem]:
    """Rules of the API itself, which no route can lift."""
    if not request.prompt.strip():
        yield Problem("prompt", "not empty", "the prompt is empty", "Describe what the video shows", "refuse")
    texts = {"prompt": request.prompt, "take": request.take, "other_model": request.other_model}
    for field, text in texts.items():
        allowed = "\n\t" if field == "prompt" else ""
        bad = next(
            (each for each in text if unicodedata.category(each) in ("Cc", "Cs") and each not in allowed),
            None,
        )
        if bad is not None:
            message = f"character U+{ord(bad):04X} at position {text.index(bad)} is a control character"
            yield Problem(field, "printable text", message, "Remove it", "refuse")
    if not request.take.strip():
        yield Problem("take", "not empty", "the take is empty", 'Use any text, "1" for the first take', "refuse")
    if request.other_model and not request.other_model.strip():
        yield Problem("other_model", "a name", "it holds only white space", "Clear it, or write a name", "refuse")
    if request.duration < 1:
        yield Problem(
            "duration",
            "positive",
            f"{request.duration} s is not a valid length",
            "Use whole seconds, for example 5",
            "refuse",
        )
    for field, text in request.references():
        if not text.strip() or any(each.isspace() or unicodedata.category(each) == "Cc" for each in text):
            message = f"{shown(text)} is empty or holds white space"
            yield Problem(field, "an address", message, "Write one address without white space, or remove it", "refuse")


def _unknown_model(request: RequestFields) -> Iterator[Problem]:
    name = request.other_model
    yield Problem(
        "other_model",
        "known model",
        f"{name!r} is not in the route table",
        "Its rules are not checked",
        "warn",
    )
    if _OTHER_ENDPOINT.match(name):
        fix = "Expect another model's result: this family has its own endpoint"
        yield Problem("other_model", "endpoint", f"{name!r} looks like a 2.5 model", fix, "warn", "DOCS, August")
    if request.images and request.frames():
        yield Problem(
            "images",
            "images or frames",
            "images and frames are set together",
            "Keep one",
            "warn",
            "every page",
        )


def _prompt(request: RequestFields, route: Route) -> Iterator[Problem]:
    rule = route.prompt
    if len(request.prompt) > rule.maximum:
        message = f"{len(request.prompt)} characters, {rule.maximum} at most on {route.title}"
        yield Problem("prompt", "length", message, "Shorten it", rule.level, rule.source)


def _duration(request: RequestFields, route: Route) -> Iterator[Problem]:
    rule = route.duration
    if not rule.minimum <= request.duration <= rule.maximum:
        message = f"{request.duration} s, but {route.title} makes {rule.minimum}-{rule.maximum} s"
        fix = f"Choose {rule.minimum} to {rule.maximum} seconds"
        yield Problem("duration", "range", message, fix, "refuse", rule.source)
        return
    for warning in rule.warn:
        if not warning.covers(request.duration):
            message = f"sources disagree on {request.duration} s for {route.title}"
            yield Problem("duration", "range", message, "Expect that it may be refused", "warn", warning.source)


def _resolution(request: RequestFields, route: Route) -> Iterator[Problem]:
    rule, asked = route.resolution, request.resolution
    if asked == "auto":
        return
    if not rule.sent:
        message = f"{route.title} ({route.model}) ignores it and makes {rule.fixed}; it is not sent"
        yield Problem(
            "resolution",
            "ignored",
            message,
            'Leave it at "auto", or choose another model',
            "warn",
            rule.source,
        )
    elif asked not in rule.values:
        message = f"{asked} is not made by {route.title}"
        yield Problem("resolution", "choice", message, f"Choose {either(rule.values)}", rule.others, rule.source)
    elif asked in rule.warn:
        message = f"sources disagree on {asked} for {route.title}"
        yield Problem("resolution", "choice", message, "Expect that it may be refused", "warn", rule.warn[asked])


def _ratio(request: RequestFields, route: Route) -> Iterator[Problem]:
    rule = route.ratio
    if request.ratio != "auto" and request.ratio not in rule.values:
        message = f"{request.ratio} is not documented for {route.title}"
        yield Problem("ratio", "choice", message, f"Choose {either(rule.values)}", rule.others, rule.source)
    if request.orientation == "auto":
        return
    if request.ratio != "auto":
        message = "the ratio wins, so it is not sent"
        yield Problem("orientation", "ignored", message, "Set one of the two", "warn", "SEED")
    else:
        message = f"it stands in the schema, but on no page of {route.title}"
        yield Problem("orientation", "documented", message, "Set the ratio instead", "warn", "SEED")


def _counts(request: RequestFields, route: Route) -> Iterator[Problem]:
    rules: dict[str, ListRule] = {
        "images": route.images,
        "reference_videos": route.reference_videos,
        "reference_audios": route.reference_audios,
    }
    for field, rule in rules.items():
        count = sum(name.startswith(f"{field}[") for name, _ in request.references())
        for limit in rule.limits:
            if count > limit.maximum:
                kind = field.replace("_", " ")
                at_most = f"at most {limit.maximum}" if limit.maximum else "none"
                doubt = "" if limit.level == "refuse" else " by some source"
                message = f"{count} {kind}, but {at_most} allowed on {route.title}{doubt}"
                fix = f"Keep {limit.maximum}" if limit.maximum else "Remove them, or choose another model"
                yield Problem(field, "count", message, fix, limit.level, limit.source)


def _frame_rules(request: RequestFields, route: Route) -> Iterator[Problem]:
    frames = request.frames()
    if request.images and frames:
        message = f"images and {' and '.join(frames)} are set together"
        fix = "Use reference images or first and last frame, not both"
        yield from _by(route.images_with_frames, "images", "images or frames", message, fix)
    alone = {"first_image": route.first_frame_alone, "last_image": route.last_frame_alone}
    if len(frames) == 1:
        (field,) = frames
        other = "last_image" if field == "first_image" else "first_image"
        doubt = "not taken by" if alone[field].level == "refuse" else "not documented for"
        message = f"{field} alone is {doubt} {route.title}"
        yield from _by(alone[field], field, "both frames", message, f"Set {other} too, or use images")


def _audio(request: RequestFields, route: Route) -> Iterator[Problem]:
    if not request.reference_audios:
        return
    field, frames = "reference_audios", request.frames()
    if frames:
        message = f"audio and frames are set together on {route.title}"
        yield from _by(route.audio_with_frames, field, "audio with frames", message, "Use images instead of frames")
    if not (request.images or request.reference_videos):
        if frames:
            message = "audio is paired with frames only"
            fix = "Expect that it may be refused; images or a reference video are safe"
            yield from _by(route.audio_only_with_frames, field, "audio pairing", message, fix)
        else:
            fix = "Add images, a reference video or frames"
            yield from _by(route.audio_alone, field, "audio pairing", f"audio alone on {route.title}", fix)


def _gif(request: RequestFields, route: Route) -> Iterator[Problem]:
    for field, text in request.references():
        image = field.startswith("images") or field in ("first_image", "last_image")
        if image and text.split("?", 1)[0].split("#", 1)[0].lower().endswith(".gif"):
            yield from _by(route.gif_images, field, "no GIF", f"{route.title} takes no GIF", "Use a JPEG or PNG")


_ROUTE_RULES: tuple[Rule, ...] = (
    _prompt,
    _duration,
    _resolution,
    _ratio,
    _counts,
    _frame_rules,
    _audio,
    _gif,
)


def _by(rule: VerdictRule, field: str, name: str, message: str, fix: str) -> Iterator[Problem]:
    if rule.level != "allow":
        yield Problem(field, name, message, fix, rule.level, rule.source)
