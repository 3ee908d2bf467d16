"""Submitting: from an order to the vendor's task. The step that costs money."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Protocol

from prefect_seedance.asides import aside
from prefect_seedance.client.outcome import Accepted, NeverSent, Outcome, Refused, Shortage, TooManyRequests, Unknown
from prefect_seedance.client.request.prices import own_name
from prefect_seedance.client.request.references import require_valid
from prefect_seedance.journal.budget.pause import require_not_paused
from prefect_seedance.journal.budget.reservation import Reservation, Wait
from prefect_seedance.journal.commands import how_to_resolve
from prefect_seedance.journal.errors import OverBudget, SubmissionCancelled, SubmittingStopped
from prefect_seedance.journal.record import Run
from prefect_seedance.journal.submit.callbacks import Callbacks, SubmissionEvent
from prefect_seedance.journal.submit.critical_section import Evidence, Sender
from prefect_seedance.journal.submit.decision import SubmissionPolicy
from prefect_seedance.journal.submit.pointer import SubmittedVideo
from prefect_seedance.journal.submit.submission import resume_or_submit
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.media.preparation import PreparedRequest
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.order import Order
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.prices import price_words
from prefect_seedance.pipeline.submit.headway import Headway
from prefect_seedance.pipeline.submit.preparation import follower_of, prepare_now
from prefect_seedance.pipeline.submit.run_state import RunState
from prefect_seedance.pipeline.submit.spending import Spending
from prefect_seedance.pipeline.watch import polling
from prefect_seedance.pipeline.watch.gate import gate_for
from prefect_seedance.stopwatch import Stopwatch, start_stopwatch
from prefect_seedance.storage.templates import render

#: What was prepared may be so old when it is sent: an asset may end while a process stands still after its claim.
_PREPARED_SECONDS = 60.0


class Turn(Protocol):
    """What lets only so many POSTs go out at the same time, over all runs of an account."""

    def take(self, cancelled: threading.Event) -> bool:
        """Wait for a turn. Blocking; never raises.

        Returns:
            Whether it is ours; False only if the run was cancelled meanwhile.
        """
        ...

    def leave(self) -> None:
        """Let the next one have the turn. Returns at once, since an answer waits to be written down; never raises."""
        ...


def _with_what_is_known(shortage: Shortage, evidence: Evidence) -> Shortage:
    """Fill in what the vendor's refusal leaves out."""
    required = evidence.price if shortage.required is None else shortage.required
    available = evidence.balance_before if shortage.available is None else shortage.available
    return Shortage(required, available)


def _nothing() -> None:
    pass


