"""The vendor's API without any network: each call as a value.

`ApiRequest` holds what to send, whether it may be repeated, and the function that turns an `Exchange` into a
model or an error; ``answers.py`` has those. The two clients only carry it. For a create, what the answer
means is decided in ``outcome.py``, by rules of its own.
"""

from __future__ import annotations

import io
import json
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO, Generic, Literal, Protocol, TypeVar

from pydantic import JsonValue

from prefect_seedance.client.answers import (
    read_asset,
    read_assets,
    read_audit,
    read_list,
    read_object,
    read_upload,
    read_video,
)
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
_REAL_PERSONS = f"{API_PREFIX}/seedance/sp/realperson"
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


class UploadSource(Protocol):
    """What can be uploaded without being a file: an object of a bucket, a frame of a video.

    It is opened once for each try, and read to its end in small pieces, so that memory does not grow with it.
    """

    @property
    def name(self) -> str:
        """File name, with a suffix that the vendor takes."""
        ...

    @property
    def size(self) -> int:
        """Number of bytes. An upload that turns out shorter or longer is given up."""
        ...

    @property
    def media_type(self) -> str:
        """Media type, for example ``image/png``."""
        ...

    def open(self) -> BinaryIO:
        """Open it for reading from its beginning. What this and the reading raise reaches the caller as it is."""
        ...


def media_type_of(name: str) -> str:
    """Return the media type of a file by the suffix of its name.

    Example:
        >>> media_type_of("mug.png"), media_type_of("mug")
        ('image/png', 'application/octet-stream')
    """
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


@dataclass(frozen=True, slots=True)
class LocalUpload:
    """A file of this machine, as an upload.

    Attributes:
        path: Where it is.
        size: Number of bytes when it was looked at.
    """

    path: Path
    size: int

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    @property
    def media_type(self) -> str:
        """Media type by its suffix."""
        return media_type_of(self.path.name)

    def open(self) -> BinaryIO:
        """Open it.

        Raises:
            OSError: It cannot be read.
        """
        return self.path.open("rb")


class UploadStream:
    """The bytes of one try of an upload: as many as were said, or an error. It is read once, from its beginning.

    Args:
        source: What is uploaded; opened here.
    """

    def __init__(self, source: UploadSource) -> None:
        self._name, self._size, self._read = source.name, source.size, 0
        self._stream = source.open()
        self._error: BaseException | None = None
        self._cause: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """Read the next piece."""
        try:
            piece = self._stream.read(size if size >= 0 else self._size)
            self._read += len(piece)
            if self._read > self._size or (not piece and self._read < self._size):
                told = f"{self._name} had {self._size} bytes, and now has {'more' if piece else 'fewer'}"
                raise InvalidRequest([f"{told}: upload it again when nobody writes it any more"])
        except BaseException as error:
            self._error, self._cause = error, error.__cause__
            raise
        return piece

    def check(self) -> None:
        """Raise what was raised while it was read, if anything was: it is not the network's fault."""
        if self._error is not None:
            raise self._error from self._cause  # which HTTP libraries take away

    def tell(self) -> int:
        """Return how far it was read."""
        return self._read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Answer what a writer of HTTP asks: where the end is, and that reading begins at the beginning.

        Raises:
            io.UnsupportedOperation: It would have to go back.
        """
        if whence == io.SEEK_END:
            return self._size
        if offset != self._read:
            raise io.UnsupportedOperation("an upload is read once, from its beginning")
        return offset

    def close(self) -> None:
        """Close what is read."""
        self._stream.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest(Generic[T]):
    """One call of the API.

    Attributes:
        method: HTTP method.
        path: From the base URL on.
        read: Turns what came back into the result, or raises.
        json: The JSON body, None for none.
        upload: What to send as a form's field ``file``, None for nothing.
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
    upload: UploadSource | None = None
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


