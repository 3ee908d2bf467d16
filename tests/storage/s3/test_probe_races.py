"""The probe against stores that keep a condition when one writer asks at a time, and break it when eight do."""

from __future__ import annotations

import pytest

from prefect_seedance.storage.errors import ConditionsIgnored
from prefect_seedance.storage.s3.probe import Conditions
from tests.storage.dishonest_s3 import Dishonest
from tests.storage.s3_proxy import S3Proxy
from tests.storage.s3_servers import S3Server

BOTH = ("create", "swap")
REFUSED = {
    "racy swap": Dishonest(racy=("swap",)),
    "racy swap, hardly any time between": Dishonest(racy=("swap",), window_seconds=0.001),
    "racy swap, far away": Dishonest(racy=("swap",), latency_seconds=0.2),
    "racy swap, stalling": Dishonest(racy=("swap",), latency_seconds=0.02, stalls=0.2),
    "racy create": Dishonest(racy=("create",)),
    "racy create, far away": Dishonest(racy=("create",), latency_seconds=0.2),
    "racy both": Dishonest(racy=BOTH),
    "ignores swap": Dishonest(ignores=("swap",)),
    "ignores create": Dishonest(ignores=("create",)),
    "ignores both, far away": Dishonest(ignores=BOTH, latency_seconds=0.1),
    "says yes and does nothing where a condition forbids it": Dishonest(agrees=True),
    "forgets what it said it wrote": Dishonest(forgets=0.5),
    "never writes": Dishonest(forgets=1.0),
}
ACCEPTED = {
    "far away": Dishonest(latency_seconds=0.1),
    "stalling": Dishonest(latency_seconds=0.02, stalls=0.2),
    "fails after it wrote": Dishonest(hides=0.2),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.sample(every=2)
def test_a_store_that_does_not_keep_writers_apart_is_refused(name: str, moto: S3Server, proxy: S3Proxy) -> None:
    proxy.manner = REFUSED[name]
    store = moto.store(endpoint_url=proxy.url)
    with pytest.raises(ConditionsIgnored):
        store.require_conditions()


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_store_that_is_only_slow_or_faulty_is_accepted(name: str, moto: S3Server, proxy: S3Proxy) -> None:
    proxy.manner = ACCEPTED[name]
    store = moto.store(endpoint_url=proxy.url)
    store.require_conditions()
    assert store.conditions() == Conditions(create=True, one_winner=True, swap=True)


def test_all_writers_of_a_round_are_there_before_the_first_is_answered(moto: S3Server, proxy: S3Proxy) -> None:
    """Else a store that looks first and writes later would never be seen to do so."""
    open_now, most = 0, 0

    class Counting:
        def __call__(self, request, forward):  # type: ignore[no-untyped-def]
            nonlocal open_now, most
            if request.method == "PUT":
                with proxy.lock:
                    open_now += 1
                    most = max(most, open_now)
                answer = Dishonest(latency_seconds=0.1)(request, forward)
                with proxy.lock:
                    open_now -= 1
                return answer
            return forward()

    proxy.manner = Counting()
    moto.store(endpoint_url=proxy.url).require_conditions()
    assert most == 8
