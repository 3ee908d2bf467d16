"""What is printed stays whole lines, and fits on the terminal that it is printed on."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import pytest

from prefect_seedance.cli.terminal import complain, give_back, say, say_coloured, say_document, say_rows


class _Writes(io.StringIO):
    """Keeps what each write was: between two of them another thread may write."""

    def __init__(self) -> None:
        super().__init__()
        self.each: list[str] = []

    def write(self, text: str, /) -> int:
        self.each.append(text)
        return len(text)


def test_a_line_is_written_at_once_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = _Writes(), _Writes()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    say("stored: mug")
    say_document({"event": "planned"})
    complain("Collecting ...")
    assert out.each == ["stored: mug\n", '{"event": "planned"}\n'] and err.each == ["Collecting ...\n"]


class _Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        return True


COLUMNS = ("id", "state", "prompt")
ROWS = [("3f9a1c04", "stored", "A [red]boat[/red]"), ("aaaa0000", "failed", "")]


def listed(rows: Iterable[Sequence[str]], width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    screen = _Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")  # no bold type
    number = say_rows(COLUMNS, rows, plain=("id", "state"))
    assert number == len([*rows])
    return screen.getvalue()


def test_a_wide_terminal_shows_a_table_in_which_the_words_of_others_are_only_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head, *lines = [line.split() for line in listed(ROWS, 200, monkeypatch).splitlines()]
    assert head == [*COLUMNS]
    assert lines == [["3f9a1c04", "stored", "A", "[red]boat[/red]"], ["aaaa0000", "failed"]]


def test_a_narrow_terminal_shows_each_row_on_a_few_lines_and_leaves_out_what_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = listed(ROWS, 30, monkeypatch).splitlines()
    assert shown == ["3f9a1c04  stored", "  prompt A [red]boat[/red]", "aaaa0000  failed"]


def test_a_long_prompt_is_cut_on_a_narrow_terminal_and_the_rest_of_its_row_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = listed([("3f9a1c04", "stored", "A boat " * 50)], 40, monkeypatch).splitlines()
    assert first == "3f9a1c04  stored" and second.endswith("…") and len(second) == 40


def test_more_rows_than_one_page_are_listed_as_they_were_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [(f"{number:08}", "stored", "A boat") for number in range(1500)]
    shown = listed(many, 200, monkeypatch).splitlines()
    assert [line.split()[0] for line in shown if "stored" in line] == [row[0] for row in many]
    packed = listed(many, 20, monkeypatch).splitlines()
    assert len(packed) == 3000 and packed[-1] == "  prompt A boat"


def test_a_list_of_nothing_still_names_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed([], 200, monkeypatch).split() == [*COLUMNS]


def test_a_terminal_gets_colours_and_its_cursor_back(capsys: pytest.CaptureFixture[str]) -> None:
    say_coloured("\x1b[32mstored\x1b[0m")
    give_back()
    said = capsys.readouterr()
    assert said.out == "\x1b[32mstored\x1b[0m\n"
    assert "\x1b[?1049l" in said.err and "\x1b[?25h" in said.err
