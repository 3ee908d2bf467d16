"""Serving the videos, as an object store does: signed links, ranges, validators, and faults.

The link's token is the signature: a link that has expired stays dead, a newly queried one works.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from email.utils import formatdate

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from prefect_seedance.client.request.routes import ROUTES
from prefect_seedance.simulator.answers import error_page, store_error
from prefect_seedance.simulator.encoding import MediaToolMissingError
from prefect_seedance.simulator.faults import Fault
from prefect_seedance.simulator.ledger import TaskView
from prefect_seedance.simulator.media import CHUNK_BYTES, Video, frame_size, video_for
from prefect_seedance.simulator.prices import resolution_of
from prefect_seedance.simulator.simulation import MediaRequest, Simulation
from prefect_seedance.simulator.transport import BodyPace, Streamed

logger = logging.getLogger(__name__)

_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


def media_url(base: str, task: TaskView) -> str:
    """Return the present link to a task's video."""
    return f"{base}media/{task.task_id}.mp4?token={task.token}"


def add_media_routes(app: FastAPI, simulation: Simulation) -> None:
    """Serve ``/media/{task_id}.mp4``."""

    async def media(task_id: str, request: Request, token: str = "") -> Response:
        answer = await _answer(simulation, task_id, token, request)
        simulation.log.media(
            MediaRequest(
                task_id=task_id,
                method=request.method,
                range=request.headers.get("range", ""),
                if_range=request.headers.get("if-range", ""),
                status=answer.status_code,
                authorization="authorization" in request.headers,
            )
        )
        return answer

    app.add_api_route("/media/{task_id}.mp4", media, methods=["GET", "HEAD"])


async def _answer(simulation: Simulation, task_id: str, token: str, request: Request) -> Response:
    task = simulation.ledger.view(task_id)
    if task is None or task.status != "completed":
        return store_error(404, "NoSuchKey", "The specified key does not exist.")
    if token != task.token:
        return store_error(403, "AccessDenied", "Request has expired.")

    def fits(fault: Fault) -> bool:
        return fault.fault in _INSTEAD or request.method == "GET"  # a HEAD has no body to spoil

    fault = simulation.faults.take("media", task.prompt, fits)
    if fault is not None and fault.fault in _INSTEAD:
        return _INSTEAD[fault.fault](simulation, task, fault)
    try:
        video = await asyncio.to_thread(_video, simulation, task)
    except MediaToolMissingError as error:
        logger.error("%s", error)
        return PlainTextResponse(str(error), status_code=501)
    return _deliver(simulation, video, request, fault)


def _video(simulation: Simulation, task: TaskView) -> Video:
    route = ROUTES[str(task.body["model"])]
    width, height = frame_size(resolution_of(route, task.body), task.body)
    seconds = int(str(task.body["duration"]))
    return video_for(task.task_id, width, height, seconds, simulation.settings.media_bytes)


def _deliver(simulation: Simulation, video: Video, request: Request, fault: Fault | None) -> Response:
    modified = formatdate(video.modified, usegmt=True)
    headers = {"Accept-Ranges": "bytes", "Content-Type": "video/mp4"}
    headers |= {"ETag": video.etag, "Last-Modified": modified}
    start, stop, status = 0, video.size, 200
    if request.headers.get("if-range", video.etag) in (video.etag, modified):
        asked = _asked_range(request.headers.get("range", ""), video.size)
        if asked is not None:
            start, stop, status = *asked, 206
            if start >= stop:
                return Response(status_code=416, headers={"Content-Range": f"bytes */{video.size}"})
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{video.size}"
    length = stop - start
    if request.method == "HEAD":
        return Response(status_code=status, headers={**headers, "Content-Length": str(length)})
    delivery = BodyPace() if fault is None else _delivery(fault, length)
    chunk_bytes = max(length // 20, 1) if delivery.spread_seconds else CHUNK_BYTES
    chunks = video.chunks(start, stop, min(chunk_bytes, CHUNK_BYTES))
    return Streamed(status, headers, chunks, length, simulation.stopping, delivery)


def _asked_range(header: str, size: int) -> tuple[int, int] | None:
    """Read one range as start and (exclusive) stop; None for no range, or one that is not understood."""
    match = _RANGE.match(header.strip())
    if match is None or header.strip() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(size - int(last), 0), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size


def _delivery(fault: Fault, length: int) -> BodyPace:
    half = max(length // 2, 1) if fault.at < 0 else min(fault.at, length - 1)
    half = min(half, length - 1)  # a fault always costs at least the last byte
    return {
        "truncated_media": BodyPace(stop_after=half),
        "dropped_media": BodyPace(stop_after=half, ending="reset"),
        "stalled_media": BodyPace(stop_after=half, stall_seconds=fault.seconds),
        "slow_media": BodyPace(spread_seconds=fault.seconds),
    }[fault.fault]


def _expired_link(simulation: Simulation, task: TaskView, fault: Fault) -> Response:
    simulation.ledger.expire_link(task.task_id)
    return store_error(403, "AccessDenied", "Request has expired.")


def _not_ready(simulation: Simulation, task: TaskView, fault: Fault) -> Response:
    return store_error(400, "InvalidRequest", "The object is not ready.")


def _not_a_video(simulation: Simulation, task: TaskView, fault: Fault) -> Response:
    return HTMLResponse("<!DOCTYPE html><html><body>Please log in.</body></html>")


def _failed(simulation: Simulation, task: TaskView, fault: Fault) -> Response:
    return HTMLResponse(error_page(fault.status), fault.status)


#: Faults that answer something else than the video.
_INSTEAD: dict[str, Callable[[Simulation, TaskView, Fault], Response]] = {
    "link_not_ready": _not_ready,
    "expired_link": _expired_link,
    "not_a_video": _not_a_video,
    "media_5xx": _failed,
}
