"""The deployments on a real Prefect server: served, deployed, run by a schedule, and followed by automations.

Fixtures take the steps; tests look at what became of them, in an order that keeps the deployments of one road out of
the next one's way. What says of each Prefect the same, serve.py and the death of a worker, is marked so.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import prefect
import prefect.settings
import pytest
import yaml
from packaging.version import Version
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments import run_deployment
from prefect.deployments.runner import EntrypointType

from examples.on_video_stored import publish_video
from prefect_seedance import (
    BatchOptions,
    SeedanceCredentials,
    StoredVideo,
    VideoStore,
    generate_video,
    generate_videos,
)
from prefect_seedance.errors import SubmissionUnknown, VideoFailed
from prefect_seedance.journal.states import State
from prefect_seedance.simulator import Fault, Simulator
from tests.deployments.commands import README, ROOT, Command, done_here, promised, snippet
from tests.deployments.doomed import orphan, zombie
from tests.deployments.inbox import Inbox, open_inbox
from tests.prefect_runs import api
from tests.prefect_runs.vendor import record, small, tasks
from tests.processes import Running, descendants, environ, finished, running, until

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
]

Blocks = tuple[SeedanceCredentials, VideoStore]
NIGHTLY = "generate-videos/nightly-catalogue"
NAMES = {
    "generate-video/generate-video",
    NIGHTLY,
    "generate-videos/generate-videos",
    "generate-videos-in-parts/generate-videos-in-parts",
    "plan-videos/plan-videos",
    "resolve-submission/resolve-submission",
    "pause-spending/pause-spending",
    "resume-spending/resume-spending",
    "submit-videos/submit-videos",
    "collect-videos/collect-videos",
}
PATIENCE = 150.0


# The steps


@dataclass(frozen=True)
class Served:
    deployments: list[DeploymentResponse]
    from_the_command_line: FlowRun
    from_python: FlowRun
    video: StoredVideo
    with_a_block_object: dict[str, Any]


@pytest.fixture(scope="module")
def served(blocks: Blocks, environment: dict[str, str], folder: Path) -> Served:
    """serve.py, and what runs by the command line and from another program; then it ends."""
    with running(*Command.SERVE.arguments, log=folder / "serve.log", environment=environment) as serving:
        until(lambda: {each for each in NAMES if each in serving.log.read_text()} == NAMES, "serve.py", alive=serving)
        deployments = every_deployment()
        with ThreadPoolExecutor(1) as background:
            command_line = background.submit(finished, *Command.RUN.arguments, environment=environment, folder=ROOT)
            names: dict[str, Any] = {}
            exec(snippet("run_deployment("), names)
            command_line.result()
        runs = {run.id: run for run in runs_of("generate-video/generate-video")}
        from_python = runs.pop(names["run"].id)
        (from_the_command_line,) = runs.values()
        with_object = run_deployment(
            "resolve-submission/resolve-submission",
            parameters={"credentials": blocks[0], "intent": "0" * 32, "resolution": "abandon"},
            timeout=0,
            as_subflow=False,
        )
    delete_deployments()
    return Served(deployments, from_the_command_line, from_python, names["video"], with_object.parameters)


@pytest.fixture(scope="module")
def by_yaml(worker: Running, blocks: Blocks, environment: dict[str, str], folder: Path) -> list[DeploymentResponse]:
    """prefect deploy --all, from a copy of the folder, on a server without deployments; nothing on Prefect 3.7.

    It takes ``pull: []`` for an omitted one there, and then cannot read an entrypoint that is a module.
    """
    if Version(prefect.__version__) < Version("3.8"):
        return []
    copy = folder / "copy"
    shutil.copytree(ROOT / "deployments", copy)
    finished(*Command.DEPLOY_ALL.arguments, environment=environment, folder=copy)
    found = every_deployment()
    delete_deployments()
    return found


@pytest.fixture(scope="module")
def printed_by_script(by_yaml: list[DeploymentResponse]) -> str:
    """What deploy.py prints on a server whose only deployment is a catalogue of an earlier version."""
    generate_video.to_deployment("nightly-catalogue", work_pool_name="seedance", paused=False).apply()
    printed = done_here(*Command.DEPLOY.arguments)
    with get_client(sync_client=True) as client:
        former = client.read_deployment_by_name("generate-video/nightly-catalogue")
        client.delete_deployment(former.id)
    return printed


@pytest.fixture(scope="module")
def by_script(printed_by_script: str) -> list[DeploymentResponse]:
    """What it has deployed."""
    return every_deployment()


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with open_inbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def telling(by_script: list[DeploymentResponse], inbox: Inbox) -> list[DeploymentResponse]:
    """deploy.py again, with somebody to tell."""
    webhook = CustomWebhookNotificationBlock(
        name="team", url=inbox.url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    webhook.save("team", _sync=True)
    done_here(*Command.DEPLOY_TELLING.arguments)
    return every_deployment()


@pytest.fixture(scope="module")
def switched_on(telling: list[DeploymentResponse]) -> DeploymentResponse:
    """deploy.py again, with the schedules on; but for the collector's, which would wait for the videos of the dead."""
    done_here(*Command.DEPLOY_ON.arguments)
    with get_client(sync_client=True) as client:
        client.pause_deployment(client.read_deployment_by_name("collect-videos/collect-videos").id)
    return nightly()


