"""A worker that meets everything hostile: `python -m tests.pipeline.hostile_worker SETTINGS`.

It ends with a line of JSON: how each meeting ended, and the most memory that it and its children held.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from prefect_seedance.client.errors import SeedanceError
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.client.settings import Timeouts
from prefect_seedance.client.sync_client import SeedanceClient
from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.submit.submit import submit
from tests.pipeline.harness import account_at, destination_in, order_of
from tests.processes import descendants


@dataclass(frozen=True)
class Settings:
    """What there is to be met.

    Attributes:
        vendor: Base URL of the vendor who makes the videos.
        links: By name, where each hostile file is.
        answers: By name, the base URL of a vendor who gives this answer.
        folder: Of the store.
    """

    vendor: str
    links: dict[str, str]
    answers: dict[str, str]
    folder: str


@dataclass
class Seen:
    """How it went.

    Attributes:
        ends: By name.
        own: Most memory of the worker at once, in KiB.
        child: Most memory of one of its children at once, in KiB.
        children: Most children at once.
    """

    ends: dict[str, str]
    own: int = 0
    child: int = 0
    children: int = 0

    def look(self) -> None:
        children = descendants(os.getpid())
        self.own = peak_kib("self")
        self.child = max([self.child, *map(peak_kib, children)])
        self.children = max(self.children, len(children))


def peak_kib(process: int | str) -> int:
    """Most memory that a process has held, 0 of one that is gone.

    `getrusage` counts what the process was before it became this program, too: a copy of its parent.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def stored(settings: Settings, name: str, link: str) -> str:
    """Buy a video, and store what the link leads to in its place."""
    account, destination = account_at(settings.vendor), destination_in(Path(settings.folder))
    order = order_of(VideoRequest(prompt=name, duration=4))
    submitted = submit(order, account, destination, preflight=False)
    task = VideoTask(task_id=submitted["task_id"], status="completed", video_url=link)
    video = deliver(task, submitted, account, destination)
    return f"stored, {video.width} x {video.height}{', with a poster' if video.poster_uri else ''}"


def asked(url: str) -> str:
    """Ask for a task, and for a new one."""
    ends: list[str] = []
    with SeedanceClient("sk_secret_1234567890", url, timeout=Timeouts(total=10), max_retries=0) as client:
        for call in (
            lambda: client.get_video("videos_1"),
            lambda: client.create_video(VideoRequest(prompt="a boat", duration=4)),
        ):
            try:
                ends.append(type(call()).__name__)
            except SeedanceError as error:
                assert len(str(error)) < 10_000
                ends.append(type(error).__name__)
    return ", ".join(ends)


def main() -> None:
    import prefect  # noqa: F401  # as a worker has

    import prefect_seedance.flows.generate_video  # noqa: F401

    logging.disable(logging.CRITICAL)
    settings = Settings(**json.loads(sys.argv[1]))
    seen = Seen({})
    for name, link in settings.links.items():
        seen.ends[name] = stored(settings, name, link)
        seen.look()
    for name, url in settings.answers.items():
        seen.ends[name] = asked(url)
        seen.look()
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main()
