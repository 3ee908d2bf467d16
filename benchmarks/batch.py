"""What a batch costs beside its videos: processor time, time, memory and requests, beside what it costs without us.

    python -m benchmarks.batch                    # 500 videos of 20 s, at most 100 in flight
    python -m benchmarks.batch --videos 100 --only floor,pipeline
    python -m benchmarks.batch --long             # 5,000 videos of 60 s, 1,000 in flight

Every contestant runs in a fresh process of its own, makes the same number of videos of 1 MiB at the same vendor, and
stores them in the same S3; both are stand-ins in processes of their own (`benchmarks.stand_ins`), as is Prefect's
server, on SQLite.

- floor: asyncio, one `httpx.AsyncClient`, boto3 in threads, bodies streamed through a file. No Prefect, and nothing
  that would know after a crash what was paid for. It polls every 5 s.
- plain: the flow that one writes first: `.map` of a task that creates, polls every 5 s and puts what it has in memory.
- pipeline, pipeline-posters: our way of a video without Prefect, without and with posters.
- ours, ours-posters: `generate_videos`, without and with posters.

Processor time is that of the process and of all its children, from the first video to the last: what loading takes is
shown beside. Of it, `S3` is what boto3 used, in whichever thread, `children` what decodes media, `Prefect` what ours
takes more than the pipeline alone, and `rest` everything else. Memory, in MiB, is that of the process and its children,
looked at twice a second: as it is resident (`RSS`), and with what several of them share counted once (`PSS`).

`--growth` runs each with a fifth of the videos first: how its memory grows. What its machine does beside shows in the
floor's own time, so compare the ratios of one run, and those of several `--rounds`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import stand_ins
from benchmarks.processes import ROOT, SHOWN_CHARACTERS
from benchmarks.report.figures import Figure, Role, parser, text_table, write_figures

KEY = "sk_benchmark_0123456789"
MODEL, CLIP_SECONDS, VIDEO_BYTES = "seedance2.0-std", 5, 1024 * 1024
POLL_SECONDS = 5.0
BUCKET = "benchmark"
TICKS = os.sysconf("SC_CLK_TCK")
#: What the pipeline alone leaves out is told apart by these pairs.
WITHOUT_PREFECT = {"ours": "pipeline", "ours-posters": "pipeline-posters"}


@dataclass(frozen=True)
class Work:
    """What a contestant is given.

    Attributes:
        vendor: URL of the vendor.
        s3: URL of S3.
        prefix: Where in the bucket its videos go.
        videos: How many.
        in_flight: How many at most at the same time.
    """

    vendor: str
    s3: str
    prefix: str
    videos: int
    in_flight: int

    def prompt(self, number: int) -> str:
        return f"A paper boat crosses puddle {number} of {self.prefix}"


@dataclass(frozen=True)
class Costs:
    """What a contestant took, from its first video to its last.

    Attributes:
        wall: Seconds.
        cpu: Seconds of its own threads.
        children: Seconds of its children.
        s3: Seconds of its own threads within boto3.
        loading: Seconds before the first video.
        stored: How many videos it says are stored.
        rss: Largest resident set of all its processes, in bytes.
        pss: The same, with what they share counted once.
        s3_requests: Made to S3, by method.
        vendor_requests: Made to the vendor, by kind.
        prefect_busy: How often Prefect's server answered 503.
    """

    wall: float
    cpu: float
    children: float
    s3: float
    loading: float
    stored: int
    rss: int = 0
    pss: int = 0
    s3_requests: dict[str, int] = field(default_factory=dict[str, int])
    vendor_requests: dict[str, int] = field(default_factory=dict[str, int])
    prefect_busy: int = 0


# The contestants. Each returns how many videos it stored.


def s3_client(work: Work) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=work.s3,
        region_name="us-east-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark-secret",
        config=Config(max_pool_connections=32),
    )


def asked(work: Work, number: int) -> dict[str, Any]:
    return {"model": MODEL, "prompt": work.prompt(number), "duration": CLIP_SECONDS}


def floor(work: Work) -> Callable[[], int]:
    from concurrent.futures import ThreadPoolExecutor

    import httpx

    s3, threads = s3_client(work), ThreadPoolExecutor(16)

    async def make(client: httpx.AsyncClient, number: int) -> int:
        answer = await client.post("/api/open-api/v1/seedance/videos", json=asked(work, number))
        task: dict[str, Any] = answer.json()["data"]
        while task["status"] != "completed":
            await asyncio.sleep(POLL_SECONDS)
            task = (await client.get(f"/api/open-api/v1/videos/{task['task_id']}")).json()["data"]
        with tempfile.TemporaryFile() as file:
            async with client.stream("GET", task["result"]["video_url"]) as video:
                async for piece in video.aiter_raw():
                    file.write(piece)
            file.seek(0)
            key = f"{work.prefix}/{task['task_id']}.mp4"
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(threads, lambda: s3.put_object(Bucket=BUCKET, Key=key, Body=file))
        return 1

    async def run() -> int:
        limits = httpx.Limits(max_connections=work.in_flight, max_keepalive_connections=work.in_flight)
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=work.vendor, headers=headers, limits=limits, timeout=60) as client:
            return await gathered(work, lambda number: make(client, number))

    return lambda: asyncio.run(run())


def plain(work: Work) -> Callable[[], int]:
    import httpx
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    s3 = s3_client(work)

    @task
    def make(number: int) -> int:
        with httpx.Client(base_url=work.vendor, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as client:
            answer = client.post("/api/open-api/v1/seedance/videos", json=asked(work, number))
            made: dict[str, Any] = answer.json()["data"]
            while made["status"] != "completed":
                time.sleep(POLL_SECONDS)
                made = client.get(f"/api/open-api/v1/videos/{made['task_id']}").json()["data"]
            content = client.get(made["result"]["video_url"]).content
        s3.put_object(Bucket=BUCKET, Key=f"{work.prefix}/{made['task_id']}.mp4", Body=content)
        return 1

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=work.in_flight))  # type: ignore[arg-type]
    def catalogue() -> int:
        return sum(make.map(range(work.videos)).result())

    return catalogue


def our_blocks(work: Work) -> tuple[Any, Any, list[Any]]:
    from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore
    from prefect_seedance.pipeline.watch import polling, schedule

    # Towards this machine it polls faster than towards the vendor.
    polling.LOCAL_POLL_SECONDS = schedule.LOCAL_POLL_SECONDS = POLL_SECONDS
    credentials = SeedanceCredentials.model_validate({"api_key": KEY, "base_url": work.vendor})
    settings = {
        "location": f"s3://{BUCKET}/{work.prefix}",
        "endpoint_url": work.s3,
        "region": "us-east-1",
        "access_key_id": "benchmark",
        "secret_access_key": "benchmark-secret",
    }
    requests = [
        VideoRequest(prompt=work.prompt(number), model=MODEL, duration=CLIP_SECONDS) for number in range(work.videos)
    ]
    return credentials, VideoStore.model_validate(settings), requests


def pipeline(work: Work, *, posters: bool = False) -> Callable[[], int]:
    from prefect_seedance.pipeline import threads
    from prefect_seedance.pipeline.order import Order
    from prefect_seedance.pipeline.steps import deliver, place_order, submit, watch
    from prefect_seedance.pipeline.submit.run_state import RunState

    credentials, store, requests = our_blocks(work)
    account, destination, state = credentials.vendor_account(), store.destination(), RunState()

    async def make(number: int) -> int:
        order = place_order(requests[number], scope="", account="default", key_template=store.key_template)
        order = Order(order.asked, order.identity, order.delivery.model_copy(update={"posters": posters}))
        submitted = await threads.run(threads.SUBMISSIONS, submit, order, account, destination, state=state)
        completed = await watch(submitted, account, destination, limit_seconds=3600)
        stored = await threads.run(threads.RELAYS, deliver, completed, submitted, account, destination)
        return bool(stored.uri)

    return lambda: asyncio.run(gathered(work, make))


def ours(work: Work, *, posters: bool = False) -> Callable[[], int]:
    import prefect_seedance
    import prefect_seedance.flows.bodies.many_videos  # what a run loads counts as loading, as it does for the others
    import prefect_seedance.storage.s3.store

    generate = prefect_seedance.generate_videos
    credentials, store, requests = our_blocks(work)
    options = prefect_seedance.BatchOptions.model_validate({"max_in_flight": work.in_flight, "posters": posters})
    # Not as parameters: of those a run of Prefect's may have 512 kB.
    folder = tempfile.TemporaryDirectory()
    manifest = Path(folder.name) / "manifest.jsonl"
    manifest.write_text("\n".join(each.model_dump_json(exclude_defaults=True) for each in requests))

    def run() -> int:
        with folder:
            report = generate(str(manifest), credentials, store, options=options)
        return sum(row.outcome == "stored" for row in report.rows)

    return run


CONTESTANTS: dict[str, Callable[[Work], Callable[[], int]]] = {
    "floor": floor,
    "plain": plain,
    "pipeline": pipeline,
    "pipeline-posters": lambda work: pipeline(work, posters=True),
    "ours": ours,
    "ours-posters": lambda work: ours(work, posters=True),
}


async def gathered(work: Work, make: Callable[[int], Coroutine[Any, Any, int]]) -> int:
    """Make all videos, at most so many at the same time."""
    room = asyncio.Semaphore(work.in_flight)

    async def one(number: int) -> int:
        async with room:
            return await make(number)

    return sum(await asyncio.gather(*map(one, range(work.videos))))


# In the contestant's process.


class BotoClock:
    """Adds up the processor time that threads spend in boto3."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = threading.Lock()

    def start(self) -> None:
        from botocore.client import BaseClient

        call = BaseClient._make_api_call  # type: ignore[attr-defined]

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                with self._lock:
                    self.seconds += time.thread_time() - began

        BaseClient._make_api_call = timed  # type: ignore[attr-defined]


