"""The route table: what each of the vendor's models accepts, as data.

One row per model, read from ``routes.json``. The validator, the UI form, the README's table, the price
estimate and the simulator all take their rules from these rows, so adding a route is adding a row there.

Each limit says what to do when it is broken: ``refuse`` where every source agrees, ``warn`` where the vendor's
own pages disagree or where only a neighbouring system documents it. The sources are named in the data file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from prefect_seedance.client.request.problems import Level

Ruling = Literal["allow", "warn", "refuse"]
UrlForm = Literal["https", "asset"]
BillingUnit = Literal["per_second", "per_task"]


class _Row(BaseModel):
    # Deferred: a validator of its own is built for `Route` only, which holds all others; each costs at every import.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Limit(_Row):
    """At most ``maximum`` entries (0: the field is not supported)."""

    maximum: int
    level: Level
    source: str


class DurationWarning(_Row):
    """Lengths in seconds that one source allows and another does not: outside them a warning."""

    minimum: int = 1
    maximum: int = 10_000
    allowed: tuple[int, ...] = ()
    source: str

    def covers(self, seconds: int) -> bool:
        """Tell whether the length is one that every source allows."""
        if self.allowed:
            return seconds in self.allowed
        return self.minimum <= seconds <= self.maximum


class DurationRule(_Row):
    """Lengths in seconds: refused outside ``minimum``-``maximum``, warned about outside each of ``warn``."""

    default: int
    minimum: int
    maximum: int
    source: str
    warn: tuple[DurationWarning, ...] = ()


class ResolutionRule(_Row):
    """``sent=False``: the route ignores the field (``fixed`` is what it makes)."""

    sent: bool
    fixed: str = ""
    default: str = ""
    values: tuple[str, ...] = ()
    others: Level = "refuse"
    warn: Mapping[str, str] = Field(default_factory=dict[str, str])
    source: str


class RatioRule(_Row):
    """Aspect ratios; ``others`` says what a ratio outside ``values`` gets. ``default`` "" is undocumented."""

    values: tuple[str, ...]
    default: str
    others: Level
    source: str


class ListRule(_Row):
    """Limits on the number of entries; none documented when ``limits`` is empty."""

    limits: tuple[Limit, ...] = ()

    def supported(self) -> bool:
        """Tell whether any entry at all may be sent."""
        return not any(limit.maximum == 0 and limit.level == "refuse" for limit in self.limits)

    def refused_above(self) -> int | None:
        """Return the number of entries above which every source refuses, None if there is none."""
        return min((limit.maximum for limit in self.limits if limit.level == "refuse"), default=None)


class VerdictRule(_Row):
    """What to do with one combination of fields."""

    level: Ruling = "allow"
    source: str = ""


class PromptRule(_Row):
    """Longest prompt, in characters."""

    maximum: int
    level: Level
    source: str


class Route(_Row):
    """One model of the vendor, with every rule that is known of it."""

    model: str
    family: str
    title: str
    billing_unit: BillingUnit
    billing_name: str
    bills_first_reference_video: bool = False
    duration: DurationRule
    resolution: ResolutionRule
    ratio: RatioRule
    images: ListRule
    reference_videos: ListRule
    reference_audios: ListRule
    gif_images: VerdictRule = VerdictRule()
    first_frame_alone: VerdictRule
    last_frame_alone: VerdictRule
    images_with_frames: VerdictRule = VerdictRule(level="refuse", source="every page")
    audio_alone: VerdictRule = VerdictRule()
    audio_with_frames: VerdictRule = VerdictRule()
    audio_only_with_frames: VerdictRule = VerdictRule()
    url_forms: tuple[UrlForm, ...]
    url_forms_unknown: tuple[UrlForm, ...] = ()
    url_source: str
    prompt: PromptRule

    def output_resolution(self, asked: str) -> str:
        """Return the resolution that the route makes when ``asked`` is sent ("auto": when none is)."""
        if not self.resolution.sent:
            return self.resolution.fixed
        return self.resolution.default if asked == "auto" else asked

    def bills_as(self, asked_resolution: str) -> str:
        """Return the name under which the vendor's catalog prices a video of this route."""
        return self.billing_name.format(resolution=self.output_resolution(asked_resolution))


_JsonObject = dict[str, JsonValue]


def _rows(table: _JsonObject) -> dict[str, Route]:
    families: dict[str, _JsonObject] = {}
    routes: dict[str, Route] = {}
    for family in cast("list[_JsonObject]", table["families"]):
        merged = {**families.get(str(family.get("like", "")), {}), **family}
        families[str(family["family"])] = merged
        shared = {name: value for name, value in merged.items() if name not in ("like", "models")}
        for model in cast("list[_JsonObject]", family["models"]):
            row = {"billing_name": model["model"], **shared, **model}
            fixed = row.pop("fixed_resolution", None)
            if fixed is not None:
                row["resolution"] = {**cast("_JsonObject", row["resolution"]), "fixed": fixed}
            routes[str(model["model"])] = Route.model_validate(row)
    return routes


_TABLE = TypeAdapter(_JsonObject).validate_json(
    files("prefect_seedance.client.request").joinpath("routes.json").read_bytes()
)

#: Every known model in the vendor page's order, by the name that is sent as ``model``.
ROUTES: Mapping[str, Route] = MappingProxyType(_rows(_TABLE))

#: The model of a request that names none.
DEFAULT_MODEL = str(_TABLE["default_model"])


def route_for(model: str) -> Route | None:
    """Find the row of a model name.

    Example:
        >>> route_for("seedance2.0-md").duration.maximum
        15
    """
    return ROUTES.get(model)
