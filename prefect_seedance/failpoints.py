"""Named points: moments at which a test may kill the process. Every promise must hold afterwards.

The code calls ``reached`` at each of them; only the chaos suite listens.
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
    "provenance.after",
    "poster.after",
)

#: Every step that writes a record, and whether it may open or close it (and so touches the marker).
STEPS: dict[str, bool] = {
    "claim": True,
    "renew": False,
    "release": False,
    "outcome": True,
    "evidence": False,
    "accepted": True,
    "completed": False,
    "failed": True,
    "stored": True,
    "relay_again": True,
    "described": False,
    "resolve": True,
}

#: The journal's own points. A write of a record is framed by ``<step>.record``, and so is its marker where one is
#: written or deleted.
JOURNAL_POINTS: tuple[str, ...] = (
    *(
        f"{step}.{what}.{when}"
        for step, touches_marker in STEPS.items()
        for what in ("record", "marker")
        if what == "record" or touches_marker
        for when in ("before", "after")
    ),
    "post.before",  # claimed, and about to look at the clock and send
    "post.after",  # the answer is in memory only
    "accepted.logged",  # the task id is in the log, and not yet in the record
    "backoff",  # not accepted; the record is ready again
    "wait",  # another run is working on it
)

#: Those of what is made at the vendor for free, once for each content (`media.memos`).
MEMO_POINTS: tuple[str, ...] = (
    "memo.claim.after",  # the memo says who is making it
    "memo.make.after",  # it is made, and in memory only
    "memo.write.after",  # the memo has it
)


def _nothing(point: str) -> None:
    pass


_listener: Callable[[str], None] = _nothing


def listen(listener: Callable[[str], None]) -> None:
    """Call a function at every named point, in the thread that reaches it.

    Args:
        listener: Takes the point's name.
    """
    global _listener
    _listener = listener


def reached(point: str) -> None:
    """Report that a named point is reached."""
    _listener(point)
