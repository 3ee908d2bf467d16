"""The image of the worker: what its steps install runs, decodes, and starts a worker as a user without rights.

There is no builder of images here: `.github/workflows/test.yml` has one. Here the same lines are run by a shell, with
the image's folders below a scratch folder, and what changes the system left out.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from prefect_seedance.versions import version_of
from tests.release.distributions import ROOT, UV, interpreters, plain_environment, uv
from tests.storage.clips import make_clip

DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True)
class Step:
    """One instruction, its lines joined."""

    name: str
    rest: str


def steps() -> list[Step]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = filter(None, map(str.strip, re.sub(r"\\\n\s*", " ", text).splitlines()))
    return [Step(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def of(name: str) -> list[str]:
    return [step.rest for step in steps() if step.name == name]


def test_it_runs_as_a_user_without_rights_from_pinned_packages_and_keeps_no_cache() -> None:
    names = [step.name for step in steps()]
    last = len(names) - names[::-1].index("FROM")
    assert names[last:].index("USER") < names[last:].index("CMD") and of("USER") == ["worker"]
    (created,) = (run for run in of("RUN") if "useradd" in run)
    assert "worker" in created and "--uid" in created
    for run in of("RUN"):
        installs = [command for command in run.split("&&") if " install" in command]
        assert all("-c /source/constraints.txt" in each or each.strip().endswith(" uv") for each in installs)
        assert not installs or "--no-cache-dir" in run or "--mount=type=cache" in run
    # Only what the package is made of is copied: no .git, no environment, no .env of a developer.
    copied = {word for copy in of("COPY") if "--from" not in copy for word in shlex.split(copy)[:-1]}
    assert copied == {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "prefect_seedance"}
    assert not re.search(r"(?i)\b(ARG|ENV)\b.*(key|secret|token|password)", DOCKERFILE.read_text(encoding="utf-8"))


def test_the_documentation_builds_this_file() -> None:
    page = (ROOT / "docs/how-to/containers.md").read_text(encoding="utf-8")
    assert "docker build -t" in page and "```dockerfile" not in page, "two texts would drift apart"


_LOOK = """
import sys, threading
from prefect_seedance.storage.relay.decoder_process import decode
found = decode(open(sys.argv[1], "rb"), 640, threading.Event())
print(found.facts is not None and found.picture is not None and not found.problem)
"""


@pytest.mark.slow
@pytest.mark.newest
@pytest.mark.skipif(not UV.exists(), reason="there is no uv here: scripts/install puts it beside the interpreter")
def test_what_its_steps_install_decodes_and_starts_a_worker(tmp_path: Path) -> None:
    (image,) = {re.fullmatch(r"python:(3)\.(\d+)-slim(?: AS build)?", each) for each in of("FROM")[:1]}
    assert image is not None
    version = (int(image[1]), int(image[2]))
    if version not in interpreters():
        pytest.skip(f"CPython {version[0]}.{version[1]}, which the image has, is not here")
    # The image's own Python, and commands that would change the system: they only say that they were called.
    base = tmp_path / "base"
    uv("venv", "-q", "--seed", "--python", interpreters()[version], base)
    (base / "bin/useradd").write_text("#!/bin/sh\necho useradd $*\n")
    (base / "bin/useradd").chmod(0o755)
    environment = plain_environment()
    environment["PATH"] = f"{base / 'bin'}:{environment['PATH']}"

    def here(text: str) -> str:
        return text.replace("/source", f"{tmp_path}/source").replace("/opt/seedance", f"{tmp_path}/opt/seedance")

    for step in steps():
        if step.name == "COPY" and "--from" not in step.rest:
            *sources, target = shlex.split(here(step.rest))
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    Path(target).mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / source, target)
        if step.name == "RUN":
            # Compiling and copying all of it takes a minute, and says nothing.
            command = here(re.sub(r"--mount=\S+|--compile-bytecode|--link-mode copy", "", step.rest))
            ended = subprocess.run(
                ["sh", "-eu", "-c", command],
                **{"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 110},
            )
            assert ended.returncode == 0, f"{command}\n{ended.stderr[-3000:]}"
    environment["PATH"] = f"{tmp_path}/opt/seedance/bin:{environment['PATH']}"

    def said(*command: str | Path) -> str:
        ended = subprocess.run(
            [*map(str, command)],
            **{"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 60},
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        return ended.stdout

    assert said("prefect-seedance", "--version").startswith(f"prefect-seedance {version_of()}, Prefect ")
    video = tmp_path / "clip.mp4"
    make_clip(video)
    assert said("python", "-c", _LOOK, video) == "True\n"
    command = json.loads(of("CMD")[0])
    options = {word for word in command if word.startswith("--")}
    assert command[:3] == ["prefect", "worker", "start"]
    assert options <= {*re.findall(r"--[a-z-]+", said(*command[:3], "--help"))}
