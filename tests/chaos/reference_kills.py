"""What happens to videos with references: kills at every point, rivals, sleepers, broken answers, cancels, decay.

Every play ends with the video stored and its promises checked (`ReferenceCase.check`), after each run.
"""

from __future__ import annotations

import random
import threading
import time as clock
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_seedance.journal.states import State
from prefect_seedance.simulator import FAULTS, Fault
from tests.chaos.harness import Chaos, until
from tests.chaos.orders import Strike
from tests.chaos.processes import Child
from tests.chaos.references import MEMOS, Kind, ReferenceCase, reference_case
from tests.chaos.report import Outcome
from tests.storage.dishonest_s3 import Dishonest
from tests.storage.s3_proxy import faulty_line, honestly
from tests.storage.s3_servers import S3Server

#: Where the first run of a video comes by, and how often, before its task is in the record.
_MEMO_POINTS = ("memo.claim.after", "memo.make.after", "memo.write.after")
_SUBMIT_POINTS = (
    *("claim.marker.before", "claim.marker.after", "claim.record.before", "claim.record.after"),
    *("post.before", "post.after", "accepted.logged", "accepted.record.before", "accepted.record.after"),
)
#: From here on until the answer is written nobody can know whether it was accepted.
_UNKNOWN_FROM, _KNOWN_FROM = "claim.record.after", "accepted.record.after"


@dataclass(frozen=True)
class ReferenceKill:
    """One kill of a run with a reference.

    Attributes:
        kind: What the user has.
        point: Where the process kills itself; or, in words, when the parent kills it: once the vendor has been asked.
        time: At which arrival at the point.
        faults: What the vendor does.
        asked: The route of the vendor that is waited for, where the parent kills.
    """

    kind: Kind
    point: str
    time: int = 1
    faults: tuple[Fault, ...] = ()
    asked: str = ""

    @property
    def name(self) -> str:
        """The row's name."""
        return f"{self.kind}: {self.point}{f', the {self.time}nd' if self.time > 1 else ''}"


def _by_hand(fault: str, asked: str, words: str) -> ReferenceKill:
    return ReferenceKill("file, audited", words, faults=(Fault(fault=fault),), asked=asked)


REFERENCE_KILLS: tuple[ReferenceKill, ...] = (
    *(
        ReferenceKill(kind, point, time)
        for kind, memos in MEMOS.items()
        for point in _MEMO_POINTS
        for time in range(1, len(memos) + 1)
    ),
    *(ReferenceKill("file, audited", point) for point in _SUBMIT_POINTS),
    ReferenceKill("file, by link", "post.after"),
    _by_hand("upload_hang_before", "upload", "in the upload, before it was kept"),
    _by_hand("upload_hang", "upload", "in the upload, after it was kept"),
    _by_hand("audit_hang_before", "audit", "in the audit, before it was accepted"),
    _by_hand("audit_hang", "audit", "in the audit, after it was accepted"),
    _by_hand("status_hang_before", "status", "in a question for the status"),
    ReferenceKill(
        "file, audited", "while it is pending", faults=(Fault(fault="asset_slow", after=3600.0),), asked="status"
    ),
)


def play_kill(chaos: Chaos, kill: ReferenceKill) -> Outcome:
    """Kill a run, run it until it is stored, and add what became of it to the table."""
    with reference_case(chaos, kill.name, kill.kind, *kill.faults) as case:
        if kill.asked:
            child = case.begin()
            asked_of_the_vendor(case, kill.asked, child)
            child.kill()
        else:
            child = case.begin(strikes=(Strike(kill.point, time=kill.time),))
        assert child.ended().was_killed, f"{kill.point} was not reached.\n{child.story()}"
        case.check()
        case.chaos.vendor.elapse(7200.0)  # what is pending is not any more
        unknown = case.journal.read(case.intent) is not None and _reads_unknown(case)
        points = _SUBMIT_POINTS
        if kill.point in points:
            between = points.index(_UNKNOWN_FROM) <= points.index(kill.point) < points.index(_KNOWN_FROM)
            assert unknown == between, kill
        case.run_until_stored()
        outcome = Outcome(kill.name, "unknown" if unknown else "stored", len(case.bills()), 1, unknown)
    chaos.table.add(outcome)
    return outcome


