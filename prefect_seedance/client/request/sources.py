r"""What a user may write for a reference: a link, an asset, an object in a bucket, a file, the last frame of a video.

Read from its text alone; whether it is there and fits is found out by `media`. A text that no route could ever use is
a problem here, with what to write instead.

What is wrong with a text stands in one table of patterns, `RULES`. `read_source` and the form of the Prefect UI both
go by it, so that they refuse the same texts. The patterns mean the same to Python and to a browser: no flags, and no
``\w`` or ``\d``, which are wider in Python.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from prefect_seedance.client.request.text import unprintable

SourceKind = Literal["https", "asset", "s3", "file"]

#: Before the address of a video: its last frame, as a picture.
LAST_FRAME = "last-frame+"
#: Above any path, and any signed link that servers take.
LONGEST_SOURCE = 8192

WHAT_MAY_BE_WRITTEN = "Write https://..., asset://{id}, s3://bucket/key, or the path of a file"


@dataclass(frozen=True, slots=True)
class Source:
    """A reference as it was written.

    Attributes:
        kind: Where it leads.
        address: A link, ``asset://{id}``, ``s3://bucket/key``, or the path of a file. Schemes are in small letters.
        last_frame: Whether the last frame of that video is meant.
    """

    kind: SourceKind
    address: str
    last_frame: bool = False

    @property
    def bucket_and_key(self) -> tuple[str, str]:
        """Bucket and key of an ``s3://`` address."""
        bucket, _, key = self.address.removeprefix("s3://").partition("/")
        return bucket, key