@dataclass(frozen=True)
class Applied:
    """What apply_automations.py printed."""

    first: str
    again: str


@pytest.fixture(scope="module")
def automations(switched_on: DeploymentResponse, worker: Running, folder: Path) -> Applied:
    """apply_automations.py; then again with a zombies.yaml of ten seconds, for flows named zombie."""
    publish_video.to_deployment(
        "publish-video", work_pool_name="seedance", entrypoint_type=EntrypointType.MODULE_PATH
    ).apply()
    first = done_here(*Command.AUTOMATIONS.arguments)

    automation = yaml.safe_load((ROOT / "deployments/automations/zombies.yaml").read_text())
    automation["trigger"]["within"] = 10
    automation["trigger"]["match_related"]["prefect.resource.name"] = ["zombie"]
    sooner = folder / "automations"
    sooner.mkdir()
    (sooner / "zombies.yaml").write_text(yaml.safe_dump(automation))
    script, *_ = Command.AUTOMATIONS.arguments
    return Applied(first, done_here(script, "--folder", str(sooner)))


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> Path:
    """A manifest of two rows on the worker's machine."""
    path = folder / "catalogue.csv"
    path.write_text(
        "name,prompt,model,resolution,duration\n"
        "mug,A mug of the catalogue,seedance2.0-mini,480p,4\n"
        "cup,A cup of the catalogue,seedance2.0-mini,480p,5\n"
    )
    return path


@dataclass(frozen=True)
class Planned:
    """A plan, and how many bills came while it was made."""

    run: FlowRun
    bills: int


@pytest.fixture(scope="module")
def planned(
    by_script: list[DeploymentResponse],
    worker: Running,
    vendor: Simulator,
    environment: dict[str, str],
    catalogue: Path,
) -> Planned:
    """The plan of that manifest, by the command of the README."""
    before = len(vendor.bills())
    command = [each.replace("/data/catalogue.csv", str(catalogue)) for each in Command.PLAN.arguments]
    finished(*command, environment=environment, folder=ROOT)
    (run,) = runs_of("plan-videos/plan-videos")
    return Planned(run, len(vendor.bills()) - before)


@pytest.fixture(scope="module")
def cron(automations: Applied, worker: Running, planned: Planned, catalogue: Path) -> DeploymentResponse:
    """A schedule with that manifest and a cron that comes within a minute."""
    deployment = nightly()
    schedule = schedule_of(deployment, "campaigns")
    every_minute = CronSchedule(cron="* * * * *", timezone="Europe/Berlin")
    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(
            deployment.id,
            schedule.id,
            active=True,
            schedule=every_minute,
            parameters={**schedule.parameters, "manifest": str(catalogue)},
        )
    return deployment


@pytest.fixture(scope="module")
def first_night(cron: DeploymentResponse, worker: Running) -> FlowRun:
    """The first run that the scheduler made, at its end; it makes no more."""
    until(
        lambda: [run for run in runs_of(NIGHTLY) if run.start_time], "a scheduled run", seconds=PATIENCE, alive=worker
    )
    with get_client(sync_client=True) as client:
        client.pause_deployment(cron.id)
    run = min((run for run in runs_of(NIGHTLY) if run.start_time), key=lambda run: run.start_time)
    return api.ended(run.id, by=worker, seconds=PATIENCE)


