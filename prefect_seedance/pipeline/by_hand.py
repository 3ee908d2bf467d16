"""A video that a person brings in: from a link or a file into the place of its record, as if it had been fetched.

The last way on, where no repeat can cure what stands between a paid video and the store: its task id is not known, its
link is dead, its host serves something else, the vendor calls it failed. Nothing is asked of the vendor, so no key is
needed, and nothing can be paid.

It is checked as any other video: where the link may lead, by its first bytes, by its structure. The order of steps is
that of `deliver`, so the process may die at any moment, and the same call goes on. A person can overrule a doubt
whether it is whole; a video other than the one that is already there is not taken.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from prefect_seedance.asides import http_lines_are_asides
from prefect_seedance.client.models import VideoTask
from prefect_seedance.client.outcome import Accepted
from prefect_seedance.failpoints import reached
from prefect_seedance.journal.budget.reservation import UNLIMITED, Reservation
from prefect_seedance.journal.budget.settlement import book, settle_budget
from prefect_seedance.journal.commands import how_to_resolve
from prefect_seedance.journal.errors import ResolutionRefused
from prefect_seedance.journal.media_identity import shown_address
from prefect_seedance.journal.record import Run, is_stand_in
from prefect_seedance.journal.resolution import checked_intent
from prefect_seedance.journal.settlement.brought_video import (
    Completion,
    hold_for_video,
    let_go,
    record_brought,
)
from prefect_seedance.journal.states import State
from prefect_seedance.pipeline.deliver import (
    Extras,
    describe,
    facts_of,
    filename_of,
    key_for,
    metadata_of,
    provenance_of,
    write_once,
)
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.pipeline.observer import Event, Observer
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.redaction import shown_text
from prefect_seedance.storage.errors import Conflict, ForbiddenSource, KeyTaken, Missing, NotAVideo, SourceError
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.file_type import BoxWalk, looks_like, video_type
from prefect_seedance.storage.relay.local_file import FileSource
from prefect_seedance.storage.relay.policy import MediaPolicy
from prefect_seedance.storage.relay.relay import RelayedObject, VideoSource, relay
from prefect_seedance.storage.relay.source import MediaSource
from prefect_seedance.storage.templates import beside

_LONGEST_NAME = 255
_SAVE_IT = "Save the video in the vendor's console and bring in the file (on the command line: --file)."

#: At the end of what the relay says of a link: it is the person's own, and the vendor knows nothing of it.
_ANOTHER_LINK = f"Copy another link in the vendor's console, or: {_SAVE_IT}"
_OTHER_VIDEO = "If the one that you bring is right, move that object away and call again. Nothing is paid either way."


@dataclass(frozen=True)
class Brought:
    """What a person brings.

    Attributes:
        link: Where the video can be downloaded, "" if it is in a file. May hold a signature: it is shown nowhere.
        path: The file that holds it, "" if it is behind a link.
    """

    link: str = ""
    path: str = ""

    def __repr__(self) -> str:
        """Show no link."""
        return f"Brought({self.way}, {self.address!r})"

    @property
    def way(self) -> str:
        """How it comes: "link" or "file"."""
        return "link" if self.link else "file"

    @property
    def address(self) -> str:
        """Where it comes from, as anybody may read it: without what signs a link, and of a file only its name."""
        if self.link:
            return shown_address(self.link).partition("?")[0]
        return shown_text(Path(self.path).name, longest=_LONGEST_NAME)


def bring_in(
    brought: Brought,
    intent: str,
    destination: Destination,
    *,
    attempt: str = "",
    by: str = "",
    policy: MediaPolicy | None = None,
    despite_evidence: bool = False,
    run: Run = Run(),  # noqa: B008 - frozen
    observer: Observer = Observer(),  # noqa: B008 - frozen
    cancelled: threading.Event | None = None,
    ledgers: Store | None = None,
) -> StoredVideo:
    """Bring a video that a person has into the store, as the video of an attempt. Blocking; it can be repeated.

    Args:
        brought: The video.
        intent: Whose video it is.
        destination: Where it goes, and where the record is.
        attempt: Which attempt made it, see `Attempt.name`; may be "" where only one can be meant.
        by: Who brings it, for the record.
        policy: Where a link may lead; None for the destination's own rules.
        despite_evidence: Take it even if its structure says that it is not whole.
        run: Which run brings it, for the provenance.
        observer: Follows it.
        cancelled: Stops the relay between two chunks.
        ledgers: Where the budgets of the account are kept; None for the destination's own store.

    Raises:
        ResolutionRefused: It cannot be taken; the message says why, and what to do.
        KeyTaken: The store has another video in its place already.
        NotAVideo: The link leads to something else, which is kept in quarantine.
        SourceError: The link cannot be followed.
        StorageError: The store does not work.
        JournalError: The journal cannot be used.
    """
    intent = checked_intent(destination.journal, intent)
    source = _source_of(brought, intent, policy or destination.media)
    held = hold_for_video(destination.journal, intent, attempt.strip())
    stop, person = cancelled or threading.Event(), by or "a person"
    with http_lines_are_asides():
        return _Bringing(brought, source, held, destination, person, run, observer, stop, ledgers).run(despite_evidence)


@dataclass(frozen=True)
class _Bringing:
    """One video on its way into the store."""

    brought: Brought
    source: VideoSource
    completion: Completion
    destination: Destination
    by: str
    run_facts: Run
    observer: Observer
    cancelled: threading.Event
    ledgers: Store | None

    def run(self, despite_evidence: bool) -> StoredVideo:
        record, attempt, destination = self.completion.record, self.completion.attempt, self.destination
        store, task_id = destination.store, attempt.task_id
        key = key_for(destination, record, attempt, "")
        reached("relay.before")
        try:
            relayed = self._relayed(key, despite_evidence)
        except _LinkRefused:
            self._held()
            raise
        except (ResolutionRefused, NotAVideo, ForbiddenSource):
            let_go(destination.journal, self.completion)
            raise
        except Exception:
            self._held()
            raise
        reached("relay.after")
        stored = describe(VideoTask(task_id=task_id), record, attempt, relayed, destination)
        stored = stored.model_copy(update={"brought_by": self.brought.way, "submissions": self._submissions()})
        if (there := self._there_already(stored)) is not None:
            return there
        how: dict[str, JsonValue] = {
            "from": self.brought.way,
            "address": self.brought.address,
            "by": self.by,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "sha256": stored.sha256,
            "task_id_known": not is_stand_in(task_id),
            "note": "A person brought this video in. It was not fetched from the vendor.",
        }
        _write_over(store, beside(key, ".json"), provenance_of(stored, record, attempt, self.run_facts, how))
        reached("provenance.after")
        facts = facts_of(stored)
        booked: Reservation = UNLIMITED
        if self.completion.was_free:
            booked = book(destination.journal, record, attempt, attempt.cost, self.ledgers)
        now = record_brought(destination.journal, self.completion, facts, self.by)
        booked.settled(Accepted(task_id, cost=attempt.cost))
        settle_budget(destination.journal, now, self.ledgers)
        if now.stored is None or now.stored.sha256 != stored.sha256:
            raise KeyTaken(
                now.stored.uri if now.stored else stored.uri, "another video, which came meanwhile", _OTHER_VIDEO
            )
        told = {"bytes": stored.bytes, "cost": stored.cost}
        self.observer.tell(Event("stored", record.intent, task_id, stored.uri, told))
        extras = Extras(destination, self.observer, self.cancelled)
        extras.begin(record, relayed)
        return extras.added_to(stored, is_recorded=True)

    def _relayed(self, key: str, despite_evidence: bool) -> RelayedObject:
        record, task_id = self.completion.record, self.completion.attempt.task_id
        try:
            return relay(
                _Whole(self.source, despite_evidence),
                self.destination.store,
                key,
                metadata=metadata_of(record, task_id),
                filename=filename_of(record, "" if is_stand_in(task_id) else task_id),
                cancelled=self.cancelled,
                ours=record.stored is not None and record.stored.key == key,
                compared=True,
                despite_structure=despite_evidence,
            )
        except KeyTaken as taken:
            raise KeyTaken(taken.uri, taken.reason, _OTHER_VIDEO) from taken
        except SourceError as error:
            error.way_on = _ANOTHER_LINK
            raise
        except _NotWhole:
            reason = "The video is not whole: by its structure it ends in the middle, or has no index."
            fix = "Save it once more. If it plays to its end: set despite_evidence (on the command line: --yes)."
            raise ResolutionRefused(record.intent, reason, fix) from None

    def _held(self) -> None:
        """Log that a record which was held for the video stays held: the failure says nothing against the video."""
        if self.completion.held is None:
            return
        intent, option = self.completion.record.intent, self.destination.journal.store_option
        name = self.completion.attempt.name
        text = (
            f"The video of intent {intent} was not brought in. It may be there, so nothing is sent until it is settled:"
        )
        self.observer.log(f"{text}\n{how_to_resolve(intent, option, name)}", level=logging.WARNING)

    def _submissions(self) -> int:
        """Count the submissions, with the attempt, which is one from now on."""
        mine = self.completion.attempt.number
        return 1 + sum(each.counts for each in self.completion.record.attempts if each.number != mine)

    def _there_already(self, stored: StoredVideo) -> StoredVideo | None:
        """Return the video that the record already has, if it is this very one."""
        record = self.completion.record
        had = record.stored
        if record.state is not State.STORED or had is None or record.current != self.completion.attempt.number:
            return None
        if (had.key, had.sha256, had.etag) != (stored.key, stored.sha256, stored.etag):
            return None
        return StoredVideo.model_validate(had.model_dump())


class _LinkRefused(ResolutionRefused):
    """The link no longer works; the video may still be there."""


class _NotWhole(Exception):
    """By its structure the video is not whole."""


@dataclass
class _Whole:
    """A source that looks at the structure of what passes by: a person's file may be half of a download."""

    source: VideoSource
    despite_evidence: bool

    @property
    def size(self) -> int | None:
        return self.source.size

    def iter_bytes(self, cancelled: threading.Event | None = None) -> Iterator[bytes]:
        boxes, head = BoxWalk(), b""
        for chunk in self.source.iter_bytes(cancelled):
            head = head or chunk
            boxes.feed(chunk)
            yield chunk
        if video_type(head) and not boxes.whole and not self.despite_evidence:
            raise _NotWhole


