"""The vendor's API without any network: each call as a value.

`ApiRequest` holds what to send, whether it may be repeated, and the function that turns an `Exchange` into a
model or an error; ``answers.py`` has those. The two clients only carry it. For a create, what the answer
means is decided in ``outcome.py``, by rules of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Generic, Literal, TypeVar

from pydantic import JsonValue

from prefect_seedance.client.answers import read_list, read_object, read_video
from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.exchange import Exchange, is_vendor_id, path_segment
from prefect_seedance.client.models import (
    Asset,
    AuditResult,
    CatalogEntry,
    KeyBalance,
    UploadedFile,
    UserBalance,
    VideoTask,
)
from prefect_seedance.client.outcome import Outcome, read_submission

T = TypeVar("T")

API_PREFIX = "/api/open-api/v1"
CREATE_PATH = f"{API_PREFIX}/seedance/videos"
# No hyphen and no version in this one.
CATALOG_PATH = "/api/openapi/model/catalog"

MAX_UPLOAD_BYTES = 100 * 1024 * 1024
# What 100 MB takes over a slow line.
UPLOAD_TOTAL_SECONDS = 1800.0
UPLOAD_SUFFIXES: Mapping[str, frozenset[str]] = {
    "image": frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".svg"}),
    "video": frozenset({".mp4", ".mov", ".avi", ".webm", ".mkv", ".m4v", ".flv"}),
    "audio": frozenset({".mp3", ".wav", ".aac", ".m4a", ".flac", ".ogg"}),
}
SpAssetType = Literal["image", "video", "audio", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest(Generic[T]):
    """One call of the API.

    Attributes:
        method: HTTP method.
        path: From the base URL on.
        read: Turns what came back into the result, or raises.
        json: The JSON body, None for none.
        file: A file to send as a form's field ``file``, None for none.
        params: The query.
        authenticated: Whether the key goes along.
        repeatable: Whether the call only reads, so that it may be sent again after any passing fault.
        fresh: Whether it needs a connection of its own, which nothing else has used.
        total_seconds: Limit of the whole exchange; None for the client's usual one.
    """

    method: Literal["GET", "POST"]
    path: str
    read: Callable[[Exchange], T]
    json: Mapping[str, JsonValue] | None = None
    file: Path | None = None
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    authenticated: bool = True
    repeatable: bool = False
    fresh: bool = False
    total_seconds: float | None = None

    @property
    def name(self) -> str:
        """Method and path, for a log: without the query."""
        return f"{self.method} {self.path}"

    def content(self) -> bytes | None:
        """Write the JSON body, None if there is none.

        Raises:
            InvalidRequest: It holds what JSON cannot.
        """
        if self.json is None:
            return None
        try:
            return json.dumps(self.json, ensure_ascii=False, allow_nan=False).encode()
        except ValueError as error:
            raise InvalidRequest(
                ["a text holds half a character (a lone surrogate), or a number is not finite: write it anew"]
            ) from error

    @contextmanager
    def open_file(self) -> Generator[BinaryIO | None]:
        """Open the file for one try of its upload; None if there is none.

        Raises:
            OSError: It cannot be read.
        """
        if self.file is None:
            yield None
        else:
            with self.file.open("rb") as upload:
                yield upload


def quoted_id(identifier: str, name: str) -> str:
    """Check an id that came from a person or a record, and write it for a URL's path.

    Raises:
        InvalidRequest: It is empty, or nothing that the vendor can have answered with.

    Example:
        >>> quoted_id("videos_1 2", "task id")
        'videos_1%202'
    """
    if not identifier.strip():
        raise InvalidRequest([f"the {name} is empty: write the one that the vendor answered with"])
    if not is_vendor_id(identifier):
        shown = repr(identifier[:80])
        raise InvalidRequest([f"the {name} {shown} is too long, or holds characters that no id has: copy it again"])
    return path_segment(identifier)


def create_video_call(body: Mapping[str, JsonValue]) -> ApiRequest[Outcome]:
    """Ask for a video. Costs money; see ``outcome.py`` for when it may be sent again."""
    return ApiRequest(method="POST", path=CREATE_PATH, read=read_submission, json=body, fresh=True)


def get_video(task_id: str) -> ApiRequest[VideoTask]:
    """Ask how a task stands."""
    return ApiRequest(
        method="GET",
        path=f"{API_PREFIX}/videos/{quoted_id(task_id, 'task id')}",
        read=lambda exchange: read_video(exchange, task_id),
        repeatable=True,
    )


def upload_file(path: Path) -> ApiRequest[UploadedFile]:
    """Hand a file to the vendor, which keeps it for about 3 days at a URL that requests can name.

    Raises:
        InvalidRequest: It is not a file, is empty, is above 100 MB, or is of a kind that the vendor does not take.
    """
    suffix = path.suffix.lower()
    problem = ""
    if not path.is_file():
        problem = "is not a file: check the path"
    elif not any(suffix in suffixes for suffixes in UPLOAD_SUFFIXES.values()):
        taken = " ".join(sorted(kind[1:] for suffixes in UPLOAD_SUFFIXES.values() for kind in suffixes))
        problem = f"has the suffix {suffix!r}, which the vendor does not take: convert it to one of {taken}"
    elif not 0 < (size := path.stat().st_size) <= MAX_UPLOAD_BYTES:
        problem = f"has {size} bytes: it must have at least one and at most 100 MB"
    if problem:
        raise InvalidRequest([f"{path} {problem}"])
    return ApiRequest(
        method="POST",
        path=f"{API_PREFIX}/files/upload",
        read=lambda exchange: read_object(exchange, UploadedFile),
        file=path,
        total_seconds=UPLOAD_TOTAL_SECONDS,
    )


def submit_assets(
    image_urls: Sequence[str] = (), video_urls: Sequence[str] = (), audio_urls: Sequence[str] = ()
) -> ApiRequest[AuditResult]:
    """Hand public URLs to the audit that the ``sd2_mx_*`` routes require.

    Raises:
        InvalidRequest: There is no URL.
    """
    lists = {"image_urls": image_urls, "video_urls": video_urls, "audio_urls": audio_urls}
    body: dict[str, JsonValue] = {name: list(urls) for name, urls in lists.items() if urls}
    if not body:
        raise InvalidRequest(["there is no URL to audit: name at least one"])
    return ApiRequest(
        method="POST",
        path=f"{API_PREFIX}/seedance/assets/audit",
        read=lambda exchange: read_object(exchange, AuditResult),
        json=body,
    )


def asset_status(asset_ids: Sequence[str]) -> ApiRequest[tuple[Asset, ...]]:
    """Ask how audited assets stand. A POST that only reads."""
    return _assets(f"{API_PREFIX}/seedance/assets/status", asset_ids)


def upload_sp_asset(name: str, asset_type: SpAssetType, url: str) -> ApiRequest[Asset]:
    """Put a public URL into the SP routes' library."""
    return ApiRequest(
        method="POST",
        path=f"{API_PREFIX}/seedance/sp/assets/upload",
        read=lambda exchange: read_object(exchange, Asset),
        json={"name": name, "type": asset_type, "url": url},
    )


