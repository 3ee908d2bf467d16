"""The commands that look into a store, fetch from it, and settle what is unknown."""

from __future__ import annotations

import argparse

from prefect_seedance.cli.arguments.shared import (
    OF_RECORDS,
    OF_VENDOR,
    AddParser,
    accept_also,
    add_credentials,
    add_store,
    add_video,
    epilog,
)
from prefect_seedance.cli.arguments.values import count, day, hours, span
from prefect_seedance.cli.exit_codes import DONE, ERROR
from prefect_seedance.cli.terminal import complain
from prefect_seedance.plain_text import one_line
from prefect_seedance.storage.errors import shown_location

_INTENT = "3f9a1c04d2e75b60918273645a5b6c7d"
_HOUR = 3600


def add_journal(add: AddParser) -> argparse.ArgumentParser:
    """Add ``journal``."""
    journal = add(
        "journal",
        help="list what was intended, submitted and stored, and what it cost",
        description="List the records of a store, the latest first, and below them their totals: how many are in each "
        "state, the coins spent, and what unknown submissions may have cost. On a wide terminal they are a table; when "
        "piped, they are lines with tabs, and the totals go to the standard error stream. Nothing is asked of the "
        "vendor.",
        epilog=epilog(
            [
                ("the twenty newest", "prefect-seedance journal --limit 20 --store s3://shop/videos"),
                ("what a person has to settle", "prefect-seedance journal --unknown --store ./videos"),
                (
                    "what was written since a day, of one account, for a program",
                    "prefect-seedance journal --since 2026-11-22 --account studio --store ./videos --json",
                ),
            ],
            reads=OF_RECORDS,
        ),
    )
    journal.set_defaults(run=_journal)
    group = journal.add_argument_group("which records")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--open", action="store_true", help="only what is not done")
    which.add_argument("--unknown", action="store_true", help="only what a person has to settle")
    group.add_argument(
        "--since",
        type=day,
        metavar="DAY",
        help="only what has changed since the beginning of this day (UTC), such as 2026-11-22",
    )
    group.add_argument("--account", metavar="LABEL", help="only those of this account, by its label")
    group.add_argument("--limit", type=count, metavar="N", help="at most this many, the newest")
    add_store(journal)
    return journal


def add_download(add: AddParser) -> argparse.ArgumentParser:
    """Add ``download``."""
    download = add(
        "download",
        help="save a video of a store as a file",
        description="Save a stored video as a file of this machine, whole: size and checksum are compared with its "
        "record before the file gets its name. A file that is there already is never replaced without --force. "
        "Nothing is asked of the vendor. A name or a task id is looked for in all records; an intent is found at once.",
        epilog=epilog(
            [
                (
                    "by its name in the manifest, into this folder",
                    "prefect-seedance download mug --store s3://shop/videos",
                ),
                (
                    "by the beginning of its intent, with its poster and provenance",
                    "prefect-seedance download 3f9a1c04 --all --to ./approved --store ./videos",
                ),
                (
                    "by the vendor's task id, replacing a file that is there",
                    "prefect-seedance download videos_... --to ./approved --force --store ./videos",
                ),
            ],
            reads=OF_RECORDS,
            codes={
                DONE: "the file is there, and whole",
                ERROR: "an error: there is no such video, or several, it is not stored yet or not whole, or a file is "
                "in the way",
            },
        ),
    )
    download.set_defaults(run=_download)
    add_video(download)
    where = add_store(download)
    where.add_argument(
        "--to",
        default=".",
        metavar="FOLDER",
        help="where the file goes; the folder is made if it is missing (default: this folder)",
    )
    where.add_argument("--force", action="store_true", help="replace a file that is there already")
    where.add_argument(
        "--all", action="store_true", help="save the poster and the provenance beside it too, where there are any"
    )
    return download


