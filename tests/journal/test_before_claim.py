"""The hook between the decision to send and the claim: what it forbids costs nothing and leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from prefect_seedance.client.errors import InvalidParameters, SeedanceError
from prefect_seedance.client.outcome import Accepted, Busy, NeverSent, Outcome, Refused, TooManyRequests, Unknown
from prefect_seedance.journal.errors import (
    AbandonedBefore,
    FailedBefore,
    SubmissionCancelled,
    SubmissionsUsedUp,
    SubmissionUnknown,
    TooManyUnknowns,
)
from prefect_seedance.journal.record import Stored
from prefect_seedance.journal.resolution import resolve_unknown
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.critical_section import Evidence
from prefect_seedance.journal.submit.decision import Decision
from tests.journal.harness import INTENT, TWICE, Killed, World

REFUSED = Refused("20002", "bad", 200)
FACTS = Stored(uri="file:///x.mp4", key="x.mp4", bytes=3, sha256="ab", crc32="cd")


class Forbidden(Exception):
    """The budget is spent, for example."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.in_folder(tmp_path / "store")


def forbid(nonce: str) -> Evidence:
    raise Forbidden


def forbid_from(world: World, number: int, error: type[BaseException] = Forbidden) -> Callable[[str], Evidence]:
    """A hook that forbids the claim of this number and those after it."""

    def hook(nonce: str) -> Evidence:
        if len(world.asked) >= number:
            raise error
        return Evidence()

    return hook


# When it is called.


def test_it_is_called_with_the_nonce_of_the_claim_and_its_evidence_is_kept(world: World) -> None:
    seen: list[object] = []

    def hook(nonce: str) -> Evidence:
        seen.append((world.find(), world.markers()))
        return Evidence(price=0.25, price_source="list", balance_before=12.0)

    def while_posting() -> Accepted:
        holder = world.record().holder
        seen.append(holder and holder.nonce)
        return world.vendor.accept()

    world.before_claim, world.vendor.script = hook, [while_posting]
    submitted = world.run()
    (nonce,) = world.asked
    assert seen == [(None, []), nonce]  # nothing is written before it
    (attempt,) = world.record().attempts
    assert attempt.nonce == submitted["nonce"] == nonce
    assert (attempt.price, attempt.price_source, attempt.balance_before) == (0.25, "list", 12.0)
    assert (submitted["price"], submitted["price_source"]) == (0.25, "list")


@pytest.mark.parametrize("outcome", [TooManyRequests(1.0), Busy("busy"), NeverSent("connection refused")])
def test_it_is_called_again_for_each_further_claim_after_a_back_off(world: World, outcome: Outcome) -> None:
    world.vendor.script = [outcome, outcome]
    asked_at_post: list[int] = []
    world.at = lambda point: asked_at_post.append(len(world.asked)) if point == "post.before" else None
    world.run()
    assert asked_at_post == [1, 2, 3]
    assert world.asked == [attempt.nonce for attempt in world.record().attempts]
    assert len(set(world.asked)) == 3


def test_it_is_called_again_after_a_claim_lost_a_race(world: World) -> None:
    rival = World(world.store, world.vendor)

    def overtake(point: str) -> None:
        if point == "claim.record.before":
            world.at = lambda point: None
            world.vendor.script = [REFUSED]
            with pytest.raises(InvalidParameters):
                rival.run("two")

    world.at = overtake
    submitted = world.run("one")
    lost, won = world.asked
    assert (submitted["decision"], submitted["nonce"]) == (Decision.RESUBMIT, won)
    assert [attempt.nonce for attempt in world.record().attempts] == [*rival.asked, won]
    assert lost not in (*rival.asked, won)


def test_it_is_called_before_our_post_also_where_a_rival_was_sending_when_we_looked_first(world: World) -> None:
    # Seen in a real run: what was checked once, at the first look, had not been checked when the POST went out.
    rival, happened = World(world.store, world.vendor), []
    rival_posts, we_wait = threading.Event(), threading.Event()

    def rivals_post() -> Outcome:
        rival_posts.set()
        assert we_wait.wait(60)
        return REFUSED

    def ours() -> Outcome:
        happened.append("post")
        return world.vendor.accept()

    def run_rival() -> None:
        with pytest.raises(InvalidParameters):
            rival.run("two")

    def let_the_rival_end(point: str) -> None:
        if point == "wait":
            happened.append("wait")
            we_wait.set()
            thread.join(60)
            happened.append(str(world.record().state))

    def hook(nonce: str) -> Evidence:
        happened.append("hook")
        return Evidence()

    world.vendor.script = [rivals_post, ours]
    world.before_claim, world.at = hook, let_the_rival_end
    thread = threading.Thread(target=run_rival)
    thread.start()
    assert rival_posts.wait(60)
    submitted = world.run("one")
    assert happened == ["wait", "refused", "hook", "post"]
    assert submitted["nonce"] == world.asked[0] == world.record().attempts[1].nonce


# When it is not called.


def attach(world: World) -> None:
    world.run()


def stored(world: World) -> None:
    world.journal.record_stored(INTENT, world.run()["task_id"], FACTS)


def used_up(world: World) -> None:
    world.journal.record_failed(INTENT, world.run()["task_id"], "transient", "PROVIDER_TIMEOUT")


def moderated(world: World) -> None:
    world.journal.record_failed(INTENT, world.run()["task_id"], "moderation", "TRADEMARK")


def unknown(world: World) -> None:
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()


