"""One collection in a process of its own, for its memory: ``python -m tests.pipeline.collect.large_collection``.

Settings come as one JSON argument; the peak of the memory in KiB and what became of the records go to the output.
"""

from __future__ import annotations

import json
import resource
import sys
from collections import Counter
from pathlib import Path

from tests.pipeline.collect.harness import Office
from tests.pipeline.harness import account_at


def main() -> None:
    """Collect once, and report."""
    url, folder, minutes = json.loads(sys.argv[1])
    report = Office(Path(folder), account_at(url)).collected(minutes=minutes)
    became = Counter(video.became for video in report.videos)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"kib": peak, "became": became, "polls": report.polls, "orphans": len(report.orphans)}))


if __name__ == "__main__":
    main()
