"""What is being done is said before Prefect is loaded, and what can be refused before that is."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import prefect
import pytest

from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.cli import main
from prefect_seedance.cli.arguments import parser
from prefect_seedance.cli.batch.commands import batch_options, whole_manifest
from prefect_seedance.versions import version_of
from tests.cli.test_commands import run

IMPORTED = "prefect is imported"


@pytest.mark.parametrize(
    ("arguments", "doing"),
    [
        (("generate", "--prompt", "A boat"), "Making one video."),
        (("plan", "rows.csv"), "Planning the rows of rows.csv; nothing is paid."),
        (("batch", "rows.csv", "--json"), "Making the rows of rows.csv."),
    ],
)
@pytest.mark.parametrize("server", ["", "http://user:secret@127.0.0.1:9/api"])
def test_a_line_comes_before_prefect_is_imported(
    arguments: tuple[str, ...], doing: str, server: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").touch()
    waited_for = "Loading Prefect" if server else "Starting Prefect's server, this takes 10 to 20 s"
    assert said_before_prefect(tmp_path, *arguments, server=server) == [f"{doing} {waited_for} ..."]


def test_what_needs_no_server_says_so_little(tmp_path: Path) -> None:
    asked = ("generate", "--prompt", "A boat", "--dry-run")
    assert said_before_prefect(tmp_path, *asked) == ["Planning one video; nothing is paid ..."]
    assert said_before_prefect(tmp_path, "gallery", "--store", "./videos") == ["Reading the journal of ./videos ..."]
    assert said_before_prefect(tmp_path, "pause", "--store", "./v") == ["Stopping all spending of ./v ..."]


def said_before_prefect(folder: Path, *arguments: str, server: str = "") -> list[str]:
    """What a command says before a package that stands before Prefect in the way of imports ends its process."""
    (folder / "path" / "prefect").mkdir(parents=True, exist_ok=True)
    (folder / "path" / "prefect" / "__init__.py").write_text(
        f"import sys\nprint({IMPORTED!r}, file=sys.stderr, flush=True)\nsys.exit(7)\n"
    )
    path = f"{folder / 'path'}:{Path(__file__).parents[2]}"
    done = run(*arguments, cwd=folder, PYTHONPATH=path, PREFECT_API_URL=server)
    *said, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout, last) == (7, "", IMPORTED)
    return said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.csv",), "nowhere.csv cannot be used: there is no such file"),
        ((".",), "it is a folder"),
        (("rows.csv", "--part", "9/8"), "'9/8' is not a part"),
        (("rows.csv", "--reuse", "always", "--reuse-scope", "x"), "reuse_scope"),
        (("rows.csv", "--max-in-flight", "0"), "max_in_flight"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "batch"])
def test_what_is_wrong_on_the_command_line_is_said_before_prefect_is_started(
    command: str,
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").touch()
    assert main([command, *arguments]) == 1
    err = capsys.readouterr().err
    assert said in err and re.search("[Nn]othing (was|is) (sent|paid|submitted)|nothing was sent", err)


def test_a_manifest_is_that_of_the_shell_s_folder_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for written in ("rows.csv", "./rows.csv", "~/rows.csv"):
        assert whole_manifest(written) == f"{tmp_path}/rows.csv"
    for written in ("s3://shop/rows.csv", "https://example.com/rows.csv", "file:///data/rows.csv", "/data/rows.csv"):
        assert whole_manifest(written) == written


def test_an_option_that_is_left_out_is_as_in_the_form() -> None:
    assert batch_options(parser().parse_args(["batch", "rows.csv"])) == BatchOptions()
    assert batch_options(parser().parse_args(["plan", "rows.csv"])) == BatchOptions()


def test_every_option_of_a_batch_can_be_set_on_the_command_line() -> None:
    words = [
        *("--takes", "3", "--max-in-flight", "9", "--stop-after-failures", "7", "--stop-after-share", "0.2"),
        *("--part", "2/8", "--require", "retryable", "--no-posters", "--encoding", "gb18030", "--sheet", "Autumn"),
        *("--reuse-scope", "2026-11-22", "--max-submissions", "2", "--wait-minutes", "9", "--no-preflight"),
        *("--max-cost", "2.5", "--cost-key", "spring"),
    ]
    options = batch_options(parser().parse_args(["batch", "rows.csv", *words]))
    changed = {name for name, value in options if value != getattr(BatchOptions(), name)}
    assert changed == {*BatchOptions.model_fields}
    assert (options.reuse, options.reuse_scope, options.require_all) == ("scope", "2026-11-22", "retryable")


@pytest.mark.parametrize(("written", "seconds"), [("30m", 1800), ("12h", 43_200), ("1d", 86_400), ("7d", 604_800)])
def test_links_of_a_gallery_live_as_long_as_is_asked_for(written: str, seconds: int) -> None:
    assert parser().parse_args(["gallery", "--presign", written]).presign == seconds


@pytest.mark.parametrize("written", ["8d", "0d", "1", "1 d", "-1d", "1w", "\u0661d", "999999d", ""])
def test_links_of_a_gallery_live_for_no_other_time(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["gallery", f"--presign={written}"])
    assert "is not a time such as 30m, 12h or 1d, of at most 7d" in capsys.readouterr().err


def test_the_version_is_that_of_all_three(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert not ended.value.code
    said = f"prefect-seedance {version_of()}, Prefect {prefect.__version__}, Python {platform.python_version()}\n"
    assert capsys.readouterr().out == said
