"""The kill points, as a table, and how one is played: killed, run again, and settled by a person where need be.

Rows without a fault or a past are a first run against a vendor that is well. `unknown` is what the record must read
afterwards where no client could know: from the write of the claim until the write of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from prefect_seedance.journal.states import State
from prefect_seedance.simulator import Fault
from tests.chaos.harness import Case, Chaos
from tests.chaos.orders import Strike
from tests.chaos.processes import Child
from tests.chaos.report import Outcome

#: What there was before the run that is killed: a stored video that was deleted; a task whose record was deleted; an
#: unknown submission; another run that is submitting just now.
Past = Literal["nothing", "deleted video", "deleted record", "unknown", "rival"]


@dataclass(frozen=True)
class Kill:
    """One row.

    Attributes:
        point: Where the process kills itself; or, in words, when the parent kills it, as soon as the faults struck.
        note: What tells rows of one point apart.
        time: At which arrival at the point.
        faults: What the vendor does.
        unknown: Whether the record reads unknown afterwards.
        past: What there was before.
        strikes: What the process does to itself before.
        order: Fields of the order of the process that is killed.
        allowed: How many bills the policy allows.
    """

    point: str
    note: str = ""
    time: int = 1
    faults: tuple[Fault, ...] = ()
    unknown: bool = False
    past: Past = "nothing"
    strikes: tuple[Strike, ...] = ()
    order: Mapping[str, Any] = field(default_factory=dict[str, Any])
    allowed: int = 1

    @property
    def name(self) -> str:
        """The row's name."""
        return f"{self.point}, {self.note}" if self.note else self.point

    @property
    def by_hand(self) -> bool:
        """Whether the parent kills."""
        return " " in self.point

    @property
    def max_submissions(self) -> int:
        """What every run of it asks for."""
        return self.allowed


def _rows(points: str, note: str = "", **fields: Any) -> list[Kill]:
    return [Kill(point, note, **fields) for point in points.split()]


_RATE_LIMITED = {"note": "rate limited", "faults": (Fault(fault="rate_limited_code"),)}
_REFUSED = {"note": "refused", "faults": (Fault(fault="error_before", status=404),)}
_LOST_ANSWER = {"note": "answer lost", "faults": (Fault(fault="lost_answer"),), "unknown": True}
_THREE_POLLS = (Fault(fault="unknown_status", times=3),)
_FAILED = {"faults": (Fault(fault="failed", message="PROVIDER_TIMEOUT"),), "allowed": 2}
_CANCELLED = {"strikes": (Strike("backoff", "interrupt"),), **_RATE_LIMITED, "note": "cancelled in a back-off"}
_LATE_POSTER = {"note": "the poster is late", "strikes": (Strike("poster.after", "linger"),)}
_ATTACHED = {"past": "unknown", "order": {"resolution": "attach"}}
_ABANDONED = {"past": "unknown", "order": {"resolution": "abandon"}}

KILLS: tuple[Kill, ...] = (
    # Up to the POST, and in it.
    *_rows("claim.marker.before claim.marker.after claim.record.before"),
    *_rows("claim.record.after post.before", unknown=True),
    Kill("in the POST, before it was accepted", faults=(Fault(fault="hang_before"),), unknown=True),
    Kill("in the POST, after it was accepted", faults=(Fault(fault="hang"),), unknown=True),
    Kill("in the POST, the answer on its way", faults=(Fault(fault="slow_answer", seconds=30),), unknown=True),
    *_rows("post.after accepted.logged accepted.record.before", unknown=True),
    *_rows("accepted.record.after"),
    # Not accepted, or who knows.
    *_rows("outcome.record.before", **_RATE_LIMITED, unknown=True),
    *_rows("outcome.record.after backoff", **_RATE_LIMITED),
    Kill("backoff", "busy", faults=(Fault(fault="busy"),)),
    *_rows("release.record.before release.record.after", **_CANCELLED),
    *_rows("outcome.marker.before outcome.marker.after", **_REFUSED),
    *_rows("outcome.record.before outcome.record.after evidence.record.before evidence.record.after", **_LOST_ANSWER),
    Kill("wait", past="rival"),
    # While the vendor makes it.
    *_rows("poll.before poll.after"),
    *_rows("poll.before poll.after", "the 2nd", time=2, faults=_THREE_POLLS),
    *_rows("poll.before poll.after", "the 3rd", time=3, faults=_THREE_POLLS),
    *_rows("completed.record.before completed.record.after"),
    *_rows("failed.record.before failed.record.after failed.marker.before failed.marker.after", **_FAILED),
    # On its way into the store.
    *_rows("relay.before"),
    Kill("in the download, slowly", faults=(Fault(fault="slow_media", seconds=30),)),
    Kill("in the download, stalled", faults=(Fault(fault="stalled_media", seconds=30),)),
    *_rows("commit.before commit.after relay.after provenance.after"),
    *_rows("stored.record.before stored.record.after stored.marker.before stored.marker.after"),
    *_rows("poster.after"),
    *_rows("described.record.before described.record.after", **_LATE_POSTER),
    # Afterwards.
    *_rows("relay_again.marker.before relay_again.marker.after", past="deleted video"),
    *_rows("relay_again.record.before relay_again.record.after", past="deleted video"),
    *_rows("accepted.marker.before accepted.marker.after", past="deleted record"),
    *_rows("accepted.record.before accepted.record.after", "adopted", past="deleted record"),
    *_rows("resolve.record.before resolve.record.after", **_ATTACHED),
    *_rows("resolve.marker.before resolve.marker.after", **_ABANDONED),
)


