"""A real Prefect server for the tests that need more than Prefect's own test harness has.

As a program it is ``prefect server start`` with one difference: garbage is collected in a thread of its own. With
SQLite, Prefect's server otherwise stands still for a minute now and then under load: a collection in its event loop
closes a cursor whose connection waits, in its thread, for the database's lock, which only the event loop could have
released. SQLite gives up after Prefect's `busy_timeout` of 60 s.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from tests.processes import finished, free_port, running, until

ROOT = Path(__file__).parents[1]
STARTING_SECONDS = 240.0


@dataclass(frozen=True)
class PrefectServer:
    """A running server.

    Attributes:
        url: Of the server and its UI.
        folder: Holds its database and its log.
    """

    url: str
    folder: Path

    @property
    def api_url(self) -> str:
        """Value for ``PREFECT_API_URL``."""
        return f"{self.url}/api"


def ask(url: str, body: Mapping[str, object] | None = None, *, method: str = "POST") -> Any:
    """Ask a server's API, for what Prefect's own client has no words for; without a body it is a GET.

    A server that is busy on SQLite answers with 503; as Prefect's client does, it is asked again.
    """
    for _ in range(60):
        answer = httpx.get(url, timeout=60) if body is None else httpx.request(method, url, json=body, timeout=60)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(1)
    return answer.raise_for_status().json() if answer.content else None


@contextmanager
def running_prefect_server(
    folder: Path, *, ui: bool = False, port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[PrefectServer]:
    """Run a server with all its services for the length of a ``with`` block.

    In this process Prefect's senders, of logs and events say, keep their connection, whatever the settings say later.
    So they are ended before, lest they go on with another server, and after, lest they try to reach this one for
    minutes.

    Args:
        folder: For its database and its log.
        ui: Whether to serve the UI.
        port: Its port, 0 for a free one. One that comes back after an outage has the same folder and port.
        environment: More of its settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "prefect.db"
    if not database.exists():
        shutil.copy(migrated_database(), database)
    port = port or free_port()
    server = PrefectServer(f"http://127.0.0.1:{port}", folder)
    settings = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
        # Where the UI, in the browser, finds the API.
        "PREFECT_SERVER_UI_API_URL": server.api_url,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        **(environment or {}),
    }
    command = ["-m", "tests.prefect_server", "--port", str(port), *([] if ui else ["--no-ui"])]
    with running(*command, log=folder / "server.log", environment=settings) as process:
        until(
            lambda: answers(f"{server.api_url}/health"), "the Prefect server", seconds=STARTING_SECONDS, alive=process
        )
        end_senders()
        try:
            yield server
        finally:
            end_senders()


def migrated_database() -> Path:
    """An empty database with all tables, made once for each Prefect: to make it is a third of a server's start."""
    cache = ROOT / ".pytest_cache"
    cache.mkdir(exist_ok=True)
    made = cache / f"prefect-{version('prefect')}.db"
    with (cache / "prefect.lock").open("w") as lock, tempfile.TemporaryDirectory(dir=cache) as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            new = Path(folder) / "prefect.db"
            settings = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{new}"}
            command = ["-m", "prefect", "server", "database", "upgrade", "-y"]
            finished(*command, environment=settings, folder=new.parent)
            new.replace(made)
    return made


def end_senders() -> None:
    """End Prefect's senders of logs and events in this process; new ones go by the settings of then."""
    from prefect.events.worker import EventsWorker

    # All of Prefect's services, of whichever class, are in one list; where a loop runs, as under a browser's driver,
    # this would give a coroutine.
    draining = threading.Thread(target=EventsWorker.drain_all, args=(30,))
    draining.start()
    draining.join()


def answers(url: str) -> bool:
    """Tell whether something is there."""
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def collect_garbage_aside() -> None:
    """Collect garbage in a thread of its own: the young often, all of it now and then."""
    gc.disable()
    threading.Thread(target=_collect_for_ever, name="garbage", daemon=True).start()


def _collect_for_ever() -> None:
    seconds = 0
    while True:
        time.sleep(1)
        seconds += 1
        gc.collect(2 if seconds % 20 == 0 else 1)
        if seconds == 40:
            gc.freeze()  # what a server has loaded stays: to look through it each time takes half a second


if __name__ == "__main__":
    collect_garbage_aside()
    from prefect.cli import app

    sys.argv[:] = ["prefect", "server", "start", *sys.argv[1:]]
    app()
