"""Every fault that the simulator has for a create, through whole flows in a process of their own."""

from __future__ import annotations

from prefect_seedance.simulator import FAULTS, Fault
from tests.chaos.harness import Case, Chaos
from tests.chaos.orders import Report

CREATE_FAULTS = tuple(name for name, kind in FAULTS.items() if kind.place == "create")
#: After these the same run goes on and buys the video.
BOUGHT_IN_SPITE = frozenset({"slow_answer", "rate_limited_code", "rate_limited_http", "busy"})
#: These end with the client's patience.
_HANGS = tuple(name for name in CREATE_FAULTS if name.startswith("hang"))


def every_create_fault(chaos: Chaos, max_submissions: int) -> None:
    """Each ends as it should, a second run buys nothing more, and nothing is bought twice."""
    others = tuple(name for name in CREATE_FAULTS if name not in _HANGS)
    _meet(chaos, others, max_submissions, patience_seconds=60.0)
    _meet(chaos, _HANGS, max_submissions, patience_seconds=8.0)


def _meet(chaos: Chaos, names: tuple[str, ...], max_submissions: int, patience_seconds: float) -> None:
    case = chaos.case(f"at most {max_submissions}")
    prompts = {name: f"{case.prompt} <{name}>" for name in names}
    for name, prompt in prompts.items():
        chaos.vendor.plan(Fault(fault=name, matching=prompt))
    for _ in range(2):
        child = case.begin(
            prompts=tuple(prompts.values()), max_submissions=max_submissions, submit_timeout_seconds=patience_seconds
        )
        reports = dict(zip(names, child.ended().reports(), strict=True))
        for name, report in reports.items():
            _check(case, prompts[name], name, report)


def _check(case: Case, prompt: str, name: str, report: Report) -> None:
    bills = [task for bill in case.chaos.vendor.bills() if bill.body["prompt"] == prompt for task in bill.task_ids]
    if name in BOUGHT_IN_SPITE:
        assert (report.error, [report.task_id]) == ("", bills), (name, report, bills)
    else:
        expected = int(FAULTS[name].accepts)
        assert (report.error, len(bills)) == ("SubmissionUnknown", expected), (name, report, bills)


def failed_for_a_passing_reason(chaos: Chaos, max_submissions: int) -> None:
    """What the vendor fails may be paid for again, as often as the policy says and not once more."""
    case = chaos.case("failed", Fault(fault="failed", message="PROVIDER_TIMEOUT", times=5))
    for _ in range(2):
        report = case.run(max_submissions=max_submissions)
        assert report.error in ("VideoFailed", "SubmissionsUsedUp"), report
        assert len(case.bills()) == max_submissions
