"""``prefect-seedance open``: a stored video in this desktop's viewer, or where it is.

A link into a bucket is a secret: whoever has it can watch the video. It is printed only where `--print` asks for it,
and written nowhere else.
"""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from prefect_seedance.cli.store_option import chosen_store
from prefect_seedance.cli.terminal import complain, say, say_document
from prefect_seedance.cli.videos.finding import find_video
from prefect_seedance.plain_text import one_line
from prefect_seedance.runs.pages.play_link import PlayLink
from prefect_seedance.storage.protocol import Store


def open_video(options: argparse.Namespace) -> int:
    """Open a stored video, or print where it is, and return the exit code."""
    chosen = chosen_store(options.store)
    video, store = find_video(chosen.journal(), options.video), chosen.open()
    uri = store.uri_of(video.stored.key)
    found = store.stat(video.stored.key)
    if found is None:
        raise video.lost(f"{uri} is not there any more, though its record says that it is stored.")
    if damage := found.damage(size=video.stored.bytes, crc32=video.stored.crc32):
        raise video.lost(f"{uri} is not the video that was stored: {damage}.")
    path = _path(uri)
    link = None if path else _link(store, video.stored.key, options.link_seconds)
    if options.as_json:
        facts = {"intent": video.entry.record.intent, "task_id": video.task_id, "uri": uri, "path": str(path or "")}
        shown = link if options.only_print else None
        until = {"link": shown.url if shown else "", "until": shown.until.isoformat() if shown else None}
        say_document({"video": {**facts, **until}})
        return 0
    if options.only_print:
        if link is None:
            say(str(path))
        else:
            say(link.url)
            complain(link.life)
        return 0
    say(str(path or uri))
    target = path.as_uri() if path else link.url if link else ""
    if not _has_desktop():
        ways = "" if path else " --print prints a link that plays the video."
        complain(f"There is no desktop here to open {one_line(video.label)} with.{ways}")
    elif not webbrowser.open(target):
        complain(f"This desktop has no viewer that opens {one_line(video.label)}.")
    elif link is not None:
        complain(f"It is opened by a link. {link.life}")
    return 0


def _path(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _link(store: Store, key: str, seconds: int) -> PlayLink:
    """Sign a link to an object of a bucket."""
    from prefect_seedance.storage.s3.store import S3Store

    if not isinstance(store, S3Store):
        raise TypeError("only a bucket has links")
    now = datetime.now(UTC)
    url = store.presigned_url(key, seconds)
    end = store.credentials_end()  # after signing, which may have had to renew them
    until = now + timedelta(seconds=seconds)
    until = until if end.at is None else min(until, end.at.astimezone(UTC))
    return PlayLink(url, until, is_certain=end.is_known)


def _has_desktop() -> bool:
    """Return whether there is a screen to open a viewer on; without one a browser of text might take the terminal."""
    if os.environ.get("BROWSER") or sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
