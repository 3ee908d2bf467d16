"""Notifications through every class that Prefect has built in, to services that are real except for their names."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest
from prefect import flow
from prefect.blocks.core import Block
from prefect.blocks.notifications import (
    CustomWebhookNotificationBlock,
    DiscordWebhook,
    MattermostWebhook,
    MicrosoftTeamsWebhook,
    OpsgenieWebhook,
    PagerDutyWebHook,
    SendgridEmail,
    SlackWebhook,
    TwilioSMS,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from prefect_seedance import (
    SeedanceCredentials,
    StoredVideo,
    VideoRequest,
    VideoStore,
    agenerate_video,
    generate_video,
)
from prefect_seedance.cli import main
from prefect_seedance.client.errors import InvalidRequest, VideoFailed
from prefect_seedance.runs.notifications.notifiers import load_notifiers
from prefect_seedance.simulator import Fault, Simulator
from prefect_seedance.tasks.notify import send_notifications
from tests.flows import shown
from tests.flows.shown import small
from tests.flows.stand_ins import Mailbox, Received, Services, running_mail_server, running_services
from tests.ports import refusing_port

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

#: In every address and key below, and looked for in everything that is written.
SECRET = "5d0c1e7a9f3b48c2"
SIGNATURE = "X-Amz-Signature=0f1e2d3c4b5a"
SIGNED = f"https://bucket.example.com/first.png?{SIGNATURE}"


@dataclass(frozen=True)
class Scene:
    services: Services
    mailbox: Mailbox
    credentials: SeedanceCredentials
    store: VideoStore
    vendor: Simulator

    def run(self, request: VideoRequest, *notify: str) -> State[Any]:
        return generate_video(request, self.credentials, self.store, notify=list(notify), return_state=True)

    def got(self, path: str, *words: str) -> list[Received]:
        return [each for each in self.services.with_words(*words) if each.path.startswith(path)]


@pytest.fixture(scope="module")
def scene(
    prefect_server: str, shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("notifications")
    credentials = SeedanceCredentials(api_key=shared_simulator.key, base_url=shared_simulator.url)
    with (
        running_services(folder) as services,
        running_mail_server() as mailbox,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("HTTPS_PROXY", services.url)
        environment.setenv("NO_PROXY", "127.0.0.1,localhost")  # else websockets asks it for the way to Prefect
        environment.setenv("REQUESTS_CA_BUNDLE", str(services.ca))
        for slug, block in blocks(services, mailbox).items():
            block.save(slug.partition("/")[2], overwrite=True)
        yield Scene(services, mailbox, credentials, VideoStore(location=str(folder / "store")), shared_simulator)


def blocks(services: Services, mailbox: Mailbox) -> dict[str, Block]:
    host, port = services.host
    as_json = {"text": "{{subject}}\n{{body}}"}

    def webhook(name: str, path: str, **fields: Any) -> Block:
        return CustomWebhookNotificationBlock(name=name, url=f"{services.url}/{path}", json_data=as_json, **fields)

    return {
        "slack-webhook/team": SlackWebhook(
            url=f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{SECRET}00000000"
        ),
        "ms-teams-webhook/team": MicrosoftTeamsWebhook(
            url="https://prod-01.westus.logic.azure.com:443/workflows/643e69f83c8944/triggers/manual/paths/invoke"
            f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SECRET}"
        ),
        "discord-webhook/team": DiscordWebhook(webhook_id="123456789012345678", webhook_token=SECRET),
        "pager-duty-webhook/team": PagerDutyWebHook(integration_key=SECRET, api_key=SECRET),
        "twilio-sms/team": TwilioSMS(
            account_sid="AC" + "0" * 32,
            auth_token=SECRET * 2,
            from_phone_number="18005550100",
            to_phone_numbers=["18005550101"],
        ),
        "opsgenie-webhook/team": OpsgenieWebhook(apikey=f"{SECRET[:8]}-0000-0000-0000-{SECRET[:12]}"),
        "sendgrid-email/team": SendgridEmail(
            api_key=SECRET, sender_email="videos@example.com", to_emails=["team@example.com"]
        ),
        "mattermost-webhook/team": MattermostWebhook(hostname=host, port=port, token=f"{SECRET}00000000"),
        "custom-webhook/team": webhook("team", f"custom?token={SECRET}"),
        # Prefect has no class for plain SMTP; those with a URL take any address that Apprise knows.
        "slack-webhook/mail": SlackWebhook(
            url=f"mailto://127.0.0.1:{mailbox.port}?from=videos@example.com&to=team@example.com"
        ),
        "custom-webhook/broken": webhook("broken", f"500/{SECRET}", params={"token": SECRET}),
        "slack-webhook/down": SlackWebhook(url=f"json://user:{SECRET}@127.0.0.1:{refusing_port()}/{SECRET}"),
        "slack-webhook/private": SlackWebhook(url=f"{services.url}/{SECRET}", allow_private_urls=False),
        "slack-webhook/proxy": SlackWebhook(url=f"https://chat.example.com/{SECRET}"),
        "slack-webhook/masked": SlackWebhook(url="https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/**********"),
        "custom-webhook/short": CustomWebhookNotificationBlock(
            name="short", url="https://hooks.slack.com", json_data=as_json
        ),
        "custom-webhook/odd": CustomWebhookNotificationBlock(
            name="odd", url=f"https://discord.com/webhooks/{SECRET}", json_data=as_json
        ),
        "custom-webhook/hanging": webhook("hanging", "hang", timeout=3600),
    }


#: Each class, and where its messages arrive; mail has a server of its own.
GOOD = {
    "slack-webhook/team": ("hooks.slack.com", "/services/"),
    "ms-teams-webhook/team": ("prod-01.westus.logic.azure.com", "/workflows/"),
    "discord-webhook/team": ("discord.com", "/api/webhooks/"),
    "pager-duty-webhook/team": ("events.pagerduty.com", "/v2/enqueue"),
    "twilio-sms/team": ("api.twilio.com", "/2010-04-01/"),
    "opsgenie-webhook/team": ("api.opsgenie.com", "/v2/alerts"),
    "sendgrid-email/team": ("api.sendgrid.com", "/v3/mail/send"),
    "mattermost-webhook/team": ("127.0.0.1", "/hooks/"),
    "custom-webhook/team": ("127.0.0.1", "/custom"),
}
BROKEN = {
    "custom-webhook/broken": "500 Internal Server Error",
    "slack-webhook/down": "127.0.0.1",
}


@pytest.fixture(scope="module")
def told(scene: Scene) -> State[StoredVideo]:
    """The end of a run that told everybody, those first who cannot be reached."""
    return scene.run(small("A paper boat", images=[SIGNED]), *BROKEN, *GOOD, "slack-webhook/mail")


def result(state: State[StoredVideo]) -> StoredVideo:
    stored = state.result()
    assert isinstance(stored, StoredVideo)
    return stored


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.sample(every=3)
def test_a_stored_video_is_told_through_every_class(name: str, told: State[StoredVideo], scene: Scene) -> None:
    stored = result(told)
    host, path = GOOD[name]
    (message,) = (each for each in scene.got(path, stored.task_id) if each.host == host)
    assert "Video stored" in message.body
    assert "A paper boat" in message.body.replace("%20", " ")
    assert stored.uri in message.body


def test_a_stored_video_is_told_by_mail(told: State[StoredVideo], scene: Scene) -> None:
    text = scene.mailbox.text()
    assert f"Video stored: {result(told).task_id}" in text
    assert result(told).uri in text
    assert {str(message["To"]) for message in scene.mailbox.messages} == {"team@example.com"}


def test_one_that_fails_is_logged_and_the_run_is_still_a_success(told: State[StoredVideo], scene: Scene) -> None:
    assert told.is_completed()
    run = shown.run_of(told)
    for name, why in BROKEN.items():
        assert why in shown.logged(run, f"The notification to {name} failed")
    warnings = [each for each in shown.messages(run) if "The notification to" in each]
    assert len(warnings) == len(BROKEN), "the others were told"


def test_nothing_that_is_logged_about_one_gives_its_key_away(told: State[StoredVideo], scene: Scene) -> None:
    run = shown.run_of(told)
    for name in BROKEN:
        shown.logged(run, name)
    text = "\n".join(shown.messages(run))
    assert SECRET not in text
    assert scene.vendor.key not in text


def test_no_message_holds_a_key_or_a_signed_address(told: State[StoredVideo], scene: Scene) -> None:
    assert scene.services.received
    for text in (scene.mailbox.text(), *(each.body for each in scene.services.received)):
        assert SIGNATURE not in text
        assert scene.vendor.key not in text


def test_a_reused_video_says_so_and_how_to_get_another(told: State[StoredVideo], scene: Scene) -> None:
    state = scene.run(small("A paper boat", images=[SIGNED]), "custom-webhook/team")
    assert result(state).reused
    (message,) = scene.got("/custom", "Video reused", result(told).task_id)
    assert "nothing was paid now" in message.body
    assert "set another take" in message.body


def test_a_failure_says_why_and_what_it_means_for_the_money(scene: Scene) -> None:
    words = f"PROVIDER_MODERATION_ERROR: TRADEMARK in https://bucket.example.com/a.png?{SIGNATURE}"
    scene.vendor.plan(Fault(fault="failed", matching="A known logo", message=words))
    state = scene.run(small("A known logo"), "slack-webhook/team", "slack-webhook/mail")
    assert state.is_failed()
    (bill,) = (each for each in scene.vendor.bills() if each.body["prompt"] == "A known logo")
    (message,) = scene.got("/services/", "No video: VideoFailed", *bill.task_ids)
    text = scene.mailbox.text()
    for said in ("A known logo", "TRADEMARK in https://bucket.example.com/a.png", "does not document refunds"):
        assert said in message.body
        assert said in text
    assert SIGNATURE not in message.body + text


def test_an_unknown_submission_calls_a_person_with_the_commands_that_settle_it(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.vendor.plan(Fault(fault="lost_answer", matching="A lost answer"))
    state = scene.run(small("A lost answer"), "custom-webhook/team", "discord-webhook/team")
    assert state.is_failed()
    (message,) = scene.got("/custom", "A lost answer")
    (discord,) = scene.got("/api/webhooks", "A lost answer")
    assert "prefect-seedance resolve" in discord.body
    subject, _, body = json.loads(message.body)["text"].partition("\n")
    assert subject.startswith("Perhaps paid, a person has to settle it")
    assert len(body) < 2000, "more is cut into two messages by Discord"
    (command,) = (line for line in body.splitlines() if "prefect-seedance" in line and " --abandon " in line)
    program, *arguments = shlex.split(command)
    assert program == "prefect-seedance"
    assert main(arguments) == 0
    assert "is now lost" in capsys.readouterr().out


def test_a_run_that_is_cancelled_in_an_unknown_submission_calls_a_person_too(scene: Scene) -> None:
    scene.vendor.plan(Fault(fault="hang", matching="A long silence"))
    impatient = scene.credentials.model_copy(update={"submit_timeout_seconds": 8.0})

    async def cancelled() -> None:
        notify = ["custom-webhook/team"]
        run = asyncio.create_task(agenerate_video(small("A long silence"), impatient, scene.store, notify))
        while not any(bill.body["prompt"] == "A long silence" for bill in scene.vendor.bills()):
            await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(cancelled())
    (message,) = scene.got("/custom", "A long silence")
    assert "Perhaps paid, a person has to settle it" in message.body
    assert "prefect-seedance resolve" in message.body
    (intent,) = re.findall(r"prefect-seedance resolve ([0-9a-f]{32}) .*--not-billed", message.body)
    page = shown.latest(f"seedance-unknown-{intent[:12]}")
    assert "Perhaps paid" in page and "The run was cancelled." in page
    assert f"`prefect-seedance resolve {intent}" in page


def test_a_step_that_cannot_even_begin_changes_nothing_of_how_the_run_ends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(notify: list[str], subject: str, body: str) -> None:
        raise RuntimeError("The client cannot be started again after closing")

    monkeypatch.setattr("prefect_seedance.tasks.notify.send_notifications", gone)
    stored = scene.run(small("Told to nobody"), "custom-webhook/team")
    assert stored.is_completed()
    assert shown.logged(shown.run_of(stored), "No notification was sent: RuntimeError")
    scene.vendor.plan(Fault(fault="failed", matching="Failed, and told to nobody"))
    failed = scene.run(small("Failed, and told to nobody"), "custom-webhook/team")
    assert isinstance(failed.result(raise_on_failure=False), VideoFailed)


def test_what_is_refused_for_free_is_told_to_those_who_can_be_told(scene: Scene) -> None:
    refused = small("A private picture", images=["https://127.0.0.1/first.png"])
    assert scene.run(refused, "custom-webhook/team").is_failed()
    (message,) = scene.got("/custom", "A private picture")
    for said in ("No video: InvalidRequest", "nothing is billed", "Use a publicly reachable https URL"):
        assert said in message.body
    assert scene.run(small("To nobody"), "slack-webhook/nobody", "custom-webhook/team").is_failed()
    (message,) = scene.got("/custom", "To nobody")
    assert "slack-webhook/nobody" in message.body
    assert not [bill for bill in scene.vendor.bills() if bill.body["prompt"] in ("A private picture", "To nobody")]


def test_one_that_hangs_is_left_behind_and_the_next_is_told(scene: Scene) -> None:
    @flow
    async def telling() -> str:
        await send_notifications(["custom-webhook/hanging", "custom-webhook/team"], "Impatience", "body", seconds=10.0)
        return "done"

    assert asyncio.run(telling()) == "done"
    assert "seedance-notification" in {thread.name for thread in threading.enumerate()}, "it was waited for"
    assert scene.got("/hang", "Impatience")
    assert scene.got("/custom", "Impatience")


def test_every_name_that_cannot_be_told_is_found_at_once(scene: Scene) -> None:
    SeedanceCredentials(api_key=f"sk_{SECRET}").save("no-notifier", overwrite=True)
    saved_without_its_class()
    names = [
        "slack-webhook/nobody",
        "team",
        "seedance-credentials/no-notifier",
        "some-chat/team",
        "slack-webhook/team",
    ]
    with pytest.raises(InvalidRequest) as caught:
        asyncio.run(load_notifiers(names))
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 4
    for name, words in zip(names, said, strict=False):
        assert name in words
    assert "type and a name" in said[1]
    assert "is a SeedanceCredentials" in said[2]
    assert SECRET not in str(caught.value)


#: What each of these services would obey, and what a chat shows of it.
HOSTILE = (
    "@everyone @here <!channel> <@U123> <@&42> <!subteam^S1|@all> [x](https://evil.example/a) <b>bold</b> & "
    "<https://evil.example|click> ||spoiler|| *y* \u202eright \x1b[2J"
)


@pytest.fixture(scope="module")
def provoked(scene: Scene) -> None:
    """Hostile words in the subject and in the body, sent to everybody."""

    @flow
    async def telling() -> list[str]:
        names = [*GOOD, "slack-webhook/mail"]
        return await send_notifications(names, f"Provoked\r\nBcc: a@evil.example {HOSTILE}", f"Provoked: {HOSTILE}")

    assert asyncio.run(telling()) == [*GOOD, "slack-webhook/mail"]


@pytest.mark.parametrize("name", [name for name in GOOD if "mail" not in name])
@pytest.mark.usefixtures("provoked")
def test_no_words_in_a_message_call_anybody_or_hide_a_link(name: str, scene: Scene) -> None:
    host, path = GOOD[name]
    (message,) = (each for each in scene.got(path, "Provoked") if each.host == host)
    said = unquote(message.body)
    said = json.dumps(json.loads(said), ensure_ascii=False) if said.startswith("{") else said
    for call in ("@everyone", "@here", "<!channel>", "<@U123>", "<@&42>", "](https", "<https", "<b>"):
        assert call not in said
    assert "\u202e" not in said and "\x1b" not in said and "u001b" not in said
    for word in ("everyone", "channel", "U123", "evil.example/a", "click", "bold"):
        assert word in said, "it can still be read"


@pytest.mark.usefixtures("provoked")
def test_no_words_in_a_mail_add_a_header_or_an_element(scene: Scene) -> None:
    (sent,) = (each for each in scene.got("/v3/mail/send", "Provoked"))
    content = json.loads(sent.body)["content"][0]
    assert content["type"] == "text/html" and "&lt;b&gt;bold&lt;/b&gt; &amp;" in content["value"]
    (message,) = (each for each in scene.mailbox.messages if "Provoked" in str(each["Subject"]))
    assert message["Bcc"] is None
    assert "Bcc: a@evil.example" in str(message["Subject"])
    page = message.get_body(("html",))
    assert page is not None
    assert "&lt;b&gt;bold&lt;/b&gt; &amp;" in page.get_content()
    assert "<b>" not in page.get_content()


def test_a_message_holds_the_way_to_its_run(told: State[StoredVideo], scene: Scene, prefect_server: str) -> None:
    page = f"{prefect_server.removesuffix('/api')}/runs/flow-run/{shown.run_of(told)}"
    for name in ("slack-webhook/team", "discord-webhook/team", "ms-teams-webhook/team", "custom-webhook/team"):
        (message,) = (
            each
            for each in scene.got(GOOD[name][1], result(told).task_id)
            if each.host == GOOD[name][0] and "stored" in each.body
        )
        assert f"The run: {page}" in message.body
    assert page in scene.mailbox.text()


def test_an_address_that_cannot_be_one_is_found_before_anything_is_paid(scene: Scene) -> None:
    names = ["slack-webhook/private", "slack-webhook/proxy", "slack-webhook/masked", "custom-webhook/short"]
    state = scene.run(small("A refused boat", images=["https://127.0.0.1/first.png"]), *names, "custom-webhook/odd")
    error = state.result(raise_on_failure=False)
    assert isinstance(error, InvalidRequest)
    said = [str(problem) for problem in error.problems]
    assert "images[0]" in said[0], "everything is told at once"
    for name, words in zip(
        names, ("private network", "class cannot read", "asterisks in its url", "without the path"), strict=True
    ):
        (problem,) = (each for each in said if name in each)
        assert words in problem
    assert not any("custom-webhook/odd" in each for each in said), "what is only unusual is not refused"
    assert SECRET not in str(error)


def test_an_unusual_address_is_warned_about(scene: Scene) -> None:
    state = scene.run(small("A warned boat"), "custom-webhook/odd")
    assert state.is_completed()
    warning = shown.logged(shown.run_of(state), "custom-webhook/odd", "unlike /api/webhooks/NUMBER/... of Discord")
    assert SECRET not in warning


def saved_without_its_class() -> None:
    """Save a block of a class that nobody here has installed, as a server shared by several teams holds them."""

    # By Prefect's own client, which repeats the 503 of a busy server on SQLite.
    with get_client(sync_client=True) as client:

        def make(path: str, **body: object) -> str:
            return str(client.request("POST", path, json=body).json()["id"])

        type_id = make("/block_types/", name="Some Chat", slug="some-chat")
        schema_id = make("/block_schemas/", block_type_id=type_id, fields={"properties": {}}, capabilities=["notify"])
        make("/block_documents/", block_type_id=type_id, block_schema_id=schema_id, name="team", data={})
