"""The commands that make videos, and the plan of them."""

from __future__ import annotations

import argparse

from prefect_seedance.cli.arguments.shared import (
    OF_VENDOR,
    AddParser,
    Group,
    accept_also,
    add_credentials,
    add_store,
    epilog,
)
from prefect_seedance.cli.arguments.values import seconds
from prefect_seedance.cli.exit_codes import DONE, ERROR, LOOK

#: The form's default, which is not imported for the help alone.
MODEL = "seedance2.0-std"
_DEMO = "prefect-seedance-demo"


def add_demo(add: AddParser) -> argparse.ArgumentParser:
    """Add ``demo``."""
    demo = add(
        "demo",
        help="make one video against the simulator: free, offline, real MP4",
        description="Make one video from end to end against a simulator of the vendor, with a Prefect server of its "
        "own. It is free, needs neither key nor network, and leaves a real MP4 with its poster and provenance.",
        epilog=epilog(
            [
                ("one video, into ./prefect-seedance-demo", "prefect-seedance demo"),
                (
                    "a wide one of your own words, elsewhere",
                    'prefect-seedance demo --prompt "A paper boat on a puddle" --ratio 16:9 --store ./out',
                ),
                ("for a program", "prefect-seedance demo --seconds 1 --json"),
            ]
        ),
    )
    demo.set_defaults(run=_demo)
    video = demo.add_argument_group("the video")
    video.add_argument("--prompt", default="A model rotates to show clothing details.", help="what the video shows")
    video.add_argument("--model", default="", help=f"the vendor's model, such as seedance2.0-mini (default: {MODEL})")
    video.add_argument("--duration", type=int, default=5, metavar="SECONDS", help="its length (default: %(default)s)")
    video.add_argument("--ratio", default="9:16", help="aspect ratio (default: %(default)s)")
    where = demo.add_argument_group("where")
    where.add_argument(
        "--store", dest="folder", default=_DEMO, metavar="FOLDER", help="where the video goes (default: ./%(default)s)"
    )
    accept_also(where, "--folder", dest="folder")
    pace = demo.add_argument_group("the simulator")
    pace.add_argument(
        "--seconds",
        type=seconds,
        default=4.0,
        metavar="SECONDS",
        help="how long it takes over the video (default: %(default)g)",
    )
    return demo


def add_simulator(add: AddParser) -> argparse.ArgumentParser:
    """Add ``simulator``."""
    simulator = add(
        "simulator",
        help="run a local stand-in for the vendor, with faults and bills",
        description="Run a local stand-in for the vendor until Ctrl-C: the same routes and answers, real MP4 files, "
        "made-up prices. It says which variables make the other commands use it.",
        epilog=epilog(
            [
                ("on port 8765, until Ctrl-C", "prefect-seedance simulator"),
                (
                    "a quick one on a free port, for a program",
                    "prefect-seedance simulator --port 0 --seconds 1 --json",
                ),
            ]
        ),
    )
    simulator.set_defaults(run=_simulator)
    group = simulator.add_argument_group("the simulator")
    group.add_argument("--port", type=int, default=8765, help="0 for a free one (default: %(default)s)")
    group.add_argument(
        "--seconds",
        type=seconds,
        default=20.0,
        metavar="SECONDS",
        help="how long a video takes (default: %(default)g)",
    )
    group.add_argument("--key", default="sk_simulator", help="the key that it accepts (default: %(default)s)")
    return simulator


