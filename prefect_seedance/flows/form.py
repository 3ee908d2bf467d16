"""The forms of the flows: what their parameters are called, which of them one does not show, and what is refused.

Prefect titles a parameter by its name. A better title has no place in a signature that people call: a default of
pydantic's ``Field`` would reach the flow in place of a value. So the flow object gets a signature of its own, which
Prefect reads when it makes a form and nothing else goes by: calls are bound by that of the function.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from prefect import Flow
from prefect.exceptions import ParameterTypeError
from pydantic import Field, GetJsonSchemaHandler, ValidationError
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticUndefined

from prefect_seedance.client.request.words.titles import TITLES
from prefect_seedance.plain_text import faults
from prefect_seedance.runs.ends.log_lines import REFUSED

AnyFlow = TypeVar("AnyFlow", bound=Flow[..., Any])

#: One title for each name that a parameter has in any flow.
PARAMETER_TITLES: Mapping[str, str] = {
    "request": "Video",
    "requests": "Videos",
    "manifest": TITLES["manifest"],
    "credentials": "Credentials",
    "store": "Store",
    "notify": TITLES["notify"],
    "options": "Options",
    "parts": "Number of parts",
    "deployment": "Deployment of the parts",
    "restarts": "Restarts of a part",
    "intent": "Intent",
    "resolution": "How to settle it",
    "task_id": "Task id",
    "attempt": "Attempt",
    "any_model": "Attach a task of another model",
    "any_age": "Attach a task of another time",
    "despite_evidence": "Settle it against the evidence",
    "url": "Link of the video",
    "path": "Path of the video",
    "reason": "Reason",
}


class LeavesOut:
    """Leave a field of a model out of one flow's form, in which it would mean nothing.

    What is sent without it, or with it as an earlier form did, is taken: the model itself stays as it is.

    Args:
        field: The name of the field.

    Example:
        >>> from typing import Annotated
        >>> from pydantic import BaseModel, TypeAdapter
        >>> class Options(BaseModel):
        ...     part: str = ""
        ...     sheet: str = ""
        >>> list(TypeAdapter(Annotated[Options, LeavesOut("part")]).json_schema()["properties"])
        ['sheet']
    """

    def __init__(self, field: str) -> None:
        self._field = field

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # Written out: a reference would lead to the whole model.
        whole = copy.deepcopy(handler.resolve_ref_schema(handler(schema)))
        del whole["properties"][self._field]
        whole.pop("additionalProperties", None)
        return whole


def with_titles(flow: AnyFlow) -> AnyFlow:
    """Title the parameters of a flow in words, for its form, and have it refuse wrong ones by these.

    Example:
        >>> from prefect import flow
        >>> from prefect.utilities.callables import parameter_schema
        >>> @with_titles
        ... @flow
        ... def settle(task_id: str, reason: str = "") -> None:
        ...     "Settle something."
        >>> [field["title"] for field in parameter_schema(settle).properties.values()]
        ['Task id', 'Reason']
    """
    signature = inspect.signature(flow.fn)
    parameters = [_titled(parameter) for parameter in signature.parameters.values()]
    flow.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    flow.validate_parameters = partial(_validate, flow)  # type: ignore[method-assign]
    return flow


def _validate(flow: Flow[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Validate parameters as Prefect does; what is wrong with a field is said once, by its title, without its path."""
    try:
        return type(flow).validate_parameters(flow, parameters)
    except ParameterTypeError as error:
        # Prefect hides what pydantic has said, and keeps it.
        said = error.__context__
        if not isinstance(said, ValidationError):
            raise
        raise ParameterTypeError(f"{REFUSED} {' '.join(faults(said))}") from None


def _titled(parameter: inspect.Parameter) -> inspect.Parameter:
    default = PydanticUndefined if parameter.default is inspect.Parameter.empty else parameter.default
    title: JsonDict = {"title": PARAMETER_TITLES[parameter.name]}
    # By name: otherwise a parameter without a default could not follow one that has one.
    return parameter.replace(default=Field(default, json_schema_extra=title), kind=inspect.Parameter.KEYWORD_ONLY)
