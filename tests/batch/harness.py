"""A batch without Prefect: rows of a few words, the simulator as the vendor, a folder as the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from prefect_seedance.batch.engine import Engine
from prefect_seedance.batch.followers import Following
from prefect_seedance.batch.models import RowResult
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.orders import Orders, OrderSettings, WantedVideo, place_orders
from prefect_seedance.batch.rows import Row
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.journal.record import Run
from prefect_seedance.media.context import Follower
from prefect_seedance.pipeline.observer import Observer
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.run_state import RunState
from prefect_seedance.pipeline.submit.spending import Spending
from prefect_seedance.pipeline.submit.submit import Turn
from prefect_seedance.pipeline.video import Workshop
from tests.pipeline.harness import TEMPLATE


def request(prompt: str, **fields: object) -> VideoRequest:
    """A small and cheap one."""
    small = {"model": "seedance2.0-mini", "resolution": "480p", "duration": 4}
    return VideoRequest.model_validate({"prompt": prompt, **small, **fields})


def rows(*prompts: str) -> list[Row]:
    """Rows that ask for these, under the numbers that a table would give them."""
    return [Row(number, "", request(prompt)) for number, prompt in enumerate(prompts, 2)]


@dataclass
class Told:
    """A follower that keeps everything."""

    total: int = 0
    begun: list[int] = field(default_factory=list[int])
    results: list[RowResult] = field(default_factory=list[RowResult])
    words: list[str] = field(default_factory=list[str])

    def planned(self, total: int) -> None:
        self.total = total

    def started(self, number: int, label: str) -> None:
        self.begun.append(number)

    def ended(self, result: RowResult) -> None:
        self.results.append(result)

    def told(self, message: str) -> None:
        self.words.append(message)


@dataclass
class Batch:
    """One run of a batch."""

    account: Account
    destination: Destination
    options: BatchOptions = field(default_factory=BatchOptions)
    told: Told = field(default_factory=Told)
    most_inside: int = 0
    state: RunState = field(default_factory=RunState)
    turn: Turn | None = None
    spending: Spending | None = None
    waits: bool = True
    notify: tuple[str, ...] = ()

    def orders(self, rows: Sequence[Row]) -> Orders:
        settings = OrderSettings(
            scope=ALWAYS,
            key_template=TEMPLATE,
            notify=self.notify,
            posters=self.options.posters,
            part=self.options.part_of,
        )
        return place_orders(rows, self.account, self.destination, settings, Follower())

    def engine(self) -> Engine:
        run = Run(id="root", name="nightly")
        workshop = Workshop(self.account, self.destination, self.options, self.state, run, self.turn, self.spending)
        return Engine(workshop, self.options, Following(self.told), lambda video: Observer(), waits=self.waits)

    def run(self, rows: Sequence[Row]) -> dict[str, RowResult]:
        """Make them, and return the results by prompt."""
        orders = self.orders(rows)
        engine = self.engine()

        async def wrapped(video: WantedVideo, make: Callable[[], Awaitable[RowResult]]) -> object:
            self.most_inside = max(self.most_inside, engine.in_flight)
            return await make()

        asyncio.run(engine.run(orders.videos, wrapped))
        return {video.order.asked.prompt: engine.results[video.order.intent] for video in orders.videos}
