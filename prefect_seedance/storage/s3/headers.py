"""What goes into the headers of an object, and what is read from them. Pure functions of values."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, cast
from urllib.parse import quote, unquote, urlencode

from botocore.utils import parse_timestamp

from prefect_seedance.headers import http_date
from prefect_seedance.storage.keys import QUARANTINE
from prefect_seedance.storage.s3.settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import ObjectCannedACLType, ServerSideEncryptionType, StorageClassType
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

#: What stands here is read again and again for years: never archived, never expired by a tag.
JOURNAL = "journal/"

#: What is said of videos and of what was paid, for those who may read the whole store.
_REPORTS = "reports/"

#: The metadata under which is written down, when an object is written, what is to lie there.
_SIZE, _CRC32 = "expected-size", "expected-crc32"

_TYPES = {
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".csv": "text/csv",  # of any encoding: ours says by its first bytes that it is UTF-8
    ".html": "text/html; charset=utf-8",  # a report, which allows itself no script but its own
}
# What a header may hold as it is. "%" is not among them, so that decoding is exact.
_PLAIN = "!#$&'()*+,/:;=?@[]^`{|}~<>"
#: What may be shown to whomever the videos are shown to: they and their posters, which are pictures of our own making.
_SHOWN = (".mp4", ".jpg")
#: A type that no browser runs or shows, whatever it thinks of the first bytes.
_INERT = "application/octet-stream"


class StorageOptions(TypedDict, total=False):
    """How an object is stored."""

    ServerSideEncryption: ServerSideEncryptionType
    SSEKMSKeyId: str
    StorageClass: StorageClassType
    Tagging: str
    ACL: ObjectCannedACLType


class WriteCondition(TypedDict, total=False):
    """Under which a write is to happen."""

    IfNoneMatch: str
    IfMatch: str


class Checksum(TypedDict, total=False):
    """What S3 compares with the bytes that arrive."""

    ChecksumCRC32: str


class ObjectHeaders(TypedDict):
    """What an object says of itself."""

    ContentType: str
    ContentDisposition: str
    Metadata: dict[str, str]


def object_headers(key: str, content_type: str, metadata: Mapping[str, str], filename: str) -> ObjectHeaders:
    """Return what an object says of itself.

    What lies in quarantine may be a page with a script of anybody's. It is data that a browser only saves, or the
    script would run as one of the bucket's own.
    """
    held = key.startswith(QUARANTINE)
    return {
        "ContentType": _INERT if held else content_type or _INERT,
        "ContentDisposition": content_disposition(filename, kind="attachment" if held else "inline"),
        "Metadata": encode_metadata(metadata),
    }


def with_measures(headers: ObjectHeaders, *, size: int | None, crc32: int | None = None) -> ObjectHeaders:
    """Return the headers with what is known beforehand of the bytes: what arrives is compared with it, also later."""
    measures = {
        _SIZE: "" if size is None else str(size),
        _CRC32: "" if crc32 is None else f"{crc32:08x}",
    }
    known = {name: value for name, value in measures.items() if value}
    return {**headers, "Metadata": {**headers["Metadata"], **known}}


def without_measures(metadata: Mapping[str, str]) -> tuple[dict[str, str], int | None, str]:
    """Split metadata as read: what the caller gave, the size and the CRC32 that were written down with it."""
    given = dict(metadata)
    size, crc32 = given.pop(_SIZE, ""), given.pop(_CRC32, "")
    return given, int(size) if re.fullmatch(r"[0-9]{1,18}", size) else None, crc32


def whole_crc32(head: HeadObjectOutputTypeDef) -> str:
    """Return the CRC32 of a whole object as 8 hex digits; empty if the store does not tell it.

    That of the checksums of its parts says nothing. A store that does not tell which of the two it is marks the etag of
    an object of parts with a hyphen.
    """
    return _whole_checksum(head, head.get("ChecksumCRC32", ""), 4)


def whole_sha256(head: HeadObjectOutputTypeDef) -> str:
    """Return the SHA-256 of a whole object as 64 hex digits; empty if the store does not tell it, see `whole_crc32`."""
    return _whole_checksum(head, head.get("ChecksumSHA256", ""), 32)


def _whole_checksum(head: HeadObjectOutputTypeDef, text: str, length: int) -> str:
    assumed = "COMPOSITE" if "-" in head["ETag"] else "FULL_OBJECT"
    try:
        checksum = base64.b64decode(text, validate=True)
    except ValueError:  # "...-3" is one of parts
        return ""
    return checksum.hex() if head.get("ChecksumType", assumed) == "FULL_OBJECT" and len(checksum) == length else ""


def storage_options(settings: S3Settings, key: str) -> StorageOptions:
    """Return how an object under this key is stored: encryption for all, the rest not for the journal and reports.

    An ACL is for whoever looks at videos. A provenance tells prompts, and what is in quarantine may be anything, so it
    is of neither; nor do tags, by which a bucket's policy may open objects, go to the quarantine. A report tells the
    prompts and the costs of many, so it takes nothing of what opens a video.
    """
    options: StorageOptions = {}
    if settings.encryption:
        options["ServerSideEncryption"] = settings.encryption
    if settings.kms_key_id:
        options["SSEKMSKeyId"] = settings.kms_key_id
    if key.startswith((JOURNAL, _REPORTS)):
        return options
    if settings.storage_class:
        options["StorageClass"] = settings.storage_class  # pyright: ignore[reportGeneralTypeIssues]
    if settings.tags and not key.startswith(QUARANTINE):
        options["Tagging"] = urlencode(dict(settings.tags), quote_via=quote)
    if settings.acl and key.endswith(_SHOWN) and not key.startswith(QUARANTINE):
        options["ACL"] = settings.acl  # pyright: ignore[reportGeneralTypeIssues]
    return options


def content_type_of(key: str) -> str:
    """Return the media type of what is written beside a video, by its name."""
    return _TYPES.get(key[key.rfind(".") :], _INERT)


def encode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Encode metadata for headers: other characters than plain ASCII are percent-encoded.

    Example:
        >>> encode_metadata({"model": "seedance", "take": "zwei Hüte"})
        {'model': 'seedance', 'take': 'zwei%20H%C3%BCte'}
    """
    return {name: quote(value, safe=_PLAIN, errors="replace") for name, value in metadata.items()}


