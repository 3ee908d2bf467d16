from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefect_seedance.batch.manifest.reading import read_manifest
from prefect_seedance.batch.rows import Manifest
from prefect_seedance.media.context import Follower
from prefect_seedance.storage.folder.store import FolderStore
from tests.media.contexts import context_of
from tests.storage.s3_servers import moto

__all__ = ["moto"]

Read = Callable[..., Manifest]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a manifest with this content, from a folder of its own."""
    context = context_of(FolderStore(tmp_path / "store"))
    folder = tmp_path / "shop"
    folder.mkdir()

    def read_it(content: str | bytes, name: str = "spring.csv", **options: Any) -> Manifest:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_manifest(str(path), context, Follower(), **options)

    return read_it