@dataclass(frozen=True)
class Killed:
    """Two runs of a worker that was killed.

    Attributes:
        run: Was killed with it, as when the machine dies, while it waited for a video; the automation has seen it.
        orphan: Lived on; its submission was on the wire when the worker died.
        unanswered: Whether it really was.
    """

    run: FlowRun
    orphan: FlowRun
    unanswered: bool


@pytest.fixture(scope="module")
def killed(
    cron: DeploymentResponse, vendor: Simulator, environment: dict[str, str], blocks: Blocks, folder: Path
) -> Killed:
    """A worker with a pool of its own, and its end by SIGKILL."""
    vendor.plan(Fault(fault="unknown_status", matching="zombie", times=100_000))
    vendor.plan(Fault(fault="slow_answer", matching="orphan", seconds=15))
    command = ["-m", "prefect", "worker", "start", "--pool", "doomed", "--type", "process"]
    with running(*command, log=folder / "doomed.log", environment=environment) as doomed:
        until(lambda: "started!" in doomed.log.read_text(), "the worker", seconds=150, alive=doomed)
        parameters = {
            "credentials": {"$ref": {"block_document_slug": "seedance-credentials/default"}},
            "store": {"$ref": {"block_document_slug": "seedance-video-store/default"}},
        }
        for each in (zombie, orphan):
            each.to_deployment(
                "doomed", work_pool_name="doomed", entrypoint_type=EntrypointType.MODULE_PATH, parameters=parameters
            ).apply()
        with_it = api.start("zombie/doomed", {})
        (task_id,) = until(lambda: tasks(vendor, "zombie"), "the zombie's task", alive=doomed)
        until(lambda: vendor.requests().polls.get(task_id, 0) > 1, "the zombie's polls", alive=doomed)
        alone = api.start("orphan/doomed", {})
        until(lambda: tasks(vendor, "orphan"), "the orphan's task", alive=doomed)
        unanswered = record(blocks[1], "orphan").state is State.SENDING
        started = descendants(doomed.process.pid)
        doomed.process.kill()
        for pid in started:
            if environ(pid).get("PREFECT__FLOW_RUN_ID") == str(with_it):
                os.kill(pid, signal.SIGKILL)
        ended = api.ended(alone, seconds=PATIENCE)
    return Killed(api.ended(with_it, seconds=PATIENCE), ended, unanswered)


def every_deployment() -> list[DeploymentResponse]:
    with get_client(sync_client=True) as client:
        return sorted(client.read_deployments(), key=lambda each: each.name)


def delete_deployments() -> None:
    with get_client(sync_client=True) as client:
        for each in client.read_deployments():
            client.delete_deployment(each.id)


def runs_of(deployment: str) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
        return client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[found.id])))


def nightly() -> DeploymentResponse:
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name(NIGHTLY)


def schedule_of(deployment: DeploymentResponse, slug: str) -> Any:
    return next(each for each in deployment.schedules if each.slug == slug)


# What became of them


def test_every_command_of_the_readme_is_one_that_the_tests_run() -> None:
    assert promised() == set(Command)
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    assert [command.name for command in Command if f"Command.{command.name}.arguments" not in sources] == []


def test_every_setting_that_the_readme_names_is_one_of_prefect() -> None:
    names = set(re.findall(r"\bPREFECT_[A-Z_]+\b", README)) - {"PREFECT_REDIS_MESSAGING_HOST"}
    assert [name for name in names if not hasattr(prefect.settings, name)] == []


@pytest.mark.newest
def test_what_is_served_is_there_and_runs_by_the_command_line(
    served: Served, vendor: Simulator, blocks: Blocks
) -> None:
    assert {each.name for each in served.deployments} == {name.split("/")[1] for name in NAMES}
    assert served.from_the_command_line.state_name == "Completed"
    assert len(tasks(vendor, "A paper boat")) == 2  # of the command line, and from Python with another prompt
    assert len(list(Path(blocks[1].location).rglob("*.mp4"))) >= 2


@pytest.mark.newest
def test_a_program_that_refers_to_the_blocks_gets_its_video(served: Served) -> None:
    assert served.from_python.state_name == "Completed"
    assert Path(served.video.uri.removeprefix("file://")).stat().st_size == served.video.bytes


@pytest.mark.newest
def test_a_block_object_given_to_run_deployment_arrives_as_asterisks(served: Served) -> None:
    assert served.with_a_block_object["credentials"]["api_key"] == "**********"


