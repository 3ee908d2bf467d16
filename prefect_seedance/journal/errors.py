"""Everything that can stop the journal, as one tree on top of the client's.

    SeedanceError
    └── JournalError
        ├── JournalUnavailable      the store could not be read or written just now
        ├── JournalGone             the journal, or a record of it, was there and is not any more
        ├── RecordDamaged           a record that cannot be read; never taken for absent
        ├── RecordTooNew            written by a newer version: may be read, not written
        ├── RecordChanged           another run wrote it first: read again, decide anew
        ├── IllegalTransition       a fault of this package
        ├── MediaNotIdentified      an address whose content was not identified
        ├── TaskNotRecorded         accepted and paid, but the store is down; carries the task id
        ├── SubmissionUnknown       perhaps accepted, perhaps billed (also an OutcomeUnknown)
        ├── SubmissionStopped       nothing was sent, and here is why
        │   ├── SubmissionsUsedUp   the intent has had all the submissions that the policy allows
        │   ├── FailedBefore        the vendor's verdict on this request would be the same again
        │   ├── AbandonedBefore     a person gave the intent up
        │   ├── HeldByAnother       another run keeps the intent busy
        │   ├── TooManyUnknowns     several unknown outcomes in a row: the run sends nothing more
        │   ├── RunNotLabelled      Prefect does not keep what a retry of the run must find again
        │   ├── OrderChanged        a retry asks for another video than the one that its run began with
        │   ├── BatchChanged        a retry of a batch asks for other videos than it began with
        │   ├── SubmittingStopped   the run submits no more, by a rule that it was given
        │   ├── SpendingPaused      a person has stopped all spending of the store
        │   ├── OverBudget          it does not fit into a budget of the account or the run
        │   ├── PriceUnknown        there is a budget, and the price of the video is not known
        │   ├── BudgetDamaged       the ledger of a budget cannot be read; never taken for empty
        │   ├── BudgetTooNew        a newer version wrote the ledger of a budget: may be read, not written
        │   ├── TooManyReserved     a budget holds so many unknown submissions that it takes no more
        │   └── SubmissionCancelled the run was cancelled before the POST
        └── ResolutionRefused       a person's resolution that cannot be right
            └── BalanceContradicts  not billed, says the person; the balance fell by exactly the price

Each message says what happened, what it means for the money and the video, and what to do. None holds an API
key. All survive pickling with their attributes (`SeedanceError`).
"""

from __future__ import annotations

from prefect_seedance.client.errors import OutcomeUnknown, SeedanceError
from prefect_seedance.journal.commands import how_to_attach, how_to_list_unknown, how_to_restore, how_to_resume
from prefect_seedance.plain_text import Money
from prefect_seedance.redaction import without_signatures

#: Why nobody puts an older file in the place of a record.
_NEVER_BY_HAND = (
    "Never put an older file there by hand: it may say that nothing was sent, and the video would be paid for twice."
)


class JournalError(SeedanceError):
    """Root of the journal's errors.

    What to do:
        Look up the class that was raised: each has its own entry.

    Attributes:
        intent: The intent that it is about, "" if it is about the whole journal.
    """

    intent: str = ""


class JournalUnavailable(JournalError):
    """The store of the journal did not work, for as long as it was tried.

    What to do:
        Mend the store (network, permissions, space), then retry the run: it takes up what it has submitted.
    """

    money = Money.NOTHING

    def __init__(self, where: str, cause: str, intent: str = "") -> None:
        self.where, self.cause, self.intent = where, cause, intent
        super().__init__(
            f"The journal at {where} cannot be used: {cause} Without it no video is submitted, and tasks that were "
            "submitted before go on. Mend the store, then retry this run, which takes up what it has submitted."
        )


