"""Racy, lying and slow stores: never more than one bill per intent, unless the vendor says that it may be sent again.

Either such a store is found out by the probe and nothing is sent, or it keeps the workers apart.
"""

from __future__ import annotations

import pytest

from prefect_seedance.journal.journal import Journal
from prefect_seedance.simulator import Simulator
from prefect_seedance.storage.errors import ConditionsIgnored
from prefect_seedance.storage.key_locks import KeyLocks
from tests.chaos.claims import WORKERS, Claims
from tests.storage.dishonest_s3 import Dishonest
from tests.storage.s3_proxy import S3Proxy, honestly
from tests.storage.s3_servers import S3Server

BOTH = ("create", "swap")
RECORDS = "/journal/records/"
FOUND_OUT = {
    "ignores": Dishonest(ignores=BOTH),
    "ignores swap": Dishonest(ignores=("swap",), latency_seconds=0.02),
    "racy swap": Dishonest(racy=("swap",)),
    "racy create": Dishonest(racy=("create",)),
    "racy, slow and stalling": Dishonest(racy=BOTH, latency_seconds=0.02, stalls=0.1),
    "agrees": Dishonest(agrees=True),
    "forgets": Dishonest(forgets=0.5),
}
#: What strikes the records alone cannot be found out by any probe. It may cost a person's time, never a second bill.
NOT_FOUND_OUT = {
    "slow and stalling": Dishonest(latency_seconds=0.02, stalls=0.1),
    "fails after it wrote": Dishonest(hides=0.3, seed=1),
    "fails after it wrote, records": Dishonest(hides=0.6, below=RECORDS, seed=2),
    "forgets records": Dishonest(forgets=0.4, below=RECORDS, seed=3),
    "forgets records, often": Dishonest(forgets=0.8, below=RECORDS, seed=4),
    "agrees to records": Dishonest(agrees=True, below=RECORDS),
}


def play(claims: Claims, line: S3Proxy, manner: Dishonest, before: str) -> None:
    """Let workers of different processes claim at once."""
    if before == "refused":
        claims.refused_before()
    line.manner = manner
    try:
        claims.play([Journal(claims.store, locks=KeyLocks()) for _ in range(WORKERS)])
    finally:
        line.manner = honestly


@pytest.mark.parametrize("before", ["nothing", "refused"])
@pytest.mark.parametrize("name", FOUND_OUT)
@pytest.mark.sample(every=5)
def test_a_store_that_is_found_out_costs_nothing(
    name: str, before: str, vendor: Simulator, moto: S3Server, line: S3Proxy
) -> None:
    claims = Claims(vendor, moto.store(endpoint_url=line.url))
    if before == "refused":
        claims.refused_before()
        claims.store = moto.store_of(claims.store.settings)  # another process, which has not probed yet
    play(claims, line, FOUND_OUT[name], "")
    assert claims.bills() == []
    assert {type(error) for error in claims.errors} == {ConditionsIgnored} and not claims.told


@pytest.mark.parametrize("before", ["nothing", "refused"])
@pytest.mark.parametrize("name", NOT_FOUND_OUT)
@pytest.mark.sample(every=5)
def test_a_store_that_is_not_found_out_costs_one_video_at_most(
    name: str, before: str, vendor: Simulator, moto: S3Server, line: S3Proxy
) -> None:
    claims = Claims(vendor, moto.store(endpoint_url=line.url))
    play(claims, line, NOT_FOUND_OUT[name], before)
    bills = claims.bills()
    assert len(bills) <= 1 and claims.told <= {*bills}, claims.results
    # And the next one, on a store that works again, buys nothing that is paid for already.
    claims.play([Journal(claims.store, locks=KeyLocks())])
    assert len(claims.bills()) <= 1 and claims.told <= {*claims.bills()}, claims.results
