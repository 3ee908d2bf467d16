"""The kinds of files that hold a table, each read to records of header and value."""
