"""What one more video costs its process, beside what it costs without us. From the root of the repository:

    python -m benchmarks.one --videos 12

Three contenders, each in a process of its own, make the same clips at the same vendor and store them in the same S3:

- floor: asyncio, one `httpx.AsyncClient` and boto3 in a thread: create, poll, take, put. No Prefect, and nothing that
  would know after a crash what was paid for. Its clip passes through memory in one piece.
- empty: a Prefect flow with five async tasks that do nothing.
- ours: `generate_video`, as a script calls it.

Counted is processor time, of all threads of that process; vendor, S3 and Prefect's server are processes of their own.
The first video is a warm-up; printed are the medians of the others, the fastest, and how many requests each made to S3
and to Prefect's API. The target for ours: at most 0.15 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import announced, child
from benchmarks.report.figures import Figure, Role, parser, text_table, write_figures

KEY = "sk_simulator"
TARGET_SECONDS = 0.15
MODEL, SECONDS = "seedance2.0-std", 5

SIMULATOR = """
from prefect_seedance.simulator import run_simulator
run_simulator(port=0, seconds=0.4, ready=lambda url: print(url, flush=True))
"""


@dataclass(frozen=True)
class Servers:
    """What all contenders use.

    Attributes:
        vendor: Base URL of the simulator.
        s3: URL of the counted line to S3.
        s3_log: Its log, a line per request.
        prefect: URL of the counted line to Prefect's API.
        prefect_log: Its log.
    """

    vendor: str
    s3: str
    s3_log: str
    prefect: str
    prefect_log: str

    def bucket(self) -> dict[str, str]:
        """Where videos go, and the keys, by the names of the store's fields."""
        from tests.storage.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY

        return {
            "location": f"s3://{BUCKET}/{uuid.uuid4().hex}",
            "endpoint_url": self.s3,
            "region": "us-east-1",
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
        }

    def requests(self) -> tuple[int, int]:
        """Count the requests to S3 and to Prefect's API so far."""
        s3, prefect = (Path(log).read_text().count("\n") for log in (self.s3_log, self.prefect_log))
        return s3, prefect


@dataclass(frozen=True)
class Costs:
    """What the videos of one contender cost, without the first."""

    processor_seconds: list[float]
    s3_requests: float
    prefect_requests: float


def floor(servers: Servers) -> Callable[[], None]:
    import boto3
    import httpx

    bucket = servers.bucket()
    name, _, prefix = bucket["location"].removeprefix("s3://").partition("/")
    s3 = boto3.client(
        "s3",
        endpoint_url=bucket["endpoint_url"],
        region_name=bucket["region"],
        aws_access_key_id=bucket["access_key_id"],
        aws_secret_access_key=bucket["secret_access_key"],
    )
    loop = asyncio.new_event_loop()
    client = httpx.AsyncClient(base_url=servers.vendor, headers={"authorization": f"Bearer {KEY}"})

    async def make() -> None:
        asked = {"model": MODEL, "prompt": f"A paper boat {uuid.uuid4()}", "duration": SECONDS}
        answer = await client.post("/api/open-api/v1/seedance/videos", json=asked)
        task: dict[str, Any] = answer.json()["data"]
        while task["status"] != "completed":
            await asyncio.sleep(0.2)
            task = (await client.get(f"/api/open-api/v1/videos/{task['task_id']}")).json()["data"]
        async with client.stream("GET", task["result"]["video_url"]) as video:
            content = b"".join([piece async for piece in video.aiter_raw()])
        key = f"{prefix}/{task['task_id']}.mp4"
        await asyncio.to_thread(s3.put_object, Bucket=name, Key=key, Body=content, IfNoneMatch="*")

    return lambda: loop.run_until_complete(make())


def empty(servers: Servers) -> Callable[[], None]:
    from prefect import flow, task

    @task
    async def step(number: int) -> int:
        return number

    @flow
    async def five_steps() -> None:
        for number in range(5):
            await step(number)

    return lambda: asyncio.run(five_steps())


