"""Files that the vendor keeps for us, for about three days: uploaded once per content, and remembered."""

from __future__ import annotations

from pathlib import PurePath
from typing import BinaryIO

from prefect_seedance.client.errors import InvalidParameters
from prefect_seedance.client.protocol import MAX_UPLOAD_BYTES, UPLOAD_SUFFIXES, media_type_of
from prefect_seedance.journal.media_identity import read_link
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import UnusableReference
from prefect_seedance.media.links import why_dead, why_private
from prefect_seedance.media.material import Material
from prefect_seedance.media.memos import Kept, Made, MakeRefused, Memos
from prefect_seedance.media.memos.failed_use import FAILED_USE, FailedUse, notes_of

#: How long the vendor keeps an uploaded file: "about 3 days" by its pages, so a little less.
UPLOAD_LIFE_SECONDS = 70 * 3600.0
#: Who waits for longer than this needs no new upload each time: a reference is read soon after it was sent.
_MOST_NEEDED_SECONDS = UPLOAD_LIFE_SECONDS / 2
#: A content that the vendor turned down is not sent again for so long.
_REFUSED_SECONDS = 3600.0
_ANOTHER_WAY = "put it into a bucket that the internet can reach and write s3://bucket/key"


class _Upload:
    """A material as the client uploads it; see `client.protocol.UploadSource`."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self.name, self.size = material.name, material.size
        self.media_type = media_type_of(material.name)

    def open(self) -> BinaryIO:
        """Open it for one try."""
        return self._material.open_read()


def memo_name(identity: str) -> str:
    """Return the name of a content's memos.

    Example:
        >>> memo_name("sha256:0f/last-frame")
        '0f-last-frame'
    """
    return identity.removeprefix("sha256:").replace("/", "-")


def is_by_content(identity: str) -> bool:
    """Return whether another identity is another content. Two videos may end in one and the same frame.

    Example:
        >>> is_by_content("sha256:0f"), is_by_content("sha256:0f/last-frame")
        (True, False)
    """
    return "/" not in identity


def require_uploadable(material: Material) -> None:
    """Check that the vendor's upload takes a content, by its size and its type.

    Raises:
        UnusableReference: It does not.
    """
    if material.size > MAX_UPLOAD_BYTES:
        raise UnusableReference(
            "size of an upload",
            f"it has {_size_words(material.size)}, and the vendor takes uploads of at most 100 MB",
            f"Make it smaller, or {_ANOTHER_WAY}",
        )
    suffix = PurePath(material.name).suffix
    if not any(suffix in suffixes for suffixes in UPLOAD_SUFFIXES.values()):
        what = f"it is a {suffix[1:]} file by its content" if suffix != ".bin" else "its type is not known"
        raise UnusableReference(
            "type of an upload",
            f"{what}, and the vendor takes no upload of that type",
            f"Convert it, for example to PNG, MP4 or MP3; or {_ANOTHER_WAY}",
        )


def _size_words(count: int) -> str:
    """Word a number of bytes.

    Example:
        >>> _size_words(2_500_000), _size_words(4_200)
        ('2.5 MB', '4.2 kB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def uploaded_link(
    material: Material,
    context: MediaContext,
    memos: Memos,
    follower: Follower,
    *,
    place: str,
    shown: str,
    needed_seconds: float,
    failed: FailedUse | None = None,
) -> str:
    """Return a public link to a content: that of an earlier upload if it lives long enough, else of a new one.

    Args:
        material: The content.
        context: Whose upload it is.
        memos: Of the account.
        follower: Follows it.
        place: Where the reference stands, for the log.
        shown: The reference for people, without what may grant access.
        needed_seconds: How long the link has to live.
        failed: The last use of it at which the vendor failed, None if there was none.

    Raises:
        UnusableReference: It is too large or of another type, the vendor turns it down, or the links that it gives
            cannot be read or are those of another content.
        ContentChanged: It changed while it was read. Its upload is not used.
        SeedanceError: The vendor could not be reached.
    """
    require_uploadable(material)

    def make() -> Made:
        follower.check()
        follower.log(f"{place}: uploading {shown} ({_size_words(material.size)}) to the vendor.")
        try:
            with follower.calling(context.vendor) as client:
                answer = client.upload_file(_Upload(material))
        except InvalidParameters as error:
            raise MakeRefused(error.vendor_message or "no reason given", _REFUSED_SECONDS) from error
        if why := why_private(answer.url, context.policy, follower):
            raise UnusableReference(
                "upload",
                f"the vendor took the file, and answered with a link that nobody can read: {why}",
                f"Run again later; if it stays so, {_ANOTHER_WAY}",
            )
        notes = {"reference": shown, "size": material.size, **notes_of(failed)}
        return Made(answer.url, UPLOAD_LIFE_SECONDS, notes=notes)

    unfit: dict[str, str] = {}

    def usable(kept: Kept) -> str:
        if failed is not None and failed.may_have_used(kept):
            return FAILED_USE
        left = kept.seconds_left()
        if left < min(needed_seconds, _MOST_NEEDED_SECONDS):
            return f"its link ends in {left / 3600:.1f} hours"
        return unfit.get(kept.value, "")

    try:
        while True:
            kept = memos.obtain("upload", memo_name(material.identity), make, usable=usable, follower=follower)
            if not memos.is_its_own(
                "upload",
                memo_name(material.identity),
                read_link(kept.value).text,
                follower,
                by_content=is_by_content(material.identity),
            ):
                raise UnusableReference(
                    "upload",
                    "the vendor took the file, and answered with the link that it gave for another content",
                    f"Nothing was paid. Run again, which uploads both anew; if it stays so, {_ANOTHER_WAY}",
                )
            # The vendor says "about" three days: a link may be dead before that.
            dead = why_dead(kept.value, context.policy, follower)
            if not dead:
                return kept.value
            if unfit:
                break
            unfit[kept.value] = f"its link is dead: {dead}"
    except MakeRefused as error:
        raise UnusableReference(
            "upload", f"the vendor does not take the file: {error.reason}", "Convert it, for example to PNG or MP4"
        ) from error
    raise UnusableReference(
        "upload",
        f"the vendor took the file, and its link cannot be read: {dead}",
        f"Run again later, which uploads it anew; or {_ANOTHER_WAY}",
    )
