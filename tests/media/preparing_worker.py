"""Prepares requests one after the other in a process of its own, and tells for each what it took.

Prints a line of JSON for each: why it was refused ("" if it was not), the peak of memory in MB, and the open files.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.identity import ALWAYS
from prefect_seedance.media.context import Follower
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.pipeline.submit.preparation import identify, prepare_ahead
from prefect_seedance.storage.relay.policy import MediaPolicy
from tests.pipeline.harness import TEMPLATE, account_at, destination_in


def taken_megabytes() -> float:
    """The most memory that was taken since this was asked last."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) / 1024


def main(url: str, key: str, folder: str, asked: str) -> None:
    account, follower = account_at(url, key), Follower()
    destination = replace(destination_in(Path(folder)), media=MediaPolicy(allow_loopback=True))
    for model, images in json.loads(asked):
        chosen = {"model": model} if model else {"other_model": "a-model-of-tomorrow"}
        request = VideoRequest(prompt="A boat", duration=5, images=images, **chosen)
        outcome = ""
        try:
            sources = identify(request, account, destination, follower)
            order = place_order(request, scope=ALWAYS, account="default", key_template=TEMPLATE, sources=sources)
            prepare_ahead(order, account, destination, follower, preflight=True, wait_seconds=60)
        except InvalidRequest as error:
            outcome = str(error)
        print(json.dumps([outcome, taken_megabytes(), len(os.listdir("/proc/self/fd"))]))


main(*sys.argv[1:])
