"""Four cheap takes of one prompt, a person's word, and only then the expensive route.

    python examples/four_takes_with_approval.py "A paper boat crosses a puddle" --credentials default --store default

The run pauses with the four takes on its page. In the Prefect UI press Resume, and say whether to go on; the prompt may
be corrected there. Nothing more is paid when the answer is no, or when nobody answers in time.
"""

from __future__ import annotations

import argparse
import asyncio

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput

from prefect_seedance import SeedanceCredentials, StoredVideo, VideoRequest, VideoStore, agenerate_video

#: How often the paused run looks for an answer; Prefect's own 10 s are slow for a person who waits.
LOOKING_SECONDS = 2


class Approval(RunInput):
    """The question to a person."""

    go_on: bool = False
    prompt: str


@flow(name="four-takes-with-approval")
async def four_takes_with_approval(
    prompt: str, credentials: SeedanceCredentials, store: VideoStore, wait_hours: float = 24
) -> list[StoredVideo]:
    """Make four drafts, ask, and make the final video if a person says so.

    Args:
        prompt: What the video shows.
        credentials: Who pays.
        store: Where the videos go.
        wait_hours: How long to wait for an answer.

    Returns:
        The drafts, and the final video after them if there is one.
    """
    cheap = VideoRequest(prompt=prompt, model="seedance2.0-mini", resolution="480p", duration=4)
    takes = [cheap.model_copy(update={"take": f"draft {n}"}) for n in range(1, 5)]
    ended = await asyncio.gather(*(agenerate_video(take, credentials, store) for take in takes), return_exceptions=True)
    drafts = [draft for draft in ended if isinstance(draft, StoredVideo)]
    if not drafts:
        raise RuntimeError(f"No draft was made: {ended[0]}")
    shown = "\n".join(f"{n}. `{draft.uri}`" for n, draft in enumerate(drafts, 1))
    await acreate_markdown_artifact(f"# Four takes\n\n{shown}\n\nThe final video: resume the run.", key="four-takes")
    question = Approval.with_initial_data(description=f"Make the expensive one?\n\n{shown}", prompt=prompt)
    try:
        answer = await apause_flow_run(question, timeout=int(wait_hours * 3600), poll_interval=LOOKING_SECONDS)
    except FlowPauseTimeout:
        return drafts
    if not answer.go_on:
        return drafts
    final = VideoRequest(prompt=answer.prompt, model="seedance2.0-of-sp", resolution="1080p", duration=4)
    return [*drafts, await agenerate_video(final, credentials, store)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompt")
    parser.add_argument("--credentials", default="default")
    parser.add_argument("--store", default="default")
    options = parser.parse_args()
    for video in asyncio.run(
        four_takes_with_approval(
            options.prompt,
            SeedanceCredentials.load(options.credentials, _sync=True),
            VideoStore.load(options.store, _sync=True),
        )
    ):
        print(video.uri)
