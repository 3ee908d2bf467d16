"""What goes into the headers of an object, and what is read from them. Pure functions of values."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict, cast
from urllib.parse import quote, unquote, urlencode

from prefect_seedance.storage.s3.settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import ObjectCannedACLType, ServerSideEncryptionType, StorageClassType
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

#: What stands here is read again and again for years: never archived, never expired by a tag.
JOURNAL = "journal/"

#: The metadata under which is written down, when an object is written, what is to lie there.
_SIZE, _CRC32 = "expected-size", "expected-crc32"

_TYPES = {".json": "application/json", ".jpg": "image/jpeg", ".mp4": "video/mp4"}
# What a header may hold as it is. "%" is not among them, so that decoding is exact.
_PLAIN = "!#$&'()*+,/:;=?@[]^`{|}~<>"
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}(; ?[\x20-\x7e]{0,100})?", re.ASCII)


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


def object_headers(content_type: str, metadata: Mapping[str, str], filename: str) -> ObjectHeaders:
    """Return what a video says of itself."""
    return {
        # What lies in quarantine has the type that a media host named, which may be anything.
        "ContentType": content_type if _MEDIA_TYPE.fullmatch(content_type) else "application/octet-stream",
        "ContentDisposition": content_disposition(filename),
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
    assumed = "COMPOSITE" if "-" in head["ETag"] else "FULL_OBJECT"
    text = head.get("ChecksumCRC32", "")
    try:
        crc32 = base64.b64decode(text, validate=True)
    except ValueError:  # "...-3" is one of parts
        return ""
    return crc32.hex() if head.get("ChecksumType", assumed) == "FULL_OBJECT" and len(crc32) == 4 else ""


def storage_options(settings: S3Settings, key: str) -> StorageOptions:
    """Return how an object under this key is stored: encryption for all, the rest not for the journal."""
    options: StorageOptions = {}
    if settings.encryption:
        options["ServerSideEncryption"] = settings.encryption
    if settings.kms_key_id:
        options["SSEKMSKeyId"] = settings.kms_key_id
    if key.startswith(JOURNAL):
        return options
    if settings.storage_class:
        options["StorageClass"] = settings.storage_class  # pyright: ignore[reportGeneralTypeIssues]
    if settings.tags:
        options["Tagging"] = urlencode(dict(settings.tags), quote_via=quote)
    if settings.acl:
        options["ACL"] = settings.acl  # pyright: ignore[reportGeneralTypeIssues]
    return options


def content_type_of(key: str) -> str:
    """Return the media type of what is written beside a video, by its name."""
    return _TYPES.get(key[key.rfind(".") :], "application/octet-stream")


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


def content_disposition(filename: str) -> str:
    r"""Return the header that lets a browser play it, and save it under this name.

    Example:
        >>> content_disposition("Hüte.mp4")
        'inline; filename="H_te.mp4"; filename*=UTF-8\'\'H%C3%BCte.mp4'
    """
    if not filename:
        return "inline"
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in filename)
    plain = plain.replace("\\", "_").replace('"', "_")
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"
    return f'inline; filename="{plain}"{extended}'


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
