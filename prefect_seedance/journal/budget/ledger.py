"""What a budget knows, as a pure value with its changes.

    days       what is spent of each day, and by how many videos; a month is the sum of its days
    open       what is reserved for POSTs under way, and held for submissions that are unknown, by attempt
    factor     how much more than its price something was seen to cost, by billing name
    swept      attempts that were settled by others than those who sent them, and may come for it later
    told       periods of which 80 % were reached, so that it is told once

One ledger is one object: that of an account and a month, or that of a run. Each change may be applied again, upon
whatever others have written meanwhile: the nonce of the attempt says whether it was done. Nothing is credited once it
is settled.

What is read may have been written by anybody. What is not a number, or one that no account can have, makes the ledger
a damaged one: to take it for zero would be to forget what was spent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field, ValidationError

from prefect_seedance.asides import words_of
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.errors import BudgetDamaged, BudgetTooNew
from prefect_seedance.journal.record import Part

VERSION = 1
#: More open entries than this are not a day's work but unknown submissions that nobody resolves.
MOST_OPEN = 1000
#: Settled by their records: as many as a slow owner may still come for.
MOST_SWEPT = 1000
#: The share of a limit of which somebody is told.
TOLD_SHARE = 0.8
#: A store's clock counts in seconds, and that of another of its servers may say something else.
CLOCKS_APART_SECONDS = 5.0
#: No account can have more.
MOST_COINS = 1e9
_LONGEST_LEASE_SECONDS = 86_400.0
#: Of a coin: prices are products of floats, so that 3 x 0.1 must still be 0.3.
_DIGITS = 6
_LONGEST_NAME = 200

Coins = Annotated[float, Field(ge=0, le=MOST_COINS, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=1, le=1e6, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Name = Annotated[str, Field(max_length=_LONGEST_NAME)]
#: Of an attempt, or of an intent: it becomes part of a key.
Id = Annotated[str, Field(max_length=100, pattern=r"^[0-9A-Za-z_.-]*$")]
DayOfMonth = Annotated[str, Field(pattern=r"^(0[1-9]|[12][0-9]|3[01])$")]


class DayTotal(Part):
    """What a day has cost.

    Attributes:
        spent: Coins.
        count: Videos.
    """

    spent: Coins = 0.0
    count: Count = 0


class LedgerEntry(Part):
    """What one attempt has taken of a budget until it is settled.

    Attributes:
        intent: Whose record says what became of the attempt.
        store: Id of the journal that has this record.
        where: Where that journal lies, for people.
        day: Day of the month at the reservation, by the store's clock, UTC: it pays.
        coins: What is reserved.
        price: What it was expected to cost; None if that is not known.
        billing: What the vendor bills it as.
        at: When it was reserved, Unix seconds by the store's clock.
        lease: For how many seconds its owner may send.
        held: Whether it is known to be unknown: it stays until its record is settled.
    """

    intent: Id
    store: Name = ""
    where: str = Field("", max_length=2000)
    day: DayOfMonth
    coins: Coins
    price: Coins | None = None
    billing: Name = ""
    at: Seconds
    lease: Annotated[float, Field(ge=0, le=_LONGEST_LEASE_SECONDS, allow_inf_nan=False)]
    held: bool = False

    def has_lapsed(self, now: float) -> bool:
        """Return whether its owner certainly sends no more, by the store's clock."""
        return now - self.at > self.lease + CLOCKS_APART_SECONDS


class BudgetLedger(Part):
    """The ledger.

    Attributes:
        version: Of this shape.
        rev: Rises with every write.
        nonce: Fresh with every write.
        days: By day of the month, UTC.
        factor: By billing name, how much more than its price something was seen to cost.
        least: By billing name, what something was seen to cost that had no price, or 0.
        open: By nonce of the attempt.
        swept: By nonce of the attempt, when another than its sender settled it, Unix seconds.
        told: Periods of which 80 % were reached.
    """

    version: int = VERSION
    rev: int = 0
    nonce: str = ""
    days: dict[DayOfMonth, DayTotal] = Field(default_factory=dict)
    factor: dict[Name, Factor] = Field(default_factory=dict)
    least: dict[Name, Coins] = Field(default_factory=dict)
    open: dict[Id, LedgerEntry] = Field(default_factory=dict)
    swept: dict[Id, Seconds] = Field(default_factory=dict)
    told: tuple[Name, ...] = ()