def add_generate(add: AddParser) -> argparse.ArgumentParser:
    """Add ``generate``."""
    generate = add(
        "generate",
        help="make one video at the vendor: costs money, once",
        description="Make one video at the vendor, with the key in JIMMYAI_API_KEY or --credentials. The same command "
        "again is the same video and costs nothing; another --take is another one, which is paid for.",
        epilog=epilog(
            [
                (
                    "a text alone, into ./seedance-videos",
                    'prefect-seedance generate --prompt "A paper boat on a puddle" --ratio 9:16',
                ),
                (
                    "what it would cost, which is free",
                    'prefect-seedance generate --prompt "A paper boat on a puddle" --dry-run',
                ),
                (
                    "pictures of yours, which are uploaded, and for sd2_mx_* models audited, once",
                    'prefect-seedance generate --prompt "@image1 turns on @image2" --model sd2_mx_720p \\\n'
                    "        --image ./mug.png --image ./table.jpg --store s3://shop/videos",
                ),
                (
                    "from one picture to another",
                    'prefect-seedance generate --prompt "The mug fills" \\\n'
                    "        --first-frame s3://shop/empty.png --last-frame s3://shop/full.png",
                ),
                (
                    "on from where another video ends",
                    'prefect-seedance generate --prompt "The camera rises" \\\n'
                    "        --first-frame last-frame+./clips/one.mp4",
                ),
            ],
            reads=OF_VENDOR,
            codes={
                DONE: "the video is in the store; with --dry-run: it could be made",
                ERROR: "an error: the message says what was paid; with --dry-run: it would not be made",
            },
        ),
    )
    generate.set_defaults(run=_generate)
    video = generate.add_argument_group("the video")
    video.add_argument("--prompt", required=True, help="what the video shows")
    video.add_argument("--model", default="", help=f"the vendor's model, such as seedance2.0-mini (default: {MODEL})")
    video.add_argument("--other-model", default="", metavar="MODEL", help="a model that this version does not know yet")
    video.add_argument("--duration", type=int, default=5, metavar="SECONDS", help="its length (default: %(default)s)")
    video.add_argument("--resolution", default="auto", help="480p, 720p or 1080p, where the route takes it")
    video.add_argument("--ratio", default="auto", help="aspect ratio, such as 9:16")
    video.add_argument(
        "--take", default="1", help="another take is another video, which is paid for (default: %(default)s)"
    )
    _add_references(generate)
    paying = generate.add_argument_group("paying")
    add_credentials(paying)
    paying.add_argument(
        "--dry-run",
        action="store_true",
        help="submit nothing: check the request and its references for free, and print what it would cost, the "
        "balance, and what is there already; needs no key where nothing asks for one",
    )
    paying.add_argument(
        "--max-submissions",
        type=int,
        default=1,
        metavar="N",
        help="how often the video may be paid for (default: %(default)s)",
    )
    paying.add_argument(
        "--no-preflight",
        action="store_false",
        dest="preflight",
        help="leave out the free checks before the first submission: of the key, and of the size and length of "
        "references",
    )
    where = add_store(generate)
    where.add_argument(
        "--wait-minutes",
        type=int,
        default=45,
        metavar="MINUTES",
        help="maximum wait for the video (default: %(default)s)",
    )
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


def add_plan(add: AddParser) -> argparse.ArgumentParser:
    """Add ``plan``."""
    plan = add(
        "plan",
        help="say what the rows of a manifest would cost, and what is wrong with them: free",
        description="Say what a batch would do: the price of each row and of all, what is there already and costs "
        "nothing, duplicates, and every problem of every row. Nothing is submitted, and nothing is paid.",
        epilog=epilog(
            [
                (
                    "what the rows of a table would cost, and what is wrong with them",
                    "prefect-seedance plan catalogue.csv --store s3://shop/videos",
                ),
                (
                    "the same for a program, with three takes of each row",
                    "prefect-seedance plan catalogue.xlsx --sheet Autumn --takes 3 --store s3://shop/videos --json",
                ),
            ],
            reads=OF_VENDOR,
            codes={DONE: "the plan is made, whatever it says of the rows"},
        ),
    )
    plan.set_defaults(run=_plan)
    _add_manifest(plan)
    return plan