def upload_file(source: Path | UploadSource, *, allow_loopback: bool = False) -> ApiRequest[UploadedFile]:
    """Hand a file to the vendor, which keeps it for about 3 days at a URL that requests can name.

    Args:
        source: A file of this machine, or anything else that can be opened and knows its size.
        allow_loopback: Whether the answer's link may lead to this machine, as a simulator's does.

    Raises:
        InvalidRequest: It is not a file, is empty, is above 100 MB, or is of a kind that the vendor does not take.
    """
    if isinstance(source, Path):
        if not source.is_file():
            raise InvalidRequest([f"{source} is not a file: check the path"])
        source = LocalUpload(source, source.stat().st_size)
    shown = source.path if isinstance(source, LocalUpload) else source.name
    suffix = PurePath(source.name).suffix.lower()
    if not any(suffix in suffixes for suffixes in UPLOAD_SUFFIXES.values()):
        taken = " ".join(sorted(kind[1:] for suffixes in UPLOAD_SUFFIXES.values() for kind in suffixes))
        raise InvalidRequest(
            [f"{shown} has the suffix {suffix!r}, which the vendor does not take: convert it to one of {taken}"]
        )
    if not 0 < source.size <= MAX_UPLOAD_BYTES:
        raise InvalidRequest([f"{shown} has {source.size} bytes: it must have at least one and at most 100 MB"])
    return ApiRequest(
        method="POST",
        path=f"{API_PREFIX}/files/upload",
        read=lambda exchange: read_upload(exchange, allow_loopback=allow_loopback),
        upload=source,
        total_seconds=UPLOAD_TOTAL_SECONDS,
    )


def submit_assets(
    image_urls: Sequence[str] = (), video_urls: Sequence[str] = (), audio_urls: Sequence[str] = ()
) -> ApiRequest[AuditResult]:
    """Hand public URLs to the audit that the ``sd2_mx_*`` routes require. A second time makes other assets.

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
        read=lambda exchange: read_audit(exchange, sum(map(len, lists.values()))),
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
        read=read_asset,
        json={"name": name, "type": asset_type, "url": url},
    )


def sp_asset_status(asset_ids: Sequence[str]) -> ApiRequest[tuple[Asset, ...]]:
    """Ask how assets of the SP library stand. A POST that only reads."""
    return _assets(f"{API_PREFIX}/seedance/sp/assets/status", asset_ids)


def sp_asset_detail(asset_id: str) -> ApiRequest[Asset]:
    """Ask for all about one asset of the SP library. A POST that only reads."""
    return _asset(f"{API_PREFIX}/seedance/sp/assets/detail", asset_id)


def submit_real_person(name: str, url: str) -> ApiRequest[Asset]:
    """Put a public URL of a real person's portrait into the SP routes' list.

    The list is gone from the vendor's newest pages, so it may be gone altogether.
    """
    return ApiRequest(method="POST", path=f"{_REAL_PERSONS}/submit", read=read_asset, json={"name": name, "url": url})


def real_person_status(asset_id: str) -> ApiRequest[Asset]:
    """Ask how one portrait of the list stands. A POST that only reads."""
    return _asset(f"{_REAL_PERSONS}/status", asset_id)


def real_person_statuses(asset_ids: Sequence[str]) -> ApiRequest[tuple[Asset, ...]]:
    """Ask how portraits of the list stand. A POST that only reads."""
    return _assets(f"{_REAL_PERSONS}/batch-status", asset_ids)


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


def _asset(path: str, asset_id: str) -> ApiRequest[Asset]:
    quoted_id(asset_id, "asset id")
    return ApiRequest(
        method="POST",
        path=path,
        read=lambda exchange: read_asset(exchange, asset_id),
        json={"asset_id": asset_id},
        repeatable=True,
    )


def _assets(path: str, asset_ids: Sequence[str]) -> ApiRequest[tuple[Asset, ...]]:
    for asset_id in asset_ids:
        quoted_id(asset_id, "asset id")
    if not asset_ids:
        raise InvalidRequest(["there is no asset id to ask for: name at least one"])
    return ApiRequest(
        method="POST",
        path=path,
        read=lambda exchange: read_assets(exchange, asset_ids),
        json={"asset_ids": list(asset_ids)},
        repeatable=True,
    )
