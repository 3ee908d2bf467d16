"""What a collection says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

#: What became of an open record in this run, or why it was left alone.
#: "stored": its video is in the store now. "failed": the vendor's verdict, or its link is dead for good. "unknown": a
#: submission whose process is gone; a person settles it. "closed": nothing had been sent, and nobody came back for it.
#: "open": the vendor is still at it, or the run's time was up. "watched": a run is at it. "young": younger than
#: `CollectOptions.older_than`. "other_account", "other_host": not to be asked about with these credentials.
#: "trouble": it could not be taken on; the reason says why, and the next run tries again.
Collected = Literal[
    "stored", "failed", "unknown", "closed", "open", "watched", "young", "other_account", "other_host", "trouble"
]

OrphanKind = Literal["late", "unknown", "not_stored", "link_dying"]


class CollectedVideo(BaseModel):
    """One record that was open when the collection met it."""

    model_config = ConfigDict(frozen=True)

    intent: str = Field(description="Identity of the video, 32 hex digits.")
    name: str = Field(default="", description="What the user calls it.")
    became: Collected = Field(description="What became of it.")
    reason: str = Field(default="", description="Why, in a sentence; empty where there is a video.")
    advice: str = Field(default="", description="What to do about it.")
    task_id: str = Field(default="", description="The vendor's task id, empty if there is none.")
    model: str = Field(default="", description="The model.")
    uri: str = Field(default="", description="Where the video is.")
    cost: float | None = Field(default=None, description="What was paid for it, in coins; null if not known.")
    link_dies_at: datetime | None = Field(default=None, description="When its link is expected to die.")
    polls: int = Field(default=0, description="How often the vendor was asked about it.")
    by_another: bool = Field(
        default=False,
        description="Whether another process wrote that down first, and so has told of it: a waiting run, or another "
        "collector.",
    )


class Orphan(BaseModel):
    """An open record that a person should look at."""

    model_config = ConfigDict(frozen=True)

    intent: str = Field(description="Identity of the video, 32 hex digits.")
    name: str = Field(default="", description="What the user calls it.")
    kind: OrphanKind = Field(
        description='"late": open longer than such videos take. "unknown": perhaps accepted, a person settles it. '
        '"not_stored": completed, and not in the store. "link_dying": its link dies within a day.'
    )
    reason: str = Field(description="What is wrong, in a sentence.")
    advice: str = Field(default="", description="What to do about it.")
    task_id: str = Field(default="", description="The vendor's task id, empty if there is none.")
    since: datetime | None = Field(default=None, description="When it was submitted.")
    link_dies_at: datetime | None = Field(default=None, description="When its link is expected to die.")


class CollectReport(BaseModel):
    """What a collection did, and what it left."""

    model_config = ConfigDict(frozen=True)

    account: str = Field(default="", description="Label of the account whose records were taken up.")
    started_at: datetime | None = Field(default=None, description="When the run began.")
    ended_at: datetime | None = Field(default=None, description="When it ended.")
    videos: list[CollectedVideo] = Field(
        default=[], description="Each open record that was met, except those left alone, which are only counted."
    )
    left_alone: dict[str, int] = Field(
        default={}, description="How many records were left alone, by what `Collected` calls the reason."
    )
    orphans: list[Orphan] = Field(default=[], description="What a person should look at.")
    polls: int = Field(default=0, description="How often the vendor was asked in all.")
