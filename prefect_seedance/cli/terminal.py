"""What the command line prints: the words of others are shown on the terminal, and never obeyed by it."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from typing import TextIO

from prefect_seedance.plain_text import lines, one_line

#: What a spreadsheet that opens the lines takes for the beginning of a formula.
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # also of full width: those of East Asia take both

#: Wider than any row: a terminal wraps a long line itself, and what was wrapped there can still be copied in one piece.
_WIDTH = 1000
#: Rows of one table: there may be more than fit into memory.
_PAGE = 1000

#: Where documents go while everything else is kept from there.
_documents: TextIO | None = None


def say(text: str) -> None:
    """Print a text, on the lines that it has."""
    _write(lines(text), sys.stdout)


def _write(text: str, stream: TextIO) -> None:
    # The end of the line in the same write: `print` makes another one of it, between which another thread may come.
    stream.write(f"{text}\n")
    stream.flush()


def say_coloured(text: str) -> None:
    """Print a text with colours, in which the words of others are plain already."""
    _write(text, sys.stdout)


def give_back() -> None:
    """Restore what a killed process has left the terminal without: its own screen, and its cursor."""
    print("\x1b[?1049l\x1b[?25h", end="", file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Print a text to the standard error stream."""
    _write(lines(text), sys.stderr)


@contextmanager
def documents_alone() -> Generator[None]:
    """Keep the standard output for `say_document`: what else is printed goes to the standard error stream."""
    global _documents
    before, _documents = _documents, sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _documents = before


def say_document(document: object) -> None:
    r"""Print a JSON document for a program, on one line and in ASCII: every encoding has it, no terminal obeys it.

    Example:
        >>> say_document({"prompt": "a café[2J"})
        {"prompt": "a caf\u00e9\u001b[2J"}
    """
    _write(json.dumps(document), _documents or sys.stdout)


def output_is_terminal() -> bool:
    """Tell whether a person reads the standard output."""
    return (_documents or sys.stdout).isatty()


def ask(question: str) -> str:
    """Ask a question and read the answer, which is one line."""
    print(one_line(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def say_row(cells: Iterable[str]) -> None:
    """Print a row for another program: the cells with tabs between them, none of which a spreadsheet computes."""
    print("\t".join(map(cell, cells)))


def say_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Print rows as they come and return how many there were: a table on a terminal, for other programs `say_row`."""
    from rich.console import Console  # here: most commands list nothing
    from rich.table import Table
    from rich.text import Text

    console = Console(width=_WIDTH)
    ahead, number = iter(rows), 0
    while True:
        page = [*islice(ahead, _PAGE)]
        if console.is_terminal:
            table = Table(*columns, box=None)
            for row in page:
                table.add_row(*map(Text, row))  # plain: what looks like rich's markup in a text is none
            console.print(table)
        else:
            for row in page if number else (columns, *page):
                say_row(row)
        number += len(page)
        if len(page) < _PAGE:
            return number


def cell(text: str) -> str:
    r"""Return a text that is one cell: on one line, and a text also where it begins as a formula does.

    Example:
        >>> cell("=1+1"), cell("@image1 turns\tround"), cell("a-b")
        ("'=1+1", "'@image1 turns round", 'a-b')
    """
    text = one_line(text)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA and text.strip() else text
