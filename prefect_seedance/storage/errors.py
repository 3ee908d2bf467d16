"""Everything that can go wrong where bytes are kept or fetched.

    StorageError
    ├── BadLocation             the store's own address cannot be used (also a ValueError)
    ├── BadKey                  a name inside the store cannot be used (also a ValueError)
    ├── StorageIncomplete       permissions or features are missing, listed
    ├── NotWritable             the store refuses to be written
    ├── NotReadable             the store refuses to be read; never to be taken for "absent"
    ├── NoSpace                 the disk or the quota is full
    ├── StoreUnavailable        the store did not work just now; trying again may help
    ├── ConditionsIgnored       the store cannot keep two writers apart
    ├── AlreadyExists           the key is there already
    │   └── KeyTaken            ... and holds something else than this video
    ├── Conflict                somebody wrote the record since it was read
    ├── Missing                 the key is not there (any more)
    ├── DamagedUpload           what arrived is not what was sent
    ├── NoLastFrame             no last frame can be taken of a video
    ├── RelayCancelled          the run was cancelled in the middle
    └── SourceError             the download, not the store
        ├── SourceUnavailable   the host did not serve it, however often it was asked
        ├── LinkExpired         the link is refused, and so are the fresh ones
        ├── TruncatedSource     the body stops short, every time
        ├── SourceChanged       cannot be continued, must be started over
        ├── SourceTooLarge      more bytes than the policy allows
        ├── NotAVideo           kept in quarantine, not under the video's key
        └── ForbiddenSource     the link leads where the policy forbids

Each error keeps its arguments as `args` and words its message in `__str__`, so that it survives pickling
(Prefect stores exceptions). No message holds a whole link: signed links carry secrets in their query.
"""

from __future__ import annotations

import re
from typing import ClassVar
from urllib.parse import unquote

from prefect_seedance.plain_text import Money

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d+)?")
#: What an error says that is told alone; whoever tells of the task says it better.
NOT_LOST = "The video is paid for and is still with the vendor: relay it again, do not generate it again."


#: Beside advice that may lead to another store.
ANOTHER_STORE = (
    "Another store knows nothing of what was paid for in this one, and pays again, unless its tasks are attached there "
    "with resolve_submission."
)


class StorageError(Exception):
    """Root of all errors about a store, or about the download of a finished video.

    What to do:
        Look up the class that was raised. In a run, one that is met after the payment arrives as `VideoNotStored` or
        `WaitStopped`, which carry the task id.
    """

    money: ClassVar[Money] = Money.NOTHING


def shown_location(location: str) -> str:
    """Return a location without what may be a secret: what stands before an @, and what follows a ? or #.

    Example:
        >>> shown_location("s3://AKIA:abc/def@bucket/videos"), shown_location("s3://bucket/team@work")
        ('s3://***@bucket/videos', 's3://bucket/team@work')
        >>> shown_location("s3:/AKIA:abc@bucket"), shown_location("s3://AKIA%3Aabc%40bucket")
        ('s3:/***@bucket', 's3://***@bucket')
    """
    scheme, mark, rest = _taken_apart(location)
    if mark:
        rest = re.sub(r"([?#]).*", r"\1***", rest, flags=re.DOTALL)
    first = rest.partition("/")[0]
    if "@" in first:
        rest = f"***@{first.rpartition('@')[2]}{rest[len(first) :]}"
    elif mark and ":" in first and ("@" in rest or not _HOST_AND_PORT.fullmatch(first)):
        # A secret key of AWS may have a slash in it.
        rest = f"***@{rest.rpartition('@')[2]}" if "@" in rest else "***"
    return f"{scheme}{mark}{rest}"


def _taken_apart(location: str) -> tuple[str, str, str]:
    """Split an address at what parts its scheme from the rest, also where that was mistyped, and decode it if need be.

    A folder is taken apart only where what it begins with looks like a name and a password.
    """
    found = re.match(r"\s*([A-Za-z][\w+.-]*\s*)?(:\s*[/\\]+|//+)(?=.*(?:@|%40)|.*[?#])", location, re.DOTALL)
    if "://" in location:
        scheme, mark, rest = location.partition("://")
    elif found:
        scheme, mark, rest = found[1] or "", found[2], location[found.end() :]
    else:
        return "", "", location
    plain = unquote(rest)
    return scheme, mark, plain if "@" in plain and "@" not in rest else rest


class BadLocation(StorageError, ValueError):
    """The store's own address cannot be used. It is kept without a secret that may stand in it.

    What to do:
        Write a folder or ``s3://bucket/prefix`` as the store's location.
    """

    def __init__(self, location: str, reason: str) -> None:
        location = shown_location(location)
        super().__init__(location, reason)
        self.location, self.reason = location, reason

    def __str__(self) -> str:
        return f"The location {self.location!r} cannot be used: {self.reason}"


