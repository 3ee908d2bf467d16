"""The README and the pages say what the code says: figures, tables, limits, folders. Examples and links: tests/docs."""

import ast
import importlib
import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from prefect_seedance.batch.manifest import limits
from prefect_seedance.batch.manifest.columns import column_of
from prefect_seedance.batch.models import WORST_FIRST
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.plan_text import STANDING_WORST_FIRST
from prefect_seedance.client.request.describe import markdown_table
from prefect_seedance.storage.s3.permissions import iam_policy
from prefect_seedance.storage.s3.settings import S3Settings
from tests.test_architecture import LINKS, MAY_IMPORT

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FILES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "deployments" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
PAGES = {path: path.read_text() for path in FILES}
ALL = "\n".join(PAGES.values())
CONTRIBUTING = PAGES[ROOT / "CONTRIBUTING.md"]
LAYOUT = CONTRIBUTING.split("## Layout")[1]
FOLDERS = re.findall(r"`((?:[a-z0-9_]+/)+)`", LAYOUT)


def section(heading: str) -> str:
    """Return what stands in the README below a heading."""
    return README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_the_readme_is_one_page_in_this_order() -> None:
    assert len(README.splitlines()) <= 190
    assert re.findall("^## (.*)$", README, re.MULTILINE) == [
        "Why not a loop of your own",
        "Try it",
        "Test it",
        "Now with your key",
        "In a project of your own",
        "Use it in a flow",
        "Batches",
        "What it cannot do",
        "Read on",
    ]


def test_a_reader_learns_what_a_coin_is_where_a_key_comes_from_and_what_was_never_tried() -> None:
    key = section("Now with your key")
    assert all(words in key for words in ("www.jimmyai.cn", "JimiCoin", "catalog", "JIMMYAI_BASE_URL", "simulator"))
    assert "never met the real vendor" in section("What it cannot do")


def test_the_figures_stand_at_one_place_and_agree_with_the_table_of_kills() -> None:
    before, figures, after = re.split(r"<!-- figures.*?-->|<!-- /figures -->", README)
    assert not re.search(r"[0-9] times|[0-9] %|[0-9] lost", before + after)
    rounds, _, overpaid, _, unknown, lost = map(int, re.findall(r"^all +(.*)$", figures, re.MULTILINE)[0].split())
    said = re.search(r"^\| (\d+) videos, .*\| (\d+) paid twice, (\d+) lost, (\d+) unknown", figures, re.MULTILINE)
    assert said is not None
    assert [*map(int, said.groups())] == [rounds, overpaid, lost, unknown]


def test_what_the_readme_says_of_the_installation_is_what_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = section("In a project of your own")
    caps = re.findall(r"`((?:fastapi|sqlalchemy)<[0-9.]+)`", said)
    assert len(caps) == 2 and {*caps} <= {*declared["dependencies"]}
    (prefect,) = re.findall(r"Prefect\s+3, from ([0-9.]+) on", said)
    assert f"prefect>={prefect},<4" in declared["dependencies"]
    extras = said.partition("Extras: ")[2].partition(".")[0]
    assert {*re.findall(r"`(\w+)`", extras)} <= {*declared["optional-dependencies"]}


def test_the_route_table_is_the_one_of_the_data() -> None:
    shown = re.search(
        r"<!-- routes:.*?-->\n\n(.*?)\n<!-- /routes -->", PAGES[ROOT / "docs/reference/routes.md"], re.DOTALL
    )
    assert shown is not None
    assert shown[1] == markdown_table(), "run python -m docs.generate"


def test_the_policy_is_the_one_that_the_store_needs() -> None:
    shown = re.search(r"<!-- policy:.*?-->\n\n```json\n(.*?)```", PAGES[ROOT / "docs/how-to/buckets.md"], re.DOTALL)
    assert shown is not None
    assert json.loads(shown[1]) == iam_policy(S3Settings("my-bucket", "videos"))