def sp_asset_status(asset_ids: Sequence[str]) -> ApiRequest[tuple[Asset, ...]]:
    """Ask how assets of the SP library stand. A POST that only reads."""
    return _assets(f"{API_PREFIX}/seedance/sp/assets/status", asset_ids)


def sp_asset_detail(asset_id: str) -> ApiRequest[Asset]:
    """Ask for all about one asset of the SP library. A POST that only reads."""
    quoted_id(asset_id, "asset id")
    return ApiRequest(
        method="POST",
        path=f"{API_PREFIX}/seedance/sp/assets/detail",
        read=lambda exchange: read_object(exchange, Asset),
        json={"asset_id": asset_id},
        repeatable=True,
    )


def user_balance() -> ApiRequest[UserBalance]:
    """Ask for the account's JimiCoins."""
    return _get(f"{API_PREFIX}/user/balance", lambda exchange: read_object(exchange, UserBalance))


def key_balance() -> ApiRequest[KeyBalance]:
    """Ask for the key's quota."""
    return _get(f"{API_PREFIX}/key/balance", lambda exchange: read_object(exchange, KeyBalance))


def catalog(search: str = "") -> ApiRequest[tuple[CatalogEntry, ...]]:
    """Ask for models and default prices. Public: the key stays at home."""
    return ApiRequest(
        method="GET",
        path=CATALOG_PATH,
        read=lambda exchange: read_list(exchange, CatalogEntry, "list"),
        params={"search": search},
        authenticated=False,
        repeatable=True,
    )


def _get(path: str, read: Callable[[Exchange], T]) -> ApiRequest[T]:
    return ApiRequest(method="GET", path=path, read=read, repeatable=True)


def _assets(path: str, asset_ids: Sequence[str]) -> ApiRequest[tuple[Asset, ...]]:
    for asset_id in asset_ids:
        quoted_id(asset_id, "asset id")
    if not asset_ids:
        raise InvalidRequest(["there is no asset id to ask for: name at least one"])
    return ApiRequest(
        method="POST",
        path=path,
        read=lambda exchange: read_list(exchange, Asset, "items"),
        json={"asset_ids": list(asset_ids)},
        repeatable=True,
    )
