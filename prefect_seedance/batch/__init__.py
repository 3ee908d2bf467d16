"""Many videos: a manifest is read and planned, its rows are made, and a report is written. No Prefect here.

- `asked`: what a batch is asked to make, a manifest or requests, as `rows`.
- `manifest/`: from a table as people write it to rows.
- `options`: how a batch behaves.
- `orders`, `parts`: from rows to videos, and which part of the batch makes each.
- `plan`, `plan_text`: what a batch would do and cost, for free, and the same in words.
- `engine`, `admission`: the rows on their way, each by the pipeline of one video, so many at the same time.
- `followers`: how a caller follows a batch while it runs.
- `outcomes`: what became of a row, and what to do about it; `errors`: what can end a batch.
- `models`: the results of rows, the report and the plan as values; `report/`: the report as files.
"""
