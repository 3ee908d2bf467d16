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

#: What stands here is read again and again for years: never archived, never expired by a tag.
JOURNAL = "journal/"

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
