"""One of several processes that spend one budget at the same time, round after round."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.pipeline.parties import Account
from prefect_seedance.pipeline.prices import price_list
from tests.batch.harness import Batch, request, rows
from tests.pipeline.harness import account_at, destination_in

#: A budget has room for so many of the videos that each round asks for.
ROOM = 10


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