class JournalGone(JournalError):
    """The journal, or one of its records, was deleted or is another one than before.

    What to do:
        If the store's location or prefix was changed, change it back and retry, which costs nothing. If a record was
        deleted, restore it with ``prefect-seedance resolve INTENT --restore``. Check that no lifecycle rule deletes
        ``journal/``.
    """

    money = Money.NOTHING

    def __init__(self, where: str, what: str, intent: str = "", store_option: str = "") -> None:
        self.where, self.what, self.intent, self.store_option = where, what, intent, store_option
        fix = (
            f"{_NEVER_BY_HAND} This writes it anew as unknown:\n{how_to_restore(intent, store_option)}."
            if intent
            else "If another journal is what you want, start a new run, which pays again for what this one has paid."
        )
        super().__init__(
            f"{what} at {where}. The journal is what keeps a video from being paid for twice, so nothing is submitted "
            "now. If the store's location or prefix was changed, change it back, which costs nothing, and retry. Check "
            f"that no lifecycle rule or clean-up deletes journal/. {fix}"
        )


class RecordDamaged(JournalError):
    """A record, or the file that names the journal, cannot be read.

    What to do:
        Restore the record as unknown with ``prefect-seedance resolve INTENT --restore``, then settle it. Never put an
        older file in its place: the video would be paid for twice. If the message names the journal's own file,
        rename that file and run again.

    Attributes:
        where: Where it lies.
        cause: What is wrong with it.
        store_option: What ``--store`` of the command line takes for the store.
    """

    money = Money.NOTHING

    def __init__(self, where: str, cause: str, intent: str, store_option: str = "") -> None:
        self.where, self.cause, self.intent, self.store_option = where, cause, intent, store_option
        if not intent:
            super().__init__(
                f"{where} cannot be read: {cause}. The file only names the journal, the records in it are whole, but "
                "without it nothing is submitted. Rename the file, to keep it for whoever looks into this; the next "
                "run writes a new one. A run that began before stops when it is retried: start that one "
                "anew, which pays again for what it shares with no other run."
            )
            return
        super().__init__(
            f"The record at {where} cannot be read: {cause}. A video may have been paid for under it, so nothing is "
            f"submitted for this intent. {_NEVER_BY_HAND} This keeps the damaged file aside and restores what can be "
            "read, as unknown, so that nothing is sent before a person has settled it:\n"
            f"{how_to_restore(intent, store_option)}.\nOr ask for another take, which pays again."
        )


class RecordTooNew(JournalError):
    """A newer version of this package wrote the record.

    What to do:
        Upgrade prefect-seedance here to the version of the other workers, then run again.
    """

    money = Money.NOTHING

    def __init__(self, where: str, version: int, ours: int, intent: str) -> None:
        self.where, self.version, self.ours, self.intent = where, version, ours, intent
        super().__init__(
            f"The record at {where} has version {version}, and this prefect-seedance writes version {ours}: it may "
            "read the record, not change it. Nothing was sent. Upgrade prefect-seedance here as well, then run again."
        )


class RecordChanged(JournalError):
    """Another run wrote the record since it was read.

    What to do:
        Run again: it reads what the other run wrote and goes on from there.
    """

    money = Money.NOTHING

    def __init__(self, where: str, intent: str) -> None:
        self.where, self.intent = where, intent
        super().__init__(f"The record at {where} was written by another run meanwhile. Nothing was sent. Run again.")


class IllegalTransition(JournalError):
    """A record was to go from one state to another that may not follow.

    What to do:
        Report it with the record. The record was left as it is, so a task that it holds is not lost.
    """

    money = Money.NOTHING

    def __init__(self, intent: str, before: str, after: str) -> None:
        self.intent, self.before, self.after = intent, before, after
        super().__init__(
            f"The record of intent {intent} may not go from {before} to {after}; it was left as it is. This is a fault "
            "of prefect-seedance: please report it with the record."
        )


class MediaNotIdentified(JournalError, ValueError):
    """An address is neither https nor ``asset://`` and nothing identified its content.

    What to do:
        Let ``generate_video`` or ``create_video`` read the reference; where an order is placed by hand, pass
        ``sources``.
    """

    money = Money.NOTHING

    def __init__(self, address: str) -> None:
        self.address = address = without_signatures(address)
        super().__init__(
            f"{address[:200]!r} can only be identified by its content, and nothing here reads it. Nothing was sent. "
            "generate_video and create_video read it; where an order is placed by hand, pass sources."
        )


