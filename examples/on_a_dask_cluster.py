"""The steps of each video on a Dask cluster, for whoever has one: a task run per step, wherever a worker is free.

    python examples/on_a_dask_cluster.py "A paper boat" "A tin robot" --credentials default --store default

Needs prefect-dask. Without the address of a cluster Dask makes one of two processes on this machine. A video is paid
for once here too: the journal in the store sees to that, not the scheduler. But each video that is waited for takes a
thread of a worker, and cancelling the flow does not reach what was submitted to the cluster. For many rows
generate_videos_in_parts needs less of everything.
"""

from __future__ import annotations

import argparse

from prefect import flow, unmapped
from prefect_dask import DaskTaskRunner

from prefect_seedance import (
    SeedanceCredentials,
    StoredVideo,
    VideoRequest,
    VideoStore,
    create_video,
    store_video,
    validate_request,
    wait_for_video,
)


@flow(name="on-a-dask-cluster")
def on_a_dask_cluster(
    requests: list[VideoRequest], credentials: SeedanceCredentials, store: VideoStore
) -> list[StoredVideo]:
    """Generate videos, each step of each of them as a task of its own.

    Args:
        requests: The videos.
        credentials: Who pays.
        store: Where they go: every worker of the cluster has to reach it.
    """
    by_whom, where = unmapped(credentials), unmapped(store)
    checked = validate_request.map(requests, by_whom, where, unmapped([]))
    checked.result()  # nothing is paid for while one of them is refused
    submitted = create_video.map(requests, by_whom, where)
    completed = wait_for_video.map(submitted, requests, by_whom, where)
    return store_video.map(completed, submitted, requests, by_whom, where).result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", nargs="+")
    parser.add_argument("--credentials", default="default")
    parser.add_argument("--store", default="default")
    parser.add_argument("--cluster", help="address of a Dask scheduler, such as tcp://10.0.0.5:8786")
    options = parser.parse_args()
    runner = (
        DaskTaskRunner(address=options.cluster)
        if options.cluster
        else DaskTaskRunner(cluster_kwargs={"n_workers": 2, "threads_per_worker": 4})
    )
    cheap = {"model": "seedance2.0-mini", "resolution": "480p", "duration": 4}
    for video in on_a_dask_cluster.with_options(task_runner=runner)(
        [VideoRequest.model_validate({"prompt": prompt, **cheap}) for prompt in options.prompts],
        SeedanceCredentials.load(options.credentials, _sync=True),
        VideoStore.load(options.store, _sync=True),
    ):
        print(video.uri)
