"""Clips become one film: every frame of each, in order, at its own moment, and nothing is encoded again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from prefect_seedance.media.errors import PreparationCancelled
from prefect_seedance.pipeline.films.joining import CannotJoin, ClipsDoNotFit, Joining, check_joining
from tests.pipeline.films import RATE, length, make_clip, packets_of_sound, pictures, pixels

SILENT: dict[str, Any] = {}
SOUND: dict[str, Any] = {"sound": 44100}
B_FRAMES: dict[str, Any] = {"b_frames": 2}
BOTH: dict[str, Any] = {"b_frames": 2, "sound": 48000, "layout": "stereo"}


def joined(film: Path, clips: Sequence[Path], most_bytes: int = 10**8) -> Path:
    with Joining(film, most_bytes=most_bytes) as joining:
        for clip in clips:
            joining.add(clip)
        joining.end()
    return film


def clips_of(folder: Path, count: int, **manner: Any) -> list[Path]:
    """Clips of different lengths, none of whose frames is like another."""
    return [
        make_clip(folder / f"clip-{n}.mp4", frames=20 + 7 * n, hue=50 * n, tone=300 + 100 * n, **manner)
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("manner", [SILENT, SOUND, B_FRAMES, BOTH], ids=["silent", "sound", "B-frames", "both"])
def test_a_film_has_every_frame_of_its_clips_and_the_sum_of_their_lengths(
    manner: dict[str, Any], count: int, tmp_path: Path
) -> None:
    clips = clips_of(tmp_path, count, **manner)
    before = [clip.read_bytes() for clip in clips]
    film = joined(tmp_path / "film.mp4", clips)
    expected = [each for clip in clips for each in pixels(clip)]
    assert len(set(expected)) == len(expected) > count
    assert pixels(film) == expected
    assert [moment for moment, _ in pictures(film)] == [Fraction(at, RATE) for at in range(len(expected))]
    assert length(film) == Fraction(len(expected), RATE)
    assert [clip.read_bytes() for clip in clips] == before


@pytest.mark.parametrize("manner", [SOUND, BOTH], ids=["sound", "both"])
def test_the_sound_of_each_clip_begins_with_its_picture(manner: dict[str, Any], tmp_path: Path) -> None:
    clips = clips_of(tmp_path, 3, **manner)
    sound = packets_of_sound(joined(tmp_path / "film.mp4", clips))
    moments = [moment for moment, _ in sound]
    assert all(one < other for one, other in pairwise(moments))
    begins = Fraction(0)
    for clip in clips:
        heard = [(begins + moment, data) for moment, data in packets_of_sound(clip) if moment >= 0]
        missing = [
            moment
            for moment, data in heard
            if not any(abs(at - moment) <= Fraction(1, manner["sound"]) and data == each for at, each in sound)
        ]
        assert len(missing) <= 1  # what overlaps where two clips meet
        begins += Fraction(len(pixels(clip)), RATE)


def test_sound_that_is_longer_than_its_picture_is_cut_and_shorter_sound_leaves_a_gap(tmp_path: Path) -> None:
    long = make_clip(tmp_path / "long.mp4", frames=24, sound=44100, tone=300, sound_seconds=Fraction(2))
    short = make_clip(tmp_path / "short.mp4", frames=24, hue=90, sound=44100, tone=600, sound_seconds=Fraction(1, 2))
    last = make_clip(tmp_path / "last.mp4", frames=24, hue=180, sound=44100, tone=900)
    film = joined(tmp_path / "film.mp4", [long, short, last])
    assert len(pixels(film)) == 72 and length(film) == 3
    sound = dict((data, moment) for moment, data in packets_of_sound(film))
    starts = [
        next(sound[data] for moment, data in packets_of_sound(clip) if moment > 0) for clip in (long, short, last)
    ]
    assert [round(float(start), 1) for start in starts] == [0.0, 1.0, 2.0]
    assert length(film, "audio") <= 3 + Fraction(1024, 44100)


def test_the_index_of_a_film_stands_in_front_so_that_it_plays_while_it_is_loaded(tmp_path: Path) -> None:
    content = joined(tmp_path / "film.mp4", clips_of(tmp_path, 2)).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_same_clips_make_the_same_bytes(tmp_path: Path) -> None:
    clips = clips_of(tmp_path, 2, **BOTH)
    assert joined(tmp_path / "1.mp4", clips).read_bytes() == joined(tmp_path / "2.mp4", clips).read_bytes()


def headless(path: Path) -> Path:
    """A file whose first frame is not a key frame: its beginning was cut off."""
    whole = make_clip(path.with_name("whole.mp4"), frames=20, options={"g": "100"})
    with av.open(str(whole)) as source, av.open(str(path), "w", format="mp4") as cut:
        track = cut.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None and not packet.is_keyframe:
                packet.stream = track
                cut.mux(packet)
    return path


def text(path: Path) -> Path:
    path.write_text("<html>Please log in</html>")
    return path


def only_sound(path: Path) -> Path:
    with av.open(str(make_clip(path.with_name("with.mp4"), sound=44100))) as source, av.open(str(path), "w") as heard:
        track = heard.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = track
                heard.mux(packet)
    return path


ODD: dict[str, tuple[dict[str, Any], Callable[[Path], Path], str]] = {
    "another size": (SILENT, lambda path: make_clip(path, width=256), "the size 256x144, .* 128x72"),
    "another codec": (SILENT, lambda path: make_clip(path, codec="mpeg4"), "the codec mpeg4, .* h264"),
    "another time base": (SILENT, lambda path: make_clip(path, rate=25), "the time base 1/12800, .* 1/12288"),
    "another profile": (
        SILENT,
        lambda path: make_clip(path, options={"preset": "medium", "profile": "high"}),
        "encoded with other settings of the encoder",
    ),
    "no sound": (SOUND, make_clip, "it has no sound, as the first clip has"),
    "sound": (SILENT, lambda path: make_clip(path, sound=44100), "it has sound, as the first clip has not"),
    "another sample rate": (SOUND, lambda path: make_clip(path, sound=48000), "the sample rate 48000, .* 44100"),
    "more channels": (
        SOUND,
        lambda path: make_clip(path, sound=44100, layout="stereo"),
        "the number of channels 2, .* 1",
    ),
    "no key frame": (SILENT, headless, "it does not begin with a key frame"),
    "no video": (SILENT, text, "it cannot be read"),
    "no picture": (SOUND, only_sound, "it has no picture"),
}


@pytest.mark.parametrize(("manner", "odd", "words"), ODD.values(), ids=ODD.keys())
def test_a_clip_that_does_not_fit_is_named_with_what_differs_and_how_to_go_on(
    manner: dict[str, Any], odd: Callable[[Path], Path], words: str, tmp_path: Path
) -> None:
    clips = clips_of(tmp_path, 3, **manner)
    clips[1] = odd(tmp_path / "odd.mp4")
    with pytest.raises(ClipsDoNotFit, match=words) as refused:
        joined(tmp_path / "film.mp4", clips)
    assert list(refused.value.differences) == [2]
    told = str(refused.value)
    assert "clip 2: " in told and "stay in the store" in told and "ffmpeg" in told and "is paid for" in told
    assert str(tmp_path) not in told


def test_all_clips_that_do_not_fit_are_named_at_once(tmp_path: Path) -> None:
    good, wide, slow = (
        make_clip(tmp_path / "good.mp4"),
        make_clip(tmp_path / "wide.mp4", width=256),
        make_clip(tmp_path / "slow.mp4", rate=25),
    )
    with pytest.raises(ClipsDoNotFit) as refused:
        joined(tmp_path / "film.mp4", [good, wide, good, slow, good])
    assert list(refused.value.differences) == [2, 4]


def test_a_film_that_would_grow_beyond_its_limit_is_not_made(tmp_path: Path) -> None:
    with pytest.raises((CannotJoin, ClipsDoNotFit), match=r"File too large|reached a limit"):
        joined(tmp_path / "film.mp4", clips_of(tmp_path, 2), most_bytes=2000)


def test_a_cancelled_run_ends_the_joining_and_the_child(tmp_path: Path) -> None:
    cancelled = threading.Event()
    clip = make_clip(tmp_path / "clip.mp4")
    with (
        pytest.raises(PreparationCancelled),
        Joining(tmp_path / "film.mp4", most_bytes=10**8, cancelled=cancelled) as joining,
    ):
        joining.add(clip)
        cancelled.set()
        joining.add(clip)
    assert joining._child.poll() is not None


def test_a_child_that_dies_is_told_of_and_nothing_hangs(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    with (
        pytest.raises(CannotJoin, match="ended, or reached a limit, at clip 2"),
        Joining(tmp_path / "film.mp4", most_bytes=10**8) as joining,
    ):
        joining.add(clip)
        joining._child.kill()
        joining.add(clip)


def test_the_child_is_given_no_secret_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIMMYAI_API_KEY", "sk_secret")
    with Joining(tmp_path / "film.mp4", most_bytes=10**8) as joining:
        joining.add(make_clip(tmp_path / "clip.mp4"))
        environment = Path(f"/proc/{joining._child.pid}/environ")
        if not environment.exists():
            pytest.skip("this system does not show the environment of a process")
        assert b"sk_secret" not in environment.read_bytes()


def test_where_pyav_is_missing_it_is_told_before_anything_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    check_joining()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotJoin, match=r"prefect-seedance\[media\]"):
        check_joining()


def test_a_pyav_that_would_encode_is_refused_with_the_version_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefect_seedance.pipeline.films.joining.version_of", lambda package: "16.0.1")
    with pytest.raises(CannotJoin, match=r"PyAV 16\.0\.1 .*av>=17\.1"):
        check_joining()
