"""What the vendor's pages refuse, written a second time, as plain code.

The package keeps its limits as data. This module was written from the published pages without looking at
that data or at the code that reads it, so that a slip in one of the two shows as a difference between them.
It must stay that way: import nothing of the package here.

The policy: the seed page is law, so what it refuses is refused, also where a later page allows it, and what it
allows passes, also where a later page refuses it. Where it is silent a request is refused only if every source that
speaks refuses it. What only another vendor's page documents does not count. (Warnings are not told here.)
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

MANXUE = ["sd2_mx_720p", "sd2_mx_1080p", "sd2_mx_2k", "sd2_mx_4k"]
MANXUE_FAST = ["sd2_mx_fast_720p", "sd2_mx_fast_1080p"]
VIDEO_REF = ["sd2_mx_video_720p", "sd2_mx_video_1080p", "sd2_mx_video_2k", "sd2_mx_video_4k"]
VIDEO_REF_FAST = ["sd2_mx_video_fast_720p", "sd2_mx_video_fast_1080p"]
SP_ECONOMY = ["seedance2.0-sp", "seedance2.0-fast-sp"]
SP_OFFICIAL = ["seedance2.0-of-sp", "seedance2.0-of-fast-sp"]
MINI = ["seedance2.0-mini"]
MINI_VIDEO = ["seedance2.0-mini-video"]
MINI_SPECIAL = ["seedance2.0-mini-sp"]
MD = ["seedance2.0-md"]
MD_FAST = ["seedance2.0-fast-md"]
FAST_I2V = ["seedance2.0-fast-i2v"]
STD = ["seedance2.0-std"]

MODELS = [
    *MANXUE,
    *MANXUE_FAST,
    *VIDEO_REF,
    *VIDEO_REF_FAST,
    *SP_ECONOMY,
    *SP_OFFICIAL,
    *MINI,
    *MINI_VIDEO,
    *MINI_SPECIAL,
    *MD,
    *MD_FAST,
    *FAST_I2V,
    *STD,
]

MEDIA_LISTS = ("images", "reference_videos", "reference_audios")
FRAMES = ("first_image", "last_image")


def refused(request: Mapping[str, Any]) -> set[str]:
    """Name the fields for which a request is certain to be turned away."""
    fields = refused_everywhere(request)
    if request.get("other_model"):
        return fields  # nothing is known for sure about a model outside the pages
    model = request.get("model", "seedance2.0-std")
    if model not in MODELS:
        return fields | {"model"}
    return fields | refused_by_the_route(model, request)


def refused_everywhere(request: Mapping[str, Any]) -> set[str]:
    """Name the fields that no model at all could take."""
    fields: set[str] = set()
    prompt = request.get("prompt", "")
    if all(character.isspace() or character in "\u200b\u2060\ufeff" for character in prompt):
        fields.add("prompt")
    for character in prompt.strip():
        # Each of these ends a line somewhere, but for the tab.
        if unicodedata.category(character) == "Cc" and character not in "\n\t\r\v\f\x85":
            fields.add("prompt")
    if request.get("duration", 5) < 1:
        fields.add("duration")
    fields |= {name for name in MEDIA_LISTS for address in request.get(name, []) if not may_be_asked(address)}
    fields |= {name for name in FRAMES if request.get(name, "") and not may_be_asked(request[name])}
    return fields


def may_be_asked(source: str) -> bool:
    """Tell whether something could be made of what was written, for one route or another."""
    scheme, colon, rest = source.partition(":")
    if not source or source != source.strip():
        return False
    if colon and scheme == "https":
        try:
            parts = urlsplit(source)
        except ValueError:
            return False
        return bool(parts.hostname) and "@" not in parts.netloc and not any(each.isspace() for each in source)
    if colon and scheme == "asset":
        return rest.startswith("//") and len(rest) > 2
    if colon and scheme == "s3":
        return rest.startswith("//") and "/" in rest[2:].strip("/")
    if colon and scheme == "file":
        return rest.startswith("///") and not rest.endswith("/")
    return not colon and not source.startswith(("//", "~", "www.")) and any(each in source for each in "./")


def refused_by_the_route(model: str, request: Mapping[str, Any]) -> set[str]:
    fields: set[str] = set()
    duration = request.get("duration", 5)
    resolution = request.get("resolution", "auto")
    ratio = request.get("ratio", "auto")
    images = request.get("images", [])
    first = request.get("first_image", "")
    last = request.get("last_image", "")
    videos = request.get("reference_videos", [])
    audios = request.get("reference_audios", [])

    manxue = model.startswith("sd2_mx_")
    md = model in ("seedance2.0-md", "seedance2.0-fast-md")
    i2v = model == "seedance2.0-fast-i2v"
    std = model == "seedance2.0-std"

    # The prompt: 5000 characters are written down for MD and Fast I2V only.
    if (md or i2v) and len(request.get("prompt", "")) > 5000:
        fields.add("prompt")

    # The duration: "Full 4-12; SP economy 4-15; MD 1-15; STD standard 4-15".
    if duration > (12 if manxue else 15):
        fields.add("duration")
    if duration < 4 and not (md or i2v):
        fields.add("duration")

    # The resolution: Mini Special narrows a field that it also reads. Who ignores the field makes one thing only.
    if model == "seedance2.0-mini-sp" and resolution == "1080p":
        fields.add("resolution")
    if ignores_resolution(model) and resolution not in ("auto", made_by(model)):
        fields.add("resolution")

    # The orientation: "ratio takes precedence if set", so a ratio that is not so oriented cannot give it.
    upright = {"9:16": "portrait", "3:4": "portrait", "1:1": "square", "Adaptive": "anything"}
    if ratio != "auto" and request.get("orientation", "auto") not in ("auto", upright.get(ratio, "landscape")):
        fields.add("orientation")

    # The ratio: SP and the Minis publish examples only, so nothing is certain there.
    if (md or i2v) and ratio in ("4:3", "3:4", "21:9", "Adaptive"):
        fields.add("ratio")
    if std and ratio == "Adaptive":
        fields.add("ratio")

    # Reference images and frames exclude each other on every page.
    if images and (first or last):
        fields.add("images")
    if md and len(images) > 4:
        fields.add("images")
    if std and len(images) > 9:
        fields.add("images")
    if i2v and len(images) + bool(first) + bool(last) > 9:
        fields.add("images")

    # MD: "Images do not support GIF format", said of the page's two models and of every image address.
    if md:
        if any(is_gif(image) for image in images):
            fields.add("images")
        if is_gif(first):
            fields.add("first_image")
        if is_gif(last):
            fields.add("last_image")

    # MD takes both frames or neither; nobody else writes a pairing rule down.
    if md and first and not last:
        fields.add("first_image")
    if md and last and not first:
        fields.add("last_image")

    # Reference videos: of Manxue only the video series; the full list of those that take none.
    if manxue and "_video_" not in model and videos:
        fields.add("reference_videos")
    if (model == "seedance2.0-mini" or i2v) and videos:
        fields.add("reference_videos")
    if md and len(videos) > 3:
        fields.add("reference_videos")

    # Reference audios: "Not supported on MD or seedance2.0-fast-i2v".
    if (md or i2v) and audios:
        fields.add("reference_audios")
    if std and len(audios) > 3:
        fields.add("reference_audios")
    if std and audios and (first or last):
        fields.add("reference_audios")
    sp_or_mini = not manxue and not md and not i2v and not std
    if sp_or_mini and audios and not (images or videos or first or last):
        fields.add("reference_audios")
    return fields


def is_gif(address: str) -> bool:
    """Tell whether the vendor is given a link that is named so; of a file only the content would tell."""
    link = address.lower().partition("?")[0].partition("#")[0]
    return link.startswith("https:") and link.endswith(".gif")


def ignores_resolution(model: str) -> bool:
    """Tell whether the route makes its own resolution, whatever the field says."""
    return model.startswith("sd2_mx_") or model in [*MD, *MD_FAST, *FAST_I2V, *STD]


def made_by(model: str) -> str:
    """Tell what a route that ignores the resolution makes."""
    return model.rpartition("_")[2] if model.startswith("sd2_mx_") else "720p"


def reference_refused(request: Mapping[str, Any]) -> set[str]:
    """Name the fields that hold an address which cannot be sent on the route."""
    if request.get("other_model"):
        return {name for name, address in addresses(request) if not (is_asset(address) or is_public(address))}
    model = request.get("model", "seedance2.0-std")
    return {name for name, address in addresses(request) if not usable(model, name, address)}


def addresses(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in FRAMES:
        if request.get(name):
            yield name, request[name]
    for name in MEDIA_LISTS:
        for address in request.get(name, []):
            yield name, address


def usable(model: str, field: str, address: str) -> bool:
    asset = is_asset(address)
    if model.startswith("sd2_mx_"):
        return asset  # "asset:// only"; a plain URL fails the request
    if model in [*SP_ECONOMY, *SP_OFFICIAL] and field == "reference_audios":
        return asset or is_public(address)  # "SP: https:// URL or asset://", said of audio only
    if model in MINI_SPECIAL:
        return asset or is_public(address)  # its sample shows https; assets are neither allowed nor refused
    return is_public(address)


def is_asset(address: str) -> bool:
    return address.startswith("asset://") and len(address) > len("asset://")


def asked_refused(request: Mapping[str, Any]) -> set[str]:
    """Name the fields that hold what can be asked of some route, and cannot be made to fit this one.

    A file, an object of a bucket and a public link can be handed on in whatever way a route wants it.
    """
    model = request.get("model", "seedance2.0-std")
    named = bool(request.get("other_model"))
    return {
        name
        for name, source in addresses(request)
        if may_be_asked(source)
        and (
            (source.startswith("https://") and not is_public(source))
            or (is_asset(source) and not named and not usable(model, name, source))
        )
    }


def is_public(address: str) -> bool:
    """Tell whether anybody could fetch the address over https without a login."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return False
    if parts.scheme != "https" or not host or "@" in parts.netloc:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        # The last label of a real name is never a number: 127.1 is 127.0.0.1 in short.
        return not host.rpartition(".")[2].isdigit()
    return (getattr(number, "ipv4_mapped", None) or number).is_global
