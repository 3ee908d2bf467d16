"""How a run behaves: few and plain settings, since the form shows them all."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class RunOptions(BaseModel):
    """How this run behaves. The defaults suit nearly everybody.

    Example:
        >>> RunOptions(wait_minutes=20).wait_seconds(duration=5)
        1200.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Run options")

    wait_minutes: Annotated[
        int,
        Field(
            title="Wait at most (minutes)",
            description="How long to wait for the vendor; longer in proportion for clips above 15 s. Running out of "
            "time loses nothing: the video goes on, and the next run takes it up.",
            ge=1,
            le=24 * 60,
            json_schema_extra={"position": 0},
        ),
    ] = 45

    def wait_seconds(self, duration: int) -> float:
        """Give the limit in seconds for a clip of ``duration`` seconds."""
        return 60.0 * self.wait_minutes * max(1.0, duration / 15)
