"""What a video costs Prefect's server: requests, events, processor time, rows and bytes in its database.

    python -m benchmarks.prefect_server                          # on SQLite
    python -m benchmarks.prefect_server --database postgresql    # Debian's package, in a folder of its own

Three kinds of runs, each in a process of its own, against a server of its own: a batch (`generate_videos`), whose rows
are task runs; single videos (`generate_video`), each a flow run with its tasks; and a flow with as many tasks that do
nothing, which is what Prefect alone costs. Each is run with few videos and with many. What is printed is the slope:
what a further video costs, without what a run costs once. The vendor and S3 are stand-ins.

Processor time is that of the server with all its services, and that of PostgreSQL, less what both take while nothing
runs. The server records task runs after they have ended, so it is looked at once nothing grows any more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import stand_ins
from benchmarks.batch import TICKS, VIDEO_BYTES, Work, family, our_blocks, ours
from benchmarks.processes import child
from benchmarks.report.figures import Figure, parser, text_table, write_figures

TABLES = ("flow_run", "flow_run_state", "task_run", "task_run_state", "events", "event_resources", "log", "artifact")
#: Nothing grew for so long: all is recorded.
QUIET_SECONDS, LONGEST_SECONDS, IDLE_SECONDS = 12.0, 900.0, 20.0
#: A line of the counted requests that is an answer instead.
BUSY = "busy"


# What is run, in a process of its own.


def batch(work: Work) -> Callable[[], int]:
    return ours(work)


def single(work: Work) -> Callable[[], int]:
    from prefect_seedance import generate_video
    from prefect_seedance.pipeline.watch import polling, schedule

    credentials, store, requests = our_blocks(work)
    polling.LOCAL_POLL_SECONDS = schedule.LOCAL_POLL_SECONDS = 0.25  # they are made one after the other
    return lambda: sum(bool(generate_video(request, credentials, store).uri) for request in requests)


def empty(work: Work) -> Callable[[], int]:
    from prefect import flow, task

    @task
    async def step(number: int) -> int:
        return number

    @flow
    async def steps() -> int:
        room = asyncio.Semaphore(work.in_flight)

        async def one(number: int) -> int:
            async with room:
                await step(number)
            return 1

        return sum(await asyncio.gather(*map(one, range(work.videos))))

    return lambda: asyncio.run(steps())


KINDS = {each.__name__: each for each in (empty, batch, single)}


# What the server has taken.


@dataclass(frozen=True)
class Taken:
    """What the server has taken so far.

    Attributes:
        requests: HTTP requests of the runs.
        server: Seconds of processor time of Prefect's server.
        database: Seconds of processor time of PostgreSQL; of SQLite they are the server's.
        rows: Of each table.
        size: Of the database, in bytes.
        moment: When, by the monotonic clock.
    """

    requests: int
    server: float
    database: float
    rows: dict[str, int]
    size: int
    moment: float


def seconds_of(pid: int) -> float:
    """Return the processor time of a process and all it has started."""
    total = 0
    for each in (pid, *family(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


@dataclass(frozen=True)
class Database:
    """A database of Prefect's.

    Attributes:
        url: As Prefect's setting wants it.
        looked_at: Returns the rows of each table and the size in bytes.
        pid: Of its server; 0 where there is none.
    """

    url: str
    looked_at: Callable[[], tuple[dict[str, int], int]]
    pid: int = 0


def sqlite(folder: Path) -> Database:
    """Return a database in a file."""
    file = folder / "prefect.db"

    def looked_at() -> tuple[dict[str, int], int]:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=60)) as opened:
            rows = {name: opened.execute(f"select count(*) from {name}").fetchone()[0] for name in TABLES}
            pages, free, size = (
                opened.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
            )
        return rows, (pages - free) * size

    return Database(f"sqlite+aiosqlite:///{file}", looked_at)


@contextmanager
def postgresql(folder: Path) -> Iterator[Database]:
    """Run a PostgreSQL of Debian's in a folder, reached by a socket file alone."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    folder.mkdir(parents=True)
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if user:
        subprocess.run(["chown", "-R", "postgres", str(folder)], check=True)
        for parent in folder.parents[:-2]:
            parent.chmod(0o755)
    name = "postgres" if user else os.environ["USER"]
    data = str(folder / "data")
    quiet = {"stdout": subprocess.DEVNULL, "check": True, "cwd": str(folder)}
    subprocess.run([*user, str(programs / "initdb"), "-D", data, "-A", "trust", "-U", name], **quiet)
    process = subprocess.Popen(
        [*user, str(programs / "postgres"), "-D", data, "-k", str(folder), "-c", "listen_addresses="],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    psql = [*user, str(programs / "psql"), "-h", str(folder), "-U", name, "-d", "prefect", "-Atqc"]
    try:
        for _ in range(300):
            created = [*user, str(programs / "createdb"), "-h", str(folder), "-U", name, "prefect"]
            if subprocess.run(created, cwd=folder, stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.2)

        def ask(query: str) -> int:
            return int(subprocess.run([*psql, query], cwd=folder, capture_output=True, text=True, check=True).stdout)

        def looked_at() -> tuple[dict[str, int], int]:
            rows = {name: ask(f"select count(*) from {name}") for name in TABLES}
            return rows, ask("select pg_database_size('prefect')")

        yield Database(f"postgresql+asyncpg://{name}@/prefect?host={folder}", looked_at, process.pid)
    finally:
        subprocess.run([*user, str(programs / "pg_ctl"), "-D", data, "stop", "-m", "fast"], **quiet)
        process.wait(60)


@dataclass(frozen=True)
class Server:
    """A running server of Prefect's, its database, and the counted line to it."""

    pid: int
    database: Database
    url: str
    log: Path

    def taken(self) -> Taken:
        rows, size = self.database.looked_at()
        requests = sum(line != BUSY for line in self.log.read_text().splitlines())
        database = seconds_of(self.database.pid) if self.database.pid else 0.0
        return Taken(requests, seconds_of(self.pid), database, rows, size, time.monotonic())

    def idle(self) -> Taken:
        """Return what it takes each second while nothing runs, as far as that is time."""
        before = self.taken_at_rest()
        time.sleep(IDLE_SECONDS)
        now = self.taken()
        seconds = now.moment - before.moment
        return replace(
            now, server=(now.server - before.server) / seconds, database=(now.database - before.database) / seconds
        )

    def taken_at_rest(self) -> Taken:
        """Return what it has taken once nothing grows any more."""
        quiet_since = began = time.monotonic()
        last = self.taken()
        while time.monotonic() - began < LONGEST_SECONDS:
            time.sleep(2)
            now = self.taken()
            if now.rows != last.rows or now.requests != last.requests:
                quiet_since = time.monotonic()
            last = now
            if time.monotonic() - quiet_since >= QUIET_SECONDS:
                return now
        raise SystemExit("Prefect's server did not come to rest")


@contextmanager
def running_server(kind: str, folder: Path) -> Iterator[Server]:
    """Run a server of Prefect's on an empty database."""
    import tests.conftest  # noqa: F401  # a clean environment, before anything below imports Prefect
    from tests.costs.counting_proxy import counted_line
    from tests.prefect_server import running_prefect_server

    with ExitStack() as stack:
        home = folder / "server"
        home.mkdir(parents=True)
        database = sqlite(home) if kind == "sqlite" else stack.enter_context(postgresql(folder / "postgresql"))
        setting = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database.url}
        server = stack.enter_context(running_prefect_server(home, environment=setting))
        programs = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family(os.getpid())}
        pid = next(pid for pid, program in programs.items() if b"tests.prefect_server" in program)
        line = stack.enter_context(counted_line(server.api_url, folder / "requests"))
        yield Server(pid, database, line.url, line.log)


