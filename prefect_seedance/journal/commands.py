"""What a person is told to run, ready to be copied."""

from __future__ import annotations

import json
import shlex

#: Beside a command that asks the vendor.
NEEDS_KEY = "this command asks the vendor: it needs the key in JIMMYAI_API_KEY"


def how_to_list_unknown(store_option: str) -> str:
    """Return the command that lists what a person has to settle.

    Args:
        store_option: What ``--store`` takes for it, see `Journal.store_option`.

    Example:
        >>> how_to_list_unknown("/data/my videos")
        "prefect-seedance journal --unknown --store '/data/my videos'"
    """
    return f"prefect-seedance journal --unknown --store {shlex.quote(store_option)}"


#: What a person may find in the vendor's console, with what settles it in Python and on the command line.
_WAYS = (
    ("attach", "the task is there:", 'resolution="attach", task_id="..."', ("--task-id ...",), f"({NEEDS_KEY})"),
    ("not_billed", "there is none, no bill:", 'resolution="not_billed"', ("--not-billed",), ""),
    ("abandon", "give it up:", 'resolution="abandon"', ("--abandon",), ""),
    ("take_file", "you have the video:", 'resolution="take_file", path="..."', ("--file ...", "--link ..."), ""),
)


#: What comes before the calls that settle an unknown submission: where there is no room for them, it goes too.
RESOLVED_BY = "or by one of these:"


def how_to_resolve(intent: str, store_option: str, attempt: str = "", *, briefly: bool = False) -> str:
    """Return the calls that settle an unknown submission, and no other.

    Args:
        intent: Identity of the video.
        store_option: What ``--store`` takes for it, see `Journal.store_option`.
        attempt: The attempt that they are for, see `Attempt.name`; "" where that is not known.
        briefly: Leave out the calls in Python, for a message that may be cut.
    """
    named = f", attempt={json.dumps(attempt)}" if attempt else ""
    call = f'resolve_submission(intent="{intent}", store=..., credentials=...'
    form = f", attempt {attempt}" if attempt else ""
    lines = [f"Settle it in the Prefect UI (flow resolve-submission{form}) {RESOLVED_BY}"]
    settling = resolve_commands(intent, store_option, attempt)
    for resolution, found, arguments, _, note in _WAYS:
        commands = settling[resolution] + ([note] if note else [])
        lines += [f"- {found}"] if briefly else [f"- {found:<24} {call}, {arguments}{named})"]
        lines += commands if briefly else [f"{'':<27}{each}" for each in commands]
    return "\n".join(lines)


def resolve_commands(intent: str, store_option: str, attempt: str = "") -> dict[str, list[str]]:
    """Return the commands that settle an unknown submission, by their resolution.

    Args:
        intent: Identity of the video.
        store_option: What ``--store`` takes for it, see `Journal.store_option`.
        attempt: The attempt that they are for, see `Attempt.name`; "" where that is not known.

    Example:
        >>> resolve_commands("INTENT", "/data", "1-3f9a1c04")["not_billed"]
        ['prefect-seedance resolve INTENT --store /data --not-billed --attempt 1-3f9a1c04']
    """
    return {way[0]: [_resolve(intent, store_option, each, attempt) for each in way[3]] for way in _WAYS}


def _resolve(intent: str, store_option: str, arguments: str, attempt: str = "") -> str:
    named = f" --attempt {shlex.quote(attempt)}" if attempt else ""
    return f"prefect-seedance resolve {intent} --store {shlex.quote(store_option)} {arguments}{named}"


def how_to_bring_in(intent: str, store_option: str, attempt: str = "") -> str:
    """Return the commands that bring in a video which a person has, in words: the way on where no repeat helps.

    Args:
        intent: Identity of the video.
        store_option: What ``--store`` takes for it, see `Journal.store_option`.
        attempt: Whose video it is, see `Attempt.name`; "" where that is not known.

    Example:
        >>> print(how_to_bring_in("INTENT", "/data", "1-3f9a1c04"))
        If that does not help, and the vendor's console shows the video: save it and bring it in, which costs nothing:
        prefect-seedance resolve INTENT --store /data --file ... --attempt 1-3f9a1c04
        prefect-seedance resolve INTENT --store /data --link ... --attempt 1-3f9a1c04
        (or the flow resolve-submission with resolution="take_file" or "take_link")
    """
    commands = "\n".join(resolve_commands(intent, store_option, attempt)["take_file"])
    return (
        "If that does not help, and the vendor's console shows the video: save it and bring it in, which costs "
        f'nothing:\n{commands}\n(or the flow resolve-submission with resolution="take_file" or "take_link")'
    )