def play(chaos: Chaos, kill: Kill, then: tuple[Strike, ...] = ()) -> Outcome:
    """Play a row, and add what became of it to the table.

    Args:
        chaos: Where.
        kill: The row.
        then: What the next run does to itself, behind the payment, before one runs undisturbed.

    Raises:
        AssertionError: A promise was broken.
    """
    case = chaos.case(kill.name, *kill.faults)
    try:
        outcome = _played(case, kill, then)
    except AssertionError:
        chaos.table.add(Outcome(kill.name, "lost", len(case.bills()), kill.allowed))
        raise
    chaos.table.add(outcome)
    return outcome


def _played(case: Case, kill: Kill, then: tuple[Strike, ...]) -> Outcome:
    rival = _PASTS[kill.past](case)
    _killed(case, kill)
    assert len(case.bills()) <= kill.allowed, case.bills()
    if rival is not None:
        rival.wake()
        case.assert_stored(rival.ended().report)
    if "resolution" in kill.order and case.record().state in (State.UNKNOWN, State.LOST):
        case.settle()  # the person whose click came to nothing clicks again
    return finish(case, kill, then)


def finish(case: Case, kill: Kill, then: tuple[Strike, ...] = (), *, aged: bool = True) -> Outcome:
    """Run the same request again until it is stored; a person settles it in between if it is unknown.

    Args:
        case: The case.
        kill: Its row.
        then: What the next run does to itself, behind the payment, before one runs undisturbed.
        aged: Whether to let leases run out by hand.
    """
    known = not kill.unknown
    if then:
        case.age()
        case.begin(strikes=then, max_submissions=kill.max_submissions).ended()
    if aged:
        case.age()
    report = case.run(max_submissions=kill.max_submissions)
    settled = report.error == "SubmissionUnknown"
    assert settled is not known, f"{'unknown' if settled else 'known'}, against expectation: {report}"
    if settled:
        case.assert_unknown(report)
        case.settle()
        report = case.run(max_submissions=kill.max_submissions)
    case.assert_stored(report)
    assert 1 <= len(case.bills()) <= kill.allowed, case.bills()
    return Outcome(kill.name, "unknown" if settled else "stored", len(case.bills()), kill.allowed, settled)


def _killed(case: Case, kill: Kill) -> Child:
    strikes = kill.strikes if kill.by_hand else (*kill.strikes, Strike(kill.point, time=kill.time))
    order: dict[str, Any] = {"strikes": strikes, "max_submissions": kill.max_submissions, **kill.order}
    if "resolution" in order:
        order |= {"resolve": case.intent, "task_id": case.bills()[0]}
    child = case.begin(**order)
    if kill.by_hand:
        case.await_the_faults(child)
        child.kill()
    child.ended()
    assert child.was_killed, f"{kill.point} was not reached.\n{child.story()}"
    return child


def _nothing(case: Case) -> None:
    pass


def _deleted_video(case: Case) -> None:
    case.assert_stored(case.run())
    stored = case.record().record.stored
    assert stored is not None
    case.files.delete(stored.key)


def _deleted_record(case: Case) -> None:
    assert case.begin(strikes=(Strike("poll.before"),)).ended().was_killed
    for key in (case.record_key, *case.files.list_keys("journal/open/")):
        case.files.delete(key)


def _unknown(case: Case) -> None:
    case.plan(Fault(fault="lost_answer"))
    case.assert_unknown(case.run())


def _rival(case: Case) -> Child:
    return case.begin(strikes=(Strike("post.before", "freeze"),)).frozen()


_PASTS: dict[Past, Callable[[Case], Child | None]] = {
    "nothing": _nothing,
    "deleted video": _deleted_video,
    "deleted record": _deleted_record,
    "unknown": _unknown,
    "rival": _rival,
}