def lost(world: World) -> None:
    unknown(world)
    resolve_unknown(world.journal, INTENT, "abandon")


@pytest.mark.parametrize(
    ("before", "ends"),
    [
        (attach, None),
        (stored, None),
        (used_up, SubmissionsUsedUp),
        (moderated, FailedBefore),
        (unknown, SubmissionUnknown),
        (lost, AbandonedBefore),
    ],
)
def test_it_is_not_called_where_nothing_is_going_to_be_sent(
    world: World, before: Callable[[World], None], ends: type[SeedanceError] | None
) -> None:
    before(World(world.store, world.vendor))
    world.before_claim = forbid
    if ends is None:
        assert world.run()["task_id"] == world.vendor.billed[0]
    else:
        with pytest.raises(ends):
            world.run()
    assert world.asked == []


def test_it_is_not_called_while_another_run_is_at_it(world: World) -> None:
    def while_posting() -> Accepted:
        waiting = World(world.store, before_claim=forbid)
        waiting.cancelled = lambda: waiting.points.count("wait") == 3
        with pytest.raises(SubmissionCancelled):
            waiting.run("two")
        assert (waiting.points, waiting.asked) == (["wait"] * 3, [])
        return world.vendor.accept()

    world.vendor.script = [while_posting]
    world.run("one")


@pytest.mark.parametrize("why", ["cancelled", "storm"])
def test_it_is_not_called_by_a_run_that_may_send_nothing_any_more(world: World, why: str) -> None:
    world.before_claim = forbid
    world.cancelled = lambda: why == "cancelled"
    for _ in range(3 if why == "storm" else 0):
        world.storm.unknown()
    with pytest.raises(SubmissionCancelled if why == "cancelled" else TooManyUnknowns):
        world.run()
    assert world.asked == []


# What it raises.


def test_its_error_ends_the_submission_with_nothing_claimed_and_nothing_sent(world: World) -> None:
    world.before_claim = forbid
    with pytest.raises(Forbidden):
        world.run()
    assert world.find() is None and world.markers() == [] and world.vendor.posts == 0
    assert [verb for verb, _ in world.store.calls] == ["get"] and world.events == []


@pytest.mark.parametrize("state", [State.REFUSED, State.READY, State.FAILED])
def test_its_error_leaves_a_record_as_it_was(world: World, state: State) -> None:
    if state is State.REFUSED:
        world.vendor.script = [REFUSED]
        with pytest.raises(InvalidParameters):
            world.run()
    elif state is State.READY:
        unknown(world)
        resolve_unknown(world.journal, INTENT, "not_billed")
    else:
        used_up(world)
    record, markers, posts = world.record(), world.markers(), world.vendor.posts
    assert record.state is state
    other = World(world.store, world.vendor, before_claim=forbid)
    with pytest.raises(Forbidden):
        other.run("two", policy=TWICE)
    assert (world.record(), world.markers(), world.vendor.posts) == (record, markers, posts)


@pytest.mark.parametrize("error", [Forbidden, KeyboardInterrupt])
def test_its_error_frees_a_record_that_was_held_through_a_back_off(world: World, error: type[BaseException]) -> None:
    world.vendor.script = [TooManyRequests(1.0)]
    world.before_claim = forbid_from(world, 2, error)
    with pytest.raises(error):
        world.run("one")
    record = world.record()
    assert (record.state, record.holder, record.submissions) == (State.READY, None, 0)
    assert [attempt.outcome for attempt in record.attempts] == ["rate_limited"]
    assert world.markers() == [f"{INTENT}.1"] and world.vendor.posts == 1
    # So that another run need not wait for the lease.
    other = World(world.store, world.vendor)
    assert other.run("two")["decision"] == Decision.SUBMIT and other.slept == []


def test_a_process_that_is_killed_in_it_after_a_back_off_holds_the_record_for_its_lease_only(world: World) -> None:
    def killed(nonce: str) -> Evidence:
        if len(world.asked) == 2:
            world.store.down = Killed()
            raise Killed
        return Evidence()

    world.vendor.script, world.before_claim = [TooManyRequests(1.0)], killed
    with pytest.raises(Killed):
        world.run("one")
    world.store.down = None
    other = World(world.store, world.vendor)
    assert other.run("two")["decision"] == Decision.SUBMIT
    assert sum(other.slept) > 0 and len(world.vendor.billed) == 1


# What happens while it runs.


def test_a_rival_that_submits_while_it_runs_is_attached_to(world: World) -> None:
    rival = World(world.store, world.vendor)

    def hook(nonce: str) -> Evidence:
        rival.run("two")
        return Evidence()

    world.before_claim = hook
    submitted = world.run("one")
    assert (submitted["decision"], submitted["nonce"]) == (Decision.ATTACH, rival.asked[0])
    assert world.vendor.posts == 1 and len(world.asked) == 1


def test_a_run_that_is_cancelled_while_it_runs_sends_nothing(world: World) -> None:
    world.cancelled = lambda: bool(world.asked)
    with pytest.raises(SubmissionCancelled):
        world.run()
    assert world.vendor.posts == 0
    assert (world.record().state, world.record().holder, world.record().submissions) == (State.READY, None, 0)


def test_a_hook_that_takes_an_hour_takes_nothing_from_the_claim(world: World) -> None:
    def hook(nonce: str) -> Evidence:
        world.freeze(3600.0)
        return Evidence()

    world.before_claim = hook
    world.run()
    assert "renew.record.before" not in world.points
