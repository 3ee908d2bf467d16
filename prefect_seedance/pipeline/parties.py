"""The two parties of an order: the account that pays, and the store where the video ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from prefect_seedance.client.async_client import AsyncSeedanceClient
from prefect_seedance.client.http import check_environment
from prefect_seedance.client.settings import ClientSettings
from prefect_seedance.client.sync_client import SeedanceClient
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.journal import Journal
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.policy import MediaPolicy

if TYPE_CHECKING:
    from prefect_seedance.client.request.prices import OwnPrice


@dataclass(frozen=True)
class Account:
    """Who pays.

    Attributes:
        settings: Key, host and time-outs.
        label: Part of every intent; stays when the key is rotated or the host moves.
        prices: What this account pays, where it is not what the vendor's catalog says. It is no part of who pays.
        limits: What it may spend; no part of who pays either.
        budget_store: Where its ledger lies; None for the store of the run.
    """

    settings: ClientSettings
    label: str = "default"
    prices: tuple[OwnPrice, ...] = field(default=(), compare=False)
    limits: Limits = field(default=Limits(), compare=False)
    budget_store: Store | None = field(default=None, compare=False)

    @property
    def fingerprint(self) -> str:
        """Short hash of key and host: the only thing of them that may reach a log or a record."""
        return self.settings.fingerprint

    def check_environment(self) -> None:
        """Check, for free, that the environment's proxies and certificates can be used to reach the vendor.

        Raises:
            ConfigurationError: One cannot; it is named.
        """
        check_environment(uses_proxies=not self.settings.is_local)

    def client(self, sleep: Callable[[float], object] = time.sleep) -> SeedanceClient:
        """Build a client for synchronous code; use it as a context manager.

        Args:
            sleep: Called with the seconds to pause between tries.
        """
        settings = self.settings
        return SeedanceClient(
            settings.api_key,
            settings.base_url,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
            sleep=sleep,
        )

    def async_client(self) -> AsyncSeedanceClient:
        """Build a client for asynchronous code; use it as an async context manager."""
        settings = self.settings
        return AsyncSeedanceClient(
            settings.api_key, settings.base_url, timeout=settings.timeout, max_retries=settings.max_retries
        )


@dataclass(frozen=True)
class Destination:
    """Where videos go. One object per store and process.

    Attributes:
        store: Open for reading and writing.
        journal: Of that store.
        key_template: Where in the store a video goes; checked.
        media: Where video links may lead, and how large a video may be.
    """

    store: Store
    journal: Journal
    key_template: str
    media: MediaPolicy

    def ledgers_of(self, account: Account) -> Store:
        """Return where the budgets of an account are kept: in the store that it names for that, else in this one."""
        return account.budget_store or self.store

    def media_for(self, account: Account) -> MediaPolicy:
        """Return the rules for links of this account's vendor; a simulator on this machine may give loopback links."""
        return replace(self.media, allow_loopback=account.settings.is_local)
