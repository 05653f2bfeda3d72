"""The live log of a training: what a logger is told, and that a run which was stopped goes on in the same log."""

import csv
import itertools
import warnings
from collections import defaultdict

import pytest
from lightning_fabric.loggers import CSVLogger
from test_training import PLAN, Stop, stop_at
from tiny import tiny_faces, tiny_method

from facelab.errors import BadParameterError, FacelabError
from facelab.training import fit, new_logger
from facelab.training import log as log_module


class Told:
    """A logger of which nothing is known but Fabric's interface, as those of W&B and MLflow."""

    def __init__(self) -> None:
        self.entries, self.saved = [], 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.entries.append((step, metrics))

    def save(self) -> None:
        self.saved += 1


def rows(folder) -> dict[str, dict[int, float]]:
    """Series of a CSV log, name -> step -> value; no step twice."""
    series = defaultdict(dict)
    with (folder / "log" / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if name != "step" and value:
                    assert int(row["step"]) not in series[name], (name, row["step"])
                    series[name][int(row["step"])] = float(value)
    return dict(series)


def events(folder) -> dict[str, dict[int, float]]:
    """The same of a TensorBoard log."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "log"), size_guidance={"scalars": 0})
    found.Reload()
    series = {name: found.Scalars(name) for name in found.Tags()["scalars"]}
    for name, scalars in series.items():
        assert len({scalar.step for scalar in scalars}) == len(scalars), name
    return {name: {scalar.step: scalar.value for scalar in scalars} for name, scalars in series.items()}


READ = {"csv": rows, "tensorboard": events}
MEASURED = {"monitors": [lambda method: {"norm": 1.5}], "validate": lambda method: 0.25}


def test_a_logger_is_told_every_step_and_every_epoch():
    told = Told()
    history = fit(tiny_method(), tiny_faces(), PLAN, logger=told, **MEASURED)
    steps = [(step, entry) for step, entry in told.entries if "step/loss" in entry]
    epochs = [(step, entry) for step, entry in told.entries if "step/loss" not in entry]
    assert [step for step, _ in steps] == list(range(18)) and [step for step, _ in epochs] == [5, 11, 17]
    assert [entry for _, entry in epochs] == [
        {f"epoch/{name}": value for name, value in epoch.items()} for epoch in history.epochs
    ]
    assert epochs[0][1]["epoch/norm"] == 1.5 and epochs[0][1]["epoch/validation"] == 0.25
    mean = sum(entry["step/loss"] for _, entry in steps[:6]) / 6
    assert mean == pytest.approx(history.epochs[0]["loss"])
    assert told.saved >= 3


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("step", [3, 6, 9])
def test_a_resumed_run_goes_on_in_the_same_log(tmp_path, monkeypatch, kind, step):
    """Stopped within an epoch and between two, some steps after the last checkpoint, which are logged a second time."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fit(tiny_method(), tiny_faces(), PLAN, folder=whole, logger=new_logger(kind, whole), **MEASURED)
    warnings.simplefilter("error")
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        logger = new_logger(kind, cut)
        with pytest.raises(Stop):
            fit(tiny_method(), tiny_faces(), PLAN, folder=cut, logger=logger, **MEASURED)
        logger.save()  # what was logged after the checkpoint reaches the disk, as it may
    before = READ[kind](cut)
    assert list(before["step/loss"]) == list(range(step + 1))
    fit(tiny_method(), tiny_faces(), PLAN, folder=cut, logger=new_logger(kind, cut), **MEASURED)
    assert READ[kind](cut) == READ[kind](whole)
    assert list(READ[kind](cut)["step/loss"]) == list(range(18))


@pytest.mark.parametrize("written", [0, 5])
def test_a_start_that_is_killed_loses_no_epoch_before_it(tmp_path, monkeypatch, written):
    """While the rows of earlier steps are written again: none of them yet, or only some."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fit(tiny_method(), tiny_faces(), PLAN, folder=whole, logger=new_logger("csv", whole))
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_at(patch, 9)
        fit(tiny_method(), tiny_faces(), PLAN, folder=cut, logger=new_logger("csv", cut))
    real, count = CSVLogger.log_metrics, itertools.count()

    def dying(self, *args):
        if next(count) == written:
            self.save()
            raise Stop
        real(self, *args)

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(CSVLogger, "log_metrics", dying)
        fit(tiny_method(), tiny_faces(), PLAN, folder=cut, logger=new_logger("csv", cut))
    fit(tiny_method(), tiny_faces(), PLAN, folder=cut, logger=new_logger("csv", cut))
    assert rows(cut) == rows(whole)
    assert [path.name for path in cut.rglob("*.csv")] == ["metrics.csv"]


@pytest.mark.parametrize("kind", READ)
def test_a_finished_run_keeps_its_log(tmp_path, kind):
    for _ in range(2):
        fit(tiny_method(), tiny_faces(), PLAN, folder=tmp_path, logger=new_logger(kind, tmp_path))
        found = READ[kind](tmp_path)
        assert list(found["step/loss"]) == list(range(18)) and list(found["epoch/loss"]) == [5, 11, 17]


def test_another_process_than_the_first_logs_nothing(tmp_path):
    from types import SimpleNamespace

    told = Told()
    log = log_module.TrainingLog(told, SimpleNamespace(is_global_zero=False), 6, 0)
    log.add_step(0, 0, {"loss": 1.0})
    log.add_epoch(0, {"loss": 1.0})
    assert not told.entries and not told.saved


def test_lightnings_own_loggers_have_the_interface(tmp_path):
    """W&B's and MLflow's are written against it, in the package that Lightning's users have."""
    loggers = pytest.importorskip("pytorch_lightning.loggers")
    assert issubclass(loggers.WandbLogger, loggers.Logger) and issubclass(loggers.MLFlowLogger, loggers.Logger)
    assert issubclass(loggers.CSVLogger, CSVLogger)
    fit(tiny_method(), tiny_faces(), PLAN, logger=loggers.CSVLogger(tmp_path, name="", version="log"))
    assert list(rows(tmp_path)["step/loss"]) == list(range(18))


def test_unknown_and_missing_loggers_are_refused(tmp_path, monkeypatch):
    with pytest.raises(BadParameterError, match="No logger is called 'tensorbord'. Did you mean 'tensorboard'"):
        new_logger("tensorbord", tmp_path)

    def missing(**_):
        raise ModuleNotFoundError("Neither `tensorboard` nor `tensorboardX` is available.")

    monkeypatch.setitem(log_module.LOGGERS, "tensorboard", missing)
    with pytest.raises(FacelabError, match=r"not installed. pip install 'facelab\[track\]'"):
        new_logger("tensorboard", tmp_path)
    assert not list(tmp_path.iterdir())
