"""The arrows run one way: who may import whom inside the package, and what else a module may not do.

The source is read, not run, so an import inside a function counts like one at the top. Imports under
`if TYPE_CHECKING:` never happen, so the arrows leave them alone; a private Prefect module is refused even
there, and a circle is one even there: whoever reads one of its modules has to read them all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "prefect_seedance"

# part -> the parts of the package that it may import (itself always). A dotted name is one module only.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "asides": frozenset(),
    "lazy_names": frozenset(),
    "plain_text": frozenset(),
    "failpoints": frozenset(),
    "headers": frozenset(),
    "network": frozenset(),
    "redaction": frozenset(),
    "signing_schemes": frozenset(),
    "stopwatch": frozenset(),
    "tls": frozenset(),
    "unpacking": frozenset(),
    "versions": frozenset(),
    "client": frozenset(),
    "storage": frozenset(),
    "journal": frozenset({"storage", "client"}),
    "media": frozenset({"journal", "storage", "client"}),
    "pipeline": frozenset({"media", "journal", "storage", "client"}),
    "batch": frozenset({"pipeline", "media", "journal", "storage", "client"}),
    "blocks": frozenset({"batch", "pipeline", "media", "journal", "storage", "client"}),
    "runs": frozenset({"blocks", "batch", "pipeline", "media", "journal", "storage", "client"}),
    "tasks": frozenset({"runs", "blocks", "batch", "pipeline", "media", "journal", "storage", "client"}),
    "flows": frozenset({"tasks", "runs", "blocks", "batch", "pipeline", "media", "journal", "storage", "client"}),
    "errors": frozenset({"batch", "pipeline", "media", "journal", "storage", "client"}),
    "simulator": frozenset({"client.request.routes"}),
}
# The public names and the command line stand above everything.
UNBOUND = frozenset({"__init__", "__main__", "cli"})
# Saying something on the side, texts made plain, words from outside and the names of signatures in them, loading a name
# when it is asked for, saying where the code is, numbers in headers, time that no sleep stops, the one TLS context of
# the process, bodies that come compressed, what the environment says of the network: of use everywhere.
FOR_ALL = frozenset(
    {
        "asides",
        "failpoints",
        "headers",
        "lazy_names",
        "network",
        "plain_text",
        "redaction",
        "signing_schemes",
        "stopwatch",
        "tls",
        "unpacking",
        "versions",
    }
)

PREFECT = frozenset({"prefect", "prefect_aws"})
AWS = frozenset({"boto3", "botocore", "s3transfer"})
SERVER = frozenset({"fastapi", "starlette", "uvicorn"})
# part -> the libraries that it must do without
MUST_DO_WITHOUT: dict[str, frozenset[str]] = {
    "asides": PREFECT | AWS | SERVER,
    "lazy_names": PREFECT | AWS | SERVER,
    "plain_text": PREFECT | AWS | SERVER,
    "failpoints": PREFECT | AWS | SERVER,
    "headers": PREFECT | AWS | SERVER,
    "network": PREFECT | AWS | SERVER,
    "redaction": PREFECT | AWS | SERVER,
    "signing_schemes": PREFECT | AWS | SERVER,
    "stopwatch": PREFECT | AWS | SERVER,
    "tls": PREFECT | AWS | SERVER,
    "unpacking": PREFECT | AWS | SERVER,
    "versions": PREFECT | AWS | SERVER,
    "client": PREFECT | AWS | SERVER,
    "storage": PREFECT | SERVER,
    "journal": PREFECT | AWS | SERVER,
    "media": PREFECT | AWS | SERVER,
    "batch": PREFECT | AWS | SERVER,
    "pipeline": PREFECT | AWS | SERVER,
    "errors": PREFECT | AWS | SERVER,
    "simulator": PREFECT | AWS,
}

# The only modules that import httpx: another HTTP library is then a change of these.
HTTP_LIBRARY = "httpx"
MAY_SPEAK_HTTP = frozenset(
    {
        "client.http",
        "storage.relay.network",
        "storage.relay.policy",
        "storage.relay.remote_file",
        "storage.relay.source",
        "storage.relay.transport",
        "tls",
    }
)


@dataclass(frozen=True)
class Import:
    """One imported name, fully spelled: `from a.b import c` is `a.b.c`."""

    name: str
    line: int
    typing_only: bool
    relative: bool


def imports_of(source: str) -> Iterator[Import]:
    """Every import of a module, wherever it stands in it."""
    tree = ast.parse(source)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        for name, relative in names_imported_by(node):
            yield Import(name, getattr(node, "lineno", 0), id(node) in typing_only, relative)


def names_imported_by(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """The full names that one statement imports, and whether it says so relatively."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, False
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield f"{node.module or ''}.{alias.name}", node.level > 0
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
        "import_module",
        "importlib.import_module",
        "__import__",
    ):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value, first.value.startswith(".")


