"""The route table: what each of the vendor's models accepts, as data.

One row per model, read from ``routes.json``. The validator, the UI form, the README's table, the price
estimate and the simulator all take their rules from these rows, so adding a route is adding a row there.

The seed page (SEED) is law. Each limit says what to do when it is broken: ``refuse`` where the seed says so, or where
it is silent and every source that speaks agrees; ``warn`` where another source is stricter or the seed is silent.
``newer`` is what later sources allow beyond the seed: that is refused too, and the refusal says so. The sources are
named in the data file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast, get_args

from prefect_seedance.client.request.problems import Level

Ruling = Literal["allow", "warn", "refuse"]
UrlForm = Literal["https", "asset"]
MediaKind = Literal["image", "video", "audio"]
Measured = Literal["total_seconds", "total_megabytes", "seconds", "megabytes", "pixels", "ratio", "frames_per_second"]
BillingUnit = Literal["per_second", "per_task"]


_KINDS: Mapping[str, MediaKind] = {"reference_videos": "video", "reference_audios": "audio"}


def kind_at(place: str) -> MediaKind:
    """Return what belongs into a place of references, for example ``images[0]`` or ``first_image``.

    Example:
        >>> kind_at("first_image"), kind_at("reference_videos[1]")
        ('image', 'video')
    """
    return _KINDS.get(place.partition("[")[0], "image")


class NewerMaximum(NamedTuple):
    """The largest value that sources later than the seed allow."""

    maximum: int
    source: str


class NewerValues(NamedTuple):
    """The values that sources later than the seed allow beside the seed's."""

    values: tuple[str, ...]
    source: str


class Limit(NamedTuple):
    """At most ``maximum`` entries (0: the field is not supported)."""

    maximum: int
    level: Level
    source: str
    newer: NewerMaximum | None = None

    def newer_source(self, count: int) -> str:
        """Return which later source allows so many, "" if none does."""
        return self.newer.source if self.newer and count <= self.newer.maximum else ""


class SureSeconds(NamedTuple):
    """The only lengths in seconds that every source allows: a warning about every other."""

    sure: tuple[int, ...]
    source: str


class DurationRule(NamedTuple):
    """Lengths in seconds: refused outside ``minimum``-``maximum``."""

    default: int
    minimum: int
    maximum: int
    source: str
    warn: SureSeconds | None = None
    newer: NewerMaximum | None = None

    def newer_source(self, seconds: int) -> str:
        """Return which later source allows this length, "" if none does."""
        return self.newer.source if self.newer and self.minimum <= seconds <= self.newer.maximum else ""


class ResolutionRule(NamedTuple):
    """``sent=False``: the route ignores the field, whatever it says, and makes ``fixed``."""

    sent: bool
    source: str
    fixed: str = ""
    default: str = ""
    values: tuple[str, ...] = ()
    others: Level = "refuse"
    warn: Mapping[str, str] = {}

    def made(self) -> tuple[str, ...]:
        """Return what the route makes: what may be asked of it."""
        return self.values if self.sent else (self.fixed,)

    def refuses_others(self) -> bool:
        """Return whether everything else is refused, as it must be where it would be ignored and paid for."""
        return not self.sent or self.others == "refuse"


class RatioRule(NamedTuple):
    """Aspect ratios; ``others`` says what a ratio outside ``values`` gets. ``default`` "" is undocumented."""

    values: tuple[str, ...]
    default: str
    others: Level
    source: str
    newer: NewerValues | None = None

    def newer_source(self, ratio: str) -> str:
        """Return which later source allows this ratio, "" if none does."""
        return self.newer.source if self.newer and ratio in self.newer.values else ""


class ListRule(NamedTuple):
    """Limits on the number of entries; none documented when ``limits`` is empty."""

    limits: tuple[Limit, ...] = ()

    def supported(self) -> bool:
        """Return whether any entry at all may be sent."""
        return not any(limit.maximum == 0 and limit.level == "refuse" for limit in self.limits)

    def refused_above(self) -> int | None:
        """Return the number of entries above which the field is refused, None if there is none."""
        return min((limit.maximum for limit in self.limits if limit.level == "refuse"), default=None)


class VerdictRule(NamedTuple):
    """What to do with one combination of fields."""

    level: Ruling = "allow"
    source: str = ""


class PromptRule(NamedTuple):
    """Longest prompt, in characters."""

    maximum: int
    level: Level
    source: str
    newer: NewerMaximum | None = None

    def newer_source(self, length: int) -> str:
        """Return which later source allows so many characters, "" if none does."""
        return self.newer.source if self.newer and length <= self.newer.maximum else ""


