"""Flows as a user deploys them, and the process that serves them: ``python deployed.py``."""

from __future__ import annotations

import asyncio

from prefect import flow, serve

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore, agenerate_video, generate_video


@flow(name="several")
async def several(requests: list[VideoRequest], credentials: SeedanceCredentials, store: VideoStore) -> list[str]:
    """Generate several videos at once."""
    videos = await asyncio.gather(*(agenerate_video(each, credentials, store) for each in requests))
    return [video.uri for video in videos]


if __name__ == "__main__":
    serve(
        generate_video.to_deployment("served"),
        agenerate_video.to_deployment("served-async"),
        several.to_deployment("served"),
    )
