"""How the answer to a call that buys nothing is read: as a model, or as the error that fits.

The vendor sends business errors under HTTP 200, so the code of its envelope is asked first, and the HTTP status
only where there is none.
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
    WrongTask,
)
from prefect_seedance.client.exchange import (
    MAX_MESSAGE_CHARACTERS,
    Envelope,
    Exchange,
    open_envelope,
    retry_after_seconds,
    task_id_of,
)
from prefect_seedance.client.models import VideoTask
from prefect_seedance.redaction import hide

Model = TypeVar("Model", bound=BaseModel)

NO_ENVELOPE = Envelope("", "", None, {}, is_vendors=False)
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
    return model.model_validate(data, context=exchange.shown)


def read_list(exchange: Exchange, model: type[Model], key: str) -> tuple[Model, ...]:
    """Return the list under a key of the payload, or the payload if it is a list, as models.

    Raises:
        SeedanceError: For anything but a success with a list.
    """
    data = read_data(exchange)
    items = data.get(key) if isinstance(data, dict) else data
    if not isinstance(items, list):
        raise _unexpected(exchange, f"success, but without the list {key!r}", transient=True)
    return tuple(model.model_validate(item, context=exchange.shown) for item in items if isinstance(item, dict))


def read_video(exchange: Exchange, task_id: str) -> VideoTask:
    """Return a task; also from an old form of the answer, where the task comes without an envelope.

    An answer that names no task is taken for one about the task that was asked for, since a paid video must not be lost
    for a field that is left out; `VideoTask.names_itself` tells.

    Raises:
        TaskNotFound: The vendor does not know the id.
        WrongTask: The answer names another task.
        SeedanceError: For any other answer that does not hold a task.
    """
    envelope = _opened(exchange, task_id)
    data = dict(envelope.task)
    if not envelope.code and "status" in envelope.document and task_id_of(envelope.document):
        data = dict(envelope.document)
    elif not envelope.is_success:
        raise _error(exchange, envelope, task_id)
    if not data.keys() & {"task_id", "id", "status"}:
        raise _unexpected(exchange, "success, but without a task", transient=True)
    answered = task_id_of(data)
    if answered and answered != task_id.strip():
        raise WrongTask(task_id, hide(answered, exchange.secret, MAX_MESSAGE_CHARACTERS), **_answer(exchange, envelope))
    return VideoTask.model_validate(
        {**data, "task_id": task_id, "names_itself": bool(answered)}, context=exchange.shown
    )


def _opened(exchange: Exchange, task_id: str = "") -> Envelope:
    if exchange.status_code is None:
        raise ConnectionFailed(exchange.reason or "no answer", sent=exchange.sent is not False) from exchange.fault
    try:
        return open_envelope(exchange)
    except ValueError as error:
        if exchange.fault is not None and exchange.status_code < 300:
            raise ConnectionFailed(exchange.reason, sent=True) from exchange.fault
        raise _error(exchange, NO_ENVELOPE, task_id, str(error)) from exchange.fault


def _error(exchange: Exchange, envelope: Envelope, task_id: str = "", unreadable: str = "") -> SeedanceError:
    status_code = exchange.status_code or 0
    answer = _answer(exchange, envelope)
    gone = NOT_FOUND_WORDS in envelope.message or (status_code == 404 and envelope.error_code not in ERROR_BY_CODE)
    if task_id and gone:
        return TaskNotFound(task_id, **answer)
    kind = ERROR_BY_CODE.get(envelope.error_code) or ERROR_BY_STATUS.get(status_code)
    if kind is not None:
        return kind(**answer)
    transient = status_code >= 500 or status_code == 408 or (status_code < 300 and not envelope.error_code)
    if 300 <= status_code < 400:
        target = exchange.shown(exchange.headers.get("location", "nowhere"))
        reason = f"it redirects to {target}, which is not followed, since the key would go along"
    else:
        reason = unreadable or _unknown_code(envelope)
    return UnexpectedAnswer(reason, transient=transient, **answer)


def _unknown_code(envelope: Envelope) -> str:
    return f"code {envelope.code} is not known" if envelope.error_code else "it is not the vendor's envelope"


def _unexpected(exchange: Exchange, reason: str, *, transient: bool) -> UnexpectedAnswer:
    return UnexpectedAnswer(reason, transient=transient, **_answer(exchange, NO_ENVELOPE))


def _answer(exchange: Exchange, envelope: Envelope) -> Answer:
    return {
        "status_code": exchange.status_code,
        "code": envelope.error_code,
        "vendor_message": envelope.message,
        # The raw text is for what could not be read: an envelope's message is enough.
        "excerpt": "" if envelope.error_code else exchange.excerpt,
        "retry_after": retry_after_seconds(exchange.headers),
    }
