"""A place where videos with references are made end to end: a vendor, buckets and a website, all on this machine."""

from __future__ import annotations

import hashlib
import io
import ssl
import struct
import threading
import wave
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.media.context import Follower
from prefect_seedance.media.preparation import PreparedRequest
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.order import Order, place_order
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.preparation import identify, prepare_ahead
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.simulator import Simulator
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.policy import MediaPolicy, system_resolver
from tests.pipeline.harness import RUN, TEMPLATE, account_at
from tests.storage.certificates import write_certificate
from tests.storage.clips import box
from tests.storage.media_server import MediaServer, serving
from tests.storage.s3_servers import S3Server

#: A host of the internet, as far as anybody here can tell.
WEBSITE = "pictures.example.com"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def picture(mark: str, width: int = 640, height: int = 480) -> bytes:
    """A PNG like no other."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes((width + 7) // 8)) * height)
    note = chunk(b"tEXt", b"Comment\0" + mark.encode("latin-1", "replace"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + note + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def sound(mark: str, seconds: float = 2.0) -> bytes:
    """A WAV like no other."""
    data, rate = io.BytesIO(), 8000
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sha256(mark.encode()).encode().ljust(int(seconds * rate) * 2, b"\0"))
    return data.getvalue()


def film(clip: bytes, mark: str) -> bytes:
    """A clip made into one like no other."""
    return clip + box(b"free", mark.encode())


@contextmanager
def website(folder: Path) -> Iterator[MediaServer]:
    """A public host with a certificate that is trusted here."""
    certificate = write_certificate(folder / "website.pem", WEBSITE)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    with pytest.MonkeyPatch.context() as patch, serving(b"", tls=served) as server:
        patch.setattr("prefect_seedance.tls._context", ssl.create_default_context(cafile=str(certificate)))
        yield server


def resolve(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"] if host == WEBSITE else system_resolver(host, port)


def behind_a_wall(host: str, port: int) -> Sequence[str]:
    """As `resolve`, but what is called "localhost" lies in a network that the vendor does not reach."""
    return ["10.0.0.7"] if host == "localhost" else resolve(host, port)


@dataclass
class Workshop:
    """One process that makes videos: its store object is its own.

    Attributes:
        simulator: The vendor.
        store: Where the videos go.
        resolver: Finds hosts.
        account: Who pays.
        lines: Of the log.
        cancelled: Ends what is prepared.
    """

    simulator: Simulator
    store: Store
    resolver: Callable[[str, int], Sequence[str]] = resolve
    account: Account = field(init=False)
    destination: Destination = field(init=False)
    lines: list[str] = field(default_factory=list[str])
    cancelled: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.account = account_at(self.simulator.url)
        policy = MediaPolicy(resolver=self.resolver)
        self.destination = Destination(self.store, Journal(self.store), TEMPLATE, policy)

    @property
    def follower(self) -> Follower:
        return Follower(lambda level, message: self.lines.append(message), self.cancelled)

    def order(self, request: VideoRequest) -> Order:
        """Identify a request, and place its order."""
        sources = identify(request, self.account, self.destination, self.follower)
        return place_order(
            request, scope=ALWAYS, account="default", key_template=TEMPLATE, run_name=RUN.name, sources=sources
        )

    def prepare(self, order: Order, *, preflight: bool = True, max_submissions: int = 1) -> PreparedRequest | None:
        return prepare_ahead(
            order,
            self.account,
            self.destination,
            self.follower,
            preflight=preflight,
            wait_seconds=60.0,
            max_submissions=max_submissions,
        )

    def submit(self, order: Order, *, preflight: bool = True, max_submissions: int = 1) -> SubmittedVideo:
        return submit(
            order,
            self.account,
            self.destination,
            run=RUN,
            preflight=preflight,
            max_submissions=max_submissions,
            watch_seconds=60.0,
        )

    def bought(self, request: VideoRequest, **options: Any) -> SubmittedVideo:
        """Do all that comes before the wait."""
        order = self.order(request)
        self.prepare(order, **options)
        return self.submit(order, **options)

    def task(self, task_id: str) -> VideoTask:
        """The vendor's task, once it has ended."""
        while True:
            with self.account.client() as client:
                task = client.get_video(task_id)
            if task.state != "running":
                return task
            self.simulator.elapse(60.0)  # what is read meanwhile is read in real time

    def delivered(self, submitted: SubmittedVideo) -> StoredVideo:
        return deliver(self.task(submitted["task_id"]), submitted, self.account, self.destination, run=RUN)

    def all_bought(self, requests: Sequence[VideoRequest], at_once: int = 8) -> list[SubmittedVideo]:
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(self.bought, requests))

    def all_delivered(self, submitted: Sequence[SubmittedVideo], at_once: int = 4) -> list[StoredVideo]:
        self.simulator.elapse(60.0)
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(self.delivered, submitted))


@dataclass
class Shop:
    """A bucket of somebody who has pictures."""

    server: S3Server
    name: str = field(default_factory=lambda: f"shop-{uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.server.client.create_bucket(Bucket=self.name)

    def put(self, key: str, data: bytes) -> str:
        self.server.client.put_object(Bucket=self.name, Key=key, Body=data)
        return f"s3://{self.name}/{key}"


def content_at(address: str) -> str:
    """The SHA-256 of what is served at an address."""
    url, extensions, headers = httpx.URL(address), {}, {}
    if url.host == WEBSITE:
        extensions, headers = {"sni_hostname": WEBSITE}, {"Host": WEBSITE}
        url = url.copy_with(host="127.0.0.1")
    with httpx.Client(verify=False) as client:
        answer = client.get(url, headers=headers, extensions=extensions)
    assert answer.status_code == 200, answer.status_code
    return sha256(answer.content)
