"""A Prefect server that is away: one that refuses, and one that takes connections and never answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings


@contextmanager
def prefect_at(url: str) -> Iterator[None]:
    """Have Prefect asked there, and nothing asked twice."""
    with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}):
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
