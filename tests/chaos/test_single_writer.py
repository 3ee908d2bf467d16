"""``single_writer`` promises one process. Inside of it no condition of the store is relied on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from prefect_seedance.journal.journal import Journal
from prefect_seedance.simulator import Simulator
from prefect_seedance.storage.errors import AlreadyExists, Conflict
from tests.chaos.claims import WORKERS, Claims
from tests.storage.dishonest_s3 import Dishonest
from tests.storage.s3_proxy import S3Proxy
from tests.storage.s3_servers import S3Server

BOTH = ("create", "swap")
DEAF = {
    "at once": Dishonest(ignores=BOTH),
    "after 100 ms": Dishonest(ignores=BOTH, latency_seconds=0.1),
    "stalling": Dishonest(ignores=BOTH, latency_seconds=0.02, stalls=0.2),
    "racy": Dishonest(racy=BOTH, window_seconds=0.1),
    "fails after it wrote": Dishonest(ignores=BOTH, hides=0.1, latency_seconds=0.02),
}


@pytest.mark.parametrize("before", ["nothing", "refused"])
@pytest.mark.parametrize("name", DEAF)
@pytest.mark.sample(every=4)
def test_equal_rows_of_one_run_buy_one_video(
    name: str, before: str, vendor: Simulator, moto: S3Server, line: S3Proxy
) -> None:
    line.manner = DEAF[name]
    claims = Claims(vendor, moto.store(endpoint_url=line.url, single_writer=True))
    if before == "refused":
        claims.refused_before()
    shared = Journal(claims.store)
    claims.play([shared] * (WORKERS - 1) + [Journal(claims.store)])  # another block for the same place
    assert len(claims.bills()) == 1
    assert claims.errors == [] and claims.told == {*claims.bills()} == {*claims.record().task_ids}


def test_other_records_of_the_process_are_safe_too(moto: S3Server, line: S3Proxy) -> None:
    """Whatever is written by create and swap: budgets, reservations, memos."""
    line.manner = Dishonest(ignores=BOTH, latency_seconds=0.05)
    store = moto.store(endpoint_url=line.url, single_writer=True)

    def create(number: int) -> bool:
        try:
            store.create("journal/budget.json", b"%d" % number)
            return True
        except AlreadyExists:
            return False

    def swap(number: int) -> bool:
        try:
            store.swap("journal/budget.json", b"swapped by %d" % number, etag=there.etag)
            return True
        except Conflict:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(8))) == 1
        there = store.get("journal/budget.json")
        assert there is not None
        assert sum(threads.map(swap, range(8))) == 1
