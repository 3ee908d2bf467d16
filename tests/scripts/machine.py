"""A machine for the scripts: a clone in a folder of its own, and no commands but those that a test puts there.

The scripts run as they are, in real processes. What they would install and run is one small program under many names,
which writes down how it was called.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "scripts").iterdir())

_REAL = ("cat", "chmod", "cksum", "cp", "dirname", "find", "mkdir", "rm", "sed", "sort")

_PROGRAM = r"""#!/bin/sh
name=${0##*/}
here=${0%/*}
case $name,$* in
    python*,*version_info*) cat "$here/version"; exit ;;
    python*,*"import ensurepip"*) [ ! -e "$MACHINE/no-ensurepip" ]; exit ;;
    python*,*"import pip"*) exit ;;
    id,-u) echo "$UID_OF_THE_USER"; exit ;;
    grep,*os-release) [ "$DISTRIBUTION" = debian ]; exit ;;
esac
echo "$name $*" >>"$MACHINE/calls"
echo "$name: output"
case $name,$* in
    python3,"-m venv "*)
        mkdir -p "$3/bin"
        cp "$here/version" "$3/bin/version"
        for each in python uv ruff pyright pytest prefect-seedance; do cp "$0" "$3/bin/$each"; done
        ;;
    apt-get,*chromium*) cp "$0" "$here/chromium" ;;
    apt-get,*-venv*) rm "$MACHINE/no-ensurepip" ;;
    pytest,*) echo "SKIP_BROWSER_TESTS=$SKIP_BROWSER_TESTS LONG=$RUN_LONG,$HYPOTHESIS_PROFILE" >"$MACHINE/seen" ;;
esac
case " $FAILING " in *" $name "*) exit 3 ;; esac
"""


@dataclass
class Machine:
    """Where the scripts run.

    Attributes:
        folder: Holds the clone, the commands, and what was written down.
        environment: What the scripts are started with, besides what makes this machine up.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def clone(self) -> Path:
        """The working copy."""
        return self.folder / "clone"

    @property
    def commands(self) -> Path:
        """What PATH names."""
        return self.folder / "bin"

    def set_up(self, version: str = "3.11") -> None:
        """Make the clone and the commands, but for a browser."""
        shutil.copytree(ROOT / "scripts", self.clone / "scripts")
        (self.clone / "prefect_seedance").mkdir()
        for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "prefect_seedance/a.py"):
            (self.clone / name).write_text("as cloned\n")
        self.commands.mkdir()
        for name in _REAL:
            real = shutil.which(name)
            assert real is not None
            (self.commands / name).symlink_to(real)
        self.add("python3", "id", "grep", "apt-get")
        (self.commands / "version").write_text(f"{version}\n")

    def add(self, *names: str) -> None:
        """Put commands there that only write down how they are called."""
        for name in names:
            (self.commands / name).write_text(_PROGRAM)
            (self.commands / name).chmod(0o755)

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script from another folder; what was called before is forgotten."""
        (self.folder / "calls").unlink(missing_ok=True)
        defaults = {"UID_OF_THE_USER": "1000", "DISTRIBUTION": "debian", "FAILING": ""}
        return subprocess.run(
            [self.clone / "scripts" / script, *arguments],
            cwd=self.folder,
            env={
                "PATH": str(self.commands),
                "MACHINE": str(self.folder),
                **defaults,
                **self.environment,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        """What the last script has called, in order."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def seen(self) -> str:
        """The variables that pytest found."""
        return (self.folder / "seen").read_text().strip()
