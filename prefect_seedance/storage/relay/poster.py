"""Stills and the bare facts of a video, by PyAV (extra `media`), which decodes in a child with limits.

Poster and facts are extras of a stored video: they never raise, whatever a broken or hostile file makes of PyAV or of
the child. Without PyAV, without a child, or with a file that cannot be read, the answer is None and the reason is
logged. The last frame is asked for by the user, so an error says why there is none. Nothing is ever decoded in this
process.
"""

from __future__ import annotations

import threading
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
)

__all__ = ["MediaFacts", "last_frame_png", "poster_jpeg", "probe", "probe_with_poster"]

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


def poster_jpeg(
    file: BinaryIO | Path, longest_side: int = _LONGEST_SIDE, *, cancelled: threading.Event = _NEVER
) -> bytes | None:
    """Return the first frame that is not black as a JPEG; the brightest one looked at, if all are black.

    Args:
        file: A path, or an open file; one that can be sought in, unless its index comes first.
        longest_side: In pixels, so that an upright picture leaves room for what stands below it; a smaller video keeps
            its size.
        cancelled: Ends the reading within a moment.
    """
    return _read(file, longest_side, cancelled).picture


def probe_with_poster(
    file: BinaryIO | Path, longest_side: int = _LONGEST_SIDE, *, cancelled: threading.Event = _NEVER
) -> tuple[MediaFacts | None, bytes | None]:
    """Return the facts and the poster of a video, which is opened once; see `probe` and `poster_jpeg`."""
    decoded = _read(file, longest_side, cancelled)
    return decoded.facts, decoded.picture


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
    try:
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as opened:
            decoded = decode(opened, longest_side, cancelled)
    except PyAVMissing:
        _LOG.info("PyAV cannot be loaded: no poster and no media facts. Install the extra 'media' for them.")
        return Decoded()
    except NoDecoder as error:
        if not _told.is_set():
            _told.set()
            _LOG.warning("Media cannot be decoded here, so there are no posters and no media facts: %s", error)
        return Decoded()
    except Exception as error:
        _LOG.warning("This video cannot be read: %s", words_of(error))
        return Decoded()
    if decoded.facts is None:
        why = decoded.problem or "it has no facts"
        _LOG.warning("PyAV cannot read this video, so it has no poster and no media facts: %s", why)
    elif longest_side and decoded.picture is None:
        why = decoded.problem or "it has no frame"
        _LOG.warning("No poster can be made of this video, which is left as it is: %s", why)
    return decoded
