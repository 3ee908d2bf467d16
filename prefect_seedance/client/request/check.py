"""Every rule of every route, checked before anything is paid.

``check`` finds all problems of a request at once, from the route table. It is pure and free. Of references it refuses
what no route at all could use; what the one that is asked for takes is checked elsewhere: see ``references``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import get_args

from prefect_seedance.client.request.fields import RequestFields, ResolutionChoice
from prefect_seedance.client.request.problems import Problem, both, either, shown
from prefect_seedance.client.request.routes import (
    ROUTES,
    ListRule,
    Route,
    VerdictRule,
    orientation_of,
    route_for,
)
from prefect_seedance.client.request.sources import LAST_FRAME, UnusableSource, read_source
from prefect_seedance.client.request.text import IN_A_PROMPT, canonical_text, mentions, unprintable
from prefect_seedance.client.request.words.titles import titled

# What the field can say; a route may make more.
_RESOLUTIONS = get_args(ResolutionChoice)

#: Names that belong to the 2.5 family: on this endpoint they land on another line (DOCS, August).
_OTHER_ENDPOINT = re.compile(r"^(seedance-?2\.5|sd2\.5)")

#: A link whose path ends in .gif.
_GIF_LINK = re.compile(r"https:[^?#]*\.gif(?![^?#])", re.IGNORECASE)

_FRAME_NAMES = {"first_image": "a first frame", "last_image": "a last frame"}

#: How many models a refusal names that would take what was asked for.
_EXAMPLES = 5

Rule = Callable[[RequestFields, Route], Iterator[Problem]]


def check(request: RequestFields, *, prepared: bool = False) -> list[Problem]:
    """Find everything that is wrong with a request, refusals first.

    With ``other_model`` set, the rules of a route are warnings only: the vendor's list changes faster than ours.

    Args:
        request: What to check.
        prepared: Whether its references are the addresses that are sent, which ``references.check_addresses`` checks.

    Example:
        >>> from prefect_seedance.client.request.video_request import VideoRequest
        >>> check(VideoRequest(prompt="A paper boat"))
        []
    """
    problems = list(_always(request))
    if not prepared:
        problems += _sources(request)
    route = route_for(request.model_name)
    if route is not None:
        found = [*_by_route(request, route)]
        if request.other_model:
            problems += [replace(problem, level="warn") for problem in found]
        else:
            problems += _with_ways_out(found, request, route)
    elif request.other_model:
        problems += _unknown_model(request)
    else:
        near = difflib.get_close_matches(request.model.lower(), ROUTES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        fix = f"{hint}Choose one of {', '.join(ROUTES)}, or put a newer name into {titled('other_model')}"
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


def _by_route(request: RequestFields, route: Route) -> Iterator[Problem]:
    for rule in _ROUTE_RULES:
        yield from rule(request, route)


def _with_ways_out(found: list[Problem], request: RequestFields, route: Route) -> Iterator[Problem]:
    """Add to refusals which models take what was asked for, and how to send it all the same where that may help."""
    if all(problem.level == "warn" for problem in found):
        yield from found
        return
    refused: dict[str, set[str]] = {}
    doubted: dict[str, set[str]] = {}
    for other in ROUTES.values():
        elsewhere = [*_by_route(request, other)]
        refused[other.model] = {_field(each) for each in elsewhere if each.level == "refuse"}
        doubted[other.model] = {_field(each) for each in elsewhere}
    # First those that read the same addresses: the request then fits them as it is.
    others = sorted(ROUTES.values(), key=lambda other: other.urls.images.forms != route.urls.images.forms)
    for problem in found:
        if problem.level == "warn":
            yield problem
            continue
        examples: dict[str, str] = {}  # one per family
        for fields in (doubted, refused):  # and before them those that no source doubts
            for other in others:
                if _field(problem) not in fields[other.model]:
                    examples.setdefault(other.family, other.model)
        named = [*examples.values()][:_EXAMPLES]
        way = f", or use a model that takes it, for example {either(named)}" if named else ""
        yield replace(problem, fix=problem.fix + way + all_the_same(problem.newer, route))


def _field(problem: Problem) -> str:
    return problem.field.partition("[")[0]


def all_the_same(newer: str, route: Route) -> str:
    """Return in words how to send what only later sources allow.

    Example:
        >>> all_the_same("newest OAPI takes 3", ROUTES["seedance2.0-md"])
        '. But newest OAPI takes 3: to send it all the same, put seedance2.0-md into Other model (other_model)'
        >>> all_the_same("", ROUTES["seedance2.0-md"])
        ''
    """
    return f". But {newer}: to send it all the same, put {route.model} into {titled('other_model')}" if newer else ""


def _always(request: RequestFields) -> Iterator[Problem]:
    """Yield what breaks a rule of the API itself, which no route can lift."""
    if not canonical_text(request.prompt):
        yield Problem("prompt", "not empty", "the prompt is empty", "Describe what the video shows", "refuse")
    texts = {"prompt": request.prompt, "take": request.take, "other_model": request.other_model}
    for field, text in texts.items():
        if message := unprintable(text, allowed=IN_A_PROMPT if field == "prompt" else ""):
            yield Problem(field, "printable text", message, "Remove it", "refuse")
    yield from _mentions(request)
    if not canonical_text(request.take):
        yield Problem("take", "not empty", "the take is empty", 'Use any text, "1" for the first take', "refuse")
    if request.other_model and not canonical_text(request.other_model):
        yield Problem("other_model", "a name", "it holds only white space", "Clear it, or write a name", "refuse")
    if request.duration < 1:
        yield Problem(
            "duration",
            "positive",
            f"{request.duration} s is not a valid length",
            "Use whole seconds, for example 5",
            "refuse",
        )


def _sources(request: RequestFields) -> Iterator[Problem]:
    """Yield what breaks a rule of what may be written for a reference, which no route can lift."""
    for field, text in request.references():
        try:
            source = read_source(text)
        except UnusableSource as error:
            yield Problem(field, "a source", f"{shown(text)}: {error.message}", error.fix, "refuse")
            continue
        if source.last_frame and field.startswith("reference_"):
            message = f"{shown(text)}: a last frame is a picture, and no picture is taken here"
            fields = either([titled(name) for name in ("images", "first_image", "last_image")])
            fix = f"Leave out {LAST_FRAME}, or move it to {fields}"
            yield Problem(field, "a source", message, fix, "refuse")


def _mentions(request: RequestFields) -> Iterator[Problem]:
    """Warn of a reference that the prompt names and that is not there: the video would show something else.

    Frames count as images. Numbers begin at 1.
    """
    counts = {
        "image": len(request.images) + len(request.frames()),
        "video": len(request.reference_videos),
        "audio": len(request.reference_audios),
    }
    for kind, named in mentions(request.prompt).items():
        count = counts[kind]
        if missing := [text for text, number in named.items() if not 1 <= number <= count]:
            there = f"there is {count} {kind}" if count == 1 else f"there are {count or 'no'} {kind}s"
            message = f"it names {both(missing)}, but {there}"
            fix = f"Name {kind} 1 to {count}, or add what is missing" if count else "Add it, or change the prompt"
            yield Problem("prompt", "named references", message, fix, "warn", "seen with Seedance by other clients")


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
    if request.ratio != "auto" and request.orientation != "auto":
        yield replace(_orientation_beside_ratio(request), level="warn")


def _model(request: RequestFields, route: Route) -> Iterator[Problem]:
    if route.doubt:
        message = f"sources disagree on {route.model} itself"
        field = "other_model" if request.other_model else "model"
        yield Problem(field, "availability", message, "Look at its price in the console first", "warn", route.doubt)


def _prompt(request: RequestFields, route: Route) -> Iterator[Problem]:
    rule, length = route.prompt, len(request.prompt)
    if length > rule.maximum:
        message = f"{length} characters, {rule.maximum} at most on {_named(route)}"
        newer = rule.newer_source(length)
        yield Problem("prompt", "length", message, "Shorten it", rule.level, rule.source, newer)


def _duration(request: RequestFields, route: Route) -> Iterator[Problem]:
    rule, seconds = route.duration, request.duration
    if not rule.minimum <= seconds <= rule.maximum:
        message = f"{seconds} s, but {_named(route)} makes {rule.minimum}-{rule.maximum} s"
        fix = f"Choose {rule.minimum} to {rule.maximum} seconds"
        newer = rule.newer_source(seconds)
        yield Problem("duration", "range", message, fix, "refuse", rule.source, newer)
    elif rule.warn and seconds not in rule.warn.sure:
        message = f"sources disagree on {seconds} s for {_named(route)}"
        fix = f"Expect that it may be refused; {either([*map(str, rule.warn.sure)])} seconds are safe"
        yield Problem("duration", "range", message, fix, "warn", rule.warn.source)


def _resolution(request: RequestFields, route: Route) -> Iterator[Problem]:
    rule, asked = route.resolution, request.resolution
    if asked == "auto":
        return
    if asked not in rule.made():
        instead = "" if rule.sent else f", which makes {rule.fixed} whatever is asked; it is not sent"
        # What the form's choices do not have is in the model's name only, and comes with "auto".
        choices = [value for value in rule.made() if value in _RESOLUTIONS] or ['"auto"']
        level = "refuse" if rule.refuses_others() else "warn"
        message = f"{asked} is not made by {_named(route)}{instead}"
        yield Problem("resolution", "choice", message, f"Choose {either(choices)}", level, rule.source)
    elif asked in rule.warn:
        message = f"sources disagree on {asked} for {_named(route)}"
        yield Problem("resolution", "choice", message, "Expect that it may be refused", "warn", rule.warn[asked])


def _ratio(request: RequestFields, route: Route) -> Iterator[Problem]:
    rule, asked = route.ratio, request.ratio
    if asked != "auto" and asked not in rule.values:
        message = f"{asked} is not documented for {_named(route)}"
        fix = f"Choose {either(rule.values)}"
        yield Problem("ratio", "choice", message, fix, rule.others, rule.source, rule.newer_source(asked))


def _orientation(request: RequestFields, route: Route) -> Iterator[Problem]:
    if request.orientation == "auto":
        return
    if request.ratio == "auto":
        message = f"it stands in the schema, but on no page of {_named(route)}"
        yield Problem("orientation", "documented", message, f"Set {titled('ratio')} instead", "warn", "SEED")
    else:
        yield _orientation_beside_ratio(request)


def _orientation_beside_ratio(request: RequestFields) -> Problem:
    """Return what is wrong with an orientation beside a ratio: the ratio wins, and the orientation would be lost."""
    asked, made = request.orientation, orientation_of(request.ratio)
    if made == asked:
        message = "the ratio says it already and wins, so it is not sent"
        return Problem("orientation", "ignored", message, "Set one of the two", "warn", "SEED")
    message = f"the ratio {request.ratio} wins, so the video would not be sure to be {asked}"
    example = {"landscape": "16:9", "portrait": "9:16"}[asked]
    fix = f'Choose "auto"{f" or {made}" * bool(made)}, or a ratio that is {asked}, for example {example}'
    return Problem("orientation", "ignored", message, fix, "refuse", "SEED: the ratio takes precedence")


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
                kind = field.replace("_", " ").removesuffix("s" if count == 1 else "")
                at_most = f"at most {limit.maximum}" if limit.maximum else "none"
                doubt = "" if limit.level == "refuse" else " by some source"
                message = f"{count} {kind}, but {at_most} allowed on {_named(route)}{doubt}"
                fix = f"Keep {limit.maximum}" if limit.maximum else "Remove them"
                newer = limit.newer_source(count)
                yield Problem(field, "count", message, fix, limit.level, limit.source, newer)


def _frame_rules(request: RequestFields, route: Route) -> Iterator[Problem]:
    frames = request.frames()
    if request.images and frames:
        message = f"{both([titled(name) for name in ('images', *frames)])} are set together"
        fix = "Use reference images or first and last frame, not both"
        yield from _by(route.images_with_frames, "images", "images or frames", message, fix)
    if len(frames) == 2:
        message = f"first and last frame on {_named(route)}"
        yield from _by(
            route.both_frames, "first_image", "no frames", message, f"Use {titled('images')} instead of frames"
        )
    alone = {"first_image": route.first_frame_alone, "last_image": route.last_frame_alone}
    if len(frames) == 1:
        (field,) = frames
        other = "last_image" if field == "first_image" else "first_image"
        doubt = "not taken by" if alone[field].level == "refuse" else "doubtful on"
        message = f"{_FRAME_NAMES[field]} alone is {doubt} {_named(route)}"
        fix = f"Set {titled(other)} too, or use {titled('images')}"
        yield from _by(alone[field], field, "both frames", message, fix)


def _audio(request: RequestFields, route: Route) -> Iterator[Problem]:
    if not request.reference_audios:
        return
    field = "reference_audios"
    if request.frames():
        message = f"audio and frames are set together on {_named(route)}"
        yield from _by(
            route.audio_with_frames, field, "audio with frames", message, f"Use {titled('images')} instead of frames"
        )
    elif not (request.images or request.reference_videos):
        fix = f"Add images{', a reference video' * route.reference_videos.supported()} or frames"
        yield from _by(route.audio_alone, field, "audio pairing", f"audio alone on {_named(route)}", fix)


def _gif(request: RequestFields, route: Route) -> Iterator[Problem]:
    """Refuse a link that is named as a GIF: the vendor reads it by itself, and may well go by that name.

    Of a file and of an object in a bucket the content decides, since they can be read before anything is paid; see
    `media.preflight`. The id of an asset is not a name.
    """
    for field, text in request.references():
        image = field.startswith("images") or field in ("first_image", "last_image")
        if image and _GIF_LINK.match(text):
            message = f"by its name it is a GIF, and {_named(route)} takes none"
            fix = "Use a JPEG or PNG; if it is one under this name, download it and write the path of the file"
            yield from _by(route.gif_images, field, "no GIF", message, fix)


_ROUTE_RULES: tuple[Rule, ...] = (
    _model,
    _prompt,
    _duration,
    _resolution,
    _ratio,
    _orientation,
    _counts,
    _frame_rules,
    _audio,
    _gif,
)


def _by(rule: VerdictRule, field: str, name: str, message: str, fix: str) -> Iterator[Problem]:
    if rule.level != "allow":
        yield Problem(field, name, message, fix, rule.level, rule.source)


def _named(route: Route) -> str:
    return f"{route.title} ({route.model})"
