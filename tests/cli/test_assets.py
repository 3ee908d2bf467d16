"""`assets`: what is remembered of references is listed without its links, and forgotten by name."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from pathlib import Path

import pytest

from prefect_seedance import VideoRequest
from prefect_seedance.cli import main
from prefect_seedance.cli.arguments import parser
from prefect_seedance.journal.commands import how_to_forget
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.media.context import Follower
from prefect_seedance.media.memos import Made, MakeRefused, MemoKind, Memos
from prefect_seedance.storage.folder.store import FolderStore
from tests.cli.test_resolve import on_a_terminal
from tests.journal.harness import World

MUG, CLIP = "3f9a1c04" * 8, "c0ffee00" * 8
LINK = "https://files.example.com/mug.png?X-Amz-Signature=5ec2e7"
HOSTILE = "=HYPERLINK(1)\t\x1b[2J\u202e[red]\n./mug.png?sign=5ec2e7"


def keep(folder: Path, kind: MemoKind, name: str, made: Made | MakeRefused, account: str = "default") -> None:
    def make() -> Made:
        if isinstance(made, MakeRefused):
            raise made
        return made

    try:
        memos = Memos(FolderStore(folder), account)
        memos.obtain(kind, name, make, usable=lambda kept: "", lease_seconds=60.0, follower=Follower())
    except MakeRefused:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Path:
    keep(tmp_path, "hash", CLIP, Made(CLIP))
    keep(tmp_path, "upload", MUG, Made(LINK, 3 * 86_400.0, raw={"url": LINK}, notes={"reference": HOSTILE}))
    keep(tmp_path, "audit", MUG, Made("asset://asset-1914", notes={"reference": 3}))
    keep(tmp_path, "audit", f"{CLIP}-last-frame", MakeRefused("a real person\x07"), account="Team/\x1bKöln")
    for seconds, kept in enumerate([f"audit/{CLIP}-last-frame", f"audit/{MUG}", f"upload/{MUG}", f"hash/{CLIP}"]):
        (path,) = tmp_path.glob(f"journal/media/*/{kept}.json")
        os.utime(path, (time.time() - 10 * seconds,) * 2)
    return tmp_path


def listed(store: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, str]]:
    assert main(["assets", "--store", str(store), *options]) == 0
    printed = capsys.readouterr()
    assert "5ec2e7" not in printed.out + printed.err and "files.example.com" not in printed.out
    head, *rows = (line.split("\t") for line in printed.out.splitlines())
    assert printed.err.startswith(f"{len(rows)} asset")
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_what_is_kept_is_listed_the_newest_first(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused, audit, upload, of_hash = listed(store, capsys)
    assert refused["state"] == "failed" and refused["name"] == "c0ffee00c0ff-last-frame"
    assert refused["account"].isprintable() and refused["note"].startswith("a real person")
    assert audit["asset"] == "asset-1914" and audit["reference"] == "3" and audit["used by"] == ""
    assert audit["life left"] == "no end" and audit["age"].endswith(" s")
    assert upload["name"] == "3f9a1c043f9a" and upload["life left"] == "2 d" and upload["asset"] == ""
    assert upload["reference"].startswith("'=HYPERLINK(1) ") and upload["reference"].isprintable()
    assert of_hash["kind"] == "hash" and of_hash["asset"] == ""


def test_it_is_told_which_videos_use_what(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the content that their records name, or for a link by its address."""
    link = "https://example.com/cup.png"
    keep(store, "audit", "0c0c", Made("asset-7", notes={"reference": link}))
    world = World.in_folder(store)
    identities = {"./mug.png": f"sha256:{MUG}", "last-frame+./clip.mp4": f"sha256:{CLIP}/last-frame"}

    def ask(account: str, *images: str) -> str:
        request = VideoRequest(prompt="A mug turns", images=[*images])
        identity = identify(request, scope=ALWAYS, account=account, media=identities.get)
        world.run(identity=identity)
        return identity.intent[:12]

    both = ask("default", "./mug.png", "./mug.png", "last-frame+./clip.mp4")
    linked = ask("default", f"{link}?X-Amz-Signature=5ec2e7")
    framed = ask("Team/\x1bKöln", "last-frame+./clip.mp4")
    used = {(row["kind"], row["name"]): row["used by"] for row in listed(store, capsys)}
    assert used == {
        ("upload", "3f9a1c043f9a"): both,
        ("audit", "3f9a1c043f9a"): both,
        ("audit", "0c0c"): linked,
        ("audit", "c0ffee00c0ff-last-frame"): framed,
        ("hash", "c0ffee00c0ff"): both,
    }


