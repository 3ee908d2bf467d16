"""The automations of a folder onto the server: made if new, brought up to date if there is one of that name.

A file is what ``prefect automation create --from-file`` takes, but names stand where that wants ids: ``block:
TYPE/NAME`` and ``deployment: FLOW/NAME``. The names ``{notify}`` and ``{downstream}`` are the command line's; a file
whose name is not given there is left out, and said so. In a template ``| plain`` stands for filters by which the words
of others (a prompt, the vendor's) call nobody in a chat, and hide no link.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

HERE = Path(__file__).parent / "automations"

#: The server sends these messages and knows of no chat's language: what all of them obey is broken or replaced.
PLAIN = (
    '| default("", true) | string | replace("@", "@\\u200b") | replace("<", "\\u2039") | replace(">", "\\u203a")'
    ' | replace("](", "]\\u200b(")'
)


class WrongName(ValueError):
    """A name that has not the two parts that it needs."""


def main() -> None:
    """Apply every automation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", metavar="FOLDER", type=Path, default=HERE, help="where the files are")
    parser.add_argument("--notify", metavar="TYPE/NAME", help="a saved notification block, slack-webhook/team say")
    parser.add_argument("--downstream", metavar="FLOW/NAME", help="the deployment to run when a video is stored")
    options = parser.parse_args()
    names = {"{notify}": options.notify, "{downstream}": options.downstream}
    with get_client(sync_client=True) as client:
        for file in sorted(options.folder.glob("*.yaml")):
            automation = yaml.safe_load(file.read_text(encoding="utf-8"))
            try:
                print(f"{file.name}: {apply(client, automation, names)}")
            except (ObjectNotFound, WrongName) as error:
                sys.exit(f"{file.name}: {error}")


def apply(client: SyncPrefectClient, automation: dict[str, Any], names: dict[str, str | None]) -> str:
    """Make an automation, or bring it up to date; say what was done.

    Raises:
        ObjectNotFound: A block or a deployment that it names is not there.
        WrongName: It cannot be there, by its name.
    """
    for action in automation["actions"]:
        action.update({key: action[key].replace("| plain", PLAIN) for key in {"subject", "body"} & set(action)})
        for key in {"block", "deployment"} & set(action):
            name = names.get(action[key], action[key])
            if name is None:
                return f"left out, as it needs --{action[key].strip('{}')}"
            find = block_id if key == "block" else deployment_id
            del action[key]
            action["block_document_id" if key == "block" else "deployment_id"] = find(client, name)
    wanted = AutomationCore.model_validate(automation)
    there = client.read_automations_by_name(wanted.name)
    if there:
        wanted.enabled = there[0].enabled  # what was switched off by hand stays off
        client.update_automation(there[0].id, wanted)
        return "brought up to date"
    client.create_automation(wanted)
    return "made"


def block_id(client: SyncPrefectClient, name: str) -> str:
    """Find a saved block by ``TYPE/NAME``."""
    slug, document = parts(name, "a saved block: write TYPE/NAME")
    try:
        return str(client.read_block_document_by_name(document, slug, include_secrets=False).id)
    except ObjectNotFound as error:
        raise ObjectNotFound(error, help_message=f"There is no saved block {name}.") from None


def deployment_id(client: SyncPrefectClient, name: str) -> str:
    """Find a deployment by ``FLOW/NAME``."""
    parts(name, "a deployment: write FLOW/NAME")
    try:
        return str(client.read_deployment_by_name(name).id)
    except ObjectNotFound as error:
        raise ObjectNotFound(error, help_message=f"There is no deployment {name}.") from None


def parts(name: str, of: str) -> tuple[str, str]:
    """Split a name in two.

    Raises:
        WrongName: It has not two parts.
    """
    first, _, second = name.partition("/")
    if not first or not second or "/" in second:
        raise WrongName(f"{name!r} is not a valid name of {of}.")
    return first, second


if __name__ == "__main__":
    main()
