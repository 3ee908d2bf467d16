"""A worker that needs something made: `python -m tests.media.memo_worker SETTINGS`.

It notes in a file that it makes it, and ends with a line of JSON: what it got, and what it logged. It may kill itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from prefect_seedance.failpoints import listen
from prefect_seedance.media.context import Follower
from prefect_seedance.media.memos import Made, Memos
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store


@dataclass(frozen=True)
class Settings:
    """What a worker does.

    Attributes:
        url: Of moto, with `place` as the prefix; "" for a folder.
        place: Where the store is.
        makes: The file that knows how often it was made.
        value: What is made.
        seconds: How long that takes.
        kill_at: The named point at which the worker kills itself.
    """

    url: str
    place: str
    makes: str
    value: str
    seconds: float = 0.0
    kill_at: str = ""

    @property
    def store(self) -> Store:
        """The store, open."""
        if not self.url:
            return FolderStore(Path(self.place))
        from tests.storage.s3_servers import S3Server

        return S3Server(self.url, conditions=True).store(prefix=self.place)


NAME = "5eed" * 16


def main(settings: Settings) -> None:
    """Obtain it."""
    said: list[str] = []

    def make() -> Made:
        with open(settings.makes, "a") as makes:
            makes.write(f"{settings.value}\n")
        time.sleep(settings.seconds)
        return Made(settings.value)

    def at(point: str) -> None:
        if point == settings.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    listen(at)
    follower = Follower(write=lambda level, message: said.append(message))
    memos = Memos(settings.store, "default")
    kept = memos.obtain("upload", NAME, make, usable=lambda kept: "", lease_seconds=600.0, follower=follower)
    print(json.dumps({"value": kept.value, "said": said}))


def command(settings: Settings) -> list[str]:
    """The command that runs a worker."""
    return [sys.executable, "-m", "tests.media.memo_worker", json.dumps(asdict(settings))]


if __name__ == "__main__":
    main(Settings(**json.loads(sys.argv[1])))