def add_open(add: AddParser) -> argparse.ArgumentParser:
    """Add ``open``."""
    opens = add(
        "open",
        help="open a video of a store, or print where it is",
        description="Open a stored video with this desktop's viewer, and print where it is: the path of the file, or "
        "the s3:// address. A video in a bucket is opened by a link that lives for --hours. Whoever has the link can "
        "watch the video: it is printed only with --print.",
        epilog=epilog(
            [
                ("watch a video", f"prefect-seedance open {_INTENT} --store ./videos"),
                (
                    "a link to send to somebody, which lives for a day",
                    "prefect-seedance open mug --print --hours 24 --store s3://shop/videos",
                ),
            ],
            reads=OF_RECORDS,
            codes={
                DONE: "it was found; whether a viewer shows it, only the desktop knows",
                ERROR: "an error: there is no such video, or several, or it is not stored yet",
            },
        ),
    )
    opens.set_defaults(run=_open)
    add_video(opens)
    where = add_store(opens)
    where.add_argument(
        "--print",
        action="store_true",
        dest="only_print",
        help="open nothing: print the path, or for a bucket a link, which lets whoever has it watch the video",
    )
    where.add_argument(
        "--hours",
        type=hours,
        default=_HOUR,
        dest="link_seconds",
        metavar="HOURS",
        help="for a bucket: how long the link lives, at most 168 (default: 1)",
    )
    return opens


def add_gallery(add: AddParser) -> argparse.ArgumentParser:
    """Add ``gallery``."""
    gallery = add(
        "gallery",
        help="make one page of all videos of a store",
        description="Make one HTML page of the videos of a store, with posters, prompts, costs and links, and what was "
        "spent by day and model. It is written into the store, or to --to; nothing is asked of the vendor.",
        epilog=epilog(
            [
                ("a page in the store", "prefect-seedance gallery --store ./videos"),
                (
                    "a page whose links play the videos for a day, for whoever has the page",
                    "prefect-seedance gallery --store s3://shop/videos --since 2026-11-22 --hours 24 --to ./page.html",
                ),
            ],
            reads=OF_RECORDS,
        ),
    )
    gallery.set_defaults(run=_gallery)
    group = gallery.add_argument_group("the page")
    group.add_argument(
        "--since", type=day, metavar="DAY", help="only videos stored since this day (UTC), such as 2026-11-22"
    )
    group.add_argument(
        "--hours",
        type=hours,
        default=0,
        dest="presign",
        metavar="HOURS",
        help="for a bucket: put links into the page that play the videos for this long, for whoever has the page; at "
        "most 168 (default: no links)",
    )
    accept_also(group, "--presign", type=span, dest="presign")
    group.add_argument(
        "--to",
        default="",
        metavar="PATH",
        help="a file, which is replaced, or a folder on this machine (default: a place in the store, under reports/)",
    )
    add_store(gallery)
    return gallery


def add_assets(add: AddParser) -> argparse.ArgumentParser:
    """Add ``assets``."""
    assets = add(
        "assets",
        help="list what is uploaded and audited for references",
        description="List what a store remembers of references, newest first, so that each is read, uploaded and "
        "audited once. Links to uploads are secrets and are not shown. Nothing is asked of the vendor.",
        epilog=epilog(
            [
                ("what there is", "prefect-seedance assets --store ./videos"),
                ("of one account", "prefect-seedance assets --store s3://shop/videos --account studio"),
                (
                    "forget one, to have it made anew",
                    "prefect-seedance assets --store ./videos --forget audit/3f9a1c04d2e7",
                ),
            ],
            reads=OF_RECORDS,
            columns={
                "kind": "hash: an object that was read for its SHA-256; upload: a file that the vendor keeps for "
                "three days; audit: an asset of the account",
                "state": "have: it is there; working: a run is making it; failed: the vendor turned it down; ready: to "
                "be made anew",
                "reference": "as it was written by the run that made it",
                "used by": "the beginnings of the intents of the videos that have it as a reference: see "
                "prefect-seedance journal",
            },
        ),
    )
    assets.set_defaults(run=_assets)
    group = assets.add_argument_group("which assets")
    group.add_argument("--account", metavar="LABEL", help="only those of this account, by its label")
    group.add_argument(
        "--forget",
        metavar="NAME",
        help="forget one, as the list names it (3f9a1c04d2e7, or upload/3f9a1c04d2e7 where there are several): the "
        "next run that needs it makes it anew, which costs nothing",
    )
    add_store(assets)
    return assets


