"""Several processes that spend one budget at the same time, round after round; and each of them, as a program."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.pipeline.parties import Account
from prefect_seedance.pipeline.prices import price_list
from prefect_seedance.simulator import Simulator
from tests.batch.harness import Batch, request, rows
from tests.pipeline.harness import account_at, destination_in
from tests.processes import running

#: A budget has room for so many of the videos that each round asks for.
ROOM = 10


@dataclass(frozen=True)
class Round:
    """What came of one round.

    Attributes:
        outcomes: How many rows ended how.
        bills: How many videos the vendor has billed.
        spent: Of how many videos the ledger says that they are spent.
        left: How many entries are still open in it.
    """

    outcomes: Counter[str]
    bills: int
    spent: float
    left: int


def play_rounds(folder: Path, simulator: Simulator, rounds: int, *, processes: int = 4, each: int = 5) -> list[Round]:
    """Have so many processes, each with so many submitters, spend a budget anew in each round.

    Args:
        folder: For the store, and for what the processes write.
        simulator: The vendor.
        rounds: How many.
        processes: How many processes.
        each: How many submitters each of them has.
    """
    store, meeting = folder / "store", folder / "meeting"
    meeting.mkdir()
    logs = [folder / f"spender-{number}.txt" for number in range(processes)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                running(
                    "-m",
                    "tests.batch.spender",
                    *map(str, (store, meeting, simulator.url, simulator.key, number, processes, each, rounds)),
                    log=log,
                )
            )
            for number, log in enumerate(logs)
        ]
        for process in started:
            assert process.process.wait(120 + 30 * rounds) == 0, process.tail()
    said = [json.loads(log.read_text().splitlines()[-1]) for log in logs]
    bills = Counter(str(bill.body["prompt"]).partition(" process")[0] for bill in simulator.bills())
    account, destination, played = account_at(simulator.url), destination_in(store), list[Round]()
    for of_round in range(rounds):
        label = f"round {of_round}"
        ledger = Budget(destination.store, account=label, limits=Limits(), journal=destination.journal).standing()
        outcomes = sum((Counter(found[str(of_round)]) for found in said), Counter[str]())
        spent = round(ledger.day.spent / price_of_one(account), 6)
        played.append(Round(outcomes, bills[label], spent, len(ledger.entries)))
    return played


def price_of_one(account: Account) -> float:
    """What the vendor's catalog asks for one of the videos, which the simulator then bills."""
    found = price_list(account, cancelled=lambda: False).price(request("x"))
    assert found is not None
    return found.coins


def prompts(of_round: int, process: int, each: int) -> list[str]:
    return [f"round {of_round} process {process} boat {number}" for number in range(each)]


def meet(folder: Path, of_round: int, process: int, processes: int) -> None:
    """Wait until every process has come to this round."""
    (folder / f"round-{of_round}-{process}").touch()
    end = time.monotonic() + 120
    while len(list(folder.glob(f"round-{of_round}-*"))) < processes:
        assert time.monotonic() < end, "the other processes did not come"
        time.sleep(0.005)


def main(store: str, meeting: str, url: str, key: str, process: str, processes: str, each: str, rounds: str) -> None:
    account = account_at(url, key)
    limits = Limits(daily=ROOM * price_of_one(account))
    found: dict[int, dict[str, int]] = {}
    for of_round in range(int(rounds)):
        spender = replace(account, label=f"round {of_round}", limits=limits)
        options = BatchOptions(max_in_flight=int(each), preflight=False, posters=False)
        batch = Batch(spender, destination_in(Path(store)), options)
        meet(Path(meeting), of_round, int(process), int(processes))
        results = batch.run(rows(*prompts(of_round, int(process), int(each))))
        found[of_round] = dict(Counter(each.outcome for each in results.values()))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
