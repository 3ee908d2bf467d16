"""Reading requests: the key and the JSON body."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from fastapi import Request
from pydantic import JsonValue, TypeAdapter, ValidationError

_OBJECT = TypeAdapter(dict[str, JsonValue])


def account_of(request: Request, keys: Sequence[str]) -> int | None:
    """Return whose key the request brought, by its place among the keys, or None if it is nobody's."""
    given = request.headers.get("authorization", "").encode()
    matches = [hmac.compare_digest(given, f"Bearer {key}".encode()) for key in keys]
    return matches.index(True) if True in matches else None


async def json_object(request: Request) -> dict[str, JsonValue] | None:
    """Read the body as a JSON object, or return None if it is not one."""
    try:
        return _OBJECT.validate_json(await request.body())
    except ValidationError:
        return None


def strings(body: Mapping[str, JsonValue], field: str) -> list[str]:
    """Return the strings of a list field; an absent field is an empty list."""
    value = body.get(field)
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def text(body: Mapping[str, JsonValue], field: str) -> str:
    """Return a text field, "" if it is absent or not text."""
    value = body.get(field)
    return value if isinstance(value, str) else ""
