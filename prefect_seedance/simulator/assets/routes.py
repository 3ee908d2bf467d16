"""Assets and file upload: Manxue's audit, the SP library, its real people, and the upload of local files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from urllib.parse import quote, unquote, urlsplit

from fastapi import APIRouter, FastAPI, Request
from pydantic import JsonValue
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from prefect_seedance.simulator.answers import (
    AUTH_FAILED,
    SP_SUCCESS,
    SUCCESS,
    broken_answer,
    envelope,
    refused,
    store_error,
)
from prefect_seedance.simulator.assets.addresses import flaw_at, is_read
from prefect_seedance.simulator.assets.library import Library, SubmittedAsset
from prefect_seedance.simulator.assets.uploads import CONTENT_TYPES, KeptFile
from prefect_seedance.simulator.faults import Fault, Place
from prefect_seedance.simulator.incoming import account_of, json_object, strings, text
from prefect_seedance.simulator.simulation import Simulation

Body = dict[str, JsonValue]
#: What a route makes of a body for an account, under a fault or none: an error's text, or the answer's data.
Answer = Callable[[Simulation, int, Body, Fault | None], "str | JsonValue"]

_AUDIT_FIELDS = {"image_urls": "image", "video_urls": "video", "audio_urls": "audio"}
_SP_TYPES = ("image", "video", "audio", "text")


def add_asset_routes(app: FastAPI, simulation: Simulation, prefix: str) -> None:
    """Add the asset and upload routes under the API's prefix."""
    router = APIRouter(prefix=prefix)

    def post(path: str, name: str, place: Place, check: Callable[[Body], str], answer: Answer, success: int) -> None:
        async def endpoint(request: Request) -> Response:
            simulation.log.asset_request(name)
            body = await json_object(request)
            account = account_of(request, simulation.settings.keys)
            if account is None:
                return refused("", AUTH_FAILED)
            if body is None:
                return refused("body: must be a JSON object")
            reason = check(body)
            if reason:
                return refused(reason)

            def whole(fault: Fault | None) -> Response:
                data = answer(simulation, account, body, fault)
                return refused(data) if isinstance(data, str) else envelope(data, success)

            return _met(simulation, request, place, _searched(simulation, body), whole)

        router.add_api_route(path, endpoint, methods=["POST"])

    post("/seedance/assets/audit", "audit", "audit", _audit_check, _audit, SUCCESS)
    post("/seedance/assets/status", "status", "status", _no_check, _statuses("manxue"), SUCCESS)
    post("/seedance/sp/assets/upload", "sp_upload", "audit", _sp_check, _sp_upload, SP_SUCCESS)
    post("/seedance/sp/assets/detail", "sp_detail", "status", _no_check, _sp_detail, SP_SUCCESS)
    post("/seedance/sp/assets/status", "sp_status", "status", _no_check, _statuses("sp"), SP_SUCCESS)
    people = "/seedance/sp/realperson"
    post(f"{people}/submit", "person_submit", "audit", _person_check, _person_submit, SP_SUCCESS)
    post(f"{people}/status", "person_status", "status", _no_check, _person_status, SP_SUCCESS)
    post(f"{people}/batch-status", "person_batch", "status", _no_check, _person_statuses, SP_SUCCESS)
    router.add_api_route("/files/upload", _upload(simulation), methods=["POST"])
    app.include_router(router)
    app.add_api_route("/files/{name}", _uploaded(simulation), methods=["GET", "HEAD"])


def _met(
    simulation: Simulation,
    request: Request,
    place: Place,
    searched: str,
    whole: Callable[[Fault | None], Response],
) -> Response:
    """Answer a request that nothing is wrong with, unless it meets a fault."""
    fault = simulation.faults.take(place, searched)
    if fault is None or not fault.breaks_the_answer:
        return whole(fault)
    return broken_answer(fault, request, simulation, whole(None) if fault.accepts else None)


def _searched(simulation: Simulation, body: Body) -> str:
    """Return what a fault's ``matching`` is looked for in: the addresses, names and ids of a body, one a line."""
    ids = [*strings(body, "asset_ids"), text(body, "asset_id")]
    known = [asset.url for asset in simulation.assets.all() if asset.asset_id in ids]
    addresses = [url for field in _AUDIT_FIELDS for url in strings(body, field)]
    return "\n".join([*ids, *known, *addresses, text(body, "url"), text(body, "name")])


def _no_check(body: Body) -> str:
    return ""


def _audit_check(body: Body) -> str:
    return "" if any(strings(body, field) for field in _AUDIT_FIELDS) else "image_urls: no URL"


