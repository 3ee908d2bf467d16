"""``prefect-seedance download``: a stored video as a file of this machine, whole or not at all."""

from __future__ import annotations

import argparse
import hashlib
import os
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from prefect_seedance.cli.store_option import chosen_store
from prefect_seedance.cli.terminal import say, say_document
from prefect_seedance.cli.videos.finding import FoundVideo, find_video
from prefect_seedance.journal.record import Stored
from prefect_seedance.plain_text import one_line
from prefect_seedance.storage.errors import Missing, StorageError
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.templates import beside

_PIECE = 1024 * 1024


class FileInTheWay(FileExistsError):
    """A file of this name is there already, and was not touched."""


class Unsaved(OSError):
    """This machine could not take the file."""


def download(options: argparse.Namespace) -> int:
    """Save a stored video and return the exit code."""
    chosen = chosen_store(options.store)
    video, store = find_video(chosen.journal(), options.video), chosen.open()
    folder = Path(options.to).expanduser()
    with _saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    target = folder / PurePosixPath(video.stored.key).name
    with _saving(target):
        fetched = _fetch_video(store, video, target, replace=options.force)
    extras = [*_extras(store, video.stored.key, folder, replace=options.force)] if options.all else []
    if options.as_json:
        facts = {"intent": video.entry.record.intent, "task_id": video.task_id, "uri": store.uri_of(video.stored.key)}
        size = {"path": str(target), "bytes": video.stored.bytes, "sha256": video.stored.sha256}
        say_document({"video": {**facts, **size, "was_there": not fetched}, "files": [str(each) for each in extras]})
        return 0
    say(f"{'Saved' if fetched else 'Already there, and the same'}: {one_line(str(target))}")
    say(f"{video.stored.bytes:,} bytes, as in its record: sha256 {video.stored.sha256}")
    for extra in extras:
        say(f"Beside it: {one_line(str(extra))}")
    return 0


def _fetch_video(store: Store, video: FoundVideo, target: Path, *, replace: bool) -> bool:
    """Save the video; return whether that was needed.

    Raises:
        FileInTheWay: There is another file of this name, and it is not to be replaced.
        NotWhole: The object is gone, or is not what the record says.
        StorageError: The store does not answer.
    """
    stored = video.stored
    if not replace and os.path.lexists(target):
        if _is_same(target, stored):
            return False
        raise FileInTheWay(
            f"{target} is there already, and is another file than this video; it was not touched. Name another folder "
            "with --to, or replace it with --force."
        )
    uri = store.uri_of(stored.key)
    try:
        source = store.open_read(stored.key)
    except Missing:
        raise video.lost(f"{uri} is not there any more, though its record says that it is stored.") from None
    with source, _new_file(target, replace=replace) as file:
        size, sha256, crc32 = _copy(source, file)
        if (size, sha256) != (stored.bytes, stored.sha256):
            raise video.lost(
                f"{uri} is damaged: it has {size:,} bytes with the SHA-256 {sha256}, and was stored with "
                f"{stored.bytes:,} and {stored.sha256} (CRC32 {crc32} and {stored.crc32})."
            )
    return True


def _copy(source: BinaryIO, file: BinaryIO) -> tuple[int, str, str]:
    """Copy all bytes a piece at a time; return their number, SHA-256 and CRC32."""
    size, sha256, crc32 = 0, hashlib.sha256(), 0
    while piece := source.read(_PIECE):
        file.write(piece)
        sha256.update(piece)
        crc32 = zlib.crc32(piece, crc32)
        size += len(piece)
    return size, sha256.hexdigest(), f"{crc32:08x}"


def _is_same(target: Path, stored: Stored) -> bool:
    if not target.is_file() or target.stat().st_size != stored.bytes:
        return False
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == stored.sha256


def _extras(store: Store, key: str, folder: Path, *, replace: bool) -> Generator[Path]:
    """Save what lies beside a video, as far as it is there. A file that is here already is kept unless `replace`."""
    for suffix in (".jpg", ".json"):
        beside_it = beside(key, suffix)
        target = folder / PurePosixPath(beside_it).name
        if beside_it == key or (os.path.lexists(target) and not replace):
            continue
        with suppress(Missing), store.open_read(beside_it) as source, _saving(target):
            with _new_file(target, replace=replace) as file:
                _copy(source, file)
            yield target


@contextmanager
def _new_file(target: Path, *, replace: bool) -> Generator[BinaryIO]:
    """Open a file that gets its name once all is written; if anything fails there is nothing of it."""
    part = target.parent / f".prefect-seedance-{uuid4().hex}.part"
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(part, target)
        else:
            _publish(part, target)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _publish(part: Path, target: Path) -> None:
    """Rename a file unless the name is taken, in one step where the file system has links."""
    try:
        try:
            os.link(part, target)
        except FileExistsError:
            raise
        except OSError:  # no links here, as on FAT
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            os.replace(part, target)
    except FileExistsError:
        raise FileInTheWay(f"{target} has appeared in the meantime; it was not touched. Try again.") from None


@contextmanager
def _saving(place: Path) -> Generator[None]:
    """Turn an error of this machine's disk into one that says where it was, and what it means for the video."""
    try:
        yield
    except (FileInTheWay, StorageError):
        raise
    except OSError as error:
        raise Unsaved(
            f"{place} cannot be written: {error.strerror or error}. The video in the store is as it was. Name another "
            "folder with --to."
        ) from error
