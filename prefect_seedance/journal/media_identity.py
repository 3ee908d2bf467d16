"""What a media address stands for, whatever signature it carries today.

A signed link is signed anew for every run; taken by its whole text it would make a new intent, and so a new
bill, each time. So the parameters of the signing schemes below are left out. A scheme's generic names
(``Expires``, ``Signature``) are dropped only beside the name that is its own, and a parameter that changes
what is fetched (``versionId``, ``x-oss-process``, ``snapshot``) always stays: dropping too much would give
somebody another request's video.

Two addresses of one file on two hosts are two identities. Nothing is fetched here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from prefect_seedance.journal.errors import MediaNotIdentified

#: Returns the identity of an address whose text does not tell it (a local file, ``s3://``), or None to leave it.
MediaIdentity = Callable[[str], str | None]


@dataclass(frozen=True)
class SigningScheme:
    """How one service signs links. All names in lower case; a trailing ``*`` stands for any ending.

    Attributes:
        name: The service.
        marks: Names that must all be there for the scheme to be recognised.
        drops: Names that belong to the signature.
        keeps: Names that ``drops`` would match and that change what is fetched.
    """

    name: str
    marks: frozenset[str]
    drops: frozenset[str]
    keeps: frozenset[str] = frozenset()

    def signs(self, names: frozenset[str]) -> bool:
        """Tell whether a query with these parameter names is signed this way."""
        return all(any(_matches(name, mark) for name in names) for mark in self.marks)

    def owns(self, name: str) -> bool:
        """Tell whether a parameter is part of the signature."""
        return name not in self.keeps and any(_matches(name, drop) for drop in self.drops)


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _scheme(name: str, marks: str, drops: str, keeps: str = "") -> SigningScheme:
    return SigningScheme(name, frozenset(marks.split()), frozenset(drops.split()), frozenset(keeps.split()))


SIGNING_SCHEMES: tuple[SigningScheme, ...] = (
    _scheme("AWS signature version 4", "x-amz-signature", "x-amz-*"),
    _scheme(
        "AWS signature version 2",
        "awsaccesskeyid signature",
        "awsaccesskeyid signature expires x-amz-security-token",
    ),
    _scheme("Google Cloud Storage, version 4", "x-goog-signature", "x-goog-*"),
    _scheme("Google Cloud Storage, version 2", "googleaccessid signature", "googleaccessid signature expires"),
    _scheme("CloudFront", "key-pair-id signature", "key-pair-id signature expires policy hash-algorithm"),
    _scheme(
        "Azure shared access signature",
        "sig sv",
        "sig sv ss srt sr sp st se spr sip si skoid sktid skt ske sks skv saoid suoid scid sdd ses",
    ),
    _scheme("Aliyun OSS, version 1", "ossaccesskeyid signature", "ossaccesskeyid signature expires security-token"),
    _scheme(
        "Aliyun OSS, version 4",
        "x-oss-signature",
        "x-oss-signature x-oss-signature-version x-oss-credential x-oss-date x-oss-expires x-oss-security-token "
        "x-oss-additional-headers",
    ),
    _scheme("Tencent COS", "q-signature q-ak", "q-* x-cos-security-token"),
    _scheme("Volcengine TOS", "x-tos-signature", "x-tos-*", keeps="x-tos-process"),
    _scheme("Huawei OBS", "accesskeyid signature", "accesskeyid signature expires x-obs-security-token"),
)


def media_identity(address: str, media: MediaIdentity | None = None) -> str:
    """Return what an address stands for, whatever signature it carries.

    Args:
        address: As the user gave it.
        media: Asked first; identifies what an address alone cannot, for example a local file by its content.

    Raises:
        MediaNotIdentified: The address is neither https nor ``asset://`` and ``media`` does not know it. Its
            text cannot serve as an identity, since what it names may change.

    Example:
        >>> media_identity("https://bucket.example.com/cat.png?versionId=7&X-Amz-Date=1&X-Amz-Signature=ab")
        'https://bucket.example.com/cat.png?versionId=7'
    """
    given = media(address) if media is not None else None
    if given is not None:
        return given
    scheme = address.partition("://")[0].lower()
    if scheme == "asset":
        return address
    if scheme in ("https", "http"):
        return _unsigned(address)
    raise MediaNotIdentified(address)


def _unsigned(address: str) -> str:
    """Leave out a link's signature and login; the rest keeps its text and order."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address  # not a URL: refused elsewhere, and its text is its identity
    host = parts.netloc.rpartition("@")[2]
    pieces = [piece for piece in parts.query.split("&") if piece]
    names = frozenset(_name(piece) for piece in pieces)
    schemes = [scheme for scheme in SIGNING_SCHEMES if scheme.signs(names)]
    if not schemes and host == parts.netloc:
        return address
    kept = [piece for piece in pieces if not any(scheme.owns(_name(piece)) for scheme in schemes)]
    return urlunsplit((parts.scheme, host, parts.path, "&".join(kept), parts.fragment))


def _name(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0]).lower()
