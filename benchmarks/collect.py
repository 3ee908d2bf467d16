"""What collecting costs: processor time, requests to the vendor and to the store. From the root of the repository:

    python -m benchmarks.collect
    python -m benchmarks.collect --stores folder --stored 10,100000 --open 200

Each collection runs in a process of its own, against stand-ins (`benchmarks.stand_ins`), on a journal that others left:
so many open records whose tasks the vendor knows, beside so many stored ones that nobody has to look at.

- made: the vendor has made all of the open videos. What bringing one into the store costs, beside the empty run.
- making: the vendor is at it for longer than the run lasts, and such videos take ten minutes. What it costs to have one
  open for an hour.
- nothing: nothing is open. What a run costs that has nothing to do.

The cost must follow what is open, and not what is stored: compare the rows of one kind. The listing of what is open is
the only thing that could grow, and holds nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks import stand_ins
from benchmarks.batch import BUCKET, KEY, MODEL, VIDEO_BYTES
from benchmarks.processes import child
from benchmarks.report.figures import Figure, parser, write_figures

#: What a video takes, as the collector has learned, and how long ago the open ones were submitted.
USUAL_SECONDS, AGE_SECONDS = 600.0, 700.0


@dataclass(frozen=True)
class Work:
    """What a collection is given.

    Attributes:
        vendor: URL of the vendor.
        location: Where the store is.
        s3: URL of S3, "" for a folder.
        minutes: How long it goes on.
    """

    vendor: str
    location: str
    s3: str
    minutes: float


@dataclass(frozen=True)
class Costs:
    """What a collection took.

    Attributes:
        cpu: Seconds of processor time.
        wall: Seconds.
        mib: Largest resident set, in MiB.
        stored: Videos that it brought into the store.
        polls: Questions that it asked the vendor.
    """

    cpu: float
    wall: float
    mib: float
    stored: int
    polls: int


def parties(work: Work) -> tuple[Any, Any]:
    """Return the account and the destination."""
    from prefect_seedance import SeedanceCredentials, VideoStore

    settings: dict[str, object] = {"location": work.location}
    if work.s3:
        settings |= {"endpoint_url": work.s3, "region": "us-east-1"}
        settings |= {"access_key_id": "benchmark", "secret_access_key": "benchmark-secret"}
    credentials = SeedanceCredentials.model_validate({"api_key": KEY, "base_url": work.vendor})
    return credentials.vendor_account(), VideoStore.model_validate(settings).destination()


def collect_here(work: Work) -> Costs:
    """Collect in this process."""
    from prefect_seedance.pipeline.collect.collector import collect
    from prefect_seedance.pipeline.collect.options import CollectOptions
    from prefect_seedance.pipeline.observer import Observer
    from prefect_seedance.pipeline.watch.history import history_of

    account, destination = parties(work)
    for _ in range(20):
        history_of(destination).note(MODEL, "", 5, USUAL_SECONDS, local=True)
    options = CollectOptions(minutes=work.minutes)
    cpu, wall = time.process_time(), time.monotonic()
    report = asyncio.run(collect(account, destination, options, observer_of=lambda record: Observer()))
    return Costs(
        cpu=time.process_time() - cpu,
        wall=time.monotonic() - wall,
        mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        stored=sum(video.became == "stored" for video in report.videos),
        polls=report.polls,
    )


# The journal that others left.


class Journal:
    """Writes the records that others left, into a folder or a bucket."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def write(self, records: dict[str, bytes]) -> None:
        """Write objects by their keys, as they are."""
        if not self._work.s3:
            for key, content in records.items():
                path = Path(self._work.location) / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return
        prefix = self._work.location.removeprefix("s3:/")
        by_content: dict[bytes, list[str]] = {}
        for key, content in records.items():
            by_content.setdefault(content, []).append(f"{prefix}/{key}")
        for content, keys in by_content.items():
            filled = {"keys": keys, "content": content.decode()}
            httpx.post(f"{self._work.s3}/-/fill", json=filled, timeout=600, trust_env=False).raise_for_status()

    def fill(self, stored: int, task_ids: list[str]) -> None:
        """Write so many stored records, and an open one for each of these tasks."""
        from prefect_seedance import VideoRequest
        from prefect_seedance.journal.changes import new_record
        from prefect_seedance.journal.codec import encode
        from prefect_seedance.journal.identity import ALWAYS, identify
        from prefect_seedance.journal.record import Attempt, Delivery
        from prefect_seedance.journal.states import State

        now, begun = datetime.now(UTC), datetime.now(UTC) - timedelta(seconds=AGE_SECONDS)

        def record(prompt: str, task_id: str, **facts: Any) -> Any:
            request = VideoRequest(prompt=prompt, model=MODEL, duration=5)
            delivery = Delivery(key_template="videos/{task_id}.mp4", name=prompt, posters=False)
            known = {"host": "127.0.0.1", "outcome": "accepted", "created_at": int(begun.timestamp())}
            attempt = Attempt(number=1, nonce=uuid.uuid4().hex, started_at=begun, task_id=task_id)
            written = {
                "attempts": (attempt.model_copy(update=known),),
                "current": 1,
                "opening": 1,
                "rev": 1,
                "nonce": uuid.uuid4().hex,
                "key": f"videos/{task_id}.mp4",
            }
            asked = identify(request, scope=ALWAYS, account="default")
            return new_record(asked, now, delivery).model_copy(update={**written, **facts})

        # One of them is a real record; the others have its bytes under keys of their own.
        done = encode(record("stored", "videos_stored", state=State.STORED))
        self.write({f"journal/records/{uuid.uuid4().hex}.json": done for _ in range(stored)})
        for number, task_id in enumerate(task_ids):
            left = record(f"{self._work.location} {number}", task_id, state=State.SUBMITTED)
            marker = {f"journal/open/{left.intent}.1": left.intent.encode()}
            self.write({f"journal/records/{left.intent}.json": encode(left), **marker})


