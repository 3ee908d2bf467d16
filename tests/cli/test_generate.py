"""generate, journal and resolve as processes, against the simulator and a real Prefect server."""

import hashlib
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from prefect_seedance import VideoRequest
from prefect_seedance.cli.arguments import parser
from prefect_seedance.cli.generate import whole_source
from prefect_seedance.client.request.references import require_valid
from prefect_seedance.client.request.sources import read_source
from prefect_seedance.simulator import Fault, Simulator, running_simulator
from tests.cli.test_commands import run

pytestmark = [pytest.mark.server]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    with running_simulator(seconds=0.3) as simulator:
        yield simulator


@pytest.fixture
def command(vendor: Simulator, prefect_server: str, tmp_path: Path) -> Command:
    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {
            "PREFECT_API_URL": prefect_server,
            "JIMMYAI_API_KEY": vendor.key,
            "JIMMYAI_BASE_URL": vendor.url,
            **environment,
        }
        return run(*arguments, cwd=tmp_path, **given)

    vendor.reset()
    return call


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a few files, in which a shell stands, and which is its home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("mug", "shot:1.png"):
        (tmp_path / name).touch()
    return tmp_path


def test_a_path_is_that_of_the_shell_s_folder_and_home(shell: Path) -> None:
    for written in ("mug.png", "./mug.png", "~/mug.png"):
        assert whole_source(written) == f"{shell}/mug.png"
        assert whole_source(f"last-frame+{written}") == f"last-frame+{shell}/mug.png"
    assert read_source(whole_source("../my mug.png")).address == f"{shell}/../my mug.png"
    assert whole_source("mug") == f"{shell}/mug", "a file of that name is there"
    assert whole_source("shot:1.png") == f"{shell}/shot:1.png"


@pytest.mark.parametrize(
    "written",
    [
        *("", "/mug.png", "s3://shop/mug.png", "https://example.com/mug.png", "asset://a1", "file:///mug.png", "cup"),
        *("last-frame+s3://shop/a.mp4", "ftp://example.com/a", "~nobody-of-that-name/mug.png", "\0", "a" * 9000),
    ],
)
def test_what_is_no_path_of_the_shell_is_left_as_it_is(shell: Path, written: str) -> None:
    assert whole_source(written) == written


def test_references_are_given_in_the_words_of_people_and_in_those_of_the_request() -> None:
    new = ["--image", "a.png", "--image", "b.png", "--first-frame", "f.png", "--last-frame", "l.png"]
    old = ["--image", "a.png", "--image", "b.png", "--first-image", "f.png", "--last-image", "l.png"]
    media = ["--video", "v.mp4", "--audio", "s.mp3"]
    for words in (new, old):
        options = parser().parse_args(["generate", "--prompt", "x", *words, *media])
        assert (options.images, options.first_image, options.last_image) == (["a.png", "b.png"], "f.png", "l.png")
        assert (options.reference_videos, options.reference_audios) == (["v.mp4"], ["s.mp3"])


