"""One video: validate, create, wait, store, notify."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from typing import cast

from prefect import flow
from prefect.runtime import flow_run

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.sync_flow import run_to_end
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.options import RunOptions
from prefect_seedance.plain_text import cut, one_line
from prefect_seedance.runs.run_names import take_words


def run_name() -> str:
    """Name a flow run after its request: ``generate-video: seedance2.0-std 10s 9:16 take 2 "A model rotates..."``."""
    parameters = cast("dict[str, object]", flow_run.get_parameters() or {})
    asked = parameters.get("request")
    if not isinstance(asked, VideoRequest):
        return "generate-video"
    prompt = " ".join(one_line(asked.prompt).split())
    ratio = "" if asked.ratio == "auto" else f" {asked.ratio}"
    return f'generate-video: {asked.model_name} {asked.duration}s{ratio}{take_words(asked.take)} "{cut(prompt, 40)}"'


@with_titles
@flow(name="generate-video", flow_run_name=run_name, persist_result=True)
def generate_video(
    request: VideoRequest,
    credentials: SeedanceCredentials,
    store: VideoStore,
    notify: list[str] = [],
    options: RunOptions = RunOptions(),
) -> StoredVideo:
    """Generate one video and store it.

    Args:
        request: The video to generate.
        credentials: The saved credentials that pay for the video.
        store: The saved store that the video goes to.
        notify: Saved notification blocks to tell how it ended, each by type and name, for example slack-webhook/team.
        options: How this run behaves. The defaults suit nearly every run.

    Returns:
        Where the video is and what it is.

    Raises:
        InvalidRequest: Something can be refused for free; nothing was paid.
        StorageError: The store cannot be used; found before anything is sent.
        SubmissionUnknown: Perhaps accepted, perhaps paid: a person settles it with ``resolve_submission``.
        SubmissionStopped: Nothing was sent now; the message says why.
        TaskError: The vendor failed the task, or it could not be waited for; carries the task id and how to go on.
        VideoNotStored: Made and paid for, and not in the store yet; carries the task id and how to go on.
        SeedanceError: Any other failure of the vendor or the journal; the message says what was paid.

    Examples:
        With saved blocks, in a script or in a flow of your own:
        ```python
        from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, generate_video

        video = generate_video(
            VideoRequest(prompt="A paper boat", model="seedance2.0-mini", resolution="480p", duration=4),
            SeedanceCredentials.load("studio"),
            VideoStore.load("catalogue"),
        )
        print(video.uri)
        ```
    """
    from prefect_seedance.flows.bodies.one_video import generate

    return run_to_end(lambda: generate(request, credentials, store, notify, options))