def measure_here(name: str, work: Work) -> Costs:
    """Make the videos in this process."""
    clock = BotoClock()
    clock.start()
    run = CONTESTANTS[name](work)
    loading, children, wall = time.process_time(), child_seconds(os.getpid()), time.monotonic()
    stored = run()
    return Costs(
        wall=time.monotonic() - wall,
        cpu=time.process_time() - loading,
        children=child_seconds(os.getpid()) - children,
        s3=clock.seconds,
        loading=loading,
        stored=stored,
    )


def family(pid: int) -> list[int]:
    """Return the processes that this one has started, and those have."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, listed.read_text().split()):
                found += [child, *family(child)]
        except OSError:  # it has ended meanwhile
            continue
    return found


def child_seconds(pid: int) -> float:
    """Return the processor time of the children: those that live, and those that were waited for."""
    own = os.times()
    total = own.children_user + own.children_system
    for child in family(pid):
        try:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / TICKS
    return total


# In the process that compares.


def memory_of(pid: int) -> tuple[int, int]:
    """Return the resident and the proportional set of a process and its children, in bytes."""
    rss = pss = 0
    for each in (pid, *family(pid)):
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has ended meanwhile
            continue
        sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
        rss += int(sizes.get("Rss", "0").split()[0]) * 1024
        pss += int(sizes.get("Pss", "0").split()[0]) * 1024
    return rss, pss


def measure(name: str, work: Work, home: Path, prefect: str) -> Costs:
    """Make the videos in a process of its own, and look at its memory meanwhile."""
    environment = os.environ | {"PREFECT_API_URL": prefect, "PREFECT_HOME": str(home), "PREFECT_LOGGING_LEVEL": "ERROR"}
    before = stand_ins.counts_of(work.s3), stand_ins.counts_of(work.vendor)
    errors = home / "errors"
    home.mkdir()
    with errors.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.batch", "--child", name, json.dumps(asdict(work))],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
        rss = pss = 0
        while process.poll() is None:
            now = memory_of(process.pid)
            rss, pss = max(rss, now[0]), max(pss, now[1])
            time.sleep(0.5)
    printed = process.stdout.read() if process.stdout else ""
    said = errors.read_text(errors="replace")
    if process.returncode:
        raise SystemExit(f"{name} failed:\n{said[-SHOWN_CHARACTERS:]}")
    after = stand_ins.counts_of(work.s3), stand_ins.counts_of(work.vendor)
    return replace(
        Costs(**json.loads(printed.splitlines()[-1])),
        rss=rss,
        pss=pss,
        s3_requests=dict(after[0] - before[0]),
        vendor_requests=dict(after[1] - before[1]),
        prefect_busy=said.count("503 Service Unavailable"),
    )


def s3_requests(costs: Costs) -> int:
    return sum(costs.s3_requests.get(method, 0) for method in stand_ins.METHODS)


def table(results: dict[str, Costs], videos: int) -> str:
    """Write what was measured, a row for each contestant."""
    lowest = results.get("floor")
    titles = ["what", "cpu ms", "x", "S3", "child", "Prefect", "rest", "loading s"]
    titles += ["wall s", "x", "RSS", "PSS", "S3 req", "polls", "503", "lost"]
    rows = list[list[str]]()
    for name, costs in results.items():
        whole, per_video = costs.cpu + costs.children, 1000 / videos
        alone = results.get(WITHOUT_PREFECT.get(name, ""))
        rest = costs.cpu - costs.s3
        prefect = max(0.0, rest - (alone.cpu - alone.s3)) if alone else 0.0
        ratio = f"{whole / (lowest.cpu + lowest.children):.2f}" if lowest else "-"
        slower = f"{costs.wall / lowest.wall:.2f}" if lowest else "-"
        polls = costs.vendor_requests.get("status", 0) / videos
        rows.append(
            [
                name,
                f"{whole * per_video:.1f}",
                ratio,
                f"{costs.s3 * per_video:.1f}",
                f"{costs.children * per_video:.1f}",
                f"{prefect * per_video:.1f}" if alone else "-",
                f"{(rest - prefect) * per_video:.1f}",
                f"{costs.loading:.1f}",
                f"{costs.wall:.1f}",
                slower,
                f"{costs.rss / 2**20:.0f}",
                f"{costs.pss / 2**20:.0f}",
                f"{s3_requests(costs) / videos:.1f}",
                f"{polls:.1f}",
                str(costs.prefect_busy),
                str(videos - costs.stored),
            ]
        )
    return text_table(titles, rows)


ROLES: dict[str, Role] = {"floor": "floor", "plain": "peer", "ours": "ours", "ours-posters": "ours"}
NAMED = {"plain": "the flow that one writes first"}


def figures_of(case: str, videos: int, rounds: list[dict[str, Costs]]) -> Iterator[Figure]:
    """Return what is published, of all rounds."""
    for name in rounds[0]:
        costs = [results[name] for results in rounds]
        quantities = {
            ("processor time of a video", "ms"): [1000 * (each.cpu + each.children) / videos for each in costs],
            ("time of the whole", "s"): [each.wall for each in costs],
            ("memory (PSS)", "MiB"): [each.pss / 2**20 for each in costs],
            ("requests of a video to S3", ""): [s3_requests(each) / videos for each in costs],
            ("questions about a video", ""): [each.vendor_requests.get("status", 0) / videos for each in costs],
            ("videos lost", ""): [videos - each.stored for each in costs],
        }
        for (quantity, unit), values in quantities.items():
            yield Figure(
                case=case,
                quantity=quantity,
                unit=unit,
                contender=NAMED.get(name, name),
                role=ROLES.get(name, "part"),
                values=tuple(values),
            )


def main() -> None:
    """Read the command line, measure, print tables."""
    command = parser(__doc__)
    command.add_argument("--videos", type=int, default=500, help="videos of each contestant (default 500)")
    command.add_argument("--seconds", type=float, default=20.0, help="how long a video is made (default 20)")
    command.add_argument("--in-flight", type=int, default=100, help="at the same time at most (default 100)")
    command.add_argument("--only", default="", help=f"names of contestants: {','.join(CONTESTANTS)}")
    command.add_argument("--rounds", type=int, default=1, help="measure all contestants so many times (default 1)")
    command.add_argument("--growth", action="store_true", help="each with a fifth of the videos first")
    command.add_argument("--long", action="store_true", help="5,000 videos of 60 s, 1,000 in flight, without plain")
    command.add_argument("--child", nargs=2, metavar=("NAME", "WORK"), help=argparse.SUPPRESS)
    arguments = command.parse_args()
    if arguments.child:
        name, work = arguments.child
        print(json.dumps(asdict(measure_here(name, Work(**json.loads(work))))))
        return

    videos, seconds, in_flight = arguments.videos, arguments.seconds, arguments.in_flight
    if arguments.long:
        videos, seconds, in_flight = 5000, 60.0, 1000
    names = arguments.only.split(",") if arguments.only else [name for name in CONTESTANTS if is_there(name)]
    if arguments.long and not arguments.only:
        names.remove("plain")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batch-", ignore_cleanup_errors=True)))
        vendor = stack.enter_context(stand_ins.running("vendor", str(seconds), str(VIDEO_BYTES)))
        s3 = stack.enter_context(stand_ins.running("s3"))
        prefect = ""
        if {"plain", "ours", "ours-posters"} & {*names}:
            from tests.prefect_server import running_prefect_server

            prefect = stack.enter_context(running_prefect_server(folder / "server")).api_url
        counts = (videos // 5, videos) if arguments.growth else (videos,)
        rounds: dict[int, list[dict[str, Costs]]] = {count: [] for count in counts}
        for number in range(arguments.rounds):
            for count in counts:
                results: dict[str, Costs] = {}
                for name in names:
                    work = Work(vendor, s3, uuid.uuid4().hex, count, in_flight)
                    results[name] = measure(name, work, folder / f"{name}-{count}-{number}", prefect)
                print(f"{count} videos of {seconds:g} s, at most {in_flight} in flight; cpu and its parts per video")
                print(table(results, count), flush=True)
                rounds[count].append(results)
    shape = f"videos of {seconds:g} s, {in_flight} in flight"
    figures = (figures_of(f"{count:,} {shape}", count, results) for count, results in rounds.items())
    write_figures(arguments.json, itertools.chain.from_iterable(figures))


def is_there(name: str) -> bool:
    """Return whether this version of the package has what a contestant runs."""
    import prefect_seedance

    return not name.startswith("ours") or "generate_videos" in prefect_seedance.__all__


if __name__ == "__main__":
    main()
