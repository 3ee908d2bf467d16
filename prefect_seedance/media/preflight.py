"""Every limit of the media themselves, checked before anything is paid: what was measured against the route's row.

Pure: whoever calls it has measured. Where the sources leave room, a limit that refuses is read in the reference's
favour:

- **MB.** No source says whether it means 1,000,000 or 1,048,576 bytes. Refused is what is too much by both; too much by
  the first alone is a warning.
- **Seconds.** 0.2 s to spare at each end. Containers round a length up to whole frames of picture and sound (a video
  of 12 s that the vendor made itself measures 12.05 s, and three such references add up), and the one message of the
  upstream that tells its bounds has the same 0.2 s: "between 1.8s and 30.2s".
- **Frames per second.** 0.05 to spare: what is called 24 is 23.976 in most films.

Sides and ratio are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from prefect_seedance.client.request import describe
from prefect_seedance.client.request.problems import Level, Problem, both, either
from prefect_seedance.client.request.routes import Measure, Measured, MediaKind, Route, kind_at, route_for
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.request.words.titles import titled
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.media.identification import shown_source

#: How far beyond either end of a limit a number may lie; see above.
_TO_SPARE: Mapping[Measured, float] = {"seconds": 0.2, "total_seconds": 0.2, "frames_per_second": 0.05}
_LEAST_MEGABYTE, _MOST_MEGABYTE = 10**6, 2**20

#: Beyond every limit, in any unit: a header may claim more than can be counted with.
_ENDLESS = 10**12

_KIND_NAMES = {"image": "an image", "video": "a video", "audio": "an audio file"}
_FIELD_FOR = {"image": "images", "video": "reference_videos", "audio": "reference_audios"}


class _Rule(NamedTuple):
    """The words of a measure: the rule's name, what is measured, how to keep to it."""

    name: str
    subject: str
    fix: str
    of_each: Measured
    """What is added up, where it is of all together."""


_RULES: Mapping[Measured, _Rule] = {
    "pixels": _Rule("sides", "its sides", "Scale or crop it", "pixels"),
    "ratio": _Rule("shape", "its shape", "Crop it", "ratio"),
    "seconds": _Rule("length", "its length", "Cut it, or use another", "seconds"),
    "megabytes": _Rule("size", "its size", "Save it smaller", "megabytes"),
    "frames_per_second": _Rule("frame rate", "its frame rate", "Save it at another frame rate", "frames_per_second"),
    "total_seconds": _Rule("combined length", "its length", "Cut them, or use others", "seconds"),
    "total_megabytes": _Rule("combined size", "its size", "Save them smaller, or send fewer", "megabytes"),
}


class _Reference(NamedTuple):
    """A reference of a request, with what was measured of it."""

    place: str
    text: str
    facts: ReferenceFacts

    @property
    def field(self) -> str:
        return self.place.partition("[")[0]

    @property
    def wanted(self) -> MediaKind:
        return kind_at(self.place)

    @property
    def name(self) -> str:
        """The reference as the user named it, without what may be secret in it."""
        return shown_source(self.text)


def check_facts(request: VideoRequest, facts: Mapping[str, ReferenceFacts]) -> list[Problem]:
    """Find everything that is wrong with the media of a request, refusals first.

    What cannot be a reference of its field is refused on every route. With ``other_model`` set, the rules of a route
    are warnings only.

    Args:
        request: The request as it was asked.
        facts: What was measured, by place, for example ``images[0]``, ``first_image``, ``reference_videos[1]``. A
            place that is not there is not judged by itself; combined limits then hold of the others at least.

    Example:
        >>> request = VideoRequest(prompt="A boat", model="seedance2.0-std", reference_videos=["/clips/boat.png"])
        >>> facts = {"reference_videos[0]": ReferenceFacts("image", "png", 90_000, 1280, 720)}
        >>> print(*check_facts(request, facts))
        Reference videos, entry 1 (reference_videos[0]): '/clips/boat.png' is an image by its content, where a video \
belongs. Put it into Reference images (images). (source: every page)
    """
    given = [_Reference(place, text, facts[place]) for place, text in request.references() if place in facts]
    problems = {each.place: [*_wrong_kind(each)] for each in given}
    found = [problem for of_one in problems.values() for problem in of_one]
    route = route_for(request.model_name)
    if route:
        fitting = [each for each in given if all(problem.level == "warn" for problem in problems[each.place])]
        by_route = [problem for each in fitting for problem in _by_route(each, route)]
        for field in dict.fromkeys(each.field for each in fitting):
            count = sum(place.partition("[")[0] == field for place, _ in request.references())
            by_route += _combined([each for each in fitting if each.field == field], count, route)
        found += [replace(problem, level="warn") for problem in by_route] if request.other_model else by_route
    return sorted(found, key=lambda problem: problem.level)


