"""What happens after a video is stored: a flow of another team, started by the event, once per video.

    python examples/on_video_stored.py

It waits for videos of any flow that uses prefect-seedance, and knows none of them. It must not make videos itself: each
would start it again.
"""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.events import DeploymentEventTrigger


@flow(name="publish-video", flow_run_name="publish-video: {task_id}")
def publish_video(uri: str, task_id: str) -> str:
    """Publish a stored video; here: put it on the page of published videos.

    Args:
        uri: Where the video is.
        task_id: The vendor's task id.
    """
    create_markdown_artifact(f"Published `{uri}` of task `{task_id}`.", key="published-videos")
    return uri


#: The event's payload is written in prefect_seedance/runs/events.py.
WHEN_STORED = DeploymentEventTrigger(
    name="publish-video when a video is stored",
    expect={"seedance.video.stored"},
    match={"prefect.resource.id": "seedance.video.*"},
    parameters={"uri": "{{ event.payload.uri }}", "task_id": "{{ event.payload.task_id }}"},
)

if __name__ == "__main__":
    publish_video.serve(name="publish-video", triggers=[WHEN_STORED])
