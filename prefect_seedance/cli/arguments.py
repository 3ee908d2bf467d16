"""The commands and their options."""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import NoReturn

from prefect_seedance.cli.terminal import complain, say
from prefect_seedance.plain_text import one_line
from prefect_seedance.storage.errors import shown_location
from prefect_seedance.versions import version_of

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
_PLAN_EXAMPLES = """examples:
  what the rows of a table would cost, and what is wrong with them:
    prefect-seedance plan catalogue.csv --store s3://shop/videos

  the same for a program, with three takes of each row:
    prefect-seedance plan catalogue.xlsx --sheet Autumn --takes 3 --store s3://shop/videos --json
"""
_BATCH_EXAMPLES = """exit codes:
  0    every row has its video, as far as --require asks for it
  1    an error, for example an option's value or a manifest that cannot be used: the message says what was paid
  2    an option that does not exist, or lacks its value
  3    incomplete: rows have no video; the report says which, why, and what to do
  130  stopped by Ctrl-C: what was submitted goes on at the vendor

examples:
  a table, whose rows are bought once; the same command again pays only for what is missing:
    prefect-seedance batch catalogue.csv --store s3://shop/videos

  a bucket's manifest, no more than 50 at once, told to a team:
    prefect-seedance batch s3://shop/catalogue.parquet --store seedance-video-store/shop \\
        --credentials studio --max-in-flight 50 --notify slack-webhook/team

  the second of eight parts, each on a machine of its own:
    prefect-seedance batch catalogue.csv --part 2/8 --store s3://shop/videos

  for a program, a JSON document per line: planned, started, ended, told, and at last the report:
    prefect-seedance batch catalogue.csv --store ./videos --json
"""
_SUBMIT_EXAMPLES = """exit codes:
  0    every row is submitted or has its video, as far as --require asks for it
  1    an error, for example an option's value or a manifest that cannot be used: the message says what was paid
  2    an option that does not exist, or lacks its value
  3    incomplete: rows are neither submitted nor stored; the report says which, why, and what to do
  130  stopped by Ctrl-C: what was submitted goes on at the vendor

examples:
  submit a table now, and store its videos later, on this machine or another:
    prefect-seedance submit catalogue.csv --store s3://shop/videos
    prefect-seedance collect --store s3://shop/videos

  so many at a time, told to a team: now what was submitted, and later each video:
    prefect-seedance submit catalogue.csv --max-in-flight 32 --notify slack-webhook/team --store s3://shop/videos
"""
_COLLECT_EXAMPLES = """exit codes:
  0    done: what is finished is stored, and nothing needs a person
  1    an error, for example a store that cannot be used
  2    an option that does not exist, or lacks its value
  3    a person should look: a video failed or is unknown, could not be taken on, or is an orphan
  130  stopped by Ctrl-C: what is open stays open, and the next collection takes it up

examples:
  store what is finished by now, and wait up to 4 minutes for the rest:
    prefect-seedance collect --store s3://shop/videos

  the same until all is there, but no longer than an hour:
    prefect-seedance collect --minutes 60 --store s3://shop/videos

  leave alone what was submitted within the last hour, as a program:
    prefect-seedance collect --older-than 60 --store s3://shop/videos --json
"""
_GALLERY_EXAMPLES = """examples:
  prefect-seedance gallery --store ./videos
  prefect-seedance gallery --store s3://shop/videos --since 2026-11-22 --presign 1d
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
_BUDGET_EXAMPLES = """columns:
  spent       by videos that were accepted
  reserved    by submissions under way: it lasts seconds
  held        by submissions that may have been paid for: settle them with prefect-seedance resolve

examples:
  prefect-seedance budget --credentials studio --store s3://shop/videos
  prefect-seedance budget --credentials studio --store s3://shop/videos --release 3f9a1c04d2e7
"""


class _Help(argparse.HelpFormatter):
    """Help whose texts of several lines stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


