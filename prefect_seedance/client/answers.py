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
    InsufficientBalance,
    InvalidParameters,
    RateLimited,
    SeedanceError,
    TaskNotFound,
    UnexpectedAnswer,
    VendorBusy,
    WrongTask,
)
from prefect_seedance.client.exchange import (
    A_PAGE,
    MAX_MESSAGE_CHARACTERS,
    SUCCESS_CODES,
    Envelope,
    Exchange,
    amount,
    documented_id,
    open_envelope,
    retry_after_seconds,
    task_id_of,
    text_of,
)
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.task.links import video_link
from prefect_seedance.client.task.status import STATUS_FIELDS, state_of, status_of
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
    402: InsufficientBalance,
    422: InvalidParameters,
    429: RateLimited,
}
_FROM_BETWEEN = (
    "It came from something on the way, such as a proxy, a firewall or the sign-in page of a network, and does not say "
    "that the API key is wrong"
)


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
    if not envelope.is_success:
        if not (data := _without_envelope(exchange, envelope)):
            raise _error(exchange, envelope, task_id)
    elif (
        not data.keys() & {"task_id", "taskId", "id", *STATUS_FIELDS}
        and not video_link(envelope.document, task_id).address
    ):
        raise _unexpected(exchange, "success, but without a task", transient=True)
    answered = task_id_of(data)
    if answered and answered != task_id.strip():
        raise WrongTask(task_id, hide(answered, exchange.secret, MAX_MESSAGE_CHARACTERS), **_answer(exchange, envelope))
    is_documented = bool(documented_id(data)) and state_of(text_of(data.get("status"))) is not None
    by_vendor = is_documented and envelope.is_vendors and envelope.code in SUCCESS_CODES
    named = {**data, "task_id": task_id, "names_itself": bool(answered), "by_vendor": by_vendor}
    task = VideoTask.model_validate(named, context=exchange.shown)
    if task.video_url or task.rival_links:
        return task
    beside = video_link(envelope.document, task_id)
    return task.model_copy(update={"video_url": beside.address, "rival_links": beside.rivals})


def _without_envelope(exchange: Exchange, envelope: Envelope) -> dict[str, JsonValue]:
    """Return a task that came without an envelope, whole or as the payload of another service; else nothing.

    Whatever says that the answer is not a success leaves nothing: what it tells of a task could be a failure for good.
    """
    document, status_code = envelope.document, exchange.status_code or 0
    if document.get("code") is not None or document.get("success") is False or not 200 <= status_code < 300:
        return {}
    for data in (document, envelope.task):
        if task_id_of(data) and status_of(data) and not (data is not document and document.get("error")):
            return dict(data)
    return {}


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
    is_page = unreadable.startswith(A_PAGE)
    unknown_there = status_code == 404 and not is_page and envelope.error_code not in ERROR_BY_CODE
    if task_id and (NOT_FOUND_WORDS in envelope.message or unknown_there):
        return TaskNotFound(task_id, **answer)
    kind = ERROR_BY_CODE.get(envelope.error_code)
    if envelope.lacks_money and kind is not RateLimited:  # whatever code the vendor has for it
        shortage = envelope.task
        return InsufficientBalance(
            required=amount(shortage.get("required")), available=amount(shortage.get("available")), **answer
        )
    if kind is None and status_code == 401 and envelope.is_vendors:
        kind = AuthenticationFailed
    # A page is never the vendor's, so it is not the vendor that finds fault with the request.
    if kind is None and (not is_page or status_code == 429):
        kind = ERROR_BY_STATUS.get(status_code)
    if kind is not None:
        return kind(**answer)
    transient = status_code >= 500 or status_code == 408 or (status_code < 300 and not envelope.error_code)
    if 300 <= status_code < 400:
        target = exchange.shown(exchange.headers.get("location", "nowhere"))
        reason = f"it redirects to {target}, which is not followed, since the key would go along"
    elif is_page:
        details = f"{unreadable}. {_FROM_BETWEEN}"
        return UnexpectedAnswer(A_PAGE, transient=transient, details=details, **answer)
    elif status_code == 401:
        reason = (
            "HTTP 401 without the vendor's envelope: the API key may be wrong, or something on the way wants a login"
        )
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
