"""What the tasks hand to each other and, at the end, to the user."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from pydantic import BaseModel, ConfigDict, Field

from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.storage.s3.settings import SCHEME


class SubmittedVideo(TypedDict):
    """What ``create_video`` returns: a plain value that points to the record, since Prefect persists it.

    Attributes:
        intent: Identity of what was asked, 32 hex digits.
        task_id: The vendor's task id.
        attempt: Number of the attempt in the record.
        nonce: Of that attempt; finds its place again should the record be lost.
        scope: What the video is shared within, "" for everywhere.
        decision: What was done: submit, attach, already_stored, resubmit.
        reused: Whether another run than this one paid for it.
        run_id: Root flow run that submitted it, "" outside of a flow.
        run_name: Its name.
        model: The model as the vendor names it.
        created_at: Unix seconds of the submission, 0 if the vendor did not say.
        cost: Price that the vendor reported, in its coins; None if it did not.
        price: Price that was expected, None if nobody knew.
        price_source: Where the expected price came from.
        submissions: How many submissions the intent has taken so far.
    """

    intent: str
    task_id: str
    attempt: int
    nonce: str
    scope: str
    decision: str
    reused: bool
    run_id: str
    run_name: str
    model: str
    created_at: int
    cost: float | None
    price: float | None
    price_source: str
    submissions: int


class StoredVideo(BaseModel):
    """A video that lies whole in the store, with where it came from.

    Example:
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
    task_id: str = Field(description="The vendor's task id.")
    intent: str = Field(description="Identity of what was asked, 32 hex digits.")
    model: str = Field(description="The model that made it.")
    cost: float | None = Field(description="What its task cost, in the vendor's coins; null if nobody knows.")
    cost_source: str = Field(description='Where the cost comes from: "vendor", or the source of an estimate.')
    submissions: int = Field(description="How many submissions it has taken; those before failed.")
    reused: bool = Field(default=False, description="Whether an earlier run had paid for it.")
    created_at: datetime | None = Field(description="When the vendor made the task.")
    completed_at: datetime | None = Field(description="When the vendor finished it.")
    stored_at: datetime = Field(description="When it was whole in the store.")
    poster_uri: str = Field(description="Where the poster frame is; empty if there is none.")
    provenance_uri: str = Field(description="Where the provenance record is.")
    width: int = Field(description="Width in pixels; 0 if it could not be read.")
    height: int = Field(description="Height in pixels; 0 if it could not be read.")
    seconds: float = Field(description="Length in seconds; 0 if it could not be read.")

    def presigned_url(self, expires: int = 3600, *, store: VideoStore) -> str:
        """Make a link by which anybody can download the video for a while. Nothing is asked of the store.

        Args:
            expires: Seconds that the link lives, at most a week.
            store: The store where the video lies: its endpoint and its keys make the link.

        Raises:
            ValueError: The video lies in a folder or in another store, or S3 allows no such time.
            StorageError: There are no credentials to sign with.
        """
        if not self.uri.startswith(SCHEME):
            raise ValueError(f"{self.uri} lies in a folder, which has no links; only s3:// has")
        from prefect_seedance.storage.s3.store import open_s3_store

        opened = open_s3_store(store.s3_settings())
        if opened.uri_of(self.key) != self.uri:
            raise ValueError(f"{self.uri} does not lie in the store {store.location}; give the one where it lies")
        return opened.presigned_url(self.key, expires)
