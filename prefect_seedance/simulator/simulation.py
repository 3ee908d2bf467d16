"""The state of one simulated vendor: its settings, books, faults, assets and what it has seen of requests."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, JsonValue

from prefect_seedance.simulator.assets.addresses import is_read
from prefect_seedance.simulator.assets.library import AssetLibrary, AssetLife, Library, SubmittedAsset, Words
from prefect_seedance.simulator.assets.uploads import UploadedFiles
from prefect_seedance.simulator.clock import Clock
from prefect_seedance.simulator.faults import FaultPlan
from prefect_seedance.simulator.ledger import Ledger

#: Addresses on this machine that are read at the same time.
READ_AT_ONCE = 16
#: What becomes of a create with an asset that cannot be used: the real vendor was seen to bill it.
UnusableAssets = Literal["billed", "refused"]


@dataclass(frozen=True)
class Settings:
    """How a simulated vendor behaves.

    Attributes:
        seconds: How long a generation takes.
        key: The API key that is let in.
        other_keys: Keys of other accounts. Each has assets of its own; they share the balance and the bills.
        balance: Made-up JimiCoin that the account was topped up with.
        quota: The key's quota, 0 for none.
        media_bytes: Least size of a served video; smaller ones are padded with an MP4 ``free`` box.
        asset_seconds: How long an asset takes to become usable.
        asset_life_seconds: How long an asset is usable then, before it expires, 0 for always.
        expired_assets_return: Whether an expired asset comes back, after as long again, once it is asked for.
        asset_words: What the states are called: as on the pages of the seed's time, or as on newer ones and upstream.
        unusable_assets: Whether a create with an asset that is invented, foreign, of the wrong library or not usable
            is billed and fails at its end with a media error (the vendor was seen to bill it), or is refused.
        upload_limit_bytes: Largest file that is taken.
        upload_life_seconds: How long the link to an uploaded file lives, by the simulator's clock.
        signed_uploads: Whether that link carries a signature.
    """

    seconds: float = 2.0
    key: str = "sk_simulator"
    balance: float = 1000.0
    quota: float = 0.0
    media_bytes: int = 0
    asset_seconds: float = 0.5
    upload_limit_bytes: int = 100 * 1024 * 1024
    other_keys: tuple[str, ...] = ()
    asset_life_seconds: float = 0.0
    expired_assets_return: bool = True
    asset_words: Words = "page"
    unusable_assets: UnusableAssets = "billed"
    upload_life_seconds: float = 3 * 24 * 3600.0
    signed_uploads: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all accounts; an account is told by its place among them."""
        return (self.key, *self.other_keys)


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
        uploads: Files that were kept, per SHA-256 of their bytes.
        audits: Assets that were made for Manxue, per address as it was handed in.
        sp_uploads: Assets that were made in the SP library, per address.
        real_persons: Assets that were made on the real-person list, per address.
        statuses: Questions for an asset's status or details, per asset id, unknown ids included.
        asset_requests: Every request to an asset route or the upload, answered or not, per route: ``upload``,
            ``audit``, ``status``, ``sp_upload``, ``sp_detail``, ``sp_status``, ``person_submit``, ``person_status``,
            ``person_batch``.
    """

    model_config = ConfigDict(frozen=True)

    create_received: int
    polls: dict[str, int]
    media: dict[str, int]
    uploads: dict[str, int]
    audits: dict[str, int]
    sp_uploads: dict[str, int]
    real_persons: dict[str, int]
    statuses: dict[str, int]
    asset_requests: dict[str, int]


class UploadRecord(BaseModel):
    """One file that was uploaded.

    Attributes:
        name: Last part of its link's path.
        filename: As the client named it.
        content: SHA-256 of its bytes.
        size: In bytes.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    filename: str
    content: str
    size: int


class AssetRecord(BaseModel):
    """One asset that was handed in, as it is now.

    Attributes:
        asset_id: The id; another one for every submission.
        account: Place of its account's key among all keys, 0 for the first.
        library: ``manxue``, ``sp`` or ``realperson``.
        asset_type: ``image``, ``video``, ``audio`` or ``text``.
        url: The address that was handed in.
        content: SHA-256 of the uploaded file that the address leads to, "" for an address elsewhere.
        status: Its status in its library's words.
    """

    model_config = ConfigDict(frozen=True)

    asset_id: str
    account: int
    library: Library
    asset_type: str
    url: str
    content: str
    status: str


