"""What a reference stands for once it is found: bytes that can be read again and again, and are always the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A link by which anybody can read an object for a while.

    Attributes:
        address: The link, which is a secret.
        good_until: When it ends at the latest.
    """

    address: str = field(repr=False)
    good_until: datetime


class Material(Protocol):
    """The content of a local file, of an object in a bucket, or of a frame of a video."""

    @property
    def identity(self) -> str:
        """What it counts as in the identity of a request: ``sha256:`` and 64 hex digits, or what is made from that."""
        ...

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes, 64 hex digits."""
        ...

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    @property
    def name(self) -> str:
        """A file name with the suffix that fits the content, for an upload."""
        ...

    def open_read(self, start: int = 0) -> BinaryIO:
        """Open the bytes for reading from this one on; they can be sought in. The caller closes it.

        Reading raises if they are found to have changed since they were hashed.

        Raises:
            ContentChanged: They have changed.
            UnusableReference: They can no longer be read.
        """
        ...

    def sign_link(self, seconds: float) -> SignedLink | None:
        """Sign a link that lives for so many seconds; None where none can be made, or none that lives so long.

        Nothing is asked of the store. Whether the vendor can reach the link is not looked at.
        """
        ...
