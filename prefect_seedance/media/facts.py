"""What a reference says of itself: measured by `inspection` and `links`, judged by `preflight`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ReferenceFacts:
    """The measures of one reference, read from its content and never from its name.

    Attributes:
        kind: What it is; "other" where it is none of these, for example a page or an archive.
        format: In small letters, for example "jpeg", "png", "heic", "mp4", "mov", "mp3", "wav"; "" if it is not known.
        size: Number of bytes, None if it is not known.
        width: In pixels as shown, after any turn that the file asks for; 0 if it is not known.
        height: In pixels as shown; 0 if it is not known.
        seconds: Length; 0 if it is not known.
        frames_per_second: Of a video; 0 if it is not known.
        unread: Why measures are missing that a file of its kind has, in words; "" if none is.
        unread_here: Whether that is so because of this machine, which others may read it on: its network, or no PyAV.
        damaged: Why certainly nobody can read it, in words; "" where that is not certain.
        doubt: Why it may not be whole although it was measured, in words; "" where nothing speaks for that.
    """

    kind: Literal["image", "video", "audio", "other"]
    format: str = ""
    size: int | None = None
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    frames_per_second: float = 0.0
    unread: str = ""
    unread_here: bool = False
    damaged: str = ""
    doubt: str = ""
