"""Many videos: a manifest is read and planned, its rows are made, and a report is written. No Prefect here.

- `manifest/`: from a table as people write it to rows.
- `plan`: what a batch would do and cost, for free.
- `engine`: the rows on their way, each by the pipeline of one video.
- `outcomes`: what became of a row, and what to do about it.
- `report/`: what is looked at afterwards.
"""
