"""A batch as several runs of a deployment, which Prefect places wherever its workers are.

saved_references  blocks as a run of a deployment takes them    slots      whether the parts can run beside their parent
standing          what the state of a part's run means          part_runs  the runs of the parts, at Prefect's server
following         all parts followed to their reports
"""
