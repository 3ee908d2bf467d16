"""What people are told: in short what happened, what was paid and what to do next.

All of it is plain text. It is put into the language of a chat where it is sent (`notifiers`), and into that of the
run's page there (`run_page`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prefect_seedance.client.errors import OutcomeUnknown, SeedanceError, WaitTimedOut
from prefect_seedance.journal.commands import how_to_resolve
from prefect_seedance.journal.errors import FailedBefore, SubmissionStopped, SubmissionUnknown
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.plain_text import Money, coin_words, cut
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.notifications.escaping import unlinked
from prefect_seedance.storage.errors import StorageError

if TYPE_CHECKING:
    from prefect_seedance.journal.submit.pointer import SubmittedVideo
    from prefect_seedance.runs.pages.play_link import PlayLink

#: Longest body of a failure: more is read on the run's page. The words of an unknown submission are never cut.
_LENGTH = 1500


def reuse_message(task_id: str) -> str:
    """Return the sentence that a video was paid for before, and how to get another one."""
    return (
        f"Reused: task {task_id} was submitted and paid for by an earlier run of the same request; nothing was paid "
        "now. To pay for another video of it set another take."
    )


class Asked(Protocol):
    """What was asked for, as far as people are told: a `VideoRequest`, or what a record says of one."""

    @property
    def prompt(self) -> str:
        """What the video shows."""
        ...

    @property
    def model_name(self) -> str:
        """The model, as it is sent."""
        ...


def success_message(
    stored: StoredVideo, request: Asked, *, run_url: str = "", play: PlayLink | None = None
) -> tuple[str, str]:
    """Return subject and body for a stored video.

    Args:
        stored: The video.
        request: What was asked for.
        run_url: Address of the run's page, "" where there is none.
        play: A link by which anybody can watch the video, where the store allows one.
    """
    lines = [_beginning(request), stored.uri, f"{stored.model}, task {stored.task_id}. {cost_words(stored)}"]
    if stored.reused:
        lines.append(reuse_message(stored.task_id))
    if play:
        lines += [play.life, play.url]
    lines += _place(run_url)
    return f"Video {'reused' if stored.reused else 'stored'}: {stored.task_id}", "\n".join(lines)


@dataclass(frozen=True)
class NoVideo:
    """How a run ended that has no video.

    Attributes:
        error: What ended it.
        task_id: The vendor's task that goes on, where the error does not carry it; "" if none is known.
        may_have_paid: Whether this try of the run, or one before, came past what is checked for free.
        advice: How that task is taken up.
    """

    error: Exception
    task_id: str = ""
    may_have_paid: bool = True
    advice: str = ""

    @property
    def headline(self) -> str:
        """One line.

        Example:
            >>> NoVideo(WaitTimedOut("videos_1", 2700)).headline
            'No video yet, it goes on: videos_1'
        """
        error = self.error
        if isinstance(error, OutcomeUnknown):
            return f"Perhaps paid, a person has to settle it: {getattr(error, 'intent', '') or 'a submission'}"
        if isinstance(error, WaitTimedOut):
            return f"No video yet, it goes on: {error.task_id}"
        return f"No video: {type(error).__name__}"

    @property
    def short_headline(self) -> str:
        """A line that a card of the run's page has room for."""
        if isinstance(self.error, OutcomeUnknown):
            return "Perhaps paid: settle it"
        return "No video yet, it goes on" if isinstance(self.error, WaitTimedOut) else self.headline

    @property
    def words(self) -> str:
        """What happened. Errors of other packages are only named: their text may repeat a secret."""
        if isinstance(self.error, SeedanceError | StorageError):
            said = without_signatures(str(self.error))
        else:
            said = f"An unexpected {type(self.error).__name__}; the run's log has the details."
        if self.task_id and self.task_id not in said:
            said += f" Task {self.task_id} goes on. {self.advice}"
        return said

    @property
    def paid(self) -> str:
        """What was paid."""
        task_id = getattr(self.error, "task_id", "") or self.task_id
        refunds = "the vendor does not document refunds; its console shows the charge"
        match self.error:
            case SubmissionUnknown(balance=seen) if seen:
                return f"perhaps; it is not known whether the vendor accepted it. {seen.removesuffix('.')}"
            case SeedanceError(money=Money.PERHAPS):
                return "perhaps; it is not known whether the vendor accepted it"
            case SeedanceError(money=Money.NO_VIDEO):
                return f"task {task_id} was accepted; {refunds}"
            case FailedBefore():
                return f"nothing now; task {task_id} was accepted before, and failed; {refunds}"
            case _ if task_id:
                return f"task {task_id} was accepted and is paid for; it is not lost"
            case _ if not self.may_have_paid:
                return "nothing; it was found before the request was sent"
            case SubmissionStopped():
                return "nothing now; what was accepted before stays paid"
            case _:
                return "no further video; a task that was accepted before goes on and stays paid"


