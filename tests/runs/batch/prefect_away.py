"""A Prefect server that is away: one that refuses, and one that takes connections and never answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)


@contextmanager
def prefect_at(url: str) -> Iterator[None]:
    """Have Prefect asked there: nothing twice, and not for what its client asks for first."""
    quiet = {
        PREFECT_CLIENT_MAX_RETRIES: 0,
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,
    }
    with temporary_settings({PREFECT_API_URL: url, **quiet}):
        yield


@contextmanager
def prefect_away(how: str) -> Iterator[None]:
    """Have Prefect asked where nobody answers.

    Args:
        how: "refused" or "silent". The port is held all the while, so that no other process of this machine gets it.
    """
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if how == "silent":
            server.listen(128)
        with prefect_at(f"http://127.0.0.1:{server.getsockname()[1]}/api"):
            yield