@pytest.mark.newest
def test_the_yaml_and_the_script_say_the_same(
    by_yaml: list[DeploymentResponse], by_script: list[DeploymentResponse]
) -> None:
    if by_yaml:
        assert [described(each) for each in by_yaml] == [described(each) for each in by_script]
    assert {each.name for each in by_script} == {name.split("/")[1] for name in NAMES}


def test_the_selectors_of_the_form_are_filled_in_by_the_script_only(
    by_yaml: list[DeploymentResponse], by_script: list[DeploymentResponse], blocks: Blocks
) -> None:
    ids = {name: str(block._block_document_id) for name, block in zip(("credentials", "store"), blocks, strict=True)}

    def named(deployment: DeploymentResponse) -> dict[str, str | None]:
        return {name: deployment.parameters[name]["$ref"].get("block_document_id") for name in deployed(deployment)}

    def deployed(deployment: DeploymentResponse) -> list[str]:
        names = [name for name in ids if name in deployment.parameters]
        assert names == (["store"] if deployment.name.endswith("-spending") else [*ids])
        return names

    for deployment in by_script:
        assert named(deployment) == {name: ids[name] for name in deployed(deployment)}
    for deployment in by_yaml:
        assert {*named(deployment).values()} == {None}


def test_schedules_rest_until_somebody_switches_them_on(
    by_yaml: list[DeploymentResponse], by_script: list[DeploymentResponse], switched_on: DeploymentResponse
) -> None:
    catalogues = [each for each in [*by_yaml, *by_script] if each.schedules]
    assert catalogues
    assert all(each.paused for each in catalogues)
    assert not switched_on.paused


def test_the_collector_comes_every_five_minutes_and_a_second_one_is_turned_away(
    by_script: list[DeploymentResponse],
) -> None:
    (collector,) = (each for each in by_script if each.name == "collect-videos")
    (schedule,) = collector.schedules
    assert described(collector)["collision"] == "CANCEL_NEW"
    assert getattr(schedule.schedule, "cron", "") == "*/5 * * * *"


def test_a_schedule_that_loses_its_manifest_finds_no_other_to_buy(by_script: list[DeploymentResponse]) -> None:
    (deployment,) = (each for each in by_script if each.name == "nightly-catalogue")
    assert "manifest" not in deployment.parameters
    assert "manifest" in deployment.parameter_openapi_schema["required"]
    assert all(each.parameters["manifest"] for each in deployment.schedules)


def test_a_schedule_buys_a_row_once(by_script: list[DeploymentResponse]) -> None:
    (deployment,) = (each for each in by_script if each.name == "nightly-catalogue")
    assert deployment.parameters["options"]["reuse"] == "always"


def test_a_former_catalogue_that_still_buys_is_told_with_how_to_end_it(printed_by_script: str) -> None:
    (line,) = (line for line in printed_by_script.splitlines() if "earlier version" in line)
    assert "goes on and buys" in line
    assert line.endswith("prefect deployment delete generate-video/nightly-catalogue")


@pytest.mark.newest
def test_applying_again_keeps_what_people_have_changed(switched_on: DeploymentResponse) -> None:
    """A schedule that was added, one that was switched off, and the pause of each deployment."""
    added = {"manifest": "s3://bucket/somebody-s.csv"}
    with get_client(sync_client=True) as client:
        on_demand = client.read_deployment_by_name("generate-video/generate-video")
        yearly = CronSchedule(cron="0 0 1 1 *", timezone="Europe/Berlin")
        for deployment in (on_demand, switched_on):
            client.create_deployment_schedules(deployment.id, [(yearly, True)])
        (new,) = (each for each in nightly().schedules if each.slug is None)
        client.update_deployment_schedule(switched_on.id, new.id, active=True, schedule=yearly, parameters=added)
        daily = schedule_of(switched_on, "catalogue")
        client.update_deployment_schedule(
            switched_on.id, daily.id, active=False, schedule=daily.schedule, parameters=daily.parameters
        )
        client.pause_deployment(on_demand.id)
        printed = done_here(*Command.DEPLOY_TELLING.arguments)
        again = nightly()
        assert not again.paused
        assert {each.slug: (each.active, bool(each.parameters)) for each in again.schedules} == {
            None: (True, True),
            "catalogue": (False, True),
            "campaigns": (True, True),
        }
        (kept,) = (each for each in again.schedules if each.slug is None)
        assert (kept.schedule, kept.parameters) == (yearly, added)
        assert "nightly-catalogue keeps a schedule" in printed
        on_demand = client.read_deployment_by_name("generate-video/generate-video")
        assert on_demand.paused
        assert [each.schedule for each in on_demand.schedules] == [yearly]
        # As it was, for the tests after this one.
        client.resume_deployment(on_demand.id)
        for deployment in (on_demand, again):
            for each in deployment.schedules:
                if each.slug is None:
                    client.delete_deployment_schedule(deployment.id, each.id)


