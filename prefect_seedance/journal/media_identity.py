"""What a media address stands for, whatever signature it carries today.

A signed link is signed anew for every run; taken by its whole text it would make a new intent, and so a new bill,
each time. So what belongs to its signature is left out:

- of the schemes that are known (`signing_schemes`), what the scheme owns;
- of others, parameters whose name says signature or expiry and whose value looks like one, where the path names a
  file. Names that versions use too (``t``, ``hash``) go only beside such a parameter;
- what the user says (``VideoStore.ignored_link_parameters``).

Everything else stays: to take two files for one would give somebody the video of another request. What stays and
still looks signed is told (`link_notices`), so that nobody pays twice in silence.

Two links are also one where no client can tell them apart: by the case of scheme and host, a default port,
needless escapes and their case, and in a signed link the order of the parameters. Two addresses of one file on two
hosts are two identities. Nothing is fetched here, and no text is refused: what is not an address is refused elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from prefect_seedance.client.request.problems import Problem
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.errors import MediaNotIdentified
from prefect_seedance.redaction import without_signatures
from prefect_seedance.signing_schemes import (
    AMBIGUOUS_NAMES,
    CALENDAR_NAMES,
    CERTAIN_FOLDERS,
    CONTENT_NAMES,
    EXPIRY_NAMES,
    SIGNED_FOLDERS,
    SIGNING_SCHEMES,
    WRITTEN_DATE,
    Parameter,
    looks_like,
    names_media,
    names_one_file,
    names_one_folder,
    plain,
    says_content,
    says_signature,
)

#: Returns the identity of an address whose text does not tell it (a local file, ``s3://``), or None to leave it.
MediaIdentity = Callable[[str], str | None]

#: Words in names of parameters whose values let somebody in, written without separators.
_SECRET_WORDS = (
    *("key", "token", "pass", "pwd", "secret", "auth", "sign", "cred", "session", "cookie", "jwt", "hmac", "user"),
    *("login", "account", "ticket", "code", "grant", "nonce", "policy", "access"),
)
#: Looks of a part of a path that is a token, see `signing_schemes.SHAPES`.
_PATH_TOKENS = ("jwt", "dashed", "akamai", "bce", "cos", "cdn77", *CERTAIN_FOLDERS)
#: Telegram's, and its likes: who it is, a colon, a secret.
_TOKEN_OF_ACCOUNT = re.compile(r"\w+:[\w-]{16,}", re.ASCII)
#: What a choice of a picture may look like: a number, a word, a size.
_HARMLESS = re.compile(r"[\w.,:+\- ]{0,64}", re.ASCII)

#: How a signature in the path is named to people, who know parameters by their own names.
_PATH = "(in the path)"


@dataclass(frozen=True)
class Link:
    """A link as the identity sees it.

    Attributes:
        text: The link without its signature.
        left_out: Names of what was left out, to be shown.
        doubtful: Names of what was kept and looks like a part of a signature, to be shown.
    """

    text: str
    left_out: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def media_identity(address: str, media: MediaIdentity | None = None, ignored: Collection[str] = ()) -> str:
    """Return what an address stands for, whatever signature it carries.

    Args:
        address: As the user gave it.
        media: Asked first; identifies what an address alone cannot, for example a local file by its content.
        ignored: Names of parameters of links that do not count, as the user says.

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
        return read_link(address, ignored).text
    raise MediaNotIdentified(address)


def shown_address(address: str, ignored: Collection[str] = ()) -> str:
    """Return an address as it may be kept and read by anybody: its identity, less whatever may grant access.

    The identity keeps what only may be a signature, or two files could be taken for one. Here nothing depends on the
    text, so that of the query only plain numbers and words are left, under names that say nothing of secrets.

    Args:
        address: As the user gave it, or its identity.
        ignored: See `media_identity`.

    Example:
        >>> shown_address("https://me:pw@example.com/render/cat?sig=r4nd0m&width=100&api_key=abc#access_token=abc")
        'https://example.com/render/cat?width=100'
    """
    if address.partition("://")[0].lower() not in ("https", "http"):
        return without_signatures(address)
    found = _LINK.fullmatch(read_link(address, ignored).text)
    if found is None:
        return without_signatures(address)
    scheme, host, path, query, _ = (part or "" for part in found.groups())
    *folders, last = path.split("/")
    path = "/".join(
        [
            *(each for each in folders if not _may_grant_access_in_path(each, (*_PATH_TOKENS, "digest", "minute"))),
            "" if _may_grant_access_in_path(last, _PATH_TOKENS) else last,  # a digest alone is a file's name here
        ]
    )
    kept = "&".join(each for each in query.split("&") if each and not _may_grant_access(_parameter(each)))
    return f"{scheme}://{host}{path}{'?' if kept else ''}{kept}"


