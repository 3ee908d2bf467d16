"""What a user asks for: the request, checked by every rule of its route as soon as it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, cast, runtime_checkable

from pydantic import (
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from prefect_seedance.client.request import form
from prefect_seedance.client.request.check import check
from prefect_seedance.client.request.fields import RequestFields
from prefect_seedance.client.request.problems import Problem
from prefect_seedance.client.request.text import canonical_lines
from prefect_seedance.client.request.text import canonical_text as canonical_text
from prefect_seedance.client.request.words.titles import in_words

_REFERENCES = frozenset({"images", "first_image", "last_image", "reference_videos", "reference_audios"})
#: Rules that a reference which cannot be read may satisfy.
_COMBINATIONS = frozenset({"both frames", "audio pairing"})


@runtime_checkable
class NamesItsSources(Protocol):
    """A video that was made before: `pipeline.models.StoredVideo`, which this room does not know."""

    @property
    def video_source(self) -> str:
        """The text that stands for the video."""
        ...

    @property
    def last_frame_source(self) -> str:
        """The text that stands for its last frame."""
        ...


class VideoRequest(RequestFields):
    """One video to generate: the prompt, the route and what it may use.

    Texts are cleaned first: brought to NFC, with LF at the end of each line, and without white space or zero-width
    spaces around them. So what is checked, sent and compared is one text, however it was typed.

    Every rule of every route is checked when the request is made, so a request that exists can be submitted.
    The form of media addresses is checked by the flow.

    Raises:
        pydantic.ValidationError: Naming, for each field, the rule that is broken and what to do.

    Examples:
        >>> VideoRequest(prompt="A paper boat crosses a puddle", model="seedance2.0-md", ratio="9:16").duration
        5
    """

    # An address may be signed, so pydantic must not print what it refuses.
    model_config = ConfigDict(
        title="Video request",
        defer_build=False,
        hide_input_in_errors=True,
        json_schema_extra=form.add_rules,
    )

    @field_validator("prompt", "take", "other_model")
    @classmethod
    def _clean(cls, value: str) -> str:
        # What is nothing but blanks stays, to be refused: cleared, it would choose the listed model.
        return canonical_lines(value) or value

    @field_validator("images", "first_image", "last_image", "reference_videos", "reference_audios", mode="before")
    @classmethod
    def _name_stored_videos(cls, value: object, info: ValidationInfo) -> object:
        """Write a stored video as the text that stands for it: forms, parameters and identity see only texts."""
        field = str(info.field_name)
        if isinstance(value, NamesItsSources):
            return _text_of(value, field, in_list=False)
        if isinstance(value, list | tuple | set | frozenset | Iterator):
            given = cast("Iterable[object]", value)
            return [_text_of(each, field, in_list=True) for each in given]
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_what_no_route_takes(
        cls, data: object, handler: ModelWrapValidatorHandler[VideoRequest]
    ) -> VideoRequest:
        try:
            request = handler(data)
        except ValidationError as error:
            found = in_words(error, cls)
            found += map(_refusal, _other_refusals(data, {str(each.get("loc", ("",))[0]) for each in found}, handler))
        else:
            found = [_refusal(problem) for problem in check(request) if problem.level == "refuse"]
            if not found:
                return request
        raise ValidationError.from_exception_data(cls.__name__, found, hide_input=True) from None


def _other_refusals(data: object, spoiled: set[str], handler: ModelWrapValidatorHandler[VideoRequest]) -> list[Problem]:
    """Return what is wrong beside fields that cannot be read at all, so that a person is told everything at once.

    Of combinations nothing is said where a part cannot be read: what it would have been is not known.
    """
    if not isinstance(data, Mapping) or not spoiled.isdisjoint({"model", "other_model"}):
        return []
    readable = {name: value for name, value in cast("Mapping[str, object]", data).items() if name not in spoiled}
    if "prompt" not in readable:
        readable["prompt"] = "-"
    try:
        request = handler(readable)
    except ValidationError:
        return []
    combined = set[str]() if spoiled.isdisjoint(_REFERENCES) else _COMBINATIONS
    return [
        problem
        for problem in check(request)
        if problem.level == "refuse" and problem.rule not in combined and problem.field.partition("[")[0] not in spoiled
    ]


def _refusal(problem: Problem) -> InitErrorDetails:
    told = {"problem": str(problem), "rule": problem.message, "fix": problem.fix}
    return InitErrorDetails(
        type=PydanticCustomError("route_rule", "{problem}", told), loc=_location(problem.field), input=problem.rule
    )


def _location(place: str) -> tuple[int | str, ...]:
    """Turn ``images[0]`` into the location that pydantic reports, ("images", 0)."""
    field, _, index = place.partition("[")
    return (field, int(index.removesuffix("]"))) if index else (field,)


def _text_of(value: object, field: str, *, in_list: bool) -> object:
    """Return what stands for a stored video where that can mean one thing only; anything else as it is."""
    if not isinstance(value, NamesItsSources):
        return value
    if field == "reference_videos" and in_list:
        return value.video_source
    wanted = {
        "reference_videos": "the field takes a list; write [stored], or [stored.video_source]",
        "reference_audios": "a stored video is not a sound; write the address of a sound",
    }.get(
        field,
        "a stored video may stand here for its last frame or for its poster; write stored.last_frame_source or "
        "stored.poster_source",
    )
    raise PydanticCustomError("stored_video", "{wanted}", {"wanted": wanted})
