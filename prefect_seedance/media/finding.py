"""From a source to its content."""

from __future__ import annotations

from prefect_seedance.client.request.sources import Source
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.material import Material
from prefect_seedance.media.materials.last_frame import LastFrame
from prefect_seedance.media.materials.local_file import find_file


def find_material(source: Source, context: MediaContext, follower: Follower) -> Material:
    """Find what a source stands for, and know its SHA-256. Blocking.

    Args:
        source: A file, an object in a bucket, or the last frame of one.
        context: Its store's credentials read objects, and its journal remembers their hashes.
        follower: May end the reading.

    Raises:
        UnusableReference: It is not there, cannot be read, or has no content.
        ContentChanged: It was written while it was read.
        PreparationCancelled: The run was cancelled.
        StorageError, JournalError: A store did not work just now.
        ValueError: It is a link or an asset.
    """
    follower.check()
    if source.kind == "file":
        found = find_file(source.address, follower)
    elif source.kind == "s3":
        # Loads boto3, which takes a while.
        from prefect_seedance.media.materials.bucket_object import find_bucket_object

        found = find_bucket_object(*source.bucket_and_key, context, follower)
    else:
        raise ValueError(f"{source.kind} is not read here")
    return LastFrame(found, follower) if source.last_frame else found
