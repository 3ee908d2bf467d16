"""The help: it teaches by examples that are taken, and says the same thing in the same words everywhere."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from prefect_seedance.cli import main
from prefect_seedance.cli.arguments import parser
from prefect_seedance.cli.arguments.making import MODEL
from prefect_seedance.cli.arguments.shared import ENVIRONMENT
from prefect_seedance.cli.exit_codes import EXIT_CODES, LOOK
from prefect_seedance.client.request.routes import DEFAULT_MODEL

COMMANDS = [name for _, name, _ in parser().listed]
OF_A_STORE = {*COMMANDS} - {"demo", "simulator"}


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*([command] if command else []), "--help"])
    assert not ended.value.code
    return capsys.readouterr().out


def examples_in(text: str) -> list[list[str]]:
    below = text.partition("examples:\n")[2]
    found = re.findall(r"^ {4}(prefect-seedance (?:.*\\\n)*.*)$", below, re.MULTILINE)
    return [shlex.split(each.replace("\\\n", " "))[1:] for each in found]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("columns", ["40", "100"])
def test_every_command_has_examples_that_are_taken(
    command: str, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    examples = examples_in(help_of(command, capsys))
    assert 2 <= len(examples) <= 5
    assert sum(example[0] == command for example in examples) >= 2 - (command == "submit")
    for example in examples:
        assert callable(parser().parse_args(example).run)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_fits_its_terminal_but_for_commands_that_are_copied(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = help_of(command, capsys)
    assert [line for line in said.splitlines() if len(line) > 80 and "prefect-seedance " not in line] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_says_exit_codes_and_what_is_read_of_the_environment(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = help_of(command, capsys)
    codes = {int(code) for code in re.findall(r"^  (\d+)  ", said.partition("exit codes:\n")[2], re.MULTILINE)}
    assert codes == {*EXIT_CODES} - ({LOOK} if command not in ("batch", "submit", "collect") else set())
    for name in ("PREFECT_API_URL", "AWS_PROFILE"):
        assert (f"\n  {name} " in said) == (command in OF_A_STORE)
    assert ("\n  JIMMYAI_API_KEY " in said) == (
        command in {"generate", "plan", "batch", "submit", "collect", "resolve"}
    )


def test_without_a_command_there_is_an_overview_by_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert re.findall(r"^(\w[\w ]*):$", said, re.MULTILINE) == ["try it", "plan", "make", "look", "settle", "money"]
    assert re.findall(r"^  ([\w-]+)  ", said, re.MULTILINE) == COMMANDS
    assert len(said.splitlines()) <= 30 and said.rstrip().endswith("prefect-seedance generate --help")


def test_the_help_of_the_whole_has_every_code_and_variable(capsys: pytest.CaptureFixture[str]) -> None:
    said = help_of("", capsys)
    assert all(f"\n  {code} " in said for code in EXIT_CODES) and all(f"\n  {name} " in said for name in ENVIRONMENT)


def options_of(command: str) -> dict[str, argparse.Action]:
    (action,) = (each for each in parser()._actions if isinstance(each, argparse._SubParsersAction))
    return action.choices[command]._option_string_actions


def test_the_same_thing_has_the_same_option_everywhere() -> None:
    assert all("--store" in options_of(command) for command in {*COMMANDS} - {"simulator"})
    assert all({"--json", "--debug"} <= {*options_of(command)} for command in COMMANDS)
    assert len({options_of(command)["--store"].help for command in OF_A_STORE}) == 1
    for option in ("--wait-minutes", "--hours", "--since", "--account", "--seconds"):
        metavars = {options_of(command)[option].metavar for command in COMMANDS if option in options_of(command)}
        assert len(metavars) == 1, option


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("demo --folder out", "demo --store out"),
        ("collect --minutes 60", "collect --wait-minutes 60"),
        ("gallery --presign 1d", "gallery --hours 24"),
        ("generate --prompt x --first-image a.png", "generate --prompt x --first-frame a.png"),
    ],
)
def test_an_option_is_still_taken_by_its_former_name(old: str, new: str) -> None:
    assert vars(parser().parse_args(old.split())) == vars(parser().parse_args(new.split()))


def test_an_option_is_not_guessed_from_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    """It might be another one in the next version: for a command that pays that is too much of a guess."""
    with pytest.raises(SystemExit):
        main(["batch", "rows.csv", "--max-c", "5"])
    assert "--max-c" in capsys.readouterr().err


def test_the_model_of_the_help_is_the_one_of_the_form() -> None:
    assert MODEL == DEFAULT_MODEL


@pytest.mark.parametrize("written", ["0", "-1", "169", "nan", "inf", "1h", "\u0661", ""])
def test_a_link_lives_for_no_time_that_cannot_be_signed(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["open", "mug", f"--hours={written}"])
    assert "up to 168" in capsys.readouterr().err
