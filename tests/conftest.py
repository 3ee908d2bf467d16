"""What holds for every test: a clean environment, a bounded search, and no way out of this machine.

The environment is set when this file is imported, because Prefect reads its settings once, at its own import.
Every process (each worker of `pytest -n`) has a Prefect home of its own, so none meets another's database.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.prefect_server import running_prefect_server

if "prefect" in sys.modules:
    raise RuntimeError(
        "Prefect was imported before tests/conftest.py could give it a home of its own: look for a plugin "
        "(-p, PYTEST_PLUGINS) that imports it, since tests could reach your real Prefect server."
    )

# A developer's own key, cloud account, Prefect profile or proxy must not leak into a test.
FOREIGN_PREFIXES = ("JIMMYAI_", "AWS_", "PREFECT_")
PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
for name in list(os.environ):
    if name.startswith(FOREIGN_PREFIXES) or name.upper() in PROXY_NAMES:
        del os.environ[name]

prefect_home = tempfile.mkdtemp(prefix="prefect-seedance-tests-")
atexit.register(shutil.rmtree, prefect_home, ignore_errors=True)

os.environ.update(
    {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": prefect_home,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Its 20 seconds are too few on a busy machine.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        # Nor are five repeats enough for a server whose SQLite is busy.
        "PREFECT_CLIENT_MAX_RETRIES": "8",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
)

# No deadline: a property that starts a server or shares two cores with the rest is slow, not wrong. And never the same
# examples again, which is what hypothesis would make of the variable CI.
for profile, examples in {"bounded": 30, "thorough": 2000}.items():
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        derandomize=False,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "bounded"))


class OutgoingConnectionError(Exception):
    """A test tried to reach another machine.

    Not an `OSError`: code under test would take that for a network fault and try again.
    """


class LoopbackOnly:
    """An audit hook that lets this process connect to itself only.

    Python cannot remove an audit hook, so `active` switches it. Refused addresses are kept in `refused`,
    since a library may swallow the exception.
    """

    def __init__(self) -> None:
        self.active = False
        self.refused: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.getaddrinfo" and self.active and not is_here(arguments[0]):
            raise socket.gaierror(socket.EAI_NONAME, "tests ask no name server")
        if event != "socket.connect" or not self.active:
            return
        address = arguments[1]
        # AF_INET and AF_INET6 addresses are tuples that begin with a host; AF_UNIX ones are a path.
        if isinstance(address, tuple) and not is_loopback(str(address[0])):
            self.refused.append(str(address))
            raise OutgoingConnectionError(f"tests may connect to this machine only, not to {address}")


def is_loopback(host: str) -> bool:
    """Tell whether a connection to this host stays on this machine, without asking a name server."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def is_here(host: object) -> bool:
    """Tell whether a host need not be looked up: this machine, or any address."""
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "localhost")
    with suppress(ValueError):
        return bool(ipaddress.ip_address(text.partition("%")[0]))
    with suppress(OSError):  # 0x7f000001, 127.1
        return bool(socket.inet_aton(text))
    return text == "localhost"


guard = LoopbackOnly()
sys.addaudithook(guard)


# The tests of each of these folders or files share servers and processes that take long to start, so one worker has
# them all; what has one name goes together, and a file goes before its folder. In deployments and prefect_runs, which
# scripts/test gives a call of their own, runs are ended to the second: that goes wrong between too many neighbours.
# They are begun in this order, before all other tests: what takes longest comes first.
TOGETHER = {
    "deployments": "deployments",
    "prefect_runs": "prefect_runs",
    "chaos": "chaos",
    "flows": "flows",
    **dict.fromkeys(("blocks", "cli", "docs", "examples", "test_form.py"), "one Prefect server"),
    **dict.fromkeys(
        ("test_accounts.py", "test_what_a_batch_shows.py", "test_account_limit.py", "test_batch_labels.py"),
        "one Prefect server",
    ),
    # Else the flows would be the last to end, by far.
    **dict.fromkeys(("test_generate_video.py", "test_s3_store.py", "test_same_journal.py"), "flows and stores"),
    "browser": "browser",
    "costs": "costs",
    "test_every_route.py": "every route",
    "test_advice.py": "advice",
}
GROUPS = list(dict.fromkeys(TOGETHER.values()))


def group_of(nodeid: str) -> str | None:
    """Return the group of `TOGETHER` that a test belongs to."""
    parts = reversed(nodeid.partition("::")[0].split("/"))
    return next((TOGETHER[part] for part in parts if part in TOGETHER), None)


def turn_of(item: pytest.Item) -> tuple[int, bool]:
    """Return when a test gets its turn: the groups come first, then the slow tests, then the others."""
    group = group_of(item.nodeid)
    return (GROUPS.index(group), True) if group else (len(GROUPS), item.get_closest_marker("slow") is None)


class Together(LoadScopeScheduling):
    """What a worker of `pytest -n` gets at once: a group of `TOGETHER`, or all cases of a test.

    With single cases the controller and the workers would spend more time on telling each other of them than many of
    them take. The same as `--dist loadgroup`, which pytest-xdist 3.8 silently leaves undone with pytest 9.2.
    """

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False  # they are in order; their number says little of how long they take
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid.partition("[")[0]


class Sampling:
    """Which cases are left for ``scripts/test --long``: see the markers `sample` and `long` in pyproject.toml."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def leaves_out(self, item: pytest.Item) -> bool:
        if os.environ.get("RUN_LONG"):
            return False
        sample = item.get_closest_marker("sample")
        test = item.nodeid.partition("[")[0]
        self._seen[test] += 1
        is_chosen = sample is None or self._seen[test] % sample.kwargs["every"] == 1
        return not is_chosen or item.get_closest_marker("long") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is too much for every commit, and allow tests with a server more time.

    To start and to end a server counts for the first and for the last test that uses it.
    """
    sampling = Sampling()
    left_out = [item for item in items if sampling.leaves_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = {*left_out}
        items[:] = [item for item in items if item not in gone]
    for item in items:
        if "prefect_server" in getattr(item, "fixturenames", ()) and not group_of(item.nodeid):
            raise pytest.UsageError(f"{item.nodeid}: name its file in TOGETHER, or each worker starts a server")
        if item.get_closest_marker("server") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))
    if hasattr(config, "workerinput"):  # of pytest-xdist
        items.sort(key=turn_of)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Of pytest-xdist."""
    return Together(config, log)


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[LoopbackOnly]:
    """Refuse every connection of this process to another machine, and fail the run if one was tried."""
    guard.active = True
    yield guard
    guard.active = False
    assert not guard.refused, f"a test tried to reach another machine: {guard.refused}"


@pytest.fixture(scope="session")
def prefect_server(loopback_only: LoopbackOnly, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server for this run alone, on a database of its own; gives the URL of its API."""
    from prefect import context
    from prefect.settings import PREFECT_API_URL, temporary_settings

    idle = ("SCHEDULER", "LATE_RUNS", "FOREMAN", "REPOSSESSOR", "PAUSE_EXPIRATIONS")
    quiet = {f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in idle}
    with (
        running_prefect_server(tmp_path_factory.mktemp("prefect-server"), environment=quiet) as server,
        temporary_settings({PREFECT_API_URL: server.api_url}),
        ExitStack() as more,
    ):
        # As Prefect's own test harness does, where it has it: also for threads without this one's context.
        everywhere = getattr(context, "_temporary_global_settings_context", None)
        if everywhere is not None:
            more.enter_context(everywhere(context.get_settings_context()))
        yield server.api_url
