"""A process that submits rows, and is killed once so many of them are in the journal."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from prefect_seedance import failpoints
from prefect_seedance.batch.options import BatchOptions
from tests.batch.harness import Batch, rows
from tests.pipeline.harness import account_at, destination_in


def main(url: str, folder: str, accepted: int, *prompts: str) -> None:
    left = iter(range(accepted - 1, -1, -1))

    def listener(point: str) -> None:
        if point == "accepted.record.after" and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.listen(listener)
    Batch(account_at(url), destination_in(Path(folder)), BatchOptions(max_in_flight=1), waits=False).run(rows(*prompts))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
