"""Whole videos with a reference, each with a vendor of its own, which counts what was uploaded, audited and billed.

What may happen twice is written in a memo's history, and nothing is bought with a reference that the vendor cannot use:
both are checked after every round, against what the simulator has seen.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlsplit

from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.media.memos.listing import MemoEntry
from prefect_seedance.media.memos.memos import Memos
from prefect_seedance.media.memos.names import MemoKind, key_of
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.simulator import Fault, running_simulator
from tests.chaos.child import request_for
from tests.chaos.harness import KEY, Case, Chaos
from tests.chaos.orders import Report
from tests.storage.s3_servers import BUCKET

#: From what a user has to what the route takes: which memos there are then.
Kind = Literal["file, audited", "file, by link", "object, audited", "object, by link"]
MEMOS: Mapping[Kind, tuple[MemoKind, ...]] = {
    "file, audited": ("upload", "audit"),
    "file, by link": ("upload",),
    "object, audited": ("hash", "audit"),
    "object, by link": ("hash",),
}
#: A lease, and more: an hour.
_LAPSED_SECONDS = 3600.0
#: As often as a run may have to be repeated until it is stored: each planned fault ends one at most.
_MOST_RUNS = 5


@dataclass
class ReferenceCase(Case):
    """One intent with one reference, at a vendor of its own.

    Attributes:
        kind: What the user has, and what becomes of it.
    """

    kind: Kind = "file, audited"
    _counted: list[str] = field(default_factory=list[str])

    @property
    def route(self) -> Mapping[str, Any]:
        """Other fields of the request."""
        audited = self.kind.endswith("audited")
        fields = {"model": "sd2_mx_720p"} if audited else {"model": "seedance2.0-mini", "resolution": "480p"}
        return {**fields, "duration": 4, "images": [self.source]}

    @cached_property
    def content(self) -> bytes:
        """A picture that is in no other case."""
        return picture(self.prompt)

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def source(self) -> str:
        """What the user writes: a path, or the address of an object."""
        if self.kind.startswith("file"):
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / "mug.png"
            path.write_bytes(self.content)
            return str(path)
        assert self.chaos.bucket is not None
        key = f"pictures/{self.folder.name}/mug.png"
        self.chaos.bucket.client.put_object(Bucket=BUCKET, Key=key, Body=self.content)
        return f"s3://{BUCKET}/{key}"

    @property
    def request(self) -> VideoRequest:
        """What is asked for."""
        return request_for(self.prompt, fields=self.route)

    @property
    def intent(self) -> str:
        """The intent of the request, whose file or object is told by its content."""
        sources = {self.source: f"sha256:{self.sha256}"}
        template = self.place.store.destination().key_template
        return place_order(
            self.request, scope=ALWAYS, account="default", key_template=template, sources=sources
        ).identity.intent

    def plan(self, *faults: Fault) -> None:
        """Plan faults: the vendor is this case's own."""
        self.chaos.vendor.plan(*faults)

    def order(self, **fields: Any) -> Any:
        """Order a run of this case, by default one of the pipeline alone."""
        return super().order(**{"flow": False, "request": dict(self.route), **fields})

    # The memos.

    def memos(self) -> dict[MemoKind, MemoEntry]:
        """Read the memos: one of each kind at most, since there is one content."""
        entries = [*Memos(self.files, "default").entries()]
        found = {entry.kind: entry for entry in entries}
        assert len(found) == len(entries), entries
        return found

    def reasons(self, kind: MemoKind) -> list[str]:
        """Return why it was made anew, the newest last."""
        entry = self.memos().get(kind)
        return [past.reason for past in entry.history] if entry else []

    def lapse_memos(self) -> None:
        """Let the leases of the memos run out, by the store's clock."""
        for entry in self.memos().values():
            if entry.state == "working":
                self.place.age(key_of("default", entry.kind, entry.name), _LAPSED_SECONDS)

    def lapse(self) -> None:
        """Let the leases of the memos run out, and that of the record."""
        self.lapse_memos()
        if self.journal.read(self.intent) is not None:
            self.age()

    def grow_older(self, seconds: float) -> None:
        """Let time pass for the vendor, and for what the memos keep."""
        self.chaos.vendor.elapse(seconds)
        for entry in self.memos().values():
            self.place.age(key_of("default", entry.kind, entry.name), seconds)

    def forget_all(self) -> None:
        """Forget what is kept and what was turned down, as a person would who reads that this helps."""
        for entry in self.memos().values():
            Memos(self.files, "default").forget(entry.kind, entry.name, "a person asked for it", lift_limit=True)

    # Runs.

    def run_until_stored(self, *, most: int = _MOST_RUNS, allowed: int = 1) -> Report:
        """Run it again and again until it is stored, and check the promises after each run."""
        report = Report()
        for _ in range(most):
            self.lapse()
            report = self.run(max_submissions=allowed)
            self.check(allowed=allowed)
            if report.error == "SubmissionUnknown":
                self.settle()
            elif "--forget" in report.message:  # made too often, or a look of the vendor that took too long
                self.forget_all()
            elif not report.error:
                self.assert_stored(report)
                return report
        raise AssertionError(f"It is not stored after {most} runs: {report}")

    # The promises.

    def check(self, *, allowed: int = 1) -> None:
        """Check what holds after every run, however it ended."""
        assert len(self.bills()) <= allowed, self.bills()
        self.check_repeats()
        self.check_what_was_sent()
        assert len([*self.journal.records()]) <= 1

    def check_repeats(self) -> None:
        """Nothing was uploaded or audited twice without a reason in its memo."""
        seen = self.chaos.vendor.requests()
        assert {*seen.uploads} <= {self.sha256}
        made: dict[MemoKind, int] = {"upload": sum(seen.uploads.values()), "audit": sum(seen.audits.values())}
        memos = self.memos()
        for kind, count in made.items():
            history = memos[kind].history if kind in memos else ()
            assert all(past.reason for past in history), history
            # One is kept or being made, or was the last one in the history.
            claims = len(history) + (memos[kind].state != "ready" if kind in memos else 0)
            assert count <= claims, f"{count} {kind}s, and in the memo: {memos.get(kind)}"

    def check_what_was_sent(self) -> None:
        """Every create named the content, by an asset that was active or a link that could be read.

        The vendor has looked at each reference when the create arrived, as it was at that moment.
        """
        files = {upload.name: upload.content for upload in self.chaos.vendor.uploads()}
        assets = {asset.asset_id: asset for asset in self.chaos.vendor.assets()}
        for bill in self.chaos.vendor.bills():
            for task_id in bill.task_ids:
                view = self.chaos.vendor.simulation.ledger.view(task_id)
                assert view is not None and not view.error_message, (bill.body, view)
            images = bill.body["images"]
            assert isinstance(images, list) and len(images) == 1
            address = str(images[0])
            if address.startswith("asset://"):
                address = assets[address.removeprefix("asset://")].url
            name = urlsplit(address).path.rpartition("/")[2]
            # What is not an upload is the object itself, by a link.
            assert files.get(name) == self.sha256 or urlsplit(address).path.endswith(f"/{self.folder.name}/mug.png")


def picture(text: str) -> bytes:
    """Return a PNG of 320 x 320 that no other text has."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(b"\0" * (320 * 321))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, data)
        for name, data in (
            (b"IHDR", struct.pack(">IIBBBBB", 320, 320, 8, 0, 0, 0, 0)),
            (b"tEXt", b"Title\0" + text.encode()),
            (b"IDAT", rows),
            (b"IEND", b""),
        )
    )


@contextmanager
def reference_case(
    chaos: Chaos, name: str, kind: Kind, *faults: Fault, asset_seconds: float = 0.1, **vendor: Any
) -> Iterator[ReferenceCase]:
    """Make a case with a vendor of its own for the length of a ``with`` block, and plan its faults."""
    with running_simulator(seconds=0.1, key=KEY, balance=1e9, asset_seconds=asset_seconds, **vendor) as simulator:
        plain = replace(chaos, vendor=simulator).case(name)
        case = ReferenceCase(plain.chaos, plain.prompt, plain.folder, kind=kind)
        case.plan(*faults)
        yield case
