"""Real processes for the tests: started with a log, waited for by a condition, and stopped by their pid."""

from __future__ import annotations

import os
import random
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(
    condition: Callable[[], T | None],
    what: str,
    *,
    seconds: float = 90.0,
    every: float = 0.1,
    alive: Running | None = None,
) -> T:
    """Wait for something that is true in the end, and give it; a process that must live on the way may be named."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert alive is None or alive.process.poll() is None, f"waiting for {what}: ended early\n{alive.tail()}"
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s\n{alive.tail() if alive else ''}"
        time.sleep(every)
    return found


@dataclass(frozen=True)
class Running:
    """A process with all that it prints."""

    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """The end of what it printed, for a failed test."""
        return self.log.read_text(errors="replace")[-3000:]


@contextmanager
def running(*command: str, log: Path, environment: dict[str, str] | None = None) -> Iterator[Running]:
    """Run ``python`` with these arguments in a session of its own, for the length of a ``with`` block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield Running(process, log)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        # What it started and did not stop is in its session's process group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def descendants(pid: int) -> list[int]:
    """Every process that this one has started, and those have."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            for child in map(int, thread.read_text().split()):
                found += [child, *descendants(child)]
    return found


def environ(pid: int) -> dict[str, str]:
    """The environment that a process was started with; nothing if it has ended."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def finished(*command: str, environment: dict[str, str], folder: Path, fails: bool = False) -> str:
    """Run ``python`` with these arguments to its end, which must be a good one unless said; give what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        env={**os.environ, **environment},
        cwd=folder,
    )
    assert (done.returncode != 0) == fails, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stderr if fails else done.stdout


#: Below the ports that the system gives to whoever asks for any.
_OWN_PORTS = range(20_000, 30_000)


def free_port() -> int:
    """A port for a server that cannot be told to choose one.

    Not one that the system would give: until the server listens, a connection or a listener of a test beside this one
    may get that.
    """
    for port in random.SystemRandom().sample(_OWN_PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a hundred ports are all taken")


@contextmanager
def relayed(port: int) -> Iterator[int]:
    """Offer a port of this machine under another number, as a vendor's second host would be."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as behind:
                back = threading.Thread(target=pass_on, args=(behind, self.request), daemon=True)
                back.start()
                pass_on(self.request, behind)
                back.join()

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    with served_in_a_thread(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)) as free:
        yield free


@contextmanager
def served_in_a_thread(server: socketserver.ThreadingTCPServer) -> Iterator[int]:
    """Run a server for the length of a ``with`` block; gives its port."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
