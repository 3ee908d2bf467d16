"""A line to a server that writes down every HTTP request on it, as a process of its own.

Run as `python -m tests.costs.counting_proxy HOST:PORT LOG REFUSED`. It prints its port, and ends when its standard
input is closed. A line of the log is a method and a path, and is written before the server sees the request: whoever
has had an answer finds its request in the log. What is not HTTP any more, after a switch to a websocket, goes through
uncounted. An answer that the server is busy (503), which its client repeats, is a line of its own. A line that the
expression REFUSED matches is answered so by the proxy itself, and the server does not see it; an empty one refuses
nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

HEAD_LIMIT = 1024 * 1024
#: The line for an answer that the server is busy.
BUSY = "busy"


@dataclass(frozen=True)
class CountedLine:
    """A running proxy.

    Attributes:
        url: Takes the place of the server's own, path included.
        log: Grows by one line per request.
    """

    url: str
    log: Path


@contextmanager
def counted_line(upstream: str, log: Path, *, refused: str = "", times: int = 0) -> Iterator[CountedLine]:
    """Run a proxy in front of a server for the length of a ``with`` block.

    Args:
        upstream: URL of the server.
        log: Where the requests are written down.
        refused: Expression for the lines that are answered 503.
        times: How often, before they are passed on; 0 for always.
    """
    address = urlsplit(upstream)
    log.touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.costs.counting_proxy", address.netloc, str(log), refused, str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        yield CountedLine(f"http://127.0.0.1:{int(process.stdout.readline())}{address.path}", log)
    finally:
        process.kill()
        process.communicate()


async def pass_requests(
    client: asyncio.StreamReader,
    to_client: asyncio.StreamWriter,
    server: asyncio.StreamWriter,
    log: TextIO,
    refuses: Callable[[str], bool],
) -> None:
    """Pass one connection's requests on, each written down first."""
    while True:
        head = await client.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "upgrade" in headers:
            server.write(head)
            await pass_bytes(client, server)
            return
        log.write(f"{method} {path}\n")
        log.flush()
        if refuses(f"{method} {path}"):
            await client.readexactly(int(headers.get("content-length") or 0))
            to_client.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            continue
        server.write(head)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            await pass_chunks(client, server)
        else:
            await pass_exactly(client, server, int(headers.get("content-length") or 0))
        await server.drain()


async def pass_chunks(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass a chunked body on; it has no trailers."""
    size = -1
    while size:
        line = await source.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        target.write(line)
        await pass_exactly(source, target, size + len(b"\r\n"))


async def pass_exactly(source: asyncio.StreamReader, target: asyncio.StreamWriter, size: int) -> None:
    """Pass so many bytes on."""
    while size:
        piece = await source.read(min(size, 65536))
        if not piece:
            raise ConnectionError("the client is gone")
        target.write(piece)
        await target.drain()
        size -= len(piece)


async def pass_answers(server: asyncio.StreamReader, client: asyncio.StreamWriter, log: TextIO) -> None:
    """Pass on what the server answers; a short answer comes in one piece, so its beginning tells the status."""
    while piece := await server.read(65536):
        if piece.startswith(b"HTTP/1.1 503 "):
            log.write(f"{BUSY}\n")
            log.flush()
        client.write(piece)
        await client.drain()


async def pass_bytes(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes, to its end."""
    while piece := await source.read(65536):
        target.write(piece)
        await target.drain()


async def serve(upstream: str, log: TextIO, refused: str, times: int) -> None:
    """Take connections until the process is ended."""
    left = itertools.repeat(True) if times == 0 else iter([True] * times)

    def refuses(line: str) -> bool:
        return bool(refused) and re.match(refused, line) is not None and next(left, False)

    host, _, port = upstream.partition(":")

    async def connected(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(host, int(port))
        ways = [
            asyncio.ensure_future(pass_requests(client, to_client, to_server, log, refuses)),
            asyncio.ensure_future(pass_answers(server, to_client, log)),
        ]
        # Where one side is gone, the other is not waited for.
        _, going_on = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in going_on:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for side in (to_client, to_server):
            with suppress(OSError):
                side.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, limit=HEAD_LIMIT)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


def main() -> None:
    """Serve until the standard input is closed."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    _, upstream, log, refused, times = sys.argv
    with open(log, "a") as lines:
        asyncio.run(serve(upstream, lines, refused, int(times)))


if __name__ == "__main__":
    main()
