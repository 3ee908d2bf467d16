"""A store in a local folder, correct between threads and processes and through SIGKILL.

Beside the objects the folder holds `.tmp` (files being written), `.lock` (held while a record is replaced or
deleted) and `.clock` (touched to read the file system's time). No key can begin with a dot, so they are out
of the way. POSIX only.

No link inside the folder is followed where something is written, locked, listed or swept, nor where a record is read:
it could lead to files that are not ours. A video may be read through one. The folder itself may be a link.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
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
    leftovers,
    reading,
    sweep,
    writing,
)
from prefect_seedance.storage.folder.file_lock import exclusive
from prefect_seedance.storage.folder.mounts import network_notice, read_mounts
from prefect_seedance.storage.folder.places import (
    LinkInside,
    checked,
    kind_of,
    listed,
    open_file,
    opened,
    sync_folder,
)
from prefect_seedance.storage.folder.upload import FolderUpload
from prefect_seedance.storage.keys import check_key, check_prefix
from prefect_seedance.storage.protocol import Blob, ObjectInfo, Upload

_SWEEP_AFTER_SECONDS = 86_400.0
_SWEEP_AT_MOST = 1000
#: A record is smaller; what is larger is a video.
_LARGEST_LEFTOVER_BYTES = 4 * 1024 * 1024
#: The year 2000: earlier is what tools say that copy files without their times (1970, and 1980 in a ZIP file).
_BEFORE_ANY_RECORD = 946_684_800.0
_TEMPORARY, _LOCK, _CLOCK = ".tmp", ".lock", ".clock"
#: Folders that every video needs, beside that of its own key.
_NEEDED = ("journal/records", "journal/open", "journal/tasks", "journal/damaged", "quarantine")


def _etag_of(data: bytes) -> str:
    # A hash of the content is enough: every record carries a fresh nonce, so equal bytes are the same write.
    return hashlib.sha256(data).hexdigest()


class FolderStore:
    """`Store` in a folder, which is made at the first write.

    Args:
        root: Absolute path of the folder.
        lock_timeout_seconds: How long to wait for another process before `StoreUnavailable`.

    Raises:
        BadLocation: The path is relative, or the system is Windows.

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
        self._lock_timeout_seconds = lock_timeout_seconds
        self._swept = False

    # The journal's five.

    def create(self, key: str, data: bytes) -> str:
        """See `Store.create`."""
        final = self._path(key)
        with writing(final), self._temporary_file() as temporary:
            temporary.write(data)
            temporary.sync()
            self._link(temporary, key)
        return _etag_of(data)

    def swap(self, key: str, data: bytes, *, etag: str) -> str:
        """See `Store.swap`. The slow part, bringing the bytes to the disk, comes before the lock is taken."""
        final = self._path(key)
        with writing(final), self._temporary_file() as temporary:
            temporary.write(data)
            temporary.sync()
            with ExitStack() as stack:
                with self._or_missing(key):
                    folder, name = stack.enter_context(self._folder_of(key))
                with self._exclusive():
                    with self._or_missing(key):
                        current, _ = _read(folder, name, final)
                    if _etag_of(current) != etag:
                        raise Conflict(self.uri_of(key))
                    temporary.replace(folder, name)
                sync_folder(folder)
        return _etag_of(data)

    def get(self, key: str) -> Blob | None:
        """See `Store.get`."""
        final = self._path(key)
        with reading(final):
            try:
                with self._folder_of(key) as (folder, name):
                    data, modified = _read(folder, name, final)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
            now = self._clock()
            return Blob(data, _etag_of(data), max(0.0, now - modified), now)

    def earlier_versions(self, key: str) -> Iterator[bytes]:
        """See `Store.earlier_versions`. A folder keeps none; writes that were cut short may have left some."""
        temporary = self.root / _TEMPORARY
        with reading(temporary):
            try:
                with opened(self.root, (_TEMPORARY,)) as folder:
                    small = sorted(
                        ((facts.st_mtime, name) for name, facts in leftovers(folder) if _is_small(facts)), reverse=True
                    )
                    for _, name in small:
                        with suppress(FileNotFoundError, LinkInside):  # gone, or replaced meanwhile
                            yield _read(folder, name, temporary / name)[0]
            except FileNotFoundError:
                return

    def list_keys(self, prefix: str) -> Iterator[str]:
        """See `Store.list_keys`. One folder's names are in memory at a time."""
        check_prefix(prefix)
        above, _, _ = prefix.rpartition("/")
        return self._walk((*above.split("/"),) if above else (), prefix)

    def list_written(self, prefix: str, *, within_seconds: float) -> Iterator[str]:
        """See `ListsByAge`."""
        check_prefix(prefix)
        above, _, _ = prefix.rpartition("/")
        with reading(self.root):
            since = self._clock() - within_seconds
        return self._walk((*above.split("/"),) if above else (), prefix, since)

    def list_ages(self, prefix: str) -> Iterator[tuple[str, float | None]]:
        """See `ListsByAge`. What goes meanwhile is left out."""
        with reading(self.root):
            now = self._clock()
        for key in self.list_keys(prefix):
            path = self.root / key
            with reading(path):
                try:
                    written = path.stat(follow_symlinks=False).st_mtime
                except (FileNotFoundError, NotADirectoryError):
                    continue
            yield key, max(0.0, now - written) if written >= _BEFORE_ANY_RECORD else None

    def _walk(self, folders: tuple[str, ...], prefix: str, since: float | None = None) -> Iterator[str]:
        path, start = self.root.joinpath(*folders), "".join(f"{name}/" for name in folders)
        with reading(path):
            try:
                with opened(self.root, folders) as folder, listed(folder) as entries:
                    # A folder sorts with its slash, as its keys do among the others.
                    names = sorted(
                        _with_slash(entry, path)
                        for entry in entries
                        if _may_hold(entry.name, start, prefix) and (since is None or _may_be_new(entry, since))
                    )
            except (FileNotFoundError, NotADirectoryError):
                return
        for name in names:
            key = start + name
            if name.endswith("/") and (key.startswith(prefix) or prefix.startswith(key)):
                yield from self._walk((*folders, name[:-1]), prefix, since)
            elif not name.endswith("/") and key.startswith(prefix):
                yield key

    def delete(self, key: str) -> None:
        """See `Store.delete`. Under the lock, so that a swap cannot bring back what was deleted."""
        final = self._path(key)
        with writing(final):
            try:
                with self._folder_of(key) as (folder, name):
                    if kind_of(folder, name) not in (stat.S_IFREG, stat.S_IFLNK):
                        return
                    with self._exclusive():
                        os.unlink(name, dir_fd=folder)
                    sync_folder(folder)
            except (FileNotFoundError, NotADirectoryError):
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
            NoSpace: A known size is more than is free, before any byte is fetched.
        """
        final = self._path(key)
        with writing(final):
            self.check_place(key)
            with self._prepared() as folder:
                free = shutil.disk_usage(self.root).free
                if size is not None and size > free:
                    raise NoSpace(str(final), f"{size} bytes are to be stored and {free} are free")
                temporary = TemporaryFile(folder, self.root / _TEMPORARY)
            return FolderUpload(final, temporary, lambda file: self._publish(key, file, replaces))

    def open_read(self, key: str, start: int = 0) -> BinaryIO:
        """See `Store.open_read`. The file can be sought in."""
        final = self._path(key)
        with reading(final):
            try:
                handle = checked(os.open(final, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                file = open(handle, "rb")  # noqa: SIM115 - the caller closes it
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise Missing(self.uri_of(key)) from None
            file.seek(start)
            return file

    # The folder itself.

    def require_conditions(self) -> None:
        """See `Store.require_conditions`. A folder keeps writers apart by hard links and the lock, which are no links.

        Raises:
            NotWritable: A folder or file that every video needs is a link.
        """
        with writing(self.root):
            for name in (_TEMPORARY, _LOCK, _CLOCK, *_NEEDED):
                self._refuse_links(name)

    def check_place(self, key: str) -> None:
        """See `Store.check_place`.

        Raises:
            NotWritable: A folder on the way to it is a link, or a link that leads nowhere bears its name.
        """
        final = self._path(key)
        with writing(final):
            above, _, _ = key.rpartition("/")
            self._refuse_links(above)
            if final.is_symlink() and not final.exists():
                raise LinkInside(final)

    def check_writable(self) -> None:
        """Write, link, read and remove a probe, and take the lock once: all that the store will need.

        Raises:
            NotWritable, NoSpace, StoreUnavailable: What would have stopped the first video.
        """
        name = f"probe-{uuid4().hex}"
        path = self.root / _TEMPORARY / name
        with writing(self.root), self._temporary_file() as temporary, opened(self.root, (_TEMPORARY,)) as folder:
            temporary.write(b"probe")
            temporary.sync()
            try:
                temporary.link_to(folder, name, path)
                if _read(folder, name, path)[0] != b"probe":
                    raise NotWritable(str(self.root), "a probe that was written reads back differently")
                with self._exclusive():
                    self._now()
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)

    def network_filesystem_notice(self) -> str:
        """Return a sentence for the user if the folder is on a network file system, else empty text."""
        return network_notice(Path(os.path.realpath(self.root)), read_mounts())

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextmanager
    def _folder_of(self, key: str, *, make: bool = False) -> Generator[tuple[int, str], None, None]:
        *folders, name = key.split("/")
        with opened(self.root, folders, make=make) as folder:
            yield folder, name

    @contextmanager
    def _or_missing(self, key: str) -> Generator[None, None, None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise Missing(self.uri_of(key)) from None

    def _refuse_links(self, key: str) -> None:
        """Raise `LinkInside` if a part of this key is a link; what is not there will be made."""
        path = self.root
        for name in filter(None, key.split("/")):
            path = path / name
            if path.is_symlink():
                raise LinkInside(path)

    @contextmanager
    def _prepared(self) -> Generator[int, None, None]:
        with opened(self.root, (_TEMPORARY,), make=True) as folder:
            if not self._swept:
                self._swept = True
                sweep(folder, now=self._now(), older_than_seconds=_SWEEP_AFTER_SECONDS, at_most=_SWEEP_AT_MOST)
            yield folder

    @contextmanager
    def _temporary_file(self) -> Generator[TemporaryFile, None, None]:
        with self._prepared() as folder:
            temporary = TemporaryFile(folder, self.root / _TEMPORARY)
        try:
            yield temporary
        finally:
            temporary.discard()

    def _exclusive(self) -> AbstractContextManager[None]:
        return exclusive(self.root / _LOCK, timeout_seconds=self._lock_timeout_seconds)

    def _link(self, temporary: TemporaryFile, key: str) -> None:
        final = self._path(key)
        with self._folder_of(key, make=True) as (folder, name):
            try:
                temporary.link_to(folder, name, final)
            except FileExistsError:
                raise AlreadyExists(final.as_uri()) from None
            sync_folder(folder)

    def _now(self) -> float:
        with opened(self.root) as folder:
            return file_system_now(folder, _CLOCK, self.root / _CLOCK)

    def _clock(self) -> float:
        try:
            return self._now()
        except LinkInside:
            raise
        except OSError:
            # A read-only mount: none of our records can be at stake there, so this machine's clock will do.
            return time.time()

    def _age(self, modified: float) -> float:
        return max(0.0, self._clock() - modified)

    def _publish(self, key: str, temporary: TemporaryFile, replaces: ObjectInfo | None) -> ObjectInfo:
        if replaces is None:
            self._link(temporary, key)
        else:
            with self._folder_of(key) as (folder, name):
                with self._exclusive():
                    there = self.stat(key)
                    if there is None or there.etag != replaces.etag:
                        raise AlreadyExists(self._path(key).as_uri())
                    temporary.replace(folder, name)
                sync_folder(folder)
        info = self.stat(key)
        if info is None:
            raise Missing(self.uri_of(key))
        return info


def _read(folder: int, name: str, path: Path) -> tuple[bytes, float]:
    """Read a file of an opened folder whole, and when it was written."""
    with open(open_file(folder, name, os.O_RDONLY, path), "rb") as file:
        return file.read(), os.fstat(file.fileno()).st_mtime


def _is_small(facts: os.stat_result) -> bool:
    return facts.st_size <= _LARGEST_LEFTOVER_BYTES


def _may_hold(name: str, start: str, prefix: str) -> bool:
    """Return whether a name in a folder can lead to a key with this prefix."""
    key = start + name
    return not name.startswith(".") and (key.startswith(prefix) or prefix.startswith(key))


def _may_be_new(entry: os.DirEntry[str], since: float) -> bool:
    """Return whether an entry was written since, or may have been: a folder, or a time that a copying tool has lost."""
    if entry.is_dir(follow_symlinks=False):
        return True
    try:
        written = entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:  # gone meanwhile: that must not hide the others
        return False
    return written >= since or written < _BEFORE_ANY_RECORD


def _with_slash(entry: os.DirEntry[str], path: Path) -> str:
    """Return the name of an entry, with a slash if it is a folder.

    Raises:
        LinkInside: It is a link to a folder: to leave out in silence what is there would be to say that it is not.
    """
    if entry.is_symlink() and entry.is_dir():
        raise LinkInside(path / entry.name)
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