def _audit(simulation: Simulation, account: int, body: Body, fault: Fault | None) -> JsonValue:
    items: list[JsonValue] = []
    failed: list[JsonValue] = []
    turned_down = fault if fault is not None and fault.fault == "audit_failed_items" else None
    for field, asset_type in _AUDIT_FIELDS.items():
        for url in strings(body, field):
            if not url.startswith(("https://", "http://")):
                failed.append({"original_url": url, "asset_type": asset_type, "reason": "not a public URL"})
            elif turned_down is not None and turned_down.matching in url:
                failed.append(_FAILED_ITEMS[turned_down.shape]("Url", url, turned_down.message))
            else:
                items.append(_audited(simulation, account, url, asset_type, fault))
    if fault is not None and fault.fault == "audit_reordered":
        items.reverse()
    return {"items": items, "failed_items": failed}


def _audited(simulation: Simulation, account: int, url: str, asset_type: str, fault: Fault | None) -> Body:
    asset = _submit(simulation, account, "manxue", url, asset_type)
    item: Body = {
        "asset_id": asset.asset_id,
        "original_url": url,
        "asset_type": asset_type,
        "status": simulation.assets.status(asset),
    }
    if fault is not None and fault.fault == "audit_no_asset_id":
        del item["asset_id"]
    if fault is not None and fault.fault == "audit_other_address":
        item["original_url"] = _ADDRESSES[fault.shape](url)
    return item


def _submit(
    simulation: Simulation, account: int, library: Library, url: str, asset_type: str, name: str = ""
) -> SubmittedAsset:
    """Take an asset in, and begin to look at its address."""
    simulation.log.submitted(library, url)
    asset = simulation.assets.add(account, library, url, asset_type, name)
    fault = simulation.faults.take("reference", url)
    if fault is not None:
        simulation.assets.judge(asset.asset_id, fault.message)
    elif is_read(url):
        simulation.in_background(_read(simulation, asset))
    else:
        simulation.assets.judge(asset.asset_id, "")
    simulation.look_at_asset(account, asset.asset_id)
    return asset


async def _read(simulation: Simulation, asset: SubmittedAsset) -> None:
    simulation.assets.judge(asset.asset_id, await flaw_at(asset.url, asset.asset_type, simulation.reading))