def how_to_attach(intent: str, store_option: str, task_id: str) -> str:
    """Return the command that brings a known task into its record, in words.

    Args:
        intent: Identity of the video.
        store_option: What ``--store`` takes for it, see `Journal.store_option`.
        task_id: The vendor's task id.

    Example:
        >>> print(how_to_attach("INTENT", "/data", "videos_1"))
        prefect-seedance resolve INTENT --store /data --task-id videos_1
        (this command asks the vendor: it needs the key in JIMMYAI_API_KEY; or the flow resolve-submission with \
resolution="attach")
    """
    line = _resolve(intent, store_option, f"--task-id {shlex.quote(task_id)}")
    return f'{line}\n({NEEDS_KEY}; or the flow resolve-submission with resolution="attach")'


def how_to_restore(intent: str, store_option: str) -> str:
    """Return the command that restores a record which is damaged or gone, in words.

    Args:
        intent: Identity of the video.
        store_option: What ``--store`` takes for it, see `Journal.store_option`.

    Example:
        >>> print(how_to_restore("INTENT", "/data"))
        prefect-seedance resolve INTENT --store /data --restore
        (or the flow resolve-submission with resolution="restore")
    """
    line = _resolve(intent, store_option, "--restore")
    return f'{line}\n(or the flow resolve-submission with resolution="restore")'


def how_to_repeat(scope: str, what: str = "request") -> str:
    """Return how to ask for the same video again, within the scope that it is shared in.

    Args:
        scope: What it is shared within.
        what: What is run again.

    Example:
        >>> how_to_repeat("")
        'Run the same request again'
        >>> how_to_repeat("scope:monday")
        "Run the same request again with reuse_scope 'monday'"
    """
    kind, _, name = scope.partition(":")
    if kind == "run":
        return f"Retry flow run {name} (Retry on its page, or prefect flow-run retry {name})"
    return f"Run the same {what} again" + (f" with reuse_scope {name!r}" if kind == "scope" else "")


def how_to_go_on(scope: str) -> str:
    """Return how to go on with a task that the vendor has, without paying for its video twice.

    Example:
        >>> how_to_go_on("")
        'Run the same request again: that takes the task up and pays nothing.'
    """
    warning = " A new run would pay for another video." if scope.startswith("run:") else ""
    return f"{how_to_repeat(scope)}: that takes the task up and pays nothing.{warning}"


def how_to_collect(scope: str) -> str:
    """Return what takes up the submitted videos of a batch, in words. Nothing of it pays for a video twice.

    Args:
        scope: What the videos are shared within.

    Example:
        >>> how_to_collect("")
        'collect_videos, or running the batch again, takes up what is submitted.'
        >>> how_to_collect("run:0198")
        'collect_videos takes up what is submitted. A new run would pay for other videos.'
    """
    kind, _, name = scope.partition(":")
    if kind == "run":
        return "collect_videos takes up what is submitted. A new run would pay for other videos."
    within = f" with reuse_scope {name!r}" if kind == "scope" else ""
    return f"collect_videos, or running the batch again{within}, takes up what is submitted."


def command_to_collect(store_option: str, credentials: str = "") -> str:
    """Return the command that stores what is submitted.

    Args:
        store_option: What ``--store`` takes for it, see `Journal.store_option`.
        credentials: Name of the saved credentials, "" for the key of the environment.

    Example:
        >>> command_to_collect("/data/my videos")
        "prefect-seedance collect --store '/data/my videos'"
    """
    command = f"prefect-seedance collect --store {shlex.quote(store_option)}"
    return f"{command} --credentials {shlex.quote(credentials)}" if credentials else command


def how_to_forget(name: str, store_option: str, account: str) -> str:
    """Return the command that forgets an upload or an audit, so that the next run makes it anew.

    Args:
        name: Which, such as ``upload/3f9a1c04``.
        store_option: What ``--store`` takes for its store, see `Journal.store_option`.
        account: Label of the account that it belongs to.

    Example:
        >>> how_to_forget("upload/3f9a1c04", "/data/my videos", "default")
        "prefect-seedance assets --store '/data/my videos' --account=default --forget upload/3f9a1c04"
    """
    where = f"--store {shlex.quote(store_option)} --account={shlex.quote(account)}"
    return f"prefect-seedance assets {where} --forget {shlex.quote(name)}"


def how_to_resume(store_option: str) -> str:
    """Return the command that lifts the stop for all spending of a store.

    Args:
        store_option: What ``--store`` takes for it, see `Journal.store_option`.

    Example:
        >>> how_to_resume("/data/my videos")
        "prefect-seedance resume --store '/data/my videos'"
    """
    return f"prefect-seedance resume --store {shlex.quote(store_option)}"


def how_to_pause(store_option: str) -> str:
    """Return the command that stops all spending of a store.

    Args:
        store_option: What ``--store`` takes for it, see `Journal.store_option`.

    Example:
        >>> how_to_pause("/data/my videos")
        "prefect-seedance pause --store '/data/my videos'"
    """
    return f"prefect-seedance pause --store {shlex.quote(store_option)}"
