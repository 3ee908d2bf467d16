"""What the tests ask of a child process, and what the child says of its end: plain data, over a pipe and in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

#: What a child does to itself at a named point.
Action = Literal["kill", "freeze", "linger", "interrupt", "cancel", "lose_records", "block_writes"]


@dataclass(frozen=True)
class Strike:
    """Something that a child does to itself when it reaches a named point.

    Attributes:
        point: Name of the point.
        action: ``kill`` is SIGKILL, ``freeze`` SIGSTOP and ``interrupt`` a Ctrl+C; ``linger`` keeps the thread that is
            there for two seconds; ``cancel`` sets the event that cancels a run of the pipeline alone; after
            ``lose_records`` the journal's records can neither be read nor written, after ``block_writes`` nothing can
            be written.
        time: At which of its arrivals there.
    """

    point: str
    action: Action = "kill"
    time: int = 1


@dataclass(frozen=True)
class Order:
    """One or more runs of the flow in one process, or one call of `resolve_unknown`.

    Attributes:
        folder: Where the child writes its output, the points that it reaches, and its reports.
        store: Fields of the store.
        prompts: What is asked for. One is run by the sync flow, several at once by the async one.
        url: The vendor's host.
        request: Other fields of the request than its prompt and its take.
        flow: Whether the flow is run, or only the pipeline below it, which takes a fifth of the time.
        take: Which video of a prompt.
        strikes: What the child does to itself.
        block: Name of saved credentials, "" to take the key from the environment.
        api_key: Instead of the one in the environment.
        submit_timeout_seconds: Of the credentials.
        max_submissions: Of the run.
        delay_seconds: Pause before anything.
        resolve: Intent to settle, instead of running the flow.
        resolution: How.
        task_id: For ``attach``.
    """

    folder: str
    store: dict[str, str]
    prompts: tuple[str, ...]
    url: str
    request: Mapping[str, Any] = field(default_factory=dict[str, Any])
    flow: bool = True
    take: str = "1"
    strikes: tuple[Strike, ...] = ()
    block: str = ""
    api_key: str = ""
    submit_timeout_seconds: float = 60.0
    max_submissions: int = 1
    delay_seconds: float = 0.0
    resolve: str = ""
    resolution: Literal["attach", "not_billed", "abandon"] = "attach"
    task_id: str = ""

    def values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read what `values` gave."""
        strikes = tuple(Strike(**each) for each in values["strikes"])
        return cls(**{**values, "prompts": tuple(values["prompts"]), "strikes": strikes})


@dataclass(frozen=True)
class Report:
    """How a run ended that came to an end.

    Attributes:
        task_id: The vendor's task.
        sha256: Of the stored video.
        reused: Whether another run had paid for it.
        error: Class of what it raised, "" for nothing.
        ours: Whether that is an error of this package, rather than, for example, of an overloaded Prefect server.
        message: Its words.
    """

    task_id: str = ""
    sha256: str = ""
    reused: bool = False
    error: str = ""
    ours: bool = True
    message: str = ""