@dataclass(frozen=True)
class Expense:
    """What a submission is going to take.

    Attributes:
        nonce: Of the attempt.
        intent: Whose record it is in.
        store: Id of the journal.
        where: Where the journal lies.
        price: Coins; None if that is not known.
        billing: What the vendor bills it as.
        lease: For how many seconds its owner may send.
    """

    nonce: str
    intent: str
    store: str
    where: str
    price: float | None
    billing: str
    lease: float


@dataclass(frozen=True)
class Use:
    """How much of one limit is used.

    Attributes:
        budget: Which one, as a user writes it.
        limit: In coins, or videos; 0 for none.
        spent: Of videos that were accepted.
        held: By submissions that are unknown.
        reserved: By POSTs under way.
        period: What it is told of under, see `BudgetLedger.told`.
        ends_at: When the period ends; None for a run.
    """

    budget: str
    limit: float
    spent: float
    held: float
    reserved: float
    period: str
    ends_at: datetime | None

    @property
    def used(self) -> float:
        """All of it."""
        return total(self.spent, self.held, self.reserved)

    @property
    def left(self) -> float | None:
        """What may still be reserved, None without a limit."""
        return max(0.0, total(self.limit, -self.used)) if self.limit else None

    @property
    def share(self) -> float:
        """The share of the limit that is used; 0 without a limit."""
        return total(self.used / self.limit) if self.limit else 0.0

    def fits(self, more: float) -> bool:
        """Return whether there is room for more."""
        return not self.limit or total(self.used, more) <= total(self.limit)

    def would_fit(self, more: float) -> bool:
        """Return whether there would be room if nothing were under way."""
        return not self.limit or total(self.spent, self.held, more) <= total(self.limit)


@dataclass(frozen=True)
class Short:
    """It does not fit.

    Attributes:
        use: Of the limit that stands in the way; of several the one that does so longest.
        more: What it would take of it.
        over: Whether it does not fit even if nothing that is under way is accepted.
    """

    use: Use
    more: float
    over: bool


def total(*amounts: float) -> float:
    """Add coins.

    Example:
        >>> total(0.1, 0.1, 0.1)
        0.3
    """
    return round(math.fsum(amounts), _DIGITS)


def amount(value: float | None) -> float | None:
    """Return an amount of coins that comes from elsewhere; None if it is not one.

    Example:
        >>> amount(0.30000000000000004), amount(float("nan")), amount(-1.0), amount(1e300)
        (0.3, None, None, None)
    """
    return total(value) if value is not None and 0 <= value <= MOST_COINS else None


