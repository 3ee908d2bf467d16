"""Exit codes: what the table says of each is so. 3 is held by the tests of `batch` and `collect`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_seedance.cli import main
from prefect_seedance.cli.error_report import report
from prefect_seedance.cli.exit_codes import DONE, ERROR, INTERRUPTED, LOOK, UNUSABLE
from tests.cli.test_commands import COMMAND
from tests.processes import descendants, until


def test_each_is_what_the_table_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "--store", str(tmp_path)]) == DONE == 0
    assert main(["journal", "--store", "s4://nowhere"]) == ERROR == 1
    for unusable in (["jurnal"], ["journal", "--nothing"], ["journal", "--limit"], ["resolve"]):
        with pytest.raises(SystemExit) as ended:
            main(unusable)
        assert ended.value.code == UNUSABLE == 2
    assert (LOOK, INTERRUPTED) == (3, 130)
    assert "usage: prefect-seedance resolve " in capsys.readouterr().err

    def interrupted() -> int:
        raise KeyboardInterrupt

    assert report(interrupted, debug=False) == INTERRUPTED


def test_a_reader_that_has_read_enough_gets_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `head` does, once it has its lines
    done = subprocess.run(
        [*COMMAND, "journal", "--store", str(tmp_path)], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=100
    )
    os.close(writing)
    assert done.returncode == 128 + signal.SIGPIPE
    assert "Error" not in done.stderr and "Broken" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_work_that_is_killed_has_the_code_of_its_signal(tmp_path: Path) -> None:
    """Not a negative number, of which a shell would make another one."""
    demo = subprocess.Popen([*COMMAND, "demo", "--store", "out"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        (child, *_) = until(
            lambda: [
                each for each in descendants(demo.pid) if b"demo_run" in Path(f"/proc/{each}/cmdline").read_bytes()
            ],
            "the process that does the work",
        )
        os.kill(child, signal.SIGKILL)
        assert demo.wait(60) == 128 + signal.SIGKILL
    finally:
        demo.kill()