def _source_of(brought: Brought, intent: str, policy: MediaPolicy) -> VideoSource:
    """Return where the bytes come from, once it is sure that there is something to be taken.

    Raises:
        ResolutionRefused: There is not.
        ForbiddenSource: The link may not be followed.
    """
    if brought.link and not brought.path:
        if not brought.link.strip("*"):
            fix = "Pass the link itself: Prefect has replaced it by asterisks, as it does with secrets."
            raise ResolutionRefused(intent, "The link is only asterisks.", fix)
        with suppress(OSError):  # a name that cannot be resolved just now is asked for again
            policy.check(policy.ways(brought.link)[0])
        return MediaSource(lambda refused: _link(brought.link, refused, intent), policy=policy)
    if not brought.path or brought.link:
        fix = "Pass the link of the video, or the path of its file."
        raise ResolutionRefused(intent, "One of the two is needed: a link or a file.", fix)
    if "://" in brought.path:
        fix = "Pass it as the link (url; on the command line: --link), or the path of a file without a scheme."
        raise ResolutionRefused(intent, "There is an address where the path of the file should be.", fix)
    try:
        source = FileSource(brought.path)
        head = next(source.iter_bytes(), b"")
    except SourceError as error:
        fix = "Pass the path of the video on the machine where this runs."
        raise ResolutionRefused(intent, f"{brought.address}: {error}", fix) from error
    if not video_type(head):
        # A file stays where it is, so nothing of it has to be kept, and whoever may start a flow reads no other file.
        reason = f"{brought.address} is neither an MP4 nor a MOV video but {looks_like(head)}."
        raise ResolutionRefused(intent, reason, "Pass the path of the video itself.")
    return source


def _link(link: str, refused: bool, intent: str) -> str:
    """Return the link; there is no other, as only a person can get one."""
    if refused:
        fix = f"Copy a fresh link in the vendor's console. {_SAVE_IT}"
        raise _LinkRefused(intent, "The media host refuses the link; it may have expired.", fix)
    return link


def _write_over(store: Store, key: str, data: bytes) -> None:
    """Write the provenance, also over that of an object that is gone: it says where this object came from."""
    write_once(store, key, data)
    there = store.get(key)
    if there is not None and there.data != data:
        with suppress(Conflict, Missing):  # another who brings the same video was faster
            store.swap(key, data, etag=there.etag)
