"""journal and resolve in this process, over a record that no flow has made."""

import io
import os
import pty
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefect_seedance import SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.cli import main, terminal
from prefect_seedance.cli.arguments import parser
from prefect_seedance.cli.error_report import report
from prefect_seedance.client.outcome import Unknown
from prefect_seedance.journal.codec import encode
from prefect_seedance.journal.errors import RecordDamaged, ResolutionRefused, SubmissionUnknown, TooManyUnknowns
from prefect_seedance.journal.identity import ALWAYS, identify
from prefect_seedance.journal.record import Attempt, Record
from prefect_seedance.journal.states import State
from prefect_seedance.journal.submit.critical_section import Evidence
from prefect_seedance.simulator import Simulator, running_simulator
from tests.cli.test_commands import COMMAND
from tests.journal.harness import INTENT, World
from tests.storage.clips import lookalike
from tests.storage.media_server import serving

OTHER = identify(VideoRequest(prompt="another"), scope=ALWAYS, account="default")
LISTING = re.compile(r"prefect-seedance (journal --unknown[^)\n]*)")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(seconds=0.3) as vendor:
        yield vendor


@pytest.fixture
def vendor(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    monkeypatch.setenv("JIMMYAI_API_KEY", simulator.key)
    monkeypatch.setenv("JIMMYAI_BASE_URL", simulator.url)
    return simulator


@pytest.fixture
def unknown(tmp_path: Path) -> World:
    world = World.in_folder(tmp_path / "my videos")
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()
    return world


def test_a_task_of_another_model_is_taken_only_by_who_says_any_model(
    unknown: World, vendor: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with SeedanceCredentials.model_validate({}).get_client() as client:
        task = client.create_video(VideoRequest(prompt="A paper plane", model="seedance2.0-mini"))
    command = ["resolve", INTENT, "--store", unknown.journal.location, "--task-id", task.task_id]
    assert main(command) == 1
    assert "--any-model" in capsys.readouterr().err
    assert main([*command, "--any-model"]) == 0
    assert capsys.readouterr().out == f"Intent {INTENT} is now submitted.\n"
    assert unknown.record().task_id == task.task_id


def test_the_command_that_lists_the_unknown_ones_is_ready_to_be_copied(
    unknown: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["resolve", "0" * 32, "--store", unknown.journal.location, "--abandon"]) == 1
    of_a_refusal = LISTING.search(capsys.readouterr().err)
    for _ in range(3):
        unknown.storm.unknown()
    with pytest.raises(TooManyUnknowns) as stopped:
        unknown.run(identity=OTHER)
    of_a_storm = LISTING.search(str(stopped.value))
    for command in (of_a_refusal, of_a_storm):
        assert command is not None
        assert main(shlex.split(command[1])) == 0
        assert capsys.readouterr().out.count(INTENT) == 1


@pytest.mark.server
@pytest.mark.usefixtures("prefect_server")
def test_a_store_may_be_a_saved_one(unknown: World, capsys: pytest.CaptureFixture[str]) -> None:
    VideoStore(location=unknown.journal.location).save("with-a-record", overwrite=True)
    assert main(["journal", "--store", "seedance-video-store/with-a-record"]) == 0
    assert capsys.readouterr().out.count(INTENT) == 1


@pytest.mark.server
@pytest.mark.usefixtures("prefect_server")
def test_a_store_that_is_not_saved_is_said_and_not_taken_for_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["journal", "--store", "seedance-video-store/nobody"]) == 1
    said = capsys.readouterr()
    assert "nobody" in said.err
    assert "for a folder write ./seedance-video-store/nobody." in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []
    assert main(["journal", "--store", "./seedance-video-store/nobody"]) == 0


def lines_of(message: str) -> list[list[str]]:
    """The command lines that a message prints, as a shell would split them, without the name of the program."""
    return [shlex.split(each)[1:] for each in re.findall(r"^ *(prefect-seedance .*)$", message, re.MULTILINE)]


def printed(world: World) -> dict[str, list[str]]:
    """The commands that settle an unknown submission, by how they do."""
    with pytest.raises(SubmissionUnknown) as stopped:
        world.run("another")
    found = lines_of(str(stopped.value))
    return {how: line for line in found for how in ("--task-id", "--not-billed", "--abandon") if how in line}


def again(world: World) -> tuple[Attempt, Attempt]:
    """The first attempt is settled, and a second one unknown."""
    assert main(printed(world)["--not-billed"]) == 0
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()
    first, second = world.record().attempts
    return first, second


@pytest.mark.parametrize("how", ["--not-billed", "--abandon"])
def test_a_printed_command_settles_its_own_attempt_and_no_other(
    unknown: World, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = printed(unknown)[how]
    first, second = again(unknown)
    assert stale[-2:] == ["--attempt", first.name]
    assert main(stale) == 1
    said = capsys.readouterr().err
    assert f"{first.name} is settled already (not billed). The record is unknown now." in said
    assert f"To be settled: {second.name} (of 2026-11-22 12:00:00 UTC)" in said
    assert unknown.record().unsettled() == (second,)
    assert main(printed(unknown)[how]) == 0


def test_who_types_a_command_by_hand_finds_the_attempt_in_the_listing(
    unknown: World, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", unknown.journal.location]
    _, second = again(unknown)
    assert main(["resolve", INTENT, "--abandon", *store]) == 1
    assert "does not name one. The record is unknown now." in capsys.readouterr().err
    assert main(["journal", "--unknown", *store]) == 0
    columns, row = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    name = dict(zip(columns, row, strict=True))["attempt"]
    assert name == second.name
    assert main(["resolve", INTENT, "--abandon", "--attempt", name, *store]) == 0
    assert unknown.record().state is State.LOST


@pytest.mark.parametrize("columns", [20, 80])
@pytest.mark.sample(every=2)
def test_on_a_terminal_the_listing_shows_any_prompt_and_names_that_can_be_copied(unknown: World, columns: int) -> None:
    asked = {**unknown.record().request, "prompt": "A [/bold] boat :smile: \x1b[2J\n\u7eb8\u8239"}
    unknown.journal.update(INTENT, lambda found: found.model_copy(update={"request": asked}), step="evidence")
    (attempt,) = unknown.record().attempts
    output = on_a_terminal(["journal", "--unknown", "--store", unknown.journal.location], columns)
    assert "A [/bold] boat :smile: \ufffd[2J \u7eb8\u8239" in output
    assert INTENT in output and attempt.name in output, "in one piece, however narrow the terminal is"


def written(world: World, record: Record, *, minutes_ago: float) -> None:
    """A record that was written some time ago, by the clock of the folder."""
    key = f"journal/records/{record.intent}.json"
    world.store.inner.create(key, encode(record))
    moment = time.time() - minutes_ago * 60
    os.utime(Path(world.journal.location) / key, (moment, moment))


def test_a_list_can_be_cut_short(unknown: World, capsys: pytest.CaptureFixture[str]) -> None:
    record = unknown.record()
    for number in range(5):
        written(unknown, record.model_copy(update={"intent": f"{number:032x}"}), minutes_ago=number + 1)
    old = record.model_copy(update={"intent": "f" * 32, "updated_at": datetime(2026, 11, 1, tzinfo=UTC)})
    written(unknown, old, minutes_ago=90)

    def listed(*options: str) -> list[str]:
        assert main(["journal", "--store", unknown.journal.location, *options]) == 0
        return [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]

    everything = [INTENT, *(f"{number:032x}" for number in range(5)), "f" * 32]
    assert listed() == ["intent", *everything], "the newest first"
    assert listed("--limit", "3") == ["intent", *everything[:3]]
    assert listed("--since", "2026-11-02") == ["intent", *everything[:-1]]
    assert listed("--since", "2026-11-02", "--limit", "2") == ["intent", *everything[:2]]
    assert listed("--unknown", "--since", "2999-01-01") == ["intent"]


@pytest.mark.parametrize("option", ["--since=yesterday", "--limit=0", "--limit=-1", "--limit=\u0663", "--limit=1e3"])
def test_a_list_is_not_cut_short_by_nonsense(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["journal", option])
    assert "is not a" in capsys.readouterr().err


def test_a_long_list_comes_in_parts_and_whole(
    unknown: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_PAGE", 2)
    record = unknown.record()
    for number in range(5):
        copy = record.model_copy(update={"intent": f"{number:032x}"})
        unknown.store.inner.create(f"journal/records/{copy.intent}.json", encode(copy))
    assert main(["journal", "--store", unknown.journal.location]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1 + 6 and printed.err.startswith("6 records in")


def test_an_output_that_has_no_letters_for_a_prompt_gets_it_escaped(unknown: World) -> None:
    asked = {**unknown.record().request, "prompt": "\u7eb8\u8239"}
    unknown.journal.update(INTENT, lambda found: found.model_copy(update={"request": asked}), step="evidence")
    listed = subprocess.run(
        [*COMMAND, "journal", "--store", unknown.journal.location],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert INTENT.encode() in listed.stdout and b"\\u7eb8\\u8239" in listed.stdout


def test_a_piped_listing_holds_no_formula_and_obeys_no_prompt(
    unknown: World, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {
        **unknown.record().request,
        "prompt": '=HYPERLINK("http://evil.example")\t[/b]\r\n\x1b]8;;x\x1b\\ \u202eend',
    }
    unknown.journal.update(INTENT, lambda found: found.model_copy(update={"request": asked}), step="evidence")
    assert main(["journal", "--store", unknown.journal.location]) == 0
    _, line = capsys.readouterr().out.splitlines()
    *_, prompt = line.split("\t")
    assert len(line.split("\t")) == 10
    assert prompt.startswith("'=HYPERLINK(") and prompt.isprintable()


def test_an_error_is_printed_without_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> int:
        raise ValueError("the vendor said\x1b[2J\r\n\u202enothing\x07")

    assert report(fails, debug=False) == 1
    assert capsys.readouterr().err == "Error: the vendor said\ufffd[2J\nnothing\ufffd\n"


def test_nothing_is_printed_but_through_the_terminal() -> None:
    folder = Path(__file__).parents[2] / "prefect_seedance" / "cli"
    printing = {path.name for path in folder.glob("*.py") if re.search(r"\bprint\(", path.read_text())}
    assert printing == {"terminal.py"}
    assert re.findall(r"console\.print\(.*", (folder / "terminal.py").read_text()) == ["console.print(table)"], (
        "of Text"
    )


def on_a_terminal(arguments: list[str], columns: int) -> str:
    """What a command writes to a terminal of this width."""
    master, slave = pty.openpty()
    size = {"COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen([*COMMAND, *arguments], stdin=slave, stdout=slave, env={**os.environ, **size})
    os.close(slave)
    output = bytearray()
    with open(master, "rb", buffering=0) as screen, suppress(OSError):  # its end is an error on Linux
        while piece := screen.read(65_536):
            output += piece
    assert process.wait(timeout=100) == 0
    return output.decode()


def test_a_record_with_one_attempt_needs_no_name(unknown: World) -> None:
    assert main(["resolve", INTENT, "--abandon", "--store", unknown.journal.location]) == 0


def test_a_task_that_is_older_than_the_attempt_is_taken_only_by_who_says_so(
    unknown: World, vendor: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with SeedanceCredentials.model_validate({}).get_client() as client:
        task = client.create_video(VideoRequest(prompt="A paper boat crosses a puddle"))
        made = client.get_video(task.task_id).created_at
    assert made is not None
    sent = datetime.fromtimestamp(made, UTC) + timedelta(minutes=10)
    attempts = (unknown.record().attempts[0].model_copy(update={"started_at": sent}),)
    unknown.journal.update(INTENT, lambda found: found.model_copy(update={"attempts": attempts}), step="evidence")
    command = printed(unknown)["--task-id"]
    command[command.index("...")] = task.task_id
    assert main(command) == 1
    assert "--any-age" in capsys.readouterr().err
    assert main([*command, "--any-age"]) == 0
    assert unknown.record().task_id == task.task_id


def test_a_command_that_asks_the_vendor_says_that_it_needs_the_key(
    unknown: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JIMMYAI_API_KEY", raising=False)
    with pytest.raises(SubmissionUnknown) as stopped:
        unknown.run("another")
    _, after = str(stopped.value).split(" --task-id ...")
    assert "JIMMYAI_API_KEY" in after.split("\n- ")[0]
    assert main(printed(unknown)["--task-id"]) == 1
    assert "set JIMMYAI_API_KEY" in capsys.readouterr().err
    assert main(printed(unknown)["--not-billed"]) == 0, "the others ask nobody"


@pytest.mark.parametrize("task_id", ["", " "])
def test_an_empty_variable_in_the_place_of_a_task_id_settles_nothing(unknown: World, task_id: str) -> None:
    before = unknown.record()
    options = parser().parse_args(["resolve", INTENT, "--task-id", "x", "--store", unknown.journal.location])
    options.task_id = task_id  # some versions of argparse take an empty text for no option, others do not
    with pytest.raises(ResolutionRefused, match="No task id was given"):
        options.run(options)
    assert unknown.record() == before


@pytest.mark.parametrize("intent", ["", "../x", INTENT[:-1], INTENT.upper(), "intent"])
@pytest.mark.parametrize("how", ["--not-billed", "--abandon", "--restore"])
def test_what_is_no_intent_is_said(unknown: World, intent: str, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", intent, how, "--store", unknown.journal.location]) == 1
    said = capsys.readouterr().err
    assert "32 hex digits" in said and LISTING.search(said)


def test_blanks_round_what_was_pasted_do_not_matter(unknown: World) -> None:
    (attempt,) = unknown.record().attempts
    pasted = ["resolve", f" {INTENT}\n", "--attempt", f" {attempt.name} ", "--not-billed"]
    assert main([*pasted, "--store", unknown.journal.location]) == 0
    assert unknown.record().state is State.READY


# Not billed, and the balance says otherwise.


@pytest.fixture
def billed(tmp_path: Path) -> World:
    world = World.in_folder(tmp_path / "my videos")
    world.before_claim = lambda nonce: Evidence(price=0.1, balance_before=0.3)
    world.balance = lambda: 0.2
    world.vendor.script = [Unknown("lost")]
    with pytest.raises(SubmissionUnknown):
        world.run()
    return world


def test_a_script_says_yes_to_not_billed_against_the_balance(billed: World, capsys: pytest.CaptureFixture[str]) -> None:
    command = printed(billed)["--not-billed"]
    before = billed.record()
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "fell by exactly the expected price: probably billed" in said and "--yes" in said
    assert billed.record() == before
    assert main([*command, "--yes"]) == 0
    assert billed.record().state is State.READY


@pytest.mark.parametrize(("answer", "code", "state"), [("y", 0, State.READY), ("", 1, State.UNKNOWN)])
@pytest.mark.sample(every=2)
def test_a_person_at_a_terminal_is_asked(billed: World, answer: str, code: int, state: State) -> None:
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [*COMMAND, *printed(billed)["--not-billed"]], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        os.write(master, f"{answer}\n".encode())
        output, _ = process.communicate(timeout=100)
    finally:
        os.close(slave)
        os.close(master)
    name = billed.record().attempts[0].name
    assert f"Settle attempt {name} as not billed all the same? [y/N]".encode() in output
    assert b"probably billed" in output
    assert (process.returncode, billed.record().state) == (code, state)


# Restoring.


def test_the_command_of_a_damaged_record_restores_it_as_unknown_and_says_how_to_settle_it(
    unknown: World, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(unknown.journal.location) / "journal" / "records" / f"{INTENT}.json"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RecordDamaged) as stopped:
        unknown.run("another")
    (command,) = lines_of(str(stopped.value))
    for _ in range(2):
        assert main(command) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"Intent {INTENT} is now unknown.\n")
    (lost,) = unknown.record().attempts
    settle = lines_of(said)
    assert [line[-1] for line in settle] == [lost.name] * 5
    (give_up,) = (line for line in settle if "--abandon" in line)
    assert main(give_up) == 0
    assert unknown.record().state is State.LOST
    assert main(["resolve", "0" * 32, "--restore", "--store", unknown.journal.location]) == 1


# Bringing the video in by hand.


def test_a_video_in_a_file_is_brought_in_without_a_key_and_without_the_vendor(
    unknown: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("JIMMYAI_API_KEY", "JIMMYAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    clip = tmp_path / "my clip.mp4"
    clip.write_bytes(lookalike(50_000))
    (attempt,) = unknown.record().attempts
    settle = ["resolve", INTENT, "--store", unknown.journal.location, "--attempt", attempt.name, "--file"]
    assert main([*settle, str(tmp_path / "nothing.mp4")]) == 1
    assert "No such file or directory" in capsys.readouterr().err
    assert main([*settle, ""]) == 1
    assert "One of the two is needed: a link or a file" in capsys.readouterr().err
    for _ in range(2):
        assert main([*settle, str(clip)]) == 0
        said = capsys.readouterr().out
        assert f"Intent {INTENT} is now stored: file://" in said and "counts as paid" in said
    record = unknown.record()
    assert (record.state, record.submissions) == (State.STORED, 1)
    assert (Path(unknown.journal.location) / record.key).read_bytes() == clip.read_bytes()
    other = tmp_path / "other.mp4"
    other.write_bytes(lookalike(50_000, seed=2))
    assert main([*settle, str(other)]) == 1
    assert "already holds something else" in capsys.readouterr().err
    assert unknown.run()["decision"] == "already_stored"


def test_a_link_may_come_by_standard_input_and_is_not_printed(
    unknown: World, vendor: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lookalike(50_000)) as media:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{media.url}/a.mp4?token=c2VjcmV0\n"))
        assert main(["resolve", INTENT, "--store", unknown.journal.location, "--link", "-"]) == 0
        said = capsys.readouterr()
        assert "is now stored" in said.out and "c2VjcmV0" not in said.out + said.err
        assert [seen.path for seen in media.seen] == ["/a.mp4?token=c2VjcmV0"]


def test_a_link_that_leads_nowhere_safe_changes_nothing(
    unknown: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JIMMYAI_API_KEY", raising=False)
    for link in ("http://127.0.0.1:9/a.mp4?token=c2VjcmV0", "https://me:c2VjcmV0@10.0.0.1/a.mp4", "c2VjcmV0"):
        assert main(["resolve", INTENT, "--store", unknown.journal.location, "--link", link]) == 1
        said = capsys.readouterr().err
        assert "is not followed" in said and "c2VjcmV0" not in said
    assert unknown.record().state is State.UNKNOWN