def same_file(address: str) -> str:
    """Return what tells the file behind a link from others, also when a service writes the link in its own way.

    Where the path names one file, neither the query nor the scheme counts, nor how a character is escaped. Elsewhere a
    token may choose the file, so that everything counts that does in an identity. To be hashed and not shown.

    Args:
        address: A link, with or without what grants access.

    Example:
        >>> same_file("http://Files.example.com/2026/boat%20one.mp4?v=2"), same_file("https://example.com/video.mp4?id=2")
        ('files.example.com/2026/boat one.mp4', 'example.com/video.mp4?id=2')
    """
    found = _LINK.fullmatch(read_link(address).text)
    if found is None:
        return address
    _, host, path, query, _ = (part or "" for part in found.groups())
    told = f"{host.rstrip('.')}{unquote(path, errors='surrogateescape').replace('+', ' ')}"
    return told if names_one_file(path) or not query else f"{told}?{query}"


def link_notices(request: VideoRequest, ignored: Collection[str] = ()) -> list[Problem]:
    """Return a warning for each link of a request that still looks signed: it may be a new link, and video, tomorrow.

    Args:
        request: As the user asked it.
        ignored: See `media_identity`.

    Example:
        >>> request = VideoRequest(prompt="x", images=["https://example.com/cat.png?t=1795348800"])
        >>> [notice.field for notice in link_notices(request)]
        ['images[0]']
    """
    links = [(field, read_link(address, ignored)) for field, address in _links(request)]
    return [
        Problem(
            field,
            "signed link",
            f"of the link, {' and '.join(link.doubtful)} may be a signature or a time, and counts: with another value "
            "the same request is another video, and is paid for again",
            "Pass a link that stays the same; or, if the parameter never changes what is shown, name it in the store's "
            "ignored_link_parameters",
            "warn",
        )
        for field, link in links
        if link.doubtful
    ]


def signatures_left_out(request: VideoRequest, ignored: Collection[str] = ()) -> list[str]:
    """Return, for each signed link, what of it does not count. Names only: the values grant access.

    Example:
        >>> signatures_left_out(VideoRequest(prompt="x", images=["https://example.com/cat.png?expires=1795348800"]))
        ["images[0]: the link's signature does not count for whether two requests are the same (left out: expires)."]
    """
    links = [(field, read_link(address, ignored)) for field, address in _links(request)]
    return [
        f"{field}: the link's signature does not count for whether two requests are the same (left out: "
        f"{', '.join(link.left_out)})."
        for field, link in links
        if link.left_out
    ]


def _links(request: VideoRequest) -> list[tuple[str, str]]:
    return [each for each in request.references() if each[1].partition("://")[0].lower() in ("https", "http")]