def _normalised(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix({"https": ":443", "http": ":80"}.get(parts.scheme, " "))
    return parts._replace(netloc=host, path=quote(unquote(parts.path)) or "/", fragment="").geturl()


#: How the vendor may write an address differently.
_ADDRESSES: Mapping[str, Callable[[str], str]] = {
    "normalised": _normalised,
    "trailing_slash": lambda url: f"{url}/",
    "decoded": unquote,
    "without_query": lambda url: url.partition("?")[0],
    "empty": lambda url: "",
}

#: How a failed item may look; no page says. The first name is ``Url`` or ``AssetId``.
_FAILED_ITEMS: Mapping[str, Callable[[str, str, str], JsonValue]] = {
    "upstream": lambda name, value, reason: {
        ("originalUrl" if name == "Url" else "assetId"): value,
        "errorMessage": reason,
    },
    "snake": lambda name, value, reason: {
        ("original_url" if name == "Url" else "asset_id"): value,
        "reason": reason,
    },
    "text": lambda name, value, reason: value,
    "sentence": lambda name, value, reason: f"{value}: {reason}",
    "nameless": lambda name, value, reason: {"error": {"message": reason}},
}


def _statuses(library: Library) -> Answer:
    def answer(simulation: Simulation, account: int, body: Body, fault: Fault | None) -> JsonValue:
        items: list[JsonValue] = []
        failed: list[JsonValue] = []
        for asset_id, asset in _asked(simulation, account, library, strings(body, "asset_ids")):
            if asset is None:
                continue
            struck = fault is not None and (fault.matching in asset_id or fault.matching in asset.url)
            if fault is not None and struck and fault.fault == "status_failed_items":
                failed.append(_FAILED_ITEMS[fault.shape]("AssetId", asset_id, fault.message))
            elif fault is None or not struck or fault.fault != "status_left_out":
                status, reason = simulation.assets.status(asset), simulation.assets.reason(asset)
                items.append({"asset_id": asset_id, "status": status, **reason})
        return {"items": items, "failed_items": failed} if failed else {"items": items}

    return answer


def _asked(
    simulation: Simulation, account: int, library: Library, asset_ids: Iterable[str]
) -> Iterable[tuple[str, SubmittedAsset | None]]:
    """Yield each id with the asset that the account has in the library; asking brings an expired one back."""
    for asset_id in asset_ids:
        simulation.log.status(asset_id)
        asset = simulation.look_at_asset(account, asset_id)
        if asset is None or asset.library != library:
            yield asset_id, None
            continue
        yield asset_id, asset
        simulation.assets.ask_again(asset)


def _sp_check(body: Body) -> str:
    missing = next((field for field in ("name", "type", "url") if not text(body, field)), "")
    if missing:
        return f"{missing}: required"
    return "" if text(body, "type") in _SP_TYPES else f"type: one of {', '.join(_SP_TYPES)}"


def _sp_upload(simulation: Simulation, account: int, body: Body, fault: Fault | None) -> JsonValue:
    asset = _submit(simulation, account, "sp", text(body, "url"), text(body, "type"), text(body, "name"))
    return {} if fault is not None and fault.fault == "audit_no_asset_id" else {"asset_id": asset.asset_id}


def _sp_detail(simulation: Simulation, account: int, body: Body, fault: Fault | None) -> JsonValue:
    for asset_id, asset in _asked(simulation, account, "sp", [text(body, "asset_id")]):
        if asset is not None:
            return {
                "asset_id": asset_id,
                "official_id": f"official-{asset_id}",
                "status": simulation.assets.status(asset),
                "name": asset.name,
                "image_url": asset.url,
                "created_at": _written(asset.created_at),
                **simulation.assets.reason(asset),
            }
    return "asset_id: not found"


def _person_check(body: Body) -> str:
    missing = next((field for field in ("name", "url") if not text(body, field)), "")
    return f"{missing}: required" if missing else ""


def _person_submit(simulation: Simulation, account: int, body: Body, fault: Fault | None) -> JsonValue:
    asset = _submit(simulation, account, "realperson", text(body, "url"), "image", text(body, "name"))
    person = _person(simulation, asset)
    if fault is not None and fault.fault == "audit_no_asset_id":
        del person["asset_id"]
    return person


def _person_status(simulation: Simulation, account: int, body: Body, fault: Fault | None) -> JsonValue:
    people = _people(simulation, account, [text(body, "asset_id")])
    return people[0] if people else "asset_id: not found"


def _person_statuses(simulation: Simulation, account: int, body: Body, fault: Fault | None) -> JsonValue:
    return _people(simulation, account, strings(body, "asset_ids"))


def _people(simulation: Simulation, account: int, asset_ids: Iterable[str]) -> list[JsonValue]:
    asked = _asked(simulation, account, "realperson", asset_ids)
    return [_person(simulation, asset) for _, asset in asked if asset is not None]


def _person(simulation: Simulation, asset: SubmittedAsset) -> Body:
    return {
        "asset_id": asset.asset_id,
        "official_id": f"official-{asset.asset_id}",
        "status": simulation.assets.status(asset),
        "asset_ref": f"asset://{asset.asset_id}" if simulation.assets.usable(asset) else None,
        "name": asset.name,
        "url": asset.url,
        "created_at": _written(asset.created_at),
        **simulation.assets.reason(asset),
    }


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _upload(simulation: Simulation) -> Callable[[Request], Awaitable[Response]]:
    async def upload(request: Request) -> Response:
        simulation.log.asset_request("upload")
        async with request.form(max_files=1, max_fields=10) as form:
            if account_of(request, simulation.settings.keys) is None:
                return refused("", AUTH_FAILED)
            file = form.get("file")
            if not isinstance(file, UploadFile):
                return refused("file: required")
            suffix = PurePath(file.filename or "").suffix.lower()
            if suffix not in CONTENT_TYPES:
                return refused(f"file: {suffix or 'no suffix'} is not taken")
            limit = simulation.settings.upload_limit_bytes
            if (file.size or 0) > limit:
                return refused(f"file: {limit} bytes at most")
            return await _take(simulation, request, file, suffix)

    return upload


async def _take(simulation: Simulation, request: Request, file: UploadFile, suffix: str) -> Response:
    fault = simulation.faults.take("upload", file.filename or "")
    if fault is not None and fault.breaks_the_answer and not fault.accepts:
        return broken_answer(fault, request, simulation, None)
    life_seconds = fault.after if fault is not None and fault.fault == "upload_link_dies" else None
    kept = await asyncio.to_thread(simulation.files.save, file.file, file.filename or "", suffix, life_seconds)
    simulation.log.uploaded(kept.content)
    data: Body = {
        "url": _link(request, kept),
        "filename": kept.filename,
        "size": kept.size,
        "mime_type": CONTENT_TYPES[suffix],
    }
    if fault is not None and fault.fault == "upload_no_url":
        del data["url"]
    if fault is not None and fault.breaks_the_answer:
        return broken_answer(fault, request, simulation, envelope(data))
    return envelope(data)


def _link(request: Request, kept: KeptFile) -> str:
    signature = f"?Expires=259200&Signature={kept.signature}" if kept.signature else ""
    return f"{request.base_url}files/{kept.path.name}{signature}"


def _uploaded(simulation: Simulation) -> Callable[[str, str], Awaitable[Response]]:
    async def uploaded(name: str, Signature: str = "") -> Response:  # the query's name
        kept = simulation.files.find(name)
        if kept is None:
            return store_error(404, "NoSuchKey", "The specified key does not exist.")
        if not simulation.files.served(kept, Signature):
            return store_error(403, "AccessDenied", "Request has expired.")
        return FileResponse(kept.path, media_type=CONTENT_TYPES[kept.path.suffix])

    return uploaded