def submit(
    order: Order,
    account: Account,
    destination: Destination,
    *,
    run: Run = Run(),  # noqa: B008 - frozen
    state: RunState | None = None,
    max_submissions: int = 1,
    preflight: bool = True,
    watch_seconds: float = 0.0,
    reference_seconds: float | None = None,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    cancelled: threading.Event | None = None,
    turn: Turn | None = None,
    spending: Spending | None = None,
    headway: Headway | None = None,
    before_waiting: Callable[[], None] = _nothing,
) -> SubmittedVideo:
    """Return the vendor's task of an order: the one that is there, or a new one if that is allowed. Blocking.

    Everything that can still forbid it is looked at right before each claim, and only then: what is there already needs
    no price and no probe.

    Args:
        order: What is asked for.
        account: Who pays.
        destination: Where the video will go, and where its journal is.
        run: Which run asks, for the record.
        state: Shared by all submissions of the run.
        max_submissions: How often the video may be paid for, over all runs.
        preflight: Whether the balance is asked for before the first claim of the run, and references are measured.
        watch_seconds: How long the caller is going to watch the task.
        reference_seconds: How long the vendor may need the references; None for as long as the task is watched.
        observer: Follows it.
        cancelled: Set when the run is being cancelled.
        turn: Waited for right before each claim, and held round its POST only; None for no waiting.
        spending: The budgets that each POST has to fit into; None for those of the account.
        headway: Is told the price, and when a POST begins.
        before_waiting: Called before each wait for somebody else: another run, a budget, a turn, a reference's audit,
            the vendor's answer to a POST. Must not raise.

    Raises:
        InvalidRequest: The request or one of its references breaks a rule; nothing was sent.
        StorageError: The store does not keep writers apart, or does not answer; nothing was sent.
        SubmissionUnknown: Perhaps accepted: a person has to settle it.
        OverBudget, PriceUnknown: It does not fit into a budget; nothing was sent.
        SubmissionStopped: Nothing was sent; the message says why.
        SeedanceError: The vendor refused or could not be reached; nothing was bought.
    """
    shared, journal = state or RunState(), destination.journal
    budgets, ledgers = spending or Spending.of(account, destination), destination.ledgers_of(account)
    evidence, prepared, told_price = Evidence(), PreparedRequest(order.asked), ""
    since_prepared, stands_in_line = start_stopwatch(), False
    cancelled = cancelled or threading.Event()
    headway = headway or Headway()

    def before_claim(nonce: str) -> Evidence:
        nonlocal evidence, prepared, since_prepared, told_price, stands_in_line
        if shared.stopped:
            raise SubmittingStopped(order.intent, shared.stopped)
        if no_room := shared.no_room(order.asked, account, ledgers, order.intent, cancelled.is_set):
            raise no_room
        require_valid(order.asked)
        account.check_environment()
        destination.store.require_conditions()
        with suppress(ValueError):  # a template that renders no key: whoever delivers names the video by the store's
            key = render(order.delivery.key_template, order.intent, journal.now())
            destination.store.check_place(key)
        balance = shared.balance(account, order.intent, cancelled.is_set) if preflight else None
        # Anew for each claim, but not for each look at a budget that is waited for.
        if not stands_in_line or since_prepared() > _PREPARED_SECONDS / 2:
            prepared, since_prepared = ready(), start_stopwatch()
        stands_in_line = False
        price = shared.price(
            order.asked, account, order.intent, cancelled.is_set, observer, reference_seconds=prepared.reference_seconds
        )
        if told_price != (words := price_words(price, order.asked)):
            told_price = words
            observer.log(f"Expected price: {words}", price=price.coins if price else None)
        headway.price, headway.price_source = (price.coins, price.origin) if price else (None, "")
        may_go_on()
        evidence = Evidence(
            price=price.coins if price else None,
            price_source=price.origin if price else "",
            balance_before=balance,
            inputs=prepared.inputs,
        )
        return evidence

    def reserve(nonce: str, lease_seconds: float, start_stopwatch: Callable[[], Stopwatch]) -> Reservation | Wait:
        nonlocal stands_in_line
        # As late as can be: what was paused while this one stood in line is not claimed any more.
        require_not_paused(journal, order.intent)
        try:
            answer = budgets.reserve(
                nonce,
                order.intent,
                coins=evidence.price,
                billing=own_name(order.asked),
                lease_seconds=lease_seconds,
                start_stopwatch=start_stopwatch,
            )
        except OverBudget as error:
            shared.had_no_room(error, order.asked, account, ledgers, evidence.price)
            raise
        stands_in_line = isinstance(answer, Wait)
        return answer

    def may_go_on() -> None:
        if why := shared.why_not(headway.price):
            raise SubmittingStopped(order.intent, why)

    def ready() -> PreparedRequest:
        """Return what is sent, with references that are good from now on. Nearly all of it was prepared ahead."""
        if not order.asked.references():
            return PreparedRequest(order.asked)
        before_waiting()
        before = journal.read(order.intent) if max_submissions > 1 else None
        try:
            return prepare_now(
                order,
                account,
                destination,
                follower_of(observer, cancelled, was_warned=order.intent in shared.told),
                preflight=preflight,
                wait_seconds=watch_seconds if reference_seconds is None else reference_seconds,
                record=before.record if before else None,
                believed_seconds=0.0,  # what has ended since must not be paid for
            )
        except PreparationCancelled:
            raise SubmissionCancelled(order.intent) from None

    @contextmanager
    def my_turn() -> Generator[None]:
        nonlocal prepared, since_prepared
        if turn is None:
            yield
            return
        before_waiting()
        if not turn.take(cancelled):
            raise SubmissionCancelled(order.intent)
        try:
            if order.asked.references() and since_prepared() > _PREPARED_SECONDS / 2:
                # The line was long. With the turn in hand: in line once more, they would be too old once more.
                prepared, since_prepared = ready(), start_stopwatch()
            may_go_on()  # the line was perhaps so long that a rule has ended the submitting meanwhile
            yield
        finally:
            aside(turn.leave)  # the answer is not written down yet

    def post(seconds: float, may_send: Callable[[], bool]) -> Outcome:
        if order.asked.references() and since_prepared() > _PREPARED_SECONDS:
            return NeverSent("the machine slept, or the store was slow, and the references are looked at once more")
        gate = gate_for(account)
        gate.take_now()
        headway.perhaps_sent = True
        before_waiting()
        with account.client() as client:
            outcome = client.submit_video(prepared.request, timeout=seconds, may_send=may_send)
        headway.perhaps_sent = isinstance(outcome, Accepted | Unknown)
        if isinstance(outcome, TooManyRequests):
            gate.limited(outcome.retry_after or polling.POLL_SECONDS)
        if isinstance(outcome, Refused) and outcome.shortage is not None:
            return replace(outcome, shortage=_with_what_is_known(outcome.shortage, evidence))
        return outcome

    def sleep(seconds: float) -> None:
        before_waiting()
        time.sleep(seconds)

    def balance_now() -> float | None:
        with account.client() as client:
            return client.user_balance().available

    def tell(event: SubmissionEvent) -> None:
        facts = {"decision": str(event.decision), "reason": event.reason, "model": order.asked.model_name}
        if event.kind == "unknown":
            facts["resolve"] = how_to_resolve(event.intent, journal.store_option, event.attempt_name)
        observer.tell(Event(event.kind, event.intent, event.task_id, facts={"attempt": event.attempt, **facts}))

    return resume_or_submit(
        journal,
        order.identity,
        post,
        sender=Sender(run, account.fingerprint, account.settings.host),
        policy=SubmissionPolicy(max_submissions=max_submissions, post_seconds=account.settings.timeout.total),
        before_claim=before_claim,
        turn=my_turn,
        reserve=reserve,
        delivery=order.delivery,
        watch_seconds=watch_seconds,
        callbacks=Callbacks(
            log=lambda level, message: observer.log(message, level=level),
            emit=tell,
            balance=balance_now,
            cancelled=cancelled.is_set,
            sleep=sleep,
        ),
        storm=shared.storm,
    )