def _wrong_kind(reference: _Reference) -> Iterator[Problem]:
    """What no model reads, as it would read it, whatever its route."""
    facts, place, wanted = reference.facts, reference.place, _KIND_NAMES[reference.wanted]
    if facts.size == 0:
        message = f"{reference.name} is empty, of 0 bytes"
        yield Problem(place, "not empty", message, "Save it again, or use another", "refuse")
    elif facts.kind == "other":
        known = f" ({facts.format})" if facts.format else ""
        message = f"{reference.name} is neither picture, video nor sound by its content{known}, where {wanted} belongs"
        fix = "Open it and see; behind a link it may be the page of a login"
        yield Problem(place, "kind of media", message, fix, "refuse", "every page")
    elif facts.damaged and facts.kind == reference.wanted:
        message = f"{reference.name} cannot be read as {wanted}: {facts.damaged}"
        yield Problem(place, "whole file", message, "Open it and see; save or copy it again, or use another", "refuse")
    elif facts.kind != reference.wanted:
        message = f"{reference.name} is {_KIND_NAMES[facts.kind]} by its content, where {wanted} belongs"
        fix = f"Put it into {titled(_FIELD_FOR[facts.kind])}"
        if (facts.kind, reference.wanted) == ("video", "image"):
            fix += "; or write last-frame+ before its s3:// address or path, for its last frame"
        yield Problem(place, "kind of media", message, fix, "refuse", "every page")
    elif facts.doubt:
        message = f"{reference.name} may not be whole: {facts.doubt}"
        yield Problem(
            place, "whole file", message, "Open it and see; save or copy it again if a part is missing", "warn"
        )


def _by_route(reference: _Reference, route: Route) -> Iterator[Problem]:
    """What one reference breaks by itself, and what of it could not be looked at."""
    facts, kind, place = reference.facts, reference.wanted, reference.place
    formats, gif = route.formats_of(kind), route.gif_images
    if kind == "image" and facts.format == "gif" and gif.level != "allow":
        message = f"{reference.name} is a GIF by its content, and {_named(route)} takes none"
        yield Problem(place, "no GIF", message, "Use a JPEG or PNG", gif.level, gif.source)
    elif facts.format and facts.format not in formats.values:
        message = f"{reference.name} has the format {facts.format}, which is not documented for {_named(route)}"
        yield Problem(place, "format", message, f"Use {either(formats.values)}", formats.others, formats.source)
    measures = route.measures_of(kind)
    for measure in measures:
        if not measure.of.startswith("total_") and (level := _level(measure, _numbers(measure.of, facts))):
            message = f"{reference.name} is {_measured(measure, facts)}, but {_limit(measure, level, route)}"
            fix = _fix(measure, _numbers(measure.of, facts))
            yield Problem(place, _RULES[measure.of].name, message, fix, level, measure.source)
    silent = [each for each in measures if not _numbers(each.of, facts)]
    unknown = [each for each in silent if each.level == "refuse"]
    missing = [_RULES[each.of].subject for each in unknown]
    limits, sources = describe.measure_words(unknown), [each.source for each in unknown]
    if kind == "image" and not facts.format and gif.level == "refuse":
        missing.append("its format")
        limits = ", ".join(filter(None, [limits, "no GIF"]))
        sources.append(gif.source)
    if missing:
        why = f" ({facts.unread})" if facts.unread else ""
        message = (
            f"{both([*dict.fromkeys(missing)])} could not be read from {reference.name}{why}, so limits of "
            f"{_named(route)} are not checked before paying"
        )
        fix = f"Make sure of it by yourself: {limits}"
        if kind != "image" and (facts.unread_here or not facts.unread):
            fix += f"; {kind}s are measured where prefect-seedance[media] is installed"
        yield Problem(place, "not measured", message, fix, "warn", ", ".join(dict.fromkeys(sources)))
    elif facts.unread and silent and not facts.unread_here:
        # No limit would refuse it, but the vendor may not be able to read it either.
        subjects = both([*dict.fromkeys(_RULES[each.of].subject for each in silent)])
        message = f"{subjects} could not be read from {reference.name} ({facts.unread})"
        yield Problem(place, "not measured", message, "Open it and see whether it is whole", "warn")