def add_batch(add: AddParser) -> argparse.ArgumentParser:
    """Add ``batch``."""
    batch = add(
        "batch",
        help="make the rows of a manifest: costs money, once per row",
        description="Make a video of each row of a manifest. A row is bought once, until it is edited or its take "
        "changes: the same command again pays only for what is missing. On a terminal a table shows how far it is; "
        "when piped, each event is a line. prefect-seedance plan says beforehand what it will cost.",
        epilog=epilog(
            [
                (
                    "a table, whose rows are bought once; the same command again pays only for what is missing",
                    "prefect-seedance batch catalogue.csv --store s3://shop/videos",
                ),
                (
                    "a bucket's manifest, at most 50 at once; a team is told how it ended",
                    "prefect-seedance batch s3://shop/catalogue.parquet --store seedance-video-store/shop \\\n"
                    "        --credentials studio --max-in-flight 50 --notify slack-webhook/team",
                ),
                (
                    "the second of eight parts, each on a machine of its own",
                    "prefect-seedance batch catalogue.csv --part 2/8 --store s3://shop/videos",
                ),
                (
                    "for a program, a JSON document per line: planned, started, ended, told, and finally the report",
                    "prefect-seedance batch catalogue.csv --store ./videos --json",
                ),
            ],
            reads=OF_VENDOR,
            codes={
                DONE: "every row has its video, as far as --require asks for it",
                LOOK: "incomplete: rows have no video; the report says which, why, and what to do",
            },
        ),
    )
    batch.set_defaults(run=_batch, waits=True)
    _add_batch_options(batch)
    return batch


def add_submit(add: AddParser) -> argparse.ArgumentParser:
    """Add ``submit``."""
    submit = add(
        "submit",
        help="submit the rows of a manifest, and end: costs money, once per row",
        description="Submit a video of each row of a manifest, and end: nothing waits while the vendor makes them. "
        "prefect-seedance collect stores them, and so does the deployment collect-videos. Their links live about three "
        "days. A row is bought once: the same command again submits only what is missing.",
        epilog=epilog(
            [
                ("submit a table now", "prefect-seedance submit catalogue.csv --store s3://shop/videos"),
                (
                    "and store its videos later, on this machine or another",
                    "prefect-seedance collect --store s3://shop/videos",
                ),
                (
                    "32 at a time; a team is told now what was submitted, and later of each video",
                    "prefect-seedance submit catalogue.csv --max-in-flight 32 --notify slack-webhook/team \\\n"
                    "        --store s3://shop/videos",
                ),
            ],
            reads=OF_VENDOR,
            codes={
                DONE: "every row is submitted or has its video, as far as --require asks for it",
                LOOK: "incomplete: rows are neither submitted nor stored; the report says which, why, and what to do",
            },
        ),
    )
    submit.set_defaults(run=_submit, waits=False)
    _add_batch_options(submit)
    return submit


def add_collect(add: AddParser) -> argparse.ArgumentParser:
    """Add ``collect``."""
    collect = add(
        "collect",
        help="store what the vendor has made of everything that is open: free",
        description="Take up everything that is open in a store, whoever submitted it, and store what the vendor has "
        "made; those whose links die first come first. Nothing is submitted, and nothing is paid. On a terminal a "
        "table shows how far it is; when piped, each event is a line.",
        epilog=epilog(
            [
                (
                    "store what is finished by now, and wait up to 4 minutes for the rest",
                    "prefect-seedance collect --store s3://shop/videos",
                ),
                (
                    "the same until all is there, but no longer than an hour",
                    "prefect-seedance collect --wait-minutes 60 --store s3://shop/videos",
                ),
                (
                    "leave alone what was submitted within the last hour, as a program",
                    "prefect-seedance collect --older-than 60 --store s3://shop/videos --json",
                ),
            ],
            reads=OF_VENDOR,
            codes={
                DONE: "done: what is finished is stored, and nothing needs a person",
                LOOK: "a person should look: a video failed or is unknown, could not be taken on, or is an orphan",
            },
        ),
    )
    collect.set_defaults(run=_collect)
    which = collect.add_argument_group("which videos")
    which.add_argument(
        "--older-than",
        type=float,
        metavar="MINUTES",
        help="only what was submitted longer ago than so many minutes (default: 0, everything that no run waits for)",
    )
    which.add_argument(
        "--wait-minutes",
        type=float,
        dest="minutes",
        metavar="MINUTES",
        help="how long to go on asking the vendor at most (default: 4)",
    )
    accept_also(which, "--minutes", type=float, dest="minutes")
    add_credentials(collect.add_argument_group("whose"))
    where = add_store(collect)
    _add_notify(where, "at the end if anything has changed")
    return collect


