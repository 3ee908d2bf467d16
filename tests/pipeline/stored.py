"""A stored video that nobody made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect_seedance.pipeline.models import StoredVideo


def stored_video(uri: str, **more: Any) -> StoredVideo:
    now = datetime.now(UTC)
    facts: dict[str, Any] = {
        **{"key": "videos/one.mp4", "bytes": 1, "sha256": "0" * 64, "crc32": "0" * 8, "content_type": "video/mp4"},
        **{"etag": "", "task_id": "videos_1", "intent": "1" * 32, "model": "seedance2.0-mini", "cost": 4.0},
        **{"cost_source": "vendor", "submissions": 1, "created_at": now, "completed_at": now, "stored_at": now},
        **{"poster_uri": "", "provenance_uri": "", "width": 0, "height": 0, "seconds": 0.0},
    }
    return StoredVideo(uri=uri, **{**facts, **more})
