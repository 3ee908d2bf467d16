"""The page of the benchmarks says what was measured, all of it, and nothing of whose machine it was."""

import re
import shlex
import socket
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.report import suite
from benchmarks.report.figures import Figure, Machine, Measurement, Results, Role, ratio, read_results, write_results
from benchmarks.report.page import SECTIONS, filled, lost
from benchmarks.report.suite import BENCHMARKS, Benchmark

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "benchmarks"
PAGE, RESULTS = (FOLDER / "index.md").read_text(), read_results(FOLDER / "results.json")


def figure(contender: str, role: Role, *values: float, quantity: str = "time", case: str = "") -> Figure:
    return Figure(case=case, quantity=quantity, unit="s", contender=contender, role=role, values=values)


def measurement(*figures: Figure) -> Measurement:
    machine = Machine(cores=2, memory_gib=8)
    return Measurement(
        date="2026-01-01",
        commands=("python -m benchmarks.one",),
        seconds=1,
        provisional=False,
        versions={"python": "3.11"},
        machine=machine,
        figures=figures,
    )


STORED = Results(
    measurements={
        "one": measurement(figure("ours", "ours", 3, 4, 5), figure("floor", "floor", 1, 2, 1)),
        "polling": measurement(
            *(
                figure(contender, role, value, quantity=quantity, case="videos recorded")
                for contender, role, values in (("ours", "ours", (7, 1.5)), ("every 5 s", "peer", (150, 0.3)))
                for quantity, value in zip(("questions about a video", "lateness"), values, strict=True)
            )
        ),
    }
)


def test_the_page_says_what_was_measured() -> None:
    assert filled(PAGE, RESULTS) == PAGE, "python -m benchmarks --write"


def test_the_pictures_of_the_page_are_there_and_no_others() -> None:
    assert {*re.findall(r"\]\(([a-z]+\.svg)\)", PAGE)} == {path.name for path in FOLDER.glob("*.svg")}


def test_results_name_no_machine_and_no_folder() -> None:
    published = PAGE + "".join(path.read_text() for path in (FOLDER / "results.json", *FOLDER.glob("*.svg")))
    for name in (socket.gethostname(), str(ROOT), str(Path.home()), "/tmp/"):
        assert not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", published), name


def test_results_survive_a_file(tmp_path: Path) -> None:
    write_results(tmp_path / "results.json", STORED)
    assert read_results(tmp_path / "results.json") == STORED
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_a_command_of_its_own(name: str) -> None:
    benchmark = BENCHMARKS[name]
    source = (ROOT / "benchmarks" / f"{benchmark.module}.py").read_text()
    taken = {*re.findall(r'"(--[a-z-]+)"', source)}
    for line in benchmark.quick + benchmark.full:
        assert {word for word in shlex.split(line) if word.startswith("--")} <= taken
    assert name in SECTIONS and "write_figures(" in source


def test_a_ratio_is_the_median_of_those_of_each_round() -> None:
    # The second round fell on a busy moment, for both.
    assert ratio(figure("ours", "ours", 2, 20, 2), figure("floor", "floor", 1, 10, 1)) == 2
    assert ratio(figure("ours", "ours", 3), figure("floor", "floor", 1, 2, 3)) == 1.5
    assert ratio(figure("ours", "ours", 3), figure("floor", "floor", 0)) is None


def test_the_page_says_everywhere_we_lose_the_worst_first() -> None:
    rows = [re.split(r" *\| *", line)[1:-1] for line in lost(STORED).splitlines()[2:]]
    assert [(row[0], row[1], row[4], row[5]) for row in rows] == [
        ("5.00", "Polling: videos recorded", "5.00 to every 5 s", "0.05 of its questions about a video"),
        ("3.00", "One video", "3.00 to floor", "-"),
    ]


def test_a_page_without_room_for_a_benchmark_is_refused() -> None:
    with pytest.raises(ValueError, match="benchmarks: collect"):
        filled(PAGE.replace("<!-- benchmarks: collect -->\n", ""), RESULTS)


def test_the_same_results_make_the_same_bytes(tmp_path: Path) -> None:
    made: list[dict[str, bytes]] = []
    for folder in (tmp_path / "once", tmp_path / "again"):
        write_results(folder / "results.json", STORED)
        assert command.main(["--write", "--folder", str(folder)]) == 0
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]
    assert {*made[0]} == {"index.md", "results.json", "ratios.svg", "one.svg", "polling.svg"}
    assert b"<dc:date>" not in made[0]["ratios.svg"]


def test_a_benchmark_that_fails_costs_no_other_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, line in (("one", "--videos none"), ("relay", "--rounds none"), ("polling", "--rounds 1 --videos 2")):
        module = BENCHMARKS[name].module
        monkeypatch.setitem(suite.BENCHMARKS, name, Benchmark(module, name, (line,), ()))
    write_results(tmp_path / "results.json", STORED)
    assert command.main(["--only", "one,relay,polling", "--folder", str(tmp_path)]) == 1
    results, page = read_results(tmp_path / "results.json"), (tmp_path / "index.md").read_text()
    assert results.measurements["one"].figures == STORED.measurements["one"].figures
    assert results.measurements["polling"].date != "2026-01-01"
    assert "**one** failed on" in page and "its figures are of the run before" in page
    assert "**relay** failed on" in page and "has no figures" in page
    assert "failed: one, relay" in capfd.readouterr().err


def test_an_unknown_benchmark_is_refused_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--only", "import,two"])
    assert "no benchmark two; there are import, one," in capsys.readouterr().err