@pytest.mark.usefixtures("by_script")
@pytest.mark.parametrize("script", [Command.DEPLOY, Command.SERVE])
def test_a_script_names_the_blocks_that_it_lacks_and_applies_nothing(script: Command) -> None:
    before = every_deployment()
    with pytest.raises(SystemExit) as ended:
        done_here(*script.arguments, "--credentials", "nobody", "--notify", "seedance-video-store/default")
    assert str(ended.value).splitlines() == [
        "seedance-credentials/nobody is not saved. Save it first, in the Prefect UI under Blocks or in Python.",
        "seedance-video-store/default is a VideoStore, and cannot notify. Name a notification block.",
    ]
    assert [each.updated for each in every_deployment()] == [each.updated for each in before]


def test_the_yaml_requires_the_blocks_that_it_names() -> None:
    content = yaml.safe_load((ROOT / "deployments/prefect.yaml").read_text())
    step, prices = content["build"]
    named = {
        parameter["$ref"]["block_document_slug"]
        for deployment in content["deployments"]
        for parameter in deployment["parameters"].values()
        if isinstance(parameter, dict) and "$ref" in parameter
    }
    assert step == {"prefect_seedance.blocks.saved_blocks.require": {"blocks": sorted(named)}}
    assert prices == {"prefect_seedance.blocks.form_prices.look_up": {"credentials": min(named)}}


@pytest.mark.newest
def test_a_limit_of_the_account_can_be_set(environment: dict[str, str]) -> None:
    finished(*Command.LIMIT.arguments, environment=environment, folder=ROOT)
    with get_client(sync_client=True) as client:
        limit = client.request("GET", "/v2/concurrency_limits/seedance-default").json()
    assert (limit["limit"], limit["active"]) == (8, True)


def test_automations_are_made_once_and_then_brought_up_to_date(automations: Applied) -> None:
    assert automations.first.count(": made") == 6
    assert automations.again.strip() == "zombies.yaml: brought up to date"
    with get_client(sync_client=True) as client:
        assert len(client.read_automations()) == 6


@pytest.mark.newest
@pytest.mark.usefixtures("automations")
def test_a_failed_video_and_an_unknown_submission_are_told(vendor: Simulator, blocks: Blocks, inbox: Inbox) -> None:
    vendor.plan(Fault(fault="failed", matching="told of a failure"))
    with pytest.raises(VideoFailed):
        generate_video(small("told of a failure"), *blocks)
    vendor.plan(Fault(fault="lost_answer", matching="told of an unknown"))
    with pytest.raises(SubmissionUnknown) as unknown:
        generate_video(small("told of an unknown"), *blocks)
    (task_id,) = tasks(vendor, "told of a failure")
    intent = record(blocks[1], "told of an unknown").record.intent
    until(lambda: inbox.having(task_id, "VideoFailed", "TRADEMARK"), "the message about the failure", seconds=PATIENCE)
    until(
        lambda: inbox.having(intent, "Perhaps paid", "resolve-submission"),
        "the message about the unknown",
        seconds=PATIENCE,
    )
    begins, *_ = str(unknown.value).partition(" (")
    for prompt, said in (("told of a failure", task_id), ("told of an unknown", begins)):
        whole = ("no video from generate-video", prompt, said, "on the page of flow run")
        until(partial(inbox.having, *whole), f"the message about the run: {whole}", seconds=PATIENCE)


def test_deployments_that_make_videos_tell_whom_they_are_given(
    by_script: list[DeploymentResponse], telling: list[DeploymentResponse]
) -> None:
    assert {each.parameters.get("notify") for each in by_script} == {None}
    assert {each.name: each.parameters.get("notify") for each in telling} == {
        "generate-video": ["custom-webhook/team"],
        "generate-videos": ["custom-webhook/team"],
        "generate-videos-in-parts": ["custom-webhook/team"],
        "nightly-catalogue": ["custom-webhook/team"],
        "submit-videos": ["custom-webhook/team"],
        "collect-videos": ["custom-webhook/team"],
        "plan-videos": None,
        "resolve-submission": None,
        "pause-spending": None,
        "resume-spending": None,
    }


