"""Which kind of file a manifest is: by its content, whatever its name ends with."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from typing import Literal

from prefect_seedance.batch.manifest.encoding import Encoded, find_encoding
from prefect_seedance.batch.manifest.tables.csv_table import has_prompt_column, read_csv
from prefect_seedance.batch.manifest.tables.excel import names_of, read_excel
from prefect_seedance.batch.manifest.tables.json_table import read_json, read_json_lines
from prefect_seedance.batch.manifest.tables.parquet import read_parquet
from prefect_seedance.batch.manifest.tables.table_row import Table
from prefect_seedance.batch.manifest.unreadable import Unreadable

Kind = Literal["a CSV table", "JSON", "JSON Lines", "an Excel workbook", "a Parquet file"]

#: What the names of each kind end with; the first is the usual one.
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "a CSV table": (".csv", ".tsv", ".tab", ".txt"),
    "JSON": (".json",),
    "JSON Lines": (".jsonl", ".ndjson"),
    "an Excel workbook": (".xlsx", ".xlsm"),
    "a Parquet file": (".parquet", ".pq"),
}
_OF_SUFFIX: dict[str, Kind] = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes}
_SAVE = "Save it as CSV UTF-8, .xlsx, JSON, JSON Lines or Parquet"
#: Beginnings of files that are no manifests, and what they are.
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"\xd0\xcf\x11\xe0",
        "it is an Excel workbook of the old format (.xls), or one with a password",
        "Save it as .xlsx without a password, or as CSV UTF-8",
    ),
    (b"\x1f\x8b", "it is packed with gzip", "Unpack it first"),
    (b"BZh", "it is packed with bzip2", "Unpack it first"),
    (b"\x28\xb5\x2f\xfd", "it is packed with zstd", "Unpack it first"),
    (b"PARE", "it is a Parquet file whose columns are encrypted", "Write it without encryption"),
    (b"ARROW1", "it is an Arrow file (Feather)", "Write it as Parquet or CSV"),
    (b"SQLite format 3\0", "it is a database (SQLite)", _SAVE),
    (b"%PDF", "it is a PDF", _SAVE),
    (b"{\\rtf", "it is formatted text (RTF)", _SAVE),
)
_SEEN_CHARACTERS = 64 * 1024
#: Control characters that no table has in its first lines.
_OF_NO_TEXT = re.compile(r"[\0-\x08\x0e-\x1a]")


@dataclass(frozen=True)
class Opened:
    """A table that was opened.

    Attributes:
        table: The table.
        suffix: What its name should end with.
        notices: How it was read.
    """

    table: Table
    suffix: str
    notices: list[str]


def open_table(content: bytes, suffix: str, encoding: str = "", sheet: str = "") -> Opened:
    """Open a table of any kind.

    Args:
        content: Its bytes.
        suffix: What its name ends with, "" if that says nothing.
        encoding: Of a text, as declared.
        sheet: Of a workbook.

    Raises:
        Unreadable: It is of no kind that can be read, or damaged.
    """
    for beginning, reason, fix in _OTHERS:
        if content.startswith(beginning):
            raise Unreadable(reason, fix)
    notices: list[str] = []
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        kind: Kind = "an Excel workbook"
        _refuse_other_archives(content)
        table = read_excel(content, sheet)
    elif content.startswith(b"PAR1"):
        kind = "a Parquet file"
        table = read_parquet(content)
    else:
        encoded = find_encoding(content, encoding)
        if encoded.notice:
            notices.append(encoded.notice)
        kind, table = _text_table(encoded, suffix)
    expected = _OF_SUFFIX.get(suffix)
    if expected == kind:
        return Opened(table, suffix, notices)
    if expected is not None and {kind, expected} != {"JSON", "JSON Lines"}:
        notices.insert(0, f"Its name ends with {suffix}, but it is {kind}, and was read as that.")
    return Opened(table, SUFFIXES[kind][0], notices)


def _refuse_other_archives(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            what = names_of(packed.namelist())
    except Exception as error:  # of a dozen kinds, by what is damaged
        raise Unreadable("it begins like an Excel workbook, and is damaged or cut off", "Save it anew") from error
    if what:
        raise Unreadable(f"it is {what}", _SAVE)


def _text_table(encoded: Encoded, suffix: str) -> tuple[Kind, Table]:
    with encoded.open() as file:
        head = file.read(_SEEN_CHARACTERS).lstrip("\ufeff \t\r\n\xa0")
    if not head.strip("\0"):
        raise Unreadable("there is nothing in it", "Write a table with a header and a row for each video")
    if head[0] == "<":
        raise Unreadable("it is a page or XML, perhaps of a login, not a table", _SAVE)
    # Before any of it is shown as a header: it may be anything, also a file of secrets.
    if _OF_NO_TEXT.search(head) and head[0] not in "{[" and not has_prompt_column(encoded):
        raise Unreadable("it is not a text, and no other kind of file that is read", _SAVE)
    if head[0] not in "{[" or (suffix in SUFFIXES["a CSV table"] and has_prompt_column(encoded)):
        if suffix in (*SUFFIXES["JSON"], *SUFFIXES["JSON Lines"]) and not has_prompt_column(encoded):
            if head.startswith(("//", "/*", "#")):
                raise Unreadable("it begins with a comment, and JSON has none", "Delete what stands above the list")
            raise Unreadable(
                "its name says JSON, and it is not JSON", 'Write a list of objects, [{"prompt": ...}, ...]'
            )
        return "a CSV table", read_csv(encoded, suffix)
    if head[0] == "[" or (suffix not in SUFFIXES["JSON Lines"] and not _has_object_on_first_line(head)):
        return "JSON", read_json(encoded)
    return "JSON Lines", read_json_lines(encoded)


def _has_object_on_first_line(head: str) -> bool:
    """Return whether a text that begins with an object goes on with another one on the next line."""
    first, _, rest = head.partition("\n")
    return first.rstrip().rstrip(",").endswith("}") and rest.lstrip().startswith("{")
