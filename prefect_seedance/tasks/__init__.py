"""The steps of one video as Prefect tasks, each with its retries and caching, and what else is a task run.

validate      everything that can be refused for free    prepare  its references, made ready for the route
create        the submission, which costs money          wait     until the vendor has made it
store         into the store, whole                      notify   telling people
generate_row  one video of a batch
"""

from prefect_seedance.runs.ends.log_lines import tell_errors_once

tell_errors_once()
