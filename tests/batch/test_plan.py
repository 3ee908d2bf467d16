"""What a batch would do and cost, found out for free."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.parts import is_in_part
from prefect_seedance.batch.rows import Row, RowProblem
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.client.request.prices import read_own_prices
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.budget.limits import Limits
from prefect_seedance.journal.errors import JournalUnavailable
from prefect_seedance.journal.identity import intent_of, named_scope
from prefect_seedance.media.context import Follower
from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.storage.errors import StoreUnavailable
from prefect_seedance.storage.folder.store import FolderStore
from tests.batch.plans import Times, asked, manifest_with, plan_of, standings
from tests.media.workshop import picture
from tests.pipeline.counter import BALANCE, CATALOG, CREATE, Made, envelope
from tests.pipeline.harness import TEMPLATE, Vendor, destination_in
from tests.storage.s3_servers import S3Server


def bought(vendor: Vendor, destination: Destination, *prompts: str) -> list[str]:
    """Videos that the vendor is making."""
    orders = [place_order(asked(prompt), scope="", account="default", key_template=TEMPLATE) for prompt in prompts]
    return [submit(order, vendor.account, destination, preflight=False)["intent"] for order in orders]


def free_of_charge(vendor: Vendor) -> bool:
    """Whether nothing was bought, and nothing asked that costs."""
    return vendor.billed() == [] and vendor.counter.count(CREATE) == 0


class CountingStore(FolderStore):
    """Notes what is read and written."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []
        self.written: list[str] = []

    def get(self, key: str) -> object:  # type: ignore[override]
        self.read.append(key)
        return super().get(key)

    def create(self, key: str, data: bytes) -> str:
        self.written.append(key)
        return super().create(key, data)


def test_new_rows_are_priced_with_source_and_date_each_and_in_total(vendor: Vendor, destination: Destination) -> None:
    signed = "as in https://a.example.com/b.png?X-Amz-Signature=s3cr3t"
    plan = plan_of(manifest_with(asked("a"), asked(signed, resolution="480p")), vendor.account, destination)
    assert standings(plan) == ["new", "new"] and "s3cr3t" not in plan.model_dump_json()
    assert [row.price for row in plan.rows] == pytest.approx([0.2, 0.12])
    assert all("public catalog; as of 20" in row.price_source for row in plan.rows)
    assert plan.total == pytest.approx(0.32) and plan.of_unknown_price == 0
    assert [row.resolution for row in plan.rows] == ["720p", "480p"]
    assert plan.balance == 1000.0
    assert plan.notices == ["a notice"]
    assert free_of_charge(vendor) and sorted(vendor.counter.asked) == sorted([BALANCE, CATALOG])
    assert not (destination.store.root.exists() if isinstance(destination.store, FolderStore) else True)


def test_own_prices_come_first_and_an_unknown_price_is_said_to_be_unknown(
    vendor: Vendor, destination: Destination
) -> None:
    account = replace(vendor.account, prices=read_own_prices({"seedance2.0-mini 480p": 0.01}))
    rows = manifest_with(asked("a", resolution="480p"), asked("b"), asked("c", other_model="brand-new"))
    plan = plan_of(rows, account, destination)
    assert [row.price for row in plan.rows] == [pytest.approx(0.04), pytest.approx(0.2), None]
    assert plan.rows[0].price_source.startswith("your credentials")
    assert plan.of_unknown_price == 1
    (notice,) = [each for each in plan.notices if "unknown" in each]
    assert "brand-new" in notice and "credentials" in notice


def test_a_catalog_that_does_not_answer_costs_the_prices_only(vendor: Vendor, destination: Destination) -> None:
    vendor.counter.answer(CATALOG, lambda: Made(503, b""))
    plan = plan_of(manifest_with(asked()), vendor.account, destination)
    assert plan.rows[0].price is None
    assert any("unknown" in each and "could not be read" in each and "503" in each for each in plan.notices)


