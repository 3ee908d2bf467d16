"""The collector: whoever left a paid video, it is stored once, and nobody is asked who should not be."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefect_seedance.client.errors import AuthenticationFailed, InvalidRequest
from prefect_seedance.journal.errors import JournalUnavailable
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import VERSION, Record, Run, Stored
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.decision import Decision, SubmissionPolicy, decide
from prefect_seedance.journal.submit.pointer import point_to
from prefect_seedance.journal.submit.stop_errors import stop_error
from prefect_seedance.pipeline.collect import collector
from prefect_seedance.pipeline.collect.models import CollectReport
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.watch.gate import gate_for
from prefect_seedance.pipeline.watch.watcher import watch
from prefect_seedance.simulator import Fault
from prefect_seedance.storage.errors import StoreUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Blob
from tests.pipeline.collect.harness import (
    Office,
    a_lapsed_claim,
    a_record,
    a_task,
    accepted,
    an_attempt,
    became,
    left_behind,
)
from tests.pipeline.counter import QUERY, Made, envelope
from tests.pipeline.harness import Vendor, account_at
from tests.storage.clips import make_clip

HOUR, DAY = 3600.0, 86_400.0
FIRST = b"the first video, which nobody touches"


@pytest.fixture
def office(vendor: Vendor, tmp_path: Path) -> Office:
    return Office(tmp_path / "store", vendor.account)


def asked(vendor: Vendor) -> list[str]:
    """The tasks that were asked about, in order."""
    return [path.rpartition("/")[2] for _, path in vendor.counter.moments if "/videos/videos_" in path]


def one_question_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "_ASKED_AT_ONCE", 1)


# What is stored.


def test_what_a_dead_submitter_left_is_stored_with_provenance_from_the_record_alone(
    vendor: Vendor, office: Office
) -> None:
    left = left_behind(office, vendor.simulator, "one")
    video = became(office.collected())["one"]
    assert (video.became, video.task_id, video.cost, video.by_another) == ("stored", left.task_id, 1.0, False)
    record = office.record(left.intent)
    assert record.state is State.STORED and record.stored is not None and record.stored.uri == video.uri
    assert office.markers() == [] and office.kinds() == ["completed", "stored"]
    written = json.loads((office.folder / "videos" / f"{left.task_id}.json").read_text())
    assert written["request"]["prompt"] == "one" and written["vendor"]["account"] == "default"
    assert (
        written["submitted_by"]["flow_run_name"] == "nightly" and written["stored_by"]["flow_run_name"] == "collector"
    )
    before = vendor.counter.asked.copy()
    assert office.collected().videos == [] and vendor.counter.asked == before  # nothing is open any more


def test_300_open_records_end_each_once_and_the_run_ends_by_itself(vendor: Vendor, office: Office) -> None:
    made = [left_behind(office, vendor.simulator, f"video {number}") for number in range(30)]
    for number in range(270):
        record = left_behind(office, vendor.simulator, f"failed {number}", made=False)
        vendor.simulator.simulation.ledger.fail(record.task_id, "PROVIDER_MODERATION_ERROR")
    report = office.collected(minutes=30)
    assert sorted(office.videos()) == sorted(f"videos/{record.task_id}.mp4" for record in made)
    outcomes = [video.became for video in report.videos]
    assert (len(outcomes), outcomes.count("stored"), outcomes.count("failed")) == (300, 30, 270)
    assert (office.kinds().count("stored"), office.kinds().count("failed")) == (30, 270)
    assert office.markers() == [] and report.polls == 300 and report.orphans == []


def test_two_collectors_at_once_tell_of_each_thing_once(vendor: Vendor, office: Office) -> None:
    for number in range(6):
        left_behind(office, vendor.simulator, f"video {number}")
    failed = left_behind(office, vendor.simulator, "failed", made=False)
    vendor.simulator.simulation.ledger.fail(failed.task_id, "TRADEMARK")
    lapsed = a_lapsed_claim(office)
    reports = []
    offices = [Office(office.folder, vendor.account) for _ in range(2)]
    workers = [threading.Thread(target=lambda each=each: reports.append(each.collected())) for each in offices]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    kinds = sorted(kind for each in offices for kind in each.kinds())
    assert kinds == sorted(["completed"] * 6 + ["stored"] * 6 + ["failed", "unknown"])
    assert len(office.videos()) == 6 and office.record(lapsed.intent).state is State.UNKNOWN
    first_writers = [video for report in reports for video in report.videos if not video.by_another]
    assert sorted(video.became for video in first_writers) == sorted(["stored"] * 6 + ["failed", "unknown"])


def test_a_collector_leaves_a_waiting_run_alone_and_does_no_harm_beside_it(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "one")
    office.write(record.model_copy(update={"watch_seconds": 2700.0}))
    report = office.collected()
    assert report.left_alone == {"watched": 1} and report.videos == [] and vendor.counter.asked == []
    office.age(2700.0)
    run = Office(office.folder, vendor.account)
    submitted = point_to(record, record.attempts[0], Decision.SUBMIT, asked_by=Run(id="id-nightly"), recorded=True)

    async def waiting_run() -> None:
        there, observer = run.destination(), run.observer_of(record)
        done = await watch(submitted, vendor.account, there, limit_seconds=60.0, observer=observer)
        await asyncio.to_thread(deliver, done, submitted, vendor.account, there, observer=observer)

    async def both() -> None:
        await asyncio.gather(waiting_run(), office.collect())

    asyncio.run(both())
    assert sorted(run.kinds() + office.kinds()) == ["completed", "stored"]
    assert office.record(record.intent).state is State.STORED and len(office.videos()) == 1


def test_links_that_die_within_a_day_come_first_and_the_others_in_an_order_of_each_run(
    vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_question_at_a_time(monkeypatch)
    for number in range(12):
        left_behind(office, vendor.simulator, f"young {number}", made=False)
    ages = {"an hour left": 71.0, "two hours left": 70.0, "dead": 73.0}
    left = {name: left_behind(office, vendor.simulator, name, age=ages[name] * HOUR, made=False) for name in ages}
    urgent = [left[name].task_id for name in ("an hour left", "two hours left")]
    first = []
    for turn in range(2):
        vendor.counter.moments.clear()
        office.ahead = timedelta(minutes=5 * turn)
        report = office.collected(minutes=0.04)
        assert asked(vendor)[:2] == urgent
        first.append(asked(vendor)[2:15])
        assert len({*first[-1]}) == 13, "nobody is asked about twice before each was asked about once"
    assert first[0] != first[1]
    assert [orphan.name for orphan in report.orphans][:3] == ["dead", "an hour left", "two hours left"]
    assert {orphan.kind for orphan in report.orphans[:3]} == {"link_dying"}


def test_deliveries_begin_with_the_link_that_dies_first(vendor: Vendor, office: Office) -> None:
    left = {hours: left_behind(office, vendor.simulator, f"{hours}", age=hours * HOUR) for hours in (1, 69, 2, 71, 30)}
    vendor.simulator.plan(*(Fault(fault="slow_media", seconds=0.3, matching=f"{hours}") for hours in left))
    office.collected(deliver_limit=1)
    stored = [event.task_id for event in office.events if event.kind == "stored"]
    by_hours = [left[hours].task_id for hours in (71, 69, 30, 2, 1)]
    # The first that was there may have been begun before the others were asked about.
    assert [each for each in stored[1:]] == [each for each in by_hours if each != stored[0]]


def test_a_second_paid_task_is_collected_and_the_first_video_is_not_touched(vendor: Vendor, office: Office) -> None:
    for template in ("videos/{task_id}.mp4", "videos/{intent}.mp4"):
        second = an_attempt(a_task(vendor.simulator, template), 2)
        record = a_record(template, an_attempt("videos_first"), second, state=State.STORED)
        key = template.format(task_id="videos_first", intent=record.intent)
        (office.folder / "videos").mkdir(parents=True, exist_ok=True)
        (office.folder / key).write_bytes(FIRST)
        facts = Stored(uri=(office.folder / key).as_uri(), key=key, bytes=len(FIRST), sha256="s", crc32="")
        delivery = record.delivery.model_copy(update={"key_template": template})
        office.write(record.model_copy(update={"stored": facts, "key": key, "delivery": delivery}))
        assert became(office.collected())[template].became == "stored"
        after = office.record(record.intent)
        found = after.attempts[1].stored
        assert (office.folder / key).read_bytes() == FIRST and after.stored == facts and after.key == key
        assert found is not None and found.key != key and (office.folder / found.key).stat().st_size == found.bytes
        assert office.markers() == [] and not after.is_open
    assert office.kinds() == ["stored", "stored"]
    assert "videos_first" not in asked(vendor)


# Who is asked.


def test_other_accounts_and_hosts_are_counted_and_never_asked_about(vendor: Vendor, office: Office) -> None:
    left_behind(office, vendor.simulator, "ours")
    office.write(a_record("theirs", an_attempt("videos_theirs"), account="other"))
    office.write(a_record("elsewhere", an_attempt("videos_elsewhere", host="api.example.com", age=71 * HOUR)))
    office.write(a_record("by hand", an_attempt("by-hand-0123456789abcdef-1-3f9a1c04"), state=State.COMPLETED))
    report = office.collected()
    assert report.left_alone == {"other_account": 1, "other_host": 1, "unknown": 1}
    assert [(video.name, video.became) for video in report.videos] == [("ours", "stored")]
    assert asked(vendor) == [report.videos[0].task_id]
    assert [(orphan.name, orphan.kind) for orphan in report.orphans] == [
        ("elsewhere", "link_dying"),
        ("by hand", "unknown"),
    ]
    assert "another host" in report.orphans[0].reason


def test_a_wrong_key_ends_the_collection_after_three_questions(vendor: Vendor, office: Office) -> None:
    records = [left_behind(office, vendor.simulator, f"{number}") for number in range(20)]
    with pytest.raises(AuthenticationFailed):
        Office(office.folder, account_at(vendor.counter.url, "sk_wrong")).collected()
    assert vendor.counter.count(QUERY) == 3
    assert all(office.record(record.intent) == record for record in records)


def test_a_key_that_is_taken_away_ends_it_too(vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    one_question_at_a_time(monkeypatch)
    left_behind(office, vendor.simulator, "made", age=71 * HOUR)
    for number in range(20):  # so young that they are asked about again at once
        left_behind(office, vendor.simulator, f"{number}", age=2.0, made=False)

    def take_away(event: Event) -> None:
        if event.kind == "stored":
            vendor.counter.answer(QUERY, lambda: envelope(code=20001, message="invalid api key"))
            vendor.counter.asked.clear()

    office.observer_of = lambda record: Observer(emit=take_away)  # type: ignore[method-assign]
    with pytest.raises(AuthenticationFailed):
        office.collected()
    assert vendor.counter.count(QUERY) <= 4 and len(office.videos()) == 1


def test_tasks_that_the_key_may_not_see_cost_the_others_nothing(vendor: Vendor, office: Office) -> None:
    for number in range(3):  # the most urgent of all
        record = left_behind(office, vendor.simulator, f"{number}", age=71 * HOUR)
        vendor.counter.answer(f"/{record.task_id}", lambda: envelope(code=20001, message="no permission"))
    ours = [left_behind(office, vendor.simulator, f"ours {number}") for number in range(6)]
    report = office.collected()
    assert {office.record(record.intent).state for record in ours} == {State.STORED}
    assert sorted(video.became for video in report.videos) == ["stored"] * 6 + ["trouble"] * 3


def test_one_task_that_the_key_may_not_see_is_an_error_where_nothing_else_is_open(
    vendor: Vendor, office: Office
) -> None:
    left_behind(office, vendor.simulator, "refused")
    vendor.counter.answer(QUERY, lambda: envelope(code=20001, message="no permission"))
    with pytest.raises(AuthenticationFailed):
        office.collected()


def test_what_stands_in_between_is_no_verdict(vendor: Vendor, office: Office) -> None:
    records = [left_behind(office, vendor.simulator, f"{number}") for number in range(4)]
    pages = iter([401, 403, 502, 404] * 2)
    vendor.counter.answer(QUERY, lambda: Made(next(pages), b"<html>Forbidden</html>"), 8)
    report = office.collected()
    assert [video.became for video in report.videos] == ["stored"] * 4
    assert {office.record(record.intent).state for record in records} == {State.STORED}


def test_rate_limits_slow_all_questions_down_and_end_none(vendor: Vendor, office: Office) -> None:
    for number in range(3):
        left_behind(office, vendor.simulator, f"{number}")
    before = gate_for(vendor.account).pauses
    vendor.simulator.plan(Fault(fault="query_rate_limited", times=2))
    assert [video.became for video in office.collected().videos] == ["stored"] * 3
    assert gate_for(vendor.account).pauses > before


def test_a_vendor_that_forgets_a_task_ends_no_record(
    vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.pipeline.watch.polling.LOCAL_POLL_SECONDS", 0.01)
    record = left_behind(office, vendor.simulator, "forgotten", age=20 * DAY)
    vendor.simulator.plan(Fault(fault="not_found", times=1_000))
    video = became(office.collected())["forgotten"]
    assert video.became == "trouble" and "does not know" in video.reason and "next try" in video.reason
    after = office.record(record.intent)
    assert (after.state, after.attempts[0].misses) == (State.SUBMITTED, 1) and office.markers()
    polls = vendor.counter.count(QUERY)
    assert polls == 3, "an old task is not new to the vendor: the pace is for others"
    assert became(office.collected())["forgotten"].became == "open" and vendor.counter.count(QUERY) == polls
    vendor.simulator.simulation.faults.clear()
    office.ahead = timedelta(hours=1)
    assert became(office.collected())["forgotten"].became == "stored"


def test_a_dead_link_is_tried_hourly_then_daily_and_given_up_a_week_later(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "dead", age=3 * DAY + HOUR)
    vendor.simulator.plan(Fault(fault="expired_link", times=1_000))

    def seen(ahead: timedelta) -> tuple[str, int]:
        office.ahead = ahead
        polls = vendor.counter.count(QUERY)
        video = became(office.collected())["dead"]
        return video.became, vendor.counter.count(QUERY) - polls

    asked_twice = 2  # once for the link, once for a fresh one
    assert seen(timedelta()) == ("trouble", asked_twice)
    assert seen(timedelta(minutes=59)) == ("open", 0)
    assert seen(timedelta(minutes=61)) == ("trouble", asked_twice)
    tried = office.record(record.intent)
    attempt = tried.attempts[0].model_copy(update={"misses": 24})
    office.write(tried.model_copy(update={"attempts": (attempt,)}))
    assert seen(timedelta(hours=5)) == ("open", 0)
    assert seen(timedelta(hours=26)) == ("trouble", asked_twice)
    assert office.record(record.intent).state is State.COMPLETED and "failed" not in office.kinds()
    assert seen(timedelta(days=7)) == ("failed", asked_twice)
    after = office.record(record.intent)
    assert (after.state, after.attempts[0].failure) == (State.FAILED, "expired") and office.markers() == []
    assert office.kinds() == ["completed", "failed"] and office.events[-1].facts["failure"] == "expired"
    policy = SubmissionPolicy(max_submissions=9)
    verdict = decide(after, age_seconds=0.0, policy=policy)
    assert verdict.decision is Decision.STOP_FAILED
    assert "not fetched in time" in str(stop_error(verdict.decision, after, policy, "", ""))


def test_a_completed_task_without_a_link_is_given_up_as_well(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "gone", age=11 * DAY)
    vendor.simulator.plan(Fault(fault="completed_without_url", times=1_000))
    assert became(office.collected())["gone"].became == "trouble"
    office.ahead = timedelta(hours=23)
    assert became(office.collected())["gone"].became == "trouble"
    office.ahead = timedelta(hours=46)
    assert became(office.collected())["gone"].became == "trouble", "the last try was not a day ago"
    office.ahead = timedelta(hours=70)
    video = became(office.collected())["gone"]
    assert video.became == "failed" and "was not fetched in time" in video.reason and "--file" in video.advice
    assert office.record(record.intent).attempts[0].failure == "expired"


@pytest.mark.parametrize("fault", ["expired_link", "completed_without_url"])
def test_a_worker_whose_clock_is_ahead_gives_nothing_up(vendor: Vendor, office: Office, fault: str) -> None:
    record = left_behind(office, vendor.simulator, "dead", age=4 * DAY)
    vendor.simulator.plan(Fault(fault=fault, times=1_000))  # type: ignore[arg-type]
    assert became(office.collected())["dead"].became == "trouble"
    office.ahead, office.wrong = timedelta(hours=2), timedelta(days=40)
    assert became(office.collected())["dead"].became == "trouble"
    after = office.record(record.intent)
    assert after.attempts[0].failure == "" and after.attempts[0].misses == 2 and office.markers()
    assert after.attempts[0].missed_at is not None
    assert after.attempts[0].missed_at < datetime.now(UTC) + timedelta(hours=3), "the store's clock says when"


def test_a_task_that_was_made_days_late_has_its_link_waited_for(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "late", age=11 * DAY)
    done = {"task_id": record.task_id, "status": "completed", "completed_at": int(time.time())}
    vendor.counter.answer(QUERY, lambda: envelope(done, code=20000), 2)
    assert became(office.collected())["late"].became == "stored"
    assert office.record(record.intent).attempts[0].misses == 0


def test_what_could_not_be_fetched_waits_for_nobody(vendor: Vendor, office: Office) -> None:
    left_behind(office, vendor.simulator, "one")
    (office.folder / "videos").write_text("no folder")
    assert became(office.collected())["one"].became == "trouble"
    (office.folder / "videos").unlink()
    assert became(office.collected())["one"].became == "stored"


def test_a_video_that_somebody_brought_meanwhile_does_not_fail(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "one")
    assert became(office.collected())["one"].became == "stored"
    before = office.record(record.intent)
    entry = office.destination().journal.record_failed(record.intent, record.task_id, "expired", "too late")
    assert not entry.wrote and office.record(record.intent) == before


# What is settled without a question.


def test_a_lapsed_claim_becomes_unknown_once_and_a_late_answer_still_merges(vendor: Vendor, office: Office) -> None:
    record = a_lapsed_claim(office)
    report = office.collected()
    (video,) = report.videos
    assert video.became == "unknown" and "nightly" in video.reason and "prefect-seedance resolve" in video.advice
    assert office.kinds() == ["unknown"] and "resolve" in office.events[0].facts
    assert [orphan.kind for orphan in report.orphans] == ["unknown"]
    assert office.collected().left_alone == {"unknown": 1} and office.kinds() == ["unknown"]
    assert vendor.counter.asked == []
    office.destination().journal.record_accepted(record.intent, "0" * 32, accepted(a_task(vendor.simulator, "late")))
    assert became(office.collected())["claimed"].became == "stored"


def test_a_claim_that_was_renewed_meanwhile_stands(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    record = a_lapsed_claim(office)
    look = Journal.look

    def renewed_after(journal: Journal, intent: str) -> object:
        found = look(journal, intent)
        office.write(record.model_copy(update={"nonce": "renewed", "rev": 2}))
        return found

    monkeypatch.setattr(Journal, "look", renewed_after)
    assert office.collected().videos == [] and office.kinds() == []
    assert office.record(record.intent).state is State.SENDING


def test_a_claim_that_cannot_be_settled_just_now_costs_no_other_its_turn(
    vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_lapsed_claim(office)
    left_behind(office, vendor.simulator, "fine")
    observer_of = office.observer_of
    monkeypatch.setattr(office, "observer_of", lambda record: observer_of(record) if record.task_id else 1 / 0)
    found = became(office.collected())
    assert (found["claimed"].became, found["fine"].became) == ("trouble", "stored")


def test_a_claim_without_its_holder_is_left_to_a_person(vendor: Vendor, office: Office) -> None:
    record = a_lapsed_claim(office).model_copy(update={"holder": None})
    office.write(record)
    office.age(211.0, f"records/{record.intent}.json")
    assert office.collected().left_alone == {"unknown": 1}
    assert office.record(record.intent) == record and office.kinds() == [] and vendor.counter.asked == []


def test_what_nobody_came_back_for_is_closed_after_a_day(vendor: Vendor, office: Office) -> None:
    record = a_record("ready", an_attempt("", outcome="never_sent"), state=State.READY)
    office.write(record)
    assert office.collected().left_alone == {"watched": 1}
    office.age(DAY)
    assert [video.became for video in office.collected().videos] == ["closed"]
    assert office.record(record.intent).state is State.REFUSED and office.markers() == []
    assert office.kinds() == ["refused"] and vendor.counter.asked == []


def test_a_record_that_may_only_be_read_is_left_as_it_is(vendor: Vendor, office: Office) -> None:
    newer = left_behind(office, vendor.simulator, "newer").model_copy(update={"version": VERSION + 1})
    office.write(newer)
    damaged = a_record("damaged")
    office.write(damaged)
    path = office.folder / "journal/records" / f"{damaged.intent}.json"
    path.write_bytes(b"{")
    left_behind(office, vendor.simulator, "fine")
    found = {video.intent: video for video in office.collected().videos}
    assert found.pop(newer.intent).became == "trouble" and found.pop(damaged.intent).became == "trouble"
    assert [video.became for video in found.values()] == ["stored"]
    assert path.read_bytes() == b"{" and office.record(newer.intent) == newer


def test_a_record_with_moments_that_cannot_be_costs_the_others_nothing(vendor: Vendor, office: Office) -> None:
    far = datetime.max.replace(tzinfo=UTC)
    office.write(a_record("odd", an_attempt("videos_odd", misses=1, missed_at=far)))
    left_behind(office, vendor.simulator, "fine")
    found = {video.name: video for video in office.collected().videos}
    assert found["fine"].became == "stored" and found[""].became == "trouble" and "makes no sense" in found[""].reason


def test_a_dead_link_is_reported_once_however_long_the_run_goes_on(
    vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_LIST_SECONDS", 0.05)
    left_behind(office, vendor.simulator, "keeps it going", made=False)
    left_behind(office, vendor.simulator, "dead", age=4 * DAY)
    vendor.simulator.plan(Fault(fault="expired_link", times=1_000))
    report = office.collected(minutes=1.5 / 60)
    assert [(video.name, video.became) for video in report.videos] == [("keeps it going", "open"), ("dead", "trouble")]
    assert [orphan.name for orphan in report.orphans].count("dead") == 1


def test_the_marker_of_a_newer_record_stays_whatever_its_state_seems_to_be(office: Office) -> None:
    record = a_record("newer", an_attempt(failure="media"), state=State.FAILED)
    office.write(record.model_copy(update={"version": VERSION + 1}))
    marker = office.folder / "journal/open" / f"{record.intent}.1"
    marker.parent.mkdir(parents=True)
    marker.write_bytes(b"")
    office.age(2 * DAY, "open/*")
    assert [video.became for video in office.collected().videos] == ["trouble"]
    assert [*office.destination().journal.open_records()] == [] and office.markers() == [marker.name]


def test_a_stray_marker_goes_when_its_writer_cannot_come_any_more(office: Office) -> None:
    done = a_record("done", state=State.REFUSED, attempts=())
    office.write(done)
    for name in (f"{done.intent}.1", f"{done.intent}.2", f"{'a' * 32}.1", "odd"):
        path = office.folder / "journal/open" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    office.age(DAY - 60, "open/*")
    office.collected()
    assert len(office.markers()) == 3, "only the one of an opening that is over goes at once"
    office.age(61, "open/*")
    office.collected()
    assert office.markers() == ["odd"]


def completed_with(vendor: Vendor, record: Record, path: str, first: Callable[[], object]) -> None:
    """Have the vendor say that a task is completed, with a link of the counter's, after something has happened."""
    done = {"task_id": record.task_id, "status": "completed", "video_url": f"{vendor.counter.url}{path}"}
    vendor.counter.answer(f"/{record.task_id}", lambda: (first(), envelope(done, code=20000))[1])


