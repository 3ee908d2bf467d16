"""Whatever stands round a task in the vendor's answer, and however it is written, the task is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prefect_seedance.client.errors import UnexpectedAnswer
from prefect_seedance.client.exchange import Exchange
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Refused, Unknown, read_submission
from prefect_seedance.client.sync_client import SeedanceClient
from prefect_seedance.client.task.status import state_of
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
    "status",
    [
        None,
        3,
        2.0,
        True,
        [],
        {},
        {"phase": "done"},
        {"failed": ""},
        ["done"],
        "reviewing",
        "completed\u200b",
        "Succeeded",
    ],
    ids=repr,
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


def asked(document: object) -> VideoTask:
    """Ask a server that answers with a document about a task."""
    with WireServer([answer(document=document)]) as server, SeedanceClient(KEY, server.url, max_retries=0) as client:
        return client.get_video("videos_1")


MADE: dict[str, object] = {
    "new-api": {
        "code": "success",
        "message": "",
        "data": {
            "task_id": "videos_1",
            "action": "referenceGenerate",
            "status": "SUCCESS",
            "fail_reason": LINK,
            "progress": "100%",
            "result_url": LINK,
            "original_result_url": "https://media.example.com/small.mp4",
            "data": {"id": "upstream", "status": "succeeded", "content": {"video_url": LINK}},
        },
    },
    "one-api, with the link in no other place": {
        "code": "success",
        "data": {"task_id": "videos_1", "status": "SUCCESS", "fail_reason": LINK},
    },
    "Ark": {
        "id": "videos_1",
        "model": "m",
        "status": "succeeded",
        "content": {"video_url": LINK, "last_frame_url": "https://media.example.com/last"},
    },
    "Kie": {
        "code": 200,
        "msg": "success",
        "data": {
            "taskId": "videos_1",
            "state": "success",
            "param": json.dumps({"input": {"image_urls": ["https://a.example.com/in.mp4"]}}),
            "resultJson": json.dumps({"resultUrls": [LINK]}),
        },
    },
    "DashScope": {
        "request_id": "r",
        "output": {"task_id": "videos_1", "task_status": "SUCCEEDED", "video_url": LINK},
    },
    "Kling": {
        "code": 0,
        "message": "ok",
        "data": {
            "task_id": "videos_1",
            "task_status": "succeed",
            "task_result": {"videos": [{"id": "v", "url": LINK, "cover_url": "https://a.example.com/c.mp4"}]},
        },
    },
    "fal": {"success": True, "data": {"video": {"url": LINK, "content_type": "video/mp4"}}},
    "the task in the result": {"code": 0, "msg": "ok", "result": TASK},
    "the task without an envelope's payload": {"code": 0, "msg": "ok", **TASK},
    "the task two levels down": {"code": "200", "data": {"data": {**TASK, "result": None, "url": LINK}}},
    "the status round the task": {"code": 0, "data": {"status": "done", "task": {"id": "videos_1"}, "url": LINK}},
    "the link beside the task": {"code": 0, "data": {"task_id": "videos_1", "status": "done"}, "video": [LINK]},
    "a number for the outer status": {"code": 0, "data": {**TASK, "status": 200, "task": {"status": "finished"}}},
    "a status with what it is of": {"code": "0000", "data": {**TASK, "status": "JOB_SUCCEEDED", "progress": None}},
    "the same in Chinese": {"code": "SUCCEED", "data": {**TASK, "status": "视频生成成功", "progress": None}},
    "a code with a fraction": {"code": 200.0, "message": "", "data": {**TASK, "status": "task_completed"}},
    "a status that says nothing, and no progress": {"code": 0, "data": {"task_id": "videos_1", "video_url": LINK}},
}


@pytest.mark.parametrize("document", MADE.values(), ids=MADE.keys())
def test_a_finished_task_of_a_kindred_gateway_is_finished(document: object) -> None:
    task = asked(document)
    assert (task.task_id, task.state, task.video_url, task.rival_links) == ("videos_1", "completed", LINK, ())


ELSEWHERE: dict[str, dict[str, Any]] = {
    "url": {"url": LINK},
    "url of the result": {"result": {"url": LINK, "image_url": ""}},
    "no documented one": {"result": {"video_url": "", "url": LINK}},
    "content": {"content": {"video_url": LINK}},
    "far in": {"data": {"output": {"video_url": LINK}}},
    "videos": {"videos": [{"url": LINK}]},
    "outputs": {"outputs": [LINK]},
    "the same in several places": {"url": LINK, "mediaUrl": LINK, "video": {"url": LINK}},
    "one file under two signatures": {"url": LINK, "download_url": "https://media.example.com/a.mp4?sign=2"},
    "JSON in a text": {"result": json.dumps({"videos": [{"url": LINK}]})},
    "JSON in JSON in a text": {"result": json.dumps({"raw": json.dumps({"video_url": LINK})})},
    "blanks and quotes": {"url": f' "{LINK}"\n'},
    "quotes in JSON in a text": {"output": json.dumps(LINK)},
    "beside pictures": {
        "video_url": {"url": LINK, "cover": "https://a.example.com/c.mp4"},
        "thumbnail_url": "https://a.example.com/t",
        "poster": "https://a.example.com/p.mp4",
        "last_frame_url": "https://a.example.com/l",
        "links": ["https://a.example.com/x.png", "https://a.example.com/y.mp3"],
    },
    "beside what was asked for": {
        "url": LINK,
        "reference_videos": ["https://a.example.com/1.mp4"],
        "images": ["https://a.example.com/2"],
        "input": {"video_url": "https://a.example.com/3.mp4"},
        "request": {"video": "https://a.example.com/4.mp4"},
        "firstImage": "https://a.example.com/5",
        "content": [
            {"role": "reference_video", "video_url": {"url": "https://a.example.com/6.mp4"}},
            {"type": "image_url", "url": "https://a.example.com/7"},
        ],
        "callback_url": "https://a.example.com/8",
    },
    "beside a link to a page": {"url": LINK, "link": "https://console.example.com/tasks/1"},
    "beside one that is not safe": {"url": LINK, "video": "http://media.example.com/b.mp4"},
    "a result that is a resource": {"resource": {"url": LINK}},
    "an image made into a video": {"type": "image_to_video", "url": LINK},
}


@pytest.mark.parametrize("fields", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_the_only_link_to_a_video_is_taken_wherever_it_is(fields: dict[str, Any]) -> None:
    assert asked({**DOCUMENT, "data": {**TASK, "result": None, **fields}}).video_url == LINK


def test_a_link_that_is_escaped_for_a_page_is_read_as_it_was() -> None:
    fields = {**TASK, "result": {"video_url": "https://media.example.com/a.mp4?e=1&amp;sign=2"}}
    assert asked({**DOCUMENT, "data": fields}).video_url == "https://media.example.com/a.mp4?e=1&sign=2"


@pytest.mark.parametrize("word", ["task", "taskforce_done", "job_error", "not_completed", "视频", "生成"])
def test_a_word_that_only_resembles_a_status_is_not_known(word: str) -> None:
    assert state_of(word) is None


@pytest.mark.parametrize("name", ["url", "video_url", "result_url", "videoUrl", "videos", "resultUrls", "output"])
def test_a_link_whose_path_names_no_file_is_known_by_its_field(name: str) -> None:
    link = "https://media.example.com/v/1?sign=2"
    assert asked({**DOCUMENT, "data": {**TASK, "result": None, name: link}}).video_url == link


def test_the_documented_field_wins_over_every_other() -> None:
    other = {"url": "https://a.example.com/b.mp4", "videos": ["https://a.example.com/c.mp4"]}
    task = asked({**DOCUMENT, "data": {**TASK, **other}})
    assert (task.video_url, task.rival_links) == (LINK, ())


@pytest.mark.parametrize(
    "fields",
    [
        {"videos": [LINK, "https://media.example.com/b.mp4?sign=2"]},
        {"url": LINK, "content": {"video_url": "https://media.example.com/b.mp4?sign=2"}},
        {"result": {"video_url": [LINK, "https://media.example.com/b.mp4?sign=2"]}},
    ],
    ids=repr,
)
def test_of_two_links_none_is_taken_and_both_are_shown_without_signatures(fields: dict[str, Any]) -> None:
    task = asked({**DOCUMENT, "data": {**TASK, "result": None, **fields}})
    assert task.video_url == "" and task.state == "completed"
    assert task.rival_links == ("https://media.example.com/a.mp4", "https://media.example.com/b.mp4")


@pytest.mark.parametrize(
    "fields",
    [
        {"poster": "https://a.example.com/p.mp4", "url": "https://a.example.com/p.png"},
        {"images": ["https://a.example.com/i.mp4"], "reference_videos": [LINK], "input": {"url": LINK}},
        {"help": "https://a.example.com/docs", "message": f"see {LINK}"},
        {"url": "javascript:alert(1)", "video": "a.mp4", "videos": [[], None, 7]},
    ],
    ids=repr,
)
def test_what_is_no_result_is_not_taken_for_the_video(fields: dict[str, Any]) -> None:
    task = asked({**DOCUMENT, "data": {**TASK, "result": None, **fields}})
    assert not task.video_url.startswith("http") and task.rival_links == ()


OTHER: dict[str, Any] = {"task_id": "videos_2", "status": "completed", "video_url": "https://a.example.com/other.mp4"}


@pytest.mark.parametrize(
    "data",
    [
        [OTHER, {"task_id": "videos_1", "status": "processing"}],
        [OTHER, {"id": "videos_1", "status": "processing"}],
        {"items": [OTHER, {"task_id": "videos_1", "status": "processing"}]},
        {"items": [{"id": "videos_2", "url": LINK}, {"id": "videos_1"}]},
        {"list": [OTHER]},
        {"tasks": {"videos_2": OTHER}},
    ],
    ids=repr,
)
def test_the_video_of_another_task_in_a_list_is_not_taken(data: object) -> None:
    with pytest.raises(UnexpectedAnswer):
        asked({**DOCUMENT, "data": data})


@pytest.mark.parametrize(
    "fields",
    [
        {"related": [{"url": LINK}]},
        {"history": [{"id": "videos_2", "url": LINK}]},
        {"next": OTHER},
        {"queue": [OTHER, {**OTHER, "task_id": "videos_3"}]},
        {"examples": {"video": LINK}},
        {"ad": {"video": LINK}},
    ],
    ids=repr,
)
def test_a_video_beside_the_task_that_is_not_its_own_is_not_taken(fields: dict[str, Any]) -> None:
    task = asked({**DOCUMENT, "data": {**TASK, "result": None, **fields}})
    assert (task.video_url, task.rival_links) == ("", ())
    task = asked({**DOCUMENT, "data": {**TASK, "result": None}, **fields})
    assert (task.video_url, task.rival_links) == ("", ())


def test_of_a_list_of_tasks_the_link_of_the_one_that_was_asked_for_is_taken() -> None:
    mine = {"task_id": "videos_1", "status": "completed", "video_url": LINK}
    assert asked({**DOCUMENT, "data": [OTHER, mine]}).video_url == LINK
    # What a service behind calls the task is its own affair.
    assert asked({**DOCUMENT, "data": {**TASK, "result": None, "data": {**OTHER, "video_url": LINK}}}).video_url == LINK


@pytest.mark.parametrize(
    ("document", "by_vendor"),
    [
        ({**DOCUMENT, "data": {"task_id": "videos_1", "status": "failed"}}, True),
        ({**DOCUMENT, "code": "0", "data": {"task_id": "videos_1", "status": "canceled"}}, True),
        ({"task_id": "videos_1", "status": "failed"}, False),
        ({"code": "success", "data": {"task_id": "videos_1", "status": "failed"}}, False),
        ({**DOCUMENT, "data": {"status": "failed"}}, False),
        ({**DOCUMENT, "data": {"task_id": "videos_1", "progress": 3, "result": {"status": "failed"}}}, False),
        ({**DOCUMENT, "data": {"task_id": "videos_1", "status": 200, "state": "failed"}}, False),
    ],
    ids=repr,
)
def test_whose_word_a_failure_is_is_known(document: object, by_vendor: bool) -> None:
    task = asked(document)
    assert task.state in ("failed", "canceled") and task.by_vendor is by_vendor


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"fail_reason": "no face"}, "no face"),
        ({"error": {"code": "x", "message": "no face"}}, "no face"),
        ({"error_message": "no face", "reason": "other"}, "no face"),
        ({"fail_reason": LINK, "error": "no face"}, "no face"),
        ({"error_message": LINK}, ""),
    ],
)
def test_why_a_task_failed_is_read_from_whichever_field_has_it(data: dict[str, Any], words: str) -> None:
    task = asked({**DOCUMENT, "data": {"task_id": "videos_1", "status": "FAILURE", **data}})
    assert (task.state, task.error_message) == ("failed", words)


@pytest.mark.parametrize(
    "document",
    [
        {"code": 0, "data": {"task_id": "videos_1", "status": "retrying", "data": {"status": "failed"}}},
        {"code": 0, "data": {"task_id": "videos_1", "status": "IN_PROGRESS", "output": {"task_status": "FAILED"}}},
        {"code": 0, "data": {"task_id": "videos_1", "status": 2}},
    ],
    ids=repr,
)
def test_the_outer_word_decides_since_a_failure_behind_it_may_be_made_good(document: object) -> None:
    assert asked(document).state == "running"


FAILED = {"task_id": "videos_1", "status": "failed"}
NO_VERDICT: dict[str, tuple[int, object]] = {
    "a code of no success": (200, {"code": 50007, "msg": "x", "data": FAILED}),
    "a flag for a code": (200, {"code": False, "data": FAILED}),
    "a fraction for a code": (200, {"code": 7.5, "data": FAILED}),
    "no success": (200, {"success": False, "data": FAILED}),
    "an error beside it": (200, {"error": {"code": "x"}, "data": FAILED}),
    "a kindred success beside an error": (200, {"code": 200, "error": "x", "data": FAILED}),
    "a kindred success under another status": (502, {"code": "success", "data": FAILED}),
    "a bare task under another status": (502, FAILED),
}


@pytest.mark.parametrize(("status", "document"), NO_VERDICT.values(), ids=NO_VERDICT.keys())
def test_an_answer_that_is_no_success_is_no_verdict_on_a_task(status: int, document: object) -> None:
    with (
        WireServer([answer(status, document)]) as server,
        SeedanceClient(KEY, server.url, max_retries=0) as client,
        pytest.raises(UnexpectedAnswer),
    ):
        client.get_video("videos_1")


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
