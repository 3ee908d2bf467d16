"""What may be spent, and whether anything may: budgets of an account and of a run, and the stop for all spending.

`ledger` is what a budget knows, as a pure value with its changes; `budget` keeps it in a store, `sweep` clears it by
the records, `pause` is the stop. Entry first, record second, settlement third: the order carries the proof that spent
and held are never less than what the vendor bills.
"""
