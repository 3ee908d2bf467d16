"""A video from its link into S3: our relay beside boto3's own ways, on one machine and in one run.

    python -m benchmarks.relay --megabytes 200 --rounds 3
    python -m benchmarks.relay --megabytes 12 --rounds 3 --uplink 300

Each contender runs in a process of its own, in an order that turns from round to round, against one server that
gives the video and takes it over S3 without keeping it (`sink.py`). Counted are the seconds of the transfer and how
far the process grew beyond what it had after a first, small transfer. Printed are the medians, and each
one's ratio to `upload_fileobj`. The wall clock of a shared machine says as much about its neighbours: on a busy one
trust the fastest transfer and the processor time. The targets for our relay: a ratio of the seconds of at most 1,
one of the memory of at most 0.5. What our relay does beside the transfer, and the others do not: SHA-256 of the whole,
a look at the kind of file, refusal to overwrite, and a comparison of what arrived with what was sent.

With `--uplink` the server takes no more than so many kilobytes a second, over all connections together: 300 are
2.4 Mbit/s. A second table then follows the first, of the same run; without it there is the first alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from benchmarks.processes import announced, child
from benchmarks.report.figures import Figure, parser, text_table, write_figures

BASELINE = "upload_fileobj"
SMALL = 1_000_000

# What all contenders begin with.
HEAD = """
import re, sys, time
import httpx
small, link, endpoint, key = sys.argv[1:5]
"""

BOTO3 = """
import boto3
from botocore.config import Config
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a",
                      aws_secret_access_key="b", config=Config(s3={"addressing_style": "path"}))
"""

# Each defines `transfer`.
CONTENDERS = {
    "relay": """
from pydantic import SecretStr
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.relay import relay
from prefect_seedance.storage.s3.store import S3Store
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.relay.source import MediaSource
store = S3Store(S3Settings("bucket", endpoint_url=endpoint, access_key_id="a", secret_access_key=SecretStr("b")))
policy = MediaPolicy(allow_loopback=True)

def transfer(link, key):
    relay(MediaSource(lambda refresh: link, policy=policy), store, key, metadata={"task-id": "t"})
""",
    BASELINE: BOTO3
    + """
class Stream:  # the pieces as they come, joined up to what upload_fileobj asks for
    def __init__(self, response):
        self.pieces, self.rest = response.iter_raw(), bytearray()

    def read(self, size=-1):
        while size < 0 or len(self.rest) < size:
            piece = next(self.pieces, None)
            if piece is None:
                break
            self.rest += piece
        size = len(self.rest) if size < 0 else size
        data = bytes(self.rest[:size])
        del self.rest[:size]
        return data

def transfer(link, key):
    with httpx.stream("GET", link) as response:
        client.upload_fileobj(Stream(response), "bucket", key)
""",
    "put_object": BOTO3
    + """
def transfer(link, key):
    client.put_object(Bucket="bucket", Key=key, Body=httpx.get(link).content)
""",
}

# What all end with. First a small transfer: what is loaded and connected at the first use is not counted.
MEASURED = """
def memory(name):  # in MiB; VmRSS is now, VmHWM the most so far
    return int(re.search(rf"{name}:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

transfer(small, key + "-small")
before, started, worked = memory("VmRSS"), time.perf_counter(), time.process_time()
transfer(link, key)
print(time.perf_counter() - started, time.process_time() - worked, memory("VmHWM") - before)
"""


@dataclass(frozen=True)
class Transfer:
    """One transfer by one contender."""

    seconds: float
    processor_seconds: float
    mebibytes: float


def measure(name: str, port: str, size: int, round_number: int) -> Transfer:
    """Let one contender bring one video over."""
    endpoint = f"http://127.0.0.1:{port}"
    arguments = [f"{endpoint}/video/{SMALL}", f"{endpoint}/video/{size}", endpoint, f"{name}-{size}-{round_number}"]
    printed = child(["-c", HEAD + CONTENDERS[name] + MEASURED, *arguments], {"AWS_EC2_METADATA_DISABLED": "true"})
    return Transfer(*map(float, printed.split()))


def measure_all(size: int, rounds: int, uplink: int) -> dict[str, list[Transfer]]:
    """Every contender `rounds` times, interleaved; over an uplink of so many kilobytes a second, 0 for any number."""
    results: dict[str, list[Transfer]] = {name: [] for name in CONTENDERS}
    with announced("-m", "benchmarks.sink", *([str(uplink)] if uplink else [])) as port:
        names = list(CONTENDERS)
        for name in names:  # fills the disk cache
            measure(name, port, 1_000_000, rounds)
        for round_number in range(rounds):
            turn = round_number % len(names)
            for name in names[turn:] + names[:turn]:
                results[name].append(measure(name, port, size, round_number))
    return results


def median(transfers: list[Transfer]) -> Transfer:
    """The median of each measure by itself."""
    return Transfer(*(statistics.median(values) for values in zip(*map(astuple, transfers), strict=True)))


def fastest(transfers: list[Transfer]) -> float:
    """Seconds of the transfer that was disturbed least."""
    return min(each.seconds for each in transfers)


def main() -> None:
    """Read the command line, measure, print a table."""
    command = parser(__doc__)
    command.add_argument("--megabytes", type=int, default=200, help="size of the video (default 200)")
    command.add_argument("--rounds", type=int, default=3, help="transfers by each (default 3)")
    command.add_argument("--uplink", type=int, default=0, help="kilobytes per second of a second table (default: none)")
    arguments = command.parse_args()
    megabytes, figures = arguments.megabytes, list[Figure]()
    for uplink in (0, arguments.uplink) if arguments.uplink else (0,):
        if uplink:
            print(f"\nover an uplink of {uplink} KB/s")
        results = measure_all(megabytes * 1_000_000, arguments.rounds, uplink)
        show(results, megabytes)
        figures += figures_of(f"{megabytes} MB" + (f" over {uplink} KB/s" if uplink else ""), results)
    write_figures(arguments.json, figures)


def figures_of(case: str, results: dict[str, list[Transfer]]) -> Iterator[Figure]:
    """Return what is published."""
    for name, transfers in results.items():
        quantities = {
            ("time", "s"): [each.seconds for each in transfers],
            ("processor time", "s"): [each.processor_seconds for each in transfers],
            ("memory beyond a small transfer", "MiB"): [each.mebibytes for each in transfers],
        }
        for (quantity, unit), values in quantities.items():
            yield Figure(
                case=case,
                quantity=quantity,
                unit=unit,
                contender="ours" if name == "relay" else name,
                role="ours" if name == "relay" else "peer",
                values=tuple(values),
            )


def show(results: dict[str, list[Transfer]], megabytes: int) -> None:
    """Print the table of one line."""
    base, quickest = median(results[BASELINE]), fastest(results[BASELINE])
    titles = ["what", "seconds", "MB/s", "ratio", "fastest", "ratio", "cpu s", "ratio", "grew MiB", "ratio"]
    rows = list[list[str]]()
    for name, each in results.items():
        it = median(each)
        numbers = [it.seconds, megabytes / it.seconds, it.seconds / base.seconds]
        numbers += [fastest(each), fastest(each) / quickest]
        numbers += [it.processor_seconds, it.processor_seconds / base.processor_seconds]
        numbers += [it.mebibytes, it.mebibytes / base.mebibytes if base.mebibytes else 0.0]
        rows.append([name, *(f"{number:.2f}" for number in numbers)])
    print(text_table(titles, rows))
    print(f"{megabytes} MB, medians of {len(results[BASELINE])}; ratios to {BASELINE}")


if __name__ == "__main__":
    main()
