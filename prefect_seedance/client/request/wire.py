"""The body that is sent for a request: its fields in the vendor's names, without what means "not sent"."""

from __future__ import annotations

from pydantic import JsonValue

from prefect_seedance.client.request.routes import route_for
from prefect_seedance.client.request.video_request import VideoRequest


def request_body(request: VideoRequest) -> dict[str, JsonValue]:
    """Write the JSON body of ``POST .../seedance/videos``.

    A resolution that the route makes anyway is left out (``check`` has refused any other), ``take`` is ours, and the
    aspect ratio wins over the orientation, as it does at the vendor.

    Example:
        >>> request_body(VideoRequest(prompt="A paper boat", ratio="9:16"))
        {'model': 'seedance2.0-std', 'prompt': 'A paper boat', 'duration': 5, 'ratio': '9:16'}
    """
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
