"""The README tells the truth: its table is the data's, its example runs, its links and folders exist."""

import ast
import importlib
import json
import os
import re
import shlex
from pathlib import Path

import pytest

from prefect_seedance.batch.manifest import limits
from prefect_seedance.batch.manifest.columns import column_of
from prefect_seedance.batch.models import WORST_FIRST
from prefect_seedance.batch.options import BatchOptions
from prefect_seedance.batch.plan_text import STANDING_WORST_FIRST
from prefect_seedance.cli.arguments import parser
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


def test_the_route_table_is_the_one_of_the_data() -> None:
    shown = re.search(
        r"<!-- routes:.*?-->\n\n(.*?)\n<!-- /routes -->", PAGES[ROOT / "docs/reference/routes.md"], re.DOTALL
    )
    assert shown is not None
    assert shown[1] == markdown_table(), "put there what python -m prefect_seedance.client.request.describe prints"


def test_the_policy_is_the_one_that_the_store_needs() -> None:
    shown = re.search(r"<!-- policy:.*?-->\n\n```json\n(.*?)```", PAGES[ROOT / "docs/how-to/buckets.md"], re.DOTALL)
    assert shown is not None
    assert json.loads(shown[1]) == iam_policy(S3Settings("my-bucket", "videos"))


@pytest.mark.parametrize(("heading", "command"), [("Try it", "scripts/demo"), ("Test it", "scripts/test")])
def test_to_try_it_and_to_test_it_takes_one_script_each(heading: str, command: str) -> None:
    section = (README + CONTRIBUTING).split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"```sh\n(.*?)```", section, re.DOTALL) == [f"{command}\n"]
    assert os.access(ROOT / command, os.X_OK)


def test_the_names_in_the_examples_exist() -> None:
    public = {name: importlib.import_module(name) for name in ("prefect_seedance", "prefect_seedance.errors")}
    for block in re.findall(r"```python\n(.*?)```", ALL, re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module in public:
                assert {alias.name for alias in node.names} <= {*public[node.module].__all__}


def test_the_folders_and_links_exist() -> None:
    for folder in FOLDERS:
        assert (ROOT / folder).is_dir(), folder
    for page, text in PAGES.items():
        for link in re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", text):
            assert (page.parent / link).exists(), link


def test_the_headings_that_links_lead_to_exist() -> None:
    for page, text in PAGES.items():
        for link, anchor in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", text):
            headings = re.findall("^#+ (.*)$", (page.parent / link if link else page).read_text(), re.M)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in headings}, anchor


def test_the_commands_are_taken() -> None:
    shells = "\n".join(re.findall(r"```sh\n(.*?)```", ALL, re.DOTALL))
    commands = re.findall(r"^prefect-seedance (.*)$", shells, re.MULTILINE)
    assert len(commands) > 12
    for command in commands:
        parser().parse_args(shlex.split(command))


def named_in(page: str, heading: str) -> set[str]:
    """Return what stands as code in the first column of the tables below a heading."""
    below = re.split(r"\n##+ ", PAGES[ROOT / page].partition(f" {heading}\n")[2])[0]
    cells = re.findall(r"^\| (.*?) \|", below, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_tables_of_batches_name_what_there_is() -> None:
    outcomes = {*WORST_FIRST}
    assert named_in("README.md", "Batches") == named_in("docs/how-to/batches.md", "Outcomes") == outcomes
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
