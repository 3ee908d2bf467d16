"""What a Prefect run knows of itself and shows to people: its scope, its journal, its logs, events and pages.

context/          which run this is, and what its retries must find again
pages/            what it shows of one video, or of a plan
notifications/    what people are told outside the UI
ends/             how it ends: its state, its last log line, and the pages of what is unknown and settled
batch/            a batch while it is made, and its report
collect/          what a collection tells and shows
money/            budgets, and the pause
parts/            runs that make a batch together
run_names         how runs and task runs are called
logs              log lines with facts
events            events for automations
cache_policy      the key of a persisted submission
retry_conditions  what a failed task run raised
cancellation      how a run is ended
link_notices      what is said about signed links
"""