def _combined(references: Sequence[_Reference], count: int, route: Route) -> Iterator[Problem]:
    """What the references of one field break together; of ``count`` that were sent, some may not have been measured."""
    field, kind = references[0].field, references[0].wanted
    for measure in route.measures_of(kind):
        if not measure.of.startswith("total_"):
            continue
        known = [(each, number) for each in references for number in _numbers(measure.of, each.facts)]
        total = round(sum(number for _, number in known), 3)
        if len(known) < count:  # it is at least so much
            measure = measure._replace(minimum=0)
        if known and (level := _level(measure, [total])):
            parts = [f"{_amount(measure, number)} in {each.place} {each.name}" for each, number in known]
            if len(known) < count:
                parts.append(f"{count - len(known)} not measured")
            message = (
                f"{'at least ' * (len(known) < count)}{_amount(measure, total)} together ({', '.join(parts)}), but "
                f"{_limit(measure, level, route)}"
            )
            fix = _fix(measure, [total])
            yield Problem(field, _RULES[measure.of].name, message, fix, level, measure.source)


def _fix(measure: Measure, numbers: Sequence[float]) -> str:
    is_short = _RULES[measure.of].of_each == "seconds" and min(numbers) < measure.minimum
    return "Use longer ones" if is_short else _RULES[measure.of].fix


def _numbers(of: Measured, facts: ReferenceFacts) -> Sequence[float]:
    """Return what a measure is about: both sides, or one number, bytes for MB; nothing where it is not known."""
    width, height = _known(facts.width), _known(facts.height)
    numbers: Mapping[Measured, Sequence[float]] = {
        "pixels": (width, height),
        "ratio": (width / height if height else 0,),
        "seconds": (_known(facts.seconds),),
        "megabytes": (_known(facts.size or 0),),
        "frames_per_second": (_known(facts.frames_per_second),),
    }
    found = numbers[_RULES[of].of_each]
    return found if all(found) else ()


def _known(number: float) -> float:
    """Return a number that a file said of itself, to the thousandth; 0 for what is nonsense."""
    return min(round(number, 3), _ENDLESS) if number > 0 else 0


def _level(measure: Measure, numbers: Sequence[float]) -> Level | None:
    """Judge numbers by a limit: the worst of them decides."""
    levels = {_level_of(measure, number) for number in numbers}
    return "refuse" if "refuse" in levels else "warn" if "warn" in levels else None


def _level_of(measure: Measure, number: float) -> Level | None:
    spare = _TO_SPARE.get(measure.of, 0)
    if number < measure.minimum - spare:
        return measure.level
    if measure.maximum is None:
        return None
    least, most = (_LEAST_MEGABYTE, _MOST_MEGABYTE) if _in_bytes(measure) else (1, 1)

    def is_too_much(unit: int) -> bool:
        end = (measure.maximum or 0) * unit
        return number >= end if measure.below else number > end + spare

    return measure.level if is_too_much(most) else "warn" if is_too_much(least) else None


def _in_bytes(measure: Measure) -> bool:
    return measure.of in ("megabytes", "total_megabytes")


def _measured(measure: Measure, facts: ReferenceFacts) -> str:
    sides = f"{'x'.join(f'{side:.0f}' for side in _numbers('pixels', facts))} px"
    if measure.of == "pixels":
        return sides
    (number,) = _numbers(measure.of, facts)
    return f"{_amount(measure, number)}{f' ({sides})' * (measure.of == 'ratio')}"


def _amount(measure: Measure, number: float) -> str:
    """Word a number with its unit, with as many digits as tell it from the limit."""
    number = number / _LEAST_MEGABYTE if _in_bytes(measure) else number
    limits = (measure.minimum or None, measure.maximum)
    text = ""
    for digits in range(2, 7):
        text = f"{number:.{digits}f}"
        if number in limits or float(text) not in limits:
            break
    return f"{text.rstrip('0').rstrip('.')} {describe.UNITS[measure.of]}"


def _limit(measure: Measure, level: Level, route: Route) -> str:
    together = " together" * measure.of.startswith("total_")
    doubt = ""
    if level != measure.level:
        doubt = f", which is kept only if a MB has {_MOST_MEGABYTE:,} bytes and not {_LEAST_MEGABYTE:,}"
    return f"{_named(route)} takes {describe.span_words(measure)}{together}{doubt}"


def _named(route: Route) -> str:
    return f"{route.title} ({route.model})"
