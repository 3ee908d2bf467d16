"""Memory of a worker that meets every hostile file and answer, one after the other: bounded, and its child's too."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.client.wire_server import Reply, Wire, WireServer, answer
from tests.pipeline.harness import Vendor
from tests.pipeline.hostile_worker import Settings
from tests.storage.hostile_clips import hostile

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

OWN_KIB, CHILD_KIB = 400 * 1024, 512 * 1024
MOST = 4 * 1024 * 1024 - 1000
TASK = b'{"code":20000,"msg":"ok","data":{"task_id":"videos_1","status":"failed","error_message":"%s"}}'


def endless(head: bytes, piece: bytes) -> Reply:
    """An answer that goes on until the client hangs up."""

    def reply(wire: Wire) -> None:
        wire.send(head)
        while not wire.stopped.is_set():
            wire.send(piece)

    return reply


def packed(*codings: str, megabytes: int) -> Reply:
    """A small answer that becomes a large one, without its end: nobody reads as far.

    One piece is packed and repeated. It is made when it is asked for, or whoever collects the tests would have it too.
    """

    def reply(wire: Wire) -> None:
        packer = zlib.compressobj(wbits=31)
        head = packer.compress(TASK.partition(b"%s")[0]) + packer.flush(zlib.Z_FULL_FLUSH)
        piece = packer.compress(b"a" * 1024 * 1024) + packer.flush(zlib.Z_FULL_FLUSH)
        body = head + piece * megabytes
        for _ in codings[1:]:
            body = gzip.compress(body)
        answer(body=body, headers={"Content-Encoding": ", ".join(codings)})(wire)

    return reply


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def hostile_answers() -> dict[str, Reply]:
    """Made when they are needed: whoever collects the tests would have 200 MB of them too."""
    return {
        "a packed answer of 200 MB": packed("gzip", megabytes=200),
        "packed twice": packed("gzip", "gzip", megabytes=1000),
        "an error message of 3.9 MB": answer(body=TASK % (b"x" * 3_900_000)),
        "an error message of 3.9 MB of escapes": answer(body=TASK % (b"\\u001b" * 650_000)),
        "lists 4 MB deep": answer(body=b'{"code":0,"data":' + b"[" * (MOST // 2) + b"]" * (MOST // 2) + b"}"),
        "lists without end": answer(body=b"[" * MOST),
        "objects without end": answer(body=b'{"a":' * (MOST // 5)),
        "a text of quotes in lists": answer(body=b"[" * (MOST // 2) + b'"' + b'\\"' * (MOST // 4)),
        "a million names": answer(
            body=b'{"code":0,"data":{' + b",".join(b'"%d":[]' % n for n in range(300_000)) + b"}}"
        ),
        "blanks": answer(body=b'{"code":' + b" " * MOST),
        "a page of 100 MB": answer(body=b"<html>" + b"a" * 100_000_000, headers={"Content-Type": "text/html"}),
        "a body without end": endless(HEAD + b"\r\n", b"a" * 1_000_000),
        "pieces without end": endless(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"a" * 65536 + b"\r\n"
        ),
        "headers without end": endless(HEAD, b"X-Header: " + b"a" * 10_000 + b"\r\n"),
        "one header without end": endless(HEAD + b"X-Header: ", b"a" * 1_000_000),
        "100 Continue without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
    }


def test_a_worker_that_meets_everything_hostile_stays_small(vendor: Vendor, tmp_path: Path) -> None:
    files, replies = hostile(), hostile_answers()
    names = {name: f"/hostile/{number}.mov" for number, name in enumerate(files)}
    vendor.counter.files |= {path: files[name] for name, path in names.items()}
    with ExitStack() as stack:
        settings = Settings(
            vendor=vendor.counter.url,
            links={name: vendor.counter.url + path for name, path in names.items()},
            answers={name: stack.enter_context(WireServer([reply])).url for name, reply in replies.items()},
            folder=str(tmp_path / "store"),
        )
        done = subprocess.run(
            [sys.executable, "-m", "tests.pipeline.hostile_worker", json.dumps(asdict(settings))],
            capture_output=True,
            text=True,
            timeout=570,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=Path(__file__).parents[2],
        )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["ends"].keys() == {*files, *replies}
    assert all(seen["ends"][name].startswith("stored") for name in files)
    assert seen["ends"]["a real frame of 16000 x 16000"] == "stored, 16000 x 16000"
    assert seen["own"] < OWN_KIB and seen["child"] < CHILD_KIB and seen["children"] == 1, seen
