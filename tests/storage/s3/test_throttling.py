"""Throttled is undecided: asked again after a pause, never taken for an answer."""

from __future__ import annotations

import pytest

from prefect_seedance.storage.errors import StoreUnavailable
from prefect_seedance.storage.s3.probe import Conditions
from tests.storage.dishonest_s3 import Dishonest, OneWriteAtATime
from tests.storage.s3_proxy import Fault, S3Proxy
from tests.storage.s3_servers import S3Server
from tests.storage.test_store_contract import content, upload

ALL = Conditions(create=True, one_winner=True, swap=True)
THROTTLED = [(429, "TooManyRequests"), (429, ""), (503, "SlowDown"), (409, "OperationAborted")]


@pytest.mark.parametrize(("status", "code"), [row for row in THROTTLED if row[1]])
@pytest.mark.sample(every=3)
def test_a_store_that_throttles_writes_of_one_key_keeps_conditions(
    status: int, code: str, moto: S3Server, proxy: S3Proxy
) -> None:
    proxy.manner = OneWriteAtATime(0.3, status, code)
    assert moto.store(endpoint_url=proxy.url).conditions() == ALL


def test_a_racy_store_that_throttles_is_found_out_all_the_same(moto: S3Server, proxy: S3Proxy) -> None:
    throttling, racy = OneWriteAtATime(0.05), Dishonest(ignores=("create", "swap"))

    class Both:
        def __call__(self, request, forward):  # type: ignore[no-untyped-def]
            status, headers, body = throttling(request, lambda **_: (200, {}, b""))
            return (status, headers, body) if status == 429 else racy(request, forward)

    proxy.manner = Both()
    assert moto.store(endpoint_url=proxy.url).conditions().missing


@pytest.mark.parametrize(("status", "code"), THROTTLED)
@pytest.mark.sample(every=2)
def test_a_store_that_throttles_everything_is_undecided(
    status: int, code: str, moto: S3Server, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.storage.s3.line._THROTTLED_PAUSES_SECONDS", (0.01, 0.01))
    monkeypatch.setattr("prefect_seedance.storage.s3.probe._THROTTLED_PAUSES_SECONDS", (0.01, 0.01))
    store = moto.store(endpoint_url=proxy.url)
    proxy.plan(Fault(calls=("PutObject",), status=status, code=code))
    with pytest.raises(StoreUnavailable):
        store.require_conditions()
    proxy.faults.clear()
    store.require_conditions()  # and is asked anew


@pytest.mark.parametrize(("status", "code"), THROTTLED)
@pytest.mark.parametrize("call", ["PutObject", "GetObject", "HeadObject", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.sample(every=3)
def test_any_call_that_is_throttled_is_asked_again(
    call: str, status: int, code: str, moto: S3Server, proxy: S3Proxy
) -> None:
    store = moto.store(endpoint_url=proxy.url)
    proxy.plan(Fault(calls=(call,), status=status, code=code, headers={"retry-after": "0"}, times=2))
    etag = store.create("journal/a", b"1")
    store.swap("journal/a", b"2", etag=etag)
    upload(store, "v/small", b"x")
    if call in ("UploadPart", "CompleteMultipartUpload"):
        upload(store, "v/large", bytes(9_000_000))
    assert content(store, "v/small") == b"x"


def test_a_store_is_given_the_time_that_it_asks_for(moto: S3Server, proxy: S3Proxy) -> None:
    store = moto.store(endpoint_url=proxy.url)
    proxy.manner = OneWriteAtATime(1.5, retry_after="2")
    etag = store.create("journal/a", b"1")
    store.swap("journal/a", b"2", etag=etag)
    assert proxy.calls().count("PutObject") == 3, "one was throttled, once"
