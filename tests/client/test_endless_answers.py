"""No answer of the vendor holds a call for ever, and none that is compressed costs a paid task or the memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.client.async_client import AsyncSeedanceClient
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.outcome import Accepted, Unknown
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.settings import Timeouts
from prefect_seedance.client.sync_client import SeedanceClient
from tests.client import wire_server
from tests.client.wire_server import BeforeReading, CloseConnection, Reply, Wire, WireServer, answer

KEY = "sk_secret_1234567890"
REQUEST = VideoRequest(prompt="A paper boat")
ACCEPTED = {"code": 20000, "msg": "ok", "data": {"task_id": "videos_1", "status": "queued"}}
RUNNING = {"code": 20000, "msg": "ok", "data": {"task_id": "videos_1", "status": "processing"}}
BODY = json.dumps(ACCEPTED).encode()

Call = Callable[..., Any]
Connect = Callable[..., Call]


@pytest.fixture(params=["blocking", "awaited"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connect a client whose every call ends after some seconds, and which repeats nothing."""
    closing: list[Callable[[], object]] = []

    def blocking(server: WireServer, seconds: float = 30.0) -> Call:
        client = SeedanceClient(KEY, server.url, timeout=Timeouts(total=seconds), max_retries=0)
        closing.append(client.close)
        return lambda method, *arguments, **named: getattr(client, method)(*arguments, **named)

    def awaited(server: WireServer, seconds: float = 30.0) -> Call:
        runner = asyncio.Runner()
        client = AsyncSeedanceClient(KEY, server.url, timeout=Timeouts(total=seconds), max_retries=0)
        closing.extend([runner.close, lambda: runner.run(client.aclose())])
        return lambda method, *arguments, **named: runner.run(getattr(client, method)(*arguments, **named))

    yield blocking if request.param == "blocking" else awaited
    while closing:
        closing.pop()()


