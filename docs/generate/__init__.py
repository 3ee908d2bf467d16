"""The pages of ``docs/reference/`` that are made from the code: ``python -m docs.generate`` writes them all.

pages         which pages there are, and which of them are out of date
docstrings    a docstring in its sections, and words as Markdown
errors        the error catalogue, from the classes
commands      the command line, from its parser
events        the events that are emitted
outcomes      what becomes of rows and records
models        the fields of what a user fills in and gets
routes        the route table
"""
