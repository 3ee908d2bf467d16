"""The form of a notification block's address: looked at without the network, and never repeated."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.notifications import (
    CustomWebhookNotificationBlock,
    DiscordWebhook,
    MattermostWebhook,
    SlackWebhook,
)

from prefect_seedance.runs.notifications.webhook_addresses import address_problems

KEY = "5d0c1e7a9f3b48c200000000"
SLACK = f"https://hooks.slack.com/services/T1JJ3T3L2/B1BRTD4JD/{KEY}"
TEAMS = f"https://prod-01.westus.logic.azure.com:443/workflows/643e69f8/triggers/manual/paths/invoke?sig={KEY}"


def custom(url: str, **fields: Any) -> NotificationBlock:
    return CustomWebhookNotificationBlock(name="team", url=url, json_data={"text": "{{body}}"}, **fields)


def found(block: NotificationBlock) -> list[tuple[str, str]]:
    return [(each.level, str(each)) for each in address_problems("some-webhook/team", block)]


@pytest.mark.parametrize(
    "block",
    [
        SlackWebhook(url=SLACK),
        SlackWebhook(url=f" {SLACK}\n"),
        SlackWebhook(url=SLACK.replace("slack.com", "slack-gov.com")),
        SlackWebhook(url="https://hooks.slack.com/workflows/T1JJ3T3L2/A1BRTD4JD/548046345/iXzeWNnjrOL"),
        SlackWebhook(url="json://user:password@127.0.0.1:9/key"),
        DiscordWebhook(webhook_id="123456789012345678", webhook_token=KEY),
        MattermostWebhook(hostname="chat.example.com", token=KEY),
        MattermostWebhook(hostname="127.0.0.1", token=KEY),
        custom(SLACK),
        custom(TEAMS),
        custom(f"https://discord.com/api/webhooks/123/{KEY}"),
        custom("https://ntfy.sh"),
        custom(f"https://proxy.example.com/slack/{KEY}"),
        custom("http://localhost:8080/x"),
        custom("https://münchen.example/x"),
        custom("https://[2001:db8::1]:8443/x"),
        custom("https://{{host}}/x", secrets={"host": "chat.example.com"}),
        custom("https://hooks.slack.com/{{path}}", secrets={"path": "services/T/B/x"}),
    ],
)
def test_an_address_that_may_be_one_is_taken(block: NotificationBlock) -> None:
    assert found(block) == []


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (SlackWebhook(url="**********"), "asterisks in its url"),
        (SlackWebhook(url="https://hooks.slack.com/services/T1JJ3T3L2/B1BRTD4JD/********"), "asterisks in its url"),
        (SlackWebhook(url="https://hooks.slack.com"), "without the path"),
        (SlackWebhook(url=SLACK.removeprefix("https://")), "does not begin with https://"),
        (SlackWebhook(url=f"https://hooks.slack.com/servces/{KEY}"), "cannot read"),
        (SlackWebhook(url=f"https://proxy.example.com/{KEY}"), "cannot read"),
        (SlackWebhook(url="https://[::1/x"), "cannot be read"),
        (SlackWebhook(url=f"https:///services/{KEY}"), "without a host"),
        (SlackWebhook(url=f"https://hooks.slack.com/services/T1/B 1/{KEY}"), "a space"),
        (SlackWebhook(url=""), "has no address"),
        (SlackWebhook(url=f"http://10.0.0.1/{KEY}", allow_private_urls=False), "private network"),
        (SlackWebhook(url=f"json://10.0.0.1/{KEY}", allow_private_urls=False), "neither https:// nor http://"),
        (custom(""), "has no address"),
        (custom(f"ftp://example.com/{KEY}"), "neither https:// nor http://"),
        (custom(f"{SLACK}\n"), "a space or a line break"),
        (custom("https://discord.com/"), "without the path"),
        (custom(f"http://169.254.169.254/{KEY}", allow_private_urls=False), "private network"),
        (custom("https://x.example.com/{{t}}", secrets={"t": "**********"}), "asterisks in its secrets"),
        (DiscordWebhook(webhook_id="123", webhook_token="**********"), "asterisks in its webhook_token"),
        (MattermostWebhook(hostname="https://chat.example.com", token=KEY), "not the name of a host alone"),
        (DiscordWebhook(webhook_id="https://discord.com/api/webhooks/1", webhook_token=KEY), "webhook id that is not"),
        (DiscordWebhook(webhook_id="12a", webhook_token=KEY), "webhook id that is not a number"),
        (custom(f"https://chat.example.com:0/{KEY}"), "whose host or port is not valid"),
        (custom(f"https://chat..example.com/{KEY}"), "whose host or port is not valid"),
        (custom(f"https://chat,example.com/{KEY}"), "whose host or port is not valid"),
        (custom(f"http://2130706433/{KEY}", allow_private_urls=False), "private network"),
        (custom(f"http://0x7f.1/{KEY}", allow_private_urls=False), "private network"),
        (custom(f"http://[::ffff:10.0.0.1]/{KEY}", allow_private_urls=False), "private network"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_without_repeating_it(block: NotificationBlock, said: str) -> None:
    refused = [words for level, words in found(block) if level == "refuse"]
    assert len(refused) == 1
    assert said in refused[0]
    assert KEY not in refused[0]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (custom(f"https://hooks.slack.com/servces/{KEY}"), "unlike /services/T.../B.../... of Slack"),
        (custom(f"https://discord.com/webhooks/{KEY}"), "unlike /api/webhooks/NUMBER/... of Discord"),
        (custom(f"https://eu.logic.azure.com/{KEY}"), "unlike /workflows/.../triggers/... of Teams"),
        (custom(f"http://chat.example.com/{KEY}"), "over plain http"),
    ],
)
def test_an_address_that_is_only_unusual_is_warned_about(block: NotificationBlock, said: str) -> None:
    ((level, words),) = found(block)
    assert level == "warn" and said in words and KEY not in words
