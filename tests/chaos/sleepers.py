"""Processes that are stopped for longer than their claim lasts, and claims whose lease really runs out.

Nothing is aged by hand here: an owner goes by its own stopwatch, the others by the store's clock, and what is shown is
that the two agree. So each takes as long as a lease, 75 seconds.
"""

from __future__ import annotations

import time

from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import Fault
from tests.chaos.harness import Case, Chaos, until
from tests.chaos.kills import Kill, finish
from tests.chaos.orders import Strike
from tests.chaos.processes import Child

#: As short as a POST to a simulator on a busy machine can be, and with it the lease.
_POST_SECONDS = 15.0

RENEWALS = (Kill("renew.record.before", unknown=True), Kill("renew.record.after", unknown=True))


def nobody_settled_it(chaos: Chaos) -> None:
    """Unknown for the others meanwhile; woken, it renews its claim and submits."""
    case, sleeper = _asleep(chaos, "claim.record.after")
    case.assert_unknown(case.run())
    assert not case.bills()
    sleeper.wake()
    case.assert_stored(sleeper.ended().report)
    assert "renew.record.after" in sleeper.points()
    assert len(case.bills()) == 1


def another_run_bought_it(chaos: Chaos) -> None:
    """A person settled it as not billed and another run bought it; woken, it sends nothing and takes that."""
    case, sleeper = _asleep(chaos, "post.before")
    case.settle()
    other = case.run()
    sleeper.wake()
    report = sleeper.ended().report
    case.assert_stored(other, report)
    assert (other.reused, report.reused) == (False, True)
    assert "post.after" not in sleeper.points()
    assert len(case.bills()) == 1


def given_up_meanwhile(chaos: Chaos) -> None:
    """A person gave it up; woken, it sends nothing."""
    case, sleeper = _asleep(chaos, "claim.record.after")
    resolve_unknown(case.journal, case.intent, "abandon")
    sleeper.wake()
    assert sleeper.ended().report.error == "AbandonedBefore"
    assert case.record().state is State.LOST and not case.bills()


def in_the_post_after_it_was_accepted(chaos: Chaos) -> None:
    """Stopped while the answer is on its way; woken, it still reads it, and nobody has to settle anything."""
    case = chaos.case("asleep in the POST", Fault(fault="slow_answer", seconds=8))
    sleeper = case.begin(submit_timeout_seconds=_POST_SECONDS)
    case.await_the_faults(sleeper)
    sleeper.freeze()
    _wait_for_the_deadline(case, sleeper)
    case.assert_unknown(case.run())
    sleeper.wake()
    report = sleeper.ended().report
    case.assert_stored(report, case.run())
    assert len(case.bills()) == 1


def in_the_post_before_it_was_accepted(chaos: Chaos) -> None:
    """Stopped in a POST that never gets an answer; another run buys it meanwhile, and woken it takes that."""
    case = chaos.case("asleep in a dead POST", Fault(fault="hang_before"))
    sleeper = case.begin(submit_timeout_seconds=_POST_SECONDS)
    case.await_the_faults(sleeper)
    sleeper.freeze()
    _wait_for_the_deadline(case, sleeper)
    case.settle()
    other = case.run()
    sleeper.wake()
    case.assert_stored(other, sleeper.ended().report)
    assert len(case.bills()) == 1


def killed_in_a_renewal(chaos: Chaos, kill: Kill) -> None:
    """Woken, it renews its claim and is killed: nothing was sent, but nobody else can know that."""
    case, sleeper = _asleep(chaos, "claim.record.after", Strike(kill.point))
    sleeper.wake()
    assert sleeper.ended().was_killed
    chaos.table.add(finish(case, kill))


def ready_after_a_kill(chaos: Chaos) -> None:
    """Killed in a back-off: once the lease has run out the next run goes on, without a person."""
    case = chaos.case("ready, by the clock", Fault(fault="rate_limited_http", retry_after=1))
    assert case.begin(strikes=(Strike("backoff"),)).ended().was_killed
    assert case.record().state is State.READY
    time.sleep(max(0.0, case.record().record.lease_left(0.0) - 20.0))
    case.assert_stored(case.run())  # it waits for the rest of the lease
    assert len(case.bills()) == 1


def unknown_after_a_kill(chaos: Chaos) -> None:
    """Killed before the POST: the record reads unknown by itself, once the lease has run out."""
    case = chaos.case("unknown, by the clock")
    child = case.begin(strikes=(Strike("post.before"),), submit_timeout_seconds=_POST_SECONDS).ended()
    assert child.was_killed and case.record().state is State.SENDING
    _wait_for_the_deadline(case)
    finish(case, Kill("post.before", unknown=True), aged=False)


def _asleep(chaos: Chaos, point: str, *strikes: Strike) -> tuple[Case, Child]:
    """Make a process that is stopped at a point, and its claim past its deadline."""
    case = chaos.case(f"asleep at {point}")
    frozen = Strike(point, "freeze")
    sleeper = case.begin(strikes=(frozen, *strikes), submit_timeout_seconds=_POST_SECONDS).frozen()
    assert case.record().state is State.SENDING
    _wait_for_the_deadline(case, sleeper)
    return case, sleeper


def _wait_for_the_deadline(case: Case, sleeper: Child | None = None) -> None:
    time.sleep(case.record().record.lease_left(case.record().age_seconds))
    until(lambda: case.record().state is State.UNKNOWN, "The deadline", sleeper)
