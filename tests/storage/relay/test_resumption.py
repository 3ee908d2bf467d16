from __future__ import annotations

from dataclasses import replace

import pytest

from prefect_seedance.storage.relay.resumption import DownloadProgress, ResumeVerdict, judge, request_headers

AT_START = DownloadProgress()
MODIFIED, LATER = "Sun, 22 Nov 2026 09:00:00 GMT", "Sun, 22 Nov 2026 09:00:07 GMT"
HALF = DownloadProgress(position=50, size=100, etag='"a"', last_modified=MODIFIED)
#: A host that tells no ETag, and sent it seven seconds after the video was changed last.
DATED = DownloadProgress(position=50, size=100, last_modified=MODIFIED, date=LATER)
WEAK = DownloadProgress(position=50, size=100, etag='W/"a"', last_modified=MODIFIED, date=LATER)


def ranged(content_range: str, etag: str = '"a"', last_modified: str = "", **more: str) -> dict[str, str]:
    told = {"content-range": content_range, "etag": etag, "last-modified": last_modified}
    return {name: value for name, value in told.items() if value} | more


REST = "bytes 50-99/100"


@pytest.mark.parametrize(
    ("status", "headers", "progress", "verdict"),
    [
        (200, {"content-length": "100"}, AT_START, ResumeVerdict.READ),
        (200, {}, AT_START, ResumeVerdict.READ),
        (200, {"content-encoding": "identity"}, AT_START, ResumeVerdict.READ),
        (206, ranged("bytes 0-99/100"), AT_START, ResumeVerdict.READ),
        (206, ranged("bytes 0-49/100"), AT_START, ResumeVerdict.READ),
        (206, ranged("bytes 0-49/*"), AT_START, ResumeVerdict.FRESH_LINK),
        (206, ranged("bytes 50-99/100"), AT_START, ResumeVerdict.FRESH_LINK),
        (206, {}, AT_START, ResumeVerdict.FRESH_LINK),
        (206, ranged("bytes 0-99/100", **{"content-type": "Multipart/ByteRanges"}), AT_START, ResumeVerdict.FRESH_LINK),
        (206, ranged("bytes 50-99/100", **{"content-type": "multipart/byteranges"}), HALF, ResumeVerdict.START_OVER),
        (203, {"content-length": "100"}, AT_START, ResumeVerdict.READ),
        (203, {"content-length": "100"}, HALF, ResumeVerdict.START_OVER),
        *(
            (200, {"content-encoding": coding}, AT_START, ResumeVerdict.READ)
            for coding in (
                "",
                "none",
                "binary",
                "aws-chunked",
                "utf-8",
                "identity, identity",
                "gzip",
                "GZIP",
                "br",
                "7bit",
            )
        ),
        (206, ranged("bytes 50-99/100"), HALF, ResumeVerdict.READ),
        (206, ranged("bytes 50-99/*"), HALF, ResumeVerdict.READ),
        (206, ranged(REST, last_modified=MODIFIED), HALF, ResumeVerdict.READ),
        (206, ranged(REST, etag=""), HALF, ResumeVerdict.START_OVER),
        (206, ranged(REST, etag="", last_modified=MODIFIED), HALF, ResumeVerdict.START_OVER),
        (206, ranged(REST, etag='W/"a"'), HALF, ResumeVerdict.START_OVER),
        (206, ranged(REST, last_modified=LATER), HALF, ResumeVerdict.START_OVER),
        (206, ranged(REST, **{"content-encoding": "gzip"}), HALF, ResumeVerdict.START_OVER),
        (206, ranged(REST, **{"content-encoding": "aws-chunked, utf-8"}), HALF, ResumeVerdict.READ),
        (206, ranged(REST, **{"content-encoding": "identity, GZIP"}), replace(HALF, coding="gzip"), ResumeVerdict.READ),
        (206, ranged(REST, **{"content-encoding": "br"}), replace(HALF, coding="gzip"), ResumeVerdict.START_OVER),
        (206, ranged(REST), replace(HALF, coding="gzip"), ResumeVerdict.START_OVER),
        (206, ranged(REST, etag="", last_modified=MODIFIED), DATED, ResumeVerdict.READ),
        (206, ranged(REST, etag=""), DATED, ResumeVerdict.START_OVER),
        (206, ranged(REST, etag="", last_modified=LATER), DATED, ResumeVerdict.START_OVER),
        (206, ranged(REST, last_modified=MODIFIED), DATED, ResumeVerdict.START_OVER),
        (206, ranged(REST, etag='W/"a"', last_modified=MODIFIED), WEAK, ResumeVerdict.START_OVER),
        (206, ranged(REST, etag='"a"', last_modified=MODIFIED), WEAK, ResumeVerdict.START_OVER),
        (206, ranged("bytes 50-99/101"), HALF, ResumeVerdict.START_OVER),
        (206, ranged("bytes 49-99/100"), HALF, ResumeVerdict.START_OVER),
        (206, ranged("bytes 50-99/100", etag='"b"'), HALF, ResumeVerdict.START_OVER),
        (206, ranged("items 50-99/100"), HALF, ResumeVerdict.START_OVER),
        (206, {}, HALF, ResumeVerdict.START_OVER),
        (200, {"content-length": "100"}, HALF, ResumeVerdict.START_OVER),
        (416, {}, HALF, ResumeVerdict.START_OVER),
        (416, {"content-range": "bytes */49"}, HALF, ResumeVerdict.START_OVER),
        (416, {"content-range": "bytes */50"}, HALF, ResumeVerdict.START_OVER),
        *(
            (status, {}, at, ResumeVerdict.FRESH_LINK)
            for status in (400, 401, 403, 404, 410)
            for at in (AT_START, HALF)
        ),
        *((status, {}, HALF, ResumeVerdict.WAIT) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        *((status, {}, HALF, ResumeVerdict.FRESH_LINK) for status in (204, 304, 302, 402, 418, 451)),
        (416, {}, AT_START, ResumeVerdict.FRESH_LINK),
    ],
)
def test_what_an_answer_means(
    status: int, headers: dict[str, str], progress: DownloadProgress, verdict: ResumeVerdict
) -> None:
    judgement = judge(status, headers, progress)
    assert judgement.verdict is verdict
    assert judgement.progress.position == progress.position


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Sun, 22 Nov 2026 09:01:00 GMT", "date": "Sun, 22 Nov 2026 09:00:00 GMT"}, 60),
        ({"retry-after": "Sun, 22 Nov 2026 08:00:00 GMT", "date": "Sun, 22 Nov 2026 09:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
)
def test_how_long_a_busy_host_asks_to_wait(headers: dict[str, str], wait: float | None) -> None:
    assert judge(503, headers, AT_START).wait_seconds == wait


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"etag": '"a"', "last-modified": MODIFIED}, '"a"'),
        ({"last-modified": MODIFIED, "date": LATER}, MODIFIED),
        ({"last-modified": MODIFIED, "date": MODIFIED}, ""),
        ({"last-modified": LATER, "date": MODIFIED}, ""),
        ({"last-modified": MODIFIED}, ""),
        ({"last-modified": "today", "date": "tomorrow"}, ""),
        ({"etag": 'W/"a"', "last-modified": MODIFIED, "date": LATER}, ""),
        ({"etag": '"ä"', "last-modified": MODIFIED, "date": LATER}, ""),
        ({"etag": "a", "last-modified": MODIFIED, "date": LATER}, ""),
        ({"etag": 'W/"a"'}, ""),
        ({}, ""),
    ],
)
def test_only_a_strong_etag_or_a_strong_date_proves_the_same_content(headers: dict[str, str], validator: str) -> None:
    assert judge(200, headers, AT_START).progress.validator == validator


def test_a_continuation_is_asked_for_only_of_the_same_content() -> None:
    assert request_headers(HALF) == {"range": "bytes=50-", "if-range": '"a"'}
    assert request_headers(AT_START) == {}
