"""What references are prepared with in the tests."""

from __future__ import annotations

from prefect_seedance.client.settings import ClientSettings
from prefect_seedance.media.context import MediaContext
from prefect_seedance.pipeline.parties import Account
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.policy import MediaPolicy


def context_of(store: Store) -> MediaContext:
    return MediaContext(Account(ClientSettings("sk_paper-boat-1914")), store, MediaPolicy(allow_loopback=True))
