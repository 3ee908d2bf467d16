"""The tests' side of the child processes: begin, stop, wake, kill, await, and read what they have left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.child import OUTPUT_FILE, POINTS_FILE, REPORTS_FILE
from tests.chaos.orders import Order, Report

#: Longer than a run takes on a busy machine, also when Prefect's SQLite keeps its server waiting for a minute.
PATIENCE_SECONDS = 150.0


class Child:
    """A child process, from its order to its end."""

    def __init__(self, zygote: Zygote, order: Order) -> None:
        self.order, self._zygote = order, zygote
        self._changed = threading.Condition()
        self._pid = 0
        self._code: int | None = None
        self._stopped = False

    def note(self, *, pid: int = 0, stopped: bool = False, code: int | None = None) -> None:
        """Hear of a change; for the zygote."""
        with self._changed:
            self._pid, self._stopped = pid or self._pid, stopped or self._stopped
            self._code = self._code if code is None else code
            self._changed.notify_all()

    def begun(self) -> Child:
        """Wait until it is a process."""
        return self._until(lambda: bool(self._pid), "begin")

    def ended(self) -> Child:
        """Wait for its end."""
        return self._until(lambda: self._code is not None, "end")

    def frozen(self) -> Child:
        """Wait until it is stopped."""
        return self._until(lambda: self._stopped, "stop")

    def _until(self, true: Callable[[], bool], what: str) -> Child:
        with self._changed:
            self._changed.wait_for(lambda: true() or self._code is not None, PATIENCE_SECONDS)
            if not true():
                raise AssertionError(f"A child did not {what}; it ended with {self._code}.\n{self.story()}")
        return self

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._zygote.tell(pid=self._pid, signal=int(signal.SIGKILL))

    def cancel(self) -> None:
        """Cancel its run, which is one of the pipeline alone."""
        self._zygote.tell(pid=self._pid, signal=int(signal.SIGUSR1))

    def freeze(self) -> None:
        """Stop it with SIGSTOP."""
        self._zygote.tell(pid=self._pid, signal=int(signal.SIGSTOP))

    def wake(self) -> None:
        """Let it go on."""
        self._stopped = False
        self._zygote.tell(pid=self._pid, signal=int(signal.SIGCONT))

    @property
    def is_over(self) -> bool:
        """Whether it has ended, somehow."""
        return self._code is not None

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self._code == -signal.SIGKILL

    @property
    def report(self) -> Report:
        """How its only run ended."""
        (report,) = self.reports()
        return report

    def reports(self) -> list[Report]:
        """How its runs ended."""
        path = Path(self.order.folder, REPORTS_FILE)
        if not path.exists():
            raise AssertionError(f"A child ended with {self._code} and without a report.\n{self.story()}")
        return [Report(**each) for each in json.loads(path.read_text())]

    def output(self) -> str:
        """What it printed and logged."""
        path = Path(self.order.folder, OUTPUT_FILE)
        return path.read_text() if path.exists() else ""

    def points(self) -> list[str]:
        """The named points that it has reached, in order."""
        path = Path(self.order.folder, POINTS_FILE)
        return path.read_text().split() if path.exists() else []

    def story(self) -> str:
        """Everything about it, for the message of a failed test."""
        return f"{self.order}\n{' '.join(self.points())}\n{self.output()[-6000:]}"


class Zygote:
    """A running `tests.chaos.zygote`. Safe to use from several threads."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._lock = process, threading.Lock()
        self._running: dict[int, Child] = {}
        self.children: list[Child] = []
        self._reader = threading.Thread(target=self._read, name="zygote", daemon=True)
        self._reader.start()

    def begin(self, order: Order) -> Child:
        """Begin a child process."""
        Path(order.folder).mkdir(parents=True)
        child = Child(self, order)
        with self._lock:
            number = len(self.children)
            self.children.append(child)
        self.tell(order=order.values(), number=number)
        return child.begun()

    def tell(self, **values: object) -> None:
        """Send the zygote a line."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(values).encode() + b"\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """End the zygote and everything that it has begun."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            pid = said["pid"]
            if "began" in said:
                self._running[pid] = self.children[said["began"]]
                self._running[pid].note(pid=pid)
            elif "stopped" in said:
                self._running[pid].note(stopped=True)
            else:
                self._running.pop(pid).note(code=said["ended"])
        for child in self.children:
            if not child.is_over:
                child.note(code=-1)  # the zygote is gone, and they with it


@contextmanager
def running_zygote(environment: dict[str, str]) -> Iterator[Zygote]:
    """Run a zygote for the length of a ``with`` block.

    Args:
        environment: What every child finds in its environment, beside what is in this process's own.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
    )
    zygote = Zygote(process)
    try:
        yield zygote
    finally:
        zygote.close()
