"""What people are told when 80 % of a budget is used."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from prefect_seedance.journal.budget.standing import BudgetStanding, LimitStanding
from prefect_seedance.runs.money import reached
from prefect_seedance.runs.money.reached import budget_message, tell_of_budget, telling_of_budgets

ENDS = datetime(2026, 11, 28, tzinfo=UTC)


def standing(account: str = "studio") -> BudgetStanding:
    day = LimitStanding(
        budget="daily_budget", limit=20, spent=15, held=0.5, reserved=1, left=3.5, share=0.825, ends_at=ENDS
    )
    videos = LimitStanding(
        budget="daily_videos", limit=10, spent=7, held=1, reserved=0, left=2, share=0.8, ends_at=ENDS
    )
    run = LimitStanding(budget="max_cost", limit=5, spent=4, held=0, reserved=0, left=1, share=0.8)
    return BudgetStanding(account=account, run_key="", read_at=ENDS, limits=(day, videos, run), entries=())


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    emitted = list[dict[str, object]]()
    monkeypatch.setattr(reached, "emit_event", lambda **event: emitted.append(event))  # type: ignore[misc]
    return emitted


def test_the_words_say_what_is_used_until_when_and_what_follows() -> None:
    subject, body = budget_message("daily_budget", standing("stu\ndio\x1b"))
    assert subject == "Seedance: 82% of daily_budget of account stu dio� is used."
    for said in ("Limit: 20 coins", "Spent: 15 coins", "1 coins", "Held by unknown submissions: 0.5", "2026-11-28"):
        assert said in body
    assert "Limit: 10 videos" in budget_message("daily_videos", standing())[1]
    assert "ends at" not in budget_message("max_cost", standing())[1]


def test_the_event_holds_what_an_automation_needs(events: list[dict[str, object]]) -> None:
    asyncio.run(tell_of_budget("daily_budget", standing()))
    (event,) = events
    assert event["event"] == "seedance.budget.reached"
    assert event["resource"] == {
        "prefect.resource.id": "seedance.budget.studio.daily_budget",
        "prefect.resource.name": "daily_budget of studio",
        "seedance.told-by": "automation",
    }
    assert event["payload"] == {
        **{"account": "studio", "budget": "daily_budget", "limit": 20, "spent": 15, "held": 0.5, "reserved": 1},
        **{"share": 0.825, "ends_at": "2026-11-28T00:00:00+00:00"},
    }


def test_nothing_that_goes_wrong_reaches_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(**event: object) -> None:
        raise RuntimeError("the event queue is gone")

    monkeypatch.setattr(reached, "emit_event", raises)
    caplog.set_level(logging.INFO)
    asyncio.run(tell_of_budget("daily_budget", standing(), ["no-such-block/anywhere", "nonsense"]))
    asyncio.run(tell_of_budget("no_such_budget", standing(), ["nonsense"]))


def test_a_thread_that_submits_tells_at_once_and_the_run_sends_it(
    monkeypatch: pytest.MonkeyPatch, events: list[dict[str, object]]
) -> None:
    sent = list[tuple[str, ...]]()

    async def send(notify: list[str], subject: str, body: str) -> list[str]:
        sent.append((*notify, subject))
        return notify

    monkeypatch.setattr(reached, "send_to_all", send)

    async def main() -> Callable[[str, BudgetStanding], None]:
        async with telling_of_budgets(["slack-webhook/team"]) as tell:
            thread = threading.Thread(target=tell, args=("daily_videos", standing()))
            thread.start()
            thread.join()
            assert len(events) == 1 and sent == []
        return tell

    tell = asyncio.run(main())
    assert sent == [("slack-webhook/team", "Seedance: 80% of daily_videos of account studio is used.")]
    assert events[0]["resource"]["seedance.told-by"] == "run"  # type: ignore[index]
    tell("daily_videos", standing())  # the run has ended: nobody is hurt