def again_and_again(head: bytes, part: bytes, every: float = 0.02) -> Reply:
    def reply(wire: Wire) -> None:
        wire.send(head)
        while not wire.stopped.is_set():
            wire.send(part)
            wire.wait(every)
        raise CloseConnection

    return reply


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS: dict[str, Reply] = {
    "silence": wire_server.hang,
    "letters of a header": again_and_again(OK + b"X-Slow: ", b"a"),
    "100 Continue": again_and_again(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "100 Continue without a pause": again_and_again(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500, every=0.0),
    "103 Early Hints": again_and_again(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "letters of a body": again_and_again(OK + b"Content-Length: 100000\r\n\r\n", b"a"),
    "a chunk's extension": again_and_again(CHUNKED + b"5;", b"a"),
    "trailers": again_and_again(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "blanks before an answer": again_and_again(OK + b"Content-Length: 100000\r\n\r\n", b" "),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reply", ENDLESS.values(), ids=ENDLESS.keys())
@pytest.mark.sample(every=2)
def test_no_answer_holds_a_question_for_ever_also_on_a_connection_that_was_kept(connect: Connect, reply: Reply) -> None:
    with WireServer([answer(200, RUNNING), reply]) as server:
        call = connect(server, 1.0)
        call("get_video", "videos_1")
        with pytest.raises(SeedanceError):
            call("get_video", "videos_1")
        assert (server.connections, len(server.received)) == (1, 2), "it was asked on the connection that was kept"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reply", ENDLESS.values(), ids=ENDLESS.keys())
@pytest.mark.sample(every=2)
def test_no_answer_holds_a_create_for_ever(connect: Connect, reply: Reply) -> None:
    with WireServer([reply]) as server:
        assert isinstance(connect(server, 1.0)("submit_video", REQUEST), Unknown)
        server.wait_for_requests(1)
        assert server.posts == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("method", ["user_balance", "key_balance", "catalog"])
def test_no_other_question_waits_for_ever(connect: Connect, method: str) -> None:
    with WireServer([ENDLESS["letters of a header"]]) as server, pytest.raises(SeedanceError):
        connect(server, 1.0)(method)


@pytest.mark.timeout(60)
def test_no_upload_waits_for_ever(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    with WireServer([ENDLESS["100 Continue"]]) as server, pytest.raises(SeedanceError):
        connect(server)("upload_file", tmp_path / "a.png", timeout=1.0)


@pytest.mark.timeout(60)
def test_calls_at_once_are_cut_on_their_own_connections_only() -> None:
    def slow(wire: Wire) -> None:
        wire.wait(1.0)
        answer(200, RUNNING)(wire)

    with (
        WireServer([slow]) as server,
        SeedanceClient(KEY, server.url, max_retries=0) as client,
        ThreadPoolExecutor(4) as threads,
    ):
        for _ in range(2):
            asked = [threads.submit(client.get_video, "videos_1") for _ in range(4)]
            assert [each.result().task_id for each in asked] == ["videos_1"] * 4
        assert server.connections == 4


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", [b" ", b"\r\n"])
def test_a_task_in_an_answer_that_never_ends_is_kept(connect: Connect, end: bytes) -> None:
    with WireServer([again_and_again(OK + b"Content-Length: 100000\r\n\r\n" + BODY, end)]) as server:
        assert connect(server, 2.0)("submit_video", REQUEST) == Accepted("videos_1", "queued")


HONEST: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(BODY)),
    "gzip in capitals": ("GZip", gzip.compress(BODY)),
    "gzip and nothing": ("gzip, identity", gzip.compress(BODY)),
    "gzip, said twice": ("gzip\r\nContent-Encoding: gzip", gzip.compress(BODY)),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
    "gzip, not said": ("", gzip.compress(BODY)),
    "gzip in members": ("gzip", gzip.compress(BODY[:20]) + gzip.compress(BODY[20:])),
    "gzip without its end": ("gzip", gzip.compress(BODY)[:-8]),
    "gzip with a wrong checksum": ("gzip", gzip.compress(BODY)[:-8] + bytes(8)),
    "deflate": ("deflate", zlib.compress(BODY)),
    "bare deflate": ("deflate", zlib.compress(BODY)[2:-4]),
    **{f"plain, as {label or 'nothing'}": (label, BODY) for label in ("gzip", "br", "deflate", "aws-chunked", "", ",")},
}


@pytest.mark.parametrize(("label", "body"), HONEST.values(), ids=HONEST.keys())
def test_a_paid_task_is_read_however_it_is_compressed(connect: Connect, label: str, body: bytes) -> None:
    with WireServer([answer(body=body, headers={"Content-Encoding": label})]) as server:
        assert connect(server)("submit_video", REQUEST) == Accepted("videos_1", "queued")


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """2 GiB of an answer in some kilobytes, without its end: nobody reads as far."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    begun = packer.compress(b'{"code": 20000, "msg": "') + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(b"a" * 1024 * 1024) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(begun + piece * 2048)


@pytest.mark.timeout(60)
def test_a_bomb_is_unknown_and_costs_neither_memory_nor_time(connect: Connect, bomb: bytes) -> None:
    assert len(bomb) < 50_000
    with WireServer([answer(body=bomb, headers={"Content-Encoding": "gzip, gzip"})]) as server:
        call = connect(server)
        tracemalloc.start()
        try:
            outcome = call("submit_video", REQUEST)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(outcome, Unknown)
    assert outcome.excerpt.startswith('{"code": 20000')
    assert peak < 64 * 1024 * 1024


def test_what_stands_before_the_request_is_read_holds_nothing_up(connect: Connect) -> None:
    early = BeforeReading(lambda wire: wire.send(b"HTTP/1.1 100 Continue\r\n\r\n"))
    with WireServer([early, answer(200, ACCEPTED)]) as server:
        assert connect(server)("submit_video", REQUEST) == Accepted("videos_1", "queued")