def asked_of_the_vendor(case: ReferenceCase, route: str, child: Child) -> None:
    """Wait until a route of the vendor was asked, and a fault that was planned for it has struck."""
    seen = case.chaos.vendor.requests
    until(lambda: seen().asset_requests.get(route, 0) > 0 and not case.chaos.vendor.faults(), f"The {route}", child)


def _reads_unknown(case: ReferenceCase) -> bool:
    case.lapse()
    return case.record().state is State.UNKNOWN


# Several at once.


def rivals(chaos: Chaos, number: int) -> None:
    """Two or three processes want the same video, one may be killed: one bill, one upload, one audit."""
    chance = random.Random(number)
    kind: Kind = chance.choice(("file, audited", "file, by link"))
    with reference_case(chaos, f"rivals {number}", kind) as case:
        doomed = chance.random() < 0.5
        strike = Strike(chance.choice(_MEMO_POINTS), time=chance.randint(1, len(MEMOS[kind])))
        children = [case.begin(delay_seconds=chance.uniform(0, 0.3)) for _ in range(chance.choice((1, 2)))]
        if doomed:
            killed = case.begin(strikes=(strike,), delay_seconds=chance.uniform(0, 0.3)).ended()
            if killed.was_killed:
                case.lapse_memos()  # the others then need not wait for its lease
        else:
            children.append(case.begin(delay_seconds=chance.uniform(0, 0.3)))
        reports = [child.ended().report for child in children]
        case.check()
        if not doomed:
            assert not case.reasons("upload") and not case.reasons("audit")
        case.assert_stored(*reports)
        assert len(case.bills()) == 1


def two_videos(chaos: Chaos) -> None:
    """Two processes make two takes with one picture: one upload and one audit, two bills."""
    with reference_case(chaos, "two takes", "file, audited") as case:
        children = [case.begin(take=take) for take in ("1", "2")]
        assert [child.ended().report.error for child in children] == ["", ""]
        seen = case.chaos.vendor.requests()
        assert ([*seen.uploads.values()], [*seen.audits.values()]) == ([1], [1])
        assert len(case.bills()) == len({*case.bills()}) == 2


def stopped(chaos: Chaos, point: str, time: int = 1) -> None:
    """A maker stands still past its lease and is taken over; woken, it goes by what the other has made."""
    with reference_case(chaos, f"stopped at {point} {time}", "file, audited") as case:
        sleeper = case.begin(strikes=(Strike(point, "freeze", time=time),)).frozen()
        case.lapse()
        other = case.run()
        case.assert_stored(other)
        before = case.memos()
        sleeper.wake()
        case.assert_stored(sleeper.ended().report, other)
        case.check()
        after = case.memos()
        assert [entry.kept and entry.kept.value for entry in after.values()] == [
            entry.kept and entry.kept.value for entry in before.values()
        ], "a late write is refused"
        assert any("lapsed" in reason for kind in MEMOS[case.kind] for reason in case.reasons(kind))
        assert len(case.bills()) == 1


def stopped_in_an_answer(chaos: Chaos, place: str) -> None:
    """A maker stands still while its answer is on its way, and so does the renewal of its lease: it is taken over."""
    fault = Fault(fault=f"{place}_slow_answer", seconds=3.0)
    with reference_case(chaos, f"stopped in the {place}", "file, audited", fault) as case:
        sleeper = case.begin()
        asked_of_the_vendor(case, place, sleeper)
        sleeper.freeze()
        sleeper.frozen()
        case.lapse()
        other = case.run()
        case.assert_stored(other)
        before = case.memos()
        sleeper.wake()
        case.assert_stored(sleeper.ended().report, other)
        case.check()
        assert {kind: entry.kept for kind, entry in case.memos().items() if entry.kept} and all(
            entry.kept and before[kind].kept and entry.kept.value == before[kind].kept.value
            for kind, entry in case.memos().items()
        ), "a late write is refused"
        assert len(case.bills()) == 1 and any("lapsed" in reason for reason in case.reasons("audit"))


