"""A video from its link into S3: our relay beside boto3's own ways, on one machine and in one run.

    python benchmarks/relay.py --megabytes 200 --rounds 3
    python benchmarks/relay.py --megabytes 12 --rounds 3 --uplink 300

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

import argparse
import os
import statistics
import subprocess
import sys
from dataclasses import astuple, dataclass
from pathlib import Path

HERE = Path(__file__).parent
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
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "AWS_EC2_METADATA_DISABLED": "true"}
    output = subprocess.run(
        [sys.executable, "-c", HEAD + CONTENDERS[name] + MEASURED, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Transfer(*map(float, output.stdout.split()))


def measure_all(size: int, rounds: int, uplink: int) -> dict[str, list[Transfer]]:
    """Every contender `rounds` times, interleaved; over an uplink of so many kilobytes a second, 0 for any number."""
    results: dict[str, list[Transfer]] = {name: [] for name in CONTENDERS}
    server = subprocess.Popen(
        [sys.executable, str(HERE / "sink.py"), *([str(uplink)] if uplink else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        names = list(CONTENDERS)
        for name in names:  # fills the disk cache
            measure(name, port, 1_000_000, rounds)
        for round_number in range(rounds):
            turn = round_number % len(names)
            for name in names[turn:] + names[:turn]:
                results[name].append(measure(name, port, size, round_number))
    finally:
        server.kill()
        server.communicate()
    return results


def median(transfers: list[Transfer]) -> Transfer:
    """The median of each measure by itself."""
    return Transfer(*(statistics.median(values) for values in zip(*map(astuple, transfers), strict=True)))


def fastest(transfers: list[Transfer]) -> float:
    """Seconds of the transfer that was disturbed least."""
    return min(each.seconds for each in transfers)


def main() -> None:
    """Read the command line, measure, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=200, help="size of the video (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="transfers by each (default 3)")
    parser.add_argument("--uplink", type=int, default=0, help="kilobytes per second of a second table (default: none)")
    arguments = parser.parse_args()
    for uplink in (0, arguments.uplink) if arguments.uplink else (0,):
        if uplink:
            print(f"\nover an uplink of {uplink} KB/s")
        show(measure_all(arguments.megabytes * 1_000_000, arguments.rounds, uplink), arguments.megabytes)


def show(results: dict[str, list[Transfer]], megabytes: int) -> None:
    """Print the table of one line."""
    print(
        f"{'what':<16}{'seconds':>9}{'MB/s':>7}{'ratio':>7}{'fastest':>9}{'ratio':>7}{'cpu s':>7}{'ratio':>7}"
        f"{'grew MiB':>10}{'ratio':>7}"
    )
    base, quickest = median(results[BASELINE]), fastest(results[BASELINE])
    for name, each in results.items():
        it = median(each)
        print(
            f"{name:<16}{it.seconds:>9.2f}{megabytes / it.seconds:>7.1f}{it.seconds / base.seconds:>7.2f}"
            f"{fastest(each):>9.2f}{fastest(each) / quickest:>7.2f}"
            f"{it.processor_seconds:>7.2f}{it.processor_seconds / base.processor_seconds:>7.2f}"
            f"{it.mebibytes:>10.1f}{it.mebibytes / base.mebibytes:>7.2f}"
        )
    print(f"{megabytes} MB, medians of {len(results[BASELINE])}; ratios to {BASELINE}")


if __name__ == "__main__":
    main()