# RFC 3986, appendix B. Unlike urlsplit it takes every text, and means the same in every version of Python.
_LINK = re.compile(r"([^:/?#]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_DEFAULT_PORT = {"https": re.compile(r"(?::(?:443)?)+\Z"), "http": re.compile(r"(?::(?:80)?)+\Z")}
#: Not behind half an escape: what is unescaped there would complete it.
_ESCAPE = re.compile(r"(?<!%)(?<!%[0-9a-fA-F])%[0-9a-fA-F]{2}")


def read_link(address: str, ignored: Collection[str] = ()) -> Link:
    """Separate a link from its signature.

    Args:
        address: An http or https link; any text will do.
        ignored: See `media_identity`.
    """
    found = _LINK.fullmatch(address)
    if found is None:
        return Link(address)
    scheme, authority, path, query, fragment = (part or "" for part in found.groups())
    scheme = scheme.lower()
    port = _DEFAULT_PORT.get(scheme)
    # Whatever stands before the host is a login. Lower case of other letters depends on the version of Unicode.
    host = _lower(authority.rpartition("@")[2])
    host = port.sub("", host) if port else host

    pieces = [(_parameter(piece), _same_escapes(piece)) for piece in query.split("&") if piece]
    parameters = list(dict.fromkeys(parameter for parameter, _ in pieces))
    path, folders = _unsigned_path(_same_escapes(path) or "/")
    owned = _signature(parameters, path, frozenset(_lower(name) for name in ignored))
    left_out = [_shown(parameter) for parameter, _ in pieces if parameter in owned]
    kept = [(parameter, piece) for parameter, piece in pieces if parameter not in owned]
    doubtful = [_shown(parameter) for parameter, _ in kept if _doubtful(parameter)]
    if folders:
        (left_out if folders == "left out" else doubtful).append(_PATH)
    query = _same_escapes(query)
    if owned:  # who signs may write the parameters in any order; those of one name keep theirs
        query = "&".join(piece for _, piece in sorted(kept, key=lambda each: each[0][0]))
    return Link(
        f"{scheme}://{host}{path}{'?' if query else ''}{query}{fragment}",
        tuple(dict.fromkeys(left_out)),
        tuple(dict.fromkeys(doubtful)),
    )


def _parameter(piece: str) -> Parameter:
    name, equals, value = piece.partition("=")
    # What has no "=" is a value, as far as looks go, and may be the signature itself.
    return (_lower(unquote_plus(name)), unquote_plus(value)) if equals else ("", unquote_plus(name))


def _signature(parameters: list[Parameter], path: str, ignored: frozenset[str]) -> set[Parameter]:
    """Find the parameters that are the link's signature, or that the user leaves out."""
    schemes = [each for each in SIGNING_SCHEMES if each.signs(path, parameters)]
    owned = {each for each in parameters if each[0] in ignored or any(scheme.owns(each[0]) for scheme in schemes)}
    one_file = names_one_file(path)
    if not (one_file or names_media(path)):
        return owned
    signatures = {each for each in parameters if says_signature(plain(each[0])) and looks_like(each[1], "signature")}
    expiries = {each for each in parameters if plain(each[0]) in EXPIRY_NAMES and looks_like(each[1], "time")}
    if one_file:
        owned |= signatures | expiries
        if signatures or expiries:
            owned |= {each for each in parameters if _of_a_signature(each)}
    elif signatures and expiries:  # a token alone may choose which image.png it is; one that ends is a signature
        owned |= signatures | expiries
    return owned


def _looks_signed(value: str) -> bool:
    return looks_like(value, "time") or looks_like(value, "signature")


def _of_a_signature(parameter: Parameter) -> bool:
    """Return whether a parameter with an ambiguous name belongs to a signature that it stands beside."""
    name, value = plain(parameter[0]), parameter[1]
    if name in CALENDAR_NAMES and WRITTEN_DATE.match(value):
        return False
    return name in AMBIGUOUS_NAMES and _looks_signed(value)


def _doubtful(parameter: Parameter) -> bool:
    name, value = plain(parameter[0]), parameter[1]
    if says_content(name):
        return False
    signed = _looks_signed(value) or looks_like(parameter[0], "signature")
    return signed or ((says_signature(name) or name in EXPIRY_NAMES) and len(value) >= 8)


def _may_grant_access(parameter: Parameter) -> bool:
    """Return whether a parameter may be more than a choice of what is shown; doubts count."""
    name, value = plain(parameter[0]), parameter[1]
    if _doubtful(parameter) or not _HARMLESS.fullmatch(value):
        return True
    return not name or _says_secret(name) or (name not in CONTENT_NAMES and _looks_signed(value))


def _says_secret(name: str) -> bool:
    return says_signature(name) or name in EXPIRY_NAMES or any(word in name for word in _SECRET_WORDS)


def _may_grant_access_in_path(part: str, shapes: Collection[str]) -> bool:
    """Return whether a part of a path is a token, or a parameter that may be one: ``/token=abc/`` or ``/a;sig=abc``."""
    text = unquote_plus(part)
    if any(looks_like(text, shape) for shape in shapes) or _TOKEN_OF_ACCOUNT.fullmatch(text):
        return True
    named = re.findall(r"([\w.-]{1,40})=", text, re.ASCII)
    return any(_says_secret(plain(name)) or plain(name) in AMBIGUOUS_NAMES for name in named)


def _unsigned_path(path: str) -> tuple[str, str]:
    """Leave out the folders that are a signature; return whether some were "left out" or are only "doubtful"."""
    first, *folders, last = path.split("/")
    certain = [each for each in folders if any(looks_like(each, shape) for shape in CERTAIN_FOLDERS)]
    folders = [each for each in folders if each not in certain]
    path = "/".join([first, *folders, last])
    for shapes in SIGNED_FOLDERS:
        signed, rest = folders[: len(shapes)], "/".join([first, *folders[len(shapes) :], last])
        if len(signed) == len(shapes) and all(map(looks_like, signed, shapes)):
            return (rest, "left out") if names_one_file(rest) or names_one_folder(rest) else (path, "doubtful")
    return path, "left out" if certain else ""


def _lower(text: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in text)


def _same_escapes(text: str) -> str:
    """Write escapes in capitals, and without need none, as RFC 3986 (6.2.2) has them."""

    def same(found: re.Match[str]) -> str:
        character = chr(int(found[0][1:], 16))
        return character if character.isascii() and (character.isalnum() or character in "-._~") else found[0].upper()

    return _ESCAPE.sub(same, text)


_NAME = re.compile(r"[\w.\-~$@:\[\]]{1,40}", re.ASCII)


def _shown(parameter: Parameter) -> str:
    """Name a parameter to people, unless its name may be more than a name."""
    name = parameter[0]
    if not name:
        return "a parameter without a name"
    return name if _NAME.fullmatch(name) and not looks_like(name, "signature") else "a parameter with an odd name"
