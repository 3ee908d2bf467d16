"""A store in a local folder, correct between threads and processes and through SIGKILL.

Beside the objects the folder holds `.tmp` (files being written), `.lock` (held while a record is replaced or
deleted) and `.clock` (touched to read the file system's time). No key can begin with a dot, so they are out
of the way. POSIX only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from prefect_seedance.storage.errors import (
    AlreadyExists,
    BadLocation,
    Conflict,
    Missing,
    NoSpace,
    NotWritable,
)
from prefect_seedance.storage.folder.durable_files import (
    TemporaryFile,
    file_system_now,
    make_folder,
    reading,
    sweep,
    sync_folder,
    writing,
)
from prefect_seedance.storage.folder.file_lock import exclusive
from prefect_seedance.storage.folder.mounts import network_notice, read_mounts
from prefect_seedance.storage.folder.upload import FolderUpload
from prefect_seedance.storage.keys import check_key, check_prefix
from prefect_seedance.storage.protocol import Blob, ObjectInfo, Upload

_SWEEP_AFTER_SECONDS = 86_400.0
_SWEEP_AT_MOST = 1000
#: A record is smaller; what is larger is a video.
_LARGEST_LEFTOVER_BYTES = 4 * 1024 * 1024


def _etag_of(data: bytes) -> str:
    # A hash of the content is enough: every record carries a fresh nonce, so equal bytes are the same write.
    return hashlib.sha256(data).hexdigest()


class FolderStore:
    """`Store` in a folder, which is made at the first write.

    Args:
        root: absolute path of the folder.
        lock_timeout_seconds: how long to wait for another process before `StoreUnavailable`.

    Raises:
        BadLocation: the path is relative, or the system is Windows.

    Example:
        >>> import tempfile
        >>> store = FolderStore(Path(tempfile.mkdtemp()))
        >>> etag = store.create("journal/one.json", b"{}")
        >>> store.get("journal/one.json").data
        b'{}'
    """

    def __init__(self, root: Path, *, lock_timeout_seconds: float = 60.0) -> None:
        if sys.platform == "win32":
            raise BadLocation(str(root), "a folder store needs Linux or macOS. On Windows use S3, or WSL.")
        if not root.is_absolute():
            raise BadLocation(str(root), "it is relative. Write the whole path, from the root of the disk.")
        self.root = Path(os.path.abspath(root))
        self._temporary = self.root / ".tmp"
        self._lock_timeout_seconds = lock_timeout_seconds
        self._swept = False

    # The journal's five.

    def create(self, key: str, data: bytes) -> str:
        """See `Store.create`."""
        final = self._path(key)
        with writing(final), self._temporary_file() as temporary:
            temporary.write(data)
            temporary.sync()
            self._link(temporary, final)
        return _etag_of(data)

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        """See `Store.swap`. The slow part, bringing the bytes to the disk, comes before the lock is taken."""
        final = self._path(key)
        with writing(final), self._temporary_file() as temporary:
            temporary.write(data)
            temporary.sync()
            with self._exclusive():
                try:
                    current = final.read_bytes()
                except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    raise Missing(self.uri_of(key)) from None
                if _etag_of(current) != etag:
                    raise Conflict(self.uri_of(key))
                temporary.replace(final)
            sync_folder(final.parent)
        return _etag_of(data)

    def get(self, key: str) -> Blob | None:
        """See `Store.get`."""
        final = self._path(key)
        with reading(final):
            try:
                with open(final, "rb") as file:
                    data = file.read()
                    modified = os.fstat(file.fileno()).st_mtime
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        return Blob(data, _etag_of(data), self._age(modified))

    def earlier_versions(self, key: str) -> Iterator[bytes]:
        """See `Store.earlier_versions`. A folder keeps none; writes that were cut short may have left some."""
        with reading(self._temporary):
            try:
                found = [(file.stat(), file) for file in self._temporary.iterdir() if file.is_file()]
            except FileNotFoundError:
                return
        small = [(facts.st_mtime, file) for facts, file in found if facts.st_size <= _LARGEST_LEFTOVER_BYTES]
        for _, file in sorted(small, reverse=True):
            with suppress(FileNotFoundError), reading(file):
                yield file.read_bytes()

    def list_keys(self, prefix: str) -> Iterator[str]:
        """See `Store.list_keys`. One folder's names are in memory at a time."""
        check_prefix(prefix)
        above, _, _ = prefix.rpartition("/")
        return self._walk(self.root / above, f"{above}/" if above else "", prefix)

    def _walk(self, folder: Path, start: str, prefix: str) -> Iterator[str]:
        with reading(folder):
            try:
                with os.scandir(folder) as entries:
                    # A folder sorts with its slash, as its keys do among the others.
                    names = sorted(
                        entry.name + "/" if entry.is_dir() else entry.name
                        for entry in entries
                        if not entry.name.startswith(".")
                    )
            except (FileNotFoundError, NotADirectoryError):
                return
        for name in names:
            key = start + name
            if name.endswith("/") and (key.startswith(prefix) or prefix.startswith(key)):
                yield from self._walk(folder / name, key, prefix)
            elif not name.endswith("/") and key.startswith(prefix):
                yield key

    def delete(self, key: str) -> None:
        """See `Store.delete`. Under the lock, so that a swap cannot bring back what was deleted."""
        final = self._path(key)
        with writing(final):
            try:
                if not final.is_file():
                    return
                with self._exclusive():
                    final.unlink()
                sync_folder(final.parent)
            except FileNotFoundError:
                return

    # Media.

    def stat(self, key: str) -> ObjectInfo | None:
        """See `Store.stat`. The etag is made of size, time and inode: a video is not read for it."""
        final = self._path(key)
        with reading(final):
            try:
                facts = final.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        if not final.is_file():
            return None
        etag = f"{facts.st_size:x}-{facts.st_mtime_ns:x}-{facts.st_ino:x}"
        return ObjectInfo(key, self.uri_of(key), facts.st_size, etag, self._age(facts.st_mtime))

    def uri_of(self, key: str) -> str:
        """See `Store.uri_of`: a `file://` address."""
        return self._path(key).as_uri()

    def begin_upload(
        self,
        key: str,
        *,
        size: int | None,
        content_type: str,
        metadata: Mapping[str, str],
        filename: str = "",
        replaces: ObjectInfo | None = None,
        cancelled: threading.Event | None = None,
    ) -> Upload:
        """See `Store.begin_upload`. A folder keeps neither content type nor metadata nor another file name.

        Nothing here waits, so that nothing has to be cut short.

        Raises:
            NoSpace: a known size is more than is free, before any byte is fetched.
        """
        final = self._path(key)
        with writing(final):
            self._prepare()
            free = shutil.disk_usage(self.root).free
            if size is not None and size > free:
                raise NoSpace(str(final), f"{size} bytes are to be stored and {free} are free")
            return FolderUpload(final, TemporaryFile(self._temporary), lambda file: self._publish(key, file, replaces))

    def open_read(self, key: str, start: int = 0) -> BinaryIO:
        """See `Store.open_read`. The file can be sought in."""
        final = self._path(key)
        with reading(final):
            try:
                file = open(final, "rb")  # noqa: SIM115 - the caller closes it
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise Missing(self.uri_of(key)) from None
            file.seek(start)
            return file

    # The folder itself.

    def require_conditions(self) -> None:
        """See `Store.require_conditions`. A folder always does: by hard links and the lock."""

    def check_writable(self) -> None:
        """Write, link, read and remove a probe, and take the lock once: all that the store will need.

        Raises:
            NotWritable, NoSpace, StoreUnavailable: what would have stopped the first video.
        """
        probe = self._temporary / f"probe-{uuid4().hex}"
        with writing(self.root), self._temporary_file() as temporary:
            temporary.write(b"probe")
            temporary.sync()
            try:
                temporary.link_to(probe)
                if probe.read_bytes() != b"probe":
                    raise NotWritable(str(self.root), "a probe that was written reads back differently")
                with self._exclusive():
                    file_system_now(self.root / ".clock")
            finally:
                probe.unlink(missing_ok=True)

    def network_filesystem_notice(self) -> str:
        """Return a sentence for the user if the folder is on a network file system, else empty text."""
        return network_notice(Path(os.path.realpath(self.root)), read_mounts())

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _prepare(self) -> None:
        make_folder(self._temporary)
        if not self._swept:
            self._swept = True
            now = file_system_now(self.root / ".clock")
            sweep(self._temporary, now=now, older_than_seconds=_SWEEP_AFTER_SECONDS, at_most=_SWEEP_AT_MOST)

    @contextmanager
    def _temporary_file(self) -> Generator[TemporaryFile, None, None]:
        self._prepare()
        temporary = TemporaryFile(self._temporary)
        try:
            yield temporary
        finally:
            temporary.discard()

    def _exclusive(self) -> AbstractContextManager[None]:
        return exclusive(self.root / ".lock", timeout_seconds=self._lock_timeout_seconds)

    def _link(self, temporary: TemporaryFile, final: Path) -> None:
        make_folder(final.parent)
        try:
            temporary.link_to(final)
        except FileExistsError:
            raise AlreadyExists(final.as_uri()) from None
        sync_folder(final.parent)

    def _age(self, modified: float) -> float:
        try:
            now = file_system_now(self.root / ".clock")
        except OSError:
            # A read-only mount: none of our records can be at stake there, so this machine's clock will do.
            now = time.time()
        return max(0.0, now - modified)

    def _publish(self, key: str, temporary: TemporaryFile, replaces: ObjectInfo | None) -> ObjectInfo:
        final = self._path(key)
        if replaces is None:
            self._link(temporary, final)
        else:
            with self._exclusive():
                there = self.stat(key)
                if there is None or there.etag != replaces.etag:
                    raise AlreadyExists(final.as_uri())
                temporary.replace(final)
            sync_folder(final.parent)
        info = self.stat(key)
        if info is None:
            raise Missing(self.uri_of(key))
        return info