def spent_on(kind: str, work: Work, server: Server, home: Path) -> tuple[Taken, Taken]:
    """Return what the server had taken before a run, and after it."""
    before = server.taken_at_rest()
    settings = {"PREFECT_API_URL": server.url, "PREFECT_HOME": str(home), "PREFECT_LOGGING_LEVEL": "INFO"}
    stored = int(child(["-m", "benchmarks.prefect_server", "--child", kind, json.dumps(asdict(work))], settings))
    if stored != work.videos:
        raise SystemExit(f"{kind} stored {stored} of {work.videos} videos")
    return before, server.taken_at_rest()


def slope(few: tuple[Taken, Taken], many: tuple[Taken, Taken], videos: int, idle: Taken) -> dict[str, float]:
    """Return what each further video costs, from a run with few and one with many of them."""

    def further(value: Callable[[Taken], float]) -> float:
        (a, b), (c, d) = few, many
        return ((value(d) - value(c)) - (value(b) - value(a))) / videos

    rows = Counter({name: further(lambda taken, name=name: taken.rows[name]) for name in TABLES})
    return {
        "requests": further(lambda taken: taken.requests),
        "server ms": 1000 * further(lambda taken: taken.server - idle.server * taken.moment),
        "database ms": 1000 * further(lambda taken: taken.database - idle.database * taken.moment),
        "rows": sum(rows.values()),
        "KiB": further(lambda taken: taken.size) / 1024,
        **rows,
    }


