"""The commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, date, datetime, time

AddParser = Callable[..., argparse.ArgumentParser]

DEFAULT_STORE = "seedance-videos"

_GENERATE_EXAMPLES = """examples:
  a text alone, into ./seedance-videos:
    prefect-seedance generate --prompt "A paper boat on a puddle" --ratio 9:16

  pictures of yours, which are uploaded, and for sd2_mx_* models audited, once:
    prefect-seedance generate --prompt "@image1 turns on @image2" --model sd2_mx_720p \\
        --image ./mug.png --image ./table.jpg --store s3://shop/videos

  from one picture to another:
    prefect-seedance generate --prompt "The mug fills" \\
        --first-frame s3://shop/empty.png --last-frame s3://shop/full.png

  on from where another video ends:
    prefect-seedance generate --prompt "The camera rises" --first-frame last-frame+./clips/one.mp4
"""
_ASSETS_EXAMPLES = """columns:
  kind        hash: an object that was read for its SHA-256; upload: a file that the vendor keeps for three days;
              audit: an asset of the account
  state       have: it is there; working: a run is making it; failed: the vendor turned it down; ready: to be made anew
  reference   as it was written by the run that made it
  used by     the beginnings of the intents of the videos that have it as a reference: see prefect-seedance journal

examples:
  prefect-seedance assets --store ./videos
  prefect-seedance assets --store s3://shop/videos --account studio
  prefect-seedance assets --store ./videos --forget audit/3f9a1c04d2e7
