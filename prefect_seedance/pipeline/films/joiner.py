"""What the joining child runs: PyAV copies the packets of clips into one MP4. Nothing is decoded, and nothing encoded.

    python -I -S joiner.py FOLDER_OF_PYAV PID_OF_THE_PARENT BYTES FILM

Started by `joining`, never imported in the child: it needs the standard library and PyAV alone. It reads one line of
JSON for each clip, the path of a file, and answers each with a line: what keeps it from being joined, in words. An
empty path ends the film. The parent believes nothing it says.

The picture leads. Each clip begins where the picture of the one before it ends, so that every frame keeps its length
and the lengths add up. Sound is cut at the end of its picture; of two packets of sound that overlap where clips meet
(an encoder's lead-in), the later is left out.
"""

# PyAV's stubs leave the packets' type parameter open, which makes whatever holds one partially unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeArgument=false

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

    Stream: TypeAlias = VideoStream | AudioStream

_ADDRESS_SPACE_BYTES = 512 * 1024 * 1024
# Copying an hour takes a few seconds.
_PROCESSOR_SECONDS = 120
_FILE_OPTIONS = {
    # Nothing else is opened, whatever the file refers to.
    "protocol_whitelist": "",
    "enable_drefs": "0",
    "max_streams": "32",
    # No decoder has this name. Else FFmpeg decodes the beginning of every track to learn more than the index says.
    "codec_whitelist": "none",
    "probesize": str(128 * 1024),
}
_FILM_OPTIONS = {
    # The index in front, so that the film plays while it is loaded.
    "movflags": "+faststart",
    # The clock of the whole: by default of milliseconds, to which frames do not keep.
    "movie_timescale": "90000",
}
_ATTACHED_PICTURE = 0x400  # FFmpeg's; PyAV has had a name for it since 14.1
_LONGEST_WORDS = 2000


def main() -> None:
    """Join the clips that the parent names."""
    with suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent
    folder, parent, most_bytes, path = sys.argv[1:]
    _end_with(int(parent))
    output = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is not an answer
    sys.path.append(folder)
    import av
    import av.logging

    av.logging.set_level(None)
    _limit(int(most_bytes))
    film = _Film(av.open(path, "w", format="mp4", options=_FILM_OPTIONS))
    for line in sys.stdin:
        clip = json.loads(line)
        answer: list[str]
        try:
            answer = film.add(clip) if clip else film.end()
        except Exception as error:
            film.spoiled = True
            words = getattr(error, "strerror", "") or str(error)  # PyAV's errors are not all of them OSErrors
            answer = [f"it cannot be read, or the film cannot be written: {words or type(error).__name__}"]
        print(json.dumps([words[:_LONGEST_WORDS] for words in answer]), file=output, flush=True)
        if not clip:
            return


def _end_with(parent: int) -> None:
    """Have Linux end this process with the thread that started it."""
    with suppress(Exception):
        if sys.platform == "linux":
            import ctypes

            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(0)


def _limit(most_bytes: int) -> None:
    """Set what this process may use, as far as the system knows such limits."""
    with suppress(ImportError):
        import resource

        limits = {
            "RLIMIT_AS": _ADDRESS_SPACE_BYTES,
            "RLIMIT_CORE": 0,
            "RLIMIT_CPU": _PROCESSOR_SECONDS,
            "RLIMIT_FSIZE": most_bytes,
            "RLIMIT_NOFILE": 32,
        }
        for name, most in limits.items():
            with suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (most, most))


class _Unfit(Exception):
    """A clip that cannot be joined, and why."""


