"""Files that the vendor keeps for us, for about three days: uploaded once per content, and remembered."""

from __future__ import annotations

import io
import mimetypes
from typing import BinaryIO

from prefect_seedance.client.errors import InvalidParameters
from prefect_seedance.client.protocol import MAX_UPLOAD_BYTES
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import UnusableReference
from prefect_seedance.media.material import Material
from prefect_seedance.media.memos import Kept, Made, MakeRefused, Memos
from prefect_seedance.media.watched_file import WatchedFile

#: How long the vendor keeps an uploaded file: "about 3 days" by its pages, so a little less.
UPLOAD_LIFE_SECONDS = 70 * 3600.0
#: A content that the vendor turned down is not sent again for so long.
_REFUSED_SECONDS = 3600.0
_BUFFER_BYTES = 128 * 1024
#: How long others wait for an upload whose worker has died.
_LEASE_SECONDS = 60.0


class _Upload:
    """A material as the client uploads it; see `client.protocol.UploadSource`."""

    def __init__(self, material: Material, follower: Follower) -> None:
        self._material, self._follower = material, follower
        self.name, self.size = material.name, material.size
        self.media_type = mimetypes.guess_type(material.name)[0] or "application/octet-stream"

    def open(self) -> BinaryIO:
        """Open it for one try."""
        return io.BufferedReader(WatchedFile(self._material.open_read(), self._follower), _BUFFER_BYTES)


def memo_name(identity: str) -> str:
    """Return the name of a content's memos.

    Example:
        >>> memo_name("sha256:0f/last-frame")
        '0f-last-frame'
    """
    return identity.removeprefix("sha256:").replace("/", "-")


def uploaded_link(
    material: Material,
    context: MediaContext,
    memos: Memos,
    follower: Follower,
    *,
    place: str,
    needed_seconds: float,
    failed_seconds_ago: float | None = None,
) -> str:
    """Return a public link to a content: that of an earlier upload if it lives long enough, else of a new one.

    Args:
        material: The content.
        context: Whose upload it is.
        memos: Of the account.
        follower: Follows it.
        place: Where the reference stands, for the log.
        needed_seconds: How long the link has to live.
        failed_seconds_ago: When the vendor last failed to use it, None for never.

    Raises:
        UnusableReference: It is too large, or the vendor turns it down.
        ContentChanged: It changed while it was read. Its upload is not used.
        SeedanceError: The vendor could not be reached.
    """
    if material.size > MAX_UPLOAD_BYTES:
        raise UnusableReference(
            "size of an upload",
            f"it has {material.size / 1e6:.1f} MB, and the vendor takes uploads of at most 100 MB",
            "Make it smaller, or put it into a bucket that the internet can reach and write s3://bucket/key",
        )

    def make() -> Made:
        follower.check()
        follower.log(f"{place}: uploading {material.size:,} bytes to the vendor.")
        try:
            with context.vendor.client(follower.pause) as client:
                answer = client.upload_file(_Upload(material, follower))
        except InvalidParameters as error:
            raise MakeRefused(error.vendor_message or "no reason given", _REFUSED_SECONDS) from error
        return Made(answer.url, UPLOAD_LIFE_SECONDS, notes={"reference": place, "size": material.size})

    def usable(kept: Kept) -> str:
        if failed_seconds_ago is not None and kept.age_seconds >= failed_seconds_ago:
            return "the vendor could not use it"
        left = kept.seconds_left()
        return "" if left >= needed_seconds else f"its link ends in {max(0.0, left) / 3600:.1f} hours"

    try:
        kept = memos.obtain(
            "upload",
            memo_name(material.identity),
            make,
            usable=usable,
            lease_seconds=_LEASE_SECONDS,
            follower=follower,
        )
    except MakeRefused as error:
        raise UnusableReference(
            "upload", f"the vendor does not take the file: {error.reason}", "Convert it, for example to PNG or MP4"
        ) from error
    return kept.value
