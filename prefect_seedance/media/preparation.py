"""From a request as asked to the one that is sent: every reference checked, and made into what its route takes.

Free, and safe to repeat: what is uploaded or audited is remembered by its content (`memos`). So it is done ahead, and
once more right before a submission is claimed, where nearly all of it is a look into memory; what has ended meanwhile
is made anew.

What a reference becomes follows from its route's row alone:

    the route takes     a link          s3://                        a file, a frame     asset://
    https               as it is        signed, where the vendor     uploaded            refused, unless taken too
                                        can reach it; else uploaded
    audited assets      audited         the same, then audited       the same, audited   its state is asked
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.problems import Problem
from prefect_seedance.client.request.references import require_sendable
from prefect_seedance.client.request.routes import MediaKind, Route, UrlForm, kind_at, route_for
from prefect_seedance.client.request.sources import Source, UnusableSource, read_source
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import input_digest
from prefect_seedance.journal.media_identity import media_identity, shown_address
from prefect_seedance.media.assets import ACTIVE_SECONDS, Library, audited_asset, input_of, require_active
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import ContentChanged, UnusableReference
from prefect_seedance.media.facts import ReferenceFacts
from prefect_seedance.media.finding import find_material
from prefect_seedance.media.identification import problem_of, worded
from prefect_seedance.media.inspection import inspect
from prefect_seedance.media.links import LinkedFile, look_at_link, seconds_left, why_unreachable
from prefect_seedance.media.material import Material
from prefect_seedance.media.memos import Memos
from prefect_seedance.media.memos.failed_use import FailedUse
from prefect_seedance.media.preflight import check_facts
from prefect_seedance.media.uploads import is_by_content, memo_name, require_uploadable, uploaded_link
from prefect_seedance.storage.parallel import in_order

T = TypeVar("T")

#: What is prepared has to be good for so long when a submission is claimed; for the wait limit, if that is longer.
GOOD_SECONDS = 2 * 3600.0
#: A link that is signed lives for so long beyond that.
_SIGNED_BEYOND_SECONDS = 3600.0


@dataclass(frozen=True)
class PreparedRequest:
    """What is sent for a request. Its links grant access: it is handed to the client, and kept nowhere.

    Attributes:
        request: The request with references that its route takes.
        reference_seconds: Length of each reference video, 0 where it is not known.
        inputs: Digests (`input_digest`) of the links to its references: those that are sent, and those that the
            vendor made the sent assets of.
    """

    request: VideoRequest
    reference_seconds: tuple[float, ...] = ()
    inputs: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.request.model_name})"


@dataclass(frozen=True)
class _Reference:
    """One reference where it stands in the request."""

    place: str
    text: str
    source: Source
    kind: MediaKind
    forms: tuple[UrlForm, ...]
    libraries: tuple[Library, ...]

    @property
    def needs_asset(self) -> bool:
        return "https" not in self.forms

    @property
    def shown(self) -> str:
        """The reference for people, as records show it: without what may grant access."""
        return shown_address(self.text)

    @property
    def sharing_key(self) -> tuple[str, MediaKind, bool]:
        """What two references have in common that become the same address."""
        return self.text, self.kind, self.needs_asset


@dataclass(frozen=True)
class _Found:
    """What a reference turned out to be; nothing of an asset."""

    material: Material | None = None
    link: LinkedFile | None = None
    facts: ReferenceFacts | None = None


def prepare(
    asked: VideoRequest,
    identities: Mapping[str, str],
    context: MediaContext,
    follower: Follower,
    *,
    preflight: bool = True,
    wait_seconds: float = 0.0,
    failed: FailedUse | None = None,
    believed_seconds: float = ACTIVE_SECONDS,
) -> PreparedRequest:
    """Check all references of a request, and make them into what its route takes. Blocking.

    Args:
        asked: As the user asked it.
        identities: What `identify_sources` returned when the request got its identity.
        context: Where references come from, and for whom.
        follower: Follows it, and may end it.
        preflight: Whether links are looked at, and everything is measured by the rules of the route.
        wait_seconds: How long the video will be waited for: links have to live for as long.
        failed: The last submission of this video whose references the vendor could not use, None if there was none:
            what was made before is made anew.
        believed_seconds: For how long an answer that an asset can be used is believed; 0 asks anew.

    Raises:
        InvalidRequest: With everything that is wrong with any of them.
        PreparationCancelled: The run is cancelled.
        SeedanceError: The vendor could not be reached.
        StorageError, JournalError: The store could not be reached.
    """
    references = [*_references(asked)]
    if not references:
        return PreparedRequest(asked)
    memos = Memos(context.store, context.vendor.label)
    job = _Job(context, memos, follower, max(GOOD_SECONDS, wait_seconds), failed, believed_seconds)
    found, measured, problems = _looked_at(asked, references, identities, job, preflight)
    _refuse(problems)
    for problem in problems:
        follower.log(str(problem), level=logging.WARNING)
    # The same text in several places of a field is one thing.
    once = {each.sharing_key: each for each in reversed(references)}
    sent, problems = _each(
        [*once.values()][::-1], lambda each: job.address(each, found.get(each.text, _Found())), follower
    )
    _refuse(problems)
    request = _with_addresses(asked, {each.place: sent[once[each.sharing_key].place].address for each in references})
    require_sendable(request, allow_loopback=context.policy.allow_loopback)
    lengths = [measured.get(f"reference_videos[{index}]") for index in range(len(asked.reference_videos))]
    inputs = dict.fromkeys(digest for each in sent.values() for digest in each.inputs)
    return PreparedRequest(request, tuple(each.seconds if each else 0.0 for each in lengths), tuple(inputs))


@dataclass(frozen=True)
class Looked:
    """What a look at the references of a request tells, before anything is made of them.

    Attributes:
        problems: All that is wrong or doubtful.
        reference_seconds: Length of each reference video, 0 where it is not known.
    """

    problems: tuple[Problem, ...] = ()
    reference_seconds: tuple[float, ...] = ()


class SharedMaterials:
    """The contents behind the sources of many requests: each is found once, whoever asks first. Threads share it."""

    def __init__(self, context: MediaContext, follower: Follower) -> None:
        self._context, self._follower = context, follower
        self._lock = threading.Lock()
        self._found: dict[Source, Future[Material]] = {}

    def find(self, source: Source) -> Material:
        """Find the content of a source; see `find_material`. A failure is the same for all who ask."""
        ours: Future[Material] = Future()
        with self._lock:
            found = self._found.setdefault(source, ours)
        if found is ours:
            try:
                ours.set_result(find_material(source, self._context, self._follower))
            except BaseException as error:
                ours.set_exception(error)
        return found.result()


def look_at(
    asked: VideoRequest,
    identities: Mapping[str, str],
    context: MediaContext,
    follower: Follower,
    *,
    materials: SharedMaterials,
    preflight: bool = True,
) -> Looked:
    """Look at the references of a request as `prepare` does, and make nothing of them. Blocking.

    Args:
        asked: As the user asked it.
        identities: What its files and objects are in its identity.
        context: Where references come from, and for whom.
        follower: Follows it, and may end it.
        materials: Shared with other requests.
        preflight: See `prepare`.

    Raises:
        PreparationCancelled, SeedanceError, StorageError, JournalError: See `prepare`.
    """
    job = _Job(context, Memos(context.store, context.vendor.label), follower, GOOD_SECONDS, None, ACTIVE_SECONDS)
    references = [*_references(asked)]
    _, measured, problems = _looked_at(asked, references, identities, job, preflight, materials)
    lengths = [measured.get(f"reference_videos[{index}]") for index in range(len(asked.reference_videos))]
    return Looked(tuple(problems), tuple(each.seconds if each else 0.0 for each in lengths))


def refusals_of(
    asked: VideoRequest,
    context: MediaContext,
    follower: Follower,
    *,
    preflight: bool = True,
    materials: SharedMaterials | None = None,
) -> list[Problem]:
    """Return all that keeps the references of a request from being prepared, as far as a look at them tells. Blocking.

    For a request with sources that cannot even be identified, so that one error says what is wrong with the others too.

    Args:
        asked: As the user asked it.
        context: Where references come from, and for whom.
        follower: Follows it, and may end it.
        preflight: See `prepare`.
        materials: Shared with other requests, so that what several name is read once.

    Raises:
        PreparationCancelled, SeedanceError, StorageError, JournalError: See `prepare`.
    """
    job = _Job(context, Memos(context.store, context.vendor.label), follower, GOOD_SECONDS, None, ACTIVE_SECONDS)
    texts = {text for _, text in asked.references() if _is_readable(text)}  # a copy may hold any text
    _, _, problems = _looked_at(asked, [*_references(asked, texts)], None, job, preflight, materials)
    return [problem for problem in problems if problem.level == "refuse"]


def _looked_at(
    asked: VideoRequest,
    references: list[_Reference],
    identities: Mapping[str, str] | None,
    job: _Job,
    preflight: bool,
    materials: SharedMaterials | None = None,
) -> tuple[dict[str, _Found], dict[str, ReferenceFacts], list[Problem]]:
    """Look at all references: what they are by their texts, their measures by their places, and what is wrong."""
    materials = materials or SharedMaterials(job.context, job.follower)
    found, problems = _find_all(references, identities, job.context, job.follower, preflight, materials)
    facts = {each.place: found[each.text].facts for each in references if each.text in found}
    measured = {place: fact for place, fact in facts.items() if fact is not None}
    if preflight:
        problems += check_facts(asked, measured)
    told = {problem.field for problem in problems if problem.level == "refuse"}
    problems += [
        problem
        for each in references
        if each.place not in told
        for problem in _ending(each, found.get(each.text), job.needed_seconds)
    ]
    refused = {problem.field for problem in problems if problem.level == "refuse"}
    left = {each.sharing_key: each for each in reversed(references) if each.text in found and each.place not in refused}
    _, more = _each([*left.values()][::-1], lambda each: job.check(each, found[each.text]), job.follower)
    return found, measured, problems + more


def _is_readable(text: str) -> bool:
    try:
        read_source(text)
    except UnusableSource:
        return False
    return True


def _references(asked: VideoRequest, texts: Container[str] | None = None) -> Iterator[_Reference]:
    """Yield the references of a request, or those with these texts."""
    route = route_for(asked.model_name)
    for place, text in asked.references():
        if texts is not None and text not in texts:
            continue
        forms: tuple[UrlForm, ...] = ("https", "asset")
        if route is not None:
            rule = route.urls.of(place)
            forms = rule.forms + rule.unknown
        yield _Reference(place, text, read_source(text), kind_at(place), forms, _libraries(route, forms))


def _libraries(route: Route | None, forms: tuple[UrlForm, ...]) -> tuple[Library, ...]:
    """Return whose assets a route takes; where nothing says so, whichever knows the id."""
    if route is not None and forms == ("asset",):
        return ("manxue",)
    if route is not None and route.family.startswith("sp-"):
        return ("sp",)
    return ("sp", "manxue")


def _find_all(
    references: list[_Reference],
    identities: Mapping[str, str] | None,
    context: MediaContext,
    follower: Follower,
    preflight: bool,
    materials: SharedMaterials,
) -> tuple[dict[str, _Found], list[Problem]]:
    def find(each: _Reference) -> _Found:
        follower.check()
        return _found(each, identities, context, follower, preflight, materials)

    # Where one of several places of a text needs an audit, all of them are looked at as the audit needs it.
    once = {each.text: each for each in sorted(references, key=lambda each: each.needs_asset)}
    found, problems = _each([*once.values()], find, follower)
    return {once_text: found[each.place] for once_text, each in once.items() if each.place in found}, problems


def _found(
    each: _Reference,
    identities: Mapping[str, str] | None,
    context: MediaContext,
    follower: Follower,
    preflight: bool,
    materials: SharedMaterials,
) -> _Found:
    match each.source.kind:
        case "asset":
            return _Found()
        case "https":
            if not preflight and not each.needs_asset:
                return _Found()
            link = look_at_link(each.source.address, context.policy, follower, measure=preflight)
            return _Found(link=link, facts=link.facts if preflight else None)
        case _:
            material = materials.find(each.source)
            if identities is not None and material.identity != identities.get(each.text):
                raise ContentChanged
            return _Found(material, facts=_facts_of(material, follower) if preflight else None)


def _ending(each: _Reference, found: _Found | None, needed_seconds: float) -> Iterator[Problem]:
    """Yield what is wrong with a signed link that may end before the vendor has read it. Its host knows best."""
    left = seconds_left(each.source.address) if each.source.kind == "https" else None
    if left is None or left >= (0 if each.needs_asset else needed_seconds):  # an audit reads it at once
        return
    is_over = left <= 0 and not (found and found.link)
    when = "ended" if left <= 0 else f"ends in {max(1, round(left / 60))} minutes"
    message = worded(each.text, f"by its own words the link {when}, and the vendor may read it later")
    fix = "Sign it for longer than the video may take, or pass the file itself or its s3:// address"
    yield Problem(each.place, "link in force", message, fix, "refuse" if is_over else "warn")


def _each(
    references: list[_Reference], work: Callable[[_Reference], T], follower: Follower
) -> tuple[dict[str, T], list[Problem]]:
    """Do something for each reference, for several at once; return the results by place, and what went wrong."""

    def tried(each: _Reference) -> T | Problem:
        try:
            return work(each)
        except UnusableReference as error:
            return problem_of(each.place, each.text, error, "warn" if error.may_be_us else "refuse")

    done: dict[str, T] = {}
    problems: list[Problem] = []
    with closing(in_order(references, tried, check=follower.check)) as results:
        for each, result in zip(references, results, strict=True):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                done[each.place] = result
    return done, problems


def _refuse(problems: list[Problem]) -> None:
    if refusals := [problem for problem in problems if problem.level == "refuse"]:
        raise InvalidRequest(refusals)


@dataclass(frozen=True)
class _Sent:
    """What is sent for a reference; for `inputs` see `PreparedRequest`."""

    address: str = field(repr=False)
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Job:
    """Makes addresses that can be sent."""

    context: MediaContext
    memos: Memos
    follower: Follower
    needed_seconds: float
    failed: FailedUse | None
    believed_seconds: float

    def check(self, each: _Reference, found: _Found) -> None:
        """Check what can be told before anything is uploaded or waited for.

        Raises:
            UnusableReference: It cannot be made into what its route takes.
        """
        if each.source.kind == "asset":
            self._require_active(each, is_patient=False)
        elif found.material is not None and self._signed(each, found.material) is None:
            try:
                require_uploadable(found.material)
            except UnusableReference:
                kind = "audit" if each.needs_asset else "upload"
                if self.memos.read(kind, self._memo_name(each, found)) is None:  # what is there needs no upload
                    raise

    def _require_active(self, each: _Reference, *, is_patient: bool = True) -> None:
        asset_id = each.source.address.removeprefix("asset://")
        require_active(
            each.libraries,
            asset_id,
            self.context,
            self.follower,
            place=each.place,
            believed_seconds=self.believed_seconds,
            is_patient=is_patient,
        )

    def address(self, each: _Reference, found: _Found) -> _Sent:
        """Return what is sent for a reference.

        Raises:
            UnusableReference: It cannot be made.
        """
        if each.source.kind == "asset":
            self._require_active(each)
            return _Sent(each.source.address)
        if not each.needs_asset:
            link = self._public(each, found)
            return _Sent(link, (input_digest(link),))
        asset = audited_asset(
            self._memo_name(each, found),
            each.kind,
            lambda: self._public(each, found),
            self.context,
            self.memos,
            self.follower,
            place=each.place,
            shown=each.shown,
            by_content=found.material is not None and is_by_content(found.material.identity),
            failed=self.failed,
            believed_seconds=self.believed_seconds,
        )
        return _Sent(f"asset://{asset.value}", input_of(asset))

    def _memo_name(self, each: _Reference, found: _Found) -> str:
        if found.material is not None:
            return memo_name(found.material.identity)
        if found.link is not None:
            return found.link.content_name
        # It could not be read from here: nothing tells whether its content is still the same, so that a day is enough.
        told_by = f"{media_identity(each.text)} {datetime.now(UTC):%Y-%m-%d}"
        return hashlib.sha256(told_by.encode()).hexdigest()

    def _public(self, each: _Reference, found: _Found) -> str:
        """Return an address of it that the vendor can read."""
        material = found.material
        if material is None:
            return each.source.address
        return self._signed(each, material) or uploaded_link(
            material,
            self.context,
            self.memos,
            self.follower,
            place=each.place,
            shown=each.shown,
            needed_seconds=self.needed_seconds,
            failed=self.failed,
        )

    def _signed(self, each: _Reference, material: Material) -> str | None:
        """Return a signed link to an object, where the vendor can use one."""
        # The vendor may go by the name that a link ends with; what is uploaded is named after its content.
        named_otherwise = each.source.address.lower().endswith(".gif") and not material.name.endswith(".gif")
        if each.source.kind != "s3" or each.source.last_frame or named_otherwise:
            return None
        link = material.sign_link(self.needed_seconds + _SIGNED_BEYOND_SECONDS)
        if link is None or why_unreachable(link.address, self.context.policy, self.follower):
            return None
        return link.address


def _with_addresses(asked: VideoRequest, sent: Mapping[str, str]) -> VideoRequest:
    fields: dict[str, object] = {name: sent[name] for name in ("first_image", "last_image") if name in sent}
    for name in ("images", "reference_videos", "reference_audios"):
        texts: list[str] = getattr(asked, name)
        fields[name] = [sent[f"{name}[{index}]"] for index in range(len(texts))]
    return asked.model_copy(update=fields)


_REMEMBERED = 4096
_facts: OrderedDict[str, ReferenceFacts] = OrderedDict()
_facts_lock = threading.Lock()


def _facts_of(material: Material, follower: Follower) -> ReferenceFacts:
    """Measure a content; once per process, however many videos it is a reference of."""
    with _facts_lock:
        if (known := _facts.get(material.identity)) is not None:
            _facts.move_to_end(material.identity)
            return known
    with material.open_read() as file:
        facts = inspect(file, size=material.size, cancelled=follower.cancelled)
    follower.check()  # a cancelled look has seen nothing
    with _facts_lock:
        _facts[material.identity] = facts
        while len(_facts) > _REMEMBERED:
            _facts.popitem(last=False)
    return facts