class _Film:
    """The MP4 that grows clip by clip."""

    def __init__(self, output: OutputContainer) -> None:
        self._output = output
        self._tracks: dict[str, Stream] = {}
        self._last: dict[str, int] = {}
        self._first: dict[str, dict[str, str]] = {}
        self._begins = Fraction(0)
        #: Once a clip does not fit, the others are only compared: one error names them all.
        self.spoiled = False

    def add(self, path: str) -> list[str]:
        """Append a clip; return what keeps it from being joined."""
        with open(path, "rb") as file, _opened(file) as clip:
            streams = _streams(clip)
            if "picture" not in streams:
                self.spoiled = True
                return ["it has no picture"]
            facts = {kind: _facts(stream) for kind, stream in streams.items()}
            if not self._first:
                self._first = facts
                for kind, stream in streams.items():
                    track = self._output.add_stream_from_template(stream)
                    track.time_base = stream.time_base
                    self._tracks[kind] = track
            if differences := _differences(self._first, facts):
                self.spoiled = True
                return differences
            if not self.spoiled:
                try:
                    self._copy(clip, streams)
                except _Unfit as error:
                    self.spoiled = True
                    return [str(error)]
        return []

    def end(self) -> list[str]:
        """Finish the file."""
        self._output.close()
        return []

    def _copy(self, clip: InputContainer, streams: dict[str, Stream]) -> None:
        picture = streams["picture"]
        starts = Fraction(picture.start_time or 0) * _base(picture)
        kinds = {stream.index: kind for kind, stream in streams.items()}
        # Sound is written a step behind, when it is known where its picture ends.
        sound: list[Packet] = []
        ends, begun = starts, False
        for packet in clip.demux(list(streams.values())):
            if packet.dts is None or packet.pts is None:
                continue  # the last, which only says that there are no more
            if kinds[packet.stream.index] != "picture":
                sound.append(packet)
                sound = self._written(sound, ends, starts)
                continue
            if packet.is_corrupt or packet.is_discard:
                raise _Unfit("some of its frames are damaged, or hidden by an edit list")
            if not begun and not packet.is_keyframe:
                raise _Unfit("it does not begin with a key frame")
            begun = True
            length = packet.duration or _frame_length(picture)
            ends = max(ends, (packet.pts + length) * _base(picture))
            packet.duration = length
            self._write("picture", packet, starts)
        if not begun:
            raise _Unfit("it has no frame")
        self._written(sound, ends, starts)
        self._begins += ends - starts

    def _written(self, sound: list[Packet], ends: Fraction, starts: Fraction) -> list[Packet]:
        """Write the sound up to where the picture has come; return the rest, which at the end of a clip is cut off."""
        for at, packet in enumerate(sound):
            if (packet.pts or 0) * _base(self._tracks["sound"]) >= ends:
                return sound[at:]
            self._write("sound", packet, starts)
        return []

    def _write(self, kind: str, packet: Packet, starts: Fraction) -> None:
        track = self._tracks[kind]
        base = _base(track)
        moved = round((self._begins - starts) / base)
        shown, decoded, last = (packet.pts or 0) + moved, (packet.dts or 0) + moved, self._last.get(kind)
        if last is not None and decoded <= last:
            if kind == "sound":
                return
            decoded = last + 1
            if decoded > shown:
                raise _Unfit("its frames cannot be put behind those of the clip before it")
        packet.pts, packet.dts = shown, decoded
        packet.stream = track
        self._last[kind] = decoded
        self._output.mux(packet)


def _opened(file: BinaryIO) -> InputContainer:
    import av

    # The format is named: left to guess, FFmpeg follows the links of a playlist that poses as a video.
    return av.open(file, mode="r", format="mp4", options=_FILE_OPTIONS, **_lenient(av.__version__))


def _lenient(version: str) -> dict[str, Any]:
    """Return what has PyAV bear metadata that is not UTF-8. From 19 on it does so by itself, and has no word for it."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def _streams(clip: InputContainer) -> dict[str, Stream]:
    """Return the track of the picture, which is no still for a cover, and that of the sound if there is one."""
    found: dict[str, Stream] = {}
    for stream in clip.streams.video:
        if not int(getattr(stream, "disposition", 0)) & _ATTACHED_PICTURE:
            found.setdefault("picture", stream)
    for stream in clip.streams.audio:
        found.setdefault("sound", stream)
    return found


def _facts(stream: Stream) -> dict[str, str]:
    """Return what must be the same in each clip, by its name for people."""
    context = stream.codec_context
    facts = {"codec": context.name, "time base": str(stream.time_base)}
    if stream.type == "video":
        facts["size"] = f"{stream.codec_context.width}x{stream.codec_context.height}"
        facts["pixel shape"] = str(stream.sample_aspect_ratio or 1)
    else:
        sound = stream.codec_context
        facts |= {"sample rate": str(sound.sample_rate), "number of channels": str(sound.channels)}
    return facts | {"settings of the encoder (extradata)": (context.extradata or b"").hex()}


def _differences(first: dict[str, dict[str, str]], other: dict[str, dict[str, str]]) -> list[str]:
    if "sound" in first and "sound" not in other:
        return ["it has no sound, as the first clip has"]
    if "sound" in other and "sound" not in first:
        return ["it has sound, as the first clip has not"]
    found: list[str] = []
    for kind, facts in other.items():
        differing = [name for name, value in facts.items() if value != first[kind][name]]
        for name in differing:
            if not name.startswith("settings"):
                found.append(f"its {kind} has the {name} {facts[name]}, that of the first clip {first[kind][name]}")
            elif len(differing) == 1:  # else they differ for the reasons that are named
                found.append(f"its {kind} was encoded with other {name} than that of the first clip")
    return found


def _base(stream: Stream) -> Fraction:
    return stream.time_base or Fraction(1, 1000)


def _frame_length(picture: Stream) -> int:
    rate = cast("VideoStream", picture).average_rate
    return round(1 / rate / _base(picture)) if rate else 1


if __name__ == "__main__":
    main()