class TaskNotRecorded(JournalError):
    """The vendor accepted, and its task id could not be written into the journal.

    What to do:
        Keep the task id. Once the store works, attach it with ``prefect-seedance resolve INTENT --task-id ID``, or
        with ``resolve_submission``; then run again, which pays nothing.

    Attributes:
        task_id: The vendor's task id.
        cause: What stood in the way.
        store_option: What ``--store`` of the command line takes for the store.
    """

    money = Money.KEPT

    def __init__(self, intent: str, task_id: str, cause: str, store_option: str = "") -> None:
        self.intent, self.task_id, self.cause, self.store_option = intent, task_id, cause, store_option
        super().__init__(
            f"Task {task_id} was accepted and is paid for (intent {intent}), but the journal could not be written: "
            f"{cause} Keep the task id. Once the store works, attach it:\n"
            f"{how_to_attach(intent, store_option, task_id)}."
        )


class SubmissionUnknown(JournalError, OutcomeUnknown):
    """Perhaps the vendor accepted, perhaps it is billed: a person has to look.

    What to do:
        Look into the vendor's console for the time in `started_at`. If the task is there, attach it with
        ``prefect-seedance resolve INTENT --task-id ID``. If neither task nor charge is there, use ``--not-billed``:
        the next run submits it again, which is paid for. To give it up, use ``--abandon``. Nothing is sent again
        before that.

    Attributes:
        attempt: Number of the unknown attempt in the record.
        run_name: Name of the run that sent it, "" outside of a flow.
        run_url: Where that run can be seen, "" if nowhere.
        started_at: When it was sent, ISO 8601.
        record_uri: Where the record lies.
        store_option: What ``--store`` of the command line takes for the store.
        attempt_name: What commands call the attempt, see `Attempt.name`.
        balance: What the account's balance says of it, in words; see `balance_evidence`.
        sent: When and by whom it was sent, in words.
    """

    money = Money.PERHAPS

    def __init__(
        self,
        message: str,
        *,
        intent: str,
        attempt: int,
        reason: str,
        excerpt: str,
        status_code: int | None,
        run_name: str,
        run_url: str,
        started_at: str,
        record_uri: str,
        store_option: str,
        attempt_name: str = "",
        balance: str = "",
        sent: str = "",
    ) -> None:
        self.intent, self.attempt, self.reason = intent, attempt, reason
        self.attempt_name, self.balance, self.sent = attempt_name, balance, sent
        self.excerpt, self.status_code = excerpt, status_code
        self.run_name, self.run_url, self.started_at = run_name, run_url, started_at
        self.record_uri, self.store_option = record_uri, store_option
        Exception.__init__(self, message)


class SubmissionStopped(JournalError):
    """Nothing was sent by this call.

    What to do:
        Look up the class that was raised: it says why nothing was sent.
    """

    money = Money.NOTHING


class SubmissionsUsedUp(SubmissionStopped):
    """The intent has had all the submissions that the policy allows.

    What to do:
        Look at why the earlier attempts failed. To pay for one more, raise ``max_submissions`` or ask for another
        take, which pays again as well.
    """

    money = Money.BEFORE

    def __init__(self, intent: str, submissions: int, maximum: int, last: str) -> None:
        self.intent, self.submissions, self.maximum, self.last = intent, submissions, maximum, last
        super().__init__(
            f"Nothing was sent: intent {intent} has been submitted {submissions} time(s), and max_submissions is "
            f"{maximum} per intent, whichever run asks. {last} To pay for one more attempt raise max_submissions, or "
            "ask for another take, which pays again as well."
        )


