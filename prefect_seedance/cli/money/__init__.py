"""Money on the command line: ``budget``, ``pause`` and ``resume``.

- `budget`: how the budgets of an account stand, and releasing an entry.
- `spending`: the stop for all spending of a store, and lifting it.
"""
