"""What a collection tells and shows in Prefect.

- `teller`: each video that it moves: events at once, and notifications while it goes on.
- `followers`: whoever follows it in this process: the command line.
- `words`: what came of it, in words.
- `page`: the same on the run's page, and the page of the orphans.
"""
