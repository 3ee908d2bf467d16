"""The commands and their options.

- `parser`: all of it, and what stands in the help beside the options.
- `making`, `looking`, `money`: the commands by what they are for.
- `shared`: options that several commands have.
- `values`: what the text of an option is made into.
"""

from prefect_seedance.cli.arguments.parser import UnusableArguments, parser

__all__ = ["UnusableArguments", "parser"]
