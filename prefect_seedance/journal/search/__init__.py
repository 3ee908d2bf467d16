"""Finding something among very many records.

parallel    several reads at once, in order and with a bound
task_owner  which intent a task of the vendor belongs to
"""