class FailedBefore(SubmissionStopped):
    """The vendor failed this request for a reason that another attempt does not mend.

    What to do:
        Change the prompt or the media, or ask for another take, which pays for one more attempt. If the vendor's
        console shows a video, bring it in with ``resolve_submission`` (take_file, take_link).

    Attributes:
        task_id: The failed task.
        failure: Its class.
        error_message: The vendor's words.
    """

    money = Money.BEFORE

    def __init__(self, intent: str, task_id: str, failure: str, error_message: str) -> None:
        self.intent, self.task_id, self.failure, self.error_message = intent, task_id, failure, error_message
        expired = "the video of this request was paid for before and not fetched in time"
        happened = expired if failure == "expired" else "the vendor made no video of this request before"
        super().__init__(
            f"Nothing was sent: {happened} (task {task_id}, class {failure}: "
            f"{error_message or 'no reason given'}), and only failures of class media or transient are worth another "
            "attempt. Change the prompt or the media, or ask for another take to pay for one more attempt all the "
            "same. If the vendor's console shows a video of it, resolve_submission brings that in (take_file or "
            "take_link)."
        )


class AbandonedBefore(SubmissionStopped):
    """A person gave the intent up.

    What to do:
        If the vendor's console shows what became of it, settle it with ``resolve_submission``. For a new video ask
        for another take, which pays again.
    """

    money = Money.BEFORE

    def __init__(self, intent: str, record_uri: str) -> None:
        self.intent, self.record_uri = intent, record_uri
        super().__init__(
            f"Nothing was sent: intent {intent} was abandoned by a person after an unknown submission (record: "
            f"{record_uri}). To pay for a new video ask for another take; if the vendor's console shows by now what "
            "became of it, settle it once more with resolve_submission."
        )


class HeldByAnother(SubmissionStopped):
    """Another run keeps the intent busy for longer than we wait.

    What to do:
        Retry this run later: it takes up what the other run has done.
    """

    def __init__(self, intent: str, waited_seconds: float, run_name: str, state: str) -> None:
        self.intent, self.waited_seconds, self.run_name, self.state = intent, waited_seconds, run_name, state
        who = f"run {run_name!r}" if run_name else "another process"
        super().__init__(
            f"Nothing was sent: after {waited_seconds:.0f} s {who} still works on intent {intent} (state {state}). The "
            "video is not lost: retry this run later, it takes up what the other has done."
        )


class TooManyUnknowns(SubmissionStopped):
    """Several unknown outcomes in a row: this run sends nothing more.

    What to do:
        See that the vendor and the network work. Settle the unknown submissions (``prefect-seedance journal
        --unknown`` lists them; each is perhaps billed), then run again.
    """

    def __init__(self, unknowns: int, store_option: str) -> None:
        self.unknowns, self.store_option = unknowns, store_option
        super().__init__(
            f"Nothing was sent: the last {unknowns} submissions of this run ended with an unknown outcome, each "
            "perhaps billed, so the run sends no more. See that the vendor and the network work, settle the unknown "
            f"submissions ({how_to_list_unknown(store_option)}), then run again: what is done is not repeated."
        )


class RunNotLabelled(SubmissionStopped):
    """Prefect does not keep what a retry of the run must find again: a retry could pay once more.

    What to do:
        See that Prefect's API works, then retry this run.
    """

    def __init__(self, run_id: str, cause: str) -> None:
        self.run_id, self.cause = run_id, cause
        super().__init__(
            f"Nothing was sent: the labels of flow run {run_id} could not be written ({cause}). They tell a retry "
            "which journal the run began with and what its videos are shared within, without which it could pay again. "
            "See that Prefect's API works, then retry this run."
        )


class OrderChanged(SubmissionStopped):
    """A retry of a run that makes one video asks for another one: the store or the credentials were edited.

    What to do:
        Change back what was edited between the two tries, which costs nothing, and retry. For the other video start a
        new run, which pays for it.
    """

    def __init__(self, intent: str, began_with: str) -> None:
        self.intent, self.began_with = intent, began_with
        super().__init__(
            f"Nothing was sent: this run began with intent {began_with}..., and what its retry asks for is intent "
            f"{intent}, another video, which would be paid for as well. Between the two tries the account label of the "
            "credentials, ignored_link_parameters of the store or what the request names was changed. Change it back, "
            "which costs nothing, and retry. If the other video is what you want, start a new run, which pays for it."
        )


