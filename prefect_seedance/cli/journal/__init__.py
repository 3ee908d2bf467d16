"""The records of a store on the command line: ``journal`` and ``resolve``.

- `listing`: the records, the newest first.
- `totals`: what they come to.
- `resolve`: settling one.
"""
