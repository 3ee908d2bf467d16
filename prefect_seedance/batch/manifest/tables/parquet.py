"""Parquet, read piece by piece, and of its columns only those that are fields."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

from prefect_seedance.batch.manifest.columns import column_of
from prefect_seedance.batch.manifest.limits import MOST_COLUMNS, MOST_ROWS, MOST_UNPACKED_BYTES
from prefect_seedance.batch.manifest.tables.table_row import Table, TableRow
from prefect_seedance.batch.manifest.unreadable import Unreadable

_ROWS_AT_ONCE = 128
_SMALLER = "Write it as several files, or leave out columns that are not fields"


def read_parquet(content: bytes) -> Table:
    """Read a Parquet file. Its first row is row 2, as below a header.

    Raises:
        Unreadable: It cannot be read.
    """
    try:
        import pyarrow.parquet as parquet  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise Unreadable(
            "it is a Parquet file, and the library that reads it is not installed",
            "Install it where the run takes place: pip install 'prefect-seedance[parquet]'; or save it as CSV",
        ) from None
    arrow = cast("Any", parquet)
    with _Words():
        file = arrow.ParquetFile(io.BytesIO(content))
        schema, metadata = file.schema_arrow, file.metadata
        names = [str(name) for name in schema.names]
        # Of the row groups, not of each column: pyarrow ends the process over a damaged description of a column.
        unpacked = sum(int(metadata.row_group(group).total_byte_size) for group in range(metadata.num_row_groups))
    if metadata.num_rows > MOST_ROWS:
        raise Unreadable(f"it has {metadata.num_rows:,} rows, and at most {MOST_ROWS:,} are read", _SMALLER)
    if len(names) > MOST_COLUMNS:
        raise Unreadable(f"it has {len(names):,} columns, and at most {MOST_COLUMNS:,} are read", _SMALLER)
    wanted = [place for place, name in enumerate(names) if column_of(name).field or column_of(name).nearest]
    if unpacked > MOST_UNPACKED_BYTES:
        raise _too_large()
    return Table(_records(file, names, wanted), headers=names)


def _too_large() -> Unreadable:
    return Unreadable(f"unpacked it has more than {MOST_UNPACKED_BYTES // 1024**2} MiB", _SMALLER)


def _records(file: Any, names: list[str], wanted: list[int]) -> Iterator[TableRow]:
    columns = [names[place] for place in wanted]
    number, unpacked = 2, 0
    with _Words():
        batches = file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns or None, use_threads=False)
        for batch in batches:
            unpacked += int(batch.nbytes)
            if unpacked > MOST_UNPACKED_BYTES:
                raise _too_large()
            listed = [(str(name), batch.column(place)) for place, name in enumerate(batch.schema.names)]
            for row in range(batch.num_rows):
                # One by one: what is written once for many rows becomes a text of its own for each.
                cells = [(name, _plain(column[row].as_py())) for name, column in listed]
                if any(value is not None and value != "" for _, value in cells):
                    yield TableRow(number, cells)
                number += 1


def _plain(value: object) -> object:
    """Return a value as other tables have it. NaN is how pandas writes nothing into a column of numbers."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else str(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


class _Words:
    """Words what pyarrow says."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, Unreadable):
            raise Unreadable(
                "it begins like a Parquet file and cannot be read as one", "Write it anew, or save it as CSV"
            ) from error
