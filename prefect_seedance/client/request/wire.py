"""The body that is sent for a request: its fields in the vendor's names, without what means "not sent"."""

from __future__ import annotations

import re

from pydantic import JsonValue

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.problems import Problem, shown
from prefect_seedance.client.request.routes import route_for
from prefect_seedance.client.request.video_request import VideoRequest

#: http: leads to a simulator on this machine, and elsewhere is refused before.
_SENDABLE = re.compile("(https?|asset)://", re.IGNORECASE)


def request_body(request: VideoRequest) -> dict[str, JsonValue]:
    """Write the JSON body of ``POST .../seedance/videos``.

    A resolution that the route makes anyway is left out (``check`` has refused any other), ``take`` is ours, and the
    aspect ratio wins over the orientation, as it does at the vendor. A file and an object of a bucket are the flow's to
    prepare: what no vendor can read is never written.

    Raises:
        InvalidRequest: A reference is not an address that can be sent.

    Example:
        >>> request_body(VideoRequest(prompt="A paper boat", ratio="9:16"))
        {'model': 'seedance2.0-std', 'prompt': 'A paper boat', 'duration': 5, 'ratio': '9:16'}
    """
    refused = [_unsendable(field, text) for field, text in request.references() if not _SENDABLE.match(text)]
    if refused:
        raise InvalidRequest(refused)
    route = route_for(request.model_name)
    body: dict[str, JsonValue] = {
        "model": request.model_name,
        "prompt": request.prompt,
        "duration": request.duration,
    }
    if request.resolution != "auto" and (route is None or route.resolution.sent):
        body["resolution"] = request.resolution
    if request.ratio != "auto":
        body["ratio"] = request.ratio
    elif request.orientation != "auto":
        body["orientation"] = request.orientation
    lists = {
        "images": request.images,
        "reference_videos": request.reference_videos,
        "reference_audios": request.reference_audios,
    }
    body.update({name: list(addresses) for name, addresses in lists.items() if addresses})
    body.update(request.frames())
    return body


def _unsendable(field: str, text: str) -> Problem:
    message = f"{shown(text)} is not an address that the vendor can read, and the plain client sends what it is given"
    fix = "Hand the file to SeedanceClient.upload_file and write the link that it returns, or let generate_video do so"
    return Problem(field, "an address", message, fix, "refuse")
