"""What an open record is to a collector, as a table; when a dead link is tried again; what a person should look at."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from prefect_seedance.client.settings import ClientSettings
from prefect_seedance.journal import changes
from prefect_seedance.journal.record import VERSION, Attempt, Holder, Record, Stored, stand_in_for
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.collect.options import CollectOptions
from prefect_seedance.pipeline.collect.orphans import OpenVideo, orphans_of
from prefect_seedance.pipeline.collect.standing import (
    Kind,
    is_given_up,
    link_dies_at,
    next_try_of,
    place_in_turn,
    standing,
)
from prefect_seedance.pipeline.parties import Account
from tests.pipeline.collect.harness import a_record, accepted, an_attempt

NOW = datetime.now(UTC)
HOUR, DAY = 3600.0, 86_400.0
ACCOUNT = Account(ClientSettings("sk_simulator", "http://127.0.0.1:1"))
FACTS = Stored(uri="u", key="videos/videos_1.mp4", bytes=1, sha256="s", crc32="c")
HOLDER = Holder(nonce="h", lease_seconds=210.0)
IN_FLIGHT = an_attempt("", nonce="h", outcome="")
FREE = an_attempt("", outcome="never_sent")


def sending(*earlier: Attempt, **facts: object) -> Record:
    return a_record("x", *earlier, IN_FLIGHT, **{"state": State.SENDING, "holder": HOLDER, **facts})


def ready(*attempts: Attempt, **facts: object) -> Record:
    return a_record("x", *(attempts or (FREE,)), **{"state": State.READY, "current": 0, **facts})


def twice(task_id: str = "videos_2", **second: object) -> Record:
    """A stored video, and a second task that was paid for."""
    attempts = an_attempt("videos_1"), an_attempt(task_id, 2, **second)
    return a_record("x", *attempts, state=State.STORED, current=1, stored=FACTS)


def missed(hours_ago: float, misses: int = 1, age: float = HOUR) -> Record:
    return a_record("x", an_attempt(age=age, misses=misses, missed_at=NOW - timedelta(hours=hours_ago)))


STAND_IN = stand_in_for("0" * 32, an_attempt())
CASES: dict[str, tuple[Kind, Record, float]] = {
    "a task": ("ask", a_record("x"), HOUR),
    "a task that nobody ever watches": ("ask", a_record("x", an_attempt(age=1)), 0.0),
    "a task that a run watches": ("watched", a_record("x", watch_seconds=2700.0), 2699.0),
    "a task whose run is gone": ("ask", a_record("x", watch_seconds=2700.0), 2700.0),
    "a completed one": ("deliver", a_record("x", state=State.COMPLETED), HOUR),
    "one that a run is storing": ("watched", a_record("x", state=State.COMPLETED, watch_seconds=600.0), 599.0),
    "one whose storer is gone": ("deliver", a_record("x", state=State.COMPLETED, watch_seconds=600.0), 600.0),
    "another account": ("other_account", a_record("x", account="other"), HOUR),
    "another account's lapsed claim": ("other_account", sending(account="other"), HOUR),
    "another host": ("other_host", a_record("x", an_attempt(host="api.example.com")), HOUR),
    "a host that nobody wrote down": ("ask", a_record("x", an_attempt(host="")), HOUR),
    "an unknown one": ("unknown", a_record("x", an_attempt("", outcome="unknown")), HOUR),
    "a claim": ("watched", sending(), 209.0),
    "a lapsed claim": ("lapsed", sending(), 210.0),
    "a lapsed claim at another host": ("lapsed", sending(attempts=(an_attempt("", host="b"),)), 210.0),
    "a back-off": ("watched", ready(holder=HOLDER), 100.0),
    "a back-off that nobody came back from": ("watched", ready(holder=HOLDER), DAY - 1),
    "the same after a day": ("abandoned", ready(holder=HOLDER), DAY),
    "the same without an attempt": ("abandoned", ready(attempts=()), DAY),
    "ready beside an unsettled attempt": ("unknown", ready(an_attempt("", outcome="unknown")), DAY),
    "of a newer version": ("newer", a_record("x", version=VERSION + 1), HOUR),
    "stored": ("done", twice(failure="media"), HOUR),
    "stored, with a second paid task": ("ask", twice(), HOUR),
    "stored, with a second one at another host": ("other_host", twice(host="b"), HOUR),
    "stored, with a second one that is stored too": ("done", twice(stored=FACTS), HOUR),
    "stored, with a stand-in beside it": ("done", twice(STAND_IN), HOUR),
    "a stand-in whose object is gone": ("unknown", a_record("x", an_attempt(STAND_IN), state=State.COMPLETED), HOUR),
    "failed": ("done", a_record("x", an_attempt(failure="media"), state=State.FAILED), HOUR),
    "a dead link, half an hour ago": ("waiting", missed(0.5), 0.0),
    "a dead link, an hour ago": ("ask", missed(1.0), 0.0),
    "a dead link, after a day of tries": ("waiting", missed(23.0, misses=24), 0.0),
    "a dead link, a day later": ("ask", missed(24.0, misses=24), 0.0),
    "a dead link that has an hour left": ("ask", missed(0.1, age=71 * HOUR), 0.0),
    "a dead link, by a clock that was ahead": ("ask", missed(-9.0), 0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_record_is_to_a_collector(case: str) -> None:
    kind, record, age = CASES[case]
    assert standing(record, age, ACCOUNT, CollectOptions(), NOW).kind == kind


def test_what_was_submitted_a_moment_ago_can_be_left_alone() -> None:
    options = CollectOptions(older_than=60)
    for minutes, kind in ((59, "young"), (61, "ask")):
        record = a_record("x", an_attempt(age=60 * minutes))
        assert standing(record, 0.0, ACCOUNT, options, datetime.now(UTC)).kind == kind


@pytest.mark.parametrize("minutes", [float("inf"), float("nan"), 1e300, -1.0])
def test_an_age_that_cannot_be_is_refused(minutes: float) -> None:
    with pytest.raises(ValidationError):
        CollectOptions(older_than=minutes)


def test_the_task_that_a_record_is_about_comes_first() -> None:
    record = a_record("x", an_attempt("videos_1"), an_attempt("videos_2", 2), current=2)
    found = standing(record, 0.0, ACCOUNT, CollectOptions(), NOW)
    assert [attempt.task_id for attempt in found.attempts] == ["videos_2", "videos_1"]


def test_a_link_dies_three_days_after_the_best_moment_that_is_known() -> None:
    for facts, seconds in (({}, 0), ({"created_at": 50}, 50), ({"created_at": 50, "completed_at": 90}, 90)):
        attempt = an_attempt(age=0, **facts)
        since = datetime.fromtimestamp(seconds, UTC) if seconds else attempt.started_at
        assert link_dies_at(a_record("x", attempt), attempt) == since + timedelta(days=3)


@pytest.mark.parametrize(
    ("missed_days", "now_days", "given_up"),
    [(None, 30.0, False), (5.9, 6.9, False), (5.9, 7.0, True), (6.9, 7.0, False), (6.9, 7.9, True), (40.0, 9.0, False)],
)
def test_a_dead_link_is_given_up_after_a_week_and_two_days_of_tries(
    missed_days: float | None, now_days: float, given_up: bool
) -> None:
    missed_at = None if missed_days is None else NOW + timedelta(days=missed_days)
    assert is_given_up(NOW, missed_at, NOW + timedelta(days=now_days)) is given_up


def test_runs_that_reach_a_tenth_of_the_tasks_have_asked_about_all_after_20() -> None:
    intents = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(1000)]
    for minutes in (5, 10, 60):
        left = {*intents}
        for run in range(20):
            now = NOW + timedelta(minutes=minutes * run)
            left -= {*sorted(intents, key=lambda intent: place_in_turn(intent, now))[:100]}
        assert len(left) <= 10
        now = NOW + timedelta(minutes=minutes * 20)
        left -= {*sorted(intents, key=lambda intent: place_in_turn(intent, now))[:100]}
        assert not left


def test_a_dead_link_is_tried_hourly_for_a_day_and_then_daily() -> None:
    hours = []
    for misses in range(1, 27):
        attempt = an_attempt(misses=misses, missed_at=NOW)
        following = next_try_of(attempt)
        assert following is not None
        hours.append((following - NOW) / timedelta(hours=1))
    assert hours == [1.0] * 23 + [24.0] * 3


# The changes that only a collector writes.


def test_a_miss_is_counted_once_and_ends_the_watch() -> None:
    record = a_record("x", watch_seconds=2700.0)
    after = changes.missed(record, "videos_1", 1, NOW)
    assert (after.attempts[0].misses, after.attempts[0].missed_at, after.watch_seconds) == (1, NOW, 0.0)
    assert changes.missed(after, "videos_1", 1, NOW) is after and changes.missed(after, "videos_9", 1, NOW) is after


def test_only_what_is_ready_and_certainly_not_sent_is_closed() -> None:
    assert changes.abandoned(ready(holder=HOLDER)).state is State.REFUSED
    for record in (sending(), a_record("x"), ready(an_attempt("", outcome="unknown"))):
        assert changes.abandoned(record) is record


def test_the_video_of_a_second_task_stands_beside_the_first() -> None:
    record, facts = twice(), FACTS.model_copy(update={"key": "videos/videos_2.mp4"})
    after = changes.stored(record, "videos_2", facts)
    assert (after.stored, after.current, after.key) == (FACTS, 1, record.key)
    assert after.attempts[1].stored == facts and record.is_open and not after.is_open
    more = facts.model_copy(update={"etag": "more"})
    assert changes.stored(after, "videos_2", more) is after and changes.stored(after, "videos_1", more) is after
    assert changes.described(after, "videos_2", more).attempts[1].stored == more


def test_a_second_task_that_comes_late_opens_a_stored_record_again() -> None:
    stored = twice(failure="media")
    assert not stored.is_open
    again = changes.accepted(stored, "late", accepted("videos_3"), NOW)
    assert again.is_open and (again.state, again.stored) == (State.STORED, FACTS)


def test_a_task_whose_video_a_person_had_brought_in_opens_nothing() -> None:
    brought = a_record("x", an_attempt(STAND_IN), state=State.STORED, stored=FACTS)
    after = changes.accepted(brought, brought.attempts[0].nonce, accepted("videos_3"), NOW)
    assert after.task_ids == (STAND_IN, "videos_3") and not after.is_open


# Orphans.


def an_open(intent: str, **facts: object) -> OpenVideo:
    video = OpenVideo(intent, "", "m", ("m", "480p", 5), "", State.SUBMITTED, "1-a", "videos_1")
    video.since, video.link_dies_at = NOW - timedelta(hours=1), NOW + timedelta(days=2.9)
    for name, value in facts.items():
        setattr(video, name, value)
    return video


def test_what_a_person_should_look_at_comes_worst_first() -> None:
    dying = {"link_dies_at": NOW + timedelta(hours=20), "is_completed": True}
    videos = [
        an_open("late"),
        an_open("in time", since=NOW - timedelta(minutes=40)),
        an_open("unknown", state=State.UNKNOWN, link_dies_at=None),
        an_open("not stored", is_completed=True),
        an_open("being stored", is_completed=True, is_watched=True),
        an_open("dying", **dying),
        an_open("dying sooner", link_dies_at=NOW + timedelta(hours=1)),
        an_open("dead", link_dies_at=NOW - timedelta(hours=1)),
    ]
    found = orphans_of(videos, NOW, usual_seconds=lambda video: None, store_option="/data")
    assert [(each.intent, each.kind) for each in found] == [
        ("dead", "link_dying"),
        ("dying sooner", "link_dying"),
        ("dying", "link_dying"),
        ("not stored", "not_stored"),
        ("unknown", "unknown"),
        ("late", "late"),
    ]
    assert all(each.reason and each.advice for each in found)
    assert "prefect-seedance resolve unknown --store /data" in found[4].advice


def test_how_long_such_videos_take_decides_what_is_late() -> None:
    found = orphans_of([an_open("x")], NOW, usual_seconds=lambda video: 1500.0, store_option="")
    assert found == []
    (orphan,) = orphans_of([an_open("x")], NOW, usual_seconds=lambda video: 600.0, store_option="")
    assert orphan.kind == "late" and "60 minutes" in orphan.reason and "30" in orphan.reason
