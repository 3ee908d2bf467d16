"""What videos will cost: the account's own prices first, and the vendor's catalog, asked once and for an hour."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from prefect_seedance.client.request.prices import read_own_prices
from prefect_seedance.journal.errors import SubmissionCancelled
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline import prices
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.prices import PriceList, price_list, price_words
from prefect_seedance.pipeline.submit.run_state import RunState
from prefect_seedance.pipeline.submit.submit import submit
from tests.pipeline.counter import BALANCE, CATALOG, CREATE, Made, envelope
from tests.pipeline.harness import REQUEST, Followed, Vendor, account_at, order_of, record_of

TODAY = {"before": datetime.now(UTC).date().isoformat()}


def listed(account: Account) -> PriceList:
    return price_list(account, cancelled=lambda: False)


def priced(account: Account, coins: float) -> Account:
    return replace(account, prices=read_own_prices({REQUEST.model_name: coins}))


def test_the_catalog_is_asked_once_by_all_who_need_it_at_a_moment_and_by_those_who_come_later(vendor: Vendor) -> None:
    ready = threading.Barrier(30)

    def ask(number: int) -> PriceList:
        ready.wait(60)
        return listed(account_at(vendor.counter.url, f"sk_{number}"))  # the catalog is the host's, whatever the key

    with ThreadPoolExecutor(30) as threads:
        found = [*threads.map(ask, range(30))]
    assert vendor.counter.asked == [CATALOG]
    assert {each.price(REQUEST) for each in [*found, listed(vendor.account)]} == {found[0].price(REQUEST)}
    assert vendor.counter.asked == [CATALOG]
    price = found[0].price(REQUEST)
    assert price is not None and TODAY["before"] <= price.as_of <= datetime.now(UTC).date().isoformat()
    assert price.as_of in price.origin and "catalog" in price.origin
    assert vendor.billed() == []


def test_it_is_asked_again_after_an_hour_and_for_each_host(vendor: Vendor) -> None:
    listed(vendor.account)
    (question,) = [each for (_, host), each in prices._catalogs._asked.items() if host == vendor.counter.url]
    question.age = lambda: prices.KEPT_SECONDS - 1
    listed(vendor.account)
    assert vendor.counter.count(CATALOG) == 1
    question.age = lambda: prices.KEPT_SECONDS
    listed(vendor.account)
    assert vendor.counter.count(CATALOG) == 2
    assert listed(account_at(vendor.simulator.url)).price(REQUEST) is not None
    assert vendor.counter.count(CATALOG) == 2


def test_a_question_that_failed_is_not_remembered(vendor: Vendor) -> None:
    vendor.counter.answer(CATALOG, lambda: Made(503, b"<html>unwell</html>"), times=1)
    first, second = listed(vendor.account), listed(vendor.account)
    assert "503" in first.problem and first.price(REQUEST) is None
    assert second.problem == "" and second.price(REQUEST) is not None


def test_a_catalog_that_hangs_holds_up_one_video_and_not_each_of_a_batch(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "CATALOG_SECONDS", 0.3)
    monkeypatch.setattr(prices, "_SLOW_SECONDS", 0.2)
    vendor.counter.hang(CATALOG)
    assert all(listed(vendor.account).problem for _ in range(20))
    assert vendor.counter.count(CATALOG) == 1
    (question,) = [each for (_, host), each in prices._catalogs._asked.items() if host == vendor.counter.url]
    question.age = lambda: question.took + prices._SPARED_SECONDS
    assert listed(vendor.account).problem
    assert vendor.counter.count(CATALOG) == 2


@pytest.mark.parametrize("fault", [TimeoutError("the proxy was slow"), RuntimeError("odd"), OSError(24, "no file")])
def test_whatever_befalls_the_question_costs_the_prices_only(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(account: Account) -> object:
        raise fault

    monkeypatch.setattr(Account, "client", fail)
    found = listed(priced(vendor.account, 0.3))
    price = found.price(REQUEST)
    assert found.problem != "" and found.catalog == () and price is not None and price.coins == 0.3


def test_who_is_cancelled_does_not_wait_for_it(vendor: Vendor) -> None:
    vendor.counter.hang(CATALOG)
    with pytest.raises(PreparationCancelled):
        price_list(vendor.account, cancelled=lambda: True)
    with pytest.raises(SubmissionCancelled):
        RunState().price(REQUEST, vendor.account, "i", lambda: True, Followed().observer)


def test_own_prices_come_first_and_need_no_catalog(vendor: Vendor, destination: Destination) -> None:
    vendor.counter.hang(CATALOG)
    account, followed = priced(vendor.account, 0.77), Followed()
    submitted = submit(order_of(), account, destination, observer=followed.observer)
    assert vendor.counter.asked == [BALANCE, CREATE]
    assert submitted["price"] == 0.77
    assert submitted["price_source"].startswith("your credentials; as of 20")
    record = record_of(destination, order_of().intent)
    assert record.attempts[0].price == 0.77


def test_own_prices_are_no_part_of_who_pays_and_of_no_identity(vendor: Vendor) -> None:
    plain, own = vendor.account, priced(vendor.account, 0.77)
    assert (plain, hash(plain), plain.fingerprint) == (own, hash(own), own.fingerprint)


def test_the_price_is_logged_before_anything_is_paid(vendor: Vendor, destination: Destination) -> None:
    followed = Followed()
    seen: list[list[str]] = []

    def refused() -> Made:
        seen.append([*followed.lines])
        return envelope(code=20002, message="bad")

    vendor.counter.answer(CREATE, refused, times=1)
    with pytest.raises(Exception, match="bad"):
        submit(order_of(), vendor.account, destination, observer=followed.observer)
    (line,) = [line for line in seen[0] if line.startswith("Expected price: ")]
    assert "coins (estimate by the vendor's public catalog; as of 20" in line
    assert vendor.billed() == []


def test_an_unknown_price_is_said_to_be_unknown_with_what_to_do(vendor: Vendor, destination: Destination) -> None:
    followed = Followed()
    vendor.counter.answer(CATALOG, lambda: envelope({"list": []}))
    submit(order_of(), vendor.account, destination, observer=followed.observer)
    (line,) = [line for line in followed.lines if line.startswith("Expected price: ")]
    assert "unknown" in line and "credentials" in line and REQUEST.model_name in line
    assert "unknown" in price_words(None, REQUEST)
