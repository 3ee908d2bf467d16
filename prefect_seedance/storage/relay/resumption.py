"""The meaning of a media host's answer for a download that has come so far. Pure functions of values.

| status | meaning |
|---|---|
| 200 or a proxy's 203 at the start, or a 206 of the first part that nobody asked for | read the body |
| 206 that fits what we have | read the body |
| 416 that gives the size of what we have, where none was known | that is the whole |
| 200 or 416 when asked to continue, 206 that does not fit | other content, or a host that cannot: start over |
| 206 without the strong validator that the start had | perhaps other content: start over |
| 408, 425, 429, 5xx | wait and ask again |
| anything else, such as 403, 404, 410 | the link does not work, or not any more: ask for a fresh one |

What the link itself is to blame for does not change by waiting, so it is asked for anew, a few times and no more. A
Content-Encoding does not decide whether an answer is refused: the bytes show whether they are packed (`wrapping`).

What came of two answers may be put together only if both carry the same strong validator (RFC 9110, 15.3.7.3). That a
host was asked with `If-Range` proves nothing: there are hosts and caches that ignore it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from prefect_seedance.headers import http_date, retry_after_seconds, whole_number

# What a host says that is busy. How signed links of S3, OSS, COS and TOS say that they have expired or are wrong are
# other words: 400, 401, 403, 404 and 410; a missing object may be a link whose object was moved.
_BUSY = frozenset({408, 425, 429, *range(500, 600)})

# What changes the bytes on the way. Stores keep other words there that change nothing, such as "aws-chunked".
_PACKED = frozenset({"gzip", "x-gzip", "deflate", "br", "compress", "x-compress", "zstd"})
# The whole content, of the host or as a proxy has it.
_WHOLE = frozenset({200, 203})

_LONGEST_SENT_ON = 500


class ResumeVerdict(Enum):
    """What to do with an answer."""

    READ = "read"
    START_OVER = "start over"
    FRESH_LINK = "fresh link"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download has come, and what is known of the content it is of.

    Attributes:
        position: Bytes received so far.
        size: Of the whole, if the host told.
        etag: The host's ETag as it came, or empty.
        last_modified: The host's Last-Modified, or empty.
        date: The host's Date of the first answer, or empty.
        coding: How the body is packed, such as gzip; empty if it is not.
    """

    position: int = 0
    size: int | None = None
    etag: str = ""
    last_modified: str = ""
    date: str = ""
    coding: str = ""

    @property
    def validator(self) -> str:
        """What proves the same content, and `If-Range` may carry: a strong ETag, else a strong date; else empty."""
        if self.etag:
            return self.etag if _is_strong(self.etag) else ""
        return self.last_modified if _was_at_rest(self.last_modified, self.date) else ""

    def is_continued_by(self, etag: str, last_modified: str) -> bool:
        """Return whether an answer with these headers is of the same content.

        The date must be the same where both tell it, and is the proof only where there never was an ETag.
        """
        if not self.validator or etag != self.etag:
            return False
        return last_modified == self.last_modified or (bool(etag) and not last_modified)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on an answer, why, and what is known by then."""

    verdict: ResumeVerdict
    reason: str
    progress: DownloadProgress
    status: int = 0
    wait_seconds: float | None = None


def request_headers(progress: DownloadProgress) -> dict[str, str]:
    """Return headers that ask for what is still missing, only if the content is the one we have the start of."""
    if progress.position == 0:
        return {}
    return {"range": f"bytes={progress.position}-", "if-range": progress.validator}


def judge(status: int, headers: Mapping[str, str], progress: DownloadProgress) -> Judgement:
    """Judge what an answer means; `headers` are looked up in lower case."""
    if progress.position == 0 and (status in _WHOLE or (status == 206 and _is_from_the_start(headers))):
        return _judge_start(status, headers)
    if status == 206 and progress.position > 0:
        return _judge_continuation(headers, progress)
    if status in _WHOLE:
        return Judgement(ResumeVerdict.START_OVER, "the host sends it from the start again", progress)
    if status == 416 and progress.position > 0:
        if progress.size is None and headers.get("content-range", "").strip() == f"bytes */{progress.position}":
            # All of it is there already: only its end was never said, such as by trailers that never end.
            return Judgement(ResumeVerdict.WAIT, "the answer did not end", replace(progress, size=progress.position))
        return Judgement(ResumeVerdict.START_OVER, "the host says that it is shorter than what came", progress)
    if status in _BUSY:
        return Judgement(ResumeVerdict.WAIT, f"HTTP {status}", progress, status, retry_after_seconds(headers))
    return Judgement(ResumeVerdict.FRESH_LINK, f"HTTP {status}", progress, status)


def _judge_start(status: int, headers: Mapping[str, str]) -> Judgement:
    etag = headers.get("etag", "")
    return Judgement(
        ResumeVerdict.READ,
        "",
        DownloadProgress(
            size=part_of(headers)[1] if status == 206 else _length_of(headers),
            etag=etag,
            last_modified=plain_header(headers.get("last-modified", "")),
            date=headers.get("date", ""),
            coding=_coding_of(headers),
        ),
    )


def _judge_continuation(headers: Mapping[str, str], progress: DownloadProgress) -> Judgement:
    start, size = part_of(headers)
    if start != progress.position:
        return Judgement(ResumeVerdict.START_OVER, "the host does not continue where it was asked to", progress)
    if size is not None and progress.size is not None and size != progress.size:
        return Judgement(ResumeVerdict.START_OVER, f"its size was {progress.size} and is {size}", progress)
    if _coding_of(headers) != progress.coding:
        return Judgement(ResumeVerdict.START_OVER, "the rest is sent compressed in another way", progress)
    if not progress.is_continued_by(headers.get("etag", ""), plain_header(headers.get("last-modified", ""))):
        reason = "nothing proves that the rest is of the same content: its ETag or date is missing, weak or another"
        return Judgement(ResumeVerdict.START_OVER, reason, progress)
    return Judgement(ResumeVerdict.READ, "", replace(progress, size=progress.size if size is None else size))


def part_of(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Read where the one part of a 206 begins, and the size of the whole; None for what it does not tell."""
    found = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", headers.get("content-range", "").strip())
    # The body of several parts has lines between them, whatever the head says beside.
    if found is None or headers.get("content-type", "").strip().lower().startswith("multipart/"):
        return None, None
    return whole_number(found.group(1)), whole_number(found.group(2))


