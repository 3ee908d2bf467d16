"""The route table of the reference: compact, with a sign where sources disagree. The form: `form_help`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prefect_seedance.client.request.problems import both, either
from prefect_seedance.client.request.routes import (
    ROUTES,
    SHARED_MEASURES,
    ListRule,
    Measure,
    Measured,
    MediaKind,
    Route,
    UrlRule,
)


def families() -> Mapping[str, list[Route]]:
    """Group the rows by family, in the table's order."""
    groups: dict[str, list[Route]] = {}
    for route in ROUTES.values():
        groups.setdefault(route.family, []).append(route)
    return groups


def duration_words(route: Route) -> str:
    """Return in words the lengths of a route, in seconds, with what is disputed."""
    rule = route.duration
    sure = f" (sure: {either([*map(str, rule.warn.sure)])})" if rule.warn else ""
    return f"{rule.minimum}-{rule.maximum}{sure}"


def resolution_words(route: Route) -> str:
    """Return in words the resolutions of a route."""
    rule = route.resolution
    if not rule.sent:
        return f"{rule.fixed} only"
    return (
        ", ".join(f"{value}?" if value in rule.warn else value for value in rule.values) + f" (default {rule.default})"
    )


def resolution_choice(route: Route) -> str:
    """Return in words what may be chosen as the resolution of a route, or what it is."""
    rule = route.resolution
    if rule.sent or rule.fixed not in route.model:
        return resolution_words(route)
    return "that of the model's name only"


def ratio_words(route: Route) -> str:
    """Return in words the aspect ratios of a route; "..." where the list is not published in full."""
    rule = route.ratio
    text = ", ".join(f"{value} (default)" if value == rule.default else value for value in rule.values)
    return text + (", ..." if rule.others == "warn" else "")


def count_words(rule: ListRule) -> str:
    """Return in words how many entries a list field takes; "?" marks a limit that only some source gives."""
    if not rule.supported():
        return "none"
    sure = [f"max {limit.maximum}" for limit in rule.limits if limit.level == "refuse"]
    doubt = [f"max {limit.maximum}?" if limit.maximum else "disputed" for limit in rule.limits if limit.level == "warn"]
    return ", ".join([*sure, *doubt]) or "yes"


def measure_words(
    measures: Iterable[Measure], *, doubts: bool = True, units: Mapping[Measured, str] | None = None
) -> str:
    """Return in words the limits of the media themselves; "?" marks one that only some source gives.

    Example:
        >>> measure_words(ROUTES["seedance2.0-md"].video_measures[:4])
        'together at most 15 s, at most 200 MB and at least 4 s?, each 720-2160 px a side'
        >>> measure_words([])
        ''
    """
    groups: dict[str, list[str]] = {}
    for measure in measures:
        which = "together" if measure.of.startswith("total_") else "each"
        groups.setdefault(which, []).append(span_words(measure, units) + "?" * (doubts and measure.level == "warn"))
    return ", ".join(f"{which} {both(spans)}" for which, spans in groups.items())


def span_words(measure: Measure, units: Mapping[Measured, str] | None = None) -> str:
    """Return in words one limit, with its unit: of these, else in short.

    Example:
        >>> [span_words(measure) for measure in ROUTES["seedance2.0-std"].image_measures]
        ['under 30 MB', '300-6000 px a side', '0.4-2.5 times as wide as high']
    """
    least, most, unit = measure.minimum, measure.maximum, (units or UNITS)[measure.of]
    if most is None:
        return f"at least {least:g} {unit}"
    if least:
        return f"{least:g}-{most:g} {unit}"
    return f"{'under' if measure.below else 'at most'} {most:g} {unit}"


UNITS: Mapping[Measured, str] = {
    "total_seconds": "s",
    "total_megabytes": "MB",
    "seconds": "s",
    "megabytes": "MB",
    "pixels": "px a side",
    "ratio": "times as wide as high",
    "frames_per_second": "fps",
}


