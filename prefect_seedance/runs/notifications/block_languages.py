"""Which language a notification block's service reads, and a message put into it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prefect_seedance.plain_text import one_line
from prefect_seedance.runs.notifications.escaping import (
    Escape,
    discord,
    guarded,
    mail,
    mattermost,
    slack,
    slack_by_apprise,
)

if TYPE_CHECKING:
    from prefect.blocks.abstract import NotificationBlock

#: By the class that Apprise has for a service. Teams reads a part of Markdown that has no escape.
_BY_SERVICE: dict[str, Escape] = {
    "NotifySlack": slack_by_apprise,
    "NotifyDiscord": discord,
    "NotifyMattermost": mattermost,
}
#: By the end of a host's name, for blocks that post to any address.
_BY_HOST: tuple[tuple[str, Escape], ...] = (
    ("hooks.slack.com", slack),
    ("hooks.slack-gov.com", slack),
    ("discord.com", discord),
    ("discordapp.com", discord),
)
#: By slug, for blocks of other packages.
_BY_SLUG: dict[str, Escape] = {"slack-incoming-webhook": slack}


def message_for(block: NotificationBlock, subject: str, body: str) -> tuple[str, str]:
    """Put a message, which is plain text, into the language of a block's service.

    Returns:
        Subject, which is one line, and body.
    """
    subject = one_line(subject)
    services = services_of(block)
    for service in services or ():
        if _is_html(service):
            # A subject stands in a header of the mail, or, where there is none, in the text.
            has_header = getattr(service, "title_maxlen", 0) > 0
            return subject if has_header else mail(subject), mail(body)
        escape = _BY_SERVICE.get(type(service).__name__, guarded)
        return escape(subject), escape(body)
    escape = _BY_SLUG.get(block.get_block_type_slug()) or _of_address(getattr(block, "url", ""))
    subject, body = escape(subject), escape(body)
    template = getattr(block, "form_data", None)
    if isinstance(template, str) and template.lstrip().startswith(("{", "[")):
        return _inside_json(subject), _inside_json(body)  # JSON that is written out as a text
    return subject, body


def services_of(block: NotificationBlock) -> list[object] | None:
    """Return what Apprise has read out of a block's settings; None for a block that does without Apprise."""
    client: Iterable[object] | None = getattr(block, "_apprise_client", None)
    return None if client is None else [*client]


def _of_address(address: object) -> Escape:
    if not isinstance(address, str):
        return guarded
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return guarded
    return next((escape for end, escape in _BY_HOST if host == end or host.endswith(f".{end}")), guarded)


def _is_html(service: object) -> bool:
    resolve = getattr(service, "resolve_format", None)  # of newer releases of Apprise
    kind = resolve() if resolve else getattr(service, "notify_format", "")
    return str(getattr(kind, "value", kind)).lower() == "html"


def _inside_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
