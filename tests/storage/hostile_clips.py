"""Videos that a hostile host would send: small files that claim, or really are, what no worker could hold."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence

import av

from tests.storage.clips import box

MATRIX = struct.pack("!9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class Bits:
    """Bits as H.264 writes them."""

    def __init__(self) -> None:
        self._bits = ""

    def fixed(self, count: int, value: int) -> Bits:
        self._bits += f"{value:0{count}b}"
        return self

    def golomb(self, *values: int) -> Bits:
        for value in values:
            code = f"{value + 1:b}"
            self._bits += "0" * (len(code) - 1) + code
        return self

    def followed_by(self, repeated: int, times: int) -> bytes:
        """The bits, then a byte so many times, not aligned, and the end of the unit."""
        whole, rest = divmod(len(self._bits), 8)
        start = int(self._bits[: whole * 8] or "0", 2).to_bytes(whole, "big")
        kept = int(self._bits[whole * 8 :] or "0", 2)
        first = (kept << (8 - rest)) | (repeated >> rest) if rest else repeated
        each = ((repeated << (8 - rest)) | (repeated >> rest)) & 0xFF
        last = ((repeated << (8 - rest)) & 0xFF) | (1 << (7 - rest)) if rest else 0x80
        return start + bytes([first & 0xFF]) + bytes([each]) * (times - 1) + bytes([last])

    def ended(self) -> bytes:
        bits = self._bits + "1"
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big")


def parameters(width: int, height: int) -> tuple[bytes, bytes]:
    """Sequence and picture parameters of an H.264 stream of this size, in multiples of 16."""
    sequence = Bits().golomb(0, 0, 2, 1).fixed(1, 0).golomb(width // 16 - 1, height // 16 - 1).fixed(4, 0b1100)
    picture = Bits().golomb(0, 0).fixed(2, 0).golomb(0, 0, 0).fixed(3, 0).golomb(0, 0, 0).fixed(3, 0)
    return b"\x67\x42\xc0\x34" + sequence.ended(), b"\x68" + picture.ended()


def grey_frame(width: int, height: int) -> bytes:
    """A whole H.264 picture in grey, a byte for each 16 x 16 pixels of it."""
    header = Bits().golomb(0, 7, 0).fixed(4, 0).golomb(0).fixed(2, 0).golomb(0)
    # Of each macroblock: predicted as a whole, from nothing, without a rest.
    return b"\x65" + header.followed_by(0b00100111, (width // 16) * (height // 16))


def h264_entry(width: int, height: int, *, claimed: tuple[int, int] | None = None) -> bytes:
    """A sample entry; its size may be another one than that of the stream."""
    sequence, picture = parameters(width, height)
    configuration = box(
        b"avcC",
        b"\1\x42\xc0\x34\xff\xe1" + struct.pack("!H", len(sequence)) + sequence + b"\1"
        + struct.pack("!H", len(picture)) + picture,
    )  # fmt: skip
    return entry(b"avc1", *(claimed or (width, height)), configuration)


def entry(codec: bytes, width: int, height: int, configuration: bytes = b"") -> bytes:
    sizes = struct.pack("!HH", width & 0xFFFF, height & 0xFFFF)
    return box(
        codec, bytes(6) + b"\0\1" + bytes(16) + sizes + bytes.fromhex("0048000000480000") + bytes(4) + b"\0\1"
        + bytes(32) + b"\0\x18\xff\xff" + configuration,
    )  # fmt: skip


def full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, bytes([version]) + flags.to_bytes(3, "big") + body)


def numbers(*values: int) -> bytes:
    return struct.pack(f"!{len(values)}I", *values)


DATA_HERE = full(b"url ", b"", flags=1)


def track(
    sample_entry: bytes,
    sizes: Sequence[int],
    offset: int,
    *,
    timescale: int = 25,
    duration: int = 0,
    matrix: bytes = MATRIX,
    samples_said: int | None = None,
    reference: bytes = DATA_HERE,
    edits: bytes = b"",
    more: bytes = b"",
) -> bytes:
    """A track of one chunk, whose samples have these sizes."""
    duration = duration or len(sizes)
    table = b"".join(
        [
            full(b"stsd", numbers(1) + sample_entry),
            full(b"stts", numbers(1, samples_said or len(sizes), 1)),
            full(b"stsc", numbers(1, 1, len(sizes), 1)),
            full(b"stsz", numbers(0, samples_said or len(sizes), *sizes)),
            full(b"stco", numbers(1, offset)),
            more,
        ]
    )
    inside = (
        full(b"vmhd", bytes(8), flags=1) + box(b"dinf", full(b"dref", numbers(1) + reference)) + box(b"stbl", table)
    )
    times = bytes(16) + numbers(timescale) + struct.pack("!Q", duration)
    media = full(b"mdhd", times + bytes(4), 1) + full(b"hdlr", bytes(4) + b"vide" + bytes(13)) + box(b"minf", inside)
    head = bytes(16) + numbers(1, 0) + struct.pack("!Q", duration) + bytes(16) + matrix + bytes(8)
    return box(b"trak", full(b"tkhd", head, 1, 3) + edits + box(b"mdia", media))


START = box(b"ftyp", b"qt  \0\0\2\0qt  ")


def movie(
    samples: Iterable[bytes], sample_entry: bytes, *, index: bytes = b"", tracks: int = 1, **said: object
) -> bytes:
    """A MOV with one track of these samples, or with many."""
    samples = list(samples)
    content = box(b"mdat", b"".join(samples))
    each = track(sample_entry, [len(sample) for sample in samples], len(START) + 8, **said)  # type: ignore[arg-type]
    head = full(b"mvhd", bytes(8) + numbers(25, len(samples), 0x10000) + bytes(12) + MATRIX + bytes(24) + numbers(2))
    return START + content + box(b"moov", head + each * tracks + index)


def sized(unit: bytes) -> bytes:
    return struct.pack("!I", len(unit)) + unit


def grey(width: int, height: int, **said: object) -> bytes:
    """A MOV that really has one grey picture of this size."""
    return movie([sized(grey_frame(width, height))], h264_entry(width, height), **said)  # type: ignore[arg-type]


def vp9_frame(width: int, height: int, claimed: tuple[int, int] | None = None, *, dark: bool = True) -> bytes:
    """A key frame of VP9, whose head may claim another size."""
    output = io.BytesIO()
    with av.open(output, "w", format="ivf") as container:
        stream = container.add_stream("libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame(width, height, "yuv420p")
        for number, plane in enumerate(frame.planes):
            plane.update(bytes([128 if number else 16 if dark else 200]) * plane.buffer_size)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = output.getvalue()
    size = int.from_bytes(data[32:36], "little")
    frame_bytes = data[44 : 44 + size]
    if claimed:
        bits = f"{int.from_bytes(frame_bytes, 'big'):0{8 * size}b}"
        bits = bits[:36] + f"{claimed[0] - 1:016b}{claimed[1] - 1:016b}" + bits[68:]
        frame_bytes = int(bits, 2).to_bytes(size, "big")
    return frame_bytes


def vp9_entry(width: int, height: int) -> bytes:
    return entry(b"vp09", width, height, full(b"vpcC", bytes([0, 10, 0x82, 1, 1, 1, 0, 0]), 1))


#: Key frames of AV1, both dark: one of 64 x 64, one of 8704 x 64.
AV1_SMALL = bytes.fromhex("12000a0a00000002afff895f2008320f1000ac020514208100000324ffcc80")
AV1_WIDE = bytes.fromhex(
    "12000a0b00000083561fffc4af9004323f1000b1601028a104080000000b0324ffcc86b48f23345874a60b0324ffcc86b48f"
    "23345874a60b0324ffcc86b48f23345874a60324ffcc86b48f23345874a6"
)


def hostile() -> dict[str, bytes]:
    """Files by what is hostile about them."""
    frame, small = sized(grey_frame(64, 64)), h264_entry(64, 64)
    deep = box(b"free", b"")
    for _ in range(5000):
        deep = box(b"moov", deep)
    edit = struct.pack("!QqI", 2**63, -(2**63), 0)
    return {
        "a real frame of 16000 x 16000": grey(16000, 16000),
        "a real frame of 16384 x 16 in a small one": movie(
            [sized(grey_frame(16384, 16))], h264_entry(16384, 16, claimed=(64, 64))
        ),
        "a stream of 16384 x 16384 with hardly any data": movie([frame], h264_entry(16384, 16384, claimed=(64, 64))),
        "an index of 16000 x 16000 over a small stream": movie([frame], h264_entry(64, 64, claimed=(16000, 16000))),
        "a PNG of 16000 x 16000": movie([b"\x89PNG\r\n\x1a\n" + bytes(1000)], entry(b"png ", 16000, 16000)),
        "a JPEG": movie([b"\xff\xd8\xff" + bytes(1000)], entry(b"jpeg", 64, 64)),
        "raw pixels": movie([bytes(64 * 64 * 3)], entry(b"raw ", 64, 64)),
        "VP9 that grows": movie([vp9_frame(64, 64), vp9_frame(64, 64, (16000, 16000))], vp9_entry(64, 64)),
        "VP9 that grows to the limit": movie([vp9_frame(64, 64), vp9_frame(64, 64, (8192, 8192))], vp9_entry(64, 64)),
        "AV1 that grows": movie([AV1_SMALL, AV1_WIDE], entry(b"av01", 64, 64, box(b"av1C", b"\x81\0\x0c\0"))),
        "no pixels": movie([frame], h264_entry(64, 64, claimed=(0, 0))),
        "negative pixels": movie([frame], h264_entry(64, 64, claimed=(-1, -64))),
        "turned by nothing": movie([frame], small, matrix=bytes(36)),
        "turned beyond all numbers": movie([frame], small, matrix=b"\x7f" * 36),
        "two thousand tracks": movie([frame], small, tracks=2000),
        "a million empty tracks": movie([frame], small, index=box(b"trak", b"") * 1_000_000),
        "a thousand million samples": movie([frame], small, samples_said=10**9),
        "more samples than can be counted": movie([frame], small, samples_said=2**32 - 1),
        "boxes five thousand deep": movie([frame], small, index=deep),
        "a duration of 2^63": movie([frame], small, duration=2**63),
        "a duration of 2^64 - 2": movie([frame], small, duration=2**64 - 2),
        "no time scale": movie([frame], small, timescale=0),
        "a time scale of 2^32 - 1": movie([frame], small, timescale=2**32 - 1),
        "edits beyond all numbers": movie([frame], small, edits=box(b"edts", full(b"elst", numbers(1) + edit, 1))),
        "a thousand million edits": movie([frame], small, edits=box(b"edts", full(b"elst", numbers(10**9) + edit, 1))),
        "a hundred thousand empty samples": movie([b""] * 100_000, small, more=full(b"stss", numbers(2**31))),
    }  # fmt: skip
