"""Which run this is, and what its retries must find again, on whichever machine they run.

current_run        which run this is           scope           what its videos are shared within
run_labels         its labels in Prefect       journal_label   the journal that it stays with
last_journal       the journal seen before     prefect_client  one client of Prefect's for a run
source_identities  what files and objects are in an identity
"""
