"""From rows to videos: files identified by their content, intents computed, equal rows brought together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from prefect_seedance.batch.parts import is_in_part, is_invalid_row_in_part
from prefect_seedance.batch.rows import Row, RowProblem
from prefect_seedance.client.errors import InvalidRequest, SeedanceError
from prefect_seedance.client.request.problems import Problem
from prefect_seedance.client.request.references import require_valid
from prefect_seedance.client.request.sources import names_content
from prefect_seedance.journal.errors import JournalError, MediaNotIdentified
from prefect_seedance.journal.media_identity import link_notices
from prefect_seedance.media.preparation import SharedMaterials
from prefect_seedance.pipeline.order import Order, place_order
from prefect_seedance.pipeline.submit.preparation import identify, media_context
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.parallel import in_order

if TYPE_CHECKING:
    from prefect_seedance.client.request.video_request import VideoRequest
    from prefect_seedance.media.context import Follower
    from prefect_seedance.pipeline.parties import Account, Destination

_IDENTIFIED_AT_ONCE = 16
#: Longest list of what is doubtful that a report repeats.
_MOST_NOTICES = 20


@dataclass(frozen=True)
class WantedVideo:
    """One video, and the rows that ask for it.

    Attributes:
        order: What is asked for.
        rows: In the manifest's order; the first one gives the video its name.
    """

    order: Order
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class PlacedRow:
    """What one row of a manifest comes to.

    Attributes:
        row: The row, with all that is wrong with it.
        order: The video that it asks for; None if it cannot be ordered.
        doubts: What is doubtful about it.
        in_part: Whether this part makes it, or reports why it cannot be made.
    """

    row: Row
    order: Order | None
    doubts: tuple[str, ...]
    in_part: bool


@dataclass(frozen=True)
class Orders:
    """What the rows of a manifest come to.

    Attributes:
        placed: Each row, in the manifest's order.
    """

    placed: tuple[PlacedRow, ...]

    @cached_property
    def videos(self) -> tuple[WantedVideo, ...]:
        """Each video of this part once, in the order of their first rows."""
        rows: dict[str, list[Row]] = {}
        orders: dict[str, Order] = {}
        for each in self.placed:
            if each.order is not None and each.in_part:
                orders.setdefault(each.order.intent, each.order)
                rows.setdefault(each.order.intent, []).append(each.row)
        return tuple(WantedVideo(order, tuple(rows[intent])) for intent, order in orders.items())

    @cached_property
    def invalid(self) -> tuple[Row, ...]:
        """The rows of this part that cannot be ordered."""
        return tuple(each.row for each in self.placed if each.order is None and each.in_part)

    @cached_property
    def other_parts(self) -> tuple[Row, ...]:
        """The rows that another part makes."""
        return tuple(each.row for each in self.placed if not each.in_part)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is doubtful about the rows, each said once."""
        return tuple(_notices(Counter(doubt for each in self.placed for doubt in each.doubts)))


@dataclass(frozen=True)
class OrderSettings:
    """What all orders of a batch have in common; see `place_order`.

    Attributes:
        scope: What the videos are shared within.
        key_template: Of the store.
        run_name: Name of the flow run.
        notify: Names of the saved notification blocks that are told.
        posters: Whether poster frames are made.
        ignored_parameters: Names of parameters of links that do not count for the identity.
        preflight: Whether, where a reference cannot be read, the others of its row are looked at too.
        part: Which part of how many.
    """

    scope: str
    key_template: str
    run_name: str = ""
    notify: tuple[str, ...] = ()
    posters: bool = True
    ignored_parameters: tuple[str, ...] = ()
    preflight: bool = True
    part: tuple[int, int] = (1, 1)


def place_orders(
    rows: Sequence[Row],
    account: Account,
    destination: Destination,
    settings: OrderSettings,
    follower: Follower,
    *,
    materials: SharedMaterials | None = None,
) -> Orders:
    """Work out the video of each row. Blocking: files and objects are read for their identity, several at once.

    Args:
        rows: Of the manifest.
        account: Who pays, or would.
        destination: Where the videos go; its credentials read objects.
        settings: What all have in common.
        follower: May end it.
        materials: Shared with whoever looks at the references again.

    Raises:
        PreparationCancelled: The run is cancelled.
    """
    materials = materials or SharedMaterials(media_context(account, destination), follower)
    identities = _identities(rows, account, destination, settings, follower, materials)
    return Orders(tuple(_placed(row, account, settings, identities, follower) for row in rows))


