"""generate --dry-run: what one video would cost, and whether it is there. Nothing is paid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_seedance import RunOptions, SeedanceCredentials, VideoRequest, VideoStore
from prefect_seedance.cli.batch.dry_run import try_out
from prefect_seedance.simulator import Simulator, running_simulator
from tests.cli.test_commands import run
from tests.media.workshop import picture
from tests.pipeline.harness import REQUEST, account_at, destination_in, order_of
from tests.pipeline.test_submit import submit

Tried = tuple[int, str]


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with running_simulator(seconds=0.3) as simulator:
        yield simulator


@pytest.fixture
def vendor(shared: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    monkeypatch.setenv("JIMMYAI_BASE_URL", shared.url)
    shared.reset()
    return shared


def asked(**fields: object) -> VideoRequest:
    small = {"prompt": "A paper boat", "model": "seedance2.0-mini", "resolution": "480p", "duration": 4}
    return VideoRequest.model_validate({**small, **fields})


@pytest.fixture
def store(tmp_path: Path) -> VideoStore:
    return VideoStore(location=str(tmp_path / "store"))


def tried(
    request: VideoRequest, store: VideoStore, capsys: pytest.CaptureFixture[str], key: str = "", **options: bool
) -> Tried:
    credentials = SeedanceCredentials(api_key=key) if key else None
    code = try_out(request, credentials, store, RunOptions.model_validate(options))
    return code, capsys.readouterr().out


def test_the_command_needs_neither_prefect_nor_a_key_and_pays_nothing(vendor: Simulator, tmp_path: Path) -> None:
    nowhere = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "JIMMYAI_BASE_URL": vendor.url, "JIMMYAI_API_KEY": ""}
    words = ("--prompt", "A boat", "--model", "seedance2.0-mini", "--duration", "4")
    told = run("generate", "--dry-run", *words, cwd=tmp_path, **nowhere)
    assert told.returncode == 0, told.stderr
    assert "0.2 coins (estimate by the vendor's public catalog; as of 20" in told.stdout
    assert "Balance     not known" in told.stdout and "no API key" in told.stdout
    assert vendor.bills() == []
    assert not (tmp_path / "seedance-videos").exists(), "nothing is written"


def test_it_tells_price_source_date_and_balance(
    vendor: Simulator, store: VideoStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "boat.png").write_bytes(picture("boat"))
    code, told = tried(asked(images=[str(tmp_path / "boat.png")]), store, capsys, vendor.key)
    assert (code, vendor.bills()) == (0, [])
    for words in ("0.12 coins (estimate by the", "as of 20", "Balance     1000 coins", "not there yet"):
        assert words in told
    assert not Path(store.location).exists()


def test_what_the_journal_has_costs_nothing(
    vendor: Simulator, store: VideoStore, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(order_of(), account_at(vendor.url, vendor.key), destination_in(Path(store.location)), preflight=False)
    code, told = tried(REQUEST, store, capsys)
    assert code == 0 and "paid for already" in told and "Price       0 coins" in told
    code, told = tried(REQUEST.model_copy(update={"take": "2"}), store, capsys)
    assert code == 0 and "not there yet" in told
    assert len(vendor.bills()) == 1


def test_what_is_wrong_is_said_and_is_the_exit_code(
    vendor: Simulator, store: VideoStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_text("<html>")
    text, gone = str(tmp_path / "text.png"), str(tmp_path / "gone.png")
    code, told = tried(asked(images=[text]), store, capsys)
    assert code == 1 and "neither picture, video nor sound" in told
    code, told = tried(asked(images=[text]), store, capsys, preflight=False)
    assert code == 0
    code, told = tried(asked(images=[gone]), store, capsys)
    assert code == 1 and "gone.png" in told
    code, told = tried(asked(other_model="brand-new"), store, capsys, vendor.key)
    assert code == 0 and "Price       unknown" in told and "credentials" in told
    assert vendor.bills() == []
