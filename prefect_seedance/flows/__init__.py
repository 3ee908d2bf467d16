"""What a user runs or deploys.

One module for each flow, with its parameters and their help, as a form shows them:

generate_video            one video                        generate_videos     a batch
generate_videos_in_parts  a batch on several machines      plan_videos         what a batch would cost
submit_videos             a batch, without waiting         collect_videos      what is open in a store
resolve_submission        settle what is unknown           spending            pause and resume all spending
twins/                    the same for asynchronous callers
bodies/                   what a run does
form, sync_flow           titles of the forms; an asynchronous body run from synchronous code
"""

from prefect_seedance.runs.ends.log_lines import tell_errors_once

tell_errors_once()
