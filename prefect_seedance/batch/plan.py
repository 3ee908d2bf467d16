"""What a batch would do and cost: found out for free, and nothing is written but what is remembered of references."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Protocol

from prefect_seedance.asides import words_of
from prefect_seedance.batch.models import BatchPlan, PlannedRow, RowStanding
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.orders import OrderSettings, PlacedRow, place_orders
from prefect_seedance.batch.rows import Manifest, Row
from prefect_seedance.client.errors import RateLimited, SeedanceError
from prefect_seedance.client.request.prices import Estimate, own_name
from prefect_seedance.client.request.problems import both
from prefect_seedance.client.request.routes import route_for
from prefect_seedance.client.request.sources import read_source
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.budget.budget import Budget
from prefect_seedance.journal.errors import JournalError, RecordDamaged, RecordTooNew
from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.submit.decision import Decision, SubmissionPolicy, decide
from prefect_seedance.journal.submit.stop_errors import stop_error
from prefect_seedance.media.context import Follower
from prefect_seedance.media.preparation import Looked, SharedMaterials, look_at
from prefect_seedance.pipeline import threads
from prefect_seedance.pipeline.parties import Account, Destination
from prefect_seedance.pipeline.prices import how_to_set, price_list
from prefect_seedance.pipeline.submit.preparation import media_context
from prefect_seedance.plain_text import coin_words
from prefect_seedance.redaction import without_signatures
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.parallel import in_order

#: Seconds that the vendor may take to tell the balance: a plan is worth something without it.
BALANCE_SECONDS = 15.0
#: References that are looked at together, each of which may be a download.
LOOKS_AT_ONCE = 8
#: So few videos are read one by one: a listing would cost as much.
_FEW = 16
#: How many records are listed to learn which are there: of a journal with more, each video's own is asked for.
_MOST_LISTED, _LISTED_PER_VIDEO = 20_000, 50
#: What the look at a reference may raise where it could not be made just now.
_NOT_NOW = (SeedanceError, StorageError, JournalError)

_NO_ROOM = "Rows that do not fit will be over budget, and nothing is paid for them."

_STANDING: Mapping[Decision, RowStanding] = {
    Decision.SUBMIT: "new",
    Decision.RESUBMIT: "new",
    Decision.ATTACH: "going_on",
    Decision.WAIT: "going_on",
    Decision.ALREADY_STORED: "stored",
    Decision.STOP_UNKNOWN: "unknown",
    Decision.STOP_FAILED: "failed",
    Decision.STOP_USED_UP: "failed",
    Decision.STOP_LOST: "failed",
}


class ExpectedTimes(Protocol):
    """What is known of how long the vendor takes."""

    def expected_seconds(self, model: str, resolution: str, duration: int) -> float | None:
        """Return how long a video is likely to take, as its resolution was asked; None if none of its like is known."""
        ...


@dataclass
class _Seen:
    """What has been found out about one row."""

    row: Row
    standing: RowStanding = "new"
    problems: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    identities: Mapping[str, str] = field(default_factory=dict[str, str])
    intent: str = ""
    shared_with: int = 0
    reference_seconds: tuple[float, ...] = ()
    price: Estimate | None = None
    expected_seconds: float | None = None

    @property
    def asked(self) -> VideoRequest:
        """The request. Only rows that are not invalid have one."""
        assert self.row.request is not None
        return self.row.request

    @property
    def resolution(self) -> str:
        """What is made."""
        route = route_for(self.asked.model_name)
        return route.output_resolution(self.asked.resolution) if route else self.asked.resolution

    def put_off(self, standing: RowStanding, problems: Iterable[str] = ()) -> None:
        """Note that it is not submitted, and why."""
        self.standing = standing
        self.problems += problems


def make_plan(
    manifest: Manifest,
    account: Account,
    destination: Destination,
    options: BatchOptions,
    *,
    scope: str,
    follower: Follower,
    history: ExpectedTimes,
    ignored_parameters: Collection[str] = (),
    has_key: bool = True,
) -> BatchPlan:
    """Find out what a batch would do and cost. Blocking, and free.

    What is stored is believed to be there, as the journal says: only the batch itself looks at each video.

    Args:
        manifest: The rows.
        account: Who would pay.
        destination: Where the videos would go, and where the journal is.
        options: Of the batch.
        scope: What the videos are shared within; see `journal.identity`.
        follower: Follows it, and may end it.
        history: How long videos have taken.
        ignored_parameters: Names of parameters of links that do not count for the identity.
        has_key: Whether the account has a key. Without one, what only a key can tell is left out.

    Raises:
        JournalError, StorageError: The journal cannot be read.
        PreparationCancelled: The run was cancelled.
    """
    balance = threads.start(threads.LOOKUPS, _balance, account) if options.preflight and has_key else None
    context = media_context(account, destination)
    materials = SharedMaterials(context, follower)
    settings = OrderSettings(
        scope=scope,
        key_template=destination.key_template,
        posters=options.posters,
        ignored_parameters=tuple(ignored_parameters),
        preflight=options.preflight,
        part=options.part_of,
    )
    orders = place_orders(manifest.rows, account, destination, settings, follower, materials=materials)
    rows = [*map(_seen, orders.placed)]
    _find_duplicates(_left(rows))
    policy = SubmissionPolicy(max_submissions=options.max_submissions)
    _look_up(_left(rows), destination.journal, policy, follower)
    if options.preflight:
        look = partial(look_at, context=context, follower=follower, materials=materials)
        _look_at_references(_left(rows), look, follower, has_key=has_key)
    prices = price_list(account, cancelled=follower.cancelled.is_set)
    for seen in _left(rows):
        seen.price = prices.price(seen.asked, reference_seconds=seen.reference_seconds)
    for seen in rows:
        if seen.standing in ("new", "going_on"):
            asked = seen.asked
            seen.expected_seconds = history.expected_seconds(asked.model_name, asked.resolution, asked.duration)
    available, balance_notice = _awaited(balance, follower)
    notices = [
        *manifest.notices,
        *_price_notices(_left(rows), prices.problem),
        *_money_notices(_left(rows), available),
        *_budget_notices(_left(rows), account, destination, options.max_cost),
        *([balance_notice] if balance_notice else []),
        *([] if has_key else ["There is no API key: the balance is not known, and assets were not looked at."]),
        *_time_notices(rows),
    ]
    return BatchPlan(
        source=manifest.source,
        manifest_sha256=manifest.sha256,
        account=account.label,
        scope=scope_words(options),
        part=options.part,
        notices=notices,
        balance=available,
        expected_seconds=_wall_seconds(rows, options.max_in_flight),
        rows=[_planned(seen) for seen in rows],
    )


def scope_words(options: BatchOptions) -> str:
    """Return in words what the videos of a batch with these options are shared within.

    Example:
        >>> scope_words(BatchOptions(reuse="scope", reuse_scope="2026-11-27"))
        "the scope '2026-11-27': a row is bought once within it"
    """
    match options.reuse:
        case "always":
            return "always: a row is bought once, whichever run asks"
        case "scope":
            return f"the scope {options.reuse_scope!r}: a row is bought once within it"
        case "run":
            return "each run by itself: every new run buys all rows anew"
        case "auto":
            return (
                "always, where a person or another program starts the batch; a run that a schedule makes buys all rows "
                "anew"
            )


def _left(rows: Sequence[_Seen]) -> list[_Seen]:
    """Return the rows that would be paid for, as far as is known by now."""
    return [seen for seen in rows if seen.standing == "new"]


def _seen(placed: PlacedRow) -> _Seen:
    """Return what is known of a row once its video is worked out."""
    seen = _Seen(placed.row, warnings=[*placed.doubts])
    if placed.order is None:
        standing = "refused" if placed.row.is_passing else "invalid"
        seen.put_off(standing, (each.in_its_row for each in placed.row.problems))
    else:
        seen.intent, seen.identities = placed.order.intent, placed.order.sources
    if not placed.in_part:
        seen.put_off("other_part")
    return seen


def _find_duplicates(rows: Sequence[_Seen]) -> None:
    first: dict[str, _Seen] = {}
    for seen in rows:
        owner = first.setdefault(seen.intent, seen)
        if owner is not seen:
            seen.put_off("duplicate")
            seen.shared_with = owner.row.number


def _look_up(rows: Sequence[_Seen], journal: Journal, policy: SubmissionPolicy, follower: Follower) -> None:
    """Look up what is there already. What has no record is known from one listing, and costs no request of its own."""
    there: set[str] | None = None
    if len(rows) > _FEW:
        most = max(_MOST_LISTED, _LISTED_PER_VIDEO * len(rows))
        listed = [*islice(journal.intents(), most + 1)]
        there = set(listed) if len(listed) <= most else None
    known = [seen for seen in rows if there is None or seen.intent in there]
    read = partial(_entry_of, journal)
    with closing(in_order([seen.intent for seen in known], read, check=follower.check)) as entries:
        for seen, entry in zip(known, entries, strict=True):
            _judge(seen, entry, journal, policy)


def _entry_of(journal: Journal, intent: str) -> Entry | JournalError | None:
    try:
        return journal.read(intent)
    except (RecordDamaged, RecordTooNew) as error:
        return error


def _judge(seen: _Seen, entry: Entry | JournalError | None, journal: Journal, policy: SubmissionPolicy) -> None:
    if entry is None:
        return
    if isinstance(entry, JournalError):
        seen.put_off("unknown", [str(entry)])
        return
    decision = decide(entry.record, age_seconds=entry.age_seconds, policy=policy).decision
    seen.standing = _STANDING[decision]
    if seen.standing in ("unknown", "failed"):
        where = journal.uri_of(seen.intent)
        seen.problems.append(str(stop_error(decision, entry.record, policy, where, journal.store_option)))


class _Looks(Protocol):
    def __call__(self, asked: VideoRequest, identities: Mapping[str, str], /) -> Looked: ...


def _look_at_references(rows: Sequence[_Seen], look: _Looks, follower: Follower, *, has_key: bool) -> None:
    """Look at the references of new rows: once for all rows that have the same ones."""
    alike: dict[object, list[_Seen]] = {}
    for seen in rows:
        if not (places := seen.asked.references()):
            continue
        if not has_key and any(read_source(text).kind == "asset" for _, text in places):
            seen.warnings.append("its references were not looked at: assets need the API key")
            continue
        key = (seen.asked.model_name, bool(seen.asked.other_model), *places)
        alike.setdefault(key, []).append(seen)

    def looked_at(group: list[_Seen]) -> Looked | str:
        try:
            return look(group[0].asked, group[0].identities)
        except _NOT_NOW as error:
            return f"its references could not be looked at just now: {error}"

    with closing(in_order(alike.values(), looked_at, at_once=LOOKS_AT_ONCE, check=follower.check)) as looks:
        for group, looked in zip(alike.values(), looks, strict=True):
            for seen in group:
                _tell(seen, looked)
    follower.check()


def _tell(seen: _Seen, looked: Looked | str) -> None:
    if isinstance(looked, str):
        seen.warnings.append(looked)
        return
    seen.reference_seconds = looked.reference_seconds
    seen.warnings += [str(each) for each in looked.problems if each.level == "warn"]
    if refusals := [str(each) for each in looked.problems if each.level == "refuse"]:
        seen.put_off("invalid", refusals)


def _balance(account: Account) -> float | None:
    with account.client() as client:
        return client.user_balance(max_retries=1, timeout=BALANCE_SECONDS).available


def _awaited(balance: Future[float | None] | None, follower: Follower) -> tuple[float | None, str]:
    """Return the balance once it is there, and why it is not known."""
    if balance is None:
        return None, ""
    while not balance.done():
        follower.pause(0.02)
    error = balance.exception()
    if error is None:
        return balance.result(), ""
    if isinstance(error, RateLimited):
        return None, "The balance is not known: the vendor asks for fewer requests just now."
    said = str(error) if isinstance(error, SeedanceError) else words_of(error)
    return None, f"The balance is not known, and a batch would stop here: {said}"


def _price_notices(new: Sequence[_Seen], problem: str) -> Iterator[str]:
    unknown = [seen for seen in new if seen.price is None]
    if not unknown:
        return
    names = dict.fromkeys(own_name(seen.asked) for seen in unknown)
    shown = both([*islice(names, 5), *([f"{len(names) - 5} more"] if len(names) > 5 else [])])
    why = f" The vendor's price catalog could not be read: {problem}" if problem else ""
    yield f"The price of {_rows(len(unknown))} is unknown. {how_to_set(shown)}.{why}"


def _total(new: Sequence[_Seen]) -> float:
    return round(sum(seen.price.coins for seen in new if seen.price), 6)


def _budget_notices(new: Sequence[_Seen], account: Account, destination: Destination, max_cost: float) -> Iterator[str]:
    """Yield which budgets have too little room for the new rows."""
    total = _total(new)
    if max_cost and total > max_cost:
        yield f"max_cost is {coin_words(max_cost)}, and the new rows cost {coin_words(total)}. {_NO_ROOM}"
    if not account.limits:
        return
    ledgers = destination.ledgers_of(account)
    budget = Budget(ledgers, account=account.label, limits=account.limits, journal=destination.journal)
    try:
        limits = budget.standing().limits
    except SeedanceError as error:
        yield f"The state of the budgets is not known, and a batch would stop here: {error}"
        return
    for each in limits:
        counts = each.budget == "daily_videos"
        needed = float(len(new)) if counts else total
        if each.limit and each.left is not None and needed > each.left:
            words = _videos if counts else coin_words
            until = f" until {each.ends_at:%Y-%m-%d %H:%M} UTC" if each.ends_at else ""
            yield (
                f"{each.budget} is {words(each.limit)}, with {words(each.left)} left{until}, and the new rows "
                f"take {words(needed)}. {_NO_ROOM}"
            )


def _videos(count: float) -> str:
    return f"{count:.0f} video{'s' if count != 1 else ''}"


def _money_notices(new: Sequence[_Seen], available: float | None) -> Iterator[str]:
    total = _total(new)
    if available is None or total <= available:
        return
    least = "at least " if any(seen.price is None for seen in new) else ""
    yield (
        f"The balance is too small: it is {coin_words(available)}, and the new rows cost "
        f"{least}{coin_words(total)}. Add {least}{coin_words(total - available)} before the batch, "
        "or run a part of it."
    )


def _time_notices(rows: Sequence[_Seen]) -> Iterator[str]:
    waited = [seen for seen in rows if seen.standing in ("new", "going_on")]
    silent = dict.fromkeys(seen.asked.model_name for seen in waited if seen.expected_seconds is None)
    if silent and len(silent) < len({seen.asked.model_name for seen in waited}):
        yield f"How long {both([*silent])} takes is not known yet: the median of the others is assumed."


def _wall_seconds(rows: Sequence[_Seen], max_in_flight: int) -> float | None:
    """Return how long the batch is likely to take: its rows in their order, so many at a time."""
    waited = [seen.expected_seconds for seen in rows if seen.standing in ("new", "going_on")]
    known = [seconds for seconds in waited if seconds is not None]
    if not waited:
        return 0.0
    if not known:
        return None
    usual = statistics.median(known)
    free_at = [0.0] * min(max_in_flight, len(waited))
    for seconds in waited:
        heapq.heapreplace(free_at, free_at[0] + (usual if seconds is None else seconds))
    return max(free_at)


def _rows(count: int) -> str:
    return f"{count} row{'s' if count != 1 else ''}"


def _planned(seen: _Seen) -> PlannedRow:
    row, request = seen.row, seen.row.request
    asked = (
        {
            "model": request.model_name,
            "prompt": without_signatures(request.prompt),
            "take": request.take,
            "duration": request.duration,
            "resolution": seen.resolution,
        }
        if request
        else {name: row.given.get(name, "") for name in ("model", "prompt")}
    )
    is_new = seen.standing == "new"
    return PlannedRow.model_validate(
        {
            **asked,
            "number": row.number,
            "name": row.name,
            "standing": seen.standing,
            "problems": seen.problems,
            "warnings": seen.warnings,
            "intent": seen.intent,
            "shared_with": seen.shared_with,
            "price": (seen.price.coins if seen.price else None) if is_new else 0.0,
            "price_source": seen.price.origin if seen.price else "",
            "expected_seconds": seen.expected_seconds,
        }
    )
