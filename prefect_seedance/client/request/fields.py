"""The fields of a request: one flat model, made to read well as a form in the Prefect UI.

No field is optional in the sense of ``None``: "auto", "" and [] mean "not sent", since the form sends every
default explicitly and absence can carry no meaning. Field order and titles are the form's; ``position`` keeps the
order on PostgreSQL, which does not keep the order of keys.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.config import JsonDict

from prefect_seedance.client.request.routes import DEFAULT_MODEL, ROUTES
from prefect_seedance.client.request.sources import LAST_FRAME
from prefect_seedance.client.request.words import form_help
from prefect_seedance.client.request.words.form_help import sentences
from prefect_seedance.client.request.words.titles import TITLES

ResolutionChoice = Literal["auto", "480p", "720p", "1080p"]
RatioChoice = Literal["auto", "16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "Adaptive"]
OrientationChoice = Literal["auto", "landscape", "portrait"]


#: What may be written for a reference; see `sources`.
_WRITE = (
    "Write a link that begins with https://, an object in a bucket as s3://bucket/key, the path of a file on the "
    "machine of the run, or an asset as asset://id."
)
_PICTURE = f"{_WRITE} Write {LAST_FRAME} before the address of a video to use its last frame."


def _at(position: int, **extra: JsonValue) -> JsonDict:
    return {"position": position, **extra}


class RequestFields(BaseModel):
    """What a `VideoRequest` holds, without its rules, which read it from here."""

    # Deferred: only `VideoRequest`, which has all of these fields, needs a validator.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    prompt: Annotated[
        str,
        Field(
            title=TITLES["prompt"],
            description=f"What the video shows, in your own words. {sentences(form_help.prompt_words)}",
            json_schema_extra=_at(0),
        ),
    ]
    model: Annotated[
        str,
        Field(
            title=TITLES["model"],
            description="The vendor's model that makes the video. It decides the price, and what the other "
            "fields may say.",
            json_schema_extra=_at(1, enum=[*ROUTES]),
        ),
    ] = DEFAULT_MODEL
    duration: Annotated[
        int,
        Field(
            title=TITLES["duration"],
            description=f"How long the video is, in whole seconds. {sentences(form_help.duration_words)}",
            json_schema_extra=_at(2),
        ),
    ] = 5
    resolution: Annotated[
        ResolutionChoice,
        Field(
            title=TITLES["resolution"],
            description=f"How large the picture is. Leave it at auto to let the model choose. "
            f"{sentences(form_help.resolution_words)}",
            json_schema_extra=_at(3),
        ),
    ] = "auto"
    ratio: Annotated[
        RatioChoice,
        Field(
            title=TITLES["ratio"],
            description=f"Width to height of the picture. Leave it at auto to let the model choose. "
            f"{sentences(form_help.ratio_words)}",
            json_schema_extra=_at(4),
        ),
    ] = "auto"
    orientation: Annotated[
        OrientationChoice,
        Field(
            title=TITLES["orientation"],
            description="Whether the picture is wide or tall. Choose the aspect ratio instead where you can: no "
            "page of the vendor says which models follow the orientation. It is sent only while the aspect ratio is "
            "auto, and must not contradict an aspect ratio.",
            json_schema_extra=_at(5),
        ),
    ] = "auto"
    images: Annotated[
        list[str],
        Field(
            title=TITLES["images"],
            description=f"Pictures that the video is to follow, for example of a person or a product. {_PICTURE} "
            f"They cannot be used together with a first or last frame. {sentences(form_help.image_words)} "
            f"A GIF is refused by {form_help.refusing(lambda route: route.gif_images)}.",
            json_schema_extra=_at(6),
        ),
    ] = []
    first_image: Annotated[
        str,
        Field(
            title=TITLES["first_image"],
            description=f"The picture that the video begins with. Leave it empty for none. {_PICTURE} "
            f"{sentences(form_help.frame_words)}",
            json_schema_extra=_at(7),
        ),
    ] = ""
    last_image: Annotated[
        str,
        Field(
            title=TITLES["last_image"],
            description=f"The picture that the video ends with. Leave it empty for none. {_PICTURE} "
            f"The help of {TITLES['first_image']} says which models take it.",
            json_schema_extra=_at(8),
        ),
    ] = ""
    reference_videos: Annotated[
        list[str],
        Field(
            title=TITLES["reference_videos"],
            description=f"Videos that the new one is to follow, for example in movement or style. {_WRITE} "
            f"{sentences(form_help.video_words)}",
            json_schema_extra=_at(9),
        ),
    ] = []
    reference_audios: Annotated[
        list[str],
        Field(
            title=TITLES["reference_audios"],
            description=f"Sounds that the video is to follow. {_WRITE} {sentences(form_help.audio_words)} "
            "Audio needs a picture, a reference video or a frame beside it on "
            f"{form_help.refusing(lambda route: route.audio_alone)}, and cannot stand beside a frame on "
            f"{form_help.refusing(lambda route: route.audio_with_frames)}.",
            json_schema_extra=_at(10),
        ),
    ] = []
    take: Annotated[
        str,
        Field(
            title=TITLES["take"],
            description="Another text here asks for another video of the same request, which is paid for. The "
            "same text gives you the video that is already there. The vendor does not see it.",
            json_schema_extra=_at(11),
        ),
    ] = "1"
    other_model: Annotated[
        str,
        Field(
            title=TITLES["other_model"],
            description="The name of a newer model that the list above does not have. Leave it empty for the "
            "model chosen above. When it is filled in, it is used instead, and what the form knows about models only "
            "warns.",
            json_schema_extra=_at(12),
        ),
    ] = ""

    @property
    def model_name(self) -> str:
        """The name that is sent as ``model``."""
        return self.other_model or self.model

    def frames(self) -> dict[str, str]:
        """Return the frames that are set, by field name."""
        frames = {"first_image": self.first_image, "last_image": self.last_image}
        return {name: address for name, address in frames.items() if address}

    def references(self) -> list[tuple[str, str]]:
        """List every media address with its place, for example ``images[0]``."""
        lists = {
            "images": self.images,
            "reference_videos": self.reference_videos,
            "reference_audios": self.reference_audios,
        }
        found = list(self.frames().items())
        for name, addresses in lists.items():
            found += [(f"{name}[{index}]", address) for index, address in enumerate(addresses)]
        return found
