"""The error catalogue: what each error means for the money, and what to do. All of it is said at the classes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from docs.generate.docstrings import cell, entries_of, generated, markdown, sections_of, table
from docs.generate.outcomes import outcomes_of
from prefect_seedance import errors
from prefect_seedance.plain_text import Money

_INTRODUCTION = """Every error that this package raises, by the name of its class. A run's state and its logs show the
name, `prefect-seedance ... --json` has it as `error.type`, and Python code catches it from `prefect_seedance.errors`:

```python
from prefect_seedance.errors import OutcomeUnknown, SeedanceError, StorageError, TaskError
```

Each error has the attribute `money`, whose name is one of these; `error.money.title` and `error.money.meaning` say the
same in words:

"""
_FAMILIES = """
An error of a run also tells of the videos that it had submitted before: they go on at the vendor, and the journal has
them. To run the same request again never pays for them once more.

## The tree

`SeedanceError` and `StorageError` are the roots; `except (SeedanceError, StorageError)` catches all.

"""
_OTHERS = """## Errors without a class of ours

Some things end a run or a command, and are not classes of this package.

### A form or a model that cannot be filled in

Pydantic's `ValidationError`, and a `ValueError` where a method is called with what cannot be. A block, a request or
options do not come into being. **Nothing paid.** Each line of the message names a field, the rule and the fix. In the
Prefect UI the form shows it before a run exists.

### A command line that cannot be used

`prefect-seedance` prints the usage and what is wrong, and ends with exit code 2. **Nothing paid.**
`prefect-seedance COMMAND --help` lists the options, and so does [the page about them](cli.md).

### Stopped by Ctrl-C

The command ends with exit code 130, and `--json` says `Interrupted`. **What was submitted is paid for and kept**: it
goes on at the vendor. The same command again takes it up and pays nothing for it.

### A run that is cancelled or crashes

Prefect's `Cancelled` and `Crashed` are states and not errors. What was submitted goes on at the vendor; the run's page
says so. A submission that was under way when the process ended is **perhaps paid**, and the next run that asks for the
video ends in [`SubmissionUnknown`](#submissionunknown). Run again, or run `collect_videos`: both pay nothing for what
was submitted.

### A saved block that does not exist

Prefect's own `ValueError`, which names the block. **Nothing paid.** Save it under that name, or correct the name.

### A notification that cannot be sent

It is never an error of the run: a message that cannot be sent is a warning in the run's log, and the video stays what
it is. A notification block that does not exist, or that can send nothing, is refused by
[`InvalidRequest`](#invalidrequest) before anything is paid. If nobody at all could be told that a run has no video, the
event `seedance.run.no-video` is emitted; see [events](events.md).

### What a collection finds

`collect_videos` does not raise for one video: its report says of each record what became of it, and lists as orphans
what a person should look at. The words are on [the page about outcomes](outcomes.md#collected). It raises
[`InvalidRequest`](#invalidrequest), a `StorageError` or a `SeedanceError` where the whole cannot run, and **pays
nothing** in any case.
"""


def names() -> list[str]:
    """Return the names of the errors, in the order of the tree."""
    return [name for root in _roots() for name, _ in _below(root, 0)]


def page() -> str:
    """Return the page."""
    money = table(
        ("`error.money.name`", "In short", "It means"),
        [(f"`{each.name}`", f"**{each.title}**", each.meaning) for each in Money],
    )
    tree = "".join(f"{'    ' * depth}- {_link(name)}\n" for root in _roots() for name, depth in _below(root, 0))
    entries = "".join(_entry(name) for name in names())
    return f"{generated('Errors')}{_INTRODUCTION}{money}{_FAMILIES}{tree}\n{entries}{_OTHERS}"


def _roots() -> tuple[type[Exception], ...]:
    return errors.SeedanceError, errors.StorageError


def _class(name: str) -> type[errors.SeedanceError] | type[errors.StorageError]:
    return getattr(errors, name)


def _below(kind: type[Exception], depth: int) -> Iterator[tuple[str, int]]:
    """Return a class and those below it. A class with two parents stands below the nearer to its own room."""
    yield kind.__name__, depth
    known = [_class(name) for name in errors.__all__]
    for each in sorted(known, key=lambda one: one.__name__):
        if _parent(each) is kind:
            yield from _below(each, depth + 1)


def _parent(kind: type[Exception]) -> type[Exception] | None:
    known = {_class(name) for name in errors.__all__}
    return next((each for each in kind.__mro__[1:] if each in known), None)


def _link(name: str) -> str:
    return f"[`{name}`](#{name.lower()})"


def _linked(words: str) -> str:
    """Make links of the errors that words name."""
    return re.sub(r"`(\w+)`", lambda found: _link(found[1]) if found[1] in errors.__all__ else found[0], words)


def _entry(name: str) -> str:
    kind = _class(name)
    sections = sections_of(kind)
    happened = _linked(markdown(sections[""]))
    money = f"**{kind.money.title}.** {kind.money.meaning}"
    lines = [f"## {name}", happened, f"- Money: {money}", f"- What to do: {_linked(markdown(sections['What to do']))}"]
    if outcomes := outcomes_of(name):
        lines[-1] += f"\n- In a batch: its row is [{' or '.join(f'`{each}`' for each in outcomes)}](outcomes.md#rows)."
    also = [each.__name__ for each in kind.__bases__ if each is not _parent(kind) and not each.__name__.startswith("_")]
    if _parent(kind) or also:
        is_one = [_link(each.__name__) for each in kind.__mro__[1:] if each.__name__ in errors.__all__]
        is_one += [f"`{each}`" for each in also if each not in errors.__all__]
        lines[-1] += f"\n- Caught as: {', '.join(is_one)}"
    attributes = entries_of(sections.get("Attributes", ""))
    if attributes:
        rows = [(f"`{attribute}`", _linked(cell(words))) for attribute, words in attributes.items()]
        lines.append(table(("Attribute", "What it is"), rows).rstrip())
    lines = [lines[0], lines[1], "\n".join(lines[2:4]), *lines[4:]]
    return "\n\n".join(lines) + "\n\n"
