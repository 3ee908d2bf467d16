"""What a run says about signed links before it pays: what does not count, and what may cost a second video."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prefect_seedance.runs.logs import Step, log

if TYPE_CHECKING:
    from prefect_seedance.blocks.video_store import VideoStore
    from prefect_seedance.client.request.video_request import VideoRequest


def tell_of_links(step: Step, request: VideoRequest, store: VideoStore) -> None:
    """Log which parts of a request's links do not count, and warn of what may be a signature and counts."""
    from prefect_seedance.journal.media_identity import link_notices, signatures_left_out  # only a run needs it

    for notice in signatures_left_out(request, store.ignored_link_parameters):
        log(step, notice)
    for problem in link_notices(request, store.ignored_link_parameters):
        log(step, str(problem), level=logging.WARNING)