def test_all_that_is_wrong_with_a_row_is_said(vendor: Vendor, destination: Destination) -> None:
    broken = Row(2, "boat", None, (RowProblem(2, "Duration", "is not a number", "Write 5"),) * 2, {"model": "m"})
    doubtful = asked("a").model_copy(update={"duration": 99, "reference_videos": ["/a.mp4"]})
    plan = plan_of(manifest_with(broken, doubtful, asked("b")), vendor.account, destination)
    assert standings(plan) == ["invalid", "invalid", "new"]
    assert plan.rows[0].problems == ["Duration: is not a number. Write 5."] * 2 and plan.rows[0].model == "m"
    assert [each.partition(":")[0] for each in plan.rows[1].problems] == ["duration", "reference_videos"]
    assert plan.rows[2].warnings == []
    assert [row.price for row in plan.rows[:2]] == [0.0, 0.0]


def test_rows_of_one_intent_are_one_video_that_is_paid_for_once(vendor: Vendor, destination: Destination) -> None:
    rows = manifest_with(asked("a"), asked("b"), asked("a "), asked("a", take="2"), asked("a"))
    plan = plan_of(rows, vendor.account, destination)
    assert standings(plan) == ["new", "new", "duplicate", "new", "duplicate"]
    assert [row.shared_with for row in plan.rows] == [0, 0, 2, 0, 2]
    assert plan.total == pytest.approx(0.6)


def test_what_the_journal_has_costs_nothing_and_what_it_has_not_costs_no_request(
    vendor: Vendor, tmp_path: Path
) -> None:
    there = bought(vendor, destination_in(tmp_path / "store"), "0", "1")
    store = CountingStore(tmp_path / "store")
    plan = plan_of(
        manifest_with(*(asked(str(number)) for number in range(40))), vendor.account, destination_in(store.root, store)
    )
    assert standings(plan) == ["going_on"] * 2 + ["new"] * 38
    assert [row.intent for row in plan.rows[:2]] == there
    assert sorted(store.read) == sorted(f"journal/records/{intent}.json" for intent in there)
    assert store.written == []
    assert plan.total == pytest.approx(38 * 0.2)
    assert len(vendor.billed()) == 2


def test_what_has_to_be_settled_first_is_said_with_how(vendor: Vendor, destination: Destination) -> None:
    vendor.counter.answer(CREATE, lambda: Made(502, b"<html>bad gateway</html>"), times=1)
    with pytest.raises(Exception, match="not known"):
        bought(vendor, destination, "unknown")
    (failed,) = bought(vendor, destination, "failed")
    entry = destination.journal.read(failed)
    assert entry is not None and entry.record.task_id
    destination.journal.record_failed(failed, entry.record.task_id, "moderation", "NSFW")
    damaged = intent_of(asked("damaged"), scope="", account="default")
    destination.store.create(destination.journal.record_key(damaged), b"{")
    plan = plan_of(
        manifest_with(asked("unknown"), asked("failed"), asked("damaged"), asked("new")), vendor.account, destination
    )
    assert standings(plan) == ["unknown", "failed", "unknown", "new"]
    assert "prefect-seedance resolve" in plan.rows[0].problems[0] and "NSFW" in plan.rows[1].problems[0]
    assert plan.rows[2].problems
    assert plan.total == pytest.approx(0.2)


def test_a_transient_failure_is_paid_again_only_where_the_options_say_so(
    vendor: Vendor, destination: Destination
) -> None:
    (intent,) = bought(vendor, destination, "a")
    entry = destination.journal.read(intent)
    assert entry is not None
    destination.journal.record_failed(intent, entry.record.task_id, "transient", "busy")
    rows = manifest_with(asked("a"))
    assert standings(plan_of(rows, vendor.account, destination)) == ["failed"]
    twice = BatchOptions(max_submissions=2)
    assert standings(plan_of(rows, vendor.account, destination, options=twice)) == ["new"]


