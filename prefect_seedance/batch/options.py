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
            description='When the same row is the same video, already paid for. "always": a row is bought once, until '
            'it is edited or its take changes, also under a schedule. "run": within this run and its retries; the next '
            'run buys all rows anew. "scope": within the text below. "auto": "run" for runs made by a schedule, '
            '"always" for all others.',
            json_schema_extra={"position": 0},
        ),
    ] = "always"
    takes: Annotated[
        int,
        Field(
            title="Takes",
            description="How many videos to make of each row, as its takes 1, 2, 3 and so on; each is paid for. What a "
            "row says in its own column takes goes before this.",
            ge=1,
            le=100,
            json_schema_extra={"position": 5},
        ),
    ] = 1
    max_in_flight: Annotated[
        int,
        Field(
            title="Maximum in flight",
            description="How many videos are made at the same time. Fewer for a while when the vendor says that it "
            "is too many.",
            ge=1,
            le=2000,
            json_schema_extra={"position": 6},
        ),
    ] = 16
    stop_after_failures: Annotated[
        int,
        Field(
            title="Stop after failures",
            description="Submit no further row once so many that this run submitted have failed, were moderated or are "
            "unknown. 0: never.",
            ge=0,
            le=100_000,
            json_schema_extra={"position": 7},
        ),
    ] = 0
    stop_after_share: Annotated[
        float,
        Field(
            title="Stop after a share of failures",
            description="Submit no further row once this share of the rows that this run submitted has failed, for "
            "example 0.2, counted from the tenth on; 0: never.",
            ge=0,
            le=1,
            json_schema_extra={"position": 8},
        ),
    ] = 0.0
    part: Annotated[
        str,
        Field(
            title="Part",
            description="Make only a part of the rows, such as 2/8: runs of 1/8 to 8/8 together make each row once. "
            "Empty: all of them.",
            json_schema_extra={"position": 11},
        ),
    ] = ""
    require_all: Annotated[
        RequireAll,
        Field(
            title="Require",
            description='When the run counts as failed. "all": when any row has no video. "retryable": when another '
            'run could still make one; rows that are invalid, refused or moderated do not count. "none": never.',
            json_schema_extra={"position": 12},
        ),
    ] = "all"
    posters: Annotated[
        bool,
        Field(
            title="Posters",
            description="Keep a poster frame beside each video, for the report and the contact sheet. Without posters "
            "nothing is decoded, so what a video measures is not known either.",
            json_schema_extra={"position": 13},
        ),
    ] = True
    max_cost: Annotated[
        float,
        Field(
            title="Maximum cost",
            description="Coins that this run may spend in all, its retries and parts included; rows that do not fit "
            "are over budget, and nothing is paid for them. 0: no limit of the run.",
            ge=0,
            allow_inf_nan=False,
            json_schema_extra={"position": 9},
        ),
    ] = 0.0
    cost_key: Annotated[
        str,
        Field(
            title="Cost key",
            description="Runs with the same text share one maximum cost. Empty: this run and its retries. Parts that "
            "you start by hand need one, or each part has a maximum of its own.",
            max_length=100,
            json_schema_extra={"position": 10},
        ),
    ] = ""
    encoding: Annotated[
        str,
        Field(
            title="Encoding",
            description="Encoding of a CSV or JSON manifest, such as gb18030 or cp1252. Empty: it is detected.",
            max_length=40,
            json_schema_extra={"position": 14},
        ),
    ] = ""
    sheet: Annotated[
        str,
        Field(
            title="Sheet",
            description="Which sheet of an Excel manifest to read. Empty: the first that is not hidden.",
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
                f"part: {self.part!r} is not a part; write two numbers such as 2/8, the first at most the second"
            )
        return self