"""


class _Help(argparse.HelpFormatter):
    """Help whose texts of several lines stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def parser() -> argparse.ArgumentParser:
    """Build the parser; each command has its function as ``run``, which loads what it needs when called."""
    whole = argparse.ArgumentParser(
        prog="prefect-seedance", description="Seedance videos through Prefect: paid for once, stored whole."
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    adders = (_add_demo, _add_generate, _add_journal, _add_resolve, _add_assets, _add_simulator)
    made = [make(commands.add_parser) for make in adders]
    for command in made:
        command.add_argument("--debug", action="store_true", help="show tracebacks")
    return whole


def _add_demo(add: AddParser) -> argparse.ArgumentParser:
    demo = add("demo", help="make one video against the simulator: free, offline, real MP4")
    demo.set_defaults(run=_demo)
    demo.add_argument("--folder", default="prefect-seedance-demo", help="where the video goes (default: %(default)s)")
    demo.add_argument("--prompt", default="A model rotates to show clothing details.", help="what the video shows")
    demo.add_argument("--model", default="", help="a route of the table (default: the form's)")
    demo.add_argument("--duration", type=int, default=5, help="seconds (default: %(default)s)")
    demo.add_argument("--ratio", default="9:16", help="aspect ratio (default: %(default)s)")
    demo.add_argument("--seconds", type=float, default=4.0, help="how long the simulator takes (default: %(default)s)")
    return demo


def _add_generate(add: AddParser) -> argparse.ArgumentParser:
    generate = add(
        "generate",
        help="make one video at the vendor: costs money, once",
        description="Make one video at the vendor, with the key in JIMMYAI_API_KEY. The same command again is the same "
        "video and costs nothing; another --take is another one.",
        epilog=_GENERATE_EXAMPLES,
        formatter_class=_Help,
    )
    generate.set_defaults(run=_generate)
    generate.add_argument("--prompt", required=True, help="what the video shows")
    generate.add_argument("--model", default="", help="a route of the table (default: the form's)")
    generate.add_argument("--other-model", default="", help="a model that the table does not have yet")
    generate.add_argument("--duration", type=int, default=5, help="seconds (default: %(default)s)")
    generate.add_argument("--resolution", default="auto", help="480p, 720p or 1080p, where the route takes it")
    generate.add_argument("--ratio", default="auto", help="aspect ratio, such as 9:16")
    _add_references(generate)
    generate.add_argument(
        "--take", default="1", help="another take is another video, which is paid for (default: %(default)s)"
    )
    generate.add_argument("--max-submissions", type=int, default=1, help="most times to pay (default: %(default)s)")
    generate.add_argument(
        "--no-preflight",
        action="store_false",
        dest="preflight",
        help="leave out what is checked for free before the first submission: the key, and what references measure",
    )
    generate.add_argument(
        "--dry-run",
        action="store_true",
        help="submit nothing: check the request and its references for free, and print what it would cost, the "
        "balance, and what is there already; needs no key where nothing asks for one",
    )
    generate.add_argument("--wait-minutes", type=int, default=45, help="maximum wait in minutes (default: %(default)s)")
    _add_store(generate)
    return generate


def _add_references(generate: argparse.ArgumentParser) -> None:
    sources = generate.add_argument_group(
        "references",
        "Each is the path of a file, s3://bucket/key, a link (https://...) or asset://id. For a picture, last-frame+ "
        "before the path or the s3:// address of a video means its last frame. They are checked before anything is "
        "paid.",
    )

    def add_list(option: str, field: str, what: str) -> None:
        sources.add_argument(
            option, action="append", default=[], dest=field, metavar="SOURCE", help=f"{what}; may be repeated"
        )

    add_list("--image", "images", "reference image")
    for place in ("first", "last"):
        options = (f"--{place}-frame", f"--{place}-image")
        sources.add_argument(*options, default="", dest=f"{place}_image", metavar="SOURCE", help=f"{place} frame")
    add_list("--video", "reference_videos", "reference video")
    add_list("--audio", "reference_audios", "reference audio")


def _add_journal(add: AddParser) -> argparse.ArgumentParser:
    journal = add("journal", help="list what was intended, submitted and stored")
    journal.set_defaults(run=_journal)
    which = journal.add_mutually_exclusive_group()
    which.add_argument("--open", action="store_true", help="only what is not done")
    which.add_argument("--unknown", action="store_true", help="only what a person has to settle")
    journal.add_argument(
        "--since",
        type=_day,
        metavar="DAY",
        help="only what has changed since the beginning of this day (UTC), such as 2026-11-22",
    )
    journal.add_argument("--limit", type=_count, metavar="NUMBER", help="list this many records at most")
    _add_store(journal)
    return journal


def _add_resolve(add: AddParser) -> argparse.ArgumentParser:
    resolve = add(
        "resolve",
        help="settle an unknown submission, or bring in a video by hand",
        description="Settle an unknown submission, after a look into the vendor's console, or bring in a paid video "
        "that no repeat can fetch. --task-id asks the vendor for the task, with the key in JIMMYAI_API_KEY; the others "
        "need no key. --file and --link store the video itself, whatever its record says; nothing is paid.",
    )
    resolve.set_defaults(run=_resolve)
    resolve.add_argument("intent", help="identity of the video, as the error and the journal name it")
    how = resolve.add_mutually_exclusive_group(required=True)
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
    resolve.add_argument(
        "--attempt",
        default="",
        metavar="NAME",
        help="the attempt that this is about, such as 2-3f9a1c04: see the error, the run's page or "
        "prefect-seedance journal --unknown; it may be left out while the record has had only one",
    )
    resolve.add_argument(
        "--any-model",
        action="store_true",
        help="with --task-id: take it even if the vendor names another model for it than was asked for",
    )
    resolve.add_argument(
        "--any-age",
        action="store_true",
        help="with --task-id: take it even if it was made before the attempt was sent, or after the next one was",
    )
    resolve.add_argument(
        "--yes",
        action="store_true",
        help="with --not-billed: do not ask, even if the balance fell by exactly the expected price; with --file or "
        "--link: take the video even if its structure says that it is not whole",
    )
    _add_store(resolve)
    return resolve


def _add_assets(add: AddParser) -> argparse.ArgumentParser:
    assets = add(
        "assets",
        help="list what is uploaded and audited for references",
        description="List what a store remembers of references, newest first, so that each is read, uploaded and "
        "audited once. Links to uploads are secrets and are not shown. Nothing is asked of the vendor.",
        epilog=_ASSETS_EXAMPLES,
        formatter_class=_Help,
    )
    assets.set_defaults(run=_assets)
    assets.add_argument("--account", metavar="LABEL", help="only those of this account, by its label")
    assets.add_argument(
        "--forget",
        metavar="NAME",
        help="forget one, as the list names it (3f9a1c04d2e7, or upload/3f9a1c04d2e7 where there are several): the "
        "next run that needs it makes it anew, which costs nothing",
    )
    _add_store(assets)
    return assets


def _add_simulator(add: AddParser) -> argparse.ArgumentParser:
    simulator = add("simulator", help="run a local stand-in for the vendor, with faults and bills")
    simulator.set_defaults(run=_simulator)
    simulator.add_argument("--port", type=int, default=8765, help="0 for a free one (default: %(default)s)")
    simulator.add_argument("--seconds", type=float, default=20.0, help="how long a video takes (default: %(default)s)")
    simulator.add_argument("--key", default="sk_simulator", help="the key that it accepts (default: %(default)s)")
    return simulator


def _add_store(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--store",
        default=DEFAULT_STORE,
        help="where videos and journal are: a folder, s3://bucket/prefix, or with all its settings a store saved "
        "on the Prefect server, seedance-video-store/NAME (default: ./%(default)s)",
    )


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day, such as 2026-11-22") from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 999999999")
    return int(text)


def _assets(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.assets import assets

    return assets(options)


def _demo(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.child_process import demo

    return demo(options)


def _generate(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.generate import generate

    return generate(options)


def _journal(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.journal import list_records

    return list_records(options)


def _resolve(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.journal import resolve

    return resolve(options)


def _simulator(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.simulator import simulator

    return simulator(options)
