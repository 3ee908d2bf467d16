"""Assets and file upload: Manxue's audit, the SP library, and the upload of local files."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import PurePath

from fastapi import APIRouter, FastAPI, Request
from pydantic import JsonValue
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from prefect_seedance.simulator.answers import AUTH_FAILED, SP_SUCCESS, envelope, refused
from prefect_seedance.simulator.assets import AssetLibrary, Library, SubmittedAsset
from prefect_seedance.simulator.incoming import authorized, json_object, strings, text
from prefect_seedance.simulator.simulation import Simulation

Body = dict[str, JsonValue]

#: Suffixes that the vendor's upload page lists.
_SUFFIXES = {
    "image": (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".svg"),
    "video": (".mp4", ".mov", ".avi", ".webm", ".mkv", ".m4v", ".flv"),
    "audio": (".mp3", ".wav", ".aac", ".m4a", ".flac", ".ogg"),
}

_AUDIT_FIELDS = {"image_urls": "image", "video_urls": "video", "audio_urls": "audio"}
_SP_TYPES = ("image", "video", "audio", "text")


def add_asset_routes(app: FastAPI, simulation: Simulation, prefix: str) -> None:
    """Add the asset and upload routes under the API's prefix."""
    router = APIRouter(prefix=prefix)
    assets = simulation.assets

    def post(path: str, answer: Callable[[AssetLibrary, Body], Response]) -> None:
        async def endpoint(request: Request) -> Response:
            body = await json_object(request)
            if not authorized(request, simulation.settings.key):
                return refused("", AUTH_FAILED)
            return refused("body: must be a JSON object") if body is None else answer(assets, body)

        router.add_api_route(path, endpoint, methods=["POST"])

    post("/seedance/assets/audit", _audit)
    post("/seedance/assets/status", lambda assets, body: envelope(_statuses(assets, body, "manxue")))
    post("/seedance/sp/assets/upload", _sp_upload)
    post("/seedance/sp/assets/detail", _sp_detail)
    post("/seedance/sp/assets/status", lambda assets, body: envelope(_statuses(assets, body, "sp"), SP_SUCCESS))
    router.add_api_route("/files/upload", _upload(simulation), methods=["POST"])
    app.include_router(router)
    app.add_api_route("/files/{name}", _uploaded(simulation), methods=["GET"])


def _audit(assets: AssetLibrary, body: Body) -> Response:
    items: list[JsonValue] = []
    failed: list[JsonValue] = []
    for field, asset_type in _AUDIT_FIELDS.items():
        for url in strings(body, field):
            if not url.startswith(("https://", "http://")):
                failed.append({"original_url": url, "asset_type": asset_type, "reason": "not a public URL"})
                continue
            asset = assets.add("manxue", url, asset_type)
            items.append(
                {
                    "asset_id": asset.asset_id,
                    "original_url": url,
                    "asset_type": asset_type,
                    "status": assets.status(asset),
                }
            )
    if not items and not failed:
        return refused("image_urls: no URL")
    return envelope({"items": items, "failed_items": failed})


def _statuses(assets: AssetLibrary, body: Body, library: Library) -> Body:
    found = [asset for asset in map(assets.find, strings(body, "asset_ids")) if asset is not None]
    ours = [asset for asset in found if asset.library == library]
    return {"items": [{"asset_id": asset.asset_id, "status": assets.status(asset)} for asset in ours]}


def _sp_upload(assets: AssetLibrary, body: Body) -> Response:
    for field in ("name", "type", "url"):
        if not text(body, field):
            return refused(f"{field}: required")
    if text(body, "type") not in _SP_TYPES:
        return refused(f"type: one of {', '.join(_SP_TYPES)}")
    asset = assets.add("sp", text(body, "url"), text(body, "type"), text(body, "name"))
    return envelope({"asset_id": asset.asset_id}, SP_SUCCESS)


def _sp_detail(assets: AssetLibrary, body: Body) -> Response:
    asset = assets.find(text(body, "asset_id"))
    if asset is None or asset.library != "sp":
        return refused("asset_id: not found")
    return envelope(_detail(assets, asset), SP_SUCCESS)


def _detail(assets: AssetLibrary, asset: SubmittedAsset) -> Body:
    return {
        "asset_id": asset.asset_id,
        "official_id": f"official-{asset.asset_id}",
        "status": assets.status(asset),
        "name": asset.name,
        "image_url": asset.url,
        "created_at": datetime.fromtimestamp(asset.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }


def _upload(simulation: Simulation) -> Callable[[Request], Awaitable[Response]]:
    async def upload(request: Request) -> Response:
        async with request.form(max_files=1, max_fields=10) as form:
            if not authorized(request, simulation.settings.key):
                return refused("", AUTH_FAILED)
            file = form.get("file")
            if not isinstance(file, UploadFile):
                return refused("file: required")
            suffix = PurePath(file.filename or "").suffix.lower()
            if not any(suffix in known for known in _SUFFIXES.values()):
                return refused(f"file: {suffix or 'no suffix'} is not taken")
            limit = simulation.settings.upload_limit_bytes
            if (file.size or 0) > limit:
                return refused(f"file: {limit} bytes at most")
            name = await asyncio.to_thread(simulation.files.save, file.file, suffix)
            data: Body = {
                "url": f"{request.base_url}files/{name}",
                "filename": file.filename,
                "size": file.size,
                "mime_type": file.content_type or mimetypes.guess_type(name)[0],
            }
        return envelope(data)

    return upload


def _uploaded(simulation: Simulation) -> Callable[[str], Awaitable[Response]]:
    async def uploaded(name: str) -> Response:
        path = simulation.files.path(name)
        return Response(status_code=404) if path is None else FileResponse(path)

    return uploaded
