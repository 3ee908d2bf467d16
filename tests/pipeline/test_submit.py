"""Submitting: one POST at most, and everything that may still forbid it is looked at right before, and only then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_seedance.client.errors import (
    AuthenticationFailed,
    InsufficientBalance,
    InvalidParameters,
    InvalidRequest,
    UnexpectedAnswer,
)
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.errors import JournalUnavailable, SubmissionCancelled, SubmissionUnknown
from prefect_seedance.journal.states import State
from prefect_seedance.media.context import Follower
from prefect_seedance.pipeline import prices
from prefect_seedance.pipeline.order import Order
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.pipeline.submit.preparation import prepare_ahead
from prefect_seedance.pipeline.submit.run_state import RunState
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.simulator import Fault
from prefect_seedance.storage.errors import ConditionsIgnored, NotWritable
from prefect_seedance.storage.folder.store import FolderStore
from tests.pipeline.counter import BALANCE, CATALOG, CREATE, Made, envelope
from tests.pipeline.harness import (
    REQUEST,
    RUN,
    Followed,
    Vendor,
    account_at,
    destination_in,
    order_of,
    record_of,
)

#: A rule of the route is broken; the identity is that of a request that breaks none.
UNSENDABLE = REQUEST.model_copy(update={"duration": 999})
SLOWEST_SECONDS = 10.0


class UnfitStore(FolderStore):
    """A folder that cannot keep two writers apart."""

    def require_conditions(self) -> None:
        raise ConditionsIgnored("the folder", "create")


class WatchedStore(FolderStore):
    """A folder that counts how often it was asked whether it keeps writers apart."""

    asked = 0

    def require_conditions(self) -> None:
        self.asked += 1
        super().require_conditions()


# The whole way.


def test_a_first_call_buys_one_and_the_record_says_all_of_it(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    order = order_of()
    submitted = submit(order, vendor.account, destination, run=RUN, watch_seconds=2700.0, observer=followed.observer)
    assert vendor.billed() == [submitted["task_id"]]
    assert vendor.counter.asked == [BALANCE, CATALOG, CREATE]
    record = record_of(destination, order.intent)
    (attempt,) = record.attempts
    assert (record.state, record.task_id, record.watch_seconds) == (State.SUBMITTED, submitted["task_id"], 2700.0)
    assert (attempt.run.name, attempt.credentials) == ("nightly", vendor.account.fingerprint)
    assert attempt.host == vendor.account.settings.host == submitted["host"]
    assert attempt.price == pytest.approx(attempt.cost) and "catalog" in attempt.price_source
    assert attempt.balance_before == 1000.0
    assert record.key.endswith(f"/{submitted['task_id']}.mp4")
    assert (submitted["decision"], submitted["reused"], submitted["recorded"]) == ("submit", False, True)
    assert followed.kinds == ["submitted"]


def test_a_second_call_attaches_and_asks_the_vendor_nothing(
    vendor: Vendor, destination: Destination, other_process: Destination, followed: Followed
) -> None:
    first = submit(order_of(), vendor.account, destination)
    vendor.counter.asked.clear()
    for process in (destination, other_process):
        second = submit(order_of(), vendor.account, process, observer=followed.observer)
        assert (second["task_id"], second["decision"], second["reused"]) == (first["task_id"], "attach", True)
    assert vendor.counter.asked == [] and vendor.billed() == [first["task_id"]]
    assert followed.kinds == ["attached", "attached"]


@pytest.mark.parametrize("name", ["journal", "videos", "the day's folder", ".tmp"])
def test_a_link_inside_of_the_store_is_refused_before_anything_is_paid(
    vendor: Vendor, destination: Destination, tmp_path: Path, name: str
) -> None:
    store, victim = tmp_path / "store", tmp_path / "victim"
    victim.mkdir()
    today = f"{datetime.now(UTC):%Y/%m}"  # of the template's days the month: no midnight matters but one
    path = store / (f"videos/{today}" if name == "the day's folder" else name)
    path.parent.mkdir(parents=True)
    path.symlink_to(victim)
    with pytest.raises((NotWritable, JournalUnavailable), match="is a link"):
        submit(order_of(), vendor.account, destination)
    assert vendor.billed() == [] and [*victim.iterdir()] == []
    path.unlink()
    assert submit(order_of(), vendor.account, destination)["decision"] == "submit"


def test_what_is_there_already_needs_neither_a_valid_request_nor_a_store_that_keeps_writers_apart(
    vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    # The table of routes may have changed since, and the video is paid for.
    first = submit(order_of(), vendor.account, destination)
    unfit = destination_in(tmp_path / "store", UnfitStore(tmp_path / "store"))
    second = submit(order_of(asked=UNSENDABLE), vendor.account, unfit)
    assert second["task_id"] == first["task_id"]


def test_without_a_preflight_no_balance_is_asked_for(vendor: Vendor, destination: Destination) -> None:
    submitted = submit(order_of(), vendor.account, destination, preflight=False)
    assert vendor.counter.asked == [CATALOG, CREATE]
    assert record_of(destination, submitted["intent"]).attempts[0].balance_before is None


# What forbids a submission.


@pytest.mark.parametrize("preflight", [True, False])
def test_a_request_that_breaks_a_rule_leaves_no_bill_no_claim_and_no_question(
    vendor: Vendor, destination: Destination, preflight: bool
) -> None:
    order = order_of(asked=UNSENDABLE)
    with pytest.raises(InvalidRequest, match="Duration: "):
        submit(order, vendor.account, destination, preflight=preflight)
    assert vendor.counter.asked == [] and vendor.billed() == []
    assert destination.journal.read(order.intent) is None
    assert list(destination.store.list_keys("journal/open/")) == []


def test_a_store_that_cannot_keep_writers_apart_leaves_no_bill_and_no_claim(vendor: Vendor, tmp_path: Path) -> None:
    order, unfit = order_of(), destination_in(tmp_path / "store", UnfitStore(tmp_path / "store"))
    with pytest.raises(ConditionsIgnored):
        submit(order, vendor.account, unfit)
    assert vendor.counter.asked == [] and vendor.billed() == []
    assert unfit.journal.read(order.intent) is None


def test_a_wrong_key_is_found_before_anything_is_claimed(vendor: Vendor, destination: Destination) -> None:
    order = order_of()
    with pytest.raises(AuthenticationFailed) as caught:
        submit(order, account_at(vendor.counter.url, "sk_wrong"), destination)
    assert "preflight=False" in "".join(caught.value.__notes__)
    assert vendor.counter.asked == [BALANCE]
    assert destination.journal.read(order.intent) is None


def test_a_key_that_is_limited_just_now_is_a_right_one(vendor: Vendor, destination: Destination) -> None:
    vendor.counter.answer(BALANCE, lambda: Made(429, b"", {"Retry-After": "86400"}))
    submitted = submit(order_of(), vendor.account, destination)
    assert record_of(destination, submitted["intent"]).attempts[0].balance_before is None
    assert len(vendor.billed()) == 1


def test_an_unknown_outcome_is_an_event_that_says_how_it_is_settled(
    vendor: Vendor, destination: Destination, followed: Followed
) -> None:
    vendor.simulator.plan(Fault(fault="lost_answer"))
    with pytest.raises(SubmissionUnknown):
        submit(order_of(), vendor.account, destination, observer=followed.observer)
    (event,) = followed.events
    assert event.kind == "unknown" and "resolve" in str(event.facts["resolve"])
    with pytest.raises(SubmissionUnknown):
        submit(order_of(), vendor.account, destination)
    assert vendor.counter.count(CREATE) == len(vendor.billed()) == 1


# The price, which is for people.


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Made(503, b"<html>unwell</html>"),
        lambda: Made(200, b"<html>unwell</html>"),
        lambda: Made(200, b'{"code": 0, "da'),
        lambda: envelope(None),
        lambda: envelope({"list": "none"}),
        lambda: envelope(code=50001, message="?"),
        lambda: Made(429, b""),
    ],
    ids=["503", "page", "half", "nothing", "no_list", "code", "429"],
)
def test_a_catalog_that_fails_costs_the_price_only_and_the_log_says_why(
    vendor: Vendor, destination: Destination, followed: Followed, answer: Callable[[], Made]
) -> None:
    vendor.counter.answer(CATALOG, answer)
    submitted = submit(order_of(), vendor.account, destination, observer=followed.observer)
    assert vendor.billed() == [submitted["task_id"]]
    assert vendor.counter.count(CATALOG) == 1
    assert (submitted["price"], submitted["price_source"]) == (None, "")
    assert any("price catalog could not be read" in line for line in followed.lines)


@pytest.mark.parametrize(
    "entries",
    [[], [1, None, "x"], [{"model_name": None}], [{"unit_price": "many"}]],
    ids=["empty", "odd", "null", "nan"],
)
def test_a_catalog_without_the_model_costs_the_price_only(
    vendor: Vendor, destination: Destination, entries: list[object]
) -> None:
    vendor.counter.answer(CATALOG, lambda: envelope({"list": entries}))
    assert submit(order_of(), vendor.account, destination)["price"] is None
    assert len(vendor.billed()) == 1


def test_a_catalog_that_hangs_is_given_up_and_the_video_bought(
    vendor: Vendor, destination: Destination, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "CATALOG_SECONDS", 0.5)
    vendor.counter.hang(CATALOG)
    submitted = submit(order_of(), vendor.account, destination, observer=followed.observer)
    assert submitted["price"] is None and vendor.billed() == [submitted["task_id"]]
    assert any("price catalog could not be read" in line for line in followed.lines)


# Cancelling.


@pytest.mark.parametrize("kind", [BALANCE, CATALOG])
def test_a_question_that_hangs_does_not_hold_up_a_cancelled_submission(
    vendor: Vendor, destination: Destination, kind: str
) -> None:
    vendor.counter.hang(kind)
    order, began, cancelled = order_of(), time.monotonic(), threading.Event()
    with ThreadPoolExecutor() as threads:
        submission = threads.submit(submit, order, vendor.account, destination, cancelled=cancelled)
        vendor.counter.until(kind)
        cancelled.set()
        with pytest.raises(SubmissionCancelled):
            submission.result(60)
    assert time.monotonic() - began < SLOWEST_SECONDS  # far below the time-out of either question
    assert vendor.counter.count(CREATE) == 0
    assert destination.journal.read(order.intent) is None


def test_a_submission_that_waits_for_a_question_of_another_is_cancelled_alone(
    vendor: Vendor, destination: Destination
) -> None:
    gate = threading.Event()

    def late() -> Made:
        gate.wait(60)
        return envelope({"balance": 5, "used_coin": 1, "available": 4})

    vendor.counter.answer(BALANCE, late, times=1)
    state, stopped = RunState(), threading.Event()
    other = order_of(REQUEST.model_copy(update={"take": "2"}))
    with ThreadPoolExecutor() as threads:
        going_on = threads.submit(submit, order_of(), vendor.account, destination, state=state)
        vendor.counter.until(BALANCE)
        ended = threads.submit(submit, other, vendor.account, destination, state=state, cancelled=stopped)
        stopped.set()
        with pytest.raises(SubmissionCancelled):
            ended.result(SLOWEST_SECONDS)
        gate.set()
        submitted = going_on.result(30)
    assert vendor.billed() == [submitted["task_id"]]


# What the submissions of a run share.


def takes(count: int) -> list[Order]:
    return [order_of(REQUEST.model_copy(update={"take": str(number)})) for number in range(count)]


def test_fifty_submissions_at_once_ask_for_the_balance_and_the_catalog_once(
    vendor: Vendor, destination: Destination
) -> None:
    state = RunState()
    ready = threading.Barrier(50)

    def ask(order: Order) -> tuple[float | None, float | None]:
        ready.wait(60)
        balance = state.balance(vendor.account, order.intent, lambda: False)
        price = state.price(order.asked, vendor.account, order.intent, lambda: False, Followed().observer)
        return balance, price.coins if price else None

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(ask, takes(50)))
    assert sorted(vendor.counter.asked) == sorted([BALANCE, CATALOG])
    assert len(set(answers)) == 1 and None not in answers[0]


def test_a_run_asks_once_however_many_videos_it_buys(vendor: Vendor, destination: Destination) -> None:
    state = RunState()
    for order in takes(3):
        submit(order, vendor.account, destination, state=state)
    assert vendor.counter.asked == [BALANCE, CATALOG, CREATE, CREATE, CREATE]


def test_two_accounts_of_one_run_are_asked_apart(vendor: Vendor) -> None:
    state, wrong = RunState(), account_at(vendor.counter.url, "sk_wrong")
    assert state.balance(vendor.account, "i", lambda: False) == 1000.0
    with pytest.raises(AuthenticationFailed):
        state.balance(wrong, "i", lambda: False)
    assert vendor.counter.count(BALANCE) == 2


@pytest.mark.parametrize("kind", [BALANCE, CATALOG])
def test_a_question_that_failed_is_asked_again_by_the_next(vendor: Vendor, destination: Destination, kind: str) -> None:
    vendor.counter.answer(kind, lambda: Made(401, b""), times=1)
    state, (first, second, third) = RunState(), takes(3)
    if kind == BALANCE:
        with pytest.raises(UnexpectedAnswer):
            submit(first, vendor.account, destination, state=state)
    else:
        assert submit(first, vendor.account, destination, state=state)["price"] is None
    for order in (second, third):
        assert submit(order, vendor.account, destination, state=state)["price"] is not None
    assert vendor.counter.count(kind) == 2


# Too little money.

NO_MONEY: dict[str, Made] = {
    "new-api": Made(403, b'{"error": {"code": "insufficient_user_quota", "message": "user quota is not enough"}}'),
    "OpenAI's form": Made(429, b'{"error": {"code": "insufficient_quota", "message": "x"}}'),
    "the vendor": envelope(code=50007, message="余额不足"),
    "the vendor, with a status": Made(402, b'{"code": 402, "msg": "Credits insufficient", "data": null}'),
}


@pytest.mark.parametrize("refusal", NO_MONEY.values(), ids=NO_MONEY.keys())
def test_too_little_money_is_told_with_what_is_known_and_the_same_request_can_be_sent_later(
    vendor: Vendor, destination: Destination, refusal: Made
) -> None:
    vendor.counter.answer(CREATE, lambda: refusal, times=1)
    with pytest.raises(InsufficientBalance, match="Top up") as caught:
        submit(order_of(), vendor.account, destination)
    assert caught.value.available == 1000.0 and caught.value.required is not None
    assert vendor.counter.count(CREATE) == 1
    assert record_of(destination, order_of().identity.intent).state is State.REFUSED
    assert submit(order_of(), vendor.account, destination)["task_id"] in vendor.billed()


def test_too_little_money_before_anything_is_sent_is_told_as_that(vendor: Vendor, destination: Destination) -> None:
    vendor.counter.answer(BALANCE, lambda: NO_MONEY["new-api"])
    with pytest.raises(InsufficientBalance):
        submit(order_of(), vendor.account, destination)
    assert vendor.counter.count(CREATE) == 0


def test_words_about_money_that_anybody_may_have_sent_leave_it_unknown(
    vendor: Vendor, destination: Destination
) -> None:
    vendor.counter.answer(CREATE, lambda: Made(403, '{"message": "余额不足"}'.encode()))
    with pytest.raises(SubmissionUnknown):
        submit(order_of(), vendor.account, destination)


@pytest.mark.parametrize("status", [200, 401, 403, 404, 407, 451, 511])
def test_a_page_before_the_payment_is_told_as_one_and_does_not_blame_the_key(
    vendor: Vendor, destination: Destination, status: int
) -> None:
    page = Made(status, b"<html><title>Sign in to Guest Wi-Fi</title></html>", {"Content-Type": "text/html"})
    vendor.counter.answer(BALANCE, lambda: page)
    with pytest.raises(UnexpectedAnswer, match=r"titled 'Sign in to Guest Wi-Fi'.*something on the way"):
        submit(order_of(), vendor.account, destination)
    assert vendor.counter.count(CREATE) == 0


# A rival.


def rival_is_refused(vendor: Vendor, order: Order, process: Destination, go_on: threading.Event) -> None:
    def refuse() -> Made:
        assert go_on.wait(60)
        return envelope(code=20002, message="bad")

    vendor.counter.answer(CREATE, refuse, times=1)
    with pytest.raises(InvalidParameters):
        submit(order, vendor.account, process)


def test_who_waits_for_a_rival_that_is_refused_looks_at_everything_before_claiming_itself(
    vendor: Vendor, other_process: Destination, tmp_path: Path, followed: Followed
) -> None:
    store = WatchedStore(tmp_path / "store")
    ours, go_on = destination_in(tmp_path / "store", store), threading.Event()
    with ThreadPoolExecutor() as threads:
        rival = threads.submit(rival_is_refused, vendor, order_of(), other_process, go_on)
        vendor.counter.until(CREATE)
        vendor.counter.asked.clear()
        us = threads.submit(submit, order_of(), vendor.account, ours, observer=followed.observer)
        while not any("wait" in line for line in followed.lines):
            time.sleep(0.01)
        assert (vendor.counter.asked, store.asked) == ([], 0)  # nothing is looked at while only waiting
        go_on.set()
        rival.result(30)
        submitted = us.result(30)
    # The rival, of this process too, has read the catalog.
    assert vendor.counter.asked == [BALANCE, CREATE] and store.asked == 1
    assert vendor.billed() == [submitted["task_id"]]
    record = record_of(ours, submitted["intent"])
    assert [attempt.outcome for attempt in record.attempts] == ["refused", "accepted"]
    assert record.attempts[-1].price == submitted["price"] is not None
    assert record.attempts[-1].balance_before == 1000.0


@pytest.mark.parametrize("forbidden_by", ["the request", "the store", "the key"])
def test_who_waits_for_a_rival_that_is_refused_may_still_be_forbidden_to_send(
    vendor: Vendor, other_process: Destination, tmp_path: Path, followed: Followed, forbidden_by: str
) -> None:
    folder, go_on = tmp_path / "store", threading.Event()
    ours = destination_in(folder, UnfitStore(folder) if forbidden_by == "the store" else None)
    order = order_of(asked=UNSENDABLE if forbidden_by == "the request" else None)
    account = account_at(vendor.counter.url, "sk_wrong") if forbidden_by == "the key" else vendor.account
    with ThreadPoolExecutor() as threads:
        rival = threads.submit(rival_is_refused, vendor, order_of(), other_process, go_on)
        vendor.counter.until(CREATE)
        us = threads.submit(submit, order, account, ours, observer=followed.observer)
        while not any("wait" in line for line in followed.lines):
            time.sleep(0.01)
        go_on.set()
        rival.result(30)
        with pytest.raises((InvalidRequest, ConditionsIgnored, AuthenticationFailed)):
            us.result(30)
    assert vendor.counter.count(CREATE) == 1 and vendor.billed() == []
    assert record_of(ours, order.intent).state is State.REFUSED


def test_nothing_is_prepared_for_a_video_that_may_not_be_paid_for_again(
    vendor: Vendor, destination: Destination
) -> None:
    submitted = vendor.bought(destination)
    destination.journal.record_failed(submitted["intent"], submitted["task_id"], "transient", "PROVIDER_TIMEOUT")

    def prepared(max_submissions: int) -> object:
        more = {"preflight": True, "wait_seconds": 60.0, "max_submissions": max_submissions}
        return prepare_ahead(order_of(), vendor.account, destination, Follower(), **more)  # type: ignore[arg-type]

    assert prepared(1) is None and prepared(2) is not None


# A turn: how many POSTs may be under way at the same time.


class OneTurn:
    """A turn that one submission has at a time, and that knows who has it."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(1)
        self.taken, self.left = 0, 0

    @property
    def is_held(self) -> bool:
        return self.taken > self.left

    def take(self, cancelled: threading.Event) -> bool:
        while not self._free.acquire(timeout=0.05):
            if cancelled.is_set():
                return False
        self.taken += 1
        return True

    def leave(self) -> None:
        self.left += 1
        self._free.release()


