"""What a person is told to run, ready to be copied."""

from __future__ import annotations

import shlex


def how_to_list_unknown(store_option: str) -> str:
    """Return the command that lists what a person has to settle.

    Args:
        store_option: What ``--store`` takes for it, see `JournalReader.store_option`.

    Example:
        >>> how_to_list_unknown("/data/my videos")
        "prefect-seedance journal --unknown --store '/data/my videos'"
    """
    return f"prefect-seedance journal --unknown --store {shlex.quote(store_option)}"


def how_to_resolve(intent: str, store_option: str) -> str:
    """Return the calls that settle an unknown submission.

    Args:
        intent: Identity of the video.
        store_option: What ``--store`` takes for it, see `JournalReader.store_option`.
    """
    call = f'resolve_submission(intent="{intent}", store=..., credentials=...'
    line = f"prefect-seedance resolve {intent} --store {shlex.quote(store_option)}"
    return (
        "Settle it in the Prefect UI (flow resolve-submission) or by one of these:\n"
        f'- the task is there:       {call}, resolution="attach", task_id="...")\n'
        f"                           {line} --task-id ...\n"
        f'- there is none, no bill:  {call}, resolution="not_billed")\n'
        f"                           {line} --not-billed\n"
        f'- give it up:              {call}, resolution="abandon")\n'
        f"                           {line} --abandon"
    )
