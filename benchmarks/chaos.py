"""Kill real processes at random points of a video's way, and count what it has cost. From the root of the repository:

    python -m benchmarks.chaos --rounds 500

Each round is one request in a store of its own: its process is killed at a point drawn from `tests.chaos.kills.KILLS`,
in every other round the next one is killed too, somewhere behind the payment, and then it is run until it is stored; a
person's part, for what is unknown, is played by the simulator's books. Every third round is a request with a reference
(`tests.chaos.reference_kills.at_random`): answers of the vendor break, and runs are killed at points and moments drawn
by chance, at times two at once; no upload and no audit may be repeated without its reason. Printed is a table: kill
point, rounds, bills, lost, unknown. `overpaid` and `lost` must be 0; the exit code says whether they are.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import tests.conftest  # noqa: F401  # a clean environment, before anything below imports Prefect
from benchmarks.report.figures import Figure, parser, write_figures
from tests.chaos.harness import Chaos, running_chaos
from tests.chaos.kills import KILLS, Kill, play
from tests.chaos.orders import Strike
from tests.chaos.reference_kills import at_random
from tests.chaos.report import Table
from tests.storage.dishonest_s3 import Dishonest
from tests.storage.s3_proxy import faulty_line
from tests.storage.s3_servers import S3Server, running_moto

SLOW = Dishonest(latency_seconds=0.03, stalls=0.03)

#: Where a second kill can come: the task is in the record, so that nothing can become unknown any more.
LATER_POINTS = (
    "poll.before",
    "poll.after",
    "completed.record.before",
    "completed.record.after",
    "relay.before",
    "commit.before",
    "commit.after",
    "relay.after",
    "poster.after",
    "provenance.after",
    "stored.record.before",
    "stored.record.after",
)


def play_rounds(chaos: Chaos, rounds: int, seed: int, at_once: int, references: int) -> int:
    """Play the rounds; give the number of broken promises. Every row comes up before any comes up again."""
    chance = random.Random(seed)
    drawn: list[Kill] = []
    while len(drawn) < rounds:
        drawn += chance.sample(KILLS, len(KILLS))

    def plan(number: int, kill: Kill) -> tuple[str, Callable[[], object]]:
        then = (Strike(chance.choice(LATER_POINTS)),) if number % 2 else ()
        return f"{kill.name}, then {then}", partial(play, chaos, kill, then=then)

    plans = [plan(number, kill) for number, kill in enumerate(drawn[:rounds])]
    first = seed * 1_000_000
    plans += [(f"reference, seed {each}", partial(at_random, chaos, each)) for each in range(first, first + references)]
    chance.shuffle(plans)

    def kept(plan: tuple[str, Callable[[], object]]) -> bool:
        name, played = plan
        try:
            played()
        except AssertionError:
            print(f"{name}:", file=sys.stderr)
            traceback.print_exc()
            return False
        return True

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(kept, plans)).count(False)


def show(table: Table, seconds: float) -> None:
    """Print the table."""
    print("\n".join(table.lines()))
    print(f"{len(table.outcomes)} rounds in {seconds:.0f} s")


def main() -> int:
    """Read the arguments, play, print."""
    command = parser(__doc__)
    command.add_argument("--rounds", type=int, default=500)
    command.add_argument("--references", type=int, help="so many of them have a reference; by default every third")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--at-once", type=int, default=3, help="rounds at the same time")
    command.add_argument("--s3", action="store_true", help="with the stores in a bucket of moto's server")
    command.add_argument("--slow-s3", action="store_true", help="the same, far away and stalling at times")
    arguments = command.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder,
        running_chaos(Path(folder)) as world,
        running_moto() if arguments.s3 or arguments.slow_s3 else nullcontext() as bucket,
        faulty_line(bucket.url) if bucket and arguments.slow_s3 else nullcontext() as line,
    ):
        if line:
            line.manner, bucket = SLOW, S3Server(line.url, conditions=True)
        chaos = world.on(bucket) if bucket else world
        started = time.monotonic()
        references = arguments.rounds // 3 if arguments.references is None else arguments.references
        kills = arguments.rounds - references
        broken = play_rounds(chaos, kills, arguments.seed, arguments.at_once, references)
        show(chaos.table, time.monotonic() - started)
    outcomes = chaos.table.outcomes
    overpaid = sum(outcome.overpaid for outcome in outcomes)
    counted = {
        "rounds": len(outcomes),
        "videos paid for twice": overpaid,
        "paid videos lost": sum(outcome.ending == "lost" for outcome in outcomes),
        "unknown until a person looked": sum(outcome.ending == "unknown" for outcome in outcomes),
        "promises broken": broken,
    }
    case = "processes killed at points and moments drawn by chance"
    write_figures(
        arguments.json,
        [
            Figure(case=case, quantity=quantity, contender="ours", role="ours", values=(value,))
            for quantity, value in counted.items()
        ],
    )
    return 1 if broken or overpaid else 0


if __name__ == "__main__":
    sys.exit(main())
