"""Flows of another team, for a worker that is killed. The automation of the tests goes by their names."""

from prefect import flow

from prefect_seedance import SeedanceCredentials, VideoStore, generate_video
from tests.prefect_runs.vendor import small


@flow
def zombie(credentials: SeedanceCredentials, store: VideoStore) -> str:
    return generate_video(small("zombie"), credentials, store).uri


@flow
def orphan(credentials: SeedanceCredentials, store: VideoStore) -> str:
    return generate_video(small("orphan"), credentials, store).uri
