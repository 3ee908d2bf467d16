"""The critical section: claim, POST, outcome. Synchronous, for one worker thread; nothing in it is awaited.

    reserve   what the POST may cost is entered into the budgets; denied, nothing is claimed (`attempt` does this part)
    claim     the record goes to `sending`, with a nonce and a lease that others see
    stand     the record is read again, and still is our claim
    send      one POST, if the lease still leaves room for all of it; else the claim is renewed first. The same is asked
              once more when the connection stands and the first byte is about to leave
    outcome   what the answer means goes into the record (`attempt` does this part)
    settle    the reservation becomes spent, held or free. Entry first, record second, settlement third: a process that
              dies in between leaves an entry too much, never one too few

The lease is counted by two clocks that cannot be confused: others go by the store's, from the moment when the
claim was written; the owner goes by its own stopwatch, started before that, which runs on while the process
is stopped or the machine sleeps. So when others read the claim as lapsed, the owner knew earlier.

What it does not do: it cannot take back a POST. On a store that looks at its condition first and writes later, the
claim of a rival may land on ours after we have read ours back. Then both POST, and both task ids end in the record; the
probe refuses a store that is seen to do so. A process that is stopped in the very moment between its last look at the
stopwatch and the writing of the request, with nothing in between but that, sends when it is woken, however late. Only
an idempotency key of the vendor could close these.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from prefect_seedance.client.outcome import Accepted, NeverSent, Outcome, Unknown
from prefect_seedance.journal import changes
from prefect_seedance.journal.budget.reservation import UNLIMITED, Reservation
from prefect_seedance.journal.confirmed_store import Patience
from prefect_seedance.journal.errors import JournalUnavailable, RecordChanged
from prefect_seedance.journal.identity import Identity
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Attempt, Delivery, Entry, Holder, Record, Run
from prefect_seedance.journal.submit.decision import SubmissionPolicy
from prefect_seedance.stopwatch import Stopwatch

#: Sends exactly one POST within the given total of seconds, and returns what its answer means. It asks the function
#: when the first byte is about to leave; told False, it sends nothing and returns `NeverSent`.
Post = Callable[[float, Callable[[], bool]], Outcome]

#: When something ends the section from outside there are seconds left, not minutes.
HASTE = Patience(5.0, stubborn=True)
#: How long a store may take to show a claim that it has taken.
_SECONDS_UNTIL_SEEN = 10.0
#: How often a claim is renewed before the store is called too slow.
_RENEWALS = 5


@dataclass(frozen=True)
class Sender:
    """Who sends, for the record. No secrets.

    Attributes:
        run: The flow run.
        credentials: Fingerprint of key and host.
        host: The vendor's host.
    """

    run: Run
    credentials: str = ""
    host: str = ""


@dataclass(frozen=True)
class Evidence:
    """What is known beforehand and may help a person to settle an unknown submission.

    Attributes:
        price: JimiCoin that we expect it to cost.
        price_source: Where that comes from.
        balance_before: JimiCoin of the account, if it was read.
        inputs: Digests of the links to references, see `journal.identity.input_digest`.
    """

    price: float | None = None
    price_source: str = ""
    balance_before: float | None = None
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """The right to one POST.

    Attributes:
        entry: The record as claimed.
        nonce: Of the attempt and of its holder.
        elapsed: Seconds since before the claim was written.
        reservation: What it holds of the budgets.
    """

    entry: Entry
    nonce: str
    elapsed: Stopwatch
    reservation: Reservation = UNLIMITED

    @property
    def intent(self) -> str:
        """The intent that is claimed."""
        return self.entry.record.intent

    @property
    def attempt(self) -> Attempt | None:
        """The attempt as it was claimed: what is known of it should the record have lost it."""
        return self.entry.record.attempt_by(self.nonce)

    def leaves_room(self, policy: SubmissionPolicy) -> bool:
        """Return whether the claim may still send its POST: also when its reservation is what others see as lapsed."""
        return policy.leaves_room(self.elapsed()) and self.is_reserved(policy)

    def is_reserved(self, policy: SubmissionPolicy) -> bool:
        """Return whether the reservation stands for as long as the POST may take."""
        return self.reservation.leaves_room(policy.post_seconds + policy.margin_seconds)


def claim(
    journal: Journal,
    identity: Identity,
    before: Entry | None,
    *,
    sender: Sender,
    evidence: Evidence,
    policy: SubmissionPolicy,
    start_stopwatch: Callable[[], Stopwatch],
    nonce: str = "",
    delivery: Delivery | None = None,
    reservation: Reservation = UNLIMITED,
) -> Claim:
    """Claim a record for one POST, exactly as it was read and decided upon.

    Args:
        journal: The journal.
        identity: What is asked for.
        before: The record as it was read, None if there is none.
        sender: Who sends.
        evidence: What may help a person, should its outcome be unknown.
        policy: Time-outs.
        start_stopwatch: Starts the stopwatch of the claim.
        nonce: Of the attempt; a fresh one if empty.
        delivery: What becomes of the video.
        reservation: What it holds of the budgets; given back if the claim is not made.

    Raises:
        RecordChanged: Another run was faster.
        JournalError: The journal cannot be written.
    """
    nonce, now, elapsed = nonce or uuid4().hex, journal.now(), start_stopwatch()
    attempt = Attempt(
        number=0,
        nonce=nonce,
        started_at=now,
        run=sender.run,
        credentials=sender.credentials,
        host=sender.host,
        price=evidence.price,
        price_source=evidence.price_source,
        balance_before=evidence.balance_before,
        inputs=evidence.inputs,
    )
    record = before.record if before else changes.new_record(identity, now)
    holder = lease(journal, nonce, sender.run, policy.lease_seconds)
    claimed = changes.claimed(record, attempt, holder, delivery or record.delivery)
    patience = Patience(policy.store_patience_seconds)
    try:
        entry = journal.write(identity.intent, before, claimed, step="claim", patience=patience)
    except BaseException:
        # It may have been written all the same, and a person should not have to settle what was never sent.
        let_go(journal, identity.intent, nonce, "not sent: the claim was not certain")
        reservation.released()
        raise
    return Claim(entry, nonce, elapsed, reservation)


def send(
    journal: Journal,
    current: Claim,
    post: Post,
    *,
    policy: SubmissionPolicy,
    may_still_send: Callable[[], None],
    start_stopwatch: Callable[[], Stopwatch],
) -> Outcome:
    """Send the POST of a claim.

    Args:
        journal: The journal.
        current: The claim.
        post: Does the POST.
        policy: Time-outs.
        may_still_send: Called right before the POST; raises if it shall not go out.
        start_stopwatch: Starts the stopwatch of a renewed claim.

    Returns:
        What the answer means. An exception of ``post`` is an unknown outcome.

    Raises:
        RecordChanged: The claim lapsed and was settled meanwhile, or another was written over it. Nothing was sent.
        JournalError: The claim could not be read back or renewed. Nothing was sent.
    """
    sent, outcome = False, None
    try:
        for _ in range(_RENEWALS):
            _check_it_stands(journal, current, policy)
            journal.at("post.before")
            may_still_send()
            if not current.is_reserved(policy):
                # Others see the coins as free by now: with a reservation of its own the next attempt may send.
                return NeverSent("the reservation of its coins was too old")
            if current.leaves_room(policy):
                sent = True
                break
            current = _renewed(journal, current, policy, start_stopwatch)
        else:
            where = journal.uri_of(current.intent)
            raise JournalUnavailable(where, f"{_RENEWALS} claims were too old once written.", current.intent)
        outcome = _posted(post, policy.post_seconds, lambda: current.leaves_room(policy))
        journal.at("post.after")
        return outcome
    except BaseException as error:
        if not sent:
            let_go(journal, current.intent, current.nonce, f"not sent: {type(error).__name__}")
            current.reservation.released()
        else:  # the process is being ended, in the middle of the POST or right after it
            ended = Unknown(f"the process was ended by {type(error).__name__} during the POST")
            keep(journal, current, outcome or ended)
        raise


def keep(journal: Journal, current: Claim, outcome: Outcome) -> None:
    """Write down an outcome while the process is being ended, in the record and then in the budgets.

    As well as possible: what does not get that far is cleared by the records later.
    """
    nonce, now = current.nonce, journal.now()

    def change(record: Record) -> Record:
        if isinstance(outcome, Accepted):
            return changes.accepted(record, nonce, outcome, now, lost=current.attempt)
        return changes.answered(record, nonce, outcome, now, lost=current.attempt)

    if _hastily(journal, current.intent, change):
        current.reservation.settled(outcome)


def lease(journal: Journal, nonce: str, run: Run, seconds: float) -> Holder:
    """Build the entry that says who has the record, and for how long."""
    return Holder(nonce=nonce, run=run, lease_seconds=seconds, deadline=journal.now() + timedelta(seconds=seconds))


def let_go(journal: Journal, intent: str, nonce: str, reason: str) -> None:
    """Release a claim that was not used, or a record held through a back-off, as well as possible."""

    def change(record: Record) -> Record:
        return changes.released(changes.answered(record, nonce, NeverSent(reason), journal.now()), nonce)

    _hastily(journal, intent, change)


def _hastily(journal: Journal, intent: str, change: changes.Change) -> bool:
    """Write a change within seconds, and return whether the record has it."""
    with suppress(Exception):
        journal.update(intent, change, step="release", patience=HASTE)
        return True
    return False


def _check_it_stands(journal: Journal, current: Claim, policy: SubmissionPolicy) -> None:
    """Read a claim back. That the store took it is only what the store said.

    Raises:
        RecordChanged: Another claim was written over it.
        JournalUnavailable: The store does not have what it said it had written, or does not answer.
    """
    claimed = current.entry.record
    # A store may show what was there before for a moment. To give up at once would leave a claim that reads as unknown.
    for pause in itertools.chain(Patience(_SECONDS_UNTIL_SEEN).pauses(), (0.0,)):
        found = journal.read(current.intent, Patience(policy.store_patience_seconds))
        if found is not None and found.record.nonce == claimed.nonce:
            return
        if found is not None and found.record.rev >= claimed.rev:
            raise RecordChanged(journal.uri_of(current.intent), current.intent)
        journal.sleep(pause)
    detail = "the store reported a write as done, and reads back what was there before."
    raise JournalUnavailable(journal.uri_of(current.intent), detail, current.intent)


def _renewed(
    journal: Journal, current: Claim, policy: SubmissionPolicy, start_stopwatch: Callable[[], Stopwatch]
) -> Claim:
    elapsed = start_stopwatch()
    held = current.entry.record.holder
    holder = lease(journal, current.nonce, held.run if held else Run(), policy.lease_seconds)
    record = changes.renewed(current.entry.record, holder)
    patience = Patience(policy.store_patience_seconds)
    entry = journal.write(current.intent, current.entry, record, step="renew", patience=patience)
    return Claim(entry, current.nonce, elapsed, current.reservation)


def _posted(post: Post, seconds: float, may_send: Callable[[], bool]) -> Outcome:
    try:
        return post(seconds, may_send)
    except Exception as error:
        return Unknown(f"the client failed during the POST: {type(error).__name__}: {error}")
