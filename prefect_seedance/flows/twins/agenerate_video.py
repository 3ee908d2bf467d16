"""One video, for asynchronous callers: the twin of ``generate_video``, under the same flow name.

A module of its own, so that importing the one flow does not make Prefect work out the form of the other.
"""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.generate_video import run_name
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.options import RunOptions
from prefect_seedance.runs.ends.state import told_in_state


@with_titles
@flow(name="generate-video", flow_run_name=run_name)
async def agenerate_video(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    notify: list[str] = [],
    options: RunOptions = RunOptions(),
) -> StoredVideo:
    """Generate one video and store it: `generate_video` for asynchronous callers.

    Args:
        request: The video to generate.
        credentials: The saved credentials that pay for the video.
        store: The saved store that the video goes to.
        notify: Saved notification blocks to tell how it ended, each by type and name, for example slack-webhook/team.
        options: How this run behaves. The defaults suit nearly every run.

    Returns:
        Where the video is and what it is.

    Raises:
        SeedanceError, StorageError: As `generate_video` does.

    Examples:
        Two takes of one request at the same time:
        ```python
        import asyncio

        from prefect import flow
        from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, agenerate_video


        @flow
        async def two_takes(prompt: str) -> list[str]:
            credentials = await SeedanceCredentials.aload("studio")
            store = await VideoStore.aload("catalogue")
            asked = [
                VideoRequest(prompt=prompt, model="seedance2.0-mini", resolution="480p", duration=4, take=take)
                for take in ("1", "2")
            ]
            videos = await asyncio.gather(*(agenerate_video(each, credentials, store) for each in asked))
            return [video.uri for video in videos]


        print(asyncio.run(two_takes("A paper boat")))
        ```
    """
    from prefect_seedance.flows.bodies.one_video import generate

    return await told_in_state(generate(request, credentials, store, notify, options))
