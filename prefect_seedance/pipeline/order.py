"""An order: what is asked, its identity, and what becomes of the video. Computed once, and handed down."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import Identity, identify
from prefect_seedance.journal.record import Delivery
from prefect_seedance.storage.templates import KeyFacts, prefill


class Order:
    """One video that is asked for. Not to be changed once it is made.

    A plain class, since Prefect looks into every field of the dataclasses that a task is called with.

    What is sent is no part of it: links and assets end, so they are made fit for the route when they are needed.

    Attributes:
        asked: The request as the user asked it.
        identity: Of the request as asked.
        delivery: What becomes of the video, for the record.
        sources: What its files and objects are in the identity, by their texts.
    """

    __slots__ = ("asked", "delivery", "identity", "sources")

    def __init__(
        self,
        asked: VideoRequest,
        identity: Identity,
        delivery: Delivery,
        sources: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.asked, self.identity, self.delivery, self.sources = asked, identity, delivery, sources

    @property
    def intent(self) -> str:
        """The identity in short, 32 hex digits."""
        return self.identity.intent


def place_order(
    request: VideoRequest,
    *,
    scope: str,
    account: str,
    key_template: str,
    run_name: str = "",
    name: str = "",
    posters: bool = True,
    notify: Sequence[str] = (),
    sources: Mapping[str, str] = MappingProxyType({}),
    ignored_parameters: Collection[str] = (),
) -> Order:
    """Work out everything about a request that later steps need.

    Args:
        request: As the user asked it.
        scope: What the video is shared within.
        account: Label of the account that pays.
        key_template: Of the store.
        run_name: Name of the flow run, "" outside of one.
        name: What the user calls the video, "" for nothing. No part of the identity.
        posters: Whether a poster frame is made.
        notify: Names of the saved notification blocks that are told.
        sources: What `identify_sources` returned: the identities of files and objects, by their texts.
        ignored_parameters: Names of parameters of links that do not count for the identity.

    Raises:
        MediaNotIdentified: A reference has no identity.

    Example:
        >>> request = VideoRequest(prompt="A paper boat")
        >>> order = place_order(request, scope="", account="default", key_template="{intent}.mp4")
        >>> order.delivery.key_template
        '2e5b2ced3957ef68973738a4277cb3f2.mp4'
    """
    identity = identify(request, scope=scope, account=account, media=sources.get, ignored_parameters=ignored_parameters)
    delivery = Delivery(
        key_template=prefill(key_template, key_facts(identity, run_name, name)),
        name=name,
        notify=tuple(notify),
        posters=posters,
    )
    return Order(request, identity, delivery, sources)


def key_facts(identity: Identity, run_name: str, name: str = "") -> KeyFacts:
    """Gather what a key template may name."""
    return KeyFacts(
        intent=identity.intent,
        request_digest=identity.intent[:12],
        model=identity.model,
        take=identity.take,
        flow_run_name=run_name or "run",
        name=name or KeyFacts.name,
    )
