from __future__ import annotations

from tests.browser.conftest import browser
from tests.pipeline.conftest import destination, running, vendor
from tests.storage.s3_servers import moto

__all__ = ["browser", "destination", "moto", "running", "vendor"]
