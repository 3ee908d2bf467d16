"""How the answer to a call that buys nothing is read: as a model, or as the error that fits.

The vendor sends business errors under HTTP 200, so the envelope's code is asked first, and the HTTP status
only where there is no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, JsonValue

from prefect_seedance.client.errors import (
    Answer,
    ApiError,
    AuthenticationFailed,
    ConnectionFailed,
    InvalidParameters,
    RateLimited,
    SeedanceError,
    TaskNotFound,
    UnexpectedAnswer,
    VendorBusy,
)
from prefect_seedance.client.exchange import Envelope, Exchange, open_envelope, retry_after_seconds
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.redaction import clean_text

Model = TypeVar("Model", bound=BaseModel)

NOT_FOUND_WORDS = "任务不存在"
ERROR_BY_CODE: Mapping[str, type[ApiError]] = {
    "20001": AuthenticationFailed,
    "20002": InvalidParameters,
    "40000": RateLimited,
    "-1": VendorBusy,
}
ERROR_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidParameters,
    401: AuthenticationFailed,
    403: AuthenticationFailed,
    422: InvalidParameters,
    429: RateLimited,
}


def read_data(exchange: Exchange) -> JsonValue:
    """Return the payload of a success.

    Raises:
        SeedanceError: For anything else.
    """
    envelope = _opened(exchange)
    if not envelope.is_success:
        raise _error(exchange, envelope)
    return envelope.data


def read_object(exchange: Exchange, model: type[Model]) -> Model:
    """Return the payload as a model.

    Raises:
        SeedanceError: For anything but a success with an object.
    """
    data = read_data(exchange)
    if not isinstance(data, dict):
        raise _unexpected(exchange, "success, but without the object that should come with it", transient=True)
    return model.model_validate(data)


def read_list(exchange: Exchange, model: type[Model], key: str) -> tuple[Model, ...]:
    """Return the list under a key of the payload, or the payload if it is a list, as models.

    Raises:
        SeedanceError: For anything but a success with a list.
    """
    data = read_data(exchange)
    items = data.get(key) if isinstance(data, dict) else data
    if not isinstance(items, list):
        raise _unexpected(exchange, f"success, but without the list {key!r}", transient=True)
    return tuple(model.model_validate(item) for item in items if isinstance(item, dict))


def read_video(exchange: Exchange, task_id: str) -> VideoTask:
    """Return a task; also from an old form of the answer, where the task comes without an envelope.

    The id asked for is kept whatever the answer repeats.

    Raises:
        TaskNotFound: The vendor does not know the id.
        SeedanceError: For any other answer that does not hold a task.
    """
    envelope = _opened(exchange, task_id)
    data = envelope.data
    if not envelope.code and {"task_id", "status"} <= envelope.document.keys():
        data = dict(envelope.document)
    elif not envelope.is_success:
        raise _error(exchange, envelope, task_id)
    if not isinstance(data, dict) or not data.keys() & {"task_id", "status"}:
        raise _unexpected(exchange, "success, but without a task", transient=True)
    return VideoTask.model_validate({**data, "task_id": task_id})


def _opened(exchange: Exchange, task_id: str = "") -> Envelope:
    if exchange.status_code is None:
        raise ConnectionFailed(exchange.reason or "no answer", sent=exchange.sent is not False) from exchange.fault
    try:
        return open_envelope(exchange)
    except ValueError as error:
        if exchange.fault is not None and exchange.status_code < 300:
            raise ConnectionFailed(exchange.reason, sent=True) from exchange.fault
        raise _error(exchange, Envelope("", "", None, {}), task_id, str(error)) from exchange.fault


def _error(exchange: Exchange, envelope: Envelope, task_id: str = "", unreadable: str = "") -> SeedanceError:
    status_code = exchange.status_code or 0
    answer = _answer(exchange, envelope)
    gone = NOT_FOUND_WORDS in envelope.message or (status_code == 404 and envelope.code not in ERROR_BY_CODE)
    if task_id and gone:
        return TaskNotFound(task_id, **answer)
    kind = ERROR_BY_CODE.get(envelope.code) or ERROR_BY_STATUS.get(status_code)
    if kind is not None:
        return kind(**answer)
    transient = status_code >= 500 or status_code == 408 or (status_code < 300 and not envelope.code)
    if 300 <= status_code < 400:
        target = clean_text(exchange.hide(exchange.headers.get("location", "nowhere")))
        reason = f"it redirects to {target}, which is not followed, since the key would go along"
    else:
        reason = unreadable or (f"code {envelope.code} is not known" if envelope.code else "it has no code")
    return UnexpectedAnswer(reason, transient=transient, **answer)


def _unexpected(exchange: Exchange, reason: str, *, transient: bool) -> UnexpectedAnswer:
    return UnexpectedAnswer(reason, transient=transient, **_answer(exchange, Envelope("", "", None, {})))


def _answer(exchange: Exchange, envelope: Envelope) -> Answer:
    return {
        "status_code": exchange.status_code,
        "code": envelope.code,
        "vendor_message": envelope.message,
        # The raw text is for what could not be read: an envelope's message is enough.
        "excerpt": "" if envelope.code else exchange.excerpt,
        "retry_after": retry_after_seconds(exchange.headers),
    }
