"""What the browser looks at: a Prefect server with its UI, the simulated vendor, the process that serves the flows.

For the tests and for ``docs/screenshots.py``. Everything runs on this machine and is gone at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_seedance.simulator import Fault, Simulator, running_simulator
from tests.prefect_server import ROOT, answers, ask, running_prefect_server
from tests.processes import finished, running, until

DEPLOYMENT, BATCH_DEPLOYMENT = "generate-video/generate-video", "generate-videos/nightly-catalogue"
LAST_DEPLOYMENT = "resume-spending/resume-spending"
#: Names of the blocks, which the browser saves.
CREDENTIALS, STORE = "studio", "catalogue"


@dataclass(frozen=True)
class Stage:
    """Everything that runs.

    Attributes:
        url: Where the UI is.
        vendor: The simulator.
        folder: For all that is written; the videos' store is in it.
        environment: For processes that talk to this server.
    """

    url: str
    vendor: Simulator
    folder: Path
    environment: dict[str, str]

    @property
    def store(self) -> Path:
        """The folder that the store block names."""
        return self.folder / "catalogue"

    def ask(self, path: str, **body: Any) -> Any:
        """Ask Prefect's API; with a body it is a POST."""
        return ask(f"{self.url}/api/{path}", body or None)

    def deployment_id(self, deployment: str = DEPLOYMENT) -> str:
        """Return the id of the deployment that a form is of."""
        return str(self.ask(f"deployments/name/{deployment}")["id"])

    def runs(self) -> list[dict[str, Any]]:
        """List every flow run, oldest first."""
        return self.ask("flow_runs/filter", sort="EXPECTED_START_TIME_ASC")

    def artifact(self, run: str, kind: str, saying: str = "") -> str:
        """Wait for a run's artifact of this type whose description says so, and give its id."""
        asked = {"flow_run_id": {"any_": [run]}, "type": {"any_": [kind]}}

        def found() -> str:
            artifacts = self.ask("artifacts/filter", artifacts=asked)
            assert len(artifacts) <= 1, artifacts
            return next((str(each["id"]) for each in artifacts if saying in str(each["description"])), "")

        return until(found, f"artifact of type {kind} that says {saying!r}")

    def wait_for_log(self, run: str, line: str) -> None:
        """Wait until the server has this line among the logs of a run: they come a little later than its state."""
        asked = {"flow_run_id": {"any_": [run]}}
        until(
            lambda: any(line in str(each["message"]) for each in self.ask("logs/filter", logs=asked)),
            f"log line {line!r}",
        )

    def hold(self, prompt: str) -> None:
        """Keep videos of this prompt at 50 %, so that a page can show them being made."""
        self.vendor.plan(Fault(fault="unknown_status", message="processing", times=1_000_000, matching=prompt))

    def release(self) -> None:
        """Let every video get on."""
        self.vendor.simulation.faults.clear()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve the flows as ``deployments/README.md`` says; the blocks must have been saved."""
        script = str(ROOT / "deployments" / "serve.py")
        command = [script, "--credentials", CREDENTIALS, "--store", STORE]
        with running(*command, log=self.folder / "serve.log", environment=self.environment) as process:
            # They are applied one after the other.
            path = f"{self.url}/api/deployments/name/{LAST_DEPLOYMENT}"
            until(lambda: answers(path), f"deployment {LAST_DEPLOYMENT}", seconds=120, alive=process)
            yield


@contextmanager
def open_stage(folder: Path, bucket: Mapping[str, str]) -> Iterator[Stage]:
    """Start the server and the vendor, and register the block types.

    Args:
        folder: For all that is written.
        bucket: The variables by which the served flows find S3.
    """
    with (
        running_simulator(seconds=2.0) as vendor,
        running_prefect_server(folder / "server", ui=True) as server,
    ):
        environment = {
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": server.api_url,
            "DO_NOT_TRACK": "1",
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "PYTHONPATH": str(ROOT),
            **bucket,
        }
        finished("-m", "prefect", "block", "register", "-m", "prefect_seedance", environment=environment, folder=folder)
        yield Stage(server.url, vendor, folder, environment)
