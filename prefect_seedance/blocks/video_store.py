"""The store block: where videos, posters, provenance and the journal go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, field_validator

from prefect_seedance.journal.journal import Journal
from prefect_seedance.journal.store_identity import identify_store
from prefect_seedance.storage.folder import FolderStore
from prefect_seedance.storage.policy import MediaPolicy
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.templates import DEFAULT_TEMPLATE, check_template

_journal_ids: dict[str, str] = {}


def _journal_id(location: str, journal: Callable[[], Journal]) -> str:
    if location not in _journal_ids:
        _journal_ids[location] = identify_store(journal()).id
    return _journal_ids[location]


class VideoStore(Block):
    """Where generated videos end, with a poster and a record of where they came from.

    Attributes:
        location: A folder, as an absolute path.
        key_template: Where in the store a video goes.
        allow_media_hosts: Hosts of video links that may resolve to private addresses.

    Example:
        Load a saved store and see whether it can be written:
        ```python
        from prefect_seedance import VideoStore

        store = VideoStore.load("BLOCK_NAME")
        print(store.verify())
        ```
    """

    _block_type_name: ClassVar[str | None] = "Seedance Video Store"
    _block_type_slug: ClassVar[str | None] = "seedance-video-store"
    _logo_url: ClassVar[HttpUrl | None] = HttpUrl("https://avatars.githubusercontent.com/u/39270919")
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl("https://docs.jimmyai.cn/en/api-reference/common/query")

    location: str = Field(
        title="Location",
        description="A folder, as an absolute path: a run's own folder may be temporary, so a relative one is refused.",
    )
    key_template: str = Field(
        default=DEFAULT_TEMPLATE,
        title="Key template",
        description="Where in the store a video goes. Names in braces: task_id, intent, request_digest, model, take, "
        "flow_run_name, created (with a format). It must hold {task_id} or {intent}.",
    )
    allow_media_hosts: list[str] = Field(
        default=[],
        title="Allowed media hosts",
        description="Hosts of video links that may resolve to private addresses, for split DNS and proxies.",
    )

    @field_validator("location")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if value.startswith("s3://"):
            raise ValueError(f"location {value!r}: S3 is not supported yet; give a folder as an absolute path")
        if "://" in value and not value.startswith("file://"):
            raise ValueError(f"location {value!r} is no place to store to; give a folder as an absolute path")
        path = Path(value.removeprefix("file://")).expanduser()
        if not path.is_absolute() or ".." in path.parts:
            raise ValueError(
                f"location {value!r} is not an absolute path: a worker's own folder is temporary and vanishes; "
                f"write the whole path, {Path('/data') / path.name} say"
            )
        return str(path)

    @field_validator("key_template")
    @classmethod
    def _sound_template(cls, value: str) -> str:
        return check_template(value)

    def open(self) -> Store:
        """Open the store for reading and writing."""
        return FolderStore(Path(self.location))

    def journal(self) -> Journal:
        """Open the journal of the store: what was intended, submitted and stored."""
        return Journal(self.open())

    def journal_id(self) -> str:
        """Name the journal: the id that it got when it was made. Read once per process."""
        return _journal_id(self.location, self.journal)

    def media_policy(self, *, loopback: bool) -> MediaPolicy:
        """Say where video links may lead.

        Args:
            loopback: Whether this machine itself is allowed, as it is when the vendor is a simulator on it.
        """
        return MediaPolicy(allow_loopback=loopback, allow_hosts=frozenset(self.allow_media_hosts))

    def verify(self) -> str:
        """Write, read and delete a probe.

        Returns:
            What was found, in words.

        Raises:
            StorageError: Saying what is missing.
        """
        self.open().check_writable()
        return f"{self.location} can be written."
