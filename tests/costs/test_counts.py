"""What a further video of a process costs in requests, TLS contexts and threads: counted on one small clip into S3.

The tables say why each request is made. A change that adds one adds its reason here, or it does not go in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from prefect_seedance.simulator import Simulator
from tests.costs.child import BATCH_VIDEOS, PACKAGE
from tests.costs.conftest import environment_for, settings_for
from tests.costs.counting_proxy import BUSY, CountedLine
from tests.processes import finished

pytestmark = pytest.mark.server

S3_LIMIT, TOP_LEVEL_LIMIT, SUBFLOW_LIMIT = 14, 16, 20


@dataclass(frozen=True)
class Allowed:
    """A request that there is a reason for.

    Attributes:
        method: Of HTTP; several are separated by a bar.
        path: Matches the whole path, without its query.
        most: How often it may be made.
        reason: Why.
    """

    method: str
    path: str
    most: int
    reason: str

    def fits(self, line: str) -> bool:
        method, path = line.split(" ")
        return bool(re.fullmatch(self.method, method) and re.fullmatch(self.path, path.partition("?")[0]))


VIDEO = r"/test-bucket/.*/videos/.*"
RECORD = r"/test-bucket/.*/journal/records/.*"
PAUSE = r"/test-bucket/.*/journal/pause\.json"
MARKER = r"/test-bucket/.*/journal/open/.*"

S3 = [
    Allowed("GET", RECORD, 1, "what the submission is decided upon; later steps go by what this process wrote itself"),
    Allowed("GET", PAUSE, 1, "whether spending is paused: read for each claim, and shared by those who ask soon after"),
    Allowed(
        "GET", RECORD, 1, "the claim is read back before its POST: that it was written is only what the store said"
    ),
    Allowed("PUT", MARKER, 1, "lets the collector find what is open without reading every record"),
    Allowed("PUT", RECORD, 5, "claimed, submitted, completed, stored, and a poster that took longer than a moment"),
    Allowed("PUT", VIDEO + r"\.mp4", 1, "the video"),
    Allowed(
        "HEAD",
        VIDEO + r"\.mp4",
        1,
        "what arrived is compared with what was sent. Whether the key is free is not asked: this process has just "
        "submitted the task itself, and the PUT writes over nothing",
    ),
    Allowed("PUT", VIDEO + r"\.jpg", 1, "the poster"),
    Allowed("PUT", VIDEO + r"\.json", 1, "the provenance"),
    Allowed("DELETE", MARKER, 1, "nothing is open any more"),
]

RUN, TASK_RUN = "/api/flow_runs/[0-9a-f-]{36}", "/api/task_runs/[0-9a-f-]{36}"

PREFECT_RUN = [
    Allowed("POST", "/api/flows/", 1, "Prefect: the flow's id"),
    Allowed("POST", "/api/flow_runs/", 1, "Prefect: makes the run"),
    Allowed("PATCH", RUN, 2, "Prefect: the run's name, which says what is made; ours: the tag with the model"),
    Allowed("POST", RUN + "/set_state", 2, "Prefect: running, completed"),
    Allowed("PATCH", RUN + "/labels", 1, "journal and scope that retries of the run must find again"),
    Allowed("POST", "/api/artifacts/", 1, "the run's page: result and poster (progress is drawn of longer waits only)"),
    Allowed("POST", "/api/logs/", 1, "Prefect: a batch of log lines"),
]

TOP_LEVEL = [
    *PREFECT_RUN,
    Allowed("GET", RUN, 1, "Prefect: what the run is before it begins; our code reads labels and schedule off it"),
    Allowed("GET", "/api/admin/storage", 3, "Prefect: where results go; asked for name, run, and whether to keep any"),
    Allowed("GET", "/api/csrf-token", 2, "Prefect: its client of the run, and the one that all tasks share"),
]

SUBFLOW = [
    *PREFECT_RUN,
    Allowed("POST", "/api/task_runs/", 1, "Prefect: the task that stands for the subflow in its parent"),
    Allowed("POST", "/api/flow_runs/filter", 1, "Prefect: whether a retried parent has this subflow already"),
    Allowed("GET", RUN, 3, "Prefect: as above; then the way up to the run that began everything"),
    Allowed("PATCH", RUN + "/labels", 1, "the same on its parent, whose retries give subflows new ids"),
    Allowed("GET", TASK_RUN, 2, "the way up leads through the tasks that stand for subflows"),
    Allowed("GET", "/api/csrf-token", 1, "Prefect: where labels are written with a client of their own"),
]

REPORT = "/test-bucket/.*/reports/.*"
HISTORY = "/test-bucket/.*/journal/history/durations.json"

#: Beside `S3` for each video. Price catalog, balance and probe are not S3's; the store is looked at once a process.
WRITTEN_BY_A_BATCH = 4  # of the five writes of a record: the completion is written together with the video
S3_OF_A_BATCH = [
    Allowed("PUT", REPORT + r"\.(json|html|csv)", 4, "the report in its three forms, and which manifest it is of"),
    Allowed("HEAD", REPORT + r"\.html", 1, "whether the page is there as it was sent"),
    Allowed("GET|PUT", HISTORY, 2, "how long videos take: read before, and added to after"),
]

#: Of each video that a collector brings in, beside those of its submission.
S3_OF_A_COLLECTED = [
    Allowed("GET", RECORD, 2, "how it stands: before the vendor is asked, and as its completion is written down"),
    Allowed("PUT", RECORD, 2, "completed, stored"),
    Allowed("PUT", VIDEO + r"\.(mp4|jpg|json)", 3, "the video, its poster and its provenance"),
    Allowed(
        "HEAD",
        VIDEO + r"\.mp4",
        3,
        "whether another process has stored it: looked at before it is fetched, and before it is written; and what "
        "arrived is compared with what was sent",
    ),
    Allowed("DELETE", MARKER, 1, "nothing is open any more"),
]
S3_OF_A_COLLECTION = [
    Allowed("GET", "/test-bucket", 1, "lists what is open"),
    Allowed("GET", "/test-bucket/.*/journal/store.json", 1, "which store this is"),
    Allowed("GET|PUT", HISTORY, 2, "how long videos take: read before, and added to after"),
]

#: Of all videos together: their task runs are told by events, which are no requests.
PREFECT_OF_A_BATCH = [
    Allowed("GET", "/api/(csrf-token|admin/storage|health)", 6, "Prefect: its clients; ours: whether it still answers"),
    Allowed("GET", RUN, 1, "Prefect: what the run is before it begins"),
    Allowed("GET", "/api/v2/concurrency_limits/.*", 1, "whether the account has a limit that all runs share"),
    Allowed("POST", "/api/(flows|flow_runs)/", 3, "Prefect: the flow's id, and the run"),
    Allowed("PATCH", RUN + "(/labels)?", 2, "the run's name; journal and scope that its retries must find again"),
    Allowed("POST", RUN + "/set_state", 2, "Prefect: running, completed"),
    Allowed("POST|PATCH", "/api/artifacts/.*", 6, "progress, the table of rows and the report; one of several rows"),
    Allowed("POST", "/api/logs/", 1, "Prefect: a batch of log lines"),
]

#: Prefect asks whether a tag of a task run has a limit, and remembers for five seconds that it has none: how often
#: depends on the machine's speed.
NOT_COUNTED = re.compile(r"POST /api/v2/concurrency_limits/increment-with-lease")


@pytest.fixture(scope="module")
def seen(
    simulator: Simulator,
    line_to_s3: CountedLine,
    line_to_prefect: CountedLine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Any]:
    """Play a scene in a process of its own, once for all tests; a call returns what it saw."""
    logs = {"s3": str(line_to_s3.log), "prefect": str(line_to_prefect.log)}

    @cache
    def play(scene: str) -> Any:
        settings = settings_for(simulator, line_to_s3.url, f"counts-{scene}", logs)
        folder = tmp_path_factory.mktemp(scene)
        environment = environment_for(line_to_prefect.url, folder)
        output = finished(*settings.command(scene), environment=environment, folder=folder)
        return json.loads(output.splitlines()[-1])

    return play


def without_reason(lines: list[str], table: list[Allowed]) -> list[str]:
    """The requests that the table has no row for, or no more room."""
    left = [replace(row) for row in table]
    surplus: list[str] = []
    for line in lines:
        fitting = next((index for index, row in enumerate(left) if row.most and row.fits(line)), None)
        if fitting is None:
            surplus.append(line)
        else:
            left[fitting] = replace(left[fitting], most=left[fitting].most - 1)
    return surplus


def check(lines: list[str], table: list[Allowed], limit: int) -> None:
    """Check that each request has its reason, and that there are no more than allowed.

    Prefect's server answers 503 when two writers meet in SQLite, and its client repeats the request: not ours to count.
    A request that was repeated may have taken the room of another one of its row.
    """
    counted = [line for line in lines if line != BUSY and not NOT_COUNTED.match(line)]
    everything, repeats = "\n".join(counted), lines.count(BUSY)
    surplus = without_reason(counted, table)
    repeated = {line for line in counted if counted.count(line) > 1}
    excused = [line for line in surplus if any(row.fits(line) and any(map(row.fits, repeated)) for row in table)]
    assert len(surplus) <= repeats and surplus == excused, (
        f"without a reason, of {len(counted)} requests: {surplus}\n{everything}"
    )
    assert 0 < len(counted) - repeats <= limit, everything


def test_a_request_that_a_busy_server_had_repeated_may_take_the_room_of_another() -> None:
    table = [Allowed("PATCH", "/runs/./labels", 2, "labels"), Allowed("GET", "/runs/.", 1, "the run")]
    patches = ["PATCH /runs/a/labels", "PATCH /runs/a/labels", "PATCH /runs/b/labels"]
    check([*patches, BUSY], table, 2)
    for lines in (patches, [*patches[1:], "GET /runs/a", "GET /runs/b", BUSY], [*patches, "GET /a", BUSY, BUSY]):
        with pytest.raises(AssertionError):
            check(lines, table, 5)


def test_a_further_video_at_the_top_level(seen: Callable[[str], Any]) -> None:
    check(seen("top_level")["prefect"], TOP_LEVEL, TOP_LEVEL_LIMIT)


def test_a_further_video_as_a_subflow(seen: Callable[[str], Any]) -> None:
    check(seen("subflow")["prefect"], SUBFLOW, SUBFLOW_LIMIT)


@pytest.mark.parametrize("scene", ["top_level", "subflow"])
def test_a_further_video_in_s3(scene: str, seen: Callable[[str], Any]) -> None:
    check(seen(scene)["s3"], S3, S3_LIMIT)


def test_a_batch_asks_s3_for_each_video_less_than_a_single_one_does(seen: Callable[[str], Any]) -> None:
    each = [replace(row, most=min(row.most, WRITTEN_BY_A_BATCH)) for row in S3]
    assert sum(row.most for row in each) == S3_LIMIT - 1
    table = [replace(row, most=row.most * BATCH_VIDEOS) for row in each] + S3_OF_A_BATCH
    check(seen("batch")["s3"], table, sum(row.most for row in table))


def test_a_collector_asks_s3_for_little_with_each_video_that_it_brings_in(seen: Callable[[str], Any]) -> None:
    found = seen("collection")
    assert found["stored"] == BATCH_VIDEOS
    table = [replace(row, most=row.most * BATCH_VIDEOS) for row in S3_OF_A_COLLECTED] + S3_OF_A_COLLECTION
    check(found["s3"], table, sum(row.most for row in table))


def test_a_batch_asks_prefect_for_nothing_more_with_each_video(seen: Callable[[str], Any]) -> None:
    check(seen("batch")["prefect"], PREFECT_OF_A_BATCH, sum(row.most for row in PREFECT_OF_A_BATCH))


@pytest.mark.parametrize(("table", "limit"), [(S3, S3_LIMIT), (TOP_LEVEL, TOP_LEVEL_LIMIT), (SUBFLOW, SUBFLOW_LIMIT)])
def test_the_tables_keep_to_their_limits(table: list[Allowed], limit: int) -> None:
    assert sum(row.most for row in table) <= limit


def test_a_request_without_a_reason_would_be_noticed() -> None:
    head = "HEAD /test-bucket/p/deep/videos/2026/a.mp4"
    probe = "GET /test-bucket/p/deep/journal/store.json"
    assert without_reason([head, head, probe], S3) == [head, probe]


def test_our_code_builds_one_tls_context_per_process(seen: Callable[[str], Any]) -> None:
    builders = seen("tls")
    assert builders["first"].count(PACKAGE) == 1
    assert builders["further"].count(PACKAGE) == 0


def test_a_further_video_builds_only_the_tls_context_of_prefects_engine(seen: Callable[[str], Any]) -> None:
    """The client that all tasks share takes ours: each costs more than a tenth of what a whole video may."""
    assert seen("tls")["further"] == ["prefect"]


def test_our_code_leaves_asyncios_default_pool_to_others(seen: Callable[[str], Any]) -> None:
    submitted = seen("pool")
    assert submitted["ours"] == []
    assert len(submitted["noticed"]) == 1