def part_of(module: str) -> str:
    """The part of the package that a module belongs to: `prefect_seedance.client.request.wire` -> `client`."""
    return module.split(".")[1] if "." in module else "__init__"


def module_name(path: Path) -> str:
    """`prefect_seedance/client/request/wire.py` -> `prefect_seedance.client.request.wire`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def problems_of(module: str, source: str) -> list[str]:
    """What a module does against the rules of this file; empty when all is well."""
    problems: list[str] = []
    part = part_of(module)
    if part not in MAY_IMPORT and part not in UNBOUND:
        problems.append(f"{module}: unknown part {part!r}; say in MAY_IMPORT where it stands")
    for found in imports_of(source):
        where = f"{module}:{found.line} imports {found.name}"
        if found.relative:
            problems.append(f"{where}: relative; a flow's file must also deploy by its path")
        if is_private_prefect(found.name):
            problems.append(f"{where}: private to Prefect, may go with any release")
        if found.name.partition(".")[0] == HTTP_LIBRARY and module.removeprefix(f"{PACKAGE}.") not in MAY_SPEAK_HTTP:
            problems.append(f"{where}: only {', '.join(sorted(MAY_SPEAK_HTTP))} may")
        if found.typing_only or part not in MAY_IMPORT:
            continue
        top = found.name.partition(".")[0]
        if top in MUST_DO_WITHOUT.get(part, frozenset()):
            problems.append(f"{where}: {part} must do without {top}")
        if top == PACKAGE and not arrow_allowed(part, found.name):
            allowed = ", ".join(sorted(MAY_IMPORT[part])) or "nothing of the package"
            problems.append(f"{where}: {part} may import {allowed}")
    return problems


def is_private_prefect(name: str) -> bool:
    top, *rest = name.split(".")
    ours = top == PACKAGE or not (top == "prefect" or top.startswith("prefect_"))
    return not ours and any(part.startswith("_") and not part.endswith("__") for part in rest)


def arrow_allowed(part: str, imported: str) -> bool:
    inside = imported.removeprefix(f"{PACKAGE}.")
    targets = MAY_IMPORT[part] | FOR_ALL | {part}
    return any(inside == target or inside.startswith(f"{target}.") for target in targets)


def circles_among(sources: Mapping[str, str]) -> list[list[str]]:
    """Every set of modules that import one another, directly or by way of others, for types too; each sorted."""
    imports = {module: modules_imported_by(module, source, sources.keys()) for module, source in sources.items()}
    reached = {module: everything_reached_from(module, imports) for module in imports}
    circles = {tuple(sorted(other for other in found if module in reached[other])) for module, found in reached.items()}
    return sorted([*circle] for circle in circles if circle)


def modules_imported_by(module: str, source: str, modules: Collection[str]) -> set[str]:
    """The modules among `modules` that another one imports, also of a name like `client.errors.SeedanceError`."""
    found: set[str] = set()
    for name in (each.name for each in imports_of(source)):
        parts = name.split(".")
        longest_first = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        found |= {*islice((each for each in longest_first if each in modules), 1)}
    return found - {module}


def everything_reached_from(module: str, imports: Mapping[str, set[str]]) -> set[str]:
    """What a module imports, and what that imports, and so on; with itself only if the way leads back to it."""
    reached: set[str] = set()
    ahead = [*imports[module]]
    while ahead:
        if (step := ahead.pop()) not in reached:
            reached.add(step)
            ahead += imports[step]
    return reached


MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))
OTHER_SCRIPTS = sorted(path for name in ("deployments", "examples") for path in (ROOT / name).rglob("*.py"))
EVERYTHING = sorted(
    path
    for name in (PACKAGE, "tests", "deployments", "examples", "benchmarks", "docs")
    for path in (ROOT / name).rglob("*.py")
)
# Links at the top of the clone, for its readers and for deployments by path. The same module under two names would be
# two modules, with two of each class.
LINKS = frozenset({"flows", "blocks", "tasks"})


def test_every_part_is_there() -> None:
    parts = {part_of(module_name(path)) for path in MODULES}
    assert set(MAY_IMPORT) <= parts


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_keeps_the_rules(path: Path) -> None:
    assert problems_of(module_name(path), path.read_text(encoding="utf-8")) == []


#: A folder with more modules than this has sub-rooms. The simulator stands apart, and a run shows many things.
MOST_MODULES = 13
CROWDED = frozenset({"simulator", "runs"})


def test_every_line_of_the_log_is_an_aside() -> None:
    """A handler that raises must not stop a paid video: `asides` and `runs.logs` are the only ways to a log.

    `log_lines` writes nothing: it filters what Prefect writes, and is loaded with every flow.
    """
    exempt = ("asides.py", "runs/logs.py", "runs/ends/log_lines.py", "cli/", "simulator/")
    folder = ROOT / PACKAGE
    direct = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if re.search(r"\b(getLogger|get_logger|get_run_logger)\(", path.read_text())
    ]
    assert [name for name in direct if not name.startswith(exempt)] == []


def test_no_wait_can_swallow_a_cancellation() -> None:
    """`asyncio.wait_for` of Python 3.11 does, if what it waits for ends in that moment; `asyncio.timeout` does not."""
    found = [path for path in MODULES if "asyncio.wait_for(" in path.read_text(encoding="utf-8")]
    assert found == []


def test_no_folder_is_crowded() -> None:
    folders = {path.parent for path in MODULES if path.parent.name not in CROWDED}
    counted = {str(folder.relative_to(ROOT)): len([*folder.glob("[!_]*.py")]) for folder in folders}
    assert {folder: count for folder, count in counted.items() if count > MOST_MODULES} == {}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles_among({module_name(path): path.read_text(encoding="utf-8") for path in MODULES}) == []


CIRCLES = {
    "two modules": ({"p.a": "import p.b", "p.b": "from p.a import x"}, [["p.a", "p.b"]]),
    "by way of a third": ({"p.a": "import p.b", "p.b": "import p.c", "p.c": "import p.a"}, [["p.a", "p.b", "p.c"]]),
    "for types": (
        {"p.a": "from p import b", "p.b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import X"},
        [["p.a", "p.b"]],
    ),
    "in a function": ({"p.a": "import p.b", "p.b": "def f():\n    import p.a"}, [["p.a", "p.b"]]),
    "a package and its module": ({"p": "from p.a import x", "p.a": "from p import x"}, [["p", "p.a"]]),
    "two circles": (
        {"p.a": "import p.b", "p.b": "import p.a", "p.c": "import p.d, p.a", "p.d": "import p.c"},
        [["p.a", "p.b"], ["p.c", "p.d"]],
    ),
    "none": ({"p": "", "p.a": "import p.b, p.c\nfrom os import path", "p.b": "import p.c", "p.c": ""}, []),
}


@pytest.mark.parametrize(("sources", "circles"), CIRCLES.values(), ids=CIRCLES.keys())
def test_a_circle_is_found(sources: dict[str, str], circles: list[list[str]]) -> None:
    assert circles_among(sources) == circles


def imports_through_a_link(source: str) -> list[str]:
    if not re.search(rf"^\s*(from|import)\s(.*[\s,])?({'|'.join(LINKS)})\b", source, re.MULTILINE):
        return []  # most have none, and to take them apart would take long
    return [each.name for each in imports_of(source) if not each.relative and each.name.partition(".")[0] in LINKS]


def test_nothing_is_imported_through_the_links_at_the_top() -> None:
    found = {str(path): imports_through_a_link(path.read_text(encoding="utf-8")) for path in EVERYTHING}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("source", ["import flows", "from blocks.video_store import VideoStore", "import tasks.create"])
def test_an_import_through_a_link_would_be_noticed(source: str) -> None:
    assert len(imports_through_a_link(source)) == 1


@pytest.mark.parametrize("name", sorted(LINKS))
def test_a_link_at_the_top_leads_into_the_package(name: str) -> None:
    if (ROOT / "PKG-INFO").exists():
        pytest.skip("a source distribution has no links at its top")
    link = ROOT / name
    if not link.is_symlink():  # a system without links has small text files
        assert link.read_text(encoding="utf-8") == f"{PACKAGE}/{name}"
        return
    assert link.resolve() == ROOT / PACKAGE / name


@pytest.mark.parametrize("path", OTHER_SCRIPTS, ids=module_name)
def test_what_users_copy_touches_nothing_private_of_prefect(path: Path) -> None:
    private = [found.name for found in imports_of(path.read_text(encoding="utf-8")) if is_private_prefect(found.name)]
    assert private == []


PLANTED = {
    "a client that knows Prefect": ("client.http", "import prefect"),
    "a client that knows Prefect, in a function": ("client.http", "def f():\n    from prefect import flow"),
    "a client that knows the store": ("client.http", "from prefect_seedance.storage import local"),
    "a client that takes a public name": ("client.http", "from prefect_seedance import VideoStore"),
    "a store that knows the client": ("storage.s3", "import prefect_seedance.client.errors"),
    "a store that knows prefect_aws": ("storage.s3", "from prefect_aws import AwsCredentials"),
    "a journal that looks up to blocks": ("journal.record", "from prefect_seedance import blocks"),
    "a block that looks up to tasks": ("blocks.store", "from prefect_seedance.tasks.create import x"),
    "a task that looks up to flows": ("tasks.create", "from prefect_seedance.flows import generate"),
    "a flow that knows the simulator": ("flows.one", "import prefect_seedance.simulator"),
    "a simulator that knows more than the routes": (
        "simulator.app",
        "from prefect_seedance.client.errors import SeedanceError",
    ),
    "a module whose name only begins like an allowed one": (
        "simulator.app",
        "from prefect_seedance.client.request.routes_extra import x",
    ),
    "a flow that uses a private Prefect module": ("flows.one", "from prefect._internal.schemas import x"),
    "a flow that takes a private Prefect name": ("flows.one", "from prefect.utilities import _engine"),
    "a private Prefect module for its types": (
        "flows.one",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import prefect._internal.types",
    ),
    "a private Prefect module on the command line": ("cli.main", "import prefect._vendor"),
    "a library loaded by its name": ("client.http", "import importlib\nimportlib.import_module('boto3')"),
    "a relative import": ("client.http", "from . import errors"),
    "a shared helper that knows the client": ("lazy_names", "import prefect_seedance.client"),
    "a part that nobody placed": ("helpers.misc", ""),
    "a second module that speaks HTTP": ("client.answers", "import httpx"),
    "a second module that speaks HTTP, for its types": (
        "blocks.store",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from httpx import Client",
    ),
    "a command line that speaks HTTP": ("cli.main", "def f():\n    import httpx"),
}


@pytest.mark.parametrize(("module", "source"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_caught(module: str, source: str) -> None:
    assert len(problems_of(f"{PACKAGE}.{module}", source)) == 1


SOUND = {
    "downwards": ("flows.one", "from prefect_seedance.tasks.create import x\nfrom prefect import flow"),
    "inside its part": ("client.http", "from prefect_seedance.client.errors import SeedanceError"),
    "the route table": ("simulator.app", "from prefect_seedance.client.request.routes import ROUTES"),
    "the route table, as a module": ("simulator.app", "from prefect_seedance.client.request import routes"),
    "boto3 where it belongs": ("storage.s3", "def f():\n    import boto3"),
    "what loads names when asked for": ("client", "from prefect_seedance.lazy_names import lazy_names"),
    "types only": (
        "blocks.store",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from prefect_seedance.tasks import x",
    ),
    "the command line": ("cli.main", "from prefect_seedance.simulator import app\nimport prefect"),
    "our own private module": ("client.http", "from prefect_seedance.client import _parts"),
    "the module that speaks HTTP": ("client.http", "import httpx"),
}


@pytest.mark.parametrize(("module", "source"), SOUND.values(), ids=SOUND.keys())
def test_a_sound_module_is_left_alone(module: str, source: str) -> None:
    assert problems_of(f"{PACKAGE}.{module}", source) == []