def add_resolve(add: AddParser) -> argparse.ArgumentParser:
    """Add ``resolve``."""
    resolve = add(
        "resolve",
        help="settle an unknown submission, or bring in a video by hand",
        description="Settle an unknown submission, after a look into the vendor's console, or bring in a paid video "
        "that no repeat can fetch. --task-id asks the vendor for the task, with the key in JIMMYAI_API_KEY or "
        "--credentials; the others need no key. Name --credentials as well where they have a budget_store: what it "
        "holds for the video is then settled at once. --file and --link store the video itself, whatever its record "
        "says; nothing is paid.",
        epilog=epilog(
            [
                ("what there is to settle", "prefect-seedance journal --unknown --store ./videos"),
                (
                    "the console shows the task: take it up",
                    f"prefect-seedance resolve {_INTENT} \\\n        --task-id videos_... --store ./videos",
                ),
                (
                    "the console shows neither task nor bill: it may be submitted again",
                    f"prefect-seedance resolve {_INTENT} \\\n"
                    "        --not-billed --attempt 1-3f9a1c04 --store ./videos",
                ),
                (
                    "you have the video: bring it in",
                    f"prefect-seedance resolve {_INTENT} \\\n        --file ./boat.mp4 --store ./videos",
                ),
            ],
            reads=OF_VENDOR,
            codes={
                DONE: "it is settled, or the video is stored",
                ERROR: "an error, or the answer was no: nothing was changed",
            },
        ),
    )
    resolve.set_defaults(run=_resolve)
    resolve.add_argument(
        "intent", metavar="INTENT", help="identity of the video, as the error and the journal name it, whole"
    )
    group = resolve.add_argument_group("how it is settled, one of")
    how = group.add_mutually_exclusive_group(required=True)
    how.add_argument("--task-id", default="", help="the task is there: take it up; needs JIMMYAI_API_KEY")
    how.add_argument(
        "--not-billed", action="store_true", help="there is no task and no bill: it may be submitted again"
    )
    how.add_argument("--abandon", action="store_true", help="give it up")
    how.add_argument(
        "--restore",
        action="store_true",
        help="the record is damaged or gone: write what can still be read of it as unknown, to be settled then",
    )
    how.add_argument("--file", metavar="PATH", help="store this MP4 or MOV file as the video of this intent")
    how.add_argument(
        "--link",
        metavar="URL",
        help="store what is behind this link as the video of this intent; with - the link is read from standard input, "
        "which keeps it out of the shell's history",
    )
    which = resolve.add_argument_group("which attempt, and despite what")
    which.add_argument(
        "--attempt",
        default="",
        metavar="NAME",
        help="the attempt that this is about, such as 2-3f9a1c04: see the error, the run's page or "
        "prefect-seedance journal --unknown; it may be left out while the record has had only one",
    )
    which.add_argument(
        "--any-model",
        action="store_true",
        help="with --task-id: take it even if the vendor names another model for it than was asked for",
    )
    which.add_argument(
        "--any-age",
        action="store_true",
        help="with --task-id: take it even if it was made before the attempt was sent, or after the next one was",
    )
    which.add_argument(
        "--yes",
        action="store_true",
        help="with --not-billed: do not ask, even if the balance fell by exactly the expected price; with --file or "
        "--link: take the video even if its structure says that it is not whole",
    )
    add_credentials(resolve.add_argument_group("whose"))
    add_store(resolve)
    return resolve


def _journal(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.journal.listing import list_records

    return list_records(options)


def _download(options: argparse.Namespace) -> int:
    complain(f"Looking for {one_line(options.video)} in {one_line(shown_location(options.store))} ...")
    from prefect_seedance.cli.videos.download import download

    return download(options)


def _open(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.videos.opening import open_video

    return open_video(options)


def _gallery(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.batch.gallery import make_gallery

    return make_gallery(options)


def _assets(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.assets import assets

    return assets(options)


def _resolve(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.journal.resolve import resolve

    return resolve(options)
