"""Everything that can go wrong with the vendor's API, as one tree.

    SeedanceError
    ├── ConfigurationError        a key, a host or a time-out that cannot work   (also a ValueError)
    ├── InvalidRequest            refused by us before anything was sent          (also a ValueError)
    ├── ConnectionFailed          the network failed, and no video was bought by the call
    ├── ApiError                  the vendor answered, and the answer is not a success
    │   ├── AuthenticationFailed  code 20001, HTTP 401 in the vendor's envelope
    │   ├── InvalidParameters     code 20002, bare HTTP 400 or 422
    │   ├── InsufficientBalance   the account has too little money, or the key too little quota
    │   ├── RateLimited           code 40000, HTTP 429
    │   ├── VendorBusy            code -1
    │   ├── TaskNotFound          the vendor does not know the task id (yet)
    │   ├── SubmissionRefused     a create that was certainly not accepted
    │   └── UnexpectedAnswer      a page, half a JSON, no envelope, an unknown code
    │       └── WrongTask         about another task than was asked for
    ├── OutcomeUnknown            a create that was perhaps accepted, and perhaps billed
    └── TaskError                 about a task that exists and was paid for; carries its id
        ├── VideoFailed           the vendor's own verdict
        ├── WaitTimedOut          our patience ended, not the task
        └── MediaUnavailable      the task is completed and its video cannot be fetched

Each message says what happened, what it means for money and video, and what to do next; none holds an API
key. All survive pickling with their attributes, since Prefect pickles what a task raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypedDict, Unpack

from prefect_seedance.client.failures import FailureClass
from prefect_seedance.client.request.problems import Problem
from prefect_seedance.plain_text import Money


class Answer(TypedDict, total=False):
    """What an answer of the vendor said, as far as it could be read; see `ApiError` for the fields."""

    status_code: int | None
    code: str
    vendor_message: str
    excerpt: str
    retry_after: float | None


def _restore(kind: type[SeedanceError], message: str, attributes: dict[str, Any]) -> SeedanceError:
    error = kind.__new__(kind, message)
    error.__dict__.update(attributes)
    return error


class SeedanceError(Exception):
    """Root of the tree: ``except SeedanceError`` catches whatever this client raises on purpose.

    What to do:
        Look up the class that was raised: each has its own entry.
    """

    money: ClassVar[Money] = Money.VARIES

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with its message alone, which keyword-only constructors refuse.
        return (_restore, (type(self), str(self), dict(self.__dict__)))


#: What an error about a setting says while that is true: not while a paid video is waited for or fetched.
NOTHING_SENT = "Nothing was sent."


class ConfigurationError(SeedanceError, ValueError):
    """A setting cannot work. Nothing was sent.

    What to do:
        Correct the setting that `field` names, then call again.

    Attributes:
        field: The setting's name, such as ``api_key``.
    """

    money = Money.NOTHING

    def __init__(self, field: str, rule: str, fix: str) -> None:
        self.field = field
        super().__init__(f"{field}: {rule} {NOTHING_SENT} {fix}")


class InvalidRequest(SeedanceError, ValueError):
    """The request breaks rules that can be checked for free. Nothing was sent, nothing is billed.

    What to do:
        Change what each entry of `problems` names, then ask again. It costs nothing to try.

    Attributes:
        problems: What is wrong, one entry per broken rule, each with a readable ``str()``.
    """

    money = Money.NOTHING

    def __init__(self, problems: Sequence[Problem | str]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"- {problem}" for problem in self.problems)
        super().__init__(f"The request was not sent, and nothing is billed. To be changed first:\n{listed}")


class ConnectionFailed(SeedanceError):
    """The network failed. A create whose bytes had left ends in `OutcomeUnknown` instead.

    What to do:
        Check the network, the proxy settings and ``base_url``, then call again. A submission whose bytes had left
        never ends in this error, so asking again pays once.

    Attributes:
        reason: What the transport reported.
        sent: Whether the request had left.
    """

    money = Money.NOTHING

    def __init__(self, reason: str, *, sent: bool) -> None:
        self.reason = reason
        self.sent = sent
        happened = "The vendor's answer was lost" if sent else "The vendor could not be reached"
        super().__init__(
            f"{happened}: {reason.rstrip('.')}. This call bought no video; tasks that were submitted before go on at "
            "the vendor. Check the network, the proxy settings and base_url, then call again."
        )


class ApiError(SeedanceError):
    """The vendor answered with something other than a success.

    What to do:
        Read `vendor_message` and look up the class that was raised. Tasks that were submitted before go on.

    Attributes:
        status_code: HTTP status, None if unknown. The vendor sends errors with 200 as well.
        code: The envelope's code as text, "" without one.
        vendor_message: The envelope's message, "" without one.
        excerpt: Up to 2 KB of an answer that could not be read.
        retry_after: Seconds that the server asks to wait, if it does.
    """

    money = Money.NOTHING
    explanation: ClassVar[str] = "The vendor answered with an error. Look at its message, then call again."

    def __init__(self, explanation: str = "", **answer: Unpack[Answer]) -> None:
        self.status_code = answer.get("status_code")
        self.code = answer.get("code", "")
        self.vendor_message = answer.get("vendor_message", "")
        self.excerpt = answer.get("excerpt", "")
        self.retry_after = answer.get("retry_after")
        facts = [
            f"HTTP {self.status_code}" if self.status_code is not None else "no HTTP status",
            f"code {self.code}" if self.code else "no code",
            self.vendor_message or "no message",
        ]
        if self.retry_after is not None:
            facts.append(f"wait {self.retry_after:g} s")
        begins = f" It begins: {self.excerpt[:200]}" if self.excerpt else ""
        super().__init__(f"{explanation or self.explanation} (Answer: {', '.join(facts)}.){begins}")


class AuthenticationFailed(ApiError):
    """The key is missing, wrong or blocked (20001). The vendor's own text may be empty.

    Only the vendor's own envelope says so: a page, also one under HTTP 401 or 403, comes from something on the way.

    What to do:
        Check that the key is whole, active and made for this ``base_url``; correct it in the credentials, then run
        again.
    """

    explanation = (
        "The vendor did not accept the API key. The call had no effect and cost nothing; tasks that were "
        "submitted before go on. Check that the key is whole, active and made for this base_url."
    )


class InvalidParameters(ApiError):
    """The vendor calls a parameter wrong (20002, bare HTTP 400 or 422).

    What to do:
        Change what the vendor's message names, then send again, which is paid for once.
    """

    explanation = (
        "The vendor refused a parameter. The call had no effect and cost nothing. Change what its message "
        "names, then send again."
    )


class InsufficientBalance(ApiError):
    """The account has too little money for the call, or its key too little quota.

    What to do:
        Top up in the vendor's console, or raise the key's quota there, then run again.

    Attributes:
        required: What the video would cost in JimiCoin, None if that is not known.
        available: What there is, None if that is not known.
    """

    explanation = (
        "The account has too little balance, or the key too little quota. The call bought nothing; tasks that were "
        "submitted before go on."
    )

    def __init__(
        self, *, required: float | None = None, available: float | None = None, **answer: Unpack[Answer]
    ) -> None:
        self.required, self.available = required, available
        needed = f" It needs about {required:g} JimiCoin." if required is not None else ""
        left = f" {available:g} JimiCoin were available." if available is not None else ""
        advice = " Top up in the vendor's console, or raise the key's quota there; then run it again."
        super().__init__(f"{self.explanation}{needed}{left}{advice}", **answer)


class RateLimited(ApiError):
    """Too many requests (40000, HTTP 429). Says nothing about any task, which goes on.

    What to do:
        Wait for `retry_after` seconds, or for a minute, then send again with fewer calls at a time: lower
        ``max_in_flight`` of a batch.
    """

    explanation = (
        "The vendor asks for fewer requests. The call had no effect and cost nothing; tasks that were "
        "submitted before go on. Wait, then send it again, with fewer calls at a time."
    )


class VendorBusy(ApiError):
    """The vendor reports trouble of its own (code -1) and asks to try later.

    What to do:
        Try again in some minutes. Nothing needs to be settled: the vendor said that it took nothing.
    """

    explanation = "The vendor's system is busy or failing; no task id came. Earlier tasks go on. Try again in minutes."


class TaskNotFound(ApiError):
    """The vendor does not know the task id; normal for a few seconds after a create.

    What to do:
        Right after a submission, wait some seconds and ask again. Later, check the id, the key and ``base_url``, and
        look the id up in the vendor's console before paying for another video.

    Attributes:
        task_id: The id that was asked for.
    """

    def __init__(self, task_id: str, **answer: Unpack[Answer]) -> None:
        self.task_id = task_id
        super().__init__(
            f"The vendor does not know task {task_id!r}. Right after a create this passes within seconds. "
            "Later it means that the id is mistyped, or that key or base_url belong to another account than "
            "the one that submitted. Look the id up in the vendor's console before paying for another video.",
            **answer,
        )


class SubmissionRefused(ApiError):
    """A create that was certainly not accepted, for a reason without a class of its own.

    What to do:
        Remove the reason that the message gives, then submit again, which is paid for once.
    """

    explanation = (
        "The vendor refused the video. No task exists and nothing should be billed. Its message gives the "
        "reason (an empty balance, a used-up key, an unknown model); remove it, then submit again to pay once."
    )


#: Of a create that was refused otherwise than in the vendor's envelope.
REFUSED_ON_THE_WAY = (
    "The video was refused, and not in the vendor's own form: by a gateway, a proxy or a firewall on the way. No task "
    "exists and nothing should be billed. By itself this does not say that the API key is wrong. Look at the message, "
    "the network and base_url, then submit again to pay once."
)


class UnexpectedAnswer(ApiError):
    """An answer that cannot be read: a web page, half a JSON, no envelope, an unknown code.

    What to do:
        Call again later if `transient` is true. If it stays so, check ``base_url`` and what stands between here and
        the vendor: a proxy, a firewall, a login page.

    Attributes:
        reason: What is wrong with it, in a few words of ours.
        transient: Whether the same question may well get a proper answer a little later.
    """

    def __init__(self, reason: str, *, transient: bool, details: str = "", **answer: Unpack[Answer]) -> None:
        self.reason = reason
        self.transient = transient
        super().__init__(
            f"The vendor's answer cannot be used: {details or reason}. This call bought no video; tasks that were "
            "submitted before go on. Call again later; if it stays so, check base_url.",
            **answer,
        )


class WrongTask(UnexpectedAnswer):
    """An answer about another task than was asked for, as from a cache on the way that mixes up its entries.

    What to do:
        Ask again. If it stays so, look for a cache or proxy that answers in the vendor's place.

    Attributes:
        task_id: The task that was asked for.
        answered: The task that the answer names.
    """

    def __init__(self, task_id: str, answered: str, **answer: Unpack[Answer]) -> None:
        self.task_id, self.answered = task_id, answered
        super().__init__(f"it is about task {answered!r}, not {task_id!r}", transient=True, **answer)


class OutcomeUnknown(SeedanceError):
    """A create left this machine and no clear answer came back: perhaps there is a task, and a bill.

    What to do:
        Do not submit it again before you have looked into the vendor's console. If the task is there, go on with its
        id. Only if it is not, submit again, which is paid for. In a run the journal holds it, see
        `SubmissionUnknown`.

    Attributes:
        reason: Why the outcome is unknown.
        excerpt: Up to 2 KB of what did come back.
        status_code: HTTP status, None if there was none.
    """

    money = Money.PERHAPS

    def __init__(self, reason: str, *, excerpt: str = "", status_code: int | None = None) -> None:
        self.reason, self.excerpt, self.status_code = reason, excerpt, status_code
        super().__init__(
            f"It is not known whether the vendor accepted this video: {reason}. It may be running, and it may "
            "be billed. Do not submit it again by hand before looking in the vendor's console: if the task "
            "is there, go on with its id; only if it is not, submit again, which is paid for."
            + (f" What came back begins: {excerpt[:200]}" if excerpt else "")
        )


class TaskError(SeedanceError):
    """About a task that the vendor has and that was paid for.

    What to do:
        Keep the task id, and look up the class that was raised.

    Attributes:
        task_id: The vendor's task id.
    """

    money = Money.KEPT

    def __init__(self, task_id: str, message: str) -> None:
        self.task_id = task_id
        super().__init__(f"Task {task_id}: {message}")


_AFTER_FAILURE: dict[FailureClass, str] = {
    "moderation": "The moderation refused it: change the prompt or the media; the same request fails again.",
    "media": "The vendor could not fetch an input: make sure it is public; another attempt is paid for again.",
    "invalid": "The vendor found an input out of its limits: change it; another attempt is paid for again.",
    "transient": "The fault was on the vendor's side: another attempt, which is paid for again, may well succeed.",
    "expired": "Its link was dead for a week, so it is given up, and is not submitted again by itself: another take is "
    "paid for again.",
    "unknown": "The reason is not one we know: read it before paying for another attempt.",
}


class VideoFailed(TaskError):
    """The vendor ended the task without a video, or made one that nobody fetched while its link lived.

    What to do:
        Read `failure`. After ``moderation`` or ``invalid`` change the prompt or the media. After ``media`` make the
        inputs public. After ``transient`` ask again. Each further attempt is paid for again. Look into the vendor's
        console for what this one was charged; if it shows a video, bring that in with ``resolve_submission``
        (take_file, take_link).

    Attributes:
        error_message: The vendor's own words, "" if it gave none.
        failure: Their class: moderation, media, invalid, transient, expired or unknown.
    """

    money = Money.NO_VIDEO

    def __init__(self, task_id: str, error_message: str, failure: FailureClass) -> None:
        self.error_message, self.failure = error_message, failure
        happened = "its video was not fetched in time" if failure == "expired" else "the vendor made no video"
        super().__init__(
            task_id,
            f"{happened}: {error_message or 'no reason given'}. {_AFTER_FAILURE[failure]} "
            "The vendor does not document refunds: see the console for what was charged. If it shows a video all the "
            "same, resolve_submission brings that in (take_file, take_link).",
        )


_SAME_TASK = "Ask for the same task again; do not submit the request again."


class WaitTimedOut(TaskError):
    """Waiting ended, the task did not: it goes on at the vendor and is paid for.

    What to do:
        Run the same request again, or run ``collect_videos``: both take up the task and pay nothing for it. From the
        client, ask for the same task id again.

    Attributes:
        waited: Seconds waited.
        advice: How to go on.
        unknown_status: The vendor's last word on the task, if nobody knows what it means.
    """

    def __init__(self, task_id: str, waited: float, advice: str = _SAME_TASK, unknown_status: str = "") -> None:
        self.waited, self.advice, self.unknown_status = waited, advice, unknown_status
        word = f" Its last status was {unknown_status!r}, which is not known here." if unknown_status else ""
        super().__init__(
            task_id,
            f"not finished after {waited:.0f} s. That is not a failure: the task goes on at the vendor and "
            f"is paid for.{word} {advice}",
        )


class MediaUnavailable(TaskError):
    """The task is completed and paid for, and its video cannot be fetched now.

    What to do:
        Run the same request again within 3 days of the video's completion: it asks for a fresh link and pays nothing.
        If it stays so, fetch the file from the vendor's console and bring it in with ``resolve_submission``
        (take_file).

    Attributes:
        reason: What stands in the way.
        advice: How to go on.
    """

    def __init__(self, task_id: str, reason: str, advice: str = _SAME_TASK) -> None:
        self.reason, self.advice = reason, advice
        super().__init__(
            task_id,
            f"the video is made and paid for, but could not be fetched: {reason}. A fresh link can be had within 3 "
            f"days of its completion. {advice}",
        )
