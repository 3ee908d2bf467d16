"""What becomes of the rows of a batch, of the records of a collection, and of what a person should look at."""

from __future__ import annotations

from typing import get_args

from docs.generate.docstrings import generated, table
from prefect_seedance import errors
from prefect_seedance.batch.models import WORST_FIRST, Outcome, RowStanding
from prefect_seedance.batch.outcomes import verdict_of, verdict_of_class
from prefect_seedance.client.failures import FailureClass
from prefect_seedance.pipeline.collect.models import Collected, OrphanKind
from prefect_seedance.plain_text import Money

#: What each outcome means, and what was paid: None where there is no error that says so.
ROWS: dict[Outcome, tuple[str, str]] = {
    "unknown": ("Nobody knows whether the vendor accepted it. A person settles it.", Money.PERHAPS.title),
    "failed": (
        "The vendor failed it, now or before; or it is paid for and not stored yet, and the next run takes it up.",
        f"{Money.KEPT.title}, or {Money.NO_VIDEO.title.lower()}: the reason says which",
    ),
    "moderated": ("The vendor's moderation turned it down.", Money.NO_VIDEO.title),
    "refused": ("The vendor turned it down before it became a task.", Money.NOTHING.title),
    "invalid": ("A cell, the request or a reference cannot be used as it is.", Money.NOTHING.title),
    "over_budget": ("It does not fit into a budget.", Money.NOTHING.title),
    "not_started": (
        "Nothing was sent: a stop rule, a cancelled run, or a store or network that was away.",
        Money.NOTHING.title,
    ),
    "submitted": ("The vendor has its task, and a collector stores its video.", Money.KEPT.title),
    "stored": ("Its video was bought by this run and is in the store.", "Paid"),
    "reused": ("Its video was paid for before and is in the store.", "Nothing paid now"),
}
STANDINGS: dict[RowStanding, str] = {
    "new": "It will be submitted and paid for.",
    "going_on": "It is paid for, and the vendor is making it.",
    "stored": "It is in the store.",
    "failed": "It failed before, and nothing allows another payment.",
    "unknown": "An earlier submission has to be settled first.",
    "invalid": "It cannot be made as it is.",
    "refused": "One of its references could not be read just now: plan it again.",
    "duplicate": "It asks for the very same video as an earlier row, which is made once.",
    "other_part": "It belongs to another part.",
}
COLLECTED: dict[Collected, str] = {
    "stored": "Its video is in the store now.",
    "failed": "The vendor ended its task without a video, or its link is dead for good.",
    "unknown": "Its submission was under way when its process ended. A person settles it.",
    "closed": "Nothing had been sent for it, and nobody came back for it.",
    "open": "The vendor is still at it, or the time of the collection was up. The next one takes it up.",
    "watched": "A run waits for it.",
    "young": "It is younger than `older_than`.",
    "other_account": "It belongs to another account than that of the credentials.",
    "other_host": "It was submitted to another host than that of the credentials.",
    "trouble": "It could not be taken on; the reason says why, and the next collection tries again.",
}
ORPHANS: dict[OrphanKind, str] = {
    "late": "It has been open for longer than such videos take.",
    "unknown": "Perhaps it was accepted, and perhaps it is paid for. A person settles it.",
    "not_stored": "It is made and paid for, and not in the store.",
    "link_dying": "Its link dies within a day: store it before.",
}

_INTRODUCTION = """The words by which reports, tables and `--json` say what became of a video. Each row of a report has
its reason and its advice beside the word.

"""


def page() -> str:
    """Return the page."""
    rows = [(f"`{each}`", *ROWS[each], _errors_of(each)) for each in WORST_FIRST]
    tables = (
        (
            "Rows",
            "Of a batch, worst first. More about them is in [batches](../how-to/batches.md#outcomes).",
            table(("`outcome`", "It means", "Money", "Errors that end in it"), rows),
        ),
        ("Planned rows", "Of a plan, which pays nothing.", _of(STANDINGS, get_args(RowStanding), "standing")),
        ("Collected", "Of an open record that a collection met.", _of(COLLECTED, get_args(Collected), "became")),
        ("Orphans", "What a person should look at.", _of(ORPHANS, get_args(OrphanKind), "kind")),
    )
    return generated("Outcomes") + _INTRODUCTION + "\n".join(f"## {a}\n\n{b}\n\n{c}" for a, b, c in tables)


def _of(meanings: dict[str, str], values: tuple[str, ...], field: str) -> str:
    return table((f"`{field}`", "It means"), [(f"`{each}`", meanings[each]) for each in values])


def outcomes_of(name: str) -> tuple[Outcome, ...]:
    """Return what a row becomes by an error of this name; nothing for one that no row ends in."""
    kind = getattr(errors, name)
    if issubclass(kind, errors.StorageError) and kind is not errors.StorageError:
        return ()  # after the payment it arrives as another error, which is in the table
    if issubclass(kind, errors.VideoFailed):
        found = [verdict_of(errors.VideoFailed("videos_1", "", failure)) for failure in get_args(FailureClass)]
    elif issubclass(kind, errors.FailedBefore):
        found = [verdict_of(errors.FailedBefore("0" * 32, "videos_1", each, "")) for each in get_args(FailureClass)]
    else:
        found = [verdict for verdict in [verdict_of_class(kind)] if verdict is not None]
    return tuple(sorted({verdict.outcome for verdict in found}, key=WORST_FIRST.index))


def _errors_of(outcome: Outcome) -> str:
    """Name the errors by which a row comes to this: not those that only have others below them."""
    kinds = {name: getattr(errors, name) for name in errors.__all__}
    leaves = [name for name, kind in kinds.items() if not any(kind in each.__bases__ for each in kinds.values())]
    found = [name for name in [*leaves, "StorageError"] if outcome in outcomes_of(name)]
    return ", ".join(f"[`{name}`](errors.md#{name.lower()})" for name in sorted(found))
