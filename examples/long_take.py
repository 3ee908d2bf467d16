"""One long take of many clips: each clip begins with the last frame of the one before it, and all end in one film.

    python examples/long_take.py examples/long_take.txt --credentials default --store default

A line of the file is the prompt of one clip; six clips of 5 to 10 seconds make a film of half a minute to a minute.
Interrupted anywhere and run again, it pays only for the clips that are missing, and makes the film once. To have
another film of the same prompts, choose another take; it is paid for anew. (On a schedule, retry the run instead: there
each run buys its own.)

Needs PyAV, which comes with the extra ``media``.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import acreate_markdown_artifact

from prefect_seedance import SeedanceCredentials, StoredVideo, VideoRequest, VideoStore, agenerate_video
from prefect_seedance.pipeline.films.film import Film, join_videos
from prefect_seedance.pipeline.films.joining import check_joining


@task(name="join-clips", persist_result=False)
async def join_clips(clips: list[StoredVideo], store: VideoStore) -> Film:
    """Join clips into one film beside them in the store: free, and if they were joined before, what is there.

    Args:
        clips: In their order.
        store: Where they are, and where the film goes.
    """
    cancelled = threading.Event()
    try:
        return await asyncio.to_thread(lambda: join_videos(clips, store.open(), cancelled=cancelled))
    finally:
        cancelled.set()  # a thread does not end with its run by itself


def requests_of(prompts: list[str], asked: VideoRequest) -> list[VideoRequest]:
    """Return what will be asked for, to the letter but for the frame that only the clip before can give.

    So a prompt or a model that is refused is refused here, before the first clip is paid for.
    """
    frame = "last-frame+/the/clip/before/it.mp4"
    return [
        VideoRequest.model_validate({**asked.model_dump(), "prompt": prompt, "first_image": frame if number else ""})
        for number, prompt in enumerate(prompts)
    ]


@flow(name="long-take")
async def long_take(
    prompts: list[str],
    credentials: SeedanceCredentials,
    store: VideoStore,
    model: str = "seedance2.0-mini",
    seconds: int = 5,
    resolution: str = "480p",
    ratio: str = "16:9",
    take: str = "1",
) -> Film:
    """Make a film of clips that go on from one another.

    Args:
        prompts: What each clip shows.
        credentials: Who pays.
        store: Where the clips and the film go.
        model: One that takes a first frame alone. All clips are of one model, resolution and ratio, so that they can be
            joined without encoding them again.
        seconds: Length of each clip.
        resolution: Of all clips.
        ratio: Of all clips.
        take: Another one asks for another film of the same prompts.
    """
    if not prompts:
        raise ValueError("prompts is empty: write what each clip shows, one text for each")
    check_joining()
    asked = {"model": model, "duration": seconds, "resolution": resolution, "ratio": ratio, "take": take}
    requests = requests_of(prompts, VideoRequest.model_validate({"prompt": prompts[0], **asked}))

    clips: list[StoredVideo] = []
    for request in requests:
        if clips:
            request = request.model_copy(update={"first_image": clips[-1].last_frame_source})
        clips.append(await agenerate_video(request, credentials, store))
    film = await join_clips(clips, store)

    listed = "\n".join(f"{number}. `{clip.uri}`" for number, clip in enumerate(clips, 1))
    cost = "unknown" if film.cost is None else f"{film.cost:g} coins"
    await acreate_markdown_artifact(
        f"# {film.seconds:g} s\n\n`{film.uri}`\n\nCost of all clips: {cost}\n\n{listed}", key="long-take"
    )
    return film


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", type=Path, help="a text file: one prompt a line")
    parser.add_argument("--credentials", default="default")
    parser.add_argument("--store", default="default")
    parser.add_argument("--model", default="seedance2.0-mini")
    parser.add_argument("--seconds", type=int, default=5, help="of each clip")
    parser.add_argument("--resolution", default="480p")
    parser.add_argument("--ratio", default="16:9")
    parser.add_argument("--take", default="1")
    options = parser.parse_args()
    lines = options.prompts.read_text(encoding="utf-8").splitlines()
    made = asyncio.run(
        long_take(
            [line.strip() for line in lines if line.strip()],
            SeedanceCredentials.load(options.credentials, _sync=True),
            VideoStore.load(options.store, _sync=True),
            options.model,
            options.seconds,
            options.resolution,
            options.ratio,
            options.take,
        )
    )
    print(made.uri)