def test_a_link_to_an_input_is_not_taken_for_the_video(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "edited", age=HOUR)
    request = {**record.request, "reference_videos": [f"{vendor.counter.url}/cut.mp4"]}
    office.write(record.model_copy(update={"request": request}))
    vendor.counter.files["/cut.mp4"] = b"what was sent in"
    done = {"task_id": record.task_id, "status": "completed", "video_url": f"{vendor.counter.url}/cut.mp4"}
    vendor.counter.answer(QUERY, lambda: envelope(done, code=20000), 1)
    video = became(office.collected())["edited"]
    assert (video.became, video.polls) == ("stored", 2)
    assert not any(path == "/cut.mp4" for _, path in vendor.counter.moments)


def test_a_record_that_is_deleted_while_its_task_is_asked_about_is_said_to_be_gone(
    vendor: Vendor, office: Office
) -> None:
    record = left_behind(office, vendor.simulator, "deleted", age=71 * HOUR)
    left_behind(office, vendor.simulator, "fine")
    path = office.folder / "journal/records" / f"{record.intent}.json"
    completed_with(vendor, record, "/made.mp4", lambda: path.unlink(missing_ok=True))
    found = became(office.collected())
    assert (found["deleted"].became, found["fine"].became) == ("trouble", "stored")
    assert "is gone" in found["deleted"].reason and len(office.videos()) == 1 and not path.exists()


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_record_that_has_lost_its_task_is_neither_filled_nor_failed(
    vendor: Vendor, office: Office, status: str
) -> None:
    record = left_behind(office, vendor.simulator, "mended")
    other = a_record("mended", an_attempt("videos_another"))
    said = {"task_id": record.task_id, "status": status, "video_url": f"{vendor.counter.url}/made.mp4"}
    vendor.counter.answer(f"/{record.task_id}", lambda: (office.write(other), envelope(said, code=20000))[1])
    video = became(office.collected())["mended"]
    assert video.became == "trouble" and "has lost its task" in video.reason
    assert office.record(record.intent) == other and office.videos() == [] and office.kinds() == []


