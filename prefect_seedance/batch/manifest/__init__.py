"""From a table as people write it (CSV, JSON, Excel, Parquet, wherever it lies) to the rows of a batch."""