# Stores that fail or lie.


def mended(chaos: Chaos, time: int) -> None:
    """The store becomes read-only once something is made, and is mended soon: the run goes on, and nothing is lost."""
    with reference_case(chaos, f"mended {time}", "file, audited") as case:
        child = _read_only(case, time)
        case.place.mend("writes")
        case.assert_stored(child.ended().report)
        case.check()
        assert not case.reasons("upload") and not case.reasons("audit")


def killed_while_read_only(chaos: Chaos, time: int) -> None:
    """It stays read-only, and the process dies: what was made is made once more, with its reason."""
    with reference_case(chaos, f"read-only {time}", "file, audited") as case:
        child = _read_only(case, time)
        child.kill()
        child.ended()
        case.place.mend("writes")
        case.run_until_stored(most=1)
        assert "lapsed" in case.reasons("audit")[0] and len(case.bills()) == 1


def _read_only(case: ReferenceCase, time: int) -> Child:
    child = case.begin(strikes=(Strike("memo.make.after", "block_writes", time=time),))
    until(Path(case.place.settings["location"], ".tmp").is_file, "The outage", child)
    return child


MEDIA = "/journal/media/"
#: Whose history can be relied on, so that each repeat has its reason in it.
HONEST = {
    "slow and stalling": Dishonest(latency_seconds=0.02, stalls=0.05),
    "fails after it wrote": Dishonest(hides=0.3, seed=1),
    "fails after it wrote a memo": Dishonest(hides=0.6, below=MEDIA, seed=2),
}
#: A memo that the store has lost says nothing.
LYING = {
    "ignores": Dishonest(ignores=("create", "swap")),
    "racy": Dishonest(racy=("create", "swap")),
    "forgets memos": Dishonest(forgets=0.4, below=MEDIA, seed=3),
    "agrees to memos": Dishonest(agrees=True, below=MEDIA),
}


def through(chaos: Chaos, manner: Dishonest) -> None:
    """Two processes want the same video through a store that does not keep its promises: one bill at most."""
    assert chaos.bucket is not None
    with faulty_line(chaos.bucket.url) as line:
        world = chaos.on(S3Server(line.url, conditions=True))
        with reference_case(world, "on a dishonest store", "file, audited") as case:
            line.manner = manner
            children = [case.begin(delay_seconds=0.1 * number) for number in range(2)]
            reports = [child.ended().report for child in children]
            line.manner = honestly
            case.check_what_was_sent()
            told = {report.task_id for report in reports if report.task_id}
            assert len(case.bills()) <= 1 and told <= {*case.bills()}, reports
            if manner in HONEST.values():
                case.check_repeats()
                case.run_until_stored()
            else:
                case.lapse()
                assert case.run().error in ("", "SubmissionUnknown")
                case.check_what_was_sent()
            assert len(case.bills()) <= 1


# Broken answers.

#: What the vendor then turns down for a day, by its own word.
REFUSED = ("audit_failed_items", "asset_rejected")
#: These take minutes to be sure of, or a person: an asset that is not known, or is called by a word of its own.
_SLOW = ("asset_foreign", "asset_word", "asset_slow")
ANSWERS = tuple(
    name
    for name, kind in FAULTS.items()
    if kind.place in ("upload", "audit", "status", "asset")
    and name not in (*REFUSED, *_SLOW)
    and not name.removeprefix(f"{kind.place}_").startswith("hang")  # those are killed, and cancelled
)


def broken_answer(chaos: Chaos, name: str, *, strike: Strike | None = None) -> None:
    """An answer is lost, late or odd, and the process may be killed besides: the next runs go on."""
    with reference_case(chaos, name, "file, audited", Fault(fault=name)) as case:
        if strike is not None:
            case.begin(strikes=(strike,)).ended()
            case.check()
        case.run_until_stored()
        assert not case.chaos.vendor.faults(), "it struck"
        assert len(case.bills()) == 1


