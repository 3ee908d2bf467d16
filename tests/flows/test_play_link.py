"""The link that plays a video: where the store allows it, on the run's page and in the notification, nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

from prefect_seedance import SeedanceCredentials, StoredVideo, VideoStore, generate_video
from prefect_seedance.runs.pages.play_link import PlayLink, play_link, report_link
from prefect_seedance.simulator import Simulator
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.store import S3Store
from tests.deployments.inbox import Inbox, open_inbox
from tests.flows import shown
from tests.flows.shown import small
from tests.flows.test_s3_store import bucket_store
from tests.storage.s3_servers import BUCKET, S3Server

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]
SIGNATURE = "X-Amz-Signature"
NAME = "custom-webhook/play-link"


@pytest.fixture
def inbox(prefect_server: str) -> Iterator[Inbox]:
    with open_inbox() as opened:
        block = CustomWebhookNotificationBlock(name="play-link", url=opened.url, json_data={"text": "{{body}}"})
        block.save("play-link", overwrite=True, _sync=True)
        yield opened


def test_the_link_plays_the_video_and_stands_where_it_may_and_nowhere_else(
    prefect_server: str, vendor: Simulator, credentials: SeedanceCredentials, moto: S3Server, inbox: Inbox
) -> None:
    store = bucket_store(moto, link_hours=2)
    state = generate_video(small("A boat to be watched"), credentials, store, notify=[NAME], return_state=True)
    stored = state.result()
    run = shown.run_of(state)
    (message,) = inbox.messages
    body = json.loads(message)["text"]
    (link,) = (line for line in body.splitlines() if SIGNATURE in line)
    answer = httpx.get(link)
    assert answer.status_code == 200 and len(answer.content) == stored.bytes
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"].startswith("inline")
    (until,) = re.findall(r"can watch the video until (\S+ \S+) UTC\.", body)
    assert abs(datetime.fromisoformat(until + "+00:00") - datetime.now(UTC) - timedelta(hours=2)) < timedelta(
        minutes=10
    )

    page = shown.artifact(run, "seedance-video-")
    assert f"**[Play the video](<{link}>)**. Whoever has this link can watch the video until" in str(page.data)
    assert SIGNATURE not in str(page.description)

    shown.logged(run, "Finished in state")
    events = shown.until(
        lambda: shown.events(prefect_server, resource=stored.uri, prefix="seedance.video.stored"), "the event"
    )
    objects = moto.client.list_objects_v2(Bucket=BUCKET, Prefix=store.location.removeprefix(f"s3://{BUCKET}/"))
    texts = [
        *shown.messages(run),
        json.dumps(events),
        repr(stored),
        stored.model_dump_json(),
        str(shown.flow_run(run)),
        *(str(each) for each in shown.task_runs(run, 5)),
        *(
            moto.client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read().decode("latin-1")
            for each in objects["Contents"]
        ),
        *(path.read_text("latin-1") for path in Path(PREFECT_LOCAL_STORAGE_PATH.value()).rglob("*") if path.is_file()),
    ]
    for text in texts:
        assert SIGNATURE not in text


@pytest.mark.parametrize("hours", [0, 2])
@pytest.mark.sample(every=2)
def test_there_is_no_link_by_default_and_none_to_a_folder(
    hours: int, vendor: Simulator, credentials: SeedanceCredentials, moto: S3Server, inbox: Inbox, tmp_path: Path
) -> None:
    store = VideoStore(location=str(tmp_path), link_hours=hours) if hours else bucket_store(moto)
    state = generate_video(small("Not to be watched"), credentials, store, notify=[NAME], return_state=True)
    (message,) = inbox.messages
    page = str(shown.artifact(shown.run_of(state), "seedance-video-").data)
    for text in (message, page):
        assert "Whoever has this link" not in text and SIGNATURE not in text


def signing(settings: S3Settings, credentials: Credentials) -> S3Store:
    """A store whose client signs with these credentials."""

    def make_client(settings: S3Settings) -> Any:
        session = boto3.Session(region_name="us-east-1")
        session._session._credentials = credentials
        return session.client("s3", endpoint_url=settings.endpoint_url, config=Config(signature_version="s3v4"))

    return S3Store(settings, make_client=make_client)


class Opened:
    """A block as `play_link` sees one, with a store that is open."""

    is_s3, link_hours = True, 48.0

    def __init__(self, store: S3Store) -> None:
        self.location, self._store = store.settings.location, store

    def open(self) -> S3Store:
        return self._store


def temporary(minutes: float) -> RefreshableCredentials:
    end = datetime.now(UTC) + timedelta(minutes=minutes)
    return RefreshableCredentials(
        "AKIA", "secret", "token", end, lambda: {}, "test", advisory_timeout=1, mandatory_timeout=1
    )


@pytest.mark.parametrize(
    ("credentials", "life", "certain"),
    [
        (Credentials("AKIA", "secret"), timedelta(hours=48), True),
        (40.0, timedelta(minutes=40), True),
        (Credentials("AKIA", "secret", "token"), timedelta(hours=48), False),
    ],
    ids=["lasting", "temporary", "temporary, end unknown"],
)
async def test_a_link_lives_no_longer_than_what_signed_it(
    credentials: Credentials | float, life: timedelta, certain: bool
) -> None:
    # Made here: their end is a time of day, and the tests are collected long before this one runs.
    signer = temporary(credentials) if isinstance(credentials, float) else credentials
    store = signing(S3Settings("bucket", "videos", endpoint_url="http://127.0.0.1:9"), signer)
    stored = StoredVideo.model_construct(uri=store.uri_of("v.mp4"), key="v.mp4")
    link = await play_link(stored, Opened(store))  # pyright: ignore[reportArgumentType]
    assert isinstance(link, PlayLink)
    assert abs(link.until - datetime.now(UTC) - life) < timedelta(minutes=10)
    assert link.is_certain is certain
    assert ("whose end is unknown" in link.life) is not certain
    assert SIGNATURE in link.url and SIGNATURE not in repr(link)


async def test_credentials_that_are_about_to_end_sign_no_link() -> None:
    store = signing(S3Settings("bucket", "videos", endpoint_url="http://127.0.0.1:9"), temporary(0.2))
    stored = StoredVideo.model_construct(uri=store.uri_of("v.mp4"), key="v.mp4")
    assert await play_link(stored, Opened(store)) is None  # pyright: ignore[reportArgumentType]


async def test_a_report_is_opened_by_a_link_to_its_key() -> None:
    store = signing(S3Settings("bucket", "deep/shop", endpoint_url="http://127.0.0.1:9"), Credentials("AKIA", "secret"))
    uri = store.uri_of("reports/2026-11-27/spring/report.html")
    link = await report_link(uri, Opened(store))  # pyright: ignore[reportArgumentType]
    assert isinstance(link, PlayLink)
    assert urlsplit(link.url).path == "/bucket/deep/shop/reports/2026-11-27/spring/report.html"
    assert link.life.startswith("Whoever has this link can open the report until ")
    assert await report_link("", Opened(store)) is None  # pyright: ignore[reportArgumentType]
