"""A line to the Prefect server on which requests are written down, and some refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tests.costs.counting_proxy import counted_line
from tests.prefect_server import end_senders


@contextmanager
def line_to_prefect(api_url: str, folder: Path, *, refused: str = "", times: int = 0) -> Iterator[Path]:
    """Have all that is said to Prefect in a ``with`` block go over the line; gives its log."""
    with (
        counted_line(api_url, folder / "line.log", refused=refused, times=times) as line,
        # What is refused is refused for good, and not asked again for minutes.
        temporary_settings({PREFECT_API_URL: line.url, PREFECT_CLIENT_MAX_RETRIES: 1}),
    ):
        end_senders()
        try:
            yield line.log
        finally:
            end_senders()