def decode_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Read metadata from headers. Some stores return the names with capitals."""
    return {name.lower(): unquote(value) for name, value in headers.items()}


def content_disposition(filename: str, *, kind: str = "inline") -> str:
    r"""Return the header that lets a browser play it, or only save it (``attachment``), and under which name.

    Example:
        >>> content_disposition("Hüte.mp4")
        'inline; filename="H_te.mp4"; filename*=UTF-8\'\'H%C3%BCte.mp4'
    """
    if not filename:
        return kind
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in filename)
    plain = plain.replace("\\", "_").replace('"', "_")
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"
    return f'{kind}; filename="{plain}"{extended}'


def payload_of(data: bytearray) -> bytes:
    """Return bytes as boto3 sends them best, which is as they are.

    It takes a bytearray, whatever its types say, and sends it at once. `bytes` it wraps into a file, which it
    sends in small pieces after asking for leave (Expect: 100-continue).
    """
    return cast(bytes, data)


def crc32_header(crc32: int) -> str:
    """Return a CRC32 as S3 writes it.

    Example:
        >>> crc32_header(0x352441C2)
        'NSRBwg=='
    """
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def moment(value: Any) -> datetime:
    """Return a moment in an answer of the store's, as boto3 would read it.

    Its own reader guesses at any form. That takes a tenth of the time of reading a record, and most of the time of a
    listing, whereas S3 writes two forms only.

    Raises:
        ValueError: It is not a moment.

    Example:
        >>> moment("Fri, 27 Nov 2026 12:00:00 GMT") == moment("2026-11-27T12:00:00.000Z")
        True
    """
    if isinstance(value, str):
        found = http_date(value) if value.endswith("GMT") else None
        if found is None and value[10:11] == "T":
            with suppress(ValueError):
                found = datetime.fromisoformat(value)
        if found is not None and found.tzinfo is not None:
            return found
    return parse_timestamp(value)
