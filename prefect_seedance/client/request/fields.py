"""The fields of a request: one flat model, made to read well as a form in the Prefect UI.

No field is optional in the sense of ``None``: "auto", "" and [] mean "not sent", since the form sends every
default explicitly and absence can carry no meaning. Field order and titles are the form's; ``position`` keeps the
order on PostgreSQL, which does not keep the order of keys.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.config import JsonDict

from prefect_seedance.client.request import describe
from prefect_seedance.client.request.routes import DEFAULT_MODEL, ROUTES
from prefect_seedance.client.request.sources import LAST_FRAME

ResolutionChoice = Literal["auto", "480p", "720p", "1080p"]
RatioChoice = Literal["auto", "16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "Adaptive"]
OrientationChoice = Literal["auto", "landscape", "portrait"]


#: What may be written for a reference; see `sources`.
_WRITE = "A link (https://), a file in your bucket (s3://bucket/key), a path on the worker, or asset://id."
_FRAME = f"{_WRITE} {LAST_FRAME} before a video takes its last frame."


def _at(position: int, **extra: JsonValue) -> JsonDict:
    return {"position": position, **extra}


class RequestFields(BaseModel):
    """What a `VideoRequest` holds, without its rules, which read it from here."""

    # Deferred: only `VideoRequest`, which has all of these fields, needs a validator.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    prompt: Annotated[
        str,
        Field(
            title="Prompt",
            description=f"What the video shows. Characters: {describe.limits(lambda r: f'up to {r.prompt.maximum}')}.",
            json_schema_extra=_at(0),
        ),
    ]
    model: Annotated[
        str,
        Field(
            title="Model",
            description="The vendor's route; it decides the price, and the limits that the other fields name: there, "
            f'"{describe.MODEL_PREFIX}" is left out.',
            json_schema_extra=_at(1, enum=[*ROUTES]),
        ),
    ] = DEFAULT_MODEL
    duration: Annotated[
        int,
        Field(
            title="Duration (seconds)",
            description=f"Whole seconds. {describe.limits(describe.duration_words)}.",
            json_schema_extra=_at(2),
        ),
    ] = 5
    resolution: Annotated[
        ResolutionChoice,
        Field(
            title="Resolution",
            description=f'"auto": what the model makes by itself. {describe.limits(describe.resolution_choice)}.',
            json_schema_extra=_at(3),
        ),
    ] = "auto"
    ratio: Annotated[
        RatioChoice,
        Field(
            title="Aspect ratio",
            description=f'Width to height. {describe.limits(describe.ratio_words)}; "auto" sends none.',
            json_schema_extra=_at(4),
        ),
    ] = "auto"
    orientation: Annotated[
        OrientationChoice,
        Field(
            title="Orientation",
            description="Sent only when the aspect ratio is auto; no route's page documents it, so prefer the ratio. "
            "Beside a ratio it must say the same.",
            json_schema_extra=_at(5),
        ),
    ] = "auto"
    images: Annotated[
        list[str],
        Field(
            title="Reference images",
            description=f"{_FRAME} Never together with a first or last frame. "
            f"{describe.limits(lambda r: describe.count_words(r.images))}. "
            f"No GIF: {describe.refusing(lambda r: r.gif_images)}.",
            json_schema_extra=_at(6),
        ),
    ] = []
    first_image: Annotated[
        str,
        Field(
            title="First frame",
            description=f"{_FRAME} Empty for none. {describe.limits(describe.frame_words)}.",
            json_schema_extra=_at(7),
        ),
    ] = ""
    last_image: Annotated[
        str,
        Field(
            title="Last frame",
            description=f"{_FRAME} Empty for none. See the first frame for what each route takes.",
            json_schema_extra=_at(8),
        ),
    ] = ""
    reference_videos: Annotated[
        list[str],
        Field(
            title="Reference videos",
            description=f"{_WRITE} {describe.limits(describe.video_words)}.",
            json_schema_extra=_at(9),
        ),
    ] = []
    reference_audios: Annotated[
        list[str],
        Field(
            title="Reference audios",
            description=f"{_WRITE} {describe.limits(describe.audio_words)}. "
            f"Never alone: {describe.refusing(lambda r: r.audio_alone)}. "
            f"Never with frames: {describe.refusing(lambda r: r.audio_with_frames)}.",
            json_schema_extra=_at(10),
        ),
    ] = []
    take: Annotated[
        str,
        Field(
            title="Take",
            description="Not sent. Another value asks for another video of the same request.",
            json_schema_extra=_at(11),
        ),
    ] = "1"
    other_model: Annotated[
        str,
        Field(
            title="Other model",
            description="A model that the list above does not have yet; it wins when set, and route rules only warn.",
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
