"""What all submissions of one run share in one process: the unknown storm, the balance, the way to a price."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar, cast

from prefect_seedance.client.errors import RateLimited, SeedanceError
from prefect_seedance.client.request.prices import Estimate, own_name
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.errors import OverBudget, SubmissionCancelled
from prefect_seedance.journal.submit.storm import UnknownStorm
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.observer import Observer
from prefect_seedance.pipeline.prices import PriceList, price_list
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch

if TYPE_CHECKING:
    from prefect_seedance.pipeline.parties import Account
    from prefect_seedance.storage.protocol import Store

T = TypeVar("T")

#: How soon a waiting submission notices that its run is cancelled.
_LOOK_SECONDS = 0.2
#: How long a budget without room is not asked again. Not for ever: its period ends, and people settle what it holds.
_NO_ROOM_SECONDS = 60.0
#: Below the address of a store: the ledgers that it keeps.
_LEDGERS = "journal/budget"


@dataclass(frozen=True)
class _NoRoom:
    """A budget had no room.

    Attributes:
        error: What it said.
        price: What the video was expected to cost that it had no room for.
        age: Since it was asked.
    """

    error: OverBudget
    price: float | None
    age: Stopwatch

    def is_about(self, price: float | None) -> bool:
        """Return whether a video of this price cannot fit either; of an unknown price only where videos count."""
        if self.age() > _NO_ROOM_SECONDS:
            return False
        if self.error.budget == "daily_videos":
            return True
        return price is not None and self.price is not None and price >= self.price


class RunState:
    """Shared by the submissions of one run in one process. Safe to share between threads.

    Each question to the vendor is asked by one submission, and all others wait for that answer. One that fails is asked
    again by whoever needs it next.

    Attributes:
        storm: Stops the run after several unknown outcomes in a row.
        told: Intents of the videos whose references were warned about already.
        stopped: Why nothing more is submitted, "" while it is. What is submitted already is still taken up.
        short: Why no video that costs `short_from` coins or more is submitted, "" while they are.
        short_from: The least expected price of the videos that there was too little money for.
    """

    def __init__(self) -> None:
        self.storm = UnknownStorm()
        self.told: set[str] = set()
        self.stopped = self.short = ""
        self.short_from = math.inf
        self._lock = threading.Lock()
        self._answers: dict[str, Future[object]] = {}
        self._no_room: dict[tuple[str, str, str, str, float], _NoRoom] = {}

    def of_a_batch(self) -> Self:
        """Return the state of one batch of the run: it shares all but what ends the submitting of that batch.

        A rule that stops one batch says nothing about the others of its parent run, nor about a retry in this process.
        """
        own = copy.copy(self)
        own.stopped, own.short, own.short_from, own._no_room = "", "", math.inf, {}
        return own

    def why_not(self, price: float | None) -> str:
        """Return why a video of this price is not submitted, "" if it may be.

        Once there was too little money for a video, only cheaper ones are tried: a refusal costs nothing, and each one
        lowers the bar, so there are no more refusals than there are prices. One of unknown price may be as dear.

        Args:
            price: What the video is expected to cost; None if that is not known.
        """
        return self.stopped or (self.short if price is None or price >= self.short_from else "")

    def had_no_room(
        self, error: OverBudget, request: VideoRequest, account: Account, ledgers: Store, price: float | None
    ) -> None:
        """Remember that a budget had no room for a request, for all that cost as much."""
        key = (ledgers.uri_of(_LEDGERS), account.label, own_name(request), error.budget, error.limit)
        self._no_room[key] = _NoRoom(error, price, start_stopwatch())

    def no_room(
        self, request: VideoRequest, account: Account, ledgers: Store, intent: str, cancelled: Callable[[], bool]
    ) -> OverBudget | None:
        """Return why a request does not fit into a budget that had no room a moment ago; None if it may fit.

        It asks neither the budget nor for the request's references, whose length only makes it dearer.

        Args:
            request: The video.
            account: Who pays.
            ledgers: Where its budgets are kept: each place has a count of its own.
            intent: Of the video.
            cancelled: Whether the run is being cancelled.

        Raises:
            SubmissionCancelled: The run was cancelled while it waited for a price.
        """
        name = own_name(request)
        for (where, label, billing, budget, limit), full in [*self._no_room.items()]:
            # What is learned of costs is learned by billing name; videos are counted whatever they are billed as.
            if (where, label) != (ledgers.uri_of(_LEDGERS), account.label) or (
                billing != name and budget != "daily_videos"
            ):
                continue
            price = self.price(request, account, intent, cancelled, Observer())
            if full.is_about(price.coins if price else None):
                told = full.error
                return OverBudget(intent, budget, limit, told.spent, told.held, told.price, told.ends_at)
        return None

    def balance(self, account: Account, intent: str, cancelled: Callable[[], bool]) -> float | None:
        """Return the coins that are available, None if the vendor does not say.

        Asked once per run and key: it is free, and finds a wrong key or host before anything is sent.

        Raises:
            SeedanceError: Key, host or network do not work. Nothing was sent.
            SubmissionCancelled: The run was cancelled while it waited.
        """
        name = f"balance {account.fingerprint}"
        return self._once(name, lambda: _available(account), intent, cancelled)

    def price(
        self,
        request: VideoRequest,
        account: Account,
        intent: str,
        cancelled: Callable[[], bool],
        observer: Observer,
        *,
        reference_seconds: Sequence[float] = (),
    ) -> Estimate | None:
        """Return what a request is expected to cost, None if that cannot be known.

        Args:
            request: The video.
            account: Who pays.
            intent: Of the video.
            cancelled: Whether the run is being cancelled.
            observer: Follows it.
            reference_seconds: Length of each reference video, 0 where it is not known.

        Raises:
            SubmissionCancelled: The run was cancelled while it waited.
        """
        own = PriceList(account.prices).price(request, reference_seconds=reference_seconds)
        if own is not None:
            return own
        try:
            prices = price_list(account, cancelled=cancelled)
        except PreparationCancelled:
            raise SubmissionCancelled(intent) from None
        if prices.problem:
            observer.log(f"The vendor's price catalog could not be read: {prices.problem}")
        return prices.price(request, reference_seconds=reference_seconds)

    def _once(self, name: str, ask: Callable[[], T], intent: str, cancelled: Callable[[], bool]) -> T:
        with self._lock:
            future = self._answers.get(name)
            if future is None or (future.done() and future.exception() is not None):
                future = self._answers[name] = cast("Future[object]", threads.start(threads.LOOKUPS, ask))
        while True:
            try:
                return cast("T", future.result(timeout=_LOOK_SECONDS))
            except NotDone:
                if future.done():  # the question itself ended in a time-out
                    raise
                if cancelled():
                    raise SubmissionCancelled(intent) from None


def _available(account: Account) -> float | None:
    try:
        with account.client() as client:
            return client.user_balance().available
    except RateLimited:
        return None  # the key and the host work
    except SeedanceError as error:
        error.add_note(
            "This was the free check before the first submission. RunOptions(preflight=False) leaves it out (on the "
            "command line: --no-preflight)."
        )
        raise
