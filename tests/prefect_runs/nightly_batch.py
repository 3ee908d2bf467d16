"""One run of `generate_videos` in a process of its own, as a worker would have it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from prefect_seedance import BatchOptions, SeedanceCredentials, VideoRequest, VideoStore, generate_videos


def main(url: str, key: str, folder: str, count: str, in_flight: str, report: str) -> None:
    small = {"model": "seedance2.0-mini", "resolution": "480p", "duration": 4}
    requests = [VideoRequest.model_validate({"prompt": f"Boat {number}", **small}) for number in range(int(count))]
    found = generate_videos(
        "",
        SeedanceCredentials.model_validate({"api_key": key, "base_url": url}),
        VideoStore(location=folder),
        requests=requests,
        options=BatchOptions(max_in_flight=int(in_flight), posters=False),
    )
    Path(report).write_text(json.dumps({"run": found.run_id, "counts": found.counts, "report": found.report_uri}))


main(*sys.argv[1:])
