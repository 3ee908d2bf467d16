"""Where a manifest lies: its bytes, what it is called for people, and what a relative path in it means."""

from __future__ import annotations

import errno
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.manifest.cells import BadCell
from prefect_seedance.batch.manifest.limits import MOST_BYTES
from prefect_seedance.batch.manifest.unreadable import Unreadable
from prefect_seedance.client.request.sources import LAST_FRAME, Source, UnusableSource, read_source
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.plain_text import one_line
from prefect_seedance.redaction import hide
from prefect_seedance.storage.errors import (
    BadLocation,
    Conflict,
    ForbiddenSource,
    LinkExpired,
    Missing,
    NotReadable,
    RelayCancelled,
    SourceChanged,
    SourceError,
    SourceTooLarge,
    SourceUnavailable,
    StoreUnavailable,
    TruncatedSource,
    shown_location,
)
from prefect_seedance.storage.relay.local_file import open_regular_file
from prefect_seedance.storage.relay.remote_file import HTTPSOnly
from prefect_seedance.storage.relay.source import MediaSource, SourceLimits

_PIECE_BYTES = 1024 * 1024
#: A manifest is waited for as long as a person may wait before a batch begins.
_LINK_LIMITS = SourceLimits(faults_in_a_row=3, faults=6, fresh_links=0, longest_seconds=300.0)
_LONGEST_SHOWN = 300
_WRITE = "Write the whole path of a file, s3://bucket/key, or an https link"
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
_TOO_LARGE = "Write it as several manifests, or leave out columns that are not fields"


@dataclass(frozen=True)
class Origin:
    """A manifest as it was fetched.

    Attributes:
        shown: Where it is, fit to be shown.
        suffix: What its name ends with, in small letters; "" if that says nothing.
        content: Its bytes.
        folder: What a relative path in it is beside: a folder, ``s3://bucket/`` and a prefix, or "" where it can mean
            nothing.
    """

    shown: str
    suffix: str
    content: bytes = field(repr=False)
    folder: str

    def absolute(self, text: str) -> str:
        """Return a reference as it is meant: a relative path is beside the manifest.

        Raises:
            BadCell: It can mean nothing.
        """
        try:
            source = read_source(text)
        except UnusableSource:  # the request says so, in its own words
            return text
        if source.kind != "file" or source.address.startswith("/"):
            return text
        frame = LAST_FRAME if source.last_frame else ""
        path = source.address.removeprefix("./")
        if not self.folder:
            raise BadCell(
                "a relative path is looked up beside the manifest, and nothing is read beside a link",
                "Write the whole address",
            )
        if self.folder.startswith("s3://"):
            bucket, _, prefix = self.folder.removeprefix("s3://").partition("/")
            key = posixpath.normpath(prefix + path)
            if key.startswith(".."):
                raise BadCell("the path leads out of the bucket of the manifest", "Write s3://bucket/key")
            return f"{frame}s3://{bucket}/{key}"
        # Not tidied: behind a link in the file system, .. leads elsewhere than it looks.
        return f"{frame}{os.path.join(self.folder, path)}"


def fetch(location: str, context: MediaContext, follower: Follower) -> Origin:
    """Fetch a manifest from where it lies.

    Raises:
        UnusableManifest: It cannot be read.
        PreparationCancelled: The run was cancelled.
    """
    follower.check()
    text = location.strip()
    shown = one_line(shown_location(hide(text, longest=_LONGEST_SHOWN)))
    try:
        if re.match(r"https?://", text, re.IGNORECASE):
            return _linked(text, context, follower)
        source = _source(text)
        if source.kind == "s3":
            return _from_bucket(shown, source, context, follower)
        return _from_file(shown, source.address, follower)
    except Unreadable as error:
        raise UnusableManifest(shown or "without a location", error.reason, error.fix) from error.__cause__


def _source(text: str) -> Source:
    if not text:
        raise Unreadable("no location is given", _WRITE)
    if text.startswith("~/"):
        text = os.path.expanduser(text)
    try:
        source = read_source(text)
    except UnusableSource as error:
        raise Unreadable(error.message, _WRITE) from None
    if source.kind == "asset" or source.last_frame:
        raise Unreadable("this is the address of media, not of a table", _WRITE)
    if source.kind == "file" and not os.path.isabs(source.address):
        raise Unreadable(
            "the path is a relative one, and the folder of the run is rarely the one that is meant", _WRITE
        )
    return source


