"""Named points: moments at which a test may kill the process, and every promise must hold afterwards.

The code says where it is by ``reached``; nothing listens outside of the chaos suite. The journal's points are listed in
``journal.points``, the others here.
"""

from __future__ import annotations

from collections.abc import Callable

#: Points outside of the journal, in the order of the work.
POINTS = (
    "poll.before",
    "poll.after",
    "relay.before",
    "commit.before",  # every byte is in a temporary file and fsynced; or in S3's parts, if there are any
    "commit.after",  # the video has its name; no record knows of it yet
    "relay.after",
    "poster.after",
    "provenance.after",
)


def _nothing(point: str) -> None:
    pass


_listener: Callable[[str], None] = _nothing


def listen(listener: Callable[[str], None]) -> None:
    """Have a function called at every named point, in the thread that reaches it.

    Args:
        listener: Takes the point's name.
    """
    global _listener
    _listener = listener


def reached(point: str) -> None:
    """Say that a named point is reached."""
    _listener(point)
