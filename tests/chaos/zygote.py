"""The process that all children are forked from: it has imported everything, and does nothing else.

    python -m tests.chaos.zygote

Importing Prefect takes seconds, forking takes milliseconds. An order comes as a line of JSON on the standard input;
each child's beginning, stop and end are lines on the standard output. The zygote has no threads, no event loop and no
connection, so a child begins like a fresh process; it leads a session of its own, and ends with Prefect's own clean-up,
only without taking the interpreter apart. When the standard input ends, all children are killed.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.orders import Order


def main() -> None:
    """Serve; in a child, run its order."""
    atexit.register(_leave)  # before any import that registers a clean-up: the first one registered is called last
    _import_all()
    from tests.chaos.child import run

    order = serve()
    if order is not None:
        run(order)


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # half of a short run's time would go into freeing memory


def _import_all() -> None:
    """Import what a run imports on its way, so that no child has to."""
    import anyio._backends._asyncio  # noqa: F401
    import av  # noqa: F401
    import boto3  # noqa: F401
    import fastapi  # noqa: F401
    import prefect.client.base
    import prefect.events.clients
    import prefect.events.worker
    import prefect.flow_engine
    import prefect.task_engine
    import prefect.utilities.visualization

    # Prefect's client pauses for 2, 4, 8, 16, 32 s when its server's SQLite was locked for a moment.
    prefect.client.base.clamped_poisson_interval = lambda average, factor: min(average, 0.5)
    gc.collect()
    gc.freeze()  # the children's garbage collection then leaves the shared memory alone
    assert threading.active_count() == 1, "a fork would lose these threads"


def serve() -> Order | None:
    """Fork a child per order. Gives the order in the child, and None in the zygote when all is over."""
    from tests.chaos.orders import Order

    changed, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl+C is for the tests, which then close our input
    signal.set_wakeup_fd(wake)
    children: set[int] = set()
    rest = b""
    while True:
        ready, _, _ = select.select([0, changed], [], [])
        if changed in ready:
            os.read(changed, 4096)
            _tell_of_changes(children)
        if 0 not in ready:
            continue
        data = os.read(0, 65536)
        if not data:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            return None
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            asked = json.loads(line)
            if "signal" in asked:
                if asked["pid"] in children:  # not waited for yet, so the number is still that child's
                    os.kill(asked["pid"], asked["signal"])
                continue
            pid = os.fork()
            if not pid:
                _become_a_process_of_its_own(changed, wake)
                return Order.of(asked["order"])
            children.add(pid)
            _say(began=asked["number"], pid=pid)


def _tell_of_changes(children: set[int]) -> None:
    for pid in list(children):
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if found and os.WIFSTOPPED(status):
            _say(pid=pid, stopped=True)
        elif found:
            children.discard(pid)
            _say(pid=pid, ended=os.waitstatus_to_exitcode(status))


def _say(**values: object) -> None:
    os.write(1, json.dumps(values).encode() + b"\n")


def _become_a_process_of_its_own(*pipe: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in pipe:
        os.close(each)


if __name__ == "__main__":
    main()