def created(vendor: str, count: int) -> list[str]:
    """Have the vendor begin so many tasks."""
    with httpx.Client(base_url=vendor, headers={"authorization": f"Bearer {KEY}"}, trust_env=False) as client:
        body = {"model": MODEL, "prompt": "A paper boat", "duration": 5}
        answers = (client.post("/api/open-api/v1/seedance/videos", json=body) for _ in range(count))
        return [answer.json()["data"]["task_id"] for answer in answers]


@contextmanager
def a_store(kind: str, folder: Path, s3: str) -> Iterator[tuple[str, str]]:
    """Return location and S3 of an empty store, which is gone afterwards."""
    name = uuid.uuid4().hex
    if kind == "s3":
        yield f"s3://{BUCKET}/{name}", s3
        return
    (folder / name).mkdir()
    try:
        yield str(folder / name), ""
    finally:
        shutil.rmtree(folder / name)


def measure(work: Work, home: Path) -> tuple[Costs, Counter[str], Counter[str]]:
    """Collect in a process of its own; return what it took, and its requests to the store and the vendor."""
    s3 = stand_ins.counts_of(work.s3) if work.s3 else Counter[str]()
    vendor = stand_ins.counts_of(work.vendor)
    printed = child(["-m", "benchmarks.collect", "--child", json.dumps(asdict(work))], {"PREFECT_HOME": str(home)})
    costs = Costs(**json.loads(printed))
    return (
        costs,
        (stand_ins.counts_of(work.s3) if work.s3 else Counter[str]()) - s3,
        stand_ins.counts_of(work.vendor) - vendor,
    )


