"""How the answer to a call that buys nothing is read: as a model, or as the error that fits.

The vendor sends business errors under HTTP 200, so the code of its envelope is asked first, and the HTTP status
only where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from prefect_seedance.client.models import Asset, AuditResult, FailedItem, UploadedFile, VideoTask
from prefect_seedance.client.request.sources import is_sendable_link
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


#: Where a payload lists what was taken in, and what failed; the documented name first.
_LISTS = ("items", "assets", "list", "records", "results", "data")
_FAILED_LISTS = ("failed_items", "failedItems", "failed", "failures", "errors")


def read_audit(exchange: Exchange, asked: int) -> AuditResult:
    """Return what became of addresses that were handed to the audit.

    Args:
        exchange: What came back.
        asked: How many addresses were handed in.

    Raises:
        SeedanceError: For anything but a success with an object or a list.
    """
    data = read_data(exchange)
    if not isinstance(data, dict | list):
        raise _unexpected(exchange, "success, but without what became of the addresses", transient=True)
    items, failed = _listed_assets(data)
    result: dict[str, JsonValue] = {"items": items, "failed_items": failed, "asked": asked, "raw": data}
    return AuditResult.model_validate(result, context=exchange.shown)


def read_assets(exchange: Exchange, asset_ids: Sequence[str]) -> tuple[Asset, ...]:
    """Return one asset for each id that was asked for, in that order.

    One that the answer leaves out is unknown to the vendor. Failed items of such an answer mean that the look-up
    failed, and where they name no id, that of everything that is left out.

    Raises:
        SeedanceError: For anything but a success with a list of assets.
    """
    data = read_data(exchange)
    items, failed_data = _listed_assets(data)
    listed = isinstance(data, list) or (isinstance(data, dict) and any(isinstance(data.get(n), list) for n in _LISTS))
    if isinstance(data, dict) and not listed:
        items += [_named(each, data[each]) for each in asset_ids if each in data]
    if not (listed or items or failed_data):
        raise _unexpected(exchange, "success, but without a list of assets", transient=True)
    told = [Asset.model_validate(item, context=exchange.shown) for item in items if isinstance(item, dict)]
    if len(told) == len(asset_ids) == 1 and not told[0].asset_id:
        told = [told[0].model_copy(update={"asset_id": asset_ids[0]})]
    failed = AuditResult.model_validate({"failed_items": failed_data}, context=exchange.shown).failed_items
    return tuple(_asset_of(asset_id, told, failed) for asset_id in asset_ids)


def _named(asset_id: str, told: JsonValue) -> JsonValue:
    """Return what an answer tells of an asset by its id: all of it, or the status alone."""
    return {**told, "asset_id": asset_id} if isinstance(told, dict) else {"asset_id": asset_id, "status": told}


def _asset_of(asset_id: str, told: Sequence[Asset], failed: Sequence[FailedItem]) -> Asset:
    found = next((each for each in told if each.asset_id == asset_id), None)
    if found is not None:
        return found
    failure = next((each for each in failed if each.asset_id == asset_id or asset_id in str(each.said)), None)
    failure = failure or next((each for each in failed if not each.asset_id), None)
    if failure is not None:
        return Asset(asset_id=asset_id, reason=failure.reason, lookup="failed")
    return Asset(asset_id=asset_id, lookup="missing")


def read_asset(exchange: Exchange, asset_id: str = "") -> Asset:
    """Return the one asset that an answer is about.

    Args:
        exchange: What came back.
        asset_id: The id that was asked for; "" where a new one was made, whose id the answer must name.

    Raises:
        SeedanceError: For anything but a success with an asset.
    """
    data = read_data(exchange)
    inside = [data.get(name) for name in ("asset", "item", "data")] if isinstance(data, dict) else []
    told = [{"asset_id": data}] if isinstance(data, str) else [*_listed_assets(data)[0], *inside]
    found = [Asset.model_validate(each, context=exchange.shown) for each in told if isinstance(each, dict)]
    asset = next((each for each in found if each.asset_id), None)
    if asset is None and asset_id and isinstance(data, dict):
        asset = Asset.model_validate({**data, "asset_id": asset_id}, context=exchange.shown)
    if asset is None:
        raise _unexpected(exchange, "success, but without the id of an asset", transient=bool(asset_id))
    return asset


def _listed_assets(data: JsonValue) -> tuple[list[JsonValue], JsonValue]:
    """Return what a payload lists as assets and as failed; it may itself be the list, or one asset."""
    if isinstance(data, list):
        return [*data], None
    if not isinstance(data, dict):
        return [], None
    failed = next((data[name] for name in _FAILED_LISTS if data.get(name)), None)
    for name in _LISTS:
        listed = data.get(name)
        if isinstance(listed, list):
            return [*listed], failed
        if isinstance(listed, dict):
            return [listed], failed
    alone = Asset.model_validate(data)
    return [data] if alone.asset_id or alone.status else [], failed


def read_upload(exchange: Exchange, *, allow_loopback: bool) -> UploadedFile:
    """Return a file that was uploaded, with a link that a request can name.

    Args:
        exchange: What came back.
        allow_loopback: Whether the link may lead to a simulator on this machine.

    Raises:
        SeedanceError: For anything but a success with such a link.
    """
    data = read_data(exchange)
    alone = data[0] if isinstance(data, list) and len(data) == 1 else data
    uploaded = UploadedFile.model_validate(alone, context=exchange.shown) if isinstance(alone, dict | str) else None
    if uploaded is None or not is_sendable_link(uploaded.url, allow_loopback=allow_loopback):
        raise _unexpected(exchange, "success, but without an https link to the file", transient=False)
    return uploaded


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
