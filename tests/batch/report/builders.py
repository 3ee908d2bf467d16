"""What the tests of reports share: rows of every outcome, hostile texts, and a store with a video that plays."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from PIL import Image

from prefect_seedance.batch.models import WORST_FIRST, BatchReport, Outcome, RowResult
from prefect_seedance.batch.rows import Manifest
from prefect_seedance.journal.journal import Journal
from prefect_seedance.pipeline.parties import Destination
from prefect_seedance.storage.folder.store import FolderStore
from prefect_seedance.storage.protocol import Store
from prefect_seedance.storage.relay.policy import MediaPolicy

BEGUN = datetime(2026, 11, 27, 2, 0, tzinfo=UTC)
REASONS: dict[str, tuple[str, str]] = {
    "unknown": ("The connection broke after the request was sent; nobody knows whether it was accepted.", "Settle it."),
    "failed": ("The vendor ended the task: worker lost.", "Run it again."),
    "moderated": ("The moderation refused the prompt.", "Change the prompt."),
    "refused": ("The vendor says: insufficient resolution.", "Choose 720p."),
    "invalid": ("row 6, duration: 30 is longer than 12 s.", "Write 12 or less."),
    "over_budget": ("The budget of today is used up.", "Run it tomorrow, or raise the budget."),
    "not_started": ("The run was stopped before its turn.", "Run it again."),
}
#: Texts that mean something to a browser, a spreadsheet or a terminal, if they are not shown as what they are.
HOSTILE = (
    "</script><script>alert('script')</script>",
    "<img src=x onerror=alert('img')><svg onload=alert(1)>",
    "javascript:alert('link')",
    '=HYPERLINK("https://evil.example.com","click")',
    "+1+cmd|' /C calc'!A0",
    "\u202egnp.exe\u202c and \u2066left\u2069",
    "nul \x00 bell \x07 escape \x1b[2J",
    "line\u2028and paragraph\u2029separators <!-- -->]]>",
    "@POLICY@ @DATA@ @SCRIPT@ {{7*7}} ${alert(1)} `x`",
    "x" * 100_000,
)


def destination_of(store: Store) -> Destination:
    return Destination(store, Journal(store), "videos/{task_id}.mp4", MediaPolicy())


def folder_at(path: Path) -> Destination:
    return destination_of(FolderStore(path))


def row_of(number: int, outcome: Outcome = "stored", **more: object) -> RowResult:
    """A row as a batch has it; number 2 is the first below the header."""
    key = f"videos/2026/11/27/videos_{number:04d}.mp4"
    reason, advice = REASONS.get(outcome, ("", ""))
    facts: dict[str, object] = {
        "number": number,
        "name": f"lamp-{number:04d}",
        "outcome": outcome,
        "reason": reason,
        "advice": advice,
        "model": ("seedance-2.0-manxue", "seedance-2.0-fast", "seedance-2.0-mini")[number % 3],
        "prompt": f"A brass desk lamp, number {number}, turns slowly on a walnut table in soft morning light.",
        "duration": 5,
        "resolution": "720p",
        "ratio": "16:9",
        "intent": f"{number:032x}",
    }
    if outcome in ("stored", "reused"):
        facts |= {
            "task_id": f"videos_{number:04d}",
            "submissions": int(outcome == "stored"),
            "cost": 0.4 + number % 7 / 10 if outcome == "stored" else 0.0,
            "cost_source": "vendor",
            "uri": f"s3://catalogue/{key}",
            "key": key,
            "poster_uri": f"s3://catalogue/{key[:-4]}.jpg",
            "bytes": 1_500_000 + number,
            "width": 1280,
            "height": 720,
            "seconds": 5.0,
            "made_seconds": 60.0 + number % 90,
            "polls": 5,
            "late_seconds": 3.0,
            "stored_at": BEGUN + timedelta(seconds=30 * number),
        }
    return RowResult.model_validate(facts | more)


def mixed_rows(count: int) -> list[RowResult]:
    """Nine of ten are stored; the others have each outcome in turn."""
    return [
        row_of(number + 2, "stored" if number % 10 else WORST_FIRST[number // 10 % len(WORST_FIRST)])
        for number in range(count)
    ]


def report_of(rows: list[RowResult], **more: object) -> BatchReport:
    facts: dict[str, object] = {
        "source": "s3://catalogue/manifests/lamps.csv",
        "manifest_sha256": "ab" * 32,
        "run_id": "01a2b3c4-0000-7000-8000-0123456789ab",
        "run_name": "nightly-lamps",
        "run_url": "https://prefect.example.com/runs/flow-run/01a2b3c4",
        "account": "default",
        "scope": "always",
        "started_at": BEGUN,
        "ended_at": BEGUN + timedelta(minutes=47, seconds=12),
        "rows": rows,
    }
    return BatchReport.model_validate(facts | more)


def manifest_of_bytes(content: bytes = b"prompt,duration\nA lamp,5\n", suffix: str = ".csv") -> Manifest:
    return Manifest((), "lamps.csv", "ab" * 32, content, suffix)


@cache
def thumbnail(seed: int = 0, *, noise: bool = False, size: tuple[int, int] = (160, 90)) -> bytes:
    """A JPEG as large as a thumbnail may be, if it is noise; else a plain one."""
    if noise:
        image = Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3))
    else:
        image = Image.linear_gradient("L").resize(size).convert("RGB")
        tint = Image.new("RGB", size, ((seed * 53) % 200 + 40, (seed * 97) % 200 + 40, (seed * 31) % 200 + 40))
        image = Image.blend(image, tint, 0.6)
    for quality in range(85, 1, -6):
        written = io.BytesIO()
        image.save(written, "JPEG", quality=quality)
        if len(written.getvalue()) <= 6000:
            break
    return written.getvalue()
