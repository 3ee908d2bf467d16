"""What a user may write for a reference: a link, an asset, an object in a bucket, a file, the last frame of a video.

Read from its text alone; whether it is there and fits is found out by `media`. A text that no route could ever use is
a problem here, with what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

SourceKind = Literal["https", "asset", "s3", "file"]

#: Before the address of a video: its last frame, as a picture.
LAST_FRAME = "last-frame+"
LONGEST_SOURCE = 4096

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # of one letter it is a drive
_ASSET = re.compile(r"asset://[A-Za-z0-9][A-Za-z0-9._\-]*\Z")


@dataclass(frozen=True, slots=True)
class Source:
    """A reference as it was written.

    Attributes:
        kind: Where it leads.
        address: A link, ``asset://{id}``, ``s3://bucket/key``, or the path of a file.
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
        message: What is wrong.
        fix: What to write instead.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message}. {fix}.")
        self.message, self.fix = message, fix


WHAT_MAY_BE_WRITTEN = "Write https://..., asset://{id}, s3://bucket/key, or the path of a file"


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
    if text.startswith(LAST_FRAME):
        whole = read_source(text.removeprefix(LAST_FRAME))
        if whole.last_frame or whole.kind not in ("s3", "file"):
            raise UnusableSource(
                "a last frame is taken of a video in a bucket or on disk",
                f"Write {LAST_FRAME}s3://bucket/key, or {LAST_FRAME} and the path of a file",
            )
        return Source(whole.kind, whole.address, last_frame=True)
    if not text.strip() or text != text.strip():
        raise UnusableSource("it is empty, or has white space around it", WHAT_MAY_BE_WRITTEN)
    if any(ord(each) < 32 or ord(each) == 127 for each in text):
        raise UnusableSource("it holds a control character or a line break", WHAT_MAY_BE_WRITTEN)
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    if scheme == "data":
        raise UnusableSource("the vendor takes no data: address", "Save it as a file, and write the path of that")
    if len(text) > LONGEST_SOURCE:
        raise UnusableSource(f"it has more than {LONGEST_SOURCE} characters", WHAT_MAY_BE_WRITTEN)
    if scheme in ("", "file"):
        return Source("file", _path(text) if scheme else text)
    if scheme == "s3":
        bucket, _, key = text[5:].partition("/") if text[3:5] == "//" else ("", "", "")
        if not bucket or not key or key.endswith("/") or "@" in bucket or ":" in bucket:
            raise UnusableSource("it does not name one object of a bucket", "Write s3://bucket/key")
        return Source("s3", f"s3://{bucket}/{key}")
    if any(each.isspace() for each in text):
        raise UnusableSource("an address holds no white space", "Write blanks of an address as %20")
    if scheme == "https":
        return Source("https", text)
    if scheme == "asset":
        if not _ASSET.match(text):
            raise UnusableSource("it is not the id of an asset", "Write asset://{id}, as the audit answered it")
        return Source("asset", text)
    if scheme == "http":
        fix = "Write the https:// address; or download it, and write the path of the file"
        raise UnusableSource("plain http: is not taken, since nothing proves what it brings", fix)
    raise UnusableSource(f"{scheme}: is not taken", WHAT_MAY_BE_WRITTEN)


def _path(address: str) -> str:
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise UnusableSource("a file:// address names another machine, or no path", "Write file:///path, or the path")
    return unquote(parts.path)
