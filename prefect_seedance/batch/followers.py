"""How a caller follows a batch while it runs: the command line shows what it is told. Nobody follows by default."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from prefect_seedance.asides import AsideLog, aside, words_of
from prefect_seedance.batch.models import RowResult

_log = AsideLog(__name__)


class BatchFollower(Protocol):
    """Is told how a batch gets on, from the thread that makes it. It returns at once."""

    def planned(self, total: int) -> None:
        """Take note of how many rows will each end in a result, including those that are invalid or of another part."""
        ...

    def started(self, number: int, label: str) -> None:
        """Take note that the video of a row is being made."""
        ...

    def ended(self, result: RowResult) -> None:
        """Take note of the result of a row, whether or not it had started."""
        ...

    def told(self, message: str) -> None:
        """Take note of something that a person should know beside the rows."""
        ...


class Following:
    """Tells a follower, if there is one. What it raises costs the line, never a row.

    Example:
        >>> Following(None).planned(2)

    Args:
        follower: Whom to tell.
    """

    def __init__(self, follower: BatchFollower | None) -> None:
        self._follower = follower

    def planned(self, total: int) -> None:
        """Tell how many rows there are."""
        self._tell(lambda follower: follower.planned(total))

    def started(self, number: int, label: str) -> None:
        """Tell that the video of a row is being made."""
        self._tell(lambda follower: follower.started(number, label))

    def ended(self, result: RowResult) -> None:
        """Tell what became of a row."""
        self._tell(lambda follower: follower.ended(result))

    def told(self, message: str) -> None:
        """Tell something else."""
        self._tell(lambda follower: follower.told(message))

    def _tell(self, tell: Callable[[BatchFollower], None]) -> None:
        if self._follower is None:
            return
        failure = aside(tell, self._follower)
        if failure is not None:
            _log.warning("Whoever follows the batch could not be told: %s", words_of(failure))


_follower: ContextVar[BatchFollower | None] = ContextVar("batch_follower", default=None)


@contextmanager
def followed_by(follower: BatchFollower) -> Generator[None]:
    """Have the batches that are made inside this block followed.

    A flow takes only what its form can hold, so the follower goes beside its parameters; it reaches a batch that is
    made in this process.
    """
    before = _follower.set(follower)
    try:
        yield
    finally:
        _follower.reset(before)


def following() -> Following:
    """Return what tells the follower of this context: the engine asks once, and then calls it for each row."""
    return Following(_follower.get())