def test_a_turn_is_held_round_the_post_only(
    vendor: Vendor, destination: Destination, listen: Callable[[Callable[[str], None]], None]
) -> None:
    turn, held = OneTurn(), dict[str, bool]()
    listen(lambda point: held.update({point: turn.is_held}))
    submit(order_of(), vendor.account, destination, turn=turn)
    assert held["post.before"] and held["post.after"]
    assert not held["accepted.logged"], "the answer is written down without it"
    submit(order_of(), vendor.account, destination, turn=turn)
    assert (turn.taken, turn.left) == (1, 1), "what is there already waits for nothing"


def test_no_turn_is_held_through_a_back_off(
    vendor: Vendor, destination: Destination, listen: Callable[[Callable[[str], None]], None]
) -> None:
    vendor.simulator.plan(Fault(fault="rate_limited_http", times=2))
    turn, held = OneTurn(), list[bool]()
    listen(lambda point: held.append(turn.is_held) if point == "backoff" else None)
    submit(order_of(), vendor.account, destination, turn=turn)
    assert held == [False, False]
    assert (turn.taken, turn.left) == (3, 3)


@pytest.mark.parametrize("fault", ["lost_answer", "unknown_code"])
def test_a_turn_is_left_whatever_becomes_of_the_post(vendor: Vendor, destination: Destination, fault: str) -> None:
    vendor.simulator.plan(Fault(fault=fault))
    turn = OneTurn()
    with pytest.raises(SubmissionUnknown):
        submit(order_of(), vendor.account, destination, turn=turn)
    assert (turn.taken, turn.left) == (1, 1)


