"""Cells as jobs of Slurm: computed as everywhere, and one whose job died is one that failed."""

import os
import signal

import pytest
import torch

pytest.importorskip("submitit")

from facelab import progress
from facelab.batches.jobs import Engine, JobEnd
from facelab.errors import FacelabError
from facelab.experiments import slurm_jobs
from facelab.experiments.cells import Job, cell_path, code_digest
from facelab.experiments.experiment import Cell, Experiment
from facelab.experiments.grid import run_experiment
from facelab.experiments.slurm_jobs import SlurmJobs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


def run(cell: Cell) -> dict[str, object]:
    if cell.key[0] == "broken":
        raise ZeroDivisionError("on purpose")
    torch.manual_seed(0)
    return {"sum": torch.rand(3).sum().item(), "threads": torch.get_num_threads()}


@pytest.fixture
def experiment() -> Experiment:
    cells = [Cell(("one",)), Cell(("broken",)), Cell(("dead",))]
    return Experiment("99_test", "99", "a test", (), lambda seeds: cells, run, dict, lambda seeds: {}, seeds=0)


@pytest.fixture
def one_process(monkeypatch):
    """What a job changes in its process is put back afterwards."""
    before = signal.getsignal(signal.SIGUSR2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(progress, "_silenced", False)
    yield
    signal.signal(signal.SIGUSR2, before)


def test_a_job_computes_as_every_other_engine_and_what_failed_is_told(experiment, one_process, tmp_path, capfd):
    engine = SlurmJobs(Engine("debug", tmp_path / "jobs", 1, "test"))
    kept, _ = run_experiment(experiment, only="one", engine=engine)
    assert kept["one"].figures == run(Cell(("one",))) | {"threads": 1}
    with pytest.raises(FacelabError, match="1 of 1 cells failed: broken"):
        run_experiment(experiment, only="one|broken", engine=engine)
    assert "ZeroDivisionError: on purpose" in capfd.readouterr().err


def test_a_cell_whose_job_died_is_one_that_failed(experiment, monkeypatch, tmp_path, capfd):
    seen = []

    def run_jobs(calls, engine):
        seen.append((len(calls), engine.workers, engine.sbatch))
        yield JobEnd(0, problem="Job 12_0 of Slurm: it had too little memory. Its output is x.err.")

    monkeypatch.setattr(slurm_jobs, "run_jobs", run_jobs)
    engine = SlurmJobs(Engine("slurm", tmp_path / "jobs", 256, "test", sbatch={"mem": "1G"}))
    with pytest.raises(FacelabError, match="1 of 1 cells failed: dead"):
        run_experiment(experiment, only="dead", workers=7, engine=engine)
    assert "dead:\nJob 12_0 of Slurm: it had too little memory. Its output is x.err.\n" in capfd.readouterr().err
    assert seen == [(1, 7, {"mem": "1G"})]


def test_a_job_has_the_folders_of_who_submitted_it(experiment, one_process, monkeypatch, tmp_path):
    """A cluster may hand on no environment."""
    cell = experiment.grid(0)[0]
    job = Job(experiment.run, cell, cell_path(experiment, cell, {}), code_digest())
    monkeypatch.setenv("FACELAB_DATA", "elsewhere")
    assert slurm_jobs._compute(job, {"FACELAB_DATA": str(tmp_path)}).error == ""
    assert os.environ["FACELAB_DATA"] == str(tmp_path) and signal.getsignal(signal.SIGUSR2) == signal.SIG_IGN
