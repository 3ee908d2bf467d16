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
FRAMES_AND_IMAGES = {
    "1 image + first": "images",
    "1 image + last": "images",
    "1 image + first + last": "images",
}
THREE_RESOLUTIONS = ["480p", "720p", "1080p"]
SEVEN_RATIOS = [f"ratio {ratio}" for ratio in ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "Adaptive")]

PAGES = {
    "Manxue": Page(
        models=[*oracle.MANXUE, *oracle.MANXUE_FAST],
        accepts=[
            *("4 s", "5 s", "12 s", "13 s", "15 s"),
            *THREE_RESOLUTIONS,
            *SEVEN_RATIOS,
            *("1 image", "9 images", "10 images", "gif"),
            *("first", "last", "first + last", "first gif"),
            *("1 audio", "3 audios", "4 audios", "1 image + 3 audios", "first + 1 audio"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
            "1 video": "reference_videos",
            "1 video + 1 audio": "reference_videos",
            "1 image + 1 video": "reference_videos",
            **FRAMES_AND_IMAGES,
        },
    ),
    "Video ref": Page(
        models=[*oracle.VIDEO_REF, *oracle.VIDEO_REF_FAST],
        accepts=[
            *("4 s", "5 s", "12 s", "13 s", "15 s"),
            *THREE_RESOLUTIONS,
            *SEVEN_RATIOS,
            *("1 image", "9 images", "10 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "3 videos", "4 videos", "1 image + 1 video", "first + last + 1 video"),
            *("1 audio", "3 audios", "4 audios", "9 images + 3 videos + 3 audios"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={**NOT_4_TO_15, **FRAMES_AND_IMAGES},
    ),
    "SP": Page(
        models=[*oracle.SP_ECONOMY, *oracle.SP_OFFICIAL],
        accepts=[
            *("4 s", "5 s", "15 s"),
            *THREE_RESOLUTIONS,
            *SEVEN_RATIOS,
            *("1 image", "12 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "4 videos", "1 image + 1 video"),
            *("1 image + 1 audio", "1 video + 1 audio", "first + 1 audio", "first + last + 4 audios"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
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
            *("1 image", "12 images", "gif"),
            *("first", "last", "first + last"),
            *("1 image + 1 audio", "first + 1 audio", "1 image + 4 audios"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
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
            *("1 image", "12 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "4 videos", "1 image + 1 video"),
            *("1 image + 1 audio", "1 video + 1 audio", "first + 1 audio"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
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
            *("1 image", "12 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "4 videos"),
            *("1 image + 1 audio", "1 video + 1 audio", "first + 1 audio", "first + last + 1 audio"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
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
            *THREE_RESOLUTIONS,
            *("ratio 16:9", "ratio 9:16", "ratio 1:1"),
            *("1 image", "4 images"),
            "first + last",
            *("1 video", "3 videos", "4 images + 3 videos", "first + last + 1 video"),
            *("1 audio", "1 image + 1 audio"),
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
            "2 audios": "reference_audios",
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
            *THREE_RESOLUTIONS,
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
            "prompt of 5001": "prompt",
            **FRAMES_AND_IMAGES,
        },
    ),
    "STD": Page(
        models=oracle.STD,
        accepts=[
            *("4 s", "5 s", "15 s"),
            *THREE_RESOLUTIONS,
            *("ratio 21:9", "ratio 16:9", "ratio 4:3", "ratio 1:1", "ratio 3:4", "ratio 9:16"),
            *("1 image", "9 images", "gif"),
            *("first", "last", "first + last"),
            *("1 video", "4 videos", "9 images + 1 video", "first + 1 video"),
            *("1 audio", "3 audios", "9 images + 3 audios", "1 video + 3 audios"),
            *("prompt of 5000", "prompt of 5001"),
        ],
        refuses={
            **NOT_4_TO_15,
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


def page_of(model: str) -> Page:
    """Find the page that a model stands on."""
    (page,) = (page for page in PAGES.values() if model in page.models)
    return page


def asked(model: str, shorthand: str = "5 s") -> Fields:
    return {"prompt": "A paper boat", "model": model} | written_out(shorthand)
