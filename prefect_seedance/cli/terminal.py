"""What the command line prints: the words of others are shown on the terminal, and never obeyed by it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Container, Generator, Iterable, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from itertools import islice
from typing import TextIO

from prefect_seedance.plain_text import lines, one_line

#: What a spreadsheet that opens the lines takes for the beginning of a formula.
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # also of full width: those of East Asia take both

#: Wider than any row: a terminal wraps a long line itself, and what was wrapped there can still be copied in one piece.
_WIDTH = 1000
#: Rows of one table: there may be more than fit into memory.
_PAGE = 1000

#: Before the second line of a row that does not fit on one, and between its parts.
_INDENT = "  "
#: How much of a text is shown however narrow the terminal is.
_LEAST_TEXT = 38

#: Where documents go while everything else is kept from there.
_documents: TextIO | None = None


def say(text: str) -> None:
    """Print a text, on the lines that it has."""
    _write(lines(text), sys.stdout)


def say_event(words: str) -> None:
    """Print what happened just now, on one line that begins with the time."""
    say(f"{datetime.now(UTC):%H:%M:%SZ} {one_line(words)}")


class NobodyReads(BrokenPipeError):
    """Whoever read the output has gone."""


@contextmanager
def _to_a_reader(stream: TextIO) -> Generator[None]:
    """Turn the error of a write for which nobody reads into `NobodyReads`."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # or Python complains once more when it ends
        raise NobodyReads from None


def flush() -> None:
    """Print what is not printed yet."""
    with _to_a_reader(sys.stdout):
        sys.stdout.flush()


def _write(text: str, stream: TextIO) -> None:
    with _to_a_reader(stream):
        _write_line(text, stream)


def _write_line(text: str, stream: TextIO) -> None:
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
    """Return whether a person reads the standard output."""
    return (_documents or sys.stdout).isatty()


def ask(question: str) -> str:
    """Ask a question and read the answer, which is one line."""
    print(one_line(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def say_row(cells: Iterable[str]) -> None:
    """Print a row for another program: the cells with tabs between them, none of which a spreadsheet computes."""
    with _to_a_reader(sys.stdout):
        print("\t".join(map(cell, cells)))


def say_rows(columns: Sequence[str], rows: Iterable[Sequence[str]], *, plain: Container[str] = ()) -> int:
    """Print rows as they come and return how many there were.

    On a terminal that is wide enough they are a table. On a narrower one each row is packed into a few lines, with the
    name of its column before each value: what is to be copied stays in one piece. For other programs see `say_row`.

    Args:
        columns: Their names; the last one's values may be cut where the terminal is narrow.
        rows: The cells of each row.
        plain: Columns whose values need no name.
    """
    width = shutil.get_terminal_size().columns
    ahead, number, packed = iter(rows), 0, None
    while True:
        page = [*islice(ahead, _PAGE)]
        if not sys.stdout.isatty():
            for row in page if number else (columns, *page):
                say_row(row)
        else:
            if packed is None:
                packed = _natural_width(columns, page) > width
            if packed:
                for row in page:
                    say("\n".join(_packed(columns, row, plain, width)))
            elif page or not number:
                _say_table(columns, page)
        number += len(page)
        if len(page) < _PAGE:
            return number


def _say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console  # here: most commands list nothing
    from rich.table import Table
    from rich.text import Text

    console, table = Console(width=_WIDTH), Table(*columns, box=None)
    for row in rows:
        table.add_row(*map(Text, row))  # plain: what looks like rich's markup in a text is none
    console.print(table)


def _natural_width(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    from rich.cells import cell_len

    widths = [cell_len(name) for name in columns]
    for row in rows:
        widths = [max(width, cell_len(text)) for width, text in zip(widths, row, strict=True)]
    return sum(widths) + 2 * len(widths)


def _packed(columns: Sequence[str], row: Sequence[str], plain: Container[str], width: int) -> list[str]:
    """Return a row on as few lines as it needs; those after the first are indented.

    Example:
        >>> _packed(("id", "state", "prompt"), ("3f9a1c04", "stored", "A boat on a puddle"), ("id", "state"), 24)
        ['3f9a1c04  stored', '  prompt A boat on a puddle']
    """
    from rich.cells import cell_len, chop_cells

    parts = [
        one_line(text if name in plain else f"{name} {text}") for name, text in zip(columns, row, strict=True) if text
    ]
    if parts and row[-1]:
        longest = max(width - len(_INDENT), _LEAST_TEXT)
        if cell_len(parts[-1]) > longest:
            parts[-1] = f"{chop_cells(parts[-1], longest - 1)[0]}…"
    found: list[str] = []
    for part in parts:
        if found and cell_len(found[-1]) + len(_INDENT) + cell_len(part) <= width:
            found[-1] += _INDENT + part
        else:
            found.append(_INDENT * bool(found) + part)
    return found


def cell(text: str) -> str:
    r"""Return a text as one cell: on one line, and marked as a text where a spreadsheet would take it for a formula.

    Example:
        >>> cell("=1+1"), cell("@image1 turns\tround"), cell("a-b")
        ("'=1+1", "'@image1 turns round", 'a-b')
    """
    text = one_line(text)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA and text.strip() else text