class BatchChanged(SubmissionStopped):
    """A retry of a batch goes by another account label or ignores other parameters of links, so all its videos differ.

    What to do:
        Change back the setting that `setting` names, which costs nothing, and retry. For the other videos start a new
        run, which pays for them.

    Attributes:
        setting: Which one.
        began_with: What it was at the first try.
        now: What it is.
    """

    def __init__(self, setting: str, began_with: str, now: str) -> None:
        self.setting, self.began_with, self.now = setting, began_with, now
        super().__init__(
            f"Nothing was sent: this batch began with {setting} {began_with!r}, and its retry has {now!r}. Every video "
            "would be another one, and paid for as well. Change it back, which costs nothing, and retry. If the other "
            "videos are what you want, start a new run, which pays for them."
        )


class SubmittingStopped(SubmissionStopped):
    """The run submits nothing more, by a rule that it was given.

    What to do:
        Run again for what is missing: what is paid for is not paid again.
    """

    def __init__(self, intent: str, reason: str) -> None:
        self.intent, self.reason = intent, reason
        super().__init__(
            f"Nothing was sent for intent {intent}: this run submits no more ({reason}). Run it again for what is "
            "missing: what is paid for is not paid again."
        )


class SpendingPaused(SubmissionStopped):
    """A person has stopped all spending of the store.

    What to do:
        Ask the person that `by` names, or lift the pause with ``prefect-seedance resume``; then run again.

    Attributes:
        since: When, as people read it.
        by: Who.
        why: Their words, "" if they gave none.
        store_option: What ``--store`` of the command line takes for the store.
    """

    def __init__(self, intent: str, since: str, by: str, why: str, store_option: str) -> None:
        self.intent, self.since, self.by, self.why, self.store_option = intent, since, by, why, store_option
        words = f": {why}" if why else ""
        super().__init__(
            f"Nothing was sent for intent {intent}: all spending of this store was paused at {since} by {by}{words}. "
            f"This lifts it:\n{how_to_resume(store_option)}\nWhat is submitted already is still collected."
        )


class OverBudget(SubmissionStopped):
    """The video does not fit into a budget. Nothing was sent.

    What to do:
        Run again once the period in `ends_at` is over, or raise the budget that `budget` names, which lets more be
        spent.

    Attributes:
        budget: Which: "daily_budget", "monthly_budget", "daily_videos" or "max_cost".
        limit: What it allows, in coins; videos for "daily_videos".
        spent: What is spent of it.
        held: What is held of it: by POSTs under way, and by submissions that are unknown.
        price: What the video is expected to take of it.
        ends_at: When the period ends, as people read it; "" for the budget of a run.
        facts: The message without what to do.
    """

    ends_at: str = ""

    def __init__(
        self, intent: str, budget: str, limit: float, spent: float, held: float, price: float, ends_at: str = ""
    ) -> None:
        self.intent, self.budget, self.limit, self.spent = intent, budget, limit, spent
        self.held, self.price, self.ends_at = held, price, ends_at
        unit = "videos" if budget == "daily_videos" else "coins"
        until = f" The period ends at {ends_at} (UTC)." if ends_at else ""
        if price > limit:  # no next period has room for it either
            until = " That is more than the whole budget."
        self.facts = (
            f"Nothing was sent for intent {intent}: it would exceed {budget} ({limit:g} {unit}). Spent: {spent:g}. "
            f"Held by submissions under way or unknown: {held:g}. This video: {price:g}.{until}"
        )
        go_on = "Run it again then, or" if ends_at and price <= limit else "To make it,"
        super().__init__(f"{self.facts} {go_on} raise {budget}. What is paid for is not paid again.")


class PriceUnknown(SubmissionStopped):
    """There is a budget, and what the video costs is not known: it could be any amount.

    What to do:
        Write what the model costs into the prices of the credentials, or remove the budget; then run again.
    """

    def __init__(self, intent: str, budget: str) -> None:
        self.intent, self.budget = intent, budget
        super().__init__(
            f"Nothing was sent for intent {intent}: {budget} is set, and the price of this video is not known, so it "
            "might exceed it. Write what the model costs into the prices of the credentials, or remove the budget."
        )


