"""The state of one simulated vendor: its settings, books, faults, assets and what it has seen of requests."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, JsonValue

from prefect_seedance.simulator.assets import AssetLibrary, UploadedFiles
from prefect_seedance.simulator.clock import Clock
from prefect_seedance.simulator.faults import FaultPlan
from prefect_seedance.simulator.ledger import Ledger


@dataclass(frozen=True)
class Settings:
    """How a simulated vendor behaves.

    Attributes:
        seconds: How long a generation takes.
        key: The only API key that is let in.
        balance: Made-up JimiCoin that the account was topped up with.
        quota: The key's quota, 0 for none.
        media_bytes: Least size of a served video; smaller ones are padded with an MP4 ``free`` box.
        asset_seconds: How long an asset takes to become usable.
        upload_limit_bytes: Largest file that is taken.
    """

    seconds: float = 2.0
    key: str = "sk_simulator"
    balance: float = 1000.0
    quota: float = 0.0
    media_bytes: int = 0
    asset_seconds: float = 0.5
    upload_limit_bytes: int = 100 * 1024 * 1024


class MediaRequest(BaseModel):
    """One request that reached the media route. ``authorization`` tells whether it brought that header."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    method: str
    range: str
    if_range: str
    status: int
    authorization: bool


class RequestCounts(BaseModel):
    """How many requests arrived.

    Attributes:
        create_received: Every POST to the create route, accepted or not.
        polls: Queries per task id, unknown ids included.
        media: Media requests per task id.
    """

    model_config = ConfigDict(frozen=True)

    create_received: int
    polls: dict[str, int]
    media: dict[str, int]


class RequestLog:
    """Counts of what arrived. Holds no header's value. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Start counting from nothing."""
        with self._lock:
            self._creates = 0
            self._polls: Counter[str] = Counter()
            self._media: list[MediaRequest] = []

    def create(self) -> None:
        """Count a POST to the create route."""
        with self._lock:
            self._creates += 1

    def poll(self, task_id: str) -> None:
        """Count a query."""
        with self._lock:
            self._polls[task_id] += 1

    def media(self, request: MediaRequest) -> None:
        """Note a media request."""
        with self._lock:
            self._media.append(request)

    def counts(self) -> RequestCounts:
        """Return the counts."""
        with self._lock:
            media = Counter(request.task_id for request in self._media)
            return RequestCounts(create_received=self._creates, polls=dict(self._polls), media=dict(media))

    def media_requests(self) -> list[MediaRequest]:
        """List the media requests, oldest first."""
        with self._lock:
            return list(self._media)


@dataclass
class Simulation:
    """One simulated vendor. ``stopping`` is set when its server ends, so that no hang outlives it."""

    settings: Settings = field(default_factory=Settings)
    faults: FaultPlan = field(default_factory=FaultPlan)
    log: RequestLog = field(default_factory=RequestLog)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Open the books."""
        self.clock = Clock()
        self.ledger = Ledger(self.settings.seconds, self.settings.balance, self.settings.quota, self.clock)
        self.assets = AssetLibrary(self.settings.asset_seconds, self.clock)
        self.files = UploadedFiles()

    def reset(self) -> None:
        """Start anew: no tasks, bills, faults, assets, files or counts, and the full balance."""
        for part in (self.faults, self.log, self.ledger, self.assets, self.files):
            part.clear()


def media_log(log: RequestLog) -> dict[str, JsonValue]:
    """Word the media log: whether a key ever arrived at the media host, and every request."""
    requests = log.media_requests()
    return {
        "authorization_seen": any(request.authorization for request in requests),
        "requests": [request.model_dump(mode="json") for request in requests],
    }