def turned_down(chaos: Chaos, name: str) -> None:
    """What the vendor turns down is not shown to it again, and nothing is bought; a day later it may be."""
    with reference_case(chaos, name, "file, audited", Fault(fault=name)) as case:
        for _ in range(2):
            report = case.run()
            assert report.error == "InvalidRequest" and "resource download failed" in report.message, report
            case.check()
        assert not case.bills() and case.chaos.vendor.requests().asset_requests["audit"] == 1
        case.grow_older(25 * 3600.0)
        case.run_until_stored()


# Decay between two runs.


def decayed(chaos: Chaos, name: str, **settings: Any) -> None:
    """An asset ends between two runs: it is made anew with its reason, for the same intent."""
    with reference_case(chaos, f"{name} between", "file, audited") as case:
        assert case.begin(strikes=(Strike("claim.record.before"),)).ended().was_killed
        case.plan(Fault(fault=name, **settings))
        case.run_until_stored()
        assert len(case.bills()) == 1
        assert len([*case.journal.records()]) == 1
        (reason,) = case.reasons("audit")
        assert name.removeprefix("asset_") in reason, reason


def came_back(chaos: Chaos) -> None:
    """An asset that has expired comes back once it is asked for: nothing is made anew."""
    with reference_case(chaos, "expired, and back", "file, audited") as case:
        assert case.begin(strikes=(Strike("claim.record.before"),)).ended().was_killed
        case.plan(Fault(fault="asset_expired"))
        case.run_until_stored()
        assert len(case.bills()) == 1 and not case.reasons("audit")


def link_grew_old(chaos: Chaos) -> None:
    """The life of an upload's link is over between two runs: it is uploaded anew, with its reason."""
    for kind in ("file, by link", "file, audited"):
        with reference_case(chaos, "link grew old", kind) as case:
            strike = Strike("claim.record.before" if kind == "file, by link" else "memo.write.after")
            assert case.begin(strikes=(strike,)).ended().was_killed
            case.grow_older(80 * 3600.0)
            case.run_until_stored()
            (reason,) = case.reasons("upload")
            assert "its link ends in" in reason and len(case.bills()) == 1


def link_died(chaos: Chaos, kind: Kind) -> None:
    """An upload's link dies long before its time, between two runs: nothing is sent or audited by it."""
    with reference_case(chaos, "link died", kind, Fault(fault="upload_link_dies", after=60.0)) as case:
        strike = Strike("claim.record.before" if kind == "file, by link" else "memo.write.after")
        assert case.begin(strikes=(strike,)).ended().was_killed
        case.chaos.vendor.elapse(61.0)
        case.run_until_stored()
        (reason,) = case.reasons("upload")
        assert "403" in reason, reason
        assert len(case.bills()) == 1


def expired_in_its_sleep(chaos: Chaos) -> None:
    """A process stands still between its claim and the POST, and the asset is deleted: woken, it looks again."""
    with reference_case(chaos, "deleted in its sleep", "file, audited") as case:
        asleep = Strike("claim.record.after", "freeze")
        sleeper = case.begin(strikes=(asleep,), submit_timeout_seconds=15.0).frozen()
        until(lambda: case.record().state is State.UNKNOWN, "The deadline", sleeper)
        case.plan(Fault(fault="asset_deleted"))
        sleeper.wake()
        case.assert_stored(sleeper.ended().report)
        case.check()
        assert len(case.bills()) == 1
        assert "deleted" in case.reasons("audit")[0]


# Cancelled.

#: Where a run cancels itself, and how many uploads and audits there are in the end.
CANCELS = (
    *(Strike(point, "cancel", time) for point in _MEMO_POINTS for time in (1, 2)),
    *(Strike(point, "cancel") for point in ("claim.marker.before", "claim.record.after", "post.before")),
)
#: In the middle of an answer that does not come, and while an asset is waited for.
CANCELLED_HANGS = ("upload_hang", "upload_hang_before", "audit_hang", "audit_hang_before", "status_hang_before")


