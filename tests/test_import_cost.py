"""Importing the package is cheap: a library that one feature needs is loaded when that feature is used.

Prefect imports every collection that is installed whenever a server or a worker starts, and for each block by name.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.test_packaging import installed

HEAVY = frozenset({"boto3", "botocore", "av", "prefect_aws", "aiobotocore", "fastapi", "uvicorn", "sqlalchemy", "PIL"})
PREFECT_ALONE = "from prefect import flow, task; from prefect.blocks.core import Block; import httpx"


@cache
def modules_after(statement: str) -> frozenset[str]:
    """Names of all modules that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, timeout=100)
    return frozenset(output.stdout.splitlines()[-1].split())


def heavy_modules_added_by(statement: str) -> set[str]:
    """The heavy modules that a statement loads and that Prefect's own import does not."""
    return set((modules_after(statement) & HEAVY) - modules_after(PREFECT_ALONE))


def test_no_heavy_library_is_loaded_before_it_is_used() -> None:
    names = ("VideoRequest", "SeedanceCredentials", "VideoStore", "generate_video", "resolve_submission")
    assert heavy_modules_added_by(f"from prefect_seedance import {', '.join(names)}") == set()


#: Where the work of a run begins; each brings a good part of the package with it.
FOR_A_RUN = frozenset(
    f"prefect_seedance.{name}"
    for name in ("client.http", "client.models", "journal.journal", "pipeline.steps", "storage.relay", "storage.folder")
)


def test_what_only_a_run_needs_is_not_loaded_with_the_flow() -> None:
    names = "SeedanceCredentials, VideoStore, generate_video, generate_videos, plan_videos"
    loaded = modules_after(f"from prefect_seedance import {names}")
    assert loaded & FOR_A_RUN == set()
    assert "prefect_seedance.redaction" not in loaded, "compiling its patterns is a tenth of what we add"
    assert modules_after("import prefect_seedance.pipeline.steps") >= FOR_A_RUN - {"prefect_seedance.storage.folder"}


def test_the_client_alone_does_not_load_prefect() -> None:
    loaded = modules_after("from prefect_seedance import SeedanceClient, AsyncSeedanceClient, VideoRequest")
    assert not loaded & (HEAVY | {"prefect"})


@pytest.mark.parametrize("name", ["VideoStore", "generate_video", "create_video"])
def test_prefect_is_imported_before_what_stands_on_it_and_not_from_inside(name: str) -> None:
    """From deep inside it takes 5 % longer: see ``lazy_names``."""
    script = f"from prefect_seedance import {name}\nimport sys\nprint(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, timeout=100)
    order = output.stdout.splitlines()[-1].split()
    rooms = [
        order.index(f"prefect_seedance.{room}")
        for room in ("blocks", "tasks", "flows")
        if f"prefect_seedance.{room}" in order
    ]
    assert rooms
    assert order.index("prefect") < min(rooms)


def test_a_heavy_library_would_be_noticed() -> None:
    assert heavy_modules_added_by("import prefect_seedance, boto3") >= {"boto3", "botocore"}


def test_every_public_name_resolves() -> None:
    import prefect_seedance

    assert prefect_seedance.__all__
    missing = [name for name in prefect_seedance.__all__ if getattr(prefect_seedance, name, None) is None]
    assert missing == []
    assert set(prefect_seedance.__all__) <= set(dir(prefect_seedance))


def test_the_lists_of_public_names_are_one() -> None:
    """What is loaded when asked for, what ``__all__`` says, and what type checkers see."""
    import prefect_seedance

    tree = ast.parse(Path(str(prefect_seedance.__file__)).read_text(encoding="utf-8"))
    (typed,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {
        alias.name: str(statement.module).removeprefix("prefect_seedance.")
        for statement in typed.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == prefect_seedance._HOMES
    assert sorted(seen) == sorted(prefect_seedance.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import prefect_seedance

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = prefect_seedance.no_such_name  # type: ignore[attr-defined]


@pytest.fixture
def broken_libraries(tmp_path: Path) -> Path:
    """A folder with libraries that fail when they are imported, as one does that was built for another machine.

    That of prefect-aws is without the entry point of the real one, which Prefect would complain of by itself.
    """
    for name in ("av", "PIL", "boto3", "botocore", "prefect_aws"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('libbroken.so.1: cannot open shared object')")
    metadata = tmp_path / "prefect_aws-99.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: prefect-aws\nVersion: 99.0\n")
    return tmp_path


def run_with(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(Path(__file__).parents[1])])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=100,
    )


# What a server and a worker do when they start, and everybody who loads a block.
LOAD_COLLECTIONS = """
import sys
from prefect.plugins import load_prefect_collections
load_prefect_collections()
sys.exit("prefect_seedance.blocks.video_store" not in sys.modules)
"""


def test_broken_libraries_neither_keep_the_blocks_from_being_known_nor_print_anything(broken_libraries: Path) -> None:
    installed()
    done = run_with(broken_libraries, "-c", LOAD_COLLECTIONS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_collection_that_is_broken_would_be_complained_of(broken_libraries: Path) -> None:
    metadata = broken_libraries / "prefect_aws-99.0.dist-info"
    (metadata / "entry_points.txt").write_text("[prefect.collections]\nprefect_aws = prefect_aws\n")
    done = run_with(broken_libraries, "-c", LOAD_COLLECTIONS)
    assert "libbroken.so.1" in done.stdout + done.stderr


def test_broken_libraries_print_nothing_at_the_start_of_prefects_command_line(broken_libraries: Path) -> None:
    done = run_with(broken_libraries, "-m", "prefect", "version")
    assert done.returncode == 0
    assert done.stdout.startswith("Version:")
    assert "seedance" not in done.stdout
    assert done.stderr == ""
