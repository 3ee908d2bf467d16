"""The ledger as a value: what is used, what fits, and what each change makes of it, at the edges above all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_seedance.journal.budget import ledger as of
from prefect_seedance.journal.budget.ledger import BudgetLedger, DayTotal, Expense, LedgerEntry, Short, Use
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.errors import BudgetDamaged, BudgetTooNew

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()


def entry(**facts: Any) -> LedgerEntry:
    return LedgerEntry.model_validate(
        {"intent": "1" * 32, "day": "22", "coins": 0.4, "at": NOON, "lease": 210, **facts}
    )


def expense(**facts: Any) -> Expense:
    known: dict[str, Any] = {"nonce": "n1", "intent": "1" * 32, "store": "s", "where": "/videos", "price": 0.4}
    return Expense(**{**known, "billing": "std", "lease": 210.0, **facts})


def use(limit: float, spent: float = 0.0, held: float = 0.0, reserved: float = 0.0) -> Use:
    return Use("daily_budget", limit, spent, held, reserved, "2026-11-22", None)


def test_an_entry_lapses_once_no_clock_of_the_store_can_still_be_within_its_lease() -> None:
    assert not entry().has_lapsed(NOON + 215.0)
    assert entry().has_lapsed(NOON + 215.1)


def test_what_is_used_of_a_limit_is_all_of_it() -> None:
    some = use(1.0, spent=0.1, held=0.2, reserved=0.4)
    assert (some.used, some.left, some.share) == (0.7, 0.3, 0.7)
    assert (use(1.0, spent=1.5).left, use(2.0, spent=1.0).share) == (0.0, 0.5)
    assert (use(0.0, spent=9.0).left, use(0.0, spent=9.0).share) == (None, 0.0), "without a limit"


def test_a_limit_is_used_to_its_last_coin_and_no_further() -> None:
    some = use(1.0, spent=0.1, held=0.2, reserved=0.4)
    assert some.fits(0.3) and not some.fits(0.300001)
    assert some.would_fit(0.7) and not some.would_fit(0.700001), "nothing under way is accepted"
    assert use(0.0, spent=9.0).fits(1e9) and use(0.0, spent=9.0).would_fit(1e9)


def test_amounts_from_elsewhere_are_those_that_an_account_can_have() -> None:
    given = [0.0, 1e9, 1e9 + 1, -0.000001, float("nan"), float("inf"), None, 0.1234567]
    assert [of.amount(each) for each in given] == [0.0, 1e9, None, None, None, None, None, 0.123457]


@pytest.mark.parametrize(
    "data", [b"{", b"\xff", b"[" * 100_000, b"[]", b"null", b'{"days": 1}', b'{"open": {"/": {}}}']
)
def test_what_does_not_read_as_a_ledger_is_damaged(data: bytes) -> None:
    with pytest.raises(BudgetDamaged, match="/videos"):
        of.decode(data, "/videos")


def written(**facts: Any) -> bytes:
    """Write a ledger as anybody may: with one entry, of which some facts are given."""
    of_entry = {name: facts.pop(name) for name in list(facts) if name in LedgerEntry.model_fields}
    nonce = facts.pop("nonce", "n1")
    return json.dumps({"open": {nonce: {**entry().model_dump(), **of_entry}}, **facts}).encode()


#: What a number or a name may just be, and what it may just not be.
EDGES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "coins": ([{"coins": 0}, {"coins": 1e9}], [{"coins": -1e-6}, {"coins": 1e9 + 1}, {"coins": float("nan")}]),
    "price": ([{"price": None}, {"price": 0}], [{"price": -1e-6}, {"price": float("inf")}]),
    "spent": ([{"days": {"22": {"spent": 1e9}}}], [{"days": {"22": {"spent": float("nan")}}}]),
    "count": (
        [{"days": {"22": {"count": each}}} for each in (0, 10**9)],
        [{"days": {"22": {"count": each}}} for each in (-1, 10**9 + 1, 0.5)],
    ),
    "at": ([{"at": 0}, {"at": 1e11}], [{"at": -1}, {"at": 1e11 + 1}, {"at": float("nan")}]),
    "lease": ([{"lease": 0}, {"lease": 86_400}], [{"lease": -1}, {"lease": 86_401}, {"lease": float("nan")}]),
    "factor": (
        [{"factor": {"std": each}} for each in (1, 1e6)],
        [{"factor": {"std": each}} for each in (0.999, 1e6 + 1, float("nan"))],
    ),
    "least": ([{"least": {"std": 0}}], [{"least": {"std": -1}}, {"least": {"std": float("nan")}}]),
    "swept": ([{"swept": {"n": 0}}], [{"swept": {"n": -1}}, {"swept": {"n": float("nan")}}]),
    "day": (
        [{"day": each} for each in ("01", "09", "10", "29", "30", "31")],
        [{"day": each} for each in ("00", "32", "1", "001", "0x", "")],
    ),
    "names": ([{"billing": "x" * 200}, {"store": "x" * 200}], [{"billing": "x" * 201}, {"store": "x" * 201}]),
    "where": ([{"where": "x" * 2000}], [{"where": "x" * 2001}]),
    "ids": (
        [{"nonce": "Az09_.-"}, {"nonce": "x" * 100}, {"intent": "x" * 100}],
        [{"nonce": "x" * 101}, {"nonce": "a/b"}, {"nonce": "a\n"}, {"intent": "../x"}, {"intent": "x" * 101}],
    ),
}


@pytest.mark.parametrize(("fine", "damaged"), EDGES.values(), ids=EDGES.keys())
def test_numbers_and_names_are_read_to_the_edge_of_what_an_account_can_have_and_no_further(
    fine: list[dict[str, Any]], damaged: list[dict[str, Any]]
) -> None:
    for facts in fine:
        of.decode(written(**facts), "/videos")
    for facts in damaged:
        with pytest.raises(BudgetDamaged):
            of.decode(written(**facts), "/videos")


@pytest.mark.parametrize(
    ("version", "error"), [(2, BudgetTooNew), (1, BudgetDamaged), ("2", BudgetDamaged), (None, BudgetDamaged)]
)
def test_only_a_version_after_ours_makes_another_shape_a_newer_one(version: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        of.decode(json.dumps({"version": version, "days": []}).encode(), "/videos")


@pytest.mark.parametrize("spent", [float("nan"), float("inf"), -1.0, 1e9 + 1])
def test_what_would_not_read_back_is_not_written(spent: float) -> None:
    broken = BudgetLedger().model_copy(update={"days": {"22": DayTotal().model_copy(update={"spent": spent})}})
    with pytest.raises(ValueError):
        of.encode(broken)


def test_a_ledger_reads_back_as_it_was_written() -> None:
    full = BudgetLedger(
        days={"22": DayTotal(spent=0.4, count=1)}, factor={"std": 1.5}, least={"pro": 2.0}, open={"n1": entry()}
    )
    data = of.encode(full)
    assert of.decode(data, "") == full and data.endswith(b"}\n") and b"\n " in data, "for people as well"


def test_a_new_month_knows_what_things_cost_and_nothing_else() -> None:
    before = BudgetLedger(
        rev=7, days={"22": DayTotal(spent=1)}, factor={"std": 2.0}, least={"pro": 3.0}, open={"n1": entry()}
    )
    assert of.following(before) == BudgetLedger(factor={"std": 2.0}, least={"pro": 3.0})


# What is used.

USED = BudgetLedger(
    days={"21": DayTotal(spent=1.0, count=2), "22": DayTotal(spent=0.25, count=1)},
    open={
        "a": entry(coins=0.5),
        "b": entry(coins=0.125, held=True),
        "c": entry(coins=4.0, day="21"),
        "d": entry(coins=8.0, day="21", held=True),
        "e": entry(coins=0.5),
    },
)
LIMITS = Limits(daily=10.0, monthly=20.0, daily_videos=30, total=40.0)


def test_a_month_is_the_sum_of_its_days_and_a_day_pays_for_what_was_reserved_on_it() -> None:
    month, day, videos = of.uses(USED, LIMITS, NOON, of_run=False)
    assert month == Use(
        *("monthly_budget", 20.0, 1.25, 8.125, 5.0, "2026-11"), ends_at=datetime(2026, 12, 1, tzinfo=UTC)
    )
    tomorrow = datetime(2026, 11, 23, tzinfo=UTC)
    assert day == Use("daily_budget", 10.0, 0.25, 0.125, 1.0, "2026-11-22", tomorrow)
    assert videos == Use("daily_videos", 30, 1, 1, 2, "2026-11-22 videos", tomorrow)


def test_a_run_has_one_budget_over_all_days() -> None:
    assert of.uses(USED, LIMITS, NOON, of_run=True) == (Use("max_cost", 40.0, 1.25, 8.125, 5.0, "run", None),)


@pytest.mark.parametrize(
    ("now", "day", "month"),
    [
        ((2026, 11, 1), (2026, 11, 2), (2026, 12, 1)),
        ((2026, 11, 30), (2026, 12, 1), (2026, 12, 1)),
        ((2026, 12, 31), (2027, 1, 1), (2027, 1, 1)),
        ((2026, 12, 30), (2026, 12, 31), (2027, 1, 1)),
        ((2027, 1, 30), (2027, 1, 31), (2027, 2, 1)),
        ((2028, 2, 28), (2028, 2, 29), (2028, 3, 1)),
    ],
)
def test_days_and_months_end_at_midnight_of_utc(now: Any, day: Any, month: Any) -> None:
    for moment in (datetime(*now, tzinfo=UTC), datetime(*now, 23, 59, 59, tzinfo=UTC)):
        ends = [each.ends_at for each in of.uses(BudgetLedger(), LIMITS, moment.timestamp(), of_run=False)]
        assert ends == [datetime(*month, tzinfo=UTC), *[datetime(*day, tzinfo=UTC)] * 2]


@pytest.mark.parametrize(
    ("billing", "price", "expected"),
    [
        ("std", 0.4, 0.6),
        ("std", None, 0.0),
        ("new", 0.4, 0.4),
        # Something without a price takes what it was seen to cost, and never less.
        ("free", 0.0, 2.0),
        ("free", None, 2.0),
        ("free", 3.0, 3.0),
        ("dear", 1e9, 1e9),
        ("x" * 300, 0.4, 1.2),
    ],
)
def test_something_is_expected_to_take_what_it_was_seen_to_cost(
    billing: str, price: float | None, expected: float
) -> None:
    learned = BudgetLedger(factor={"std": 1.5, "dear": 2.0, "x" * 200: 3.0}, least={"free": 2.0})
    assert of.expected(learned, billing, price) == expected


# Its changes.


def test_what_fits_is_entered_with_all_that_its_settlement_needs() -> None:
    made = of.reserved(BudgetLedger(), expense(), LIMITS, NOON, of_run=False)
    assert made == BudgetLedger(open={"n1": entry(store="s", where="/videos", price=0.4, billing="std")})


def test_a_name_and_a_lease_are_entered_within_what_reads_back() -> None:
    made = of.booked(BudgetLedger(), expense(billing="x" * 300, lease=1e9), NOON)
    assert (len(made.open["n1"].billing), made.open["n1"].lease) == (200, 86_400.0)


def test_a_submission_that_is_entered_keeps_its_entry_and_begins_its_lease_anew_even_where_there_is_no_room() -> None:
    known = BudgetLedger(open={"n1": entry(coins=0.3, at=NOON - 9, lease=5, held=True)})
    full = Limits(daily=0.1)
    made = of.reserved(known, expense(price=0.9), full, NOON, of_run=False)
    assert made == BudgetLedger(open={"n1": entry(coins=0.3, at=NOON, lease=210.0, held=False)})


@pytest.mark.parametrize(
    ("limits", "budget", "more", "over"),
    [
        # The day has room again once what is under way is refused; the month has not.
        (Limits(daily=1.3, monthly=9.5), "monthly_budget", 0.4, True),
        (Limits(daily=1.3, monthly=14.5), "monthly_budget", 0.4, False),
        (Limits(daily=1.3), "daily_budget", 0.4, False),
        (Limits(daily=0.7), "daily_budget", 0.4, True),
        (Limits(daily_videos=4), "daily_videos", 1, False),
        (Limits(daily_videos=2), "daily_videos", 1, True),
        # Of several, the one that stands in the way longest.
        (Limits(monthly=14.5, daily=0.7), "daily_budget", 0.4, True),
    ],
)
def test_what_does_not_fit_says_which_limit_stands_in_the_way_longest(
    limits: Limits, budget: str, more: float, over: bool
) -> None:
    short = of.reserved(USED, expense(), limits, NOON, of_run=False)
    assert isinstance(short, Short)
    assert (short.use.budget, short.more, short.over) == (budget, more, over)


@pytest.mark.parametrize(
    ("cost", "spent"),
    [(0.25, 0.25), (0.0, 0.0), (None, 0.4), (float("nan"), 0.4), (-1.0, 0.4), (1e12, 0.4), (1e9, 1e9)],
)
def test_a_settled_entry_is_spent_on_its_day_at_its_cost_or_at_what_was_reserved(
    cost: float | None, spent: float
) -> None:
    known = BudgetLedger(open={"n1": entry(day="21"), "n2": entry()})
    made = of.settled(known, "n1", cost)
    assert made == BudgetLedger(days={"21": DayTotal(spent=spent, count=1)}, open={"n2": entry()})


def test_what_is_spent_adds_up_and_never_beyond_what_an_account_can_have() -> None:
    before = {"21": DayTotal(spent=9.0, count=2)}
    known = BudgetLedger(days={**before, "22": DayTotal(spent=0.1, count=3)}, open={"n1": entry(), "n2": entry()})
    made = of.settled(of.settled(known, "n1", 0.2), "n2", None)
    assert made.days == {**before, "22": DayTotal(spent=0.7, count=5)}
    rich = BudgetLedger(days={"22": DayTotal(spent=1e9)}, open={"n1": entry()})
    assert of.settled(rich, "n1", 5.0).days["22"].spent == 1e9


@pytest.mark.parametrize(
    ("price", "cost", "factor", "least"),
    [
        (0.4, 0.6, 1.5, 1.0),
        (0.4, 0.4, 1.2, 1.0),  # as expected
        (0.4, 0.2, 1.2, 1.0),  # less is no lesson
        (0.4, 0.44, 1.2, 1.0),  # more was seen before
        (0.4, None, 1.2, 1.0),
        (None, 9.0, 1.2, 1.0),
        (0.0, 2.0, 1.2, 2.0),
        (0.0, 0.5, 1.2, 1.0),
        (0.0, 0.0, 1.2, 1.0),
        (1e-6, 1e3, 1e6, 1.0),
    ],
)
def test_what_cost_more_than_its_price_teaches_the_next_and_nothing_else_does(
    price: float | None, cost: float | None, factor: float, least: float
) -> None:
    known = BudgetLedger(factor={"std": 1.2, "x": 7.0}, least={"std": 1.0, "x": 7.0})
    known = known.model_copy(update={"open": {"n1": entry(price=price, billing="std")}})
    made = of.settled(known, "n1", cost)
    assert made.factor == {"std": pytest.approx(factor, rel=1e-9), "x": 7.0} and made.least == {"std": least, "x": 7.0}


def test_the_first_lesson_about_something_is_what_it_cost() -> None:
    for price, factor, least in ((0.4, {"std": 1.5}, {}), (0.0, {}, {"std": 0.6}), (0.6, {}, {}), (0.8, {}, {})):
        known = BudgetLedger(open={"n1": entry(price=price, billing="std")})
        made = of.settled(known, "n1", 0.6)
        assert (made.factor, made.least) == (pytest.approx(factor), least)


def test_what_is_swept_is_remembered_for_its_owner_the_newest_of_them() -> None:
    many = {f"old-{number}": NOON - number for number in range(of.MOST_SWEPT)}
    known = BudgetLedger(open={"n1": entry()}, swept=many)
    made = of.swept(known, "n1", None, NOON + 1)
    assert len(made.swept) == of.MOST_SWEPT and made.swept["n1"] == NOON + 1
    assert {*many} - {*made.swept} == {f"old-{of.MOST_SWEPT - 1}"}, "the oldest makes room"
    assert not made.open and made.days["22"].spent == 0.4


def test_a_ledger_holds_a_thousand_entries_that_wait_and_a_thousand_that_were_swept() -> None:
    assert (of.MOST_OPEN, of.MOST_SWEPT) == (1000, 1000)


def test_a_change_of_an_entry_that_is_not_there_changes_nothing() -> None:
    known = BudgetLedger(open={"n1": entry(held=True)})
    assert of.settled(known, "n2", 1.0) is known
    assert of.swept(known, "n2", 1.0, NOON) is known
    assert of.released(known, "n2") is known
    assert of.held(known, "n2") is known and of.held(known, "n1") is known
    assert of.put_back(known, "n1", entry(coins=9.0)) is known


def test_entries_are_taken_out_held_and_put_back_by_themselves() -> None:
    known = BudgetLedger(open={"n1": entry(), "n2": entry()})
    assert of.released(known, "n1") == BudgetLedger(open={"n2": entry()})
    assert of.held(known, "n1") == BudgetLedger(open={"n1": entry(held=True), "n2": entry()})
    assert of.put_back(of.released(known, "n1"), "n1", entry(coins=9.0)).open["n1"].coins == 9.0


def test_four_fifths_of_a_limit_are_told_once_a_period() -> None:
    def told(spent: float, told: tuple[str, ...] = (), limits: Limits = LIMITS) -> tuple[BudgetLedger, tuple[str, ...]]:
        known = BudgetLedger(days={"22": DayTotal(spent=spent, count=24)}, told=told)
        return of.reached(known, limits, NOON, of_run=False)

    assert told(8.0)[1] == ("daily_budget", "daily_videos") and told(7.999999)[1] == ("daily_videos",)
    assert told(8.0)[0].told == ("2026-11-22", "2026-11-22 videos")
    again, names = told(16.0, ("2026-11-21", "2026-11-22", "2026-11-22 videos"))
    assert names == ("monthly_budget",) and again.told[-1] == "2026-11" and len(again.told) == 4
    assert told(99.0, limits=Limits())[1] == ()
    run = BudgetLedger(days={"22": DayTotal(spent=40.0)})
    assert of.reached(run, LIMITS, NOON, of_run=True)[1] == ("max_cost",)


def test_the_records_decide_about_what_has_lapsed_or_is_held() -> None:
    opened = {"young": entry(), "held": entry(held=True), "old": entry(at=NOON - 999)}
    assert [nonce for nonce, _ in of.lapsed_or_held(BudgetLedger(open=opened), NOON)] == ["held", "old"]


def test_a_month_is_that_of_the_stores_clock_in_utc() -> None:
    last = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    assert of.month_of(last.timestamp()) == "2026-11"
    assert of.month_of((last + timedelta(seconds=1)).timestamp()) == "2026-12"
