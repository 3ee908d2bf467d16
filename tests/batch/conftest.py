from tests.pipeline.conftest import destination, followed, other_process, running, vendor
from tests.storage.s3_servers import moto

__all__ = ["destination", "followed", "moto", "other_process", "running", "vendor"]
