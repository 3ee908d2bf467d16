"""Collecting on the command line: ``collect``.

- `commands`: reads the command line, says at once what is done, and starts the work in a process of its own.
- `collect_run`: that work.
- `tally`: what is known while it runs.
- `screen`: that as a live table, as lines, and as JSON.
"""