def _is_from_the_start(headers: Mapping[str, str]) -> bool:
    start, size = part_of(headers)
    return start == 0 and size is not None


def _length_of(headers: Mapping[str, str]) -> int | None:
    """Return the announced length; a body in chunks tells its own (RFC 9112, 6.3)."""
    return None if "transfer-encoding" in headers else whole_number(headers.get("content-length", ""))


def _coding_of(headers: Mapping[str, str]) -> str:
    words = re.split(r"[\s,]+", headers.get("content-encoding", "").lower())
    return ",".join(word for word in words if word in _PACKED)[:_LONGEST_SENT_ON]


def plain_header(text: str) -> str:
    """Return a header that may be sent on, to this host again or to the store; "" for one that no header may hold."""
    return text if text.isascii() and text.isprintable() and len(text) <= _LONGEST_SENT_ON else ""


def _is_strong(etag: str) -> bool:
    return plain_header(etag) == etag and len(etag) > 2 and etag[0] == etag[-1] == '"'


def _was_at_rest(last_modified: str, date: str) -> bool:
    """Return whether a Last-Modified is strong: the host answered at least a second after it (RFC 9110, 8.8.2.2)."""
    modified, answered = http_date(last_modified), http_date(date)
    return modified is not None and answered is not None and (answered - modified).total_seconds() >= 1.0
