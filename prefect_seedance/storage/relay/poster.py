"""Stills and the bare facts of a video, by PyAV (extra `media`), which decodes in a child with limits.

Poster and facts are extras of a stored video: they never raise, whatever a broken or hostile file makes of PyAV or of
the child. Without PyAV, without a child, or with a file that cannot be read, the answer is None and the reason is
logged. The last frame is asked for by the user, so an error says why there is none. Nothing is ever decoded in this
process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from prefect_seedance.asides import AsideLog, words_of
from prefect_seedance.storage.errors import NoLastFrame
from prefect_seedance.storage.relay.decoder_process import (
    Decoded,
    MediaFacts,
    NoDecoder,
    PyAVMissing,
    decode,
    decode_last_frame,
    lay_out,
    make_smaller,
)

__all__ = [
    "MediaFacts",
    "contact_sheet_jpeg",
    "last_frame_png",
    "probe",
    "probe_with_stills",
    "thumbnail_jpeg",
]

_LOG = AsideLog(__name__)
_LONGEST_SIDE = 640
_NEVER = threading.Event()
_told = threading.Event()  # that no child can be started: once is enough


def probe(file: BinaryIO | Path, *, cancelled: threading.Event = _NEVER) -> MediaFacts | None:
    """Read the facts of a video from its index; None if it cannot be read.

    Args:
        file: A path, or an open file; one that can be sought in, unless its index comes first.
        cancelled: Ends the reading within a moment.

    Example:
        >>> probe(Path("missing.mp4")) is None
        True
    """
    return _read(file, 0, cancelled).facts


def probe_with_stills(
    file: BinaryIO | Path, longest_side: int = _LONGEST_SIDE, *, cancelled: threading.Event = _NEVER
) -> tuple[MediaFacts | None, bytes | None, bytes | None]:
    """Return the facts, the poster and a thumbnail of a video, all of one decoding.

    The poster is the first frame that is not black as a JPEG; the brightest one looked at, if all are black. The
    thumbnail is the poster's picture as a JPEG of at most 160 pixels and 4,500 bytes.

    Args:
        file: A path, or an open file; one that can be sought in, unless its index comes first.
        longest_side: Of the poster in pixels, so that an upright picture leaves room for what stands below it; a
            smaller video keeps its size.
        cancelled: Ends the reading within a moment.
    """
    decoded = _read(file, longest_side, cancelled)
    return decoded.facts, decoded.picture, decoded.thumbnail


def thumbnail_jpeg(file: BinaryIO, *, cancelled: threading.Event = _NEVER) -> bytes | None:
    """Return a thumbnail of a poster, as `probe_with_stills` makes one; None if it is not a JPEG, or cannot be read.

    Args:
        file: The poster, which anybody may have written.
        cancelled: Ends the reading within a moment.
    """
    decoded = _tried(lambda: make_smaller(file, cancelled))
    if decoded.problem:
        _LOG.info("No thumbnail can be made of a poster: %s", decoded.problem)
    return decoded.picture


def contact_sheet_jpeg(thumbnails: Sequence[bytes], *, cancelled: threading.Event = _NEVER) -> bytes | None:
    """Return the first hundred thumbnails as one JPEG of at most 300,000 bytes; None if there is none to show.

    Args:
        thumbnails: JPEGs of at most 320 pixels a side; what is not one is left out.
        cancelled: Ends the work within a moment.
    """
    if not thumbnails:
        return None
    decoded = _tried(lambda: lay_out(thumbnails, cancelled))
    if decoded.problem:
        _LOG.info("No contact sheet can be made: %s", decoded.problem)
    return decoded.picture


def last_frame_png(file: BinaryIO, *, cancelled: threading.Event = _NEVER) -> bytes:
    """Return the frame that a video shows last, in full size and as it is shown, as a PNG.

    It is the same for the same bytes and the same PyAV. Of a video whose end is broken it is the last frame that can
    be decoded. Not all of the video is read: mostly its index, and what follows the last key frame.

    Args:
        file: One that can be sought in; where it stands does not matter. What it raises when it is read, this raises.
        cancelled: Ends the reading within a moment.

    Raises:
        NoLastFrame: There is none, it cannot be decoded here, or the run was cancelled.
    """
    try:
        decoded = decode_last_frame(file, cancelled)
    except PyAVMissing as error:
        raise NoLastFrame("PyAV cannot be loaded", "Install the extra 'media' of prefect-seedance") from error
    except NoDecoder as error:
        raise NoLastFrame(
            f"media cannot be decoded here: {error}", "Run it where Python can start a process of its own"
        ) from error
    if decoded.unreadable:
        raise decoded.unreadable
    if decoded.picture is None:
        raise NoLastFrame(decoded.problem or "it has no frame")
    return decoded.picture


def _read(file: BinaryIO | Path, longest_side: int, cancelled: threading.Event) -> Decoded:
    def read() -> Decoded:
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as opened:
            decoded = decode(opened, longest_side, cancelled)
        if decoded.facts is None:
            why = decoded.problem or "it has no facts"
            _LOG.warning("PyAV cannot read this video, so it has no poster and no media facts: %s", why)
        elif longest_side and decoded.picture is None:
            why = decoded.problem or "it has no frame"
            _LOG.warning("No poster can be made of this video, which is left as it is: %s", why)
        return decoded

    return _tried(read)


def _tried(make: Callable[[], Decoded]) -> Decoded:
    """Call `make`; return nothing made if that fails, and log why."""
    try:
        return make()
    except PyAVMissing:
        _LOG.info("PyAV cannot be loaded: no poster and no media facts. Install the extra 'media' for them.")
    except NoDecoder as error:
        if not _told.is_set():
            _told.set()
            _LOG.warning("Media cannot be decoded here, so there are no posters and no media facts: %s", error)
    except Exception as error:
        _LOG.warning("This video cannot be read: %s", words_of(error))
    return Decoded()