def test_a_task_that_another_process_writes_down_as_failed_meanwhile_is_that_ones_to_tell(
    vendor: Vendor, office: Office
) -> None:
    record = left_behind(office, vendor.simulator, "one")
    observer_of = office.observer_of

    def failed_meanwhile(read: Record) -> Observer:
        office.destination().journal.record_failed(record.intent, record.task_id, "moderation", "TRADEMARK")
        return observer_of(read)

    office.observer_of = failed_meanwhile  # type: ignore[method-assign]
    video = became(office.collected())["one"]
    assert (video.became, video.by_another) == ("failed", True) and "TRADEMARK" in video.reason
    assert office.kinds() == [] and office.videos() == []


def test_a_failed_try_that_cannot_be_written_down_says_both(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "dead", age=71 * HOUR)
    left_behind(office, vendor.simulator, "fine")
    path = office.folder / "journal/records" / f"{record.intent}.json"

    def dead() -> Made:
        path.unlink(missing_ok=True)
        return Made(403, b"expired")

    completed_with(vendor, record, "/dead.mp4", lambda: None)
    vendor.counter.answer("/dead.mp4", dead)
    found = became(office.collected())
    assert (found["dead"].became, found["fine"].became) == ("trouble", "stored")
    assert "HTTP 403" in found["dead"].reason and "--restore" in found["dead"].reason


