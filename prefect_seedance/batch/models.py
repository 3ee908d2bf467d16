"""What a batch says of itself: the result of each row, the report of the whole, and the plan before it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from prefect_seedance.journal.commands import how_to_collect, how_to_repeat
from prefect_seedance.plain_text import coin_words

Outcome = Literal[
    "stored",
    "reused",
    "submitted",
    "invalid",
    "refused",
    "moderated",
    "failed",
    "unknown",
    "over_budget",
    "not_started",
]
#: Worst first: what a person has to look at before the rest.
WORST_FIRST: tuple[Outcome, ...] = (
    "unknown",
    "failed",
    "moderated",
    "refused",
    "invalid",
    "over_budget",
    "not_started",
    "submitted",
    "stored",
    "reused",
)
#: Outcomes with a video.
HAVE_VIDEO: frozenset[Outcome] = frozenset({"stored", "reused"})
#: Outcomes that leave nothing to do for this run: with a video, or with one that the vendor is making.
GOOD: frozenset[Outcome] = frozenset({"stored", "reused", "submitted"})

#: In the source of a cost, before the submissions that failed and whose cost nobody told.
COST_WITHOUT = ", without "


class RowResult(BaseModel):
    """What became of one row."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(description="Number of the row as a spreadsheet shows it.")
    name: str = Field(default="", description="What the manifest calls it.")
    outcome: Outcome = Field(description="What became of it.")
    reason: str = Field(default="", description="Why, in a sentence; empty where there is a video.")
    advice: str = Field(default="", description="What to do about it.")
    retryable: bool = Field(default=False, description="Whether another run of the same manifest may still make it.")
    model: str = Field(default="", description="The model that was asked for.")
    prompt: str = Field(default="", description="The prompt.")
    take: str = Field(default="1", description="Which video of the same request.")
    duration: int = Field(default=0, description="Seconds that were asked for; 0 if the row is invalid.")
    resolution: str = Field(default="", description="Resolution that was asked for.")
    ratio: str = Field(default="", description="Aspect ratio that was asked for.")
    intent: str = Field(default="", description="Identity of the video, 32 hex digits; empty if it has none.")
    shared_with: int = Field(
        default=0, description="Number of the earlier row that asks for the very same video, and has it; 0 if none."
    )
    task_id: str = Field(default="", description="The vendor's task id, empty if there is none.")
    submissions: int = Field(default=0, description="How often this run submitted it.")
    price: float | None = Field(default=None, description="What it was expected to cost, in coins; null if unknown.")
    cost: float | None = Field(
        default=None, description="What this run paid for it, in coins: 0 where it was reused; null if not known."
    )
    cost_source: str = Field(default="", description='Where the cost comes from: "vendor", or that of an estimate.')
    uri: str = Field(default="", description="Where the video is.")
    key: str = Field(default="", description="Its key inside the store.")
    poster_uri: str = Field(default="", description="Where its poster is.")
    provenance_uri: str = Field(default="", description="Where its provenance is.")
    bytes: int = Field(default=0, description="Size of the video in bytes.")
    width: int = Field(default=0, description="Width in pixels.")
    height: int = Field(default=0, description="Height in pixels.")
    seconds: float = Field(default=0.0, description="Length in seconds.")
    made_seconds: float | None = Field(default=None, description="How long the vendor took; null if not known.")
    polls: int = Field(default=0, description="How often the vendor was asked whether it was ready.")
    late_seconds: float | None = Field(
        default=None, description="Seconds from when it was ready until this run noticed; null if not known."
    )
    stored_at: datetime | None = Field(default=None, description="When the video was whole in the store.")

    @property
    def label(self) -> str:
        """What it is called where it needs a name."""
        return self.name or f"row {self.number}"


