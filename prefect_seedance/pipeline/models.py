"""What a video is once it lies in the store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field

from prefect_seedance.client.request.sources import LAST_FRAME

if TYPE_CHECKING:
    from prefect_seedance.storage.protocol import Store

_BUCKET = "s3://"


class OpensStore(Protocol):
    """Something that leads to a store: the saved block."""

    @property
    def location(self) -> str:
        """Where it is."""
        ...

    def open(self) -> Store:
        """Open it."""
        ...


class StoredVideo(BaseModel):
    """A video that lies whole in the store, with where it came from.

    As a reference of another request it is written by its sources:

    - ``VideoRequest(..., first_image=stored.last_frame_source)``: goes on where this video ends;
    - ``VideoRequest(..., images=[stored.poster_source])``;
    - ``VideoRequest(..., reference_videos=[stored.video_source])``, or ``[stored]`` itself.

    Examples:
        >>> StoredVideo.model_fields["bytes"].description
        'Size of the video in bytes.'
    """

    model_config = ConfigDict(frozen=True)

    uri: str = Field(description="Where the video is: a file:// or s3:// URI.")
    key: str = Field(description="Its key inside the store.")
    bytes: int = Field(description="Size of the video in bytes.")
    sha256: str = Field(description="SHA-256 of the video, 64 hex digits.")
    crc32: str = Field(description="CRC-32 of the video, 8 hex digits.")
    content_type: str = Field(description="Media type, video/mp4.")
    etag: str = Field(description="The store's own tag of this version of the object.")
    version: str = Field(default="", description="Version id, where the bucket keeps versions.")
    task_id: str = Field(
        description="The vendor's task id; by-hand-... where a person brought the video in and the id is not known."
    )
    intent: str = Field(description="Identity of what was asked, 32 hex digits.")
    model: str = Field(description="The model that made it.")
    cost: float | None = Field(description="What its task cost, in the vendor's coins; null if it is not known.")
    cost_source: str = Field(description='Where the cost comes from: "vendor", or the source of an estimate.')
    submissions: int = Field(description="How many submissions it has taken; all but the last failed.")
    reused: bool = Field(default=False, description="Whether an earlier run had paid for it.")
    brought_by: str = Field(
        default="", description='How a person brought it in, "link" or "file"; empty if it was fetched from the vendor.'
    )
    created_at: datetime | None = Field(description="When the vendor made the task.")
    completed_at: datetime | None = Field(description="When the vendor finished it.")
    stored_at: datetime = Field(description="When it was whole in the store.")
    poster_uri: str = Field(description="Where the poster frame is; empty if there is none.")
    provenance_uri: str = Field(description="Where the provenance record is.")
    width: int = Field(description="Width in pixels; 0 if it could not be read.")
    height: int = Field(description="Height in pixels; 0 if it could not be read.")
    seconds: float = Field(description="Length in seconds; 0 if it could not be read.")

    @property
    def video_source(self) -> str:
        """What to write for this video in ``reference_videos`` of another request."""
        return self.uri

    @property
    def last_frame_source(self) -> str:
        """What to write for the last frame of this video in the images of another request: its first, for example."""
        return LAST_FRAME + self.uri

    @property
    def poster_source(self) -> str:
        """What to write for the poster of this video in the images of another request.

        Raises:
            ValueError: It has none.
        """
        if not self.poster_uri:
            raise ValueError(
                f"{self.uri} has no poster: PyAV was missing when it was stored, or could not read it. Write its "
                "last_frame_source, or the path of a picture"
            )
        return self.poster_uri

    def presigned_url(self, expires: int = 3600, *, store: OpensStore) -> str:
        """Make a link by which anybody can download the video for a while. Nothing is asked of the store.

        Args:
            expires: Seconds that the link lives, at most a week.
            store: The saved store (`VideoStore`) where the video lies: its endpoint and its keys make the link.

        Raises:
            ValueError: The video lies in a folder or in another store, or S3 allows no such time.
            StorageError: There are no credentials to sign with.
        """
        if not self.uri.startswith(_BUCKET):
            raise ValueError(f"{self.uri} lies in a folder, which has no links; only s3:// has")
        from prefect_seedance.storage.s3.store import S3Store

        opened = store.open()
        if not isinstance(opened, S3Store) or opened.uri_of(self.key) != self.uri:
            raise ValueError(f"{self.uri} does not lie in the store {store.location}; pass the one where it lies")
        return opened.presigned_url(self.key, expires)
