"""The page of an unknown submission: what happened, what the balance says, and each way to settle it.

Everything on it wraps: in a block that scrolls, half of a command would be out of sight.
"""

from __future__ import annotations

from prefect_seedance.journal.commands import NEEDS_KEY, resolve_commands
from prefect_seedance.journal.errors import SubmissionUnknown
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.notifications.escaping import code, link, markdown

HEADLINE = "Perhaps paid: a person has to settle it"

#: What a person may find in the vendor's console: how it is settled, as what, and what that means for the money.
_WAYS = (
    (
        "attach",
        "The task is there: attach it",
        f"Nothing more is paid. Put its id in the place of the dots; {NEEDS_KEY}.",
    ),
    (
        "not_billed",
        "There is no task and no bill: not billed",
        "Nothing is sent by this. The next run of the same request submits it, and pays for it.",
    ),
    (
        "abandon",
        "Give it up: abandon",
        "It is never submitted again. What the vendor has billed stays billed; another take pays for another video.",
    ),
    (
        "take_file",
        "You have the video: bring it in",
        "Nothing more is paid. Put the file's path, or the link, in the place of the dots.",
    ),
)


def unknown_markdown(error: SubmissionUnknown, model: str, form: str = "") -> str:
    """Word an unknown submission as Markdown.

    Args:
        error: What is known of it.
        model: The model, to be looked for in the vendor's console.
        form: Address of the form of resolve_submission, filled in; "" where there is none.
    """
    reason = error.reason.rstrip(".")
    began = f" What came back begins: {error.excerpt[:200]}" if error.excerpt else ""
    sent = error.sent or f"It was sent at {error.started_at}, or was about to be."
    sent = sent.replace(f" ({error.run_url})", "") if error.run_url else sent
    happened = (
        f"{sent} It is not known whether the vendor accepted it: {reason}.{began} Nothing is sent again until a person "
        "has settled it."
    )
    look = f"Look in the vendor's console for a task of {model or 'this video'} made at that time, then settle it"
    here = f"{link('by this form', form)}, or" if form else "by the flow resolve-submission, or"
    parts = [
        f"# {markdown(HEADLINE)}",
        f"**What happened:** {_told(happened)}",
        f"**What the balance says:** {_told(error.balance)}" if error.balance else "",
        f"**What to do:** {_told(look)} {here} by one of the commands below.",
    ]
    commands = resolve_commands(error.intent, error.store_option, error.attempt_name)
    for resolution, headline, means in _WAYS:
        parts += [f"## {markdown(headline)}", _told(means), *map(code, commands[resolution])]
    parts.append(f"Intent {code(error.intent)}, attempt {code(error.attempt_name)}")
    return "\n\n".join(filter(None, parts)) + "\n"


def _told(words: str) -> str:
    return markdown(without_signatures(words))
