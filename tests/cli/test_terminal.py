"""What is printed by several threads at once stays whole lines."""

from __future__ import annotations

import io

import pytest

from prefect_seedance.cli.terminal import complain, say, say_document


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