class Formats(NamedTuple):
    """File formats that a kind of media may have; ``others`` says what any other gets."""

    values: tuple[str, ...]
    others: Level
    source: str


class Measure(NamedTuple):
    """A limit of the media themselves, which only somebody who has the file can check: see `media.preflight`.

    ``total_*`` is of all entries of the field together, the others of each. ``pixels`` is of either side: the seed says
    "each resolution 720px-2160px" of MD's videos, and services of the same upstream say "width and height". ``ratio``
    is width to height. Both ends are inside; ``below`` puts the maximum outside.
    """

    of: Measured
    level: Level
    source: str
    minimum: float = 0
    maximum: float | None = None
    below: bool = False


class ReferenceBilling(NamedTuple):
    """Whose seconds are billed beside those of the video that is made. ``sure=False``: it is only inferred."""

    seconds_of: Literal["none", "first", "all"] = "none"
    sure: bool = True
    source: str = ""


class BillingName(NamedTuple):
    """A further name under which the catalog may price a model; ``{resolution}`` in it stands for what is made.

    ``resolution`` is the only one that it is for, "" where it is for all; ``videos`` says whether it is the name of
    requests with reference videos, or of those without.
    """

    name: str
    resolution: str = ""
    videos: bool = False

    def of(self, resolution: str) -> str:
        """Return the name for a resolution, "" if it is for another one."""
        return self.name.format(resolution=resolution) if self.resolution in ("", resolution) else ""


class UrlRule(NamedTuple):
    """Forms of addresses that one field takes; one that is ``unknown`` gets a warning."""

    forms: tuple[UrlForm, ...]
    source: str
    unknown: tuple[UrlForm, ...] = ()
    newer: NewerValues | None = None

    def newer_source(self, form: str) -> str:
        """Return which later source allows this form, "" if none does."""
        return self.newer.source if self.newer and form in self.newer.values else ""


class UrlRules(NamedTuple):
    """Forms of addresses, by field."""

    images: UrlRule
    frames: UrlRule
    reference_videos: UrlRule
    reference_audios: UrlRule

    def of(self, place: str) -> UrlRule:
        """Return the rule of a place of a request, for example ``images[0]`` or ``first_image``."""
        rules = {
            "images": self.images,
            "reference_videos": self.reference_videos,
            "reference_audios": self.reference_audios,
        }
        return rules.get(place.partition("[")[0], self.frames)


class Route(NamedTuple):
    """One model of the vendor, with every rule that is known of it.

    ``doubt`` is what later sources say against the model as a whole.
    """

    model: str
    family: str
    title: str
    billing_unit: BillingUnit
    billing_name: str
    duration: DurationRule
    resolution: ResolutionRule
    ratio: RatioRule
    images: ListRule
    reference_videos: ListRule
    reference_audios: ListRule
    first_frame_alone: VerdictRule
    last_frame_alone: VerdictRule
    urls: UrlRules
    prompt: PromptRule
    image_formats: Formats
    video_formats: Formats
    audio_formats: Formats
    image_measures: tuple[Measure, ...]
    video_measures: tuple[Measure, ...]
    audio_measures: tuple[Measure, ...]
    doubt: str = ""
    more_billing_names: tuple[BillingName, ...] = ()
    reference_billing: ReferenceBilling = ReferenceBilling()
    gif_images: VerdictRule = VerdictRule()
    both_frames: VerdictRule = VerdictRule()
    images_with_frames: VerdictRule = VerdictRule(level="refuse", source="every page")
    audio_alone: VerdictRule = VerdictRule()
    audio_with_frames: VerdictRule = VerdictRule()

    def output_resolution(self, asked: str) -> str:
        """Return the resolution that the route makes when ``asked`` is sent ("auto": when none is)."""
        if not self.resolution.sent:
            return self.resolution.fixed
        return self.resolution.default if asked == "auto" else asked

    def bills_as(self, asked_resolution: str) -> str:
        """Return the name under which the vendor's catalog prices a video of this route."""
        return self.billing_name.format(resolution=self.output_resolution(asked_resolution))

    def formats_of(self, kind: MediaKind) -> Formats:
        """Return the file formats that a kind of media may have."""
        return {"image": self.image_formats, "video": self.video_formats, "audio": self.audio_formats}[kind]

    def measures_of(self, kind: MediaKind) -> tuple[Measure, ...]:
        """Return the limits of a kind of media."""
        return {"image": self.image_measures, "video": self.video_measures, "audio": self.audio_measures}[kind]


