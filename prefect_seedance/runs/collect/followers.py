"""How a caller follows a collection while it runs: the command line shows what it is told. Nobody does by default."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from prefect_seedance.pipeline.observer import Event


class CollectionFollower(Protocol):
    """Is told how a collection gets on, from whatever thread works on it. It returns at once."""

    def moved(self, label: str, event: Event) -> None:
        """A video has got somewhere."""
        ...

    def told(self, message: str) -> None:
        """Something else that a person should know."""
        ...


class _Nobody:
    def moved(self, label: str, event: Event) -> None:
        pass

    def told(self, message: str) -> None:
        pass


_follower: ContextVar[CollectionFollower | None] = ContextVar("collection_follower", default=None)


@contextmanager
def collection_followed_by(follower: CollectionFollower) -> Generator[None]:
    """Let a follower follow the collections that are made inside this ``with`` block.

    A flow takes only what its form can hold, so the follower goes beside its parameters; it reaches a collection that
    is made in this process.
    """
    before = _follower.set(follower)
    try:
        yield
    finally:
        _follower.reset(before)


def collection_follower() -> CollectionFollower:
    """Return the follower of this context."""
    return _follower.get() or _Nobody()