def test_a_vendor_who_never_answers_a_question_properly_costs_that_video_this_run_only(
    vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefect_seedance.pipeline.watch.polling.LOCAL_POLL_SECONDS", 0.01)
    monkeypatch.setattr("prefect_seedance.pipeline.watch.polling.MAXIMUM_FAULTS", 2)
    record = left_behind(office, vendor.simulator, "odd")
    vendor.counter.answer(f"/{record.task_id}", lambda: envelope(code=20002, message="no such field"), 3)
    video = became(office.collected())["odd"]
    assert (video.became, video.polls) == ("trouble", 3) and "no such field" in video.reason
    assert office.record(record.intent) == record
    assert became(office.collected())["odd"].became == "stored"


def test_a_video_that_was_submitted_a_moment_ago_is_collected_by_a_store_that_does_not_tell_the_time(
    vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = FolderStore.get

    def untimed(store: FolderStore, key: str) -> Blob | None:
        blob = get(store, key)
        return blob and replace(blob, read_at=None)

    monkeypatch.setattr(FolderStore, "get", untimed)
    left_behind(office, vendor.simulator, "new", age=0.0)
    assert became(office.collected())["new"].became == "stored"


def test_a_journal_that_cannot_be_listed_again_ends_nothing(
    vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_LIST_SECONDS", 0.05)
    record = left_behind(office, vendor.simulator, "one", age=2.0, made=False)
    list_ages, looks = FolderStore.list_ages, 0

    def down(store: FolderStore, prefix: str) -> object:
        nonlocal looks
        looks += 1
        if looks == 2:
            vendor.simulator.simulation.ledger._tasks[record.task_id].started -= 10_000.0
            raise StoreUnavailable("journal", "connection refused")
        return list_ages(store, prefix)

    monkeypatch.setattr(FolderStore, "list_ages", down)
    assert became(office.collected())["one"].became == "stored"
    assert [line for line in office.lines if line.startswith("The journal could not be listed again")] != []


# The end of a run.


def test_when_the_time_is_up_what_is_left_is_said(vendor: Vendor, office: Office) -> None:
    left_behind(office, vendor.simulator, "being made", age=3 * HOUR, made=False)
    report = office.collected(minutes=0.005)
    (video,) = report.videos
    assert video.became == "open" and video.polls > 0 and report.polls == video.polls
    assert "processing" in video.reason or "queued" in video.reason
    assert [orphan.kind for orphan in report.orphans] == ["late"] and report.ended_at is not None
    assert office.lines[-1] == "The collection is over: 1 open."


def test_a_delivery_under_way_is_finished_after_the_time(vendor: Vendor, office: Office, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4").read_bytes()
    record = left_behind(office, vendor.simulator, "slow", age=71 * HOUR)  # so that it is the first to be asked about
    left_behind(office, vendor.simulator, "being made", made=False)
    seconds, began = 3.0, time.monotonic()
    polls: list[int] = []

    def slow_video() -> Made:
        time.sleep(max(0.0, began + seconds + 0.3 - time.monotonic()))
        polls.append(vendor.counter.count(QUERY))
        return Made(200, clip, {"Content-Type": "video/mp4"})

    link = f"{vendor.counter.url}/slow.mp4"
    done = {"task_id": record.task_id, "status": "completed", "video_url": link}
    vendor.counter.answer("/slow.mp4", slow_video)
    vendor.counter.answer(QUERY, lambda: envelope(done, code=20000), 1)
    found = became(office.collected(minutes=seconds / 60))
    assert (found["slow"].became, found["being made"].became) == ("stored", "open")
    assert polls == [vendor.counter.count(QUERY)]  # and no question was asked after the time


def test_a_run_that_goes_on_for_long_looks_again_at_what_it_left(
    vendor: Vendor, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_LIST_SECONDS", 0.05)
    left_behind(office, vendor.simulator, "keeps it going", made=False)
    lapsed = a_lapsed_claim(office)
    young = left_behind(office, vendor.simulator, "young", age=58.0)
    late, damaged = left_behind(office, vendor.simulator, "late"), left_behind(office, vendor.simulator, "damaged")
    paths = [office.folder / "journal/records" / f"{each.intent}.json" for each in (late, damaged)]
    whole = [path.read_bytes() for path in paths]
    paths[0].unlink()  # there is only its marker yet
    paths[1].write_bytes(b"{")

    async def meanwhile() -> CollectReport:
        collecting = asyncio.create_task(office.collect(minutes=4 / 60, older_than=1.0))
        while "unknown" not in office.kinds():
            await asyncio.sleep(0.02)
        for path, data in zip(paths, whole, strict=True):
            path.write_bytes(data)
        task_id = a_task(vendor.simulator, "claimed")
        office.destination().journal.record_accepted(lapsed.intent, "0" * 32, accepted(task_id))
        return await collecting

    report = asyncio.run(meanwhile())
    found = became(report)
    assert {name: video.became for name, video in found.items()} == {
        "keeps it going": "open",
        **dict.fromkeys(("young", "late", "damaged", "claimed"), "stored"),
    }
    assert len(report.videos) == 5 and report.left_alone == {} and office.record(young.intent).state is State.STORED


def test_a_cancelled_collection_ends_and_the_next_one_goes_on(vendor: Vendor, office: Office) -> None:
    record = left_behind(office, vendor.simulator, "slow")
    vendor.simulator.plan(Fault(fault="stalled_media", seconds=60.0))

    async def cancelled() -> None:
        collecting = asyncio.create_task(office.collect())
        while not vendor.simulator.media_requests():
            await asyncio.sleep(0.01)
        collecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await collecting

    asyncio.run(cancelled())
    assert office.record(record.intent).state is State.COMPLETED and office.videos() == []
    office.age(601.0)
    assert became(office.collected())["slow"].became == "stored"


def test_a_store_that_does_not_answer_ends_it_with_one_error(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self: FolderStore, prefix: str) -> object:
        raise StoreUnavailable("journal", "connection refused")

    monkeypatch.setattr(FolderStore, "list_ages", down)
    with pytest.raises(JournalUnavailable):
        office.collected()


def test_an_observer_that_cannot_be_had_costs_that_video_its_turn_and_no_other(vendor: Vendor, office: Office) -> None:
    left_behind(office, vendor.simulator, "one")
    left_behind(office, vendor.simulator, "two")
    observer_of: Callable[[Record], object] = office.observer_of

    def faulty(record: Record) -> object:
        if record.delivery.name == "one":
            raise InvalidRequest(["odd"])
        return observer_of(record)

    office.observer_of = faulty  # type: ignore[method-assign, assignment]
    found = became(office.collected())
    assert (found["one"].became, found["two"].became) == ("trouble", "stored")