class UnusableArguments(SystemExit):
    """The command line cannot be used; it is said already, and the exit code is 2."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(2)

    def __str__(self) -> str:
        """Say what is wrong with it."""
        return self.message


class _Parser(argparse.ArgumentParser):
    """A parser whose error says what is wrong."""

    def error(self, message: str) -> NoReturn:
        try:
            super().error(message)
        except SystemExit:
            raise UnusableArguments(message) from None


class _Version(argparse.Action):
    """Prints the versions, which are looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        python, prefect = platform.python_version(), version_of("prefect")
        say(f"prefect-seedance {version_of()}, Prefect {prefect}, Python {python}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """Build the parser; each command has its function as ``run``, which loads what it needs when called."""
    whole = _Parser(
        prog="prefect-seedance", description="Seedance videos through Prefect: paid for once, stored whole."
    )
    whole.add_argument(
        "--version", action=_Version, nargs=0, help="show the versions of this package, Prefect and Python"
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    adders = (
        _add_demo,
        _add_generate,
        _add_plan,
        _add_batch,
        _add_submit,
        _add_collect,
        _add_gallery,
        _add_journal,
        _add_resolve,
        _add_assets,
        _add_budget,
        _add_pause,
        _add_resume,
        _add_simulator,
    )
    made = [make(commands.add_parser) for make in adders]
    for command in made:
        command.add_argument(
            "--json",
            action="store_true",
            dest="as_json",
            help="print JSON, and nothing else, to the standard output: what came of it, or on an error one document "
            'of the form {"error": {"type": ..., "message": ..., "task_id": ...}}',
        )
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
        description="Make one video at the vendor, with the key in JIMMYAI_API_KEY or --credentials. The same command "
        "again is the same video and costs nothing; another --take is another one, which is paid for.",
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
    _add_credentials(generate)
    _add_store(generate)
    return generate


def _add_plan(add: AddParser) -> argparse.ArgumentParser:
    plan = add(
        "plan",
        help="say what the rows of a manifest would cost, and what is wrong with them: free",
        description="Say what a batch would do: the price of each row and of all, what is there already and costs "
        "nothing, duplicates, and every problem of every row. Nothing is submitted, and nothing is paid.",
        epilog=_PLAN_EXAMPLES,
        formatter_class=_Help,
    )
    plan.set_defaults(run=_plan)
    _add_manifest(plan)
    return plan


def _add_batch(add: AddParser) -> argparse.ArgumentParser:
    batch = add(
        "batch",
        help="make the rows of a manifest: costs money, once per row",
        description="Make a video of each row of a manifest. A row is bought once, until it is edited or its take "
        "changes: the same command again pays only for what is missing. On a terminal a table shows how far it is; "
        "when piped, each event is a line. prefect-seedance plan says before what it will cost.",
        epilog=_BATCH_EXAMPLES,
        formatter_class=_Help,
    )
    batch.set_defaults(run=_batch, waits=True)
    _add_batch_options(batch)
    return batch


def _add_submit(add: AddParser) -> argparse.ArgumentParser:
    submit = add(
        "submit",
        help="submit the rows of a manifest, and end: costs money, once per row",
        description="Submit a video of each row of a manifest, and end: nothing waits while the vendor makes them. "
        "prefect-seedance collect stores them, and so does the deployment collect-videos. Their links live about three "
        "days. A row is bought once: the same command again submits only what is missing.",
        epilog=_SUBMIT_EXAMPLES,
        formatter_class=_Help,
    )
    submit.set_defaults(run=_submit, waits=False)
    _add_batch_options(submit)
    return submit


def _add_collect(add: AddParser) -> argparse.ArgumentParser:
    collect = add(
        "collect",
        help="store what the vendor has made of everything that is open: free",
        description="Take up everything that is open in a store, whoever submitted it, and store what the vendor has "
        "made; those whose links die first come first. Nothing is submitted, and nothing is paid. On a terminal a "
        "table shows how far it is; when piped, each event is a line.",
        epilog=_COLLECT_EXAMPLES,
        formatter_class=_Help,
    )
    collect.set_defaults(run=_collect)
    collect.add_argument(
        "--minutes", type=float, metavar="N", help="how long to go on asking the vendor at most (default: 4)"
    )
    collect.add_argument(
        "--older-than",
        type=float,
        metavar="N",
        help="only what was submitted longer ago than so many minutes (default: 0, everything that no run waits for)",
    )
    collect.add_argument(
        "--notify",
        metavar="TYPE/NAME",
        action="append",
        default=[],
        help="saved notification block that is told at the end if anything has changed, such as slack-webhook/team; "
        "may be repeated",
    )
    _add_credentials(collect)
    _add_store(collect)
    return collect


def _add_batch_options(batch: argparse.ArgumentParser) -> None:
    """Add what both `batch` and `submit` take."""
    _add_manifest(batch)
    batch.add_argument(
        "--stop-after-failures", type=int, metavar="N", help="submit no further row once so many have failed"
    )
    batch.add_argument(
        "--stop-after-share",
        type=float,
        metavar="SHARE",
        help="submit no further row once this share of those submitted has failed, such as 0.2",
    )
    batch.add_argument(
        "--require",
        dest="require_all",
        choices=["all", "retryable", "none"],
        help="which rows without a video make the batch incomplete: all of them (default), only those that another run "
        "could still make, or none",
    )
    batch.add_argument(
        "--max-cost", type=float, metavar="COINS", help="coins that this run may spend in all (default: 0, no limit)"
    )
    batch.add_argument(
        "--cost-key",
        metavar="TEXT",
        help="runs with the same text share one --max-cost, such as the parts of a manifest (default: this run alone)",
    )
    batch.add_argument("--no-posters", action="store_const", const=False, dest="posters", help="keep no poster frames")
    batch.add_argument(
        "--notify",
        metavar="TYPE/NAME",
        action="append",
        default=[],
        help="saved notification block that is told how it ended, such as slack-webhook/team; may be repeated",
    )


def _add_manifest(command: argparse.ArgumentParser) -> None:
    """Add the manifest and what both a plan and a batch go by. An option that is not given is the form's default."""
    command.add_argument(
        "manifest",
        metavar="MANIFEST",
        help="a table with a row per video (CSV, JSONL, JSON, Excel, Parquet): a path, s3://bucket/key or https://...",
    )
    command.add_argument("--takes", type=int, metavar="N", help="videos of each row, each paid for (default: 1)")
    command.add_argument("--max-in-flight", type=int, metavar="N", help="videos made at the same time (default: 16)")
    command.add_argument("--part", metavar="K/N", help="only a part of the rows, such as 2/8")
    command.add_argument(
        "--encoding", metavar="NAME", help="encoding of a CSV or JSON manifest, such as gb18030 (default: detected)"
    )
    command.add_argument(
        "--sheet", metavar="NAME", help="sheet of an Excel manifest (default: the first that is not hidden)"
    )
    command.add_argument(
        "--reuse",
        choices=["always", "run", "scope", "auto"],
        help="when the same row is the same video, already paid for: always (default), only within this run, or within "
        "the text of --reuse-scope",
    )
    command.add_argument("--reuse-scope", metavar="TEXT", help="any text, such as 2026-11-22; means --reuse scope")
    command.add_argument("--max-submissions", type=int, metavar="N", help="most times to pay for a row (default: 1)")
    command.add_argument("--wait-minutes", type=int, metavar="N", help="maximum wait for a video (default: 45)")
    command.add_argument(
        "--no-preflight",
        action="store_const",
        const=False,
        dest="preflight",
        help="leave out what is checked for free before: the key, and what references measure",
    )
    _add_credentials(command)
    _add_store(command)


def _add_gallery(add: AddParser) -> argparse.ArgumentParser:
    gallery = add(
        "gallery",
        help="make one page of all videos of a store",
        description="Make one HTML page of the videos of a store, with posters, prompts, costs and links, and what was "
        "spent by day and model. It is written into the store, or to --to; nothing is asked of the vendor.",
        epilog=_GALLERY_EXAMPLES,
        formatter_class=_Help,
    )
    gallery.set_defaults(run=_gallery)
    gallery.add_argument(
        "--since", type=_day, metavar="DAY", help="only videos stored since this day (UTC), such as 2026-11-22"
    )
    gallery.add_argument(
        "--presign",
        type=_span,
        default=0,
        metavar="TIME",
        help="for a bucket: put links into the page that play the videos for so long, to whoever has it, such as 12h "
        "or 1d, at most 7d",
    )
    gallery.add_argument(
        "--to",
        default="",
        metavar="PATH",
        help="a file, which is replaced, or a folder on this machine (default: a place in the store, under reports/)",
    )
    _add_store(gallery)
    return gallery


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
        "that no repeat can fetch. --task-id asks the vendor for the task, with the key in JIMMYAI_API_KEY or "
        "--credentials; the others need no key. Name --credentials as well where they have a budget_store: what it "
        "holds for the video is then settled at once. --file and --link store the video itself, whatever its record "
        "says; nothing is paid.",
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
    _add_credentials(resolve)
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


def _add_budget(add: AddParser) -> argparse.ArgumentParser:
    budget = add(
        "budget",
        help="show what an account has spent, reserved and left",
        description="Show how the budgets of an account stand: spent, reserved, held and left of each, when its period "
        "ends, and the entries that are not settled. Days and months are those of UTC. Nothing is asked of the vendor.",
        epilog=_BUDGET_EXAMPLES,
        formatter_class=_Help,
    )
    budget.set_defaults(run=_budget)
    who = budget.add_mutually_exclusive_group()
    who.add_argument(
        "--credentials",
        default="",
        metavar="NAME",
        help="Seedance Credentials saved on the Prefect server, by their name: they hold account, limits and store",
    )
    who.add_argument(
        "--account", metavar="LABEL", help="without saved credentials: this account, and no limits (default: default)"
    )
    budget.add_argument(
        "--release",
        default="",
        metavar="NONCE",
        help="take an open entry out whose record can never settle it, such as one of a store that is gone; if its "
        "video was paid for, more is spent than the budget counts",
    )
    _add_store(budget)
    return budget


def _add_pause(add: AddParser) -> argparse.ArgumentParser:
    pause = add(
        "pause",
        help="stop all spending of a store, whoever runs",
        description="Stop all spending of a store: nothing more is submitted into it, whoever runs, until "
        "prefect-seedance resume. What is submitted already is still waited for and stored.",
    )
    pause.set_defaults(run=_pause)
    pause.add_argument("--reason", default="", metavar="TEXT", help="why, for those whose runs it stops")
    _add_store(pause)
    return pause


def _add_resume(add: AddParser) -> argparse.ArgumentParser:
    resume = add(
        "resume",
        help="lift the stop for all spending of a store",
        description="Lift the stop for all spending of a store. Runs that it has stopped are not started again: run "
        "them again, and what is paid for is not paid again.",
    )
    resume.set_defaults(run=_resume)
    _add_store(resume)
    return resume


def _add_simulator(add: AddParser) -> argparse.ArgumentParser:
    simulator = add("simulator", help="run a local stand-in for the vendor, with faults and bills")
    simulator.set_defaults(run=_simulator)
    simulator.add_argument("--port", type=int, default=8765, help="0 for a free one (default: %(default)s)")
    simulator.add_argument("--seconds", type=float, default=20.0, help="how long a video takes (default: %(default)s)")
    simulator.add_argument("--key", default="sk_simulator", help="the key that it accepts (default: %(default)s)")
    return simulator


def _add_credentials(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--credentials",
        default="",
        metavar="NAME",
        help="Seedance Credentials saved on the Prefect server, by their name (default: the key in JIMMYAI_API_KEY)",
    )


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


_SPAN_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_LONGEST_LINK_SECONDS = 7 * 86_400  # S3 signs for no longer


def _span(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text, re.ASCII)
    seconds = int(found[1]) * _SPAN_SECONDS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_LINK_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30m, 12h or 1d, of at most 7d")
    return seconds


def _assets(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.assets import assets

    return assets(options)


def _demo(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.child_process import demo

    return demo(options)


def _generate(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.generate import generate

    return generate(options)


def _plan(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.batch.commands import plan

    return plan(options)


def _batch(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.batch.commands import batch

    return batch(options)


def _submit(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.batch.commands import submit

    return submit(options)


def _collect(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.collect.commands import collect

    return collect(options)


def _gallery(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.batch.gallery import make_gallery

    return make_gallery(options)


def _journal(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.journal import list_records

    return list_records(options)


def _resolve(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.journal import resolve

    return resolve(options)


def _budget(options: argparse.Namespace) -> int:
    _say_first("Reading the budgets in", options.store)
    from prefect_seedance.cli.money.budget import budget

    return budget(options)


def _pause(options: argparse.Namespace) -> int:
    _say_first("Stopping all spending of", options.store)
    from prefect_seedance.cli.money.spending import pause_spending

    return pause_spending(options)


def _resume(options: argparse.Namespace) -> int:
    _say_first("Lifting the stop for all spending of", options.store)
    from prefect_seedance.cli.money.spending import resume_spending

    return resume_spending(options)


def _say_first(doing: str, store: str) -> None:
    """Say what is being done before Prefect is imported, which the stores need."""
    complain(f"{doing} {one_line(shown_location(store))} ...")


def _simulator(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.simulator import simulator

    return simulator(options)
