"""Both clients against a real server that misbehaves: one suite, driven once blocking and once awaited."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

import httpx
import pytest

from prefect_seedance.client import errors, http, protocol
from prefect_seedance.client.async_client import AsyncSeedanceClient
from prefect_seedance.client.exchange import Exchange
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.settings import Timeouts
from prefect_seedance.client.sync_client import SeedanceClient
from tests.client import wire_server
from tests.client.wire_server import BeforeReading, Reply, WireServer, answer, page

KEY = "sk_secret_1234567890"
REQUEST = VideoRequest(prompt="Ein Papierboot überquert eine Pfütze")
ACCEPTED = {"code": 20000, "msg": "ok", "data": {"task_id": "videos_1", "status": "queued", "created_at": 1}}
RUNNING = {"code": 20000, "msg": "ok", "data": {"task_id": "videos_1", "status": "processing", "progress": 40}}
BUSY = {"code": -1, "msg": "系统繁忙，请稍后重试", "data": None}
SHORT = Timeouts(connect=30, read=1.5, write=30, pool=30, total=60)


class Driver(Protocol):
    """One of the two clients, with its methods called plainly."""

    slept: list[float]

    def __call__(self, method: str, *arguments: Any, **named: Any) -> Any: ...

    def close(self) -> None: ...


@dataclass
class BlockingDriver:
    url: str
    timeout: Timeouts | float = SHORT
    max_retries: int = 4
    keepalive_seconds: float = 60.0
    transport: httpx.HTTPTransport | None = None
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = SeedanceClient(
            KEY,
            self.url,
            timeout=self.timeout,
            max_retries=self.max_retries,
            keepalive_seconds=self.keepalive_seconds,
            transport=self.transport,
            sleep=self.slept.append,
            random=lambda: 1.0,
        )

    def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        return getattr(self.client, method)(*arguments, **named)

    def close(self) -> None:
        self.client.close()


@dataclass
class AwaitedDriver:
    url: str
    timeout: Timeouts | float = SHORT
    max_retries: int = 4
    keepalive_seconds: float = 60.0
    transport: httpx.AsyncHTTPTransport | None = None
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        self.runner = asyncio.Runner()
        self.client = AsyncSeedanceClient(
            KEY,
            self.url,
            timeout=self.timeout,
            max_retries=self.max_retries,
            keepalive_seconds=self.keepalive_seconds,
            transport=self.transport,
            sleep=sleep,
            random=lambda: 1.0,
        )

    def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        return self.runner.run(getattr(self.client, method)(*arguments, **named))

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


Serve = Callable[..., WireServer]
Connect = Callable[..., Driver]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[WireServer] = []

    def start(*script: Reply | BeforeReading, **named: Any) -> WireServer:
        servers.append(WireServer(script, **named).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture(params=[BlockingDriver, AwaitedDriver], ids=["blocking", "awaited"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    drivers: list[Driver] = []

    def start(server: WireServer | str, **named: Any) -> Driver:
        url = server if isinstance(server, str) else server.url
        drivers.append(request.param(url, **named))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.close()


# What a create carries, and what becomes of it.


def test_a_create_carries_the_key_the_body_and_nothing_twice(serve: Serve, connect: Connect) -> None:
    server = serve(answer(200, ACCEPTED))
    assert connect(server)("create_video", REQUEST) == Accepted("videos_1", "queued", created_at=1)
    [sent] = server.received
    assert (sent.method, sent.path) == ("POST", "/api/open-api/v1/seedance/videos")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert "überquert eine Pfütze" in sent.body.decode()


ONE_POST: dict[str, tuple[Reply | BeforeReading, type[Outcome]]] = {
    "accepted": (answer(200, ACCEPTED), Accepted),
    "accepted, then dropped": (wire_server.cut_short(ACCEPTED, keep=10_000), Accepted),
    "accepted, under HTTP 500": (answer(500, ACCEPTED), Accepted),
    "wrong key": (answer(200, {"code": 20001, "msg": "", "data": None}), Refused),
    "redirected, may become a GET": (answer(302, body=b"", headers={"Location": "/elsewhere"}), Unknown),
    "redirected, keeping the method": (answer(307, body=b"", headers={"Location": "/elsewhere"}), Unknown),
    "too many": (answer(429, body=b"", headers={"Retry-After": "3"}), TooManyRequests),
    "busy": (answer(200, BUSY), Busy),
    "a gateway's page": (page(502), Unknown),
    "a page": (page(200), Unknown),
    "half an answer": (wire_server.cut_short(ACCEPTED, keep=60), Unknown),
    "dropped after reading": (wire_server.drop, Unknown),
    "reset after reading": (wire_server.reset, Unknown),
    "closed before reading": (BeforeReading(wire_server.drop), Unknown),
    "no HTTP at all": (lambda wire: wire.send(b"SSH-2.0-OpenSSH\r\n\r\n"), Unknown),
    "not compressed as it says": (answer(200, ACCEPTED, headers={"Content-Encoding": "gzip"}), Accepted),
    "far too long": (answer(200, body=b"a" * (5 * 1024 * 1024)), Unknown),
}


@pytest.mark.parametrize(("reply", "expected"), ONE_POST.values(), ids=ONE_POST.keys())
def test_submitting_is_one_post_whatever_comes_back(
    serve: Serve, connect: Connect, reply: Reply | BeforeReading, expected: type[Outcome]
) -> None:
    server = serve(reply)
    driver = connect(server)
    assert type(driver("submit_video", REQUEST)) is expected
    assert server.connections == 1
    assert len(server.received) <= 1
    assert driver.slept == []


def test_a_connection_that_is_reset_at_once_is_never_taken_for_an_answer(serve: Serve, connect: Connect) -> None:
    # The reset may arrive before the connection is usable: then nothing was sent, and that is known.
    server = serve(BeforeReading(wire_server.reset))
    assert isinstance(connect(server)("submit_video", REQUEST), Unknown | NeverSent)
    assert server.received == []


@pytest.mark.parametrize(
    "reply",
    [wire_server.hang, wire_server.TRICKLED_HEADERS, wire_server.TRICKLED_BODY],
    ids=["silence", "trickled headers", "trickled body"],
)
def test_no_server_can_hold_a_create_beyond_its_total_deadline(serve: Serve, connect: Connect, reply: Reply) -> None:
    server = serve(reply)
    driver = connect(server)
    outcome = driver("submit_video", REQUEST, timeout=1.5)
    assert isinstance(outcome, Unknown)
    assert "no complete answer within 1.5 s" in outcome.reason
    server.wait_for_requests(1)
    assert server.posts == 1


def test_a_slow_create_is_waited_for_up_to_its_own_deadline_not_the_time_between_reads(
    serve: Serve, connect: Connect
) -> None:
    def slow(wire: wire_server.Wire) -> None:
        wire.wait(SHORT.read * 2)
        answer(200, ACCEPTED)(wire)

    assert isinstance(connect(serve(slow))("submit_video", REQUEST), Accepted)


def test_nothing_is_sent_once_the_time_is_up(serve: Serve, connect: Connect) -> None:
    server = serve(answer(200, ACCEPTED))
    assert isinstance(connect(server)("submit_video", REQUEST, timeout=0.0), NeverSent)
    assert server.received == []


def test_a_host_that_does_not_answer_was_never_sent_anything(connect: Connect) -> None:
    with WireServer([answer()]) as server:
        url = server.url
    outcome = connect(url)("submit_video", REQUEST)
    assert isinstance(outcome, NeverSent)
    assert outcome.reason.startswith("ConnectError")


def test_a_create_never_uses_a_connection_that_waited_in_a_pool(serve: Serve, connect: Connect) -> None:
    server = serve(wire_server.then_close_quietly(answer(200, RUNNING)), answer(200, ACCEPTED))
    driver = connect(server)
    driver("get_video", "videos_1")
    assert isinstance(driver("submit_video", REQUEST), Accepted)
    assert server.connections == 2
    assert server.received[1].headers["connection"] == "close"


def test_reading_calls_share_a_connection_and_creates_do_not(serve: Serve, connect: Connect) -> None:
    server = serve(answer(200, RUNNING), answer(200, RUNNING), answer(200, ACCEPTED), answer(200, RUNNING))
    driver = connect(server)
    driver("get_video", "videos_1")
    driver("get_video", "videos_1")
    assert server.connections == 1
    driver("submit_video", REQUEST)
    driver("get_video", "videos_1")
    assert server.connections == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (page(504), errors.OutcomeUnknown),
        (wire_server.drop, errors.OutcomeUnknown),
        (answer(200, {"code": 20001, "msg": ""}), errors.AuthenticationFailed),
        (answer(200, {"code": "20002", "msg": "duration"}), errors.InvalidParameters),
        (answer(402, {"code": 1, "msg": "?"}), errors.OutcomeUnknown),
        (page(403), errors.OutcomeUnknown),
        (page(404), errors.SubmissionRefused),
        (page(401), errors.SubmissionRefused),
        (answer(403, {"error": {"code": "insufficient_user_quota", "message": "x"}}), errors.InsufficientBalance),
        (answer(429, {"error": {"code": "insufficient_quota", "message": "x"}}), errors.InsufficientBalance),
        (answer(200, {"code": 50007, "msg": "余额不足", "data": None}), errors.InsufficientBalance),
        (answer(403, {"message": "余额不足"}), errors.OutcomeUnknown),
        (answer(502, {"error": {"code": "insufficient_user_quota"}}), errors.OutcomeUnknown),
        (answer(301, body=b"", headers={"Location": "/x"}), errors.OutcomeUnknown),
        (answer(429, body=b"", headers={"Retry-After": "121"}), errors.RateLimited),
    ],
)
def test_a_create_that_is_unknown_or_refused_is_not_repeated(
    serve: Serve, connect: Connect, reply: Reply, kind: type[errors.SeedanceError]
) -> None:
    server = serve(reply)
    driver = connect(server)
    with pytest.raises(kind):
        driver("create_video", REQUEST)
    assert server.posts == 1
    assert driver.slept == []


def test_a_create_is_repeated_after_what_certainly_bought_nothing(serve: Serve, connect: Connect) -> None:
    limited = answer(429, body=b"", headers={"Retry-After": "4"})
    server = serve(answer(200, BUSY), limited, answer(200, BUSY), answer(200, ACCEPTED))
    driver = connect(server)
    assert driver("create_video", REQUEST).task_id == "videos_1"
    assert server.posts == 4
    assert driver.slept == [5.0, 5.0, 10.0]


def test_a_vendor_that_stays_busy_is_given_up(serve: Serve, connect: Connect) -> None:
    server = serve(answer(200, BUSY))
    driver = connect(server)
    with pytest.raises(errors.VendorBusy):
        driver("create_video", REQUEST)
    assert driver.slept == [5.0, 10.0, 20.0]
    assert server.posts == 4


# Calls that buy nothing.

PASSING: dict[str, Reply | BeforeReading] = {
    "dropped": wire_server.drop,
    "reset before reading": BeforeReading(wire_server.reset),
    "silent": wire_server.hang,
    "a gateway's page": page(502),
    "a page": page(200),
    "half an answer": wire_server.cut_short(RUNNING, keep=40),
    "too many": answer(429, body=b""),
    "too many, in the vendor's way": answer(200, {"code": 40000, "msg": "请求过于频繁", "data": None}),
    "somebody else's code for a key": answer(200, {"code": 20001}),
    "another task": answer(200, {"code": 0, "data": {"task_id": "videos_2", "status": "failed"}}),
    "busy": answer(200, BUSY),
    "success without data": answer(200, {"code": 20000, "data": None}),
}


@pytest.mark.parametrize("reply", PASSING.values(), ids=PASSING.keys())
def test_a_question_is_asked_again_after_a_passing_fault(
    serve: Serve, connect: Connect, reply: Reply | BeforeReading
) -> None:
    server = serve(reply, answer(200, RUNNING))
    driver = connect(server)
    assert driver("get_video", "videos_1").progress == 40
    assert len(driver.slept) == 1


def test_a_question_is_not_asked_for_ever(serve: Serve, connect: Connect) -> None:
    server = serve(page(503))
    driver = connect(server)
    with pytest.raises(errors.UnexpectedAnswer, match="HTTP 503"):
        driver("get_video", "videos_1")
    assert len(server.received) == 5
    assert driver.slept == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(200, {"code": 20001, "msg": "", "data": None}), errors.AuthenticationFailed),
        (answer(401, {"code": 40100, "msg": "", "data": None}), errors.AuthenticationFailed),
        (answer(401, {"error": {"message": "invalid token"}}), errors.UnexpectedAnswer),
        (answer(401, body=b""), errors.UnexpectedAnswer),
        (answer(402, {"message": "pay"}), errors.InsufficientBalance),
        (answer(403, {"error": {"code": "insufficient_user_quota"}}), errors.InsufficientBalance),
        (answer(200, {"code": 20001, "msg": "余额不足", "data": None}), errors.InsufficientBalance),
        (answer(200, {"code": 20002, "msg": "Insufficient balance"}), errors.InsufficientBalance),
        *((page(status), errors.UnexpectedAnswer) for status in (400, 401, 402, 403, 404, 407, 422, 451)),
        (answer(403, body=b"<html>"), errors.UnexpectedAnswer),
        (answer(200, {"code": 20002, "msg": ""}), errors.InvalidParameters),
        (answer(200, {"code": -7, "msg": "任务不存在"}), errors.TaskNotFound),
        (answer(404, body=b""), errors.TaskNotFound),
        (answer(200, {"code": 50007, "msg": ""}), errors.UnexpectedAnswer),
        (answer(302, body=b"", headers={"Location": "/elsewhere"}), errors.UnexpectedAnswer),
        (answer(429, body=b"", headers={"Retry-After": "121"}), errors.RateLimited),
    ],
)
def test_what_will_not_change_is_reported_at_once(
    serve: Serve, connect: Connect, reply: Reply, kind: type[errors.SeedanceError]
) -> None:
    server = serve(reply)
    driver = connect(server)
    with pytest.raises(kind):
        driver("get_video", "videos_1")
    assert len(server.received) == 1
    assert driver.slept == []


def test_a_date_to_come_back_at_is_kept(serve: Serve, connect: Connect) -> None:
    dates = {"Date": "Sat, 01 Aug 2026 12:00:00 GMT", "Retry-After": "Sat, 01 Aug 2026 12:00:08 GMT"}
    server = serve(answer(503, body=b"", headers=dates), answer(200, RUNNING))
    driver = connect(server)
    driver("get_video", "videos_1")
    assert driver.slept == [8.0 * 1.25]


# Repeats and time-outs, per client and per call.


@pytest.mark.parametrize(("of_the_client", "of_the_call", "tries"), [(4, None, 5), (1, None, 2), (4, 1, 2), (0, 2, 3)])
@pytest.mark.parametrize(
    ("reply", "method", "arguments"),
    [(page(503), "get_video", ["videos_1"]), (answer(429, body=b""), "create_video", [REQUEST])],
    ids=["a question", "a create"],
)
def test_the_call_says_how_often_it_is_repeated_else_the_client(
    serve: Serve,
    connect: Connect,
    reply: Reply,
    method: str,
    arguments: list[Any],
    of_the_client: int,
    of_the_call: int | None,
    tries: int,
) -> None:
    server = serve(reply)
    driver = connect(server, max_retries=of_the_client)
    with pytest.raises(errors.ApiError) as raised:
        driver(method, *arguments, max_retries=of_the_call)
    assert (len(server.received), len(driver.slept)) == (tries, tries - 1)
    assert raised.value.__notes__ == [f"Given up after {tries} tries."]


@pytest.mark.parametrize("reply", [*PASSING.values()], ids=[*PASSING.keys()])
def test_a_single_try_reports_its_error_at_once_and_bare(
    serve: Serve, connect: Connect, reply: Reply | BeforeReading
) -> None:
    server = serve(reply)
    driver = connect(server)
    with pytest.raises(errors.SeedanceError) as raised:
        driver("get_video", "videos_1", max_retries=0)
    assert server.connections == 1
    assert driver.slept == []
    assert not hasattr(raised.value, "__notes__")


@pytest.mark.parametrize("of_the_client", [SHORT, 60.0])
def test_a_time_out_of_a_call_ends_each_of_its_tries(
    serve: Serve, connect: Connect, of_the_client: Timeouts | float
) -> None:
    server = serve(wire_server.TRICKLED_BODY, wire_server.TRICKLED_HEADERS, answer(200, RUNNING))
    driver = connect(server, timeout=of_the_client)
    assert driver("get_video", "videos_1", timeout=0.5).state == "running"
    assert len(driver.slept) == 2


def test_a_time_out_of_a_call_may_be_longer_than_the_clients(serve: Serve, connect: Connect) -> None:
    def slow(wire: wire_server.Wire) -> None:
        wire.wait(1.0)
        answer(200, RUNNING)(wire)

    assert connect(serve(slow), timeout=0.5)("get_video", "videos_1", timeout=30, max_retries=0).state == "running"


def test_a_time_out_of_a_create_is_that_of_each_post(serve: Serve, connect: Connect) -> None:
    server = serve(answer(200, BUSY), wire_server.hang)
    with pytest.raises(errors.OutcomeUnknown, match=r"no complete answer within 1\.5 s"):
        connect(server)("create_video", REQUEST, timeout=1.5)
    assert server.posts == 2


def test_an_upload_ends_at_the_time_out_of_its_call(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    boat = tmp_path / "boat.png"
    boat.write_bytes(b"\x89PNG")
    with pytest.raises(errors.ConnectionFailed, match=r"no complete answer within 0\.5 s"):
        connect(serve(wire_server.TRICKLED_BODY))("upload_file", boat, timeout=0.5)


@pytest.mark.parametrize("method", ["get_video", "submit_video"])
@pytest.mark.parametrize("timeout", [float("nan"), float("inf")])
def test_a_time_out_that_never_ends_is_refused(serve: Serve, connect: Connect, method: str, timeout: float) -> None:
    server = serve(answer(200, RUNNING))
    with pytest.raises(errors.ConfigurationError, match="timeout"):
        connect(server)(method, REQUEST if method == "submit_video" else "videos_1", timeout=timeout)
    assert server.connections == 0


def test_a_negative_number_of_repeats_is_refused(serve: Serve, connect: Connect) -> None:
    server = serve(answer(200, RUNNING))
    for method, argument in (("get_video", "videos_1"), ("create_video", REQUEST)):
        with pytest.raises(errors.ConfigurationError, match="max_retries"):
            connect(server)(method, argument, max_retries=-1)
    with pytest.raises(errors.ConfigurationError, match="max_retries"):
        connect(server, max_retries=-1)
    assert server.connections == 0


def test_both_clients_take_the_same_arguments_and_every_call_its_own_options() -> None:
    def public(client: type) -> dict[str, list[tuple[str, Any, Any]]]:
        methods = {name: each for name, each in vars(client).items() if not name.startswith("_") and callable(each)}
        return {
            name: [(each.name, each.kind, each.default) for each in inspect.signature(method).parameters.values()]
            for name, method in methods.items()
            if name not in ("close", "aclose", "interrupt")  # an awaited call is cancelled
        }

    blocking, awaited = public(SeedanceClient), public(AsyncSeedanceClient)
    assert blocking == awaited
    keyword = inspect.Parameter.KEYWORD_ONLY
    for name, parameters in blocking.items():
        assert ("timeout", keyword, None) in parameters
        assert (("max_retries", keyword, None) in parameters) == (name != "submit_video")


def test_an_idle_connection_is_kept_as_long_as_the_client_says(serve: Serve, connect: Connect) -> None:
    server = serve(answer(200, RUNNING))
    for keepalive_seconds, connections in ((60.0, 1), (0.0, 3)):
        driver = connect(server, keepalive_seconds=keepalive_seconds)
        before = server.connections
        for _ in range(3):
            driver("get_video", "videos_1")
        assert server.connections - before == connections


def test_an_idle_connection_outlives_the_gap_between_two_polls_of_a_task() -> None:
    assert http.one_connection(http.KEEPALIVE_SECONDS).keepalive_expiry == 60.0


# What is logged, and what is sent along.


def test_each_repeat_of_a_question_is_logged(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(page(503), wire_server.drop, answer(200, BUSY), answer(200, {"code": 0, "data": {"list": []}}))
    with caplog.at_level(logging.INFO, "prefect_seedance.client"):
        connect(server)("catalog", "a search term")
    lines = [record.getMessage() for record in caplog.records if record.name == "prefect_seedance.client"]
    name = "GET /api/openapi/model/catalog failed"
    assert lines == [
        f"{name} (UnexpectedAnswer, the answer is a web page, HTTP 503), try 1 of 5; again in 1.0 s.",
        f"{name} (ConnectionFailed, RemoteProtocolError: Server disconnected without sending a response.), "
        "try 2 of 5; again in 2.0 s.",
        f"{name} (VendorBusy, HTTP 200, code -1), try 3 of 5; again in 20.0 s.",
    ]
    assert {record.levelname for record in caplog.records if record.name == "prefect_seedance.client"} == {"INFO"}


def test_each_repeat_of_a_create_is_logged(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    limited = answer(429, body=b"", headers={"Retry-After": "4"})
    server = serve(answer(200, BUSY), limited, answer(200, ACCEPTED))
    with caplog.at_level(logging.INFO, "prefect_seedance.client"):
        connect(server, max_retries=2)("create_video", REQUEST)
    lines = [record.getMessage() for record in caplog.records if record.name == "prefect_seedance.client"]
    assert lines == [
        "The create failed (VendorBusy, code -1), try 1 of 3; again in 5.0 s.",
        "The create failed (RateLimited), try 2 of 3; again in 5.0 s.",
    ]


def test_what_will_not_be_repeated_is_not_logged(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "prefect_seedance.client"), pytest.raises(errors.UnexpectedAnswer):
        connect(serve(page(503)))("get_video", "videos_1", max_retries=0)
    assert [record for record in caplog.records if record.name == "prefect_seedance.client"] == []


def test_the_vendor_is_told_which_version_asks(serve: Serve, connect: Connect) -> None:
    server = serve(answer(200, RUNNING), answer(200, ACCEPTED))
    driver = connect(server)
    driver("get_video", "videos_1")
    driver("submit_video", REQUEST)
    assert {request.headers["user-agent"] for request in server.received} == {http.user_agent()}
    assert re.fullmatch(r"prefect-seedance/(unknown|\d[\w.+]*)", http.user_agent())


def test_a_trickling_answer_to_a_question_ends_at_the_deadline(serve: Serve, connect: Connect) -> None:
    server = serve(wire_server.TRICKLED_BODY, answer(200, RUNNING))
    driver = connect(server, timeout=0.5)
    assert driver("get_video", "videos_1").state == "running"


WEIRD = {"status": "COMPLETED", "progress": "nearly", "completed_at": 0, "cost": None, "model": 7, "new": []}


@pytest.mark.parametrize(
    ("document", "state", "link"),
    [
        (RUNNING, "running", ""),
        ({"code": 0, "data": {**WEIRD, "result": {"video_url": "https://x/a.mp4"}}}, "completed", "https://x/a.mp4"),
        ({"code": 0, "data": {**WEIRD, "result": None, "video_url": "https://x/b"}}, "completed", "https://x/b"),
        ({"code": 0, "data": {"status": "success", "result": {}}}, "completed", ""),
        ({"code": 0, "data": {"status": "Failed", "error_message": "NSFW"}}, "failed", ""),
        ({"code": 0, "data": {"status": "cancelled"}}, "canceled", ""),
        ({"code": 0, "data": {"status": "reticulating"}}, "running", ""),
        ({"code": 0, "data": {"task_id": "videos_1", "status": None}}, "running", ""),
        ({"task_id": "videos_1", "status": "queued"}, "running", ""),
        ({"id": "videos_1", "status": "queued"}, "running", ""),
        ({"code": 0, "data": {"task_id": None, "id": " videos_1 ", "status": "queued"}}, "running", ""),
        ({"code": 0, "data": {"task_id": "", "id": {}, "status": "queued"}}, "running", ""),
        ({"code": 0, "data": {"task_id": "videos_1", "id": 4711, "status": "queued"}}, "running", ""),
    ],
)
def test_a_paid_task_is_readable_however_odd_its_answer(
    serve: Serve, connect: Connect, document: object, state: str, link: str
) -> None:
    task = connect(serve(answer(200, document)))("get_video", "videos_1")
    assert (task.task_id, task.state, task.video_url) == ("videos_1", state, link)
    assert task.names_itself == ("videos_1" in repr(document))
    assert task.completed_at is None
    assert type(task).model_validate_json(task.model_dump_json()) == task


@pytest.mark.parametrize(
    "task_id",
    [
        "",
        "  ",
        "a\nb",
        ".",
        "..",
        " videos_1",
        "\ud800",
        "\ufffd",
        "../admin",
        "a/../../b",
        "a\\..\\b",
        "a/.",
        "x" * 100_000,
        "视" * 200,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_an_id_that_could_lead_elsewhere_is_refused_before_anything_is_sent(
    serve: Serve, connect: Connect, task_id: str
) -> None:
    server = serve(answer(200, RUNNING))
    driver = connect(server)
    for method, argument in (("get_video", task_id), ("asset_status", [task_id]), ("sp_asset_detail", task_id)):
        with pytest.raises(errors.InvalidRequest) as refused:
            driver(method, argument)
        assert len(str(refused.value)) < 1000
    assert server.connections == 0


@pytest.mark.parametrize(
    ("task_id", "segment"),
    [
        ("a b?c=%2F#d", "a%20b%3Fc%3D%252F%23d"),
        ("2026/11/27/videos_1", "2026%2F11%2F27%2Fvideos_1"),
        ("..a/.b", "..a%2F.b"),
        ("a\\b", "a%5Cb"),
        ("视频_1", "%E8%A7%86%E9%A2%91_1"),
        ("x" * 1024, "x" * 1024),
    ],
    ids=lambda text: text[:12],
)
def test_a_task_that_was_accepted_can_be_fetched_whatever_its_id_is_made_of(
    serve: Serve, connect: Connect, task_id: str, segment: str
) -> None:
    running = {"code": 20000, "msg": "ok", "data": {"task_id": task_id, "status": "processing"}}
    server = serve(answer(200, {"code": 20000, "data": {"task_id": task_id}}), answer(200, running))
    driver = connect(server.url + "/gateway/")
    assert driver("create_video", REQUEST).task_id == task_id
    assert driver("get_video", task_id).task_id == task_id
    assert server.received[1].path == f"/gateway/api/open-api/v1/videos/{segment}"


@pytest.mark.parametrize(
    ("data", "answered"),
    [
        ({"task_id": "videos_2", "status": "completed", "result": {"video_url": "https://x/2.mp4"}}, "videos_2"),
        ({"id": "videos_2", "status": "failed"}, "videos_2"),
        ({"id": 17, "status": "queued"}, "17"),
        ({"task_id": " ", "id": "videos_2"}, "videos_2"),
        ({"task_id": "videos_2", "id": "videos_1", "status": "queued"}, "videos_2"),
        ({"task_id": "VIDEOS_1", "status": "queued"}, "VIDEOS_1"),
        ({"task_id": "videos_1\nvideos_2", "status": "queued"}, "videos_1\nvideos_2"),
    ],
)
def test_an_answer_about_another_task_is_never_taken_for_this_one(
    serve: Serve, connect: Connect, data: object, answered: str
) -> None:
    driver = connect(serve(answer(200, {"code": 20000, "msg": "ok", "data": data})), max_retries=0)
    with pytest.raises(errors.WrongTask) as raised:
        driver("get_video", "videos_1")
    assert (raised.value.task_id, raised.value.answered) == ("videos_1", answered)
    assert "'videos_1'" in str(raised.value) and repr(answered) in str(raised.value)


def test_a_number_for_an_id_is_the_task_that_was_asked_for(serve: Serve, connect: Connect) -> None:
    driver = connect(serve(answer(200, {"code": 0, "data": {"task_id": 17, "status": "queued"}})))
    assert driver("get_video", "17").task_id == "17"


def ok(data: object) -> Reply:
    return answer(200, {"code": "20000", "msg": "ok", "data": data})


def test_assets_balances_and_prices_are_read(serve: Serve, connect: Connect) -> None:
    item = {"asset_id": "a1", "original_url": "https://x/a.png", "asset_type": "image", "status": "Pending"}
    server = serve(
        ok({"items": [item], "failed_items": [{"url": "https://x/b"}, None]}),
        ok({"items": [{"asset_id": "a1", "status": "Active"}, {"asset_id": "a2", "status": "Rejected"}]}),
        answer(200, {"code": 0, "data": {"asset_id": "s1"}}),
        answer(200, {"code": 0, "data": {"items": [{"asset_id": "s1", "status": "PROCESSING"}]}}),
        answer(200, {"code": 0, "data": {"asset_id": "s1", "status": "ACTIVE", "official_id": None}}),
        ok({"balance": 12, "used_coin": "3.5", "available": None}),
        ok({"name": "ci", "total_quota": 0, "unlimited": True}),
        ok({"list": [{"model_name": "seedance2.0-std", "price_mode": "per_task", "unit_price": 0.9}]}),
    )
    driver = connect(server)
    audit = driver("submit_assets", image_urls=["https://x/a.png"])
    assert (audit.items[0].reference, audit.items[0].state) == ("asset://a1", "processing")
    assert [each.original_url for each in audit.failed_items] == ["https://x/b"]
    assert audit.raw["items"] == [item]
    assert [asset.state for asset in driver("asset_status", ["a1", "a2"])] == ["active", "rejected"]
    assert driver("upload_sp_asset", "boat", "image", "https://x/a.png").asset_id == "s1"
    assert driver("sp_asset_status", ["s1"])[0].state == "processing"
    assert driver("sp_asset_detail", "s1").state == "active"
    balance = driver("user_balance")
    assert (balance.balance, balance.used_coin, balance.available) == (12.0, 3.5, None)
    assert driver("key_balance").unlimited
    assert driver("catalog", "std & more")[0].unit_price == 0.9
    assert [f"{request.method} {request.path.partition('?')[0]}" for request in server.received] == [
        "POST /api/open-api/v1/seedance/assets/audit",
        "POST /api/open-api/v1/seedance/assets/status",
        "POST /api/open-api/v1/seedance/sp/assets/upload",
        "POST /api/open-api/v1/seedance/sp/assets/status",
        "POST /api/open-api/v1/seedance/sp/assets/detail",
        "GET /api/open-api/v1/user/balance",
        "GET /api/open-api/v1/key/balance",
        "GET /api/openapi/model/catalog",
    ]
    assert parse_qs(server.received[-1].path.partition("?")[2]) == {"search": ["std & more"]}
    assert "authorization" not in server.received[-1].headers
    assert "authorization" in server.received[-2].headers


@pytest.mark.parametrize(
    ("method", "arguments", "tries"),
    [("asset_status", [["a1"]], 2), ("sp_asset_detail", ["s1"], 2), ("upload_sp_asset", ["n", "image", "u"], 1)],
)
def test_only_a_post_that_reads_is_repeated(
    serve: Serve, connect: Connect, method: str, arguments: Sequence[Any], tries: int
) -> None:
    server = serve(wire_server.drop, ok({"items": [], "asset_id": "s1"}))
    driver = connect(server)
    if tries == 1:
        with pytest.raises(errors.ConnectionFailed):
            driver(method, *arguments)
    else:
        driver(method, *arguments)
    assert len(server.received) == tries


def test_a_file_is_uploaded_whole_on_each_try(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    boat = tmp_path / "Boot über.PNG"
    boat.write_bytes(b"\x89PNG" + b"b" * 200_000)
    server = serve(answer(429, body=b""), ok({"url": "https://x/boat.png", "size": 200_004}))
    uploaded = connect(server)("upload_file", boat)
    assert (uploaded.url, uploaded.size) == ("https://x/boat.png", 200_004)
    assert [boat.read_bytes() in request.body for request in server.received] == [True, True]
    assert b'name="file"' in server.received[0].body
    assert b"image/png" in server.received[0].body


def test_a_file_that_the_vendor_would_refuse_is_not_sent(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    server = serve(ok({}))
    driver = connect(server)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty.png").touch()
    with (tmp_path / "big.mp4").open("wb") as big:
        big.truncate(100 * 1024 * 1024 + 1)
    for name, words in {
        "notes.txt": "suffix",
        "empty.png": "0 bytes",
        "big.mp4": "100 MB",
        "none.png": "not a file",
    }.items():
        with pytest.raises(errors.InvalidRequest, match=words):
            driver("upload_file", tmp_path / name)
    assert server.connections == 0


@dataclass
class Stored:
    """An object of a bucket, as an upload: no file, and nothing that can be sought in."""

    content: bytes
    size: int
    name: str = "mug.png"
    media_type: str = "image/png"
    fault: Exception | None = None
    reads: list[int] = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    def open(self) -> Any:
        self.opened += 1
        return StoredStream(self, io.BytesIO(self.content))


@dataclass
class StoredStream:
    stored: Stored
    body: io.BytesIO

    def read(self, size: int = -1) -> bytes:
        self.stored.reads.append(size)
        piece = self.body.read(size)
        if self.stored.fault is not None and not piece:
            raise self.stored.fault
        return piece

    def close(self) -> None:
        self.stored.closed += 1


LINK = {"url": "https://x.org/mug.png"}


def test_a_stream_is_uploaded_in_small_pieces_and_opened_for_each_try(serve: Serve, connect: Connect) -> None:
    mug = Stored(b"\x89PNG" + b"m" * 300_000, 300_004)
    server = serve(answer(429, body=b""), ok(LINK))
    assert connect(server)("upload_file", mug).url == "https://x.org/mug.png"
    assert (mug.opened, mug.closed) == (2, 2)
    assert min(mug.reads) > 0 and max(mug.reads) <= 64 * 1024
    for request in server.received:
        assert mug.content in request.body and int(request.headers["content-length"]) == len(request.body)
        assert b'filename="mug.png"' in request.body and b"Content-Type: image/png" in request.body


class OfTheStream(Exception):
    """Nothing that HTTP knows."""


@pytest.mark.parametrize(
    "fault", [OfTheStream("changed"), OSError(5, "gone"), TimeoutError("slow"), errors.VendorBusy()]
)
def test_what_a_stream_raises_comes_through_and_ends_the_upload(
    serve: Serve, connect: Connect, fault: Exception
) -> None:
    cause = ValueError("why")
    fault.__cause__ = cause
    mug = Stored(b"m" * 100_000, 200_000, fault=fault)
    server = serve(answer(200, RUNNING))
    driver = connect(server)
    with pytest.raises(type(fault)) as raised:
        driver("upload_file", mug)
    assert raised.value is fault and fault.__cause__ is cause
    assert (mug.opened, mug.closed, driver.slept) == (1, 1, [])
    assert driver("get_video", "videos_1").progress == 40, "the client goes on"


def test_a_slow_stream_holds_no_event_loop_up(serve: Serve) -> None:
    server = serve(ok(LINK))
    asked, may_go_on = threading.Event(), threading.Event()

    class Slow(Stored):
        def open(self) -> Any:
            asked.set()
            assert may_go_on.wait(30), "the loop stood still while the stream was opened"
            return io.BytesIO(self.content)

    async def upload() -> str:
        async with AsyncSeedanceClient(KEY, server.url) as client, asyncio.TaskGroup() as tasks:
            task = tasks.create_task(client.upload_file(Slow(b"m", 1)))
            while not asked.is_set():
                await asyncio.sleep(0.01)
            may_go_on.set()
            return (await task).url

    assert asyncio.run(upload()) == LINK["url"]


@pytest.mark.parametrize(("content", "size", "word"), [(b"m" * 10, 20, "fewer"), (b"m" * 20, 10, "more")])
def test_an_upload_that_is_not_as_long_as_it_said_is_given_up(
    serve: Serve, connect: Connect, content: bytes, size: int, word: str
) -> None:
    server = serve(ok(LINK))
    mug = Stored(content, size)
    with pytest.raises(errors.InvalidRequest, match=f"mug.png had {size} bytes, and now has {word}"):
        connect(server)("upload_file", mug)
    assert (mug.opened, mug.closed) == (1, 1)
    assert not [each for each in server.received if len(each.body) == int(each.headers["content-length"])]


def test_a_stream_that_cannot_be_opened_is_told_as_it_is(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    class Gone(Stored):
        def open(self) -> Any:
            raise PermissionError(13, "no permission")

    server = serve(ok(LINK))
    with pytest.raises(PermissionError):
        connect(server)("upload_file", Gone(b"", 5))
    assert server.connections == 0


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [("mug", 1, "suffix"), ("a.txt", 1, "suffix"), ("a.png", 0, "0 bytes"), ("a.mp4", 100 * 1024 * 1024 + 1, "100 MB")],
)
def test_a_stream_that_the_vendor_would_refuse_is_not_opened(
    serve: Serve, connect: Connect, name: str, size: int, words: str
) -> None:
    mug = Stored(b"", size, name=name)
    with pytest.raises(errors.InvalidRequest, match=words):
        connect(serve(ok(LINK)))("upload_file", mug)
    assert mug.opened == 0


@pytest.mark.parametrize(
    "data",
    [LINK, {"file_url": "https://x.org/mug.png"}, {"URL": "https://x.org/mug.png"}, "https://x.org/mug.png", [LINK]],
)
def test_the_link_of_an_upload_is_found_and_in_no_repr(serve: Serve, connect: Connect, data: object) -> None:
    uploaded = connect(serve(ok(data)))("upload_file", Stored(b"m", 1))
    assert uploaded.url == "https://x.org/mug.png"
    assert "x.org" not in repr(uploaded)


@pytest.mark.parametrize(
    "data",
    [
        *({}, None, [], [LINK, LINK], 7, "", {"url": ""}, {"url": None}, {"url": "/files/mug.png"}, {"url": "mug.png"}),
        *({"url": "http://x.org/mug.png"}, {"url": "https://"}, {"url": "https://me:pw@x.org/a"}, {"url": "s3://b/k"}),
    ],
)
def test_an_upload_without_a_link_that_can_be_sent_is_an_error(serve: Serve, connect: Connect, data: object) -> None:
    server = serve(ok(data))
    with pytest.raises(errors.UnexpectedAnswer, match="https link"):
        connect(server)("upload_file", Stored(b"m", 1))
    assert len(server.received) == 1


def test_a_link_of_a_simulator_on_this_machine_is_taken_from_there_alone(serve: Serve, connect: Connect) -> None:
    here = {"url": "http://127.0.0.1:8765/files/a.png"}
    assert connect(serve(ok(here)))("upload_file", Stored(b"m", 1)).url == here["url"]
    exchange = Exchange(status_code=200, body=json.dumps({"code": 20000, "msg": "ok", "data": here}).encode())
    with pytest.raises(errors.UnexpectedAnswer):
        protocol.upload_file(Stored(b"m", 1)).read(exchange)


STATUSES = [
    {"items": [{"asset_id": "a2", "status": "Rejected"}, {"asset_id": "a1", "status": "ACTIVE"}]},
    {"assets": [{"id": "a1", "state": "active"}, {"id": "a2", "state": "rejected", "reason": "blurred"}]},
    [{"assetId": "a1", "status": "Active"}, {"assetId": "asset://a2", "status": "Rejected"}],
    {"a1": "Active", "a2": {"status": "Rejected"}},
]


@pytest.mark.parametrize("data", STATUSES)
def test_each_asset_that_was_asked_for_is_answered_in_that_order(serve: Serve, connect: Connect, data: object) -> None:
    for method in ("asset_status", "sp_asset_status", "real_person_statuses"):
        found = connect(serve(ok(data)))(method, ["a1", "a2", "a3"])
        assert [(each.asset_id, each.state) for each in found] == [
            ("a1", "active"),
            ("a2", "rejected"),
            ("a3", "unknown"),
        ]


@pytest.mark.parametrize(
    ("data", "states"),
    [
        ({"items": [], "failed_items": [{"asset_id": "a1", "errorMessage": "later"}]}, ["unread", "unknown"]),
        ({"items": [], "failed_items": ["a2: later"]}, ["unread", "unread"]),
        (
            {"items": [{"asset_id": "a2", "status": "x"}], "failed_items": [{"error": "later"}]},
            ["unread", "processing"],
        ),
        ({"failedItems": [{"assetId": "a1"}, {"assetId": "a2"}]}, ["unread", "unread"]),
        ({"items": []}, ["unknown", "unknown"]),
    ],
)
def test_a_failed_look_up_says_nothing_of_an_asset(
    serve: Serve, connect: Connect, data: object, states: list[str]
) -> None:
    found = connect(serve(ok(data)))("asset_status", ["a1", "a2"])
    assert [each.state for each in found] == states


def test_the_only_asset_that_was_asked_for_needs_no_name(serve: Serve, connect: Connect) -> None:
    for data in ({"items": [{"status": "Active"}]}, {"status": "Active"}, {"asset_id": "a1", "status": "Active"}):
        (asset,) = connect(serve(ok(data)))("asset_status", ["a1"])
        assert (asset.asset_id, asset.state) == ("a1", "active")


@pytest.mark.parametrize("data", [{}, None, "Active", {"items": "none"}])
def test_an_answer_without_any_asset_is_asked_for_again(serve: Serve, connect: Connect, data: object) -> None:
    server = serve(ok(data), ok({"items": [{"asset_id": "a1", "status": "Active"}]}))
    assert connect(server)("asset_status", ["a1"])[0].state == "active"
    assert len(server.received) == 2


def test_an_audit_that_takes_a_part_tells_of_each_address(serve: Serve, connect: Connect) -> None:
    data = {
        "assets": [{"assetId": "a1", "originalUrl": "https://x.org/a.png?token=hidden", "status": "submitted"}],
        "failedItems": [{"originalUrl": "https://x.org/b.png", "errorMessage": "too small"}],
    }
    urls = ["https://x.org/a.png?token=hidden", "https://x.org/b.png"]
    audit = connect(serve(ok(data)))("submit_assets", image_urls=urls)
    taken, failed = map(audit.of, urls)
    assert (taken.asset.reference, taken.asset.state) == ("asset://a1", "processing")
    assert (failed.asset, failed.reason) == (None, "too small")
    assert audit.asked == 2 and audit.raw["failedItems"] == data["failedItems"]
    assert "hidden" not in f"{audit!r} {audit.raw}"


def test_an_asset_that_was_made_without_an_id_is_an_error_and_not_made_again(serve: Serve, connect: Connect) -> None:
    for method in ("upload_sp_asset", "submit_real_person"):
        server = serve(ok({"status": "Processing"}))
        arguments = (
            ["mug", "image", "https://x.org/a.png"] if method == "upload_sp_asset" else ["me", "https://x.org/a"]
        )
        with pytest.raises(errors.UnexpectedAnswer, match="id of an asset"):
            connect(server)(method, *arguments)
        assert len(server.received) == 1


def test_portraits_of_real_persons_are_handed_in_and_asked_for(serve: Serve, connect: Connect) -> None:
    made = {"asset_id": "r1", "official_id": "o1", "status": "Processing", "asset_ref": None, "url": "https://x.org/me"}
    server = serve(
        ok(made), ok({**made, "status": "Active", "asset_ref": "asset://ref1"}), ok([{**made, "status": "Failed"}])
    )
    driver = connect(server)
    submitted = driver("submit_real_person", "me", "https://x.org/me")
    assert (submitted.asset_id, submitted.state, submitted.original_url) == ("r1", "processing", "https://x.org/me")
    assert driver("real_person_status", "r1").reference == "asset://ref1"
    assert driver("real_person_statuses", ["r1"])[0].state == "failed"
    prefix = "/api/open-api/v1/seedance/sp/realperson/"
    assert [request.path for request in server.received] == [
        prefix + each for each in ("submit", "status", "batch-status")
    ]
    assert json.loads(server.received[0].body) == {"name": "me", "url": "https://x.org/me"}


@pytest.mark.parametrize("source", ["s3://shop/mug.png", "/pictures/mug.png", "file:///mug.png", "last-frame+/a.mp4"])
@pytest.mark.parametrize("method", ["submit_video", "create_video"])
def test_what_only_a_flow_can_prepare_is_never_sent(serve: Serve, connect: Connect, method: str, source: str) -> None:
    server = serve(answer(200, ACCEPTED))
    for model, other in (("seedance2.0-std", ""), ("sd2_mx_720p", ""), ("seedance2.0-std", "seedance9")):
        asked = VideoRequest(prompt="A mug", model=model, other_model=other, images=["https://x.org/a.png", source])
        with pytest.raises(errors.InvalidRequest, match=r"images\[1\]") as refused:
            connect(server)(method, asked)
        assert "SeedanceClient.upload_file" in str(refused.value) and "images[0]" not in str(refused.value)
    assert server.connections == 0


# Secrets.


def test_the_key_is_in_no_message_log_or_repr(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    echo = answer(502, body=f"<html>Authorization: Bearer {KEY}</html>".encode())
    told = answer(200, {"code": 20001, "msg": f"invalid key {KEY}"})
    server = serve(echo, told, echo, echo, answer(200, RUNNING))
    driver = connect(server)
    with caplog.at_level(logging.DEBUG):
        outcome = driver("submit_video", REQUEST)
        with pytest.raises(errors.AuthenticationFailed) as raised:
            driver("user_balance")
        with pytest.raises(errors.UnexpectedAnswer) as page_raised:
            driver("upload_sp_asset", "boat", "image", "https://x/a.png")
        driver("get_video", "videos_1")
    assert len(driver.slept) == 1
    shown = [repr(outcome), str(vars(raised.value)), str(vars(page_raised.value)), str(raised.value), caplog.text]
    assert "Bearer ***" in outcome.excerpt
    for text in [*shown, repr(driver.client)]:  # type: ignore[attr-defined]
        assert KEY not in text
    assert "127.0.0.1" in repr(driver.client)  # type: ignore[attr-defined]


def test_what_opens_the_target_of_a_redirect_is_told_to_nobody(serve: Serve, connect: Connect) -> None:
    redirect = answer(302, body=b"", headers={"Location": f"https://elsewhere.example.com/{KEY}?token=hidden"})
    driver = connect(serve(redirect))
    outcome = driver("submit_video", REQUEST)
    with pytest.raises(errors.UnexpectedAnswer) as raised:
        driver("get_video", "videos_1")
    for text in (outcome.reason, str(raised.value), raised.value.reason):
        assert "https://elsewhere.example.com/***" in text
        assert "hidden" not in text


def test_a_proxy_of_the_environment_is_not_asked_for_a_host_on_this_machine(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(answer(200, RUNNING))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    server = serve(answer(200, RUNNING), answer(200, ACCEPTED))
    driver = connect(server)
    driver("get_video", "videos_1")
    driver("submit_video", REQUEST)
    assert (proxy.connections, len(server.received)) == (0, 2)


@pytest.mark.parametrize("cut", ["cancelled", "out of time"])
def test_calls_that_are_cut_short_leave_nothing_behind_that_later_ones_would_wait_for(cut: str) -> None:
    """A pool of httpx's may keep the connections of such calls for ever, until it has none left to give."""

    async def ask(client: AsyncSeedanceClient, calls: int, timeout: float) -> list[object]:
        asked = (client.get_video("videos_1", max_retries=0, timeout=timeout) for _ in range(calls))
        return [*await asyncio.gather(*asked, return_exceptions=True)]

    async def scene(url: str) -> None:
        async with AsyncSeedanceClient(KEY, url) as client:
            for moment in range(12):
                seconds = 0.004 * moment
                under_way = asyncio.ensure_future(ask(client, 25, 60.0 if cut == "cancelled" else seconds))
                if cut == "cancelled":
                    await asyncio.sleep(seconds)
                    under_way.cancel()
                await asyncio.wait([under_way])
            answers = await ask(client, http.MOST_LINES + 20, 60.0)
            assert [getattr(each, "status", each) for each in answers] == ["processing"] * len(answers)

    with WireServer([answer(200, RUNNING)]) as server:
        asyncio.run(scene(server.url))


def test_an_awaited_client_keeps_few_idle_connections() -> None:
    async def scene(server: WireServer) -> int:
        async with AsyncSeedanceClient(KEY, server.url) as client:
            for _ in range(3):
                await asyncio.gather(*(client.get_video("videos_1") for _ in range(2 * http.MOST_IDLE_LINES)))
            before = server.connections
            await asyncio.gather(*(client.get_video("videos_1") for _ in range(2 * http.MOST_IDLE_LINES)))
            return server.connections - before

    with WireServer([answer(200, RUNNING)]) as server:
        assert asyncio.run(scene(server)) <= http.MOST_IDLE_LINES


@pytest.mark.parametrize(
    "make",
    [
        lambda: protocol.create_video_call({"prompt": "half a character: \ud83d"}).content(),
        lambda: protocol.create_video_call({"prompt": "A boat", "duration": float("nan")}).content(),
        lambda: protocol.submit_assets(),
        lambda: protocol.asset_status([]),
    ],
    ids=("half a character", "no number", "no address", "no asset"),
)
def test_what_no_request_can_say_is_refused_before_anything_is_sent(make: Callable[[], object]) -> None:
    with pytest.raises(errors.InvalidRequest):
        make()
