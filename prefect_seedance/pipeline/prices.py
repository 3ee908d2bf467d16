"""What videos will cost: the account's own prices, else the vendor's open catalog, read once an hour per host.

A price is for people and for budgets. It is asked for before anything is paid, and whatever the catalog does can
neither fail nor hold up a video.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from prefect_seedance.asides import words_of
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.request.prices import (
    Catalog,
    Estimate,
    OwnPrice,
    by_name,
    estimate_by_catalog,
    estimate_by_own,
    own_name,
)
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline import threads
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch

if TYPE_CHECKING:
    from prefect_seedance.client.models import CatalogEntry
    from prefect_seedance.pipeline.parties import Account

#: Longest that the price catalog is asked for: a price is for people, and must not hold up a video.
CATALOG_SECONDS = 15.0
#: How long the prices of an answer are used.
KEPT_SECONDS = 3600.0
#: A question that took longer than the first of these before it failed is not asked again for the second: it would
#: hold up each video of a batch in its turn. Any other that failed is asked again by the next who needs it.
_SLOW_SECONDS, _SPARED_SECONDS = 5.0, 60.0
#: How soon whoever waits notices that its run is cancelled.
_LOOK_SECONDS = 0.2


def today() -> str:
    """Return the day, in UTC."""
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True)
class PriceList:
    """The prices that an account goes by.

    Attributes:
        own: Of the account's own; they come first.
        catalog: Entries of the vendor's catalog.
        as_of: The day on which the catalog was read; "" if it was not.
        problem: Why the catalog could not be read, in words; "" if it was, or was not asked for.
    """

    own: tuple[OwnPrice, ...] = ()
    catalog: tuple[CatalogEntry, ...] = ()
    as_of: str = ""
    problem: str = ""

    @cached_property
    def _sorted(self) -> Catalog:
        return by_name(self.catalog)

    def price(self, request: VideoRequest, *, reference_seconds: Sequence[float] = ()) -> Estimate | None:
        """Return what a request is expected to cost, None if that is not known.

        Args:
            request: The video.
            reference_seconds: Length of each reference video, 0 where it is not known.

        Example:
            >>> from prefect_seedance.client.request.prices import read_own_prices
            >>> prices = PriceList(read_own_prices({"seedance2.0-std": 0.3}))
            >>> prices.price(VideoRequest(prompt="A boat", model="seedance2.0-std")).coins
            0.3
            >>> print(prices.price(VideoRequest(prompt="A boat", model="seedance2.0-md")))
            None
        """
        return estimate_by_own(
            request, self.own, video_seconds=reference_seconds, as_of=today()
        ) or estimate_by_catalog(request, self._sorted, video_seconds=reference_seconds, as_of=self.as_of)


def price_list(account: Account, *, cancelled: Callable[[], bool]) -> PriceList:
    """Return the prices of an account. The catalog is read once an hour per process and host. Blocking.

    Whoever needs it at the same moment waits for one answer.

    Args:
        account: Who pays.
        cancelled: Whether the run is being cancelled.

    Raises:
        PreparationCancelled: The run was cancelled while it waited.
    """
    question = _catalogs.question(account)
    while True:
        try:
            read = question.result(timeout=_LOOK_SECONDS)
            return PriceList(account.prices, read.entries, read.as_of)
        except NotDone as error:
            if question.done():  # the question itself ended in a time-out
                return PriceList(account.prices, problem=words_of(error))
            if cancelled():
                raise PreparationCancelled from None
        except SeedanceError as error:
            return PriceList(account.prices, problem=str(error))
        except Exception as error:  # whatever it is, it costs the price only
            return PriceList(account.prices, problem=words_of(error))


def price_words(price: Estimate | None, request: VideoRequest) -> str:
    """Return the price of a request in words; where it is not known, also what to do about that.

    Example:
        >>> price_words(Estimate(0.12, "your credentials", "2026-11-27"), VideoRequest(prompt="A boat"))
        '0.12 coins (your credentials; as of 2026-11-27)'
    """
    if price is None:
        return f"unknown. {how_to_set(own_name(request))}"
    return f"{price.coins:g} coins ({price.origin})"


def how_to_set(names: str) -> str:
    """Return how prices are made known.

    Example:
        >>> how_to_set("seedance2.0-mini 480p")
        'If you know it, set it in the credentials, in prices, as seedance2.0-mini 480p'
    """
    return f"If you know it, set it in the credentials, in prices, as {names}"


@dataclass(frozen=True)
class _Read:
    entries: tuple[CatalogEntry, ...]
    as_of: str


@dataclass
class _Question:
    """One question for a catalog."""

    answer: Future[_Read]
    age: Stopwatch = field(default_factory=start_stopwatch)
    took: float = 0.0

    def holds(self) -> bool:
        """Return whether its answer may still be used."""
        if not self.answer.done():
            return True
        if self.answer.exception() is None:
            return self.age() < KEPT_SECONDS
        return self.took > _SLOW_SECONDS and self.age() < self.took + _SPARED_SECONDS


class _Catalogs:
    """The catalogs that this process has asked for, by host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[tuple[int, str], _Question] = {}

    def question(self, account: Account) -> Future[_Read]:
        """Return the answer to come; it is asked for now unless an earlier one may still be used."""
        place = (os.getpid(), account.settings.base_url)  # a forked child has none of its parent's threads
        with self._lock:
            known = self._asked.get(place)
            if known is not None and known.holds():
                return known.answer
            asked = self._asked[place] = _Question(Future())
        try:
            threads.start(threads.LOOKUPS, _ask, asked, account)
        except RuntimeError as error:  # the interpreter is ending
            asked.answer.set_exception(error)
        return asked.answer


_catalogs = _Catalogs()


def _ask(question: _Question, account: Account) -> None:
    begun = start_stopwatch()
    try:
        with account.client() as client:
            entries = client.catalog(max_retries=0, timeout=CATALOG_SECONDS)
    except BaseException as error:
        question.took = begun()
        question.answer.set_exception(error)
    else:
        question.answer.set_result(_Read(entries, today()))
