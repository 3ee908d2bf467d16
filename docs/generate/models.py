"""What a user fills in and what a user gets: each model with its fields, their types, defaults and limits."""

from __future__ import annotations

import json
import types
from typing import Annotated, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.generate.docstrings import cell, generated, table
from prefect_seedance import BatchOptions, CollectOptions, RunOptions, StoredVideo, VideoRequest
from prefect_seedance.batch.models import BatchPlan, BatchReport, PlannedRow, RowResult
from prefect_seedance.pipeline.collect.models import CollectedVideo, CollectReport, Orphan

#: So many values of a field are named; the rest are on other pages.
_MOST_VALUES = 10
#: The page's sections, with the models of each.
MODELS: dict[str, tuple[type[BaseModel], ...]] = {
    "What you ask for": (VideoRequest, RunOptions, BatchOptions, CollectOptions),
    "What you get": (StoredVideo, BatchReport, RowResult, BatchPlan, PlannedRow, CollectReport, CollectedVideo, Orphan),
}

_INTRODUCTION = """Pydantic models. Costs and prices are in coins of the vendor (JimiCoin), times are in UTC, lengths in
seconds and sizes in bytes, unless a field says otherwise.

"""


def page() -> str:
    """Return the page."""
    sections = [f"## {title}\n\n" + "\n".join(map(_model, models)) for title, models in MODELS.items()]
    return generated("Models") + _INTRODUCTION + "\n".join(sections)


def _model(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", f"`{type_words(each.annotation)}`".replace("|", "\\|"), _default(each), _says(each))
        for name, each in model.model_fields.items()
    ]
    name = f"{model.__module__}.{model.__name__}"
    shown = (
        f"::: {name}\n    options:\n      heading_level: 3\n      show_bases: false\n      members: {_members(model)}\n"
    )
    return f"{shown}\n{table(('Field', 'Type', 'Default', 'What it is'), rows)}"


def _members(model: type[BaseModel]) -> str:
    """Name what is documented beside the fields: properties and methods of ours."""
    found = [name for name, each in vars(model).items() if _is_documented(model, name, each)]
    return f"[{', '.join(found)}]" if found else "false"


def _is_documented(model: type[BaseModel], name: str, member: object) -> bool:
    rules = model.__pydantic_decorators__
    if name.startswith("_") or name in {**rules.field_validators, **rules.model_validators, **rules.validators}:
        return False
    wrapped = getattr(member, "wrapped", member)  # of a computed field
    called = wrapped.fget if isinstance(wrapped, property) else getattr(wrapped, "__func__", wrapped)
    return isinstance(called, types.FunctionType) and bool(called.__doc__)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    shown = "empty" if value == "" else f"`{json.dumps(value, default=str, ensure_ascii=False)}`"
    return shown.replace("|", "\\|")


def _says(field: FieldInfo) -> str:
    words = cell(field.description or "")
    limits = [each for rule in field.metadata if (each := _limit(rule))]
    return " ".join([words, *([f"{' and '.join(limits).capitalize()}."] if limits else [])])


def _limit(rule: object) -> str:
    match rule:
        case annotated_types.Ge(ge=least):
            return f"at least {least}"
        case annotated_types.Gt(gt=least):
            return f"more than {least}"
        case annotated_types.Le(le=most):
            return f"at most {most}"
        case annotated_types.Lt(lt=most):
            return f"less than {most}"
        case annotated_types.MinLen(min_length=least):
            return f"at least {least} long"
        case annotated_types.MaxLen(max_length=most):
            return f"at most {most} long"
        case _:
            return ""


def type_words(kind: object) -> str:
    """Return a type as it is written in code; of many values some.

    Example:
        >>> type_words(dict[str, int] | None), type_words(Literal["a", "b"])
        ('dict[str, int] | None', '"a" | "b"')
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return type_words(parts[0])
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(type_words, parts)))
    if origin is Literal:
        shown = [json.dumps(each) for each in parts[:_MOST_VALUES]]
        return " | ".join([*shown, *(["..."] if len(parts) > _MOST_VALUES else [])])
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(type_words, parts))}]"
    return "None" if kind is types.NoneType else str(getattr(kind, "__name__", kind))