class BudgetDamaged(SubmissionStopped):
    """The ledger of a budget cannot be read. It is never taken for empty.

    What to do:
        Put the newest readable version of the ledger back, or move the file out of ``journal/`` and lower the limit
        by what the vendor's console shows for the period; then run again.

    Attributes:
        where: Where it lies.
        cause: What is wrong with it.
    """

    def __init__(self, where: str, cause: str) -> None:
        self.where, self.cause = where, cause
        super().__init__(
            f"Nothing was sent: the budget's ledger at {where} cannot be read: {cause}. What was spent is not known "
            "without it, so nothing is submitted; what is submitted already is still collected. If the store keeps "
            "earlier versions, put the newest readable one back: it may miss what was spent since. Or move the file to "
            "another place, outside of journal/. The next video then begins a new ledger, in which nothing is spent: "
            "lower the limit for the rest of the period by what the vendor's console shows for it."
        )


class BudgetTooNew(SubmissionStopped):
    """A newer version of this package wrote the ledger of a budget.

    What to do:
        Upgrade prefect-seedance here to the version of the other workers, then run again.
    """

    def __init__(self, where: str, version: int, ours: int) -> None:
        self.where, self.version, self.ours = where, version, ours
        super().__init__(
            f"Nothing was sent: the budget's ledger at {where} has version {version}, and this prefect-seedance writes "
            f"version {ours}: it may read the ledger, not change it. Upgrade prefect-seedance here as well, then run "
            "again."
        )


class TooManyReserved(SubmissionStopped):
    """A budget holds so many unknown submissions that it takes no more.

    What to do:
        Settle the unknown submissions (``prefect-seedance journal --unknown`` lists them; each is perhaps billed),
        then run again.
    """

    def __init__(self, intent: str, entries: int, held: int, store_option: str) -> None:
        self.intent, self.entries, self.held, self.store_option = intent, entries, held, store_option
        super().__init__(
            f"Nothing was sent for intent {intent}: the budget has {entries} open entries, {held} of them unknown "
            "submissions, and takes no more. Each may be paid for. Settle the unknown ones "
            f"({how_to_list_unknown(store_option)}), then run again: what is paid for is not paid again."
        )


class SubmissionCancelled(SubmissionStopped):
    """The run was cancelled before the POST.

    What to do:
        Run the same request again to submit it, which is paid for once.
    """

    def __init__(self, intent: str) -> None:
        self.intent = intent
        super().__init__(
            f"The run was cancelled before intent {intent} was sent; nothing is billed for it. Run the same request "
            "again to submit it."
        )


class ResolutionRefused(JournalError):
    """A resolution that cannot be right. The record was left as it is.

    What to do:
        Do what `fix` says, then resolve it again.
    """

    money = Money.NOTHING

    def __init__(self, intent: str, reason: str, fix: str) -> None:
        self.intent, self.reason, self.fix = intent, reason, fix
        super().__init__(f"Intent {intent} was not resolved: {reason} Nothing was changed. {fix}")


class BalanceContradicts(ResolutionRefused):
    """Not billed, says a person, and the account's balance fell by exactly the expected price.

    What to do:
        Look once more for the task in the vendor's console, and attach it. If there is neither task nor charge, set
        ``despite_evidence`` (``--yes``); the next run then submits again, which is paid for.

    Attributes:
        attempt_name: The attempt that it is about.
        balance: What the balance says, in words.
    """

    def __init__(self, intent: str, attempt_name: str, balance: str) -> None:
        self.attempt_name, self.balance = attempt_name, balance
        super().__init__(
            intent,
            f"Attempt {attempt_name} was to be settled as not billed. {balance}",
            "Look once more for its task in the vendor's console, and attach it. If there is none, and no charge: "
            "set despite_evidence (on the command line: --yes).",
        )
