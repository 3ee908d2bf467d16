"""What the preparation of references works with: the account, the store, the network's rules, and who follows it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from prefect_seedance.asides import AsideLog
from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.settings import ClientSettings
from prefect_seedance.client.sync_client import SeedanceClient
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.policy import MediaPolicy

_log = AsideLog(__name__)

#: How soon a call under way, or whoever waits for the work of another, notices that its run was cancelled.
NOTICED_SECONDS = 0.2


class Vendor(Protocol):
    """The account at the vendor to which uploads and assets belong; see `pipeline.parties.Account`."""

    @property
    def settings(self) -> ClientSettings:
        """Key, host and time-outs."""
        ...

    @property
    def label(self) -> str:
        """Label of the account: what is uploaded and audited is remembered by it."""
        ...

    def client(self, sleep: Callable[[float], object]) -> SeedanceClient:
        """Build a client; use it as a context manager. It calls ``sleep`` with the seconds between two tries."""
        ...


@dataclass(frozen=True)
class MediaContext:
    """Where references come from, and for whom they are prepared.

    Attributes:
        vendor: Whose uploads and assets they become.
        store: Where the videos go: its credentials read ``s3://`` references, and its journal keeps the memos.
        policy: Where links may lead; loopback is allowed for a simulator on this machine.
    """

    vendor: Vendor
    store: Store
    policy: MediaPolicy


def _write_log(level: int, message: str) -> None:
    _log.log(level, "%s", message)


@dataclass(frozen=True)
class Follower:
    """Who follows a preparation, and may end it.

    Attributes:
        write: Takes the level and the message of a log line.
        cancelled: Set when the run is cancelled: every wait ends.
    """

    write: Callable[[int, str], None] = _write_log
    cancelled: threading.Event = field(default_factory=threading.Event)

    def log(self, message: str, *, level: int = logging.INFO) -> None:
        """Write a log line."""
        self.write(level, message)

    def check(self) -> None:
        """Return unless the run is cancelled.

        Raises:
            PreparationCancelled: It is.
        """
        if self.cancelled.is_set():
            raise PreparationCancelled

    def pause(self, seconds: float) -> None:
        """Wait, and not a moment longer than until the run is cancelled.

        Raises:
            PreparationCancelled: It is.
        """
        if self.cancelled.wait(seconds):
            raise PreparationCancelled

    @contextmanager
    def calling(self, vendor: Vendor) -> Generator[SeedanceClient]:
        """Build a client for the length of a ``with`` block, whose calls end when the run is cancelled.

        The client is asked by this thread alone. An answer may take a minute, and that of an upload half an hour.

        Args:
            vendor: Who is called.

        Raises:
            PreparationCancelled: The run is cancelled.
        """
        self.check()
        ended = threading.Event()
        with vendor.client(self.pause) as client:
            watch = threading.Thread(target=self._interrupt, args=(client, ended), name="media-cancel", daemon=True)
            watch.start()
            try:
                yield client
            except SeedanceError:
                self.check()  # then its connection was cut from here
                raise
            finally:
                ended.set()

    def _interrupt(self, client: SeedanceClient, ended: threading.Event) -> None:
        while not ended.is_set():
            if self.cancelled.wait(NOTICED_SECONDS):
                client.interrupt()
                ended.wait(NOTICED_SECONDS)