class BadKey(StorageError, ValueError):
    """A name inside the store cannot be used; nothing was read or written.

    What to do:
        Change the key, or the template that it is made by.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason

    def __str__(self) -> str:
        return f"The key {self.key[:200]!r} cannot be used: {self.reason}. Change the key or its template."


class _PlaceError(StorageError):
    """Shared shape: what failed at which place, and what to do; without advice of its own that of the class."""

    advice = ""

    def __init__(self, where: str, cause: str, advice: str = "") -> None:
        super().__init__(where, cause, *([advice] if advice else []))
        self.where, self.cause = where, cause
        if advice:
            self.advice = advice

    def __str__(self) -> str:
        return f"{self.where}: {self.cause}. {self.advice}"


class StorageIncomplete(StorageError):
    """The store lacks permissions or features that are needed.

    What to do:
        Do what each sentence of `missing` says: grant the permission, or set the option.
    """

    def __init__(self, location: str, missing: list[str]) -> None:
        super().__init__(location, missing)
        self.location, self.missing = location, missing

    def __str__(self) -> str:
        return f"{self.location} cannot be used as it is. " + " ".join(self.missing)


class ConditionsIgnored(StorageError):
    """The store cannot keep two writers apart; nothing was submitted.

    What to do:
        Use a store with conditional writes, or set ``single_writer`` if one process at a time writes there: see the
        page about stores. Another store knows nothing of what was paid for in this one, and pays again.
    """

    def __init__(self, where: str, missing: str) -> None:
        super().__init__(where, missing)
        self.where, self.missing = where, missing

    def __str__(self) -> str:
        return (
            f"{self.where} does not keep writers apart: {self.missing}. Two runs at once could both pay for one "
            "video, so nothing is submitted. Set single_writer if it is certain that only one process at a time uses "
            f"this store, or use one with conditional writes (If-None-Match and If-Match). {ANOTHER_STORE}"
        )


class NotWritable(_PlaceError):
    """The store refuses to be written.

    What to do:
        Let the account that runs the worker write there. Another store knows nothing of what was paid for in this
        one, and pays again.
    """

    advice = f"Let the account that runs the worker write there. {ANOTHER_STORE}"


class NotReadable(_PlaceError):
    """The store refuses to be read. This never means that the key is absent.

    What to do:
        Let the account that runs the worker read there. Another store knows nothing of what was paid for in this one,
        and pays again.
    """

    advice = f"Let the account that runs the worker read there. {ANOTHER_STORE}"


class NoSpace(_PlaceError):
    """The disk, the quota or the largest allowed file size is reached; nothing partial is kept.

    What to do:
        Make room or raise the quota, then run again: what was stored before is untouched.
    """

    advice = "Make room or raise the limit, then run again: what was stored before is untouched."


class StoreUnavailable(_PlaceError):
    """The store did not work just now.

    What to do:
        Try again. If it stays so, check the disk, the network and the store's own logs.
    """

    advice = "Try again; if it stays so, check the disk, the network and the store's own logs."


class AlreadyExists(StorageError):
    """The key is there already; it was not touched.

    What to do:
        Read what is there instead of creating it.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.uri = uri

    def __str__(self) -> str:
        return f"{self.uri} exists already and was left as it is. Read it instead of creating it."


class KeyTaken(AlreadyExists):
    """The video's key holds something else; it was not touched.

    What to do:
        Move away the object that holds the key, or use a key template with ``{task_id}``. Then run the same request
        again, which pays nothing.
    """

    money = Money.KEPT
    advice = f"Move that object away, or use a key template with {{task_id}}. {NOT_LOST}"

    def __init__(self, uri: str, reason: str, advice: str = "") -> None:
        super().__init__(uri)
        self.args = (uri, reason, *([advice] if advice else []))
        self.reason = reason
        if advice:
            self.advice = advice

    def __str__(self) -> str:
        return f"{self.uri} already holds something else ({self.reason}) and was left as it is. {self.advice}"


class Conflict(StorageError):
    """The record's etag is not the expected one: somebody wrote it since it was read.

    What to do:
        Read the record again and decide anew.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.uri = uri

    def __str__(self) -> str:
        return f"{self.uri} was written by somebody else since it was read. Read it again and decide anew."


class Missing(StorageError):
    """The key is not there, or not there any more.

    What to do:
        Check the key. If it was there, find out who deleted it before going on.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.uri = uri

    def __str__(self) -> str:
        return f"{self.uri} does not exist. If it did, it was deleted: find out by whom before going on."


class DamagedUpload(StorageError):
    """What the store received is not what was sent; nothing of it counts as stored.

    What to do:
        Run the same request again, which stores the video and pays nothing. If it stays so, look at the network and
        at the store itself.
    """

    def __init__(self, uri: str, detail: str, not_removed: str = "") -> None:
        super().__init__(uri, detail, *([not_removed] if not_removed else []))
        self.uri, self.detail, self.not_removed = uri, detail, not_removed

    def __str__(self) -> str:
        if self.not_removed:
            return (
                f"The upload to {self.uri} was damaged on the way ({self.detail}), and what arrived could not be "
                f"removed ({self.not_removed}). It does not count as stored; the next run writes over it. If "
                f"that fails too, delete it by hand and look at the store itself. {NOT_LOST}"
            )
        return f"The upload to {self.uri} was damaged on the way ({self.detail}); nothing was kept. Run again."