def cancelled(chaos: Chaos, strike: Strike) -> None:
    """Cancelled at a point: it ends, unpaid, and the next run goes on from what was made."""
    with reference_case(chaos, f"cancelled at {strike.point} {strike.time}", "file, audited") as case:
        report = case.run(strikes=(strike,))
        assert report.error in ("PreparationCancelled", "SubmissionCancelled"), report
        assert not case.bills()
        case.check()
        case.assert_stored(case.run())  # at once: no lease is left behind
        case.check()
        seen = case.chaos.vendor.requests()
        assert ([*seen.uploads.values()], [*seen.audits.values()]) == ([1], [1])


def cancelled_in_a_hang(chaos: Chaos, name: str) -> None:
    """Cancelled while an answer does not come: it ends long before the answer would."""
    with reference_case(chaos, f"cancelled in {name}", "file, audited", Fault(fault=name)) as case:
        child = case.begin(submit_timeout_seconds=180.0)
        asked_of_the_vendor(case, FAULTS[name].place, child)
        child.cancel()
        assert child.ended().report.error == "PreparationCancelled", child.story()
        case.check()
        case.run_until_stored(most=1)
        assert len(case.bills()) == 1


def cancelled_while_pending(chaos: Chaos) -> None:
    """Cancelled while an audit takes its time: the next run waits for the same asset."""
    with reference_case(chaos, "cancelled, pending", "file, audited", Fault(fault="asset_slow", after=600.0)) as case:
        child = case.begin()
        asked_of_the_vendor(case, "status", child)
        child.cancel()
        assert child.ended().report.error == "PreparationCancelled", child.story()
        case.chaos.vendor.elapse(700.0)
        case.run_until_stored(most=1)
        assert not case.reasons("audit")


def cancelled_while_another_makes_it(chaos: Chaos) -> None:
    """Cancelled while another process makes it: that one is not disturbed."""
    with reference_case(chaos, "cancelled, waiting", "file, audited") as case:
        maker = case.begin(strikes=(Strike("memo.claim.after", "freeze"),)).frozen()
        waiter = case.begin()
        until(lambda: "waiting for it" in waiter.output(), "The wait", waiter)
        waiter.cancel()
        assert waiter.ended().report.error == "PreparationCancelled", waiter.story()
        maker.wake()
        case.assert_stored(maker.ended().report)
        case.check()
        assert not case.reasons("audit") and not case.reasons("upload")


# At random.

_STRIKES = (*((point, time) for point in _MEMO_POINTS for time in (1, 2)), *((point, 1) for point in _SUBMIT_POINTS))
_CREATE_FAULTS = ("lost_answer", "error_after", "rate_limited_http", "drop_before", "half_json")


def at_random(chaos: Chaos, seed: int) -> Outcome:
    """Answers break, and up to three runs, at times two at once, are killed at points and moments drawn by chance."""
    chance = random.Random(seed)
    kinds: list[Kind] = [kind for kind in MEMOS if chaos.bucket is not None or kind.startswith("file")]
    kind = chance.choice(kinds)
    faults = [Fault(fault=name) for name in chance.sample(ANSWERS, chance.randint(0, 2))]
    faults += [Fault(fault=name) for name in chance.sample(_CREATE_FAULTS, chance.choice((0, 0, 1)))]
    with reference_case(chaos, f"at random {seed}", kind, *faults) as case:
        for _ in range(chance.randint(1, 3)):
            children = [*_doomed(case, chance)]
            _end(case, children)
            case.check()
            case.lapse()
        case.run_until_stored(most=8)
        outcome = Outcome(f"{kind}: at random", "stored", len(case.bills()))
    chaos.table.add(outcome)
    return outcome


def _end(case: ReferenceCase, children: list[Child]) -> None:
    """Wait until all have ended; nobody waits for the lease of one who was killed."""
    while not all(child.is_over for child in children):
        if any(child.was_killed for child in children):
            case.lapse()
        clock.sleep(0.1)


def _doomed(case: ReferenceCase, chance: random.Random) -> Iterator[Child]:
    for _ in range(chance.choice((1, 1, 2))):
        if chance.random() < 0.6:
            point, time = chance.choice(_STRIKES)
            yield case.begin(strikes=(Strike(point, time=time),))
        else:
            child = case.begin()
            threading.Timer(chance.uniform(0.0, 0.5), child.kill).start()
            yield child
