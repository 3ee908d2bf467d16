"""What the tasks hand to each other and, at the end, to the user."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from pydantic import BaseModel, ConfigDict, Field


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
    task_id: str = Field(description="The vendor's task id.")
    intent: str = Field(description="Identity of what was asked, 32 hex digits.")
    model: str = Field(description="The model that made it.")
    cost: float | None = Field(description="What it cost, in the vendor's coins; null if nobody knows.")
    cost_source: str = Field(description='Where the cost comes from: "vendor", or the source of an estimate.')
    submissions: int = Field(description="How many submissions the video has taken.")
    reused: bool = Field(default=False, description="Whether an earlier run had paid for it.")
    created_at: datetime | None = Field(description="When the vendor made the task.")
    completed_at: datetime | None = Field(description="When the vendor finished it.")
    stored_at: datetime = Field(description="When it was whole in the store.")
    poster_uri: str = Field(description="Where the poster frame is; empty if there is none.")
    provenance_uri: str = Field(description="Where the provenance record is.")
    width: int = Field(description="Width in pixels; 0 if it could not be read.")
    height: int = Field(description="Height in pixels; 0 if it could not be read.")
    seconds: float = Field(description="Length in seconds; 0 if it could not be read.")
