"""The store fails right after the vendor has accepted: the task id is in the log, and never lost."""

from __future__ import annotations

from prefect_seedance.journal.states import State
from tests.chaos.harness import Case, Chaos, until
from tests.chaos.orders import Strike
from tests.chaos.processes import Child


def mended_while_it_waits(chaos: Chaos) -> None:
    """The store becomes read-only and is mended soon: the run goes on as if nothing had been."""
    case = chaos.case("mended")
    child = _outage(case, Strike("accepted.logged", "block_writes"))
    case.place.mend("writes")
    case.assert_stored(child.ended().report)
    assert len(case.bills()) == 1


def killed_while_read_only(chaos: Chaos) -> None:
    """It stays read-only and the process dies: the log has what a person needs."""
    case = chaos.case("read-only")
    child = _outage(case, Strike("accepted.logged", "block_writes"))
    child.kill()
    child.ended()
    case.place.mend("writes")
    case.age()
    case.assert_unknown(case.run())
    (task_id,) = case.bills()
    assert task_id in child.output()
    case.settle(task_id)
    case.assert_stored(case.run())
    assert len(case.bills()) == 1


def records_gone_and_back(chaos: Chaos) -> None:
    """The records are gone for the rest of the run: Prefect's result is the second copy, and the next run attaches."""
    case = chaos.case("gone")
    # The second try is that of the next step, which has the result of this one.
    child = _outage(case, Strike("accepted.logged", "lose_records"), tries=2)
    (task_id,) = case.bills()
    assert task_id in child.output()
    child.kill()
    child.ended()
    case.place.mend("records")
    record = case.record().record
    assert (record.state, record.task_ids) == (State.SENDING, ())
    report = case.run()  # at once: the claim's lease has not run out
    case.assert_stored(report)
    assert case.bills() == [task_id] and report.task_id == task_id


def records_back_in_time(chaos: Chaos) -> None:
    """The records come back while the run still tries."""
    case = chaos.case("back")
    child = _outage(case, Strike("accepted.logged", "lose_records"))
    case.place.mend("records")
    case.assert_stored(child.ended().report)
    assert len(case.bills()) == 1


def _outage(case: Case, strike: Strike, tries: int = 1) -> Child:
    """Run until the task id is known, the store fails, and the write of the record is tried in vain."""
    child = case.begin(strikes=(strike,))
    until(lambda: child.points().count("accepted.record.before") >= tries, f"Try {tries}", child)
    return child
