"""A film: stored clips joined into one MP4, in the same store, with a record of what it was made of beside it.

The film's key comes from its clips alone, so the same clips are one object, whoever joins them and however often. The
order of steps carries that: first the film, whole or not at all, then its record. Joining is free; what was joined
before is found again, and an interrupted joining begins anew.

The clips are read from the store one after the other through a temporary file, so that memory stays constant, and the
disk needs room for the film and its longest clip. They are never altered.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline.films.joining import CannotJoin, Joining
from prefect_seedance.pipeline.models import StoredVideo
from prefect_seedance.storage.errors import AlreadyExists, KeyTaken, NoSpace, RelayCancelled, StoreUnavailable
from prefect_seedance.storage.protocol import ObjectInfo, Store
from prefect_seedance.storage.relay.file_type import BoxWalk
from prefect_seedance.storage.relay.poster import probe
from prefect_seedance.storage.templates import beside
from prefect_seedance.versions import version_of

#: Where films are kept in a store.
FILMS = "films/"
_CHUNK_BYTES = 1024 * 1024
#: What the index of a film may take beyond those of its clips.
_INDEX_BYTES = 64 * 1024 * 1024


class FilmClip(BaseModel):
    """One clip of a film."""

    model_config = ConfigDict(frozen=True)

    uri: str = Field(description="Where the clip is.")
    intent: str = Field(description="Identity of what was asked, 32 hex digits.")
    task_id: str = Field(description="The vendor's task id.")
    model: str = Field(description="The model that made it.")
    sha256: str = Field(description="SHA-256 of the clip, 64 hex digits.")
    cost: float | None = Field(description="What its task cost, in the vendor's coins; null if it is not known.")


class Film(BaseModel):
    """A film that lies whole in the store, and the clips that it was made of."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = Field(default=1, description="Version of this shape.")
    uri: str = Field(description="Where the film is: a file:// or s3:// URI.")
    key: str = Field(description="Its key inside the store.")
    bytes: int = Field(description="Size of the film in bytes.")
    sha256: str = Field(description="SHA-256 of the film, 64 hex digits.")
    crc32: str = Field(description="CRC-32 of the film, 8 hex digits.")
    width: int = Field(description="Width in pixels; 0 if it could not be read.")
    height: int = Field(description="Height in pixels; 0 if it could not be read.")
    seconds: float = Field(description="Length in seconds; 0 if it could not be read.")
    cost: float | None = Field(description="What all clips cost, in the vendor's coins; null if one is not known.")
    clips: list[FilmClip] = Field(description="What it was made of, in order.")
    stored_at: datetime = Field(description="When it was whole in the store.")
    versions: dict[str, str] = Field(description="What joined it.")
    provenance_uri: str = Field(description="Where this record is.")


def film_key(clips: Sequence[StoredVideo]) -> str:
    """Return where the film of these clips lies in their store.

    It names what was asked and what came of it: a clip that was made anew makes another film.
    """
    named = json.dumps([[clip.intent, clip.sha256] for clip in clips])
    return f"{FILMS}{hashlib.sha256(named.encode()).hexdigest()[:32]}.mp4"


def join_videos(clips: Sequence[StoredVideo], store: Store, *, cancelled: threading.Event | None = None) -> Film:
    """Join clips into one film in their store, without encoding them again. Blocking, free, and safe to repeat.

    Args:
        clips: In order; all of them lie in this store.
        store: Where they are, opened: ``VideoStore.open()``.
        cancelled: Ends the joining within a moment; nothing partial is kept.

    Returns:
        The film; the one that is there, if these clips were joined before.

    Raises:
        ValueError: There is no clip, or one lies in another store.
        ClipsDoNotFit: Some cannot be joined without encoding them again; it names them, and what differs.
        CannotJoin: They cannot be joined on this machine, or this time.
        PreparationCancelled: The event was set.
        StorageError: The store failed, or the disk is full.

    Example:
        ```python
        film = join_videos([first, second], store.open())
        print(film.uri, film.seconds, film.cost)
        ```
    """
    return _Work(tuple(clips), store, cancelled or threading.Event()).film()


