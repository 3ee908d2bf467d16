"""Whatever stands round a task in the vendor's answer, and however it is written, the task is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prefect_seedance.client.exchange import Exchange
from prefect_seedance.client.outcome import Accepted, Refused, Unknown, read_submission
from prefect_seedance.client.sync_client import SeedanceClient
from tests.client.wire_server import WireServer, answer

KEY = "sk_secret_1234567890"
LINK = "https://media.example.com/a.mp4?sign=1"
TASK: dict[str, Any] = {
    "task_id": "videos_1",
    "status": "completed",
    "progress": 100,
    "result": {"video_url": LINK},
    "model": "m",
    "error_message": None,
}
DOCUMENT = {"code": 20000, "msg": "ok", "data": TASK}
BODY = json.dumps(DOCUMENT).encode()
DEEP = 10_000


def with_task(**fields: object) -> bytes:
    return json.dumps({**DOCUMENT, "data": TASK | fields}).encode()


WRITTEN: dict[str, bytes] = {
    "after blanks that kept the connection open": b" \r\n" * 2000 + BODY,
    "after blanks and a byte order mark": b" \n\xef\xbb\xbf" + BODY,
    "before a NUL": BODY + b"\0\0",
    "in UTF-16": json.dumps(DOCUMENT).encode("utf-16"),
    "with a message in GBK": json.dumps({**DOCUMENT, "msg": "成功"}, ensure_ascii=False).encode("gbk"),
    "with a byte of no alphabet": BODY.replace(b'"m"', b'"\xff\xe9"'),
    "with half a pair": BODY.replace(b'"m"', b'"\\ud800"'),
    "with a raw line break": BODY.replace(b'"m"', b'"a\nb\tc"'),
    "with a raw NUL": BODY.replace(b'"m"', b'"a\x00b"'),
    "beside lists that are thousands deep": BODY.replace(b'"m"', b"[" * DEEP + b"]" * DEEP),
    "beside objects that are thousands deep": BODY.replace(b'"m"', b'{"]":' * DEEP + b"1" + b"}" * DEEP),
    "after what is thousands deep": BODY.replace(
        b'"msg"', b'"new":' + b'["[\\"",' * DEEP + b"1" + b"]" * DEEP + b',"msg"'
    ),
    "beside a megabyte": BODY.replace(b'"msg"', b'"new":"' + b"a" * 1_000_000 + b'","msg"'),
    "with two ids of which the last counts": BODY.replace(b'"task_id"', b'"task_id":"other","task_id"'),
    "under a code with a fraction": BODY.replace(b"20000", b"20000.0"),
    "under a code with an exponent": BODY.replace(b"20000", b"2e4"),
    "under a code with a fraction as text": BODY.replace(b"20000", b'"20000.0"'),
    "as the one entry of a list": json.dumps({**DOCUMENT, "data": [TASK]}).encode(),
    "with an object for an error": with_task(error_message={"code": 1, "message": ["x"]}),
    "with moments as ISO texts": with_task(created_at="2026-11-27T00:00:00Z", completed_at=["soon"]),
    "with a cost in words": with_task(cost="about two"),
}


@pytest.mark.parametrize("body", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_task_is_read_however_it_is_written(body: bytes) -> None:
    outcome = read_submission(Exchange(status_code=200, body=body, sent=True))
    assert isinstance(outcome, Accepted), outcome
    assert outcome.task_id == "videos_1"
    with WireServer([answer(body=body)]) as server, SeedanceClient(KEY, server.url, max_retries=0) as client:
        found = client.get_video("videos_1")
    assert (found.task_id, found.state, found.video_url) == ("videos_1", "completed", LINK)


@pytest.mark.parametrize(
    "result",
    [[{"video_url": LINK}], [LINK], LINK, {"video_url": [LINK]}, {"video_url": {"url": LINK}}, {"url": LINK}],
    ids=repr,
)
def test_a_link_is_found_in_every_wrapping(result: object) -> None:
    with WireServer([answer(body=with_task(result=result))]) as server, SeedanceClient(KEY, server.url) as client:
        assert client.get_video("videos_1").video_url == LINK


@pytest.mark.parametrize(
    "result", [None, [], {}, 17, True, "soon", [None, [[[[[LINK]]]]]], {"video_url": None}], ids=repr
)
def test_where_no_link_is_the_one_beside_it_counts(result: object) -> None:
    for beside, link in ((LINK, LINK), (None, "")):
        body = with_task(result=result, video_url=beside)
        with WireServer([answer(body=body)]) as server, SeedanceClient(KEY, server.url) as client:
            assert client.get_video("videos_1").video_url == link


@pytest.mark.parametrize(
    "status", [None, 3, 2.0, True, [], {}, "done", "finished", "completed\u200b", "Succeeded"], ids=repr
)
def test_an_odd_status_is_the_end_only_with_the_whole_progress_and_a_link(status: object) -> None:
    made = with_task(status=status)
    # A word that means completed needs neither.
    known = isinstance(status, str) and status[0] in "cS"
    for body, state in (
        (made, "completed"),
        (with_task(status=status, progress=99), "completed" if known else "running"),
        (with_task(status=status, result=None), "completed" if known else "running"),
    ):
        with WireServer([answer(body=body)]) as server, SeedanceClient(KEY, server.url) as client:
            assert client.get_video("videos_1").state == state


def test_a_status_that_says_it_runs_is_believed_whatever_stands_beside_it() -> None:
    with WireServer([answer(body=with_task(status="processing"))]) as server, SeedanceClient(KEY, server.url) as client:
        assert client.get_video("videos_1").state == "running"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"code": 20002.0, "msg": "no", "data": null}', Unknown),
        (b'{"code": "20002.0", "msg": "no", "data": null}', Unknown),
        (b'{"code": -1.0, "msg": "\xe7\xb3\xbb\xe7\xbb\x9f\xe7\xb9\x81\xe5\xbf\x99", "data": null}', Unknown),
        (b'{"code": 20000, "msg": "ok", "data": [{"task_id": "a"}, {"task_id": "b"}]}', Unknown),
        (b'{"code": 20000, "msg": "ok", "data": {"task_id": "a\xff"}}', Unknown),
        (BODY + BODY, Unknown),
        (BODY[:-1], Unknown),
        (b"[" * DEEP, Unknown),
        (b"]" * DEEP, Unknown),
        (b'{"code": 20002, "msg": "a\nb", "data": null}', Refused),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_is_not_certain_stays_unknown(body: bytes, kind: type) -> None:
    assert type(read_submission(Exchange(status_code=200, body=body, sent=True))) is kind
