"""What errors, pages and forms tell a person to do can be done: each name that they name exists, each command runs.

The texts are collected from the source: every string of the package that a person may read. What looks like the name of
an option, a field, a parameter or an environment variable has to be one.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

import prefect_seedance
from prefect_seedance import (
    BatchOptions,
    RunOptions,
    SeedanceClient,
    SeedanceCredentials,
    StoredVideo,
    VideoRequest,
    VideoStore,
    resolve_submission,
)
from prefect_seedance.batch.models import Outcome, RowStanding
from prefect_seedance.cli.arguments import parser
from prefect_seedance.journal.commands import how_to_bring_in, how_to_list_unknown, how_to_resolve, how_to_restore
from prefect_seedance.journal.errors import JournalGone, RecordDamaged, TaskNotRecorded, TooManyUnknowns
from prefect_seedance.journal.resolution import Resolution
from prefect_seedance.pipeline.collect.models import OrphanKind
from prefect_seedance.storage.errors import ANOTHER_STORE, ConditionsIgnored, NotReadable, NotWritable
from prefect_seedance.storage.templates import NAMES

ROOT = Path(__file__).parent.parent
INTENT = "0123456789abcdef0123456789abcdef"
#: Texts that advise no user: those of the stand-in for the vendor, and the names of other services' parameters.
NOT_ADVICE = ("simulator/", "signing_schemes.py")


@dataclass(frozen=True)
class Text:
    """A string of the source; what an f-string fills in is a blank."""

    place: str
    words: str


def texts() -> Iterator[Text]:
    for path in sorted((ROOT / "prefect_seedance").rglob("*.py")):
        name = path.relative_to(ROOT / "prefect_seedance").as_posix()
        if not name.startswith(NOT_ADVICE):
            yield from texts_of(name, path.read_text(encoding="utf-8"))


def texts_of(name: str, source: str) -> Iterator[Text]:
    tree = ast.parse(source)
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part != node
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))  # a docstring
        elif isinstance(node, ast.JoinedStr):
            words = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield Text(f"{name}:{node.lineno}", words)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield Text(f"{name}:{node.lineno}", node.value)


@cache
def prose() -> list[Text]:
    return [text for text in texts() if re.search(r"[A-Za-z] [A-Za-z…]|[A-Za-z] -|- [A-Za-z]", text.words)]


@cache
def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (each for each in parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(action.choices)


@cache
def options_of_the_command_line() -> set[str]:
    return {option for each in subcommands().values() for option in each._option_string_actions}


@cache
def public_names() -> set[str]:
    """Fields of what a user fills in, parameters of what a user calls, and the names of these themselves."""
    blocks_and_models = (VideoRequest, RunOptions, BatchOptions, SeedanceCredentials, VideoStore, StoredVideo)
    names = {field for model in blocks_and_models for field in model.model_fields}
    names |= {name for name, each in vars(StoredVideo).items() if isinstance(each, property)}
    for name in prefect_seedance.__all__:
        each = getattr(prefect_seedance, name)
        called = getattr(each, "fn", each)
        if inspect.isfunction(called):
            names |= {name, *inspect.signature(called).parameters}
    names |= {name for name in dir(SeedanceClient) if not name.startswith("_")}
    return names | {*NAMES, *get_args(Resolution), *get_args(Outcome), *get_args(RowStanding), *get_args(OrphanKind)}


#: Environment variables that somebody really reads.
ENVIRONMENT = {
    "JIMMYAI_API_KEY": "prefect_seedance/blocks/credentials.py",
    "JIMMYAI_BASE_URL": "prefect_seedance/blocks/credentials.py",
    "PREFECT_API_URL": "Prefect",
    "AWS_ACCESS_KEY_ID": "boto3",
    "AWS_SECRET_ACCESS_KEY": "boto3",
    "AWS_CA_BUNDLE": "boto3",
    "AWS_CONFIG_FILE": "boto3",
    "AWS_PROFILE": "boto3",
    "NO_PROXY": "httpx and boto3",
    "HTTPS_PROXY": "httpx and boto3",
    "SSL_CERT_FILE": "httpx",
    "SSL_CERT_DIR": "httpx",
    "REQUESTS_CA_BUNDLE": "boto3",
}
#: Words with an underscore that are no names of ours, with whose they are.
FOREIGN = {
    "run_deployment": "Prefect",
    # Client parameters of blocks of prefect-aws.
    **dict.fromkeys(("verify_cert_path", "use_ssl", "api_version", "signature_version"), "prefect-aws"),
}


def wrong_names(text: Text) -> Iterator[str]:
    """What a text names and does not exist."""
    known, options = public_names() | set(FOREIGN), options_of_the_command_line()
    # Prefect's own commands are not ours to check; a path or an address names nothing.
    words = re.sub(r"prefect (?!-)[a-z-]+ [^)]*|\S*://\S*|\S+/\S+", " ", text.words)
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", words):
        if option not in options:
            yield option
    for name in re.findall(r"\b(?<![./])[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", words):
        if name not in {*ENVIRONMENT, "STANDARD_IA"}:  # a storage class of S3
            yield name
    for name in re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", words):
        if name not in known:
            yield name
    owners = re.findall(r"\b([A-Za-z]+)\.([a-z_]+)\b(?! ?\()", words)
    for owner, name in owners + re.findall(r"\b([A-Z][A-Za-z]+)\(([a-z_]+)=", words):
        if owner in ("options", "request", "store", "credentials") or hasattr(prefect_seedance, owner):
            model = getattr(prefect_seedance, owner, None)
            if model is None or (not hasattr(model, name) and name not in getattr(model, "model_fields", ())):
                yield f"{owner}.{name}"


#: A run's name, which Prefect fills in.
TEMPLATES = re.compile(r"^[a-z-]+: \{request\.model_name\}")


def test_the_texts_are_found() -> None:
    found = " ".join(text.words for text in prose())
    for known in ("JIMMYAI_API_KEY", "--any-model", "max_submissions", "Never put an older file there by hand"):
        assert known in found


def test_what_a_text_names_exists() -> None:
    texts = [text for text in prose() if not TEMPLATES.match(text.words)]
    wrong = {text.place: found for text in texts if (found := [*wrong_names(text)])}
    assert wrong == {}


@pytest.mark.parametrize(
    "words",
    [
        "Use https, or set allow_http if the network is private.",
        "This was the free check; options.preflight=False leaves it out.",
        "To look at them: prefect-seedance journal --unclear",
        "Set SEEDANCE_API_KEY and call again.",
        "Raise RunOptions.max_attempts, or ask for another take.",
        "It may be left out by RunOptions(check=False).",
    ],
)
def test_a_name_that_does_not_exist_would_be_found(words: str) -> None:
    assert [*wrong_names(Text("here", words))]


@pytest.mark.parametrize(
    "name", [name for name, reader in ENVIRONMENT.items() if reader.startswith("prefect_seedance/")]
)
def test_an_environment_variable_that_is_named_is_read(name: str) -> None:
    assert f'"{name}"' in (ROOT / ENVIRONMENT[name]).read_text(encoding="utf-8")


@pytest.mark.parametrize("store", ["/data/my videos", "s3://bucket/a", "seedance-video-store/studio"])
@pytest.mark.parametrize("attempt", ["", "2-3f9a1c04", "1-a b\"c'"])
def test_every_printed_command_line_is_taken_by_the_command_line(store: str, attempt: str) -> None:
    printed = "\n".join(
        (
            how_to_list_unknown(store),
            how_to_resolve(INTENT, store, attempt),
            how_to_bring_in(INTENT, store, attempt),
            how_to_restore(INTENT, store),
            str(RecordDamaged("/w", "half.", INTENT, store)),
            str(JournalGone("/w", "A record that was there is gone", INTENT, store)),
            re.sub(r"^.*\((prefect-seedance [^)]*)\).*$", r"\1", str(TooManyUnknowns(3, store))),
        )
    )
    lines = re.findall(r"^ *prefect-seedance (.*)$", printed, re.MULTILINE)
    assert len(lines) == 12
    for line in lines:
        options = parser().parse_args(shlex.split(line))
        assert options.store == store
        if "--restore" not in line and "--unknown" not in line:
            assert options.attempt == attempt
    asking = [line for line in lines if "--task-id" in line]
    after = printed.partition(asking[0])[2].splitlines()[1]
    assert len(asking) == 1 and "needs the key in JIMMYAI_API_KEY" in after


def test_a_task_that_is_not_recorded_is_told_with_the_command_that_attaches_it() -> None:
    said = str(TaskNotRecorded(INTENT, "videos/1 $HOME", "the disk is full.", "/data/mes vid\u00e9os"))
    (line,) = re.findall(r"^prefect-seedance (.*)$", said, re.MULTILINE)
    options = parser().parse_args(shlex.split(line))
    assert (options.intent, options.task_id, options.store) == (INTENT, "videos/1 $HOME", "/data/mes vid\u00e9os")
    assert "needs the key in JIMMYAI_API_KEY" in said


@pytest.mark.parametrize("attempt", ["", "2-3f9a1c04", "1-a b\"c'"])
def test_every_printed_call_is_taken_by_the_flow(attempt: str) -> None:
    calls = re.findall(r"(resolve_submission\(.*\))$", how_to_resolve(INTENT, "/data", attempt), re.MULTILINE)
    assert len(calls) == 4
    for call in calls:
        node = ast.parse(call, mode="eval").body
        assert isinstance(node, ast.Call) and not node.args
        given = {each.arg or "": ast.literal_eval(each.value) for each in node.keywords}
        inspect.signature(resolve_submission.fn).bind(**given)
        assert (given["intent"], given.get("attempt", "")) == (INTENT, attempt)
        assert given["resolution"] in ("attach", "not_billed", "abandon", "take_file")


@pytest.mark.parametrize("field", ["max_submissions", "wait_minutes", "preflight"])
def test_an_option_that_advice_names_can_be_set_on_the_command_line(field: str) -> None:
    (option,) = (each for each in subcommands()["generate"]._actions if each.dest == field)
    assert option.option_strings
    assert isinstance(getattr(RunOptions(), field), int)


def test_nothing_advises_to_restore_by_hand() -> None:
    said = [
        text
        for text in prose()
        if re.search(r"[Rr]estore (it|an?|the|earlier)\b|[Ee]arlier version of the file", text.words)
    ]
    # An archived object is not an older one: S3 brings back that very one.
    assert [text.place for text in said if "archives" not in text.words and "--restore" not in text.words] == []


def test_a_limit_in_an_error_is_the_run_s_own_and_no_default() -> None:
    """`SubmissionPolicy()` where an error is worded would tell a user of a limit that nobody set."""
    for path in (ROOT / "prefect_seedance").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("SubmissionPolicy"):
                assert "max_submissions" in {each.arg for each in node.keywords}, f"{path.name}:{node.lineno}"


#: Words of advice that lead to a second payment. Whoever follows them has to know.
COSTS_MONEY = re.compile(
    r"(?i:ask for another take|set another take|for another take)|another take makes|raise max_submissions"
    r"|(?i:start) (a new run|that one anew)|(choose|use|take) (a|another) (location|store|journal)\b|[Aa]nother store\b"
    r"|(?i:another attempt)(?! of)|[Dd]elete the (record|journal)|(?<!not )\b(submit|send) (it |the request )?again\b"
    r"|submitted( and paid for)? anew|generate (it )?(again|anew)"
)
SAYS_SO = re.compile(r"\b(pays?|paid|paying|costs?|cost nothing|to pay)\b")
#: What is not to be done costs nothing.
WARNS = re.compile(r"\bdo not\b|\bnot worth\b|\bonly failures\b|^It is not submitted again\b(?!.*take)|\bno effect\b")


def unsaid(words: str) -> Iterator[str]:
    """The sentences that advise to pay and do not say so."""
    if "had no effect and cost nothing" in words:  # what is sent then is paid for the first time
        return
    for sentence in re.split(r"(?<=[.:])\s+(?=[A-Z`{…])", words):
        if COSTS_MONEY.search(sentence) and not SAYS_SO.search(sentence) and not WARNS.search(sentence):
            yield sentence


def test_advice_that_costs_money_says_so() -> None:
    found = {text.place: sentences for text in prose() if (sentences := [*unsaid(text.words)])}
    assert found == {}


@pytest.mark.parametrize(
    "words",
    [
        "The endpoint cannot do this. Choose another store.",
        "Grant access, or choose another location.",
        "Ask for another take.",
        "It failed: ask for another attempt.",
        "Start a new run.",
        "To go on raise max_submissions.",
        "Delete the record and run again.",
        "If nothing is there, submit it again.",
        "It was paid for. Set another take to go on.",
    ],
)
def test_advice_that_hides_its_price_would_be_found(words: str) -> None:
    assert [*unsaid(words)]


def test_the_way_to_another_store_names_how_to_take_a_paid_task_along() -> None:
    assert "resolve_submission" in ANOTHER_STORE and "pays again" in ANOTHER_STORE
    for error in (NotWritable("/data", "x"), NotReadable("/data", "x"), ConditionsIgnored("s3://bucket", "x")):
        assert ANOTHER_STORE in str(error)