def _from_file(shown: str, path: str, follower: Follower) -> Origin:
    try:
        with open_regular_file(path) as file:
            # What the system makes up while it is read, such as the environment of a process, has no size.
            _refuse_empty(os.fstat(file.fileno()).st_size)
            content = _whole(iter(lambda: file.read(_PIECE_BYTES), b""), follower)
    except OSError as error:
        why = error.strerror or type(error).__name__
        if error.errno == errno.ENOENT:
            why = "there is no such file on the machine of the run"
        elif os.path.isdir(path):
            why = "it is a folder"
        raise Unreadable(why, "Check the path; for a worker elsewhere put the file into a bucket") from error
    return Origin(shown, _suffix_of(path), content, os.path.dirname(path))


def _from_bucket(shown: str, source: Source, context: MediaContext, follower: Follower) -> Origin:
    # Loads boto3, which takes a while.
    from prefect_seedance.storage.s3.given.given_object import find_object

    bucket, key = source.bucket_and_key
    try:
        found = find_object(bucket, key, context.store)
        _refuse_size(found.size)
        with found.open_read() as file:
            content = _whole(iter(lambda: file.read(_PIECE_BYTES), b""), follower)
    except Missing as error:
        raise Unreadable("there is no such object", "Check the bucket and the key, letter by letter") from error
    except Conflict as error:
        raise Unreadable("it was replaced while it was read", "Run again once nobody writes it") from error
    except BadLocation as error:
        raise Unreadable(error.reason, "Write s3://bucket/key") from error
    except (NotReadable, StoreUnavailable) as error:
        raise Unreadable(error.cause, error.advice) from error
    prefix, slash, _ = key.rpartition("/")
    return Origin(shown, _suffix_of(key), content, f"s3://{bucket}/{prefix}{slash}")


def _linked(link: str, context: MediaContext, follower: Follower) -> Origin:
    policy = HTTPSOnly.of(replace(context.policy, maximum_bytes=MOST_BYTES))
    parts = link.partition("#")[0].partition("?")[0]
    source = MediaSource(lambda _: link, policy=policy, limits=_LINK_LIMITS)
    public = "Write an https link that anybody can read, or s3://bucket/key"
    try:
        content = _whole(source.iter_bytes(follower.cancelled), follower)
    except RelayCancelled:
        raise PreparationCancelled from None
    except ForbiddenSource as error:
        raise Unreadable(error.reason, public) from None
    except LinkExpired as error:
        raise Unreadable(f"{error.host} refuses it (HTTP {error.status})", f"Sign it again, or: {public}") from None
    except SourceTooLarge:
        raise _too_large() from None
    except SourceUnavailable as error:
        raise Unreadable(f"{error.host or 'its host'} does not serve it: {error.cause}", public) from None
    except (TruncatedSource, SourceChanged):
        raise Unreadable("the download breaks off", "Try again later, or put it into a bucket") from None
    except SourceError:
        raise Unreadable("it cannot be downloaded", public) from None
    return Origin(_shown_link(link), _suffix_of(unquote(urlsplit(parts).path)), content, "")


def _shown_link(link: str) -> str:
    """Return scheme, host and path of a link: what follows may be a signature, what comes before it a password."""
    parts = urlsplit(link)
    host = parts.netloc.rpartition("@")[2]
    return one_line(hide(f"{parts.scheme}://{host}{parts.path}", longest=_LONGEST_SHOWN))


def _whole(pieces: Iterator[bytes], follower: Follower) -> bytes:
    content = bytearray()
    for piece in pieces:
        follower.check()
        content += piece
        _refuse_size(len(content))
    _refuse_empty(len(content))
    return bytes(content)


def _refuse_empty(size: int) -> None:
    if not size:
        raise Unreadable("it is empty", "Write a table with a header and a row for each video")


def _refuse_size(size: int) -> None:
    if size > MOST_BYTES:
        raise _too_large()


def _too_large() -> Unreadable:
    return Unreadable(f"it has more than {MOST_BYTES // 1024**2} MiB, which is the most that is read", _TOO_LARGE)


def _suffix_of(path: str) -> str:
    suffix = os.path.splitext(path.rpartition("/")[2])[1]
    return suffix.lower() if _SUFFIX.fullmatch(suffix) else ""
