"""Chains of tasks: what a user runs or deploys."""

from prefect_seedance.runs.ends.log_lines import tell_errors_once

tell_errors_once()
