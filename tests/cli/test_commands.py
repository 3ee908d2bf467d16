"""The command line as a process: what a person sees, what a pipe gets, what an interrupt leaves."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import av
import httpx
import pytest

from tests.processes import descendants, until

COMMAND = [sys.executable, "-c", "import sys; from prefect_seedance.cli import main; sys.exit(main())"]


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=170, env={**os.environ, **environment}
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.long
def test_the_demo_leaves_a_video_with_its_provenance_and_poster(tmp_path: Path) -> None:
    done = run("demo", "--folder", "out", "--seconds", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "piped, it is quiet"
    assert not re.search(r"\x1b\[", done.stdout)
    (video,) = (tmp_path / "out").rglob("*.mp4")
    result, _, more = done.stdout.partition("\nNext, in ")
    assert str(video) in result and str(video) in more
    with av.open(str(video)) as container:
        assert next(container.decode(video=0)).width == 720
    assert video.with_suffix(".json").exists()
    assert video.with_suffix(".jpg").exists()
    assert re.search(r"coins at the simulator's made-up price", done.stdout)
    assert re.search(r"Took .*server .* validate .* create .* wait .* store", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--duration", "99"], "duration"),
        (["--model", "seedance2.0-mdd"], "did you mean 'seedance2.0-md'"),
        (["--prompt", " "], "prompt is empty"),
        (["--folder", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
@pytest.mark.sample(every=2)
def test_bad_input_is_one_readable_paragraph(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run("demo", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert said.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_demo_behind_a_proxy_reaches_what_is_on_this_machine(tmp_path: Path) -> None:
    """It is the only one that takes less than two minutes: a proxy that nobody answers for would be asked so long."""
    proxy = "http://127.0.0.1:9"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    environment = {name: proxy for each in names for name in (each, each.lower())}
    done = run("demo", "--folder", "out", "--seconds", "0.2", cwd=tmp_path, **environment, no_proxy="", NO_PROXY="")
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").rglob("*.mp4"))


@pytest.mark.long
def test_a_home_that_cannot_be_written_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {
        "PREFECT_HOME": str(tmp_path / "file" / "home"),
        "PREFECT_API_URL": "",
        "JIMMYAI_API_KEY": "sk_12345678",
    }
    done = run("generate", "--prompt", "A boat", "--store", str(tmp_path / "store"), cwd=tmp_path, **environment)
    assert done.returncode == 1
    said, in_use = done.stderr.splitlines()[-2:]  # Prefect warns first
    assert said.startswith("Error: PREFECT_HOME: ")
    assert "Not a directory" in said
    assert in_use.startswith(f"In use: store {tmp_path}/store; vendor https://")
    assert "; key from JIMMYAI_API_KEY; Prefect server of this command's own" in in_use and "sk_1" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.long
def test_a_demo_that_is_terminated_while_its_server_starts_leaves_no_process(tmp_path: Path) -> None:
    demo = subprocess.Popen([*COMMAND, "demo", "--folder", "out"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        started = until(
            lambda: [pid for pid in descendants(demo.pid) if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()],
            "the embedded server",
        )
        demo.terminate()
        assert demo.wait(60) == 128 + signal.SIGTERM
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), "the end of the server")
    finally:
        demo.kill()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in run("demo", "--debug", "--duration", "99", cwd=tmp_path).stderr


def test_the_simulator_says_where_it_is_and_stops_on_an_interrupt(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "simulator", "--port", "0", "--seconds", "1"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert url is not None, line
        assert httpx.get(f"{url[0]}/_simulator/bills").json() == []
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 130)
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_interrupt_says_what_would_go_on_at_the_vendor(tmp_path: Path) -> None:
    # On a pseudo-terminal there is progress to wait for; a group of its own gets the interrupt, as from a keyboard.
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "demo", "--folder", "out", "--seconds", "100"],
        cwd=tmp_path, stdout=slave, stderr=slave, stdin=slave, start_new_session=True,
        # Tests in the background of a script inherit that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    os.close(slave)
    seen = ""
    try:
        while "processing" not in seen:
            seen += os.read(master, 4096).decode(errors="replace")
        os.killpg(process.pid, signal.SIGINT)
        try:
            while piece := os.read(master, 4096):
                seen += piece.decode(errors="replace")
        except OSError:
            pass  # the terminal is gone with its last process
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
        os.close(master)
    words = " ".join(seen.split())
    assert "would go on and be paid for" in words
    assert re.search(r"task videos_[0-9a-f]{32}", words)
    assert "Traceback" not in words