def moment(seconds: float) -> datetime:
    """Return a moment of a store's clock, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def month_of(seconds: float) -> str:
    """Return the month of a moment, in UTC.

    Example:
        >>> month_of(1_795_737_599), month_of(1_796_083_200)
        ('2026-11', '2026-12')
    """
    return f"{moment(seconds):%Y-%m}"


# As bytes.


def decode(data: bytes, where: str) -> BudgetLedger:
    """Read a ledger.

    Raises:
        BudgetDamaged: It cannot be read.
        BudgetTooNew: It cannot be read, and is newer than this package.
    """
    try:
        values: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BudgetDamaged(where, f"{type(error).__name__}: {words_of(error)}") from error
    try:
        return BudgetLedger.model_validate(values)
    except ValidationError as error:
        newer: object = values.get("version") if isinstance(values, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(newer, int) and newer > VERSION:
            raise BudgetTooNew(where, newer, VERSION) from error
        raise BudgetDamaged(where, words_of(error)) from error


def encode(ledger: BudgetLedger) -> bytes:
    """Write a ledger as JSON for machines and people.

    Raises:
        ValueError: It would not read back, so it must not be written.
    """
    data = (json.dumps(ledger.model_dump(mode="json"), indent=1, allow_nan=False) + "\n").encode()
    BudgetLedger.model_validate_json(data)
    return data


def following(before: BudgetLedger) -> BudgetLedger:
    """Begin the ledger of a month with what the one before it has learned of costs."""
    return BudgetLedger(factor=before.factor, least=before.least)


# What is used.


def uses(ledger: BudgetLedger, limits: Limits, now: float, *, of_run: bool) -> tuple[Use, ...]:
    """Return how much of each limit is used, whether it is set or not; those first that bind longest."""
    spent, count = _spent(ledger.days.values())
    held, reserved, _, _ = _taken(ledger.open.values())
    if of_run:
        return (Use("max_cost", limits.total, spent, held, reserved, "run", None),)
    today = moment(now)
    day = f"{today:%d}"
    tomorrow = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1)
    next_month = (tomorrow.replace(day=1) + timedelta(days=32)).replace(day=1) if tomorrow.day > 1 else tomorrow
    month = Use("monthly_budget", limits.monthly, spent, held, reserved, f"{today:%Y-%m}", next_month)
    spent, count = _spent([ledger.days.get(day, DayTotal())])
    held, reserved, videos_held, videos_reserved = _taken(each for each in ledger.open.values() if each.day == day)
    return (
        month,
        Use("daily_budget", limits.daily, spent, held, reserved, f"{today:%Y-%m-%d}", tomorrow),
        Use(
            *("daily_videos", limits.daily_videos, count, videos_held, videos_reserved),
            *(f"{today:%Y-%m-%d} videos", tomorrow),
        ),
    )


def _spent(days: Iterable[DayTotal]) -> tuple[float, int]:
    days = list(days)
    return total(*(day.spent for day in days)), sum(day.count for day in days)


def _taken(entries: Iterable[LedgerEntry]) -> tuple[float, float, int, int]:
    held, reserved = list[float](), list[float]()
    for entry in entries:
        (held if entry.held else reserved).append(entry.coins)
    return total(*held), total(*reserved), len(held), len(reserved)


def expected(ledger: BudgetLedger, billing: str, price: float | None) -> float:
    """Return what something is going to take, by its price and by what it was seen to cost."""
    name = billing[:_LONGEST_NAME]
    return min(MOST_COINS, max(total((price or 0.0) * ledger.factor.get(name, 1.0)), ledger.least.get(name, 0.0)))


# Its changes.


def reserved(
    ledger: BudgetLedger, expense: Expense, limits: Limits, now: float, *, of_run: bool
) -> BudgetLedger | Short:
    """Enter a submission if there is room for it.

    One that has its entry already keeps it, with a lease that begins anew: an answer was lost.
    """
    if expense.nonce not in ledger.open:
        coins = expected(ledger, expense.billing, expense.price)
        short = [
            Short(use, more, over=not use.would_fit(more))
            for use in uses(ledger, limits, now, of_run=of_run)
            for more in [1 if use.budget == "daily_videos" else coins]
            if not use.fits(more)
        ]
        if short:
            return next((each for each in short if each.over), short[0])
    return booked(ledger, expense, now)


def booked(ledger: BudgetLedger, expense: Expense, now: float) -> BudgetLedger:
    """Enter a submission whether there is room or not; an entry that it has becomes one under way again."""
    lease = min(expense.lease, _LONGEST_LEASE_SECONDS)
    found = ledger.open.get(expense.nonce)
    if found is None:
        found = LedgerEntry(
            intent=expense.intent,
            store=expense.store,
            where=expense.where,
            day=f"{moment(now):%d}",
            coins=expected(ledger, expense.billing, expense.price),
            price=expense.price,
            billing=expense.billing[:_LONGEST_NAME],
            at=now,
            lease=lease,
        )
    return _with_entry(ledger, expense.nonce, found.model_copy(update={"at": now, "lease": lease, "held": False}))


def settled(ledger: BudgetLedger, nonce: str, cost: float | None) -> BudgetLedger:
    """Turn an entry into what was spent on its day: the cost, where it is known, else what was reserved."""
    entry = ledger.open.get(nonce)
    if entry is None:
        return ledger
    cost = amount(cost)
    before = ledger.days.get(entry.day, DayTotal())
    spent = min(MOST_COINS, total(before.spent, entry.coins if cost is None else cost))
    day = before.model_copy(update={"spent": spent, "count": before.count + 1})
    update: dict[str, object] = {"days": {**ledger.days, entry.day: day}}
    if cost is not None and entry.price is not None and cost > total(entry.price):
        if entry.price > 0:
            factor = min(1e6, max(ledger.factor.get(entry.billing, 1.0), cost / entry.price))
            update["factor"] = {**ledger.factor, entry.billing: factor}
        else:
            update["least"] = {**ledger.least, entry.billing: max(ledger.least.get(entry.billing, 0.0), cost)}
    return released(ledger.model_copy(update=update), nonce)


def swept(ledger: BudgetLedger, nonce: str, cost: float | None, now: float) -> BudgetLedger:
    """Settle an entry for its owner, who may still come: it then finds that this was done."""
    if nonce not in ledger.open:
        return ledger
    newest = dict(sorted(ledger.swept.items(), key=lambda each: each[1])[-(MOST_SWEPT - 1) :])
    return settled(ledger, nonce, cost).model_copy(update={"swept": {**newest, nonce: now}})


def released(ledger: BudgetLedger, nonce: str) -> BudgetLedger:
    """Take an entry out; nothing was spent."""
    if nonce not in ledger.open:
        return ledger
    return ledger.model_copy(update={"open": {name: each for name, each in ledger.open.items() if name != nonce}})


def held(ledger: BudgetLedger, nonce: str) -> BudgetLedger:
    """Keep an entry until its record is settled: it is not known what became of it."""
    entry = ledger.open.get(nonce)
    if entry is None or entry.held:
        return ledger
    return _with_entry(ledger, nonce, entry.model_copy(update={"held": True}))


def put_back(ledger: BudgetLedger, nonce: str, entry: LedgerEntry) -> BudgetLedger:
    """Enter again what was taken out before it was known what became of it, or what went with a deleted ledger."""
    return ledger if nonce in ledger.open else _with_entry(ledger, nonce, entry)


def reached(ledger: BudgetLedger, limits: Limits, now: float, *, of_run: bool) -> tuple[BudgetLedger, tuple[str, ...]]:
    """Write down of which limits 80 % are used for the first time in their period, and return their names."""
    new = [
        use
        for use in uses(ledger, limits, now, of_run=of_run)
        if use.limit and total(use.used) >= total(TOLD_SHARE * use.limit) and use.period not in ledger.told
    ]
    if not new:
        return ledger, ()
    told = (*ledger.told, *(use.period for use in new))
    return ledger.model_copy(update={"told": told}), tuple(use.budget for use in new)


def lapsed_or_held(ledger: BudgetLedger, now: float) -> Iterator[tuple[str, LedgerEntry]]:
    """Yield the entries whose records say what becomes of them; the others are their owners'."""
    return ((nonce, entry) for nonce, entry in ledger.open.items() if entry.held or entry.has_lapsed(now))


def _with_entry(ledger: BudgetLedger, nonce: str, entry: LedgerEntry) -> BudgetLedger:
    opened: Mapping[str, LedgerEntry] = {**ledger.open, nonce: entry}
    return ledger.model_copy(update={"open": opened})