def _placed(
    row: Row,
    account: Account,
    settings: OrderSettings,
    identities: Mapping[frozenset[str], Mapping[str, str] | Exception],
    follower: Follower,
) -> PlacedRow:
    follower.check()
    doubts: list[str] = []
    placed = _order_of(row, account, settings, identities, doubts)
    if isinstance(placed, Row):
        return PlacedRow(placed, None, tuple(doubts), is_invalid_row_in_part(row.number, settings.part))
    return PlacedRow(row, placed, tuple(doubts), is_in_part(placed.intent, settings.part))


def _order_of(
    row: Row,
    account: Account,
    settings: OrderSettings,
    identities: Mapping[frozenset[str], Mapping[str, str] | Exception],
    doubts: list[str],
) -> Order | Row:
    """Return the order of a row; the row with its problems if it cannot be ordered."""
    request = row.request
    if request is None or row.problems:
        return row
    try:
        doubts += map(str, [*require_valid(request), *link_notices(request, settings.ignored_parameters)])
        sources = identities.get(_to_be_read(request), {})
        if isinstance(sources, Exception):
            raise sources
        return place_order(
            request,
            scope=settings.scope,
            account=account.label,
            key_template=settings.key_template,
            run_name=settings.run_name,
            name=row.name,
            posters=settings.posters,
            notify=settings.notify,
            sources=sources,
            ignored_parameters=settings.ignored_parameters,
        )
    except InvalidRequest as error:
        return replace(row, problems=tuple(_as_row_problems(row, error)))
    except MediaNotIdentified as error:
        return replace(row, problems=(RowProblem(row.number, "", str(error).rstrip("."), "Edit the row"),))
    except (SeedanceError, StorageError, JournalError) as error:  # a store did not work just now
        fix = "Make sure that it can be read, then run it again"
        problem = RowProblem(row.number, "", str(error).rstrip("."), fix, passing=True)
        return replace(row, problems=(problem,))


def _as_row_problems(row: Row, error: InvalidRequest) -> Iterator[RowProblem]:
    for problem in error.problems:
        if isinstance(problem, Problem):
            yield RowProblem(row.number, problem.field, problem.message, problem.fix)
        else:
            yield RowProblem(row.number, "", str(problem).rstrip("."), "Edit the row")


def _identities(
    rows: Sequence[Row],
    account: Account,
    destination: Destination,
    settings: OrderSettings,
    follower: Follower,
    materials: SharedMaterials,
) -> dict[frozenset[str], Mapping[str, str] | Exception]:
    """Identify each set of files and objects once, and read each of them once, however many rows name it."""
    wanted: dict[frozenset[str], VideoRequest] = {}
    for row in rows:
        if row.request is not None and (texts := _to_be_read(row.request)):
            wanted.setdefault(texts, row.request)

    def identified(request: VideoRequest) -> Mapping[str, str] | Exception:
        try:
            return identify(request, account, destination, follower, preflight=settings.preflight, materials=materials)
        except (SeedanceError, StorageError) as error:
            follower.check()
            return error

    found = in_order(wanted.values(), identified, at_once=_IDENTIFIED_AT_ONCE, check=follower.check)
    return dict(zip(wanted, found, strict=True))


def _to_be_read(request: VideoRequest) -> frozenset[str]:
    """Return the references of a request whose identity is their content."""
    return frozenset(text for _, text in request.references() if names_content(text))


def _notices(doubts: Counter[str]) -> Iterator[str]:
    for words, count in doubts.most_common(_MOST_NOTICES):
        yield f"{count} row{'s' if count > 1 else ''}: {words}"
    if len(doubts) > _MOST_NOTICES:
        yield f"{len(doubts) - _MOST_NOTICES} more doubts about rows are left out here."
