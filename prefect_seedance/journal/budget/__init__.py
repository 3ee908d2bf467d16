"""What may be spent, and whether anything may: budgets of an account and of a run, and the stop for all spending.

ledger       what a budget knows, as a pure value   budget      keeps it in a store
limits       what may be spent                      standing    how a budget stands, for people and programs
reservation  what a POST holds of a budget          committer   many changes of one ledger by few requests
sweep        clears entries by their records        settlement  ... and those of a record that a person settled
pause        the stop for all spending

Entry first, record second, settlement third: the order carries the proof that spent
and held are never less than what the vendor bills.
"""
