"""Words made from the route table: the form's descriptions and the table of the reference."""

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
    VerdictRule,
)

#: What many models begin with; the form's limits leave it out.
MODEL_PREFIX = "seedance2.0-"


def families() -> Mapping[str, list[Route]]:
    """Group the rows by family, in the table's order."""
    groups: dict[str, list[Route]] = {}
    for route in ROUTES.values():
        groups.setdefault(route.family, []).append(route)
    return groups


def limits(words: Callable[[Route], str]) -> str:
    """Word a limit for the form: the models that differ, those with the same words together, then what holds for most.

    Models have their `short_names`.

    Example:
        >>> limits(lambda route: f"{route.duration.minimum}-{route.duration.maximum}")
        'sd2_*: 4-12; md, fast-md, fast-i2v: 1-15; others: 4-15'
        >>> limits(lambda route: f"up to {route.prompt.maximum}")
        'up to 5000'
        >>> limits(lambda route: "2?" if route.model.startswith("sd2") else "2")
        'sd2_*: 2?; others: 2 ("?": sources disagree)'
    """
    models: dict[str, list[str]] = {}
    for route in ROUTES.values():
        models.setdefault(words(route), []).append(route.model)
    names = {text: short_names(having) for text, having in models.items()}
    common = max(names, key=lambda text: len(names[text]))
    told = [f"{', '.join(having)}: {text}" for text, having in names.items() if text != common]
    said = "; ".join([*told, f"others: {common}"]) if told else common
    return f'{said} ("?": sources disagree)' if "?" in said else said


def short_names(models: list[str]) -> list[str]:
    """Name models in short: without the vendor's prefix, and by what they begin with where no other model does.

    Example:
        >>> short_names(["sd2_mx_video_fast_720p", "seedance2.0-md", "sd2_mx_video_fast_1080p"])
        ['sd2_mx_video_fast_*', 'md']
        >>> short_names(["sd2_mx_fast_720p"])
        ['sd2_mx_fast_720p']
    """
    return [*dict.fromkeys(_short_name(model, {*models}) for model in models)]


def _short_name(model: str, among: set[str]) -> str:
    parts = model.split("_")
    for count in range(1, len(parts)):
        beginning = "_".join(parts[:count]) + "_"
        if {other for other in ROUTES if other.startswith(beginning)} <= among:
            return f"{beginning}*"
    return model.removeprefix(MODEL_PREFIX)


def duration_words(route: Route) -> str:
    """Word the lengths of a route, in seconds, with what is disputed."""
    rule = route.duration
    sure = f" (sure: {either([*map(str, rule.warn.sure)])})" if rule.warn else ""
    return f"{rule.minimum}-{rule.maximum}{sure}"


def resolution_words(route: Route) -> str:
    """Word the resolutions of a route."""
    rule = route.resolution
    if not rule.sent:
        return f"{rule.fixed} only"
    return (
        ", ".join(f"{value}?" if value in rule.warn else value for value in rule.values) + f" (default {rule.default})"
    )


def resolution_choice(route: Route) -> str:
    """Word what may be chosen as the resolution of a route, or what it is."""
    rule = route.resolution
    if rule.sent or rule.fixed not in route.model:
        return resolution_words(route)
    return "that of the model's name only"


def refusing(verdict: Callable[[Route], VerdictRule]) -> str:
    """Name the models that refuse something, in short.

    Example:
        >>> refusing(lambda route: route.gif_images)
        'md, fast-md'
    """
    return ", ".join(short_names([route.model for route in ROUTES.values() if verdict(route).level == "refuse"]))


def ratio_words(route: Route) -> str:
    """Word the aspect ratios of a route; "..." where the list is not published in full."""
    rule = route.ratio
    text = ", ".join(f"{value} (default)" if value == rule.default else value for value in rule.values)
    return text + (", ..." if rule.others == "warn" else "")


def count_words(rule: ListRule) -> str:
    """Word how many entries a list field takes; "?" marks a limit that only some source gives."""
    if not rule.supported():
        return "none"
    sure = [f"max {limit.maximum}" for limit in rule.limits if limit.level == "refuse"]
    doubt = [f"max {limit.maximum}?" if limit.maximum else "disputed" for limit in rule.limits if limit.level == "warn"]
    return ", ".join([*sure, *doubt]) or "yes"


def measure_words(measures: Iterable[Measure], *, doubts: bool = True) -> str:
    """Word the limits of the media themselves; "?" marks one that only some source gives.

    Example:
        >>> measure_words(ROUTES["seedance2.0-md"].video_measures[:4])
        'together at most 15 s, at most 200 MB and at least 4 s?, each 720-2160 px a side'
        >>> measure_words([])
        ''
    """
    groups: dict[str, list[str]] = {}
    for measure in measures:
        which = "together" if measure.of.startswith("total_") else "each"
        groups.setdefault(which, []).append(span_words(measure) + "?" * (doubts and measure.level == "warn"))
    return ", ".join(f"{which} {both(spans)}" for which, spans in groups.items())


def span_words(measure: Measure) -> str:
    """Word one limit, with its unit.

    Example:
        >>> [span_words(measure) for measure in ROUTES["seedance2.0-std"].image_measures]
        ['under 30 MB', '300-6000 px a side', '0.4-2.5 times as wide as high']
    """
    least, most, unit = measure.minimum, measure.maximum, UNITS[measure.of]
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
    """Word how many reference videos a route takes, what they may measure, and whether their seconds are billed."""
    return _media_words(route.reference_videos, route, "video", billed_words(route))


def audio_words(route: Route) -> str:
    """Word how many reference audios a route takes, and what they may measure."""
    return _media_words(route.reference_audios, route, "audio")


def _media_words(rule: ListRule, route: Route, kind: MediaKind, *more: str) -> str:
    if not rule.supported():
        return count_words(rule)
    own = [measure for measure in route.measures_of(kind) if measure not in SHARED_MEASURES[kind]]
    return ", ".join(filter(None, [count_words(rule), measure_words(own), *more]))


def billed_words(route: Route) -> str:
    """Word whose seconds are billed beside those of the video that is made; "" if nobody's.

    Example:
        >>> [billed_words(ROUTES[model]) for model in ("seedance2.0-mini-video", "sd2_mx_video_4k", "seedance2.0-md")]
        ['seconds of the first one are billed too', 'their seconds may be billed too', '']
    """
    rule = route.reference_billing
    whose = {"none": "", "first": "seconds of the first one", "all": "their seconds"}[rule.seconds_of]
    return whose and f"{whose} {'are' if rule.sure else 'may be'} billed too"


def shared_words() -> str:
    """Word what holds of the media of every route that says nothing else: it only warns."""
    route = next(iter(ROUTES.values()))
    return ". ".join(
        f"{kind.capitalize()}s: {', '.join(route.formats_of(kind).values)}, {measure_words(measures, doubts=False)}"
        for kind, measures in SHARED_MEASURES.items()
    )


def url_words(rule: UrlRule) -> str:
    """Word the forms of addresses that a field takes; "?" marks one that is not documented."""
    return ", ".join([*rule.forms, *(f"{form}?" for form in rule.unknown)])


def all_url_words(route: Route) -> str:
    """Word the forms of addresses of all fields of a route, apart where they differ."""
    fields: dict[str, list[str]] = {}
    for name in route.urls._fields:
        fields.setdefault(url_words(getattr(route.urls, name)), []).append(name.removeprefix("reference_"))
    if len(fields) == 1:
        return "".join(fields)
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in fields.items())


def frame_words(route: Route) -> str:
    """Word what a route takes as first and last frame."""
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