class NoLastFrame(StorageError):
    """No last frame can be taken of a video. The video is untouched, and nothing is paid.

    What to do:
        Play the video to its end to see whether it is whole, or use a picture of it as the frame.
    """

    def __init__(
        self, reason: str, advice: str = "Play the video to its end to see whether it is whole, or use a picture of it"
    ) -> None:
        super().__init__(reason, advice)
        self.reason, self.advice = reason, advice

    def __str__(self) -> str:
        return f"No last frame can be taken of this video: {self.reason}. {self.advice}."


class RelayCancelled(StorageError):
    """The run was cancelled while the video was being relayed; nothing partial is kept.

    What to do:
        Run the same request again, or run ``collect_videos``: both store the same video and pay nothing.
    """

    money = Money.KEPT

    def __str__(self) -> str:
        return f"The relay was cancelled; nothing partial was kept. {NOT_LOST}"


class SourceError(StorageError):
    """Root of all faults of the download. None of them is a reason for a new generation.

    What to do:
        Run the same request again, which pays nothing; do not ask for another take, which would.

    Attributes:
        way_on: The end of most messages. Whoever knows better sets it.
    """

    money = Money.KEPT
    way_on = NOT_LOST


class SourceUnavailable(SourceError):
    """The media host did not serve the video, however often it was asked.

    What to do:
        Check the network and ``allow_media_hosts``, then run the same request again within 3 days of the video's
        completion, which pays nothing.
    """

    def __init__(self, host: str, cause: str) -> None:
        super().__init__(host, cause)
        self.host, self.cause = host, cause

    def __str__(self) -> str:
        host = f"The media host {self.host}" if self.host else "The vendor"
        return f"{host} does not serve the video: {self.cause.rstrip('.')}. {self.way_on}"


class LinkExpired(SourceError):
    """The link is refused, and the fresh ones that were asked for are refused as well.

    What to do:
        Run the same request again soon: it asks for fresh links. If they are refused too, ask the vendor's support
        for a new one with the task id.
    """

    def __init__(self, status: int, host: str, advice: str = "") -> None:
        super().__init__(status, host, *([advice] if advice else []))
        self.status, self.host, self.advice = status, host, advice

    def __str__(self) -> str:
        return (
            f"The media host {self.host} refuses the video's link, and fresh ones too (HTTP {self.status}). "
            "Links live about three days. Relay the task again soon; if it stays so, ask the vendor's "
            "support for a new link with the task id, do not generate it again."
            + (f" The link is plain http, and https was asked instead. {self.advice}" if self.advice else "")
        )


class TruncatedSource(SourceError):
    """The body stops short of its announced size, however often it is continued.

    What to do:
        Run the same request again, which pays nothing. If it stays so, look for a proxy that cuts long downloads.
    """

    def __init__(self, received: int, expected: int | None) -> None:
        super().__init__(received, expected)
        self.received, self.expected = received, expected

    def __str__(self) -> str:
        of = "" if self.expected is None else f" of {self.expected}"
        return f"The download stopped after {self.received}{of} bytes, again and again. {self.way_on}"


class SourceChanged(SourceError):
    """The download cannot be continued where it broke: start over from the first byte.

    What to do:
        Run the same request again: it downloads from the first byte and pays nothing.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The download cannot be continued where it broke ({self.reason}). {self.way_on}"


class SourceTooLarge(SourceError):
    """The video is larger than the policy allows.

    What to do:
        Raise the limit if the size is right, then run the same request again, which pays nothing.
    """

    def __init__(self, size: int, maximum: int) -> None:
        super().__init__(size, maximum)
        self.size, self.maximum = size, maximum

    def __str__(self) -> str:
        return (
            f"The source has at least {self.size} bytes; {self.maximum} are allowed. "
            f"Raise the limit if this is right. {self.way_on}"
        )


class NotAVideo(SourceError):
    """What came is neither MP4 nor MOV, or not all of one; it is kept in quarantine.

    What to do:
        Look at what is kept at `uri`. Run the same request again, which downloads it anew and pays nothing.
    """

    def __init__(self, uri: str, looks_like: str) -> None:
        super().__init__(uri, looks_like)
        self.uri, self.looks_like = uri, looks_like

    def __str__(self) -> str:
        return (
            f"The link did not lead to a whole MP4 or MOV video but to {self.looks_like}. It is kept at {self.uri}: "
            f"look at it there. {self.way_on}"
        )


class ForbiddenSource(SourceError):
    """The link leads where the media policy forbids; no byte was asked for there.

    What to do:
        If the host is right, add it to ``allow_media_hosts`` of the store, then run the same request again, which
        pays nothing.
    """

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(host, reason)
        self.host, self.reason = host, reason

    def __str__(self) -> str:
        return f"The link to {self.host or 'no host'} is not followed: {self.reason} {self.way_on}"