def main() -> None:
    """Read the command line, measure, print a table."""
    command = parser(__doc__)
    command.add_argument("--stored", default="10,100000", help="stored records beside (default 10,100000)")
    command.add_argument("--open", type=int, default=200, help="open records (default 200)")
    command.add_argument("--minutes", type=float, default=2.0, help="how long videos in the making are watched")
    command.add_argument("--stores", default="folder,s3")
    command.add_argument("--child", metavar="WORK", help=argparse.SUPPRESS)
    arguments = command.parse_args()
    if arguments.child:
        print(json.dumps(asdict(collect_here(Work(**json.loads(arguments.child))))))
        return

    opened: int = arguments.open
    fewest = min(map(int, arguments.stored.split(",")))
    figures = list[Figure]()
    print(f"{opened} open records; cpu in seconds, requests to S3 in all")
    print(f"{'store':<8}{'stored':>8}{'':>10}{'cpu':>8}{'wall':>7}{'MiB':>6}{'asked':>7}{'S3':>7}   of which")
    with (
        tempfile.TemporaryDirectory(prefix="collect-", ignore_cleanup_errors=True) as name,
        stand_ins.running("s3") as s3,
        stand_ins.running("vendor", "0", str(VIDEO_BYTES)) as quick,
        stand_ins.running("vendor", "86400", str(VIDEO_BYTES)) as slow,
    ):
        folder = Path(name)
        for kind in arguments.stores.split(","):
            for stored in map(int, arguments.stored.split(",")):
                with a_store(kind, folder, s3) as (location, endpoint):
                    for what, vendor, count in (
                        ("nothing", quick, 0),
                        ("made", quick, opened),
                        ("making", slow, opened),
                    ):
                        work = Work(vendor, location, endpoint, arguments.minutes)
                        Journal(work).fill(stored if what == "nothing" else 0, created(vendor, count))
                        costs, store, asked = measure(work, folder / "home")
                        print(row(kind, stored, what, costs, store, asked, opened), flush=True)
                        figures += figures_of(kind, stored, what, costs, store, opened, stored == fewest)
    write_figures(arguments.json, figures)


def figures_of(
    kind: str, stored: int, what: str, costs: Costs, s3: Counter[str], opened: int, fewest: bool
) -> Iterator[Figure]:
    """Return what is published of one collection."""
    requests = sum(s3[method] for method in stand_ins.METHODS)
    where = "a folder" if kind == "folder" else "S3"
    quantities: dict[tuple[str, str], float] = {("memory", "MiB"): costs.mib}
    if what == "nothing":
        case = f"nothing to do, in {where}"
        quantities["processor time", "ms"] = 1000 * costs.cpu
        quantities["requests to S3", ""] = requests
    elif what == "made":
        case = f"a finished video, brought into {where}"
        quantities["processor time", "ms"] = 1000 * costs.cpu / costs.stored
        quantities["requests to S3", ""] = requests / costs.stored
    else:
        case = f"an open video, watched for an hour, in {where}"
        hours = opened * costs.wall / 3600
        quantities["processor time", "ms"] = 1000 * costs.cpu / hours
        quantities["questions to the vendor", ""] = costs.polls / hours
    for (quantity, unit), value in quantities.items():
        if quantity != "requests to S3" or kind == "s3":
            yield Figure(
                case=case,
                quantity=quantity,
                unit=unit,
                contender=f"{stored:,} stored beside",
                role="itself" if fewest else "ours",
                values=(value,),
            )


def row(kind: str, stored: int, what: str, costs: Costs, s3: Counter[str], vendor: Counter[str], opened: int) -> str:
    """Write what one collection took."""
    requests = {method: s3[method] for method in stand_ins.METHODS if s3[method]}
    line = (
        f"{kind:<8}{stored:>8}{what:>10}{costs.cpu:>8.2f}{costs.wall:>7.1f}{costs.mib:>6.0f}{costs.polls:>7}"
        f"{sum(requests.values()):>7}   "
    )
    if what == "made" and costs.stored:
        asked = sum(count for name, count in vendor.items() if name != "/-/counts")
        each = ", ".join(f"{method} {count / costs.stored:.2f}" for method, count in requests.items())
        line += (
            f"{costs.stored} stored; each: {1000 * costs.cpu / costs.stored:.0f} ms, vendor {asked / costs.stored:.2f}"
        )
        line += f", {each}" if each else ""
    elif what == "making":
        hours = opened * costs.wall / 3600
        line += f"an open task and hour: {costs.cpu / hours:.2f} s, {costs.polls / hours:.0f} questions"
    else:
        line += ", ".join(f"{method} {count}" for method, count in requests.items())
    return line


if __name__ == "__main__":
    main()
