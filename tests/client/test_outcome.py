"""What an answer to a create means for the money: a table of cases, and what holds for every answer there is."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.client.exchange import Exchange, Incoming
from prefect_seedance.client.failures import FAILURE_PATTERNS, FailureClass, classify_failure
from prefect_seedance.client.http import began_to_leave
from prefect_seedance.client.outcome import (
    Accepted,
    Busy,
    NeverSent,
    Outcome,
    Refused,
    Shortage,
    TooManyRequests,
    Unknown,
    read_submission,
)

BUSY = "系统繁忙，请稍后重试"
TASK = {"task_id": "videos_1", "status": "queued", "model": "seedance2.0-std", "created_at": 1750000000}


def answered(status: int, document: object, **headers: str) -> Exchange:
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exchange(status_code=status, body=body, headers=named)


def without_answer(fault: Exception, sent: bool | None = None) -> Exchange:
    """What the client makes of a fault before any answer."""
    return Incoming("").exchange(fault=fault, sent=began_to_leave(fault, sent))


def envelope(code: object, data: object = None, msg: str = "") -> dict[str, object]:
    return {"code": code, "msg": msg, "data": data}


CASES: dict[str, tuple[Exchange, type[Outcome]]] = {
    "success as on the wire": (answered(200, envelope(20000, TASK)), Accepted),
    "success as on the page": (answered(200, envelope("20000", TASK)), Accepted),
    "success of the samples": (answered(200, envelope(0, TASK)), Accepted),
    "success with spaces": (answered(200, envelope(" 20000 ", TASK)), Accepted),
    "success with a byte order mark": (
        answered(200, b"\xef\xbb\xbf" + json.dumps(envelope(0, TASK)).encode()),
        Accepted,
    ),
    "success under HTTP 500": (answered(500, envelope(20000, TASK)), Accepted),
    "success under HTTP 429": (answered(429, envelope(20000, TASK)), Accepted),
    "success under HTTP 408": (answered(408, envelope(20000, TASK)), Accepted),
    "success and then a fault": (
        Exchange(
            status_code=200,
            body=json.dumps(envelope(0, TASK)).encode(),
            fault=httpx.RemoteProtocolError("x"),
            sent=True,
        ),
        Accepted,
    ),
    "a number for a task id": (answered(200, envelope(0, {"task_id": 17})), Accepted),
    "wrong key": (answered(200, envelope(20001)), Refused),
    "wrong key under HTTP 401": (answered(401, envelope(20001)), Refused),
    "bad parameters": (answered(200, envelope("20002", msg="duration")), Refused),
    "HTTP 400 of another kind": (answered(400, {"error": {"message": "bad"}}), Refused),
    "HTTP 400 with an unknown code": (answered(400, envelope(40201)), Unknown),
    "HTTP 402 with an unknown code": (answered(402, envelope(40201)), Unknown),
    "HTTP 400 with the beginning of a task": (
        answered(400, b'{"code": 0, "data": {"task_id": "videos_1", "st'),
        Unknown,
    ),
    "HTTP 404 with a task and no code": (answered(404, TASK), Unknown),
    "HTTP 400 with a task of the future": (answered(400, {"result": {"task_id": 17}}), Unknown),
    "HTTP 404 with a task in another spelling": (answered(404, {"data": {"taskId": "videos_1"}}), Unknown),
    "HTTP 429 with a task": (answered(429, {"data": {"task_id": "videos_1"}}), Unknown),
    "HTTP 400 that asks for a task id": (answered(400, {"error": {"message": 'no "task_id": "x"'}}), Refused),
    "HTTP 400 that repeats what came from behind it": (
        answered(400, {"error": {"message": f"bad body: {json.dumps(envelope(20000, TASK))}"}}),
        Unknown,
    ),
    "refusal with a task in a text": (answered(200, envelope(20002, json.dumps({"task_id": "videos_1"}))), Unknown),
    "refusal that names an earlier task": (
        answered(200, envelope(20002, msg=f"duplicate of videos_{'0f' * 16}")),
        Unknown,
    ),
    "refusal of an input that was a result": (
        answered(200, envelope(20002, msg=f"not a video: https://a.example.com/videos_{'0f' * 16}.mp4")),
        Refused,
    ),
    "HTTP 400 with the id of a job": (answered(400, {"error": {"message": "slow"}, "job_id": "j1"}), Unknown),
    "no money in new-api's code, but a video": (
        answered(403, {"error": {"code": "insufficient_user_quota"}, "data": {"video_id": "v"}}),
        Unknown,
    ),
    "little money, and a task that was made": (answered(200, envelope(50007, msg="余额不足预警：任务已提交")), Unknown),
    "little money, in figures": (answered(200, envelope(50007, msg="您的余额不足100元，请及时充值")), Unknown),
    "little money, and a task, in English": (
        answered(200, envelope(50007, msg="Insufficient balance for another one; the task was created")),
        Unknown,
    ),
    "no money, and so no task": (
        answered(200, envelope(50007, msg="Insufficient balance, the task was not created")),
        Refused,
    ),
    "HTTP 400 with no task": (answered(400, {"task_id": None, "message": "bad"}), Refused),
    "HTTP 400 with a task that has no envelope": (answered(400, {"id": "videos_1", "status": "queued"}), Unknown),
    "HTTP 400 with half a success": (answered(400, b'{"code": 20000, "msg": "ok", "da'), Unknown),
    "HTTP 429 with half a success": (answered(429, b'{"code": "0", "msg": "ok"'), Unknown),
    "HTTP 401 with half a success, and the other id": (answered(401, b'{"code":0,"data":{"id":"videos_1"'), Unknown),
    "HTTP 401 with the status for a code": (answered(401, envelope(401, msg="no such key")), Refused),
    "HTTP 413 with the status for a code": (answered(413, envelope("413", msg="too large")), Refused),
    "HTTP 403 with the status for a code": (answered(403, envelope(403, msg="forbidden")), Unknown),
    "HTTP 502 with the status for a code": (answered(502, envelope(502, msg="bad gateway")), Unknown),
    "HTTP 200 with the status for a code": (answered(200, envelope(200, msg="ok")), Unknown),
    "refusal with 0 for a task id": (answered(200, envelope(20002, {"task_id": 0})), Refused),
    "busy with 0 for a task id": (answered(200, envelope(-1, {"task_id": "0", "cost": 0}, BUSY)), Busy),
    "success with 0 for a task id": (answered(200, envelope(20000, {"task_id": 0})), Unknown),
    "refusal labelled as plain text": (
        answered(200, envelope(20002, msg="duration"), content_type="text/plain; charset=utf-8"),
        Refused,
    ),
    "HTTP 404": (answered(404, b""), Refused),
    "moved": (answered(301, b"", location="https://api.viraltok.ai/"), Unknown),
    "moved, keeping the method": (answered(308, b"<html>", location="https://api.viraltok.ai/"), Unknown),
    "too many": (answered(429, b"<html>"), TooManyRequests),
    "too many, in the vendor's way": (answered(200, envelope(40000, msg="请求过于频繁，请稍后再试")), TooManyRequests),
    "too many, with text": (answered(429, envelope("-1", msg="x")), TooManyRequests),
    "busy": (answered(200, envelope(-1, msg=BUSY)), Busy),
    "busy, as text": (answered(400, envelope("-1", msg=BUSY)), Busy),
    "busy under HTTP 500": (answered(500, envelope(-1, msg=BUSY)), Unknown),
    "busy under HTTP 408": (answered(408, envelope(-1, msg=BUSY)), Unknown),
    "busy with a task id": (answered(200, envelope(-1, TASK, BUSY)), Unknown),
    "server error": (answered(200, envelope(-1, msg="系统错误")), Unknown),
    "server error without a word": (answered(200, envelope(-1)), Unknown),
    "server error under HTTP 400": (answered(400, envelope(-1, msg="系统错误")), Unknown),
    "unknown code": (answered(200, envelope(50007, msg="?")), Unknown),
    "success without data": (answered(200, envelope(20000)), Unknown),
    "success with an empty id": (answered(200, envelope(20000, {"task_id": "  "})), Unknown),
    "success with null for an id": (answered(200, envelope(20000, {"task_id": None})), Unknown),
    "the id under its other name": (answered(200, envelope(20000, {"id": "videos_1"})), Accepted),
    "refusal with a task id under its other name": (answered(200, envelope(20002, {"id": "videos_1"})), Unknown),
    "success with a flag for an id": (answered(200, envelope(20000, {"task_id": True})), Unknown),
    "success with a control character in the id": (answered(200, envelope(0, {"task_id": "a\nb"})), Unknown),
    "success with a list for data": (answered(200, envelope(20000, [TASK])), Accepted),
    "refusal with a task id": (answered(200, envelope(20002, TASK)), Unknown),
    "success without an id under HTTP 400": (answered(400, envelope(20000)), Unknown),
    "code true": (answered(200, envelope(True, TASK)), Accepted),
    "code true without a task": (answered(200, envelope(True)), Unknown),
    "code false": (answered(200, envelope(False, TASK)), Unknown),
    "code 200": (answered(200, envelope(200, TASK)), Accepted),
    "code 200 as text, under HTTP 201": (answered(201, envelope("200", TASK)), Accepted),
    "code 200 under HTTP 400": (answered(400, envelope(200, TASK)), Unknown),
    "code 200 under HTTP 502": (answered(502, envelope(200, TASK)), Unknown),
    "code 200 beside an error": (answered(200, {**envelope(200, TASK), "error": {"code": 5}}), Unknown),
    "code 200 and no success": (answered(200, {**envelope(200, TASK), "success": False}), Unknown),
    "code success": (answered(200, {"code": "success", "message": "", "data": TASK}), Accepted),
    "code OK": (answered(200, envelope("OK", TASK)), Accepted),
    "code success under HTTP 429": (answered(429, {"code": "success", "data": None}), TooManyRequests),
    "success instead of a code": (answered(200, {"success": True, "data": TASK}), Accepted),
    "success beside the code of a refusal": (answered(200, {**envelope(20002), "success": True}), Refused),
    "a task under another name": (answered(200, {"code": 0, "msg": "ok", "result": TASK}), Accepted),
    "a task in the response": (answered(200, {"code": 0, "data": None, "response": TASK}), Accepted),
    "a task in the output": (answered(200, {"code": "200", "output": {"task_id": "videos_1"}}), Accepted),
    "a task within the data": (answered(200, envelope(0, {"data": {"task_id": "videos_1"}})), Accepted),
    "a task and its id within the data": (answered(200, envelope(0, {"task": {"id": "videos_1"}})), Accepted),
    "a task beside the code": (answered(200, {"code": 0, "msg": "ok", "task_id": "videos_1"}), Accepted),
    "the id in another spelling": (answered(200, envelope(0, {"taskId": "videos_1"})), Accepted),
    "a file's id within the data": (answered(200, envelope(0, {"result": {"id": "videos_1"}})), Unknown),
    "the id of an envelope": (answered(200, {"code": 0, "msg": "ok", "id": "videos_1"}), Unknown),
    "refusal with the id of an envelope": (answered(200, {**envelope(20002), "id": "request_1"}), Refused),
    "refusal with a task beside the code": (answered(200, {**envelope(20002), "task_id": "videos_1"}), Unknown),
    "refusal with a task within the data": (answered(200, envelope(20002, {"data": TASK})), Unknown),
    "code null": (answered(200, envelope(None, TASK)), Unknown),
    "code a list": (answered(200, envelope([20000], TASK)), Unknown),
    "code a fraction": (answered(200, envelope(20000.0, TASK)), Accepted),
    "no code": (answered(200, TASK), Unknown),
    "no money, in the vendor's words": (answered(200, envelope(50007, msg="余额不足，请充值")), Refused),
    "no money, in the vendor's words and with a status": (
        answered(402, envelope(402, msg="Credits insufficient")),
        Refused,
    ),
    "no money under code -1": (answered(200, envelope(-1, msg="用户额度不足, 剩余额度: ＄-0.000002")), Refused),
    "no money, and too many requests": (answered(200, envelope(40000, msg="余额不足")), TooManyRequests),
    "no money, but a task": (answered(200, envelope(50007, TASK, "余额不足")), Unknown),
    "no money, under HTTP 500": (answered(500, envelope(50007, msg="余额不足")), Unknown),
    "no money, under HTTP 408": (answered(408, envelope(50007, msg="余额不足")), Unknown),
    "no money, but only in a prompt that is repeated": (
        answered(200, envelope(50007, msg="failed: a shop sign that says 余额不足")),
        Unknown,
    ),
    "no money in new-api's code": (
        answered(403, {"error": {"code": "insufficient_user_quota", "message": "x", "type": "new_api_error"}}),
        Refused,
    ),
    "no money in OpenAI's code": (answered(429, {"error": {"code": "insufficient_quota", "message": "x"}}), Refused),
    "no money in new-api's code, but a task": (
        answered(403, {"error": {"code": "insufficient_user_quota"}, "data": {"task_id": "videos_1"}}),
        Unknown,
    ),
    "no money in new-api's code, under HTTP 502": (
        answered(502, {"error": {"code": "insufficient_user_quota", "message": "x"}}),
        Unknown,
    ),
    "no money in new-api's code, sent as a page": (
        answered(403, {"error": {"code": "insufficient_user_quota"}}, content_type="text/html"),
        Unknown,
    ),
    "no money in words alone, under HTTP 402": (answered(402, {"error": {"message": "Insufficient credits"}}), Refused),
    "no money in words alone, under HTTP 403": (answered(403, {"error": {"message": "余额不足"}}), Unknown),
    "HTTP 402 alone": (answered(402, {"message": "pay"}), Unknown),
    "a page that asks for money": (answered(402, b"<html>Insufficient credits</html>"), Unknown),
    "a page": (answered(200, b"<!doctype html><html>"), Unknown),
    "a gateway's page": (answered(502, b"<html>"), Unknown),
    "a gateway's time-out": (answered(504, b"error code: 504"), Unknown),
    "the edge's time-out": (answered(524, b""), Unknown),
    "HTTP 408": (answered(408, b""), Unknown),
    "HTTP 499": (answered(499, b""), Unknown),
    "nothing": (answered(200, b""), Unknown),
    "accepted, and nothing else": (answered(202, b""), Unknown),
    "half a JSON": (answered(200, b'{"code": 20000, "data": {"task_id": "videos_'), Unknown),
    "a list": (answered(200, []), Unknown),
    "a word": (answered(200, "ok"), Unknown),
    "no text": (answered(200, b"\xff\xfe\x00\x81"), Unknown),
    "very deep": (answered(200, b"[" * 100_000), Unknown),
    "no connection": (without_answer(httpx.ConnectError("refused")), NeverSent),
    "no connection in time": (without_answer(httpx.ConnectTimeout("")), NeverSent),
    "no room in the pool": (without_answer(httpx.PoolTimeout("")), NeverSent),
    "no way through the proxy": (without_answer(httpx.ProxyError("403")), NeverSent),
    "no such protocol": (without_answer(httpx.UnsupportedProtocol("")), NeverSent),
    "the transport says that nothing left": (without_answer(httpx.ReadTimeout(""), sent=False), NeverSent),
    "no answer in time": (without_answer(httpx.ReadTimeout("")), Unknown),
    "no answer in all the time": (without_answer(TimeoutError("150 s"), sent=True), Unknown),
    "not written in time": (without_answer(httpx.WriteTimeout("")), Unknown),
    "dropped": (without_answer(httpx.RemoteProtocolError("disconnected")), Unknown),
    "reset": (without_answer(httpx.ReadError("")), Unknown),
    "broken while writing": (without_answer(httpx.WriteError("")), Unknown),
    "not decodable": (without_answer(httpx.DecodingError("")), Unknown),
    "something nobody thought of": (without_answer(RuntimeError("?")), Unknown),
    "nothing at all": (Exchange(), Unknown),
}


@pytest.mark.parametrize(("exchange", "expected"), CASES.values(), ids=CASES.keys())
def test_an_answer_to_a_create_has_one_meaning(exchange: Exchange, expected: type[Outcome]) -> None:
    assert type(read_submission(exchange)) is expected


def test_the_number_of_a_row_is_not_taken_for_the_id_of_the_task_in_it() -> None:
    for data, named in (({"id": 17, "task": TASK}, TASK["task_id"]), ({"id": 17, "task": {"name": "x"}}, "17")):
        outcome = read_submission(answered(200, envelope(0, data)))
        assert isinstance(outcome, Accepted) and outcome.task_id == named


def test_an_accepted_task_keeps_what_was_answered() -> None:
    assert read_submission(answered(200, envelope(20000, {**TASK, "cost": "2.5"}))) == Accepted(
        "videos_1", "queued", "seedance2.0-std", 1750000000, 2.5
    )


def test_odd_extras_do_not_spoil_an_accepted_task() -> None:
    odd = {"task_id": " videos_1 ", "status": None, "model": [], "created_at": "soon", "cost": {"a": 1}}
    assert read_submission(answered(200, envelope(0, odd))) == Accepted("videos_1")


SILLY = {
    "5,000 digits": b"9" * 5000,
    "5,000 digits below 0": b"-" + b"9" * 5000,
    "a thousand zeros": b"1e1000",
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "a moment in the year 30 million": b"1e15",
    "half a character": b'"\xed\xa0\x80"',
}


@pytest.mark.parametrize("number", SILLY.values(), ids=SILLY.keys())
def test_no_number_makes_an_accepted_task_unreadable(number: bytes) -> None:
    body = b'{"code": 20000, "more": %s, "data": {"task_id": "videos_1", "cost": %s, "seed": [%s]}}' % ((number,) * 3)
    outcome = read_submission(answered(200, body))
    assert isinstance(outcome, Accepted)
    assert outcome.task_id == "videos_1"
    assert outcome.cost in (None, 1e15)


@pytest.mark.parametrize("created_at", [1_750_000_000_000, 1_750_000_000_000_000, "1750000000000"])
def test_the_moment_of_an_accepted_task_is_in_seconds(created_at: object) -> None:
    outcome = read_submission(answered(200, envelope(0, {**TASK, "created_at": created_at})))
    assert isinstance(outcome, Accepted)
    assert outcome.created_at == 1_750_000_000


@pytest.mark.parametrize("task_id", ["a/b", "视频 1", "a?b#c%", "x" * 1024])
def test_an_id_that_can_be_asked_for_is_accepted(task_id: str) -> None:
    assert read_submission(answered(200, envelope(0, {"task_id": task_id}))) == Accepted(task_id)


@pytest.mark.parametrize(
    "task_id", ["x" * 1025, "视" * 200, "a\nb", "\ufffd", "..", "../user/balance"], ids=lambda text: ascii(text[:8])
)
def test_an_id_that_cannot_be_asked_for_is_kept_as_evidence(task_id: str) -> None:
    outcome = read_submission(answered(200, envelope(0, {"task_id": task_id})))
    assert isinstance(outcome, Unknown)
    assert "task id" in outcome.reason and "task_id" in outcome.excerpt


@pytest.mark.parametrize("half", [b"\\ud800", b"\\uD800", b"\xed\xa0\x80"])
def test_an_id_that_came_damaged_is_not_taken_for_one(half: bytes) -> None:
    outcome = read_submission(answered(200, b'{"code": 0, "data": {"task_id": "videos_%s1"}}' % half))
    assert isinstance(outcome, Unknown)
    outcome.reason.encode()


def test_an_unknown_outcome_is_kept_as_evidence() -> None:
    outcome = read_submission(answered(502, b"<html>\x1b[31m" + b"x" * 5000))
    assert isinstance(outcome, Unknown)
    assert outcome.status_code == 502
    assert outcome.reason == "HTTP 502: the answer is a web page"
    assert 2000 < len(outcome.excerpt.encode()) <= 2048
    assert "\x1b" not in outcome.excerpt


@pytest.mark.parametrize(
    "text",
    [
        *(
            "余额不足",
            "您的账户余额不足，请充值",
            "用户额度不足, 剩余额度: 0",
            "当前令牌额度不足",
            "积分不足",
            "账户已欠费",
            "JimiCoin余额不足",
        ),
        *("user quota is not enough (request id: 1)", "Insufficient balance", "Your credits are insufficient."),
        *(
            "The current credits are insufficient. Please top up.",
            "not enough credits",
            "Insufficient user quota",
            "Insufficient JimiCoin",
        ),
    ],
)
def test_a_lack_of_money_is_known_by_how_gateways_word_it(text: str) -> None:
    outcome = read_submission(answered(200, envelope(50007, {"required": 2, "available": "0.5"}, text)))
    assert outcome == Refused("50007", text, 200, Shortage(2.0, 0.5))


def test_a_page_says_what_it_calls_itself_and_who_sent_it() -> None:
    page = b"<!DOCTYPE html><title>\n Sign in &amp; accept sk_secret\x1b[2J</title>"
    headers = {"Server": "cloudflare\x1b", "content-type": "text/html"}
    outcome = read_submission(Exchange(status_code=511, body=page, headers=headers, secret="sk_secret"))
    assert isinstance(outcome, Unknown)
    words = "the answer is a web page, titled 'Sign in & accept ***\ufffd[2J', from the server 'cloudflare\ufffd'"
    assert outcome.reason == f"HTTP 511: {words}"


@pytest.mark.parametrize("cut", range(2030, 2050))
def test_no_half_of_the_key_is_kept_where_the_excerpt_ends(cut: int) -> None:
    page = b"<" + b"x" * cut + b" sk_abcdefgh" + b"x" * 50
    outcome = read_submission(Exchange(status_code=502, body=page, secret="sk_abcdefgh"))
    assert isinstance(outcome, Unknown)
    assert "sk_" not in outcome.excerpt


def test_hiding_the_key_leaves_a_task_id_alone_that_looks_like_it() -> None:
    exchange = Exchange(status_code=200, body=b'{"code": 0, "data": {"task_id": "task_1"}}', secret="sk_1")
    assert read_submission(exchange) == Accepted("task_1")


def test_where_a_create_was_redirected_is_told() -> None:
    outcome = read_submission(answered(301, b"", location="https://elsewhere.example.com/"))
    assert isinstance(outcome, Unknown)
    assert "elsewhere.example.com" in outcome.reason


REFUSED_WHEN_BARE = {400, 401, 404, 405, 413, 414, 415, 422}
NOT_THE_VENDORS: dict[str, Exchange] = {
    "nothing": answered(0, b""),
    "a page": answered(0, b"<html>Forbidden</html>", Content_Type="text/html"),
    "text": answered(0, b"error code: 1020", Content_Type="text/plain"),
    "a proxy's JSON": answered(0, {"message": "forbidden"}),
    "a firewall's JSON": answered(0, {"error": {"code": 20002, "message": "blocked"}}),
    "a code alone": answered(0, {"code": "40000"}),
    "a refusing code alone": answered(0, {"code": 20002, "data": None}),
    "a code with another name for the message": answered(0, {"code": 20001, "message": "no"}),
    "a code and no text for a message": answered(0, {"code": 20001, "msg": None}),
    "a message alone": answered(0, {"msg": BUSY, "data": None}),
    "an empty code": answered(0, envelope(" ", msg="no")),
    "a flag for a code": answered(0, envelope(True, msg="no")),
    "a fraction for a code": answered(0, envelope(20002.0, msg="no")),
    "a busy code in a list": answered(0, [envelope(-1, msg=BUSY)]),
    "half an envelope": answered(0, b'{"code": 20002, "msg": "dura'),
    "an envelope sent as a page": answered(0, envelope(20002, msg="no"), Content_Type="text/html; charset=utf-8"),
    "an envelope of a problem": answered(0, envelope(40000, msg="no"), content_type="application/problem+json"),
}


@pytest.mark.parametrize("bare", NOT_THE_VENDORS.values(), ids=NOT_THE_VENDORS.keys())
def test_without_the_vendors_envelope_only_the_short_list_is_a_refusal(bare: Exchange) -> None:
    kinds: dict[int, type[Outcome]] = dict.fromkeys(range(100, 600), Unknown)
    kinds |= dict.fromkeys(REFUSED_WHEN_BARE, Refused) | {429: TooManyRequests}
    for status, kind in kinds.items():
        assert type(read_submission(replace(bare, status_code=status))) is kind, status


@pytest.mark.parametrize(
    ("code", "expected"), [(20001, Refused), ("20002", Refused), (40000, TooManyRequests), (50007, Unknown)]
)
@pytest.mark.parametrize(
    "label", ["", "application/json", "Application/JSON; charset=utf-8", "text/json", "text/plain"]
)
def test_the_vendors_code_decides_under_every_status(code: object, expected: type[Outcome], label: str) -> None:
    exchange = answered(0, envelope(code, msg=""), **({"Content_Type": label} if label else {}))
    for status in {*range(200, 600)} - {429}:
        assert type(read_submission(replace(exchange, status_code=status))) is expected, status


EVERY_STATUS = range(200, 600)


def meaning(document: object) -> dict[type[Outcome], set[int]]:
    """Return under which statuses an answer means what."""
    found: dict[type[Outcome], set[int]] = {}
    for status in EVERY_STATUS:
        found.setdefault(type(read_submission(answered(status, document))), set()).add(status)
    return found


def test_busy_and_short_of_money_are_certain_only_where_the_status_leaves_no_doubt() -> None:
    certain = {200, *range(400, 500)} - {408, 499}
    busy = meaning(envelope(-1, msg=BUSY))
    assert busy == {Busy: certain - {429}, TooManyRequests: {429}, Unknown: {*EVERY_STATUS} - certain}
    short = meaning(envelope(50000, msg="账户余额不足"))
    assert short == {Refused: certain, Unknown: {*EVERY_STATUS} - certain}


@pytest.mark.parametrize("code", [-2, 1, 50000, "E-1"])
def test_the_words_for_a_busy_system_count_under_their_own_code_only(code: object) -> None:
    assert isinstance(read_submission(answered(200, envelope(code, msg=BUSY))), Unknown)


@pytest.mark.parametrize(("status", "is_told"), [(299, False), (300, True), (399, True), (403, False), (502, False)])
def test_a_redirect_is_one_by_its_status_and_its_target(status: int, is_told: bool) -> None:
    to = "https://elsewhere.example.com/"
    came = read_submission(answered(status, b"", location=to))
    assert isinstance(came, Unknown) and (f"it redirects to {to}" in came.reason) == is_told
    bare = read_submission(answered(status, b""))
    assert isinstance(bare, Unknown) and "redirects" not in bare.reason


@pytest.mark.parametrize(
    ("exchange", "reason"),
    [
        (answered(502, b"no"), "HTTP 502: the answer is not valid JSON"),
        (answered(200, envelope(50000, msg="odd")), "HTTP 200: code 50000: odd"),
        (answered(200, envelope(50000)), "HTTP 200: code 50000: no message"),
        (answered(500, {"message": "odd"}), "HTTP 500: not the vendor's envelope: odd"),
        (Exchange(status_code=None, body=b"", sent=True), "no answer"),
        (answered(200, envelope(0)), "HTTP 200: the vendor reports success, but without a task id"),
    ],
)
def test_why_an_outcome_is_unknown_is_said_with_the_status_and_whose_words_they_are(
    exchange: Exchange, reason: str
) -> None:
    came = read_submission(exchange)
    assert isinstance(came, Unknown) and came.reason == reason


def test_the_wait_that_a_rate_limit_asks_for_is_kept() -> None:
    assert read_submission(answered(429, b"", Retry_After="7")) == TooManyRequests(7.0)


def test_half_a_character_does_not_get_into_a_record() -> None:
    outcome = read_submission(answered(200, b'{"code": 20002, "msg": "\\ud83d"}'))
    assert isinstance(outcome, Refused)
    outcome.message.encode()


@pytest.mark.parametrize("half", [rb"\ud83d", b"\xed\xa0\xbd"], ids=["escaped", "in bytes"])
def test_half_a_character_in_an_accepted_task_is_cleaned_but_no_id_is_made_up(half: bytes) -> None:
    accepted = read_submission(answered(200, b'{"code": 0, "data": {"task_id": "videos_1", "model": "sd2%s"}}' % half))
    assert isinstance(accepted, Accepted) and accepted.model == "sd2\ufffd"
    unknown = read_submission(answered(200, b'{"code": 0, "data": {"task_id": "videos_%s"}}' % half))
    assert isinstance(unknown, Unknown), "the vendor has a task, and we cannot name it"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CODES = st.sampled_from([20000, "20000", 0, "0", 20001, "20002", 40000, -1, "-1", 50007, None, True]) | JSON
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "code": CODES,
        "msg": st.sampled_from([BUSY, ""]) | JSON,
        "data": st.fixed_dictionaries({}, optional={"task_id": st.just("videos_1") | JSON, "cost": JSON}) | JSON,
    },
).map(lambda document: json.dumps(document).encode())
BODIES = st.binary() | JSON.map(lambda document: json.dumps(document).encode()) | ENVELOPES
STATUSES = st.sampled_from([200, 201, 301, 303, 400, 401, 404, 408, 429, 499, 500, 502, 504, 524])
SUCCESSES = ("20000", "0", "200", "success", "ok", "True")


@given(status=STATUSES | st.integers(100, 599), body=BODIES, cut=st.integers(0, 400))
def test_only_a_success_with_a_task_id_is_accepted(status: int, body: bytes, cut: int) -> None:
    for piece in (body, body[:cut]):
        outcome = read_submission(Exchange(status_code=status, body=piece, sent=True))
        try:
            document = json.loads(piece)
            success = str(document["code"]).strip() in SUCCESSES and document["data"]["task_id"]
        except (ValueError, TypeError, KeyError, IndexError):
            success = False
        if isinstance(outcome, Accepted):
            assert success and outcome.task_id


@given(status=STATUSES, body=BODIES)
def test_only_what_is_listed_may_be_sent_again(status: int, body: bytes) -> None:
    outcome = read_submission(Exchange(status_code=status, body=body, sent=True))
    assert not isinstance(outcome, NeverSent)
    if isinstance(outcome, TooManyRequests | Busy):
        text = str(json.loads(body).get("code")).strip() if status != 429 else "40000"
        assert text in ("40000", "-1")
        assert b"videos_1" not in body or not _has_task_id(body)


def _has_task_id(body: bytes) -> bool:
    try:
        return json.loads(body)["data"]["task_id"] == "videos_1"
    except (ValueError, TypeError, KeyError, IndexError):
        return False


@pytest.mark.parametrize(
    ("error_message", "expected"),
    [
        ("[SY_ERR:10] PROVIDER_MODERATION_ERROR: TRADEMARK", "moderation"),
        ("TRADEMARK", "moderation"),
        ("PROVIDER_INTERNAL_ERROR: NSFW", "moderation"),
        ("invalid image_urls[1]: s3 upload failed: read: connection reset by peer", "media"),
        ("Read timed out", "media"),
        ("image url returned 404", "media"),
        ("video_reference[0]: DURATION_TOO_LONG", "invalid"),
        ("DURATION_TOO_SHORT", "invalid"),
        ("INVALID_HEIGHT", "invalid"),
        ("PROVIDER_TIMEOUT", "transient"),
        ("provider_internal_error", "transient"),
        ("", "unknown"),
        ("the kiln is cold", "unknown"),
    ],
)
def test_a_failure_is_classed_by_its_text(error_message: str, expected: FailureClass) -> None:
    assert classify_failure(error_message) == expected


def test_every_row_of_the_failure_table_has_a_source() -> None:
    assert all(row.source for row in FAILURE_PATTERNS)