@pytest.mark.parametrize(("heading", "command"), [("Try it", "scripts/demo"), ("Test it", "scripts/test")])
def test_to_try_it_and_to_test_it_takes_one_script_each(heading: str, command: str) -> None:
    for page in (README, CONTRIBUTING) if heading == "Test it" else (README,):
        below = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
        assert re.findall(r"```sh\n(.*?)```", below, re.DOTALL) == [f"{command}\n"]
    assert os.access(ROOT / command, os.X_OK)


def test_the_names_in_the_examples_exist() -> None:
    public = {name: importlib.import_module(name) for name in ("prefect_seedance", "prefect_seedance.errors")}
    for block in re.findall(r"```python\n(.*?)```", ALL, re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module in public:
                assert {alias.name for alias in node.names} <= {*public[node.module].__all__}


def test_the_folders_exist() -> None:
    assert [folder for folder in FOLDERS if not (ROOT / folder).is_dir()] == []


def named_in(page: str, heading: str) -> set[str]:
    """Return what stands as code in the first column of the tables below a heading."""
    below = re.split(r"\n##+ ", PAGES[ROOT / page].partition(f" {heading}\n")[2])[0]
    cells = re.findall(r"^\| (.*?) \|", below, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_tables_of_batches_name_what_there_is() -> None:
    assert named_in("docs/how-to/batches.md", "Outcomes") == {*WORST_FIRST}
    assert named_in("docs/how-to/batches.md", "Plan it") == {*STANDING_WORST_FIRST}
    assert named_in("docs/how-to/batches.md", "Options") == {*BatchOptions.model_fields} - {"reuse_scope"}
    columns = named_in("docs/how-to/batches.md", "Manifests") - {"excel", "parquet", "requests"}
    assert {"prompt", "images", "takes", "name"} < columns
    assert all(column_of(name).field == name for name in columns)


def test_the_limits_of_manifests_are_those_that_are_held() -> None:
    mib, held = 1024 * 1024, PAGES[ROOT / "docs/how-to/batches.md"].partition("**Limits**")[2]
    assert [int(number.replace(",", "")) for number in re.findall(r"[0-9][0-9,]*", held)][:5] == [
        limits.MOST_BYTES // mib,
        limits.MOST_JSON_BYTES // mib,
        limits.MOST_ROWS,
        limits.MOST_COLUMNS,
        limits.LONGEST_CELL,
    ]


def test_every_room_of_the_package_has_its_line_in_the_layout() -> None:
    rooms = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in (ROOT / "prefect_seedance").rglob("*.py")}
    assert {folder for folder in FOLDERS if folder.count("/") > 1} == rooms - {"prefect_seedance/"}


@pytest.mark.parametrize("room", sorted(path.parent for path in (ROOT / "prefect_seedance").rglob("__init__.py")))
def test_a_room_that_lists_its_modules_lists_them_all(room: Path) -> None:
    names = {path.name.removesuffix(".py") for path in room.iterdir() if path.suffix == ".py" or path.is_dir()}
    names -= {"__init__", "__pycache__"}
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    listed = {name for name in names if re.search(rf"(^|\s){name}(/|,|:)?(\s|$)", said, re.MULTILINE)}
    first = re.findall(r"^ {0,4}(\w+)/?,? ", said.partition("\n\n")[2], re.MULTILINE)
    assert not {*first} & names or listed == names, names - listed


def test_the_arrows_of_the_layout_are_the_ones_that_are_held() -> None:
    shown = re.search(r"Imports run one way: (.*?)\.", LAYOUT, re.DOTALL)
    assert shown is not None
    parts = re.findall(r"`(\w+)`", shown[1])
    assert all(MAY_IMPORT[part] == {*parts[place + 1 :]} for place, part in enumerate(parts[:-2]))
    assert all(MAY_IMPORT[part] == set() for part in parts[-2:])


def test_the_links_of_the_layout_are_the_ones_at_the_top() -> None:
    shown = re.search(r"^\| (.*?) \| links ", LAYOUT, re.MULTILINE)
    assert shown is not None
    assert {*re.findall(r"`(\w+)`", shown[1])} == LINKS
