"""Runs the cells of any experiment: side by side, kept as they are done, stopped at any time, and summarised into its record.

A cell that is done lies in ``runs/experiments/NAME`` under a hash of everything that decides it, and a second call reads it.
Who computes the missing cells is an ``Engine`` (``cells``): ``local_processes`` of this machine, or ``slurm_jobs``.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from facelab import progress, records
from facelab.errors import BadParameterError, FacelabError
from facelab.experiments.cells import (
    CellResult,
    Engine,
    Job,
    cell_path,
    code_digest,
    package_versions,
    read_cell,
)
from facelab.experiments.experiment import Cell, Experiment
from facelab.experiments.local_processes import run_in_local_processes
from facelab.files import check_writable
from facelab.paths import project_data
from facelab.records import Record


def run_experiment(
    experiment: Experiment,
    seeds: int | None = None,
    workers: int | None = None,
    only: str | None = None,
    engine: Engine | None = None,
) -> tuple[dict[str, CellResult], Path | None]:
    """Compute the cells that are not kept yet, and write the record when all of them are there.

    Args:
        experiment: which one.
        seeds: 0 ... seeds-1; None: as many as the experiment usually has.
        workers: cells at a time, a core each; None: one a core, four at most. The figures do not depend on it.
        only: a regular expression; only cells whose label it finds are computed, and no record is written.
        engine: who computes them; None: ``run_in_local_processes``.

    Returns:
        Label of each cell that was asked for -> what is kept of it, and the path of the record; None with ``only``, and
        where the experiment has none.

    Raises:
        BadParameterError: too few seeds, a pattern that finds no cell, cells of one label, or more than one worker where time
            is measured.
        DataMissingError: a data set is not there.
        FacelabError: a cell failed (the others were computed first), a process was killed, a kept file is damaged, the folder
            of the cells cannot be written, or a package of the experiment is not installed.
    """
    seeds, workers = _checked_seeds(experiment, seeds), _checked_workers(experiment, workers)
    cells = matching_cells(experiment.grid(seeds), only)
    data = experiment.data()
    jobs = [Job(experiment.run, cell, cell_path(experiment, cell, data), code_digest()) for cell in cells]
    compute_missing(experiment.name, jobs, workers, engine or run_in_local_processes)
    kept = {job.cell: read_cell(job.path) for job in jobs}
    by_label = {cell.label: entry for cell, entry in kept.items()}
    if only is not None or experiment.summarise is None:
        return by_label, None
    record = Record(experiment.name, experiment.command(seeds), experiment.parameters(seeds))
    record.versions = records.versions(threads=1) | package_versions(experiment)
    record.data |= data
    record.metrics = experiment.summarise({cell.key: entry.figures for cell, entry in kept.items()})
    record.wall_seconds = round(sum(entry.seconds for entry in kept.values()), 1)
    return by_label, record.write(project_data("results", f"{experiment.name}.json"))


def matching_cells(cells: Sequence[Cell], only: str | None) -> list[Cell]:
    """The cells whose label a regular expression finds; all without one.

    Raises:
        BadParameterError: no regular expression, or one that finds no cell; or two cells have one label.
    """
    try:
        pattern = re.compile(only or "")
    except re.error as error:
        raise BadParameterError(
            f"{only!r} is not a regular expression ({error}).", "Write a part of a label."
        ) from error
    labels = [f"'{cell.label}'" for cell in cells]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise BadParameterError(f"Two cells of the grid are called {twice}.", "Give each a key of its own.")
    found = [cell for cell in cells if pattern.search(cell.label)]
    if not found:
        shown = " ".join(labels[:5]) + (f" ... {labels[-1]}" if len(labels) > 5 else "")
        raise BadParameterError(f"No cell's label contains {only!r}.", f"There are {len(labels)}: {shown}.")
    return found


def compute_missing(title: str, jobs: Sequence[Job], workers: int, engine: Engine) -> None:
    """Let an engine compute the jobs whose figures are not kept, with progress and time left.

    Raises:
        FacelabError: jobs failed, and all others were computed first; or, before anything is computed, a kept file is damaged
            or the folder cannot be written.
    """
    missing = [job for job in jobs if not job.path.exists()]
    for job in jobs:
        if job.path.exists():
            read_cell(job.path)
    if not missing:
        return
    for folder in {job.path.parent for job in missing}:
        check_writable(folder)
    started, failed = time.monotonic(), []
    with (
        progress.progress_bar(title, len(missing)) as bar,
        contextlib.closing(engine(missing, workers)) as done,
    ):
        for number, outcome in enumerate(done, start=1):
            bar.advance(note=outcome.job.cell.label)
            if outcome.error:
                failed.append(outcome)
            if not progress.is_interactive():
                left = (time.monotonic() - started) / number * (len(missing) - number) / 60
                state = "failed" if outcome.error else f"{outcome.seconds:.0f} s"
                print(
                    f"{number}/{len(missing)} {outcome.job.cell.label}: {state}, about {left:.0f} min left",
                    file=sys.stderr,
                    flush=True,
                )
    if failed:
        for outcome in failed:
            print(f"{outcome.job.cell.label}:\n{outcome.error}", file=sys.stderr)
        labels = ", ".join(outcome.job.cell.label for outcome in failed)
        raise FacelabError(
            f"{len(failed)} of {len(missing)} cells failed: {labels}.",
            "The others are kept: mend these, and call it again.",
        )


def _checked_seeds(experiment: Experiment, seeds: int | None) -> int:
    if seeds is None:
        return experiment.seeds
    if not experiment.seeds:
        raise BadParameterError(f"{experiment.name} draws nothing that has a seed.", "Leave --seeds out.")
    if seeds < experiment.least_seeds:
        raise BadParameterError(
            f"--seeds {seeds} is too few for {experiment.name}.", f"Give --seeds {experiment.least_seeds} or more."
        )
    return seeds


def _checked_workers(experiment: Experiment, workers: int | None) -> int:
    if experiment.alone and workers not in (None, 1):
        raise BadParameterError(f"{experiment.name} measures time: its cells run alone.", "Leave --workers out.")
    if workers is not None and workers < 1:
        raise BadParameterError(f"{workers} workers.", "Give --workers 1 or more.")
    return 1 if experiment.alone else workers or min(os.cpu_count() or 1, 4)