def test_a_cancelled_run_waits_for_no_turn_and_claims_nothing(vendor: Vendor, destination: Destination) -> None:
    turn, cancelled = OneTurn(), threading.Event()
    assert turn.take(cancelled), "somebody else has it"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: submit(order_of(), vendor.account, destination, turn=turn, cancelled=cancelled))
        vendor.counter.until(CATALOG)
        cancelled.set()
        with pytest.raises(SubmissionCancelled):
            waiting.result(60)
    assert vendor.counter.count(CREATE) == 0
    assert destination.journal.read(order_of().intent) is None


def test_a_run_that_is_cancelled_while_references_are_looked_at_again_claims_nothing(
    vendor: Vendor, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = threading.Event()

    class LongLine(OneTurn):
        def take(self, cancelled: threading.Event) -> bool:
            cancelled.set()
            return super().take(threading.Event())

    monkeypatch.setattr("prefect_seedance.pipeline.submit.submit._PREPARED_SECONDS", -1.0)
    active = envelope({"items": [{"asset_id": "a1", "status": "Active"}]})
    vendor.counter.answer("/assets/status", lambda: active)
    order = order_of(VideoRequest(prompt="A boat", duration=5, model="sd2_mx_720p", images=["asset://a1"]))
    turn = LongLine()
    with pytest.raises(SubmissionCancelled):
        submit(order, vendor.account, destination, turn=turn, cancelled=cancelled)
    assert (turn.taken, turn.left) == (1, 1)
    assert vendor.counter.count(CREATE) == 0 and destination.journal.read(order.intent) is None


def test_a_turn_that_fails_to_be_left_loses_no_answer(vendor: Vendor, destination: Destination) -> None:
    class Stuck(OneTurn):
        def leave(self) -> None:
            raise RuntimeError("the limit is gone")

    submitted = submit(order_of(), vendor.account, destination, turn=Stuck())
    assert record_of(destination, order_of().intent).task_id == submitted["task_id"]