class UnusableSource(ValueError):
    """A text that no route could use.

    Attributes:
        message: What is wrong, without the text, which may hold a secret.
        fix: What to write instead.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message}. {fix}.")
        self.message, self.fix = message, fix


class SourceRule(NamedTuple):
    """One way in which a text is not a source.

    Attributes:
        wrong: Pattern that is found in the texts which break the rule, unless they break one before it.
        expected: What the form says was expected. It must not break its own rule: see `form`.
        message: What is wrong, without the text.
        fix: What to write instead.
    """

    wrong: str
    expected: str
    message: str
    fix: str


def _any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in word)


_FRAME = LAST_FRAME.replace("+", r"\+")
_HTTP, _HTTPS, _ASSET, _S3, _FILE, _DATA = map(_any_case, ("http", "https", "asset", "s3", "file", "data"))
_MAYBE_FRAME = f"^({_FRAME})?"
#: Begins what has none of the schemes that are taken.
_PATH = f"{_MAYBE_FRAME}(?!{_FRAME}|({_HTTPS}|{_ASSET}|{_S3}|{_FILE}):)"
#: What no reader sees, and comes along with pasted text: Windows puts U+202A before the paths that it shows. Joiners
#: are not among them, since names in Persian and names with emoji have them.
_UNSEEN = r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
_A_LINK = "a whole link, such as https://example.com/mug.png"
_A_PATH = "a path such as /folder/mug.png or ./mug.png"
_WHOLE_PATH = "Write the whole path, for example /folder/mug.png"

#: Found in the texts that mean a frame of a video.
FRAME_OF_VIDEO = f"^{_FRAME}"

#: The first rule that a text breaks is the one that is told.
RULES: tuple[SourceRule, ...] = (
    SourceRule(
        f"^{_DATA}:|^(iVBORw0KGgo|/9j/4|R0lGOD|UklGR|SUQz)[A-Za-z0-9+/=\\s]{{16,}}$"
        r"|^[A-Za-z0-9+/=_-][A-Za-z0-9+/=_\s-]{511,}$",
        "the path of a file, since base64 is not taken",
        "it looks like the content of a file in base64, and the vendor takes no content",
        "Save it as a file, and write the path of that",
    ),
    SourceRule(
        r"^\s|\s$|^$",
        "a link, s3://bucket/key, a path or asset://id, without blanks around it",
        "it is empty, or has blanks around it",
        WHAT_MAY_BE_WRITTEN,
    ),
    SourceRule(
        rf"[\x00-\x1f\x7f-\x9f{_UNSEEN}]",
        "a text without hidden characters",
        "it holds a control character, a line break or another character that nobody sees",
        "Type it anew, since such characters come along with pasted text",
    ),
    SourceRule(
        rf"^[\s\S]{{{LONGEST_SOURCE + 1}}}",
        f"at most {LONGEST_SOURCE} characters",
        f"it has more than {LONGEST_SOURCE} characters",
        WHAT_MAY_BE_WRITTEN,
    ),
    SourceRule(
        rf"^{_FRAME}({_FRAME}|{_HTTPS}?:|{_ASSET}:|\s|$)",
        f"a frame as {LAST_FRAME}s3://bucket/key, or {LAST_FRAME} and a path",
        "a last frame is taken of a video in a bucket or on disk",
        f"Write {LAST_FRAME}s3://bucket/key, or {LAST_FRAME} and the path of a file",
    ),
    SourceRule(
        f"^{_HTTP}:",
        "a link that begins with https://, or a path",
        "plain http: is not taken, since nothing proves what it brings",
        "Write the https:// address; or download it, and write the path of the file",
    ),
    SourceRule(
        rf"^{_HTTPS}:[/\\]*[^/?#\\]*@",
        "a link without user name and password",
        "it holds a user name or a password, and the vendor logs in nowhere",
        "Download it, and write the path of the file; or write a link that needs no login",
    ),
    SourceRule(
        rf"^{_HTTPS}:(.*\s|[^?#]*\\)",
        "a link with %20 for each blank and / for each backslash",
        "a link holds no blanks and no backslashes",
        "Write %20 for a blank, and / for a backslash",
    ),
    SourceRule(
        rf"^(?!{_HTTPS}://([^\s/?#:%\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?([/?#]|$)){_HTTPS}:",
        _A_LINK,
        "it is not a whole link",
        "Write it as a browser shows it, for example https://example.com/mug.png",
    ),
    SourceRule(
        f"^(?!asset://[A-Za-z0-9][A-Za-z0-9._-]*$){_ASSET}:",
        "an asset as asset://id",
        "it is not the id of an asset",
        "Write asset://{id}, as the audit answered it, and nothing behind it",
    ),
    SourceRule(
        rf"{_MAYBE_FRAME}{_S3}:(?!//[A-Za-z0-9][A-Za-z0-9._-]*/(?!(.*/)?\.{{1,2}}(/|$)).*[^/]$)",
        "one object as s3://bucket/key",
        "it does not name one object of a bucket",
        "Write s3://bucket/key, without . and .. for steps",
    ),
    SourceRule(
        f"{_MAYBE_FRAME}(gs|gcs|az|azure|wasbs?|abfss?|oss|obs|cos|r2|b2|minio):",
        "a signed https:// link, or a copy as s3://bucket/key",
        "only buckets that speak S3 are read",
        "Sign an https:// link there and write that, or copy it to a bucket and write s3://bucket/key",
    ),
    SourceRule(
        rf"{_MAYBE_FRAME}{_FILE}:(?!(//(localhost)?)?/(?!/|[A-Za-z][:|]|([^?#]*/)?\.{{0,2}}$)[^?#\\]*$)"
        rf"|{_MAYBE_FRAME}{_FILE}:.*%([01][0-9A-Fa-f]|7[Ff])",
        "a file as file:///folder/mug.png, or its path",
        "it does not name a file of this machine",
        "Write file:///folder/mug.png, with %23 for # and %3F for ?; or the path of the file as it is",
    ),
    SourceRule(
        f"{_PATH}[A-Za-z][A-Za-z0-9+.-]+:",
        "a link, s3://bucket/key, a path or asset://id",
        "addresses of this kind are not taken",
        f"{WHAT_MAY_BE_WRITTEN}; a file that is really named so is written ./name",
    ),
    SourceRule(
        rf"{_PATH}(//|[wW]{{3}}\.)",
        _A_LINK,
        "it is a link without its beginning",
        "Write https:// before the name of a website, or a path with one / at its beginning",
    ),
    SourceRule(
        rf"{_PATH}([A-Za-z]:|.*\\)",
        _A_PATH,
        "it is a path of Windows, and runs work on Linux and macOS",
        "Write a path with /, as the machine of the run sees the file",
    ),
    SourceRule(
        f"{_PATH}~",
        _A_PATH,
        "~ is the home folder of whoever asks, and the run may belong to another",
        f"{_WHOLE_PATH}; a file that is really named so is written ./~name",
    ),
    SourceRule(
        rf"{_PATH}(.*/)?\.{{0,2}}$",
        _A_PATH,
        "it names a folder",
        "Write the path of one file in it",
    ),
    SourceRule(
        rf"{_PATH}[^./]+$",
        _A_PATH,
        "a word alone is neither an address nor a path",
        "Write ./name for a file of the current folder, or asset://{id} for an asset",
    ),
)


def names_content(text: str) -> bool:
    """Return whether a reference is identified by its content, which has to be read: a file or an object of a bucket.

    Example:
        >>> names_content("s3://shop/mug.png"), names_content("https://a.example.com/mug.png")
        (True, False)
    """
    try:
        return read_source(text).kind not in ("https", "asset")
    except UnusableSource:  # of a request that was copied past its rules: whoever reads it says so
        return True


def read_source(text: str) -> Source:
    """Read a reference.

    Raises:
        UnusableSource: No route could use it.

    Example:
        >>> read_source("s3://shop/mug.png").bucket_and_key
        ('shop', 'mug.png')
        >>> read_source("last-frame+/clips/one.mp4")
        Source(kind='file', address='/clips/one.mp4', last_frame=True)
    """
    for rule in RULES:
        if re.search(rule.wrong, text):
            raise UnusableSource(rule.message, rule.fix)
    if half := unprintable(text):
        raise UnusableSource(half, "Rename the file, or type the text anew")
    last_frame, whole = text.startswith(LAST_FRAME), text.removeprefix(LAST_FRAME)
    scheme, colon, rest = whole.partition(":")
    match scheme.lower() if colon else "":
        case "https" | "asset" | "s3" as kind:
            return Source(kind, f"{kind}:{rest}", last_frame)
        case "file":
            return Source("file", _path(rest), last_frame)
        case _:
            return Source("file", whole, last_frame)


def _path(rest: str) -> str:
    """Read what follows ``file:``."""
    fix = "Write the path of the file as it is, without file://"
    try:
        path = unquote(rest.removeprefix("//").removeprefix("localhost"), errors="strict")
    except UnicodeDecodeError as error:
        raise UnusableSource("its percent-encoding is not that of a text in UTF-8", fix) from error
    if unprintable(path) or path.rpartition("/")[2] in ("", ".", ".."):
        raise UnusableSource("its percent-encoding hides a control character or the end of a folder", fix)
    return path


def is_loopback(address: str) -> bool:
    """Return whether a link leads to this machine itself.

    Example:
        >>> is_loopback("http://127.0.0.1:8765/files/a.png"), is_loopback("https://example.com/127.0.0.1")
        (True, False)
    """
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
        return parts.username is None and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def is_sendable_link(text: str, *, allow_loopback: bool = False) -> bool:
    """Return whether a text is a whole https link; or one to this machine, where that is allowed, with or without TLS.

    Example:
        >>> [is_sendable_link(text) for text in ("https://example.com/a.png", "http://127.0.0.1/a.png", "/a.png", "")]
        [True, False, False, False]
        >>> is_sendable_link("http://127.0.0.1/a.png", allow_loopback=True)
        True
    """
    if allow_loopback and text.startswith("http://") and is_loopback(text):
        return True
    try:
        source = read_source(text)
        return source.kind == "https" and _has_name(urlsplit(source.address).hostname or "")
    except (UnusableSource, ValueError):
        return False


def _has_name(host: str) -> bool:
    """Return whether a host is no longer than a name can be (RFC 1035, 2.3.4)."""
    return 0 < len(host) <= 253 and all(len(label) <= 63 for label in host.split("."))
