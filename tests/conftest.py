"""What tests share: one thread, a cache and runs of their own, and the real data where it is."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_runs(tmp_path, monkeypatch):
    """No test writes into the user's runs."""
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path / "runs"))


@pytest.fixture(autouse=True)
def _core_dumps(monkeypatch):
    """No test takes them from the process of all tests, nor from the servers that this one starts, which are asked for it."""
    monkeypatch.setattr("facelab.webapp.core_dumps.forbid_core_dumps", lambda: None)


def _real(name: str) -> Path:
    root = os.environ.get("FACELAB_DATA")
    if not root or not (Path(root) / name).is_dir():
        pytest.skip(f"needs the data set {name} below FACELAB_DATA")
    return Path(root) / name


@pytest.fixture
def real_lfw() -> Path:
    return _real("lfw")


@pytest.fixture
def real_utkface() -> Path:
    return _real("utkface")


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """An empty FACELAB_DATA, and a cache of its own."""
    monkeypatch.setenv("FACELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def notebook_folder(tmp_path, monkeypatch) -> Path:
    """Where the sources of notebooks are, of a project of its own in ``tmp_path``."""
    from facelab.labs import batch, build, parameters

    for module in (build, parameters):
        monkeypatch.setattr(module, "project_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(batch, "work_root", lambda: tmp_path)
    folder = tmp_path / "notebooks" / "src"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def clock():
    """The clock of a Face-ID service."""
    from faceid import FakeClock

    return FakeClock()


@pytest.fixture
def side():
    """The side to which a Face-ID service asks to turn."""
    from faceid import FixedSide

    return FixedSide()


@pytest.fixture
def client(tmp_path, side, clock):
    """A browser before a Face-ID service, whose clock and side are those of the test."""
    from faceid import new_service, open_client

    with open_client(new_service(tmp_path, side=side, clock=clock)) as client:
        yield client


@pytest.fixture
def quick_passphrases(monkeypatch):
    """Where the cost of a passphrase is of no concern."""
    from factors import QUICK

    monkeypatch.setattr("facelab.webapp.passphrase._COST", QUICK)


@pytest.fixture
def by_passphrase(tmp_path, quick_passphrases):
    """A browser before a Face-ID service that asks for a passphrase, too."""
    from faceid import new_service, open_client

    with open_client(new_service(tmp_path, second_factor="passphrase")) as client:
        yield client


@pytest.fixture
def facelab(tmp_path, monkeypatch, capsys):
    """The command on the folder of Face-ID accounts of this test: its exit code, what it printed, and the error."""
    from commands import call
    from kept_accounts import settings_of

    settings = settings_of(tmp_path)
    monkeypatch.setenv("FACELAB_KEY_FILE", str(settings.key_file))

    def run(*words: str) -> tuple[int, str, str]:
        code = call(monkeypatch, *words, "--folder", str(settings.folder))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run
