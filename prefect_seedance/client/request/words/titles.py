"""What the fields of a form are called, and errors that call them so.

A person who filled in a form knows "Aspect ratio"; a program knows ``ratio``. What is said of a field names both, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Self, cast

from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

#: Titles of the fields of a request, and of what a flow is asked beside it.
TITLES: Mapping[str, str] = {
    "prompt": "Prompt",
    "model": "Model",
    "duration": "Duration (seconds)",
    "resolution": "Resolution",
    "ratio": "Aspect ratio",
    "orientation": "Orientation",
    "images": "Reference images",
    "first_image": "First frame",
    "last_image": "Last frame",
    "reference_videos": "Reference videos",
    "reference_audios": "Reference audios",
    "take": "Take",
    "other_model": "Other model",
    "manifest": "Manifest",
    "notify": "Notify",
}

#: What the library finds wrong, by its name for it: the rule, and what to do. ``{...}`` is what it says beside it.
_OF_LIBRARY: Mapping[str, tuple[str, str]] = {
    "missing": ("it is missing", "Fill it in"),
    "literal_error": ("it is not one of the choices", "Choose {expected}"),
    "string_type": ("it is not a valid string", "Write a text"),
    "string_too_long": ("it is too long", "Shorten it"),
    "list_type": ("it is not a valid list", "Write a list, even for one entry"),
    "int_type": ("it is not a whole number", "Write one, such as 5"),
    "int_parsing": ("it is not a whole number", "Write one, such as 5"),
    "int_from_float": ("it is not a whole number", "Write one, such as 5"),
    "int_parsing_size": ("it is too large a number", "Write a smaller one"),
    "float_type": ("it is not a number", "Write one, such as 0.5"),
    "float_parsing": ("it is not a number", "Write one, such as 0.5"),
    "finite_number": ("it is not a finite number", "Write one, such as 0.5"),
    "bool_type": ("it is neither true nor false", "Write one of the two"),
    "bool_parsing": ("it is neither true nor false", "Write one of the two"),
    "greater_than_equal": ("it is too small", "Write {ge} or more"),
    "greater_than": ("it is too small", "Write more than {gt}"),
    "less_than_equal": ("it is too large", "Write {le} or less"),
    "less_than": ("it is too large", "Write less than {lt}"),
}


def titled(place: str, titles: Mapping[str, str] = TITLES) -> str:
    """Return how a field is called to a person, with its name behind it where that is another.

    Args:
        place: The field, or an entry of it.
        titles: Of the fields.

    Example:
        >>> titled("ratio"), titled("images[0]"), titled("prompt")
        ('Aspect ratio (ratio)', 'Reference images, entry 1 (images[0])', 'Prompt')
        >>> titled("duration"), titled("a row")
        ('Duration', 'a row')
    """
    field, _, entry = place.partition("[")
    title = titles.get(field, "").partition(" (")[0]
    if not title:
        return place
    number = entry.removesuffix("]")
    if number.isdecimal():
        title += f", entry {int(number) + 1}"
    return title if title.casefold() == place else f"{title} ({place})"


def in_words(error: ValidationError, model: type[BaseModel]) -> list[InitErrorDetails]:
    """Return what a model refuses in the terms of its form: the field's title and name, the rule, and what to do.

    Values are left out, since one may be a secret. What is of no field stays as the library words it.

    Example:
        >>> from prefect_seedance.client.request.fields import RequestFields
        >>> try:
        ...     RequestFields(prompt="A boat", duration="long", aspect="9:16")
        ... except ValidationError as error:
        ...     for each in in_words(error, RequestFields):
        ...         print(each["type"])
        Duration: it is not a whole number. Write one, such as 5.
        aspect: there is no such field. Did you mean Aspect ratio (ratio)? If not, leave it out.
    """
    titles = {name: field.title or name for name, field in model.model_fields.items()}
    listed = error.errors(include_url=False, include_input=False)
    return [_in_words(each, titles) for each in listed]


class ErrorsInWords(BaseModel):
    """A model whose refusals are in the terms of its form, also where the library finds them: see `in_words`."""

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_words(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise ValidationError.from_exception_data(cls.__name__, in_words(error, cls), hide_input=True) from None


def _in_words(each: ErrorDetails, titles: Mapping[str, str]) -> InitErrorDetails:
    kind, where, beside = each["type"], each["loc"], cast("Mapping[str, object]", each.get("ctx", {}))
    place = "".join(f"[{step}]" if isinstance(step, int) else str(step) for step in where)
    if kind == "extra_forbidden":
        known = {written: name for name, title in titles.items() for written in (name, title.casefold())}
        near = get_close_matches(place.casefold().replace("_", " "), known, n=1) or get_close_matches(place, known, n=1)
        message = "there is no such field"
        fix = f"Did you mean {titled(known[near[0]], titles)}? If not, leave it out" if near else "Leave it out"
    elif kind in _OF_LIBRARY:
        message, fix = (words.format_map(beside) for words in _OF_LIBRARY[kind])
    else:
        text = each["msg"].removeprefix("Value error, ").removesuffix(".")
        message, fix = text.replace("Input should", "it must"), str(beside.get("fix", ""))
    if place:
        # Its own words may name the field already.
        name = titled(place, titles)
        message = message.removeprefix(f"{name}: ").removeprefix(f"{place}: ")
        words = f"{name}: {message}."
    else:
        words = f"{message[0].upper()}{message[1:]}."
    words = f"{words} {fix}{'' if fix.endswith(('?', '.')) else '.'}" if fix else words
    told = PydanticCustomError(kind, "{problem}", {"problem": words, "rule": message, "fix": fix})  # type: ignore[arg-type]
    return InitErrorDetails(type=told, loc=where, input=None)
