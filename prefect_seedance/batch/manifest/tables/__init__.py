"""The kinds of files that hold a table, each read to records of header and value.

- `kinds`: which kind a file is, by its content; the way in.
- `csv_table`, `json_table`, `excel`, `parquet`: one kind each.
- `grid`: which row is the header, for CSV and Excel.
- `table_row`: what all of them become.
"""
