"""What the tests of this folder look at, as a process of its own: `python -m tests.costs.child SCENE SETTINGS`.

It makes videos by the package's public names only, and ends with a line of JSON that says what was seen.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore

PACKAGE = "prefect_seedance"
#: Who may be behind a TLS context; the nearest in the stack has built it.
TLS_BUILDERS = (PACKAGE, "prefect", "botocore")
#: Prompts of these videos hang at the vendor.
HANGING = "hangs"
HANGING_RUNS = 24
BATCH_VIDEOS = 6


@dataclass(frozen=True)
class Settings:
    """Where everything is.

    Attributes:
        vendor: Base URL of the simulator.
        key: Its API key.
        s3: URL of the S3 server, or of the counted line to it.
        location: Of the store.
        access_key_id: Of the S3 server.
        secret_access_key: Of the S3 server.
        logs: By name, the log of each counted line.
    """

    vendor: str
    key: str
    s3: str
    location: str
    access_key_id: str
    secret_access_key: str
    logs: dict[str, str] = field(default_factory=dict)

    def credentials(self) -> SeedanceCredentials:
        from prefect_seedance import SeedanceCredentials

        fields = {"api_key": self.key, "base_url": self.vendor, "submit_timeout_seconds": 600}
        return SeedanceCredentials.model_validate(fields)

    def store(self) -> VideoStore:
        from prefect_seedance import VideoStore

        fields = {
            "location": self.location,
            "endpoint_url": self.s3,
            "region": "us-east-1",
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
        }
        return VideoStore.model_validate(fields)

    def command(self, scene: str) -> tuple[str, ...]:
        """Build the arguments for ``python`` that play a scene with these settings."""
        return ("-m", "tests.costs.child", scene, json.dumps(asdict(self)))


def request(prompt: str) -> VideoRequest:
    from prefect_seedance import VideoRequest

    return VideoRequest(prompt=prompt, model="seedance2.0-std", duration=5)


class Lines:
    """The logs of the counted lines, of which `new` returns what was added since the last look."""

    def __init__(self, logs: dict[str, str]) -> None:
        # A poster that is late on a busy machine is written into the record once more, which is none of the counts.
        from prefect_seedance.pipeline import deliver

        deliver._MOMENT_SECONDS = 60.0  # pyright: ignore[reportPrivateUsage]
        self._logs = {name: Path(log) for name, log in logs.items()}
        self._seen = dict.fromkeys(logs, 0)

    def new(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, log in self._logs.items():
            lines = log.read_text().splitlines()
            found[name], self._seen[name] = lines[self._seen[name] :], len(lines)
        return found


def top_level(settings: Settings) -> object:
    """Count the requests of the second `generate_video` of a process."""
    from prefect_seedance import generate_video

    credentials, store, lines = settings.credentials(), settings.store(), Lines(settings.logs)
    generate_video(request("the first"), credentials, store)
    lines.new()
    generate_video(request("a further one"), credentials, store)
    return lines.new()


def subflow(settings: Settings) -> object:
    """Count the requests of the second `agenerate_video` in a flow."""
    from prefect import flow

    from prefect_seedance import agenerate_video

    credentials, store, lines = settings.credentials(), settings.store(), Lines(settings.logs)

    @flow
    async def parent() -> dict[str, list[str]]:
        await agenerate_video(request("the first"), credentials, store)
        lines.new()
        await agenerate_video(request("a further one"), credentials, store)
        return lines.new()

    return asyncio.run(parent())


def batch(settings: Settings) -> object:
    """Count the requests of a batch, after a first one of the same process."""
    from prefect_seedance import generate_videos

    credentials, store, lines = settings.credentials(), settings.store(), Lines(settings.logs)
    generate_videos("", credentials, store, requests=[request("the first")])
    lines.new()
    generate_videos("", credentials, store, requests=[request(f"of a batch, number {n}") for n in range(BATCH_VIDEOS)])
    return lines.new()


def submission(settings: Settings) -> object:
    """Submit videos for a collector."""
    from prefect_seedance import submit_videos

    wanted = [request(f"for a collector, number {number}") for number in range(BATCH_VIDEOS)]
    submit_videos("", settings.credentials(), settings.store(), requests=wanted)
    return {}


def collection(settings: Settings) -> object:
    """Count the requests of a collection of what another process has submitted, after one that had nothing to do."""
    from prefect_seedance import collect_videos

    credentials, store, lines = settings.credentials(), settings.store(), Lines(settings.logs)
    collect_videos(credentials, store)
    subprocess.run([sys.executable, *settings.command("submission")], check=True, timeout=120)
    lines.new()
    collected = collect_videos(credentials, store)
    stored = sum(video.became == "stored" for video in collected.videos)
    return {**lines.new(), "stored": stored}


def tls(settings: Settings) -> object:
    """Note who builds TLS contexts: until the first video is made, and with a further one."""
    builders: list[str] = []
    original = ssl.SSLContext.__new__

    def counted(cls: type[ssl.SSLContext], *arguments: Any, **named: Any) -> ssl.SSLContext:
        packages = (package_of(frame) for frame in frames())
        builders.append(next((package for package in packages if package in TLS_BUILDERS), ""))
        return original(cls, *arguments, **named)

    ssl.SSLContext.__new__ = counted  # type: ignore[method-assign,assignment]
    from prefect_seedance import generate_video

    credentials, store = settings.credentials(), settings.store()
    generate_video(request("the first"), credentials, store)
    first = len(builders)
    generate_video(request("a further one"), credentials, store)
    return {"first": builders[:first], "further": builders[first:]}


def pool(settings: Settings) -> object:
    """Note what our code puts into asyncio's default pool, by the sync flow and by the async one."""
    ours: list[str] = []
    original = BaseEventLoop.run_in_executor

    def noted(self: BaseEventLoop, executor: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        if executor is None and is_ours(function):
            ours.append(f"{described(function)}, by {caller() or 'asyncio'}")
        return original(self, executor, function, *arguments)

    BaseEventLoop.run_in_executor = noted  # type: ignore[method-assign,assignment]
    from prefect_seedance import agenerate_video, generate_video

    credentials, store = settings.credentials(), settings.store()
    generate_video(request("by the sync flow"), credentials, store)
    asyncio.run(agenerate_video(request("by the async flow"), credentials, store))
    found = list(ours)
    asyncio.run(use_the_pool())
    return {"ours": found, "noticed": ours[len(found) :]}


async def use_the_pool() -> None:
    """Use the pool as every client of a named host does, and as our code must not."""
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    await asyncio.to_thread(request, "not ours")
    await asyncio.to_thread(type(request("ours")), prompt="ours")


def hanging(settings: Settings) -> object:
    """See what goes on while the POSTs of 24 runs hang."""
    import httpx

    from prefect_seedance import agenerate_video

    credentials, store = settings.credentials(), settings.store()

    async def received() -> int:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{settings.vendor}/_simulator/requests", timeout=60)
        return int(answer.json()["create_received"])

    async def run() -> None:
        seen: dict[str, object] = {}
        submitted = asyncio.ensure_future(agenerate_video(request("submitted before"), credentials, store))
        while not await received():
            await asyncio.sleep(0.2)
        runs = [
            asyncio.ensure_future(agenerate_video(request(f"{number} {HANGING}"), credentials, store))
            for number in range(HANGING_RUNS)
        ]
        # All of them hang, or as many as are let out at once: then the others wait for their turn.
        patience = time.monotonic() + 20
        while await received() <= HANGING_RUNS and time.monotonic() < patience:
            await asyncio.sleep(0.2)
        seen["hanging"] = await received() - 1
        say("hanging")

        looking = asyncio.ensure_future(asyncio.get_running_loop().getaddrinfo("localhost", 80))
        seen["resolved"] = bool((await asyncio.wait([looking], timeout=30))[0])
        seen["stored"] = bool((await asyncio.wait([submitted], timeout=90))[0]) and submitted.result().uri
        runs[0].cancel()
        seen["cancelled"] = bool((await asyncio.wait([runs[0]], timeout=30))[0])
        seen["others"] = sum(not run.done() for run in runs[1:])
        say(json.dumps(seen))
        os._exit(0)  # the others hang still

    asyncio.run(run())


def frames() -> list[FrameType]:
    """Return the callers, the nearest first."""
    found: list[FrameType] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def caller() -> str:
    """Return the line that called asyncio within a callback of the loop, "" where the callback is asyncio's own."""
    for frame in frames():
        if frame.f_code.co_qualname == "Handle._run":
            break
        if package_of(frame) not in ("asyncio", "tests", "__main__"):
            return f"{frame.f_globals.get('__name__')}:{frame.f_lineno}"
    return ""


def is_ours(function: Callable[..., Any]) -> bool:
    """Tell whether our code has called asyncio for this, or is what is to be done."""
    if function in (socket.getaddrinfo, socket.getnameinfo):
        return False
    return caller().partition(".")[0] == PACKAGE or any(
        str(getattr(part, "__module__", "")).partition(".")[0] == PACKAGE for part in parts(function)
    )


def parts(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield the function itself, or what a partial is made of: `asyncio.to_thread` wraps like that."""
    if isinstance(function, functools.partial):
        yield from parts(function.func)
        yield from function.args
    else:
        yield function


def described(function: Callable[..., Any]) -> str:
    return ", ".join(getattr(part, "__qualname__", type(part).__name__) for part in parts(function))


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    scene, settings = sys.argv[1], Settings(**json.loads(sys.argv[2]))
    scenes = {each.__name__: each for each in (top_level, subflow, batch, submission, collection, tls, pool, hanging)}
    say(json.dumps(scenes[scene](settings)))


if __name__ == "__main__":
    main()
