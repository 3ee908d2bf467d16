"""Many videos on the command line: ``plan``, ``batch``, ``submit`` and ``gallery``.

- `commands`: reads the command line, says at once what is done, and starts the work in a process of its own.
- `plan_run`, `batch_run`: that work.
- `gallery`: one page of a whole store.
- `tally`: what is known while a batch runs.
- `screen`, `lines`: that as a live table, as lines, and as JSON.
"""
