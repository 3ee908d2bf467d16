"""What a Prefect run knows of itself and shows to people: its scope, its journal, its logs, events and pages.

current_run    which run this is                  scope              what its videos are shared within
journal_label  the journal it stays with          run_labels         what its retries find again
last_journal   the journal seen before            cache_policy       the key of a persisted submission
logs           log lines with facts               events             events for automations
progress       the progress of a wait             run_page           the result, or why there is none
messages       what people are told               notifiers          sending it through saved blocks
escaping       plain text in every language       block_languages    which language a block's service reads
play_link      a link that plays the video        webhook_addresses  what a block's address may look like
assets         the store as an asset              retry_conditions   what a failed task run raised
cancellation   how a run is ended                 link_notices       what is said about signed links
plan_page      what a batch would do and cost     parts              a batch as several runs of a deployment
prefect_client one client of Prefect's for a run  source_identities what files and objects are in an identity
"""
