"""Where a video goes is in its record, so that any process can go on: the claim's template, the answer's key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.client.errors import InvalidParameters
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted, Outcome, Refused, Unknown
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.journal.record import Delivery
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.adoption import adopt
from prefect_seedance.journal.submit.decision import Decision
from prefect_seedance.storage.templates import KeyFacts, check_template, prefill
from tests.journal.harness import INTENT, Killed, World

FACTS = KeyFacts(intent=INTENT, request_digest="d1", model="seedance2.0-std", take="2 of 3", flow_run_name="gray {fox}")
TEMPLATE = check_template("{created:%Y/%m/%d}/{model}/{flow_run_name}-{take}/{task_id}.mp4")
DELIVERY = Delivery(key_template=prefill(TEMPLATE, FACTS), name="boat", notify=("team", "on call"), posters=False)
NEW_YEAR = 1_767_225_600  # 2026-01-01


def key_of(task_id: str, day: str = "2026/01/01") -> str:
    return f"{day}/seedance2.0-std/gray-fox--2-of-3/{task_id}.mp4"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "store")


def test_it_is_kept_by_the_write_that_claims(world: World) -> None:
    at_post = []
    world.at = lambda point: at_post.append(world.record()) if point == "post.before" else None
    world.run(delivery=DELIVERY)
    (claimed,) = at_post
    assert (claimed.state, claimed.rev, claimed.delivery, claimed.key) == (State.SENDING, 1, DELIVERY, "")


def test_a_process_that_dies_with_the_answer_leaves_all_that_another_one_needs(world: World) -> None:
    def die(point: str) -> None:
        if point == "accepted.record.after":
            world.store.down = Killed()
            raise Killed

    world.at, world.vendor.script = die, [Accepted("videos_1", created_at=NEW_YEAR)]
    with pytest.raises(Killed):
        world.run(delivery=DELIVERY, watch_seconds=2700.0)
    world.store.down = None
    (entry,) = World(world.store).journal.open_records()
    record = entry.record
    assert (record.key, record.delivery, record.watch_seconds) == (key_of("videos_1"), DELIVERY, 2700.0)


@pytest.mark.parametrize(("created_at", "day"), [(NEW_YEAR, "2026/01/01"), (None, "2026/11/22")])
def test_the_key_is_completed_by_the_answer(world: World, created_at: int | None, day: str) -> None:
    world.vendor.script = [Accepted("videos_1", created_at=created_at)]
    world.run(delivery=DELIVERY)
    assert world.record().key == key_of("videos_1", day)


def test_the_key_stays_whatever_day_the_vendor_names_later(world: World) -> None:
    world.vendor.script = [Accepted("videos_1", created_at=NEW_YEAR)]
    world.run(delivery=DELIVERY)
    world.journal.record_completed(
        INTENT, VideoTask(task_id="videos_1", status="completed", created_at=NEW_YEAR + 1_000_000)
    )
    assert world.record().key == key_of("videos_1")


def test_an_answer_that_comes_late_completes_the_key(world: World) -> None:
    def late() -> Outcome:
        world.freeze(3600.0)
        resolve_unknown(World(world.store).journal, INTENT, "abandon")
        return Accepted("videos_1", created_at=NEW_YEAR)

    world.vendor.script = [late]
    world.run(delivery=DELIVERY)
    assert (world.record().state, world.record().key) == (State.SUBMITTED, key_of("videos_1"))


def test_a_task_that_is_gone_on_with_since_the_attempt_behind_it_was_refused_gets_its_key(world: World) -> None:
    first = World(world.store, world.vendor)

    def late() -> Outcome:
        world.freeze(3600.0)
        resolve_unknown(world.journal, INTENT, "not_billed")
        world.vendor.script = [lambda: refused_behind("videos_1")]
        assert world.run("two", delivery=DELIVERY)["task_id"] == "videos_1"
        return Accepted("videos_1", created_at=NEW_YEAR)

    def refused_behind(task_id: str) -> Outcome:
        nonce = world.record().attempts[0].nonce
        World(world.store).journal.record_accepted(INTENT, nonce, Accepted(task_id, created_at=NEW_YEAR))
        assert world.record().key == ""
        return Refused("20002", "bad", 200)

    world.vendor.script = [late]
    first.run("one", delivery=Delivery())
    assert (world.record().task_id, world.record().key) == ("videos_1", key_of("videos_1"))


def test_a_task_that_a_person_attaches_gets_its_key(world: World) -> None:
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run(delivery=DELIVERY)
    task = VideoTask(task_id="videos_1", status="processing", created_at=NEW_YEAR)
    attempt = world.record().attempts[-1].name
    resolve_unknown(
        World(world.store).journal,
        INTENT,
        "attach",
        task_id="videos_1",
        attempt=attempt,
        fetch=lambda _: task,
        any_age=True,
    )
    assert (world.record().key, world.record().delivery) == (key_of("videos_1"), DELIVERY)


def test_a_known_task_whose_record_was_lost_gets_its_key(world: World) -> None:
    world.vendor.script = [Accepted("videos_1", created_at=NEW_YEAR)]
    known = world.run(delivery=DELIVERY)
    world.delete_record()
    adopt(World(world.store).journal, known)
    assert (world.record().key, world.record().delivery) == (key_of("videos_1"), DELIVERY)


def test_a_known_task_of_a_record_that_is_there_goes_where_the_record_says(world: World) -> None:
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run(delivery=DELIVERY)
    known = World.in_memory().run(delivery=Delivery(key_template="elsewhere/{task_id}.mp4"))
    adopt(World(world.store).journal, known)
    assert world.record().delivery == DELIVERY
    assert world.record().key == key_of(known["task_id"], "2026/11/22")


def test_a_claim_brings_its_own(world: World) -> None:
    world.vendor.script = [Refused("20002", "bad", 200), Accepted("videos_1", created_at=NEW_YEAR)]
    with pytest.raises(InvalidParameters):
        world.run(delivery=Delivery(key_template="old/{task_id}.mp4"))
    assert world.run("two", delivery=DELIVERY)["decision"] == Decision.RESUBMIT
    assert (world.record().key, world.record().delivery) == (key_of("videos_1"), DELIVERY)


def test_who_only_attaches_changes_nothing_of_it(world: World) -> None:
    world.run("one", delivery=DELIVERY, watch_seconds=2700.0)
    before = world.record()
    World(world.store, world.vendor).run("two", delivery=Delivery(name="other"), watch_seconds=60.0)
    assert world.record() == before


def test_who_names_no_delivery_leaves_what_the_record_says(world: World) -> None:
    world.vendor.script = [Refused("20002", "bad", 200), Accepted("videos_1", created_at=NEW_YEAR)]
    with pytest.raises(InvalidParameters):
        world.run(delivery=DELIVERY)
    assert world.run("two", delivery=None)["decision"] == Decision.RESUBMIT
    assert (world.record().key, world.record().delivery) == (key_of("videos_1"), DELIVERY)


def test_a_first_claim_that_names_no_delivery_leaves_the_name_to_whoever_relays(world: World) -> None:
    world.run(delivery=None)
    assert (world.record().key, world.record().delivery) == ("", Delivery())


UNFIT = ["{task_id", "}.mp4", "{task_id!r}.mp4", "{task_id.__class__}.mp4"]


@pytest.mark.parametrize("template", UNFIT)
def test_a_template_that_cannot_be_rendered_costs_no_task_id(world: World, template: str) -> None:
    # Of a record that another version or a person wrote: no template that is saved today is like this.
    known = world.run(delivery=Delivery(key_template=template))
    record = world.record()
    assert (known["recorded"], record.state, record.task_id) == (True, State.SUBMITTED, known["task_id"])
    assert (record.key, record.delivery.key_template) == ("", template)


@given(template=st.text(st.sampled_from("{}:!%.[]/ Yks_") | st.characters(codec="utf-8"), max_size=30))
def test_whatever_a_template_is_the_task_id_is_written_down(template: str) -> None:
    world = World.in_memory()
    known = world.run(delivery=Delivery(key_template=template))
    assert known["recorded"] and world.record().task_ids == (known["task_id"],)


@pytest.mark.parametrize("template", UNFIT)
def test_a_lost_record_is_written_anew_whatever_its_template(world: World, template: str) -> None:
    known = world.run(delivery=Delivery(key_template=template))
    world.delete_record()
    assert adopt(World(world.store).journal, known).task_id == known["task_id"]
    assert (world.record().task_ids, world.record().key) == ((known["task_id"],), "")


@pytest.mark.parametrize("template", ["{{x}}/{task_id}.mp4", "a}}/{task_id}.mp4", "{{{task_id}.mp4", "{{task_id}}.mp4"])
def test_a_template_with_escaped_braces_is_refused_when_it_is_saved(template: str) -> None:
    # Filled in once, it would be read a second time with single braces.
    with pytest.raises(ValueError, match=r"key template.*brace"):
        check_template(template)