@pytest.mark.newest
def test_a_run_that_was_killed_with_its_worker_says_what_goes_on_and_is_taken_up(
    killed: Killed, vendor: Simulator, blocks: Blocks
) -> None:
    assert killed.run.state_name == "Crashed"
    assert killed.run.state is not None
    assert "Retry this run, and it takes that up" in str(killed.run.state.message)
    written = record(blocks[1], "zombie").record
    assert (written.state, [written.task_id]) == (State.SUBMITTED, tasks(vendor, "zombie"))
    vendor.simulation.faults.clear()
    following = generate_video(small("zombie"), *blocks)
    assert (following.task_id, following.reused) == (written.task_id, True)
    assert len(tasks(vendor, "zombie")) == 1


@pytest.mark.newest
def test_a_run_that_outlives_its_worker_writes_the_answer_down_and_stores_its_video(
    killed: Killed, vendor: Simulator, blocks: Blocks
) -> None:
    assert killed.unanswered, "the worker was not killed in the middle of the submission"
    assert killed.orphan.state_name == "Completed", killed.orphan.state
    written = record(blocks[1], "orphan").record
    assert (written.state, [written.task_id]) == (State.STORED, tasks(vendor, "orphan"))


def test_a_plan_on_demand_is_free(planned: Planned) -> None:
    assert planned.run.state_name == "Completed", planned.run.state
    assert planned.bills == 0


def test_a_cron_run_fires_on_a_process_worker_and_stores_the_videos_of_its_manifest(
    first_night: FlowRun, vendor: Simulator, blocks: Blocks, catalogue: Path
) -> None:
    assert first_night.auto_scheduled
    assert first_night.state_name == "Completed", first_night.state
    assert first_night.parameters["manifest"] == str(catalogue)
    stored = {path.stem for path in Path(blocks[1].location).rglob("*.mp4")}
    for prompt in ("A mug of the catalogue", "A cup of the catalogue"):
        (task_id,) = tasks(vendor, prompt)
        assert any(task_id in name for name in stored)


def test_a_second_night_with_the_same_manifest_buys_nothing(
    first_night: FlowRun, vendor: Simulator, blocks: Blocks, catalogue: Path
) -> None:
    bills = len(vendor.bills())
    options = BatchOptions.model_validate(first_night.parameters["options"])
    report = generate_videos(str(catalogue), *blocks, options=options)
    assert (report.counts, report.spent, len(vendor.bills())) == ({"reused": 2}, 0.0, bills)


def test_the_automation_runs_another_deployment_for_each_stored_video(
    first_night: FlowRun, worker: Running, vendor: Simulator
) -> None:
    for prompt in ("A mug of the catalogue", "A cup of the catalogue"):
        until(partial(publishing, vendor, prompt), "the run of publish-video", alive=worker)
        (started,) = publishing(vendor, prompt)
        run = api.ended(started.id, by=worker)
        assert run.state_name == "Completed"
        assert Path(str(run.parameters["uri"]).removeprefix("file://")).is_file()


def publishing(vendor: Simulator, prompt: str) -> list[FlowRun]:
    made = tasks(vendor, prompt)
    return [run for run in runs_of("publish-video/publish-video") if run.parameters["task_id"] in made]


def described(deployment: DeploymentResponse) -> dict[str, Any]:
    """What a deployment is, apart from how it refers to its blocks."""
    parameters = {name: value for name, value in deployment.parameters.items() if name not in ("credentials", "store")}
    options = deployment.concurrency_options
    return {
        "name": deployment.name,
        "entrypoint": deployment.entrypoint,
        "pull_steps": deployment.pull_steps or [],
        "path": deployment.path,
        "pool": deployment.work_pool_name,
        "tags": sorted(deployment.tags),
        "limit": deployment.global_concurrency_limit and deployment.global_concurrency_limit.limit,
        "collision": options and options.collision_strategy,
        "form": deployment.parameter_openapi_schema,
        "enforced": deployment.enforce_parameter_schema,
        "paused": deployment.paused,
        "parameters": parameters,
        "schedules": sorted(
            (str(each.slug), each.schedule.model_dump(mode="json"), each.active, str(each.parameters))
            for each in deployment.schedules
        ),
    }