def test_the_help_says_what_may_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["generate", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for words in ("path of a file", "s3://bucket/key", "https://", "asset://id", "last-frame+", "--first-frame"):
        assert words in told


def examples_of(command: str, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    with pytest.raises(SystemExit):
        parser().parse_args([command, "--help"])
    told = capsys.readouterr().out.partition("\nexamples:\n")[2].replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in told.splitlines() if line.lstrip().startswith("prefect-seedance ")]


def test_the_examples_of_the_help_are_taken_and_ask_for_what_can_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [parser().parse_args(words) for words in examples_of("generate", capsys)]
    for options in asked:
        fields = {name: value for name, value in vars(options).items() if name in VideoRequest.model_fields and value}
        assert require_valid(VideoRequest.model_validate(fields)) == []
    assert len(asked) == 5 and len(examples_of("assets", capsys)) == 3
    for words in examples_of("assets", capsys):
        parser().parse_args(words)


SMALL = ("--model", "seedance2.0-mini", "--resolution", "480p", "--duration", "4")


@pytest.mark.long
def test_the_same_command_again_is_the_same_video_and_another_take_is_another(
    command: Command, vendor: Simulator, tmp_path: Path
) -> None:
    first = command("generate", "--prompt", "A paper boat", *SMALL)
    assert first.returncode == 0, first.stderr
    second = command("generate", "--prompt", "A paper boat", *SMALL)
    assert "Reused" in second.stdout
    assert "set another take" in second.stdout
    third = command("generate", "--prompt", "A paper boat", "--take", "2", *SMALL)
    assert "Reused" not in third.stdout
    assert sum(bill.accepted for bill in vendor.bills()) == 2
    assert len(list((tmp_path / "seedance-videos").rglob("*.mp4"))) == 2
    listed = command("journal").stdout.splitlines()
    assert [line.split("\t")[1] for line in listed] == ["state", "stored", "stored"]


def test_an_unknown_submission_is_listed_and_settled(command: Command, vendor: Simulator) -> None:
    vendor.plan(Fault(fault="lost_answer"))
    unknown = command("generate", "--prompt", "A paper ship", *SMALL)
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr
    suggested = re.search(r"prefect-seedance (resolve [0-9a-f]{32} --store \S+) --task-id", unknown.stderr)
    assert suggested is not None
    assert vendor.key not in unknown.stderr + unknown.stdout

    again = command("generate", "--prompt", "A paper ship", *SMALL)
    assert again.returncode == 1
    assert "not known" in again.stderr
    assert vendor.requests().create_received == 1

    listed = command("journal", "--unknown").stdout
    assert listed.count("\n") == 2

    strange = command(*suggested[1].split(), "--task-id", "videos_" + "0" * 32)
    assert strange.returncode == 1
    assert "does not know" in strange.stderr

    task_id = vendor.bills()[0].task_ids[0]
    settled = command(*suggested[1].split(), "--task-id", task_id)
    assert settled.returncode == 0, settled.stderr
    done = command("generate", "--prompt", "A paper ship", *SMALL)
    assert done.returncode == 0, done.stderr
    assert task_id in done.stdout
    assert [bill.accepted for bill in vendor.bills()] == [1]
    assert command("journal", "--open").stdout.count("\n") == 1


def test_a_missing_key_is_said_before_anything_is_sent(command: Command, vendor: Simulator) -> None:
    done = command("generate", "--prompt", "A paper boat", JIMMYAI_API_KEY="")
    assert done.returncode == 1
    assert "JIMMYAI_API_KEY" in done.stderr
    assert vendor.requests().create_received == 0


def test_a_source_that_no_route_could_use_is_said_before_anything_is_sent(command: Command, vendor: Simulator) -> None:
    done = command(
        "generate", "--prompt", "A mug", "--image", "ftp://example.com/mug.png", "--first-frame", "s3://shop"
    )
    assert done.returncode == 1
    assert "(images[0]): 'ftp://example.com/mug.png'" in done.stderr and "Write s3://bucket/key" in done.stderr
    assert "Traceback" not in done.stderr
    assert vendor.requests().create_received == 0


@pytest.mark.long
def test_files_are_found_from_the_shell_s_folder_and_home(command: Command, vendor: Simulator, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    pictures = [tmp_path / "a mug.png", home / "cup.png"]
    for path, colour in zip(pictures, ("teal", "peru"), strict=True):
        Image.new("RGB", (640, 480), colour).save(path)
    asked = ("--prompt", "A mug and a cup", "--model", "sd2_mx_720p", "--duration", "4", "--image", "./a mug.png")
    done = command("generate", *asked, "--image", "~/cup.png", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert "prepare " in done.stdout, "it is told how long that took"
    assert {upload.filename.rpartition(".")[2] for upload in vendor.uploads()} == {"png"}
    contents = {hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures}
    assert {asset.content for asset in vendor.assets()} == contents == {*vendor.requests().uploads}
    assert [bill.accepted for bill in vendor.bills()] == [1]

    missing = command("generate", *asked, "--image", "./nothing.png", HOME=str(home))
    assert missing.returncode == 1
    assert f"(images[1]): '{tmp_path}/nothing.png' cannot be read on this machine" in " ".join(missing.stderr.split())
    assert "Traceback" not in missing.stderr
    assert vendor.requests().create_received == 1


def test_a_wrong_key_is_found_by_the_free_check(command: Command, vendor: Simulator) -> None:
    done = command("generate", "--prompt", "A paper boat", JIMMYAI_API_KEY="sk_wrong-key")
    assert done.returncode == 1
    assert "API key" in done.stderr
    assert "sk_wrong-key" not in done.stderr
    assert vendor.requests().create_received == 0