#: Which row stands in which column. Plain tuples and no models of pydantic's: those cost 6 ms at every import, and the
#: table is ours. A test reads it strictly.
_PARTS: Mapping[type, Mapping[str, type]] = {
    Limit: {"newer": NewerMaximum},
    DurationRule: {"warn": SureSeconds, "newer": NewerMaximum},
    RatioRule: {"newer": NewerValues},
    ListRule: {"limits": Limit},
    PromptRule: {"newer": NewerMaximum},
    UrlRule: {"newer": NewerValues},
    UrlRules: dict.fromkeys(UrlRules._fields, UrlRule),
    Route: {
        "duration": DurationRule,
        "resolution": ResolutionRule,
        "ratio": RatioRule,
        "urls": UrlRules,
        "prompt": PromptRule,
        **dict.fromkeys(("images", "reference_videos", "reference_audios"), ListRule),
        "more_billing_names": BillingName,
        "reference_billing": ReferenceBilling,
        **dict.fromkeys(("image_formats", "video_formats", "audio_formats"), Formats),
        **dict.fromkeys(("image_measures", "video_measures", "audio_measures"), Measure),
        **{name: VerdictRule for name, kind in Route.__annotations__.items() if "VerdictRule" in str(kind)},
    },
}

_JsonObject = dict[str, Any]


def _read(kind: type | None, value: Any) -> Any:
    """Return what a part of the table says, as a row of this kind.

    Raises:
        TypeError: It has a column that the row has not, or lacks one.
    """
    if isinstance(value, list):
        return tuple(_read(kind, each) for each in cast("list[object]", value))
    if kind is None:
        return value
    parts = _PARTS.get(kind, {})
    return kind(**{name: _read(parts.get(name), each) for name, each in cast("_JsonObject", value).items()})


def _with_shared(own: Any, shared: Any) -> Any:
    """Add to a row's column what holds for every route; of measures those that the row says nothing of."""
    if own is None or not isinstance(shared, list):
        return shared if own is None else own
    measured = {each["of"] for each in cast("list[_JsonObject]", own)}
    return [*own, *(each for each in cast("list[_JsonObject]", shared) if each["of"] not in measured)]


def _rows(table: _JsonObject) -> dict[str, Route]:
    families: dict[str, _JsonObject] = {}
    routes: dict[str, Route] = {}
    for family in cast("list[_JsonObject]", table["families"]):
        merged = {**families.get(family.get("like", ""), {}), **family}
        families[family["family"]] = merged
        shared = {name: value for name, value in merged.items() if name not in ("like", "models")}
        for model in cast("list[_JsonObject]", family["models"]):
            row = {"billing_name": model["model"], **shared, **model}
            row |= {name: _with_shared(row.get(name), column) for name, column in table["every_route"].items()}
            fixed = row.pop("fixed_resolution", None)
            if fixed is not None:
                row["resolution"] = {**row["resolution"], "fixed": fixed}
            routes[model["model"]] = _read(Route, row)
    return routes


_TABLE: _JsonObject = json.loads(files("prefect_seedance.client.request").joinpath("routes.json").read_bytes())

#: Every known model in the vendor page's order, by the name that is sent as ``model``.
ROUTES: Mapping[str, Route] = MappingProxyType(_rows(_TABLE))

#: What the rows say of each kind of media where a family says nothing of its own.
SHARED_MEASURES: Mapping[MediaKind, tuple[Measure, ...]] = MappingProxyType(
    {kind: _read(Measure, _TABLE["every_route"][f"{kind}_measures"]) for kind in get_args(MediaKind)}
)

#: The model of a request that names none.
DEFAULT_MODEL: str = _TABLE["default_model"]


def route_for(model: str) -> Route | None:
    """Find the row of a model name.

    Example:
        >>> route_for("seedance2.0-md").duration.maximum
        15
    """
    return ROUTES.get(model)


def orientation_of(ratio: str) -> str:
    """Return which way up a ratio is, "" for a square and for a ratio that the vendor chooses.

    Example:
        >>> [orientation_of(ratio) for ratio in ("21:9", "3:4", "1:1", "Adaptive")]
        ['landscape', 'portrait', '', '']
    """
    width, _, height = ratio.partition(":")
    if not (width.isdecimal() and height.isdecimal()) or int(width) == int(height):
        return ""
    return "landscape" if int(width) > int(height) else "portrait"
