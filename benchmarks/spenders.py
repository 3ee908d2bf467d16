"""Twenty submitters in four processes against a budget for ten videos, again and again. From the repository's root:

    python -m benchmarks.spenders --rounds 50

Each round is an account of its own with the budget of a day. Printed is how many rows were stored and over budget, what
the vendor has billed, and what the ledger says; the exit code says whether each round billed, stored and booked ten.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import tests.conftest  # noqa: F401  # a clean environment, before anything below imports Prefect
from benchmarks.report.figures import Figure, parser, write_figures
from prefect_seedance.simulator import running_simulator
from tests.batch.spender import ROOM, play_rounds


def main() -> int:
    """Play the rounds, and print what came of them."""
    command = parser(__doc__)
    command.add_argument("--rounds", type=int, default=50, metavar="N", help="how many (50)")
    arguments = command.parse_args()
    rounds: int = arguments.rounds
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, running_simulator(seconds=0.2) as simulator:
        played = play_rounds(Path(folder), simulator, rounds)
    outcomes = sum((each.outcomes for each in played), Counter[str]())
    bills = [each.bills for each in played]
    print(f"rounds {rounds}  " + "  ".join(f"{name} {count}" for name, count in sorted(outcomes.items())))
    print(f"bills {sum(bills)}, in each round {min(bills)} to {max(bills)}; the budget has room for {ROOM}")
    spent, left = sum(each.spent for each in played), sum(each.left for each in played)
    print(f"spent by the ledgers {spent:g}, left open {left}")
    print(f"{time.monotonic() - began:.0f} s")
    counted = {
        "rounds": rounds,
        "videos billed": sum(bills),
        "videos beyond the budget": sum(max(0, count - ROOM) for count in bills),
        "videos short of the budget": sum(max(0, ROOM - count) for count in bills),
        "bills that the ledger does not know": sum(abs(each.bills - each.spent) for each in played),
    }
    case = f"20 submitters in 4 processes, room for {ROOM}"
    write_figures(
        arguments.json,
        [
            Figure(case=case, quantity=quantity, contender="ours", role="ours", values=(value,))
            for quantity, value in counted.items()
        ],
    )
    sound = all(
        (each.bills, each.outcomes["stored"], each.spent, each.left) == (ROOM, ROOM, ROOM, 0) for each in played
    )
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