def _add_notify(group: Group, when: str) -> None:
    group.add_argument(
        "--notify",
        metavar="TYPE/NAME",
        action="append",
        default=[],
        help=f"saved notification block that is told {when}, such as slack-webhook/team; may be repeated",
    )


def _add_batch_options(batch: argparse.ArgumentParser) -> None:
    """Add what both `batch` and `submit` take."""
    paying, where = _add_manifest(batch)
    paying.add_argument(
        "--max-cost", type=float, metavar="COINS", help="coins that this run may spend in all (default: 0, no limit)"
    )
    paying.add_argument(
        "--cost-key",
        metavar="TEXT",
        help="runs with the same text share one --max-cost, such as the parts of a manifest (default: this run alone)",
    )
    stopping = batch.add_argument_group("when to stop, and what is enough")
    stopping.add_argument(
        "--stop-after-failures", type=int, metavar="N", help="submit no further row once so many have failed"
    )
    stopping.add_argument(
        "--stop-after-share",
        type=float,
        metavar="SHARE",
        help="submit no further row once this share of those submitted has failed, such as 0.2",
    )
    stopping.add_argument(
        "--require",
        dest="require_all",
        choices=["all", "retryable", "none"],
        help="which rows without a video make the batch incomplete: all of them (default), only those that another run "
        "could still make, or none",
    )
    where.add_argument("--no-posters", action="store_const", const=False, dest="posters", help="keep no poster frames")
    _add_notify(where, "how it ended")


def _add_manifest(command: argparse.ArgumentParser) -> tuple[Group, Group]:
    """Add the manifest and what both a plan and a batch go by. An option that is not given is the form's default.

    Returns:
        The groups of options about paying, and about the store.
    """
    command.add_argument(
        "manifest",
        metavar="MANIFEST",
        help="a table with a row per video (CSV, JSONL, JSON, Excel, Parquet): a path, s3://bucket/key or https://...",
    )
    rows = command.add_argument_group("the rows")
    rows.add_argument("--takes", type=int, metavar="N", help="videos of each row, each paid for (default: 1)")
    rows.add_argument("--part", metavar="K/N", help="only a part of the rows, such as 2/8")
    rows.add_argument("--max-in-flight", type=int, metavar="N", help="videos made at the same time (default: 16)")
    rows.add_argument("--wait-minutes", type=int, metavar="MINUTES", help="maximum wait for a video (default: 45)")
    rows.add_argument(
        "--encoding", metavar="NAME", help="encoding of a CSV or JSON manifest, such as gb18030 (default: detected)"
    )
    rows.add_argument(
        "--sheet", metavar="NAME", help="sheet of an Excel manifest (default: the first that is not hidden)"
    )
    paying = command.add_argument_group("paying")
    add_credentials(paying)
    paying.add_argument(
        "--reuse",
        choices=["always", "run", "scope", "auto"],
        help="when the same row is the same video, already paid for: always (default), only within this run, within "
        "the text of --reuse-scope, or auto: within the run if a schedule made it, else always",
    )
    paying.add_argument("--reuse-scope", metavar="TEXT", help="any text, such as 2026-11-22; means --reuse scope")
    paying.add_argument("--max-submissions", type=int, metavar="N", help="how often a row may be paid for (default: 1)")
    paying.add_argument(
        "--no-preflight",
        action="store_const",
        const=False,
        dest="preflight",
        help="leave out the free checks beforehand: of the key, and of the size and length of references",
    )
    return paying, add_store(command)


def _demo(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.child_process import demo

    return demo(options)


def _simulator(options: argparse.Namespace) -> int:
    from prefect_seedance.cli.simulator import simulator

    return simulator(options)


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