class RequestLog:
    """Counts of what arrived. Holds no header's value. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Start counting from nothing."""
        with self._lock:
            self._creates = 0
            self._bodies: list[dict[str, JsonValue]] = []
            self._uploads: Counter[str] = Counter()
            self._submitted: dict[Library, Counter[str]] = {
                "manxue": Counter(),
                "sp": Counter(),
                "realperson": Counter(),
            }
            self._statuses: Counter[str] = Counter()
            self._asset_requests: Counter[str] = Counter()
            self._polls: Counter[str] = Counter()
            self._media: list[MediaRequest] = []

    def create(self) -> None:
        """Count a POST to the create route."""
        with self._lock:
            self._creates += 1

    def body(self, body: Mapping[str, JsonValue]) -> None:
        """Note the body of a create."""
        with self._lock:
            self._bodies.append(dict(body))

    def bodies(self) -> list[dict[str, JsonValue]]:
        """List the bodies of the creates, oldest first."""
        with self._lock:
            return list(self._bodies)

    def asset_request(self, route: str) -> None:
        """Count a request to one of the asset routes, or an upload."""
        with self._lock:
            self._asset_requests[route] += 1

    def uploaded(self, content: str) -> None:
        """Count a file that was kept."""
        with self._lock:
            self._uploads[content] += 1

    def submitted(self, library: Library, url: str) -> None:
        """Count an asset that was made."""
        with self._lock:
            self._submitted[library][url] += 1

    def status(self, asset_id: str) -> None:
        """Count a question for an asset."""
        with self._lock:
            self._statuses[asset_id] += 1

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
            return RequestCounts(
                create_received=self._creates,
                polls=dict(self._polls),
                media=dict(media),
                uploads=dict(self._uploads),
                audits=dict(self._submitted["manxue"]),
                sp_uploads=dict(self._submitted["sp"]),
                real_persons=dict(self._submitted["realperson"]),
                statuses=dict(self._statuses),
                asset_requests=dict(self._asset_requests),
            )

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
        settings, self.clock = self.settings, Clock()
        life = AssetLife(settings.asset_seconds, settings.asset_life_seconds, settings.expired_assets_return)
        self.ledger = Ledger(settings.seconds, settings.balance, settings.quota, self.clock)
        self.assets = AssetLibrary(life, settings.asset_words, self.clock)
        self.files = UploadedFiles(settings.upload_life_seconds, settings.signed_uploads, self.clock)
        self.reading = asyncio.Semaphore(READ_AT_ONCE)
        self._background: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Start anew: no tasks, bills, faults, assets, files or counts, and the full balance."""
        for part in (self.faults, self.log, self.ledger, self.assets, self.files):
            part.clear()

    def in_background(self, work: Coroutine[None, None, None]) -> None:
        """Let something go on after the answer; the server's end ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def look_at_asset(self, account: int, asset_id: str) -> SubmittedAsset | None:
        """Return an asset of an account, after a planned fault has changed its life; None if it has none of that id."""
        asset = self.assets.find(account, asset_id)
        if asset is None:
            return None
        fault = self.faults.take("asset", f"{asset.url}\n{asset.asset_id}")
        if fault is not None:
            self.assets.change(asset, fault)
        return self.assets.find(account, asset_id)

    def uploaded(self) -> list[UploadRecord]:
        """List the files that were uploaded, oldest first."""
        return [
            UploadRecord(name=kept.path.name, filename=kept.filename, content=kept.content, size=kept.size)
            for kept in self.files.all()
        ]

    def submitted(self) -> list[AssetRecord]:
        """List the assets that were handed in, oldest first."""
        contents = {f"/files/{upload.name}": upload.content for upload in self.uploaded()}
        return [
            AssetRecord(
                asset_id=asset.asset_id,
                account=asset.account,
                library=asset.library,
                asset_type=asset.asset_type,
                url=asset.url,
                content=contents.get(urlsplit(asset.url).path, "") if is_read(asset.url) else "",
                status=self.assets.status(asset),
            )
            for asset in self.assets.all()
        ]


def media_log(log: RequestLog) -> dict[str, JsonValue]:
    """Word the media log: whether a key ever arrived at the media host, and every request."""
    requests = log.media_requests()
    return {
        "authorization_seen": any(request.authorization for request in requests),
        "requests": [request.model_dump(mode="json") for request in requests],
    }
