"""Units of work with Prefect retries and caching."""

from prefect_seedance.runs.ends.log_lines import tell_errors_once

tell_errors_once()
