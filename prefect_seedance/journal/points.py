"""The named points: every moment at which a test may kill the process, and the promises must hold afterwards.

`Journal.at` is called with these names, in the order of the work. A write of a record is framed by ``<step>.record``,
and so is its marker where one is written or deleted.
"""

from __future__ import annotations

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
    "keyed": False,
    "resolve": True,
}

POINTS: tuple[str, ...] = (
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
    "wait",  # another run is at it
)
