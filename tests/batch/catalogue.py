"""A catalogue in which each kind of misfortune happens, and a process that makes it: to be killed, and run again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from prefect_seedance.batch import outcomes
from prefect_seedance.batch.models import BatchReport
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.rows import Row, RowProblem
from prefect_seedance.client.settings import Timeouts
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.submit.decision import SubmissionPolicy
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit import submit
from prefect_seedance.simulator import Fault
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.store import open_s3_store
from tests.batch.harness import Batch, request
from tests.pipeline.harness import TEMPLATE, account_at

LONG = bool(os.environ.get("RUN_LONG"))
#: How many rows there are. In the short variant all misfortunes of a hundred rows happen to forty.
ROWS, SHARED_BY = (1000, 100) if LONG else (40, 40)
#: So many videos are on their way at once: fewer than there are rows, else a kill would find all of them there.
IN_FLIGHT = 64 if LONG else 16
#: Of so many rows these are invalid, moderated, failed in passing, and lost on their way back.
SHARES = {"invalid": 5, "moderated": 3, "transient": 2, "lost": 1}
_MISFORTUNES = [kind for kind, count in SHARES.items() for _ in range(count)]
#: A submission's total time: what a kill leaves on the wire is unknown soon after.
SUBMIT_SECONDS = 2.0
#: Room on either side of it: what a kill leaves claimed is free again after so much more.
MARGIN_SECONDS = SubmissionPolicy.margin_seconds if LONG else 3.0


def fate_of(number: int) -> str:
    """What happens to a row, "" for nothing: spread evenly over the catalogue."""
    place = number * 37 % SHARED_BY
    return _MISFORTUNES[place] if place < len(_MISFORTUNES) else ""


def prompt_of(number: int) -> str:
    return f"boat number {number:05d} {fate_of(number)}".strip()


def catalogue() -> list[Row]:
    return [
        Row(number, "", None, (RowProblem(number, "duration", "400 is too long", "Write 4 to 15"),))
        if fate_of(number) == "invalid"
        else Row(number, f"boat {number}", request(prompt_of(number)))
        for number in range(2, ROWS + 2)
    ]


def faults() -> list[Fault]:
    """What the vendor does to them. A passing failure strikes once."""
    planned = [Fault(fault="failed", matching="moderated", times=100_000)]
    for number in range(2, ROWS + 2):
        match fate_of(number):
            case "transient":
                message = "[SY_ERR:10] PROVIDER_TIMEOUT"
                planned.append(Fault(fault="failed", matching=prompt_of(number), message=message))
            case "lost":
                planned.append(Fault(fault="lost_answer", matching=prompt_of(number)))
            case _:
                pass
    return planned


def store_of(place: dict[str, str]) -> Store:
    if "folder" in place:
        return FolderStore(Path(place["folder"]))
    return open_s3_store(S3Settings(bucket=place["bucket"], prefix=place["prefix"], endpoint_url=place["url"]))


def made(place: dict[str, str], url: str, key: str, options: BatchOptions) -> BatchReport:
    """Make the catalogue in this process."""
    store = store_of(place)
    destination = Destination(store, Journal(store), TEMPLATE, MediaPolicy())
    account = account_at(url, key, timeout=replace(Timeouts(), total=SUBMIT_SECONDS))
    batch = Batch(account, destination, options)
    rows: Sequence[Row] = catalogue()
    orders = batch.orders(rows)
    batch.run(rows)
    return BatchReport(rows=[*map(outcomes.of_invalid, orders.invalid), *batch.told.results])


def main(place: str, url: str, key: str, report: str) -> None:
    submit.SubmissionPolicy = partial(SubmissionPolicy, margin_seconds=MARGIN_SECONDS)
    options = BatchOptions(max_in_flight=IN_FLIGHT, max_submissions=2, preflight=False, posters=False)
    found = made(json.loads(place), url, key, options)
    Path(report).write_text(found.model_dump_json())


if __name__ == "__main__":
    main(*sys.argv[1:])
