from __future__ import annotations

from tests.storage.s3_servers import moto

__all__ = ["moto"]