def ours(servers: Servers) -> Callable[[], None]:
    from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video

    credentials = SeedanceCredentials.model_validate({"api_key": KEY, "base_url": servers.vendor})
    store = VideoStore.model_validate(servers.bucket())

    def make() -> None:
        prompt = f"A paper boat {uuid.uuid4()}"
        generate_video(VideoRequest(prompt=prompt, model=MODEL, duration=SECONDS), credentials, store)

    return make


CONTENDERS = {each.__name__: each for each in (floor, empty, ours)}


def measure_here(name: str, servers: Servers, videos: int) -> Costs:
    """Make the videos in this process."""
    make = CONTENDERS[name](servers)
    make()
    before, seconds = servers.requests(), list[float]()
    for _ in range(videos):
        started = time.process_time()
        make()
        seconds.append(time.process_time() - started)
    s3, prefect = (now - then for now, then in zip(servers.requests(), before, strict=True))
    return Costs(seconds, s3 / videos, prefect / videos)


def measure(name: str, servers: Servers, videos: int, home: Path) -> Costs:
    """Make the videos in a process of its own."""
    environment = {"PREFECT_API_URL": servers.prefect, "PREFECT_HOME": str(home / name)}
    printed = child(
        ["-m", "benchmarks.one", "--child", name, json.dumps(asdict(servers)), "--videos", str(videos)],
        environment | {"PREFECT_LOGGING_LEVEL": "WARNING"},
    )
    return Costs(**json.loads(printed))


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    import tests.conftest  # noqa: F401  # a clean environment, before anything below imports Prefect
    from tests.costs.counting_proxy import counted_line
    from tests.prefect_server import running_prefect_server
    from tests.storage.s3_servers import running_moto

    with ExitStack() as stack:
        vendor, bucket = stack.enter_context(announced("-c", SIMULATOR)), stack.enter_context(running_moto())
        server = stack.enter_context(running_prefect_server(folder / "server"))
        s3 = stack.enter_context(counted_line(bucket.url, folder / "s3.log"))
        prefect = stack.enter_context(counted_line(server.api_url, folder / "prefect.log"))
        yield Servers(vendor, s3.url, str(s3.log), prefect.url, str(prefect.log))


ROLES: dict[str, tuple[str, Role]] = {
    "floor": ("floor", "floor"),
    "empty": ("empty flow", "floor"),
    "ours": ("ours", "ours"),
}


def figures_of(results: dict[str, Costs]) -> Iterator[Figure]:
    """Return what is published."""
    for name, costs in results.items():
        contender, role = ROLES[name]
        measured = {
            ("processor time", "s"): costs.processor_seconds,
            ("requests to S3", ""): [costs.s3_requests],
            ("requests to Prefect's API", ""): [costs.prefect_requests],
        }
        for (quantity, unit), values in measured.items():
            yield Figure(quantity=quantity, unit=unit, contender=contender, role=role, values=tuple(values))


def main() -> None:
    """Read the command line, measure, print a table."""
    command = parser(__doc__)
    command.add_argument("--videos", type=int, default=12, help="counted videos of each (default 12)")
    command.add_argument("--child", nargs=2, metavar=("NAME", "SERVERS"), help=argparse.SUPPRESS)
    arguments = command.parse_args()
    videos: int = arguments.videos
    if arguments.child:
        name, servers = arguments.child
        print(json.dumps(asdict(measure_here(name, Servers(**json.loads(servers)), videos))))
        return

    with (
        tempfile.TemporaryDirectory(prefix="one-", ignore_cleanup_errors=True) as folder,
        running_servers(Path(folder)) as servers,
    ):
        results = {name: measure(name, servers, videos, Path(folder)) for name in CONTENDERS}
    write_figures(arguments.json, figures_of(results))
    rows = [
        [
            name,
            f"{statistics.median(costs.processor_seconds):.3f}",
            f"{min(costs.processor_seconds):.3f}",
            f"{costs.s3_requests:.1f}",
            f"{costs.prefect_requests:.1f}",
        ]
        for name, costs in results.items()
    ]
    print("a further video of one process")
    print(text_table(["what", "cpu s", "fastest", "S3", "Prefect"], rows))
    print(f"medians of {videos}; S3 and Prefect are requests per video; the target for ours is {TARGET_SECONDS} s")


if __name__ == "__main__":
    main()