def video_words(route: Route) -> str:
    """Return in words how many reference videos a route takes, what they may measure, and whether they are billed."""
    return _media_words(route.reference_videos, route, "video", billed_words(route))


def audio_words(route: Route) -> str:
    """Return in words how many reference audios a route takes, and what they may measure."""
    return _media_words(route.reference_audios, route, "audio")


def _media_words(rule: ListRule, route: Route, kind: MediaKind, *more: str) -> str:
    if not rule.supported():
        return count_words(rule)
    own = [measure for measure in route.measures_of(kind) if measure not in SHARED_MEASURES[kind]]
    return ", ".join(filter(None, [count_words(rule), measure_words(own), *more]))


def billed_words(route: Route) -> str:
    """Return in words whose seconds are billed beside those of the video that is made; "" if nobody's.

    Example:
        >>> [billed_words(ROUTES[model]) for model in ("seedance2.0-mini-video", "sd2_mx_video_4k", "seedance2.0-md")]
        ['seconds of the first one are billed too', 'their seconds may be billed too', '']
    """
    rule = route.reference_billing
    whose = {"none": "", "first": "seconds of the first one", "all": "their seconds"}[rule.seconds_of]
    return whose and f"{whose} {'are' if rule.sure else 'may be'} billed too"


def shared_words() -> str:
    """Return in words what holds of the media of every route that says nothing else: it only warns."""
    route = next(iter(ROUTES.values()))
    return ". ".join(
        f"{kind.capitalize()}s: {', '.join(route.formats_of(kind).values)}, {measure_words(measures, doubts=False)}"
        for kind, measures in SHARED_MEASURES.items()
    )


def url_words(rule: UrlRule) -> str:
    """Return in words the forms of addresses that a field takes; "?" marks one that is not documented."""
    return ", ".join([*rule.forms, *(f"{form}?" for form in rule.unknown)])


def all_url_words(route: Route) -> str:
    """Return in words the forms of addresses of all fields of a route, apart where they differ."""
    fields: dict[str, list[str]] = {}
    for name in route.urls._fields:
        fields.setdefault(url_words(getattr(route.urls, name)), []).append(name.removeprefix("reference_"))
    if len(fields) == 1:
        return "".join(fields)
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in fields.items())


def frame_words(route: Route) -> str:
    """Return in words what a route takes as first and last frame."""
    first, last = route.first_frame_alone.level, route.last_frame_alone.level
    words = {"allow": "yes", "warn": "doubtful", "refuse": "no"}
    both = {"allow": "both", "warn": "both?", "refuse": "not both"}[route.both_frames.level]
    if first == last == "refuse":
        return f"{both} or neither"
    return f"{both}; first alone: {words[first]}, last alone: {words[last]}"


def markdown_table() -> str:
    """Return the route table of the reference, and below it what holds of media everywhere."""
    head = (
        "Route",
        "Models",
        "Billed",
        "Seconds",
        "Resolution",
        "Ratio",
        "Images",
        "Frames",
        "Videos",
        "Audios",
        "URLs",
    )
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for rows in families().values():
        route = rows[0]

        def each(words: Callable[[Route], str], rows: list[Route] = rows) -> str:
            return " / ".join(dict.fromkeys(words(row) for row in rows))

        cells = (
            route.title,
            ", ".join(f"`{row.model}`{'?' * bool(row.doubt)}" for row in rows),
            route.billing_unit.replace("_", " "),
            duration_words(route),
            each(resolution_words),
            ratio_words(route),
            count_words(route.images),
            frame_words(route),
            each(video_words),
            each(audio_words),
            all_url_words(route),
        )
        lines.append(" | ".join(cells))
    table = "".join(f"| {line} |\n" for line in lines)
    return f"{table}\nWhere a row says nothing else, these limits of sister services only warn. {shared_words()}.\n"
