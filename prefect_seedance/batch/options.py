"""How a batch behaves: the settings of one video's run, and what concerns many."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from prefect_seedance.pipeline.options import Reuse, RunOptions, add_reuse_rules

RequireAll = Literal["all", "retryable", "none"]

_PART = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})\Z")


class BatchOptions(RunOptions):
    """How this batch behaves. The defaults suit nearly every batch.

    Examples:
        >>> BatchOptions(part="2/8").part_of
        (2, 8)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Batch options", json_schema_extra=add_reuse_rules)

    reuse: Annotated[
        Reuse,
        Field(
            title="Reuse",
            description='When a video that was already paid for is used instead of a new one. "always": a row is '
            'bought once, until it is edited or its take changes, also under a schedule. "run": only '
            'within this run and its retries, so that the next run buys all rows anew. "scope": only '
            'among runs with the same reuse scope, which is the next field. "auto": "run" for runs that '
            'a schedule starts, and "always" for all others.',
            json_schema_extra={"position": 0},
        ),
    ] = "always"
    takes: Annotated[
        int,
        Field(
            title="Takes",
            description="How many different videos to make from each row. Each of them is paid for. A row that has a "
            "number in its own column takes goes by that number.",
            ge=1,
            le=100,
            json_schema_extra={"position": 5},
        ),
    ] = 1
    max_in_flight: Annotated[
        int,
        Field(
            title="Maximum in flight",
            description="How many videos the vendor makes at the same time. When the vendor says that it is too "
            "many, this run makes fewer for a while by itself.",
            ge=1,
            le=2000,
            json_schema_extra={"position": 6},
        ),
    ] = 16
    stop_after_failures: Annotated[
        int,
        Field(
            title="Stop after failures",
            description="Stop submitting rows once this many of the rows that this run submitted have failed, were "
            "refused by moderation or are unknown. Leave it at 0 to go on whatever happens.",
            ge=0,
            le=100_000,
            json_schema_extra={"position": 7},
        ),
    ] = 0
    stop_after_share: Annotated[
        float,
        Field(
            title="Stop after a share of failures",
            description="Stop submitting rows once this share of those that this run submitted has failed, for "
            "example 0.2 for one in five. It counts from the tenth row on. Leave it at 0 to go on "
            "whatever happens.",
            ge=0,
            le=1,
            json_schema_extra={"position": 8},
        ),
    ] = 0.0
    part: Annotated[
        str,
        Field(
            title="Part",
            description="Which part of the rows this run makes, for example 2/8. Runs of 1/8, 2/8 and so on to 8/8 "
            "together make each row once. Leave it empty to make all rows.",
            json_schema_extra={"position": 11},
        ),
    ] = ""
    require_all: Annotated[
        RequireAll,
        Field(
            title="Require",
            description='When the run counts as failed. "all": when any row has no video. "retryable": when another '
            "run could still make a missing one, so that rows which are invalid, refused or moderated do "
            'not count. "none": never.',
            json_schema_extra={"position": 12},
        ),
    ] = "all"
    posters: Annotated[
        bool,
        Field(
            title="Posters",
            description="Keep a poster, which is the first picture, beside each video for the report and the contact "
            "sheet. Without posters no video is decoded, so its size and length are not known either.",
            json_schema_extra={"position": 13},
        ),
    ] = True
    max_cost: Annotated[
        float,
        Field(
            title="Maximum cost (coins)",
            description="How many coins this run may spend in all, its retries and parts included. A row that does "
            "not fit is over budget: it is not submitted, and nothing is paid for it. Leave it at 0 for "
            "no limit of this run.",
            ge=0,
            allow_inf_nan=False,
            json_schema_extra={"position": 9},
        ),
    ] = 0.0
    cost_key: Annotated[
        str,
        Field(
            title="Cost key",
            description="Runs with the same text here share one maximum cost. Leave it empty to count this run and "
            "its retries alone. Parts that you start by hand need the same text, since otherwise each "
            "part may spend the maximum.",
            max_length=100,
            json_schema_extra={"position": 10},
        ),
    ] = ""
    encoding: Annotated[
        str,
        Field(
            title="Encoding",
            description="The encoding of a CSV or JSON manifest, for example gb18030 or cp1252. Leave it empty to "
            "have it detected.",
            max_length=40,
            json_schema_extra={"position": 14},
        ),
    ] = ""
    sheet: Annotated[
        str,
        Field(
            title="Sheet",
            description="The name of the sheet to read in an Excel manifest. Leave it empty for the first one that "
            "is not hidden.",
            max_length=100,
            json_schema_extra={"position": 15},
        ),
    ] = ""

    @property
    def part_of(self) -> tuple[int, int]:
        """Which part of how many: (1, 1) for the whole."""
        match = _PART.match(self.part)
        return (int(match[1]), int(match[2])) if match else (1, 1)

    @model_validator(mode="after")
    def _sound_part(self) -> Self:
        if self.part and (not _PART.match(self.part) or self.part_of[0] > self.part_of[1]):
            raise ValueError(
                f"Part: {self.part!r} is not a part; write two numbers such as 2/8, the first at most the second"
            )
        return self