class BatchReport(BaseModel):
    """What became of a batch.

    Examples:
        >>> BatchReport(rows=[RowResult(number=2, outcome="stored", cost=0.4)]).counts
        {'stored': 1}
    """

    model_config = ConfigDict(frozen=True)

    source: str = Field(default="", description="Where the manifest came from.")
    manifest_sha256: str = Field(default="", description="SHA-256 of the manifest as it was read.")
    run_id: str = Field(default="", description="Id of the flow run.")
    run_name: str = Field(default="", description="Name of the flow run.")
    run_url: str = Field(default="", description="Page of the flow run.")
    account: str = Field(default="", description="Label of the account that paid.")
    scope: str = Field(default="", description="What the videos are shared within.")
    part: str = Field(default="", description='Which part of the rows, such as "2/8"; empty for all.')
    started_at: datetime | None = Field(default=None, description="When the run began.")
    ended_at: datetime | None = Field(default=None, description="When its last row was done.")
    notices: list[str] = Field(default=[], description="What a person should know beside the rows.")
    stopped: str = Field(
        default="", description="Why no further row was submitted, or none at or above some price; empty if all were."
    )
    report_uri: str = Field(default="", description="Where report.html is; empty if it could not be written.")
    rows: list[RowResult] = Field(description="Each row of the manifest, in its order.")

    @computed_field(description="How often the vendor was asked in all whether a video was ready.")
    @property
    def polls(self) -> int:
        """How often the vendor was asked whether a video was ready. A video that several rows share counts once."""
        return sum(row.polls for row in self.rows if not row.shared_with)

    @computed_field(
        description="Seconds from when a video was ready until it was noticed, on average; null if not known."
    )
    @property
    def mean_late_seconds(self) -> float | None:
        """Seconds from when a video was ready until it was noticed, on average over the videos of which it is known."""
        late = [row.late_seconds for row in self.rows if not row.shared_with and row.late_seconds is not None]
        return round(statistics.mean(late), 2) if late else None

    @computed_field(description="That delay as a share of the time that these videos took; null if not known.")
    @property
    def late_share(self) -> float | None:
        """That delay as a share of the time that these videos took; None if it is not known.

        Examples:
            >>> BatchReport(rows=[RowResult(number=2, outcome="stored", made_seconds=600, late_seconds=12)]).late_share
            0.02
        """
        known = [
            (row.late_seconds, row.made_seconds)
            for row in self.rows
            if not row.shared_with and row.late_seconds is not None and row.made_seconds
        ]
        return round(sum(late for late, _ in known) / sum(made for _, made in known), 4) if known else None

    @property
    def watched_words(self) -> str:
        """How often the vendor was asked, and how soon finished videos were noticed, in words; "" if it was not asked.

        Examples:
            >>> row = RowResult(number=2, outcome="stored", polls=14, made_seconds=600, late_seconds=12)
            >>> BatchReport(rows=[row]).watched_words
            '14 status requests for 1 video, noticed 12 s after it was ready (2.0 % of the time it took)'
        """
        asked_about = sum(row.polls > 0 for row in self.rows if not row.shared_with)
        if not asked_about:
            return ""
        one = asked_about == 1
        requests = f"{self.polls:,} status request{'s' if self.polls > 1 else ''}"
        words = f"{requests} for {asked_about:,} video{'' if one else 's'}"
        if self.mean_late_seconds is None:
            return words
        ready = "it was ready" if one else "they were ready"
        late = round(self.mean_late_seconds)
        if not late:
            return f"{words}, noticed as soon as {ready}"
        words += f", noticed {'' if one else 'on average '}{late:,} s after {ready}"
        if self.late_share is None:
            return words
        return f"{words} ({100 * self.late_share:.1f} % of the time {'it' if one else 'they'} took)"

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many rows have each outcome; outcomes without rows are left out. Worst first."""
        counted = Counter(row.outcome for row in self.rows)
        return {outcome: counted[outcome] for outcome in WORST_FIRST if counted[outcome]}

    @property
    def spent(self) -> float:
        """What this run paid, in coins, as far as it is known. A video that several rows share counts once."""
        return round(sum(row.cost or 0.0 for row in self.rows if not row.shared_with), 6)

    @property
    def of_unknown_cost(self) -> int:
        """How many rows this run submitted whose whole cost is not known: a submission that failed may be billed."""
        return sum(row.submissions > (row.cost is not None) for row in self.rows if not row.shared_with)

    @property
    def without_video(self) -> list[RowResult]:
        """The rows that have no video, worst first."""
        return worst_first(row for row in self.rows if row.outcome not in HAVE_VIDEO)

    @property
    def missing(self) -> list[RowResult]:
        """The rows that have no video, and none that the vendor is making, worst first."""
        return worst_first(row for row in self.rows if row.outcome not in GOOD)

    @property
    def headline(self) -> str:
        """How many rows have their video, or are submitted, in a few words.

        Examples:
            >>> rows = [RowResult(number=2, outcome="submitted"), RowResult(number=3, outcome="reused")]
            >>> BatchReport(rows=rows).headline
            '1 of 2 rows is submitted, 1 has its video'
        """
        counts = self.counts
        have, submitted = sum(counts.get(each, 0) for each in HAVE_VIDEO), counts.get("submitted", 0)
        of = f"of {len(self.rows)} {'row' if len(self.rows) == 1 else 'rows'}"
        if not submitted:
            return f"{have} {of} {'has its' if have == 1 else 'have their'} video"
        words = f"{submitted} {of} {'is' if submitted == 1 else 'are'} submitted"
        return words + (f", {have} {'has its' if have == 1 else 'have their'} video" if have else "")

    @property
    def spent_words(self) -> str:
        """What this run paid, in words.

        Examples:
            >>> BatchReport(rows=[RowResult(number=2, outcome="unknown", submissions=1)]).spent_words
            '0 coins, and 1 video whose cost is not known'
        """
        unknown = self.of_unknown_cost
        more = f", and {unknown} video{'s' if unknown > 1 else ''} whose cost is not known" if unknown else ""
        return f"{coin_words(self.spent)}{more}"

    @property
    def advice(self) -> str:
        """What to do about the rows without a video, "" if all have theirs.

        Examples:
            >>> BatchReport(rows=[RowResult(number=2, outcome="invalid")]).advice
            'Run the same batch again: what is paid for is not paid again. Edit 1 row first.'
            >>> BatchReport(rows=[RowResult(number=2, outcome="submitted")]).advice
            'collect_videos, or running the batch again, takes up what is submitted.'
        """
        parts = [how_to_collect(self.scope)] if self.counts.get("submitted") else []
        if missing := self.missing:
            settled = sum(not row.retryable for row in missing)
            edit = f" Edit {settled} row{'s' if settled != 1 else ''} first." if settled else ""
            why = " to make what is missing" if settled < len(missing) else ""
            parts.append(f"{how_to_repeat(self.scope, 'batch')}{why}: what is paid for is not paid again.{edit}")
        return " ".join(parts)

    @property
    def summary(self) -> str:
        """The whole in a few sentences, on one line."""
        counts = ", ".join(f"{count} {outcome_words(outcome)}" for outcome, count in self.counts.items())
        words = f"{self.headline} ({counts or 'no rows'}); paid now: {self.spent_words}."
        if watched := self.watched_words:
            words += f" {watched}."
        if advice := self.advice:
            words += f" {advice}"
        if self.report_uri:
            words += f" Report: {self.report_uri}"
        return words


def worst_first(rows: Iterable[RowResult]) -> list[RowResult]:
    """Sort rows: first what a person has to look at, each outcome in the order of the manifest."""
    return sorted(rows, key=lambda row: (WORST_FIRST.index(row.outcome), row.number))


RowStanding = Literal["new", "going_on", "stored", "failed", "unknown", "invalid", "refused", "duplicate", "other_part"]


class PlannedRow(BaseModel):
    """What a batch would do with one row."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(description="Number of the row as a spreadsheet shows it.")
    name: str = Field(default="", description="What the manifest calls it.")
    standing: RowStanding = Field(
        description='"new" is paid for; "going_on" and "stored" are there already and cost nothing; "duplicate" is the '
        'video of an earlier row; "failed", "unknown", "invalid" and "refused" are not submitted as they are; '
        '"other_part" belongs to another part.'
    )
    problems: list[str] = Field(default=[], description="All that is wrong with it.")
    warnings: list[str] = Field(default=[], description="What is doubtful about it.")
    model: str = Field(default="", description="The model.")
    prompt: str = Field(default="", description="The prompt.")
    take: str = Field(default="1", description="Which video of the same request.")
    duration: int = Field(default=0, description="Seconds that are asked for.")
    resolution: str = Field(default="", description="Resolution that is asked for.")
    intent: str = Field(default="", description="Identity of the video.")
    shared_with: int = Field(default=0, description="Number of the earlier row whose video it is; 0 if none.")
    price: float | None = Field(
        default=None, description="What it will cost, in coins: 0 where nothing is paid; null if it is not known."
    )
    price_source: str = Field(default="", description="Where the price comes from, and of which day it is.")
    expected_seconds: float | None = Field(default=None, description="How long the vendor is likely to take.")


