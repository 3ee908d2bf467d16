"""Whatever comes back, it is read within bounds: as what it is, or as one of the errors that are documented."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_seedance.client.answers import (
    read_asset,
    read_assets,
    read_audit,
    read_data,
    read_list,
    read_object,
    read_upload,
    read_video,
)
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.exchange import MAX_ANSWER_BYTES, Exchange, is_vendor_id, open_envelope, task_id_of
from prefect_seedance.client.models import CatalogEntry, UserBalance, VideoTask
from prefect_seedance.client.outcome import Accepted, Outcome, TooManyRequests, read_submission
from prefect_seedance.client.retry import MAX_SERVER_DELAY_SECONDS, server_delay
from prefect_seedance.headers import retry_after_seconds

SECRET = "sk_secret_1234567890"
CALLS: list[Callable[[Exchange], object]] = [
    lambda exchange: read_video(exchange, "videos_1"),
    read_data,
    lambda exchange: read_object(exchange, UserBalance),
    lambda exchange: read_list(exchange, CatalogEntry, "items"),
    lambda exchange: read_audit(exchange, 1).of("https://x.org/a.png"),
    lambda exchange: [asset.state for asset in read_assets(exchange, ["videos_1", "a2"])],
    lambda exchange: read_asset(exchange, "videos_1").reference,
    read_asset,
    lambda exchange: read_upload(exchange, allow_loopback=True),
]

TEXTS = (
    st.text(max_size=20)
    | st.sampled_from(["videos_1", "20000", "0", "-1", "completed", "queued", SECRET, "\ud800", "a/../b", "..", " "])
    | st.text("0123456789.eE+-_ ", max_size=8)
)
SCALARS = (
    st.none() | st.booleans() | TEXTS | st.integers() | st.floats() | st.sampled_from([20000, 0, -1, 40000, 10**400])
)
NAMES = st.text(max_size=5) | st.sampled_from(
    [
        *("code", "msg", "message", "error", "data", "task_id", "id", "status", "result", "video_url", "progress"),
        *("cost", "created_at", "completed_at", "error_message", "model", "items", "balance"),
        *("failed_items", "asset_id", "original_url", "url", "assets", "reason"),
    ]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=12
)
DOCUMENTS = JSON | st.fixed_dictionaries(
    {"code": st.sampled_from([20000, "20000", 0, "0", 20000.0, "2e4", -1]) | SCALARS, "data": JSON},
    optional={"msg": JSON, "error": JSON},
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gbk", "latin-1"])


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """A body of which something is missing, doubled or replaced."""
    start, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
    return body[:start] + draw(st.binary(max_size=4) | st.just(body[start:end] * 2)) + body[end:]


def written(document: object, encoding: str, ascii_only: bool) -> bytes:
    return json.dumps(document, ensure_ascii=ascii_only).encode(encoding, "replace")


WHOLE = st.builds(written, DOCUMENTS, ENCODINGS, st.booleans())
BODIES = st.binary(max_size=60) | WHOLE | WHOLE.flatmap(damaged)
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "Content-Type", "retry-after", "Retry-After-Ms", "date", "location", "x"])
    | st.text(max_size=8),
    st.text(max_size=30)
    | st.text("0123456789:,+-. GMTSatAug()\"'", max_size=40)
    | st.sampled_from(["application/json", "text/html", "9" * 5000, f"https://example.com/?key={SECRET}"]),
    max_size=4,
)
EXCHANGES = st.builds(
    Exchange,
    status_code=st.none() | st.integers(100, 999) | st.sampled_from([200, 302, 400, 401, 403, 404, 429, 500, 502]),
    headers=HEADERS,
    body=BODIES,
    fault=st.none() | st.sampled_from([OSError("reset"), ValueError(f"bad header {SECRET}"), TimeoutError()]),
    sent=st.none() | st.booleans(),
    secret=st.sampled_from(["", SECRET]),
)


def as_float(number: float) -> float:
    """Return a number as a float, and one that is too large for that as an infinite one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def scalars(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for each in value.values():
            yield from scalars(each)
    elif isinstance(value, list):
        for each in value:
            yield from scalars(each)
    else:
        yield value


@settings(max_examples=400, deadline=None)
@given(exchange=EXCHANGES)
def test_any_answer_to_a_create_is_one_of_the_outcomes(exchange: Exchange) -> None:
    outcome = read_submission(exchange)
    assert isinstance(outcome, Outcome)
    json.dumps(repr(outcome)).encode()  # it can be kept
    if isinstance(outcome, Accepted):
        assert is_vendor_id(outcome.task_id)
    if isinstance(outcome, TooManyRequests) and outcome.retry_after is not None:
        assert outcome.retry_after >= 0


@settings(max_examples=300, deadline=None)
@given(document=DOCUMENTS, encoding=ENCODINGS, ascii_only=st.booleans(), status=st.sampled_from([200, 400, 500]))
def test_no_task_id_is_made_up(document: object, encoding: str, ascii_only: bool, status: int) -> None:
    body = written(document, encoding, ascii_only)
    exchange = Exchange(status_code=status, body=body, sent=True)
    try:
        read = json.loads(body.decode(encoding))
    except ValueError:
        return
    texts = {each.strip() for each in scalars(read) if isinstance(each, str)}
    numbers = {each for each in scalars(read) if isinstance(each, int | float) and not isinstance(each, bool)}
    outcome = read_submission(exchange)
    found = {outcome.task_id} if isinstance(outcome, Accepted) else set[str]()
    try:
        envelope = open_envelope(exchange)
    except ValueError:
        pass
    else:
        found |= {envelope.task_id, task_id_of(envelope.document)} - {""}
    for task_id in found:
        replaced = encoding == "gbk" or "\ufffd" in task_id  # what is in no JSON encoding is read with replacements
        assert task_id in texts or replaced or float(task_id) in map(as_float, numbers)


@settings(max_examples=400, deadline=None)
@given(exchange=EXCHANGES)
def test_any_other_answer_is_read_or_one_of_our_errors(exchange: Exchange) -> None:
    for call in CALLS:
        try:
            found = call(exchange)
        except SeedanceError as error:
            assert exchange.secret == "" or SECRET not in f"{error} {error!r}"
        else:
            if isinstance(found, VideoTask):
                assert found.task_id == "videos_1"


@given(exchange=EXCHANGES)
def test_an_envelope_is_read_or_a_value_error(exchange: Exchange) -> None:
    try:
        envelope = open_envelope(exchange)
    except ValueError:
        return
    assert envelope.message.isprintable() and len(envelope.message) <= 500
    assert envelope.code.isprintable() and len(envelope.code) <= 100


@given(headers=HEADERS, random=st.floats(0, 1))
def test_any_wish_to_wait_is_a_pause_or_none(headers: dict[str, str], random: float) -> None:
    found = retry_after_seconds(headers)
    if found is not None:
        assert 0 <= found < float("inf")
        pause = server_delay(found, lambda: random)
        assert pause is None or 0 <= pause <= 2 * MAX_SERVER_DELAY_SECONDS


MOST = MAX_ANSWER_BYTES - 100
#: Bodies of four megabytes that are slow to read for whoever looks for something anew at each place of them.
LARGE: dict[str, bytes] = {
    "blanks": b" " * MOST,
    "blanks after a brace": b"{" + b" " * MOST,
    "blanks after the code's name": b'{"code"' + b" " * MOST,
    "blanks after the code's colon": b'{"code":' + b" " * MOST,
    "blanks within the code": b'{"code":"' + b" " * MOST,
    "blanks after the code": b'{"code":20000' + b" " * MOST,
    "names of a task": b'"task_id" ' * (MOST // 10),
    "blanks within a task id": b'{"task_id":"' + b" " * MOST,
    "lists": b"[" * MOST,
    "objects": b'{"a":' * (MOST // 5),
    "lists that end": b'{"code":0,"data":' + b"[" * (MOST // 2) + b"]" * (MOST // 2) + b"}",
    "lists, and a text of quotes without end": b"[" * (MOST // 2) + b'"' + b'\\"' * (MOST // 4),
    "lists, and a text of backslashes": b"[" * (MOST // 2) + b'"' + b"\\" * (MOST // 2 - 1),
    "lists between quotes": b'["",' * (MOST // 4),
    "digits": b'{"code":' + b"9" * MOST + b"}",
    "decimals": b'{"code":0.' + b"9" * MOST + b"}",
    "zeros in a code": b'{"code":"20000.' + b"0" * MOST + b'1","msg":""}',
    "points in a code": b'{"code":"' + b".0" * (MOST // 2) + b'x","msg":""}',
    "digits for a cost": b'{"code":0,"data":{"task_id":"videos_1","cost":"' + b"9" * MOST + b'"}}',
    "steps in a task id": b'{"code":0,"data":{"task_id":"' + b"a/" * (MOST // 2) + b'"}}',
    "an error of 3.9 MB": b'{"code":0,"msg":"","data":{"task_id":"videos_1","status":"failed","error_message":"'
    + b"image url " * (MOST // 10)
    + b'"}}',
    "addresses": b'{"code":-1,"msg":"' + b"https://a/?sign=" * (MOST // 16) + b'"}',
    "schemes": b'{"code":-1,"msg":"' + b"https://" * (MOST // 8) + b'"}',
    "letters": b'{"code":-1,"msg":"' + b"a" * MOST + b'"}',
    "control characters": b'{"code":-1,"msg":"' + b"\x1b" * MOST + b'"}',
}


@pytest.mark.parametrize("body", [body[:MAX_ANSWER_BYTES] for body in LARGE.values()], ids=LARGE.keys())
@pytest.mark.sample(every=3)
def test_the_largest_answer_is_read_in_one_go(body: bytes) -> None:
    exchange = Exchange(status_code=200, body=body, sent=True, secret=SECRET)
    outcome = read_submission(exchange)
    assert isinstance(outcome, Outcome) and len(repr(outcome)) < 10_000
    try:
        assert len(repr(read_video(exchange, "videos_1"))) < 10_000
    except SeedanceError as error:
        assert len(str(error)) < 10_000


@pytest.mark.parametrize("filler", ["9", " ", "-", "1,", "(", "0.", "Mon, ", "GMT "])
def test_the_longest_header_is_read_in_one_go(filler: str) -> None:
    text = filler * (1_000_000 // len(filler))
    found = retry_after_seconds({"Retry-After": text, "Retry-After-Ms": text, "Date": text})
    assert found is None or 0 <= found < float("inf")