def test_one_account_may_be_asked_for(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["kind"] for row in listed(store, capsys, "--account", "Team/\x1bKöln")] == ["audit"]
    assert listed(store, capsys, "--account", "nobody") == []
    assert listed(store / "elsewhere", capsys) == [], "and a store that is not there is made by nobody"
    assert not (store / "elsewhere").exists()


def test_on_a_terminal_it_is_a_table(store: Path) -> None:
    shown = on_a_terminal(["assets", "--store", str(store)], 80)
    assert "asset-1914" in shown and "[red]" in shown and "\x1b[2J" not in shown and "5ec2e7" not in shown


def test_one_is_forgotten_and_no_other(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assets", "--store", str(store), "--forget", "audit/3f9a1c043f9a"]) == 0
    assert f"Forgotten: the audit {MUG} of account default." in capsys.readouterr().out
    states = {f"{row['kind']} {row['name']}": row["state"] for row in listed(store, capsys)}
    assert states.pop("audit 3f9a1c043f9a") == "ready" and sorted(states.values()) == ["failed", "have", "have"]
    keep(store, "audit", MUG, Made("asset-2"))
    (audit,) = (row for row in listed(store, capsys) if row["asset"] == "asset-2")
    assert re.match("anew: forgotten by .+ on the command line", audit["note"])


def test_a_name_as_it_is_listed_is_that_very_one(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Though the name of the clip is the beginning of that of its last frame."""
    for row in listed(store, capsys):
        if row["name"].startswith("c0ffee"):
            assert main(["assets", "--store", str(store), "--forget", row["name"]]) == 0
            assert f"the {row['kind']} " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["3f9a1c043f9a", "3f9a", "77", "", "upload/", "upload/77", "link/3f9a", "/"])
def test_what_is_not_clear_is_not_forgotten(name: str, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in store.rglob("*.json")}
    assert main(["assets", "--store", str(store), "--forget", name]) == 1
    said = capsys.readouterr()
    assert "nothing was forgotten" in said.err and said.out == ""
    if "3f9a" in name and "/" not in name:
        assert f"upload/{MUG} of account default" in said.err and f"audit/{MUG} of account default" in said.err
    assert before == {path: path.read_bytes() for path in store.rglob("*.json")}


def test_the_limit_of_a_day_is_lifted(tmp_path: Path) -> None:
    memos, made = Memos(FolderStore(tmp_path), "default"), []

    def need() -> None:
        memos.obtain(
            "upload",
            MUG,
            lambda: made.append(1) or Made(LINK),
            usable=lambda kept: "it is gone",
            lease_seconds=60.0,
            follower=Follower(),
        )

    for _ in range(3):
        need()
    with pytest.raises(Exception, match="prefect-seedance assets") as stopped:
        need()
    (line,) = re.findall(r"^prefect-seedance (.*)$", str(stopped.value), re.MULTILINE)
    assert main(shlex.split(line)) == 0
    need()
    assert len(made) == 4


@pytest.mark.parametrize("account", ["default", "", "-x", "Team/Köln's", "a b"])
def test_the_printed_command_is_taken(account: str) -> None:
    line = how_to_forget("upload/3f9a", "/data/my videos", account).removeprefix("prefect-seedance ")
    options = parser().parse_args(shlex.split(line))
    assert (options.forget, options.store, options.account) == ("upload/3f9a", "/data/my videos", account)


def test_what_cannot_be_read_is_left_out_and_what_is_being_made_is_told(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = store.glob(f"journal/media/default/upload/{MUG}.json")
    memo = json.loads(path.read_text()) | {"state": "working", "holder": "process 7 of\x07 mac", "lease_seconds": 0}
    path.write_text(json.dumps(memo))
    past = time.time() - 3600
    os.utime(path, (past, past))
    (store / "journal/media/default/upload/abcd.json").write_text("{")
    (store / "journal/media/default/notes.txt").write_text("mine")
    rows = {row["kind"] + row["name"]: row for row in listed(store, capsys)}
    lapsed = rows["upload3f9a1c043f9a"]
    assert (lapsed["state"], lapsed["age"]) == ("working, lapsed", "1 h") and len(rows) == 4
    assert lapsed["note"].startswith("by process 7 of") and lapsed["note"].isprintable()


def test_a_program_reads_the_list_and_what_was_forgotten_as_documents_without_the_links(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["assets", "--store", str(store), "--json"]) == 0
    printed = capsys.readouterr().out
    found = json.loads(printed)["assets"]
    assert [each["kind"] for each in found] == ["audit", "audit", "upload", "hash"] and "5ec2e7" not in printed
    assert main(["assets", "--store", str(store), "--forget", f"upload/{MUG}", "--json"]) == 0
    forgotten = json.loads(capsys.readouterr().out)["forgotten"]
    assert forgotten == {"kind": "upload", "name": MUG, "account": "default"}
