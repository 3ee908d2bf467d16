"""What a batch is asked to make: a manifest, or requests of a caller in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.manifest.reading import manifest_of, read_manifest
from prefect_seedance.redaction import without_signatures

if TYPE_CHECKING:
    from prefect_seedance.batch.options import BatchOptions
    from prefect_seedance.batch.rows import Manifest
    from prefect_seedance.client.request.video_request import VideoRequest
    from prefect_seedance.media.context import Follower, MediaContext


def read_asked(
    manifest: str,
    requests: Sequence[VideoRequest],
    options: BatchOptions,
    context: MediaContext,
    follower: Follower,
) -> Manifest:
    """Read the rows of a batch. Blocking.

    Args:
        manifest: Where it is, "" where requests are passed.
        requests: The requests, where no manifest is passed.
        options: Of the batch.
        context: What a manifest in a bucket or behind a link is read with.
        follower: May end it.

    Raises:
        UnusableManifest: It cannot be read, both are passed, or neither is.
    """
    location = manifest.strip()
    if location and requests:
        shown = without_signatures(location)
        raise UnusableManifest(shown, "requests are given as well", "Empty the manifest, or leave the requests out")
    if requests:
        return manifest_of(requests, takes=options.takes)
    if not location:
        raise UnusableManifest(
            "(none)", "neither a manifest nor requests are given", "Write a path, s3://bucket/key or a link"
        )
    return read_manifest(
        location, context, follower, takes=options.takes, encoding=options.encoding, sheet=options.sheet
    )
