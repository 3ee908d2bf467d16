"""How large a manifest may be. What is larger is refused with the number, before memory is spent on it."""

from __future__ import annotations

#: Of the file. 100,000 rows of 500 characters have about that.
MOST_BYTES = 64 * 1024 * 1024
#: Of a JSON document, which has to be held as a whole; JSON Lines are read one by one.
MOST_JSON_BYTES = 32 * 1024 * 1024
#: Rows with something in them, and also rows times their takes.
MOST_ROWS = 100_000
MOST_COLUMNS = 1_000
#: Of one cell. No route takes a prompt of a tenth of this.
LONGEST_CELL = 100_000
#: Of a workbook or a Parquet file once it is unpacked: sheets of 100,000 rows and a dozen columns have a third of that.
MOST_UNPACKED_BYTES = 256 * 1024 * 1024
#: Between the first and the last cell of a sheet, since the reader makes room for those between them, too.
MOST_CELLS = 4_000_000
#: Of what is shown of a cell or a header.
LONGEST_SHOWN = 80
