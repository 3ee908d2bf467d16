from __future__ import annotations

from tests.storage.conftest import line, proxy
from tests.storage.s3_servers import moto

__all__ = ["line", "moto", "proxy"]
