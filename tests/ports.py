"""Ports on which nobody listens, for as long as the tests run."""

from __future__ import annotations

import socket

_kept: list[socket.socket] = []


def refusing_port() -> int:
    """Return a port that refuses connections.

    It stays bound: one that is merely free is soon given to a server of a test beside this one.
    """
    if not _kept:
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        _kept.append(bound)
    return int(_kept[0].getsockname()[1])
