"""From a table as people write it to rows: read, told by its content, checked, every problem of every row at once.

- `reading`: the way in.
- `origin`: where it lies, and what a relative path in it means; `limits`: how large it may be.
- `encoding`: from bytes to text.
- `tables/`: CSV, JSON, Excel and Parquet, each to records of header and value.
- `columns`: which field a header means.
- `cells`: what a cell means for its field.
- `row_check`: from a record to rows and their problems; `unreadable`: why there are none.
"""
