"""The form's help, in sentences made from the route table: a row that changes changes the words.

Each sentence says what some models take, and the last one what all others take. Where a model is not certain to take
something, the sentence says so in words; the table of the documentation has signs for that (`describe`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prefect_seedance.client.request.describe import billed_words, measure_words, resolution_choice
from prefect_seedance.client.request.problems import both, either
from prefect_seedance.client.request.routes import (
    ROUTES,
    SHARED_MEASURES,
    ListRule,
    Measured,
    MediaKind,
    Route,
    VerdictRule,
)

#: How many models share a beginning before it stands for them.
_SHARED_BY = 2
_UNITS: Mapping[Measured, str] = {
    "total_seconds": "seconds",
    "total_megabytes": "MB",
    "seconds": "seconds",
    "megabytes": "MB",
    "pixels": "pixels a side",
    "ratio": "times as wide as high",
    "frames_per_second": "frames a second",
}


def sentences(words: Callable[[Route], str]) -> str:
    """Return what each model takes: those that differ first, with the same words together, then all others.

    Args:
        words: Of a route, from its verb on. ``{s}`` and ``{es}`` end the verbs of one model alone.

    Example:
        >>> sentences(lambda route: f"take{{s}} {route.prompt.maximum} characters")
        'Every model takes 5000 characters.'
        >>> sentences(lambda route: f"bill{{s}} {route.billing_unit.replace('_', ' ')}")
        'seedance2.0-mini-sp, seedance2.0-md, seedance2.0-fast-md, seedance2.0-fast-i2v and seedance2.0-std bill per \
task. All other models bill per second.'
    """
    models: dict[str, list[str]] = {}
    for route in ROUTES.values():
        models.setdefault(words(route), []).append(route.model)
    if len(models) == 1:
        return f"Every model {_of_one(next(iter(models)))}."
    named = {text: names(having) for text, having in models.items()}
    common = max(named, key=lambda text: (len(named[text]), len(models[text])))
    said: list[str] = []
    for text, having in models.items():
        if text != common:
            verb = _of_one(text) if len(having) == 1 else _of_many(text)
            said.append(f"{both(named[text])} {verb}.")
    # The name of a model keeps its small letter.
    begun = [each.replace("models", "Models", 1) if each.startswith("models") else each for each in said]
    return " ".join([*begun, f"All other models {_of_many(common)}."])


def _of_one(text: str) -> str:
    return text.format(s="s", es="es")


def _of_many(text: str) -> str:
    return text.format(s="", es="")


def names(models: Iterable[str]) -> list[str]:
    """Return the names of models, or what only their names begin with.

    Example:
        >>> names(["sd2_mx_video_fast_720p", "seedance2.0-md", "sd2_mx_video_fast_1080p"])
        ['models that begin with sd2_mx_video_fast_', 'seedance2.0-md']
    """
    among = [*models]
    begun = [_beginning(model, {*among}) for model in among]
    groups = [each for each in dict.fromkeys(begun) if each.endswith("_")]
    singles = [model for model, beginning in zip(among, begun, strict=True) if not beginning.endswith("_")]
    return [*([f"models that begin with {either(groups)}"] if groups else []), *singles]


def _beginning(model: str, among: set[str]) -> str:
    parts = model.split("_")
    for count in range(1, len(parts)):
        beginning = "_".join(parts[:count]) + "_"
        having = {other for other in ROUTES if other.startswith(beginning)}
        if having <= among and len(having) >= _SHARED_BY:
            return beginning
    return model


def prompt_words(route: Route) -> str:
    """Return in words how long a prompt may be."""
    longest = route.prompt.maximum
    if route.prompt.level == "refuse":
        return f"take{{s}} at most {longest} characters"
    return f"take{{s}} {longest} characters, and may refuse more"


def duration_words(route: Route) -> str:
    """Return in words how long a video may be."""
    rule = route.duration
    sure = ""
    if rule.warn:
        sure = f", of which only {either([*map(str, rule.warn.sure)])} seconds are certain: others may be refused"
    return f"make{{s}} {rule.minimum} to {rule.maximum} seconds{sure}"


def resolution_words(route: Route) -> str:
    """Return in words which resolutions a route makes."""
    rule = route.resolution
    if not rule.sent:
        named = resolution_choice(route) != f"{rule.fixed} only"
        return "make{s} the resolution of the name, and no other" if named else f"make{{s}} {rule.fixed} only"
    sure = [value for value in rule.values if value not in rule.warn]
    doubtful = [value for value in rule.values if value in rule.warn]
    more = f", and perhaps {either(doubtful)}" if doubtful else ""
    return f"make{{s}} {either(sure)}{more}, and {rule.default} with auto"


def ratio_words(route: Route) -> str:
    """Return in words which aspect ratios a route takes."""
    rule = route.ratio
    more = ", and may take others" if rule.others == "warn" else ""
    usual = f", and make{{s}} {rule.default} with auto" if rule.default else ""
    return f"take{{s}} {either(rule.values)}{more}{usual}"


def count_words(rule: ListRule, what: str) -> str:
    """Return in words how many entries a list takes.

    Example:
        >>> route = ROUTES["seedance2.0-md"]
        >>> count_words(route.images, "images"), count_words(route.reference_audios, "audios")
        ('take{s} at most 4 images', 'take{s} no audios')
        >>> count_words(ROUTES["sd2_mx_720p"].images, "images")
        'take{s} images, but more than 9 may be refused'
    """
    if not rule.supported():
        return f"take{{s}} no {what}"
    most = rule.refused_above()
    words = f"take{{s}} {what}" if most is None else f"take{{s}} at most {most} {what}"
    doubts = [limit.maximum for limit in rule.limits if limit.level == "warn"]
    if not doubts:
        return words
    if min(doubts) == 0:
        return f"{words}, but may refuse them: the vendor's pages disagree"
    return f"{words}, but more than {min(doubts)} may be refused"


def image_words(route: Route) -> str:
    """Return in words how many reference images a route takes."""
    return count_words(route.images, "images")


def video_words(route: Route) -> str:
    """Return in words how many reference videos a route takes, what they may measure, and whether they are billed."""
    billed = billed_words(route)
    return _media_words(route.reference_videos, route, "video") + (f"; {billed}" if billed else "")


def audio_words(route: Route) -> str:
    """Return in words how many reference audios a route takes, and what they may measure."""
    return _media_words(route.reference_audios, route, "audio")


def _media_words(rule: ListRule, route: Route, kind: MediaKind) -> str:
    words = count_words(rule, "audio files" if kind == "audio" else f"{kind}s")
    if not rule.supported():
        return words
    own = [measure for measure in route.measures_of(kind) if measure not in SHARED_MEASURES[kind]]
    must = measure_words([each for each in own if each.level == "refuse"], units=_UNITS)
    should = measure_words([each for each in own if each.level == "warn"], doubts=False, units=_UNITS)
    return words + (f"; they must be {must}" if must else "") + (f"; they should be {should}" if should else "")


def frame_words(route: Route) -> str:
    """Return in words which frames a route takes.

    Example:
        >>> frame_words(ROUTES["seedance2.0-fast-md"])
        'take{s} both frames, and never a first frame alone or a last frame alone'
    """
    rules: Mapping[str, VerdictRule] = {
        "both frames": route.both_frames,
        "a first frame alone": route.first_frame_alone,
        "a last frame alone": route.last_frame_alone,
    }
    sure, doubtful, never = (
        [what for what, rule in rules.items() if rule.level == level] for level in ("allow", "warn", "refuse")
    )
    parts = [f"take{{s}} {either(sure)}"] if sure else []
    if doubtful:
        parts.append(f"may refuse {either(doubtful)}")
    if never:
        parts.append(f"never {either(never)}" if sure else f"never take{{s}} {either(never)}")
    return ", and ".join(parts)


def refusing(verdict: Callable[[Route], VerdictRule]) -> str:
    """Return the names of the models that refuse something.

    Example:
        >>> refusing(lambda route: route.gif_images)
        'seedance2.0-md or seedance2.0-fast-md'
    """
    return either(names([route.model for route in ROUTES.values() if verdict(route).level == "refuse"]))