@dataclass(frozen=True)
class _Work:
    """One film on its way into the store."""

    clips: tuple[StoredVideo, ...]
    store: Store
    cancelled: threading.Event

    def film(self) -> Film:
        if not self.clips:
            raise ValueError("clips is empty: a film is joined of at least one; pass the videos in their order")
        for number, clip in enumerate(self.clips, 1):
            if self.store.uri_of(clip.key) != clip.uri:
                raise ValueError(
                    f"clip {number}, {clip.uri}, does not lie in this store, whose films lie in "
                    f"{self.store.uri_of(FILMS[:-1])}; pass the store where all clips lie"
                )
        there = self.store.stat(self.key)
        known = self._recorded()
        if there and known and not there.damage(size=known.bytes, crc32=known.crc32):
            return known
        if (
            there and not known and not there.damage()
        ):  # stored a moment ago, or by a run that was interrupted before it wrote the record
            return self._found(there)
        return self._joined(there)

    @property
    def key(self) -> str:
        return film_key(self.clips)

    def _recorded(self) -> Film | None:
        """Return what the record beside the film says; None if there is none, or it is none of ours."""
        blob = self.store.get(beside(self.key, ".json"))
        with suppress(ValidationError):
            film = Film.model_validate_json(blob.data) if blob else None
            return film if film and film.key == self.key else None
        return None

    def _found(self, there: ObjectInfo) -> Film:
        with self.store.open_read(self.key) as file:
            measured = _Measured()
            for _ in self._passing(file, measured):
                pass
        if there.damage(size=measured.size, crc32=measured.crc32_text) or not measured.boxes.whole:
            raise KeyTaken(there.uri, "no whole film", "Move that object away, and run again: joining is free.")
        return self._described(there.uri, measured)

    def _joined(self, damaged: ObjectInfo | None) -> Film:
        with TemporaryDirectory(prefix="seedance-film-", ignore_cleanup_errors=True) as folder:
            film = Path(folder, "film.mp4")
            sizes = [clip.bytes for clip in self.clips]
            needed, free = sum(sizes) + max(sizes), shutil.disk_usage(folder).free
            if needed > free:
                raise NoSpace(folder, f"{needed} bytes are needed to join the clips and {free} are free")
            self._join(Path(folder), film)
            measured = _Measured()
            with film.open("rb") as file:
                for _ in self._passing(file, measured):
                    pass
                if not measured.boxes.whole:
                    raise CannotJoin("The joined file is not whole. The clips are untouched; run again.")
                file.seek(0)
                try:
                    uri = self._uploaded(file, measured, damaged)
                except AlreadyExists:  # another run was faster
                    there = self.store.stat(self.key)
                    if there is None or damaged is not None:
                        raise
                    return self._found(there)
                except RelayCancelled:  # words it as if a video were on its way from the vendor
                    raise PreparationCancelled from None
        return self._described(uri, measured)

    def _join(self, folder: Path, film: Path) -> None:
        most_bytes = sum(clip.bytes for clip in self.clips) + _INDEX_BYTES
        with Joining(film, most_bytes=most_bytes, cancelled=self.cancelled) as joining:
            for number, clip in enumerate(self.clips, 1):
                path = folder / f"{number}.mp4"
                self._fetched(number, clip, path)
                joining.add(path)
                path.unlink()
            joining.end()

    def _fetched(self, number: int, clip: StoredVideo, path: Path) -> None:
        measured = _Measured()
        with self.store.open_read(clip.key) as source, path.open("wb") as copy:
            for chunk in self._passing(source, measured):
                copy.write(chunk)
        if (measured.size, measured.sha256) != (clip.bytes, clip.sha256):
            raise StoreUnavailable(
                clip.uri,
                f"clip {number} is no longer the video of task {clip.task_id} that was stored",
                "Put back what was stored there, from an earlier version of the object or from a copy, and join again.",
            )

    def _passing(self, file: BinaryIO, measured: _Measured) -> Iterator[bytes]:
        while chunk := file.read(_CHUNK_BYTES):
            if self.cancelled.is_set():
                raise PreparationCancelled
            measured.take(chunk)
            yield chunk

    def _uploaded(self, file: BinaryIO, measured: _Measured, damaged: ObjectInfo | None) -> str:
        with self.store.begin_upload(
            self.key,
            size=measured.size,
            content_type="video/mp4",
            metadata={"film": Path(self.key).stem},
            replaces=damaged,
            cancelled=self.cancelled,
        ) as upload:
            for chunk in self._passing(file, _Measured()):
                upload.write(chunk)
            done = upload.commit(crc32=measured.crc32, size=measured.size)
        return done.uri

    def _described(self, uri: str, measured: _Measured) -> Film:
        """Write the record beside the film; the one that another run has written first is as good."""
        with self.store.open_read(self.key) as file:
            facts = probe(file, cancelled=self.cancelled)
        costs = [clip.cost for clip in self.clips]
        film = Film(
            uri=uri,
            key=self.key,
            bytes=measured.size,
            sha256=measured.sha256,
            crc32=measured.crc32_text,
            width=facts.width if facts else 0,
            height=facts.height if facts else 0,
            seconds=facts.seconds if facts else 0.0,
            cost=None if None in costs else round(sum(cost or 0 for cost in costs), 6),
            clips=[FilmClip.model_validate(clip.model_dump(include={*FilmClip.model_fields})) for clip in self.clips],
            stored_at=datetime.now(UTC),
            versions={"prefect-seedance": version_of(), "av": version_of("av")},
            provenance_uri=self.store.uri_of(beside(self.key, ".json")),
        )
        key, data = beside(self.key, ".json"), (film.model_dump_json(indent=2) + "\n").encode()
        try:
            self.store.create(key, data)
        except AlreadyExists:
            found = self._recorded()
            if found and (found.bytes, found.sha256) == (film.bytes, film.sha256):
                return found
            there = self.store.get(key)
            if there is not None:  # of a film that was damaged, and is joined anew
                self.store.swap(key, data, etag=there.etag)
        return film


@dataclass
class _Measured:
    """Size, checksums and structure of bytes that pass by."""

    size: int = 0
    crc32: int = 0
    boxes: BoxWalk = field(default_factory=BoxWalk)

    def __post_init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def take(self, data: bytes) -> None:
        self.size += len(data)
        self.crc32 = zlib.crc32(data, self.crc32)
        self._sha256.update(data)
        self.boxes.feed(data)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def crc32_text(self) -> str:
        return f"{self.crc32:08x}"