class BatchPlan(BaseModel):
    """What a batch would do, and cost. Nothing is paid for a plan."""

    model_config = ConfigDict(frozen=True)

    source: str = Field(default="", description="Where the manifest came from.")
    manifest_sha256: str = Field(default="", description="SHA-256 of the manifest as it was read.")
    account: str = Field(default="", description="Label of the account that would pay.")
    scope: str = Field(default="", description="What the videos are shared within.")
    part: str = Field(default="", description='Which part of the rows, such as "2/8"; empty for all.')
    notices: list[str] = Field(default=[], description="What a person should know beside the rows.")
    balance: float | None = Field(default=None, description="Coins that the account has; null if not known.")
    expected_seconds: float | None = Field(
        default=None, description="How long the batch is likely to take in all; null if that is not known."
    )
    rows: list[PlannedRow] = Field(description="Each row of the manifest, in its order.")

    @property
    def total(self) -> float:
        """What the new rows would cost, in coins, as far as their prices are known."""
        return round(sum(row.price or 0.0 for row in self.rows if row.standing == "new"), 6)

    @property
    def of_unknown_price(self) -> int:
        """How many new rows have no known price."""
        return sum(row.price is None for row in self.rows if row.standing == "new")


def outcome_words(outcome: Outcome | RowStanding) -> str:
    """Return what became of a row, or will, as people read it.

    Example:
        >>> outcome_words("over_budget"), outcome_words("going_on")
        ('over budget', 'going on')
    """
    return outcome.replace("_", " ")
