"""A block that refuses a field that it does not have.

Prefect's blocks keep any name that they are given, so a typing error is a setting without effect: written for
``account``, it shares the videos of another account. What was saved may be of another version of the class and has to
load: Prefect makes a loaded block by ``model_validate``, and every other one by calling the class.
"""

from __future__ import annotations

import difflib
import warnings
from abc import ABC
from typing import Any, Self, cast

from prefect.blocks.core import Block
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class KnownFieldsBlock(Block, ABC):
    """The base of this package's blocks."""

    def __init__(self, **fields: Any) -> None:
        # Without the value, which may be a secret.
        faults = [InitErrorDetails(type=self._fault(name), loc=(name,), input=None) for name in self._unknown(fields)]
        if faults:
            raise ValidationError.from_exception_data(type(self).__name__, faults, hide_input=True)
        super().__init__(**fields)

    @property
    def saved_id(self) -> str:
        """Id that it is saved under in Prefect; "" if it is not saved."""
        return str(self._block_document_id or "")

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Make a block of what was saved. A field that this version does not have is left out, with a warning."""
        if isinstance(obj, dict):
            values = cast("dict[str, Any]", obj)
            unknown = cls._unknown(values)
            for name in unknown:
                warnings.warn(f"{cls.__name__}: {name} is left out, as {cls._fault(name)}", stacklevel=2)
            obj = {name: value for name, value in values.items() if name not in unknown}
        return super().model_validate(obj, **options)

    @classmethod
    def _unknown(cls, fields: dict[str, Any]) -> list[str]:
        """Return the names that are neither fields nor Prefect's own, such as block_type_slug."""
        known = {"block_type_slug", *cls.model_fields, *(field.alias for field in cls.model_fields.values())}
        return [name for name in fields if name not in known and not name.startswith("_")]

    @classmethod
    def _fault(cls, name: str) -> PydanticCustomError:
        near = difflib.get_close_matches(name, cls.model_fields, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return PydanticCustomError("unknown_field", "there is no such field{hint}", {"hint": hint})