def test_a_journal_that_cannot_be_read_is_no_empty_one(vendor: Vendor, tmp_path: Path) -> None:
    class Broken(FolderStore):
        def list_keys(self, prefix: str) -> object:  # type: ignore[override]
            raise StoreUnavailable(self.uri_of("x"), "gone")

    store = Broken(tmp_path / "store")
    rows = manifest_with(*(asked(str(number)) for number in range(40)))
    with pytest.raises(JournalUnavailable):
        plan_of(rows, vendor.account, destination_in(store.root, store))


def test_a_journal_that_is_far_larger_than_the_manifest_is_not_listed_to_its_end(
    vendor: Vendor, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = bought(vendor, destination, *map(str, range(20)))
    monkeypatch.setattr("prefect_seedance.batch.plan._MOST_LISTED", 5)
    monkeypatch.setattr("prefect_seedance.batch.plan._LISTED_PER_VIDEO", 0)
    rows = manifest_with(*(asked(str(number)) for number in range(24)))
    plan = plan_of(rows, vendor.account, destination)
    assert standings(plan) == ["going_on"] * len(there) + ["new"] * 4


def test_the_parts_of_a_manifest_make_each_video_once_however_it_is_sorted(
    vendor: Vendor, destination: Destination
) -> None:
    requests = [asked(str(number % 20)) for number in range(25)]
    made: list[str] = []
    for number in range(1, 5):
        options = BatchOptions(part=f"{number}/4")
        plan = plan_of(manifest_with(*requests), vendor.account, destination, options=options)
        again = plan_of(manifest_with(*reversed(requests)), vendor.account, destination, options=options)
        new = [row.intent for row in plan.rows if row.standing == "new"]
        assert {*new} == {row.intent for row in again.rows if row.standing == "new"}
        assert {*standings(plan)} <= {"new", "duplicate", "other_part"}
        assert plan.part == options.part
        made += new
    assert len(made) == len({*made}) == 20
    assert all(is_in_part(intent, (1, 1)) for intent in made)


# References.


def test_each_distinct_reference_is_looked_at_once_and_what_breaks_a_rule_is_refused(
    vendor: Vendor, destination: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect_seedance.media import preparation

    good, small, text = tmp_path / "good.png", tmp_path / "small.gif", tmp_path / "text.png"
    good.write_bytes(picture("good"))
    small.write_bytes(picture("small", 200, 200))
    text.write_text("<html>login</html>")
    found: list[str] = []
    find = preparation.find_material

    def counted(source: object, *rest: object) -> object:
        found.append(source.address)  # type: ignore[attr-defined]
        return find(source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(preparation, "find_material", counted)
    rows = [asked(str(number), images=[str(good)]) for number in range(30)]
    rows += [asked("a", images=[str(good), str(small)]), asked("b", images=[str(text)])]
    rows += [asked("c", images=[str(tmp_path / "gone.png"), str(good)]), asked("d")]
    plan = plan_of(manifest_with(*rows), vendor.account, destination)
    assert standings(plan) == ["new"] * 31 + ["invalid"] * 2 + ["new"]
    assert sorted(found) == sorted([str(good), str(small), str(text), str(tmp_path / "gone.png")])
    assert any("images[1]" in each for each in plan.rows[30].warnings)
    assert "neither picture, video nor sound" in plan.rows[31].problems[0]
    assert "gone.png" in plan.rows[32].problems[0] and plan.rows[32].intent == ""
    assert free_of_charge(vendor)


def test_what_is_there_already_needs_no_look_at_its_references(
    vendor: Vendor, destination: Destination, tmp_path: Path
) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"not a picture")
    request = asked(images=[str(image)])
    rows = manifest_with(request)
    assert standings(plan_of(rows, vendor.account, destination)) == ["invalid"]
    unlooked = plan_of(rows, vendor.account, destination, options=BatchOptions(preflight=False))
    assert standings(unlooked) == ["new"]
    assert unlooked.balance is None
    key = destination.journal.record_key(unlooked.rows[0].intent)
    (other,) = bought(vendor, destination, "other")
    blob = destination.store.get(destination.journal.record_key(other))
    assert blob is not None
    destination.store.create(key, blob.data.replace(other.encode(), unlooked.rows[0].intent.encode()))
    assert standings(plan_of(rows, vendor.account, destination)) == ["going_on"]


def test_references_that_cannot_be_looked_at_just_now_are_a_warning_of_their_rows(
    vendor: Vendor, destination: Destination
) -> None:
    vendor.counter.answer("/assets/status", lambda: envelope(code=20001, message="no permission"))
    looked = asked("b", model="sd2_mx_720p", images=["asset://a1"])
    plan = plan_of(manifest_with(asked("a"), looked), vendor.account, destination)
    assert standings(plan) == ["new", "new"]
    assert plan.rows[0].warnings == [] and "could not be looked at just now" in plan.rows[1].warnings[-1]
    assert free_of_charge(vendor)


def test_a_plan_without_a_key_asks_nothing_that_needs_one(vendor: Vendor, destination: Destination) -> None:
    mx = asked("b", model="sd2_mx_720p", images=["asset://a1"])
    plan = plan_of(manifest_with(asked("a"), mx), vendor.account, destination, has_key=False)
    assert vendor.counter.asked == [CATALOG]
    assert standings(plan) == ["new", "new"] and plan.balance is None and plan.of_unknown_price == 0
    assert "assets need the API key" in plan.rows[1].warnings[-1]
    assert any("no API key" in each for each in plan.notices)


# Money and time.


def test_a_balance_that_is_too_small_or_not_known_is_said(vendor: Vendor, destination: Destination) -> None:
    rows = manifest_with(asked("a"), asked("b"), asked("c", other_model="brand-new"))
    vendor.counter.answer(BALANCE, lambda: envelope({"balance": 5, "used_coin": 4.9, "available": 0.1}), times=1)
    short = plan_of(rows, vendor.account, destination)
    assert short.balance == 0.1
    assert any("too small" in each and "at least 0.3 coins" in each for each in short.notices)
    vendor.counter.answer(BALANCE, lambda: envelope(code=20001, message=""), times=1)
    wrong = plan_of(rows, vendor.account, destination)
    assert wrong.balance is None and standings(wrong) == ["new"] * 3
    assert any("balance is not known" in each and "would stop" in each for each in wrong.notices)
    vendor.counter.answer(BALANCE, lambda: envelope({"balance": 5, "used_coin": 4.6, "available": 0.4}), times=1)
    assert not any("too small" in each for each in plan_of(rows, vendor.account, destination).notices)


def test_a_vendor_who_asks_for_fewer_requests_leaves_the_balance_unknown(
    vendor: Vendor, destination: Destination
) -> None:
    vendor.counter.answer(BALANCE, lambda: Made(429, b"{}", {"Retry-After": "0"}))
    plan = plan_of(manifest_with(asked("a")), vendor.account, destination)
    assert plan.balance is None and standings(plan) == ["new"]
    assert any("the vendor asks for fewer requests just now" in each for each in plan.notices)


def test_a_budget_that_cannot_be_read_is_said_beforehand(vendor: Vendor, tmp_path: Path) -> None:
    destination = destination_in(tmp_path / "store")
    account = replace(vendor.account, limits=Limits(daily=0.5))
    budget = Budget(destination.store, account=account.label, limits=account.limits, journal=destination.journal)
    budget.book("n", "i", coins=0.2, billing="x")
    (ledger,) = destination.store.list_keys("journal/budget/")
    (tmp_path / "store" / ledger).write_bytes(b"{")
    plan = plan_of(manifest_with(asked("a")), account, destination)
    assert standings(plan) == ["new"]
    assert any("the budgets is not known, and a batch would stop here" in each for each in plan.notices)


def test_a_budget_without_room_for_the_new_rows_is_said_beforehand(vendor: Vendor, destination: Destination) -> None:
    rows = manifest_with(asked("a"), asked("b"), asked("c"))
    account = replace(vendor.account, limits=Limits(daily=0.5, monthly=100.0, daily_videos=2))
    budget = Budget(destination.store, account=account.label, limits=account.limits, journal=destination.journal)
    budget.book("n", "i", coins=0.2, billing="x").settled(Accepted("videos_1", cost=0.2))
    plan = plan_of(rows, account, destination, options=BatchOptions(max_cost=0.4))
    short = [each for each in plan.notices if "over budget" in each]
    assert [each.partition(" ")[0] for each in short] == ["max_cost", "daily_budget", "daily_videos"]
    assert "0.5 coins, with 0.3 coins left until" in short[1] and "the new rows take 0.6 coins" in short[1]
    assert "2 videos, with 1 video left until" in short[2] and "take 3 videos" in short[2]
    enough = replace(vendor.account, limits=Limits(daily=5.0, daily_videos=10))
    found = plan_of(rows, enough, destination, options=BatchOptions(max_cost=0.6))
    assert not any("over budget" in each for each in found.notices)


def test_the_time_is_that_of_the_rows_in_their_order_so_many_at_once(vendor: Vendor, destination: Destination) -> None:
    rows = manifest_with(*(asked(str(number), resolution="480p") for number in range(5)))
    times = Times(lambda model, resolution, duration: 100.0 if (model, resolution, duration) == MINI else None)
    for at_once, seconds in ((1, 500.0), (2, 300.0), (5, 100.0), (16, 100.0)):
        options = BatchOptions(max_in_flight=at_once)
        assert plan_of(rows, vendor.account, destination, options=options, times=times).expected_seconds == seconds
    assert plan_of(rows, vendor.account, destination).expected_seconds is None
    mixed = manifest_with(asked("a", resolution="480p"), asked("b", other_model="brand-new"))
    plan = plan_of(mixed, vendor.account, destination, options=BatchOptions(max_in_flight=1), times=times)
    assert plan.expected_seconds == 200.0 and [row.expected_seconds for row in plan.rows] == [100.0, None]
    assert any("brand-new" in each and "not known yet" in each for each in plan.notices)


MINI = ("seedance2.0-mini", "480p", 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (BatchOptions(), "always"),
        (BatchOptions(reuse="run"), "every new run buys all rows anew"),
        (BatchOptions(reuse="auto"), "a run that a schedule makes buys all rows anew"),
        (BatchOptions(reuse="scope", reuse_scope="2026-11-27"), "2026-11-27"),
    ],
)
def test_it_says_what_videos_are_shared_within(
    vendor: Vendor, destination: Destination, options: BatchOptions, said: str
) -> None:
    assert said in plan_of(manifest_with(), vendor.account, destination, options=options).scope


def test_another_scope_or_account_has_other_videos(vendor: Vendor, destination: Destination) -> None:
    bought(vendor, destination, "a")
    rows = manifest_with(asked("a"))
    assert standings(plan_of(rows, vendor.account, destination)) == ["going_on"]
    assert standings(plan_of(rows, vendor.account, destination, scope=named_scope("x"))) == ["new"]
    other = Account(vendor.account.settings, "studio")
    assert standings(plan_of(rows, other, destination)) == ["new"]


def test_a_cancelled_plan_ends(vendor: Vendor, destination: Destination) -> None:
    cancelled = threading.Event()
    cancelled.set()
    vendor.counter.hang(BALANCE)
    with pytest.raises(PreparationCancelled):
        plan_of(manifest_with(asked()), vendor.account, destination, follower=Follower(cancelled=cancelled))


def test_an_empty_manifest_has_an_empty_plan(vendor: Vendor, destination: Destination) -> None:
    plan = plan_of(manifest_with(), vendor.account, destination)
    assert (plan.rows, plan.total, plan.expected_seconds) == ([], 0, 0.0)


def test_a_bucket_is_read_as_a_folder_is(vendor: Vendor, moto: S3Server) -> None:
    store = moto.store()
    destination = replace(destination_in(Path("/nowhere")), store=store)
    destination = replace(destination, journal=type(destination.journal)(store))
    bought(vendor, destination, "0")
    rows = manifest_with(*(asked(str(number)) for number in range(30)))
    assert standings(plan_of(rows, vendor.account, destination)) == ["going_on"] + ["new"] * 29