def failure_message(end: NoVideo, request: Asked, *, run_url: str = "") -> tuple[str, str]:
    """Return subject and body for a run that ended without a video.

    Args:
        end: How it ended.
        request: What was asked for.
        run_url: Address of the run's page, "" where there is none.
    """
    if isinstance(end.error, SubmissionUnknown):
        return end.headline, "\n".join([_unknown_body(end.error, request), *_place(run_url)])
    words = cut(end.words, _LENGTH)
    paid = "" if isinstance(end.error, SeedanceError) else f"\nPaid: {end.paid}."
    return end.headline, "\n".join([f"{_beginning(request)}\n{words}{paid}", *_place(run_url)])


def expected_price(submitted: SubmittedVideo) -> str:
    """Return what a video was expected to cost when it was submitted, with where that comes from and its date."""
    if submitted["price"] is None:
        return "its price was unknown"
    source = f" ({submitted['price_source']})" if submitted["price_source"] else ""
    return f"expected to cost {coin_words(submitted['price'])}{source}"


def cost_words(stored: StoredVideo) -> str:
    """Return what a video cost, and how that is known: the cost of its task; others may have failed before."""
    if stored.cost is None:
        cost = "Its cost is not known"
    elif stored.cost_source == "vendor":
        cost = f"It cost {coin_words(stored.cost)}"
    else:
        cost = f"It should have cost {coin_words(stored.cost)} ({stored.cost_source})"
    match stored.submissions - 1:
        case 0:
            return f"{cost}."
        case 1:
            return f"{cost}. One submission before failed; the vendor's console shows whether it was charged."
        case earlier:
            return f"{cost}. {earlier} submissions before failed; the vendor's console shows whether they were charged."


def cost_in_short(stored: StoredVideo) -> str:
    """Return what a video cost, for a table or a card.

    Example:
        >>> cost_in_short(StoredVideo.model_construct(cost=0.35, cost_source="vendor"))
        '0.35 coins'
    """
    if stored.cost is None:
        return "cost not known"
    source = "" if stored.cost_source == "vendor" else f" ({stored.cost_source})"
    return f"{coin_words(stored.cost)}{source}"


def _beginning(request: Asked) -> str:
    # An address in it is not one of our links, and nobody should click it.
    return unlinked(without_signatures(" ".join(request.prompt.split())[:200]))


def _place(run_url: str) -> list[str]:
    return [f"The run: {run_url}"] if run_url else []


def _unknown_body(error: SubmissionUnknown, request: Asked) -> str:
    sent = error.sent or f"It was sent at {error.started_at}, or was about to be."
    lines = [
        _beginning(request),
        f"Perhaps the vendor accepted this video and bills it: {error.reason[:150]}",
        f"{sent} Nothing is sent again before a person has looked into the vendor's console for a task of "
        f"{request.model_name} made then.",
        error.balance,
        how_to_resolve(error.intent, error.store_option, error.attempt_name, briefly=True),
    ]
    return "\n".join(filter(None, lines))
