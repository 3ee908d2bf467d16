"""The vendor's pages, written by hand in a shorthand that reads as they do: what each route accepts and refuses.

Written from the published pages, as `route_oracle` was, and from nothing of the package: import nothing of it here.
Every implementation of the rules is held against these samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.client import route_oracle as oracle

# Every address of these tests carries it where a signed URL carries its signature. Short: pydantic shows the
# last 24 characters of a value.
SECRET = "HUSH-HUSH"

Fields = dict[str, Any]


def address(name: str) -> str:
    return f"https://media.example.com/{name}?token={SECRET}"


def addresses(count: int, ending: str) -> list[str]:
    return [address(f"{number}.{ending}") for number in range(count)]


def written_out(shorthand: str) -> Fields:
    """Turn "9 images + first + 12 s" into the fields of a request."""
    fields: Fields = {}
    for part in shorthand.split(" + "):
        match part.split(" "):
            case [seconds, "s"]:
                fields["duration"] = int(seconds)
            case [("480p" | "720p" | "1080p") as resolution]:
                fields["resolution"] = resolution
            case [("landscape" | "portrait") as orientation]:
                fields["orientation"] = orientation
            case ["ratio", ratio]:
                fields["ratio"] = ratio
            case [count, "image" | "images"]:
                fields["images"] = addresses(int(count), "png")
            case [count, "video" | "videos"]:
                fields["reference_videos"] = addresses(int(count), "mp4")
            case [count, "audio" | "audios"]:
                fields["reference_audios"] = addresses(int(count), "mp3")
            case ["gif"]:
                fields["images"] = [address("0.png"), address("1.GIF")]
            case [("first" | "last") as which]:
                fields[f"{which}_image"] = address(f"{which}.png")
            case [("first" | "last") as which, "gif"]:
                fields[f"{which}_image"] = address(f"{which}.gif")
            case ["prompt", "of", length]:
                fields["prompt"] = "x" * int(length)
            case _:
                raise ValueError(f"not understood: {part}")
    return fields


@dataclass(frozen=True)
class Page:
    models: list[str]
    accepts: list[str]
    refuses: dict[str, str]
    """The request, and the fields that are named."""


NOT_4_TO_15 = {"0 s": "duration", "3 s": "duration", "16 s": "duration"}
NOT_4_TO_12 = NOT_4_TO_15 | {"13 s": "duration", "14 s": "duration", "15 s": "duration"}
FRAMES_AND_IMAGES = {
    "1 image + first": "images",
    "1 image + last": "images",
    "1 image + first + last": "images",
}
THREE_RESOLUTIONS = ["480p", "720p", "1080p"]
# The field would be ignored, so what it asks for beyond what the route makes anyway could not be given.
ALWAYS_720P = {"480p": "resolution", "1080p": "resolution", "480p + ratio 9:16": "resolution"}
# The ratio takes precedence, so what the orientation says against it could not be given.
RATIO_WINS = {
    "ratio 16:9 + portrait": "orientation",
    "ratio 9:16 + landscape": "orientation",
    "ratio 1:1 + portrait": "orientation",
    "ratio 1:1 + landscape": "orientation",
}
BOTH_SAY_THE_SAME = ["portrait", "landscape", "ratio 16:9 + landscape", "ratio 9:16 + portrait"]
SEVEN_RATIOS = [f"ratio {ratio}" for ratio in ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "Adaptive")]

PAGES = {
    "Manxue": Page(
        models=[*oracle.MANXUE, *oracle.MANXUE_FAST],
        accepts=[
            *("4 s", "5 s", "11 s", "12 s"),
            *SEVEN_RATIOS,
            *BOTH_SAY_THE_SAME,
            *("1 image", "9 images", "10 images", "gif"),
            *("first", "last", "first + last", "first gif"),
            *("1 audio", "3 audios", "4 audios", "1 image + 3 audios", "first + 1 audio"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_12,
            **RATIO_WINS,
            "480p": "resolution",
            "1 video": "reference_videos",
            "1 video + 1 audio": "reference_videos",
            "1 image + 1 video": "reference_videos",
            **FRAMES_AND_IMAGES,
        },
    ),
    "Video ref": Page(
        models=[*oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST],
        accepts=[
            *("4 s", "5 s", "11 s", "12 s"),
            *SEVEN_RATIOS,
            *BOTH_SAY_THE_SAME,
            *("1 image", "9 images", "10 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "3 videos", "4 videos", "1 image + 1 video", "first + last + 1 video"),
            *("1 audio", "3 audios", "4 audios", "9 images + 3 videos + 3 audios"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={**NOT_4_TO_12, **RATIO_WINS, "480p": "resolution", **FRAMES_AND_IMAGES},
    ),
    "SP": Page(
        models=[*oracle.SP_ECONOMY, *oracle.SP_OFFICIAL],
        accepts=[
            *("4 s", "5 s", "15 s"),
            *THREE_RESOLUTIONS,
            *SEVEN_RATIOS,
            *BOTH_SAY_THE_SAME,
            *("1 image", "12 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "4 videos", "1 image + 1 video"),
            *("1 image + 1 audio", "1 video + 1 audio", "first + 1 audio", "first + last + 4 audios"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
            **RATIO_WINS,
            "ratio Adaptive + portrait": "orientation",
            "1 audio": "reference_audios",
            "3 audios": "reference_audios",
            **FRAMES_AND_IMAGES,
        },
    ),
    "Mini": Page(
        models=oracle.MINI,
        accepts=[
            *("4 s", "5 s", "15 s"),
            *THREE_RESOLUTIONS,
            *SEVEN_RATIOS,
            *BOTH_SAY_THE_SAME,
            *("1 image", "12 images", "gif"),
            *("first", "last", "first + last"),
            *("1 image + 1 audio", "first + 1 audio", "1 image + 4 audios"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
            **RATIO_WINS,
            "1 video": "reference_videos",
            "1 audio": "reference_audios",
            **FRAMES_AND_IMAGES,
        },
    ),
    "Mini video": Page(
        models=oracle.MINI_VIDEO,
        accepts=[
            *("4 s", "5 s", "15 s"),
            *THREE_RESOLUTIONS,
            *SEVEN_RATIOS,
            *BOTH_SAY_THE_SAME,
            *("1 image", "12 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "4 videos", "1 image + 1 video"),
            *("1 image + 1 audio", "1 video + 1 audio", "first + 1 audio"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
            **RATIO_WINS,
            "ratio Adaptive + portrait": "orientation",
            "1 audio": "reference_audios",
            **FRAMES_AND_IMAGES,
        },
    ),
    "Mini Special": Page(
        models=oracle.MINI_SPECIAL,
        accepts=[
            *("4 s", "5 s", "15 s"),
            *("480p", "720p"),
            *SEVEN_RATIOS,
            *BOTH_SAY_THE_SAME,
            *("1 image", "12 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "4 videos"),
            *("1 image + 1 audio", "1 video + 1 audio", "first + 1 audio", "first + last + 1 audio"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
            **RATIO_WINS,
            "1080p": "resolution",
            "1 audio": "reference_audios",
            "1080p + 1 audio": "resolution reference_audios",
            **FRAMES_AND_IMAGES,
        },
    ),
    "MD": Page(
        models=[*oracle.MD, *oracle.MD_FAST],
        accepts=[
            *("1 s", "3 s", "4 s", "5 s", "10 s", "12 s", "15 s"),
            *("720p", *BOTH_SAY_THE_SAME),
            *("ratio 16:9", "ratio 9:16", "ratio 1:1"),
            *("1 image", "4 images"),
            "first + last",
            *("1 video", "3 videos", "4 images + 3 videos", "first + last + 1 video"),
            *("prompt of 4999", "prompt of 5000"),
        ],
        refuses={
            "0 s": "duration",
            "16 s": "duration",
            "ratio 4:3": "ratio",
            "ratio 3:4": "ratio",
            "ratio 21:9": "ratio",
            "ratio Adaptive": "ratio",
            "5 images": "images",
            "gif": "images",
            "first": "first_image",
            "last": "last_image",
            "first + last gif": "last_image",
            "first gif + last": "first_image",
            "first + 1 video": "first_image",
            "4 videos": "reference_videos",
            "1 audio": "reference_audios",
            "2 audios": "reference_audios",
            "1 image + 1 audio": "reference_audios",
            **ALWAYS_720P,
            **RATIO_WINS,
            "prompt of 5001": "prompt",
            "1 image + first": "images first_image",
            "1 image + last": "images last_image",
            "1 image + first + last": "images",
        },
    ),
    "Fast I2V": Page(
        models=oracle.FAST_I2V,
        accepts=[
            *("1 s", "3 s", "5 s", "15 s"),
            *("720p", *BOTH_SAY_THE_SAME),
            *("ratio 16:9", "ratio 9:16", "ratio 1:1"),
            *("1 image", "9 images", "gif"),
            *("first", "last", "first + last"),
            *("prompt of 4999", "prompt of 5000"),
        ],
        refuses={
            "0 s": "duration",
            "16 s": "duration",
            "ratio 4:3": "ratio",
            "ratio 3:4": "ratio",
            "ratio 21:9": "ratio",
            "ratio Adaptive": "ratio",
            "10 images": "images",
            "8 images + first + last": "images",
            "1 video": "reference_videos",
            "1 image + 1 video": "reference_videos",
            "1 audio": "reference_audios",
            "1 image + 1 audio": "reference_audios",
            "1 video + 1 audio": "reference_videos reference_audios",
            **ALWAYS_720P,
            **RATIO_WINS,
            "prompt of 5001": "prompt",
            **FRAMES_AND_IMAGES,
        },
    ),
    "STD": Page(
        models=oracle.STD,
        accepts=[
            *("4 s", "5 s", "15 s"),
            *("720p", *BOTH_SAY_THE_SAME),
            *("ratio 21:9", "ratio 16:9", "ratio 4:3", "ratio 1:1", "ratio 3:4", "ratio 9:16"),
            *("1 image", "9 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "4 videos", "9 images + 1 video", "first + 1 video"),
            *("1 audio", "3 audios", "9 images + 3 audios", "1 video + 3 audios"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
            **ALWAYS_720P,
            **RATIO_WINS,
            "480p + first + 1 audio": "resolution reference_audios",
            "ratio 21:9 + portrait": "orientation",
            "ratio 3:4 + landscape": "orientation",
            "ratio Adaptive": "ratio",
            "10 images": "images",
            "4 audios": "reference_audios",
            "first + 1 audio": "reference_audios",
            "last + 1 audio": "reference_audios",
            "first + last + 1 audio": "reference_audios",
            "first + 1 video + 1 audio": "reference_audios",
            **FRAMES_AND_IMAGES,
        },
    ),
}


# What the seed page refuses and later pages allow; and beyond it, what none allows.
_MANXUE_LATER = (["13 s", "14 s", "15 s"], ["16 s", "3 s", "0 s"])
LATER: dict[str, tuple[list[str], list[str]]] = {
    **dict.fromkeys([*oracle.MANXUE, *oracle.MANXUE_FAST, *oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST], _MANXUE_LATER),
    "seedance2.0-md": (
        [
            *("ratio 4:3", "ratio 3:4", "ratio 21:9", "5 images", "9 images", "prompt of 5001", "prompt of 6000"),
            *("1 audio", "2 audios", "3 audios", "1 image + 1 audio"),
        ],
        ["ratio Adaptive", "10 images", "prompt of 6001", "4 audios", "16 s", "first"],
    ),
    "seedance2.0-fast-md": (
        ["1 audio", "1 image + 1 audio"],
        ["2 audios", "5 images", "ratio 4:3", "prompt of 5001", "4 videos"],
    ),
}


def page_of(model: str) -> Page:
    """Find the page that a model stands on."""
    (page,) = (page for page in PAGES.values() if model in page.models)
    return page


def asked(model: str, shorthand: str = "5 s") -> Fields:
    return {"prompt": "A paper boat", "model": model} | written_out(shorthand)
