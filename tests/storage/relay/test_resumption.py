from __future__ import annotations

import pytest

from prefect_seedance.storage.relay.resumption import DownloadProgress, ResumeVerdict, judge, request_headers

AT_START = DownloadProgress()
HALF = DownloadProgress(position=50, size=100, etag='"a"', last_modified="Sun, 22 Nov 2026 09:00:00 GMT")


def ranged(content_range: str, etag: str = '"a"') -> dict[str, str]:
    return {"content-range": content_range, "etag": etag}


@pytest.mark.parametrize(
    ("status", "headers", "progress", "verdict"),
    [
        (200, {"content-length": "100"}, AT_START, ResumeVerdict.READ),
        (200, {}, AT_START, ResumeVerdict.READ),
        (200, {"content-encoding": "identity"}, AT_START, ResumeVerdict.READ),
        (200, {"content-encoding": "gzip"}, AT_START, ResumeVerdict.WAIT),
        (206, ranged("bytes 0-99/100"), AT_START, ResumeVerdict.WAIT),
        (206, ranged("bytes 50-99/100"), HALF, ResumeVerdict.READ),
        (206, ranged("bytes 50-99/*"), HALF, ResumeVerdict.READ),
        (206, ranged("bytes 50-99/100", etag=""), HALF, ResumeVerdict.READ),
        (206, ranged("bytes 50-99/101"), HALF, ResumeVerdict.START_OVER),
        (206, ranged("bytes 49-99/100"), HALF, ResumeVerdict.START_OVER),
        (206, ranged("bytes 50-99/100", etag='"b"'), HALF, ResumeVerdict.START_OVER),
        (206, ranged("items 50-99/100"), HALF, ResumeVerdict.START_OVER),
        (206, {}, HALF, ResumeVerdict.START_OVER),
        (200, {"content-length": "100"}, HALF, ResumeVerdict.START_OVER),
        (416, {}, HALF, ResumeVerdict.START_OVER),
        *(
            (status, {}, at, ResumeVerdict.FRESH_LINK)
            for status in (400, 401, 403, 404, 410)
            for at in (AT_START, HALF)
        ),
        *((status, {}, HALF, ResumeVerdict.WAIT) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        *((status, {}, HALF, ResumeVerdict.WAIT) for status in (204, 304, 302, 402, 418)),
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
        ({"etag": '"a"', "last-modified": "today"}, '"a"'),
        ({"etag": 'W/"a"', "last-modified": "today"}, "today"),
        ({"etag": '"ä"', "last-modified": "today"}, "today"),
        ({"etag": 'W/"a"'}, ""),
        ({}, ""),
    ],
)
def test_only_a_strong_etag_or_a_date_proves_the_same_content(headers: dict[str, str], validator: str) -> None:
    assert judge(200, headers, AT_START).progress.validator == validator


def test_a_continuation_is_asked_for_only_of_the_same_content() -> None:
    assert request_headers(HALF) == {"range": "bytes=50-", "if-range": '"a"'}
    assert request_headers(AT_START) == {}
