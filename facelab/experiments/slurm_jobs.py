"""The engine of a cluster: a job of Slurm for each cell, submitted by submitit."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from facelab import progress
from facelab.batches.jobs import Engine as JobEngine
from facelab.batches.jobs import run_jobs
from facelab.experiments.cells import Job, Outcome, compute_cell
from facelab.labs.kernel import fix_folders


@dataclass(frozen=True)
class SlurmJobs:
    """An ``Engine`` of cells; where it is closed before its end, its jobs are cancelled.

    Attributes:
        engine: how the jobs are submitted.
    """

    engine: JobEngine

    def __call__(self, jobs: Sequence[Job], workers: int) -> Generator[Outcome]:
        """Compute cells, so many at a time, and tell of each when it is done, or its job has died.

        Raises:
            FacelabError: as ``run_jobs``.
        """
        variables = fix_folders()
        calls = [partial(_compute, job, variables) for job in jobs]
        for end in run_jobs(calls, replace(self.engine, workers=workers)):
            yield Outcome(jobs[end.index], 0.0, f"{end.problem}\n") if end.problem else end.result


def _compute(job: Job, variables: dict[str, str]) -> Outcome:
    """In a job of Slurm: a cell with one thread, as everywhere."""
    # submitit's, before the time limit: a cell cannot go on elsewhere; at a preemption Slurm itself queues the job again
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    os.environ.update(variables, OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    progress.silence()
    return compute_cell(job)
