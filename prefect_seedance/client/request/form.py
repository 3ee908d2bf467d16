"""The routes' rules as JSON Schema: the Prefect form refuses a wrong value on its own field, before a run is made.

`add_rules` writes them into the schema of `VideoRequest`, made from the route table. They refuse what ``check``
refuses, on the field that it names, and never more. Four facts about Prefect give them their shape:

- They stand in one ``allOf`` whose entries hold ``if``, ``then`` and ``else`` only. The V1 form sends the server a
  copy of the schema in which ``allOf`` is whole, but the model's own ``if`` and a field's ``minimum`` or ``pattern``
  are gone; the V2 form merges whatever else an entry holds into the fields that it draws.
- ``required`` is used nowhere: the server strips it when it checks the parameters of a deployment, and an ``if``
  that has lost it would hold always. An absent field counts as its default: empty, or the default model.
- The user sees nothing but the validator's message, and that of most keywords repeats the value, which may be a
  signed address or a whole prompt. Of a failed ``const`` it is "'at most 9 images' was expected": the one keyword
  that can show words of ours. So a value that an ``if`` finds wrong is required to equal its own error message. A
  number outside its range and a choice that is not listed are told well by the usual keywords.
- A deployment stores the rules of the day on which it was applied.

What the two do not have in common:

=============================================  ======================================================================
``check`` refuses, the schema does not         Half a surrogate pair in a text: a reader of patterns that counts
                                               UTF-16 units would refuse every emoji with it. The percent-encoding of
                                               a file:// address that is none of UTF-8, or hides the end of a folder.
the schema refuses, ``check`` does not         An unlisted ``model`` beside an ``other_model``: the list of the select
                                               is closed, and the name that is not used may as well be a listed one.
                                               A prompt that is too long only by the blanks around it, or since its
                                               lines end in two characters.
neither                                        What one route takes of references, and whether an address is public
                                               (`references`). Warnings: no form can show one.
=============================================  ======================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import cast

from pydantic.config import JsonDict

from prefect_seedance.client.request.routes import DEFAULT_MODEL, ROUTES, Route, orientation_of
from prefect_seedance.client.request.sources import FRAME_OF_VIDEO, RULES

#: Holds for what an absent field, "" or [] means, and for what is of neither type: that is another rule's business.
_EMPTY: JsonDict = {"maxLength": 0, "maxItems": 0}

# Also what takes no room at all: see `text`.
_BLANK = r"^[\s\u200b\u2060\ufeff]*$"
_CONTROL = r"[\x00-\x1f\x7f-\x9f]"
# All of them but tabs and the ends of lines, which are brought into one form.
_CONTROL_IN_A_LINE = r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"
# A link by that name; see `check`.
_GIF = r"^[hH][tT][tT][pP][sS]:[^?#]*\.[gG][iI][fF](?![^?#])"

# One entry of each list, in words.
_ENTRY = {"images": "image", "reference_videos": "reference video", "reference_audios": "reference audio"}


#: What the forms that this process makes say of prices.
_prices = ""


def say_prices(words: str) -> str:
    """Have the forms that this process makes from now on say what models cost; return what they said before.

    A deployment stores the form of the day on which it was applied, so prices are looked up by whoever applies it,
    and never when a form is made.
    """
    global _prices
    before, _prices = _prices, words
    return before


def add_rules(schema: JsonDict) -> None:
    """Add the rules of all routes to the schema of `VideoRequest`, in place, and what models cost where that is known.

    Args:
        schema: The schema as pydantic makes it; its choices are narrowed per route.

    Example:
        >>> schema = {"properties": {"resolution": {"enum": ["auto", "480p"]}, "ratio": {"enum": ["auto", "16:9"]}}}
        >>> add_rules(schema)
        >>> [sorted(entry) for entry in schema["allOf"]]
        [['if', 'then'], ['else', 'if', 'then']]
    """
    fields = cast("dict[str, dict[str, list[str]]]", schema["properties"])
    if _prices and "model" in fields:
        cast("dict[str, dict[str, str]]", fields)["model"]["description"] += f" {_prices}"
    schema["allOf"] = json.loads(_rules_as_json(tuple(fields["resolution"]["enum"]), tuple(fields["ratio"]["enum"])))


@cache
def _rules_as_json(resolutions: tuple[str, ...], ratios: tuple[str, ...]) -> str:
    """Write the rules once: Prefect asks for the schema twice per flow. As text, since each schema may be changed."""
    choices = {"resolution": [*resolutions], "ratio": [*ratios]}
    rules: list[JsonDict] = [
        {"if": {}, "then": _always()},
        {
            "if": _is_empty("other_model"),
            "then": {"allOf": [*_by_model(choices), *_orientations(ratios)]},
            "else": {"properties": {"duration": {"minimum": 1}}},
        },
    ]
    return json.dumps(rules)


def _always() -> JsonDict:
    """Return the rules of the API itself, which no route and no other model can lift."""
    source = _source()
    printable = "text without control characters"
    texts: JsonDict = {
        "prompt": {
            "allOf": [
                _refused(_text(_BLANK), "a text that says what the video shows"),
                _refused(_text(_CONTROL_IN_A_LINE), printable),
            ]
        },
        "take": {
            "allOf": [
                _refused(_text(_BLANK), "any text, 1 for the first take"),
                _refused(_text(_CONTROL), printable),
            ]
        },
        "other_model": {
            "allOf": [
                _refused(_text(r"^[\s\u200b\u2060\ufeff]+$"), "a name, or nothing"),
                _refused(_text(_CONTROL), printable),
            ]
        },
    }
    no_frame = _refused(_text(FRAME_OF_VIDEO), "a video, and no frame of one")
    return {
        "properties": {**texts, **{name: {"items": no_frame} for name in ("reference_videos", "reference_audios")}},
        "patternProperties": {
            "^(first|last)_image$": {"if": _EMPTY, "else": source},
            "^(images|reference_(video|audio)s)$": {"items": source},
        },
    }


def _source() -> JsonDict:
    """Return what may not stand for a reference: each text gets the message of the first rule that it breaks."""
    found: JsonDict = {}
    for expected, rules in reversed([(key, [*group]) for key, group in groupby(RULES, lambda rule: rule.expected)]):
        wrong = _refused(_text("|".join(rule.wrong for rule in rules)), expected)
        found = {**wrong, "else": found} if found else wrong
    return found


def _by_model(choices: dict[str, list[str]]) -> Iterator[JsonDict]:
    """Yield the rules of each group of models that have the same ones."""
    groups: dict[str, list[Route]] = {}
    for route in ROUTES.values():
        groups.setdefault(json.dumps(_rules(route, choices)), []).append(route)
    for routes in groups.values():
        models: JsonDict = {"enum": [route.model for route in routes]}
        rules = _rules(routes[0], choices)
        # An absent field satisfies any `properties`, which is right for the group of the default model only.
        if any(route.model == DEFAULT_MODEL for route in routes):
            yield {"if": {"properties": {"model": models}}, "then": rules}
        else:
            yield {"if": {"properties": {"model": {"not": models}}}, "else": rules}


def _orientations(ratios: Sequence[str]) -> Iterator[JsonDict]:
    """Yield what may stand beside each ratio: the orientation that it has anyway."""
    groups: dict[str, list[str]] = {}
    for ratio in ratios:
        if ratio != "auto":
            groups.setdefault(orientation_of(ratio), []).append(ratio)
    for orientation, having in groups.items():
        allowed = ["auto", orientation] if orientation else ["auto"]
        another_ratio: JsonDict = {"properties": {"ratio": {"not": {"enum": [*having]}}}}
        yield {"if": another_ratio, "else": {"properties": {"orientation": {"enum": [*allowed]}}}}


def _rules(route: Route, choices: dict[str, list[str]]) -> JsonDict:
    return {"properties": _field_rules(route, choices), "allOf": [*_combinations(route)]}


def _field_rules(route: Route, choices: dict[str, list[str]]) -> JsonDict:
    """Return the rules that concern one field each."""
    rules: dict[str, JsonDict] = {
        "duration": {"minimum": route.duration.minimum, "maximum": route.duration.maximum},
    }
    if route.prompt.level == "refuse":
        longest = route.prompt.maximum
        too_long: JsonDict = {"type": "string", "minLength": longest + 1}
        rules["prompt"] = _refused(too_long, f"at most {longest} characters")
    allowed: dict[str, tuple[str, ...]] = {}
    if route.resolution.refuses_others():
        allowed["resolution"] = route.resolution.made()
    if route.ratio.others == "refuse":
        allowed["ratio"] = route.ratio.values
    for name, values in allowed.items():
        if not {*choices[name]} <= {"auto", *values}:
            rules[name] = {"enum": ["auto", *(value for value in values if value in choices[name])]}
    lists = {
        "images": route.images,
        "reference_videos": route.reference_videos,
        "reference_audios": route.reference_audios,
    }
    for name, rule in lists.items():
        most = rule.refused_above()
        if most is not None:
            words = f"at most {most} {_ENTRY[name]}{'s' * (most > 1)}" if most else f"no {_ENTRY[name]}s on this model"
            rules[name] = _refused({"type": "array", "minItems": most + 1}, words)
    if route.gif_images.level == "refuse":
        no_gif = _refused(_text(_GIF), "an image that is not a GIF")
        rules |= {"first_image": no_gif, "last_image": no_gif}
        rules["images"] = {**rules.get("images", {}), "items": no_gif}
    return {**rules}


def _combinations(route: Route) -> Iterator[JsonDict]:
    """Yield the rules of fields that allow or exclude each other."""
    no_frames = _is_empty("first_image", "last_image")
    if route.images_with_frames.level == "refuse":
        yield {"if": no_frames, "else": _must_be_empty("images", "images or frames, not both")}
    if route.first_frame_alone.level == "refuse":
        yield {"if": _is_empty("last_image"), "then": _must_be_empty("first_image", "both frames, or none")}
    if route.last_frame_alone.level == "refuse":
        yield {"if": _is_empty("first_image"), "then": _must_be_empty("last_image", "both frames, or none")}
    if route.both_frames.level == "refuse":
        yield {"if": _is_empty("last_image"), "else": _must_be_empty("first_image", "no first beside a last frame")}
    audio = "reference_audios"
    if route.audio_with_frames.level == "refuse":
        yield {"if": no_frames, "else": _must_be_empty(audio, "no audio beside a first or last frame")}
    if route.audio_alone.level == "refuse":
        nothing_else = _is_empty("images", "reference_videos", "first_image", "last_image")
        words = "audio beside images, a reference video or a frame"
        yield {"if": nothing_else, "then": _must_be_empty(audio, words)}


def _refused(wrong: JsonDict, words: str) -> JsonDict:
    """Return a rule that refuses what the schema ``wrong`` describes, with these words for a message."""
    return {"if": wrong, "then": {"const": words}}


def _text(pattern: str) -> JsonDict:
    return {"type": "string", "pattern": pattern}


def _is_empty(*fields: str) -> JsonDict:
    return {"properties": {name: _EMPTY for name in fields}}


def _must_be_empty(field: str, words: str) -> JsonDict:
    return {"properties": {field: {"if": _EMPTY, "else": {"const": words}}}}
