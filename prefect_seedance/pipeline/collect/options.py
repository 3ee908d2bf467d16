"""How a collector behaves."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from prefect_seedance.client.request.words.titles import ErrorsInWords


class CollectOptions(ErrorsInWords):
    """How this collection behaves. The defaults suit a run every five minutes.

    Examples:
        >>> CollectOptions(minutes=10).minutes
        10.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Collect options")

    minutes: Annotated[
        float,
        Field(
            title="Time (minutes)",
            description="How long this run goes on asking the vendor. It ends earlier when nothing is open any more.",
            gt=0,
            le=24 * 60,
            json_schema_extra={"position": 0},
        ),
    ] = 4.0
    older_than: Annotated[
        float,
        Field(
            title="Older than (minutes)",
            description="Take up only what was submitted longer ago than this. Leave it at 0 to take up everything "
            "that no run watches any more.",
            ge=0,
            le=366 * 24 * 60,
            json_schema_extra={"position": 1},
        ),
    ] = 0.0