def main() -> None:
    """Read the command line, measure, print a table."""
    command = parser(__doc__)
    command.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    command.add_argument("--few", type=int, default=20, help="videos of the small run (default 20)")
    command.add_argument("--many", type=int, default=120, help="videos of the large run (default 120)")
    command.add_argument("--only", default=",".join(KINDS), help=f"kinds of runs (default {','.join(KINDS)})")
    command.add_argument("--child", nargs=2, metavar=("KIND", "WORK"), help=argparse.SUPPRESS)
    arguments = command.parse_args()
    if arguments.child:
        kind, given = arguments.child
        print(KINDS[kind](Work(**json.loads(given)))())
        return

    few, many = arguments.few, arguments.many
    results: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prefect-", ignore_cleanup_errors=True)))
        vendor = stack.enter_context(stand_ins.running("vendor", "1", str(VIDEO_BYTES)))
        s3 = stack.enter_context(stand_ins.running("s3"))
        server = stack.enter_context(running_server(arguments.database, folder))
        idle = server.idle()
        print(f"idle: server {idle.server:.1%}, PostgreSQL {idle.database:.1%} of a core", flush=True)
        for kind in arguments.only.split(","):
            taken: list[tuple[Taken, Taken]] = []
            for videos in (few, many):
                work = Work(vendor, s3, uuid.uuid4().hex, videos, 50)
                taken.append(spent_on(kind, work, server, folder / f"{kind}-{videos}"))
            results[kind] = slope(taken[0], taken[1], many - few, idle)
            print(kind, json.dumps({name: round(value, 2) for name, value in results[kind].items()}), flush=True)
    print(f"\na further video on {arguments.database}, from {few} and {many} videos")
    names: Any = [*next(iter(results.values()))]
    rows = [[name, *(f"{costs[name]:.2f}" for costs in results.values())] for name in names]
    print(text_table(["", *results], rows))
    write_figures(arguments.json, figures_of(arguments.database, results))


#: What is published, by the names of the slope.
PUBLISHED = {
    "requests": ("requests", ""),
    "events": ("events", ""),
    "rows": ("rows in its database", ""),
    "KiB": ("its database", "KiB"),
    "server ms": ("processor time of the server", "ms"),
}
NAMED = {"empty": "a task that does nothing", "batch": "a row of a batch", "single": "a single video"}


def figures_of(database: str, results: dict[str, dict[str, float]]) -> Iterator[Figure]:
    """Return what is published."""
    for kind, costs in results.items():
        for name, (quantity, unit) in PUBLISHED.items():
            yield Figure(
                case=f"on {'SQLite' if database == 'sqlite' else 'PostgreSQL'}",
                quantity=quantity,
                unit=unit,
                contender=NAMED[kind],
                role="floor" if kind == "empty" else "ours",
                values=(max(0.0, costs[name]),),
            )


if __name__ == "__main__":
    main()
